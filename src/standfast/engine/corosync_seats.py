"""The members of a view of managers on Corosync: what each has acknowledged, who is away, who was told absent.

Owns: that bookkeeping, and the instant that the pulse is counted from. Does not own: views, messages, the lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from standfast.base.ids import US_PER_MS, NodeId
from standfast.engine.corosync_effects import Process

RANK_US = 200 * US_PER_MS
"""Who tells an absence: the lowest at once, each other so much later than the one before, if it was not told yet."""


class Seats:
    """Invariant (`check`): all books are about members; whoever is away is not here."""

    __slots__ = (
        "_acked",
        "_asked_us",
        "_away",
        "_gone",
        "_heard_us",
        "_local",
        "_rank",
        "_sent_us",
        "_testified_us",
        "_votes",
        "absent",
        "barred",
        "members",
    )  # fmt: skip

    def __init__(self, local: NodeId, members: Sequence[NodeId], votes: Mapping[NodeId, int]) -> None:
        """`members` are sorted."""
        self._local = local
        self.members = tuple(members)
        self._votes = {node: votes.get(node, 1) for node in members}
        self._rank = self.members.index(local) if local in self.members else 0
        self._acked: dict[NodeId, int] = dict.fromkeys(members, 0)
        self._heard_us: dict[NodeId, int] = {}
        self._sent_us: dict[NodeId, int] = {}
        self._testified_us: dict[NodeId, int] = {}
        self._asked_us: dict[NodeId, int] = {}
        self._away: dict[NodeId, int] = {}
        self._gone: dict[NodeId, None] = {}
        self.absent: dict[NodeId, int] = {}
        self.barred: tuple[Process, ...] = ()

    # ---- who is there -----------------------------------------------------------------------------------------------

    def begin(self, now_us: int) -> None:
        """The view begins: nobody has been silent yet."""
        self._heard_us = dict.fromkeys(self.here, now_us)

    def woke(self, now_us: int, late_us: int) -> None:
        """This process was not running for `late_us`: nobody was silent meanwhile."""
        self._heard_us = dict.fromkeys(self._heard_us, now_us)
        self._away = {node: until_us + late_us for node, until_us in self._away.items()}

    def went_away(self, node: NodeId, until_us: int, processes: int) -> None:
        """The manager of a member is gone, its host is not; it is told absent at `until_us` unless it comes back."""
        if node in self._acked:
            self._away[node] = until_us + min(self._rank, processes) * RANK_US
            for book in (self._heard_us, self._sent_us, self._testified_us):
                book.pop(node, None)

    def lost(self, node: NodeId) -> None:
        """The member is no more: there will be another view."""
        self._away.pop(node, None)
        self._gone[node] = None

    def keep(self, ring: Iterable[NodeId]) -> None:
        """Only nodes of the ring can be away."""
        nodes = dict.fromkeys(ring)
        for node in [node for node in self._away if node not in nodes]:
            self.lost(node)

    def returned(self, nodes: Iterable[NodeId], now_us: int) -> None:
        """These have a manager again, in this very view."""
        for node in sorted(nodes):
            self._away.pop(node, None)
            self.absent.pop(node, None)
            if node in self._acked:
                self._heard_us[node] = now_us

    def told_absent(self, node: NodeId, count: int) -> bool:
        """It was told in order that the manager of `node` does not take part; True when that is news. `count`: at which place."""
        if node not in self._acked or node in self.absent:
            return False
        self.absent[node] = count
        return True

    @property
    def away(self) -> tuple[NodeId, ...]:
        """Members whose manager is gone, sorted."""
        return tuple(sorted(self._away))

    @property
    def here(self) -> tuple[NodeId, ...]:
        """Members with a manager in the group, sorted."""
        return tuple(node for node in self.members if node not in self._away and node not in self._gone)

    def deadlines(self) -> Iterator[int]:
        """When somebody's absence is to be told, where that is not told yet."""
        return (until_us for node, until_us in self._away.items() if node not in self.absent)

    def overdue(self, now_us: int, silence_us: int) -> list[NodeId]:
        """Whose absence is to be told now; each is named again only after a while."""
        found = [node for node, until_us in self._away.items() if node not in self.absent and now_us >= until_us]
        for node in found:
            self._away[node] = now_us + silence_us
        for node, heard_us in self._heard_us.items():
            quiet_us = now_us - max(heard_us, self._asked_us.get(node, 0))
            if node not in (*self.absent, self._local) and quiet_us >= silence_us + self._rank * RANK_US:
                self._asked_us[node] = now_us
                found.append(node)
        return sorted(found)

    # ---- what they hold ---------------------------------------------------------------------------------------------

    def holds(self, count: int) -> None:
        """This node holds the first `count` messages; nobody has heard of it yet."""
        self._acked[self._local] = max(self._acked[self._local], count)

    def acked(self, node: NodeId, count: int) -> None:
        """`node` said, in order, that it holds the first `count` messages. One that was told absent takes part again once it
        holds that word: everybody sees that at the same place."""
        if node not in self._acked:
            return
        self._acked[node] = max(self._acked[node], count)
        if node in self.absent and node not in self._away and count >= self.absent[node]:
            del self.absent[node]

    def stable(self) -> int | None:
        """How many messages every member holds that takes part; None where nobody does."""
        return min((count for node, count in self._acked.items() if node not in self.absent), default=None)

    # ---- signs of life ------------------------------------------------------------------------------------------------

    def beat(self, now_us: int, node: NodeId, sent_us: int, echo_us: int, count: int) -> None:
        """A sign of life of `node`, sent at `sent_us` of its clock, which names ours of `echo_us` (0: none)."""
        if node not in self._acked or node in self._away:
            return
        self._heard_us[node] = now_us
        self._sent_us[node] = sent_us
        self._testified_us[node] = max(self._testified_us.get(node, 0), echo_us)
        self.acked(node, count)

    def heard_from(self) -> list[tuple[NodeId, int]]:
        """(node, the latest instant of its clock that a sign of life of its was sent), ours left out."""
        return [(node, sent_us) for node, sent_us in sorted(self._sent_us.items()) if node != self._local]

    def since_us(self, votes_needed: int) -> int:
        """The latest instant since which enough members have testified to us; see the head of corosync.py.

        Enough: for two, both; for more, a majority of the view's votes that is not below what quorum needs; or all who can
        testify, where that is less. Never without our own.
        """
        if self._local in self.absent:
            return 0  # the others go on without us
        able = [node for node in self.here if node not in self.absent]
        own_us = self._testified_us.get(self._local, 0)
        others = sorted(((self._testified_us.get(node, 0), node) for node in able if node != self._local), reverse=True)
        if len(self.members) == 2:
            return min([own_us, *(at_us for at_us, _ in others)])
        total = sum(self._votes.values())
        enough = min(max(total // 2 + 1, votes_needed), sum(self._votes[node] for node in able))
        gathered, since_us = self._votes[self._local], own_us
        for at_us, node in others:
            if gathered >= enough:
                break
            gathered += self._votes[node]
            since_us = min(since_us, at_us)
        return since_us

    def check(self) -> None:
        """The invariant."""
        for book in (self._heard_us, self._sent_us, self._testified_us, self._away, self.absent):
            assert all(node in self._acked for node in book)
        assert not any(node in self._away for node in self.here)
