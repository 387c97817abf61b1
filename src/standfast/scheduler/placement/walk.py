"""The walk along colocations: what dependents would like counts for their primaries, scaled by the colocations' scores.

Pacemaker: pcmk__add_colocated_node_scores and pcmk__add_dependent_scores of lib/pacemaker/pcmk_sched_colocation.c.
"""

from __future__ import annotations

from standfast.scheduler.api import INFINITY
from standfast.scheduler.memory import Allowed, Cluster, Colocation, Resource, ScoreWalk, Variant
from standfast.scheduler.placement.colocated import all_this_with, all_with_this, has_influence, note_changes, values_of
from standfast.scheduler.placement.draws import HELD, applied, best_scores, chained_factor, draws
from standfast.scheduler.placement.ledger import any_available, copy_table
from standfast.scheduler.placement.scores import add_scores, float32, scaled


def _add_matching(
    cluster: Cluster, table: dict[str, Allowed], source: Resource, walk: ScoreWalk, colocation: Colocation, factor: float
) -> None:
    only_positive = walk.nonnegative
    best = best_scores(cluster, source, colocation)
    values = values_of(cluster, colocation.node_attribute, walk.target)
    scaled_points: dict[int, int] = {}
    for entry in table.values():
        if entry.score == HELD:
            continue
        points = best.get(values[entry.node], -INFINITY)
        if factor < 0 and points < 0 and not draws(colocation, points):
            continue
        if points not in scaled_points:
            scaled_points[points] = scaled(factor, points)
        new = add_scores(scaled_points[points], entry.score)
        if only_positive and new < 0:
            if entry.score > 0:
                entry.score = HELD
                continue
            if entry.score == 0:
                continue
        entry.score = new


def add_colocated_scores(
    cluster: Cluster, walk: ScoreWalk, source: Resource, colocation: Colocation | None, factor: float
) -> None:
    """Add the preferences of `source`, and of everything colocated with it in turn, to the walk's table."""
    if source.updating_nodes:
        return
    if walk.table is not None and colocation is not None and walk.active and not walk.this_with:
        at_once = applied(cluster, walk.table, source, colocation, factor, walk.nonnegative)
        if at_once is not None:
            walk.table = at_once
            return
    source.updating_nodes = True
    if walk.table is None:
        work = copy_table(source.allowed)
        walk.target = source
    else:
        assert colocation is not None
        work = copy_table(walk.table)
        _add_matching(cluster, work, source, walk, colocation, factor)
    if any_available(work):
        inner = ScoreWalk(walk.target, work, walk.nonnegative, active=True, this_with=walk.this_with)
        for chained in all_this_with(source) if walk.this_with else all_with_this(source):
            if not walk.this_with and not has_influence(chained):
                continue
            other = chained.primary if walk.this_with else chained.dependent
            other.act().add_colocated_scores(cluster, inner, other, chained, chained_factor(factor, chained))
        assert inner.table is not None
        work = inner.table
    elif walk.active:
        source.updating_nodes = False
        return
    if walk.nonnegative:
        for entry in work.values():
            if entry.score == HELD:
                entry.score = 1
    walk.table = work
    source.updating_nodes = False


def add_dependent_scores(cluster: Cluster, colocation: Colocation, primary: Resource) -> None:
    """Draw a primary to where the dependent of `colocation` would like to be."""
    if not has_influence(colocation):
        return
    walk = ScoreWalk(primary, copy_table(primary.allowed), primary.variant == Variant.CLONE, active=True)
    dependent = colocation.dependent
    dependent.act().add_colocated_scores(cluster, walk, dependent, colocation, float32(colocation.score / INFINITY))
    assert walk.table is not None
    note_changes(cluster, primary, walk.table, colocation)
    primary.allowed = walk.table
