"""Mode fenced: the ports of a lost node are made to let its addresses through no more, and that is known before others take them.

    a write for each port, always (it leaves a mark, and a later revision: an older write that is still on its way is refused
        then): the pair is taken away; where that is not enough (a wider network is allowed, port security is off, the address is
        the port's own) or not allowed (403), the port is set down
    a read after it: what counts is what it shows (`is_severed`)

The mark is a word in the port's description that names who wrote it: `[standfast fenced by node-b 17]`. A port with a mark of
somebody who is not on this side was taken by the other half of a split cluster. Which of two halves was first is nobody's to say
(a revision is no compare-and-swap), so such a port is left as it is unless this half has a majority (`Wish.is_sure`), and nothing
is taken from the other side either: at worst both halves have taken the other's ports and neither sends, until they meet again
or a person decides (`crm node clearstate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_interface

from standfast.openstack import requests
from standfast.openstack.api import Request, Severed
from standfast.openstack.model import Port, address
from standfast.openstack.plan import DESCRIPTION_CHARS_MAX, Mark, Seen, mark_of, unmarked
from standfast.openstack.wish import Mode, NodeWish, Wish

VERIFY_LANE = "verify"
"""The read after the write does not wait for the second that lies between two looks: it happens once for a loss."""


def lets_through(port: Port, wanted: str) -> bool:
    """Whether a guest behind the port can send from an address (or from a part of a network)."""
    if not port.is_up:
        return False
    if port.has_port_security is False or wanted in port.addresses:
        return True
    inner = ip_interface(wanted).network
    allowed = [ip_interface(pair.ip).network for pair in port.pairs if pair.mac in ("", port.mac)]
    return any(network.version == inner.version and network.overlaps(inner) for network in allowed)


def lost(wish: Wish) -> tuple[NodeWish, ...]:
    """The nodes that are to be cut off."""
    return tuple(node for node in wish.nodes if node.is_fenced) if wish.mode is Mode.FENCED else ()


def foreign_marks(wish: Wish, seen: Seen, local: str) -> tuple[tuple[str, str], ...]:
    """(node, who) for the ports of this side that somebody on another side has taken."""
    ours = {local, *(node.name for node in wish.nodes if not node.is_fenced)}
    found = []
    for node in wish.nodes:
        marks = [mark_of(seen.ports[own]) for own in seen.of_node.get(node.name, ()) if own in seen.ports]
        found += [(node.name, mark.by) for mark in marks if mark and mark.by not in ours and not node.is_fenced]
    return tuple(found)


def networks_of(wish: Wish, seen: Seen, wanted: str) -> frozenset[str]:
    """Where an address is at home: the networks in which ports of this side allow it, or where it has a port of its own; all of
    them, while that is not known."""
    near = [
        seen.ports[own]
        for node in wish.nodes
        if not node.is_fenced
        for own in seen.of_node.get(node.name, ())
        if own in seen.ports
    ]
    found = {port.network for port in near if port.allows(wanted)}
    found |= {port.network for port in seen.vips.get(wanted, ())}
    return frozenset(found or {port.network for port in seen.ports.values()})


def targets(wish: Wish, seen: Seen, node: NodeWish) -> tuple[Port, ...]:
    """The ports of a lost node that matter."""
    networks = {network for item in wish.addresses for network in networks_of(wish, seen, item.address)}
    return tuple(p for own in seen.of_node.get(node.name, ()) if (p := seen.ports.get(own)) is not None and p.network in networks)


def is_severed(port: Port, addresses: Iterable[str], local: str) -> bool:
    """Whether the port, as it was read, carries this side's mark and lets none of the addresses through."""
    mark = mark_of(port)
    return mark is not None and mark.by == local and not any(lets_through(port, ip) for ip in addresses)


def write(port: Port, node: str, addresses: tuple[str, ...], local: str, *, may_write_pairs: bool = True) -> Request:
    """What severs a port. A port that has to be down stays so until the node is back or a person says that it is off."""
    less = tuple(ip for ip in addresses if port.allows(ip))
    rest = port.but(port.with_pairs(less=less))
    old = mark_of(port)
    down = not may_write_pairs or (old is not None and old.is_down) or any(lets_through(rest, ip) for ip in addresses)
    fields: dict[str, object] = {"description": _marked(port, Mark(local, down, (port.revision or 0) + 1))}
    if less and may_write_pairs:
        pairs = [{"ip_address": pair.ip, "mac_address": pair.mac} if pair.mac else {"ip_address": pair.ip} for pair in rest.pairs]
        fields["allowed_address_pairs"] = pairs
    if down:
        fields["admin_state_up"] = False
    return requests.change_port(port, node, **fields)


def judge(wish: Wish, seen: Seen, addresses: tuple[str, ...], local: str) -> Severed:
    """After the read: which nodes are severed, and why others are not. A port that is not there any more lets nothing through."""
    done: list[tuple[str, str]] = []
    why: list[str] = []
    if not any(seen.of_node.get(node.name) for node in wish.nodes if not node.is_fenced):
        return Severed((), "not even the ports of this side are seen: are these the right credentials?")
    for node in lost(wish):
        known = seen.of_node.get(node.name, ())
        if not known and not any(nic.port for nic in node.nics):
            why.append(f"which ports {node.name} has is not known")
            continue
        open_ports = [port for port in targets(wish, seen, node) if not is_severed(port, addresses, local)]
        why += [f"port {port.id} of {node.name} still lets them through" for port in open_ports]
        if not open_ports:
            done += [(node.name, ip) for ip in addresses]
    return Severed(tuple(done), "; ".join(why))


def canonical(wish: Wish) -> tuple[str, ...]:
    """All addresses of the wish."""
    return tuple(address(item.address) for item in wish.addresses)


def _marked(port: Port, mark: Mark) -> str:
    word = str(mark)
    return f"{unmarked(port.description)[: DESCRIPTION_CHARS_MAX - len(word) - 1]} {word}".strip()
