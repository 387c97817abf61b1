"""How long this node may keep an address: until the evidence of its membership ends, or the kernel's own timer does.

The kernel drops a leased address by itself between `lease` and about `lease + 1.25 s` after the last renewal. This room treats it
as lost at the earlier end: an address past its lease is never put up again, however it looks in the kernel, because another node
may have asked, heard silence and taken it.
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S

KERNEL_EARLY_US = 50 * US_PER_MS
"""The kernel may end a lifetime 20 ms early, to save a wake-up (ADDRCONF_TIMER_FUZZ_MINUS, include/net/addrconf.h)."""

PAUSE_US = 300 * US_PER_MS
"""A deadline noticed later than this was slept through: the process, or the host, was paused."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Renewed at `renewed_us` for `lease_s` seconds (0: the kernel keeps it for ever, only the evidence ends)."""

    lease_s: int
    renewed_us: int

    def end_us(self, until_us: int) -> int:
        """When the address must be gone, given evidence `until_us`."""
        if not self.lease_s:
            return until_us
        return min(until_us, self.renewed_us + self.lease_s * US_PER_S - KERNEL_EARLY_US)

    def loss(self, now_us: int, until_us: int) -> str:
        """Why the address is lost now, as a sentence; "" while it is not."""
        late_us = now_us - self.end_us(until_us)
        if late_us < 0:
            return ""
        since_s = (now_us - self.renewed_us) / US_PER_S
        if late_us > PAUSE_US:
            return f"lease ran out: this node was paused for about {since_s:.1f} s"
        return f"the cluster layer has not confirmed this node's membership (last renewal {since_s:.1f} s ago)"
