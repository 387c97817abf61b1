"""Messages of rtnetlink: requests are written with pyroute2's codecs, what the kernel tells is read here. No socket.

pyroute2's top package imports all of its 160 modules: 13.5 MB of memory and 110 ms, measured with 0.9.7. Its codecs alone are
0.6 MB and 5 ms, so the top package is stood in for while they are imported. Reading is our own because it happens for every
message of a storm (a host that starts a thousand containers) while a lease waits to be renewed: 5 us each instead of 50 to 150.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
import sys
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from types import ModuleType
from typing import Any

from standfast.agents.ip.api import DropAddress, Interface, Neighbour, PutAddress
from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, GETNEIGH = 28, 30
ERROR, DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE

_REQUEST, _ACK, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
DUMP_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: something changed meanwhile, ask again

_FOREVER = 0xFFFF_FFFF
INET, INET6 = 2, 10
_TABLE_MAIN, _UNICAST, _SCOPE_LINK = 254, 1, 253
_OPER_UNKNOWN, _OPER_UP = 0, 6  # RFC 2863 states, include/uapi/linux/if.h
_IFF_UP = 0x1
_NODAD, _NOPREFIXROUTE = 0x02, 0x200
_FLAGS = {0x01: "secondary", 0x08: "dadfailed", 0x20: "deprecated", 0x40: "tentative", 0x80: "permanent", 0x200: "noprefixroute"}
_FLAGS_MASK = sum(_FLAGS)

_IFINFOMSG, _IFADDRMSG, _RTMSG = struct.Struct("=BxHiII"), struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI")
_NDMSG = struct.Struct("=BxxxiHBB")
_NLATTR = struct.Struct("=HH")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_OPERSTATE = 1, 3, 16
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 3, 6, 8
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH = 1, 4, 5, 6, 9
_NDA_DST, _NDA_LLADDR, _NDA_CACHEINFO, _NDA_IFINDEX = 1, 2, 3, 8
_HAS_MAC = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # NUD_REACHABLE, STALE, DELAY, PROBE, PERMANENT
_TICKS_PER_S = 100  # USER_HZ, the same on every architecture that Linux runs our Python on
_LINK_DUMP = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + struct.pack("=HHI", 8, 29, 1 << 3)  # IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS


def _codecs() -> tuple[Any, Any]:
    """(ifaddrmsg, rtmsg), without what the top package drags in."""
    if "pyroute2" in sys.modules:
        return _import_codecs()
    spec = importlib.util.find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("pyroute2 is not installed (python3-pyroute2, or pip install pyroute2)")
    bare = ModuleType("pyroute2")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["pyroute2"] = bare
    try:
        return _import_codecs()
    except ImportError:  # another version needs its top package after all
        _forget_pyroute2()
        return _import_codecs()
    finally:
        if sys.modules.get("pyroute2") is bare:
            _forget_pyroute2()  # who imports pyroute2 after us gets it whole


def _import_codecs() -> tuple[Any, Any]:
    address = importlib.import_module("pyroute2.netlink.rtnl.ifaddrmsg")
    route = importlib.import_module("pyroute2.netlink.rtnl.rtmsg")
    return address.ifaddrmsg, route.rtmsg


def _forget_pyroute2() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pyroute2"]:
        del sys.modules[name]


_ifaddrmsg, _rtmsg = _codecs()


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the kernel tells it; the interface is still a number."""

    index: int
    ip: str
    prefix: int
    label: str
    valid_s: int | None
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class ConnectedRoute:
    """A route of the main table without a gateway."""

    network: str
    index: int
    metric: int


