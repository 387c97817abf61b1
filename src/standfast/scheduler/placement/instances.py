"""Assignment of a clone's instances: which one goes first, which stays where it is, and how many a node takes.

Pacemaker: lib/pacemaker/pcmk_sched_instances.c.
"""

from __future__ import annotations

from standfast.scheduler.actions.places import active_node, current_node
from standfast.scheduler.memory import Allowed, Cluster, Node, Resource, ScoreWalk, any_of
from standfast.scheduler.mergesort import merge_sorted
from standfast.scheduler.placement.colocated import all_this_with, all_with_this, has_influence
from standfast.scheduler.placement.ledger import add_location, ban, copy_table, withdraw
from standfast.scheduler.placement.nodes import unassign_resource
from standfast.scheduler.placement.scores import float32

INFINITY = 1_000_000


def instance_number(rsc: Resource) -> int:
    """The number behind the colon (or dash) of an instance's id."""
    digits = rsc.id.rpartition(":")[2] if ":" in rsc.id else rsc.id.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def sorted_instances(cluster: Cluster, instances: list[Resource]) -> list[Resource]:
    """Instances in the order in which they are assigned."""

    def compare(a: Resource, b: Resource) -> int:
        return compare_instances(cluster, a, b)

    return merge_sorted(instances, compare)


def top_allowed(instance: Resource, node: Node) -> Allowed | None:
    """The entry of a node in the table of what contains an instance."""
    owner = instance.parent or instance
    return owner.allowed.get(node.id)


def _usable(rsc: Resource, node: Node | None) -> tuple[Node | None, bool]:
    """(the node, unless the instance is banned there; whether it is not banned)."""
    if node is None:
        return None, True
    entry = rsc.allowed.get(node.id)
    return (None, False) if entry is None or entry.score < 0 else (node, True)


def _order(a: object, b: object) -> int:
    """-1 if only `a` is true, 1 if only `b` is."""
    return int(bool(b)) - int(bool(a))


def compare_instances(cluster: Cluster, a: Resource, b: Resource) -> int:
    """-1 if `a` is to be assigned before `b`: active on fewer nodes, allowed there, more important, on a good node, on one
    with fewer instances, not failed, drawn by colocations, lower number."""
    node_a, count_a, _ = active_node(a)
    node_b, count_b, _ = active_node(b)
    if count_a and count_b and count_a != count_b:
        return -1 if count_a < count_b else 1
    node_a, can_a = _usable(a, node_a)
    node_b, can_b = _usable(b, node_b)
    if can_a != can_b:
        return _order(can_a, can_b)
    if a.priority != b.priority:
        return -1 if a.priority > b.priority else 1
    if node_a is None or node_b is None:
        return _order(node_a is not None, node_b is not None)
    if node_a.available() != node_b.available():
        return _order(node_a.available(), node_b.available())
    entry_a, entry_b = top_allowed(a, node_a), top_allowed(b, node_b)
    if entry_a is None or entry_b is None:
        return _order(entry_a is not None, entry_b is not None)
    if entry_a.count != entry_b.count:
        return -1 if entry_a.count < entry_b.count else 1
    failed_a, failed_b = any_of(a, "failed"), any_of(b, "failed")
    if failed_a != failed_b:
        return 1 if failed_a else -1
    return _by_colocation(cluster, a, b, node_a, node_b) or instance_number(a) - instance_number(b)


def _by_colocation(cluster: Cluster, a: Resource, b: Resource, node_a: Node, node_b: Node) -> int:
    score_a, score_b = (_colocated_score(cluster, rsc, node) for rsc, node in ((a, node_a), (b, node_b)))
    return (score_b > score_a) - (score_b < score_a)


