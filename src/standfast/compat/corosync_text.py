"""EngineStatus (engine/api.py, as plain JSON) to the texts of corosync-cfgtool, corosync-quorumtool and corosync-cmapctl.

Owns: widths, words and order, taken from tools/ of corosync 3.1.7; scripts and exporters parse them. Does not own: connections,
options, clocks: a date comes in as text. A key that the engine does not list among `cmap` is derived from the rest of the status.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from standfast.base.dataclass import dataclass

Status = Mapping[str, Any]
"""EngineStatus with tuples as lists: local, cluster_name, transport, view, quorum, peers, client_attached, counters, cmap."""

VOTEQUORUM = "corosync_votequorum"
_FLAGS = ("2Node", "Quorate", "WaitForAll", "LastManStanding", "AutoTieBreaker", "AllowDownscale", "Qdevice")


@dataclass(frozen=True, slots=True)
class Table:
    """How corosync-quorumtool lists nodes: -H, -i, -p, -a and -o."""

    hexadecimal: bool = False
    addresses: bool = False
    parsable: bool = False
    all_addresses: bool = False
    order: str = "a"  # a address, n name, i nodeid


def cmap_of(status: Status) -> dict[str, tuple[str, str]]:
    """key -> (type, value): what the engine lists, and the run-time keys that follow from its status; sorted by key."""
    keys = dict(_derived(status))
    keys.update({key: (kind, value) for key, kind, value in status["cmap"]})
    return {key: keys[key] for key in sorted(keys)}


def stats_of(status: Status) -> dict[str, tuple[str, str]]:
    """The `stats` map: the engine's counters."""
    return {f"stats.{name}": ("u64", str(value)) for name, value in sorted(map(tuple, status["counters"]))}


def cmap_lines(keys: Mapping[str, tuple[str, str]], *, quiet: bool = False) -> str:
    """`key (type) = value`, or the value alone, a line each."""
    if quiet:
        return "".join(f"{value}\n" for _, value in keys.values())
    return "".join(f"{key} ({kind}) = {value}\n" for key, (kind, value) in keys.items())


def links_text(status: Status, *, brief: bool = False, only: str = "") -> str:
    """corosync-cfgtool -s (with -b, and -i: a link number or an address)."""
    local = status["local"]
    nodes = sorted(status["peers"], key=lambda peer: int(peer["node"]))
    lines = [_head(status)]
    kind = "udp" if status["transport"] == "knet" else ""
    for number, address in enumerate(_addresses(status, local)):
        if only and only not in {str(number), address}:
            continue
        lines += [f"LINK ID {number} {kind}", f"\taddr\t= {address}"]
        if brief:
            marks = "".join("n" if peer["node"] == local else "3" if _is_up(peer, number) else "1" for peer in nodes)
            lines.append(f"\tstatus\t= {marks}")
            continue
        lines.append("\tstatus:")
        for peer in nodes:
            word = "localhost" if peer["node"] == local else "connected" if _is_up(peer, number) else "disconnected"
            lines.append(f"\t\tnodeid: {peer['node']:10d}:\t{word}")
    return "\n".join(lines) + "\n"


def nodes_text(status: Status) -> str:
    """corosync-cfgtool -n: the other nodes that answer, and their links."""
    local, is_knet = status["local"], status["transport"] == "knet"
    mine = _addresses(status, local)
    mtu = cmap_of(status).get("totem.netmtu", ("u32", "1500"))[1]
    text = _head(status) + "\n"
    for peer in sorted(status["peers"], key=lambda peer: int(peer["node"])):
        if peer["node"] == local or not peer["reachable"]:
            continue
        text += f"nodeid: {peer['node']} reachable" + ("   onwire (min/max/cur): 1, 1, 1" if is_knet else "") + "\n"
        for number, (address, connected) in enumerate(peer["links"]):
            own = mine[number] if number < len(mine) else ""
            ends = f"udp ({own}->{address})" if is_knet else f" ({address})"
            text += f"   LINK: {number} {ends} enabled{' connected' if connected else ''} mtu: {mtu}\n"
        text += "\n"
    return text


def addresses_text(status: Status, node: int) -> str | None:
    """corosync-cfgtool -a: the addresses of a node, None when there is no such node."""
    addresses = _addresses(status, node)
    return " ".join(addresses) + "\n" if addresses else None


