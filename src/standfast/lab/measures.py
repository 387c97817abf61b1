"""What is measured on a stack, from the client's side where a client can see it; and the goals that Standfast has.

Owns: each fault, what counts as its result, in which order one run injects them. Does not own: how results are shown.
All times are seconds, memory MiB, idle CPU per cent of one core. A result that did not come in time is None, and misses its goal.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from standfast.base.dataclass import dataclass
from standfast.lab.files import NAMES
from standfast.lab.lab import VIP, Host, Lab, wait_until
from standfast.lab.probe import Probe
from standfast.lab.stacks import Stack
from standfast.lab.watch import HolderWatch

BACK_S = 60.0
"""How long to wait for service to come back before a fault counts as never survived."""
FROZEN_S = 12.0
"""How long a host stays frozen and is watched."""
AFTER_S = 4.0
"""After a fault without visible consequence: how long to go on looking for one."""
WINDOW_S = 0.6
IDLE_S = 30.0
TOOL_RUNS = 20


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table: `goal` is what Standfast's median must not exceed, None where there is no goal."""

    key: str
    title: str
    unit: str
    goal: float | None = None


MEASURES = (
    Measure("cold", "cold start of both nodes to address served", "s", 3.0),
    Measure("warm", "the same with the configuration on disk", "s"),
    Measure("ipdel", "address deleted by hand", "s", 0.05),
    Measure("move", "planned move", "s", 0.02),
    Measure("cut", "active host falls silent (cut)", "s", 0.5),
    Measure("kill_manager", "kill -9 of the manager", "s", 0.1),
    Measure("kill_all", "kill -9 of everything", "s"),
    Measure("kill_all_two", f"  two hosts hold the address, to {AFTER_S:g} s after", "s", 0.0),
    Measure("freeze_back", "active host frozen: until another one serves", "s", 3.0),
    Measure("freeze_outage", "  gap in the answers", "s"),
    Measure("freeze_two", f"  two hosts hold the address, of {FROZEN_S:g} s", "s", 0.0),
    Measure("memory", "memory of a node (PSS)", "MiB", 90.0),
    Measure("idle", "idle CPU of one core", "%", 1.0),
    Measure("tool", "crm_attribute, start to exit", "s", 0.06),
)
FAULTS = ("start", "ipdel", "move", "cut", "kill", "freeze", "idle")
"""What can be asked for: `start` is cold and warm, `kill` both kinds, `idle` memory, CPU and the tool."""

Results = dict[str, float | None]


