"""The wire between engines: what is written is read again, and nothing but Malformed comes out of anything else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.wire import Malformed
from standfast.engine.api import ViewId
from standfast.engine.messages import (
    Accept,
    Ack,
    Beat,
    Entry,
    EntryKind,
    Fetch,
    Gossip,
    Install,
    Leaving,
    Life,
    Origin,
    Progress,
    Propose,
    Ready,
    Record,
    Recover,
    Refuse,
    Row,
    Submit,
    read_packet,
    write_packet,
    write_record,
)
from standfast.engine.quorum.votes import PeerVotes

V, W = ViewId(7, NodeId(1)), ViewId(9, NodeId(1))
A, B, C = Life(NodeId(1), 11), Life(NodeId(2), 22), Life(NodeId(300), 2**64 - 1)

RECORDS: tuple[Record, ...] = (
    Beat(True, 1, 2, 3, V, W, 0xFFFF_FFFF),
    Gossip((Row(A, 3, (B, C), ViewId(7, NodeId(1)), (A, C)), Row(B, 1, ()), Row(C, 9, (A,), ViewId(7, NodeId(1)), (A, C)))),
    Gossip(()),
    Propose(V, (A, B)),
    Accept(W, V, 17, PeerVotes(1, 2, is_quorate=True)),
    Refuse(V, W),
    Recover(W, V, 20, NodeId(2)),
    Ready(W),
    Install(W, (Origin(A, V, 20, PeerVotes(1, 2)), Origin(B, ViewId(0, NodeId(0)), 0, PeerVotes(3, 4, is_waiting=True)))),
    Fetch(V, 3, 9),
    Submit(V, 5, EntryKind.DATA, False, b"half a mess"),
    Entry(V, 6, NodeId(2), 5, EntryKind.ABSENT, True, b""),
    Ack(V, 6, ((8, 9), (12, 12))),
    Progress(V, 4),
    Leaving(False),
)


def test_each_record_is_read_as_it_was_written() -> None:
    packet = write_packet(42, [write_record(record) for record in RECORDS])
    assert read_packet(packet) == (42, list(RECORDS))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_packet_cut_anywhere_is_malformed(record: Record) -> None:
    packet = write_packet(42, [write_record(record)])
    for end in range(len(packet)):
        if end == 9:
            assert read_packet(packet[:end]) == (42, [])
            continue
        with pytest.raises(Malformed):
            read_packet(packet[:end])


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed_or_nothing(data: bytes) -> None:
    with suppress(Malformed):
        read_packet(data)


@given(st.sampled_from(RECORDS), st.integers(0, 400), st.integers(1, 255))
def test_a_changed_byte_is_malformed_or_another_record(record: Record, at: int, change: int) -> None:
    packet = bytearray(write_packet(42, [write_record(record)]))
    packet[at % len(packet)] ^= change
    with suppress(Malformed):
        _, records = read_packet(bytes(packet))
        for each in records:
            assert read_packet(write_packet(1, [write_record(each)]))[1] == [each]


def test_a_view_number_beyond_reason_is_malformed() -> None:
    with pytest.raises(Malformed, match=r"view\.seq"):
        read_packet(write_packet(1, [write_record(Ready(ViewId(1 << 63, NodeId(1))))]))
