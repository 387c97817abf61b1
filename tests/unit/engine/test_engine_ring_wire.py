"""The line between engine and manager: what goes in comes out, and nonsense is Malformed, never anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.wire import Malformed
from standfast.engine import ring_wire
from standfast.engine.api import (
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
    Quorum,
    QuorumChanged,
    Stable,
    View,
    ViewId,
    ViewInstalled,
)

ONE, TWO = NodeId(2886729738), NodeId(2886729748)
QUORUM = Quorum(True, 2, 2, 2, "2 of 2 votes", ("Quorate",))
VIEW_ID = ViewId(7, ONE)
EVENTS: list[ClientEvent] = [
    ViewInstalled(View(VIEW_ID, (ONE, TWO), (TWO,), (), (ONE,)), QUORUM),
    ViewInstalled(View(VIEW_ID, (ONE,), (), (TWO,), None), QUORUM),
    QuorumChanged(QUORUM),
    Delivered(VIEW_ID, 1, TWO, b"\x00\xffpayload"),
    Stable(VIEW_ID, 1),
    ClientAbsent(VIEW_ID, 2, TWO),
    Pulse(1_500_000),
    Congested(True),
]
REQUESTS: list[ClientRequest] = [Attach(), Broadcast(b"x" * 5000), Alive(), Leave()]


def bodies(frame: bytes) -> list[bytes]:
    return ring_wire.FrameBuffer().feed(frame)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_events_come_back_as_they_were(event: ClientEvent) -> None:
    assert [ring_wire.decode_event(body) for body in bodies(ring_wire.encode_event(event))] == [event]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_requests_come_back_as_they_were(request_: ClientRequest) -> None:
    assert [ring_wire.decode_request(body) for body in bodies(ring_wire.encode_request(request_))] == [request_]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_a_stream_cut_anywhere_gives_the_same_frames(cuts: list[int]) -> None:
    stream = b"".join(ring_wire.encode_event(event) for event in EVENTS)
    buffer, out, at = ring_wire.FrameBuffer(), [], 0
    for cut in [*cuts, len(stream)]:
        out += buffer.feed(stream[at : at + cut])
        at += cut
    out += buffer.feed(stream[at:])
    assert [ring_wire.decode_event(body) for body in out] == EVENTS


@given(st.binary(max_size=200))
def test_nonsense_is_malformed_and_nothing_else(data: bytes) -> None:
    for decode in (ring_wire.decode_event, ring_wire.decode_request):
        try:
            decode(data)
        except Malformed:
            continue


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed):
        ring_wire.FrameBuffer().feed((ring_wire.FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
