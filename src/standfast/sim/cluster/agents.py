"""Virtual services and the agents that start, stop and watch them, with everything that agents do wrong.

Owns: whether a service runs on a host, and the processes of its agents. Does not own: timeouts, order, records (executor/).
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.executor import api as ex
from standfast.sim.chance import Stream
from standfast.sim.cluster.power import AGENT, Switch

GARBAGE = b"\xff\xfe not text \x00" * 2000


@dataclass(slots=True)
class Habit:
    """How the agent of one service behaves on one host. `fails` operations fail next; `hangs` names actions that never end;
    `lies` names those that say what is not so; `stubborn` ignores TERM."""

    fails: int = 0
    hangs: str = ""
    lies: str = ""
    stubborn: bool = False
    slow_ms: int = 0
    garbage: bool = False


@dataclass(slots=True)
class Process:
    """An agent at work."""

    run: int
    life: int
    resource: str
    action: str


class Agents:
    """One host's. `exited` is called with what a process said; `overlap` when two work on one service at once."""

    def __init__(self, chance: Stream, at: Callable[[int, Callable[[], None]], None]) -> None:
        self._chance, self._at = chance, at
        self.running: dict[str, bool] = {}
        self.habits: dict[str, Habit] = {}
        self.processes: dict[tuple[int, int], Process] = {}
        self.exited: Callable[[int, ex.AgentExited], None] = lambda _life, _event: None
        self.overlap: Callable[[Process, Process], None] = lambda _one, _other: None
        self.started: Callable[[str], None] = lambda _resource: None
        self.switch: Switch | None = None
        self.count = 0

    def run(self, life: int, effect: ex.RunAgent) -> None:
        """An agent begins; it ends after some milliseconds, or never."""
        if effect.argv[0].endswith(AGENT):
            self._speak_to_switch(life, effect)
            return
        resource = next((value for name, value in effect.environment if name == "OCF_RESOURCE_INSTANCE"), "")
        process = Process(effect.run, life, resource, effect.argv[-1])
        for other in self.processes.values():
            if other.resource == resource and other.life == life:
                self.overlap(process, other)
        self.processes[life, effect.run] = process
        self.count += 1
        habit = self.habits.get(resource, Habit())
        if process.action in habit.hangs.split(","):
            return
        took_us = self._chance.between(2_000, 30_000) + habit.slow_ms * US_PER_MS
        self._at(took_us, lambda: self._finish(life, effect.run))

    def _speak_to_switch(self, life: int, effect: ex.RunAgent) -> None:
        assert self.switch is not None
        self.processes[life, effect.run] = Process(effect.run, life, AGENT, f"{effect.run}")
        self.switch.run(effect, lambda rc, output: self._exit(life, effect.run, rc, output))

    def end(self, life: int, effect: ex.EndAgent) -> None:
        """TERM or KILL to the whole group."""
        process = self.processes.get((life, effect.run))
        if process is None or (not effect.force and self.habits.get(process.resource, Habit()).stubborn):
            return
        self._at(1_000, lambda: self._exit(life, effect.run, -9 if effect.force else -15, b""))

    def is_at_work(self, life: int) -> bool:
        """Whether an agent runs that this life of the manager has begun."""
        return any(of == life for of, _ in self.processes)

    def crash(self, resource: str) -> None:
        """The service dies by itself."""
        self.running.pop(resource, None)

    def power_off(self) -> None:
        """Everything is gone."""
        self.running.clear()
        self.processes.clear()

    def _finish(self, life: int, run: int) -> None:
        process = self.processes.get((life, run))
        if process is None:
            return
        habit = self.habits.get(process.resource, Habit())
        lie = process.action in habit.lies.split(",")
        rc = self._did(process, lie=lie)
        if habit.fails > 0 and process.action in ("start", "monitor"):
            habit.fails -= 1
            rc = 1
        self._exit(life, run, rc, GARBAGE if habit.garbage else b"")

    def _did(self, process: Process, *, lie: bool) -> int:
        here = self.running.get(process.resource, False)
        match process.action:
            case "start":
                if not lie:
                    self.running[process.resource] = True
                    self.started(process.resource)
                return 0
            case "stop":
                if not lie:
                    self.running.pop(process.resource, None)
                return 0
            case "monitor" | "status":
                return 0 if here != lie else 7
            case _:
                return 0

    def _exit(self, life: int, run: int, rc: int, output: bytes) -> None:
        if self.processes.pop((life, run), None) is not None:
            self.exited(life, ex.AgentExited(run, rc, output, output))


HANG_US_MAX = 60 * US_PER_S
