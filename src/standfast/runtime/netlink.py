"""The kernel's network, as a picture that follows netlink, and the hands that change it. No decision is made here.

Two sockets: one listens to the groups LINK, IFADDR and ROUTE; one asks and is answered at once (rtnetlink works inside sendmsg),
so that nothing here waits. Every NetworkChanged is made after the listening socket was read empty, so it is never older than the
last change that was performed. Messages are lost when the socket's buffer overflows (ENOBUFS); then all is read anew.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from standfast.agents.ip.api import (
    AddressSeen,
    Announce,
    Ask,
    Denied,
    DropAddress,
    Interface,
    KernelEffect,
    Look,
    Neighbour,
    NeighbourHeard,
    NetworkChanged,
    NetworkState,
    Promote,
    PutAddress,
    Route,
    Survey,
    Surveyed,
    Watch,
)
from standfast.base.report import Report, notice, warning
from standfast.base.wire import Malformed
from standfast.runtime import rtnl
from standfast.runtime.neighbours import Neighbours
from standfast.runtime.survey import Surveying

_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
_SO_RCVBUFFORCE, _SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 33, 270, 12
BUFFER_BYTES = 4 << 20
DATAGRAM_BYTES_MAX = 1 << 16
DATAGRAMS_MAX = 4096  # read at one go before other work gets a turn
ANSWER_S_MAX = 2
DUMP_TRIES = 2  # where things keep changing, what the dump missed is queued
ROUTES_LATER_S = 0.1
EVENT_INTERVAL_S = 0.005  # between two NetworkChanged that nobody asked for, so that a storm leaves time for other work

NetworkEvent = NetworkChanged | NeighbourHeard | Surveyed | Denied

_GONE = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENOENT)


class Picture:
    """Links, addresses and connected routes by their keys. Methods say whether anything that matters changed."""

    def __init__(self) -> None:
        self.links: dict[int, Interface] = {}
        self.addresses: dict[tuple[int, str, int], rtnl.Address] = {}
        self.routes: dict[rtnl.ConnectedRoute, None] = {}
        self.has_stale_routes = False  # the kernel drops routes without a word when a link goes down

    def apply(self, kind: int, message: bytes) -> bool:
        """Follow one message. A renewed lifetime alone does not matter; a deletion always does, even when it was undone since."""
        if kind in (rtnl.NEWLINK, rtnl.DELLINK):
            return self._link(kind, message)
        if kind in (rtnl.NEWADDR, rtnl.DELADDR):
            return self._address(kind, message)
        if kind in (rtnl.NEWROUTE, rtnl.DELROUTE):
            return self._route(kind, message)
        return False

    def state(self) -> NetworkState:
        """The picture as the pure rooms know it."""
        name = {index: link.name for index, link in self.links.items()}
        addresses = tuple(
            AddressSeen(name[a.index], a.ip, a.prefix, a.label, a.valid_s, a.flags)
            for a in self.addresses.values()
            if a.index in name
        )
        routes = tuple(Route(r.network, name[r.index], r.metric) for r in self.routes if r.index in name)
        return NetworkState(tuple(self.links.values()), addresses, routes)

    def _link(self, kind: int, message: bytes) -> bool:
        link = rtnl.read_link(message)
        if link is None:
            return False
        before = self.links.get(link.index)
        if kind == rtnl.DELLINK:
            self.links.pop(link.index, None)
            self.addresses = {key: a for key, a in self.addresses.items() if a.index != link.index}
            self.routes = {r: None for r in self.routes if r.index != link.index}
            return before is not None
        self.links[link.index] = link
        if before is not None and before.is_up != link.is_up:
            self.has_stale_routes = True
        return before != link

    def _address(self, kind: int, message: bytes) -> bool:
        told = rtnl.read_address(message)
        if told is None:
            return False
        key = (told.index, told.ip, told.prefix)
        if kind == rtnl.DELADDR:
            self.addresses.pop(key, None)
            return True
        before = self.addresses.get(key)
        self.addresses[key] = told
        return before is None or (before.label, before.flags) != (told.label, told.flags)

    def _route(self, kind: int, message: bytes) -> bool:
        route = rtnl.read_route(message)
        if route is None:
            return False
        was_there = route in self.routes
        if kind == rtnl.DELROUTE:
            self.routes.pop(route, None)
            return was_there
        self.routes[route] = None
        return not was_there


class Network:
    """Performs KernelEffects and reports what happens, by `on_event`, always from the loop and never from inside `perform`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[NetworkEvent], None],
        on_report: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self._loop, self._on_event, self._on_report = loop, on_event, on_report
        self._picture = Picture()
        self._sequence = 0
        self._groups: socket.socket | None = None
        self._requests: socket.socket | None = None
        self._answer_planned = False
        self._routes_planned = False
        self._told_at = 0.0
        self._surveys: dict[str, Surveying] = {}
        self._neighbours = Neighbours(loop, self._interface, self._own_macs, on_event, on_report)

    def open(self) -> None:
        """Open the sockets, read the picture, and plan the first NetworkChanged. Raises OSError where netlink is not allowed."""
        self._groups = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        _enlarge(self._groups)
        self._groups.bind((0, _GROUPS))
        self._requests = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", ANSWER_S_MAX, 0))
        self._requests.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._requests.bind((0, 0))
        self._loop.add_reader(self._groups.fileno(), self._readable)
        self._read_anew()
        self._plan_answer()

    def close(self) -> None:
        """Close everything; addresses stay as they are."""
        self._neighbours.close()
        for survey in self._surveys.values():
            survey.close()
        self._surveys.clear()
        if self._groups is not None:
            self._loop.remove_reader(self._groups.fileno())
            self._groups.close()
        if self._requests is not None:
            self._requests.close()
        self._groups = self._requests = None

    def perform(self, effect: KernelEffect) -> None:
        """Do it now. What the kernel refuses comes back as Denied."""
        match effect:
            case PutAddress():
                self._put(effect)
            case DropAddress():
                self._drop(effect)
            case Look():
                self._read_anew()
                self._plan_answer()
            case Promote():
                self._promote(effect.interface)
            case Watch():
                self._tried(effect, lambda: self._neighbours.watch(effect.interface, effect.ip, on=effect.on))
            case Ask():
                self._tried(effect, lambda: self._neighbours.ask(effect.interface, effect.ip))
            case Survey():
                self._tried(effect, lambda: self._survey(effect))
            case Announce():
                self._tried(effect, lambda: self._neighbours.announce(effect.interface, effect.ip, effect.mac))

    # ---- changing ---------------------------------------------------------------------------------------------------

    def _put(self, put: PutAddress) -> None:
        link = self._interface(put.interface)
        if link is None:
            self._deny(put, f"interface {put.interface} is gone")
            return
        request = rtnl.put_request(put, link.index, self._next())
        # The clock is read last: between here and the kernel there is nothing left to be frozen in but the system call.
        if time.monotonic_ns() // 1000 >= put.before_us:
            self._deny(put, f"too late to put {put.ip}: this node was paused between the decision and the deed")
            return
        self._request(put, request)

    def _drop(self, drop: DropAddress) -> None:
        link = self._interface(drop.interface)
        if link is not None:  # a deleted interface took its addresses along
            self._request(drop, rtnl.drop_request(drop, link.index, self._next()))

    def _request(self, effect: PutAddress | DropAddress, request: bytes) -> None:
        """Send one request and read its acknowledgement, which the kernel has written before `send` returns."""
        assert self._requests is not None
        try:
            self._requests.send(request)
            code = self._acknowledged(rtnl.sequence_of(request))
        except OSError as fault:
            code = fault.errno or errno.EIO
        if code and not (isinstance(effect, DropAddress) and code in _GONE):
            verb = "put" if isinstance(effect, PutAddress) else "delete"
            what = f"cannot {verb} {effect.ip}/{effect.prefix} on {effect.interface}: {os.strerror(code)}"
            self._deny(effect, what, is_permission=code in (errno.EPERM, errno.EACCES))

    def _acknowledged(self, sequence: int) -> int:
        assert self._requests is not None
        for _ in range(16):  # answers to a request that timed out earlier may still lie before ours
            for kind, _flags, message in rtnl.split(self._requests.recv(DATAGRAM_BYTES_MAX)):
                if kind == rtnl.ERROR and rtnl.sequence_of(message) == sequence:
                    return rtnl.errno_of(message)
        return errno.EIO

    def _promote(self, interface: str) -> None:
        path = Path("/proc/sys/net/ipv4/conf") / interface / "promote_secondaries"
        setting = f"net.ipv4.conf.{interface}.promote_secondaries"
        try:
            if path.read_text().strip() == "0":
                path.write_text("1\n")
                self._on_report(
                    notice("net.promote", f"{setting} set to 1", "else a failover IP takes others along when it goes")
                )
        except OSError as fault:
            why = f"{fault.strerror}; when the failover IP goes, other addresses of its subnet may go with it"
            self._on_report(warning("net.promote", f"cannot set {setting}", why, f"sysctl -w {setting}=1"))

    def _survey(self, survey: Survey) -> None:
        link = self._interface(survey.interface)
        if link is None:
            raise OSError(errno.ENODEV, f"interface {survey.interface} is gone")
        if (before := self._surveys.pop(survey.interface, None)) is not None:
            before.close()
        own = self._picture.state().addresses
        known = functools.partial(self._dump_neighbours, link.index)
        self._surveys[survey.interface] = Surveying(self._loop, survey, link, own, known, self._surveyed)

    def _surveyed(self, event: Surveyed) -> None:
        self._surveys.pop(event.interface, None)
        self._tell(event)

    def _dump_neighbours(self, index: int) -> tuple[Neighbour, ...]:
        """The kernel's table; none when it cannot be read."""
        assert self._requests is not None
        found: list[Neighbour] = []
        sequence = self._next()
        try:
            self._requests.send(rtnl.neighbours_request(index, sequence))
            for kind, _flags, message in self._answers(sequence):
                if kind == rtnl.NEWNEIGH and (neighbour := rtnl.read_neighbour(message)) is not None:
                    found.append(neighbour)
        except (OSError, Malformed) as fault:
            self._say_unread(fault)
        return tuple(found)

    def _tried(self, effect: KernelEffect, deed: Callable[[], None]) -> None:
        try:
            deed()
        except OSError as fault:
            self._deny(effect, str(fault.strerror or fault), is_permission=fault.errno in (errno.EPERM, errno.EACCES))

    def _deny(self, effect: KernelEffect, reason: str, *, is_permission: bool = False) -> None:
        if is_permission:
            reason += " (it takes root, or the capabilities CAP_NET_ADMIN and CAP_NET_RAW)"
        self._loop.call_soon(self._tell, Denied(effect, reason, is_permission))

    # ---- following --------------------------------------------------------------------------------------------------

    def _tell(self, event: NetworkEvent) -> None:
        if self._groups is not None:  # not after close()
            self._on_event(event)

    def _plan_answer(self) -> None:
        self._answer_planned = True
        self._loop.call_soon(self._answer)

    def _answer(self) -> None:
        if self._answer_planned and self._groups is not None:  # else an earlier answer told it already
            self._answer_planned = False
            self._follow()
            self._tell_network()

    def _readable(self) -> None:
        if not self._follow():
            return
        wait_s = self._told_at + EVENT_INTERVAL_S - self._loop.time()
        if wait_s <= 0:
            self._tell_network()
        elif not self._answer_planned:
            self._answer_planned = True
            self._loop.call_later(wait_s, self._answer)

    def _tell_network(self) -> None:
        self._told_at = self._loop.time()
        self._on_event(NetworkChanged(self._picture.state()))

    def _follow(self) -> bool:
        """Read the listening socket empty; whether anything that matters changed."""
        assert self._groups is not None
        changed, is_whole = False, False
        try:
            for _ in range(DATAGRAMS_MAX):
                for kind, _flags, message in rtnl.split(self._groups.recv(DATAGRAM_BYTES_MAX)):
                    changed |= self._picture.apply(kind, message)
        except BlockingIOError:
            is_whole = True
        except (OSError, Malformed):  # ENOBUFS: messages were lost
            pass
        if not is_whole:  # lost, or a storm that never ends: then a dump is cheaper than the rest of it
            self._read_anew()
            changed = True
        if self._picture.has_stale_routes and not self._routes_planned:
            self._routes_planned = True
            self._loop.call_later(ROUTES_LATER_S, self._read_routes)
        return changed

    def _read_routes(self) -> None:
        """After a link went down or up: its routes matter only to the next start, so this may wait and be done once for many."""
        self._routes_planned = False
        if self._groups is None:
            return
        self._follow()
        self._picture.has_stale_routes = False
        try:
            self._picture.routes = self._dump_routes()
        except (OSError, Malformed) as fault:
            self._say_unread(fault)
        self._tell_network()

    def _read_anew(self) -> None:
        """Dump everything. What was queued is older than the dump; what happens meanwhile is queued and follows."""
        assert self._groups is not None
        for _ in range(DATAGRAMS_MAX):
            try:
                self._groups.recv(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                break
            except OSError:
                continue
        fresh = Picture()
        try:
            fresh.links = self._dump(rtnl.GETLINK).links
            fresh.addresses = self._dump(rtnl.GETADDR).addresses
            fresh.routes = self._dump_routes()
        except (OSError, Malformed) as fault:
            self._say_unread(fault)  # the old picture stays; the next Look tries again
            return
        self._picture = fresh

    def _say_unread(self, fault: Exception) -> None:
        self._on_report(warning("net.dump", "the kernel's network could not be read", str(fault)))

    def _dump_routes(self) -> dict[rtnl.ConnectedRoute, None]:
        return self._dump(rtnl.GETROUTE, rtnl.INET).routes | self._dump(rtnl.GETROUTE, rtnl.INET6).routes

    def _dump(self, kind: int, family: int = 0) -> Picture:
        """All of one kind. An interrupted dump is repeated, and taken as it is in the end: the changes are queued anyway."""
        assert self._requests is not None
        part = Picture()
        for _ in range(DUMP_TRIES):
            sequence, part = self._next(), Picture()
            self._requests.send(rtnl.dump_request(kind, family, sequence))
            if self._dumped(sequence, part):
                break
        return part

    def _dumped(self, sequence: int, into: Picture) -> bool:
        """Read one dump to its end; False when it was interrupted by a change and must be repeated."""
        is_whole = True
        for kind, flags, message in self._answers(sequence):
            is_whole &= not flags & rtnl.DUMP_INTERRUPTED
            into.apply(kind, message)
        return is_whole

    def _answers(self, sequence: int) -> Iterator[tuple[int, int, bytes]]:
        """The messages of one dump, as (kind, flags, message). Raises OSError, Malformed."""
        assert self._requests is not None
        while True:  # ends with NLMSG_DONE, or with the socket's time limit
            for kind, flags, message in rtnl.split(self._requests.recv(DATAGRAM_BYTES_MAX)):
                if rtnl.sequence_of(message) != sequence:
                    continue
                if kind == rtnl.ERROR:
                    raise OSError(rtnl.errno_of(message), os.strerror(rtnl.errno_of(message)))
                yield kind, flags, message
                if kind == rtnl.DONE:
                    return

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        return self._sequence

    def _interface(self, name: str) -> Interface | None:
        return next((link for link in self._picture.links.values() if link.name == name), None)

    def _own_macs(self) -> frozenset[bytes]:
        return frozenset(link.mac for link in self._picture.links.values() if link.mac)


def _enlarge(sock: socket.socket) -> None:
    """A big receive buffer: past the system's limit where root, else up to it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
