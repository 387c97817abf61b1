"""Capacities: what nodes have, what resources and all that must be with them need (placement-strategy other than default)."""

from __future__ import annotations

from standfast.scheduler.actions.ops import pseudo_op
from standfast.scheduler.actions.places import current_node
from standfast.scheduler.api import Load
from standfast.scheduler.memory import (
    AR_IF_ON_SAME_NODE_OR_TARGET,
    OPTIONAL,
    Allowed,
    Cluster,
    Node,
    Op,
    Resource,
    ScoreWalk,
    Variant,
)
from standfast.scheduler.mergesort import merge_sorted
from standfast.scheduler.orderings.new import new_ordering
from standfast.scheduler.placement.colocated import Affects, affects, all_this_with, all_with_this
from standfast.scheduler.placement.ledger import add_location
from standfast.scheduler.placement.tables import table_order
from standfast.scheduler.values import INT_MAX, int_or, name_key

INFINITY = 1_000_000


def counts(cluster: Cluster) -> bool:
    """Whether capacities matter at all."""
    return cluster.option("placement-strategy") != "default"


def _number(table: dict[str, str], name: str) -> int:
    return max(-INT_MAX - 1, min(INT_MAX, int_or(table.get(name), 0)))


def compare_capacities(a: Node, b: Node) -> int:
    """Negative if `a` has more left than `b`, by the number of attributes in which it has."""
    result = 0
    for name in {**a.utilization, **b.utilization}:
        x, y = _number(a.utilization, name), _number(b.utilization, name)
        result += (x < y) - (x > y)
    return result


def take(node: Node, rsc: Resource, sign: int) -> None:
    """Take a resource's needs from a node's capacity (sign -1), or give them back (1)."""
    for name in rsc.utilization:
        node.utilization[name] = str(_number(node.utilization, name) + sign * _number(rsc.utilization, name))


def note_load(cluster: Cluster, step: str, rsc: Resource | None, node: Node) -> None:
    """Keep what a node can carry at this step, or what a resource takes from it, for `crm_simulate -U`."""
    if not cluster.tells or (rsc is None and node.is_bundle_node):
        # (A replica's capacity is its host's.)
        return
    values = node.utilization if rsc is None else rsc.utilization
    name = "" if rsc is None else rsc.id
    cluster.loads.append(Load(step, name, node.name, tuple(values.items()), len(cluster.scores)))


def _is_enough(node: Node, needs: dict[str, str]) -> bool:
    return all(_number(needs, name) <= _number(node.utilization, name) for name in needs)


def _colocated(rsc: Resource, orig: Resource, found: list[Resource]) -> None:
    """Everything that must be where `rsc` is (Pacemaker: pcmk__colocated_resources)."""
    if rsc.variant == Variant.GROUP and (rsc.colocated or rsc.parent is not None):
        found.append(rsc)
        for member in rsc.children:
            _colocated(member, orig, found)
        return
    if rsc in found:
        return
    found.append(rsc)
    for colocation in all_this_with(rsc):
        primary = colocation.primary
        together = colocation.score == INFINITY and affects(rsc, primary, colocation, preview=True) == Affects.LOCATION
        if primary is not orig and together:
            _colocated(primary, orig, found)
    for colocation in all_with_this(rsc):
        dependent = colocation.dependent
        if dependent is orig or (rsc.variant == Variant.CLONE and dependent.variant != Variant.CLONE):
            continue
        if colocation.score == INFINITY and affects(dependent, rsc, colocation, preview=True) == Affects.LOCATION:
            _colocated(dependent, orig, found)


