"""Probes: one monitor of each resource on each node where its state is not known, before it may start anywhere."""

from __future__ import annotations

from standfast.scheduler.actions.ops import get_action
from standfast.scheduler.actions.remote import connection_failed
from standfast.scheduler.fencing.ops import fence_node
from standfast.scheduler.fencing.unfencing import order_vs_unfencing
from standfast.scheduler.memory import (
    AR_ORDERED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    OPTIONAL,
    RUNNABLE,
    Cluster,
    Node,
    ProbeMode,
    Resource,
    Variant,
)
from standfast.scheduler.orderings.launched import contained_connection
from standfast.scheduler.orderings.new import new_ordering, order_tasks
from standfast.scheduler.values import Role


def schedule_probes(cluster: Cluster) -> None:
    """Probe everything unknown on nodes that are online and clean."""
    if not cluster.probe_resources:
        return
    awake = cluster.awake()
    for node in cluster.nodes:
        if not node.online and connection_failed(node):
            fence_node(cluster, node, "the connection is unrecoverable")
        if node.online and not node.unclean and node.probes_allowed:
            for rsc in cluster.each(awake):
                rsc.act().create_probe(cluster, rsc, node)


def _can_host(rsc: Resource, node: Node) -> bool:
    """Whether a kind of node can have a kind of resource at all: some need a cluster node, and guests host no guests."""
    if node.kind != "remote":
        return True
    if rsc.fence_device or rsc.connection:
        return False
    return node.launcher is None or contained_connection(rsc) is None


def _guest_is_gone(cluster: Cluster, node: Node, launcher: Resource, then: Resource) -> bool:
    """Whether a guest is down, or will be: there is nothing to probe then, but a start waits for what is known of it."""
    chosen = launcher.assigned
    if launcher.role == Role.STOPPED:
        if chosen is not None and chosen.id not in launcher.probed:
            order_tasks(cluster, launcher, "monitor", then, "start", AR_ORDERED)
        return True
    moves = launcher.role > Role.STOPPED and chosen is not None and chosen not in launcher.active_nodes
    if node.remote_reset or node.unclean or launcher.failed or launcher.next_role == Role.STOPPED or moves:
        order_tasks(cluster, launcher, "stop", then, "start", AR_ORDERED)
        return True
    return False


def probe(cluster: Cluster, rsc: Resource, node: Node) -> bool:
    """Probe a resource (its members) on a node, if needed and allowed; returns whether anything was created."""
    if not _can_host(rsc, node):
        return False
    if rsc.children:
        created = False
        for child in rsc.children:
            created |= child.act().create_probe(cluster, child, node)
        return created
    if rsc.removed or node.id in rsc.probed or (rsc.launcher is not None and not rsc.connection):
        return False
    top = rsc.top()
    allowed = rsc.allowed.get(node.id)
    exclusive = rsc.exclusive_probes or top.exclusive_probes
    if exclusive and (allowed is None or allowed.probe_mode != ProbeMode.EXCLUSIVE):
        return False
    if (node if allowed is None else allowed).probe_mode == ProbeMode.NEVER:
        return False
    if node.launcher is not None and _guest_is_gone(cluster, node, node.launcher, top):
        return False
    op = get_action(cluster, rsc, "monitor", node, optional=False)
    op.flags &= ~OPTIONAL
    if node not in rsc.active_nodes:
        op.meta["op_target_rc"] = "7"
    elif rsc.role == Role.PROMOTED:
        op.meta["op_target_rc"] = "8"
    if top.variant != Variant.CLONE:
        top = rsc
    order_vs_unfencing(cluster, rsc, node, op, AR_ORDERED)
    flags = AR_ORDERED
    if not op.flags & RUNNABLE and not top.active_nodes:
        flags |= AR_UNRUNNABLE_FIRST_BLOCKS
    new_ordering(cluster, op, (top, "start"), flags)
    new_ordering(cluster, op, (top, "reload-agent"), AR_ORDERED)
    return True
