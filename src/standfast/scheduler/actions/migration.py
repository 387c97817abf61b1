"""Live migration: migrate_to on the source, migrate_from on the target, then a stop of the source."""

from __future__ import annotations

from standfast.scheduler.actions.ops import get_action, start_action, stop_action
from standfast.scheduler.memory import (
    AR_FIRST_ELSE_THEN,
    AR_ORDERED,
    AR_UNMIGRATABLE_THEN_BLOCKS,
    MIGRATABLE,
    MIGRATION_ABORT,
    PSEUDO,
    Cluster,
    Node,
    Op,
    Resource,
)
from standfast.scheduler.orderings.new import order_tasks


def can_migrate(rsc: Resource, current: Node) -> bool:
    """Whether a move from `current` may be a live migration."""
    if not rsc.migratable or not rsc.managed or rsc.failed or rsc.start_pending:
        return False
    return not current.unclean and rsc.assigned is not None and not rsc.assigned.unclean


def abort_dangling(cluster: Cluster, rsc: Resource, source: Node) -> None:
    """A migration that ended on its target but was never stopped on its source."""
    stop_action(cluster, rsc, source, optional=False).flags |= MIGRATION_ABORT


def _mark(op: Op, source: Node, target: Node) -> None:
    op.meta["migrate_source"] = source.name
    op.meta["migrate_target"] = target.name


def create_migration(cluster: Cluster, rsc: Resource, current: Node) -> None:
    """The two halves of a migration (only the second, if the first is done), replacing start and stop."""
    assert rsc.assigned is not None
    start = start_action(cluster, rsc, rsc.assigned, optional=True)
    stop = stop_action(cluster, rsc, current, optional=True)
    migrate_to: Op | None = None
    if rsc.migration_target is None:
        migrate_to = get_action(cluster, rsc, "migrate_to", current, optional=True)
    migrate_from = get_action(cluster, rsc, "migrate_from", rsc.assigned, optional=True)
    start.flags |= MIGRATABLE | PSEUDO
    stop.flags |= MIGRATABLE
    migrate_from.flags |= MIGRATABLE
    blocks = AR_ORDERED | AR_UNMIGRATABLE_THEN_BLOCKS
    if migrate_to is not None:
        migrate_to.flags |= MIGRATABLE
        migrate_to.needs = start.needs
        order_tasks(cluster, rsc, "monitor", rsc, "migrate_to", AR_ORDERED)
        order_tasks(cluster, rsc, "migrate_to", rsc, "migrate_from", blocks)
    else:
        migrate_from.needs = start.needs
        order_tasks(cluster, rsc, "monitor", rsc, "migrate_from", AR_ORDERED)
    order_tasks(cluster, rsc, "migrate_from", rsc, "stop", blocks)
    order_tasks(cluster, rsc, "migrate_from", rsc, "start", blocks | AR_FIRST_ELSE_THEN)
    if migrate_to is not None:
        _mark(migrate_to, current, rsc.assigned)
        if not rsc.connection:
            migrate_to.meta["record-pending"] = "true"
    _mark(migrate_from, current, rsc.assigned)
