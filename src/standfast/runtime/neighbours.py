"""ARP and neighbour discovery about our addresses: questions, announcements, and what others say. No decision is made here.

One packet socket for ARP and one for ICMPv6 on each interface that is watched. A filter in the kernel passes only frames about
the watched addresses, so that a busy network does not wake the manager. Whole Ethernet frames are sent: the kernel would not send
a neighbour advertisement from an address that it is still adding.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address, ip_address

from standfast.agents.ip.api import Interface, NeighbourHeard
from standfast.base.dataclass import dataclass
from standfast.base.report import Report, warning

EVENTS_PER_S_MAX = 200
FRAMES_MAX = 256  # read at one go before other work gets a turn
FILTER_IPS_MAX = 50  # beyond it the kernel passes every ARP frame and we sort them out here

ETH_ARP, ETH_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_NO_MAC = bytes(6)
_ARP_REQUEST, _ARP_REPLY = 1, 2
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_ALL_NODES = IPv6Address("ff02::1")
_UNSPECIFIED = bytes(16)
_SO_ATTACH_FILTER, _SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_MULTICAST = 26, 263, 1, 0


# ---- frames ---------------------------------------------------------------------------------------------------------


def arp_probe(mac: bytes, ip: str) -> bytes:
    """RFC 5227 2.1.1: who has `ip`, asked from 0.0.0.0, so that nobody learns anything from the question."""
    return _arp(mac, _ARP_REQUEST, bytes(4), _NO_MAC, IPv4Address(ip).packed)


def arp_question(mac: bytes, own: str | None, ip: str) -> bytes:
    """Who has `ip`, asked in our own name (a probe where we have none in its network)."""
    return _arp(mac, _ARP_REQUEST, bytes(4) if own is None else IPv4Address(own).packed, _NO_MAC, IPv4Address(ip).packed)


def arp_announcements(mac: bytes, ip: str) -> tuple[bytes, bytes]:
    """Gratuitous ARP in both forms: some switches and stacks learn from requests only, some from replies only. In a reply Linux
    wants the target's hardware address to be the sender's (net/ipv4/arp.c, arp_is_garp)."""
    packed = IPv4Address(ip).packed
    return _arp(mac, _ARP_REQUEST, packed, _NO_MAC, packed), _arp(mac, _ARP_REPLY, packed, mac, packed)


def _arp(mac: bytes, operation: int, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    head = _BROADCAST + mac + struct.pack("!HHHBBH", ETH_ARP, 1, 0x0800, 6, 4, operation)
    return (head + mac + sender + target_mac + target).ljust(60, b"\0")


def nd_solicitation(mac: bytes, ip: str) -> bytes:
    """RFC 4862 5.4.2: a neighbour solicitation from ::, as duplicate address detection sends it."""
    target = IPv6Address(ip).packed
    body = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + target
    return _icmpv6(mac, _UNSPECIFIED, solicited_node(ip).packed, body)


def nd_question(mac: bytes, own: str | None, ip: str) -> bytes:
    """RFC 4861 7.2.2: a neighbour solicitation in our own name, with our link-layer address; answered to us alone."""
    if own is None:
        return nd_solicitation(mac, ip)
    body = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + IPv6Address(ip).packed + b"\x01\x01" + mac
    return _icmpv6(mac, IPv6Address(own).packed, solicited_node(ip).packed, body)


def nd_advertisement(mac: bytes, ip: str) -> bytes:
    """RFC 4861 7.2.6: an unsolicited advertisement to all nodes, Override set, with the target's link-layer address."""
    target = IPv6Address(ip).packed
    body = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, 0x2000_0000) + target + b"\x02\x01" + mac
    return _icmpv6(mac, target, _ALL_NODES.packed, body)


def solicited_node(ip: str) -> IPv6Address:
    """ff02::1:ffXX:XXXX (RFC 4291 2.7.1)."""
    return IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + IPv6Address(ip).packed[13:])


def _icmpv6(mac: bytes, source: bytes, destination: bytes, body: bytes) -> bytes:
    pseudo = source + destination + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]
    ethernet = b"\x33\x33" + destination[12:] + mac + struct.pack("!H", ETH_IPV6)
    return ethernet + struct.pack("!IHBB", 0x6000_0000, len(body), _ICMPV6, 255) + source + destination + body


