"""ISO 8601 dates of rules, as seconds since the epoch: calendar, ordinal and week dates, times with offsets, durations.

Read as the original reads them (lib/common/iso8601.c): from the left, and what follows a date or time is not looked at. A time
without a zone is the coordinator's local time, a date alone begins at midnight UTC; date specifications ask for the
coordinator's local time. Its offset from UTC is an argument.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

DAY_S = 86_400
_CALENDAR = re.compile(r"\s*(\d+)-\s*(\d+)-\s*(\d+)|\s*(\d{4})(\d{1,2})(\d{1,2})", re.ASCII)
_ORDINAL = re.compile(r"\s*(\d+)-\s*(\d+)", re.ASCII)
_WEEK = re.compile(r"\s*(\d+)-W\s*(\d+)-\s*(\d+)", re.ASCII)
_DATE_CHARACTERS = re.compile(r"[0-9W-]*", re.ASCII)
_HMS = re.compile(r"\s*(\d+):\s*(\d+)(?::\s*(\d+))?|\s*(\d{1,2})(\d{1,2})?(\d{1,2})?", re.ASCII)
_EPOCH = re.compile(r"epoch(?:$|[/\s])", re.IGNORECASE)


def _parse_day(text: str) -> date | None:
    for pattern, make in ((_CALENDAR, date), (_ORDINAL, _ordinal), (_WEEK, date.fromisocalendar)):
        match = pattern.match(text)
        if match is None:
            continue
        try:
            return make(*(int(group[:9]) for group in match.groups() if group is not None))
        except (ValueError, OverflowError):
            return None
    return None


def _ordinal(year: int, day: int) -> date:
    found = date(year, 1, 1) + timedelta(days=day - 1)
    if found.year != year:
        raise ValueError(day)
    return found


def _seconds(text: str) -> int | None:
    """A time of day, HH[:MM[:SS]] or HHMMSS; 24:00 is the end of the day."""
    match = _HMS.match(text)
    if match is None:
        return None
    hours, minutes, seconds = ([int(group[:9]) for group in match.groups() if group is not None] + [0, 0])[:3]
    if minutes > 59 or seconds > 59 or hours > 24 or (hours == 24 and (minutes or seconds)):
        return None
    return hours * 3600 + minutes * 60 + seconds


def _offset_s(text: str, utc_offset_s: int) -> int | None:
    """The offset that follows a time of day; the local one if nothing does."""
    zulu = text.find("Z")
    found = re.search(r"[ +-]", text)
    start = zulu if zulu >= 0 else -1 if found is None else found.start()
    if start < 0:
        return utc_offset_s
    zone = text[start:].lstrip()
    if zone[:1] not in ("+", "-") and not zone[:1].isdigit():
        return 0
    seconds = _seconds(zone.lstrip("+-"))
    return -seconds if seconds is not None and zone.startswith("-") else seconds


def parse_date(text: str | None, utc_offset_s: int = 0) -> int | None:
    """Seconds since the epoch, or None when `text` is no ISO 8601 date and time (a bare time is not accepted)."""
    if text is None:
        return None
    if _EPOCH.match(text):
        return 0
    day = _parse_day(text)
    if day is None:
        return None
    seconds: int | None = 0
    offset: int | None = 0
    rest = text[len(_DATE_CHARACTERS.match(text).group()) :]  # type: ignore[union-attr]
    if rest[:1] in (" ", "T"):
        seconds, offset = _seconds(rest[1:]), _offset_s(rest[1:], utc_offset_s)
    if seconds is None or offset is None:
        return None
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_S + seconds - offset


def offset_s_of(text: str, utc_offset_s: int) -> int:
    """By how many seconds the zone of a date and time is ahead of UTC: the one that it names, else the local one. A date alone is
    in UTC."""
    if _parse_day(text) is None:
        return 0
    rest = text[len(_DATE_CHARACTERS.match(text).group()) :]  # type: ignore[union-attr]
    return (_offset_s(rest[1:], utc_offset_s) or 0) if rest[:1] in (" ", "T") else 0


def add_calendar(start_s: int, years: int, months: int, seconds: int) -> int:
    """`start_s` plus years, months and seconds, as Pacemaker counts: a year later is the same day *of the year* (29 August in the
    year after the 28 August of a leap year), a month later the same day of the month, or its last."""
    moment = from_epoch(start_s)
    if years:
        if not 1 <= moment.year + years <= 9998:
            return start_s
        moment = moment.replace(year=moment.year + years, month=1, day=1) + timedelta(days=moment.timetuple().tm_yday - 1)
    index = moment.year * 12 + moment.month - 1 + months
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


def spec_fields(now_s: int, utc_offset_s: int = 0) -> dict[str, int]:
    """What a date_spec may ask of a moment, by attribute name."""
    moment = from_epoch(now_s + utc_offset_s)
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
