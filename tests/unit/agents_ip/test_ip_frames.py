"""Frames and netlink messages, byte by byte: golden values, the kernel's filter interpreted, and rubbish."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.agents.ip.api import DropAddress, Interface, Neighbour, PutAddress
from standfast.base.wire import Malformed
from standfast.runtime import rtnl
from standfast.runtime.neighbours import (
    Instruction,
    arp_announcements,
    arp_filter,
    arp_probe,
    arp_question,
    nd_advertisement,
    nd_filter,
    nd_question,
    nd_solicitation,
    read_frame,
    solicited_node,
    speaker,
)
from standfast.runtime.netlink import Picture

MAC = bytes.fromhex("020000000001")


def test_probe_and_announcements_on_the_wire() -> None:
    padding = "00" * 18
    assert arp_probe(MAC, "172.16.0.100").hex() == (
        "ffffffffffff0200000000010806000108000604000102000000000100000000000000000000ac100064" + padding
    )
    request, reply = arp_announcements(MAC, "172.16.0.100")
    assert request.hex() == ("ffffffffffff02000000000108060001080006040001020000000001ac100064000000000000ac100064" + padding)
    assert reply.hex() == (
        "ffffffffffff" "020000000001" "0806" "0001080006040002" "020000000001" "ac100064" "020000000001" "ac100064" + padding
    )  # fmt: skip


def test_neighbour_discovery_on_the_wire() -> None:
    assert str(solicited_node("fd00::1:234:5678")) == "ff02::1:ff34:5678"
    frame = nd_solicitation(MAC, "fd00::100")
    assert frame[:14].hex() == "3333ff00010002000000000186dd"
    assert (frame[20], frame[21], frame[54]) == (58, 255, 135)
    told = nd_advertisement(MAC, "fd00::100")
    assert told[:14].hex() == "33330000000102000000000186dd"
    assert told[54:62].hex()[:4] == "8800"
    assert told[58:62].hex() == "20000000", "Override, neither Router nor Solicited"
    assert told[78:].hex() == "0201020000000001"
    for one in (frame, told):  # the checksum over everything, itself included, is all ones (RFC 1071)
        data = one[22:54] + struct.pack("!II", len(one) - 54, 58) + one[54:]
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (arp_probe(MAC, "172.16.0.100"), ("172.16.0.100", MAC, "probe")),
        (arp_announcements(MAC, "172.16.0.100")[0], ("172.16.0.100", MAC, "announcement")),
        (arp_announcements(MAC, "172.16.0.100")[1], ("172.16.0.100", MAC, "announcement")),
        (nd_solicitation(MAC, "fd00::100"), ("fd00::100", MAC, "solicitation")),
        (nd_advertisement(MAC, "fd00::100"), ("fd00::100", MAC, "advertisement")),
        (b"", None),
        (bytes(200), None),
        (nd_advertisement(MAC, "fd00::100")[:21] + b"\x40" + nd_advertisement(MAC, "fd00::100")[22:], None),  # came by a router
    ],
)
def test_what_is_heard(frame: bytes, said: tuple[str, bytes, str] | None) -> None:
    assert read_frame(frame) == said


def test_a_request_and_a_reply_claim_the_senders_address() -> None:
    request = bytearray(arp_announcements(MAC, "172.16.0.100")[0])
    request[38:42] = bytes([172, 16, 0, 1])
    assert read_frame(bytes(request)) == ("172.16.0.100", MAC, "request")
    request[21] = 2
    assert read_frame(bytes(request)) == ("172.16.0.100", MAC, "reply")
    request[21] = 9
    assert read_frame(bytes(request)) is None


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x06", b"\x86\xdd"]))
def test_any_frame_is_read_or_passed_over(data: bytes, kind: bytes) -> None:
    read_frame(data[:12].ljust(12, b"\0") + kind + data[12:])


# ---- the filter, run as the kernel would -----------------------------------------------------------------------------


def run_filter(program: tuple[Instruction, ...], frame: bytes) -> bool:
    accumulator, at = 0, 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == 0x06:
            return value > 0
        if code == 0x15:
            at += yes if accumulator == value else no
        else:
            size = {0x20: 4, 0x28: 2, 0x30: 1}[code]
            if value + size > len(frame):
                return False
            accumulator = int.from_bytes(frame[value : value + size], "big")


IPS = ("172.16.0.100", "172.16.0.101", "10.0.0.1")


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_arp_filter_passes_what_concerns_us(count: int) -> None:
    program = arp_filter(IPS[:count])
    for at, ip in enumerate(IPS):
        for frame in (arp_probe(MAC, ip), *arp_announcements(MAC, ip)):
            assert run_filter(program, frame) is (at < count), (ip, frame.hex())
    asked = bytearray(arp_announcements(MAC, "172.16.0.7")[0])
    asked[38:42] = bytes([172, 16, 0, 100])  # who has our address? the kernel answers that, it is no claim
    assert not run_filter(program, bytes(asked))


def test_the_arp_filter_has_its_limit() -> None:
    many = tuple(f"10.0.{n // 250}.{n % 250 + 1}" for n in range(400))
    assert len(arp_filter(many[:50])) == 105
    assert run_filter(arp_filter(many), arp_probe(MAC, "1.1.1.1"))


def test_the_nd_filter_passes_solicitations_and_advertisements() -> None:
    assert run_filter(nd_filter(), nd_solicitation(MAC, "fd00::1"))
    assert run_filter(nd_filter(), nd_advertisement(MAC, "fd00::1"))
    other = bytearray(nd_advertisement(MAC, "fd00::1"))
    other[54] = 128
    assert not run_filter(nd_filter(), bytes(other))
    other[54], other[20] = 136, 17
    assert not run_filter(nd_filter(), bytes(other))


# ---- rtnetlink ------------------------------------------------------------------------------------------------------

PUT = PutAddress("eth0", "172.16.0.100", 24, 2, 2, "172.16.0.255", "eth0:web", noprefixroute=True, nodad=False, before_us=0)


def as_told(message: bytes, kind: int) -> bytes:
    """A request, as the kernel would tell it to listeners."""
    return message[:4] + struct.pack("=H", kind) + message[6:]


def test_a_put_says_what_it_means() -> None:
    message = rtnl.put_request(PUT, 7, 42)
    ((kind, flags, whole),) = rtnl.split(message)
    assert (kind, flags, rtnl.sequence_of(whole)) == (rtnl.NEWADDR, 0x1 | 0x4 | 0x100 | 0x400, 42)
    assert rtnl.read_address(message) == rtnl.Address(7, "172.16.0.100", 24, "eth0:web", 2, frozenset({"noprefixroute"}))
    assert b"\x0e\x00\x06\x00" not in message
    v6 = PutAddress("eth0", "fd00::100", 64, None, None, None, None, noprefixroute=False, nodad=True, before_us=0)
    assert rtnl.read_address(rtnl.put_request(v6, 7, 1)) == rtnl.Address(7, "fd00::100", 64, "", None, frozenset())


def test_links_are_read_and_bridge_ports_are_not() -> None:
    name = struct.pack("=HH", 9, 3) + b"eth0\0\0\0\0"
    mac = struct.pack("=HH", 10, 1) + MAC + b"\0\0"
    state = struct.pack("=HH", 5, 16) + b"\x02\0\0\0"

    def message(family: int, flags: int) -> bytes:
        body = struct.pack("=BxHiII", family, 1, 7, flags, 0) + name + mac + state
        return struct.pack("=IHHII", 16 + len(body), rtnl.NEWLINK, 0, 0, 0) + body

    assert rtnl.read_link(message(0, 1)) == Interface("eth0", 7, MAC, is_up=True, carrier=False)
    assert rtnl.read_link(message(7, 1)) is None
    picture = Picture()
    assert picture.apply(rtnl.NEWLINK, message(0, 1))
    assert not picture.apply(rtnl.NEWLINK, message(0, 1)), "nothing changed"
    assert not picture.has_stale_routes
    assert picture.apply(rtnl.NEWLINK, message(0, 0))
    assert picture.has_stale_routes, "IPv4 routes go without a word"


def test_a_renewal_does_not_matter_and_a_deletion_always_does() -> None:
    picture = Picture()
    put = as_told(rtnl.put_request(PUT, 7, 1), rtnl.NEWADDR)
    drop = as_told(rtnl.drop_request(DropAddress("eth0", "172.16.0.100", 24), 7, 1), rtnl.DELADDR)
    assert picture.apply(rtnl.NEWADDR, put)
    assert not picture.apply(rtnl.NEWADDR, put)
    assert picture.apply(rtnl.DELADDR, drop)
    assert picture.apply(rtnl.DELADDR, drop)
    assert picture.apply(rtnl.NEWADDR, put)


@given(st.binary(max_size=400))
def test_netlink_rubbish_is_malformed_or_nothing(data: bytes) -> None:
    picture = Picture()
    try:
        for kind, _flags, message in rtnl.split(data):
            picture.apply(kind, message)
    except Malformed:
        pass


def test_impossible_prefixes_are_malformed() -> None:
    route = struct.pack("=IHHII", 44, rtnl.NEWROUTE, 0, 0, 0) + bytes([2, 99, 0, 0, 254, 2, 253, 1]) + bytes(4)
    route += struct.pack("=HHI", 8, 4, 1) + struct.pack("=HH", 8, 1) + bytes([10, 0, 0, 0])
    with pytest.raises(Malformed):
        rtnl.read_route(route)


@given(st.binary(max_size=120), st.sampled_from([16, 17, 20, 21, 24, 25]))
def test_broken_bodies_are_malformed_or_nothing(body: bytes, kind: int) -> None:
    message = struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body
    with contextlib.suppress(Malformed):
        Picture().apply(kind, message)


def test_pyroute2_is_imported_narrowly() -> None:
    program = "import sys, standfast.runtime.netlink as n; print(*[m for m in sys.modules if m.startswith('pyroute2')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], "the top package's 160 modules cost 13 MB and 110 ms"


# ---- surveys --------------------------------------------------------------------------------------------------------


def test_questions_in_our_own_name_on_the_wire() -> None:
    assert arp_question(MAC, None, "172.16.0.1") == arp_probe(MAC, "172.16.0.1")
    assert arp_question(MAC, "172.16.0.10", "172.16.0.1").hex() == (
        "ffffffffffff02000000000108060001080006040001020000000001ac10000a000000000000ac100001" + "00" * 18
    )
    assert nd_question(MAC, None, "fd00::1") == nd_solicitation(MAC, "fd00::1")
    frame = nd_question(MAC, "fe80::1", "fd00::1")
    assert frame[:14].hex() == "3333ff000001" + MAC.hex() + "86dd"
    assert frame[22:38].hex() == "fe80" + "00" * 13 + "01"
    assert frame[54] == 135
    assert frame[78:] == b"\x01\x01" + MAC, "our own link-layer address, for the answer"


def test_who_speaks() -> None:
    reply = bytearray(arp_question(MAC, "172.16.0.10", "172.16.0.1"))
    reply[21] = 2
    assert speaker(bytes(reply)) == ("172.16.0.10", True)
    assert speaker(arp_question(MAC, "172.16.0.10", "172.16.0.1")) == ("172.16.0.10", False)
    assert speaker(arp_probe(MAC, "172.16.0.1")) is None, "a question without a name"
    assert speaker(nd_question(MAC, "fe80::1", "fd00::1")) == ("fe80::1", False)
    assert speaker(nd_solicitation(MAC, "fd00::1")) is None
    assert speaker(nd_advertisement(MAC, "fd00::1")) == ("fd00::1", True)


@given(st.binary(max_size=120))
def test_rubbish_never_speaks_out_of_turn(frame: bytes) -> None:
    for start in (b"", bytes(12) + b"\x08\x06", bytes(12) + b"\x86\xdd\x60" + bytes(5) + b"\x3a\xff"):
        speaker(start + frame)


def neighbour_message(family: int, state: int, ip: bytes, mac: bytes, confirmed_s: int, updated_s: int) -> bytes:
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    cache = struct.pack("=IIII", 100 * confirmed_s, 0, 100 * updated_s, 0)
    body = struct.pack("=BxxxiHBB", family, 2, state, 0, 1) + attribute(1, ip) + attribute(2, mac) + attribute(3, cache)
    return struct.pack("=IHHII", 16 + len(body), rtnl.NEWNEIGH, 0, 7, 0) + body


def test_the_kernels_neighbours() -> None:
    ip = bytes([172, 16, 0, 200])
    assert rtnl.read_neighbour(neighbour_message(2, 0x04, ip, MAC, 60, 3)) == Neighbour("172.16.0.200", MAC, 3)
    assert rtnl.read_neighbour(neighbour_message(10, 0x02, bytes(15) + b"\x01", MAC, 5, 9)) == Neighbour("::1", MAC, 5)
    for state in (0x01, 0x20, 0x40):  # incomplete, failed, without ARP
        assert rtnl.read_neighbour(neighbour_message(2, state, ip, MAC, 0, 0)) is None
    assert rtnl.read_neighbour(neighbour_message(2, 0x02, ip, bytes(6), 0, 0)) is None
    assert rtnl.read_neighbour(neighbour_message(7, 0x02, ip, MAC, 0, 0)) is None, "the forwarding table of a bridge"


@given(st.binary(max_size=80))
def test_rubbish_is_no_neighbour(tail: bytes) -> None:
    with contextlib.suppress(Malformed):
        rtnl.read_neighbour(neighbour_message(2, 0x02, bytes(4), MAC, 0, 0)[:28] + tail)
