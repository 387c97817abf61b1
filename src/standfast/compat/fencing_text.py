"""The fencing history in the words of crm_mon and stonith_admin (lib/fencing/st_output.c of 2.1.5), as text and as XML.

A record is what the `status` and `fence.history` verbs give (api/protocol.py): an object of plain values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from standfast.compat.dates import iso_text

Record = Mapping[str, Any]
_ACTIONS = {"on": "unfencing", "off": "turning off"}
_WORDS = {"success": "successful"}
FAILED, PENDING, HISTORY = "Failed Fencing Actions", "Pending Fencing Actions", "Fencing History"


def sections(records: Sequence[Record], level: int) -> Iterator[tuple[str, list[str]]]:
    """(title, lines) of what crm_mon shows: failed and pending ones; from level 2 on those that succeeded, at 3 all of them
    (below, only the newest of each kind)."""
    chosen = list(records) if level >= 3 else list(newest(records))
    groups = [(FAILED, "failed"), (PENDING, "pending")] + ([(HISTORY, "success")] if level >= 2 else [])
    for title, phase in groups:
        lines = [sentence(r, records, is_full=level >= 3) for r in chosen if r["phase"] == phase]
        if lines:
            yield title, lines


def newest(records: Sequence[Record]) -> Iterator[Record]:
    """The newest of each target, action and outcome; pending ones all."""
    seen = set()
    for record in records:
        key = (record["target"], record["action"], record["phase"], record["client"])
        if record["phase"] == "pending" or key not in seen:
            seen.add(key)
            yield record


def sentence(record: Record, records: Sequence[Record], *, is_full: bool) -> str:
    """`reboot of n1 by n2 for pacemaker-controld@n2 last failed (why) at DATE`."""
    ended = record["phase"] != "pending"
    text = f"{_ACTIONS.get(record['action'], record['action'])} of {record['target']}"
    text += f" by {record['delegate']}" if ended and record["delegate"] else ""
    text += f" for {record['client']}@{record['origin']}"
    text += " last" if not is_full else ""
    text += f" {_WORDS.get(record['phase'], record['phase'])}"
    text += f" ({record['reason']})" if record["phase"] == "failed" and record["reason"] else ""
    text += f" at {iso_text(record['completed_s'])}" if ended else ""
    later = _later(record, records) if record["phase"] == "failed" else ""
    return text + (f" (a later attempt from {later} succeeded)" if later else "")


def _later(record: Record, records: Sequence[Record]) -> str:
    for other in records:
        same = other["target"] == record["target"] and other["action"] == record["action"]
        if same and other["phase"] == "success" and other["completed_s"] >= record["completed_s"]:
            return str(other["delegate"] if other["delegate"] == record["delegate"] else other["origin"])
    return ""


def attributes(record: Record) -> dict[str, str]:
    """The attributes of a `fence_event` element."""
    out = {name: str(record[name]) for name in ("action", "target", "client", "origin")}
    out["status"] = str(record["phase"])
    if record["phase"] == "failed" and record["reason"]:
        out["exit-reason"] = str(record["reason"])
    if record["delegate"]:
        out["delegate"] = str(record["delegate"])
    if record["phase"] != "pending":
        out["completed"] = iso_text(record["completed_s"])
    return out
