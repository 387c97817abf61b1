"""The replay window: which counters of a session have been seen (RFC 4303 3.4.3, with 1,024 bits instead of 32).

Owns: one window. Does not own: when a counter may be marked, which is after the datagram was opened and never before.
Invariant: nothing is ever accepted twice, and nothing older than `WINDOW` below the highest.
"""

from __future__ import annotations

WINDOW = 1024
_MASK = (1 << WINDOW) - 1


class ReplayWindow:
    """Bit `i` of `seen` stands for the counter `highest - i`."""

    __slots__ = ("highest", "seen")

    def __init__(self) -> None:
        self.highest = -1
        self.seen = 0

    def is_fresh(self, counter: int) -> bool:
        """Whether `counter` may still be marked."""
        behind = self.highest - counter
        return behind < 0 or (behind < WINDOW and not (self.seen >> behind) & 1)

    def mark(self, counter: int) -> None:
        """Record an opened datagram's counter; it must be fresh."""
        assert self.is_fresh(counter)
        ahead = counter - self.highest
        if ahead > 0:
            self.seen = 1 if ahead >= WINDOW else ((self.seen << ahead) | 1) & _MASK
            self.highest = counter
        else:
            self.seen |= 1 << -ahead

    def mark_all(self, counter: int) -> None:
        """Record `counter` and everything below it, seen or not."""
        assert counter > self.highest
        self.highest, self.seen = counter, _MASK

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        assert self.highest >= -1
        assert 0 <= self.seen <= _MASK
        assert (self.highest == -1) == (self.seen == 0)
        assert self.seen == 0 or self.seen & 1
