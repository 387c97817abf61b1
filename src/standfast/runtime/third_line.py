"""The engine's way to the third opinion: runs the arbiter, with a cloud worker and a timer of its own. Decides nothing.

Only a node whose corosync.conf names the device starts the worker; it lives as long as the arbiter looks at the lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from standfast.base.report import Report
from standfast.engine.effects import AskThird, LeaveThird, ThirdSaid
from standfast.openstack.api import Call, Replied, SetTimer, Tell, TimerFired
from standfast.openstack.arbiter import Arbiter, ArbiterInput, Asked, Opinion, Together
from standfast.openstack.machine import Identified
from standfast.runtime.cloud_line import CloudLine


class ThirdLine:
    """See the module. Invariant: opinions come from the loop, never from inside `perform`."""

    def __init__(
        self,
        arbiter: Arbiter,
        loop: asyncio.AbstractEventLoop,
        said: Callable[[ThirdSaid], None],
        tell: Callable[[Report], None],
    ) -> None:
        self._arbiter = arbiter
        self._loop = loop
        self._said = said
        self._tell = tell
        self._cloud = CloudLine(loop, self._answered, tell)
        self._timer: asyncio.TimerHandle | None = None

    def perform(self, effect: AskThird | LeaveThird) -> None:
        """What the engine wants of it."""
        self._step(Asked(effect.free_us) if isinstance(effect, AskThird) else Together())

    async def close(self) -> None:
        """The engine ends."""
        if self._timer is not None:
            self._timer.cancel()
        await self._cloud.close()

    def _answered(self, event: Replied | Identified) -> None:
        if isinstance(event, Replied):
            self._step(event)

    def _fired(self) -> None:
        self._timer = None
        self._step(TimerFired())

    def _step(self, event: ArbiterInput) -> None:
        for effect in self._arbiter.step(time.monotonic_ns() // 1000, event):
            match effect:
                case Call():
                    self._cloud.perform(effect)
                case SetTimer(at_us):
                    if self._timer is not None:
                        self._timer.cancel()
                    self._timer = self._loop.call_at(at_us / 1e6, self._fired)
                case Tell(report):
                    self._tell(report)
                case Opinion(until_us, from_us, reason, is_first, is_lost):
                    said = ThirdSaid(until_us, from_us, reason, is_first=is_first, is_lost=is_lost)
                    self._loop.call_soon(self._said, said)
