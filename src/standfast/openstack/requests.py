"""The requests that are made of Neutron and Nova, each by its name. Filters may be repeated: Neutron takes them as "one of"."""

from __future__ import annotations

from collections.abc import Iterable

from standfast.openstack.api import Json, Request, Service
from standfast.openstack.model import VIP_OWNER, FixedIp, Pair, Port

PORTS = "/v2.0/ports"
FLOATING_IPS = "/v2.0/floatingips"
LOCK_OWNER = "standfast:lock"
FILTERS_MAX = 100
"""Filters in one list request: 100 UUIDs are under 5 KB of address, which every server takes."""


def list_ports(name: str, values: Iterable[str], *more: tuple[str, str], lane: str = "") -> Request:
    """Ports whose field `name` is one of the values."""
    wanted = tuple(dict.fromkeys(values))[:FILTERS_MAX]
    return Request(Service.NETWORK, "GET", PORTS, (*((name, value) for value in wanted), *more), lane=lane)


def list_ports_with(addresses: Iterable[str]) -> Request:
    """Ports that have one of these fixed addresses, in any network that the project sees."""
    return list_ports("fixed_ips", (f"ip_address={ip}" for ip in addresses))


def list_subnets(networks: Iterable[str]) -> Request:
    """The subnets of these networks."""
    query = tuple(("network_id", network) for network in dict.fromkeys(networks))
    return Request(Service.NETWORK, "GET", "/v2.0/subnets", query[:FILTERS_MAX])


def list_network(kind: str, *filters: tuple[str, str]) -> Request:
    """Any other list of Neutron: networks, extensions, floatingips, security-groups, ..."""
    return Request(Service.NETWORK, "GET", f"/v2.0/{kind}", filters)


def list_servers(names: Iterable[str]) -> Request:
    """Servers of exactly these names (Nova's filter is a regular expression)."""
    escaped = "|".join(_escaped(name) for name in dict.fromkeys(names))
    return Request(Service.COMPUTE, "GET", "/servers", (("name", f"^({escaped})$"),))


def make_vip_port(network: str, ip: str, cluster: str, name: str, description: str) -> Request:
    """The address's own port: unbound and down (as Octavia's), so that it only reserves the address, carries the floating IP, and
    lets OVN treat the address as virtual."""
    port: Json = {
        "network_id": network,
        "fixed_ips": [{"ip_address": ip}],
        "name": name,
        "device_owner": VIP_OWNER,
        "device_id": cluster,
        "description": description,
        "admin_state_up": False,
    }
    return Request(Service.NETWORK, "POST", PORTS, body={"port": port})


def change_port(port: Port, lane: str = "", **fields: object) -> Request:
    """Change fields of a port, if its revision is still the one that was read."""
    return Request(Service.NETWORK, "PUT", f"{PORTS}/{port.id}", body={"port": fields}, revision=port.revision, lane=lane)


def set_port(
    port: Port, lane: str, pairs: tuple[Pair, ...] | None = None, fixed_ips: tuple[FixedIp, ...] | None = None, **more: object
) -> Request:
    """Replace the whole list of pairs, of fixed addresses, or both (Neutron has no way to add one); `more` are other fields."""
    fields: Json = {}
    if pairs is not None:
        fields["allowed_address_pairs"] = [
            {"ip_address": pair.ip, "mac_address": pair.mac} if pair.mac else {"ip_address": pair.ip} for pair in pairs
        ]
    if fixed_ips is not None:
        fields["fixed_ips"] = [
            {"subnet_id": fixed.subnet, "ip_address": fixed.ip} if fixed.subnet else {"ip_address": fixed.ip}
            for fixed in fixed_ips
        ]
    return change_port(port, lane, **fields, **more)


def delete_port(port: Port) -> Request:
    """Delete a port."""
    return Request(Service.NETWORK, "DELETE", f"{PORTS}/{port.id}")


def _escaped(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else f"\\{c}" for c in name)


def make_lock(network: str, ip: str, holder: str, text: str) -> Request:
    """The third opinion's lock: whoever gets a port with this address has it. Neutron's unique key admits one."""
    port: Json = {
        "network_id": network,
        "fixed_ips": [{"ip_address": ip}],
        "name": "standfast-lock",
        "device_owner": LOCK_OWNER,
        "device_id": holder,
        "description": text,
        "admin_state_up": False,
    }
    return Request(Service.NETWORK, "POST", PORTS, body={"port": port})


def find_lock(network: str, ip: str) -> Request:
    """Who has the lock."""
    return Request(Service.NETWORK, "GET", PORTS, (("network_id", network), ("fixed_ips", f"ip_address={ip}")))


def renew_lock(own: str, text: str) -> Request:
    """Show that its holder lives. A write, because a read may be answered by a replica that lags; without a revision, because
    the id says all: a lock that was taken over has another one."""
    return Request(Service.NETWORK, "PUT", f"{PORTS}/{own}", body={"port": {"description": text}})


def drop_lock(own: str) -> Request:
    """Delete this very lock, and no later one."""
    return Request(Service.NETWORK, "DELETE", f"{PORTS}/{own}")
