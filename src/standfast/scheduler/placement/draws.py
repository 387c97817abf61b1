"""What a colocation's dependent, and everything colocated with that in turn, adds to a primary's scores: worked out once.

The original walks from every primary to the end of its chain of dependents, so that a chain, or a group, costs the square of its
length. Here the end of a chain is walked once: what it adds is kept (`Draw`) for whoever comes before it, until one of those in
it has another table. Nothing else may differ: where adding step by step could come to something else, because a sum saturates on
the way, or no node is left and the original turns back, `applied` gives None, and placement/walk.py goes step by step.

Only primitives and groups of the top level are summed up (instances' tables change out of their turn), and only along chains that
don't come back to themselves (there it matters where one came from), in clusters without guest nodes (whose attributes are those
of a host that is still to be chosen).
"""

from __future__ import annotations

from standfast.scheduler.api import INFINITY
from standfast.scheduler.memory import Allowed, Cluster, Colocation, Draw, Pull, Resource, Variant
from standfast.scheduler.placement.colocated import all_with_this, has_influence, values_of
from standfast.scheduler.placement.ledger import copy_table
from standfast.scheduler.placement.scores import add_scores, float32, scaled
from standfast.scheduler.values import Role

HELD = -100 * INFINITY
"""Marks a score that would have become negative on a node where only positive ones may be added."""


def best_scores(cluster: Cluster, source: Resource, colocation: Colocation) -> dict[str, int]:
    """The best score of `source` on available nodes, for each value of the colocation's attribute."""
    table = source.allowed
    parent = source.parent
    if (
        source is colocation.dependent
        and colocation.explicit
        and parent is not None
        and parent.variant == Variant.GROUP
        and source is not parent.children[0]
    ):
        # A member placed by an explicit colocation must respect the locations of its group, which later members don't carry.
        table = copy_table(table)
        for location in reversed(cluster.locations):
            if location.rsc is not parent or location.role not in (Role.UNKNOWN, source.next_role):
                continue
            for node, points in location.scores:
                entry = table.get(node.id)
                if entry is None:
                    table[node.id] = Allowed(node, points)
                else:
                    entry.score = add_scores(entry.score, points)
    values = values_of(cluster, colocation.node_attribute, source)
    best: dict[str, int] = {}
    for entry in table.values():
        if entry.node.available():
            value = values[entry.node]
            if entry.score > best.get(value, -INFINITY - 1):
                best[value] = entry.score
    return best


def _allowed_on_one(rsc: Resource) -> bool:
    return sum(1 for entry in rsc.allowed.values() if entry.score >= 0) == 1


def draws(colocation: Colocation, points: int) -> bool:
    """Keeping apart from what may not run there anyway must not draw anything, but for the one case where the dependent has a
    single node left and the primary is not too sticky."""
    return colocation.primary.stickiness < -points and has_influence(colocation) and _allowed_on_one(colocation.dependent)


def chained_factor(factor: float, chained: Colocation) -> float:
    """What is left of a factor one colocation further on."""
    if factor == 1.0 and chained.score == INFINITY:
        return 1.0
    return float32(float32(factor * chained.score) / INFINITY)


def applied(
    cluster: Cluster, table: dict[str, Allowed], source: Resource, colocation: Colocation, factor: float, nonnegative: bool
) -> dict[str, Allowed] | None:
    """The table that a walk from `source` on ends with, if that is what adding everything at once comes to; else None."""
    draw = _draw_of(cluster, source, colocation, factor)
    if draw is None:
        return None
    left = False
    for entry in table.values():
        pull = draw[entry.node]
        if not _is_plain_sum(pull, entry.score, nonnegative):
            return None
        left = left or (not pull.bans and entry.score + pull.low >= 0 and entry.node.available())
    if not left:
        return None
    found = copy_table(table)
    for entry in found.values():
        entry.score = _pulled(draw[entry.node], entry.score)
    return found


def _is_plain_sum(pull: Pull, score: int, nonnegative: bool) -> bool:
    """Whether one step after the other comes to the same as all of them at once."""
    if score == HELD:
        return False
    if score <= -INFINITY:
        return True
    if score >= INFINITY or pull.bans:
        return not pull.bans or not nonnegative or score + pull.high < 0
    low, high = score + pull.low, score + pull.high
    if nonnegative and (low < 0 if score >= 0 else high >= 0):
        return False
    return low > -INFINITY and high < INFINITY


def _pulled(pull: Pull, score: int) -> int:
    if pull.bans or score <= -INFINITY:
        return -INFINITY
    return INFINITY if pull.binds or score >= INFINITY else score + pull.total


def forget_draws(cluster: Cluster, rsc: Resource) -> None:
    """A resource has, or may have, another table, or role: what was summed up with it in it no longer holds."""
    waiting = [rsc]
    while waiting:
        one = waiting.pop()
        cluster.draws.pop(one, None)
        waiting.extend(cluster.draw_users.pop(one, ()))


def _draw_of(cluster: Cluster, source: Resource, colocation: Colocation, factor: float) -> Draw | None:
    """What `source` and everything after it adds; None if that can't be said for all who come before it."""
    if source.updating_nodes or source.top().variant > Variant.GROUP or source.rest is not None:
        return None
    key = (colocation, factor)
    known = cluster.draws.setdefault(source, {})
    if key not in known:
        source.updating_nodes = True
        made = _sum_up(cluster, source, colocation, factor)
        source.updating_nodes = False
        known[key] = made
    return known[key]


def _sum_up(cluster: Cluster, source: Resource, colocation: Colocation, factor: float) -> Draw | None:
    if any(node.launcher is not None for node in cluster.nodes):
        return None
    if source.variant == Variant.GROUP:
        first = source.children[0]
        cluster.draw_users.setdefault(first, {})[source] = None
        return _draw_of(cluster, first, colocation, factor)
    found = _own(cluster, source, colocation, factor)
    for chained in all_with_this(source):
        if has_influence(chained):
            other = chained.dependent
            cluster.draw_users.setdefault(other, {})[source] = None
            more = _draw_of(cluster, other, chained, chained_factor(factor, chained))
            if more is None:
                return None
            found = {node: _joined(pull, more[node]) for node, pull in found.items()}
    return found


def _own(cluster: Cluster, source: Resource, colocation: Colocation, factor: float) -> Draw:
    """One step: what `source` itself adds for each node."""
    best = best_scores(cluster, source, colocation)
    found: Draw = {}
    for node, value in values_of(cluster, colocation.node_attribute, source).items():
        points = best.get(value, -INFINITY)
        added = 0 if factor < 0 and points < 0 and not draws(colocation, points) else scaled(factor, points)
        finite = added if abs(added) < INFINITY else 0
        found[node] = Pull(finite, min(finite, 0), max(finite, 0), added <= -INFINITY, added >= INFINITY)
    return found


def _joined(first: Pull, then: Pull) -> Pull:
    """One after the other. (Most are nothing at all.)"""
    if then is NOTHING or then == NOTHING:
        return first
    total = first.total + then.total
    low, high = min(first.low, first.total + then.low), max(first.high, first.total + then.high)
    return Pull(total, low, high, first.bans or then.bans, first.binds or then.binds)


NOTHING = Pull(0, 0, 0, bans=False, binds=False)
