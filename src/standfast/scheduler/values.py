"""Words and small parsers of the CIB: roles, booleans, intervals, option names with their old spellings and defaults."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

from standfast.base.boolean import FALSE, TRUE

FEATURE_SET = "3.20.5"
BAD_VALUE = "Bad input value provided"
"""What the original says of a score that is none."""
UINT_MAX = 4_294_967_295
INT_MAX = 2_147_483_647
DEFAULT_TIMEOUT_MS = 20_000


class Role(IntEnum):
    """A resource's role, in rising order."""

    UNKNOWN = 0
    STOPPED = 1
    STARTED = 2
    UNPROMOTED = 3
    PROMOTED = 4


ROLE_TEXT = {
    Role.UNKNOWN: "Unknown",
    Role.STOPPED: "Stopped",
    Role.STARTED: "Started",
    Role.UNPROMOTED: "Unpromoted",
    Role.PROMOTED: "Promoted",
}

_ROLES = {
    "stopped": Role.STOPPED,
    "started": Role.STARTED,
    "unpromoted": Role.UNPROMOTED,
    "slave": Role.UNPROMOTED,
    "promoted": Role.PROMOTED,
    "master": Role.PROMOTED,
}

_SHORT = 19  # digits that surely fit into 64 bits, one less than the largest has
_INTEGER = re.compile(r"\s*([+-]?\d+)")
_MS = re.compile(r"\s*([+-]?\d+)[\d.]*\s*(.*)$", re.DOTALL)
_UNITS = {
    "": (1000, 1),
    "s": (1000, 1),
    "sec": (1000, 1),
    "ms": (1, 1),
    "msec": (1, 1),
    "us": (1, 1000),
    "usec": (1, 1000),
    "m": (60_000, 1),
    "min": (60_000, 1),
    "h": (3_600_000, 1),
    "hr": (3_600_000, 1),
}
_DURATION = re.compile(r"P(?:\d+[YMWD])*(?:T?(?:\d+[HMS])*)?$", re.ASCII)
_DATE_UNITS_S = {"Y": 365 * 86_400, "M": 30 * 86_400, "W": 7 * 86_400, "D": 86_400, "H": 3600, "S": 1}


def parse_role(text: str | None) -> Role:
    """The role, or UNKNOWN for no or an unknown name; 2.x names (Master, Slave) are the same roles."""
    return _ROLES.get((text or "").lower(), Role.UNKNOWN)


def parse_bool(text: str | None) -> bool | None:
    """true/on/yes/y/1 and false/off/no/n/0 in any case; None for anything else."""
    lowered = (text or "").lower()
    if lowered in TRUE:
        return True
    return False if lowered in FALSE else None


def is_true(text: str | None) -> bool:
    """Whether `text` says true; anything that is not a boolean is not."""
    return parse_bool(text) is True


def parse_int(text: str | None) -> int | None:
    """The integer at the start of `text` (what follows is ignored, as in C), clamped to 64 bits; None if there is none."""
    if not text:
        return None
    if text.isdecimal() and len(text) < _SHORT:
        return int(text)
    match = _INTEGER.match(text)
    if match is None:
        return None
    return max(-(2**63), min(2**63 - 1, int(match.group(1)[:24])))


def int_or(text: str | None, default: int) -> int:
    """`parse_int`, or the default."""
    value = parse_int(text)
    return default if value is None else value


def parse_ms(text: str | None) -> int | None:
    """A time with units (ms, s, min, h ...; seconds when bare) in milliseconds; None when it is no time."""
    match = _MS.match(text or "")
    if match is None:
        return None
    units = _UNITS.get(match.group(2).strip().lower())
    if units is None:
        return None
    return int(match.group(1)[:20]) * units[0] // units[1]


def _duration_s(text: str) -> int:
    """An ISO 8601 duration in seconds, 0 if it is none; "P10S" without its T is accepted, as people write it."""
    if _DURATION.match(text) is None:
        return 0
    date_part, _, time_part = text[1:].partition("T")
    seconds = 0
    for part, minute in ((date_part, 30 * 86_400), (time_part, 60)):
        for number, unit in re.findall(r"(\d+)([YMWDHS])", part):
            seconds += int(number[:12]) * (minute if unit == "M" else _DATE_UNITS_S[unit])
    return seconds


