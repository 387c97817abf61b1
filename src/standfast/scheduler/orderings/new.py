"""Making an ordering: between actions, or between what will be the actions of resources."""

from __future__ import annotations

from standfast.scheduler.memory import (
    AR_IF_FIRST_UNMIGRATABLE,
    AR_ORDERED,
    Cluster,
    Op,
    Ordering,
    Resource,
    op_key,
)


def new_ordering(
    cluster: Cluster,
    first: Op | tuple[Resource, str],
    then: Op | tuple[Resource, str],
    flags: int,
) -> None:
    """Order `first` before `then`; each is an action, or a resource and an operation key (TASK alone for interval 0)."""
    first_op, first_owner, first_key = _end(first)
    then_op, then_owner, then_key = _end(then)
    made = Ordering(flags, first_owner, first_key, first_op, then_owner, then_key, then_op)
    cluster.orderings.append(made)
    _order_migrations(cluster, made)


def _end(end: Op | tuple[Resource, str]) -> tuple[Op | None, Resource | None, str]:
    if isinstance(end, Op):
        return end, end.rsc, end.key
    rsc, task = end
    return None, rsc, op_key(rsc.id, task)


def order_tasks(cluster: Cluster, first: Resource, first_task: str, then: Resource, then_task: str, flags: int) -> None:
    """Order two tasks of resources (interval 0)."""
    new_ordering(cluster, (first, first_task), (then, then_task), flags)


def _task(op: Op | None, key: str) -> str:
    if op is not None:
        return op.task
    for task in ("migrate_to", "migrate_from"):
        if key.endswith(f"_{task}_0"):
            return task
    return key.rpartition("_")[0].rpartition("_")[2]


def _order_migrations(cluster: Cluster, order: Ordering) -> None:
    """What is ordered around starts and stops is ordered around the migrations that may replace them."""
    first, then = order.first_rsc, order.then_rsc
    if first is None or then is None or first is then or first.is_inside(then) or then.is_inside(first):
        return
    if not (first.migratable or then.migratable):
        return
    tasks = (_task(order.first, order.first_key), _task(order.then, order.then_key))
    unless = AR_ORDERED | (AR_IF_FIRST_UNMIGRATABLE if first.migratable else 0)
    if tasks == ("start", "start"):
        if first.migratable and then.migratable:
            order_tasks(cluster, first, "migrate_from", then, "migrate_to", AR_ORDERED)
        if then.migratable:
            order_tasks(cluster, first, "start", then, "migrate_to", unless)
    elif not then.migratable:
        return
    elif tasks == ("stop", "stop"):
        order_tasks(cluster, first, "stop", then, "migrate_to", unless)
        if then.migration_target is not None:
            order_tasks(cluster, first, "stop", then, "migrate_from", unless)
    elif tasks == ("promote", "start"):
        order_tasks(cluster, first, "promote", then, "migrate_to", AR_ORDERED)
    elif tasks == ("demote", "stop"):
        order_tasks(cluster, first, "demote", then, "migrate_to", AR_ORDERED)
        if then.migration_target is not None:
            order_tasks(cluster, first, "demote", then, "migrate_from", AR_ORDERED)
