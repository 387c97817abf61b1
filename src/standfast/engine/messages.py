"""The wire between engines: packets of records, inside what links/ has opened and believed.

Owns: the bytes of every record. Does not own: what a record leads to, sealing, fragments.

A packet is `u8 version, u64 boot of the sender's engine`, then records `u8 kind, u32 length, body`. A packet that does not parse
is dropped as a whole: its sender holds the key and should know better, so it is counted and named.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from standfast.base.ids import NODES_MAX, NodeId
from standfast.base.wire import Malformed, Reader, Writer
from standfast.engine.api import ViewId
from standfast.engine.quorum.votes import PeerVotes, read_peer_votes, write_peer_votes

VERSION = 1
HEAD = struct.Struct("!BQ")
RECORD_HEAD = struct.Struct("!BI")
ROWS_MAX = 2 * NODES_MAX
HOLES_MAX = 8
SEQ_MAX = 1 << 60
"""No honest cluster gets there (a view each microsecond for 36,000 years); a dishonest one cannot make us count beyond it."""

NO_VIEW = ViewId(0, NodeId(0))
"""Before the first view."""


class Life(NamedTuple):
    """One life of a node: its id, and the number that its engine drew when it started."""

    node: NodeId
    boot: int


class EntryKind(IntEnum):
    """What an ordered entry is: a client's segment, a manager's absence, an operator's order."""

    DATA = 0
    ABSENT = 1
    ADJUST = 2


class Beat(Struct, frozen=True):
    """A heartbeat. `sent_us` by the sender's clock; `echo_us` is the newest `sent_us` it has from the receiver, `held_us` how
    long ago that came; `view` and `promised` are where it stands; `digest` sums up the rows it knows. `wants_answer`: a probe."""

    wants_answer: bool
    sent_us: int
    echo_us: int
    held_us: int
    view: ViewId
    promised: ViewId
    digest: int


class Row(Struct, frozen=True):
    """Whom one life hears, and the view that it is in with all who are in it: its own account, the newest `version` counts."""

    life: Life
    version: int
    hears: tuple[Life, ...]
    view: ViewId = NO_VIEW
    members: tuple[Life, ...] = ()


class Gossip(Struct, frozen=True):
    """All rows that the sender knows."""

    rows: tuple[Row, ...]


class Propose(Struct, frozen=True):
    """The coordinator of `id` asks the members to stop where they are and to say where that is."""

    id: ViewId
    members: tuple[Life, ...]


class Accept(Struct, frozen=True):
    """A member has stopped: it holds its `old` view's entries up to `held`. `votes` is what quorum wants to know of it."""

    id: ViewId
    old: ViewId
    held: int
    votes: PeerVotes


class Refuse(Struct, frozen=True):
    """A member cannot accept `id`: it has promised `promised` (higher), or it does not hear a member (then it gossips)."""

    id: ViewId
    promised: ViewId


class Recover(Struct, frozen=True):
    """A member lacks entries of its `old` view up to `cut`, and `holder` has them."""

    id: ViewId
    old: ViewId
    cut: int
    holder: NodeId


class Ready(Struct, frozen=True):
    """The member now holds its old view's entries up to the cut."""

    id: ViewId


class Origin(Struct, frozen=True):
    """A member of a new view and the view it comes from, with the `cut` at which that one ended."""

    life: Life
    old: ViewId
    cut: int
    votes: PeerVotes


class Install(Struct, frozen=True):
    """The view `id` begins."""

    id: ViewId
    origins: tuple[Origin, ...]


class Fetch(Struct, frozen=True):
    """Send me the entries `first..last` of `view` again."""

    view: ViewId
    first: int
    last: int


class Submit(Struct, frozen=True):
    """A member's segment for the coordinator to order; `number` counts the sender's segments in the view from 1."""

    view: ViewId
    number: int
    kind: EntryKind
    is_last: bool
    data: bytes


class Entry(Struct, frozen=True):
    """One ordered segment: `seq` counts from 1 in the view, over all senders."""

    view: ViewId
    seq: int
    sender: NodeId
    number: int
    kind: EntryKind
    is_last: bool
    data: bytes


class Ack(Struct, frozen=True):
    """The sender holds everything up to `held`, and lacks `holes` (first, last) below what it has seen."""

    view: ViewId
    held: int
    holes: tuple[tuple[int, int], ...]


