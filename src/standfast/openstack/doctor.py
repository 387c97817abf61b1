"""What is wrong, or will be, on OpenStack's side: findings with what, why, and the command that mends it. Pure; reads a survey.

`mend` says what `crm openstack doctor --fix` does about a finding: allow (the reconciler's own work), rule (a security group
rule), dvr (the property). What could cut somebody off (moving a floating IP, deleting a stranger's port) is left to the person.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, Severity, error, notice, warning
from standfast.openstack import floating, model, texts
from standfast.openstack.api import Json, Request, Service
from standfast.openstack.model import Port
from standfast.openstack.plan import home_of, own_port, plan
from standfast.openstack.survey import Survey
from standfast.openstack.view import floating_of, waiting_for
from standfast.openstack.wish import AddressWish, Mode, Wish

PAIRS_MAX = 10
"""Neutron's default of max_allowed_address_pair; the real limit is the cloud's own."""

NEEDED = {
    "allowed-address-pairs": (Severity.ERROR, "no address but its own may leave a port: failover IPs cannot work on this cloud"),
    "port-security": (Severity.NOTICE, "nothing says whether anti-spoofing is on"),
    "standard-attr-revisions": (Severity.WARNING, "concurrent writers of a port cannot be told apart"),
    "revision-if-match": (Severity.WARNING, "another writer's change may be overwritten; it is only seen by reading again"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. `mend` is what --fix does ("" for nothing), with its request where it is one."""

    report: Report
    mend: str = ""
    request: Request | None = None


def examine(wish: Wish, found: Survey, udp_ports: tuple[int, ...]) -> list[Finding]:
    """All findings, the worst first. `udp_ports` are those on which the cluster's nodes talk."""
    findings = [
        *_extensions(found),
        *_rights(wish, found),
        *_ports(wish, found),
        *_addresses(wish, found),
        *_groups(wish, found, udp_ports),
        *_placement(wish, found),
        *_unread(found),
    ]
    order = (Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.NOTICE, Severity.INFO, Severity.DEBUG)
    return sorted(findings, key=lambda finding: order.index(finding.report.severity))


def _extensions(found: Survey) -> Iterator[Finding]:
    if found.extensions:
        for alias, (severity, why) in NEEDED.items():
            if alias not in found.extensions:
                what = f"this cloud's Neutron lacks the extension {alias}"
                yield Finding(Report("openstack.extension", severity, what, why, "ask the cloud's administrator to load it"))


def _rights(wish: Wish, found: Survey) -> Iterator[Finding]:
    if found.denied:
        what = "these credentials may not write allowed address pairs"
        yield Finding(texts.forbidden(what, "update_port:allowed_address_pairs", found.denied))
        return
    projects = {port.project for port in found.outcome.seen.ports.values()}
    for own, network in found.networks.items():
        owner = model.text(network, "project_id")
        if owner and owner not in projects and wish.mode is not Mode.FENCED:
            what = f"network {model.text(network, 'name') or own} belongs to another project"
            why = f"by default only its owner ({owner}) or an administrator may write pairs and choose addresses there"
            yield Finding(
                notice("openstack.shared-network", what, why, "crm openstack allow tells whether the policy was relaxed")
            )


def _ports(wish: Wish, found: Survey) -> Iterator[Finding]:
    seen = found.outcome.seen
    wanted = [item.address for item in wish.addresses]
    for node in wish.nodes:
        for port in (seen.ports[own] for own in seen.of_node.get(node.name, ()) if own in seen.ports):
            if port.has_port_security is False:
                what = f"port security is off on port {port.id} of {node.name}"
                why = "pairs are not needed there and are refused (409); any address may leave, and no security group holds"
                yield Finding(
                    notice("openstack.port-security-off", what, why, f"openstack port set --enable-port-security {port.id}")
                )
                continue
            missing = [ip for ip in wanted if not port.allows(ip)]
            if len(port.pairs) >= PAIRS_MAX and missing:
                what = f"the list of pairs of port {port.id} of {node.name} is full ({len(port.pairs)})"
                listed = ", ".join(pair.ip for pair in port.pairs)
                remedy = f"openstack port unset --allowed-address ip-address=ADDRESS,mac-address={port.mac} {port.id}"
                yield Finding(error("openstack.full", what, f"it has {listed}; {missing[0]} finds no room", remedy))
            for ip in [ip for ip in wanted if model.is_single(ip)]:
                yield from _wide(port, node.name, ip, found)


def _wide(port: Port, node: str, ip: str, found: Survey) -> Iterator[Finding]:
    wide = port.covering(ip)
    if wide and not port.allows(ip):
        what = f"port {port.id} of {node} allows {ip} only as a part of {wide[0]}"
        why = "on ML2/OVN an address becomes virtual, and follows announcements, for a pair of the single address only"
        if found.is_ovn is None or found.is_ovn:
            yield Finding(warning("openstack.pair-is-network", what, why, f"crm openstack allow {ip}"), "allow")


