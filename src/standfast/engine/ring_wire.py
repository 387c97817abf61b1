"""The private line between engine and manager: frames of `u32 length, u8 kind, msgpack body`, both ways, over a Unix stream.

Both ends are the same release on one host, so the format carries no version; a frame that does not decode ends the connection.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from standfast.base.wire import Malformed
from standfast.engine.api import (
    PAYLOAD_BYTES_MAX,
    Alive,
    Attach,
    Broadcast,
    ClientAbsent,
    ClientEvent,
    ClientRequest,
    Congested,
    Delivered,
    Leave,
    Pulse,
    QuorumChanged,
    Stable,
    ViewInstalled,
)

FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + 64 * 1024
HEADER_BYTES = 4

_EVENTS: tuple[type[Any], ...] = (ViewInstalled, QuorumChanged, Delivered, Stable, ClientAbsent, Pulse, Congested)
_REQUESTS: tuple[type[Any], ...] = (Attach, Broadcast, Alive, Leave)
_DECODERS: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {kind: msgspec.msgpack.Decoder(kind) for kind in _EVENTS + _REQUESTS}
_ENCODER = msgspec.msgpack.Encoder()

T = TypeVar("T")


def encode_event(event: ClientEvent) -> bytes:
    """A whole frame, length included."""
    return _frame(_EVENTS, event)


def encode_request(request: ClientRequest) -> bytes:
    """A whole frame, length included."""
    return _frame(_REQUESTS, request)


def decode_event(body: bytes) -> ClientEvent:
    """The body of a frame from the engine; raises Malformed."""
    event: ClientEvent = _open(_EVENTS, body)
    return event


def decode_request(body: bytes) -> ClientRequest:
    """The body of a frame from the manager; raises Malformed."""
    request: ClientRequest = _open(_REQUESTS, body)
    return request


class FrameBuffer:
    """Cuts a byte stream into frame bodies. Invariant: what is kept is shorter than one frame."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes; returns the bodies that are complete now. Raises Malformed on a length over the limit."""
        self._data += data
        bodies: list[bytes] = []
        at = 0
        while len(self._data) - at >= HEADER_BYTES:
            length = int.from_bytes(self._data[at : at + HEADER_BYTES], "big")
            if not 1 <= length <= FRAME_BYTES_MAX:
                raise Malformed("frame.length", f"{length} is outside 1..{FRAME_BYTES_MAX}")
            end = at + HEADER_BYTES + length
            if end > len(self._data):
                break
            bodies.append(bytes(self._data[at + HEADER_BYTES : end]))
            at = end
        del self._data[:at]
        return bodies


def _frame(kinds: tuple[type[Any], ...], value: object) -> bytes:
    body = bytes([kinds.index(type(value))]) + _ENCODER.encode(value)
    assert len(body) <= FRAME_BYTES_MAX, "a frame over the limit was built"
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def _open(kinds: tuple[type[Any], ...], body: bytes) -> Any:
    if not body or body[0] >= len(kinds):
        raise Malformed("frame.kind", "unknown kind")
    try:
        return _DECODERS[kinds[body[0]]].decode(body[1:])
    except msgspec.DecodeError as bad:  # ValidationError is one of its kind
        raise Malformed("frame.body", str(bad)) from bad
