"""Colocations as a primitive takes part in them."""

from __future__ import annotations

from standfast.scheduler.memory import Cluster, Colocation, Resource
from standfast.scheduler.placement.colocated import (
    Affects,
    add_this_with,
    add_with_this,
    affects,
    apply_to_priority,
    apply_to_scores,
    extend_this_with,
    extend_with_this,
)


def apply_coloc_score(
    cluster: Cluster, dependent: Resource, primary: Resource, colocation: Colocation, for_dependent: bool
) -> int:
    """Apply a colocation of a primitive dependent; its primary's kind decides how."""
    if for_dependent:
        return primary.act().apply_coloc_score(cluster, dependent, primary, colocation, for_dependent=False)
    match affects(dependent, primary, colocation):
        case Affects.ROLE:
            return apply_to_priority(dependent, primary, colocation)
        case Affects.LOCATION:
            apply_to_scores(cluster, dependent, primary, colocation)
        case Affects.NOTHING:
            pass
    return 0


def with_this(rsc: Resource, orig: Resource, found: list[Colocation]) -> None:
    """Colocations with this primitive, and with its parent where that applies; for others, explicit ones only."""
    if rsc is orig:
        extend_with_this(found, rsc.with_this)
        if rsc.parent is not None:
            rsc.parent.act().with_this(rsc.parent, orig, found)
    else:
        for colocation in rsc.with_this:
            if colocation.explicit:
                add_with_this(found, colocation)


def this_with(rsc: Resource, orig: Resource, found: list[Colocation]) -> None:
    """Colocations of this primitive, and of its parent where that applies; for others, explicit ones only."""
    if rsc is orig:
        extend_this_with(found, rsc.this_with)
        if rsc.parent is not None:
            rsc.parent.act().this_with(rsc.parent, orig, found)
    else:
        for colocation in rsc.this_with:
            if colocation.explicit:
                add_this_with(found, colocation)
