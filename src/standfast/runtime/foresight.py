"""Preparing for what may come, in the scheduler's process: the plan for each supposed change is made before it is asked for.

Each supposition is planned by a child of lowest priority, which has the parent's document by fork and spoils only its own. A
question, or any other news, ends it at once, so none ever waits for it. Bounded: one child at a time, no more than half of the
time, each supposition once, PLAN_S_MAX for one, PREPARED_MAX plans kept (follower.py).
Invariants: no child without a line to it; what is put aside was made for exactly the document that its key stands for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable

import msgspec

from standfast.runtime.supervisor import die_with_parent
from standfast.scheduler.follower import Follower, Prepared

PLAN_S_MAX = 60.0
PLAN_BYTES_MAX = 64 * 1024 * 1024
NICE = 19

_PREPARED = msgspec.msgpack.Decoder(Prepared)


class Foresight:
    """See the module. `lines` are to be watched; call `go_on` when one is ready, or after `pause_s`."""

    def __init__(self, follower: Follower, utc_offset_s: Callable[[int], int]) -> None:
        self._follower = follower
        self._utc_offset_s = utc_offset_s
        self._waiting: deque[bytes] = deque()
        self._child: int | None = None
        self._line = -1
        self._change = b""
        self._heard: list[bytes] = []
        self._since_s = self._resume_s = 0.0

    @property
    def lines(self) -> tuple[int, ...]:
        """What the child speaks on."""
        return () if self._child is None else (self._line,)

    def pause_s(self) -> float | None:
        """How long `go_on` has nothing to do, if no line is ready; None: until there is news."""
        now_s = time.monotonic()
        if self._child is not None:
            return max(0.0, self._since_s + PLAN_S_MAX - now_s)
        return max(0.0, self._resume_s - now_s) if self._waiting else None

    def prepare(self, changes: tuple[bytes, ...]) -> None:
        """These changes of the document as it is now may come."""
        self._waiting = deque(changes)

    def forget(self) -> None:
        """The document is another one: what was supposed is no longer what may come."""
        self._waiting.clear()

    def interrupt(self) -> None:
        """There is something else to do: give up what is under way; it is begun again if it is still wanted."""
        change = self._stop()
        if change is not None:
            self._waiting.appendleft(change)

    def stop(self) -> None:
        """The end."""
        self._stop()
        self._waiting.clear()

    def go_on(self) -> None:
        """Hear the child out, or begin with the next supposition."""
        now_s = time.monotonic()
        if self._child is None:
            if self._waiting and now_s >= self._resume_s:
                self._begin(self._waiting.popleft())
            return
        if now_s >= self._since_s + PLAN_S_MAX:
            self._stop()
            return
        part = os.read(self._line, 1 << 20)
        self._heard.append(part)
        if part and sum(map(len, self._heard)) <= PLAN_BYTES_MAX:
            return
        whole = b"".join(self._heard)
        self._stop()
        if not part and whole:
            with contextlib.suppress(msgspec.DecodeError):  # a child that was ended in the middle of a word
                self._follower.put_aside(_PREPARED.decode(whole))

    def _begin(self, change: bytes) -> None:
        if self._follower.version is None:
            return  # without a document there is nothing to suppose
        self._follower.key()  # so that neither the child, nor this process when it has happened, need look at what is as it was
        ours, theirs = os.pipe()
        parent = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            os.close(ours)
            self._suppose(theirs, change, parent)
        os.close(theirs)
        self._line, self._heard, self._change = ours, [], change
        self._since_s = time.monotonic()

    def _suppose(self, line: int, change: bytes, parent: int) -> None:
        """The child's whole life. What goes wrong here goes wrong, and is told, when the plan is asked for."""
        code = 1
        try:
            die_with_parent(signal.SIGKILL)
            if os.getppid() == parent:
                os.nice(NICE)
                now_s = int(time.time())
                prepared = self._follower.suppose(change, now_s, self._utc_offset_s(now_s), connects=False)
                data = b"" if prepared is None else msgspec.msgpack.encode(prepared)
                while data:
                    data = data[os.write(line, data) :]
                code = 0
        finally:
            os._exit(code)

    def _stop(self) -> bytes | None:
        """End the child, if there is one; returns what it was about."""
        if self._child is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._line)
        self._child = None
        now_s = time.monotonic()
        self._resume_s = now_s + (now_s - self._since_s)
        return self._change
