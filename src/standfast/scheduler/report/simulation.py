"""A simulation in the words of `crm_simulate`: status, modifications, scores, summary, what was executed, status again.

Owns: titles, order and blank lines of the whole text. Does not own: what a status list looks like (status_text.py), nor the
sections that other status commands share (given as `extra`, a function of the situation).

Pacemaker: lib/pacemaker/pcmk_simulate.c, pcmk_output.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.situation import Situation
from standfast.scheduler.api import Load, Plan, Score
from standfast.scheduler.inject import Note
from standfast.scheduler.placement.scores import score_text
from standfast.scheduler.report.picture import Picture
from standfast.scheduler.simulate import Request, Simulation, simulate

if TYPE_CHECKING:
    from lxml import etree

Extra = Callable[[Situation], list[str]]
"""Further sections of a status, their titles indented as `  * Title:`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parts to print. `quiet` leaves nothing but scores and utilization; they are then plain lines."""

    scores: bool = False
    utilization: bool = False
    quiet: bool = False


FULL = Wanted()


def report(cib: etree._Element, now_s: int) -> tuple[Plan, list[str]]:
    """Plan, carry out on a copy, and print all of it as `crm_simulate -S` does."""
    found = simulate(cib, Request(), now_s)
    assert found.plan is not None
    return found.plan, [*preamble(cib), *text_of(found)]


def preamble(cib: etree._Element) -> list[str]:
    """What is to be said about a CIB before anything else (on stderr)."""
    if cib.get("validate-with") != "none":
        return []
    why = 'support for validate-with set to "none" is deprecated and will be removed in a future release'
    return [f"Schema validation of configuration is disabled ({why})"]


def text_of(found: Simulation, wanted: Wanted = FULL, extra: Extra | None = None) -> list[str]:
    """The lines of the whole report."""
    clock = [found.clock] if found.clock else []
    lines = list(clock)
    if wanted.quiet:
        if found.plan is not None:
            lines = ([""] if found.notes is not None else []) + _score_section(found, wanted)
        return lines
    if found.before.warnings:
        lines += [*found.before.warnings, ""]
    lines += ["Current cluster status:", *_status(found.before, extra)]
    if found.notes is not None:
        lines += ["", "Performing Requested Modifications:", *_items(found.notes), *clock]
    if found.plan is not None:
        lines += _score_section(found, wanted)
        lines += ["", "Transition Summary:", *summary_lines(found.plan)]
    if found.outcome is not None and found.after is not None:
        lines += ["", "Executing Cluster Transition:", *_items(found.outcome.notes), *clock]
        lines += ["", "Revised Cluster Status:", *_status(found.after, extra)]
    return lines


def _status(picture: Picture, extra: Extra | None) -> list[str]:
    more = extra(picture.situation) if extra is not None and picture.situation is not None else []
    return [*picture.lines, *more]


def _items(notes: tuple[Note, ...]) -> list[str]:
    """Notes as list items; what belongs to no list stands at the margin, and complaints go elsewhere."""
    return [f"  * {note.text}" if note.element else note.text for note in notes if not note.is_error]


def complaints(found: Simulation) -> list[str]:
    """What went wrong with single injections and failures, for stderr."""
    notes = [*(found.notes or ()), *(() if found.outcome is None else found.outcome.notes)]
    lines = [note.text for note in notes if note.is_error]
    if found.outcome is not None and not found.outcome.complete:
        lines += ["Transition failed: terminated", "An invalid transition was produced"]
    return lines


def _score_section(found: Simulation, wanted: Wanted) -> list[str]:
    assert found.plan is not None
    parts = (["Assignment Scores"] if wanted.scores else []) + (["Utilization Information"] if wanted.utilization else [])
    if not parts:
        return []
    lines = [_allocation_text(item) for item in allocations(found.plan, wanted)]
    if wanted.quiet and wanted.scores:
        return lines
    return [*([] if wanted.quiet else [""]), f"{' and '.join(parts)}:", *(f"  * {line}" for line in lines)]


def summary_lines(plan: Plan) -> list[str]:
    """The lines of the transition summary. Node actions without a reason are not shown, as in the original. Columns are as
    wide as the widest entry needs (a name that is longer than all before it gets two more blanks: the original's rule)."""
    lines = []
    name_width = detail_width = 5
    for change in plan.changes:
        if change.detail:
            name_width = len(change.subject) + 2 if len(change.subject) > name_width else name_width
            detail_width = max(detail_width, len(change.detail))
    for change in plan.changes:
        if change.detail:
            reason = f"  {change.reason}" if change.reason else ""
            detail = f"( {change.detail:>{detail_width}} )"
            lines.append(f"  * {change.verb:<8}   {change.subject:<{name_width}}   {detail}{reason}")
        elif change.reason:
            lines.append(f"  * {change.verb} {change.subject} '{change.reason}'")
    return lines


def score_lines(plan: Plan) -> list[str]:
    """The scores as `crm_simulate -sS -Q` prints them."""
    return [_allocation_text(score) for score in plan.scores]


def allocations(plan: Plan, wanted: Wanted) -> list[Score | Load]:
    """Scores and loads, as far as they are wanted, in the order in which they were found."""
    found: list[Score | Load] = []
    at = 0
    for load in plan.loads if wanted.utilization else ():
        if wanted.scores:
            found += plan.scores[at : load.after]
            at = load.after
        found.append(load)
    return [*found, *(plan.scores[at:] if wanted.scores else ())]


def _allocation_text(item: Score | Load) -> str:
    if isinstance(item, Load):
        values = "".join(f" {name}={value}" for name, value in item.values)
        if item.resource:
            return f"{item.step}: {item.resource} utilization on {item.node}:{values}"
        return f"{item.step}: {item.node} capacity:{values}"
    points = score_text(item.points)
    if item.function == "promotion":
        where = f"on {item.node}" if item.node else "(inactive)"
        return f"{item.resource} promotion score {where}: {points}"
    return f"{item.function}: {item.resource} allocation score on {item.node}: {points}"
