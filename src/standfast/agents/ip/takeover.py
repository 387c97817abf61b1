"""Asking before taking: is anybody's kernel still answering for the address? (RFC 5227's probe, at the pace of a failover.)

Silence on eight probes means take it. An answer means that the old holder's kernel is alive, though its manager may be dead or
frozen: its lease will end, so asking goes on, slowly, until eight in a row stay unanswered again. If answers outlive every lease,
somebody renews the address: then it is never taken.

Eight, because networks lose frames and this goes on for seconds: where every tenth is lost, one probe in five has no answer.
Two in a row come within a second or two then (the simulator's seed 413), four within a minute, eight within hours.

RFC 5227 waits seconds because it looks for hosts that boot; we look for one that holds the address now, and kernels answer
within a millisecond or not at all.

Silence proves nothing to a process that stood still meanwhile: others may have asked, heard nothing and taken it, and what they
said waits unread behind the timer. Whoever wakes late asks anew; at the most AGAIN_MAX times, or a host that is always late, and
hears nobody, would never serve.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S

PROBES = 8
INTERVAL_US = 10 * US_PER_MS
ANSWERED_INTERVAL_US = 50 * US_PER_MS
"""The interval behind a probe while the last one was answered."""
LATE_US = 100 * US_PER_MS
"""What load alone hardly makes a timer wait."""
AGAIN_MAX = 5


class Verdict(Enum):
    """What to do when a probe is due."""

    ASK = auto()
    CLEAR = auto()
    TAKEN = auto()


@dataclass(frozen=True, slots=True)
class Asking:
    """One round of questions. `unanswered` probes were sent since the last answer; `mac` answered last, first at `answered_us`.
    `again` counts the rounds that a late awakening made worthless.
    Invariant: CLEAR only after PROBES probes in a row, in time, without an answer."""

    due_us: int
    bound_us: int
    unanswered: int = 0
    again: int = 0
    answered_us: int | None = None
    mac: bytes = b""

    @classmethod
    def begin(cls, now_us: int, lease_s: int) -> Asking:
        """The first probe is due now. Answers are borne for two leases and 1.5 s: one lease and the kernel's own delay of up
        to 1.25 s are what a dead manager's address lives; the second is for a manager that died while it renewed."""
        return cls(now_us, 2 * lease_s * US_PER_S + 1_500 * US_PER_MS)

    def verdict(self, now_us: int) -> Verdict | None:
        """What to do now; None while the next probe is not due."""
        if now_us < self.due_us:
            return None
        if self._is_late(now_us):
            return Verdict.ASK
        if self.unanswered >= PROBES:
            return Verdict.CLEAR
        if self.answered_us is not None and now_us - self.answered_us > self.bound_us:
            return Verdict.TAKEN
        return Verdict.ASK

    def asked(self, now_us: int) -> Asking:
        """A probe was sent; the interval counts from it, so that a late timer gives no answer less time."""
        is_late = self._is_late(now_us)
        unanswered = 1 if is_late else self.unanswered + 1
        interval = ANSWERED_INTERVAL_US if self.answered_us is not None and unanswered == 1 else INTERVAL_US
        return replace(self, unanswered=unanswered, again=self.again + is_late, due_us=now_us + interval)

    def answered(self, now_us: int, mac: bytes) -> Asking:
        """Somebody has the address."""
        if self.answered_us is None:
            return replace(self, unanswered=0, answered_us=now_us, mac=mac, due_us=now_us + ANSWERED_INTERVAL_US)
        return replace(self, unanswered=0, mac=mac)  # the next probe keeps its time, or chatter would put it off for ever

    def _is_late(self, now_us: int) -> bool:
        return now_us - self.due_us > LATE_US and self.unanswered > 0 and self.again < AGAIN_MAX