def interval_ms(text: str | None) -> int:
    """An interval specification (time with units, or an ISO 8601 duration) in milliseconds; 0 when missing or wrong."""
    if text is None:
        return 0
    if text.startswith("P"):
        return min(UINT_MAX, _duration_s(text) * 1000)
    value = parse_ms(text)
    return 0 if value is None or value < 0 else min(value, UINT_MAX)


def ms_to_s(value_ms: int) -> int:
    """Milliseconds as seconds, rounded half up, and never to 0 for a time that is not 0."""
    return 0 if value_ms == 0 else max(1, (value_ms + 500) // 1000)


@lru_cache(maxsize=4096)
def name_key(name: str) -> tuple[tuple[int, int, int, str], ...]:
    """Sort key of node names: digits compare as numbers, letters without case (node2 before node10)."""
    key: list[tuple[int, int, int, str]] = []
    for part in re.findall(r"\d+|\D", name, re.ASCII):
        if part.isdigit() and part.isascii():
            # Digits sort among other characters at the place of '0'.
            key.append((ord("0"), int(part), len(part), ""))
        else:
            key.append((ord(part.lower()) if len(part.lower()) == 1 else ord(part), 0, 0, ""))
    return tuple(key)


# name: (old names, default, kind)
OPTIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "dc-version": ((), "", "text"),
    "cluster-infrastructure": ((), "", "text"),
    "cluster-name": ((), "", "text"),
    "have-watchdog": ((), "false", "bool"),
    "enable-startup-probes": ((), "true", "bool"),
    "fencing-enabled": (("stonith-enabled",), "true", "bool"),
    "fencing-action": (("stonith-action",), "reboot", "fence-action"),
    "fencing-timeout": (("stonith-timeout",), "60s", "interval"),
    "concurrent-fencing": ((), "true", "bool"),
    "startup-fencing": ((), "true", "bool"),
    "priority-fencing-delay": ((), "0", "interval"),
    "no-quorum-policy": ((), "stop", "policy"),
    "symmetric-cluster": ((), "true", "bool"),
    "maintenance-mode": ((), "false", "bool"),
    "stop-all-resources": ((), "false", "bool"),
    "start-failure-is-fatal": ((), "true", "bool"),
    "stop-removed-resources": (("stop-orphan-resources",), "true", "bool"),
    "cancel-removed-actions": (("stop-orphan-actions",), "true", "bool"),
    "placement-strategy": ((), "default", "strategy"),
    "shutdown-lock": ((), "false", "bool"),
    "shutdown-lock-limit": ((), "0", "interval"),
    "node-pending-timeout": ((), "0", "interval"),
    "fence-remote-without-quorum": ((), "false", "bool"),
    "node-health-strategy": ((), "none", "health"),
    "node-health-base": ((), "0", "score"),
    "node-health-green": ((), "0", "score"),
    "node-health-yellow": ((), "0", "score"),
    "node-health-red": ((), "-INFINITY", "score"),
    "cluster-delay": ((), "60s", "interval"),
    "batch-limit": ((), "0", "integer"),
    "migration-limit": ((), "-1", "integer"),
}
OTHER_OPTIONS: dict[str, tuple[str, ...]] = {
    "interval": (
        "cluster-recheck-interval",
        "dc-deadtime",
        "election-timeout",
        "join-finalization-timeout",
        "join-integration-timeout",
        "shutdown-escalation",
        "transition-delay",
    ),
    "bool": ("enable-acl",),
    "integer": ("node-action-limit", "pe-error-series-max", "pe-input-series-max", "pe-warn-series-max"),
    "count": ("fencing-max-attempts", "stonith-max-attempts"),
    "percentage": ("load-threshold",),
}
"""Options that change no decision and are checked all the same, by kind."""
CHOICES = {
    "policy": ("stop", "freeze", "ignore", "demote", "fence", "suicide"),
    "fence-action": ("reboot", "off", "poweroff"),
    "strategy": ("default", "utilization", "minimal", "balanced"),
    "health": ("none", "migrate-on-red", "only-green", "progressive", "custom"),
}
RC_TEXT = {
    0: "OK",
    1: "Error occurred",
    2: "Invalid parameter",
    3: "Unimplemented",
    4: "Insufficient privileges",
    5: "Not installed",
    6: "Not configured",
    7: "Not running",
    8: "Promoted",
    9: "Failed in promoted role",
    124: "Timeout occurred",
    190: "Service is active but might fail soon",
    191: "Service is promoted but might fail soon",
    193: "No exit status available",
}
