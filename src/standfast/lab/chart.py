"""A chart of some lines, both axes logarithmic, as SVG: enough for a bench, nothing more.

Owns: scales, ticks, the text of the file. Does not own: what is drawn.
"""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

from standfast.base.dataclass import dataclass

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 50
COLOURS = ("#0072b2", "#009e73", "#56b4e9", "#e69f00", "#d55e00")
"""Distinct to the colour-blind too (Okabe and Ito)."""


@dataclass(frozen=True, slots=True)
class Line:
    """A name, and points (x, y) in rising order, all above 0."""

    title: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Powers of ten between `low` and `high` onto pixels `start` .. `end`."""

    low: int
    high: int
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def chart(title: str, x_title: str, y_title: str, lines: tuple[Line, ...]) -> str:
    """The SVG document."""
    points = [point for line in lines for point in line.points]
    assert points, "nothing to draw"
    across = _scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{middle_x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_title)}</text>',
        f'<text transform="translate(16 {middle_y:.1f}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>',
    ]
    for power in range(across.low, across.high + 1):
        parts += _tick(across.at(10**power), TOP, across.at(10**power), HEIGHT - BOTTOM, _number(power), below=True)
    for power in range(up.low, up.high + 1):
        parts += _tick(LEFT, up.at(10**power), WIDTH - RIGHT, up.at(10**power), _number(power), below=False)
    for number, line in enumerate(lines):
        parts += _line(line, COLOURS[number % len(COLOURS)], across, up, TOP + 12 + 20 * number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _scale(values: list[float], start: float, end: float) -> _Scale:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return _Scale(low, max(high, low + 1), start, end)


def _tick(x1: float, y1: float, x2: float, y2: float, text: str, *, below: bool) -> list[str]:
    x, y, anchor = (x1, y2 + 16, "middle") if below else (x1 - 6, y1 + 4, "end")
    return [
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>',
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>',
    ]


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _line(line: Line, colour: str, across: _Scale, up: _Scale, legend_y: float) -> list[str]:
    places = [(across.at(x), up.at(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    start = WIDTH - RIGHT + 12
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places),
        f'<line x1="{start}" y1="{legend_y}" x2="{start + 18}" y2="{legend_y}" stroke="{colour}" stroke-width="2"/>',
        f'<text x="{start + 24}" y="{legend_y + 4}">{escape(line.title)}</text>',
    ]
