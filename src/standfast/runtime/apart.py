"""Calls that may block for ever, made apart: in a thread that nobody waits for beyond a deadline.

Owns: the threads and their number. Does not own: what is called. Corosync's libraries wait without a limit for a daemon that does
not answer (CS_IPC_TIMEOUT_MS is -1), and nothing can end such a call; so there is at most one of them at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stuck(Exception):
    """The call has not come back within its deadline, or an earlier one still has not."""


class Unreachable(Exception):
    """The other end did not do it; the text says which call and why."""


class Apart:
    """Invariant: at most one call is under way."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None

    async def call(self, work: Callable[[], T], deadline_s: float) -> T:
        """The result of `work()`, or what it raised; Stuck when it takes longer. Calls wait for each other, within the
        deadline."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + deadline_s
        while self.is_busy:
            if loop.time() >= end_s:
                raise Stuck(f"{self._name}: an earlier call has not come back")
            await asyncio.sleep(0.01)
        future: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                result = work()
            except BaseException as fault:  # it is raised where somebody waits
                _settle(loop, future, fault)
            else:
                _settle(loop, future, None, result)

        # A daemon thread: one that is stuck does not keep the process from ending.
        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()
        try:
            return await asyncio.wait_for(future, max(0.0, end_s - loop.time()))
        except TimeoutError:
            raise Stuck(f"{self._name}: no answer within {deadline_s:g} s") from None

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way."""
        return self._thread is not None and self._thread.is_alive()


def _settle(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], fault: BaseException | None, result: T | None = None
) -> None:
    def settle() -> None:
        if future.done():
            return  # nobody waits any more
        if fault is not None:
            future.set_exception(fault)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # it is a T whenever there is no fault

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop has ended meanwhile
