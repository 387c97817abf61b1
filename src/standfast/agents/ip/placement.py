"""Where the address goes: interface and prefix, from the parameters or from the connected routes, as IPaddr2's findif.sh does.

Owns: the search and its refusals. Does not own: reading routes (runtime/netlink.py keeps the snapshot).
"""

from __future__ import annotations

from ipaddress import IPv4Interface, ip_network

from standfast.agents.ip.api import AddressSeen, Interface, NetworkState
from standfast.agents.ip.parameters import LABEL_CHARS_MAX, NOT_CONFIGURED, Parameters
from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error

NOT_INSTALLED = 5
"""OCF_ERR_INSTALLED: wrong on this node; the cluster tries another. IPaddr2 returns it for the same since 2023."""

GENERIC = 1
NAMES_SHOWN_MAX = 8


@dataclass(frozen=True, slots=True)
class Place:
    """The address, ready to be put: on `interface`, with everything that PutAddress needs."""

    interface: str
    ip: str
    prefix: int
    broadcast: str | None
    label: str | None
    noprefixroute: bool


def find(wanted: Parameters, network: NetworkState) -> Place:
    """Choose the interface and the prefix. Raises Refused: exit code 5 when this host has no place for the address, 6 when the
    label does not fit. The longest matching connected route wins, then the lowest metric, then the interface's name."""
    interfaces = {i.name: i for i in network.interfaces}
    if wanted.nic and wanted.nic not in interfaces:
        raise _no_place(f"there is no interface {wanted.nic}", f"there are {_names(tuple(sorted(interfaces)))}", "correct nic=")
    name, prefix = wanted.nic, wanted.prefix
    if name is None or prefix is None:
        best = _best_route(wanted, network)
        if best is None:
            on = f" on {wanted.nic}" if wanted.nic else ""
            raise _no_place(
                f"no interface for {wanted.ip}: no connected network{on} contains it",
                f"there are {_networks(wanted, network)}",
                "give the interface an address in that network, or set nic= and cidr_netmask=",
            )
        name, prefix = name or best[0], prefix if prefix is not None else best[1]
    label = f"{name}:{wanted.label}" if wanted.label else None
    if label and len(label) > LABEL_CHARS_MAX:
        raise Refused(
            error(
                "ip.label", f"label `{label}` is too long", "", f"at most {LABEL_CHARS_MAX} characters, with the interface's name"
            ),
            exit_code=NOT_CONFIGURED,
        )
    noprefixroute = wanted.noprefixroute or _shares_prefix_route(wanted, name, prefix, network)
    return Place(name, str(wanted.ip), prefix, _broadcast(wanted, prefix), label, noprefixroute)


def trouble(place: Place, wanted: Parameters, network: NetworkState) -> str:
    """Why the interface cannot serve the address now, as a sentence; "" when it can."""
    interface = interface_of(place.interface, network)
    if interface is None:
        return f"interface {place.interface} is gone"
    if not interface.is_up:
        return f"interface {place.interface} is down (ip link set {place.interface} up)"
    if wanted.check_link and not interface.carrier:
        return f"interface {place.interface} has no carrier: its cable or switch port is down"
    return ""


def interface_of(name: str, network: NetworkState) -> Interface | None:
    """The interface of that name, if there is one."""
    return next((i for i in network.interfaces if i.name == name), None)


def speaks_ethernet(interface: Interface) -> bool:
    """Whether neighbours can be asked and told: loopback and tunnels have no address of their own to speak with."""
    return len(interface.mac) == 6 and any(interface.mac)


def copies(ip: str, network: NetworkState) -> tuple[AddressSeen, ...]:
    """Every copy of the address on this host, whatever its prefix, label and interface."""
    return tuple(seen for seen in network.addresses if seen.ip == ip)


def own_copy(place: Place, network: NetworkState) -> AddressSeen | None:
    """The copy that is exactly the one we put."""
    for seen in network.addresses:
        if (seen.interface, seen.ip, seen.prefix) == (place.interface, place.ip, place.prefix):
            return seen
    return None


def _best_route(wanted: Parameters, network: NetworkState) -> tuple[str, int] | None:
    longest = wanted.prefix if wanted.prefix is not None else wanted.ip.max_prefixlen
    found = []
    for route in network.routes:
        reached = ip_network(route.network)
        fits = reached.version == wanted.ip.version and 0 < reached.prefixlen <= longest and wanted.ip in reached
        if fits and wanted.nic in (None, route.interface):
            found.append((-reached.prefixlen, route.metric, route.interface))
    if not found:
        return None
    minus_prefix, _, interface = min(found)
    return interface, -minus_prefix


def _shares_prefix_route(wanted: Parameters, interface: str, prefix: int, network: NetworkState) -> bool:
    """Whether a renewed IPv6 lease would put its own end on the on-link route that other addresses live by: the kernel gives the
    lifetime of a changed address to the prefix route it shares (net/ipv6/addrconf.c, modify_prefix_route)."""
    if not wanted.is_v6 or not wanted.lease_s:
        return False
    ours = ip_network(f"{wanted.ip}/{prefix}", strict=False)
    others = (a for a in network.addresses if a.interface == interface and a.ip != str(wanted.ip) and a.prefix == prefix)
    return any(ip_network(f"{other.ip}/{other.prefix}", strict=False) == ours for other in others)


def _broadcast(wanted: Parameters, prefix: int) -> str | None:
    if wanted.is_v6:
        return None
    network = IPv4Interface(f"{wanted.ip}/{prefix}").network
    if wanted.broadcast == "-":
        return str(network.network_address)
    if wanted.broadcast == "+" or (not wanted.broadcast and prefix < 31):
        return str(network.broadcast_address)
    return wanted.broadcast or None


def _no_place(what: str, why: str, remedy: str) -> Refused:
    return Refused(error("ip.no-place", what, why, remedy), exit_code=NOT_INSTALLED)


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN_MAX])
    return (shown + (", ..." if len(names) > NAMES_SHOWN_MAX else "")) or "none"


def _networks(wanted: Parameters, network: NetworkState) -> str:
    same = (r for r in network.routes if ip_network(r.network).version == wanted.ip.version)
    return _names(tuple(sorted({f"{r.network} on {r.interface}" for r in same})))
