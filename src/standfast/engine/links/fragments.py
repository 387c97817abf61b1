"""Fragments: messages larger than a datagram are cut here and put together again.

Owns: the cut, the bounded reassembly of one peer. Does not own: loss (ordering/ sends again), order, sealing.

A message is named by a hash of its bytes. So when ordering/ sends the very same bytes again, the second sending fills the
holes of the first instead of starting over: with 800 fragments and 1 % loss no single sending would ever arrive whole.

Layout inside a sealed datagram, after the kind: id u64, count u16, index u16, total u32, bytes.
"""

from __future__ import annotations

import hashlib
import struct

from standfast.base.wire import Malformed

MESSAGE_BYTES_MAX = (1 << 20) + (64 << 10)
"""A client's largest message (1 MiB) and 64 KiB for what the rooms above put around it."""

FRAGMENTS_MAX = 8192
PARTIALS_MAX = 64
PARTIAL_BYTES_MAX = 4 << 20
PARTIAL_AGE_US_MAX = 10_000_000
"""Reassembly of one peer: messages begun, bytes held, and how long a message may lie unfinished since its last fragment."""

_HEAD = struct.Struct("!QHHI")
FRAGMENT_HEAD_BYTES = _HEAD.size


def split(data: bytes, room: int) -> tuple[bytes, ...]:
    """Cut `data` into fragments of at most `room` bytes each, head included."""
    assert len(data) <= MESSAGE_BYTES_MAX
    step = room - FRAGMENT_HEAD_BYTES
    count = -(-len(data) // step)
    assert 0 < count <= FRAGMENTS_MAX, (len(data), room)
    name = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
    return tuple(_HEAD.pack(name, count, index, len(data)) + data[index * step : (index + 1) * step] for index in range(count))


class Partial:
    """A message that is not whole yet."""

    __slots__ = ("held_bytes", "missing", "parts", "total", "touched_us")

    def __init__(self, count: int, total: int) -> None:
        self.parts: list[bytes | None] = [None] * count
        self.missing = count
        self.total = total
        self.held_bytes = 0
        self.touched_us = 0


class Assembly:
    """Puts one peer's fragments together.

    Invariant: at most PARTIALS_MAX messages and PARTIAL_BYTES_MAX bytes are held; when more comes, what was touched longest
    ago goes first. `partials` is in the order of the last touch.
    """

    __slots__ = ("dropped", "held_bytes", "partials")

    def __init__(self) -> None:
        self.partials: dict[tuple[int, int, int], Partial] = {}
        self.held_bytes = 0
        self.dropped = 0

    def add(self, now_us: int, fragment: bytes) -> bytes | None:
        """Take one fragment; gives the message when it has become whole.

        Raises Malformed for a fragment that cannot be right (nothing has changed then), and when the parts do not make the
        message that was announced (they are forgotten then).
        """
        name, count, index, total, body = _read(fragment)
        key = (name, count, total)
        partial = self.partials.get(key)
        if partial is None:
            partial = Partial(count, total)
        elif partial.parts[index] is not None:
            return None
        if partial.held_bytes + len(body) > total:
            raise Malformed("fragment", f"more than the {total} bytes it announced")
        self.partials.pop(key, None)
        partial.parts[index] = body
        partial.missing -= 1
        partial.held_bytes += len(body)
        partial.touched_us = now_us
        self.held_bytes += len(body)
        if not partial.missing:
            self.held_bytes -= partial.held_bytes
            return _whole(partial, name)
        self.partials[key] = partial
        self._shed(now_us)
        return None

    def clear(self) -> None:
        """Forget what is not whole: the peer has restarted."""
        self.dropped += len(self.partials)
        self.partials.clear()
        self.held_bytes = 0

    def _shed(self, now_us: int) -> None:
        for key in list(self.partials):
            oldest = self.partials[key]
            aged = now_us - oldest.touched_us > PARTIAL_AGE_US_MAX
            if not aged and len(self.partials) <= PARTIALS_MAX and self.held_bytes <= PARTIAL_BYTES_MAX:
                return
            del self.partials[key]
            self.held_bytes -= oldest.held_bytes
            self.dropped += 1

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        assert len(self.partials) <= PARTIALS_MAX
        assert 0 <= self.held_bytes <= PARTIAL_BYTES_MAX
        assert self.held_bytes == sum(p.held_bytes for p in self.partials.values())


def _read(fragment: bytes) -> tuple[int, int, int, int, bytes]:
    if len(fragment) <= FRAGMENT_HEAD_BYTES:
        raise Malformed("fragment", f"{len(fragment)} bytes are too short")
    name, count, index, total = _HEAD.unpack_from(fragment)
    if not 0 < count <= FRAGMENTS_MAX:
        raise Malformed("fragment.count", f"{count} is not 1 .. {FRAGMENTS_MAX}")
    if index >= count:
        raise Malformed("fragment.index", f"{index} of {count}")
    if not count <= total <= MESSAGE_BYTES_MAX:
        raise Malformed("fragment.total", f"{total} is not {count} .. {MESSAGE_BYTES_MAX}")
    return name, count, index, total, fragment[FRAGMENT_HEAD_BYTES:]


def _whole(partial: Partial, name: int) -> bytes:
    data = b"".join(part for part in partial.parts if part is not None)
    # The hash is the last word: two sendings cut at different sizes, or a peer that lies, can't give a message nobody sent.
    if len(data) != partial.total or hashlib.blake2b(data, digest_size=8).digest() != name.to_bytes(8, "big"):
        raise Malformed("fragment", "the parts do not make the message that was announced")
    return data
