"""Pace: how many datagrams of one peer are taken, so that a flood is dropped before it costs much.

Owns: one peer's allowance of one kind. Does not own: how much is allowed, and what is said about the rest.
The generic cell rate algorithm: one number, the instant at which what was taken so far would have been due at an even pace.
"""

from __future__ import annotations

from standfast.base.ids import US_PER_S


class Pace:
    """An allowance of `per_s` datagrams a second, a second's worth at once. Invariant: `due_us` is at most a second ahead."""

    __slots__ = ("_step_us", "due_us")

    def __init__(self, per_s: int) -> None:
        self._step_us = US_PER_S // per_s
        self.due_us = 0

    def takes(self, now_us: int) -> bool:
        """Whether one more is within the allowance; then it is used up."""
        due_us = max(now_us, self.due_us) + self._step_us
        if due_us > now_us + US_PER_S:
            return False
        self.due_us = due_us
        return True
