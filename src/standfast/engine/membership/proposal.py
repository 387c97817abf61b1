"""A proposal for a view, as its coordinator keeps it: who has accepted, from where, and what they still lack.

Owns: the cut of each view that ends. Does not own: sending, time beyond its own age.
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import NodeId
from standfast.engine.api import ViewId
from standfast.engine.messages import Accept, Install, Life, Origin


class Proposal:
    """One ballot. Invariant: the members are sorted, and only they can accept or be ready."""

    __slots__ = ("accepts", "begun_us", "id", "members", "ready")

    def __init__(self, now_us: int, view: ViewId, members: Sequence[Life]) -> None:
        self.begun_us = now_us
        self.id = view
        self.members = tuple(members)
        self.accepts: dict[NodeId, Accept] = {}
        self.ready: dict[NodeId, bool] = {}

    @property
    def missing(self) -> list[NodeId]:
        """Members that have not accepted yet."""
        return [life.node for life in self.members if life.node not in self.accepts]

    def cuts(self) -> dict[ViewId, tuple[int, NodeId]]:
        """For each view that ends: the last entry that its members will have delivered, and who holds it (the lowest id)."""
        cuts: dict[ViewId, tuple[int, NodeId]] = {}
        for life in self.members:
            accept = self.accepts[life.node]
            if accept.old not in cuts or accept.held > cuts[accept.old][0]:
                cuts[accept.old] = accept.held, life.node
        return cuts

    def laggards(self) -> list[tuple[NodeId, ViewId, int, NodeId]]:
        """Members that still lack entries: (member, its old view, the cut, who has the entries)."""
        cuts = self.cuts()
        out = []
        for life in self.members:
            accept = self.accepts[life.node]
            cut, holder = cuts[accept.old]
            if accept.held < cut and life.node not in self.ready:
                out.append((life.node, accept.old, cut, holder))
        return out

    def install(self) -> Install:
        """The order to install, once everybody is where he has to be."""
        cuts = self.cuts()
        origins = []
        for life in self.members:
            accept = self.accepts[life.node]
            origins.append(Origin(life, accept.old, cuts[accept.old][0], accept.votes))
        return Install(self.id, tuple(origins))

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        nodes = [life.node for life in self.members]
        assert nodes == sorted(nodes)
        assert all(node in nodes for node in (*self.accepts, *self.ready))
        assert self.id.coordinator == nodes[0]
