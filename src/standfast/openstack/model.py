"""Neutron's answers as typed values. Parse, then believe: what does not fit raises Malformed, and counts as no answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import Any, TypeVar

from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed
from standfast.openstack.api import Json

ITEMS_MAX = 10_000
VIP_OWNER = "standfast:vip"
"""The device_owner of the ports that Standfast makes. It must not begin with `network:` (Neutron's rule:network_device)."""

Network = IPv4Network | IPv6Network
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pair:
    """One allowed address pair: an address or a CIDR, and the MAC (Neutron fills in the port's own)."""

    ip: str
    mac: str = ""


@dataclass(frozen=True, slots=True)
class FixedIp:
    """An address of a port."""

    subnet: str
    ip: str


@dataclass(frozen=True, slots=True)
class Port:
    """A port as far as it matters here. `pairs_raw` and `fixed_raw` are kept byte for byte for writing back; `revision` is None
    where the extension is absent; `has_port_security` None where it is not said."""

    id: str
    name: str = ""
    network: str = ""
    project: str = ""
    mac: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    pairs: tuple[Pair, ...] = ()
    device: str = ""
    owner: str = ""
    description: str = ""
    revision: int | None = None
    updated_at: str = ""
    has_port_security: bool | None = None
    is_up: bool = True
    security_groups: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its fixed addresses, canonical."""
        return tuple(address(fixed.ip) for fixed in self.fixed_ips)

    def allows(self, wanted: str) -> bool:
        """Whether there is a pair of exactly this address (or CIDR) with the port's own MAC. A wider CIDR does not count: OVN
        makes an address virtual for a pair of the single address only (ovn_client._set_unset_virtual_port_type)."""
        return any(address(pair.ip) == wanted and pair.mac in ("", self.mac) for pair in self.pairs)

    def covering(self, wanted: str) -> tuple[str, ...]:
        """Pairs that are a wider network around `wanted`."""
        inner = ip_interface(wanted).network
        found = []
        for pair in self.pairs:
            outer = ip_interface(pair.ip).network
            if outer.version == inner.version and outer != inner and inner.subnet_of(outer):  # type: ignore[arg-type]
                found.append(pair.ip)
        return tuple(found)

    def with_pairs(self, *, less: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> tuple[Pair, ...]:
        """The pairs without `less` (those with the port's own MAC only) and with `more`."""
        kept = tuple(p for p in self.pairs if address(p.ip) not in less or p.mac not in ("", self.mac))
        return (*kept, *(Pair(ip) for ip in more))

    def but(self, pairs: tuple[Pair, ...]) -> Port:
        """The same with other pairs."""
        return replace(self, pairs=pairs)


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet: its network, its range, and where addresses are given out by themselves."""

    id: str
    network: str
    cidr: Network
    pools: tuple[tuple[str, str], ...] = ()


def address(text: str) -> str:
    """An address or CIDR in canonical form: a single address without its prefix. Raises ValueError."""
    interface = ip_interface(text)
    if interface.network.prefixlen == interface.max_prefixlen:
        return str(interface.ip)
    return str(interface.network)


def is_single(text: str) -> bool:
    """Whether it is one address and no network."""
    return "/" not in address(text)


def ports(body: Json | None) -> tuple[Port, ...]:
    """The ports of a list. Raises Malformed."""
    return _items(body, "ports", port)


def subnets(body: Json | None) -> tuple[Subnet, ...]:
    """The subnets of a list. Raises Malformed."""
    return _items(body, "subnets", subnet)


def the_port(body: Json | None) -> Port:
    """The port of an answer to a write. Raises Malformed."""
    given = (body or {}).get("port")
    if not isinstance(given, dict):
        raise Malformed("port", "there is none in the answer")
    return port(given)


def servers(body: Json | None) -> tuple[tuple[str, str], ...]:
    """(id, name) of the servers of a list. Raises Malformed."""
    return _items(body, "servers", lambda given: (text(given, "id"), text(given, "name")))


def port(given: Json) -> Port:
    """One port. Raises Malformed."""
    revision = given.get("revision_number")
    security = given.get("port_security_enabled")
    own = text(given, "id")
    if not own:
        raise Malformed("port", "it has no id")
    return Port(
        own,
        text(given, "name"),
        text(given, "network_id"),
        text(given, "project_id") or text(given, "tenant_id"),
        text(given, "mac_address").lower(),
        tuple(FixedIp(text(item, "subnet_id"), _checked(text(item, "ip_address"))) for item in objects(given, "fixed_ips")),
        tuple(
            Pair(_checked(text(item, "ip_address")), text(item, "mac_address").lower())
            for item in objects(given, "allowed_address_pairs")
        ),
        text(given, "device_id"),
        text(given, "device_owner"),
        text(given, "description"),
        revision if isinstance(revision, int) and not isinstance(revision, bool) else None,
        text(given, "updated_at"),
        security if isinstance(security, bool) else None,
        given.get("admin_state_up") is not False,
        tuple(item for item in listed(given, "security_groups") if isinstance(item, str)),
    )


def subnet(given: Json) -> Subnet:
    """One subnet. Raises Malformed."""
    try:
        cidr = ip_network(text(given, "cidr"))
    except ValueError as bad:
        raise Malformed("subnet", str(bad)) from bad
    pools = tuple((_checked(text(p, "start")), _checked(text(p, "end"))) for p in objects(given, "allocation_pools"))
    return Subnet(text(given, "id"), text(given, "network_id"), cidr, pools)


def text(given: Json, name: str) -> str:
    """A text field; null and absence are "". Raises Malformed."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(name, f"a text is expected, not {type(value).__name__}")
    return value


def listed(given: Json, name: str) -> list[Any]:
    """A list field; null and absence are empty. Raises Malformed."""
    value = given.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > ITEMS_MAX:
        raise Malformed(name, "a list is expected")
    return value


def objects(given: Json, name: str) -> list[Json]:
    """A list of objects. Raises Malformed."""
    items = listed(given, name)
    if not all(isinstance(item, dict) for item in items):
        raise Malformed(name, "a list of objects is expected")
    return items


def _items(body: Json | None, name: str, parse: Callable[[Json], T]) -> tuple[T, ...]:
    if body is None or name not in body:
        raise Malformed(name, "there is no such list in the answer")
    return tuple(parse(item) for item in objects(body, name))


def _checked(given: str) -> str:
    try:
        ip_interface(given)
    except ValueError as bad:
        raise Malformed("address", str(bad)) from bad
    return given
