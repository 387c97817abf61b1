"""Words: results of operations, times, lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standfast.scheduler.unpack.entries import HistoryEntry

RC_TEXT = {
    0: "ok",
    1: "error",
    2: "invalid parameter",
    3: "unimplemented feature",
    4: "insufficient privileges",
    5: "not installed",
    6: "not configured",
    7: "not running",
    8: "promoted",
    9: "failed (promoted)",
    190: "degraded",
    191: "degraded (promoted)",
}
_STATUS_TEXT = {2: "timed out", 6: "ended by a fatal error", 7: "agent not installed", 8: "node not connected"}


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def plural(predicate: str) -> str:
    """A predicate about several nodes."""
    for one, many in (("is ", "are "), ("has ", "have "), ("takes ", "take ")):
        if predicate.startswith(one):
            return many + predicate.removeprefix(one)
    return predicate


def failure_text(entry: HistoryEntry, clock: Callable[[int], str]) -> str:
    """`the start failed with 'not configured' (no such device) at 12:40:01`."""
    task = "probe" if entry.is_probe else entry.task
    result = _STATUS_TEXT.get(entry.status or 0) or f"'{RC_TEXT.get(entry.rc or 0, f'code {entry.rc}')}'"
    verb = "" if result.startswith(("timed", "ended")) else "failed with "
    reason = f" ({entry.exit_reason})" if entry.exit_reason else ""
    when = f" at {clock(entry.last_change_s)}" if entry.last_change_s > 0 else ""
    return f"the {task} {verb}{result}{reason}{when}"


def times(count: int) -> str:
    """`once`, `twice`, `5 times`, or `for good` (INFINITY)."""
    if count >= 1_000_000:
        return "for good"
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
