"""`./run bench failover`: outages as a client sees them, Standfast beside Pacemaker and keepalived, interleaved in one run.

Owns: options, the table, the JSON. Does not own: what is measured (lab/measures.py) and on what (lab/stacks.py).
Exit code 1 when a median of Standfast misses its goal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from standfast import __version__
from standfast.lab.lab import is_possible
from standfast.lab.measures import FAULTS, MEASURES, Measure, idle_run, one_run
from standfast.lab.spaces import enter_user_namespace
from standfast.lab.stacks import ON_ENGINES, STACKS, Stack
from standfast.tools import engine_bench, membership_bench

EXIT_MISSED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 64, 130
RUNS = 5
OURS = "standfast"

Values = dict[tuple[str, str], list[float | None]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = _options(words)
    enter_user_namespace([sys.executable, "-m", "standfast.tools.bench", *words])
    if not is_possible():
        sys.stderr.write("bench: unshare and setpriv (package util-linux) are needed to build hosts out of namespaces\n")
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    if options.subject == "engine":
        return engine_bench.main(options.runs, is_json=options.json)
    if options.subject == "membership":
        return membership_bench.main(options.nodes, options.runs, is_json=options.json)
    kinds = [ON_ENGINES[options.engine] if name == OURS else STACKS[name] for name in options.stack]
    missing = {kind.name: reason for kind in kinds if (reason := kind.missing())}
    for name, reason in missing.items():
        _tell(f"{name} is left out: {reason}")
    kinds = [kind for kind in kinds if kind.name not in missing]
    try:
        values, failures = measure(kinds, frozenset(options.fault), options.runs)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    if options.json:
        sys.stdout.write(json.dumps(as_json(values, failures, missing, options.runs), indent=1) + "\n")
    else:
        _print_table(values, kinds, failures)
    return EXIT_MISSED if failures or any(is_missed(m, values.get((OURS, m.key), [])) for m in MEASURES) else 0


def measure(kinds: list[type[Stack]], faults: frozenset[str], runs: int) -> tuple[Values, list[str]]:
    """All runs, the stacks one after the other within each run, so that this machine's noise hits them alike."""
    values: Values = {}
    failures: list[str] = []
    if faults - {"idle"}:
        for run in range(1, runs + 1):
            for kind in kinds:
                _one(kind, faults, f"run {run} of {runs}: {kind.title}", values, failures)
    if "idle" in faults and kinds:
        for name, results in idle_run(kinds, _tell).items():
            for key, value in results.items():
                values.setdefault((name, key), []).append(value)
    return values, failures


def is_missed(measure: Measure, values: Sequence[float | None]) -> bool:
    """Whether the median is over the goal. What was not measured misses nothing; what never came back does."""
    if measure.goal is None or not values:
        return False
    middle = median(values)
    return middle is None or middle > measure.goal


def median(values: Sequence[float | None]) -> float | None:
    """The median, where None ("never") is longer than everything."""
    number = statistics.median(float("inf") if value is None else value for value in values)
    return None if number == float("inf") else number


def as_json(values: Values, failures: list[str], missing: dict[str, str], runs: int) -> dict[str, Any]:
    """The document for machines: one entry a stack and measure, medians and all values in the unit that it names."""
    rows = [
        {
            "stack": stack,
            "measure": m.key,
            "title": m.title.strip(),
            "unit": m.unit,
            "median": _rounded(median(found)),
            "values": [_rounded(value) for value in found],
            "goal": m.goal if stack == OURS else None,
            "reached": None if m.goal is None or stack != OURS else not is_missed(m, found),
        }
        for m in MEASURES
        for stack in STACKS
        if (found := values.get((stack, m.key)))
    ]
    return {
        "bench": "failover",
        "version": __version__,
        "machine": {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count(), "cpu": _cpu()},
        "runs": runs,
        "results": rows,
        "failures": failures,
        "left_out": missing,
    }


def _one(kind: type[Stack], faults: frozenset[str], label: str, values: Values, failures: list[str]) -> None:
    start_s = time.monotonic()
    try:
        for key, value in one_run(kind, faults, lambda text: _tell(f"{label}: {text}")):
            values.setdefault((kind.name, key), []).append(value)
    except (TimeoutError, RuntimeError) as fault:
        failures.append(f"{label}: {fault}")
        _tell(failures[-1])
    _tell(f"{label}: done in {time.monotonic() - start_s:.0f} s")


def _print_table(values: Values, kinds: list[type[Stack]], failures: list[str]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    table = Table(title="What a client sees: medians (all values)", caption="two nodes in network namespaces, no tuning")
    table.add_column("measure", no_wrap=True)
    for kind in kinds:
        table.add_column(kind.title)
    table.add_column("goal", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for m in MEASURES:
        if not any((kind.name, m.key) in values for kind in kinds):
            continue
        ours = values.get((OURS, m.key), [])
        verdict = "" if m.goal is None or not ours else "[red]missed[/red]" if is_missed(m, ours) else "[green]reached[/green]"
        cells = [_cell(m, values.get((kind.name, m.key), [])) for kind in kinds]
        table.add_row(m.title, *cells, "" if m.goal is None else shown(m, m.goal), verdict)
    console.print(table)
    for failure in failures:
        console.print(f"failed: {failure}", style="red", markup=False)


def shown(measure: Measure, value: float | None) -> str:
    """A value with its unit, as a person reads it."""
    if value is None:
        return "never"
    if measure.unit != "s":
        return f"{value:.1f} {measure.unit}"
    if value == 0:
        return "0"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _cell(measure: Measure, values: Sequence[float | None]) -> str:
    if not values:
        return "-"
    every = "" if len(values) == 1 else f" [dim]({', '.join(shown(measure, value) for value in values)})[/dim]"
    return f"[bold]{shown(measure, median(values))}[/bold]{every}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _tell(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument(
        "subject", nargs="?", default="failover", choices=["failover", "engine", "membership"], help="what to measure"
    )
    parser.add_argument("--engine", choices=list(ON_ENGINES), default="embedded", help="Standfast's cluster layer (failover)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument(
        "--runs", type=_count, default=RUNS, metavar="N", help=f"how often each fault is injected (default {RUNS})"
    )
    parser.add_argument("--stack", type=_some_of(STACKS), default=list(STACKS), metavar="NAME,...", help=", ".join(STACKS))
    parser.add_argument("--fault", type=_some_of(FAULTS), default=list(FAULTS), metavar="NAME,...", help=", ".join(FAULTS))
    most = membership_bench.NODES_MAX
    parser.add_argument("--nodes", type=_count, default=most, metavar="N", help=f"how many hosts, 3 to {most} (membership)")
    options = parser.parse_args(words)
    if not 3 <= options.nodes <= most:
        parser.error(f"--nodes {options.nodes}: 3 to {most}")
    return options


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: one at least")
    return int(text)


def _some_of(allowed: Sequence[str] | dict[str, Any]) -> Any:
    def parse(text: str) -> list[str]:
        words = text.split(",")
        if wrong := [word for word in words if word not in allowed]:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: one of {', '.join(allowed)}")
        return words

    return parse


if __name__ == "__main__":
    sys.exit(main())