def _addresses(wish: Wish, found: Survey) -> Iterator[Finding]:
    seen = found.outcome.seen
    troubles = plan(wish, seen).troubles
    yield from (Finding(trouble.report) for trouble in troubles)
    hopeless = {trouble.address for trouble in troubles if not trouble.node}
    for item in wish.addresses:
        home = home_of(item, wish, seen)
        if home is None or item.address in hopeless:  # to allow it is no remedy, then
            continue
        port = own_port(item.address, seen, home.network)
        if port is None and home.has_subnet and model.is_single(item.address) and wish.mode is not Mode.EXCLUSIVE:
            yield _no_port(item, home.network, found)
        for node in wish.nodes:
            ports = seen.ports_of(node.name, home.network)
            lacking = [p for p in ports if p.has_port_security is not False and not p.allows(item.address)]
            lacking = [p for p in lacking if len(p.pairs) < PAIRS_MAX]  # else that is said, and to allow it is no remedy
            if lacking and wish.mode is not Mode.EXCLUSIVE and not node.is_fenced:
                what = f"{item.label} is not allowed on port {lacking[0].id} of {node.name}"
                why = "Neutron drops what that node sends from the address"
                yield Finding(
                    error("openstack.missing", what, why, f"crm openstack allow {item.resource or item.address}"), "allow"
                )
        yield from _floating(wish, item, port, found)
    addresses = [item.address for item in wish.addresses]
    for port in (port for port in found.strangers if any(port.allows(ip) for ip in addresses)):
        what = (
            f"port {port.id}, which is no node's, allows {', '.join(i.address for i in wish.addresses if port.allows(i.address))}"
        )
        why = f"whoever sits there ({port.owner or 'nobody'} {port.device}) may take the address over"
        yield Finding(warning("openstack.stranger", what, why, f"openstack port show {port.id}"))
    yield from _routers(wish, found)


def _no_port(item: AddressWish, network: str, found: Survey) -> Finding:
    what = f"{item.label} has no port of its own"
    why = "nothing reserves it; a floating IP cannot follow it; and ML2/OVN does not treat it as virtual"
    inner = ip_address(item.address)
    for subnet in found.outcome.seen.subnets:
        if subnet.network != network or inner not in subnet.cidr:
            continue
        for start, end in subnet.pools:
            low, high = ip_address(start), ip_address(end)
            if low.version == inner.version and int(low) <= int(inner) <= int(high):
                why = f"it lies in the allocation pool {start}-{end}: Neutron will give it to the next machine; {why}"
                return Finding(
                    error("openstack.pool", what, why, f"crm openstack allow {item.resource or item.address}"), "allow"
                )
    return Finding(warning("openstack.no-own-port", what, why, f"crm openstack allow {item.resource or item.address}"), "allow")


def _floating(wish: Wish, item: AddressWish, port: Port | None, found: Survey) -> Iterator[Finding]:
    seen = found.outcome.seen
    port = port or floating.target(seen, item.address)  # mode exclusive: the holder's
    for lost in waiting_for(wish, item.address, found):
        detail = "it was taken off for a move that has not ended; in mode exclusive the coordinator goes on with it"
        yield Finding(floating.apart(lost, item.address, port, detail))
    if not item.resource or floating_of(port, item.address, found):
        return
    ports = {own: node for node, owned in seen.of_node.items() for own in owned}
    for one in found.floating:
        node = ports.get(one.port)
        if node is not None:
            what = f"floating IP {one.ip} leads to the port of {node}, and none leads to {item.label}"
            why = "if it is meant for the service, it stays with that node when the address moves on"
            target = port.id if port is not None else "PORT"
            remedy = f"openstack floating ip set --port {target} --fixed-ip-address {item.address} {one.ip}"
            yield Finding(warning("openstack.floating-ip", what, why, remedy))


def _routers(wish: Wish, found: Survey) -> Iterator[Finding]:
    if found.is_dvr and wish.dvr != "true" and wish.mode is not Mode.EXCLUSIVE:
        what = "a distributed router (DVR) serves the network"
        why = "it ignores announcements: after a failover the winner's port has to be written before routed traffic follows"
        remedy = "crm configure property openstack-dvr=true: then it is written at once, without looking for such a router first"
        yield Finding(warning("openstack.dvr", what, why, remedy), "dvr")


# ---- security groups ----------------------------------------------------------------------------------------------------


