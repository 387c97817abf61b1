"""ISO 8601 durations and periods, and dates as text: what dates.py leaves to those who print or add.

A moment is seconds since 1970 (UTC). `P1Y2M3W4DT5H6M7S`; a period is START/END, START/DURATION, DURATION/END, or one of
them alone, which then starts now.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

from standfast.scheduler.dates import add_calendar, from_epoch, parse_date

DIGITS_MAX = 9
YEAR_ONE_S = -62_135_596_800
"""0001-01-01 00:00:00Z, from which `iso8601 --seconds` counts."""

_DURATION = re.compile(
    rf"P((?:[+-]?\d{{1,{DIGITS_MAX}}}[YMWD])*)(?:T((?:[+-]?\d{{1,{DIGITS_MAX}}}[HMS])*))?(?:\s.*|/.*)?$", re.ASCII
)
_PART = re.compile(r"([+-]?\d+)([A-Z])")


class Duration(NamedTuple):
    """Calendar years and months, then days and seconds; any of them may be negative."""

    years: int = 0
    months: int = 0
    days: int = 0
    seconds: int = 0

    def after(self, start_s: int) -> int:
        """The moment that is so much later."""
        return add_calendar(start_s, self.years, self.months, self.days * 86_400 + self.seconds)

    def before(self, end_s: int) -> int:
        """The moment that is so much earlier."""
        return add_calendar(end_s, -self.years, -self.months, -self.days * 86_400 - self.seconds)

    def text(self) -> str:
        """As `iso8601 --duration` words it, blanks included."""
        parts = [
            f"{value:{width}d} {name}{_plural(value)} "
            for value, width, name in ((self.years, 4, "year"), (self.months, 2, "month"), (self.days, 2, "day"))
            if value
        ]
        seconds = self.seconds
        if -60 < seconds < 60:
            if seconds or not parts:
                parts.append(f"{seconds} second{_plural(seconds)}")
        elif seconds:
            hours, rest = divmod(abs(seconds), 3600)
            pieces = [(hours, "hour"), (rest // 60, "minute"), (rest % 60, "second")]
            words = " ".join(f"{value} {name}{_plural(value)}" for value, name in pieces if value)
            parts.append(f"{seconds} seconds ({words})")
        return "".join(parts)


def parse_duration(text: str) -> Duration | None:
    """The duration, or None when the text is none. What follows a blank is left out."""
    match = _DURATION.match(text)
    if match is None or text.strip() == "P":
        return None
    dates = {unit: int(value) for value, unit in _PART.findall(match.group(1) or "")}
    times = {unit: int(value) for value, unit in _PART.findall(match.group(2) or "")}
    seconds = times.get("H", 0) * 3600 + times.get("M", 0) * 60 + times.get("S", 0)
    return Duration(dates.get("Y", 0), dates.get("M", 0), dates.get("W", 0) * 7 + dates.get("D", 0), seconds)


def parse_period(text: str, now_s: int) -> tuple[int, int] | None:
    """(start, end) in seconds since 1970, or None when the text is no period."""
    first, has_second, second = text.partition("/")
    first += "/" if first == "P" else ""
    length: Duration | None = None
    start: int | None = None
    end: int | None = None
    for part, is_start in ((first, True), (second, False))[: 2 if has_second else 1]:
        if part.startswith("P"):
            if length is not None:
                return None
            length = parse_duration(part)
            if length is None:
                return None
            continue
        moment = parse_date(part)
        if moment is None:
            return None
        if is_start:
            start = moment
        else:
            end = moment
    if start is None:
        start = length.before(end) if length is not None and end is not None else now_s
    if end is None:
        if length is None:
            return None
        end = length.after(start)
    return start, end


def moment_text(moment_s: int, form: str = "", offset_s: int = 0) -> str:
    """`2020-02-03 10:20:30Z`; `form` is "", "ordinal", "week", "seconds" (since year 1) or "epoch". With an offset from UTC the
    time is local, with ` +02:00` behind it."""
    if form in {"seconds", "epoch"}:
        return str(moment_s - (YEAR_ONE_S if form == "seconds" else 0))
    local = from_epoch(moment_s) + timedelta(seconds=offset_s)
    if form == "ordinal":
        day = f"{local.year}-{local.timetuple().tm_yday:03d}"
    elif form == "week":
        iso = local.isocalendar()
        day = f"{iso.year}-W{iso.week:02d}-{iso.weekday}"
    else:
        day = f"{local.year:04d}-{local.month:02d}-{local.day:02d}"
    sign = "-" if offset_s < 0 else "+"
    zone = f" {sign}{abs(offset_s) // 3600:02d}:{abs(offset_s) % 3600 // 60:02d}" if offset_s else "Z"
    return f"{day} {local:%H:%M:%S}{zone}"


def _plural(value: int) -> str:
    return "" if value == 1 else "s"