def _checksum(data: bytes) -> int:
    """RFC 1071, over an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read_frame(frame: bytes) -> tuple[str, bytes, str] | None:
    """(address, MAC, kind) of a frame that claims or asks for an address; None for every other frame, however it is broken."""
    if len(frame) >= 42 and frame[12:14] == b"\x08\x06":
        return _read_arp(frame)
    if len(frame) >= 78 and frame[12:14] == b"\x86\xdd":
        return _read_nd(frame)
    return None


def speaker(frame: bytes) -> tuple[str, bool] | None:
    """(who speaks, whether it is an answer) of ARP and neighbour discovery; None for other frames, and for nameless questions."""
    said = read_frame(frame)
    if said is not None:
        ip, _, kind = said
        return None if kind in ("probe", "solicitation") else (ip, kind in ("reply", "advertisement"))
    is_solicitation = len(frame) >= 78 and frame[12:14] == b"\x86\xdd" and frame[20] == _ICMPV6 and frame[54] == _SOLICITATION
    return (str(IPv6Address(frame[22:38])), False) if is_solicitation and frame[21] == 255 else None


def _read_arp(frame: bytes) -> tuple[str, bytes, str] | None:
    if frame[14:20] != b"\x00\x01\x08\x00\x06\x04":
        return None
    operation, mac, sender, target = frame[21], frame[22:28], frame[28:32], frame[38:42]
    if frame[20] or operation not in (_ARP_REQUEST, _ARP_REPLY):
        return None
    if sender == bytes(4):
        return (str(IPv4Address(target)), mac, "probe") if operation == _ARP_REQUEST else None
    kind = "announcement" if sender == target else "request" if operation == _ARP_REQUEST else "reply"
    return str(IPv4Address(sender)), mac, kind


def _read_nd(frame: bytes) -> tuple[str, bytes, str] | None:
    # Version 6, ICMPv6 without extension headers, hop limit 255: no router passed it (RFC 4861 7.1)
    if frame[14] >> 4 != 6 or frame[20] != _ICMPV6 or frame[21] != 255 or frame[55]:
        return None
    kind, source, target = frame[54], frame[22:38], frame[62:78]
    if kind == _SOLICITATION and source == _UNSPECIFIED:
        return str(IPv6Address(target)), frame[6:12], "solicitation"
    if kind == _ADVERTISEMENT:
        has_mac = frame[78:80] == b"\x02\x01" and len(frame) >= 86
        return str(IPv6Address(target)), frame[80:86] if has_mac else frame[6:12], "advertisement"
    return None


# ---- the filter in the kernel (classic BPF) ---------------------------------------------------------------------------

_LD_W, _LD_H, _LD_B = 0x20, 0x28, 0x30  # load word, half, byte at an absolute offset
_JEQ, _RET = 0x15, 0x06
Instruction = tuple[int, int, int, int]


def arp_filter(ips: tuple[str, ...]) -> tuple[Instruction, ...]:
    """Pass ARP whose sender address is one of `ips`, or whose sender is 0.0.0.0 and whose target is one of them."""
    words = [int(IPv4Address(ip)) for ip in ips[:FILTER_IPS_MAX]]
    if len(words) < len(ips):
        return all_filter()
    n = len(words)
    # ld sender; jeq each -> accept; jeq 0 or reject; ld target; jeq each -> accept; reject; accept
    accept = 2 * n + 4
    program: list[Instruction] = [(_LD_W, 0, 0, 28)]
    program += [(_JEQ, accept - at - 1, 0, word) for at, word in enumerate(words, 1)]
    program.append((_JEQ, 0, accept - 1 - (n + 1) - 1, 0))
    program.append((_LD_W, 0, 0, 38))
    program += [(_JEQ, accept - at - 1, 0, word) for at, word in enumerate(words, n + 3)]
    program += [(_RET, 0, 0, 0), (_RET, 0, 0, 0xFFFF)]
    return tuple(program)


def all_filter() -> tuple[Instruction, ...]:
    """Pass everything of the socket's Ethernet type."""
    return ((_RET, 0, 0, 0xFFFF),)


def nd_filter() -> tuple[Instruction, ...]:
    """Pass neighbour solicitations and advertisements; the addresses are compared in `_heard`, for they are four words long."""
    return (
        (_LD_B, 0, 0, 20),
        (_JEQ, 0, 4, _ICMPV6),
        (_LD_B, 0, 0, 54),
        (_JEQ, 1, 0, _SOLICITATION),
        (_JEQ, 0, 1, _ADVERTISEMENT),
        (_RET, 0, 0, 0xFFFF),
        (_RET, 0, 0, 0),
    )


def _attach(sock: socket.socket, program: tuple[Instruction, ...]) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(buffer)))


# ---- the sockets ----------------------------------------------------------------------------------------------------


