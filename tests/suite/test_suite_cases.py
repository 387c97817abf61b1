"""Pacemaker's own scheduler cases against ours: summary, scores and graph, white space apart. All are equal but those listed.

The cases are not part of this repository (GPL-2.0-or-later data of another project); they are looked for in
../shared/scheduler-suite. differs.txt lists each case that is not equal yet, and in what; a case that became equal must be
taken off the list. `python tests/suite/test_suite_cases.py` counts; with names it shows what differs; with `--accept` it
writes the list anew, if nothing that was equal has come to differ.

A graph is compared free of numbers first ("graph": the same actions, attributes and inputs), then with its numbers and its
order ("bytes": equal after the original's own normalisation).
"""

from __future__ import annotations

import difflib
import json
import sys
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from graph_compare import difference, exact
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.scheduler.dates import parse_date
from standfast.scheduler.graph.xml import write_graph
from standfast.scheduler.plan import schedule
from standfast.scheduler.report.simulation import preamble, score_lines, text_of
from standfast.scheduler.simulate import Request, Simulation, simulate

SUITE = Path(__file__).resolve().parents[3] / "shared" / "scheduler-suite"
DIFFERS = Path(__file__).with_name("differs.txt")
# Cases without an execution date were saved for "now"; any second after all of them will do.
NOW_S = 1_782_000_000
needs_suite = pytest.mark.skipif(
    not SUITE.is_dir(), reason="Pacemaker's scheduler cases are not here (../shared/scheduler-suite)"
)


@dataclass(frozen=True)
class Case:
    """One case: for each part that is compared, the difference (empty if there is none)."""

    name: str
    parts: dict[str, list[str]]

    def wrong(self) -> list[str]:
        return [part for part, lines in self.parts.items() if lines]

    def difference(self) -> str:
        return "\n".join(line for part in self.wrong() for line in (f"== {self.name}: {part}", *self.parts[part][:200]))


def bare(lines: list[str]) -> list[str]:
    """Lines with one space where there is any, without padding in brackets, empty ones left out."""
    words = (" ".join(line.split()).replace("( ", "(").replace(" )", ")") for line in lines)
    return [line for line in words if line]


def diff(expected: list[str], ours: list[str]) -> list[str]:
    if ["".join(line.split()) for line in expected] == ["".join(line.split()) for line in ours]:
        return []
    return list(difflib.unified_diff(expected, ours, "Pacemaker", "ours", lineterm="", n=1))


def simulated(name: str, arguments: list[str]) -> tuple[etree._Element, Simulation]:
    """A case's CIB, and what `crm_simulate -S` makes of it."""
    root = etree.parse(SUITE / "xml" / f"{name}.xml").getroot()
    before = etree.tostring(root)
    request = Request(date=arguments[1], date_s=parse_date(arguments[1]) or 0) if arguments else Request()
    found = simulate(root, request, NOW_S)
    assert etree.tostring(root) == before, "the CIB was changed"
    return root, found


def run(name: str, arguments: list[str]) -> Case:
    root, found = simulated(name, arguments)
    assert found.plan is not None
    assert found.cluster is not None
    found.plan.graph.check()
    ours = write_graph(found.plan.graph, found.cluster)
    theirs = etree.parse(SUITE / "exp" / f"{name}.exp").getroot()
    graph = difference(theirs, ours)
    summary, scores = ((SUITE / kind / f"{name}.{kind}").read_text().splitlines() for kind in ("summary", "scores"))
    return Case(
        name,
        {
            "summary": diff(bare(summary), bare([*preamble(root), *text_of(found)])),
            "scores": diff(sorted(bare(scores)), sorted(bare(score_lines(found.plan)))),
            "graph": graph,
            "bytes": [] if graph else diff(exact(theirs), exact(ours)),
        },
    )


@cache
def index() -> dict[str, list[str]]:
    """Each case's arguments, by name."""
    if not SUITE.is_dir():
        return {}
    return {entry["name"]: list(entry["args"]) for entry in json.loads((SUITE / "index.json").read_text())}


def listed() -> dict[str, list[str]]:
    """The parts in which each listed case is known to differ, by name."""
    lines = (line.split() for line in DIFFERS.read_text().splitlines() if not line.startswith("#"))
    return {words[0]: words[1:] for words in lines if words}


@needs_suite
@pytest.mark.parametrize("name", sorted(index()))
def test_case_decides_as_pacemaker_does(name: str) -> None:
    case = run(name, index()[name])
    known = listed().get(name, [])
    assert not set(case.wrong()) - set(known), case.difference()
    assert case.wrong() == known, f"{name} has become equal in more parts: run this file with --accept"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99_999), st.integers(0, 99)), max_size=20))
def test_odd_variants_of_the_cases_give_a_plan(which: int, steps: list[tuple[int, int, int]]) -> None:
    """Elements and attributes dropped, doubled and exchanged: never a traceback, always a graph that holds together."""
    if not SUITE.is_dir():
        pytest.skip("Pacemaker's scheduler cases are not here (../shared/scheduler-suite)")
    names = sorted(path.stem for path in (SUITE / "xml").glob("*.xml"))
    root = etree.parse(SUITE / "xml" / f"{names[which % len(names)]}.xml").getroot()
    for kind, where, other in steps:
        elements = [e for e in root.iter() if isinstance(e.tag, str) and e.getparent() is not None] or [root]
        element = elements[where % len(elements)]
        parent = element.getparent()
        attributes = sorted(str(name) for name in element.attrib)
        if kind == 0 and parent is not None and len(elements) > 20:
            parent.remove(element)
        elif kind == 1 and parent is not None:
            parent.append(deepcopy(element))
        elif attributes and kind == 2:
            del element.attrib[attributes[other % len(attributes)]]
        elif attributes:
            values = sorted(elements[(where * 7 + other) % len(elements)].attrib.values())
            element.set(attributes[other % len(attributes)], str(values[other % len(values)]) if values else "")
    schedule(root, NOW_S).graph.check()


def main() -> None:
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")]
    known = listed()
    found = {name: run(name, arguments) for name, arguments in index().items() if not wanted or name in wanted}
    for case in found.values():
        if wanted or set(case.wrong()) - set(known.get(case.name, [])):
            print(case.difference())
    parts = ("summary", "scores", "graph", "bytes")
    counts = {part: sum(1 for case in found.values() if part not in case.wrong()) for part in parts}
    # What differs in its graph differs in its bytes.
    counts["bytes"] -= len(found) - counts["graph"]
    print(f"{len(found)} cases; equal: " + ", ".join(f"{part} {count}" for part, count in counts.items()))
    if "--accept" in sys.argv and not wanted:
        worse = [case.name for case in found.values() if set(case.wrong()) - set(known.get(case.name, []))]
        if worse:
            sys.exit(f"not accepted: {' '.join(worse)}")
        comments = [line for line in DIFFERS.read_text().splitlines() if line.startswith("#")]
        lines = [" ".join((name, *found[name].wrong())) for name in sorted(found) if found[name].wrong()]
        DIFFERS.write_text("".join(f"{line}\n" for line in (*comments, *lines)))


if __name__ == "__main__":
    main()
