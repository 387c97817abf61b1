"""`./run bench scheduler`: how long decisions take, ours beside Pacemaker's whole process, interleaved in one run.

Owns: rows, goals, the table, the JSON, the picture. Does not own: how one measurement is made (lab/decisions.py), the made-up
clusters (lab/clusters.py). Exit code 1 when a median of Standfast misses its goal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from lxml import etree
from rich.console import Console
from rich.table import Table

from standfast import __version__
from standfast.base.dataclass import dataclass
from standfast.cib.apply import apply
from standfast.cib.document import Cib
from standfast.cib.operations import Change
from standfast.lab.chart import Line, chart
from standfast.lab.clusters import failed_monitor, lose, noted, refreshed, settled
from standfast.lab.decisions import Manager, Took, command, ours, pacemaker, written
from standfast.runtime.planner import fork_planner

EXIT_MISSED, EXIT_USAGE = 1, 64
RUNS = 5
SUITE = Path("../shared/scheduler-suite")

KINDS = {
    "event": "a change, in the running manager",
    "ready": "a loss that it was ready for",
    "whole": "from scratch, in the running manager",
    "ours": "our crm_simulate, whole process",
    "pacemaker": "Pacemaker's crm_simulate, whole process",
}


@dataclass(slots=True)
class Row:
    """One input. `goals` are in seconds, by kind; `values` what was measured. `change`: what happens, if no node dies."""

    title: str
    nodes: int
    primitives: int
    goals: dict[str, float]
    change: str = ""
    values: dict[str, list[Took]] = field(default_factory=dict)

    def add(self, kind: str, took: Took) -> None:
        """One measurement."""
        self.values.setdefault(kind, []).append(took)

    def median(self, kind: str, clock: str) -> float | None:
        """The median in seconds; None if it was not measured."""
        found = self.values.get(kind, [])
        return statistics.median(getattr(took, f"{clock}_s") for took in found) if found else None

    def ratio(self, kind: str, clock: str) -> float | None:
        """How many times longer Pacemaker takes; None if either was not measured."""
        own, theirs = self.median(kind, clock), self.median("pacemaker", clock)
        return None if own is None or theirs is None or kind == "pacemaker" else theirs / max(own, 1e-6)

    def missed(self, clock: str) -> list[str]:
        """The kinds whose median is over the goal."""
        return [kind for kind, goal in self.goals.items() if (found := self.median(kind, clock)) is not None and found > goal]


def rows() -> list[Row]:
    """The inputs, small ones first."""
    return [
        Row("3 nodes, 41 primitives, one node dead", 3, 41, {"event": 0.040}),
        Row("8 nodes, 201 primitives", 8, 201, {"event": 0.18}),
        Row("16 nodes, 1001 primitives", 16, 1001, {"event": 1.0}),
        Row("32 nodes, 1001 primitives", 32, 1001, {"event": 2.0}),
        Row("8 nodes, 201 primitives, one monitor failed", 8, 201, {}, change="failed"),
        Row("32 nodes, 1001 primitives, a result refreshed", 32, 1001, {"event": 0.020}, change="refreshed"),
        Row("32 nodes, 1001 primitives, an unused attribute", 32, 1001, {"event": 0.020}, change="noted"),
        Row("32 nodes, 1001 primitives, one monitor failed", 32, 1001, {"event": 0.1}, change="failed"),
        Row("32 nodes, 1001 primitives, ten monitors failed", 32, 1001, {}, change="ten failed"),
        Row("32 nodes, 1001 primitives, one location more", 32, 1001, {"event": 0.1}, change="located"),
        Row("32 nodes, 1001 primitives, one group stopped", 32, 1001, {"event": 0.1}, change="stopped"),
    ]


def what_happens(row: Row, at: int) -> Change:
    """The change of a row, about the resource or node of this number."""
    match row.change:
        case "refreshed":
            return written(refreshed(row.nodes, at))
        case "noted":
            return written(noted(at % row.nodes + 1, at))
        case "failed":
            return written(failed_monitor(row.nodes, at))
        case "ten failed":
            return written(*(failed_monitor(row.nodes, 10 * at + more) for more in range(10)))
        case "located":
            location = f'<rsc_location id="at-{at}" rsc="g{at}" node="node{(at + 1) % row.nodes + 1}" score="INFINITY"/>'
            return written(location, scope="constraints")
        case _:
            pair = f'<nvpair id="role-{at}" name="target-role" value="Stopped"/>'
            meta = f'<meta_attributes id="meta-{at}">{pair}</meta_attributes>'
            return written(f'<group id="g{at}">{meta}</group>', scope="resources")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    options = _options(list(sys.argv[1:] if argv is None else argv))
    suite = _suite_cases(options.suite, options.every)
    if not suite:
        _tell(f"the suite is left out: no cases in {options.suite}")
    if pacemaker() is None:
        _tell("Pacemaker is left out: no crm_simulate of its own (package pacemaker-cli-utils)")
    table = measure(suite, rows()[: options.sizes], options.runs)
    if options.svg is not None:
        options.svg.write_text(picture(table, options.clock))
    if options.json:
        sys.stdout.write(json.dumps(as_json(table, options.runs, options.clock), indent=1) + "\n")
    else:
        _print_table(table, options.clock)
    return EXIT_MISSED if any(row.missed(options.clock) for row in table) else 0


def measure(suite: list[Path], sizes: list[Row], runs: int) -> list[Row]:
    """Everything, one kind after the other within each run, so that what else this machine does hits all alike."""
    manager = Manager(fork_planner(None))
    table: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        if suite:
            table.append(_suite_row(manager, Path(folder), suite))
        table += [(_small if row.change else _size)(manager, Path(folder), row, runs) for row in sizes]
    manager.end()
    return table


def _suite_row(manager: Manager, folder: Path, suite: list[Path]) -> Row:
    row = Row(f"Pacemaker's suite, {len(suite)} of its cases", 0, 0, {"whole": 0.010, "ours": 0.120})
    _processes(Row("the first run compiles", 0, 0, {}), suite[0], folder)
    for path in suite:
        row.add("whole", manager.plan(path.read_bytes()))
        _processes(row, path, folder)
    _tell(f"{row.title}: done")
    return row


def _size(manager: Manager, folder: Path, row: Row, runs: int) -> Row:
    """A node dies, again and again: told as a change, foreseen, and as a file."""
    root, victim, other = settled(row.nodes, row.primitives), f"node{row.nodes}", f"node{row.nodes - 1}"
    dead = settled(row.nodes, row.primitives)
    lose(dead, victim)
    path = folder / f"{row.nodes}-{row.primitives}.xml"
    path.write_bytes(etree.tostring(dead))
    _processes(Row("the first run compiles", 0, 0, {}), path, folder)
    for _ in range(runs):
        row.add("whole", manager.meet(root))
        row.add("event", manager.change(victim, lost=True))
        manager.change(victim, lost=False)
        manager.foresee(other)  # not the same one: what was prepared is kept, and found again
        row.add("ready", manager.change(other, lost=True))
        _processes(row, path, folder)
    _tell(f"{row.title}: done")
    return row


def _small(manager: Manager, folder: Path, row: Row, runs: int) -> Row:
    """Something small happens, each time in a cluster where nothing else does: told as a change, and as a file."""
    root = settled(row.nodes, row.primitives)
    cib = Cib(settled(row.nodes, row.primitives))
    apply(cib, what_happens(row, 0))
    path = folder / f"{row.nodes}-{row.primitives}-{row.change.replace(' ', '-')}.xml"
    path.write_bytes(cib.compact())
    for at in range(runs):
        row.add("whole", manager.meet(root))
        row.add("event", manager.follow(what_happens(row, at)))
        if row.change == "failed":  # a file is read and decided as a whole, whatever is in it
            _processes(row, path, folder)
    _tell(f"{row.title}: done")
    return row


def _processes(row: Row, path: Path, folder: Path) -> None:
    for kind, program in (("ours", ours()), ("pacemaker", pacemaker())):
        if program is not None:
            row.add(kind, command(program, path, folder / "compiled"))


# ---- what is shown -----------------------------------------------------------------------------------------------------


def as_json(table: list[Row], runs: int, clock: str) -> dict[str, Any]:
    """The document for machines: medians and all values, in seconds."""
    return {
        "bench": "scheduler",
        "version": __version__,
        "machine": {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count()},
        "runs": runs,
        "clock": clock,
        "results": [
            {
                "input": row.title,
                "nodes": row.nodes,
                "primitives": row.primitives,
                "kind": kind,
                "title": title,
                "median_s": _rounded(row.median(kind, clock)),
                "median_cpu_s": _rounded(row.median(kind, "cpu")),
                "values_s": [_rounded(getattr(took, f"{clock}_s")) for took in row.values[kind]],
                "pacemaker_takes_times": _rounded(row.ratio(kind, clock)),
                "goal_s": row.goals.get(kind),
                "reached": kind not in row.missed(clock) if kind in row.goals else None,
            }
            for row in table
            for kind, title in KINDS.items()
            if kind in row.values
        ],
    }


def picture(table: list[Row], clock: str) -> str:
    """Cost against size, as SVG: size is how many histories there are (primitives times nodes)."""
    sized = [row for row in table if row.nodes and not row.change]
    lines = []
    for kind, title in KINDS.items():
        points = [(float(row.nodes * row.primitives), found) for row in sized if (found := row.median(kind, clock)) is not None]
        if points:
            lines.append(Line(title, tuple(points)))
    return chart("What one decision costs", "nodes x primitives", "seconds", tuple(lines))


def _print_table(table: list[Row], clock: str) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    measured = "wall clock" if clock == "wall" else "processor time"
    shown = Table(title=f"What one decision takes: medians ({measured}; in brackets how many times longer Pacemaker takes)")
    shown.add_column("input")
    kinds = [kind for kind in KINDS if any(kind in row.values for row in table)]
    for kind in kinds:
        shown.add_column(KINDS[kind], justify="right")
    shown.add_column("goals")
    for row in table:
        missed = row.missed(clock)
        goals = [f"{kind} {_shown(goal)}: {'missed' if kind in missed else 'reached'}" for kind, goal in row.goals.items()]
        shown.add_row(row.title, *(_cell(row, kind, clock) for kind in kinds), "; ".join(goals))
    console.print(shown)


def _cell(row: Row, kind: str, clock: str) -> str:
    """A median, and how many times longer Pacemaker takes."""
    ratio = row.ratio(kind, clock)
    return _shown(row.median(kind, clock)) + ("" if ratio is None else f" ({ratio:.1f})")


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _suite_cases(folder: Path, every: int) -> list[Path]:
    return sorted((folder / "xml").glob("*.xml"))[::every]


def _tell(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench scheduler", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw cost against size")
    parser.add_argument("--runs", type=_count, default=RUNS, metavar="N", help=f"how often each is measured (default {RUNS})")
    parser.add_argument("--sizes", type=_count, default=len(rows()), metavar="N", help="the first N made-up clusters only")
    parser.add_argument("--suite", type=Path, default=SUITE, metavar="DIR", help=f"Pacemaker's cases (default {SUITE})")
    parser.add_argument("--every", type=_count, default=8, metavar="N", help="every N-th case of the suite (default 8)")
    help_clock = "what goals are compared with: what passes, or what is used (for a machine that does other work)"
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help=help_clock)
    return parser.parse_args(words)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: one at least")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
