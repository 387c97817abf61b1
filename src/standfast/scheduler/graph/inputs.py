"""Which actions go into the graph, and which of their relations become inputs."""

from __future__ import annotations

from standfast.scheduler.memory import (
    ALWAYS,
    AR_FIRST_IMPLIES_THEN_GRAPHED,
    AR_IF_FIRST_UNMIGRATABLE,
    AR_IF_ON_SAME_NODE_OR_TARGET,
    AR_IF_REQUIRED_ON_SAME_NODE,
    AR_MIN_RUNNABLE,
    AR_NONE,
    AR_ORDERED,
    AR_THEN_IMPLIES_FIRST_GRAPHED,
    AR_UNMIGRATABLE_THEN_BLOCKS,
    GRAPHED,
    MIGRATABLE,
    ON_DC,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Op,
    Relation,
    Variant,
)

_HARMLESS = AR_THEN_IMPLIES_FIRST_GRAPHED | AR_FIRST_IMPLIES_THEN_GRAPHED | AR_ORDERED


def belongs(op: Op) -> bool:
    """Whether an action is to be carried out (or, a point in time, waited for)."""
    if not op.flags & RUNNABLE or (op.flags & OPTIONAL and not op.flags & ALWAYS):
        return False
    if op.rsc is not None and not op.rsc.managed and op.task != "monitor" and op.meta.get("interval", "0") == "0":
        return False
    if op.flags & PSEUDO or op.task in ("stonith", "do_shutdown"):
        return True
    if op.node is None:
        return False
    if op.node.launcher is not None and not op.node.remote_reset:
        # A guest is assumed to come up.
        return True
    return bool(op.flags & ON_DC) or (op.node.online and not op.node.unclean)


def wanted(op: Op, relation: Relation) -> bool:
    """Whether `op` waits for the action of `relation`."""
    if relation.graphed:
        return True
    first, flags = relation.op, relation.flags
    if flags == AR_NONE:
        return False
    if not first.flags & RUNNABLE and (not flags & ~_HARMLESS or flags & (AR_MIN_RUNNABLE | AR_UNMIGRATABLE_THEN_BLOCKS)):
        return False
    if flags & AR_IF_FIRST_UNMIGRATABLE and first.flags & MIGRATABLE:
        return False
    if flags == AR_ORDERED and first.flags & MIGRATABLE and first.key.endswith("_stop_0"):
        return False
    if flags == AR_IF_ON_SAME_NODE_OR_TARGET:
        target = op.rsc.assigned if op.rsc is not None and op.task == "migrate_to" else op.node
        if first.node is not target or (op.task != "migrate_to" and first.flags & OPTIONAL):
            relation.flags = AR_NONE
            return False
        return True
    if flags == AR_IF_REQUIRED_ON_SAME_NODE:
        if (first.node is not None and op.node is not None and first.node is not op.node) or first.flags & OPTIONAL:
            relation.flags = AR_NONE
            return False
        return True
    if (
        first.rsc is not None
        and first.rsc is not op.rsc
        and first.rsc.failed
        and not first.rsc.managed
        and first.key.endswith("_stop_0")
        and op.rsc is not None
        and op.rsc.variant == Variant.CLONE
    ):
        return False
    return not (first.flags & OPTIONAL and not first.flags & (ALWAYS | GRAPHED) and not belongs(first))