# ---- reading --------------------------------------------------------------------------------------------------------


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages of one datagram: (type, flags, the message with its header). Raises Malformed."""
    at = 0
    while at < len(data):
        if len(data) - at < 16:
            raise Malformed("nlmsghdr", f"{len(data) - at} bytes left")
        length = int.from_bytes(data[at : at + 4], sys.byteorder)
        if not 16 <= length <= len(data) - at:
            raise Malformed("nlmsg_len", f"{length} of {len(data) - at} bytes left")
        kind = int.from_bytes(data[at + 4 : at + 6], sys.byteorder)
        flags = int.from_bytes(data[at + 6 : at + 8], sys.byteorder)
        yield kind, flags, data[at : at + length]
        at += (length + 3) & ~3


def sequence_of(message: bytes) -> int:
    """nlmsg_seq."""
    return int.from_bytes(message[8:12], sys.byteorder)


def errno_of(message: bytes) -> int:
    """The error number of an NLMSG_ERROR or NLMSG_DONE message, 0 for an acknowledgement."""
    return abs(int.from_bytes(message[16:20], sys.byteorder, signed=True))


def read_link(message: bytes) -> Interface | None:
    """An interface; None for messages of bridges about their ports, which look alike (family AF_BRIDGE)."""
    family, _type, index, flags, _change = _fixed(_IFINFOMSG, message)
    if family != 0:
        return None
    told = _attributes(message, 16 + _IFINFOMSG.size)
    if _IFLA_IFNAME not in told:
        raise Malformed("IFLA_IFNAME", "missing")
    state = told.get(_IFLA_OPERSTATE, b"\0")
    carrier = state[:1] in (bytes([_OPER_UNKNOWN]), bytes([_OPER_UP]))
    return Interface(_text(told[_IFLA_IFNAME]), index, told.get(_IFLA_ADDRESS, b""), bool(flags & _IFF_UP), carrier)


def read_address(message: bytes) -> Address | None:
    """An IPv4 or IPv6 address; None for other families. The local end, where the address is point-to-point."""
    family, prefix, flags, _scope, index = _fixed(_IFADDRMSG, message)
    if family not in (INET, INET6):
        return None
    told = _attributes(message, 16 + _IFADDRMSG.size)
    ip = _ip(told.get(_IFA_LOCAL) or told.get(_IFA_ADDRESS, b""), family)
    if _IFA_FLAGS in told:
        flags = _number(told[_IFA_FLAGS], "IFA_FLAGS")
    valid = _number(told[_IFA_CACHEINFO][4:], "IFA_CACHEINFO") if _IFA_CACHEINFO in told else _FOREVER
    label = _text(told.get(_IFA_LABEL, b""))
    return Address(index, ip, prefix, label, None if valid == _FOREVER else valid, _words(flags & _FLAGS_MASK))


def read_route(message: bytes) -> ConnectedRoute | None:
    """A connected network of the main table; None for every other route. Full tables of a router pass by here: what can be told
    from the fixed part of the message is, before the rest is looked at."""
    family, length, _, _, table, _, scope, kind, _ = _fixed(_RTMSG, message)
    if table != _TABLE_MAIN or kind != _UNICAST or not length or (family == INET and scope != _SCOPE_LINK):
        return None
    if family not in (INET, INET6):
        return None
    told = _attributes(message, 16 + _RTMSG.size)
    if _RTA_GATEWAY in told or _RTA_MULTIPATH in told or _RTA_DST not in told or _RTA_OIF not in told:
        return None
    try:
        network = ip_network(f"{_ip(told[_RTA_DST], family)}/{length}", strict=False)
    except ValueError as fault:
        raise Malformed("rtm_dst_len", str(fault)) from fault
    metric = _number(told[_RTA_PRIORITY], "RTA_PRIORITY") if _RTA_PRIORITY in told else 0
    return ConnectedRoute(str(network), _number(told[_RTA_OIF], "RTA_OIF"), metric)


def read_neighbour(message: bytes) -> Neighbour | None:
    """A neighbour whose MAC the kernel knows; None for the others. Its age is that of the last confirmation or change, whichever
    is younger: an entry made from somebody's question begins its life as unconfirmed for a minute (net/core/neighbour.c)."""
    family, _index, state, _flags, _type = _fixed(_NDMSG, message)
    if family not in (INET, INET6) or not state & _HAS_MAC:
        return None
    told = _attributes(message, 16 + _NDMSG.size)
    mac = told.get(_NDA_LLADDR, b"")
    if _NDA_DST not in told or len(mac) != 6 or not any(mac):
        return None
    cache = told.get(_NDA_CACHEINFO, b"")
    ticks = min(_number(cache, "ndm_confirmed"), _number(cache[8:], "ndm_updated"))
    return Neighbour(_ip(told[_NDA_DST], family), mac, ticks // _TICKS_PER_S)


def _fixed(shape: struct.Struct, message: bytes) -> tuple[int, ...]:
    """The message's own header, after the one that all have."""
    if len(message) < 16 + shape.size:
        raise Malformed("header", f"{len(message)} bytes, {16 + shape.size} wanted")
    return shape.unpack_from(message, 16)


def _attributes(message: bytes, at: int) -> dict[int, bytes]:
    """The attributes by their type, values as they are; nested ones stay folded."""
    found: dict[int, bytes] = {}
    end = len(message)
    while at + 4 <= end:
        length, kind = _NLATTR.unpack_from(message, at)
        if not 4 <= length <= end - at:
            raise Malformed("nla_len", f"{length} of {end - at} bytes left")
        found[kind & 0x3FFF] = message[at + 4 : at + length]  # the upper two bits say nested and byte order
        at += (length + 3) & ~3
    return found


def _number(value: bytes, field: str) -> int:
    if len(value) < 4:
        raise Malformed(field, f"{len(value)} bytes")
    return int.from_bytes(value[:4], sys.byteorder)


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def _ip(value: bytes, family: int) -> str:
    if len(value) != (4 if family == INET else 16):
        raise Malformed("address", f"{len(value)} bytes")
    return f"{value[0]}.{value[1]}.{value[2]}.{value[3]}" if family == INET else str(IPv6Address(value))


@cache
def _words(bits: int) -> frozenset[str]:
    """The flags by name; cached, for they come in a handful of combinations (and their bits are masked first)."""
    return frozenset(word for bit, word in _FLAGS.items() if bits & bit)


# ---- writing --------------------------------------------------------------------------------------------------------


def dump_request(kind: int, family: int, sequence: int) -> bytes:
    """Ask for all links, addresses or (only the main table's unicast) routes; `family` 0 means all, but a filter of routes by
    table works for one family only."""
    if kind == GETLINK:
        header = struct.pack("=IHHII", 16 + len(_LINK_DUMP), kind, _REQUEST | _DUMP, sequence, 0)
        return header + _LINK_DUMP
    request = _ifaddrmsg() if kind == GETADDR else _rtmsg()
    request["family"] = family
    if kind == GETROUTE:
        request["table"], request["type"] = _TABLE_MAIN, _UNICAST
    return _encoded(request, kind, _REQUEST | _DUMP, sequence)


def neighbours_request(index: int, sequence: int) -> bytes:
    """Ask for the neighbours on one interface, of both families."""
    body = _NDMSG.pack(0, 0, 0, 0, 0) + struct.pack("=HHI", 8, _NDA_IFINDEX, index)
    return struct.pack("=IHHII", 16 + len(body), GETNEIGH, _REQUEST | _DUMP, sequence, 0) + body


def put_request(put: PutAddress, index: int, sequence: int) -> bytes:
    """RTM_NEWADDR that adds the address, or replaces its lifetime."""
    request = _address_request(put.ip, put.prefix, index)
    flags = (_NODAD if put.nodad else 0) | (_NOPREFIXROUTE if put.noprefixroute else 0)
    life = {
        "ifa_preferred": _FOREVER if put.preferred_s is None else put.preferred_s,
        "ifa_valid": _FOREVER if put.valid_s is None else put.valid_s,
        "cstamp": 0,
        "tstamp": 0,
    }
    request["attrs"] += [("IFA_FLAGS", flags), ("IFA_CACHEINFO", life)]
    if put.broadcast is not None:
        request["attrs"].append(("IFA_BROADCAST", put.broadcast))
    if put.label is not None:
        request["attrs"].append(("IFA_LABEL", put.label))
    return _encoded(request, NEWADDR, _REQUEST | _ACK | _CREATE | _REPLACE, sequence)


def drop_request(drop: DropAddress, index: int, sequence: int) -> bytes:
    """RTM_DELADDR."""
    return _encoded(_address_request(drop.ip, drop.prefix, index), DELADDR, _REQUEST | _ACK, sequence)


def _address_request(ip: str, prefix: int, index: int) -> Any:
    request = _ifaddrmsg()
    request["family"] = INET if ip_address(ip).version == 4 else INET6
    request["prefixlen"], request["index"] = prefix, index
    request["attrs"] = [("IFA_LOCAL", ip), ("IFA_ADDRESS", ip)]
    return request


def _encoded(request: Any, kind: int, flags: int, sequence: int) -> bytes:
    request["header"]["type"], request["header"]["flags"], request["header"]["sequence_number"] = kind, flags, sequence
    request.encode()
    return bytes(request.data)
