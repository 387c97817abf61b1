"""Agents as child processes: performs RunAgent and EndAgent, and tells AgentExited.

Owns: starting in a session of its own with exactly the given environment, catching output without ever blocking or growing,
seeing the end, and ending a whole group. Does not own time limits: the executor says when to end what.

The end of a run is told at once when its main process has ended by itself, even if something in the background still holds its
pipes. After EndAgent it is told when no process of its session is left but zombies; until then the main process stays a
zombie of ours, so that its number, which names the group, cannot be given to a stranger.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from standfast.executor.api import OUTPUT_BYTES_MAX, AgentExited, EndAgent, Fault, RunAgent

PROCESSES_MAX = 256
"""Agents at once; more are refused with a failure (the executor's own limit is far below)."""

UMASK = 0o022
"""As under systemd, which agents are written for: with 0 they would make files that everybody may write."""

_READ_BYTES = 64 * 1024
_LAST_READS_MAX = 16
"""Reads of what is still in a pipe when the main process has ended (the pipe itself holds 64 KiB)."""

_POLL_S_MIN, _POLL_S_MAX = 0.005, 0.5
_LEFT_OUT = b"\n[... output left out ...]\n"


class Captured:
    """The head and the tail of a stream, at most OUTPUT_BYTES_MAX together: meta-data begins at the head, an exit reason is the
    last line. Invariant: memory is bounded whatever is written."""

    __slots__ = ("_head", "_left_out", "_tail")

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Keep what there is room for."""
        half = (OUTPUT_BYTES_MAX - len(_LEFT_OUT)) // 2
        room = half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        surplus = len(self._tail) - half
        if surplus > 0:
            del self._tail[:surplus]
            self._left_out += surplus

    def value(self) -> bytes:
        """What was kept, with a line between head and tail when something was left out."""
        between = _LEFT_OUT if self._left_out else b""
        return bytes(self._head) + between + bytes(self._tail)


class _Child:
    """One run: the process, its two pipes, and how far its end has come."""

    __slots__ = ("captured", "is_ending", "is_over", "pidfd", "pipes", "poll_s", "process", "run")

    def __init__(self, run: int, process: subprocess.Popen[bytes], pidfd: int, pipes: tuple[int, int]) -> None:
        self.run = run
        self.process = process
        self.pidfd = pidfd
        self.pipes: list[int | None] = list(pipes)
        self.captured = (Captured(), Captured())
        self.is_ending = False
        self.is_over = False
        self.poll_s = _POLL_S_MIN


class Children:
    """Performs the executor's effects on processes, on one event loop. Invariant: every RunAgent gives one call of `exited`,
    never from inside `run` or `end`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, exited: Callable[[AgentExited], None]) -> None:
        self._loop = loop
        self._exited = exited
        self._children: dict[int, _Child] = {}

    def run(self, effect: RunAgent) -> None:
        """Start the agent; the answer comes by `exited`, also when it cannot be started."""
        if len(self._children) >= PROCESSES_MAX:
            self._fail(effect.run, f"{PROCESSES_MAX} agents run already", Fault.OTHER)
            return
        try:
            self._children[effect.run] = self._start(effect)
        except OSError as failed:
            self._fail(effect.run, *_explained(effect.argv[0], failed))

    def end(self, effect: EndAgent) -> bool:
        """TERM or KILL to the whole group; False when the run is not one of ours (any more)."""
        child = self._children.get(effect.run)
        if child is None:
            return False
        child.is_ending = True
        _signal_session(child.process.pid, signal.SIGKILL if effect.force else signal.SIGTERM)
        if child.is_over:
            child.poll_s = _POLL_S_MIN
        return True

    def close(self) -> None:
        """Kill whatever runs and forget it without an answer: the loop is about to end."""
        for child in tuple(self._children.values()):
            _signal_session(child.process.pid, signal.SIGKILL)
            self._release(child)
        self._children.clear()

    # ---- start ------------------------------------------------------------------------------------------------------

    def _start(self, effect: RunAgent) -> _Child:
        """Raises OSError when the program cannot be started; nothing is left open then."""
        opened: list[int] = []
        try:
            out_read, out_write = _pipe(opened)
            err_read, err_write = _pipe(opened)
            stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) if not effect.stdin else _in_memory(effect.stdin)
            opened.append(stdin)
            process = subprocess.Popen(
                list(effect.argv),
                executable=effect.argv[0],
                stdin=stdin,
                stdout=out_write,
                stderr=err_write,
                env={name.encode(): value.encode() for name, value in effect.environment},
                cwd="/",
                umask=UMASK,
                start_new_session=True,
                close_fds=True,
                preexec_fn=_ordinary if _is_special() else None,  # noqa: PLW1509 - only system calls, see there
            )
        except OSError:
            _close_all(opened)
            raise
        _close_all([out_write, err_write, stdin])
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError:  # no descriptor is left: what cannot be watched must not run
            _signal_session(process.pid, signal.SIGKILL)
            process.wait()
            _close_all([out_read, err_read])
            raise
        child = _Child(effect.run, process, pidfd, (out_read, err_read))
        self._loop.add_reader(child.pidfd, self._ended, child)
        for which in (0, 1):
            self._loop.add_reader((out_read, err_read)[which], self._readable, child, which)
        return child

    def _fail(self, run: int, text: str, fault: Fault) -> None:
        self._loop.call_soon(self._exited, AgentExited(run, None, b"", b"", text, fault))

    # ---- output -----------------------------------------------------------------------------------------------------

    def _readable(self, child: _Child, which: int) -> None:
        self._read(child, which)

    def _read(self, child: _Child, which: int) -> bool:
        """One read; True when there may be more."""
        descriptor = child.pipes[which]
        if descriptor is None:
            return False
        try:
            data = os.read(descriptor, _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if data:
            child.captured[which].add(data)
            return True
        self._close_pipe(child, which)
        return False

    def _close_pipe(self, child: _Child, which: int) -> None:
        descriptor = child.pipes[which]
        if descriptor is not None:
            child.pipes[which] = None
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    # ---- end --------------------------------------------------------------------------------------------------------

    def _ended(self, child: _Child) -> None:
        """The main process is a zombie. All that it wrote itself is in the pipes by now."""
        self._loop.remove_reader(child.pidfd)
        child.is_over = True
        for which in (0, 1):
            for _ in range(_LAST_READS_MAX):
                if not self._read(child, which):
                    break
        for which in (0, 1):
            self._close_pipe(child, which)
        self._settle(child)

    def _settle(self, child: _Child) -> None:
        """Tell the end; after EndAgent only when nothing of the session is left, and look again until then."""
        if self._children.get(child.run) is not child:
            return  # close() was faster
        if child.is_ending and is_session_alive(child.process.pid):
            self._loop.call_later(child.poll_s, self._settle, child)
            child.poll_s = min(child.poll_s * 2, _POLL_S_MAX)
            return
        del self._children[child.run]
        code = child.process.wait()
        self._release(child)
        out, err = child.captured
        self._exited(AgentExited(child.run, code, out.value(), err.value()))

    def _release(self, child: _Child) -> None:
        for which in (0, 1):
            self._close_pipe(child, which)
        self._loop.remove_reader(child.pidfd)
        os.close(child.pidfd)
        if child.process.returncode is None:
            # Only from close(): it was killed, and a Popen that nobody waited for would be reported as a leak.
            try:
                child.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                child.process.returncode = -signal.SIGKILL


# ---- sessions -------------------------------------------------------------------------------------------------------


def _members(session: int) -> list[int]:
    """Process ids of the session or group `session` that are not zombies, read from /proc."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                stat = Path("/proc", name, "stat").read_bytes()
            except OSError:
                continue  # it ended in between
            # pid (comm) state ppid pgrp session ...; comm may hold anything, so count from the last bracket (proc(5))
            fields = stat.rpartition(b")")[2].split()
            if fields[0] not in (b"Z", b"X") and session in (int(fields[2]), int(fields[3])):
                found.append(int(name))
    return found


def is_session_alive(session: int) -> bool:
    """Whether any process of the session (or of the group of the same number) is more than a zombie."""
    return bool(_members(session))


def _signal_session(session: int, number: signal.Signals) -> None:
    """The signal to the group and to members of the session that made groups of their own; stopped ones are woken to hear it."""
    try:
        os.killpg(session, number)
        os.killpg(session, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        pass  # only zombies are left, or (PermissionError) only processes that changed their user
    for pid in _members(session):
        try:
            if os.getpgid(pid) != session:
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            continue


# ---- what a child is born with --------------------------------------------------------------------------------------


def _is_special() -> bool:
    """Whether this process has a priority, scheduling policy or OOM protection that an agent must not inherit."""
    return (
        os.sched_getscheduler(0) != os.SCHED_OTHER
        or os.getpriority(os.PRIO_PROCESS, 0) != 0
        or int(Path("/proc/self/oom_score_adj").read_bytes()) < 0
    )


def _ordinary() -> None:
    """Runs in the child before exec: back to ordinary priority, policy and OOM score. System calls only, and none that may
    raise out of here: an agent with an odd priority is better than no agent."""
    for reset in (_reset_policy, _reset_priority, _reset_oom_score):
        try:
            reset()
        except OSError:
            continue


def _reset_policy() -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _reset_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 0)


def _reset_oom_score() -> None:
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"0")
    finally:
        os.close(descriptor)


def _pipe(opened: list[int]) -> tuple[int, int]:
    """A pipe whose read end never blocks; both ends are noted in `opened`."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    opened += [read_end, write_end]
    os.set_blocking(read_end, False)
    return read_end, write_end


def _in_memory(data: bytes) -> int:
    """A descriptor that reads `data` and then ends, and can never block its writer."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


_FAULTS = {
    errno.ENOENT: Fault.MISSING,
    errno.ENOTDIR: Fault.MISSING,
    errno.EISDIR: Fault.MISSING,
    errno.ENOEXEC: Fault.MISSING,
    errno.EINVAL: Fault.MISSING,
    errno.EACCES: Fault.DENIED,
    errno.EPERM: Fault.DENIED,
}
"""What an errno of exec means (Pacemaker's services__handle_exec_error); anything else is a fault of this host."""


def _explained(path: str, failed: OSError) -> tuple[str, Fault]:
    """Why `path` could not be started: words with a remedy, and the kind."""
    number = failed.errno or 0
    fault = _FAULTS.get(number, Fault.OTHER)
    text = f"{path}: {os.strerror(number)}"
    if number == errno.ENOENT and os.path.exists(path):
        text = f"{path}: the interpreter named in its first line is not installed here"
    elif number == errno.EACCES and os.path.isfile(path):
        text += f" (make it executable: chmod 755 {path})"
    elif number == errno.ENOEXEC:
        text += " (its first line must name an interpreter: #!/bin/sh)"
    return text, fault
