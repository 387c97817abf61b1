"""The manager's end of the cloud worker: starts it when something is to be asked, ends it when nobody asked for a while.

Every Call and Identify is answered, whatever happens to the worker: one that hangs beyond the time of its calls is killed, and a
new one is started for the next call. Nothing here blocks: writing goes through the loop's buffer, and that is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable

from standfast.base.report import Report, error
from standfast.openstack.api import Call, Fault, Replied, Reply
from standfast.openstack.identity import Identity
from standfast.openstack.machine import Identified, Identify
from standfast.openstack.wire import read_identity, read_reply, write_request

IDLE_S = 120.0
HUNG_S = 15.0
"""How long after its own limit a call may stay without an answer before the worker is taken for hung."""
OPEN_MAX = 256
LINE_BYTES_MAX = 64 * 1024 * 1024

Answered = Callable[[Replied | Identified], None]


class CloudLine:
    """See the module. Invariants: at most one worker lives; every perform() is answered exactly once, never from inside it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answered: Answered, tell: Callable[[Report], None]) -> None:
        self._loop = loop
        self._answered = answered
        self._tell = tell
        self._open: dict[int, tuple[Call | Identify, asyncio.TimerHandle]] = {}
        self._number = 0
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._lines: list[bytes] = []
        self._idle: asyncio.TimerHandle | None = None

    def perform(self, effect: Call | Identify) -> None:
        """Ask; the answer comes later."""
        self._number += 1
        number, limit_s = self._number, HUNG_S
        if isinstance(effect, Call):
            limit_s += effect.timeout_ms / 1000
            line = write_request(number, effect.cloud, effect.request, effect.timeout_ms)
        else:
            line = json.dumps({"id": number, "identify": True}).encode() + b"\n"
        if len(self._open) >= OPEN_MAX:
            self._loop.call_soon(self._answered, _nothing(effect, "too many calls are under way"))
            return
        self._open[number] = (effect, self._loop.call_later(limit_s, self._hung))
        self._lines.append(line)
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._serve(), name="cloud")
        else:
            self._flush()

    async def close(self) -> None:
        """End the worker; what is open is not answered any more."""
        self._answered = lambda _event: None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    # ---- the worker --------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """One worker's life."""
        reason = "the process that talks to OpenStack has ended"
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "standfast.runtime.cloud_worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_BYTES_MAX,
            )
            self._flush()
            stdout = self._process.stdout
            assert stdout is not None
            while line := await stdout.readline():
                self._hear(line)
        except (OSError, ValueError) as fault:
            reason = f"{reason}: {fault}"
            self._tell(error("runtime.cloud-worker", "the process that talks to OpenStack cannot be used", str(fault)))
        finally:
            self._end(reason)

    def _flush(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(b"".join(self._lines))
            self._lines.clear()

    def _hear(self, line: bytes) -> None:
        given = json.loads(line)
        effect, timer = self._open.pop(given["id"], (None, None))
        if effect is None or timer is None:
            return
        timer.cancel()
        if not self._open:
            if self._idle is not None:
                self._idle.cancel()
            self._idle = self._loop.call_later(IDLE_S, self._rest)
        if isinstance(effect, Call):
            self._answered(Replied(effect.owner, effect.number, read_reply(given)))
        else:
            self._answered(Identified(read_identity(given)))

    def _rest(self) -> None:
        """Nobody has asked for a while: the worker's memory is better used otherwise."""
        if not self._open and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _hung(self) -> None:
        self._tell(
            error("runtime.cloud-hung", "the process that talks to OpenStack hangs and is ended", "", "nothing is to be done")
        )
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _end(self, reason: str) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._process = None
        self._lines.clear()
        waiting, self._open = list(self._open.values()), {}
        for effect, timer in waiting:
            timer.cancel()
            self._loop.call_soon(self._answered, _nothing(effect, reason))


def _nothing(effect: Call | Identify, reason: str) -> Replied | Identified:
    """The answer when there is none."""
    if isinstance(effect, Call):
        return Replied(effect.owner, effect.number, Reply(fault=Fault.LIBRARY, detail=reason))
    return Identified(Identity())
