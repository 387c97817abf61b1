"""The polite leave: deliver what is ours, say goodbye until all have heard it, end.

Owns: the two deadlines of leaving. Does not own: sending, and what the others do (they drop this life at once).
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import US_PER_MS, NodeId

FLUSH_US = 300 * US_PER_MS
GOODBYE_US = 200 * US_PER_MS
REPEAT_US = 20 * US_PER_MS


class Leaver:
    """Invariant: a deadline stands exactly while leaving has begun and is not done."""

    __slots__ = ("_answered", "_flush_us", "_goodbye_us", "_repeat_us", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        self._flush_us: int | None = None
        self._goodbye_us: int | None = None
        self._repeat_us: int | None = None
        self._answered: dict[NodeId, bool] = {}

    @property
    def is_leaving(self) -> bool:
        """Whether goodbye was said: from then on this node takes part in nothing."""
        return self._goodbye_us is not None

    @property
    def next_us(self) -> int | None:
        """When `due` wants to be called, or None."""
        if self.is_done:
            return None
        return self._flush_us if self._goodbye_us is None else self._repeat_us

    def begin(self, now_us: int) -> None:
        """Leave; a second time changes nothing."""
        if self._flush_us is None:
            self._flush_us = now_us + FLUSH_US

    def answered(self, node: NodeId) -> None:
        """`node` has heard the goodbye."""
        self._answered[node] = True

    def due(self, now_us: int, hears: Sequence[NodeId], *, is_flushed: bool) -> list[NodeId]:
        """Gives the peers to say goodbye to now."""
        if self._flush_us is None or self.is_done:
            return []
        if self._goodbye_us is None:
            if not is_flushed and now_us < self._flush_us:
                return []
            self._goodbye_us = now_us + GOODBYE_US
            self._repeat_us = now_us
        waiting = [node for node in hears if node not in self._answered]
        if not waiting or now_us >= self._goodbye_us:
            self.is_done = True
            return []
        assert self._repeat_us is not None
        if now_us < self._repeat_us:
            return []
        self._repeat_us = now_us + REPEAT_US
        return waiting
