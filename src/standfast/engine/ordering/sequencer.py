"""The coordinator's half of ordering: gives numbers, remembers who holds what, says what to send again.

Owns: each sender's place, the window of unstable entries. Does not own: the entries (log.py), time beyond what it is handed.
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import NodeId
from standfast.engine.api import ViewId
from standfast.engine.messages import Entry, Submit
from standfast.engine.ordering.outbox import IN_FLIGHT_MAX

UNSTABLE_MAX = 512
"""Entries ordered and not yet held by all: beyond that, submissions wait."""


class Sequencer:
    """One view's order.

    Invariants: `last - stable <= UNSTABLE_MAX`; each sender's segments are ordered by number, none twice; a sender has at
    most IN_FLIGHT_MAX segments parked.
    """

    __slots__ = ("_parked", "_placed", "_view", "acked", "last", "resent_us")

    def __init__(self, view: ViewId, members: Sequence[NodeId], local: NodeId) -> None:
        self._view = view
        self.last = 0
        self.acked: dict[NodeId, int] = {node: 0 for node in members if node != local}
        self.resent_us: dict[int, int] = {}
        self._placed: dict[NodeId, int] = dict.fromkeys(members, 0)
        self._parked: dict[NodeId, dict[int, Submit]] = {node: {} for node in members}

    def park(self, sender: NodeId, submit: Submit) -> None:
        """Take a submission; repeated ones and those beyond the sender's window are dropped (it will send again)."""
        placed = self._placed[sender]
        if placed < submit.number <= placed + IN_FLIGHT_MAX:
            self._parked[sender][submit.number] = submit

    def next_entries(self, stable: int) -> list[Entry]:
        """Give numbers to what waits, turn by turn over the senders, as far as the window allows."""
        out: list[Entry] = []
        progress = True
        while progress:
            progress = False
            for sender, parked in self._parked.items():
                if self.last - stable >= UNSTABLE_MAX:
                    return out
                number = self._placed[sender] + 1
                submit = parked.pop(number, None)
                if submit is not None:
                    self._placed[sender] = number
                    self.last += 1
                    out.append(Entry(self._view, self.last, sender, number, submit.kind, submit.is_last, submit.data))
                    progress = True
        return out

    def ack(self, member: NodeId, held: int) -> bool:
        """`member` holds everything up to `held`; True when that is news."""
        if not self.acked[member] < held <= self.last:
            return False
        self.acked[member] = held
        return True

    def may_resend(self, now_us: int, seq: int, pause_us: int) -> bool:
        """Whether `seq` was not sent again within `pause_us`; if so, that counts as done now."""
        if now_us - self.resent_us.get(seq, -pause_us) < pause_us:
            return False
        self.resent_us[seq] = now_us
        return True

    def forget(self, stable: int) -> None:
        """Drop what is remembered about entries that all hold."""
        if self.resent_us:
            self.resent_us = {seq: at_us for seq, at_us in self.resent_us.items() if seq > stable}

    @property
    def stable(self) -> int:
        """What all the others hold."""
        return min(self.acked.values(), default=self.last)

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert all(0 <= held <= self.last for held in self.acked.values())
        assert self.last - self.stable <= UNSTABLE_MAX
        assert all(len(parked) <= IN_FLIGHT_MAX for parked in self._parked.values())
