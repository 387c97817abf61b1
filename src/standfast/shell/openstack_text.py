"""`crm openstack status` as text, from the values of openstack/view.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def status_text(value: Json) -> str:
    """The whole of it."""
    lines = [f"Cloud {value['cloud']}, mode {value['mode']}", "", "Nodes:"]
    for node in value["nodes"]:
        lines.append(f"  * {node['name']}: server {node['server'] or 'unknown'}")
        lines += list(_ports(node["ports"]))
    lines += ["", "Failover IPs:"]
    for item in value["addresses"]:
        lines += list(_address(item))
    if not value["addresses"]:
        lines.append("  none: crm configure primitive ha-vip IPaddr2 params ip=ADDRESS")
    for item in value["leftovers"]:
        remedy = f"crm openstack revoke {' '.join(item['addresses'])}"
        lines.append(
            f"  * {', '.join(item['addresses'])}: port {item['port']} is left over, no resource has the address ({remedy})"
        )
    return "\n".join(lines)


def _ports(ports: list[Json]) -> Iterator[str]:
    if not ports:
        yield "      no port is known (crm openstack doctor)"
    for port in ports:
        addresses = ", ".join(port["fixed_ips"]) or "no address"
        yield f"      port {port['id']} in {port['network_name'] or port['network']}, {addresses}"
        if port["port_security"]:
            yield f"        allowed pairs: {', '.join(port['pairs']) or 'none'}"
            yield f"        security groups: {', '.join(port['security_groups']) or 'none'}"
        else:
            yield "        port security is off: every address may leave it"


def _address(item: Json) -> Iterator[str]:
    name = f"{item['resource']} ({item['address']})" if item["resource"] else item["address"]
    yield f"  * {name}: {'held by ' + item['holder'] if item['holder'] else 'held by nobody'}"
    yield f"      own port: {item['port'] or 'none'}; floating IP: {item['floating_ip'] or 'none'}"
    if item["owned_by"]:
        yield f"      belongs to the port of {', '.join(item['owned_by'])}"
    if item["allowed_on"] or not item["owned_by"]:
        yield f"      allowed on: {', '.join(item['allowed_on']) or 'no node'}"
    for text in item["drift"]:
        yield f"      DRIFT: {text}"
