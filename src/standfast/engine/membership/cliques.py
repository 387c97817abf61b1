"""Who should be together, when not everybody hears everybody: a partition of the nodes into cliques.

Owns: the choice, as a pure function of who hears whom. Does not own: how that is known.

The best clique is the one with most votes, then most nodes, then most nodes that are together in a view already, then the lowest
ids; it is taken out, and the rest is divided in
the same way. Every node that knows the same rows comes to the same partition, and as long as the fault does not change the
partition does not: so a constant partial cut (A-B and B-C up, A-C down) gives one stable view, where Totem flaps without end
(corosync issues #750, #760, #659).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from standfast.base.ids import NodeId
from standfast.engine.api import ViewId
from standfast.engine.messages import NO_VIEW

STEPS_MAX = 20_000
"""Bound of the search; beyond it the best clique found so far is taken, which is as deterministic."""


class _Search:
    """Bron and Kerbosch's enumeration of maximal cliques with Tomita's pivot, over bit sets; keeps the best one."""

    def __init__(self, adjacent: Sequence[int], votes: Sequence[int], views: Sequence[ViewId]) -> None:
        self._adjacent = adjacent
        self._votes = votes
        self._views = views
        self._steps = 0
        self._best_key: tuple[int, int, int, tuple[int, ...]] = (-1, 0, 0, ())
        self.best = 0

    def run(self, clique: int, candidates: int, excluded: int) -> None:
        self._steps += 1
        if not candidates and not excluded:
            self._keep(clique)
            return
        if self._steps > STEPS_MAX and self.best:
            return
        pivot = max(_bits(candidates | excluded), key=lambda v: (candidates & self._adjacent[v]).bit_count())
        for v in _bits(candidates & ~self._adjacent[pivot]):
            self.run(clique | 1 << v, candidates & self._adjacent[v], excluded & self._adjacent[v])
            candidates &= ~(1 << v)
            excluded |= 1 << v

    def _keep(self, clique: int) -> None:
        members = _bits(clique)
        # Vertices are numbered by node id, so that lower numbers are lower ids; negated, the greatest key has the lowest.
        key = (sum(self._votes[v] for v in members), len(members), self._together(members), tuple(-v for v in members))
        if key > self._best_key:
            self._best_key, self.best = key, clique

    def _together(self, members: Sequence[int]) -> int:
        """How many of them share a view. Without this, a node that comes back to one member before it comes back to the other
        would break up their view, and what runs there would move, for a clique that is no larger."""
        counts = Counter(self._views[v] for v in members if self._views[v] != NO_VIEW)
        return max(counts.values(), default=0)


def _bits(mask: int) -> list[int]:
    out = []
    while mask:
        low = mask & -mask
        out.append(low.bit_length() - 1)
        mask ^= low
    return out


def best_clique(adjacent: Sequence[int], votes: Sequence[int], views: Sequence[ViewId], among: int) -> int:
    """The best clique of the vertices `among` (a bit set), as a bit set. `adjacent[v]` are v's neighbours, symmetric."""
    if all(among & ~adjacent[v] == 1 << v for v in _bits(among)):
        return among  # everybody hears everybody: nearly always
    search = _Search([mask & among for mask in adjacent], votes, views)
    search.run(0, among, 0)
    return search.best


def clique_of(
    me: NodeId, hears: Mapping[NodeId, frozenset[NodeId]], votes: Mapping[NodeId, int], views: Mapping[NodeId, ViewId]
) -> tuple[NodeId, ...]:
    """The clique that node `me` belongs to. `hears` is by node, one way; only pairs that hear each other count. `views` is where
    each node is now."""
    nodes = sorted(hears)
    index = {node: i for i, node in enumerate(nodes)}
    adjacent = [
        sum(1 << index[other] for other in sorted(hears[node]) if other in index and node in hears[other] and other != node)
        for node in nodes
    ]
    places = [views.get(node, NO_VIEW) for node in nodes]
    weights = [votes.get(node, 1) for node in nodes]
    left = (1 << len(nodes)) - 1
    while True:
        clique = best_clique(adjacent, weights, places, left)
        if clique >> index[me] & 1:
            return tuple(nodes[v] for v in _bits(clique))
        left &= ~clique