def _colocated_score(cluster: Cluster, rsc: Resource, node: Node) -> int:
    """What the instance's colocations make of its present node."""
    current = current_node(rsc) or node
    table = {current.id: Allowed(current, current.score)}
    for colocation in all_this_with(rsc):
        other = colocation.primary
        walk = ScoreWalk(rsc, table)
        other.act().add_colocated_scores(cluster, walk, other, colocation, float32(colocation.score / INFINITY))
        table = walk.table or table
    for colocation in all_with_this(rsc):
        if not has_influence(colocation, rsc):
            continue
        other = colocation.dependent
        walk = ScoreWalk(rsc, table, nonnegative=True)
        other.act().add_colocated_scores(cluster, walk, other, colocation, float32(colocation.score / INFINITY))
        table = walk.table or table
    return table[current.id].score


def assign_instances(cluster: Cluster, clone: Resource, instances: list[Resource], total: int, per_node: int) -> None:
    """Assign at most `total` instances, `per_node` on a node; those that run well and may stay come first."""
    available = 0
    for entry in clone.allowed.values():
        entry.count = 0
        available += entry.node.available()
    optimal = max(1, total // available) if available else 1
    assigned = 0
    for instance in instances:
        if assigned >= total:
            break
        if not instance.unassigned:
            continue
        current = _preferred(instance, optimal)
        if current is not None and _assign_early(cluster, instance, current, per_node, total - assigned):
            assigned += 1
    for instance in instances:
        if not instance.unassigned:
            continue
        if assigned >= total:
            add_location(cluster, instance, None, -INFINITY, "collective_limit_reached")
        elif _assign(cluster, instance, None, per_node) is not None:
            assigned += 1


def _preferred(instance: Resource, optimal: int) -> Node | None:
    if not instance.active_nodes or not instance.unassigned or instance.failed:
        return None
    node = current_node(instance)
    if node is None or not node.available() or node.score < 0:
        return None
    entry = top_allowed(instance, node)
    return None if entry is not None and entry.count >= optimal else node


def _may_run(instance: Resource, node: Node, per_node: int) -> bool:
    if instance.removed or not node.available():
        return False
    entry = top_allowed(instance, node)
    return entry is not None and entry.score >= 0 and entry.count < per_node


def _assign(cluster: Cluster, instance: Resource, prefer: Node | None, per_node: int) -> Node | None:
    if instance.assigning:
        return None
    for node_id, entry in instance.allowed.items():
        if not _may_run(instance, entry.node, per_node):
            ban(cluster, instance, entry, "no-place")
            for child in instance.children:
                if node_id in child.allowed:
                    ban(cluster, child, child.allowed[node_id], "no-place")
    chosen = instance.act().assign(cluster, instance, prefer, prefer is None)
    _count(instance, chosen)
    return chosen


def _count(instance: Resource, node: Node | None) -> None:
    entry = None if node is None else top_allowed(instance, node)
    if entry is not None:
        entry.count += 1


def _assign_early(cluster: Cluster, instance: Resource, current: Node, per_node: int, available: int) -> bool:
    """Try to leave an instance where it is; as often as another node wins, one of the free places is left for that."""
    entry = instance.allowed.get(current.id)
    if entry is None or entry.score < 0 or not current.available():
        return False
    parent = instance.parent
    assert parent is not None
    parts = [instance, *_descendants(instance)]
    saved = [copy_table(part.allowed) for part in parts]
    parent_table = parent.allowed
    parent.allowed = copy_table(parent_table)
    chosen: Node | None = None
    written = len(cluster.reasons)
    for _ in range(available):
        chosen = _assign(cluster, instance, current, per_node)
        if chosen is current:
            break
        for part, table in zip(parts, saved, strict=True):
            part.allowed = copy_table(table)
        withdraw(cluster, written, parts)
        if chosen is None:
            instance.unassigned = True
            break
        unassign_resource(instance)
        # Counts of this trial stay in the parent's trial table: that place is reserved.
        chosen = None
    parent.allowed = parent_table
    if chosen is None:
        return False
    _count(instance, chosen)
    return True


def _descendants(rsc: Resource) -> list[Resource]:
    return [part for child in rsc.children for part in (child, *_descendants(child))]
