"""This node's own stalls: what it still has to hear before it acts again.

Owns: the wait after waking. Does not own: noticing (the engine's timer), the probes (detector/).
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.settings import Times

NOTICED_US = 20 * US_PER_MS
RECENT_US = 3 * US_PER_S
"""After waking alone: how long a peer that shows up has to be met before this node counts on itself again."""


class Stall:
    """Invariant: `until_us` stands exactly while something is waited for."""

    __slots__ = ("_least_us", "_waiting", "noticed_us", "until_us", "woke_us")

    def __init__(self, times: Times) -> None:
        self.woke_us = -RECENT_US
        self.until_us: int | None = None
        self._waiting: dict[NodeId, bool] = {}
        self.retime(times)

    def retime(self, times: Times) -> None:
        """Go by these from now on."""
        self.noticed_us = min(NOTICED_US, times.suspect_us)
        self._least_us = times.bound_us_min

    @property
    def is_waiting(self) -> bool:
        """Whether this node must not act."""
        return self.until_us is not None

    def begin(self, now_us: int, peers: Sequence[NodeId], wait_us: int) -> None:
        """Woke now: these have to answer, or be silent for a bound; a node alone listens for `wait_us`."""
        self.woke_us = now_us
        self.until_us = now_us + wait_us
        self._waiting = dict.fromkeys(peers, True)

    def answered(self, node: NodeId) -> bool:
        """`node` has answered a probe sent after waking; True when it was the last to be waited for."""
        return self._waiting.pop(node, False) and not self._waiting

    def lost(self, now_us: int, nodes: Sequence[NodeId]) -> bool:
        """These stayed silent for a whole bound; True when nobody is left to be waited for.

        Not before the shortest bound has passed: what ends a peer at once (a goodbye, a refusal) may have waited in the socket
        while this node slept, and be long out of date.
        """
        struck = [node for node in nodes if self._waiting.pop(node, False)]
        if struck and not self._waiting:
            self.until_us = self.woke_us + self._least_us
        return self.elapsed(now_us)

    def elapsed(self, now_us: int) -> bool:
        """Whether the longest wait is over."""
        return self.until_us is not None and now_us >= self.until_us

    def end(self) -> None:
        """Act again."""
        self.until_us = None
        self._waiting = {}

    def is_recent(self, now_us: int) -> bool:
        """Whether this node woke not long ago."""
        return now_us - self.woke_us < RECENT_US
