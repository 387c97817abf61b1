"""Who is out there? One survey of one interface: questions to known neighbours, and what comes back. No decision is made here.

Its sockets live as long as it does, a second at most: while the node is in company nobody listens to other hosts' ARP. A frame
that merely comes in proves that we hear, not that we are heard; so whoever speaks is asked too, and only answers count.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_interface

from standfast.agents.ip.api import NEIGHBOURS_MAX, AddressSeen, Interface, Neighbour, Survey, Surveyed
from standfast.runtime import neighbours

ROUNDS = 4
LATER_S = 0.02  # after the first answer: whoever else is there has answered by then
READS_MAX = 256
LEASE_S_MAX = 60
"""An address that lives no longer is a failover IP: nothing is asked in its name."""


class Surveying:
    """A survey under way. `known` reads the kernel's table; `on_end` is called once, from the loop, unless closed before."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        survey: Survey,
        link: Interface,
        own: tuple[AddressSeen, ...],
        known: Callable[[], tuple[Neighbour, ...]],
        on_end: Callable[[Surveyed], None],
    ) -> None:
        """Opens the sockets and asks for the first time. Raises OSError (EPERM without CAP_NET_RAW)."""
        self._loop, self._survey, self._link, self._known, self._on_end = loop, survey, link, known, on_end
        self._own = tuple(a for a in own if a.interface == link.name and (a.valid_s is None or a.valid_s > LEASE_S_MAX))
        self._seen: tuple[Neighbour, ...] = ()
        self._asked: dict[str, None] = {}
        self._answered: dict[str, None] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._timers: list[asyncio.TimerHandle] = []
        try:
            for kind, program in ((neighbours.ETH_ARP, neighbours.all_filter()), (neighbours.ETH_IPV6, neighbours.nd_filter())):
                self._sockets[kind] = sock = neighbours.packet_socket(link.name, kind, program)
                loop.add_reader(sock.fileno(), self._readable, sock)
        except OSError:
            self.close()
            raise
        window_s = survey.window_ms / 1000
        self._round()
        self._timers += [loop.call_later(window_s * at / ROUNDS, self._round) for at in range(1, ROUNDS)]
        self._timers.append(loop.call_later(window_s, self._end))

    def close(self) -> None:
        """Stop, without a word."""
        for timer in self._timers:
            timer.cancel()
        for sock in self._sockets.values():
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()

    def _end(self) -> None:
        self.close()
        self._on_end(Surveyed(self._link.name, self._seen, tuple(self._answered)))

    def _round(self) -> None:
        """Ask everybody, also those whom the kernel has met since the last round."""
        self._seen = self._known()
        recent = sorted(self._seen, key=lambda seen: seen.age_s)
        for ip in (*self._survey.ips, *(seen.ip for seen in recent)):
            if len(self._asked) < NEIGHBOURS_MAX:
                self._asked[ip] = None
        for ip in self._asked:
            self._ask(ip)

    def _ask(self, ip: str) -> None:
        target = ip_address(ip)
        own = self._own_address(ip)
        with contextlib.suppress(OSError):  # the link is down: then nobody answers, which is what is to be found out
            if target.version == 4:
                frame = neighbours.arp_question(self._link.mac, own, ip)
                self._sockets[neighbours.ETH_ARP].send(frame)
            else:
                frame = neighbours.nd_question(self._link.mac, own, ip)
                self._sockets[neighbours.ETH_IPV6].send(frame)

    def _own_address(self, ip: str) -> str | None:
        """In whose name to ask: an address of ours in the same network, of IPv6 the link-local one before others."""
        target = ip_address(ip)
        ours = [a for a in self._own if ip_address(a.ip).version == target.version]
        if target.version == 6:
            ours.sort(key=lambda a: not IPv6Address(a.ip).is_link_local)
            return ours[0].ip if ours else None
        return next((a.ip for a in ours if target in ip_interface(f"{a.ip}/{a.prefix}").network), None)

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(READS_MAX):
            if not self._sockets:
                return
            try:
                frame = sock.recv(256)
            except OSError:  # read empty, or the interface went down
                return
            if frame[6:12] != self._link.mac:
                self._heard(frame)

    def _heard(self, frame: bytes) -> None:
        spoke = neighbours.speaker(frame)
        if spoke is None:
            return
        ip, is_answer = spoke
        if is_answer and ip in self._asked and (frame[:6] == self._link.mac or self._own_address(ip) is None):
            if not self._answered:
                self._timers.append(self._loop.call_later(LATER_S, self._end_early))
            self._answered[ip] = None
        elif ip not in self._asked and len(self._asked) < NEIGHBOURS_MAX and self._own_address(ip) is not None:
            self._asked[ip] = None
            self._ask(ip)

    def _end_early(self) -> None:
        if self._sockets:
            self._end()
