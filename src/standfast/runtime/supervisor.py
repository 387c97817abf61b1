"""`standfast node`: starts engine and manager in the foreground and starts them again when they die.

The supervisor has imported everything before it forks, so a restart costs milliseconds instead of the import time: a manager that
was killed is back well within the lease of the addresses it holds. No event loop, no thread, no decision but when to restart.
Invariant: at most one process per child lives at any time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, Severity, notice

NO_RESTART = 78
"""Exit code of a child that starting again would not help (a bad configuration): the supervisor ends with it."""
STEADY_S = 30.0
PAUSES_S = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
GRACE_S = 90.0
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@dataclass(slots=True)
class Child:
    """One supervised process. `run` is its whole life and returns its exit code; `prepare` is done in the supervisor before its
    first start (imports that every life of it needs)."""

    name: str
    run: Callable[[], int]
    prepare: Callable[[], None] = lambda: None
    pid: int = 0
    started_s: float = 0.0
    quick_deaths: int = 0
    start_at_s: float = 0.0
    ended: bool = False


def die_with_parent(sign: int) -> None:
    """Ask the kernel for `sign` when the parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, sign, 0, 0, 0)


def call_process(name: str) -> None:
    """Show this process as `sf-NAME` in ps and top (prctl(2), PR_SET_NAME; 15 characters at most)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, f"sf-{name}".encode(), 0, 0, 0)


class Supervisor:
    """Keeps its children running until it is told to stop or one of them says that it cannot run."""

    def __init__(self, children: Sequence[Child], tell: Callable[[Report], None]) -> None:
        self._children = list(children)
        self._tell = tell
        self._stopping_until_s = 0.0

    def run(self) -> int:
        """Serve until everything has ended; returns the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        code = 0
        while True:
            now_s = time.monotonic()
            for child in self._children:
                if not child.pid and not child.ended and not self._stopping_until_s and now_s >= child.start_at_s:
                    self._start(child)
            got = signal.sigtimedwait(_WATCHED, self._patience_s())
            if got is not None and got.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif got is not None and got.si_signo == signal.SIGHUP:
                self._signal_all(signal.SIGHUP)
            code = self._reap() or code
            if self._stopping_until_s and time.monotonic() > self._stopping_until_s:
                self._signal_all(signal.SIGKILL)
            if all(not child.pid for child in self._children) and (
                self._stopping_until_s or all(c.ended for c in self._children)
            ):
                return code

    def _start(self, child: Child) -> None:
        if not child.started_s:
            child.prepare()
            gc.freeze()  # what is imported by now stays shared with the children, page by page
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os._exit(_live(child))
        child.pid, child.started_s = pid, time.monotonic()

    def _reap(self) -> int:
        code = 0
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                code = self._ended(child, os.waitstatus_to_exitcode(status)) or code
        return code

    def _ended(self, child: Child, code: int) -> int:
        now_s = time.monotonic()
        child.pid = 0
        if self._stopping_until_s:
            return 0
        if code in (0, NO_RESTART):
            child.ended = True
            self._stop()  # one of the two has left for good: the other follows, politely
            return code
        steady = now_s - child.started_s > STEADY_S
        child.quick_deaths = 0 if steady else min(child.quick_deaths + 1, len(PAUSES_S) - 1)
        pause_s = PAUSES_S[child.quick_deaths]
        child.start_at_s = now_s + pause_s
        self._tell(
            Report(
                "supervisor.restart",
                Severity.ERROR,
                f"the {child.name} died {_how(code)}",
                "",
                f"it is started again {'at once' if not pause_s else f'in {pause_s:g} s'}",
            )
        )
        return 0

    def _stop(self) -> None:
        if not self._stopping_until_s:
            self._tell(
                notice("supervisor.stopping", "stopping: resources leave this node first, then the node leaves the cluster")
            )
            self._stopping_until_s = time.monotonic() + GRACE_S
        # The manager goes first: it moves its resources and then asks the engine to leave. Without one, the engine leaves itself.
        living = [child for child in self._children if child.pid]
        first = next((child for child in living if child.name == "manager"), living[0] if living else None)
        if first is not None:
            os.kill(first.pid, signal.SIGTERM)

    def _signal_all(self, sign: int) -> None:
        for child in self._children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, sign)

    def _patience_s(self) -> float:
        if self._stopping_until_s:
            # Once the manager has gone, whatever is left is told to go as well.
            if all(not c.pid for c in self._children if c.name == "manager"):
                self._signal_all(signal.SIGTERM)
            return 0.2
        due = [c.start_at_s - time.monotonic() for c in self._children if not c.pid and not c.ended]
        return min([max(0.0, *due)] if due else [60.0])


def _live(child: Child) -> int:
    """A child's whole life, in the child."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        die_with_parent(signal.SIGTERM)
        call_process(child.name)
        return child.run()
    except BaseException:  # the last line of defence of a process: say what it was, then die
        traceback.print_exc()
        return 1


def _how(code: int) -> str:
    if code < 0:
        return f"of signal {signal.Signals(-code).name}"
    return f"with exit code {code}"
