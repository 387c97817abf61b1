"""The scheduler's process of one node, as lazy as a process is that nobody watches: it works when it is asked.

Owns: when the follower is given the changes, and when a plan that was to be made ahead is made. Does not own: what is planned.

A change is followed, and a supposition planned, when a plan is asked for that hangs on it. What is answered is the same, because
neither depends on when it is done: most nodes are never asked, and of thirty suppositions one comes true.
"""

from __future__ import annotations

from standfast.controller import effects as fx
from standfast.scheduler.follower import PREPARED_MAX, Follower, Made


class Planner:
    """See the module. Invariants (`check`): no more suppositions wait than the follower would keep plans for."""

    def __init__(self) -> None:
        self._follower = Follower()
        self._changes: list[fx.Follow] = []
        self._supposed: dict[bytes, tuple[Follower, int]] = {}

    @property
    def follower(self) -> Follower:
        """With every change that it was told."""
        changes, self._changes = self._changes, []
        for news in changes:
            self._follower.follow(news.before, news.after, news.change)
        return self._follower

    @property
    def ready(self) -> int:
        """How many plans were made ahead and then asked for."""
        return self._follower.ready

    def take(self, xml: bytes) -> None:
        """A whole document."""
        self._changes.clear()
        self._follower.take(xml)

    def follow(self, news: fx.Follow) -> None:
        """A change, for later."""
        self._changes.append(news)

    def suppose(self, changes: tuple[bytes, ...], wall_s: int) -> None:
        """What may come."""
        xml = self.follower.xml()
        for change in changes:
            twin = Follower()
            twin.take(xml)
            if twin.imagine(change):
                key = twin.key()
                self._supposed.pop(key, None)
                self._supposed[key] = (twin, wall_s)
        while len(self._supposed) > PREPARED_MAX:
            del self._supposed[next(iter(self._supposed))]

    def plan(self, wall_s: int, *, tells: bool) -> Made | None:
        """The plan for the document as it is now; None without one."""
        follower = self.follower
        if self._supposed and follower.version is not None:
            twin, supposed_s = self._supposed.pop(follower.key(), (None, 0))
            if twin is not None:
                follower.put_aside(twin.prepare(supposed_s))
        return follower.plan(wall_s, tells=tells)

    def check(self) -> None:
        """Assert the invariants (for tests: reads everything again)."""
        assert len(self._supposed) <= PREPARED_MAX
        self.follower.check()
