"""When the address is announced: dense at first, because a lost frame costs a client its ARP timeout, then for ever, sparsely.

The last point of the first burst (11 s) outlives OVN's back-off for claims (at most 10 s); the refresh repairs caches after a
partition that nobody noticed. `arp_count` and `arp_count_refresh` are honoured as lower bounds.
"""

from __future__ import annotations

from dataclasses import replace

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S

OFFSETS_US = tuple(ms * US_PER_MS for ms in (0, 50, 150, 400, 1_100, 2_500, 5_000, 11_000))
PERIOD_US = 15 * US_PER_S
SPACING_US = 20 * US_PER_MS  # a late timer must not turn the burst into one clap


@dataclass(frozen=True, slots=True)
class Announcements:
    """The schedule of one address. `burst` announcements are due after `begun_us`; `refresh_left` more since the last monitor.
    Invariant: `due_us` is always ahead of the last announcement by at least SPACING_US."""

    begun_us: int
    burst: int
    interval_us: int
    sent: int = 0
    last_us: int | None = None
    refresh_left: int = 0

    @classmethod
    def begin(cls, now_us: int, count: int, interval_ms: int) -> Announcements:
        """From the start of the schedule, at least `count` of them in the burst."""
        return cls(now_us, max(count, len(OFFSETS_US)), interval_ms * US_PER_MS)

    @property
    def due_us(self) -> int:
        """When the next one is to be sent."""
        if self.last_us is None:
            return self.begun_us
        if self.sent < len(OFFSETS_US):
            due = self.begun_us + OFFSETS_US[self.sent]
        elif self.sent < self.burst:
            due = self.last_us + self.interval_us
        else:
            due = self.last_us + PERIOD_US
        if self.refresh_left:
            due = min(due, self.last_us + self.interval_us)
        return max(due, self.last_us + SPACING_US)

    def announced(self, now_us: int) -> Announcements:
        """One was sent."""
        return replace(self, sent=self.sent + 1, last_us=now_us, refresh_left=max(0, self.refresh_left - 1))

    def refreshed(self, count: int) -> Announcements:
        """A monitor succeeded: send `count` more in the near future (arp_count_refresh)."""
        return replace(self, refresh_left=max(self.refresh_left, count))