def quorum_text(status: Status, date: str, table: Table) -> str:
    """corosync-quorumtool -s. `date` is ctime(3)'s text without its newline."""
    view, quorum = status["view"], status["quorum"]
    members = view["members"] if view else []
    local = status["local"]
    provider = _provider(status)
    ring = f"{view['id']['coordinator']:x}.{view['id']['seq']:x}" if view else "0.0"
    lines = [
        "Quorum information",
        "------------------",
        f"Date:             {date}",
        f"Quorum provider:  {provider or 'Not configured'}",
        f"Nodes:            {len(members)}",
        f"Node ID:          {f'0x{local:08x}' if table.hexadecimal else local}",
        f"Ring ID:          {ring if provider else ring.partition('.')[2]}",
        f"Quorate:          {'Yes' if quorum['quorate'] else 'No'}",
    ]
    if provider:
        flags = [flag for flag in _FLAGS if flag in quorum["flags"] or (flag == "Quorate" and quorum["quorate"])]
        lines += [
            "",
            "Votequorum information",
            "----------------------",
            f"Expected votes:   {quorum['expected_votes']}",
            f"Highest expected: {quorum['expected_votes']}",
            f"Total votes:      {quorum['votes']}",
            f"Quorum:           {quorum['votes_needed']} {' ' if quorum['quorate'] else 'Activity blocked'}",
            "Flags:            " + "".join(f"{flag} " for flag in flags),
        ]
    return "\n".join(lines) + "\n" + members_text(status, table)


def members_text(status: Status, table: Table) -> str:
    """corosync-quorumtool -l: the membership table, with the empty line before it."""
    has_votes = bool(_provider(status))
    header = f"{'Nodeid':>10} " + (f"{'Votes':>10} " if has_votes else "")
    header += f"{'Qdevice':>10} " if has_votes and table.parsable else ""
    text = f"\nMembership information\n----------------------\n{header}Name\n"
    view = status["view"]
    peers = {peer["node"]: peer for peer in status["peers"]}
    rows = [(node, _name(status, peers.get(node), node, table)) for node in (view["members"] if view else ())]
    if table.order == "n":
        rows.sort(key=lambda row: row[1])
    elif table.order == "i":
        rows.sort()
    for node, name in rows:
        text += f"0x{node:08x} " if table.hexadecimal else f"{node:>10} "
        if has_votes:
            text += f"{peers[node]['votes'] if node in peers else 1:>10} " + (f"{'NR':>10} " if table.parsable else "")
        text += name + (" (local)" if node == status["local"] else "") + "\n"
    return text


def _head(status: Status) -> str:
    return f"Local node ID {status['local']}, transport {status['transport']}"


def _provider(status: Status) -> str:
    """The quorum provider; an engine that lists no configuration has the only one there is."""
    keys: dict[str, str] = {key: value for key, _, value in status["cmap"]}
    return keys.get("quorum.provider", "" if any(key.startswith("totem.") for key in keys) else VOTEQUORUM)


def _is_up(peer: Mapping[str, Any], link: int) -> bool:
    links: Sequence[Sequence[Any]] = peer["links"]
    return link < len(links) and bool(links[link][1])


def _addresses(status: Status, node: int) -> list[str]:
    """The addresses of a node by link: from its peer entry, else from the configuration."""
    for peer in status["peers"]:
        if peer["node"] == node and peer["links"]:
            return [address for address, _ in peer["links"]]
    keys = {key: value for key, _, value in status["cmap"]}
    for key, value in keys.items():
        if key.startswith("nodelist.node.") and key.endswith(".nodeid") and value == str(node):
            place = key.removesuffix("nodeid")
            return [keys[f"{place}ring{link}_addr"] for link in range(8) if f"{place}ring{link}_addr" in keys]
    return []


def _name(status: Status, peer: Mapping[str, Any] | None, node: int, table: Table) -> str:
    addresses = _addresses(status, node) or [str(node)]
    shown = addresses if table.all_addresses else addresses[:1]
    if table.addresses or peer is None or not peer["name"]:
        return ", ".join(shown)
    return ", ".join([peer["name"], *(shown[1:])])


def _derived(status: Status) -> Iterable[tuple[str, tuple[str, str]]]:
    """Run-time keys as corosync 3 names them (runtime.members.*, runtime.votequorum.*)."""
    view, quorum = status["view"], status["quorum"]
    members = view["members"] if view else []
    for peer in status["peers"]:
        node = peer["node"]
        if node not in members and not peer["reachable"]:
            continue
        ip = "".join(f"r({link}) ip({_plain(address)}) " for link, address in enumerate(_addresses(status, node)))
        yield f"runtime.members.{node}.config_version", ("u64", "0")
        yield f"runtime.members.{node}.ip", ("str", ip)
        yield f"runtime.members.{node}.join_count", ("u32", "1")
        yield f"runtime.members.{node}.status", ("str", "joined" if node in members else "left")
    if status["cluster_name"]:
        yield "totem.cluster_name", ("str", status["cluster_name"])
    yield "totem.transport", ("str", status["transport"])
    yield "runtime.votequorum.this_node_id", ("u32", str(status["local"]))
    yield "runtime.votequorum.two_node", ("u8", str(int("2Node" in quorum["flags"])))
    yield "runtime.votequorum.ev_barrier", ("u32", str(quorum["expected_votes"]))


def _plain(address: str) -> str:
    """The address in its short form; a name as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
