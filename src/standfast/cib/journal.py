"""The journal: how a configuration survives. Records to bytes, bytes to the newest record, and when to start the file anew.

Each record holds the whole configuration (packed; some kilobytes), not the change that led to it. So one good record is all that
recovery needs: no replay, no dependence on an older program's idea of an operation, and rot in the middle of the file costs
nothing. Writing it whole costs no more than the fsync around it: changes of the configuration are rare. Status is not recorded:
it says what is the case now, and after a restart that has to be found out anyway.

Version numbers never go back although most num_updates are not recorded: they are used in blocks of BLOCK, and a record is
written before the first number of a block is. After a start, counting goes on with the next block, above all that the forgotten
status updates can have used. (Raising the epoch instead would be simpler, but then the node that starts most often had the newest
configuration.)

Record: magic, payload length, serial (big endian), SHA-256 of all that and the payload cut to 16 bytes, payload. A cryptographic
sum costs microseconds here and never lets a rotten record pass, which a CRC over megabytes does not promise. Digest and
document are in one record: Pacemaker's two files, renamed one after the other, can be parted by a power cut (cib_file.c).
"""

from __future__ import annotations

import hashlib
import struct

import msgspec

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, error, warning
from standfast.base.wire import Malformed
from standfast.cib.document import COUNTER_MAX, XML_BYTES_MAX, Cib, Version
from standfast.cib.effects import Append, Rewrite
from standfast.cib.packing import pack, unpack
from standfast.cib.refusal import Exit, refused

MAGIC = b"\x89SFJ"
SUM_BYTES = 16
PAYLOAD_BYTES_MAX = XML_BYTES_MAX + 4096
COMPACT_BYTES = 4 * 1024 * 1024
"""The file is started anew when it would grow over this, and over COMPACT_RECORDS times the record to be written."""
COMPACT_RECORDS = 8
JOURNAL_BYTES_MAX = COMPACT_RECORDS * 2 * PAYLOAD_BYTES_MAX
"""No journal of ours is larger: what the runtime may refuse to read."""

BLOCK = 65536
"""num_updates in one block; 32767 blocks fit under COUNTER_MAX, then the epoch carries."""

_HEAD = struct.Struct("!4sIQ")


class Saved(msgspec.Struct, frozen=True):
    """The payload: `xml` is a CIB with an empty status section, `lineage` and `agreed` as in messages.Hello."""

    lineage: int
    xml: bytes
    agreed: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal held. `lost_bytes` could not be read (a write that a crash cut off; `reports` says more when it is worse);
    `size_bytes` is the length of the file, `serial` the newest record's."""

    cib: Cib
    lineage: int
    serial: int
    size_bytes: int
    lost_bytes: int
    reports: tuple[Report, ...] = ()
    agreed: tuple[int, int] | None = None


def block_of(version: Version) -> int:
    """The number of the block that a version's num_updates lies in."""
    return version.num_updates // BLOCK


def after_block(version: Version) -> Version:
    """The first version of the next block, or the next epoch where there is none."""
    first = (block_of(version) + 1) * BLOCK
    if first > COUNTER_MAX:
        return version.after_configuration()
    return Version(version.admin_epoch, version.epoch, first)


def encode_record(serial: int, lineage: int, xml: bytes, agreed: tuple[int, int] | None = None) -> bytes:
    """One record."""
    payload = pack(msgspec.msgpack.encode(Saved(lineage, xml, agreed)))
    head = _HEAD.pack(MAGIC, len(payload), serial)
    return head + _sum(head, payload) + payload


def recover(data: bytes) -> Recovered | None:
    """The newest good record of a journal; None for an empty one. Raises Refused (fail closed) when there are bytes but no good
    record, or when the newest does not hold a CIB: a node that forgot must not pass for one that never knew.

    A first record cut off by a crash cannot be: the file is begun by writing aside and renaming.
    """
    if not data:
        return None
    best: tuple[int, bytes] | None = None
    at, good, tail = 0, 0, 0
    while (at := data.find(MAGIC, at)) >= 0:
        record = _record_at(data, at)
        if record is None:
            at += 1
            continue
        serial, payload, end = record
        good += end - at
        at = tail = end
        if best is None or serial >= best[0]:
            best = (serial, payload)
    lost = len(data) - good
    if best is None:
        raise _unreadable("no record of it is whole")
    return _opened(best[0], best[1], len(data), lost, tail)


def _opened(serial: int, payload: bytes, size: int, lost: int, tail: int) -> Recovered:
    try:
        saved = msgspec.msgpack.decode(unpack(payload, PAYLOAD_BYTES_MAX), type=Saved)
        cib = Cib.adopt(saved.xml)
    except (Malformed, msgspec.DecodeError) as bad:
        raise _unreadable(str(bad)) from None
    reports: list[Report] = []
    if lost > size - tail:
        what = f"the CIB journal is damaged: {lost} of {size} bytes are no record"
        reports.append(error("cib.journal-damaged", what, "the newest record is whole", "check this disk"))
    elif lost:
        what = f"the last {lost} bytes of the CIB journal are no whole record"
        reports.append(warning("cib.journal-cut", what, "a write was cut off; nothing that was acknowledged is in it"))
    return Recovered(cib, saved.lineage, serial, size, lost, tuple(reports), saved.agreed)


def _record_at(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """(serial, payload, end) of the record that begins at `at`, if it is whole."""
    body = at + _HEAD.size + SUM_BYTES
    if body > len(data):
        return None
    _, length, serial = _HEAD.unpack_from(data, at)
    if length > PAYLOAD_BYTES_MAX or body + length > len(data):
        return None
    payload = data[body : body + length]
    head = data[at : at + _HEAD.size]
    if data[at + _HEAD.size : body] != _sum(head, payload):
        return None
    return serial, payload, body + length


def _sum(head: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(head + payload).digest()[:SUM_BYTES]


def _unreadable(why: str) -> Exception:
    return refused(
        "journal-unreadable", Exit.CONFIG, "the CIB journal cannot be read", why,
        "restore it from a backup, or move it away to take the CIB of the other nodes",
    )  # fmt: skip


class JournalPlan:
    """Decides between appending and starting anew. Invariant: serials grow; the file's size is known, or 0 for one to be
    begun."""

    __slots__ = ("_serial", "_size_bytes")

    def __init__(self, recovered: Recovered | None) -> None:
        self._serial = recovered.serial if recovered else 0
        # A file with something unreadable in it is not continued.
        self._size_bytes = recovered.size_bytes if recovered and not recovered.lost_bytes else 0

    def write(self, lineage: int, xml: bytes, agreed: tuple[int, int] | None = None) -> Append | Rewrite:
        """The effect that makes `xml` durable."""
        self._serial += 1
        record = encode_record(self._serial, lineage, xml, agreed)
        grown = self._size_bytes + len(record)
        if self._size_bytes and grown <= max(COMPACT_BYTES, COMPACT_RECORDS * len(record)):
            self._size_bytes = grown
            return Append(record)
        self._size_bytes = len(record)
        return Rewrite(record)
