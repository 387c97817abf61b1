"""When the cloud may be asked: at most one call a second and node, and longer and longer pauses while it does not answer.

Owns: the lanes and the back-off. Does not own: what is asked. Time is passed in; the jitter comes from a seed, so that several
clusters that lost their cloud together do not come back together.
"""

from __future__ import annotations

from standfast.base.ids import US_PER_S

CALL_EVERY_US = US_PER_S
PAUSE_FIRST_US = 2 * US_PER_S
PAUSE_MAX_US = 12 * US_PER_S
"""No rarer than the look at a healthy cloud: what comes back is found within a minute, a call that still hangs included."""
RETRY_AFTER_MAX_US = 60 * US_PER_S
JITTER_PARTS = 4
"""The pause is lengthened by up to one in so many parts."""

_MULTIPLIER, _INCREMENT, _MODULUS = 6364136223846793005, 1442695040888963407, 1 << 64


class Lanes:
    """One call a second for each lane. Invariant: two calls of a lane are never closer than CALL_EVERY_US."""

    def __init__(self) -> None:
        self._next_us: dict[str, int] = {}

    def free_at(self, lane: str) -> int:
        """From when on the lane may be used; 0 for one that was never used."""
        return self._next_us.get(lane, 0)

    def use(self, lane: str, now_us: int) -> None:
        """A call is made now."""
        assert now_us >= self.free_at(lane), f"the lane {lane!r} was not free"
        self._next_us[lane] = now_us + CALL_EVERY_US

    def forget(self, lanes: tuple[str, ...], now_us: int) -> None:
        """Only these lanes are wanted any more; one that is still busy is kept until it is free."""
        self._next_us = {lane: at for lane, at in self._next_us.items() if lane in lanes or at > now_us}


class BackOff:
    """How long to leave the cloud alone. Invariant: 0 <= pause <= PAUSE_MAX_US plus its jitter, or what the cloud itself asked
    for."""

    def __init__(self, seed: int) -> None:
        """`seed` is entropy."""
        self._state = seed % _MODULUS
        self.failures = 0

    def failed(self, retry_after_s: int | None = None) -> int:
        """The pause after one more failure, in us; the cloud's own wish (Retry-After) counts up to a bound."""
        pause_us = min(PAUSE_FIRST_US << min(self.failures, 16), PAUSE_MAX_US)
        self.failures += 1
        if retry_after_s is not None:
            pause_us = max(pause_us, min(retry_after_s * US_PER_S, RETRY_AFTER_MAX_US))
        return pause_us + self.jitter(pause_us // JITTER_PARTS)

    def succeeded(self) -> None:
        """The cloud answers again."""
        self.failures = 0

    def jitter(self, below_us: int) -> int:
        """A number from 0 to below `below_us`: a linear congruential generator, upper half (Knuth, MMIX)."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) % _MODULUS
        return (self._state >> 32) % below_us if below_us > 0 else 0
