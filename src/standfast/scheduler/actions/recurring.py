"""Recurring operations: started with the resource, cancelled when no longer configured or not for this role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.report import error
from standfast.scheduler.actions.core import find_by_key, find_exact, relate
from standfast.scheduler.actions.meta import find_config
from standfast.scheduler.actions.ops import get_action, start_action
from standfast.scheduler.fencing.unfencing import trigger_unfencing
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_ORDERED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    OPTIONAL,
    RESCHEDULE,
    RUNNABLE,
    Cluster,
    Node,
    Op,
    Resource,
    op_key,
)
from standfast.scheduler.orderings.new import new_ordering
from standfast.scheduler.values import Role, interval_ms, parse_role

if TYPE_CHECKING:
    from lxml import etree

ONCE_ONLY = ("stop", "start", "demote", "promote", "reload-agent", "migrate_to", "migrate_from")
AFTER = AR_FIRST_IMPLIES_THEN | AR_UNRUNNABLE_FIRST_BLOCKS


@dataclass(frozen=True, slots=True)
class Recurring:
    """One configured recurring operation; role UNKNOWN means any active role but Promoted."""

    id: str
    name: str
    interval_ms: int
    role: Role
    key: str


def create_recurring(cluster: Cluster, rsc: Resource) -> None:
    """Schedule, keep or cancel each recurring operation of a primitive; none for what is blocked or in maintenance."""
    if rsc.blocked or rsc.maintenance:
        return
    start: Op | None = None
    node = rsc.assigned
    if node is not None and not node.maintenance and (rsc.next_role != Role.STOPPED or not rsc.managed):
        start = start_action(cluster, rsc, node, optional=True)
    for element in rsc.ops_xml:
        op = _read(cluster, rsc, element)
        if op is None:
            continue
        if start is not None:
            _for_active(cluster, rsc, start, node, op)
        _for_inactive(cluster, rsc, node, op)


def _read(cluster: Cluster, rsc: Resource, element: etree._Element) -> Recurring | None:
    interval = interval_ms(element.get("interval"))
    if interval == 0:
        return None
    op_id, name = element.get("id") or "", element.get("name") or ""
    same = [
        other
        for other in rsc.ops_xml
        if other.get("name") == name and interval_ms(other.get("interval")) == interval and other.get("id")
    ]
    role = parse_role(element.get("role"))
    what = ""
    if not op_id:
        what = "Ignoring resource history entry without ID"
    elif name in ONCE_ONLY:
        what = f"Ignoring {op_id} because {name} action cannot be recurring"
    elif len(same) > 1:
        names = f"{same[1].get('id')} is duplicate of {same[0].get('id')}"
        what = f"Operation {names} (do not use same name and interval combination more than once per resource)"
    elif element.get("role") is not None and role == Role.UNKNOWN:
        what = f"Ignoring {op_id} role because {element.get('role')} is not a valid role"
    if what:
        cluster.tell(error("scheduler.operation", what, where=op_id or rsc.id))
        return None
    if find_config(rsc, name, interval, include_disabled=False) is None:
        return None
    return Recurring(op_id, name, interval, role, op_key(rsc.id, name, interval))


def _runs_already(rsc: Resource, node: Node | None, key: str, start: Op) -> bool:
    """Whether the operation goes on as it is: no restart, known to run there, definition unchanged."""
    if node is None or not start.flags & OPTIONAL:
        return False
    known = find_exact(rsc, key, node)
    return bool(known) and not any(op.flags & RESCHEDULE for op in known)


def _for_active(cluster: Cluster, rsc: Resource, start: Op, node: Node | None, op: Recurring) -> None:
    if op.role == Role.STOPPED:
        return
    optional = _runs_already(rsc, node, op.key, start)
    matches = rsc.next_role != Role.PROMOTED if op.role == Role.UNKNOWN else rsc.next_role == op.role
    if not matches:
        if optional:
            _cancel_for_role(cluster, rsc, node, op)
        return
    monitor = get_action(cluster, rsc, op.name, node, optional, op.interval_ms)
    if not start.flags & RUNNABLE or node is None or not node.online or node.unclean:
        monitor.flags &= ~RUNNABLE
    if rsc.next_role == Role.PROMOTED:
        monitor.meta["op_target_rc"] = "8"
    if node is None or rsc.managed:
        new_ordering(cluster, (rsc, "start"), monitor, AFTER)
        new_ordering(cluster, (rsc, "reload-agent"), monitor, AFTER)
        if rsc.next_role == Role.PROMOTED:
            new_ordering(cluster, (rsc, "promote"), monitor, AR_ORDERED | AR_UNRUNNABLE_FIRST_BLOCKS)
        elif rsc.role == Role.PROMOTED:
            new_ordering(cluster, (rsc, "demote"), monitor, AR_ORDERED | AR_UNRUNNABLE_FIRST_BLOCKS)


def _cancel_for_role(cluster: Cluster, rsc: Resource, node: Node | None, op: Recurring) -> None:
    cancel = new_cancel(cluster, rsc, op.name, op.interval_ms, node)
    after = ""
    if rsc.role in (Role.UNPROMOTED, Role.STARTED):
        after = {Role.PROMOTED: "promote", Role.STOPPED: "stop"}.get(rsc.next_role, "")
    elif rsc.role == Role.PROMOTED:
        after = "demote"
    if after:
        new_ordering(cluster, cancel, (rsc, after), AR_UNRUNNABLE_FIRST_BLOCKS)


def _for_inactive(cluster: Cluster, rsc: Resource, node: Node | None, op: Recurring) -> None:
    """role=Stopped: the operation runs wherever the resource does not."""
    if op.role != Role.STOPPED or not rsc.unique:
        return
    for other in cluster.nodes:
        known = find_exact(rsc, op.key, other)
        if other is node:
            if known:
                cancel = new_cancel(cluster, rsc, op.name, op.interval_ms, node)
                if rsc.next_role in (Role.STARTED, Role.UNPROMOTED):
                    new_ordering(cluster, cancel, (rsc, "start"), AR_UNRUNNABLE_FIRST_BLOCKS)
            continue
        monitor = get_action(cluster, rsc, op.name, other, bool(known), op.interval_ms)
        monitor.meta["op_target_rc"] = "7"
        if rsc.managed:
            for probe in find_by_key(rsc, op_key(rsc.id, "monitor"), other):
                relate(probe, monitor, AR_UNRUNNABLE_FIRST_BLOCKS)
        _order_after_stops(cluster, rsc, other, monitor)
        if not other.online or other.unclean:
            monitor.flags &= ~RUNNABLE


def _order_after_stops(cluster: Cluster, rsc: Resource, node: Node, monitor: Op) -> None:
    for stop in find_exact(rsc, op_key(rsc.id, "stop"), node):
        if not stop.flags & OPTIONAL and not monitor.flags & OPTIONAL and not rsc.managed:
            monitor.flags |= OPTIONAL
        if not stop.flags & RUNNABLE:
            monitor.flags &= ~RUNNABLE
        if rsc.managed:
            new_ordering(cluster, stop, monitor, AFTER)


def new_cancel(cluster: Cluster, rsc: Resource, task: str, interval: int, node: Node | None) -> Op:
    """An order to end a recurring operation."""
    op = get_action(cluster, rsc, "cancel", node, optional=False, interval_ms=interval, key_task=task)
    op.task = "cancel"
    op.cancel_task = task
    op.meta["operation"] = task
    op.meta["interval"] = str(interval)
    return op


def schedule_cancel(cluster: Cluster, rsc: Resource, call_id: str | None, task: str, interval: int, node: Node) -> None:
    """Cancel an operation that runs but is no longer wanted, after a stop if there is one."""
    op = new_cancel(cluster, rsc, task, interval, node)
    if call_id is not None:
        op.meta["call-id"] = call_id
    new_ordering(cluster, (rsc, "stop"), op, AR_ORDERED)


def reschedule(cluster: Cluster, rsc: Resource, task: str, interval: int, node: Node) -> None:
    """Run a recurring operation anew, because its definition changed."""
    trigger_unfencing(cluster, rsc, node, "Device parameters changed (reschedule)")
    get_action(cluster, rsc, task, node, optional=True, interval_ms=interval).flags |= RESCHEDULE
