"""A simulation as people and programs read it: text, XML, graph, picture for dot(1), CIB. The one face of crm_simulate.

Owns: what each form holds. Does not own: the simulation (scheduler/simulate.py), the words of its text
(scheduler/report/simulation.py), where the forms are written to. Pure: elements and strings in, strings out.
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, Report, error
from standfast.base.situation import Situation
from standfast.scheduler.dates import parse_date
from standfast.scheduler.inject import Injections
from standfast.scheduler.report.simulation import Wanted, complaints, preamble, summary_lines, text_of
from standfast.scheduler.simulate import Request, Simulation, simulate

__all__ = [
    "Asked",
    "Injections",
    "Simulation",
    "Wanted",
    "cib_text",
    "complaints",
    "configuration_complaints",
    "dot_text",
    "graph_text",
    "run",
    "text",
]

EXIT_USAGE = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """What crm_simulate is asked for. `plan` and `run` are -R and -S, `failing` -F, `date` -t; `is_saved` says that the CIB is
    not the live one, and private parameters may have been blanked; `attributes` and `failures` are -A and -c."""

    injections: Injections
    failing: tuple[str, ...] = ()
    plan: bool = True
    run: bool = True
    date: str = ""
    is_saved: bool = True
    wanted: Wanted = Wanted()
    attributes: bool = False
    failures: bool = False
    as_xml: bool = False


def run(cib: etree._Element, asked: Asked, now_s: int, utc_offset_s: int = 0) -> Simulation:
    """Simulate; `utc_offset_s` is what dates without a zone mean.

    Raises Refused: 64 for a date that is none, 105 for a node that does not exist.
    """
    date_s = parse_date(asked.date, utc_offset_s) if asked.date else None
    if asked.date and date_s is None:
        what = f"{asked.date!r} is no date"
        raise Refused(error("simulate.date", what, "ISO 8601 is understood", "2026-11-22 17:30:00"), exit_code=EXIT_USAGE)
    request = Request(
        asked.injections,
        asked.failing,
        plan=asked.plan or asked.run,
        run=asked.run,
        date=asked.date,
        date_s=date_s or 0,
        sanitized=asked.is_saved,
        utc_offset_s=utc_offset_s,
        detailed=asked.as_xml or asked.attributes or asked.failures,
    )
    return simulate(cib, request, now_s)


def configuration_complaints(found: Simulation) -> list[Report]:
    """What the scheduler says against the configuration itself, the state of nodes and resources apart."""
    from standfast.scheduler.verify import is_complaint

    return [] if found.plan is None else [report for report in found.plan.notices if is_complaint(report)]


def text(found: Simulation, asked: Asked) -> str:
    """The whole text, its parts as asked for."""
    lines = text_of(found, asked.wanted, lambda situation: _sections(situation, asked))
    return "".join(f"{line}\n" for line in lines)


def summary(found: Simulation) -> list[str]:
    """The lines of the transition summary alone."""
    return [] if found.plan is None else summary_lines(found.plan)


def first_words(cib: etree._Element) -> list[str]:
    """What is to be said about the CIB before anything else, on stderr."""
    return preamble(cib)


def _sections(situation: Situation, asked: Asked) -> list[str]:
    """Attributes, fail counts and failures, one level deeper than `crm_mon` has them."""
    if not asked.attributes and not asked.failures:
        return []
    from standfast.compat.dates import ctime_text
    from standfast.compat.status_page import View
    from standfast.compat.status_text import attributes_section, failures_section, history_section

    found = [attributes_section(situation, View())] if asked.attributes else []
    if asked.failures:
        found += [history_section(situation, View(), ctime_text), failures_section(situation, View(detail=True), ctime_text)]
    lines: list[str] = []
    for section in filter(None, found):
        lines += ["", f"  * {section[0]}", *(f"  {line}" for line in section[1:])]
    return lines


def graph_text(found: Simulation) -> str:
    """The transition graph, as -G writes it."""
    from standfast.scheduler.graph.xml import write_graph

    assert found.plan is not None
    assert found.cluster is not None
    return _pretty(write_graph(found.plan.graph, found.cluster))


def dot_text(found: Simulation, *, all_actions: bool = False, ids: bool = False) -> str:
    """The picture of the actions, as -D writes it."""
    from standfast.scheduler.graph.dot import write_dot

    assert found.cluster is not None
    return write_dot(found.cluster, all_actions=all_actions, ids=ids)


def cib_text(cib: etree._Element) -> str:
    """A CIB as its file would hold it: indented, without white space that means nothing."""
    copy = deepcopy(cib)
    for element in copy.iter():
        if element.text is not None and not element.text.strip():
            element.text = None
        if element.tail is not None and not element.tail.strip():
            element.tail = None
    return _pretty(copy)


def _pretty(element: etree._Element) -> str:
    etree.indent(element)
    return etree.tostring(element, encoding="unicode", with_tail=False) + "\n"
