"""What the managers' ends of one Corosync process group say to each other, in CPG's total order: frames of one type byte and a
body.

Owns: the format and its limits. Does not own: what a frame means (corosync.py). The members are of one release or of neighbours:
a frame that does not decode is counted and passed over. Corosync has authenticated its sender (totem's crypto).
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from standfast.base.ids import NODES_MAX, NodeId
from standfast.base.wire import Malformed
from standfast.engine.api import ViewId
from standfast.engine.messages import EntryKind

SEGMENT_BYTES = 64 * 1024
"""Payload bytes in one frame: far below what CPG takes as one piece (1 MiB), so that it never cuts, which would cost it a
second."""

FRAME_BYTES_MAX = SEGMENT_BYTES + 64 * 1024
_DATA = struct.Struct("!BQIIBB")
_DATA_TYPE = 0

ViewKey = tuple[int, int]
"""A ViewId as it travels: (seq, coordinator); (0, 0) is no view."""


class Data(msgspec.Struct, frozen=True):
    """A segment of a message, in the view that its sender was in."""

    view: ViewId
    number: int
    kind: EntryKind
    is_last: bool
    data: bytes


class State(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """What a process knows when the group has changed. `group` names the membership that it speaks about, `trail` how it came
    from its view to here; `count` messages were delivered to it in its view. `away` are members of that view whose manager is
    gone while their host lives, `absent` those that were told to be absent; `barred` are processes that do not answer."""

    group: bytes
    highest: int
    view: ViewKey
    members: tuple[int, ...]
    count: int
    trail: bytes
    away: tuple[int, ...]
    absent: tuple[int, ...]
    barred: tuple[tuple[int, int], ...]


class Beat(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A sign of life in a view, sent at `sent_us` of the sender's clock. `echoes`: (node, the latest `sent_us` of its that was
    delivered to this sender in this view). `count` messages of the view were delivered."""

    view: ViewKey
    sent_us: int
    count: int
    echoes: tuple[tuple[int, int], ...]


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The sender holds the first `count` messages of the view."""

    view: ViewKey
    count: int


class Missing(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The manager of `node` is gone, or silent, beyond what is waited for."""

    view: ViewKey
    node: int


class Bar(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """These processes have not said their State for this membership in time: the others go on without them."""

    group: bytes
    processes: tuple[tuple[int, int], ...]


Frame = Data | State | Beat | Ack | Missing | Bar
_SMALL = State | Beat | Ack | Missing | Bar
_SMALL_TYPE = 1
_DECODER: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_SMALL)
_ENCODER = msgspec.msgpack.Encoder()


def encode(frame: Frame) -> bytes:
    """A whole frame."""
    if isinstance(frame, Data):
        view = frame.view
        return _DATA.pack(_DATA_TYPE, view.seq, view.coordinator, frame.number, frame.kind, frame.is_last) + frame.data
    return bytes([_SMALL_TYPE]) + _ENCODER.encode(frame)


def decode(data: bytes) -> Frame:
    """The frame in `data`; raises Malformed."""
    if not data or len(data) > FRAME_BYTES_MAX:
        raise Malformed("frame.length", f"{len(data)} is outside 1..{FRAME_BYTES_MAX}")
    if data[0] == _DATA_TYPE:
        return _data(data)
    if data[0] != _SMALL_TYPE:
        raise Malformed("frame.type", f"unknown type {data[0]}")
    try:
        frame: Frame = _DECODER.decode(data[1:])
    except msgspec.DecodeError as bad:
        raise Malformed("frame.body", str(bad)) from bad
    if isinstance(frame, State) and max(len(frame.members), len(frame.away), len(frame.absent), len(frame.barred)) > NODES_MAX:
        raise Malformed("frame.state", f"a list is longer than {NODES_MAX}")
    if isinstance(frame, Beat) and len(frame.echoes) > NODES_MAX:
        raise Malformed("frame.beat", f"more than {NODES_MAX} echoes")
    return frame


def _data(data: bytes) -> Data:
    if len(data) < _DATA.size:
        raise Malformed("frame.data", f"{len(data)} bytes, {_DATA.size} are the least")
    _, seq, coordinator, number, kind, is_last = _DATA.unpack_from(data)
    if kind not in (EntryKind.DATA,) or is_last > 1 or len(data) - _DATA.size > SEGMENT_BYTES:
        raise Malformed("frame.data", "no such kind, or too long")
    return Data(ViewId(seq, NodeId(coordinator)), number, EntryKind.DATA, bool(is_last), data[_DATA.size :])
