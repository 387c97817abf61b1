"""Asking a host's kernel for a sign of life: ICMP echo, from one link's address (RFC 792, RFC 4443).

Owns: the raw socket, the question's bytes, and which answers are believed. Does not own: when to ask, what an answer means.

A question carries a cookie of this process, so only who sees the question can answer it; the time in it comes back, so a late
answer proves no more than it should. Echo replies are not among what Linux limits by default (icmp(7), icmp_ratemask). Without
the right to a raw socket nothing is asked, and silence alone counts, as it does where ICMP is filtered.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct

from standfast.engine.effects import Address

COOKIE_BYTES = 8
ANSWERS_PER_WAKE = 64

_HEAD = struct.Struct("!BBHHH")
_BODY = struct.Struct(f"!{COOKIE_BYTES}sQ")
_SOL_RAW = 255
_ICMP_FILTER = 1
_V4_REQUEST, _V4_REPLY = 8, 0
_V6_REQUEST, _V6_REPLY = 128, 129
_TARGETS_MAX = 0xFFFF


class Echo:
    """One link's questions. Invariant: `fault` says why there is no socket exactly while `fileno()` is negative."""

    def __init__(self, local: str, cookie: bytes) -> None:
        """Never raises: where it may not ask, it does not."""
        assert len(cookie) == COOKIE_BYTES
        self._cookie = cookie
        self._is_v6 = ":" in local
        self._numbers: dict[Address, int] = {}
        self._targets: list[Address] = []
        self.fault = ""
        self._socket: socket.socket | None = None
        try:
            self._socket = self._open(local)
        except OSError as fault:
            self.fault = fault.strerror or str(fault)

    def _open(self, local: str) -> socket.socket:
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if self._is_v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
        try:
            if self._is_v6:  # struct icmp6_filter: a bit that is set blocks its type
                words = [0xFFFFFFFF] * 8
                words[_V6_REPLY >> 5] &= ~(1 << (_V6_REPLY & 31)) & 0xFFFFFFFF
                sock.setsockopt(socket.IPPROTO_ICMPV6, 1, struct.pack("=8I", *words))
            else:
                sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << _V4_REPLY) & 0xFFFFFFFF))
            sock.bind((local, 0))
        except OSError:
            sock.close()
            raise
        return sock

    def fileno(self) -> int:
        """The socket, for the loop; -1 without one."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """No more questions."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, target: Address, asked_us: int) -> None:
        """Ask the host of `target`; what cannot be sent is silence."""
        if self._socket is None:
            return
        number = self._numbers.setdefault(target, len(self._targets))
        if number == len(self._targets):
            assert number < _TARGETS_MAX
            self._targets.append(target)
        with contextlib.suppress(OSError):
            self._socket.sendto(self.question(number, asked_us), (target[0], 0))

    def question(self, number: int, asked_us: int) -> bytes:
        """The bytes of a question to the target of that number."""
        body = _BODY.pack(self._cookie, asked_us)
        kind = _V6_REQUEST if self._is_v6 else _V4_REQUEST
        checksum = 0 if self._is_v6 else _checksum(_HEAD.pack(kind, 0, 0, 0, number) + body)  # the kernel does it for IPv6
        return _HEAD.pack(kind, 0, checksum, 0, number) + body

    def answers(self) -> list[tuple[Address, int]]:
        """Whose kernels have answered, and when they were asked."""
        out = []
        for _ in range(ANSWERS_PER_WAKE):
            if self._socket is None:
                break
            try:
                data, source = self._socket.recvfrom(2048)
            except OSError:
                break
            answer = self.answer(data, source[0])
            if answer is not None:
                out.append(answer)
        return out

    def answer(self, data: bytes, source: str) -> tuple[Address, int] | None:
        """One packet as the raw socket gives it (with its header over IPv4); None: it answers none of our questions."""
        start = 0 if self._is_v6 else (data[0] & 15) * 4 if data else 0
        if len(data) < start + _HEAD.size + _BODY.size:
            return None
        kind, code, _, _, number = _HEAD.unpack_from(data, start)
        cookie, asked_us = _BODY.unpack_from(data, start + _HEAD.size)
        if (kind, code, cookie) != (_V6_REPLY if self._is_v6 else _V4_REPLY, 0, self._cookie) or number >= len(self._targets):
            return None
        target = self._targets[number]
        return (target, asked_us) if _same_host(target[0], source) else None


def _same_host(one: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(one.partition("%")[0]) == ipaddress.ip_address(other.partition("%")[0])
    except ValueError:
        return one == other


def _checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
