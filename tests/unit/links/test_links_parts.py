"""The parts by themselves: keys, replay window, fragments, header."""

from __future__ import annotations

import hashlib
import hmac
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.engine.links.fragments import (
    FRAGMENT_HEAD_BYTES,
    MESSAGE_BYTES_MAX,
    PARTIAL_AGE_US_MAX,
    PARTIAL_BYTES_MAX,
    PARTIALS_MAX,
    Assembly,
    split,
)
from standfast.engine.links.keys import AuthKey, ClusterKey, KeyRing, cluster_tag
from standfast.engine.links.replay import WINDOW, ReplayWindow
from standfast.engine.links.sealing import DATA_OVERHEAD_BYTES, Head, Kind, read_head, seal, unseal
from standfast.engine.links.session import Challenger, Proof, read_proof, write_proof

if TYPE_CHECKING:
    from tests.unit.links.links_lab import KEY_1, KEY_2, A, B, pair
else:
    from links_lab import KEY_1, KEY_2, A, B, pair


# ---- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 127, 4097])
def test_an_authkey_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(Refused, match=f"the authkey has {size} bytes") as refused:
        AuthKey(bytes(size))
    assert "corosync-keygen" in refused.value.reports[0].remedy


@pytest.mark.parametrize("size", [128, 256, 4096])
def test_an_authkey_of_these_lengths_is_taken(size: int) -> None:
    assert len(AuthKey(bytes(size)).reveal()) == size


def test_the_ring_holds_one_key_or_two() -> None:
    assert KeyRing(KEY_1).live() == (KEY_1,)
    assert KeyRing(KEY_1, KEY_1).live() == (KEY_1,)
    assert KeyRing(KEY_2, KEY_1).live() == (KEY_2, KEY_1)


def test_the_fingerprint_is_hkdf_as_rfc_5869_has_it() -> None:
    """Computed here from HMAC alone, so that another implementation agrees with the library's."""
    salt = hashlib.sha256(b"standfast links v1\0" + b"test-cluster").digest()
    prk = hmac.digest(salt, bytes(range(128)), "sha256")
    expected = hmac.digest(prk, b"fingerprint" + b"\x01", "sha256")[:4]
    assert ClusterKey(KEY_1, "test-cluster").fingerprint == expected


def test_every_input_of_a_traffic_key_matters() -> None:
    a, b = bytes(16), bytes(15) + b"\1"
    tags = {
        ClusterKey(KEY_1, "x").traffic(NodeId(1), a, NodeId(2), b).tag,
        ClusterKey(KEY_2, "x").traffic(NodeId(1), a, NodeId(2), b).tag,
        ClusterKey(KEY_1, "y").traffic(NodeId(1), a, NodeId(2), b).tag,
        ClusterKey(KEY_1, "x").traffic(NodeId(3), a, NodeId(2), b).tag,
        ClusterKey(KEY_1, "x").traffic(NodeId(1), b, NodeId(2), b).tag,
        ClusterKey(KEY_1, "x").traffic(NodeId(1), a, NodeId(3), b).tag,
        ClusterKey(KEY_1, "x").traffic(NodeId(1), a, NodeId(2), a).tag,
        ClusterKey(KEY_1, "x").traffic(NodeId(2), b, NodeId(1), a).tag,
    }
    assert len(tags) == 8


# ---- header and seal ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_a_header_reads_back(kind: Kind) -> None:
    is_data = kind is Kind.DATA
    name, boot = (b"8 bytes.", b"") if is_data else (b"4byt", b"16 bytes of boot")
    head = Head(kind, cluster_tag("c"), NodeId(2886729738), 7, name, boot, 2**64 - 1)
    assert read_head(head.packed() + bytes(16)) == head


def test_a_header_of_another_release_says_so() -> None:
    packed = Head(Kind.DATA, b"abcd", NodeId(1), 0, b"8 bytes.", b"", 0).packed()
    with pytest.raises(Malformed, match="version: 2, and this release speaks 1"):
        read_head(packed[:2] + b"\2" + packed[3:] + bytes(16))


