"""`nodelist { }`: who is in the cluster, under which number, and which of them this host is.

Owns: ids made from addresses, duplicates, the search for the local node. Does not own: name resolution (the caller's).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Protocol

from standfast.base.ids import NODES_MAX, NodeId
from standfast.base.report import Refused, error
from standfast.config.keys import NODE
from standfast.config.model import ClusterConfig, NodeConfig, TotemConfig
from standfast.config.tree import Item, Section

Resolve = Callable[[str, str], str | None]
"""(host name, totem.ip_version) -> its address as text, None when the name is not known."""

EXIT_CONFIG = 78


class Complaints(Protocol):
    """Where errors go (parse.Context)."""

    def wrong(self, code: str, what: str, why: str, remedy: str, line: int, column: int = 1) -> None:
        """An error at a place."""

    def missing(self, code: str, what: str, why: str, remedy: str, line: int, column: int = 1) -> None:
        """An error of absence."""


def read_nodelist(context: Complaints, tree: Section, totem: TotemConfig, resolve: Resolve | None) -> tuple[NodeConfig, ...]:
    """The nodes in the order of the file. Complains of every missing, double or impossible thing."""
    sections = [part for whole in tree.sections("nodelist") for part in whole.sections("node")]
    if not sections:
        _no_nodelist(context, tree)
        return ()
    if len(sections) > NODES_MAX:
        extra = sections[NODES_MAX]
        context.wrong("nodes", f"{len(sections)} nodes", f"the limit is {NODES_MAX}", "", extra.line, extra.column)
        return ()
    seen = _Seen(context)
    nodes = [_node(context, seen, section, position, totem, resolve) for position, section in enumerate(sections)]
    good = tuple(node for node in nodes if node is not None)
    _same_links(context, sections, good)
    return good


def _no_nodelist(context: Complaints, tree: Section) -> None:
    totem = next(tree.sections("totem"), None)
    interfaces = [] if totem is None else list(totem.sections("interface"))
    bind = next((key for part in interfaces for key in part.pairs() if key.key == "bindnetaddr"), None)
    remedy = "add nodelist { } with one node { } for each host, and its ring0_addr"
    if bind is not None:
        why = "bindnetaddr alone tells a network, not the members; multicast discovery is not offered"
        context.missing("no-nodelist", "there is no nodelist", why, remedy, bind.line, bind.key_column)
    else:
        nodelist = next(tree.sections("nodelist"), None)
        line = nodelist.line if nodelist else 1
        context.missing("no-nodelist", "there is no node in a nodelist", "the members must be listed", remedy, line, 1)


class _Seen:
    """What earlier nodes used already: (kind, value) -> line of its first use."""

    def __init__(self, context: Complaints) -> None:
        self._context = context
        self._first: dict[tuple[str, str], int] = {}

    def claim(self, kind: str, value: str, line: int, column: int, why: str = "") -> None:
        """Note a use; a second one is an error at its place."""
        first = self._first.setdefault((kind, value), line)
        if first != line:
            remedy = "each node needs its own"
            cause = f"line {first} has it already" + (f"; {why}" if why else "")
            self._context.wrong("duplicate", f"two nodes have the {kind} {value}", cause, remedy, line, column)


def _node(
    context: Complaints, seen: _Seen, section: Section, position: int, totem: TotemConfig, resolve: Resolve | None
) -> NodeConfig | None:
    keys: dict[str, Item] = {item.key: item for item in section.pairs()}
    addresses: list[tuple[int, str]] = []
    for link in range(8):
        item = keys.get(f"ring{link}_addr")
        if item is None:
            continue
        address = _address(context, item, totem, resolve)
        if address is not None:
            addresses.append((link, address))
            seen.claim("address", address, item.line, item.value_column)
    if not addresses:
        if not any(f"ring{link}_addr" in keys for link in range(8)):
            context.wrong("node", "a node without an address", "", "add ring0_addr: ADDRESS", section.line, section.column)
        return None
    name = keys["name"].value if "name" in keys else ""
    if name:
        item = keys["name"]
        seen.claim("name", name, item.line, item.value_column)
    node_id = _node_id(context, section, keys, addresses[0][1], totem)
    if node_id is None:
        return None
    place = keys.get("nodeid") or keys[f"ring{addresses[0][0]}_addr"]
    seen.claim(
        "nodeid",
        str(node_id),
        place.line,
        place.value_column,
        "" if "nodeid" in keys else "a node without nodeid has its address as a number",
    )
    return NodeConfig(NodeId(node_id), name, tuple(addresses), _number(keys.get("quorum_votes"), "quorum_votes", 1), position)


def _address(context: Complaints, item: Item, totem: TotemConfig, resolve: Resolve | None) -> str | None:
    """The address in its canonical form; a name that nobody resolves here stays as it is."""
    text = item.value
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return _named(context, item, totem, resolve)
    if ip.is_unspecified or ip.is_multicast or str(ip) == "255.255.255.255":
        context.wrong(
            "address", f"{item.key} cannot be {text}", "it is not the address of one host", "", item.line, item.value_column
        )
        return None
    return str(ip)


def _named(context: Complaints, item: Item, totem: TotemConfig, resolve: Resolve | None) -> str | None:
    text = item.value
    labels = text.rstrip(".").split(".")
    is_name = len(text) <= 253 and all(
        0 < len(part) <= 63 and all(char.isalnum() or char in "-_" for char in part) for part in labels
    )
    if not is_name or not text.isascii() or labels[-1].isdecimal():
        why = "it is neither an IP address nor a host name"
        context.wrong(
            "address",
            f"{item.key} cannot be {text[:60]!r}",
            why,
            "write an address such as 172.16.0.10",
            item.line,
            item.value_column,
        )
        return None
    if resolve is None:
        return text
    found = resolve(text, totem.ip_version)
    if found is None:
        remedy = "write the address itself, or add the name to /etc/hosts on every node"
        context.wrong(
            "address",
            f"the name {text} of {item.key} is not known",
            "no address was found for it",
            remedy,
            item.line,
            item.value_column,
        )
        return None
    return str(ipaddress.ip_address(found))


def _node_id(context: Complaints, section: Section, keys: dict[str, Item], address: str, totem: TotemConfig) -> int | None:
    if "nodeid" in keys:
        return _number(keys["nodeid"], "nodeid", 0) or None  # a bad number was told already
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        remedy = "add nodeid: 1 (2, 3, ... in the others)"
        context.wrong(
            "nodeid",
            "nodeid is missing",
            f"{address} is a name, and a number cannot be made from it",
            remedy,
            section.line,
            section.column,
        )
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        remedy = "add nodeid: 1 (2, 3, ... in the others)"
        context.wrong(
            "nodeid",
            "nodeid is missing",
            f"{address} is IPv6, which is too long for a number",
            remedy,
            section.line,
            section.column,
        )
        return None
    return node_id_of(str(ip), clear_high_bit=totem.clear_node_high_bit)


def node_id_of(ipv4: str, *, clear_high_bit: bool) -> int:
    """The id of a node without nodeid: its IPv4 address as a 32-bit number (exec/totemconfig.c generate_nodeid)."""
    number = int(ipaddress.IPv4Address(ipv4))
    return number & 0x7FFF_FFFF if clear_high_bit else number


def _number(item: Item | None, key: str, default: int) -> int:
    if item is None:
        return default
    try:
        return int(NODE[key].read(item.value))
    except ValueError:
        return default


def _same_links(context: Complaints, sections: list[Section], nodes: tuple[NodeConfig, ...]) -> None:
    """Every node must be on the same links, and speak the same family on each."""
    if not nodes:
        return
    first = nodes[0]
    for node in nodes[1:]:
        section = sections[node.position]
        if [link for link, _ in node.addresses] != [link for link, _ in first.addresses]:
            what = f"node {node.id} is not on the same links as node {first.id}"
            context.wrong("links", what, "", "give every node the same set of ringN_addr", section.line, section.column)
            continue
        for (link, one), (_, other) in zip(first.addresses, node.addresses, strict=True):
            if {_family(one), _family(other)} == {4, 6}:
                what = f"link {link} mixes IPv4 and IPv6"
                context.wrong("family", what, f"{one} and {other}", "use one family on a link", section.line, section.column)


def _family(address: str) -> int:
    """4, 6, or 0 for a name."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def local_node(config: ClusterConfig, host_addresses: Iterable[str], uname: str) -> NodeConfig:
    """Which node this host is. By name first (whole, then up to the first dot), then by any address, as corosync's
    find_local_node. Raises Refused (78) that says what was looked for."""
    addresses = sorted({str(ipaddress.ip_address(text.partition("%")[0])) for text in host_addresses})
    held = set(addresses)
    short = uname.partition(".")[0]
    for wanted in (uname, short):
        for node in config.nodelist:
            if wanted and wanted in (node.name, *(address for _, address in node.addresses)):
                return node
    found = [node for node in config.nodelist if held & {address for _, address in node.addresses}]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(address for node in config.nodelist for _, address in node.addresses)
    mine = f"uname -n is {uname}, addresses are {', '.join(addresses) or 'none'}"
    if found:
        names = " and ".join(str(node.id) for node in found)
        remedy = "give each node a name: line with its uname -n"
        raise Refused(
            error("config.local-node", f"this host has the addresses of nodes {names}", mine, remedy), exit_code=EXIT_CONFIG
        )
    remedy = "add this host to the nodelist, correct its ring0_addr, or bring its interface up"
    why = f"{mine}; the nodelist has {listed}"
    raise Refused(error("config.local-node", "this host is not in the nodelist", why, remedy), exit_code=EXIT_CONFIG)
