"""Strangers: replayed, forged, damaged and foreign datagrams. Nothing is accepted, nothing changes, nothing is answered."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.ids import US_PER_S, NodeId
from standfast.engine.links.complaints import QUIET_US, SOURCES_MAX, Complaint, Complaints
from standfast.engine.links.keys import ClusterKey, KeyRing, cluster_tag
from standfast.engine.links.links import Inbound
from standfast.engine.links.sealing import Head, Kind, seal

if TYPE_CHECKING:
    from tests.unit.links.links_lab import KEY_1, KEY_2, RING_1, A, B, C, Flight, Lab, pair, snapshot
else:
    from links_lab import KEY_1, KEY_2, RING_1, A, B, C, Flight, Lab, pair, snapshot


def busy() -> Lab:
    """Two nodes with two links that have met, talked on both, and sent something large."""
    lab = pair(link_count=2)
    for number in range(20):
        lab.say(A, B, b"beat %d" % number, all_links=True)
        lab.say(B, A, b"beat %d" % number, all_links=True)
    lab.say(A, B, bytes(20_000))
    return lab


# ---- replay ---------------------------------------------------------------------------------------------------------


def test_every_recorded_datagram_again_in_the_same_life() -> None:
    lab = busy()
    before = [lab.nodes[node].session(peer) for node, peer in ((A, B), (B, A))]
    heard, met = len(lab.messages), len(lab.established)
    for flight in list(lab.recorded) * 2:
        lab.deliver(flight)
    assert len(lab.messages) == heard
    assert len(lab.established) == met
    assert [lab.nodes[node].session(peer) for node, peer in ((A, B), (B, A))] == before
    assert lab.say(A, B, b"unharmed") == [b"unharmed"]


@pytest.mark.parametrize("restarted", [(A,), (B,), (A, B)])
@pytest.mark.parametrize("meets_again", [False, True])
def test_every_recorded_datagram_again_after_a_restart(restarted: tuple[NodeId, ...], meets_again: bool) -> None:
    lab = busy()
    old = list(lab.recorded)
    for node in restarted:
        lab.boot(node)
    if meets_again:
        lab.meet()
    heard, met = len(lab.messages), len(lab.established)
    sessions = [lab.nodes[node].session(peer) for node, peer in ((A, B), (B, A))]
    for flight in old:
        for reply in lab.flights(flight.receiver, lab.deliver(flight).replies):
            # The attacker even carries the answers: to the node that lives now, who never asked in these words.
            lab.deliver(reply)
    assert len(lab.messages) == heard
    assert [lab.nodes[node].session(peer) for node, peer in ((A, B), (B, A))] == sessions
    assert len(lab.established) == met


def test_recordings_of_many_lives_mixed() -> None:
    lab = Lab()
    lab.boot(A)
    for _ in range(6):
        lab.boot(B)
        lab.meet(B, A)
        lab.say(B, A, b"b")
        lab.say(A, B, b"a")
    heard, met = len(lab.messages), len(lab.established)
    old = list(lab.recorded)
    random.Random(1).shuffle(old)
    for flight in old:
        lab.deliver(flight)
    assert (len(lab.messages), len(lab.established)) == (heard, met)


def test_a_recorded_hello_is_answered_by_a_challenge_and_changes_nothing() -> None:
    lab = busy()
    hello = lab.recorded[0]
    lab.boot(B)  # the one that had heard it would know it again
    before = snapshot(lab.nodes[B])
    inbound = lab.deliver(hello)
    assert [reply.data[3] for reply in inbound.replies] == [Kind.CHALLENGE]
    after = snapshot(lab.nodes[B])
    # The one thing that moved is the counter of the challenge that went out.
    assert _without_handshake_counter(before) == _without_handshake_counter(after)


def _without_handshake_counter(state: object) -> object:
    assert isinstance(state, tuple)
    return tuple(item for item in state if not (isinstance(item, tuple) and item and item[0] == "_handshakes_sent"))


def test_a_handshake_is_not_answered_twice_in_a_life_nor_for_a_former_boot() -> None:
    lab = busy()
    greetings = [flight for flight in lab.recorded if flight.data[3] != Kind.DATA]
    assert {flight.data[3] for flight in greetings} == set(Kind) - {Kind.DATA}
    assert not [flight for flight in greetings if lab.deliver(flight).replies]
    lab.boot(A)
    lab.meet(A, B)
    for flight in [flight for flight in greetings if flight.receiver == B]:
        assert lab.deliver(flight).replies == ()
    challenge = next(flight for flight in greetings if flight.data[3] == Kind.CHALLENGE)
    assert lab.deliver(challenge).replies == ()


# ---- forged, cut, flipped, random -----------------------------------------------------------------------------------


def _assert_ignored(lab: Lab, flights: list[Flight]) -> None:
    before = snapshot(lab.nodes[B])
    for flight in flights:
        inbound = lab.nodes[B].receive(lab.now_us, flight.link, flight.source, flight.data)
        assert inbound == Inbound(reports=inbound.reports), flight
    assert snapshot(lab.nodes[B]) == before
    lab.nodes[B].check()


def _fresh(lab: Lab) -> list[Flight]:
    """Genuine datagrams of each kind from node 1 to node 2 that node 2 has not seen."""
    a, b = lab.nodes[A], lab.nodes[B]
    (hello, _) = lab.flights(A, a.greet(lab.now_us, B))
    (challenge,) = lab.flights(B, b.receive(lab.now_us, 0, hello.source, hello.data).replies)
    (answer,) = lab.flights(A, a.receive(lab.now_us, 0, challenge.source, challenge.data).replies)
    data = lab.flights(A, a.send(lab.now_us, B, b"x" * 3000))
    return [hello, answer, *data]


def test_every_bit_flipped_once() -> None:
    lab = busy()
    genuine = _fresh(lab)
    forged = [
        Flight(A, B, flight.link, flight.source, _flipped(flight.data, bit))
        for flight in genuine
        for bit in range(min(len(flight.data), 130) * 8)
    ]
    assert len(forged) > 4_000
    _assert_ignored(lab, forged)
    assert all(lab.deliver(flight).reports == () for flight in genuine)  # the true ones still open


def _flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes((data[bit // 8] ^ 1 << bit % 8,)) + data[bit // 8 + 1 :]


def test_every_length_cut() -> None:
    lab = busy()
    genuine = _fresh(lab)
    _assert_ignored(lab, [Flight(A, B, f.link, f.source, f.data[:size]) for f in genuine for size in range(len(f.data))])
    _assert_ignored(lab, [Flight(A, B, f.link, f.source, f.data + b"\0") for f in genuine])
    assert all(lab.deliver(flight).reports == () for flight in genuine)


def test_twenty_thousand_random_datagrams() -> None:
    lab = busy()
    chance = random.Random(7)
    heads = [flight.data[:48] for flight in lab.recorded[:60]]
    flights = []
    for number in range(20_000):
        noise = chance.randbytes(chance.randrange(0, 200))
        data = noise if number % 3 else chance.choice(heads)[: chance.randrange(1, 48)] + noise
        source = lab.addresses[A][0] if number % 2 else (f"10.9.{number % 7}.1", chance.randrange(65_536))
        flights.append(Flight(A, B, chance.choice([0, 0, 0, 1, 7]), source, data))
    _assert_ignored(lab, flights)
    assert sum(count for _, count in lab.nodes[B].counters) >= 20_000


@given(st.binary(max_size=1500), st.integers(0, 9), st.text(max_size=40), st.integers(0, 65_535))
@settings(max_examples=300, deadline=None)
def test_receive_never_raises(data: bytes, link: int, host: str, port: int) -> None:
    lab = pair()
    for source in ((host, port), lab.addresses[A][0]):
        inbound = lab.nodes[B].receive(lab.now_us, link, source, data)
        assert inbound.messages == ()
        assert inbound.replies == ()


@given(kind=st.sampled_from(Kind), content=st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_a_key_holder_who_talks_nonsense_breaks_nothing(kind: Kind, content: bytes) -> None:
    lab = pair()
    session = lab.nodes[B].session(A)
    nonsense = _sealed_by_key_holder(lab, kind, content)
    inbound = lab.nodes[B].receive(lab.now_us, 0, lab.addresses[A][0], nonsense)
    lab.nodes[B].check()
    assert inbound.established == ()
    assert lab.nodes[B].session(A) == session
    assert lab.say(A, B, b"still") == [b"still"]


def _sealed_by_key_holder(lab: Lab, kind: Kind, content: bytes) -> bytes:
    key = ClusterKey(KEY_1, "test-cluster")
    a, b = lab.nodes[A], lab.nodes[B]
    if kind is Kind.DATA:
        traffic = key.traffic(A, a._boot, B, b._boot)
        return seal(traffic.aead, Head(kind, cluster_tag("test-cluster"), A, 0, traffic.tag, b"", 900), B, content)
    boot = bytes(16)
    return seal(key.handshake(A, boot), Head(kind, cluster_tag("test-cluster"), A, 0, key.fingerprint, boot, 0), B, content)


# ---- whose datagram is it -------------------------------------------------------------------------------------------


def test_a_datagram_opens_only_at_its_receiver_from_its_sender_on_its_link() -> None:
    lab = Lab(link_count=2)
    for node in (A, B, C):
        lab.boot(node)
    for one, other in ((A, B), (A, C), (B, C)):
        lab.meet(one, other)
    (data,) = lab.flights(A, lab.nodes[A].send(lab.now_us, B, b"for node 2 alone"))
    (hello, _) = lab.flights(A, lab.nodes[A].greet(lab.now_us, B))
    for flight in (data, hello):
        to_c = lab.nodes[C].receive(lab.now_us, 0, lab.addresses[A][0], flight.data)
        assert (to_c.messages, to_c.replies) == ((), ())
        on_link_1 = lab.nodes[B].receive(lab.now_us, 1, lab.addresses[A][1], flight.data)
        assert (on_link_1.messages, on_link_1.replies) == ((), ())
        from_c = lab.nodes[B].receive(lab.now_us, 0, lab.addresses[C][0], flight.data)
        assert (from_c.messages, from_c.replies) == ((), ())
        other_port = lab.nodes[B].receive(lab.now_us, 0, (lab.addresses[A][0][0], 9), flight.data)
        assert (other_port.messages, other_port.replies) == ((), ())
        reflected = lab.nodes[A].receive(lab.now_us, 0, lab.addresses[B][0], flight.data)
        assert (reflected.messages, reflected.replies) == ((), ())
    assert [message.data for message in lab.deliver(data).messages] == [b"for node 2 alone"]
    assert len(lab.deliver(hello).replies) == 1


@pytest.mark.parametrize("spelling", ["::ffff:10.0.0.1", "::FFFF:10.0.0.1"])
def test_an_address_may_be_spelled_differently(spelling: str) -> None:
    lab = pair()
    (data,) = lab.nodes[A].send(lab.now_us, B, b"x")
    assert len(lab.nodes[B].receive(lab.now_us, 0, (spelling, 5405), data.data).messages) == 1


# ---- what people are told -------------------------------------------------------------------------------------------


def _two_that_differ(keys: KeyRing, cluster_name: str) -> Lab:
    lab = pair()
    lab.boot(B, keys, cluster_name)
    for _ in range(5):
        lab.say(A, B, b"beat")
        lab.say(B, A, b"beat")
        lab.now_us += US_PER_S
    return lab


def test_another_authkey_is_said_on_both_sides_with_the_remedy() -> None:
    lab = _two_that_differ(KeyRing(KEY_2), "test-cluster")
    assert lab.codes(A) == ["links.other-key"]
    assert lab.codes(B) == ["links.other-key"]
    assert lab.reports[0][1].sentence() == (
        "datagrams from 10.0.0.2 cannot be opened: its authkey differs from ours "
        "(copy /etc/corosync/authkey from one node to all, and restart the nodes that had another)"
    )


def test_another_cluster_name_is_said_on_both_sides_and_told_from_another_key() -> None:
    lab = _two_that_differ(RING_1, "production")
    assert lab.codes(A) == ["links.foreign-cluster"]
    assert lab.codes(B) == ["links.foreign-cluster"]
    assert "cluster_name is not ours, which is test-cluster" in lab.reports[1][1].sentence()


def test_a_foreign_cluster_on_our_port_does_not_disturb_us() -> None:
    lab = busy()
    foreign = Lab()
    foreign.boot(A, KeyRing(KEY_2), "production")
    foreign.boot(B, KeyRing(KEY_2), "production")
    foreign.meet()
    foreign.say(A, B, b"theirs")
    _assert_ignored(lab, [Flight(A, B, 0, flight.source, flight.data) for flight in foreign.recorded])
    assert lab.say(A, B, b"ours") == [b"ours"]


def test_a_node_that_the_nodelist_has_not() -> None:
    lab = pair()
    lab.addresses = {**lab.addresses, NodeId(9): (("10.0.0.9", 5405),)}
    lab.boot(NodeId(9))
    lab.carry(NodeId(9), lab.nodes[NodeId(9)].greet(lab.now_us, B))
    assert lab.codes(B) == ["links.unknown-source"]
    assert "node 9, which the nodelist does not have" in lab.reports[0][1].sentence()


def test_one_report_a_minute_for_each_kind_and_source() -> None:
    complaints = Complaints()

    def said(at_s: int, kind: Complaint = Complaint.FORGED, source: str = "10.0.0.1") -> list[str]:
        return [report.why for report in complaints.about(at_s * US_PER_S, kind, source)]

    assert len(said(0)) == 1
    assert said(1) == []
    assert said(59) == []
    assert len(said(1, source="10.0.0.2")) == 1
    assert len(said(1, kind=Complaint.REPLAYED)) == 1
    assert said(60) == ["they name our key, but were damaged on the way or forged; 2 more since the last report"]
    assert said(61, kind=Complaint.STALE) == []
    assert complaints.counters[Complaint.FORGED] == 5


def test_forged_sources_fill_no_table() -> None:
    complaints = Complaints()
    said = [complaints.about(0, Complaint.MALFORMED, f"source {number}") for number in range(10_000)]
    complaints.check()
    assert sum(map(len, said)) == SOURCES_MAX
    assert complaints.counters[Complaint.MALFORMED] == 10_000
    assert len(complaints.about(QUIET_US, Complaint.MALFORMED, "a new one")) == 1


def test_secrets_show_in_no_repr() -> None:
    lab = pair()
    config = lab.nodes[A]._config
    shown = repr((config, config.keys, lab.nodes[A]._keys, lab.nodes[A]._challenger, lab.nodes[A]._peers[B].session))
    shown += repr(KEY_1.__reduce_ex__) + str(KEY_1) + f"{KEY_1}"
    assert "***" in shown
    assert repr(bytes(range(128)))[2:30] not in shown
    assert bytes(range(128)).hex()[:16] not in shown
