"""From roles to actions: what takes a primitive from its role and node of now to those it was assigned."""

from __future__ import annotations

from collections.abc import Callable

from standfast.base.report import error, notice
from standfast.scheduler.actions.core import find_exact, set_reason
from standfast.scheduler.actions.migration import abort_dangling, can_migrate, create_migration
from standfast.scheduler.actions.ops import get_action, rsc_pseudo_op, start_action, stop_action
from standfast.scheduler.actions.places import active_node
from standfast.scheduler.actions.recurring import create_recurring
from standfast.scheduler.fencing.unfencing import order_stop_before_unfencing, order_vs_unfencing
from standfast.scheduler.memory import (
    ALWAYS,
    AR_FIRST_IMPLIES_THEN,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Cluster,
    MultipleActive,
    Node,
    Resource,
    op_key,
)
from standfast.scheduler.values import Role, is_true

# The last argument of a step: whether its actions are optional.
REQUIRED = False
Step = Callable[[Cluster, Resource, Node | None, bool], None]


def _expected_there(rsc: Resource, node: Node | None) -> bool:
    """multiple-active=stop_unexpected: the instance where the resource belongs is left running."""
    return rsc.stop_unexpected and rsc.restarting and rsc.next_role > Role.STOPPED and rsc.assigned is node


def _stop(cluster: Cluster, rsc: Resource, _node: Node | None, optional: bool) -> None:
    for current in rsc.active_nodes:
        if _expected_there(rsc, current):
            continue
        if rsc.migration_target is not None:
            if current is rsc.migration_target and current is rsc.assigned:
                continue
            optional = False
        stop = stop_action(cluster, rsc, current, optional)
        if rsc.assigned is None:
            set_reason(stop, "node availability", overwrite=True)
        elif rsc.restarting and rsc.stop_unexpected:
            set_reason(stop, "being multiply active", overwrite=True)
        if not rsc.managed:
            stop.flags &= ~RUNNABLE
        order_stop_before_unfencing(cluster, rsc, stop, current)


def _start(cluster: Cluster, rsc: Resource, node: Node | None, optional: bool) -> None:
    start = start_action(cluster, rsc, node, optional=True)
    if node is not None:
        order_vs_unfencing(cluster, rsc, node, start, AR_FIRST_IMPLIES_THEN)
    if start.flags & RUNNABLE and not optional:
        start.flags &= ~OPTIONAL
    if _expected_there(rsc, node):
        start.flags |= PSEUDO


def _promote(cluster: Cluster, rsc: Resource, node: Node | None, optional: bool) -> None:
    starts = find_exact(rsc, op_key(rsc.id, "start"), node)
    if all(start.flags & RUNNABLE for start in starts):
        promote = get_action(cluster, rsc, "promote", node, optional)
        if _expected_there(rsc, node):
            promote.flags |= PSEUDO
    else:
        for promote in find_exact(rsc, op_key(rsc.id, "promote"), node):
            promote.flags &= ~RUNNABLE


def _demote(cluster: Cluster, rsc: Resource, _node: Node | None, optional: bool) -> None:
    for current in rsc.active_nodes:
        if not _expected_there(rsc, current):
            get_action(cluster, rsc, "demote", current, optional)


_S, _R, _U, _P = Role.STOPPED, Role.STARTED, Role.UNPROMOTED, Role.PROMOTED
# (role now, role wanted): the role after the next step.
NEXT_ROLE: dict[tuple[Role, Role], Role] = {
    (Role.UNKNOWN, _S): _S,
    (Role.UNKNOWN, _R): _S,
    (Role.UNKNOWN, _U): _S,
    (Role.UNKNOWN, _P): _S,
    (_S, _S): _S,
    (_S, _R): _R,
    (_S, _U): _U,
    (_S, _P): _U,
    (_R, _S): _S,
    (_R, _R): _R,
    (_R, _U): _U,
    (_R, _P): _P,
    (_U, _S): _S,
    (_U, _R): _S,
    (_U, _U): _U,
    (_U, _P): _P,
    (_P, _S): _U,
    (_P, _R): _U,
    (_P, _U): _U,
    (_P, _P): _P,
}
# (role now, role after the step): what does it; a missing pair needs nothing.
STEPS: dict[tuple[Role, Role], Step] = {
    (Role.UNKNOWN, _S): _stop,
    (_S, _R): _start,
    (_S, _U): _start,
    (_R, _S): _stop,
    (_R, _P): _promote,
    (_U, _S): _stop,
    (_U, _R): _stop,
    (_U, _P): _promote,
    (_P, _S): _demote,
    (_P, _R): _demote,
    (_P, _U): _demote,
}