class Progress(Struct, frozen=True):
    """From the coordinator: all members hold everything up to `stable`."""

    view: ViewId
    stable: int


class Leaving(Struct, frozen=True):
    """The sender leaves politely, now. `is_answer`: I have heard that you leave."""

    is_answer: bool


Record = Beat | Gossip | Propose | Accept | Refuse | Recover | Ready | Install | Fetch | Submit | Entry | Ack | Progress | Leaving

# ---- the busy formats -----------------------------------------------------------------------------------------------

_BEAT = struct.Struct("!BQQIQIQII")
_SUBMIT = struct.Struct("!QIQBB")
_ENTRY = struct.Struct("!QIQIQBB")
_ACK = struct.Struct("!QIQB")
_VIEW = struct.Struct("!QI")
_LIFE = struct.Struct("!IQ")

ENTRY_OVERHEAD_BYTES = HEAD.size + RECORD_HEAD.size + _ENTRY.size
"""What an entry of n bytes costs in a packet, above its n bytes."""


def _write_beat(b: Beat) -> bytes:
    held_us = min(b.held_us, 0xFFFF_FFFF)
    v, p = b.view, b.promised
    return _BEAT.pack(b.wants_answer, b.sent_us, b.echo_us, held_us, v.seq, v.coordinator, p.seq, p.coordinator, b.digest)


def _read_beat(body: bytes) -> Beat:
    if len(body) != _BEAT.size:
        raise Malformed("beat", f"{len(body)} bytes instead of {_BEAT.size}")
    wants, sent_us, echo_us, held_us, vs, vc, ps, pc, digest = _BEAT.unpack(body)
    view = _id(vs, vc)
    promised = view if ps == vs and pc == vc else _id(ps, pc)
    return Beat(_flag("beat.answer", wants), sent_us, echo_us, held_us, view, promised, digest)


def _write_submit(m: Submit) -> bytes:
    return _SUBMIT.pack(m.view.seq, m.view.coordinator, m.number, m.kind, m.is_last) + m.data


def _read_submit(r: Reader) -> Submit:
    seq, coordinator, number, kind, is_last = _SUBMIT.unpack(r.take("submit", _SUBMIT.size))
    return Submit(_id(seq, coordinator), number, _kind(kind), _flag("submit.last", is_last), r.rest())


def _write_entry(m: Entry) -> bytes:
    return _ENTRY.pack(m.view.seq, m.view.coordinator, m.seq, m.sender, m.number, m.kind, m.is_last) + m.data


def _read_entry(r: Reader) -> Entry:
    vs, vc, seq, sender, number, kind, is_last = _ENTRY.unpack(r.take("entry", _ENTRY.size))
    view = _id(vs, vc)
    return Entry(view, seq, NodeId(sender), number, _kind(kind), _flag("entry.last", is_last), r.rest())


def _write_ack(m: Ack) -> bytes:
    body = _ACK.pack(m.view.seq, m.view.coordinator, m.held, len(m.holes))
    return body + b"".join(_RANGE.pack(first, last) for first, last in m.holes)


_RANGE = struct.Struct("!QQ")


def _read_ack(r: Reader) -> Ack:
    seq, coordinator, held, count = _ACK.unpack(r.take("ack", _ACK.size))
    if count > HOLES_MAX:
        raise Malformed("ack.holes", f"{count} is over the limit of {HOLES_MAX}")
    holes = tuple(_RANGE.unpack(r.take("ack.hole", _RANGE.size)) for _ in range(count))
    return Ack(_id(seq, coordinator), held, tuple((first, last) for first, last in holes))


def _flag(field: str, value: int) -> bool:
    if value > 1:
        raise Malformed(field, f"{value} is no flag")
    return bool(value)


def _kind(value: int) -> EntryKind:
    try:
        return EntryKind(value)
    except ValueError:
        raise Malformed("entry.kind", f"{value} is unknown") from None


# ---- the others -----------------------------------------------------------------------------------------------------


def _view(w: Writer, view: ViewId) -> Writer:
    return w.raw(_VIEW.pack(view.seq, view.coordinator))


def _read_view(r: Reader) -> ViewId:
    seq, coordinator = _VIEW.unpack(r.take("view", _VIEW.size))
    return _id(seq, coordinator)


