"""What differs between the kinds of resources in each phase: one table, so that a phase never asks what it has before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.scheduler.actions.bundle import create_bundle_actions, probe_bundle
from standfast.scheduler.actions.create import create_group_actions, create_primitive_actions
from standfast.scheduler.actions.instances import create_clone_actions, probe_clone
from standfast.scheduler.actions.probes import probe
from standfast.scheduler.memory import Cluster, Resource, Variant, walk
from standfast.scheduler.methods import Methods
from standfast.scheduler.orderings.bundle import bundle_action_flags, bundle_constraints
from standfast.scheduler.orderings.instances import clone_action_flags, clone_constraints, clone_update_ordered
from standfast.scheduler.orderings.internal import group_constraints, primitive_constraints
from standfast.scheduler.orderings.update import (
    group_action_flags,
    group_update_ordered,
    primitive_action_flags,
    update_ordered,
)
from standfast.scheduler.placement import bundle, clone, group, primitive
from standfast.scheduler.placement.assign import assign_primitive
from standfast.scheduler.placement.criteria import apply_location
from standfast.scheduler.placement.walk import add_colocated_scores
from standfast.scheduler.resting import still

if TYPE_CHECKING:
    from collections.abc import Callable

    from standfast.scheduler.memory import Colocation, Location, Node, Op, ScoreWalk


@dataclass(frozen=True, slots=True)
class Table:
    """One kind's functions; the fields are those of `Methods`."""

    assign: Callable[[Cluster, Resource, Node | None, bool], Node | None]
    create_actions: Callable[[Cluster, Resource], None]
    create_probe: Callable[[Cluster, Resource, Node], bool]
    internal_constraints: Callable[[Cluster, Resource], None]
    apply_coloc_score: Callable[[Cluster, Resource, Resource, Colocation, bool], int]
    with_this: Callable[[Resource, Resource, list[Colocation]], None]
    this_with: Callable[[Resource, Resource, list[Colocation]], None]
    add_colocated_scores: Callable[[Cluster, ScoreWalk, Resource, Colocation | None, float], None]
    apply_location: Callable[[Cluster, Resource, Location], None]
    action_flags: Callable[[Op, Node | None], int]
    update_ordered: Callable[[Cluster, Op, Op, Node | None, int, int, int], int]


METHODS: dict[Variant, Methods] = {
    Variant.PRIMITIVE: Table(
        assign=assign_primitive,
        create_actions=create_primitive_actions,
        create_probe=probe,
        internal_constraints=primitive_constraints,
        apply_coloc_score=primitive.apply_coloc_score,
        with_this=primitive.with_this,
        this_with=primitive.this_with,
        add_colocated_scores=add_colocated_scores,
        apply_location=apply_location,
        action_flags=primitive_action_flags,
        update_ordered=update_ordered,
    ),
    Variant.GROUP: Table(
        assign=group.assign_group,
        create_actions=create_group_actions,
        create_probe=probe,
        internal_constraints=group_constraints,
        apply_coloc_score=group.apply_coloc_score,
        with_this=group.with_this,
        this_with=group.this_with,
        add_colocated_scores=group.add_colocated_scores,
        apply_location=group.apply_group_location,
        action_flags=group_action_flags,
        update_ordered=group_update_ordered,
    ),
    Variant.CLONE: Table(
        assign=clone.assign_clone,
        create_actions=create_clone_actions,
        create_probe=probe_clone,
        internal_constraints=clone_constraints,
        apply_coloc_score=clone.apply_coloc_score,
        with_this=clone.with_this,
        this_with=clone.this_with,
        add_colocated_scores=add_colocated_scores,
        apply_location=clone.apply_clone_location,
        action_flags=clone_action_flags,
        update_ordered=clone_update_ordered,
    ),
    Variant.BUNDLE: Table(
        assign=bundle.assign_bundle,
        create_actions=create_bundle_actions,
        create_probe=probe_bundle,
        internal_constraints=bundle_constraints,
        apply_coloc_score=bundle.apply_coloc_score,
        with_this=bundle.with_this,
        this_with=bundle.this_with,
        add_colocated_scores=add_colocated_scores,
        apply_location=bundle.apply_bundle_location,
        action_flags=bundle_action_flags,
        update_ordered=clone_update_ordered,
    ),
}


RESTING: Methods = Table(
    assign=still.take_turn,
    create_actions=still.use_numbers,
    create_probe=still.no_probe,
    internal_constraints=still.nothing,
    apply_coloc_score=still.no_change,
    with_this=still.nothing,
    this_with=still.nothing,
    add_colocated_scores=still.nothing,
    apply_location=still.nothing,
    action_flags=still.no_change,
    update_ordered=still.no_change,
)
"""What stands for a resource at rest, whatever its kind."""


def set_methods(cluster: Cluster) -> None:
    """Give every resource its kind's behaviour."""
    for rsc in walk(cluster.resources):
        rsc.methods = METHODS[rsc.variant] if rsc.rest is None else RESTING
