"""The supervisor as a person would try it: kill a child, configure it wrongly, ask it to stop. Real processes, no network."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys, time
from standfast.runtime.supervisor import Child, Supervisor

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one piece: two processes share the pipe

def steady(name):
    def run():
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        say("started", name, os.getpid())
        while True: time.sleep(60)
    return run

def wrong():
    say("started wrong", os.getpid())
    return 78

def broken():
    say("started broken", os.getpid())
    raise RuntimeError("a bug")

lives = {"engine": steady("engine"), "manager": steady("manager"), "wrong": wrong, "broken": broken}
children = [Child(name, lives[name]) for name in sys.argv[1:]]
sys.exit(Supervisor(children, lambda r: say("said", r.code, r.sentence())).run())
"""


class Supervised:
    def __init__(self, *names: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *names], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.lines: list[str] = []

    def until(self, what: str) -> str:
        """The next line with `what` in it. The children speak in any order, so others wait in `lines` for their turn."""
        assert self.process.stdout is not None
        for line in self.lines:
            if what in line:
                self.lines.remove(line)
                return line
        for line in self.process.stdout:
            if what in line:
                return line.strip()
            self.lines.append(line.strip())
        raise AssertionError(f"it ended without {what!r}: {self.lines}")

    def pid_of(self, name: str) -> int:
        return int(self.until(f"started {name}").split()[-1])

    def __enter__(self) -> Supervised:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone(pid: int, within_s: float = 10) -> bool:
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if not is_alive(pid):
            return True
        time.sleep(0.01)
    return False


def test_a_killed_child_is_started_again_at_once_and_the_other_is_left_alone() -> None:
    with Supervised("engine", "manager") as it:
        engine, manager = it.pid_of("engine"), it.pid_of("manager")
        os.kill(manager, signal.SIGKILL)
        assert "of signal SIGKILL" in it.until("said supervisor.restart")
        assert it.pid_of("manager") != manager
        assert is_alive(engine)


def test_a_child_that_keeps_dying_is_started_ever_more_slowly() -> None:
    with Supervised("broken") as it:
        waits = [it.until("said supervisor.restart") for _ in range(3)]
        assert "at once" in waits[0]
        assert "in 0.5 s" in waits[1]
        assert "in 1 s" in waits[2]


def test_a_configuration_that_cannot_be_started_ends_everything_with_its_code() -> None:
    with Supervised("engine", "wrong") as it:
        assert it.process.wait(20) == 78
        assert it.process.stdout is not None
        said = [*it.lines, *it.process.stdout]
        # the engine may be ended before it has said anything; whoever spoke is gone
        assert any(line.startswith("started wrong") for line in said)
        assert all(gone(int(line.split()[-1])) for line in said if line.startswith("started"))


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_ends_both_in_order(sign: signal.Signals) -> None:
    with Supervised("engine", "manager") as it:
        engine, manager = it.pid_of("engine"), it.pid_of("manager")
        it.process.send_signal(sign)
        assert it.process.wait(20) == 0
        assert gone(engine)
        assert gone(manager)


def test_the_children_do_not_outlive_a_killed_supervisor() -> None:
    with Supervised("engine", "manager") as it:
        engine, manager = it.pid_of("engine"), it.pid_of("manager")
        it.process.kill()
        assert gone(engine)
        assert gone(manager)
