"""The choice of a node: best score, then fewest resources, then where the resource is, then the name."""

from __future__ import annotations

from itertools import pairwise

from standfast.scheduler.actions.places import current_node
from standfast.scheduler.memory import OPTIONAL, RUNNABLE, Allowed, Cluster, Node, Resource
from standfast.scheduler.mergesort import merge_sorted
from standfast.scheduler.placement.tables import table_order
from standfast.scheduler.placement.utilization import ban_insufficient, compare_capacities, counts, note_load, take
from standfast.scheduler.values import Role

INFINITY = 1_000_000


def sorted_nodes(cluster: Cluster, table: dict[str, Allowed], active: Node | None) -> list[Allowed]:
    """A table's entries, best first, for whoever goes by the whole order."""
    nodes = _sorted(cluster, table, active)
    if any(_tie(a, b) for a, b in pairwise(nodes)):
        cluster.watch.tied = True
    return nodes


def _tie(a: Allowed, b: Allowed) -> bool:
    """Whether two nodes are equal but for how many resources they have."""
    return a.node.available() == b.node.available() and (a.score == b.score or not a.node.available())


def _sorted(cluster: Cluster, table: dict[str, Allowed], active: Node | None) -> list[Allowed]:
    balanced = cluster.option("placement-strategy") == "balanced"
    return best_first(cluster, [table[key] for key in reversed(table_order(table))] if balanced else list(table.values()), active)


def best_first(cluster: Cluster, entries: list[Allowed], active: Node | None) -> list[Allowed]:
    """Entries in order of preference (Pacemaker: compare_nodes).

    By "balanced", node A can come before B, B before C and C before A (each has more of another kind): then the order before
    sorting decides, and the algorithm.
    """
    strategy = cluster.option("placement-strategy")
    minimal, balanced = strategy == "minimal", strategy == "balanced"

    def by_score(a: Allowed) -> tuple[int, str]:
        return (-a.score if a.node.available() else INFINITY), a.node.name

    def by_count(a: Allowed) -> tuple[int, int, bool, str]:
        node = a.node
        return (-a.score if node.available() else INFINITY), node.assigned_count, node is not active, node.name

    def compare(a: Allowed, b: Allowed) -> int:
        x = a.score if a.node.available() else -INFINITY
        y = b.score if b.node.available() else -INFINITY
        if x != y:
            return -1 if x > y else 1
        if (capacity := compare_capacities(a.node, b.node)) != 0:
            return -1 if capacity < 0 else 1
        return -1 if by_count(a) < by_count(b) else 1

    if balanced:
        return merge_sorted(entries, compare)
    return sorted(entries, key=by_score if minimal else by_count)


def assign_best(cluster: Cluster, rsc: Resource, prefer: Node | None, stop_if_fail: bool) -> bool:
    """Assign `rsc` to its best node; `prefer` wins among equals, then the node where it is active if the score is positive."""
    roomiest = ban_insufficient(cluster, rsc) if counts(cluster) else None
    prefer = prefer or roomiest
    if not rsc.unassigned:
        return rsc.assigned is not None
    nodes = _sorted(cluster, rsc.allowed, current_node(rsc))
    chosen: Allowed | None = None
    if prefer is not None and nodes:
        chosen = rsc.allowed.get(prefer.id)
        if chosen is not None and (chosen.score < nodes[0].score or chosen.score < 0 or not chosen.node.available()):
            chosen = None
    if chosen is None and nodes:
        chosen = nodes[0]
        unique_instance = rsc.parent is not None and rsc.parent.unique and rsc.parent.variant == 3
        running = current_node(rsc)
        stays = chosen.node is running
        if not unique_instance and chosen.score > 0 and chosen.node.available() and running is not None and running.available():
            for entry in nodes[1:]:
                if entry.score != chosen.score:
                    break
                if entry.node is running:
                    chosen, stays = entry, True
        else:
            stays = False
        if not stays and len(nodes) > 1 and nodes[0].node.available() and nodes[0].score >= 0 and _tie(nodes[0], nodes[1]):
            cluster.watch.tied = True
    assign_resource(cluster, rsc, chosen, force=False, stop_if_fail=stop_if_fail)
    return rsc.assigned is not None


def _may_take(node: Node) -> bool:
    """Whether a node takes resources: guests are assumed to come up."""
    return node.launcher is not None or node.available()


def assign_resource(cluster: Cluster, rsc: Resource, chosen: Allowed | None, force: bool, stop_if_fail: bool) -> bool:
    """Put `rsc` on a node, or nowhere; returns whether that changed anything. Unless forced, a banned or unavailable node is
    as good as none."""
    if rsc.children:
        changed = False
        for child in rsc.children:
            changed |= assign_resource(cluster, child, chosen, force, stop_if_fail)
        return changed
    if not force and chosen is not None and (chosen.score < 0 or not _may_take(chosen.node)):
        if stop_if_fail:
            rsc.next_role = Role.STOPPED
        chosen = None
    node = None if chosen is None else chosen.node
    changed = rsc.assigned is not node
    unassign_resource(rsc)
    rsc.unassigned = False
    if node is None:
        if stop_if_fail:
            rsc.next_role = Role.STOPPED
            _stop_scheduled(rsc)
        return changed
    rsc.assigned = node
    node.assigned_count += 1
    take(node, rsc, -1)
    note_load(cluster, "pcmk__assign_resource", rsc, node)
    if chosen is not None:
        chosen.count += 1
        rsc.assigned_score = chosen.score
    return changed


def _stop_scheduled(rsc: Resource) -> None:
    """Actions made before the resource was found to have no node."""
    for op in rsc.actions:
        if op.task == "stop":
            op.flags &= ~OPTIONAL
        elif op.task == "start" or (op.meta.get("interval", "0") != "0" and op.meta.get("op_target_rc") != "7"):
            op.flags &= ~RUNNABLE


def unassign_resource(rsc: Resource) -> None:
    """Take `rsc` (and its members) from where it was assigned."""
    rsc.unassigned = True
    for child in rsc.children:
        unassign_resource(child)
    if not rsc.children and rsc.assigned is not None:
        rsc.assigned.assigned_count -= 1
        take(rsc.assigned, rsc, 1)
        rsc.assigned = None
