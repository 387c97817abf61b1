"""Fencing actions and the marking of nodes as unclean."""

from __future__ import annotations

from standfast.base.report import warning
from standfast.scheduler.actions.core import new_action, set_reason
from standfast.scheduler.memory import OPTIONAL, Cluster, Node, Op, QuorumPolicy
from standfast.scheduler.values import interval_ms, ms_to_s


def can_fence(cluster: Cluster, node: Node | None) -> bool:
    """Whether this partition may fence `node` now: fencing on, a device there, and quorum (or the target is a member here)."""
    if not cluster.fencing_enabled or not cluster.have_fencing:
        return False
    if cluster.quorate or cluster.policy == QuorumPolicy.IGNORE:
        return True
    return node is not None and node.online


def fence_op(cluster: Cluster, node: Node, operation: str | None, optional: bool, reason: str, delay: bool) -> Op:
    """The fencing action of a node (one per operation), made required unless `optional` or fencing is impossible."""
    operation = operation or cluster.fencing_action
    key = f"stonith-{node.name}-{operation}"
    op = cluster.singletons.get(key)
    if op is None:
        op = new_action(cluster, None, key, "stonith", node, optional=True)
        op.meta["on_node"] = node.name
        op.meta["on_node_uuid"] = node.id
        op.meta["stonith_action"] = operation
    if interval_ms(cluster.option("priority-fencing-delay")) > 0 and (delay or "priority-fencing-delay" in op.meta):
        op.meta["priority-fencing-delay"] = str(_delay_s(cluster, node))
    if not optional and can_fence(cluster, node):
        op.flags &= ~OPTIONAL
        set_reason(op, reason, overwrite=False)
    elif reason and not op.reason:
        op.reason = reason
    return op


def _delay_s(cluster: Cluster, node: Node) -> int:
    """priority-fencing-delay for this target: only where the two halves are equal and it holds the more important resources."""
    members = [n for n in cluster.nodes if n.kind == "member"]
    online = sum(1 for n in members if n.online)
    if node.kind != "member" or node.online or online > len(members) // 2:
        return 0
    top, low = max(n.priority for n in members), min(n.priority for n in members)
    if low == top or node.priority < top:
        return 0
    return ms_to_s(interval_ms(cluster.option("priority-fencing-delay")))


def fence_node(cluster: Cluster, node: Node, reason: str, priority_delay: bool = False) -> None:
    """Mark a node unclean and prepare its fencing; says what will happen to it."""
    if node.unclean:
        return
    node.unclean = True
    fence_op(cluster, node, None, optional=True, reason=reason, delay=priority_delay)
    cluster.tell(
        warning(
            "scheduler.unclean",
            f"node {node.name} {'will be fenced' if can_fence(cluster, node) else 'is unclean'}",
            reason,
            where=node.name,
        )
    )
