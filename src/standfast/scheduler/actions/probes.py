"""Probes: one monitor of each resource on each node where its state is not known, before it may start anywhere."""

from __future__ import annotations

from standfast.scheduler.actions.ops import get_action
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
from standfast.scheduler.orderings.new import new_ordering
from standfast.scheduler.values import Role


def schedule_probes(cluster: Cluster) -> None:
    """Probe everything unknown on nodes that are online and clean."""
    if not cluster.probe_resources:
        return
    for node in cluster.nodes:
        if node.online and not node.unclean and node.probes_allowed:
            for rsc in cluster.resources:
                rsc.act().create_probe(cluster, rsc, node)


def probe(cluster: Cluster, rsc: Resource, node: Node) -> bool:
    """Probe a resource (its members) on a node, if needed and allowed; returns whether anything was created."""
    if rsc.children:
        created = False
        for child in rsc.children:
            created |= child.act().create_probe(cluster, child, node)
        return created
    if rsc.removed or node.id in rsc.probed:
        return False
    top = rsc.top()
    allowed = rsc.allowed.get(node.id)
    exclusive = rsc.exclusive_probes or top.exclusive_probes
    if exclusive and (allowed is None or allowed.probe_mode != ProbeMode.EXCLUSIVE):
        return False
    if allowed is not None and allowed.probe_mode == ProbeMode.NEVER:
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
