"""What the replicated machines of the members say to each other, as values and as bytes."""

from __future__ import annotations

import msgspec

from standfast.base.ids import NODES_MAX
from standfast.base.wire import Malformed
from standfast.cib.document import COUNTER_MAX, XML_BYTES_MAX, Version

PART_BYTES_MAX = 512 * 1024
PARTS_MAX = XML_BYTES_MAX // PART_BYTES_MAX + 2
MESSAGE_BYTES_MAX = PART_BYTES_MAX + 4096
DIGEST_CHARS = 64
UNSIGNED_MAX = 2**64 - 1


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """The last change that was taken from a node in one life of its manager."""

    node: int
    session: int
    number: int


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """In round `round` of view `view` the sender holds this document.

    `round` is (0, 0, 0) for the first of a view. A manager that comes into a running view names a new one by its own node,
    `session` and `serial`, and everybody says Hello again. `session` tells one life of the sender from the next, `serial`
    counts its Hellos. `lineage` is the sequence of the last quorate view that the document was agreed in, `agreed` the
    admin_epoch and epoch that enough managers had come to with it (None from an older version: all of it). `is_live`: its
    status section is of now; False for one from the disk. `absent` are the members whose managers are not there, as far as
    the sender knows; `taken` the last change from each node.
    """

    view: int
    round: tuple[int, int, int]
    session: int
    serial: int
    lineage: int
    version: tuple[int, int, int]
    digest: str
    is_live: bool
    absent: tuple[int, ...] = ()
    taken: tuple[Taken, ...] = ()
    agreed: tuple[int, int] | None = None

    @property
    def numbers(self) -> Version:
        """The version as a Version."""
        return Version(*self.version)


class SnapshotPart(msgspec.Struct, frozen=True, tag="part"):
    """Part `index` of `count` of the packed document with this digest, for all who have another one."""

    view: int
    digest: str
    index: int
    count: int
    data: bytes


Message = Hello | SnapshotPart

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(Hello | SnapshotPart)


def encode_message(message: Message) -> bytes:
    """The message's bytes."""
    return _ENCODE(message)


def decode_message(data: bytes) -> Message:
    """The message in `data`. Raises Malformed on anything that a machine would not say."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise Malformed("cib message", f"{len(data)} bytes are over the limit of {MESSAGE_BYTES_MAX}")
    try:
        message: Message = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise Malformed("cib message", str(bad)[:200]) from None
    _bounded("view", message.view, UNSIGNED_MAX)
    if len(message.digest) != DIGEST_CHARS:
        raise Malformed("digest", f"{len(message.digest)} characters")
    if isinstance(message, Hello):
        _bounded("session", message.session, UNSIGNED_MAX)
        _bounded("serial", message.serial, UNSIGNED_MAX)
        _bounded("lineage", message.lineage, UNSIGNED_MAX)
        for number in (*message.version, *(message.agreed or ())):
            _bounded("version", number, COUNTER_MAX)
        _bounded("taken", len(message.taken), NODES_MAX)
        _bounded("absent", len(message.absent), NODES_MAX)
    else:
        _bounded("count", message.count, PARTS_MAX)
        _bounded("index", message.index, message.count - 1)
        _bounded("part", len(message.data), PART_BYTES_MAX)
    return message


def _bounded(field: str, value: int, maximum: int) -> None:
    if not 0 <= value <= maximum:
        raise Malformed(field, f"{value} is not in 0 .. {maximum}")
