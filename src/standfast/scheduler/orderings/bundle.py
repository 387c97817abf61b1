"""Orderings of bundles: the bundle's points in time around its containers and what runs inside, and within a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.scheduler.constraints.colocation import new_colocation
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN_GRAPHED,
    AR_GUEST_ALLOWED,
    AR_THEN_IMPLIES_FIRST,
    AR_THEN_IMPLIES_FIRST_GRAPHED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    Cluster,
    Node,
    Op,
    Resource,
)
from standfast.scheduler.orderings.instances import collective_action_flags, order_restarts
from standfast.scheduler.orderings.new import order_tasks
from standfast.scheduler.placement.bundle import data_of

if TYPE_CHECKING:
    from standfast.scheduler.unpack.bundles import Replica

INFINITY = 1_000_000
# What is done to containers; anything else is done to what runs inside.
_CONTAINER_TASKS = ("monitor", "stop", "stopped", "start", "running", "do_shutdown", "stonith")


def bundle_constraints(cluster: Cluster, bundle: Resource) -> None:
    """A bundle's own orderings, and those of its replicas."""
    data = data_of(bundle)
    for replica in data.all:
        _replica(cluster, bundle, replica)
    clone = data.clone
    if clone is None:
        return
    down, up = AR_THEN_IMPLIES_FIRST_GRAPHED, AR_FIRST_IMPLIES_THEN_GRAPHED
    order_tasks(cluster, bundle, "start", clone, "start", down)
    order_tasks(cluster, clone, "running", bundle, "running", up)
    order_tasks(cluster, bundle, "stop", clone, "stop", down)
    order_tasks(cluster, clone, "stopped", bundle, "stopped", up)
    clone.act().internal_constraints(cluster, clone)
    if not clone.promotable:
        return
    order_restarts(cluster, bundle)
    order_tasks(cluster, bundle, "demote", clone, "demote", down)
    order_tasks(cluster, clone, "demoted", bundle, "demoted", up)
    order_tasks(cluster, bundle, "promote", clone, "promote", down)
    order_tasks(cluster, clone, "promoted", bundle, "promoted", up)


def _replica(cluster: Cluster, bundle: Resource, replica: Replica) -> None:
    container = replica.container
    container.act().internal_constraints(cluster, container)
    order_tasks(cluster, bundle, "start", container, "start", AR_UNRUNNABLE_FIRST_BLOCKS | AR_THEN_IMPLIES_FIRST_GRAPHED)
    if replica.child is not None:
        order_tasks(cluster, bundle, "stop", replica.child, "stop", AR_THEN_IMPLIES_FIRST_GRAPHED)
    order_tasks(cluster, bundle, "stop", container, "stop", AR_THEN_IMPLIES_FIRST_GRAPHED)
    order_tasks(cluster, container, "start", bundle, "running", AR_FIRST_IMPLIES_THEN_GRAPHED)
    order_tasks(cluster, container, "stop", bundle, "stopped", AR_FIRST_IMPLIES_THEN_GRAPHED)
    if replica.ip is not None:
        replica.ip.act().internal_constraints(cluster, replica.ip)
        order_tasks(cluster, replica.ip, "start", container, "start", AR_UNRUNNABLE_FIRST_BLOCKS | AR_GUEST_ALLOWED)
        order_tasks(cluster, container, "stop", replica.ip, "stop", AR_THEN_IMPLIES_FIRST | AR_GUEST_ALLOWED)
        new_colocation(cluster, "#ip-with-container", INFINITY, replica.ip, container, explicit=False)
    if replica.remote is not None:
        # Orders and colocates it with the container, which is its launcher.
        replica.remote.act().internal_constraints(cluster, replica.remote)


def bundle_action_flags(op: Op, node: Node | None) -> int:
    """A bundle's point in time is worked out from its containers' actions, or from those of what runs inside."""
    assert op.rsc is not None
    data = data_of(op.rsc)
    if data.clone is not None and op.task not in _CONTAINER_TASKS:
        return collective_action_flags(op, data.clone.children, node)
    return collective_action_flags(op, data.containers, node)