class Rig:
    """One stack on fresh hosts with a client that asks every 2 ms. Use as a context manager."""

    def __init__(self, kind: type[Stack]) -> None:
        self.lab = Lab(list(NAMES), others=kind.others)
        self._ends = contextlib.ExitStack()
        self._ends.callback(self.lab.close)
        try:
            self.stack = kind(self.lab)
            self.stack.prepare()
            self.probe: Probe = self.lab.probe()
            self._ends.callback(self.probe.close)
            self.watch: HolderWatch = self.lab.watch()
            self._ends.callback(self.watch.close)
        except BaseException:
            self._ends.close()
            raise

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def cold(self) -> float | None:
        """Both nodes started at once; the configuration is typed as soon as both are online."""
        start_s = time.monotonic()
        self.stack.boot()
        self.stack.configure()
        return self._first_answer(start_s)

    def settle(self) -> str:
        """Wait until all nodes are online and one serves, then a moment of peace; returns who serves."""
        wait_until("all nodes online", self.stack.is_settled, BACK_S, 0.1)
        if not self.probe.wait_steady(BACK_S):
            raise TimeoutError(f"{self.stack.title}: the address is not served; held by {self.watch.holders()}")
        time.sleep(self.stack.settle_s)
        return self.probe.holder() or self.probe.wait_steady(BACK_S)

    def ipdel(self) -> Results:
        """The address is removed from the active host's kernel."""
        host = self.lab.hosts[self.settle()]
        start_s = time.monotonic()
        delete_address(host)
        return {"ipdel": self._gap(start_s)}

    def move(self) -> Results:
        """A planned move to the other host."""
        source = self.settle()
        start_s = time.monotonic()
        self.stack.move(source, self._other(source))
        result = self._gap(start_s, not_from=source)
        self.stack.unmove()
        return {"move": result}

    def cut(self) -> Results:
        """The active host's port at the switch goes down; afterwards it comes back."""
        source = self.settle()
        start_s = time.monotonic()
        self.lab.cut(source)
        result = self._gap(start_s, not_from=source)
        self.lab.heal(source)
        return {"cut": result}

    def kill_manager(self) -> Results:
        """kill -9 of the manager alone: whatever supervises it may start it again."""
        if not self.stack.manager_process:
            return {}
        host = self.lab.hosts[self.settle()]
        start_s = time.monotonic()
        for pid in host.named(self.stack.manager_process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(AFTER_S)
        return {"kill_manager": self._gap(start_s)}

    def kill_all(self) -> Results:
        """kill -9 of every process of the active host, and no restart."""
        source = self.settle()
        start_s = time.monotonic()
        self.stack.kill_all(self.lab.hosts[source])
        result = self._gap(start_s, not_from=source)
        time.sleep(AFTER_S)
        return {"kill_all": result, "kill_all_two": self.watch.two_holders_s(start_s)}

    def warm(self) -> Results:
        """Every process of both hosts is killed, the address is gone, and both start again."""
        for host in self.lab.hosts.values():
            self.stack.kill_all(host)
        time.sleep(0.5)
        for host in self.lab.hosts.values():
            delete_address(host)
        start_s = time.monotonic()
        self.stack.boot()
        return {"warm": self._first_answer(start_s)}

    def freeze(self) -> Results:
        """SIGSTOP to every process of the active host. Its kernel goes on answering for as long as it has the address."""
        source = self.settle()
        host = self.lab.hosts[source]
        start_s = time.monotonic()
        host.signal_all(signal.SIGSTOP)
        time.sleep(FROZEN_S)
        two_s = self.watch.two_holders_s(start_s)
        outage = self._gap(start_s, patience_s=5.0)
        back = self.probe.first_answer_s(start_s, not_from=source)
        host.signal_all(signal.SIGCONT)
        return {"freeze_back": back, "freeze_outage": outage, "freeze_two": two_s}

    def _other(self, name: str) -> str:
        return next(other for other in self.lab.hosts if other != name)

    def _first_answer(self, start_s: float) -> float | None:
        with contextlib.suppress(TimeoutError):
            wait_until("the first answer", lambda: self.probe.first_answer_s(start_s) is not None, BACK_S)
        self.probe.wait_steady(BACK_S)
        return self.probe.first_answer_s(start_s)

    def _gap(self, start_s: float, *, not_from: str = "", patience_s: float = BACK_S) -> float | None:
        # What was answered before the fault must have left the probe's window: it would look like steady service.
        time.sleep(max(0.0, start_s + WINDOW_S - time.monotonic()))
        if not self.probe.wait_steady(patience_s, not_from=not_from):
            return None
        return self.probe.outage_s(start_s)


def one_run(kind: type[Stack], faults: frozenset[str], tell: Callable[[str], None]) -> Iterator[tuple[str, float | None]]:
    """One run of the chosen faults on fresh hosts; yields (measure, value) as they come."""
    with Rig(kind) as rig:
        tell("starting")
        cold = rig.cold()
        if "start" in faults:
            yield "cold", cold
        if cold is None:
            raise TimeoutError(f"{kind.title}: the address was not served within {BACK_S:g} s")
        steps: list[tuple[str, Callable[[], Results]]] = [
            ("ipdel", rig.ipdel),
            ("move", rig.move),
            ("cut", rig.cut),
            ("kill", rig.kill_manager),
            ("kill", rig.kill_all),
            ("start", rig.warm),
            ("freeze", rig.freeze),
        ]
        killed = False
        for fault, step in steps:
            if fault not in faults and not (fault == "start" and killed):
                continue
            killed = killed or fault == "kill"
            tell(step.__name__.replace("_", " "))
            for key, value in step().items():
                if key != "warm" or "start" in faults:
                    yield key, value


def idle_run(kinds: list[type[Stack]], tell: Callable[[str], None]) -> dict[str, Results]:
    """Memory, idle CPU and the tool of several stacks, side by side on hosts of their own; nobody asks meanwhile."""
    with contextlib.ExitStack() as ends:
        stacks = []
        for kind in kinds:
            lab = ends.enter_context(Lab(list(NAMES), others=kind.others))
            stacks.append(kind(lab))
            stacks[-1].prepare()
            stacks[-1].boot()
        for stack in stacks:
            tell(f"idle: starting {stack.title}")
            stack.configure()
            wait_until(f"{stack.title}: address up", stack.lab.holders, BACK_S, 0.2)
        tell(f"idle: {IDLE_S:g} s to settle")
        time.sleep(IDLE_S)
        hosts = [next(iter(stack.lab.hosts.values())) for stack in stacks]
        before = [cpu_s(host) for host in hosts]
        start_s = time.monotonic()
        tell(f"idle: {IDLE_S:g} s watched")
        time.sleep(IDLE_S)
        spent_s = time.monotonic() - start_s
        results: dict[str, Results] = {}
        for stack, host, cpu_before in zip(stacks, hosts, before, strict=True):
            results[stack.name] = {"idle": 100 * (cpu_s(host) - cpu_before) / spent_s, "memory": pss_mib(host)}
        for stack, host in zip(stacks, hosts, strict=True):
            tell(f"tool: {stack.title}")
            if command := stack.one_shot():
                times = sorted(tool_times_s(host, command))
                results[stack.name]["tool"] = times[len(times) // 2]
        return results


def delete_address(host: Host, address: str = VIP) -> None:
    """`ip addr del`, with whatever prefix the kernel shows."""
    for line in host.run(["ip", "-o", "addr"]).stdout.splitlines():
        words = line.split()
        if words[3].split("/")[0] == address:
            host.run(["ip", "addr", "del", words[3], "dev", words[1]], check=False)


def cpu_s(host: Host) -> float:
    """CPU seconds of all processes of a host so far."""
    ticks = 0
    for pid in host.processes():
        with contextlib.suppress(OSError):
            # proc(5): fields 14 and 15, user and system time; the name before them may hold blanks
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_mib(host: Host) -> float:
    """Proportional set size of all processes of a host: pages that both hosts of the lab map count half, for all stacks alike."""
    total_kib = 0
    for pid in host.processes():
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total_kib += int(line.split()[1])
    return total_kib / 1024


_TIME = """
import json, os, subprocess, sys, time
times = []
for number in range(int(sys.argv[1])):
    start = time.monotonic()
    subprocess.run([*sys.argv[2:], str(number)], check=True, stdout=subprocess.DEVNULL)
    times.append(time.monotonic() - start)
print(json.dumps(times))
"""


def tool_times_s(host: Host, command: list[str]) -> list[float]:
    """Start to exit of a one-shot tool, timed on the host itself, with a new number for its last word each time."""
    done = host.run([sys.executable, "-c", _TIME, str(TOOL_RUNS), *command], env={"PATH": host.path})
    return [float(value) for value in json.loads(done.stdout)]
