"""Bytes made smaller when that pays, with a limit on what they may grow to when they are opened again.

XML of a CIB shrinks to a tenth. The first byte says which it is: 0 as it was, 1 zlib. An opened text is cut off at its limit
while it grows, so that a small message cannot fill the memory.
"""

from __future__ import annotations

import zlib

from standfast.base.wire import Malformed

SMALL_BYTES = 4096
"""Below this, compression gains less than it costs."""

LEVEL = 1  # a third of the time of level 6 for a tenth more bytes, measured on CIBs

_PLAIN, _ZLIB = b"\0", b"\1"


def pack(data: bytes) -> bytes:
    """The data, compressed if it is long."""
    if len(data) < SMALL_BYTES:
        return _PLAIN + data
    return _ZLIB + zlib.compress(data, LEVEL)


def unpack(data: bytes, limit_bytes: int) -> bytes:
    """The data as it was. Raises Malformed when it is none of ours or grows over the limit."""
    kind, body = data[:1], data[1:]
    if kind == _PLAIN:
        if len(body) > limit_bytes:
            raise Malformed("packed", f"{len(body)} bytes are over the limit of {limit_bytes}")
        return body
    if kind != _ZLIB:
        raise Malformed("packed", "an unknown kind of packing")
    opener = zlib.decompressobj()
    try:
        plain = opener.decompress(body, limit_bytes + 1)
    except zlib.error as bad:
        raise Malformed("packed", str(bad)) from None
    if len(plain) > limit_bytes:
        raise Malformed("packed", f"grows over the limit of {limit_bytes} bytes")
    if not opener.eof or opener.unused_data:
        raise Malformed("packed", "cut short, or with something behind it")
    return plain
