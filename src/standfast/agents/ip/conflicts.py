"""Somebody else claims our address while we hold it: defend it once, then say so loudly (RFC 5227 2.4 (c)).

The address is never given up for an ARP frame: whoever may hold it is the cluster's decision, and a stranger who could take it
away with one forged frame would be an outage for sale.
"""

from __future__ import annotations

from dataclasses import replace

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S

DEFEND_INTERVAL_US = 10 * US_PER_S
"""RFC 5227 2.4: at most one defence in this time, or two defenders shout at each other for ever."""

QUIET_US = 60 * US_PER_S
"""After this long without a foreign claim, the next one is a new conflict; one that goes on is reported once in this time."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One foreign claim: is it the first for a while, is it to be answered, and is it time to say that it goes on?"""

    is_first: bool
    defend: bool
    report: bool


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What was heard of one held address. `mac` claimed it last, at `heard_us`."""

    defended_us: int | None = None
    reported_us: int | None = None
    heard_us: int | None = None
    mac: bytes = b""

    def heard(self, now_us: int, mac: bytes) -> tuple[Conflicts, Claim]:
        """A foreign claim: the record after it, and what to do about it."""
        is_first = self.heard_us is None or now_us - self.heard_us >= QUIET_US
        defend = is_first or self.defended_us is None or now_us - self.defended_us >= DEFEND_INTERVAL_US
        report = not is_first and (self.reported_us is None or now_us - self.reported_us >= QUIET_US)
        after = replace(
            self,
            defended_us=now_us if defend else self.defended_us,
            reported_us=now_us if report else self.reported_us,
            heard_us=now_us,
            mac=mac,
        )
        return after, Claim(is_first, defend, report)

    def rival(self, now_us: int) -> bytes:
        """The MAC that claimed the address within the last minute; b"" when all is quiet."""
        recent = self.heard_us is not None and now_us - self.heard_us < QUIET_US
        return self.mac if recent else b""


def mac_text(mac: bytes) -> str:
    """`02:00:00:00:00:01`."""
    return mac.hex(":")