@lru_cache(maxsize=16)  # every packet names the one or two views that there are
def _id(seq: int, coordinator: int) -> ViewId:
    if seq > SEQ_MAX:
        raise Malformed("view.seq", f"{seq} is over the limit of {SEQ_MAX}")
    return ViewId(seq, NodeId(coordinator))


def _life(w: Writer, life: Life) -> Writer:
    return w.raw(_LIFE.pack(life.node, life.boot))


def _read_life(r: Reader) -> Life:
    node, boot = _LIFE.unpack(r.take("life", _LIFE.size))
    return Life(NodeId(node), boot)


def _write_gossip(m: Gossip) -> bytes:
    """A table of lives and one of views, then each row as a bitmap over the lives: 64 nodes fit into 2 KB."""
    views = sorted({(row.view, row.members) for row in m.rows})
    named = {row.life for row in m.rows}.union(*(row.hears for row in m.rows), *(members for _, members in views))
    lives = sorted(named)
    index = {life: i for i, life in enumerate(lives)}
    bit = {life: 1 << i for i, life in enumerate(lives)}.__getitem__  # summed by map: this is written at every change of a row
    width = (len(lives) + 7) // 8
    w = Writer().u16(len(lives))
    for life in lives:
        _life(w, life)
    w.u16(len(views))
    for view, members in views:
        _view(w, view).raw(sum(map(bit, members)).to_bytes(width, "big"))
    places = {each: i for i, each in enumerate(views)}
    w.u16(len(m.rows))
    for row in m.rows:
        bits = sum(map(bit, row.hears))
        w.u16(index[row.life]).u32(row.version).u16(places[row.view, row.members]).raw(bits.to_bytes(width, "big"))
    return w.done()


def _read_gossip(r: Reader) -> Gossip:
    lives = [_read_life(r) for _ in range(r.u16("gossip.lives", ROWS_MAX))]
    _ascending("gossip.lives", lives)
    width = (len(lives) + 7) // 8
    views = [(_read_view(r), _marked(lives, width, r)) for _ in range(r.u16("gossip.views", len(lives)))]
    rows = []
    for _ in range(r.u16("gossip.rows", len(lives))):
        at, version = r.u16("gossip.row", len(lives) - 1), r.u32("gossip.version")
        view = r.u16("gossip.view", len(views) - 1)
        rows.append(Row(lives[at], version, _marked(lives, width, r), *views[view]))
    _ascending("gossip.rows", [row.life for row in rows])
    return Gossip(tuple(rows))


def _marked(lives: Sequence[Life], width: int, r: Reader) -> tuple[Life, ...]:
    """Those of the table whose bit is set."""
    bits = int.from_bytes(r.take("gossip.bits", width), "big")
    if bits >> len(lives):
        raise Malformed("gossip.bits", "names a life that is not in the table")
    return tuple(life for i, life in enumerate(lives) if bits >> i & 1)


def _ascending(field: str, items: Sequence[Life] | Sequence[NodeId]) -> None:
    """Sorted, and none twice: what follows relies on it."""
    if any(a >= b for a, b in pairwise(items)):  # type: ignore[operator]
        raise Malformed(field, "not in ascending order")


def _write_propose(m: Propose) -> bytes:
    w = _view(Writer(), m.id).u16(len(m.members))
    for life in m.members:
        _life(w, life)
    return w.done()


def _read_propose(r: Reader) -> Propose:
    view = _read_view(r)
    members = tuple(_read_life(r) for _ in range(r.u16("propose.members", NODES_MAX)))
    _members("propose.members", view, [life.node for life in members])
    return Propose(view, members)


def _write_accept(m: Accept) -> bytes:
    return _view(_view(Writer(), m.id), m.old).u64(m.held).raw(write_peer_votes(m.votes)).done()


def _read_accept(r: Reader) -> Accept:
    return Accept(_read_view(r), _read_view(r), r.u64("accept.held"), read_peer_votes(r))


def _write_install(m: Install) -> bytes:
    w = _view(Writer(), m.id).u16(len(m.origins))
    for origin in m.origins:
        _view(_life(w, origin.life), origin.old).u64(origin.cut).raw(write_peer_votes(origin.votes))
    return w.done()