@given(st.binary(max_size=80))
def test_a_header_is_read_or_malformed(data: bytes) -> None:
    try:
        head = read_head(data)
    except Malformed:
        return
    assert data.startswith(head.packed())


def test_a_seal_binds_header_and_receiver() -> None:
    aead = ClusterKey(KEY_1, "c").handshake(A, bytes(16))
    head = Head(Kind.HELLO, b"abcd", A, 0, b"4byt", bytes(16), 5)
    sealed = seal(aead, head, B, b"content")
    assert unseal(aead, head, B, sealed) == b"content"
    assert unseal(aead, head, A, sealed) is None
    assert unseal(aead, Head(Kind.ANSWER, b"abcd", A, 0, b"4byt", bytes(16), 5), B, b"Sf\1\4" + sealed[4:]) is None
    assert unseal(aead, head, B, sealed[:-1]) is None


# ---- challenge ------------------------------------------------------------------------------------------------------


def test_a_challenge_is_for_one_peer_one_boot_one_epoch_and_a_few_seconds() -> None:
    challenger = Challenger(bytes(32))
    boot, other = bytes(16), bytes(15) + b"\1"
    given_out = challenger.challenge(12_000_000, A, boot, 3)
    assert challenger.is_answered(12_000_000, A, boot, 3, given_out)
    assert challenger.is_answered(19_999_999, A, boot, 3, given_out)
    assert not challenger.is_answered(20_000_000, A, boot, 3, given_out)
    assert not challenger.is_answered(9_999_999, A, boot, 3, given_out)
    assert not challenger.is_answered(12_000_000, B, boot, 3, given_out)
    assert not challenger.is_answered(12_000_000, A, other, 3, given_out)
    assert not challenger.is_answered(12_000_000, A, boot, 4, given_out)
    assert not Challenger(b"\1" * 32).is_answered(12_000_000, A, boot, 3, given_out)


@given(st.binary(max_size=80), st.booleans())
def test_a_proof_is_read_or_malformed(content: bytes, is_answer: bool) -> None:
    try:
        proof = read_proof(content, is_answer=is_answer)
    except Malformed:
        assert len(content) != (48 if is_answer else 32)
        return
    assert write_proof(proof) == content
    assert proof == Proof(content[:16], content[16:32], content[32:])


# ---- replay window --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4 * WINDOW), max_size=200))
def test_the_window_takes_each_counter_once_and_none_that_is_old(counters: list[int]) -> None:
    window, taken, highest = ReplayWindow(), set(), -1
    for counter in counters:
        expected = counter not in taken and counter > highest - WINDOW
        assert window.is_fresh(counter) == expected
        if expected:
            window.mark(counter)
            taken.add(counter)
            highest = max(highest, counter)
        window.check()


def test_the_window_at_its_edges() -> None:
    window = ReplayWindow()
    window.mark(5000)
    assert window.is_fresh(5000 - WINDOW + 1)
    assert not window.is_fresh(5000 - WINDOW)
    window.mark(5000 - WINDOW + 1)
    assert not window.is_fresh(5000 - WINDOW + 1)
    window.mark(2**64 - 1)
    window.check()


# ---- fragments ------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_fragments_in_any_order_with_duplicates_give_the_message_once(data: st.DataObject) -> None:
    message = data.draw(st.binary(min_size=1, max_size=2000))
    room = data.draw(st.integers(FRAGMENT_HEAD_BYTES + 1, 400))
    fragments = split(message, room)
    assert max(map(len, fragments)) <= room
    order = data.draw(st.permutations(list(fragments)))
    last = order[-1]
    assembly = Assembly()
    for fragment in order[:-1]:
        for _ in range(data.draw(st.integers(1, 2))):
            assert assembly.add(0, fragment) is None
            assembly.check()
    assert assembly.add(0, last) == message
    assert assembly.held_bytes == 0


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_a_second_sending_fills_the_holes_of_the_first(first: set[int], second: set[int]) -> None:
    message = bytes(range(200)) * 5
    fragments = split(message, 100 + FRAGMENT_HEAD_BYTES)
    assembly = Assembly()
    whole = [assembly.add(0, fragments[index]) for index in (*sorted(first), *sorted(second))]
    assert (message in whole) == (first | second == set(range(10)))


