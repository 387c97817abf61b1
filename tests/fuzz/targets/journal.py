"""The journal: as bytes of a disk, and as records of a damaged program whose sums are right.

The first byte says which: 0 takes the rest as the payload of a whole record, anything else takes it as the file.
"""

from __future__ import annotations

import contextlib

from standfast.base.report import Refused
from standfast.cib.document import Cib
from standfast.cib.journal import _HEAD, MAGIC, JournalPlan, _sum, encode_record, recover

GOOD = encode_record(1, 7, Cib.empty().without_status())
MEMORY_MB = 192
"""A record may hold 32 MiB of XML, which 64 KiB of zlib can stand for; it is opened into a bounded buffer and then parsed."""
CPU_MS = 1500
"""For the same reason: parsing 32 MiB takes a second."""


def one(data: bytes) -> None:
    """One input."""
    if data[:1] == b"\0":
        head = _HEAD.pack(MAGIC, len(data) - 1, 2)
        data = head + _sum(head, data[1:]) + data[1:]
    with contextlib.suppress(Refused):
        _recovered(data)
    _recovered(GOOD + data)  # what stands before is never lost, unless a newer record is whole


def _recovered(data: bytes) -> None:
    found = recover(data)
    if found is not None:
        found.cib.check()
        assert found.size_bytes == len(data)
        assert 0 <= found.lost_bytes <= len(data)
        JournalPlan(found).write(found.lineage, found.cib.without_status())
