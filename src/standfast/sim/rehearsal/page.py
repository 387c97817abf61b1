"""A rehearsal as a picture: one self-contained page of HTML without scripts.

Owns: the two grids (single faults x services, faults x faults) and their colours. Does not own: what happened.
"""

from __future__ import annotations

from html import escape

from standfast.base.ids import US_PER_S
from standfast.sim.rehearsal.play import Fate, Outcome
from standfast.sim.rehearsal.script import Rehearsed, away_text, doubled_text, way_text

_STYLE = (
    "body{font:14px sans-serif;margin:1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ddd;padding:3px 6px;"
    "text-align:left}.grid td{min-width:14px;height:14px;padding:0}.none{background:#f4f4f4}.short{background:#cdebc5}"
    ".long{background:#fbe3a4}.lost{background:#f2a3a3}.twice{background:#c9a7e8}"
)
LEGEND = (
    ("none", "nothing happens to any client"),
    ("short", "away for less than 5 s"),
    ("long", "away for longer"),
    ("lost", "stops for good, or is out of reach until mended"),
    ("twice", "two holders for some time"),
)
SHORT_US = 5 * US_PER_S


def kind_of(fates: tuple[Fate, ...]) -> str:
    """The worst of it."""
    if any(fate.before and fate.away_us is None for fate in fates):
        return "lost"
    if any(fate.twice for fate in fates):
        return "twice"
    longest_us = max((fate.away_us or 0 for fate in fates), default=0)
    return "none" if not longest_us else "short" if longest_us < SHORT_US else "long"


def page(found: Rehearsed) -> str:
    """The page."""
    title = f"Rehearsal: {', '.join(found.cast.names.values())}"
    legend = "".join(f'<tr><td class="{kind}">&nbsp;&nbsp;</td><td>{words}</td></tr>' for kind, words in LEGEND)
    notes = "".join(f"<p>{escape(note)}</p>" for note in found.cast.notes)
    left_out = f"<p>{found.left_out} double faults were left out.</p>" if found.left_out else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{notes}<table>{legend}</table><h2>Single faults</h2>{_singles(found)}"
        f"<h2>Double faults</h2><p>Row first, column when that has been dealt with. Point at a field to read it.</p>{left_out}"
        f"{_doubles(found)}</html>\n"
    )


def _singles(found: Rehearsed) -> str:
    head = "".join(f"<th>{escape(service.id)}</th>" for service in found.cast.services)
    rows = []
    for fault, outcome in found.singles:
        cells = "".join(_cell(outcome.of(service.id)) for service in found.cast.services)
        rows.append(f"<tr><th>{escape(fault.words)}</th>{cells}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(fate: Fate) -> str:
    if not fate.is_touched:
        return '<td class="none"></td>'
    twice = f"; two holders {doubled_text(fate)}" if fate.twice else ""
    told = f"{way_text(fate)}, away {away_text(fate)}{twice}"
    return f'<td class="{kind_of((fate,))}" title="{escape(fate.why)}">{escape(told)}</td>'


def _doubles(found: Rehearsed) -> str:
    faults = [fault for fault, _ in found.singles]
    by_pair = {(one.key, other.key): outcome for one, other, outcome in found.doubles}
    head = "".join(f'<th title="{escape(fault.words)}">{number + 1}</th>' for number, fault in enumerate(faults))
    rows = []
    for number, one in enumerate(faults):
        cells = "".join(_field(one.words, other.words, by_pair.get((one.key, other.key))) for other in faults)
        rows.append(f"<tr><th>{number + 1} {escape(one.words)}</th>{cells}</tr>")
    return f'<table class="grid"><tr><th></th>{head}</tr>{"".join(rows)}</table>'


def _field(one: str, other: str, outcome: Outcome | None) -> str:
    if outcome is None:
        return "<td></td>"
    lines = [f"{one}; then {other}"]
    lines += [f"{f.service}: {way_text(f)}, away {away_text(f)} {f.why}" for f in outcome.fates if f.is_touched]
    return f'<td class="{kind_of(outcome.fates)}" title="{escape(chr(10).join(lines))}"></td>'