def test_fragments_of_many_messages_mixed() -> None:
    chance = random.Random(3)
    messages = [chance.randbytes(chance.randrange(500, 5000)) for _ in range(PARTIALS_MAX)]
    wire = [fragment for message in messages for fragment in split(message, 300)]
    chance.shuffle(wire)
    assembly = Assembly()
    whole = [message for fragment in wire if (message := assembly.add(0, fragment)) is not None]
    assert sorted(whole) == sorted(messages)
    assert assembly.dropped == 0


def test_what_stays_unfinished_is_forgotten_oldest_first() -> None:
    assembly = Assembly()
    lists = [split(b"%04d" % number * 100, 100) for number in range(PARTIALS_MAX + 10)]
    for fragments in lists:
        assembly.add(0, fragments[0])
        assembly.check()
    assert assembly.dropped == 10
    assert [assembly.add(0, fragment) for fragment in lists[9][1:]][-1] is None  # its first fragment is gone
    assert [assembly.add(0, fragment) for fragment in lists[-1][1:]][-1] == b"0073" * 100


def test_what_stays_unfinished_is_forgotten_with_age() -> None:
    assembly = Assembly()
    fragments = split(bytes(1000), 100)
    assembly.add(0, fragments[0])
    assembly.add(PARTIAL_AGE_US_MAX + 1, split(b"other" * 100, 100)[0])
    assert len(assembly.partials) == 1
    assert assembly.dropped == 1


def test_bytes_held_have_a_limit() -> None:
    assembly = Assembly()
    for number in range(8):
        for fragment in split(bytes((number,)) * MESSAGE_BYTES_MAX, 1300)[1:]:
            assembly.add(0, fragment)
        assembly.check()
    assert assembly.held_bytes <= PARTIAL_BYTES_MAX
    assembly.clear()
    assembly.check()


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_nonsense_fragments_are_malformed_or_held_within_limits(fragments: list[bytes]) -> None:
    assembly = Assembly()
    for fragment in fragments:
        try:
            whole = assembly.add(0, fragment)
        except Malformed:
            whole = None
        assert whole is None  # nobody guesses a hash
        assembly.check()


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (8, b"\0\0", "count"),
        (8, b"\xff\xff", "count"),
        (10, b"\0\3", "index"),
        (12, b"\0\0\0\1", "total"),
        (12, b"\xff" * 4, "total"),
    ],
)
def test_numbers_of_a_fragment_are_checked(place: int, value: bytes, field: str) -> None:
    fragment = split(bytes(250), 100 + FRAGMENT_HEAD_BYTES)[0]
    with pytest.raises(Malformed, match=field):
        Assembly().add(0, fragment[:place] + value + fragment[place + len(value) :])


def test_a_liar_about_the_total_is_found_out() -> None:
    assembly = Assembly()
    first, second, third = split(bytes(250), 100 + FRAGMENT_HEAD_BYTES)
    assembly.add(0, first)
    assembly.add(0, second)
    with pytest.raises(Malformed, match="more than"):
        assembly.add(0, third + b"too much")
    with pytest.raises(Malformed, match="do not make the message"):
        assembly.add(0, third[:-1] + b"\1")
    assembly.check()


@given(st.sets(st.integers(0, 40), max_size=12), st.integers(512, 1500))
@settings(max_examples=60, deadline=None)
def test_a_large_message_over_a_lossy_wire_comes_with_the_retransmission(lost: set[int], mtu_bytes: int) -> None:
    lab = pair(mtu_bytes=mtu_bytes)
    message = random.Random(5).randbytes(20_000)
    first = len(lab.recorded)
    lab.drop = lambda number: number - first in lost
    heard = lab.say(A, B, message)
    lab.drop = lambda number: False
    if message not in heard:
        heard += lab.say(A, B, message)
    assert heard[0] == message
    assert all(len(flight.data) <= mtu_bytes for flight in lab.recorded)
    assert DATA_OVERHEAD_BYTES == 45
