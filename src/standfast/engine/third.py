"""The third opinion as the engine uses it: asked by a node that has lost its only peer, counted as the quorum device's vote.

Owns: when it is asked, from when and how long it counts, and what the manager is told meanwhile. Does not own: who is asked and
how (openstack/arbiter.py), the count of votes (quorum/).

A node whose peer is lost has no quorum until the opinion is for it. So that a healthy holder loses nothing while it asks, the
view without the peer is kept from the manager until the matter is decided, but no longer than one lease: then everything that
either had from the common view is over, and an undecided view is shown as one without quorum.

    view without the peer --- asked ---> for us, first:  pulses go on at once; the view is shown, with quorum, after the lease
                                         for us, later:  nothing is kept; quorum from `from_us` on
                                         against us:     the view is shown at once, without quorum
                                         no answer:      the same after the lease
    `until_us` passes without a new opinion: quorum is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import NodeId
from standfast.engine.api import Quorum
from standfast.engine.effects import AskThird, LeaveThird, ThirdSaid
from standfast.engine.post import Post
from standfast.engine.quorum.votequorum import VoteQuorum

RATE = 100
"""Clocks of two nodes run equally fast within one part of this many."""

NONE = ThirdSaid(0, 0, "", is_first=False, is_lost=False)
WAITS = ThirdSaid(0, 0, "the third opinion is asked for", is_first=False, is_lost=False)


class Third:
    """See the module. Without a device nothing here ever happens.

    Invariants (`check`): what was not asked counts for nothing and keeps nothing back; it counts only between `from_us` and
    `until_us` of the last opinion.
    """

    __slots__ = (
        "_counts",
        "_free_us",
        "_gate_us",
        "_is_asked",
        "_lease_us",
        "_opinion",
        "_post",
        "_quorum",
        "_reason",
        "_was_here",
    )

    def __init__(self, quorum: VoteQuorum, post: Post, lease_us: int) -> None:
        self._quorum, self._post, self._lease_us = quorum, post, lease_us
        self._opinion = NONE
        self._reason = ""
        self._is_asked = self._counts = self._was_here = False
        self._free_us: int | None = None
        self._gate_us: int | None = None

    def installing(self, now_us: int, members: Sequence[NodeId]) -> None:
        """A view is about to be counted: what was said for the one before is over when the peer is in this one."""
        if not self._quorum.has_device:
            return
        if len(members) == 1:
            self._free_us = now_us + self._lease_us + self._lease_us // RATE if self._was_here else None
            self._was_here = False
            return
        self._open_gate()
        self._was_here, self._is_asked, self._counts, self._opinion, self._reason = True, False, False, NONE, ""
        self._quorum.device(votes=False, reason="")
        self._post.ask(LeaveThird())

    def installed(self, now_us: int) -> Quorum:
        """It was counted. Where it has to be asked for, the view is kept back meanwhile."""
        self.due(now_us)
        return self._quorum.current

    def attached(self) -> None:
        """A new manager is here: it is told how things stand."""
        self._gate_us = None
        self._post.release(None)

    def said(self, now_us: int, opinion: ThirdSaid) -> Quorum | None:
        """An opinion, or that there is none."""
        if not self._is_asked:
            return None
        self._opinion = opinion
        if opinion.is_lost and self._gate_us is not None:
            self._gate_us = now_us
        return self.due(now_us)

    def due(self, now_us: int) -> Quorum | None:
        """What time makes of it: the quorum, where that has changed and the manager would not learn it otherwise."""
        if not self._quorum.has_device or self._was_here:
            return None
        if not self._is_asked and not self._quorum.is_waiting:
            self._is_asked, self._opinion, self._gate_us = True, WAITS, self._free_us
            self._post.ask(AskThird(self._free_us))
            if self._gate_us is not None:
                self._post.keep_back()
        counts = self._opinion.from_us <= now_us < self._opinion.until_us
        is_news = (counts, self._opinion.reason) != (self._counts, self._reason)
        if is_news:
            self._counts, self._reason = counts, self._opinion.reason
            self._quorum.device(votes=counts, reason=self._reason)
        if self._gate_us is not None and now_us >= self._gate_us:
            self._open_gate()
            return None
        return self._quorum.current if is_news and self._gate_us is None else None

    def _open_gate(self) -> None:
        if self._gate_us is not None:
            self._gate_us = None
            self._post.release(self._quorum.current)

    def pulse_end_us(self, now_us: int) -> int | None:
        """How far a pulse may reach at most; None: no device limits it."""
        if not self._quorum.has_device or self._was_here:
            return None
        opinion = self._opinion
        return opinion.until_us if opinion.is_first or opinion.from_us <= now_us else 0

    @property
    def next_us(self) -> int | None:
        """When `due` has something to do, None where nothing is awaited."""
        if not self._is_asked:
            return None
        times = [self._gate_us] if self._gate_us is not None else []
        if self._counts:
            times.append(self._opinion.until_us)
        elif self._opinion.from_us < self._opinion.until_us:
            times.append(self._opinion.from_us)
        return min(times) if times else None

    def check(self) -> None:
        """Assert the invariants."""
        assert self._is_asked or (self._opinion == NONE and not self._counts and self._gate_us is None)
        assert not self._counts or self._opinion.until_us > self._opinion.from_us
        assert not (self._was_here and self._is_asked)
