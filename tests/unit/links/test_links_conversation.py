"""Two nodes talk: the handshake, its interruptions, restarts, rotation, and which link is taken."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import Refused
from standfast.engine.links.keys import KeyRing
from standfast.engine.links.links import Links, LinksConfig

if TYPE_CHECKING:
    from tests.unit.links.links_lab import KEY_1, KEY_2, RING_1, A, B, C, Lab, pair
else:
    from links_lab import KEY_1, KEY_2, RING_1, A, B, C, Lab, pair


# ---- the ordinary life ----------------------------------------------------------------------------------------------


def test_a_greeting_makes_a_session_on_both_sides_in_four_datagrams() -> None:
    lab = Lab()
    a, b = lab.boot(A), lab.boot(B)
    assert a.session(B) is None
    assert b.session(A) is None

    lab.meet(A, B)

    kinds = [flight.data[3] for flight in lab.recorded]
    assert kinds == [2, 3, 4, 5]  # HELLO, CHALLENGE, ANSWER, CONFIRM
    assert lab.established == [(B, A), (A, B)]
    assert a.session(B) is not None
    assert b.session(A) is not None
    assert lab.say(A, B, b"are you there") == [b"are you there"]
    assert lab.say(B, A, b"yes") == [b"yes"]
    assert lab.reports == []


def test_data_before_a_session_is_dropped_and_only_a_greeting_goes_out() -> None:
    lab = Lab()
    a, b = lab.boot(A), lab.boot(B)
    (hello,) = a.send(lab.now_us, B, b"too early")
    assert hello.data[3] == 2
    assert a.send(lab.now_us + 99 * US_PER_MS, B, b"too early") == ()
    assert len(a.send(lab.now_us + 100 * US_PER_MS, B, b"too early")) == 1

    lab.carry(A, (hello,))

    assert lab.messages == []
    assert lab.say(A, B, b"now") == [b"now"]
    assert b.session(A) is not None


def test_both_greet_at_once() -> None:
    lab = Lab()
    a, b = lab.boot(A), lab.boot(B)
    both = lab.flights(A, a.greet(lab.now_us, B)) + lab.flights(B, b.greet(lab.now_us, A))
    while both:
        flight = both.pop(0)
        both += lab.flights(flight.receiver, lab.deliver(flight).replies)
    assert lab.say(A, B, b"1") == [b"1"]
    assert lab.say(B, A, b"2") == [b"2"]
    assert sorted(lab.established) == [(A, B), (B, A)]  # once each, although the challenges crossed


@pytest.mark.parametrize("size", [0, 1, 1352, 1353, 1354, 65_536, (1 << 20) + (64 << 10)])
def test_messages_of_every_size_come_out_whole(size: int) -> None:
    lab = pair()
    data = bytes(index * 7 & 0xFF for index in range(size))
    assert lab.say(A, B, data) == [data]
    assert max(len(flight.data) for flight in lab.recorded) <= 1400


def test_a_message_names_the_boot_of_its_sender() -> None:
    lab = pair()
    lab.say(A, B, b"first life")
    lab.boot(A)
    lab.meet(A, B)
    lab.say(A, B, b"second life")
    (_, first), (_, second) = lab.messages
    assert first.session != second.session
    assert second.session == lab.nodes[B].session(A)


# ---- the handshake, cut short ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", range(12))
def test_whichever_datagram_is_lost_both_talk_in_the_end(lost: int) -> None:
    lab = Lab()
    lab.boot(A)
    lab.boot(B)
    lab.drop = lambda number: number == lost
    for _ in range(30):
        lab.say(A, B, b"a")
        lab.say(B, A, b"b")
        lab.now_us += 100 * US_PER_MS
    lab.drop = lambda number: False
    assert lab.say(A, B, b"x") == [b"x"]
    assert lab.say(B, A, b"y") == [b"y"]


@pytest.mark.parametrize("restarts", [A, B])
@pytest.mark.parametrize("lost", range(12))
def test_whichever_datagram_is_lost_after_a_restart_both_talk_in_the_end(restarts: NodeId, lost: int) -> None:
    lab = pair()
    lab.say(A, B, b"before")
    lab.say(B, A, b"before")
    lab.boot(restarts)
    first = len(lab.recorded) + lost
    lab.drop = lambda number: number == first
    for _ in range(30):
        lab.say(A, B, b"a")
        lab.say(B, A, b"b")
        lab.now_us += 100 * US_PER_MS
    lab.drop = lambda number: False
    assert lab.say(A, B, b"x") == [b"x"]
    assert lab.say(B, A, b"y") == [b"y"]


@pytest.mark.parametrize("pattern", list(itertools.product([True, False], repeat=7)))
def test_any_loss_of_the_first_seven_is_survived(pattern: tuple[bool, ...]) -> None:
    lab = Lab()
    lab.boot(A)
    lab.boot(B)
    lab.drop = lambda number: number < len(pattern) and pattern[number]
    for _ in range(20):
        lab.say(A, B, b"a")
        lab.say(B, A, b"b")
        lab.now_us += 100 * US_PER_MS
    assert lab.say(A, B, b"x") == [b"x"]
    assert lab.say(B, A, b"y") == [b"y"]


def test_a_repeated_handshake_keeps_the_session_and_its_window() -> None:
    lab = pair()
    lab.say(A, B, b"once")
    spoken = lab.recorded[-1]
    before = lab.nodes[B].session(A)
    lab.meet(A, B)
    lab.meet(B, A)
    assert lab.nodes[B].session(A) == before
    assert lab.deliver(spoken).messages == ()
    assert lab.say(A, B, b"twice") == [b"twice"]


def test_an_answer_that_comes_too_late_is_not_taken() -> None:
    lab = Lab()
    lab.boot(A)
    b = lab.boot(B)
    (hello,) = lab.flights(A, lab.nodes[A].greet(lab.now_us, B))
    (challenge,) = lab.flights(B, lab.deliver(hello).replies)
    (answer,) = lab.flights(A, lab.deliver(challenge).replies)
    lab.now_us += 10 * US_PER_S
    assert lab.deliver(answer).replies == ()
    assert b.session(A) is None


def test_a_hello_alone_displaces_nobody() -> None:
    lab = pair()
    lab.boot(A)
    b = lab.nodes[B]
    standing = b.session(A)
    (hello,) = lab.flights(A, lab.nodes[A].greet(lab.now_us, B))
    (challenge,) = lab.flights(B, lab.deliver(hello).replies)
    assert b.session(A) == standing
    (answer,) = lab.flights(A, lab.deliver(challenge).replies)
    assert b.session(A) == standing
    lab.deliver(answer)
    assert b.session(A) != standing


# ---- restarts and silence -------------------------------------------------------------------------------------------


def test_a_session_that_fell_silent_is_greeted_once_a_second() -> None:
    lab = pair()
    a = lab.nodes[A]
    del lab.nodes[B]
    hellos = 0
    for _ in range(50):
        lab.now_us += 100 * US_PER_MS
        hellos += sum(sent.data[3] == 2 for sent in a.send(lab.now_us, B, b"beat"))
    assert hellos == 5


def test_a_peer_that_restarted_is_heard_again_by_heartbeats_alone() -> None:
    lab = pair()
    lab.boot(B)
    heard = []
    for _ in range(3):
        heard += lab.say(B, A, b"beat")
        lab.now_us += 100 * US_PER_MS
    assert heard == [b"beat", b"beat"]
    assert lab.say(A, B, b"welcome back") == [b"welcome back"]


def test_a_half_sent_message_does_not_go_on_in_the_next_life() -> None:
    lab = pair()
    message = bytes(range(256)) * 20
    parts = lab.flights(A, lab.nodes[A].send(lab.now_us, B, message))
    for flight in parts[:-1]:
        lab.deliver(flight)
    lab.boot(A)
    lab.meet(A, B)
    (*_, last) = lab.flights(A, lab.nodes[A].send(lab.now_us, B, message))
    assert lab.deliver(last).messages == ()
    assert dict(lab.nodes[B].counters)["incomplete"] == 1


def test_no_counter_is_used_twice_in_the_handshakes_of_one_boot() -> None:
    lab = Lab(link_count=2)
    for node in (A, B, C):
        lab.boot(node)
    for one, other in itertools.permutations([A, B, C], 2):
        lab.meet(one, other)
    heads = [flight.data[8:41] for flight in lab.recorded if flight.data[3] != 1]
    nonces = [(head[:4], head[5:]) for head in heads]  # sender; key, boot and counter
    assert len(nonces) == len(set(nonces)) > 20


# ---- rotation -------------------------------------------------------------------------------------------------------

_BOTH_OLD = KeyRing(KEY_1, KEY_2)
_BOTH_NEW = KeyRing(KEY_2, KEY_1)
_NEW = KeyRing(KEY_2)


@pytest.mark.parametrize("orders", list(itertools.product(itertools.permutations([A, B, C]), repeat=3)))
def test_three_sweeps_in_every_order_lose_nothing(orders: tuple[tuple[NodeId, ...], ...]) -> None:
    lab = Lab()
    for node in (A, B, C):
        lab.boot(node)
    pairs = list(itertools.permutations([A, B, C], 2))
    for one, other in pairs:
        lab.meet(one, other)
    sessions = [lab.nodes[one].session(other) for one, other in pairs]
    for ring, order in zip((_BOTH_OLD, _BOTH_NEW, _NEW), orders, strict=True):
        for node in order:
            lab.nodes[node].rotate(ring)
            for one, other in pairs:
                assert lab.say(one, other, b"still there") == [b"still there"]
    assert [lab.nodes[one].session(other) for one, other in pairs] == sessions
    assert lab.reports == []


@pytest.mark.parametrize(
    ("ring", "restarted"),
    [
        (RING_1, _BOTH_OLD),
        (_BOTH_OLD, _BOTH_OLD),
        (_BOTH_OLD, _BOTH_NEW),
        (_BOTH_NEW, _BOTH_NEW),
        (_BOTH_NEW, _NEW),
        (_NEW, _NEW),
    ],
)
def test_a_node_may_restart_in_the_middle_of_a_rotation(ring: KeyRing, restarted: KeyRing) -> None:
    lab = Lab()
    lab.boot(A, ring)
    lab.boot(B, restarted)
    lab.meet(B, A)
    assert lab.say(A, B, b"x") == [b"x"]
    assert lab.say(B, A, b"y") == [b"y"]


def test_a_sweep_out_of_order_is_said_and_heals() -> None:
    lab = pair()
    lab.nodes[A].rotate(_NEW)
    assert lab.say(A, B, b"lost") == []
    lab.now_us += 2 * US_PER_S
    lab.say(A, B, b"lost")
    lab.say(B, A, b"lost")
    assert lab.codes(B) == ["links.other-key"]
    assert lab.codes(A) == ["links.other-key"]
    lab.nodes[B].rotate(_BOTH_NEW)
    assert lab.say(A, B, b"again") == [b"again"]
    assert lab.say(B, A, b"again") == [b"again"]


def test_what_was_sealed_under_a_key_that_is_gone_stays_closed() -> None:
    lab = pair()
    (kept,) = lab.flights(A, lab.nodes[A].send(lab.now_us, B, b"under the old key"))
    for ring in (_BOTH_OLD, _BOTH_NEW, _NEW):
        for node in (A, B):
            lab.nodes[node].rotate(ring)
    assert lab.deliver(kept).messages == ()


def test_rotating_back_never_repeats_a_nonce() -> None:
    lab = pair()
    a = lab.nodes[A]
    seen = set()
    for ring in (RING_1, _BOTH_NEW, RING_1, _BOTH_OLD):
        a.rotate(ring)
        for _ in range(3):
            (sent,) = a.send(lab.now_us, B, b"x")
            seen.add(sent.data[:29])  # session tag and counter
    assert len(seen) == 12


# ---- links ----------------------------------------------------------------------------------------------------------


def test_heartbeats_go_by_every_link_and_each_arrival_counts() -> None:
    lab = pair(link_count=3)
    assert lab.say(A, B, b"beat", all_links=True) == [b"beat"] * 3
    assert [message.link for _, message in lab.messages] == [0, 1, 2]
    assert [health.last_heard_us for health in lab.nodes[B].health(A)] == [lab.now_us] * 3


def test_the_lowest_link_that_works_is_taken_and_left_when_it_falls_silent() -> None:
    lab = pair(link_count=3)
    dead = {0}

    def beats(count: int) -> None:
        for _ in range(count):
            lab.now_us += 100 * US_PER_MS
            for one, other in ((A, B), (B, A)):
                for flight in lab.flights(one, lab.nodes[one].send(lab.now_us, other, b"beat", all_links=True)):
                    if flight.link not in dead:
                        lab.deliver(flight)

    dead = set()
    beats(3)
    assert [sent.link for sent in lab.nodes[A].send(lab.now_us, B, b"x")] == [0]
    dead = {0}
    beats(6)
    assert [sent.link for sent in lab.nodes[A].send(lab.now_us, B, b"x")] == [1]
    dead = {0, 1}
    beats(6)
    assert [sent.link for sent in lab.nodes[A].send(lab.now_us, B, b"x")] == [2]
    dead = set()
    beats(2)
    assert [sent.link for sent in lab.nodes[A].send(lab.now_us, B, b"x")] == [0]


def test_a_link_on_which_the_peer_does_not_hear_us_is_left_too() -> None:
    lab = pair(link_count=2)
    for _ in range(8):
        lab.now_us += 100 * US_PER_MS
        for one, other in ((A, B), (B, A)):
            for flight in lab.flights(one, lab.nodes[one].send(lab.now_us, other, b"beat", all_links=True)):
                if not (flight.sender == A and flight.link == 0):  # one way only
                    lab.deliver(flight)
    assert [health.hears_us for health in lab.nodes[A].health(B)] == [False, True]
    assert [sent.link for sent in lab.nodes[A].send(lab.now_us, B, b"x")] == [1]


def test_priority_goes_before_the_number() -> None:
    lab = pair(link_count=3, priorities=(1, 5, 5))
    lab.say(A, B, b"beat", all_links=True)
    lab.say(B, A, b"beat", all_links=True)
    lab.say(A, B, b"beat", all_links=True)
    assert [sent.link for sent in lab.nodes[A].send(lab.now_us, B, b"x")] == [1]


def test_a_link_that_one_side_has_not_is_not_used() -> None:
    addresses = {A: (("10.0.0.1", 5405), ("10.1.0.1", 5406)), B: (None, ("10.1.0.2", 5406))}
    a = Links(LinksConfig(A, "c", addresses, addresses[A], RING_1), bytes)
    assert [(sent.link, sent.address) for sent in a.greet(0, B)] == [(1, ("10.1.0.2", 5406))]


# ---- what the configuration may not say -----------------------------------------------------------------------------


def test_two_nodes_with_one_address_are_refused() -> None:
    peers = {A: (("10.0.0.1", 5405),), B: (("::ffff:10.0.0.3", 5405),), C: (("10.0.0.3", 5405),)}
    with pytest.raises(Refused, match="nodes 2 and 3 have the same address"):
        Links(LinksConfig(A, "c", peers, peers[A], RING_1), bytes)


def test_limits_of_the_configuration() -> None:
    one = (("10.0.0.1", 5405),)
    for mtu in (511, 65_508):
        with pytest.raises(Refused, match="mtu"):
            LinksConfig(A, "c", {A: one}, one, RING_1, mtu_bytes=mtu)
    with pytest.raises(Refused, match="more than 8 links"):
        LinksConfig(A, "c", {A: one, B: one * 9}, one, RING_1)
    with pytest.raises(Refused, match="384"):
        LinksConfig(A, "c", {NodeId(n): one for n in range(1, 387)}, one, RING_1)
