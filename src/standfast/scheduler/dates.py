"""ISO 8601 dates of rules, as seconds since the epoch (UTC): calendar, ordinal and week dates, times with offsets, durations."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,]\d+)?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$", re.ASCII)
_DATES = (
    (re.compile(r"(\d{4})-?W(\d{1,2})(?:-?(\d))?$", re.ASCII), "week"),
    (re.compile(r"(\d{4})-(\d{3})$|^(\d{4})(\d{3})$", re.ASCII), "ordinal"),
    (re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})$|^(\d{4})(\d{2})(\d{2})$", re.ASCII), "calendar"),
)


def _parse_day(text: str) -> date | None:
    for pattern, kind in _DATES:
        match = pattern.match(text)
        if match is None:
            continue
        numbers = [int(g) for g in match.groups() if g]
        try:
            if kind == "week":
                return date.fromisocalendar(numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 1)
            if kind == "ordinal":
                return date(numbers[0], 1, 1) + timedelta(days=numbers[1] - 1)
            return date(*numbers)
        except (ValueError, OverflowError):
            return None
    return None


def parse_date(text: str | None) -> int | None:
    """Seconds since the epoch, or None when `text` is no ISO 8601 date and time (a bare time is not accepted)."""
    cleaned = (text or "").strip()
    if cleaned == "epoch":
        return 0
    day_text, _, time_text = cleaned.replace("T", " ").partition(" ")
    day = _parse_day(day_text)
    if day is None:
        return None
    seconds = 0
    if time_text.strip():
        match = _TIME.match(time_text.strip())
        if match is None:
            return None
        hours, minutes, secs = (int(match.group(i) or 0) for i in (1, 2, 3))
        if hours > 24 or minutes > 59 or secs > 59:
            return None
        seconds = hours * 3600 + minutes * 60 + secs - _offset_s(match.group(4))
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + seconds


def _offset_s(text: str | None) -> int:
    if not text or text == "Z":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    value = int(digits[:2]) * 3600 + int(digits[2:4]) * 60
    return -value if text[0] == "-" else value


def add_calendar(start_s: int, years: int, months: int, seconds: int) -> int:
    """`start_s` plus calendar years and months (a day beyond the month's end becomes its last), plus seconds."""
    moment = from_epoch(start_s)
    index = moment.year * 12 + moment.month - 1 + years * 12 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9998:
        return start_s
    first_after = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last_day = (first_after - timedelta(days=1)).day
    shifted = moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))
    return int(shifted.timestamp()) + seconds


def from_epoch(seconds: int) -> datetime:
    """The UTC moment, clamped to the years 1 to 9998."""
    return datetime.fromtimestamp(max(-62_000_000_000, min(253_000_000_000, seconds)), UTC)


def spec_fields(now_s: int) -> dict[str, int]:
    """What a date_spec may ask of a moment, by attribute name."""
    moment = from_epoch(now_s)
    iso = moment.isocalendar()
    return {
        "years": moment.year,
        "months": moment.month,
        "monthdays": moment.day,
        "hours": moment.hour,
        "minutes": moment.minute,
        "seconds": moment.second,
        "yeardays": moment.timetuple().tm_yday,
        "weekyears": iso.year,
        "weeks": iso.week,
        "weekdays": iso.weekday,
    }
