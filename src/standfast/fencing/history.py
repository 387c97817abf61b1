"""What was fenced: every node's list, newest first, bounded. Invariant (`check`): ids are unique, and it is never too long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from standfast.fencing.api import Phase, Record

RECORDS_MAX = 500
"""As many as Pacemaker keeps (MAX_STONITH_HISTORY)."""


class History:
    """See the module."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def note(self, record: Record) -> None:
        """A fencing began or ended. What has ended never begins again, and it began when it did."""
        old = self._records.get(record.id)
        if old is not None and old.phase is not Phase.PENDING and record.phase is Phase.PENDING:
            return
        self._records[record.id] = record if old is None else replace(record, began_s=min(old.began_s, record.began_s))
        while len(self._records) > RECORDS_MAX:
            del self._records[self._oldest()]

    def merge(self, records: Iterable[Record]) -> None:
        """What another node knows."""
        for record in records:
            self.note(record)

    def close(self, now_s: int, reason: str, *, but: frozenset[str] = frozenset()) -> None:
        """Whatever is pending will not be answered any more."""
        for record in list(self._records.values()):
            if record.phase is Phase.PENDING and record.id not in but:
                self._records[record.id] = replace(record, phase=Phase.FAILED, completed_s=now_s, reason=reason)

    def forget(self, target: str = "") -> None:
        """Drop what has ended: of one target, or all."""
        for record in list(self._records.values()):
            if target in ("", record.target) and record.phase is not Phase.PENDING:
                del self._records[record.id]

    def records(self, target: str = "") -> tuple[Record, ...]:
        """Those of a target, or all: pending ones first, then the newest."""
        found = [r for r in self._records.values() if target in ("", r.target)]
        return tuple(sorted(found, key=lambda r: (r.phase is not Phase.PENDING, -r.completed_s, -r.began_s)))

    def check(self) -> None:
        """Assert the invariant."""
        assert len(self._records) <= RECORDS_MAX
        assert all(key == record.id for key, record in self._records.items())

    def _oldest(self) -> str:
        ended = [r for r in self._records.values() if r.phase is not Phase.PENDING] or list(self._records.values())
        return min(ended, key=lambda r: (r.completed_s, r.began_s, r.id)).id
