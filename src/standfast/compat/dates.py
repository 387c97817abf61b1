"""Dates as Pacemaker and the C library write them. A moment comes in as seconds; only the local time zone comes from outside."""

from __future__ import annotations

from collections.abc import Callable

Date = Callable[[int], str]
"""Seconds since the epoch to a text."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def ctime_text(seconds: int) -> str:
    """`Sun Nov 22 12:42:52 2026` in the local time zone, in English whatever the locale: ctime(3)."""
    from datetime import datetime

    when = datetime.fromtimestamp(seconds).astimezone()
    clock = f"{when.hour:02d}:{when.minute:02d}:{when.second:02d}"
    return f"{_DAYS[when.weekday()]} {_MONTHS[when.month - 1]} {when.day:2d} {clock} {when.year}"


def iso_text(seconds: int) -> str:
    """`2026-11-22 12:42:52Z`, or with `+01:00` in place of Z: Pacemaker's crm_time_as_string with date, time and zone."""
    from datetime import datetime

    when = datetime.fromtimestamp(seconds).astimezone()
    offset = when.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    return when.strftime("%Y-%m-%d %H:%M:%S") + zone
