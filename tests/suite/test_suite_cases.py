"""Pacemaker's own scheduler cases against ours: summary and scores, white space apart. A ratchet: what passed once must pass.

The cases are not part of this repository (GPL-2.0-or-later data of another project); they are looked for in
../shared/scheduler-suite. `python tests/suite/test_suite_cases.py` counts; with `--accept` it adds new passes to passing.txt;
with names it shows what differs.
"""

from __future__ import annotations

import difflib
import json
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.scheduler.dates import parse_date
from standfast.scheduler.plan import schedule
from standfast.scheduler.report.simulation import preamble, score_lines, text_of
from standfast.scheduler.simulate import Request, simulate

SUITE = Path(__file__).resolve().parents[3] / "shared" / "scheduler-suite"
PASSING = Path(__file__).with_name("passing.txt")
# Cases without an execution date were saved for "now"; any second after all of them will do.
NOW_S = 1_782_000_000


@dataclass(frozen=True)
class Case:
    """One case: what was printed, and what should have been."""

    name: str
    summary: list[str]
    scores: list[str]
    expected_summary: list[str]
    expected_scores: list[str]

    def passes(self) -> bool:
        return bare(self.summary) == bare(self.expected_summary) and sorted(bare(self.scores)) == sorted(
            bare(self.expected_scores)
        )

    def difference(self) -> str:
        pairs = ((self.expected_summary, self.summary), (sorted(self.expected_scores), sorted(self.scores)))
        return "\n".join(line for a, b in pairs for line in difflib.unified_diff(a, b, "Pacemaker", "ours", lineterm="", n=1))


def bare(lines: list[str]) -> list[str]:
    """Lines without white space, empty ones left out."""
    return ["".join(line.split()) for line in lines if line.strip()]


def run(name: str, arguments: list[str]) -> Case:
    root = etree.parse(SUITE / "xml" / f"{name}.xml").getroot()
    before = etree.tostring(root)
    request = Request(date=arguments[1], date_s=parse_date(arguments[1]) or 0) if arguments else Request()
    found = simulate(root, request, NOW_S)
    plan = found.plan
    assert plan is not None
    plan.graph.check()
    assert etree.tostring(root) == before, "the CIB was changed"
    return Case(
        name,
        [*preamble(root), *text_of(found)],
        score_lines(plan),
        (SUITE / "summary" / f"{name}.summary").read_text().splitlines(),
        (SUITE / "scores" / f"{name}.scores").read_text().splitlines(),
    )


def arguments_of(name: str) -> list[str]:
    index = json.loads((SUITE / "index.json").read_text())
    return next(list(case["args"]) for case in index if case["name"] == name)


def listed() -> list[str]:
    return PASSING.read_text().split() if PASSING.exists() else []


@pytest.mark.parametrize("name", listed())
def test_case_decides_as_pacemaker_does(name: str) -> None:
    if not SUITE.is_dir():
        pytest.skip("Pacemaker's scheduler cases are not here (../shared/scheduler-suite)")
    case = run(name, arguments_of(name))
    assert case.passes(), case.difference()


def test_every_case_gives_a_plan() -> None:
    """Also what is not scheduled yet must be answered without a traceback, with a graph that holds together."""
    if not SUITE.is_dir():
        pytest.skip("Pacemaker's scheduler cases are not here (../shared/scheduler-suite)")
    for case in json.loads((SUITE / "index.json").read_text()):
        run(case["name"], list(case["args"]))


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
    index = json.loads((SUITE / "index.json").read_text())
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")]
    summaries = scores = 0
    passing = set(listed())
    for entry in index:
        if wanted and entry["name"] not in wanted:
            continue
        case = run(entry["name"], list(entry["args"]))
        summaries += bare(case.summary) == bare(case.expected_summary)
        scores += sorted(bare(case.scores)) == sorted(bare(case.expected_scores))
        if case.passes():
            passing.add(case.name)
        elif wanted:
            print(case.difference())
    print(f"{len(index)} cases: summary {summaries}, scores {scores}, listed {len(passing)}")
    if "--accept" in sys.argv:
        PASSING.write_text("".join(f"{name}\n" for name in sorted(passing)))


if __name__ == "__main__":
    main()
