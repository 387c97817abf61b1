"""A history drawn as lanes: a row for each node, time from left to right, its views, who has the address, and the faults.

Owns: one self-contained page of HTML and SVG, without scripts. Does not own: what happened (a player is listened to).
"""

from __future__ import annotations

import re
from dataclasses import field
from html import escape

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId

ROW, LEFT, PER_S, TOP = 64, 70, 60, 60
LINES_MAX = 2_000
_VIEW = re.compile(r"^notice: view (\d+): (.*?): (.*)$")
_COLOURS = ("#dbe9f6", "#e3f1dc", "#fbe8d3", "#eee3f5", "#fdf3c7", "#e0f2f1")


@dataclass(slots=True)
class Bar:
    """Something that lasts: from when, until when, what."""

    begin_us: int
    end_us: int
    text: str


@dataclass(slots=True)
class Lanes:
    """Listens to a world (`Cluster.heard`), then draws."""

    nodes: tuple[NodeId, ...]
    views: dict[NodeId, list[Bar]] = field(default_factory=dict)
    holds: dict[NodeId, list[Bar]] = field(default_factory=dict)
    marks: list[tuple[int, str]] = field(default_factory=list)
    log: list[tuple[int, NodeId, str]] = field(default_factory=list)

    def heard(self, now_us: int, node: NodeId, text: str) -> None:
        """A line."""
        if len(self.log) < LINES_MAX:
            self.log.append((now_us, node, text))
        if text.startswith("! "):
            self.marks.append((now_us, text[2:]))
        elif text.startswith("address: "):
            self._held(now_us, [NodeId(int(word[1:])) for word in text.split()[1:] if word != "nobody"])
        elif found := _VIEW.match(text):
            bars = self.views.setdefault(node, [])
            if bars:
                bars[-1].end_us = min(bars[-1].end_us, now_us)
            kind = "quorate" if "quorate only" not in found[3] and "quorate" in found[3] else "not quorate"
            bars.append(Bar(now_us, 10**15, f"{found[1]}: {found[2]} ({kind})"))

    def _held(self, now_us: int, holders: list[NodeId]) -> None:
        for node in self.nodes:
            bars = self.holds.setdefault(node, [])
            is_open = bool(bars) and bars[-1].end_us == 10**15
            if node in holders and not is_open:
                bars.append(Bar(now_us, 10**15, "address"))
            elif node not in holders and is_open:
                bars[-1].end_us = now_us

    def page(self, title: str, end_us: int) -> str:
        """The page."""
        width = LEFT + end_us * PER_S // US_PER_S + 40
        height = TOP + ROW * len(self.nodes) + 40
        parts = [self._grid(end_us, height), *(self._lane(i, node, end_us) for i, node in enumerate(self.nodes))]
        parts += [self._mark(at_us, text, height) for at_us, text in self.marks if not text.startswith("mark ")]
        lines = "\n".join(f"{at / US_PER_S:10.3f} s  {f'n{n}' if n else '--'}  {escape(text)}" for at, n, text in self.log)
        return (
            f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title>'
            "<style>body{font:14px sans-serif;margin:1em}svg{border:1px solid #ccc}div{overflow-x:auto}"
            "text{font:11px sans-serif}pre{font-size:12px}</style>"
            f"<h1>{escape(title)}</h1><p>Pale: the node's views (red edge: not quorate). Green: it has the address. "
            "Red: faults. Point at anything to read it.</p>"
            f'<div><svg width="{width}" height="{height}">{"".join(parts)}</svg></div><pre>{lines}</pre>\n'
        )

    @staticmethod
    def _x(at_us: int) -> int:
        return LEFT + at_us * PER_S // US_PER_S

    def _grid(self, end_us: int, height: int) -> str:
        return "".join(
            f'<line x1="{self._x(s * US_PER_S)}" x2="{self._x(s * US_PER_S)}" y1="{TOP}" y2="{height}" stroke="#eee"/>'
            f'<text x="{self._x(s * US_PER_S)}" y="{height - 4}">{s} s</text>'
            for s in range(0, end_us // US_PER_S + 1, 2)
        )

    def _lane(self, row: int, node: NodeId, end_us: int) -> str:
        y = TOP + row * ROW
        out = [f'<text x="4" y="{y + 24}">n{node}</text>']
        for bar in self.views.get(node, []):
            number = int(bar.text.partition(":")[0])
            edge = "#c00" if "(not quorate)" in bar.text else "none"
            out.append(self._bar(bar, end_us, (y + 6, 26), f'fill="{_COLOURS[number % len(_COLOURS)]}" stroke="{edge}"'))
        out += [self._bar(bar, end_us, (y + 36, 12), 'fill="#2e8b57"') for bar in self.holds.get(node, [])]
        return "".join(out)

    def _bar(self, bar: Bar, end_us: int, place: tuple[int, int], style: str) -> str:
        x, width = self._x(bar.begin_us), max(2, self._x(min(bar.end_us, end_us)) - self._x(bar.begin_us))
        label = f'<text x="{x + 3}" y="{place[0] + 17}">{escape(bar.text)}</text>' if width > 90 and place[1] > 20 else ""
        title = f"<title>{escape(bar.text)} from {bar.begin_us // US_PER_MS} ms</title>"
        return f'<rect x="{x}" y="{place[0]}" width="{width}" height="{place[1]}" {style}>{title}</rect>{label}'

    def _mark(self, at_us: int, text: str, height: int) -> str:
        x = self._x(at_us)
        return (
            f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 20}" stroke="#c00" stroke-dasharray="2 4">'
            f"<title>{escape(text)} at {at_us // US_PER_MS} ms</title></line>"
            f'<text x="{x}" y="{TOP - 10}" fill="#c00" transform="rotate(-35 {x} {TOP - 10})">{escape(text)}</text>'
        )
