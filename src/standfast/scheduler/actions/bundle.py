"""Actions of bundles: their replicas', the bundle's own points in time, and probes of containers before anything in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.scheduler.actions.core import find_by_key
from standfast.scheduler.actions.instances import create_instance_actions
from standfast.scheduler.actions.ops import rsc_pseudo_op
from standfast.scheduler.memory import AR_IF_ON_SAME_NODE, AR_NESTED_REMOTE_PROBE, AR_ORDERED, Cluster, Node, Resource, op_key
from standfast.scheduler.orderings.new import new_ordering, order_tasks
from standfast.scheduler.placement.bundle import data_of

if TYPE_CHECKING:
    from standfast.scheduler.unpack.bundles import Replica

INFINITY = 1_000_000


def create_bundle_actions(cluster: Cluster, bundle: Resource) -> None:
    """Actions of every replica, of what runs inside, and the bundle's points in time."""
    data = data_of(bundle)
    for replica in data.all:
        for one in (replica.ip, replica.container, replica.remote):
            if one is not None:
                one.act().create_actions(cluster, one)
    create_instance_actions(cluster, bundle, data.containers)
    if data.clone is None:
        return
    data.clone.act().create_actions(cluster, data.clone)
    if data.clone.promotable:
        for task, done in (("promote", "promoted"), ("demote", "demoted")):
            rsc_pseudo_op(cluster, bundle, task)
            rsc_pseudo_op(cluster, bundle, done).priority = INFINITY


def probe_bundle(cluster: Cluster, bundle: Resource, node: Node) -> bool:
    """Probe what is not known of each replica on a node."""
    created = False
    for replica in data_of(bundle).all:
        created |= _probe_replica(cluster, bundle, replica, node)
    return created


def _probe_replica(cluster: Cluster, bundle: Resource, replica: Replica, node: Node) -> bool:
    created = False
    if replica.ip is not None:
        created |= replica.ip.act().create_probe(cluster, replica.ip, node)
    if replica.child is not None and replica.node is node:
        created |= replica.child.act().create_probe(cluster, replica.child, node)
    container = replica.container
    if container.act().create_probe(cluster, container, node):
        created = True
        for other in data_of(bundle).all if data_of(bundle).per_host == 1 else ():
            # No second replica on a host before it is known that there is none: ports might be taken.
            if other is not replica:
                flags = AR_ORDERED | AR_IF_ON_SAME_NODE
                order_tasks(cluster, container, "monitor", other.container, "start", flags)
    remote = replica.remote
    if remote is not None and remote.act().create_probe(cluster, remote, node):
        for probe in find_by_key(remote, op_key(remote.id, "monitor"), node)[:1]:
            created = True
            # The connection's address may be its host's name, which is known once the container has a place.
            new_ordering(cluster, (container, "start"), probe, AR_NESTED_REMOTE_PROBE)
    return created
