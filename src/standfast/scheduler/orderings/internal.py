"""Orderings that resources imply by themselves: stop before start, members of a group one after the other."""

from __future__ import annotations

from standfast.scheduler.constraints.colocation import new_colocation
from standfast.scheduler.fencing.unfencing import order_restarts
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_FIRST_IMPLIES_THEN_GRAPHED,
    AR_IF_ON_SAME_NODE,
    AR_INTERMEDIATE_STOP,
    AR_NONE,
    AR_ORDERED,
    AR_PROMOTED_THEN_IMPLIES_FIRST,
    AR_THEN_CANCELS_FIRST,
    AR_THEN_IMPLIES_FIRST,
    AR_THEN_IMPLIES_FIRST_GRAPHED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    Cluster,
    Resource,
)
from standfast.scheduler.orderings.launched import avoid_remote_nodes, order_with_launcher
from standfast.scheduler.orderings.new import order_tasks
from standfast.scheduler.placement.utilization import counts, order_loads
from standfast.scheduler.values import Role

INFINITY = 1_000_000


def primitive_constraints(cluster: Cluster, rsc: Resource) -> None:
    """A primitive's own orderings; an unmanaged one has none."""
    if not rsc.managed:
        return
    order_tasks(cluster, rsc, "stop", rsc, "start", AR_ORDERED | AR_FIRST_IMPLIES_THEN | AR_INTERMEDIATE_STOP)
    if rsc.top().promotable or rsc.role > Role.UNPROMOTED:
        order_tasks(cluster, rsc, "demote", rsc, "stop", AR_PROMOTED_THEN_IMPLIES_FIRST)
        order_tasks(cluster, rsc, "start", rsc, "promote", AR_UNRUNNABLE_FIRST_BLOCKS)
    # A history that is deleted needs no probe first.
    order_tasks(cluster, rsc, "lrm_delete", rsc, "monitor", AR_IF_ON_SAME_NODE | AR_THEN_CANCELS_FIRST)
    order_restarts(cluster, rsc)
    if rsc.utilization and counts(cluster):
        order_loads(cluster, rsc)
    order_with_launcher(cluster, rsc)
    if rsc.connection or rsc.fence_device:
        avoid_remote_nodes(cluster, rsc)


def group_constraints(cluster: Cluster, group: Resource) -> None:
    """A group's points in time around its members', and the members among themselves."""
    order_tasks(cluster, group, "stop", group, "stopped", AR_UNRUNNABLE_FIRST_BLOCKS)
    order_tasks(cluster, group, "stopped", group, "start", AR_ORDERED)
    order_tasks(cluster, group, "start", group, "running", AR_UNRUNNABLE_FIRST_BLOCKS)
    promotable = group.top().promotable
    previous: Resource | None = None
    last_active: Resource | None = None
    for member in group.children:
        _member(cluster, group, member, previous, promotable)
        if member.active_nodes:
            if (
                group.ordered
                and previous is not None
                and not previous.active_nodes
                and last_active is not None
                and last_active.active_nodes
            ):
                order_tasks(cluster, member, "stop", last_active, "stop", AR_ORDERED)
            last_active = member
        previous = member


def _member(cluster: Cluster, group: Resource, member: Resource, previous: Resource | None, promotable: bool) -> None:
    member.act().internal_constraints(cluster, member)
    down, after_down = AR_THEN_IMPLIES_FIRST_GRAPHED, AR_FIRST_IMPLIES_THEN_GRAPHED
    up = AR_UNRUNNABLE_FIRST_BLOCKS | AR_FIRST_IMPLIES_THEN | AR_FIRST_IMPLIES_THEN_GRAPHED
    if previous is None:
        if group.ordered:
            down |= AR_ORDERED
            after_down = AR_FIRST_IMPLIES_THEN
    elif group.colocated:
        new_colocation(cluster, "#group-members", INFINITY, member, previous, influence=member.critical, explicit=False)
    if promotable:
        order_tasks(cluster, group, "demote", member, "demote", down)
        order_tasks(cluster, member, "demote", group, "demoted", after_down)
        order_tasks(cluster, member, "promote", group, "promoted", up)
        order_tasks(cluster, group, "promote", member, "promote", AR_THEN_IMPLIES_FIRST_GRAPHED)
    order_tasks(cluster, group, "stop", member, "stop", down)
    order_tasks(cluster, member, "stop", group, "stopped", after_down)
    order_tasks(cluster, group, "start", member, "start", AR_THEN_IMPLIES_FIRST_GRAPHED)
    order_tasks(cluster, member, "start", group, "running", up)
    if not group.ordered:
        _unordered(cluster, group, member, promotable)
    elif previous is None:
        order_tasks(cluster, group, "start", member, "start", AR_NONE)
        if promotable:
            order_tasks(cluster, group, "promote", member, "promote", AR_NONE)
    else:
        _after(cluster, member, previous, promotable)


def _unordered(cluster: Cluster, group: Resource, member: Resource, promotable: bool) -> None:
    flags = AR_FIRST_IMPLIES_THEN | AR_UNRUNNABLE_FIRST_BLOCKS | AR_THEN_IMPLIES_FIRST_GRAPHED
    order_tasks(cluster, group, "start", member, "start", flags)
    if promotable:
        order_tasks(cluster, group, "promote", member, "promote", flags)


def _after(cluster: Cluster, member: Resource, previous: Resource, promotable: bool) -> None:
    order_tasks(cluster, previous, "start", member, "start", AR_FIRST_IMPLIES_THEN | AR_UNRUNNABLE_FIRST_BLOCKS)
    order_tasks(cluster, member, "stop", previous, "stop", AR_ORDERED | AR_INTERMEDIATE_STOP)
    if member.active_nodes and not previous.active_nodes:
        # A later member is active without the one it needs: it must stop before that one starts.
        order_tasks(cluster, member, "stop", previous, "start", AR_THEN_IMPLIES_FIRST | AR_UNRUNNABLE_FIRST_BLOCKS)
    if promotable:
        order_tasks(cluster, previous, "promote", member, "promote", AR_FIRST_IMPLIES_THEN | AR_UNRUNNABLE_FIRST_BLOCKS)
        order_tasks(cluster, member, "demote", previous, "demote", AR_ORDERED)
