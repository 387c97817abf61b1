"""A host's disk, as far as the manager's journal is concerned: what is durable, what is in flight, and how writes fail.

Owns: which bytes survive. Does not own: when a write ends (manager.py), what the bytes mean (cib/journal.py).
Invariant: once a write or fsync has failed, every later one of the same process fails too (runtime/durable.py does that).
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS
from standfast.sim.chance import Stream

SLOW_US_MAX = 2_000 * US_PER_MS


class Trouble(StrEnum):
    """What is wrong with the disk."""

    NONE = "none"
    FULL = "full"  # a part of the last write is there
    FSYNC = "fsync"  # fsync fails; what was written may be there or not
    EIO = "eio"  # nothing can be written, nor read by the next life
    SLOW = "slow"


@dataclass(slots=True)
class Flight:
    """A write that has begun. `rewrite` replaces the file by rename: all of it or nothing."""

    data: bytes
    rewrite: bool


@dataclass(slots=True)
class Disk:
    """One journal file."""

    chance: Stream
    durable: bytes = b""
    trouble: Trouble = Trouble.NONE
    has_failed: bool = False
    flights: list[Flight] = field(default_factory=list)
    older: bytes = b""

    def latency_us(self) -> int:
        """How long the next write takes, fsync included."""
        if self.trouble is Trouble.SLOW:
            return self.chance.between(100 * US_PER_MS, SLOW_US_MAX)
        return self.chance.between(300, 8_000)

    def begin(self, data: bytes, *, rewrite: bool) -> None:
        """A write is on its way."""
        self.flights.append(Flight(data, rewrite))

    def land(self) -> str:
        """The oldest write ends; gives what the system call said, "" for success."""
        flight = self.flights.pop(0)
        if self.has_failed:
            return "not trusted any more"
        if self.trouble in (Trouble.NONE, Trouble.SLOW):
            self.older = self.durable
            self.durable = flight.data if flight.rewrite else self.durable + flight.data
            return ""
        self.has_failed = True
        if self.trouble is Trouble.FULL:
            self._tear(flight)
            return "No space left on device"
        if self.trouble is Trouble.FSYNC and self.chance.happens(500) and not flight.rewrite:
            self.durable += flight.data
        return "Input/output error"

    def end_of_process(self) -> None:
        """Nobody waits for what is in flight: any of it may have reached the disk, the last of it in part."""
        while self.flights:
            flight = self.flights.pop(0)
            if self.has_failed or self.trouble in (Trouble.FULL, Trouble.EIO):
                continue
            reached = self.chance.below(3)
            if reached == 0:
                self._tear(flight)
                self.flights.clear()
            elif reached == 1:
                self.durable = flight.data if flight.rewrite else self.durable + flight.data
            else:
                self.flights.clear()
        self.has_failed = False

    def rot(self) -> None:
        """One byte of the file changes."""
        if self.durable:
            at = self.chance.below(len(self.durable))
            self.durable = self.durable[:at] + bytes([self.durable[at] ^ (1 + self.chance.below(255))]) + self.durable[at + 1 :]

    def _tear(self, flight: Flight) -> None:
        if not flight.rewrite:  # what is written aside is no part of the journal before its rename
            self.durable += flight.data[: self.chance.below(len(flight.data) + 1)]