def packet_socket(interface: str, kind: int, program: tuple[Instruction, ...]) -> socket.socket:
    """A socket for frames of one Ethernet type on one interface, as the filter lets them pass. Raises OSError."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)  # 0: deaf until the filter is there
    try:
        _attach(sock, program)
        sock.bind((interface, kind))
    except OSError:
        sock.close()
        raise
    return sock


@dataclass(slots=True)
class _Watched:
    """One interface: its sockets, and the addresses that are watched there."""

    index: int
    ips: dict[str, None] = field(default_factory=dict)
    sockets: dict[int, socket.socket] = field(default_factory=dict)  # by Ethernet type
    window_us: int = 0
    heard: int = 0


class Neighbours:
    """Sends and hears ARP and neighbour discovery. Raises OSError (EPERM without CAP_NET_RAW, ENODEV without the interface)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interface: Callable[[str], Interface | None],
        own_macs: Callable[[], frozenset[bytes]],
        on_heard: Callable[[NeighbourHeard], None],
        on_report: Callable[[Report], None],
    ) -> None:
        self._loop, self._interface, self._own_macs = loop, interface, own_macs
        self._on_heard, self._on_report = on_heard, on_report
        self._watched: dict[str, _Watched] = {}

    def close(self) -> None:
        """Close every socket."""
        for watched in self._watched.values():
            self._close(watched)
        self._watched.clear()

    def watch(self, interface: str, ip: str, *, on: bool) -> None:
        """Hear what is said about `ip` on `interface`, or no longer."""
        if on:
            watched = self._opened(interface)
            watched.ips[ip] = None
            self._listen(interface, watched, ip)
            return
        watching = self._watched.get(interface)
        if watching is None:
            return
        watching.ips.pop(ip, None)
        if not watching.ips:
            self._close(self._watched.pop(interface))
        elif ETH_ARP in watching.sockets:
            _attach(watching.sockets[ETH_ARP], arp_filter(_v4(watching.ips)))

    def ask(self, interface: str, ip: str) -> None:
        """One probe."""
        link = self._link(interface)
        is_v4 = ip_address(ip).version == 4
        frame = arp_probe(link.mac, ip) if is_v4 else nd_solicitation(link.mac, ip)
        self._send(interface, ETH_ARP if is_v4 else ETH_IPV6, frame)

    def announce(self, interface: str, ip: str, mac: bytes) -> None:
        """Gratuitous ARP in both forms, or one unsolicited neighbour advertisement."""
        if ip_address(ip).version == 6:
            self._send(interface, ETH_IPV6, nd_advertisement(mac, ip))
            return
        for frame in arp_announcements(mac, ip):
            self._send(interface, ETH_ARP, frame)

    def _link(self, interface: str) -> Interface:
        link = self._interface(interface)
        if link is None:
            raise OSError(errno.ENODEV, f"interface {interface} is gone")
        return link

    def _opened(self, interface: str) -> _Watched:
        """The interface's record; a new one when the interface was deleted and made again (another index, deaf sockets)."""
        link = self._link(interface)
        watched = self._watched.get(interface)
        if watched is None or watched.index != link.index:
            ips = {} if watched is None else watched.ips
            if watched is not None:
                self._close(watched)
            watched = self._watched[interface] = _Watched(link.index, ips)
            for ip in ips:
                self._listen(interface, watched, ip)
        return watched

    def _listen(self, interface: str, watched: _Watched, ip: str) -> None:
        if ip_address(ip).version == 4:
            sock = self._socket(interface, watched, ETH_ARP)
            _attach(sock, arp_filter(_v4(watched.ips)))
            return
        sock = self._socket(interface, watched, ETH_IPV6)
        group = b"\x33\x33" + solicited_node(ip).packed[12:]  # the kernel joins it only once it has the address
        membership = struct.pack("IHH8s", watched.index, _PACKET_MR_MULTICAST, 6, group)
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)

    def _socket(self, interface: str, watched: _Watched, kind: int) -> socket.socket:
        if kind in watched.sockets:
            return watched.sockets[kind]
        program = nd_filter() if kind == ETH_IPV6 else arp_filter(_v4(watched.ips))
        sock = watched.sockets[kind] = packet_socket(interface, kind, program)
        self._loop.add_reader(sock.fileno(), self._readable, interface, sock)
        return sock

    def _send(self, interface: str, kind: int, frame: bytes) -> None:
        watched = self._opened(interface)
        self._socket(interface, watched, kind).send(frame)

    def _readable(self, interface: str, sock: socket.socket) -> None:
        watched = self._watched.get(interface)
        for _ in range(FRAMES_MAX):
            try:
                frame = sock.recv(256)
            except OSError:  # read empty, or the interface went down: netlink tells that
                return
            if watched is not None:
                self._heard(interface, watched, frame)

    def _heard(self, interface: str, watched: _Watched, frame: bytes) -> None:
        said = read_frame(frame)
        if said is None:
            return
        ip, mac, kind = said
        if ip not in watched.ips or mac in self._own_macs():
            return
        now_us = time.monotonic_ns() // 1000
        if now_us - watched.window_us >= 1_000_000:
            watched.window_us, watched.heard = now_us, 0
        watched.heard += 1
        if watched.heard <= EVENTS_PER_S_MAX:
            self._on_heard(NeighbourHeard(interface, ip, mac, kind))
        elif watched.heard == EVENTS_PER_S_MAX + 1:
            what = f"more than {EVENTS_PER_S_MAX} claims a second on {interface}, the rest is not looked at"
            self._on_report(warning("net.storm", what, f"last: {ip} by {mac.hex(':')}", "somebody floods the network with ARP"))

    def _close(self, watched: _Watched) -> None:
        for sock in watched.sockets.values():
            self._loop.remove_reader(sock.fileno())
            sock.close()
        watched.sockets.clear()


def _v4(ips: dict[str, None]) -> tuple[str, ...]:
    return tuple(ip for ip in ips if ":" not in ip)
