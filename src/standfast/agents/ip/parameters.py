"""IPaddr2's parameters: texts from the CIB in, a typed and bounded value out, or a refusal that names the parameter.

Names, defaults and meanings are those of ocf:heartbeat:IPaddr2 (resource-agents 4.12 and later). What its shell commands needed
and ours do not (which program sends ARP, whether in the background) is accepted and changes nothing; what we do not do (cluster
IP, LVS, other namespaces) is refused by name, never ignored: a silent half of a configuration is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error

NOT_CONFIGURED = 6
"""OCF_ERR_CONFIGURED: wrong on every node, so the cluster need not try elsewhere."""

VALUE_CHARS_MAX = 256
LABEL_CHARS_MAX = 15  # IFNAMSIZ - 1, for `interface:label`
LEASE_S_DEFAULT = 2
LEASE_S_MAX = 60

_TRUE = ("1", "yes", "true", "on", "ja", "y", "t")
_FALSE = ("0", "no", "false", "off", "n", "f")
_INTERFACE = re.compile(r"[^\s/:]{1,15}")
_LABEL = re.compile(r"[A-Za-z0-9_.-]+")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Parameters:
    """A failover IP as configured. `prefix` and `nic` are None where the routes decide; `broadcast` is "", "+", "-" or an
    address; `preferred_s` None means as long as the address is valid; `lease_s` 0 means for ever (no lease)."""

    ip: Address
    nic: str | None = None
    prefix: int | None = None
    broadcast: str = ""
    label: str = ""
    arp_interval_ms: int = 200
    arp_count: int = 5
    arp_count_refresh: int = 0
    noprefixroute: bool = False
    check_link: bool = True
    preferred_s: int | None = None
    lease_s: int = LEASE_S_DEFAULT

    @property
    def is_v6(self) -> bool:
        """Whether this is an IPv6 address."""
        return self.ip.version == 6


def parse(parameters: tuple[tuple[str, str], ...]) -> Parameters:
    """Read the parameters; raises Refused (exit code 6) with one report for every fault, each with its remedy.

    Names that the cluster itself adds (`CRM_meta_*`, `crm_feature_set`) are passed over.
    """
    given = {name: value.strip() for name, value in parameters if value.strip() and not _is_clusters_own(name)}
    faults: list[Refused] = []

    def read(name: str, parser: Callable[[str, str], object]) -> object | None:
        if name not in given:
            return None
        try:
            return parser(name, given[name])
        except Refused as refused:
            faults.append(refused)
            return None

    for name, value in given.items():
        if len(value) > VALUE_CHARS_MAX:
            faults.append(_refuse(name, f"{len(value)} characters", f"at most {VALUE_CHARS_MAX}"))
        elif name not in _PARSERS:
            faults.append(_unknown(name))
    values = {name: read(name, parser) for name, parser in _PARSERS.items() if len(given.get(name, "")) <= VALUE_CHARS_MAX}
    if "ip" not in given:
        faults.append(_refuse("ip", "is missing", "give the address, such as ip=192.168.1.1"))
    if not faults:
        try:
            return _together(values)
        except Refused as refused:
            faults.append(refused)
    raise Refused(*(report for fault in faults for report in fault.reports), exit_code=NOT_CONFIGURED)


def only_ip(parameters: tuple[tuple[str, str], ...]) -> Address | None:
    """The address alone, for a stop: what is wrong with the rest must not keep an address up."""
    for name, value in parameters:
        if name == "ip":
            try:
                return _address(name, value.strip())
            except Refused:
                return None
    return None


def _is_clusters_own(name: str) -> bool:
    return name.startswith("CRM_meta_") or name == "crm_feature_set"


def _together(values: dict[str, object | None]) -> Parameters:
    """What only the parameters together can tell: families, the two names of the netmask, a label in `nic`."""
    ip = values["ip"]
    assert isinstance(ip, IPv4Address | IPv6Address)
    prefix = values["cidr_netmask"] if values["cidr_netmask"] is not None else values["netmask"]
    assert prefix is None or isinstance(prefix, int)
    if prefix is not None and prefix > ip.max_prefixlen:
        raise _refuse("cidr_netmask", f"/{prefix} for {ip}", f"0 to {ip.max_prefixlen}")
    nic, _, nic_label = str(values["nic"] or "").partition(":")
    label = nic_label or str(values["iflabel"] or "")
    if ip.is_link_local and ip.version == 6 and not nic:
        raise _refuse("nic", f"is missing, and {ip} is link-local", "say which interface, such as nic=eth0")
    broadcast = str(values["broadcast"] or "")
    if ip.version == 6 and broadcast:
        raise _refuse("broadcast", "is set", f"leave it out: IPv6 ({ip}) has no broadcast")
    if nic and label and ip.version == 4 and len(nic) + 1 + len(label) > LABEL_CHARS_MAX:
        raise _refuse("iflabel", f"`{nic}:{label}` is too long", f"at most {LABEL_CHARS_MAX} characters together")
    return Parameters(
        ip=ip,
        nic=nic or None,
        prefix=prefix,
        broadcast=broadcast,
        label=label if ip.version == 4 else "",  # the kernel keeps labels for IPv4 only
        arp_interval_ms=_number(values["arp_interval"], 200),
        arp_count=_number(values["arp_count"], 5),
        arp_count_refresh=_number(values["arp_count_refresh"], 0),
        noprefixroute=bool(values["noprefixroute"]),
        check_link=values["check_link_status"] is not False,
        preferred_s=None if values["preferred_lft"] in (None, "forever") else _number(values["preferred_lft"], 0),
        lease_s=_number(values["lease"], LEASE_S_DEFAULT),
    )


def _number(value: object | None, default: int) -> int:
    return value if isinstance(value, int) else default


def _refuse(name: str, what: str, remedy: str, why: str = "") -> Refused:
    return Refused(error("ip.parameter", f"parameter {name} {what}", why, remedy), exit_code=NOT_CONFIGURED)


def _unknown(name: str) -> Refused:
    close = get_close_matches(name, _PARSERS, n=1)
    hint = f"did you mean {close[0]}?" if close else "crm ra info IPaddr2 lists them all"
    return _refuse(name[:64], "is not one of IPaddr2's", hint)


# ---- one parser for each kind of value ------------------------------------------------------------------------------


def _address(name: str, text: str) -> Address:
    if "/" in text:
        bare, _, prefix = text.partition("/")
        raise _refuse(name, f"is `{text}`", f"write ip={bare} cidr_netmask={prefix}")
    if "%" in text:
        raise _refuse(name, f"is `{text}`", "leave the zone out and name the interface with nic=")
    try:
        address = ip_address(text)
    except ValueError:
        raise _refuse(name, f"is `{text}`, which is not an address", "such as 192.168.1.1 or 2001:db8::1") from None
    if address.is_multicast or address.is_unspecified or text == "255.255.255.255":
        raise _refuse(name, f"is `{text}`, which no host can have", "a unicast address")
    return address


def _prefix(name: str, text: str) -> int:
    """`24` or, as IPaddr2 still converts it, `255.255.255.0`."""
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 128:
        return int(text)
    if text.count(".") == 3:
        try:
            return IPv4Network(f"0.0.0.0/{IPv4Address(text)}").prefixlen
        except ValueError:
            pass
    raise _refuse(name, f"is `{text}`", "a prefix length such as 24, or a netmask such as 255.255.255.0")


def _nic(name: str, text: str) -> str:
    interface, colon, label = text.partition(":")
    if not _INTERFACE.fullmatch(interface) or (colon and not _LABEL.fullmatch(label)):
        raise _refuse(name, f"is `{text}`", "an interface's name, at most 15 characters")
    return text


def _label(name: str, text: str) -> str:
    if not _LABEL.fullmatch(text) or len(text) >= LABEL_CHARS_MAX:
        raise _refuse(name, f"is `{text}`", f"letters and digits, with the interface's name at most {LABEL_CHARS_MAX}")
    return text


def _broadcast(name: str, text: str) -> str:
    if text in ("+", "-"):
        return text
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise _refuse(name, f"is `{text}`", "an IPv4 address, + or -") from None


def _boolean(name: str, text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise _refuse(name, f"is `{text}`", "true or false")


def _between(low: int, high: int) -> Callable[[str, str], int]:
    def parser(name: str, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high:
            return int(text)
        raise _refuse(name, f"is `{text}`", f"a whole number from {low} to {high}")

    return parser


def _preferred(name: str, text: str) -> int | str:
    return text if text == "forever" else _between(0, 2**31 - 1)(name, text.removesuffix("sec"))


def _one_of(*words: str, remedy: str) -> Callable[[str, str], str]:
    def parser(name: str, text: str) -> str:
        if text in words:
            return text
        raise _refuse(name, f"is `{text}`", remedy)

    return parser


def _only_false(remedy: str) -> Callable[[str, str], bool]:
    def parser(name: str, text: str) -> bool:
        if _boolean(name, text):
            raise _refuse(name, "is true, which this agent does not do", remedy)
        return False

    return parser


def _unsupported(remedy: str) -> Callable[[str, str], str]:
    def parser(name: str, text: str) -> str:
        raise _refuse(name, f"is `{text}`, which this agent does not do", remedy)

    return parser


_CLUSTER_IP = _unsupported("one node holds the address at a time")

_PARSERS: dict[str, Callable[[str, str], object]] = {
    "ip": _address,
    "nic": _nic,
    "cidr_netmask": _prefix,
    "netmask": _prefix,
    "broadcast": _broadcast,
    "proto": _one_of("kernel", remedy="leave it out, or kernel: connected routes are what is searched"),
    "iflabel": _label,
    "lvs_support": _only_false("configure the address on lo in the host itself"),
    "lvs_ipv6_addrlabel": _only_false("preferred_lft=0 keeps the address from being chosen as a source"),
    "lvs_ipv6_addrlabel_value": _between(0, 2**31 - 1),
    "mac": _CLUSTER_IP,
    "clusterip_hash": _CLUSTER_IP,
    "clusterip_firewall": _CLUSTER_IP,
    "clusterip_hash_seed": _CLUSTER_IP,
    "clusterip_table": _CLUSTER_IP,
    "clusterip_chain": _CLUSTER_IP,
    "clusterip_mac_mangle": _CLUSTER_IP,
    "unique_clone_address": _only_false("write one primitive for each address"),
    "arp_interval": _between(10, 10_000),
    "arp_count": _between(1, 100),
    "arp_count_refresh": _between(0, 100),
    "arp_bg": _boolean,
    "arp_sender": _one_of("send_arp", "iputils_arping", "libnet_arping", remedy="leave it out: the manager sends by itself"),
    "send_arp_opts": _one_of("-A", "-U", "-U -S", remedy="leave it out: both forms of ARP are always sent"),
    "flush_routes": _boolean,
    "run_arping": _boolean,
    "nodad": _boolean,
    "noprefixroute": _boolean,
    "preferred_lft": _preferred,
    "network_namespace": _unsupported("start Standfast inside that namespace"),
    "check_link_status": _boolean,
    "lease": _between(0, LEASE_S_MAX),
}

NAMES = tuple(_PARSERS)
"""Every name that is known, accepted or refused (metadata.xml lists those that are accepted)."""