def _groups(wish: Wish, found: Survey, udp_ports: tuple[int, ...]) -> Iterator[Finding]:
    """Whether each node's port lets the cluster's datagrams of each other node in."""
    seen = found.outcome.seen
    if not found.groups:
        return
    for node in wish.nodes:
        for port in (seen.ports[own] for own in seen.of_node.get(node.name, ()) if own in seen.ports):
            if port.has_port_security is False:
                continue
            for peer in wish.nodes:
                sources = [p for p in seen.ports_of(peer.name, port.network) if peer.name != node.name]
                for udp in udp_ports:
                    if sources and not any(lets_in(port, source, udp, found) for source in sources):
                        yield _blocked(node.name, port, peer.name, sources[0], udp)


def lets_in(port: Port, source: Port, udp: int, found: Survey) -> bool:
    """Whether a security group of `port` lets UDP from `source` in (ingress is denied unless a rule allows it)."""
    rules = [
        rule
        for own in port.security_groups
        if own in found.groups
        for rule in model.objects(found.groups[own], "security_group_rules")
    ]
    return any(_fits(rule, source, udp) for rule in rules)


def _fits(rule: Json, source: Port, udp: int) -> bool:
    if rule.get("direction") != "ingress" or rule.get("protocol") not in (None, "udp", "17", "any"):
        return False
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    if isinstance(low, int) and isinstance(high, int) and not low <= udp <= high:
        return False
    group, prefix = rule.get("remote_group_id"), rule.get("remote_ip_prefix")
    if group is not None:
        return group in source.security_groups
    versions = [6 if rule.get("ethertype") == "IPv6" else 4]
    for ip in (ip_address(fixed) for fixed in source.addresses):
        if ip.version in versions and (not isinstance(prefix, str) or ip in ip_network(prefix, strict=False)):
            return True
    return False


def _blocked(node: str, port: Port, peer: str, source: Port, udp: int) -> Finding:
    what = f"no security group of {node}'s port lets the cluster's UDP port {udp} in from {peer}"
    why = "the nodes do not hear each other, and each takes the other for dead"
    rule: Json = {"direction": "ingress", "protocol": "udp", "port_range_min": udp, "port_range_max": udp}
    shared = [group for group in port.security_groups if group in source.security_groups]
    group = (shared or list(port.security_groups) or [""])[0]
    version = "IPv6" if source.addresses and ":" in source.addresses[0] else "IPv4"
    rule |= {"security_group_id": group, "ethertype": version}
    if shared:
        rule["remote_group_id"] = group
        origin = f"--remote-group {group}"
    else:
        rule["remote_ip_prefix"] = source.addresses[0] if source.addresses else ""
        origin = f"--remote-ip {rule['remote_ip_prefix']}"
    remedy = f"openstack security group rule create --ethertype {version} --protocol udp --dst-port {udp} {origin} {group}"
    request = Request(Service.NETWORK, "POST", "/v2.0/security-group-rules", body={"security_group_rule": rule})
    return Finding(error("openstack.udp-blocked", what, why, remedy), "rule" if group else "", request if group else None)


# ---- where the servers are ------------------------------------------------------------------------------------------------


def _placement(wish: Wish, found: Survey) -> Iterator[Finding]:
    seen = found.outcome.seen
    devices: dict[str, str] = {}
    for node in wish.nodes:
        device = next((seen.ports[own].device for own in seen.of_node.get(node.name, ()) if own in seen.ports), "")
        if device in found.servers:
            devices[node.name] = device
    if len(devices) < 2:
        return
    names = " and ".join(devices)
    hosts = {model.text(found.servers[device], "hostId") for device in devices.values()}
    if len(hosts) == 1 and "" not in hosts:
        what = f"{names} run on the same hypervisor at present"
        why = "when that machine dies, all of them die"
        last = list(devices.values())[-1]
        remedy = f"have one migrated by the cloud's administrator: openstack server migrate --live-migration {last}"
        yield Finding(warning("openstack.same-host", what, why, remedy))
    groups = [g for g in found.server_groups if "anti-affinity" in str(g.get("policy") or g.get("policies") or "")]
    if not any(set(devices.values()) <= set(model.listed(group, "members")) for group in groups):
        what = f"{names} are in no common anti-affinity group"
        why = "nothing keeps Nova from placing them on one hypervisor"
        remedy = "openstack server group create --policy anti-affinity NAME; then --hint group=ID when a server is created"
        if not any(name == "server groups" for name, _ in found.unread):
            yield Finding(notice("openstack.anti-affinity", what, why, remedy))


def _unread(found: Survey) -> Iterator[Finding]:
    for name, detail in found.unread:
        what = f"{name.replace('_', ' ')} could not be read: what depends on it was not examined"
        yield Finding(notice("openstack.unread", what, detail, "the application credential's access rules may leave it out"))
