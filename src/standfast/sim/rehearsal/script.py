"""The order of a rehearsal: single faults, then as many double faults as there is time for; and everything that came out, as text
and as plain values.

Owns: what is played, the report. Does not own: clocks (whoever calls says when it is enough), files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, field
from typing import Any

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.base.report import Refused, error
from standfast.scheduler.explain.words import listed
from standfast.sim.rehearsal.cast import Cast
from standfast.sim.rehearsal.faults import Fault, faults_of, pairs_of
from standfast.sim.rehearsal.play import Fate, Outcome, Play

Progress = Callable[[str, int, int], bool]
"""(what is played, number, of how many) -> whether there is time for it."""

LISTED_MAX = 30
PAIRS_MAX = 5
"""Outcomes of double faults shown in the text, and pairs of each; JSON and the picture have all."""


@dataclass(slots=True)
class Rehearsed:
    """All of it. `singles` and `doubles` go with their faults; `left_out` double faults were not played."""

    cast: Cast
    before: Outcome
    singles: list[tuple[Fault, Outcome]] = field(default_factory=list)
    doubles: list[tuple[Fault, Fault, Outcome]] = field(default_factory=list)
    left_out: int = 0


NOWHERE = " runs nowhere"


def rehearse(cast: Cast, agent_ms: int, doubles_max: int, go_on: Progress, kinds: tuple[str, ...] = ()) -> Rehearsed:
    """Play everything, or the faults of some kinds only. Raises Refused when the cluster does not take the configuration."""

    def begun() -> tuple[Play, Outcome]:
        play = Play(cast, agent_ms)
        return play, play.begin()

    _, before = begun()
    if before.problem:
        raise Refused(error("rehearse.refused", "the cluster would not take this configuration", before.problem))
    found = Rehearsed(cast, before)
    faults = tuple(fault for fault in faults_of(cast) if not kinds or fault.kind in kinds)
    for number, fault in enumerate(faults):
        go_on(fault.words, number + 1, len(faults))
        play, _ = begun()
        outcome = play.strike(fault)
        if outcome is not None:
            found.singles.append((fault, play.mend(fault, outcome)))
    pairs = pairs_of(tuple(fault for fault, _ in found.singles))
    for number, (one, other) in enumerate(pairs):
        if number >= doubles_max or not go_on(f"{one.words}, then {other.words}", number + 1, min(len(pairs), doubles_max)):
            found.left_out = len(pairs) - number
            break
        play, _ = begun()
        play.strike(one)
        outcome = play.strike(other)
        if outcome is not None:
            found.doubles.append((one, other, outcome))
    return found


# ---- words --------------------------------------------------------------------------------------------------------------


def time_text(us: int | None) -> str:
    """How long, as a person says it."""
    if us is None:
        return "for good"
    if us < 10 * US_PER_MS:
        return "0 s" if not us else "< 0.01 s"
    return f"{us / US_PER_S:.2f} s" if us < 10 * US_PER_S else f"{us / US_PER_S:.0f} s"


def away_text(fate: Fate) -> str:
    """How long clients were without it."""
    return "until mended" if fate.is_back else time_text(fate.away_us)


def doubled_text(fate: Fate) -> str:
    """For how long two had it."""
    if not fate.twice:
        return "never"
    where = " and ".join(fate.twice)
    if fate.doubled_us is None:
        return f"as long as this lasts: {where}"
    parts = [time_text(fate.doubled_us)] if fate.doubled_us else []
    if fate.mended_us != 0:
        parts.append("for good once mended" if fate.mended_us is None else f"{time_text(fate.mended_us)} once mended")
    return f"{', '.join(parts)}: {where}"


def way_text(fate: Fate) -> str:
    """From where to where."""
    if fate.is_blocked and fate.before == fate.after:
        return f"blocked on {', '.join(fate.after)}"
    if fate.was_promoted and fate.was_promoted != fate.promoted:
        return f"promoted on {', '.join(fate.was_promoted)} -> {', '.join(fate.promoted) or 'nowhere'}"
    before, after = (", ".join(nodes) or "nowhere" for nodes in (fate.before, fate.after))
    return f"stays on {after}" if before == after and fate.after else f"{before} -> {after}"


def text(found: Rehearsed) -> str:
    """The report for a terminal."""
    cast = found.cast
    lines = [f"{len(cast.names)} nodes ({', '.join(cast.names.values())}), {_count(len(cast.services), 'service')}"]
    lines += [f"note: {note}" for note in cast.notes]
    lines += ["", "BEFORE ANYTHING GOES WRONG"]
    for fate in found.before.fates:
        lines.append(f"  {fate.service}: {', '.join(fate.after) or fate.why or 'nowhere'}")
    lines += ["", "SINGLE FAULTS", *_table(cast, found.singles)]
    lines += ["", *_doubles(found), "", "IN SHORT", *_short(found)]
    return "\n".join(lines) + "\n"


def _table(cast: Cast, singles: list[tuple[Fault, Outcome]]) -> list[str]:
    rows = [("FAULT", "SERVICE", "GOES", "AWAY", "TWO HOLDERS")]
    whys: list[str] = []
    quiet = []
    for fault, outcome in singles:
        touched = [fate for fate in outcome.fates if fate.is_touched and (cast.of(fate.service).copies_max or _is_felt(fate))]
        if not touched:
            quiet.append(fault.words)
        for number, fate in enumerate(touched):
            words = fault.words if not number else ""
            rows.append((words, fate.service, way_text(fate), away_text(fate), doubled_text(fate)))
            if fate.why and fate.why not in whys:
                whys.append(fate.why)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]) for row in rows
    ]
    lines += [f"  why: {why}" for why in whys]
    if quiet:
        lines += ["  no service notices:", *(f"    {words}" for words in quiet)]
    return lines


def _is_felt(fate: Fate) -> bool:
    """Whether a clone did more than lose or gain a copy."""
    return fate.away_us != 0 or bool(fate.twice) or fate.is_blocked


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _bad(found: Rehearsed) -> dict[tuple[str, ...], list[str]]:
    """What double faults do that neither of the two does alone: by the sentences, the pairs."""
    alone = {(fault.key, fate.service): fate for fault, outcome in found.singles for fate in outcome.fates}
    bad: dict[tuple[str, ...], list[str]] = {}
    for one, other, outcome in found.doubles:
        reasons: dict[str, list[str]] = {}
        twice = []
        for fate in outcome.fates:
            first, second = alone[one.key, fate.service], alone[other.key, fate.service]
            if fate.before and fate.away_us is None and second.away_us is not None:
                reason = fate.why.partition(": ")[2] if NOWHERE in fate.why else ""
                reasons.setdefault(reason, []).append(fate.service if reason else fate.why)
            if fate.twice and not first.twice and not second.twice:
                twice.append(f"{fate.service} has two holders: {doubled_text(fate)}")
        lost = _joined(reasons)
        if lost or twice:
            bad.setdefault((*lost, *twice), []).append(f"{one.words}; then {other.words}")
    return bad


def _joined(reasons: dict[str, list[str]]) -> list[str]:
    """What runs nowhere for the same reason, in one sentence; whole sentences where there is no such reason."""
    told = []
    for reason, names in reasons.items():
        told += [f"{listed(names)} {'run' if len(names) > 1 else 'runs'} nowhere: {reason}"] if reason else names
    return told


def _doubles(found: Rehearsed) -> list[str]:
    played, bad = len(found.doubles), _bad(found)
    of = f" of {played + found.left_out}: {found.left_out} left out (--within, --doubles)" if found.left_out else ""
    lines = [f"DOUBLE FAULTS (the second when the first has been dealt with): {played} played{of}"]
    if not played:
        return lines
    lines.append("  shown is what neither of the two does alone" if bad else "  none does worse than the two alone")
    for sentences, pairs in list(bad.items())[:LISTED_MAX]:
        lines += [f"  {sentence}" for sentence in sentences]
        lines += [f"    {pair}" for pair in pairs[:PAIRS_MAX]]
        if len(pairs) > PAIRS_MAX:
            lines.append(f"    and {_count(len(pairs) - PAIRS_MAX, 'pair')} more (-o json, --picture)")
    if len(bad) > LISTED_MAX:
        lines.append(f"  and {len(bad) - LISTED_MAX} more such outcomes (-o json, --picture)")
    return lines


def _short(found: Rehearsed) -> list[str]:
    lines = []
    for service in found.cast.services:
        single = [(fault, outcome.of(service.id)) for fault, outcome in found.singles]
        lost = [fault for fault, fate in single if fate.before and fate.away_us is None and not fate.is_back]
        cut = sum(fate.is_back for _, fate in single)
        lost_twice = sum(o.of(service.id).away_us is None and bool(o.of(service.id).before) for _, _, o in found.doubles)
        ends = [(fate.away_us, fault.words) for fault, fate in single if fate.away_us is not None]
        worst_us, worst = max(ends, key=lambda end: end[0], default=(0, ""))
        twice = [fault for fault, fate in single if fate.twice]
        parts = [f"away {time_text(worst_us)} at most ({worst})" if worst_us else "never away and back"]
        parts.append(
            f"stops for good in {len(lost)} of {len(single)} single and {lost_twice} of {len(found.doubles)} double faults"
        )
        if cut:
            parts.append(f"out of reach until mended in {_count(cut, 'single fault')}")
        parts.append(f"two holders in {_count(len(twice), 'single fault')}" if twice else "never two holders in single faults")
        lines.append(f"  {service.id}: {'; '.join(parts)}")
    return lines


def plain(found: Rehearsed) -> dict[str, Any]:
    """Everything, for JSON. Times in microseconds; null: for good, or as long as the fault lasts."""
    cast = found.cast
    return {
        "nodes": list(cast.names.values()),
        "services": [service.id for service in cast.services],
        "notes": list(cast.notes),
        "before": [asdict(fate) for fate in found.before.fates],
        "single": [{"fault": fault.key, "words": fault.words, **_plain(outcome)} for fault, outcome in found.singles],
        "double": [
            {"faults": [one.key, other.key], "words": [one.words, other.words], **_plain(outcome)}
            for one, other, outcome in found.doubles
        ],
        "double_left_out": found.left_out,
    }


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {"rests": outcome.rests, "services": [asdict(fate) for fate in outcome.fates if fate.is_touched]}
