"""Bounded readers and writers of bytes. Everything is big endian; nothing past a parser sees raw bytes.

A reader raises `Malformed(field, reason)` and never anything else: a length is checked against its own limit and against
what is left before it is used (corosync CVE-2025-30472 and CVE-2026-35092 are what happens otherwise).
"""

from __future__ import annotations

import struct

_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")


class Malformed(ValueError):
    """Bytes that are not what they should be: `field` names the place, `reason` the fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Reader:
    """Reads forward through `data`; every read names its field for the error. Invariant: `0 <= at <= len(data)`."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def take(self, field: str, count: int) -> bytes:
        """Exactly `count` bytes."""
        if count < 0 or count > self.left:
            raise Malformed(field, f"{count} bytes wanted, {self.left} left")
        start = self._at
        self._at += count
        return self._data[start : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take("rest", self.left)

    def u8(self, field: str, maximum: int = 0xFF) -> int:
        """One byte, at most `maximum`."""
        return self._checked(field, self.take(field, 1)[0], maximum)

    def u16(self, field: str, maximum: int = 0xFFFF) -> int:
        """Two bytes, at most `maximum`."""
        return self._checked(field, _U16.unpack(self.take(field, 2))[0], maximum)

    def u32(self, field: str, maximum: int = 0xFFFF_FFFF) -> int:
        """Four bytes, at most `maximum`."""
        return self._checked(field, _U32.unpack(self.take(field, 4))[0], maximum)

    def u64(self, field: str) -> int:
        """Eight bytes."""
        value: int = _U64.unpack(self.take(field, 8))[0]
        return value

    def blob(self, field: str, maximum: int) -> bytes:
        """A u32 length, at most `maximum`, and that many bytes."""
        return self.take(field, self.u32(field, maximum))

    def text(self, field: str, maximum: int) -> str:
        """A blob that is UTF-8."""
        try:
            return self.blob(field, maximum).decode()
        except UnicodeDecodeError as bad:
            raise Malformed(field, "not UTF-8") from bad

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise Malformed("end", f"{self.left} bytes too many")

    @staticmethod
    def _checked(field: str, value: int, maximum: int) -> int:
        if value > maximum:
            raise Malformed(field, f"{value} is over the limit of {maximum}")
        return value


class Writer:
    """Builds bytes; the twin of Reader, method by method. Each write returns the writer, so that calls chain."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> Writer:
        """The bytes as they are."""
        self._parts.append(data)
        return self

    def u8(self, value: int) -> Writer:
        """One byte."""
        self._parts.append(value.to_bytes(1, "big"))
        return self

    def u16(self, value: int) -> Writer:
        """Two bytes."""
        self._parts.append(_U16.pack(value))
        return self

    def u32(self, value: int) -> Writer:
        """Four bytes."""
        self._parts.append(_U32.pack(value))
        return self

    def u64(self, value: int) -> Writer:
        """Eight bytes."""
        self._parts.append(_U64.pack(value))
        return self

    def blob(self, data: bytes) -> Writer:
        """A u32 length and the bytes."""
        return self.u32(len(data)).raw(data)

    def text(self, value: str) -> Writer:
        """A blob of UTF-8."""
        return self.blob(value.encode())

    def done(self) -> bytes:
        """What was written."""
        return b"".join(self._parts)
