"""`./run bench openstack`: what the cloud's side costs, on the real services, beside the administrator's own four commands.

Owns: what is measured, goals, the table. Does not own: hosts and faults (lab/measures.py), servers and ports (lab/project.py).
Exit code 1 when a median misses its goal. Times are wall clock; CPU is that of the command's own processes, children included,
and says what an idle machine would take where this one is busy.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import field

from rich.console import Console
from rich.table import Table

from standfast.base.dataclass import dataclass
from standfast.lab import lab
from standfast.lab.lab import VIP, wait_until
from standfast.lab.measures import Rig
from standfast.lab.project import CLOUD, Project
from standfast.lab.stacks import Standfast

EXIT_MISSED, EXIT_USAGE = 1, 64
RUNS = 5
MOVES = 3
PATIENCE_S = 60.0
QUIET_S = 6.0
WATCH_S = 35.0
TICK_S = 0.5


@dataclass(slots=True)
class Row:
    """One number. `goal` is what the median must not exceed, None where there is none."""

    key: str
    title: str
    unit: str
    goal: float | None = None
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        """None where nothing was measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def is_missed(self) -> bool:
        """Whether the goal is not reached; a row without values misses nothing."""
        return self.goal is not None and self.median is not None and self.median > self.goal


def rows() -> dict[str, Row]:
    """The table, empty."""
    found = (
        Row("cold", "two nodes allowed from cold (crm openstack allow)", "s", 1.0),
        Row("cold_cpu", "  of that, the command's own CPU", "s"),
        Row("cold_calls", "  HTTP requests, token included", "", 10),
        Row("manual", "the manual way: four calls of `openstack`", "s"),
        Row("manual_cpu", "  of that, the commands' own CPU", "s"),
        Row("warm_calls", "one look at a healthy cluster: requests", "", 1),
        Row("erased", "an erased pair is back after", "s", 30.0),
        Row("move_none", "planned move, without OpenStack", "s"),
        Row("move_pairs", "  in mode pairs", "s"),
        Row("move_fenced", "  in mode fenced", "s"),
        Row("kill_none", "the holder's processes die: gap that a client sees", "s"),
        Row("kill_pairs", "  in mode pairs", "s"),
        Row("kill_fenced", "  in mode fenced", "s"),
        Row("writes_pairs", "writes to the cloud for a planned move in mode pairs", "", 0),
    )
    return {row.key: row for row in found}


