"""What Standfast keeps in etcd: a key for each living node, one for the view in force, and one per node for what it says last.

    PREFIX/nodes/ID   Node, bound to the node's lease: gone when the lease runs out or is given back
    PREFIX/view       Record, replaced by compare-and-swap
    PREFIX/said/ID    Batch, overwritten again and again: its history, in the order of revisions, is the order of messages

Owns: these keys and values, and their limits. Does not own: what they mean (etcd.py).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from standfast.base.ids import NODES_MAX, NodeId
from standfast.base.wire import Malformed

VALUE_BYTES_MAX = (1 << 20) + 4096
"""Below etcd's own limit for a request (1.5 MiB by default)."""

BATCH_BYTES_MAX = 1 << 20
BATCH_MESSAGES_MAX = 1024

T = TypeVar("T")


class Node(msgspec.Struct, frozen=True, array_like=True):
    """One life of a node's manager: `boot` is new in each."""

    boot: int


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A view: its number, the node that wrote it, and (node, boot) of its members, sorted."""

    seq: int
    writer: int
    members: tuple[tuple[int, int], ...]


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Messages of one sender in view `seq`; `number` counts its batches in that view from 1: one that comes twice is known by
    it."""

    seq: int
    number: int
    payloads: tuple[bytes, ...]


_ENCODE = msgspec.msgpack.Encoder().encode


def encode(value: Node | Record | Batch) -> bytes:
    """A value's bytes."""
    return _ENCODE(value)


def decode(kind: type[T], data: bytes) -> T:
    """A value of this kind; raises Malformed."""
    if len(data) > VALUE_BYTES_MAX:
        raise Malformed("etcd.value", f"{len(data)} bytes, {VALUE_BYTES_MAX} are the limit")
    try:
        value = msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as bad:
        raise Malformed("etcd.value", str(bad)) from bad
    if isinstance(value, Record) and len(value.members) > NODES_MAX:
        raise Malformed("etcd.view", f"{len(value.members)} members, {NODES_MAX} are the limit")
    return value


def node_key(prefix: str, node: NodeId) -> str:
    """The key of a living node."""
    return f"{prefix}/nodes/{node}"


def view_key(prefix: str) -> str:
    """The key of the view in force."""
    return f"{prefix}/view"


def said_key(prefix: str, node: NodeId) -> str:
    """The key of what a node says."""
    return f"{prefix}/said/{node}"


def meaning(prefix: str, key: str) -> tuple[str, NodeId]:
    """("nodes" | "said", node), ("view", 0), or ("", 0) for a key that is not ours."""
    rest = key.removeprefix(f"{prefix}/") if key.startswith(f"{prefix}/") else ""
    if rest == "view":
        return "view", NodeId(0)
    kind, _, number = rest.partition("/")
    if kind in {"nodes", "said"} and number.isascii() and number.isdecimal() and 0 < len(number) < 11:
        return kind, NodeId(int(number))
    return "", NodeId(0)
