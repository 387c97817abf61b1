"""What `crm openstack status` shows, as plain values: for each node its ports, for each address its own port and who allows
it."""

from __future__ import annotations

from standfast.openstack import model
from standfast.openstack.api import Json
from standfast.openstack.floating import FloatingIp, target
from standfast.openstack.model import Port
from standfast.openstack.plan import home_of, own_port, plan
from standfast.openstack.survey import Survey
from standfast.openstack.wish import AddressWish, Mode, Wish


def status(wish: Wish, found: Survey) -> Json:
    """The whole of it."""
    seen = found.outcome.seen
    troubles = plan(wish, seen).troubles
    return {
        "cloud": wish.cloud,
        "cluster": wish.cluster,
        "mode": wish.mode.value,
        "nodes": [
            {
                "name": node.name,
                "server": node.server
                or next((seen.ports[p].device for p in seen.of_node.get(node.name, ()) if p in seen.ports), ""),
                "ports": [_port(seen.ports[own], found) for own in seen.of_node.get(node.name, ()) if own in seen.ports],
            }
            for node in wish.nodes
        ],
        "addresses": [_address(wish, item, found) for item in wish.addresses],
        "leftovers": [{"port": port.id, "addresses": list(port.addresses)} for port in seen.leftovers],
        "troubles": [trouble.report._asdict() for trouble in troubles],
        "api_calls": found.outcome.calls,
    }


def _port(port: Port, found: Survey) -> Json:
    return {
        "id": port.id,
        "network": port.network,
        "network_name": model.text(found.networks.get(port.network, {}), "name"),
        "mac": port.mac,
        "fixed_ips": list(port.addresses),
        "pairs": [pair.ip for pair in port.pairs],
        "port_security": port.has_port_security is not False,
        "security_groups": [model.text(found.groups.get(own, {}), "name") or own for own in port.security_groups],
        "revision": port.revision,
    }


def _address(wish: Wish, item: AddressWish, found: Survey) -> Json:
    seen = found.outcome.seen
    home = home_of(item, wish, seen)
    network = home.network if home is not None else ""
    port = own_port(item.address, seen, network)
    allowed: list[str] = []
    missing: list[str] = []
    owners: list[str] = []
    for node in wish.nodes:
        ports = seen.ports_of(node.name, network)
        is_allowed = bool(ports) and all(p.has_port_security is False or p.allows(item.address) for p in ports)
        (allowed if is_allowed else missing).append(node.name)
        owners += [node.name for p in ports if item.address in p.addresses]
    drift = []
    if wish.mode is Mode.EXCLUSIVE and model.is_single(item.address):
        if item.holder and owners != [item.holder]:
            drift.append(f"the address belongs to the port of {', '.join(owners) or 'nobody'}, and {item.holder} holds it")
    else:
        drift += [f"not allowed on {name}" for name in missing]
        if home is not None and home.has_subnet and model.is_single(item.address) and port is None:
            drift.append("it has no port of its own")
    drift += [f"floating IP {lost.ip} leads nowhere, and belongs here" for lost in waiting_for(wish, item.address, found)]
    return {
        "address": item.address,
        "resource": item.resource,
        "network": network,
        "port": port.id if port is not None else "",
        "floating_ip": floating_of(port or target(seen, item.address), item.address, found),
        "allowed_on": allowed,
        "missing_on": missing,
        "owned_by": owners,
        "holder": item.holder,
        "drift": drift,
    }


def floating_of(port: Port | None, address: str, found: Survey) -> str:
    """The floating IP that leads to an address of a port, "" for none."""
    for item in found.floating:
        if port is not None and item.port == port.id and item.fixed == address:
            return item.ip
    return ""


def waiting_for(wish: Wish, address: str, found: Survey) -> list[FloatingIp]:
    """Floating IPs that were taken off a port, and have not found the address again."""
    return [item for item in found.floating if item.meant_for(wish.cluster) == address]