class Bench:
    """One run on fresh hosts."""

    def __init__(self, rig: Rig, project: Project, table: dict[str, Row]) -> None:
        self._rig = rig
        self._project = project
        self._table = table
        self._hosts = list(rig.lab.hosts.values())

    def run(self, runs: int, *, is_cold_only: bool = False) -> None:
        """Everything, in order; or what is done from cold, and by hand, alone."""
        self._tell("two servers, two hosts")
        self._project.boot()
        self._project.enrol()
        self._rig.cold()
        if not is_cold_only:
            self._failovers("none")
        for number in range(runs):
            self._tell(f"from cold, {number + 1} of {runs}")
            self._cold()
            self._manual()
        if is_cold_only:
            return
        self._hosts[0].type(f"crm configure property openstack-cloud={CLOUD}")
        self._wait_allowed()
        self._warm()
        for number in range(runs):
            self._tell(f"an erased pair, {number + 1} of {runs}")
            self._erased(self._hosts[number % 2].name)
        self._failovers("pairs")
        self._hosts[0].type("crm configure property openstack-mode=fenced")
        time.sleep(QUIET_S)
        self._failovers("fenced")

    @staticmethod
    def _tell(text: str) -> None:
        sys.stderr.write(f"bench: {text}\n")

    def _cold(self) -> None:
        self._forget()
        sent = len(self._project.relay.requests)
        seconds, cpu_s = timed(lambda: self._hosts[0].type(f"crm openstack allow ha-vip --cloud {CLOUD}"))
        self._note("cold", seconds)
        self._note("cold_cpu", cpu_s)
        self._note("cold_calls", len(self._project.relay.requests) - sent)
        if not all(port.allows(VIP) for port in self._project.ports().values()):
            raise RuntimeError("crm openstack allow has not done it")

    def _manual(self) -> None:
        self._forget()
        ports = self._project.ports()
        tool, environment = os.environ["OPENSTACK"], dict(os.environ, OS_CLOUD=CLOUD)

        def by_hand() -> None:
            for name in ports:
                subprocess.run([tool, "port", "list", "--server", name], check=True, capture_output=True, env=environment)
            for port in ports.values():
                words = [tool, "port", "set", port.id, "--allowed-address", f"ip-address={VIP}"]
                subprocess.run(words, check=True, capture_output=True, env=environment)

        seconds, cpu_s = timed(by_hand)
        self._note("manual", seconds)
        self._note("manual_cpu", cpu_s)

    def _warm(self) -> None:
        """Looks are ten seconds apart, so requests that come close together belong to one."""
        self._tell("a healthy cluster")
        time.sleep(QUIET_S)
        until_s, before = time.monotonic() + WATCH_S, len(self._project.relay.requests)
        while time.monotonic() < until_s:
            time.sleep(TICK_S)
            now = len(self._project.relay.requests)
            if now > before:
                self._note("warm_calls", now - before)
            before = now

    def _erased(self, name: str) -> None:
        self._project.overwrite_pairs(name)
        start_s = time.monotonic()
        wait_until("the pair is back", lambda: self._project.ports()[name].allows(VIP), PATIENCE_S, 0.1)
        self._note("erased", time.monotonic() - start_s)
        time.sleep(3.0)

    def _failovers(self, mode: str) -> None:
        self._tell(f"failovers, {mode}")
        for _ in range(MOVES):
            self._rig.settle()
            before = len(self._project.relay.writes())
            self._count(mode, "move", self._rig.move()["move"])
            if mode == "pairs":
                self._note("writes_pairs", len(self._project.relay.writes()) - before)
        source = self._rig.settle()
        self._count(mode, "kill", self._rig.kill_all()["kill_all"])
        self._rig.stack.boot_host(self._rig.lab.hosts[source])
        self._rig.settle()

    def _count(self, mode: str, kind: str, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError(f"{kind} in mode {mode}: the address did not come back")
        self._note(f"{kind}_{mode}", seconds)

    def _wait_allowed(self) -> None:
        wait_until("both ports allow it", lambda: all(p.allows(VIP) for p in self._project.ports().values()), PATIENCE_S, 0.1)

    def _forget(self) -> None:
        """As if Standfast had never been here."""
        self._project.forget_vips()
        for name in self._rig.lab.hosts:
            self._project.overwrite_pairs(name)

    def _note(self, key: str, value: float) -> None:
        self._table[key].values.append(value)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of what is run as children."""
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    seconds, after = time.monotonic() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def shown(row: Row) -> tuple[str, str, str]:
    """Median, range and goal, for people."""

    def text(value: float) -> str:
        return f"{value:.2f} s" if row.unit == "s" else f"{value:g}"

    if row.median is None:
        return "-", "-", ""
    goal = "" if row.goal is None else f"{text(row.goal)}: {'missed' if row.is_missed else 'reached'}"
    return text(row.median), f"{text(min(row.values))} .. {text(max(row.values))}", goal


def main(argv: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="bench openstack", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="how often the first and the third are repeated")
    parser.add_argument("--cold-only", action="store_true", help="the first comparison alone")
    parser.add_argument("--json", action="store_true", help="all values, for programs")
    options = parser.parse_args(argv)
    if "OPENSTACK_BASE_PORT" not in os.environ or not lab.is_possible():
        sys.stderr.write("bench: openstack needs root, namespaces, and the services that ./run bench openstack brings up\n")
        return EXIT_USAGE
    table = rows()
    with Rig(Standfast) as rig, Project(rig.lab) as project:
        Bench(rig, project, table).run(max(1, options.runs), is_cold_only=options.cold_only)
    load = os.getloadavg()[0]
    if options.json:
        values = {key: {"median": row.median, "values": row.values, "goal": row.goal} for key, row in table.items()}
        sys.stdout.write(json.dumps({"load": load, "cpus": os.cpu_count(), "rows": values}, indent=1) + "\n")
    else:
        console = Console() if Console().is_terminal else Console(width=130)
        view = Table(title=f"OpenStack's side: medians (load {load:.1f} on {os.cpu_count()} processors)")
        for name in ("what", "median", "range", "goal"):
            view.add_column(name, justify="left" if name == "what" else "right")
        for row in table.values():
            view.add_row(row.title, *shown(row))
        console.print(view)
    return EXIT_MISSED if any(row.is_missed for row in table.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