def _restart(cluster: Cluster, rsc: Resource, current: Node | None, need_stop: bool, need_promote: bool) -> None:
    """Actions down to Stopped and up again; optional unless a stop is needed, so that orderings can make them required."""
    rsc.restarting = True
    role = rsc.role
    while role != Role.STOPPED:
        following = NEXT_ROLE.get((role, Role.STOPPED), Role.STOPPED)
        step = STEPS.get((role, following))
        if step is None:
            break
        step(cluster, rsc, current, not need_stop)
        role = following
    while rsc.role <= rsc.next_role and role != rsc.role and not rsc.blocked:
        following = NEXT_ROLE.get((role, rsc.role), Role.STOPPED)
        step = STEPS.get((role, following))
        if step is None:
            break
        step(cluster, rsc, rsc.assigned, not (need_stop or (following == Role.PROMOTED and need_promote)))
        role = following
    rsc.restarting = False


def _change_role(cluster: Cluster, rsc: Resource) -> None:
    role = rsc.role
    while role != rsc.next_role:
        following = NEXT_ROLE.get((role, rsc.next_role), Role.STOPPED)
        step = STEPS.get((role, following))
        if step is None:
            break
        step(cluster, rsc, rsc.assigned, REQUIRED)
        role = following


def create_primitive_actions(cluster: Cluster, rsc: Resource) -> None:
    """All actions of one primitive but probes and clean-ups."""
    if rsc.next_role == Role.UNKNOWN:
        rsc.next_role = Role.STOPPED if rsc.assigned is None else Role.STARTED
    current, count, clean = active_node(rsc)
    for source in reversed(rsc.dangling_sources):
        abort_dangling(cluster, rsc, source)
    moving = current is not None and rsc.assigned is not None and current is not rsc.assigned and rsc.next_role >= Role.STARTED
    migrate = moving and current is not None and can_migrate(rsc, current)
    need_stop = moving
    twice = False
    if migrate and count == 2 and rsc.migration_source is not None and _migration_goes_on(rsc, current):
        pass
    elif rsc.migration_source is not None or rsc.migration_target is not None:
        cluster.tell(notice("scheduler.migration", f"{rsc.id} is recovered", "its migration can't go on", where=rsc.id))
        need_stop = True
        rsc.migration_source = rsc.migration_target = None
        migrate = False
    else:
        twice = (count if rsc.needs_fencing else clean) > 1
    rsc.stop_unexpected = False
    if twice:
        need_stop = _active_twice(cluster, rsc, count) or need_stop
    if rsc.start_pending:
        start_action(cluster, rsc, rsc.assigned, optional=True).flags |= ALWAYS
    need_promote = False
    if not moving:
        if rsc.failed:
            if rsc.stop_if_failed:
                need_stop = True
            elif rsc.next_role == Role.PROMOTED:
                need_promote = True
        elif rsc.blocked:
            need_stop = True
        elif rsc.role > Role.STARTED and current is not None and rsc.assigned is not None:
            start = start_action(cluster, rsc, rsc.assigned, optional=True)
            need_stop = need_stop or not start.flags & OPTIONAL
    _restart(cluster, rsc, current, need_stop, need_promote)
    _change_role(cluster, rsc)
    create_recurring(cluster, rsc)
    if migrate and current is not None:
        create_migration(cluster, rsc, current)


def _migration_goes_on(rsc: Resource, current: Node | None) -> bool:
    return rsc.migration_target is not None and current is rsc.migration_source and rsc.assigned is rsc.migration_target


MULTIPLE_TEXT = {
    MultipleActive.STOP_ONLY: "shutting it down",
    MultipleActive.STOP_START: "attempting recovery",
    MultipleActive.BLOCK: "waiting for an administrator",
    MultipleActive.STOP_UNEXPECTED: "stopping unexpected instances",
}


def _active_twice(cluster: Cluster, rsc: Resource, count: int) -> bool:
    what = (
        f"{rsc.agent[0] or 'Untyped'} resource {rsc.id} might be active on {count} nodes ({MULTIPLE_TEXT[rsc.multiple_active]})"
    )
    cluster.tell(error("scheduler.active-twice", what))
    rsc.stop_unexpected = rsc.multiple_active == MultipleActive.STOP_UNEXPECTED
    return rsc.multiple_active in (MultipleActive.STOP_START, MultipleActive.STOP_UNEXPECTED)


def create_group_actions(cluster: Cluster, group: Resource) -> None:
    """The members' actions, and the points in time of the group itself."""
    for member in group.children:
        member.act().create_actions(cluster, member)
    tasks = ["start", "running", "stop", "stopped"]
    if is_true(group.meta.get("promotable")):
        tasks += ["demote", "demoted", "promote", "promoted"]
    for task in tasks:
        rsc_pseudo_op(cluster, group, task)
