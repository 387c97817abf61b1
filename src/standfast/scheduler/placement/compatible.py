"""Which instance of one clone belongs to which of another: the one on the same node (interleaving)."""

from __future__ import annotations

from standfast.scheduler.memory import Cluster, Node, Resource, any_of, located
from standfast.scheduler.placement.colocated import node_value
from standfast.scheduler.placement.nodes import sorted_nodes
from standfast.scheduler.values import Role


def state_of(rsc: Resource, current: bool) -> Role:
    """The highest role of a resource's members (its own, for a primitive), now or wanted."""
    if rsc.replicas is not None:
        return Role.UNKNOWN
    if rsc.children:
        return max(state_of(child, current) for child in rsc.children)
    return rsc.role if current else rsc.next_role


def instances_of(rsc: Resource) -> list[Resource]:
    """A clone's instances, or a bundle's containers."""
    return rsc.children if rsc.replicas is None else rsc.replicas.containers


def place_of(instance: Resource, role: Role, current: bool) -> Node | None:
    """The one node where an instance has this role (UNKNOWN: any), now or as assigned."""
    if role not in (Role.UNKNOWN, state_of(instance, current)) or any_of(instance, "blocked"):
        return None
    places = located(instance, current=current, assigned=not current)
    return places[0] if len(places) == 1 else None


def matches(instance: Resource, node: Node, role: Role, current: bool, attribute: str | None = None) -> bool:
    """Whether an instance has this role (UNKNOWN: any) on this node, now or as assigned; `attribute` compares nodes by value."""
    place = place_of(instance, role, current)
    if place is None or attribute is None:
        return place is not None and place is node
    return node_value(place, attribute, instance) == node_value(node, attribute, instance)


def compatible_instance(
    cluster: Cluster, match: Resource, clone: Resource, role: Role, current: bool, attribute: str | None = None
) -> Resource | None:
    """The instance of `clone` on `match`'s node, or on the best node that `match` is allowed on."""
    places = located(match, current=current, assigned=not current)
    nodes = places if len(places) == 1 else [entry.node for entry in sorted_nodes(cluster, match.allowed, None)]
    if attribute is None:
        at: dict[Node | None, Resource] = {}
        for instance in instances_of(clone):
            at.setdefault(place_of(instance, role, current), instance)
        return next((at[node] for node in nodes if node in at), None)
    for node in nodes:
        for instance in instances_of(clone):
            if matches(instance, node, role, current, attribute):
                return instance
    return None
