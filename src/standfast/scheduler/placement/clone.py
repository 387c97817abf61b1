"""Clones in placement: scores of the whole, then of each instance; colocations with and of clones."""

from __future__ import annotations

from standfast.base.report import error, notice
from standfast.scheduler.actions.places import assigned_to
from standfast.scheduler.memory import Cluster, Colocation, Location, Node, Resource, Variant, any_of
from standfast.scheduler.placement.assign import record_scores
from standfast.scheduler.placement.colocated import (
    all_this_with,
    all_with_this,
    extend_this_with,
    extend_with_this,
)
from standfast.scheduler.placement.compatible import compatible_instance
from standfast.scheduler.placement.criteria import apply_location
from standfast.scheduler.placement.instances import assign_instances, sorted_instances
from standfast.scheduler.placement.ledger import ban
from standfast.scheduler.placement.nodes import assign_resource
from standfast.scheduler.placement.promotion import (
    add_promotion_scores,
    follow_promotable,
    promotable_priority,
    set_instance_roles,
)
from standfast.scheduler.placement.scores import add_scores
from standfast.scheduler.placement.walk import add_dependent_scores
from standfast.scheduler.values import Role, is_true

INFINITY = 1_000_000


def assign_clone(cluster: Cluster, clone: Resource, prefer: Node | None, stop_if_fail: bool) -> Node | None:
    """Assign a clone's instances; a clone as such is nowhere."""
    if not clone.unassigned or clone.assigning:
        return None
    clone.assigning = True
    if clone.promotable:
        add_promotion_scores(cluster, clone)
    for colocation in all_this_with(clone):
        primary = colocation.primary
        primary.act().assign(cluster, primary, prefer, stop_if_fail)
    for colocation in all_with_this(clone):
        add_dependent_scores(cluster, colocation, clone)
    record_scores(cluster, clone, "pcmk__clone_assign")
    clone.children = sorted_instances(cluster, clone.children)
    data = clone.clone_data()
    assign_instances(cluster, clone, list(clone.children), data.max, data.node_max)
    if clone.promotable:
        set_instance_roles(cluster, clone)
    clone.assigning = clone.unassigned = False
    return None


def apply_clone_location(cluster: Cluster, clone: Resource, location: Location) -> None:
    """A clone's location counts for the clone and for every instance."""
    apply_location(cluster, clone, location)
    for instance in clone.children:
        instance.act().apply_location(cluster, instance, location)


def _per_node(rsc: Resource) -> int:
    if rsc.replicas is not None:
        return rsc.replicas.per_host
    return 1 if rsc.clone is None else rsc.clone.node_max


def _may_interleave(cluster: Cluster, colocation: Colocation) -> bool:
    dependent, primary = colocation.dependent, colocation.primary
    if dependent.variant <= Variant.GROUP or not is_true(dependent.meta.get("interleave")):
        return False
    counts = [_per_node(rsc) for rsc in (dependent, primary)]
    if counts[0] != counts[1]:
        why = "because they do not support the same number of instances per node"
        what = f"Cannot interleave {dependent.id} and {primary.id} {why}"
        cluster.tell(error("scheduler.interleave", what, where=colocation.id))
        return False
    return True


def apply_coloc_score(cluster: Cluster, dependent: Resource, clone: Resource, colocation: Colocation, for_dependent: bool) -> int:
    """A colocation with a clone: with its promoted instances, with the instance beside it, or with any."""
    assert not for_dependent
    if clone.unassigned:
        return 0
    if clone.promotable and colocation.primary_role != Role.UNKNOWN:
        if dependent.unassigned:
            follow_promotable(cluster, clone, dependent, colocation)
            return 0
        if colocation.dependent_role == Role.PROMOTED:
            return promotable_priority(cluster, clone, dependent, colocation)
    if _may_interleave(cluster, colocation):
        return _interleave(cluster, dependent, clone, colocation)
    if colocation.score >= INFINITY:
        places = [assigned_to(one) for one in clone.children if not any_of(one, "blocked")]
        for entry in dependent.allowed.values():
            if entry.node not in places:
                sentence = (
                    f"{dependent.id} is colocated with {clone.id} ({colocation.id}), which has no instance on {entry.node.name}"
                )
                ban(cluster, dependent, entry, colocation.id, sentence)
        return 0
    change = 0
    for instance in clone.children:
        change = add_scores(
            change, instance.act().apply_coloc_score(cluster, dependent, instance, colocation, for_dependent=False)
        )
    return change


def _interleave(cluster: Cluster, dependent: Resource, clone: Resource, colocation: Colocation) -> int:
    instance = compatible_instance(cluster, dependent, clone, Role.UNKNOWN, current=False)
    if instance is not None:
        return dependent.act().apply_coloc_score(cluster, dependent, instance, colocation, for_dependent=True)
    if colocation.score >= INFINITY:
        cluster.tell(notice("scheduler.interleave", f"{dependent.id} cannot run", f"no instance of {clone.id} goes with it"))
        assign_resource(cluster, dependent, None, force=True, stop_if_fail=True)
    return 0


def with_this(clone: Resource, orig: Resource, found: list[Colocation]) -> None:
    """What is colocated with a clone is colocated with each instance."""
    extend_with_this(found, clone.with_this)
    if clone.parent is not None:
        clone.parent.act().with_this(clone.parent, orig, found)


def this_with(clone: Resource, orig: Resource, found: list[Colocation]) -> None:
    """A clone's colocations are those of each instance."""
    extend_this_with(found, clone.this_with)
    if clone.parent is not None:
        clone.parent.act().this_with(clone.parent, orig, found)