def _read_install(r: Reader) -> Install:
    view, count = _read_view(r), r.u16("install.origins", NODES_MAX)
    origins = [Origin(_read_life(r), _read_view(r), r.u64("install.cut"), read_peer_votes(r)) for _ in range(count)]
    _members("install.origins", view, [origin.life.node for origin in origins])
    return Install(view, tuple(origins))


def _members(field: str, view: ViewId, nodes: list[NodeId]) -> None:
    _ascending(field, nodes)
    if not nodes or nodes[0] != view.coordinator:
        raise Malformed(field, "the coordinator is not the lowest member")


def _write_refuse(m: Refuse) -> bytes:
    return _view(_view(Writer(), m.id), m.promised).done()


def _write_recover(m: Recover) -> bytes:
    return _view(_view(Writer(), m.id), m.old).u64(m.cut).u32(m.holder).done()


def _read_recover(r: Reader) -> Recover:
    return Recover(_read_view(r), _read_view(r), r.u64("recover.cut"), NodeId(r.u32("recover.holder")))


def _write_fetch(m: Fetch) -> bytes:
    return _view(Writer(), m.view).u64(m.first).u64(m.last).done()


def _read_fetch(r: Reader) -> Fetch:
    return Fetch(_read_view(r), r.u64("fetch.first"), r.u64("fetch.last"))


def _write_progress(m: Progress) -> bytes:
    return _view(Writer(), m.view).u64(m.stable).done()


def _read_progress(r: Reader) -> Progress:
    return Progress(_read_view(r), r.u64("progress.stable"))


def _read_leaving(r: Reader) -> Leaving:
    return Leaving(_flag("leaving.answer", r.u8("leaving.answer")))


_BEAT_KIND = 1
_WRITERS: dict[type, tuple[int, Callable[..., bytes]]] = {
    Beat: (_BEAT_KIND, _write_beat),
    Gossip: (2, _write_gossip),
    Propose: (3, _write_propose),
    Accept: (4, _write_accept),
    Refuse: (5, _write_refuse),
    Recover: (6, _write_recover),
    Ready: (7, lambda m: _view(Writer(), m.id).done()),
    Install: (8, _write_install),
    Fetch: (9, _write_fetch),
    Submit: (10, _write_submit),
    Entry: (11, _write_entry),
    Ack: (12, _write_ack),
    Progress: (13, _write_progress),
    Leaving: (14, lambda m: Writer().u8(m.is_answer).done()),
}
_READERS: dict[int, Callable[[Reader], Record]] = {
    2: _read_gossip,
    3: _read_propose,
    4: _read_accept,
    5: lambda r: Refuse(_read_view(r), _read_view(r)),
    6: _read_recover,
    7: lambda r: Ready(_read_view(r)),
    8: _read_install,
    9: _read_fetch,
    10: _read_submit,
    11: _read_entry,
    12: _read_ack,
    13: _read_progress,
    14: _read_leaving,
}


def write_record(record: Record) -> bytes:
    """One record, kind and length included."""
    kind, write = _WRITERS[type(record)]
    body = write(record)
    return RECORD_HEAD.pack(kind, len(body)) + body


def write_packet(boot: int, records: list[bytes]) -> bytes:
    """A packet of written records."""
    return HEAD.pack(VERSION, boot) + b"".join(records)


def read_packet(data: bytes) -> tuple[int, list[Record]]:
    """The sender's boot and the records. Raises Malformed, and nothing else, whatever the bytes are."""
    if len(data) < HEAD.size:
        raise Malformed("packet", "shorter than its head")
    version, boot = HEAD.unpack_from(data)
    if version != VERSION:
        raise Malformed("packet.version", f"{version} is unknown")
    records: list[Record] = []
    at, end = HEAD.size, len(data)
    while at < end:
        if end - at < RECORD_HEAD.size:
            raise Malformed("record", "shorter than its head")
        kind, length = RECORD_HEAD.unpack_from(data, at)
        at += RECORD_HEAD.size
        if kind == _BEAT_KIND and length <= end - at:  # most packets are one heartbeat
            records.append(_read_beat(data[at : at + length]))
            at += length
            continue
        read = _READERS.get(kind)
        if read is None or length > end - at:
            raise Malformed("record", f"kind {kind} of {length} bytes, {end - at} left")
        reader = Reader(data[at : at + length])
        records.append(read(reader))
        reader.end()
        at += length
    return boot, records
