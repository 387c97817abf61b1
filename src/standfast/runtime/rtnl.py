"""Messages of rtnetlink, read and written with pyroute2's codecs. No socket here.

pyroute2's top package imports all of its 160 modules: 13.5 MB of memory and 110 ms, measured with 0.9.7. Its codecs alone are
0.6 MB and 5 ms, so the top package is stood in for while they are imported. Links are read with a class of our own (three
attributes instead of fifty: 0.15 ms instead of 0.36 ms a message).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from types import ModuleType
from typing import Any

from standfast.agents.ip.api import DropAddress, Interface, PutAddress
from standfast.base.wire import Malformed

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
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
_SKIP_STATISTICS = 1 << 3  # RTEXT_FILTER_SKIP_STATS


def _codecs() -> tuple[Any, Any, Any]:
    """(nlmsg, ifaddrmsg, rtmsg), without what the top package drags in."""
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


def _import_codecs() -> tuple[Any, Any, Any]:
    netlink = importlib.import_module("pyroute2.netlink")
    address = importlib.import_module("pyroute2.netlink.rtnl.ifaddrmsg")
    route = importlib.import_module("pyroute2.netlink.rtnl.rtmsg")
    return netlink.nlmsg, address.ifaddrmsg, route.rtmsg


def _forget_pyroute2() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pyroute2"]:
        del sys.modules[name]


_nlmsg, _ifaddrmsg, _rtmsg = _codecs()


_linkmsg: Any = type(
    "linkmsg",
    (_nlmsg,),
    {
        "__doc__": "struct ifinfomsg, with the attributes that matter here.",
        "prefix": "IFLA_",
        "fields": (("family", "B"), ("__align", "x"), ("ifi_type", "H"), ("index", "i"), ("flags", "I"), ("change", "I")),
        "nla_map": (
            (1, "IFLA_ADDRESS", "cdata"),
            (3, "IFLA_IFNAME", "asciiz"),
            (16, "IFLA_OPERSTATE", "uint8"),
            (29, "IFLA_EXT_MASK", "uint32"),
        ),
    },
)


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
    link = _decoded(_linkmsg, message)
    if link["family"] != 0:
        return None
    name, state = link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_OPERSTATE")
    if not isinstance(name, str):
        raise Malformed("IFLA_IFNAME", "missing")
    mac = link.get_attr("IFLA_ADDRESS") or b""
    carrier = state is None or state in (_OPER_UNKNOWN, _OPER_UP)
    return Interface(name, link["index"], bytes(mac), bool(link["flags"] & _IFF_UP), carrier)


def read_address(message: bytes) -> Address | None:
    """An IPv4 or IPv6 address; None for other families. The local end, where the address is point-to-point."""
    told = _decoded(_ifaddrmsg, message)
    if told["family"] not in (INET, INET6):
        return None
    ip = told.get_attr("IFA_LOCAL") or told.get_attr("IFA_ADDRESS")
    if not isinstance(ip, str):
        raise Malformed("IFA_ADDRESS", "missing")
    bits = told.get_attr("IFA_FLAGS")
    flags = told["flags"] if bits is None else bits
    life = told.get_attr("IFA_CACHEINFO")
    valid_s = None if life is None or life["ifa_valid"] == _FOREVER else int(life["ifa_valid"])
    words = frozenset(word for bit, word in _FLAGS.items() if flags & bit)
    return Address(told["index"], str(ip_address(ip)), told["prefixlen"], told.get_attr("IFA_LABEL") or "", valid_s, words)


def read_route(message: bytes) -> ConnectedRoute | None:
    """A connected network of the main table; None for every other route. Full tables of a router pass by here: what can be told
    from the fixed part of the message (struct rtmsg) is, before anything is decoded."""
    if len(message) < 28:
        raise Malformed("rtmsg", f"{len(message)} bytes")
    family, length, table, scope, kind = message[16], message[17], message[20], message[22], message[23]
    if table != _TABLE_MAIN or kind != _UNICAST or not length or (family == INET and scope != _SCOPE_LINK):
        return None
    route = _decoded(_rtmsg, message)
    destination, index = route.get_attr("RTA_DST"), route.get_attr("RTA_OIF")
    if route.get_attr("RTA_GATEWAY") or route.get_attr("RTA_MULTIPATH") or not destination or not index:
        return None
    try:
        network = ip_network(f"{destination}/{length}", strict=False)
    except ValueError as fault:
        raise Malformed("rtm_dst_len", str(fault)) from fault
    return ConnectedRoute(str(network), index, route.get_attr("RTA_PRIORITY") or 0)


def _decoded(codec: Any, message: bytes) -> Any:
    """Decode, or raise Malformed whatever the codec stumbled over: it was written for messages that the kernel made."""
    try:
        told = codec(message)
        told.decode()
    except Exception as fault:
        raise Malformed(codec.__name__, f"{type(fault).__name__}: {fault}") from fault
    return told


# ---- writing --------------------------------------------------------------------------------------------------------


def dump_request(kind: int, family: int, sequence: int) -> bytes:
    """Ask for all links, addresses or (only the main table's unicast) routes; `family` 0 means all, but a filter of routes by
    table works for one family only."""
    request = {GETLINK: _linkmsg, GETADDR: _ifaddrmsg, GETROUTE: _rtmsg}[kind]()
    request["family"] = family
    if kind == GETROUTE:
        request["table"], request["type"] = _TABLE_MAIN, _UNICAST
    if kind == GETLINK:
        request["attrs"] = [("IFLA_EXT_MASK", _SKIP_STATISTICS)]
    return _encoded(request, kind, _REQUEST | _DUMP, sequence)


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
