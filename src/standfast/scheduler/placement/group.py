"""Groups in placement: members follow the first, the first knows what all of them want."""

from __future__ import annotations

from standfast.base.report import error
from standfast.scheduler.memory import Cluster, Colocation, Location, Node, Resource, ScoreWalk
from standfast.scheduler.placement.assign import record_scores
from standfast.scheduler.placement.colocated import add_this_with, extend_this_with, extend_with_this
from standfast.scheduler.placement.criteria import apply_location
from standfast.scheduler.placement.scores import add_scores

INFINITY = 1_000_000


def assign_group(cluster: Cluster, group: Resource, prefer: Node | None, stop_if_fail: bool) -> Node | None:
    """Assign the members in order; the node of the first one that got any is the group's."""
    if not group.unassigned:
        return group.assigned
    if group.assigning:
        return None
    group.assigning = True
    first = group.children[0]
    group.role = first.role
    record_scores(cluster, group, "pcmk__group_assign")
    chosen: Node | None = None
    for member in group.children:
        node = member.act().assign(cluster, member, prefer, stop_if_fail)
        chosen = chosen or node
    group.next_role = first.next_role
    group.assigning = group.unassigned = False
    return chosen if group.colocated else None


def apply_group_location(cluster: Cluster, group: Resource, location: Location) -> None:
    """A group's location counts for the group and its first member (for every member, if they are not colocated)."""
    apply_location(cluster, group, location)
    zeroed = Location(
        location.id, location.rsc, location.probe_mode, location.role, [(n, 0) for n, _ in reversed(location.scores)], ""
    )
    for index, member in enumerate(group.children):
        used = zeroed if group.colocated and index > 0 else location
        member.act().apply_location(cluster, member, used)


def apply_coloc_score(
    cluster: Cluster, dependent: Resource, primary: Resource, colocation: Colocation, for_dependent: bool
) -> int:
    """A colocation of a group, or with one."""
    if for_dependent:
        return _group_with(cluster, dependent, primary, colocation)
    return _with_group(cluster, dependent, primary, colocation)


def _cannot(cluster: Cluster, colocation: Colocation, group: Resource) -> int:
    one, other = colocation.dependent.id, colocation.primary.id
    what = f"{one}: Cannot perform mandatory colocation "
    what += f"between non-colocated group and {other}" if group.id == one else f"with non-colocated group {other}"
    cluster.tell(error("scheduler.colocation", what, where=colocation.id))
    return 0


def _group_with(cluster: Cluster, group: Resource, primary: Resource, colocation: Colocation) -> int:
    change = 0
    if group.colocated:
        member = group.children[0]
        change = member.act().apply_coloc_score(cluster, member, primary, colocation, for_dependent=True)
    elif colocation.score >= INFINITY:
        return _cannot(cluster, colocation, group)
    else:
        for member in group.children:
            change = add_scores(change, member.act().apply_coloc_score(cluster, member, primary, colocation, for_dependent=False))
    if change:
        group.priority = add_scores(change, group.priority)
    return change


def _with_group(cluster: Cluster, dependent: Resource, group: Resource, colocation: Colocation) -> int:
    if group.unassigned:
        return 0
    if group.colocated:
        member = group.children[-1] if colocation.score >= INFINITY else group.children[0]
        return member.act().apply_coloc_score(cluster, dependent, member, colocation, for_dependent=False)
    if colocation.score >= INFINITY:
        return _cannot(cluster, colocation, group)
    change = 0
    for member in group.children:
        change = add_scores(change, member.act().apply_coloc_score(cluster, dependent, member, colocation, for_dependent=False))
    return change


def with_this(group: Resource, orig: Resource, found: list[Colocation]) -> None:
    """What is colocated with a group is colocated with its last member."""
    if orig is not group and orig is not group.children[-1]:
        return
    extend_with_this(found, group.with_this)
    if group.parent is not None:
        group.parent.act().with_this(group.parent, orig, found)
    if group.colocated:
        for member in group.children:
            if member is not orig:
                member.act().with_this(member, orig, found)


def this_with(group: Resource, orig: Resource, found: list[Colocation]) -> None:
    """A group's colocations are its first member's; later members only need them if one before them is unmanaged."""
    if group is orig or orig is group.children[0]:
        extend_this_with(found, group.this_with)
        if group.parent is not None:
            group.parent.act().this_with(group.parent, orig, found)
        if group.colocated:
            for member in group.children:
                if member is not orig:
                    member.act().this_with(member, orig, found)
        return
    for member in group.children:
        if member is orig:
            return
        if not member.managed:
            for colocation in group.this_with:
                if colocation.score == INFINITY:
                    add_this_with(found, colocation)
            return


def add_colocated_scores(
    cluster: Cluster, walk: ScoreWalk, group: Resource, colocation: Colocation | None, factor: float
) -> None:
    """A group's preferences are those of its first member, who asks the others (of the last, when a walk starts here)."""
    if group.updating_nodes:
        return
    group.updating_nodes = True
    member = group.children[-1] if walk.table is None else group.children[0]
    member.act().add_colocated_scores(cluster, walk, member, colocation, factor)
    group.updating_nodes = False
