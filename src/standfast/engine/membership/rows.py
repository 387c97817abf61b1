"""Rows: what each life says whom it hears and which view it is in, spread by gossip until all who are connected know the same.

Owns: the newest row of each life, the digest by which two nodes see that they know different things.
Does not own: when to gossip, what to conclude (cliques.py).

Only rows that can be reached from this node by hearing (this node's row, the rows of those in it, and so on) are kept: a dead
node's last words are forgotten as soon as nobody says that he hears it. Whoever this node hears, and has told its row itself, is
believed about itself, and nobody else is: one member cannot talk another out of the view. Lives are bounded, so that invented
ones fill no table and no packet.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping

from standfast.base.ids import NodeId
from standfast.engine.api import ViewId
from standfast.engine.membership.cliques import clique_of
from standfast.engine.messages import ROWS_MAX, Gossip, Life, Row, write_record


class Rows:
    """The rows that this node knows, its own included.

    Invariants: one row per life; `digest` is that of the rows; every kept row can be reached from this node's.
    """

    def __init__(self, me: Life, votes: Mapping[NodeId, int]) -> None:
        self.me = me
        self._votes = dict(votes)
        self._rows: dict[Life, Row] = {me: Row(me, 0, ())}
        self._first_hand: dict[Life, None] = {}
        self.changes = 0
        """How often it changed who hears whom."""
        self.moves = 0
        """How often anything changed: views, too."""
        self.digest = 0
        self._digested()

    @property
    def mine(self) -> tuple[Life, ...]:
        """Whom this node hears."""
        return self._rows[self.me].hears

    def hear(self, hears: tuple[Life, ...]) -> bool:
        """This node now hears these; True when that is a change."""
        mine = self._rows[self.me]
        if hears == mine.hears:
            return False
        self._rows[self.me] = Row(self.me, mine.version + 1, hears, mine.view, mine.members)
        self._changed()
        return True

    def enter(self, view: ViewId, members: tuple[Life, ...]) -> None:
        """This node is in another view now."""
        mine = self._rows[self.me]
        self._rows[self.me] = Row(self.me, mine.version + 1, mine.hears, view, members)
        self._prune()  # the members may be lives that nobody has named here before: what is told must still fit
        self.moves += 1
        self._digested()

    def learn(self, gossip: Gossip, teller: Life) -> bool:
        """Another node tells its rows; True when that is news."""
        before = self._rows
        rows = dict(before)
        mine = self.mine
        self._first_hand = {life: None for life in self._first_hand if life in mine}
        for row in gossip.rows:
            known = rows.get(row.life)
            is_own, is_settled = row.life == teller, row.life in self._first_hand
            is_newer = known is None or row.version > known.version
            if not is_own and not is_newer:
                continue  # most rows of most gossip: with 64 nodes nothing more may be done for them
            if row.life == self.me or any(life.node not in self._votes for life in (row.life, *row.hears, *row.members)):
                continue
            # What others said of it before may carry any number: its own first word counts whatever the numbers are.
            if (is_newer and (is_own or not is_settled)) or (is_own and not is_settled and row != known):
                rows[row.life] = row
            if is_own and row.life in mine:
                self._first_hand[row.life] = None
        if all(before.get(life) is row for life, row in rows.items()):
            return False
        self._rows = rows
        self._prune()
        if self._rows == before:
            self._rows = before
            return False
        if _hearing(self._rows) != _hearing(before):
            self.changes += 1
        self.moves += 1
        self._digested()
        return True

    def gossip(self) -> Gossip:
        """All rows, to tell."""
        return Gossip(tuple(self._rows[life] for life in sorted(self._rows)))

    def target(self) -> tuple[Life, ...]:
        """Who should be in a view with this node, by all that is known; sorted, this node included."""
        hears = {life: frozenset(row.hears) for life, row in self._rows.items()}
        # A node that restarts may be known by two lives for a moment; only the one that this node hears can be meant.
        chosen: dict[NodeId, Life] = {}
        mine = hears[self.me]
        for life in sorted(hears):
            if life == self.me or life in mine or life.node not in chosen:
                chosen[life.node] = life
        by_node = {
            node: frozenset(other.node for other in hears[life] if chosen.get(other.node) == other)
            for node, life in chosen.items()
        }
        clique = clique_of(self.me.node, by_node, self._votes, self._views(chosen))
        return tuple(chosen[node] for node in clique)

    def _views(self, chosen: Mapping[NodeId, Life]) -> dict[NodeId, ViewId]:
        """Where each node is. A view is known of all its members as soon as one of them tells, and of two the later one counts:
        else those who are still to tell would seem to be together in the view that they have left."""
        latest: dict[Life, ViewId] = {}
        for view, members in sorted({(row.view, row.members) for row in self._rows.values()}):  # few: most are in one
            latest.update(dict.fromkeys(members, view))
        return {node: latest[life] for node, life in chosen.items() if life in latest}

    def _changed(self) -> None:
        self._prune()
        self.changes += 1
        self.moves += 1
        self._digested()

    def _prune(self) -> None:
        """Keep what can be reached, nearest first, as long as all the lives that it names fit into one Gossip."""
        mine = self._rows[self.me]
        reached = {self.me: mine}
        named = {self.me, *mine.hears, *mine.members}
        frontier = deque([self.me])
        while frontier:
            for life in self._rows[frontier.popleft()].hears:
                row = self._rows.get(life)
                if row is None or life in reached:
                    continue
                if not (named.issuperset(row.hears) and named.issuperset(row.members)):
                    if len(named.union(row.hears, row.members)) > ROWS_MAX:
                        continue
                    named.update(row.hears, row.members)
                reached[life] = row
                frontier.append(life)
        self._rows = reached

    def _digested(self) -> None:
        self.digest = zlib.crc32(write_record(self.gossip()))

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert all(life == row.life for life, row in self._rows.items())
        assert self.digest == zlib.crc32(write_record(self.gossip()))
        assert (
            len(self._rows) == 1
            or len({life for r in self._rows.values() for life in (r.life, *r.hears, *r.members)}) <= ROWS_MAX
        )


def _hearing(rows: Mapping[Life, Row]) -> dict[Life, tuple[Life, ...]]:
    return {life: row.hears for life, row in rows.items()}
