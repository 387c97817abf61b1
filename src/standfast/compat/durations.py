"""ISO 8601 durations of a fixed length, for lifetimes: `PT1H`, `P7D`, `P1DT12H`. Months and years are no fixed length."""

from __future__ import annotations

import re

from standfast.base.report import Refused, error

_FORM = re.compile(r"P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?")


def duration_s(text: str) -> int:
    """Seconds. Raises Refused (64) for anything else than a duration above zero."""
    match = _FORM.fullmatch(text.upper())
    seconds = 0
    if match:
        weeks, days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + rest
    if seconds <= 0:
        why = "weeks, days, hours, minutes and seconds are understood"
        raise Refused(error("tool.lifetime", f"{text!r} is no lifetime", why, "for example PT30M, PT12H or P7D"), exit_code=64)
    return seconds
