"""Applying orderings, in the order in which they were made, and updating actions until nothing changes.

The order of creation matters: the original says of its own list that changing it breaks things.
"""

from __future__ import annotations

from standfast.base.report import warning
from standfast.scheduler.actions.core import find_by_key, relate
from standfast.scheduler.actions.ops import get_action
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_GUEST_ALLOWED,
    AR_IF_ON_SAME_NODE_OR_TARGET,
    AR_NONE,
    MIGRATION_ABORT,
    ON_PATH,
    RUNNABLE,
    Cluster,
    Op,
    Ordering,
    Relation,
    Resource,
    op_key,
)
from standfast.scheduler.orderings.probes import order_probes
from standfast.scheduler.orderings.update import block_dependents, state, update_action
from standfast.scheduler.values import Role


def apply_orderings(cluster: Cluster) -> None:
    """Turn ordering constraints into relations between actions, then let them work."""
    for order in cluster.orderings:
        if order.first_rsc is not None:
            _order_first(cluster, order.first_rsc, order)
        elif order.then_rsc is not None:
            _order_after(order.first, order.then_rsc, order)
        elif order.first is not None and order.then is not None:
            relate(order.first, order.then, order.flags)
    for op in list(reversed(cluster.actions)):
        block_dependents(cluster, op)
    order_probes(cluster)
    for op in list(reversed(cluster.actions)):
        update_action(cluster, op)
    _disable_invalid(cluster)


def _split(key: str, rsc_id: str) -> tuple[str, int]:
    rest = key[len(rsc_id) + 1 :] if key.startswith(f"{rsc_id}_") else key
    task, _, interval = rest.rpartition("_")
    return task, int(interval) if interval.isdigit() else 0


def _find(rsc: Resource, key: str, owner: Resource) -> list[Op]:
    found = find_by_key(rsc, key, None)
    if not found:
        # The ordering may have been made for another resource's key (an instance's parent, say).
        task, interval = _split(key, owner.id)
        found = find_by_key(rsc, op_key(rsc.id, task, interval), None)
    found.reverse()
    return found


def _order_first(cluster: Cluster, rsc: Resource, order: Ordering) -> None:
    firsts = [order.first] if order.first is not None else list(reversed(_find(rsc, order.first_key, rsc)))
    if not firsts and rsc is not order.then_rsc:
        task, interval = _split(order.first_key, rsc.id)
        role = state(rsc)
        if not ((role == Role.STOPPED and task == "stop") or (role == Role.UNPROMOTED and task == "demote")):
            firsts = [get_action(cluster, rsc, task, None, optional=True, interval_ms=interval)]
    then_rsc = order.then_rsc
    if then_rsc is None:
        if order.then is None:
            return
        then_rsc = order.then.rsc
    for first in firsts:
        if then_rsc is None:
            assert order.then is not None
            relate(first, order.then, order.flags)
        else:
            _order_after(first, then_rsc, order)


def _order_after(first: Op | None, rsc: Resource, order: Ordering) -> None:
    flags = order.flags
    thens = [order.then] if order.then is not None else list(reversed(_find(rsc, order.then_key, rsc)))
    if first is not None and first.rsc is rsc and first.flags & MIGRATION_ABORT:
        flags &= ~AR_FIRST_IMPLIES_THEN
    if first is None and not flags & AR_FIRST_IMPLIES_THEN:
        return
    for then in thens:
        if first is not None:
            relate(first, then, flags)
        else:
            then.flags &= ~RUNNABLE


def _is_circular(cluster: Cluster, op: Op, relation: Relation) -> bool:
    """A configured ordering of something on a guest node before what this guest runs in."""
    first = relation.op
    if relation.flags & AR_GUEST_ALLOWED or first.rsc is None or first.node is None or op.rsc is None:
        return False
    if not op.rsc.launched or first.node.launcher is not op.rsc:
        return False
    why = f"{first.rsc.id} runs on the guest node that {op.rsc.id} makes"
    cluster.tell(warning("scheduler.constraint", f"Invalid ordering constraint between {first.rsc.id} and {op.rsc.id}", why))
    return True


def _disable_invalid(cluster: Cluster) -> None:
    """Drop orderings that contradict what runs where, and the one kind that may close a circle with a live migration."""
    from standfast.scheduler.graph.inputs import wanted

    def loops(start: Op, op: Op, relation: Relation) -> bool:
        if relation.op.flags & ON_PATH or not wanted(op, relation):
            return False
        if relation.op is start:
            return True
        relation.op.flags |= ON_PATH
        found = False
        for before in reversed(relation.op.before):
            found = loops(start, relation.op, before)
            if found:
                break
        relation.op.flags &= ~ON_PATH
        return found

    for op in reversed(cluster.actions):
        for relation in reversed(op.before):
            load = relation.flags == AR_IF_ON_SAME_NODE_OR_TARGET and op.task == "migrate_to"
            if _is_circular(cluster, op, relation) or (load and loops(op, op, relation)):
                relation.flags = AR_NONE
