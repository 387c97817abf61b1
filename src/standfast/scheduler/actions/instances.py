"""Actions of clones: their instances', and the clone's own points in time around them."""

from __future__ import annotations

from standfast.scheduler.actions.core import relate
from standfast.scheduler.actions.notifications import Notification, action_notifications
from standfast.scheduler.actions.ops import rsc_pseudo_op
from standfast.scheduler.actions.places import assigned_to
from standfast.scheduler.memory import (
    AR_ORDERED,
    MIGRATABLE,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Node,
    Op,
    ProbeMode,
    Resource,
    primitives,
)
from standfast.scheduler.placement.instances import instance_number

INFINITY = 1_000_000


def _changes(instances: list[Resource]) -> tuple[bool, bool, bool, bool]:
    """(any instance starts, any stops, any does both, any is active)."""
    starting = stopping = restarting = active = False
    for leaf in (leaf for instance in instances for leaf in primitives(instance)):
        active = active or bool(leaf.active_nodes)
        start = any(op.task == "start" and op.flags & RUNNABLE and not op.flags & OPTIONAL for op in leaf.actions)
        stop = any(op.task == "stop" and op.flags & (PSEUDO | RUNNABLE) and not op.flags & OPTIONAL for op in leaf.actions)
        starting, stopping, restarting = starting or start, stopping or stop, restarting or (start and stop)
    return starting, stopping, restarting, active


def create_instance_actions(cluster: Cluster, owner: Resource, instances: list[Resource]) -> tuple[Op, Op, Op, Op]:
    """Actions of every instance (of a bundle: container), and start, running, stop and stopped of the whole."""
    for instance in instances:
        instance.act().create_actions(cluster, instance)
    starting, stopping, restarting, active = _changes(instances)
    start = rsc_pseudo_op(cluster, owner, "start", optional=not starting)
    started = rsc_pseudo_op(cluster, owner, "running", optional=not starting, runnable=False)
    started.priority = INFINITY
    if active or starting:
        started.flags |= RUNNABLE
    stop = rsc_pseudo_op(cluster, owner, "stop", optional=not stopping)
    stopped = rsc_pseudo_op(cluster, owner, "stopped", optional=not stopping)
    stopped.priority = INFINITY
    if not restarting:
        stop.flags |= MIGRATABLE
    return start, started, stop, stopped


def create_clone_actions(cluster: Cluster, clone: Resource) -> None:
    """Actions of every instance and the points in time of the clone."""
    start, started, stop, stopped = create_instance_actions(cluster, clone, clone.children)
    notify = clone.notifications
    _prepare(cluster, clone, notify, "start", start, started)
    _prepare(cluster, clone, notify, "stop", stop, stopped)
    _order(notify, "stop", "start")
    if clone.promotable:
        _create_promotable(cluster, clone)


def _prepare(cluster: Cluster, clone: Resource, notify: dict[str, Notification], task: str, op: Op, done: Op) -> None:
    if clone.notify and task not in notify:
        notify[task] = action_notifications(cluster, clone, task, op, done)


def _order(notify: dict[str, Notification], first: str, then: str) -> None:
    if first in notify and then in notify:
        done, pre = notify[first].post_done, notify[then].pre
        if done is not None and pre is not None:
            relate(done, pre, AR_ORDERED)


def _create_promotable(cluster: Cluster, clone: Resource) -> None:
    promoting = demoting = False
    for instance in clone.children:
        instance.act().create_actions(cluster, instance)
        for leaf in primitives(instance):
            required = {op.task for op in leaf.actions if not op.flags & OPTIONAL}
            promoting, demoting = promoting or "promote" in required, demoting or "demote" in required
    notify = clone.notifications
    for task, done_task, any_of_them in (("promote", "promoted", promoting), ("demote", "demoted", demoting)):
        op = rsc_pseudo_op(cluster, clone, task, optional=not any_of_them)
        done = rsc_pseudo_op(cluster, clone, done_task, optional=not any_of_them)
        done.priority = INFINITY
        _prepare(cluster, clone, notify, task, op, done)
    for first in ("stop", "start", "demote"):
        _order(notify, first, "promote")
    _order(notify, "demote", "start")
    _order(notify, "demote", "stop")
    for instance in clone.children:
        instance.priority = clone.priority


def probe_clone(cluster: Cluster, clone: Resource, node: Node) -> bool:
    """Probe every instance of a unique clone; of an anonymous one, the instance that stands for the node."""
    entry = clone.allowed.get(node.id)
    if clone.exclusive_probes and (entry is None or entry.probe_mode != ProbeMode.EXCLUSIVE):
        clone.allowed.pop(node.id, None)
        return False
    clone.children.sort(key=instance_number)
    if clone.unique:
        created = False
        for instance in clone.children:
            created |= instance.act().create_probe(cluster, instance, node)
        return created
    for instance in clone.children:
        if any(node.id in leaf.probed for leaf in primitives(instance)):
            return instance.act().create_probe(cluster, instance, node)
    chosen = next((one for one in clone.children if assigned_to(one) is node), clone.children[0])
    return chosen.act().create_probe(cluster, chosen, node)
