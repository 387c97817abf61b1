"""Pacemaker's exit codes, and its words for what an operation returned (crm/common/results.h, services.h of 2.1.5)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """crm_exit_t: what Pacemaker's tools end with."""

    OK = 0
    ERROR = 1
    INSUFFICIENT_PRIV = 4
    NOT_CONFIGURED = 6
    USAGE = 64
    DATAERR = 65
    NOINPUT = 66
    NOUSER = 67
    NOHOST = 68
    UNAVAILABLE = 69
    SOFTWARE = 70
    OSERR = 71
    OSFILE = 72
    CANTCREAT = 73
    IOERR = 74
    TEMPFAIL = 75
    PROTOCOL = 76
    NOPERM = 77
    CONFIG = 78
    FATAL = 100
    PANIC = 101
    DISCONNECT = 102
    OLD = 103
    DIGEST = 104
    NOSUCH = 105
    QUORUM = 106
    UNSAFE = 107
    EXISTS = 108
    MULTIPLE = 109
    TIMEOUT = 124


_EXIT = {
    0: "OK",
    1: "Error occurred",
    2: "Invalid parameter",
    3: "Unimplemented",
    4: "Insufficient privileges",
    6: "Not configured",
    64: "Incorrect usage",
    65: "Invalid data given",
    66: "Input file not available",
    67: "User does not exist",
    68: "Host does not exist",
    69: "Necessary service unavailable",
    70: "Internal software bug",
    71: "Operating system error occurred",
    72: "System file not available",
    73: "Cannot create output file",
    74: "I/O error occurred",
    75: "Temporary failure, try again",
    76: "Protocol violated",
    77: "Insufficient privileges",
    78: "Invalid configuration",
    100: "Fatal error occurred, will not respawn",
    101: "System panic required",
    102: "Not connected",
    103: "Update was older than existing configuration",
    104: "Digest mismatch",
    105: "No such object",
    106: "Quorum required",
    107: "Operation not safe",
    108: "Requested item already exists",
    109: "Multiple items match request",
    110: "Requested item has expired",
    111: "Requested item is not yet in effect",
    112: "Could not determine status",
    113: "Not applicable under current conditions",
    124: "Timeout occurred",
}
_OCF = {
    0: "ok",
    1: "error",
    2: "invalid parameter",
    3: "unimplemented feature",
    4: "insufficient privileges",
    5: "not installed",
    6: "not configured",
    7: "not running",
    8: "promoted",
    9: "promoted (failed)",
    190: "OCF_DEGRADED",
    191: "promoted (degraded)",
}
_EXECUTION = {
    -1: "pending",
    0: "complete",
    1: "Cancelled",
    2: "Timed Out",
    3: "NOT SUPPORTED",
    4: "Error",
    5: "Hard error",
    6: "Fatal error",
    7: "Not installed",
    8: "Internal communication failure",
    9: "Cannot execute now",
    10: "No fence device",
    11: "CIB secrets unavailable",
}


def exit_text(code: int) -> str:
    """crm_exit_str: an exit code in words."""
    return _EXIT.get(code, "Unknown exit status")


def ocf_text(rc: int) -> str:
    """services_ocf_exitcode_str."""
    return _OCF.get(rc, "unknown")


def execution_text(status: int) -> str:
    """pcmk_exec_status_str: the op-status of a history entry."""
    return _EXECUTION.get(status, "UNKNOWN!")


def interval_text(interval_ms: int) -> str:
    """pcmk__readable_interval: `10s`, `1.200s`, `500ms`, `2m30s`. A unit counts only when it is exceeded, as in the original."""
    text = ""
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m")):
        if interval_ms > unit:
            text += f"{interval_ms // unit}{name}"
            interval_ms %= unit
    if interval_ms > 1000:
        seconds, rest = divmod(interval_ms, 1000)
        return f"{text}{seconds}.{rest:03d}s" if rest else f"{text}{seconds}s"
    if interval_ms > 0:
        return f"{text}{interval_ms}ms"
    return text or "0s"


def is_masked_probe(task: str, interval_ms: int, rc: int, status: int) -> bool:
    """pcmk_xe_mask_probe_failure: a probe that found nothing installed is no failure to show."""
    return task == "monitor" and interval_ms == 0 and (rc in {2, 5} or status == 7)
