"""Colocations at work: in which order they count, whom they affect, and what they add to scores.

A dependent is drawn to (or kept from) its primary's node; before that, the primary is drawn to where its dependents would
like to be, scaled by the colocation's score (Pacemaker: lib/pacemaker/pcmk_sched_colocation.c).
"""

from __future__ import annotations

from enum import Enum, auto

from standfast.scheduler.memory import Allowed, Cluster, Colocation, Node, Resource, Variant
from standfast.scheduler.placement.ledger import any_available, copy_table, note
from standfast.scheduler.placement.scores import add_scores
from standfast.scheduler.values import Role

INFINITY = 1_000_000


class Affects(Enum):
    """What a colocation decides now."""

    NOTHING = auto()
    LOCATION = auto()
    ROLE = auto()


def _compare(a: Resource, b: Resource) -> int:
    if a.priority != b.priority:
        return -1 if a.priority > b.priority else 1
    if a.variant != b.variant:
        return -1 if a.variant > b.variant else 1
    if a.variant == Variant.CLONE and a.promotable != b.promotable:
        return -1 if a.promotable else 1
    return (a.id > b.id) - (a.id < b.id)


def _insert(found: list[Colocation], made: Colocation, key: str) -> None:
    """Insert in order, before equals (as GLib's sorted insertion does)."""
    rsc = made.dependent if key == "dependent" else made.primary
    for index, other in enumerate(found):
        if _compare(rsc, other.dependent if key == "dependent" else other.primary) <= 0:
            found.insert(index, made)
            return
    found.append(made)


def add_this_with(found: list[Colocation], made: Colocation) -> None:
    """Add a colocation of one dependent, ordered by its primaries' importance."""
    _insert(found, made, "primary")


def add_with_this(found: list[Colocation], made: Colocation) -> None:
    """Add a colocation with one primary, ordered by its dependents' importance."""
    _insert(found, made, "dependent")


def extend_this_with(found: list[Colocation], more: list[Colocation]) -> None:
    """Add several, in order."""
    if not found:
        found.extend(more)
        return
    for colocation in more:
        add_this_with(found, colocation)


def extend_with_this(found: list[Colocation], more: list[Colocation]) -> None:
    """Add several, in order."""
    if not found:
        found.extend(more)
        return
    for colocation in more:
        add_with_this(found, colocation)


def all_with_this(rsc: Resource) -> list[Colocation]:
    """Every colocation in which `rsc` is the primary, its parents' and members' included."""
    found: list[Colocation] = []
    rsc.act().with_this(rsc, rsc, found)
    return found


def all_this_with(rsc: Resource) -> list[Colocation]:
    """Every colocation in which `rsc` is the dependent, its parents' and members' included."""
    found: list[Colocation] = []
    rsc.act().this_with(rsc, rsc, found)
    return found


def has_influence(colocation: Colocation, instance: Resource | None = None) -> bool:
    """Whether the dependent may draw the primary (`instance` of it)."""
    primary = instance or colocation.primary
    if colocation.dependent.nesting_allowed and not primary.failed and len(primary.active_nodes) == 1:
        # A bundle's connection moves without harm, its container does not.
        return False
    return colocation.influence or not primary.active_nodes


def _role_holder(rsc: Resource) -> Resource:
    """Whose role counts: a container's is that of what runs inside."""
    bundle = rsc.bundle() if rsc.replica_container else None
    for replica in () if bundle is None or bundle.replicas is None else bundle.replicas.all:
        if replica.container is rsc and replica.child is not None:
            return replica.child
    return rsc


def affects(dependent: Resource, primary: Resource, colocation: Colocation, preview: bool = False) -> Affects:
    """What `colocation` decides for `dependent` at this point of the assignment."""
    if not preview and primary.unassigned:
        return Affects.NOTHING
    dependent_holder, primary_holder = _role_holder(dependent), _role_holder(primary)
    parent, assigned = dependent_holder.parent, not dependent_holder.unassigned
    if colocation.dependent_role >= Role.UNPROMOTED and parent is not None and parent.promotable and assigned:
        return Affects.ROLE
    if not preview and not dependent.unassigned:
        return Affects.NOTHING
    for wanted, actual in ((colocation.dependent_role, dependent_holder), (colocation.primary_role, primary_holder)):
        if wanted not in (Role.UNKNOWN, actual.next_role):
            return Affects.NOTHING
    return Affects.LOCATION


