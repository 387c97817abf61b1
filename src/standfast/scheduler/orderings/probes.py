"""Orderings of probes that follow from other orderings: what waits for a stop waits for the probe that may lead to one."""

from __future__ import annotations

from standfast.scheduler.actions.core import find_by_key, relate
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_IF_FIRST_UNMIGRATABLE,
    AR_IF_ON_SAME_NODE,
    AR_IF_ON_SAME_NODE_OR_TARGET,
    AR_IF_REQUIRED_ON_SAME_NODE,
    AR_NONE,
    AR_ORDERED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Op,
    Ordering,
    Relation,
    Resource,
    Variant,
    op_key,
    primitives,
)
from standfast.scheduler.placement.compatible import compatible_instance
from standfast.scheduler.values import Role, is_true


def order_probes(cluster: Cluster) -> None:
    """Order restarts after probes of what they depend on, and what follows stops after probes."""
    restarts = any(op.task in ("stop", "demote") and not op.flags & PSEUDO for op in cluster.actions)
    for rsc in cluster.resources:
        for leaf in primitives(rsc):
            for probe in reversed(find_by_key(leaf, op_key(leaf.id, "monitor"), None)):
                for after in list(reversed(probe.after)):
                    _order_starts(probe, after)
                    if restarts:  # or else there is nothing to find on the long way down
                        _order_restarts(cluster, probe, after.op)
    for order in cluster.orderings:
        _order_after_stop(order)


def _order_starts(probe: Op, after: Relation) -> None:
    """A probe of an instance that can't run must block starts of the other instances too."""
    clone = after.op.rsc
    if clone is None or clone.variant <= Variant.GROUP or probe.flags & RUNNABLE or probe.rsc is None:
        return
    if after.flags & AR_UNRUNNABLE_FIRST_BLOCKS or probe.rsc.top() is not clone or after.op.task != "start":
        return
    for then in list(reversed(after.op.after)):
        rsc = then.op.rsc
        if rsc is not None and not rsc.active_nodes and rsc.top() is clone and then.op.task == "start":
            relate(probe, then.op, AR_ORDERED | AR_UNRUNNABLE_FIRST_BLOCKS)


def _order_restarts(cluster: Cluster, probe: Op, after: Op) -> None:
    """If the probe finds something, what depends on it restarts: its stop must wait for the probe."""
    if probe.rsc is None or probe.task != "monitor":
        return
    seen: set[int] = set()
    waiting = [after]
    while waiting:
        op = waiting.pop()
        if op.id in seen:
            continue
        seen.add(op.id)
        rsc = op.rsc
        if rsc is not None and rsc.variant == Variant.PRIMITIVE and rsc is not probe.rsc:
            opposite = {"start": "stop", "promote": "demote"}.get(op.task)
            for then in reversed(find_by_key(rsc, op_key(rsc.id, opposite), None)) if opposite else ():
                if not then.flags & PSEUDO:
                    relate(probe, then, AR_ORDERED)
        waiting += _followers(cluster, probe.rsc, op)


def _followers(cluster: Cluster, probed: Resource, op: Op) -> list[Op]:
    """The actions that are required if `op` is; of a group or clone, its members' (interleaved: of the one beside `probed`)."""
    rsc = op.rsc
    partner: Resource | None = None
    interleaves = rsc is not None and rsc.variant > Variant.GROUP and is_true(rsc.meta.get("interleave"))
    if rsc is not None and interleaves:
        partner = compatible_instance(cluster, probed, rsc, Role.UNKNOWN, current=False)
    found = []
    for relation in op.after:
        if not relation.flags & AR_FIRST_IMPLIES_THEN:
            if rsc is None or rsc.variant < Variant.GROUP or probed.parent is rsc or relation.op.rsc is None:
                continue
            if relation.op.rsc.variant > Variant.GROUP or relation.op.rsc.parent is not rsc:
                continue
            if interleaves and relation.op.rsc is not partner:
                continue
        found.append(relation.op)
    return found


def _order_after_stop(order: Ordering) -> None:
    if order.flags == AR_NONE or order.first_rsc is None or order.first_rsc is order.then_rsc:
        return
    if order.first is not None:
        if order.first.task != "stop":
            return
    elif not order.first_key.endswith("_stop_0"):
        return
    if order.then_rsc is not None and order.first_rsc.launcher is order.then_rsc:
        # No probe inside a launcher that stops: it may be for after its start, which would close a circle.
        then_task = order.then.task if order.then is not None else ""
        if then_task == "stop" or (order.then is None and order.then_key.endswith("_stop_0")):
            return
    flags = AR_ORDERED | order.flags & (AR_IF_FIRST_UNMIGRATABLE | AR_IF_ON_SAME_NODE)
    if order.flags in (AR_IF_REQUIRED_ON_SAME_NODE, AR_IF_ON_SAME_NODE_OR_TARGET):
        flags = order.flags
    probes = find_by_key(order.first_rsc, op_key(order.first_rsc.id, "monitor"), None)
    if order.then is not None:
        thens = [order.then]
    elif order.then_rsc is not None:
        thens = find_by_key(order.then_rsc, order.then_key, None)
    else:
        return
    for probe in reversed(probes):
        for then in reversed(thens):
            if _needed(probe, then):
                relate(probe, then, flags)


def _needed(probe: Op, then: Op) -> bool:
    if then.task == "stonith" and probe.node is then.node and then.meta.get("stonith_action") == "on":
        return False
    return not (then.task == "do_shutdown" and None not in (probe.node, then.node) and probe.node is not then.node)
