"""The limits of one input: CPU time and memory for each 64 KiB begun, and an alarm for what does not end.

What is measured is CPU time of this process (a busy machine is no fault of a parser), and what is slow once is tried again before
it counts. Memory is what Python allocated at the peak (one input in MEASURE_EVERY, because measuring is slow) and what the whole
process grew to hold (every input: libxml2's memory is not Python's).
"""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType

from standfast.base.report import Refused
from standfast.base.wire import Malformed

TYPED = (Malformed, Refused)
INPUT_BYTES_MAX = 64 * 1024
CPU_MS = 50
MEMORY_MB = 16
PROCESS_MB = 256
"""What the process may have grown by after all inputs together: caches and fragmentation, but no leak."""

HANG_S = 5
MEASURE_EVERY = 64
AGAIN = 3


class Slow(Exception):
    """One input took more CPU time than it may."""


class Large(Exception):
    """One input took more memory than it may."""


class Hangs(BaseException):
    """One input does not end. (No Exception: nothing on the way may take it for a fault of its own.)"""


class Guard:
    """Runs a target on one input after another. Raises what the target must not raise, or Slow, Large, Hangs."""

    def __init__(self, target: ModuleType, *, slack: int = 1, hang_s: int = HANG_S) -> None:
        """`slack` multiplies the time: instrumented code is slower."""
        self._hang_s = hang_s
        self._one: Callable[[bytes], None] = target.one
        self._cpu_s = getattr(target, "CPU_MS", CPU_MS) * slack / 1000
        self._memory = getattr(target, "MEMORY_MB", MEMORY_MB) << 20
        self._grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + PROCESS_MB * 1024
        self.runs = 0
        self.slowest_s = 0.0

    def run(self, data: bytes) -> None:
        """One input."""
        self.runs += 1
        if self.runs % MEASURE_EVERY == 1:
            self._measured(data)
        shares = max(1, -(-len(data) // INPUT_BYTES_MAX))
        allowed_s = self._cpu_s * shares
        took_s = self._timed(data)
        for _ in range(AGAIN):
            if took_s <= allowed_s:
                break
            gc.collect()
            took_s = min(took_s, self._timed(data))
        self.slowest_s = max(self.slowest_s, took_s)
        if took_s > allowed_s:
            raise Slow(f"{took_s * 1000:.0f} ms of CPU for {len(data)} bytes, {allowed_s * 1000:.0f} are allowed")
        held_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if held_kb > self._grown_kb:
            raise Large(f"the process has grown to {held_kb >> 10} MiB")

    def _timed(self, data: bytes) -> float:
        begun_s = time.process_time()
        self._called(data)
        return time.process_time() - begun_s

    def _called(self, data: bytes) -> None:
        with _alarm(self._hang_s), contextlib.suppress(*TYPED):
            self._one(data)

    def _measured(self, data: bytes) -> None:
        self._called(data)  # what is made once and kept is nobody's
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        self._called(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        allowed = self._memory * max(1, -(-len(data) // INPUT_BYTES_MAX))
        if peak - before > allowed:
            raise Large(f"{(peak - before) >> 20} MiB for {len(data)} bytes, {allowed >> 20} are allowed")


@contextlib.contextmanager
def _alarm(hang_s: int) -> Iterator[None]:
    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Hangs(f"no end within {hang_s} s of CPU")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, hang_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