def _add_needs(rsc: Resource, everything: list[Resource], needs: dict[str, str]) -> None:
    if not rsc.unassigned:
        return
    if rsc.variant == Variant.PRIMITIVE:
        for name in rsc.utilization:
            needs[name] = str(_number(needs, name) + _number(rsc.utilization, name))
    elif rsc.variant == Variant.GROUP:
        members = rsc.children if rsc.colocated or rsc.parent is not None else rsc.children[:1]
        for member in members:
            if member.unassigned and member not in everything:
                _add_needs(member, everything, needs)
    elif rsc.replicas is not None:
        _add_needs(rsc.replicas.all[0].container, everything, needs)
    else:
        listed = [c for c in rsc.children if c in everything or any(m in everything for m in c.children)]
        for child in listed:
            if child not in everything:
                _add_needs(child, everything, needs)
        if not listed and rsc.children:
            _add_needs(rsc.children[0], everything, needs)


def ban_insufficient(cluster: Cluster, rsc: Resource) -> Node | None:
    """Ban nodes without room for a resource and what must be with it; if no node has, those without room for itself, and
    the node with most room left is returned to be preferred."""
    everything: list[Resource] = []
    _colocated(rsc, rsc, everything)
    needs: dict[str, str] = {}
    for one in everything:
        _add_needs(one, everything, needs)
    usable = [entry for entry in rsc.allowed.values() if entry.score >= 0 and entry.node.available()]
    fits = any(_is_enough(entry.node, needs) for entry in usable)
    for entry in usable:
        if not _is_enough(entry.node, needs if fits else rsc.utilization):
            add_location(cluster, rsc, entry.node, -INFINITY, "__limit_utilization__")
    return None if fits else _roomiest(rsc, usable)


def _roomiest(rsc: Resource, usable: list[Allowed]) -> Node | None:
    """The node with most room left; among equals, and when each has more than the next one (see `sorted_nodes`), the first in
    the table's order."""
    places = {entry.node.id for entry in usable}
    best: Node | None = None
    for key in table_order(rsc.allowed):
        node = rsc.allowed[key].node
        if key in places and (best is None or compare_capacities(node, best) < 0):
            best = node
    return best


def sort_resources(cluster: Cluster, nodes: list[Allowed]) -> None:
    """Resources in the order in which they may claim capacity: priority, then how much they want their nodes."""
    tables: dict[str, dict[str, Allowed]] = {}

    def table(rsc: Resource) -> dict[str, Allowed]:
        if rsc.id not in tables:
            walk = ScoreWalk(rsc, None, this_with=True)
            rsc.act().add_colocated_scores(cluster, walk, rsc, None, 1.0)
            tables[rsc.id] = walk.table or {}
        return tables[rsc.id]

    def score(rsc: Resource, node: Node | None) -> int:
        entry = None if node is None else table(rsc).get(node.id)
        return -INFINITY if entry is None else entry.score

    def compare(a: Resource, b: Resource) -> int:
        if a.priority != b.priority:
            return -1 if a.priority > b.priority else 1
        places = [(current_node(a) if a.active_nodes else None, current_node(b) if b.active_nodes else None)]
        places += [(entry.node, entry.node) for entry in nodes]
        for node_a, node_b in places:
            x, y = score(a, node_a), score(b, node_b)
            if x != y:
                return -1 if x > y else 1
        return 0

    cluster.resources = merge_sorted(cluster.resources, compare)


def _load_stopped(cluster: Cluster, node: Node) -> Op:
    op = pseudo_op(cluster, f"load_stopped_{node.name}")
    if op.node is None:
        op.node = node
        op.flags &= ~OPTIONAL
    return op


def order_loads(cluster: Cluster, rsc: Resource) -> None:
    """What needs room on a node starts there after what gives room has stopped."""
    for node in rsc.active_nodes:
        new_ordering(cluster, (rsc, "stop"), _load_stopped(cluster, node), AR_IF_ON_SAME_NODE_OR_TARGET)
    for entry in sorted(rsc.allowed.values(), key=lambda entry: name_key(entry.node.name)):
        point = _load_stopped(cluster, entry.node)
        new_ordering(cluster, point, (rsc, "start"), AR_IF_ON_SAME_NODE_OR_TARGET)
        new_ordering(cluster, point, (rsc, "migrate_to"), AR_IF_ON_SAME_NODE_OR_TARGET)
