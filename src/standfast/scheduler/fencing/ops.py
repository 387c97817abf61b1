"""Fencing actions and the marking of nodes as unclean."""

from __future__ import annotations

from standfast.base.report import notice, warning
from standfast.scheduler.actions.core import new_action, set_reason
from standfast.scheduler.actions.digests import compare_device
from standfast.scheduler.memory import OPTIONAL, Cluster, Node, Op, QuorumPolicy, Resource, primitives
from standfast.scheduler.values import interval_ms, ms_to_s


def can_fence(cluster: Cluster, node: Node | None) -> bool:
    """Whether this partition may fence `node` now: fencing on, a device there, and quorum (or the target is a member here).
    A guest is fenced by recovering its launcher, which needs its host online or fenced."""
    launcher = None if node is None else node.launcher
    if launcher is not None:
        return all(host.online or can_fence(cluster, host) for host in launcher.active_nodes)
    if not cluster.fencing_enabled or not cluster.have_fencing:
        return False
    if cluster.quorate or cluster.policy == QuorumPolicy.IGNORE:
        return True
    if node is None or not node.online:
        return False
    if node.kind != "remote" or cluster.fence_remote_without_quorum or node.remote is None:
        return True
    # Without quorum, the connection may well have been moved to the other partition.
    return all(entry.node.online for entry in node.remote.allowed.values())


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
        if cluster.unfencing and _add_device_digests(cluster, op, node):
            optional = False
    if interval_ms(cluster.option("priority-fencing-delay")) > 0 and (delay or "priority-fencing-delay" in op.meta):
        op.meta["priority-fencing-delay"] = str(_delay_s(cluster, node))
    if not optional and can_fence(cluster, node):
        op.flags &= ~OPTIONAL
        set_reason(op, reason, overwrite=False)
    elif reason and not op.reason:
        op.reason = reason
    return op


def _add_device_digests(cluster: Cluster, op: Op, node: Node) -> bool:
    """Note which devices unfence, in which definition, to be kept with the node; True if the node was unfenced with another."""
    devices = [rsc for top in reversed(cluster.resources) for rsc in reversed(list(primitives(top))) if _unfences(rsc)]
    changed = False
    everything = secure = ""
    for device in devices:
        digest = compare_device(cluster, device, node)
        if digest.result == "mismatch":
            changed = True
            why = f"the definition of {device.id} changed"
            cluster.tell(notice("scheduler.unfencing", f"node {node.name} is unfenced", why, where=node.name))
        name = f"{device.id}:{device.agent[2]}"
        everything += f"{name}:{digest.all},"
        secure += f"{name}:{digest.secure},"
    op.meta["digests-all"], op.meta["digests-secure"] = everything, secure
    return changed


def _unfences(rsc: Resource) -> bool:
    return rsc.fence_device and (rsc.needs_unfencing or rsc.meta.get("provides", "").lower() == "unfencing")


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
    if node.launcher is not None:
        _recover_launcher(cluster, node, node.launcher, reason)
        return
    if node.kind == "remote" and node.remote is not None and node.remote.removed_launched:
        # A guest whose launcher is no longer configured: it is down already, its connection has to go.
        node.remote.failed = node.remote.stop_if_failed = True
        return
    if node.kind == "remote":
        _fence_remote(cluster, node, reason)
        return
    if node.unclean:
        return
    node.unclean = True
    fence_op(cluster, node, None, optional=True, reason=reason, delay=priority_delay)
    _say_fenced(cluster, node, "Cluster", reason)


def _say_fenced(cluster: Cluster, node: Node, kind: str, reason: str) -> None:
    what = "will be fenced" if can_fence(cluster, node) else "is unclean"
    cluster.tell(warning("scheduler.unclean", f"{kind} node {node.name} {what}: {reason}"))


def _recover_launcher(cluster: Cluster, node: Node, launcher: Resource, reason: str) -> None:
    """A guest is "fenced" by recovery of what it runs in. It is not called unclean: it may run resources after that."""
    if launcher.failed:
        return
    if not launcher.managed:
        what = f"Not fencing guest node {node.name} (otherwise would because {reason})"
        cluster.tell(notice("scheduler.unclean", f"{what}: its guest resource {launcher.id} is unmanaged"))
        return
    what = f"Guest node {node.name} will be fenced (by recovering its guest resource {launcher.id}): {reason}"
    cluster.tell(warning("scheduler.unclean", what))
    node.remote_reset = True
    launcher.failed = launcher.stop_if_failed = True


def _fence_remote(cluster: Cluster, node: Node, reason: str) -> None:
    if node.remote is not None and not node.remote.managed:
        what = f"Not fencing remote node {node.name} (otherwise would because {reason}): connection is unmanaged"
        cluster.tell(notice("scheduler.unclean", what))
    elif not node.remote_reset:
        node.remote_reset = True
        _say_fenced(cluster, node, "Remote", reason)
    node.unclean = True
    fence_op(cluster, node, None, optional=True, reason=reason, delay=False)