def node_attribute(node: Node | None, attribute: str, rsc: Resource, assigned: bool = True) -> str | None:
    """A node's attribute as a resource sees it: with container-attribute-target=host, that of a guest's host (where its
    launcher is assigned, or is now)."""
    if node is None:
        return None
    launcher = node.launcher
    if launcher is None or rsc.meta.get("container-attribute-target", "").lower() != "host":
        return node.attrs.get(attribute)
    return host_attribute(launcher, attribute, assigned)


def host_attribute(launcher: Resource, attribute: str, assigned: bool) -> str | None:
    """An attribute of the node where a launcher is to be, or is now."""
    host = launcher.assigned
    if not assigned:
        host = launcher.active_nodes[0] if launcher.active_nodes else None
    return None if host is None else host.attrs.get(attribute)


def node_value(node: Node | None, attribute: str, rsc: Resource) -> str:
    """The node attribute that a colocation compares for `rsc`, in lower case (nodes' names by default). What is colocated
    with what runs in a bundle can't run in the container, but where the container is."""
    if node is not None and node.launcher is None:
        value = node.attrs.get(attribute)
        return "\0none" if value is None else value.lower()
    bundle = rsc.bundle()
    inside = bundle is not None and bundle.replicas is not None and rsc.top() is bundle.replicas.clone
    if node is not None and node.is_bundle_node and inside and node.launcher is not None:
        value = host_attribute(node.launcher, attribute, assigned=True)
    else:
        value = node_attribute(node, attribute, rsc)
    return ("" if node is None else "\0none") if value is None else value.lower()


def values_of(cluster: Cluster, attribute: str, rsc: Resource) -> dict[Node, str]:
    """`node_value` for every node. (Only what is said of guests depends on who asks.)"""
    plain = cluster.values.get(attribute)
    if plain is None:
        plain = {node: node_value(node, attribute, rsc) for node in cluster.nodes if node.launcher is None}
        cluster.values[attribute] = plain
    guests = cluster.nodes if len(plain) < len(cluster.nodes) else ()
    return plain | {node: node_value(node, attribute, rsc) for node in guests if node not in plain} if guests else plain


def apply_to_scores(cluster: Cluster, dependent: Resource, primary: Resource, colocation: Colocation) -> None:
    """The primary has been placed: draw the dependent there, or keep it away."""
    score = colocation.score
    if primary.assigned is None and score < 0:
        return
    wanted = node_value(primary.assigned, colocation.node_attribute, primary)
    values = values_of(cluster, colocation.node_attribute, dependent)
    table = copy_table(dependent.allowed)
    for entry in table.values():
        if primary.assigned is None:
            entry.score = add_scores(-score, entry.score)
        elif values[entry.node] == wanted:
            if score < INFINITY:
                entry.score = add_scores(score, entry.score)
        elif score >= INFINITY:
            entry.score = -INFINITY
    if abs(score) >= INFINITY or any_available(table):
        note_changes(cluster, dependent, table, colocation)
        dependent.allowed = table


def note_changes(cluster: Cluster, rsc: Resource, table: dict[str, Allowed], colocation: Colocation) -> None:
    """The ledger's entries for a table that replaces a resource's own."""
    if not cluster.tells:
        return
    other = colocation.primary if colocation.primary is not rsc else colocation.dependent
    for node_id, entry in table.items():
        old = rsc.allowed.get(node_id)
        change = entry.score - (0 if old is None else old.score)
        if change:
            change = entry.score if abs(entry.score) >= INFINITY else max(-INFINITY, min(INFINITY, change))
            sentence = f"{rsc.id} is colocated with {other.id} ({colocation.id})"
            note(cluster, rsc, entry.node, change, colocation.id, sentence)


def apply_to_priority(dependent: Resource, primary: Resource, colocation: Colocation) -> int:
    """Roles: an instance gains or loses promotion priority by where the primary is; returns the change."""
    if dependent.assigned is None:
        return 0
    if primary.assigned is not None and colocation.primary_role not in (Role.UNKNOWN, _role_holder(primary).next_role):
        return 0
    sign = 1
    attribute = colocation.node_attribute
    if node_value(dependent.assigned, attribute, dependent) != node_value(primary.assigned, attribute, primary):
        if colocation.score != INFINITY or colocation.dependent_role != Role.PROMOTED:
            return 0
        sign = -1
    elif colocation.dependent_role == Role.UNPROMOTED:
        sign = -1
    change = sign * colocation.score
    dependent.priority = add_scores(change, dependent.priority)
    return change
