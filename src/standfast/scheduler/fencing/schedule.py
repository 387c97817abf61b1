"""Fencing of unclean nodes and shutdowns of leaving ones: what waits for them, the coordinator last."""

from __future__ import annotations

from standfast.base.report import notice, warning
from standfast.scheduler.actions.core import find_by_key, find_task, new_action, relate
from standfast.scheduler.actions.notifications import notify_after_fencing
from standfast.scheduler.fencing.guests import fence_guest
from standfast.scheduler.fencing.ops import can_fence, fence_op
from standfast.scheduler.memory import (
    AR_GUEST_ALLOWED,
    AR_ORDERED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Needs,
    Node,
    Op,
    Resource,
    Variant,
    op_key,
    primitives,
    walk,
)
from standfast.scheduler.orderings.new import new_ordering


def schedule_fencing_and_shutdowns(cluster: Cluster) -> None:
    """One fencing or shutdown action for each node that needs one; the coordinator's comes last."""
    # A group or clone of its own counts too: it is managed even when the node of all its members is in maintenance.
    managed = any(rsc.managed for rsc in walk(cluster.resources))
    if not managed:
        cluster.tell(notice("scheduler.fencing", "no fencing until there are resources to manage"))
    dc_down: Op | None = None
    fencings: list[Op] = []
    shutdowns: list[Op] = []
    lost = False
    for node in cluster.nodes:
        if node.launcher is not None:
            _recover_guest(cluster, node, managed)
            continue
        fencing: Op | None = None
        if managed and node.unclean and can_fence(cluster, node):
            fencing = _fence(cluster, node)
            if node is cluster.dc:
                dc_down = fencing
            else:
                if not cluster.concurrent_fencing and fencings:
                    relate(fencings[-1], fencing, AR_ORDERED)
                fencings.append(fencing)
        elif node.kind == "member" and node.online and node.shutdown:
            down = _shutdown(cluster, node)
            if node is cluster.dc:
                dc_down = down
            else:
                shutdowns.append(down)
        if fencing is None and node.unclean:
            lost = True
            cluster.tell(warning("scheduler.cannot-fence", f"Node {node.name} is unclean but cannot be fenced", where=node.id))
    if lost:
        _say_lost(cluster)
    if dc_down is not None:
        befores = fencings if cluster.concurrent_fencing else fencings[-1:]
        if dc_down.task == "do_shutdown":
            befores = [*reversed(shutdowns), *reversed(befores)]
        for before in befores:
            relate(before, dc_down, AR_ORDERED)


def _recover_guest(cluster: Cluster, node: Node, managed: bool) -> None:
    if node.remote_reset and managed and can_fence(cluster, node):
        _order_everything(cluster, fence_guest(cluster, node))


def _fence(cluster: Cluster, node: Node) -> Op:
    fencing = fence_op(cluster, node, None, optional=False, reason="node is unclean", delay=False)
    cluster.tell(warning("scheduler.unclean", f"Scheduling node {node.name} for fencing"))
    _order_everything(cluster, fencing)
    return fencing


def _order_everything(cluster: Cluster, fencing: Op) -> None:
    for rsc in cluster.resources:
        for leaf in primitives(rsc):
            _order_vs_fencing(cluster, leaf, fencing)


def _say_lost(cluster: Cluster) -> None:
    if not cluster.fencing_enabled:
        cluster.tell(
            warning(
                "scheduler.integrity",
                "Resource functionality and data integrity cannot be guaranteed "
                "(configure, enable, and test fencing to correct this)",
            )
        )
    elif not cluster.quorate:
        what = "Unclean nodes will not be fenced until quorum is attained or no-quorum-policy is set to ignore"
        cluster.tell(notice("scheduler.fencing", what))


def _shutdown(cluster: Cluster, node: Node) -> Op:
    """The order to a node to leave, after its resources have stopped."""
    down = new_action(cluster, None, f"do_shutdown-{node.name}", "do_shutdown", node, optional=False)
    for op in reversed(cluster.actions):
        if op.node is not node or op.task != "stop" or op.rsc is None or op.rsc.maintenance or node.maintenance:
            continue
        if not op.rsc.managed and not op.rsc.blocked:
            continue
        op.flags &= ~OPTIONAL
        new_ordering(cluster, op, down, AR_ORDERED | AR_UNRUNNABLE_FIRST_BLOCKS)
    down.meta["op_no_wait"] = "true"
    return down


def _order_vs_fencing(cluster: Cluster, rsc: Resource, fencing: Op) -> None:
    if not rsc.managed:
        return
    target = fencing.node
    assert target is not None
    for op in reversed(rsc.actions):
        if op.needs == Needs.FENCING:
            relate(fencing, op, AR_ORDERED)
        elif op.needs == Needs.QUORUM and op.task == "start" and target.id in rsc.allowed and not _is_known(rsc, target):
            relate(fencing, op, AR_ORDERED | AR_UNRUNNABLE_FIRST_BLOCKS)
    _imply_stops(cluster, rsc, fencing, target)


def _is_known(rsc: Resource, node: Node) -> bool:
    """Whether the state of a resource on a node is known; an anonymous clone's is that of any of its instances (not so in a
    cloned group, of which only a part may be known)."""
    parent = rsc.parent
    if node.id in rsc.probed:
        return True
    return parent is not None and parent.variant == Variant.CLONE and not parent.unique and node.id in parent.probed


def _imply_stops(cluster: Cluster, rsc: Resource, fencing: Op, target: Node) -> None:
    """Stops and demotions on a fenced node are done by fencing it."""
    stops = find_by_key(rsc, op_key(rsc.id, "stop"), target)
    # A guest's "fencing" is just the stop of its launcher: what is on it always waits for that.
    ordered = rsc.needs_fencing or target.launcher is not None
    bundled = rsc.bundle() is not None
    parent_stop = find_task(rsc.top(), "stop", None) if stops and ordered else None
    for stop in reversed(stops):
        stop.flags |= PSEUDO | RUNNABLE
        if ordered:
            if not bundled:
                # In a bundle, this would close a circle; the ordering of the whole is enough.
                relate(fencing, stop, AR_GUEST_ALLOWED)
            if parent_stop is not None:
                relate(fencing, parent_stop, AR_GUEST_ALLOWED)
        notify_after_fencing(cluster, stop, rsc, fencing)
        if rsc.failed:
            order = "after" if ordered else "because"
            cluster.tell(notice("scheduler.fencing", f"the stop of {rsc.id} is implied {order} {target.name} is fenced"))
    for demote in reversed(find_by_key(rsc, op_key(rsc.id, "demote"), target)):
        if demote.node is not None and (not demote.node.online or demote.node.unclean or rsc.failed):
            demote.flags |= PSEUDO | RUNNABLE
            if ordered and not bundled:
                relate(fencing, demote, AR_GUEST_ALLOWED | AR_ORDERED)
