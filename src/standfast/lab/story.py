"""The demo's story: a cluster is set up as an administrator would type it, then things go wrong, one after the other.

Owns: the steps, in order, and what each measured. Does not own: how it is shown (`Listener`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.lab import files
from standfast.lab.lab import VIP, Host, wait_until
from standfast.lab.measures import BACK_S, WINDOW_S, Rig, delete_address
from standfast.lab.stacks import ON_ENGINES

PAUSE_S = 1.0
FROZEN_S = 3.0
SEEN_S = 1.0
"""How long the client is watched after a fault that it should not notice."""


@dataclass(slots=True)
class Step:
    """One step: what was typed (host, line), what it printed, and what came of it. `outage_s` is the longest gap in the client's
    answers; None where there was no service to interrupt yet, or where it never came back (then `is_ok` is False)."""

    title: str
    typed: list[tuple[str, str]] = field(default_factory=list)
    outage_s: float | None = None
    holder: str = ""
    detail: str = ""
    is_ok: bool = True
    is_done: bool = False


Chapter = tuple[str, Callable[[Step], None]]


class Listener:
    """Who wants to know how the story goes on. The base class does not."""

    def began(self, step: Step) -> None:
        """A step begins."""

    def typed(self, host: str, line: str) -> None:
        """Somebody types a line on a host."""

    def ended(self, step: Step) -> None:
        """A step has its result."""


class Story:
    """Plays once. `rig` is a fresh Rig(Standfast); `pause_s` lets an onlooker read between the steps."""

    name = "failover"

    def __init__(self, rig: Rig, listener: Listener, pause_s: float = PAUSE_S) -> None:
        self.rig = rig
        self.steps: list[Step] = []
        self.saw_two_holders = False
        """Whether the client, within one step, got answers of one host, then of another, then of the first again."""
        self.states = dict.fromkeys(rig.lab.hosts, "off")
        self._listener = listener
        self._pause_s = pause_s

    def play(self) -> bool:
        """All steps; whether every one ended as it should."""
        for title, tell in self._chapters():
            step = Step(title)
            self.steps.append(step)
            self._listener.began(step)
            try:
                tell(step)
            except (TimeoutError, RuntimeError) as fault:
                step.is_ok, step.detail = False, str(fault)
            step.holder = self.rig.probe.holder()
            step.is_done = True
            self._listener.ended(step)
            if not step.is_ok:
                break
            time.sleep(self._pause_s)
        return all(step.is_ok for step in self.steps)

    def _chapters(self) -> list[Chapter]:
        """Titles and what happens."""
        return [
            ("Install the key and start both hosts", self._start),
            ("Configure the failover IP", self._configure),
            ("The active host falls silent", self._cut),
            ("Its cable is plugged in again", self._heal),
            ("Move the address, as planned", self._move),
            ("The active host freezes", self._freeze),
            ("It thaws", self._thaw),
            ("Somebody deletes the address by hand", self._delete),
            ("kill -9 of the manager", self._kill),
        ]

    # ---- steps ---------------------------------------------------------------------------------------------------

    def _start(self, step: Step) -> None:
        first, second = self._hosts()
        self._type(step, first, "corosync-keygen")
        self._say(step, first, f"scp {files.KEY_PATH} {second.name}:{files.KEY_PATH}")
        second.write(files.KEY_PATH, first.read_bytes(files.KEY_PATH), 0o400)
        start_s = time.monotonic()
        for host in (first, second):
            self._say(step, host, "standfast node")
            self.states[host.name] = "up"
        self.rig.stack.boot()
        wait_until("both nodes online", self.rig.stack.is_settled, BACK_S)
        step.detail = f"both online after {time.monotonic() - start_s:.1f} s"
        self._type(step, first, "crm status")

    def _configure(self, step: Step) -> None:
        start_s = time.monotonic()
        self._type(step, self._hosts()[0], f"crm configure load update {files.CRM_PATH}")
        self._served("")
        first_s = self.rig.probe.first_answer_s(start_s)
        step.detail = f"served {first_s:.1f} s after the command was typed" if first_s is not None else ""

    def _cut(self, step: Step) -> None:
        host = self._active()
        start_s = time.monotonic()
        self._say(step, host, "(its cable is pulled)")
        self.rig.lab.cut(host.name)
        self.states[host.name] = "cut off"
        self._served(host.name)
        self._measure(step, start_s)
        wait_until("the lost host's kernel drops the address", lambda: host.name not in self.rig.watch.holders(), BACK_S)
        lost_s = self.rig.watch.lost_s(host.name, start_s)
        step.detail = f"the lost host dropped the address after {((lost_s or start_s) - start_s) * 1000:.0f} ms" + step.detail

    def _heal(self, step: Step) -> None:
        host = next(host for host in self._hosts() if self.states[host.name] == "cut off")
        start_s = time.monotonic()
        self._say(step, host, "(its cable is plugged in)")
        self.rig.lab.heal(host.name)
        wait_until("both nodes online", self.rig.stack.is_settled, BACK_S)
        self.states[host.name] = "up"
        time.sleep(SEEN_S)
        self._measure(step, start_s)

    def _move(self, step: Step) -> None:
        source = self._active()
        target = next(host for host in self._hosts() if host is not source)
        start_s = time.monotonic()
        self._type(step, source, f"crm resource migrate ha-vip {target.name}")
        self._served(source.name)
        self._measure(step, start_s)
        self._type(step, source, "crm resource unmigrate ha-vip")

    def _freeze(self, step: Step) -> None:
        host = self._active()
        start_s = time.monotonic()
        self._say(step, host, "kill -STOP -1")
        host.signal_all(signal.SIGSTOP)
        self.states[host.name] = "frozen"
        self._served(host.name)
        time.sleep(max(0.0, start_s + FROZEN_S - time.monotonic()))
        back_s = self.rig.probe.first_answer_s(start_s, not_from=host.name)
        self._measure(step, start_s)
        two_s = self.rig.watch.two_holders_s(start_s)
        step.detail = f"the other host serves after {back_s or 0:.1f} s; both held the address for {two_s:g} s" + step.detail
        step.is_ok = step.is_ok and not two_s

    def _thaw(self, step: Step) -> None:
        host = next(host for host in self._hosts() if self.states[host.name] == "frozen")
        start_s = time.monotonic()
        self._say(step, host, "kill -CONT -1")
        host.signal_all(signal.SIGCONT)
        wait_until("both nodes online", self.rig.stack.is_settled, BACK_S)
        self.states[host.name] = "up"
        time.sleep(SEEN_S)
        self._measure(step, start_s)

    def _delete(self, step: Step) -> None:
        host = self._active()
        start_s = time.monotonic()
        self._say(step, host, f"ip addr del {VIP}/32 dev eth0")
        delete_address(host)
        time.sleep(SEEN_S)
        self._served("")
        self._measure(step, start_s)

    def _kill(self, step: Step) -> None:
        host = self._active()
        start_s = time.monotonic()
        self._say(step, host, "pkill -9 sf-manager")
        for pid in host.named("sf-manager"):
            os.kill(pid, signal.SIGKILL)
        time.sleep(SEEN_S)
        self._served("")
        wait_until("the manager is back", self.rig.stack.is_settled, BACK_S)
        self._measure(step, start_s)
        self._type(step, host, "crm status")

    # ---- parts ---------------------------------------------------------------------------------------------------

    def _hosts(self) -> tuple[Host, Host]:
        first, second = self.rig.lab.hosts.values()
        return first, second

    def _active(self) -> Host:
        return self.rig.lab.hosts[self._served("")]

    def _served(self, not_from: str) -> str:
        host = self.rig.probe.wait_steady(BACK_S, not_from=not_from, span_s=WINDOW_S / 2)
        if not host:
            raise TimeoutError(f"the client got no answers within {BACK_S:g} s")
        return host

    def _measure(self, step: Step, start_s: float) -> None:
        step.outage_s = self.rig.probe.outage_s(start_s)
        order = self.rig.probe.served_by(start_s)
        if len(order) != len(set(order)):
            step.is_ok, self.saw_two_holders = False, True
            step.detail += f"; the client saw two hosts: {', '.join(order)}"

    def _say(self, step: Step, host: Host, line: str) -> None:
        step.typed.append((host.name, line))
        self._listener.typed(host.name, line)

    def _type(self, step: Step, host: Host, line: str) -> str:
        self._say(step, host, line)
        return host.type(line)


def new_rig(engine: str = "embedded") -> Rig:
    """The hosts, the switch and the client of the story, on one of the three engines."""
    return Rig(ON_ENGINES[engine])
