"""Orderings of clones: the clone's points in time around its instances, and what orderings with clones mean for instances."""

from __future__ import annotations

from standfast.scheduler.actions.core import find_task, relate
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_FIRST_IMPLIES_THEN_GRAPHED,
    AR_ORDERED,
    AR_THEN_IMPLIES_FIRST_GRAPHED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Node,
    Op,
    Resource,
    Variant,
)
from standfast.scheduler.orderings.new import order_tasks
from standfast.scheduler.orderings.update import CHANGED_FIRST, CHANGED_THEN, update_action, update_ordered
from standfast.scheduler.placement.compatible import compatible_instance, instances_of
from standfast.scheduler.placement.instances import instance_number
from standfast.scheduler.placement.nodes import assign_resource
from standfast.scheduler.values import Role, is_true

_UNDONE = {"stopped": "stop", "running": "start", "promoted": "promote", "demoted": "demote"}


def clone_constraints(cluster: Cluster, clone: Resource) -> None:
    """A clone's own orderings and those of its instances."""
    order_tasks(cluster, clone, "stopped", clone, "start", AR_ORDERED)
    order_tasks(cluster, clone, "start", clone, "running", AR_UNRUNNABLE_FIRST_BLOCKS)
    order_tasks(cluster, clone, "stop", clone, "stopped", AR_UNRUNNABLE_FIRST_BLOCKS)
    if clone.promotable:
        order_tasks(cluster, clone, "demoted", clone, "stop", AR_ORDERED)
        order_tasks(cluster, clone, "running", clone, "promote", AR_UNRUNNABLE_FIRST_BLOCKS)
    ordered = clone.clone_data().ordered
    if ordered:
        clone.children.sort(key=instance_number)
    for index, instance in enumerate(clone.children):
        instance.act().internal_constraints(cluster, instance)
        order_tasks(cluster, clone, "start", instance, "start", AR_UNRUNNABLE_FIRST_BLOCKS | AR_THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(cluster, instance, "start", clone, "running", AR_FIRST_IMPLIES_THEN_GRAPHED)
        order_tasks(cluster, clone, "stop", instance, "stop", AR_THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(cluster, instance, "stop", clone, "stopped", AR_FIRST_IMPLIES_THEN_GRAPHED)
        for later in clone.children[index + 1 :] if ordered else ():
            order_tasks(cluster, instance, "start", later, "start", AR_ORDERED)
            order_tasks(cluster, later, "stop", instance, "stop", AR_ORDERED)
    if clone.promotable:
        _promotable(cluster, clone, ordered)


def order_restarts(cluster: Cluster, clone: Resource) -> None:
    """Down before up: the order of the points in time of a promotable clone, or of a bundle with one inside."""
    pairs = (
        ("stopped", "start"),
        ("stopped", "promote"),
        ("demoted", "stop"),
        ("demoted", "start"),
        ("demoted", "promote"),
        ("running", "promote"),
        ("demote", "demoted"),
    )
    for first, then in pairs:
        order_tasks(cluster, clone, first, clone, then, AR_ORDERED)


def _promotable(cluster: Cluster, clone: Resource, ordered: bool) -> None:
    order_restarts(cluster, clone)
    previous: Resource | None = None
    for instance in clone.children:
        order_tasks(cluster, instance, "demote", instance, "promote", AR_ORDERED)
        order_tasks(cluster, clone, "promote", instance, "promote", AR_ORDERED)
        order_tasks(cluster, instance, "promote", clone, "promoted", AR_ORDERED)
        if previous is not None and ordered:
            order_tasks(cluster, previous, "promote", instance, "promote", AR_ORDERED)
        order_tasks(cluster, clone, "demote", instance, "demote", AR_THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(cluster, instance, "demote", clone, "demoted", AR_FIRST_IMPLIES_THEN_GRAPHED)
        if previous is not None and ordered:
            order_tasks(cluster, instance, "demote", previous, "demote", AR_ORDERED)
        previous = instance


def _instance_task(op: Op) -> str:
    """The task of instances that a clone's point in time is about."""
    task = op.task
    if task in ("notify", "notified"):
        task = op.meta.get("notify_key_operation", task)
    rsc = op.rsc
    if rsc is not None and rsc.children and rsc.children[0].variant == Variant.PRIMITIVE:
        return _UNDONE.get(task, task)
    return task


def clone_action_flags(op: Op, node: Node | None) -> int:
    """A clone's point in time is worked out from its instances' actions."""
    assert op.rsc is not None
    return collective_action_flags(op, op.rsc.children, node)


def collective_action_flags(op: Op, instances: list[Resource], node: Node | None) -> int:
    """A point in time is required if some instance's action is, and may come if any of them can run."""
    task = _instance_task(op)
    flags = OPTIONAL | RUNNABLE | PSEUDO
    runnable = False
    for instance in instances:
        found = find_task(instance, task, node if instance.variant == Variant.PRIMITIVE else None)
        if found is None:
            continue
        instance_flags = instance.act().action_flags(found, node)
        if flags & OPTIONAL and not instance_flags & OPTIONAL:
            flags &= ~OPTIONAL
            op.flags &= ~OPTIONAL
        runnable = runnable or bool(instance_flags & RUNNABLE)
    if not runnable:
        flags &= ~RUNNABLE
        if node is None:
            op.flags &= ~RUNNABLE
    return flags


def _interleaves(first: Op, then: Op) -> bool:
    if first.rsc is None or then.rsc is None or first.rsc is then.rsc:
        return False
    if first.rsc.variant < Variant.CLONE or then.rsc.variant < Variant.CLONE:
        return False
    owner = first.rsc if then.key.endswith(("_stop_0", "_demote_0")) else then.rsc
    return is_true(owner.meta.get("interleave"))


def clone_update_ordered(cluster: Cluster, first: Op, then: Op, node: Node | None, flags: int, wanted: int, kind: int) -> int:
    """Let an ordering change a clone's action and its instances', each with its counterpart if the clones interleave."""
    if then.rsc is None:
        return 0
    if _interleaves(first, then):
        return _update_interleaved(cluster, first, then, node, wanted, kind)
    changed = update_ordered(cluster, first, then, node, flags, wanted, kind)
    for instance in list(instances_of(then.rsc)):
        op = find_task(instance, then.task, node)
        if op is None or not instance.act().action_flags(op, node) & RUNNABLE:
            continue
        instance_changed = instance.act().update_ordered(cluster, first, op, node, flags, wanted, kind)
        if instance_changed & CHANGED_THEN:
            for after in list(reversed(op.after)):
                update_action(cluster, after.op)
        changed |= instance_changed
    return changed


def _paired(op: Op, instance: Resource, task: str, node: Node | None, is_first: bool = False) -> Op | None:
    """An instance's action that is interleaved. Of a bundle, what others wait for is what runs inside, but for stops; and
    what waits is the container, but for changes of role."""
    inside = op.task not in ("stop", "stopped") if is_first else op.task in ("promote", "promoted", "demote", "demoted")
    bundle = instance.bundle() if inside and instance.replica_container else None
    for replica in () if bundle is None or bundle.replicas is None else bundle.replicas.all:
        if replica.container is instance and replica.child is not None:
            return find_task(replica.child, task, None)
    return find_task(instance, task, node)


def _update_interleaved(cluster: Cluster, first: Op, then: Op, node: Node | None, wanted: int, kind: int) -> int:
    assert first.rsc is not None
    assert then.rsc is not None
    changed = 0
    task = _instance_task(first)
    current = first.key.endswith(("_stopped_0", "_demoted_0"))
    for instance in list(instances_of(then.rsc)):
        partner = compatible_instance(cluster, instance, first.rsc, Role.UNKNOWN, current)
        if partner is None:
            mandatory = not current and kind & (AR_UNRUNNABLE_FIRST_BLOCKS | AR_FIRST_IMPLIES_THEN)
            if mandatory and assign_resource(cluster, instance, None, force=True, stop_if_fail=True):
                changed |= CHANGED_THEN
            continue
        first_op, then_op = _paired(first, partner, task, node, is_first=True), _paired(then, instance, then.task, node)
        if first_op is None or then_op is None:
            continue
        if relate(first_op, then_op, kind):
            changed |= CHANGED_FIRST | CHANGED_THEN
        partner_flags = partner.act().action_flags(first_op, node)
        changed |= instance.act().update_ordered(cluster, first_op, then_op, node, partner_flags, wanted, kind)
    return changed
