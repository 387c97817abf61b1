"""Unfencing: giving a node access ("on") before resources that need it run there, again when the device that gave it changed.

Pacemaker: lib/pacemaker/pcmk_sched_fencing.c, lib/pengine/utils.c (trigger_unfencing).
"""

from __future__ import annotations

from standfast.scheduler.actions.core import relate
from standfast.scheduler.fencing.ops import fence_op
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_SAME_NODE_THEN,
    AR_IF_ON_SAME_NODE,
    AR_ORDERED,
    AR_THEN_IMPLIES_FIRST,
    Cluster,
    Node,
    Op,
    Resource,
)
from standfast.scheduler.orderings.new import new_ordering
from standfast.scheduler.values import name_key


def is_unfenced(node: Node) -> bool:
    """Whether a node has had its access since it joined."""
    return node.attrs.get("#node-unfenced", "0") != "0"


def _unfence_op(cluster: Cluster, node: Node, optional: bool, reason: str = "") -> Op:
    return fence_op(cluster, node, "on", optional=optional, reason=reason, delay=False)


def trigger_unfencing(cluster: Cluster, rsc: Resource | None, node: Node, reason: str) -> None:
    """Unfence `node`, if `rsc` is what needs that: a fencing device that changed, or None for another reason. A device that
    changed where nothing can be done unfences every node that it may run on."""
    if not cluster.unfencing or (rsc is not None and not rsc.fence_device):
        return
    if _can_be_unfenced(node):
        _unfence_op(cluster, node, optional=False, reason=reason)
    elif rsc is not None:
        for entry in rsc.allowed.values():
            if _can_be_unfenced(entry.node):
                _unfence_op(cluster, entry.node, optional=False, reason=reason)


def _can_be_unfenced(node: Node) -> bool:
    return node.online and not node.unclean and not node.shutdown


def order_vs_unfencing(cluster: Cluster, rsc: Resource, node: Node, op: Op, flags: int) -> None:
    """A probe or start waits for the unfencing of its node, which is required where it was never done.

    Fencing devices wait as well, though they need quorum only: agents that unfence can often not even be probed before.
    """
    if not rsc.needs_unfencing and not (rsc.fence_device and cluster.unfencing):
        return
    relate(_unfence_op(cluster, node, optional=True), op, flags)
    if not is_unfenced(node):
        trigger_unfencing(cluster, None, node, f"required by {rsc.id} {op.task}")


def order_stop_before_unfencing(cluster: Cluster, rsc: Resource, stop: Op, node: Node) -> None:
    """What runs on a node without access stops before the node gets it."""
    if rsc.needs_unfencing:
        relate(stop, _unfence_op(cluster, node, optional=True), AR_THEN_IMPLIES_FIRST)


def order_restarts(cluster: Cluster, rsc: Resource) -> None:
    """Wherever a resource may run, it stops before an unfencing of the node and starts after it."""
    if rsc.fence_device or not cluster.unfencing or not rsc.needs_unfencing:
        return
    for entry in sorted(rsc.allowed.values(), key=lambda entry: name_key(entry.node.name)):
        unfence = _unfence_op(cluster, entry.node, optional=True)
        new_ordering(cluster, (rsc, "stop"), unfence, AR_ORDERED | AR_IF_ON_SAME_NODE)
        new_ordering(cluster, unfence, (rsc, "start"), AR_FIRST_IMPLIES_SAME_NODE_THEN | AR_IF_ON_SAME_NODE)
