"""Bundles in placement: containers first, then what belongs to each (Pacemaker: lib/pacemaker/pcmk_sched_bundle.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.report import notice
from standfast.scheduler.actions.places import assigned_to
from standfast.scheduler.constraints.colocation import new_colocation
from standfast.scheduler.memory import (
    Cluster,
    Colocation,
    Location,
    Node,
    Resource,
    Variant,
    any_of,
)
from standfast.scheduler.placement.assign import record_scores
from standfast.scheduler.placement.colocated import extend_this_with, extend_with_this
from standfast.scheduler.placement.compatible import matches
from standfast.scheduler.placement.criteria import apply_location, threshold_reached
from standfast.scheduler.placement.instances import assign_instances, sorted_instances
from standfast.scheduler.placement.ledger import assign_score, ban
from standfast.scheduler.placement.nodes import assign_resource, sorted_nodes
from standfast.scheduler.placement.scores import add_scores
from standfast.scheduler.values import Role

if TYPE_CHECKING:
    from standfast.scheduler.unpack.bundles import BundleData, Replica

INFINITY = 1_000_000


def data_of(bundle: Resource) -> BundleData:
    """The bundle's replicas."""
    assert bundle.replicas is not None
    return bundle.replicas


def assign_bundle(cluster: Cluster, bundle: Resource, prefer: Node | None, stop_if_fail: bool) -> Node | None:
    """Assign the containers, then addresses, connections and children, then the roles of what runs inside."""
    data = data_of(bundle)
    bundle.assigning = True
    record_scores(cluster, bundle, "pcmk__bundle_assign")
    assign_instances(cluster, bundle, sorted_instances(cluster, data.containers), data.max, data.per_host)
    for replica in data.all:
        _assign_replica(cluster, replica, prefer, stop_if_fail)
    clone = data.clone
    if clone is not None:
        nodes = [replica.node for replica in data.all]
        for entry in clone.allowed.values():
            assign_score(cluster, clone, entry, 0 if entry.node in nodes else -INFINITY, "bundle-node")
        clone.act().assign(cluster, clone, prefer, stop_if_fail)
    bundle.assigning = bundle.unassigned = False
    return None


def _assign_replica(cluster: Cluster, replica: Replica, prefer: Node | None, stop_if_fail: bool) -> None:
    if replica.ip is not None:
        replica.ip.act().assign(cluster, replica.ip, prefer, stop_if_fail)
    host = replica.container.assigned
    if replica.remote is not None:
        if host is not None and host.kind == "remote" and host.remote is not None:
            # A remote node accepts one connection at a time: what is nested must come from the same host.
            new_colocation(cluster, "#replica-remote-with-host-remote", INFINITY, replica.remote, host.remote, explicit=False)
        replica.remote.act().assign(cluster, replica.remote, prefer, stop_if_fail)
    child = replica.child
    if child is None or child.parent is None:
        return
    for entry in child.allowed.values():
        if entry.node is not replica.node:
            ban(cluster, child, entry, "bundle-child")
        elif not threshold_reached(cluster, child, entry.node):
            assign_score(cluster, child, entry, INFINITY, "bundle-child")
    child.parent.assigning = True
    child.act().assign(cluster, child, replica.node, stop_if_fail)
    child.parent.assigning = False


def _host(node: Node | None) -> Node | None:
    """A bundle node's host, as assigned; any other node itself."""
    if node is not None and node.is_bundle_node and node.launcher is not None:
        return node.launcher.assigned
    return node


def _compatible_container(cluster: Cluster, dependent: Resource, bundle: Resource) -> Resource | None:
    """The container on the dependent's node or, before it has one, on the best of those it may run on."""
    containers = data_of(bundle).containers
    chosen = _host(assigned_to(dependent))
    if chosen is not None:
        return next((one for one in containers if matches(one, chosen, Role.UNKNOWN, current=False)), None)
    for entry in sorted_nodes(cluster, dependent.allowed, None):
        node = _host(entry.node)
        for one in containers if node is not None else ():
            if node is not None and matches(one, node, Role.UNKNOWN, current=False):
                return one
    return None


def apply_coloc_score(
    cluster: Cluster, dependent: Resource, bundle: Resource, colocation: Colocation, for_dependent: bool
) -> int:
    """A colocation with a bundle is one with its containers; a role is that of what runs inside."""
    assert not for_dependent
    if bundle.unassigned:
        return 0
    if colocation.dependent.variant > Variant.GROUP:
        container = _compatible_container(cluster, dependent, bundle)
        if container is not None:
            return dependent.act().apply_coloc_score(cluster, dependent, container, colocation, for_dependent=True)
        if colocation.score >= INFINITY:
            why = f"no replica of {bundle.id} goes with it"
            cluster.tell(notice("scheduler.interleave", f"{dependent.id} cannot run", why, where=dependent.id))
            assign_resource(cluster, dependent, None, force=True, stop_if_fail=True)
        return 0
    if colocation.score >= INFINITY:
        _keep_with(cluster, dependent, bundle, colocation)
        return 0
    change = 0
    for one in data_of(bundle).containers:
        change = add_scores(change, one.act().apply_coloc_score(cluster, dependent, one, colocation, for_dependent=False))
    return change


def _keep_with(cluster: Cluster, dependent: Resource, bundle: Resource, colocation: Colocation) -> None:
    hosts = []
    for replica in data_of(bundle).all:
        promoted = replica.child is not None and replica.child.next_role >= Role.PROMOTED
        if any_of(replica.container, "blocked") or (colocation.primary_role >= Role.PROMOTED and not promoted):
            continue
        hosts.append(assigned_to(replica.container))
    for entry in dependent.allowed.values():
        if entry.node not in hosts:
            sentence = (
                f"{dependent.id} is colocated with {bundle.id} ({colocation.id}), which has no replica on {entry.node.name}"
            )
            ban(cluster, dependent, entry, colocation.id, sentence)


def _shares(bundle: Resource, orig: Resource) -> bool:
    """Whether a bundle's colocations are those of `orig`: the bundle's and its containers'; once roles are chosen, also
    those of what runs inside."""
    if orig is bundle or orig.replica_container:
        return True
    clone = data_of(bundle).clone
    if clone is None or not clone.promotable or orig.top() is not clone:
        return False
    return clone.clone_data().constrained if orig is clone else not orig.unassigned


def with_this(bundle: Resource, orig: Resource, found: list[Colocation]) -> None:
    """Colocations of others with a bundle."""
    if _shares(bundle, orig):
        extend_with_this(found, bundle.with_this)


def this_with(bundle: Resource, orig: Resource, found: list[Colocation]) -> None:
    """Colocations of a bundle with others."""
    if _shares(bundle, orig):
        extend_this_with(found, bundle.this_with)


def apply_bundle_location(cluster: Cluster, bundle: Resource, location: Location) -> None:
    """A bundle's location counts for its containers and addresses; that of a role, for what runs inside."""
    apply_location(cluster, bundle, location)
    data = data_of(bundle)
    for replica in data.all:
        for one in (replica.container, replica.ip):
            if one is not None:
                one.act().apply_location(cluster, one, location)
    if data.clone is not None and location.role in (Role.UNPROMOTED, Role.PROMOTED):
        data.clone.act().apply_location(cluster, data.clone, location)
        data.clone.locations.append(location)
