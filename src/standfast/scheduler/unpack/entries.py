"""History entries (`lrm_rsc_op`) parsed once, and their order in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.scheduler.mergesort import merge_sorted
from standfast.scheduler.values import UINT_MAX, parse_int

if TYPE_CHECKING:
    from lxml import etree

PENDING, DONE, CANCELLED, TIMEOUT, NOT_SUPPORTED = -1, 0, 1, 2, 3
ERROR, ERROR_HARD, ERROR_FATAL, NOT_INSTALLED, NOT_CONNECTED, INVALID = 4, 5, 6, 7, 8, 9
NO_FENCE_DEVICE, NO_SECRETS = 10, 11
RC_OK, RC_INVALID_PARAM, RC_UNIMPLEMENTED, RC_PRIVILEGES, RC_NOT_INSTALLED, RC_NOT_CONFIGURED = 0, 2, 3, 4, 5, 6
RC_NOT_RUNNING, RC_PROMOTED, RC_FAILED_PROMOTED, RC_DEGRADED, RC_DEGRADED_PROMOTED = 7, 8, 9, 190, 191


@dataclass(eq=False, slots=True)
class HistoryEntry:
    """One recorded operation. `rc` or `status` is None when the entry has none that can be read; `target_rc` is -1 when
    unknown; `last_change_s` is -1 when unknown. Nothing writes to it."""

    id: str
    task: str
    interval_ms: int
    call: int
    rc: int | None
    status: int | None
    key: str
    has_key: bool
    target_rc: int
    transition: tuple[str, int] | None
    last_change_s: int
    on_node: str
    exit_reason: str | None
    digest: str | None
    restart_digest: str | None
    force_restart: str | None
    secure_digest: str | None
    secure_params: str | None
    feature_set: str | None
    migrate_source: str | None
    migrate_target: str | None
    exec_ms: int | None
    queue_ms: int | None
    raw_call: str | None
    raw_status: str | None
    raw_rc: str | None

    @property
    def is_probe(self) -> bool:
        """A monitor with interval 0."""
        return self.task == "monitor" and self.interval_ms == 0

    @property
    def masks_failure(self) -> bool:
        """A probe that failed because the agent or its configuration is not there: it counts as "not running"."""
        return self.is_probe and (self.rc in (RC_NOT_INSTALLED, RC_INVALID_PARAM) or self.status == NOT_INSTALLED)


def _number(text: str | None, default: int) -> int:
    value = parse_int(text)
    return default if value is None else value


def _target_rc(key: str | None) -> int:
    """The result a transition key ("ACTION:TRANSITION:RC:UUID") expects; -1 without a key, or a broken one."""
    if key is None:
        return -1
    parts = key.split(":", 3)
    if len(parts) < 4:
        return -1
    return _number(parts[2], -1)


def _transition(magic: str | None) -> tuple[str, int] | None:
    """(uuid, transition number) of a transition magic "STATUS:RC;ACTION:TRANSITION:RC:UUID"."""
    _, semicolon, key = (magic or "").partition(";")
    parts = key.split(":", 3)
    if not semicolon or len(parts) < 4:
        return None
    number = parse_int(parts[1])
    return None if number is None else (parts[3], number)


def read_entry(element: etree._Element) -> HistoryEntry:
    """Parse one `lrm_rsc_op`. Never raises: what is missing gets its neutral value."""
    get = dict(element.items()).get  # one call into lxml instead of twenty
    interval = _number(get("interval"), 0)
    return HistoryEntry(
        id=get("id") or "",
        task=get("operation") or "",
        interval_ms=interval if 0 <= interval <= UINT_MAX else 0,
        call=_number(get("call-id"), -1),
        rc=parse_int(get("rc-code")),
        status=parse_int(get("op-status")),
        key=get("operation_key") or get("id") or "",
        has_key=get("operation_key") is not None,
        target_rc=_target_rc(get("transition-key")),
        transition=_transition(get("transition-magic")),
        last_change_s=_number(get("last-rc-change"), -1),
        on_node=get("on_node") or "",
        exit_reason=get("exit-reason"),
        digest=get("op-digest"),
        restart_digest=get("op-restart-digest"),
        force_restart=get("op-force-restart"),
        secure_digest=get("op-secure-digest"),
        secure_params=get("op-secure-params"),
        feature_set=get("crm_feature_set"),
        migrate_source=get("migrate_source"),
        migrate_target=get("migrate_target"),
        exec_ms=parse_int(get("exec-time")),
        queue_ms=parse_int(get("queue-time")),
        raw_call=get("call-id"),
        raw_status=get("op-status"),
        raw_rc=get("rc-code"),
    )


@dataclass(eq=False, slots=True)
class History:
    """One `lrm_resource`: its operations in document order and, oldest first, in time (`active_range` is about those); `repeats`
    says that one is recurring, `idle` that a probe which found nothing is all there is. Shared by all runs that meet the element
    unchanged, so nothing writes to it or its entries."""

    id: str | None
    agent: tuple[str | None, str | None, str | None]
    element: etree._Element
    entries: tuple[HistoryEntry, ...]
    ordered: tuple[HistoryEntry, ...]
    active_range: tuple[int, int]
    repeats: bool
    idle: bool

    def same_as(self, other: History) -> bool:
        """Whether both say the same."""
        return (
            (self.id, self.agent, self.active_range, self.repeats, self.idle)
            == (other.id, other.agent, other.active_range, other.repeats, other.idle)
            and [astuple(entry) for entry in self.entries] == [astuple(entry) for entry in other.entries]
            and [entry.id for entry in self.ordered] == [entry.id for entry in other.ordered]
        )


def read_history(element: etree._Element) -> History:
    """Parse one `lrm_resource`."""
    entries = [read_entry(op) for op in element.iterchildren("lrm_rsc_op")]
    ordered = in_time_order(entries)
    return History(
        id=element.get("id"),
        agent=(element.get("class"), element.get("provider"), element.get("type")),
        element=element,
        entries=tuple(entries),
        ordered=tuple(ordered),
        active_range=active_range(ordered),
        repeats=any(entry.interval_ms for entry in entries),
        idle=len(entries) == 1 and _found_nothing(entries[0]),
    )


def _found_nothing(entry: HistoryEntry) -> bool:
    return (
        entry.is_probe
        and (entry.status, entry.rc) == (DONE, RC_NOT_RUNNING)
        and bool(entry.id)
        and not entry.id.endswith("_last_failure_0")
    )


def newer(a: HistoryEntry, b: HistoryEntry) -> int:
    """1 if `a` is newer than `b`, -1 if older, 0 if nobody can tell (Pacemaker: pe__is_newer_op)."""
    same_node = a.on_node.lower() == b.on_node.lower()
    if (same_node and a.id == b.id) or (a.call == -1 and b.call == -1):
        return 0
    if same_node and 0 <= a.call < b.call:
        return -1
    if same_node and b.call >= 0 and a.call > b.call:
        return 1
    if a.call >= 0 and b.call >= 0:
        if 0 <= a.last_change_s < b.last_change_s:
            return -1
        return 1 if b.last_change_s >= 0 and a.last_change_s > b.last_change_s else 0
    return _newer_pending(a, b)


def _newer_pending(a: HistoryEntry, b: HistoryEntry) -> int:
    """One of the two is still pending: the transition tells, or else the pending one is the newer."""
    if a.transition is None or b.transition is None:
        return 0
    if a.transition[0].lower() != b.transition[0].lower() or a.transition[1] == b.transition[1]:
        # A pending operation of the same transition (or of another controller's) was started after what is complete.
        if b.call == -1:
            return -1
        return 1 if a.call == -1 else 0
    if 0 <= a.transition[1] < b.transition[1] or b.transition[1] == -1:
        return -1
    return 1


def in_time_order(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Oldest first; a stable merge over the reversed document order, as the original sorts."""
    if len(entries) < 2:
        return list(entries)
    newest_first = list(reversed(entries))
    return merge_sorted(newest_first, newer)


def active_range(entries: Sequence[HistoryEntry]) -> tuple[int, int]:
    """(start index, stop index) in `entries` (in time order): where the present activity begins, and the last good stop."""
    stop = start = -1
    monitor = promoted = -1
    for index, entry in enumerate(entries):
        if entry.task == "stop" and entry.raw_status == "0":
            stop = index
        elif entry.task in ("start", "migrate_from"):
            start = index
        elif monitor <= stop and entry.task == "monitor":
            if entry.rc in (0, 8):
                monitor = index
        elif entry.task in ("promote", "demote"):
            promoted = index
    if start == -1:
        start = promoted if promoted != -1 else monitor
    return start, stop
