"""Who plays: nodes, links, votes and times of a corosync.conf, and the services of a CIB.

Owns: mapping the user's files onto the virtual world. Does not own: reading them.
The world numbers its nodes from 1 and has networks of its own; names, votes, quorum rules and times are the user's.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING

from standfast.base.boolean import is_true
from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error
from standfast.compat.fence_race import fence_race
from standfast.controller.actions import NATIVE_AGENTS
from standfast.engine.quorum.settings import QuorumSettings
from standfast.engine.settings import Times

if TYPE_CHECKING:
    from lxml import etree

    from standfast.config.model import ClusterConfig

NODES_MAX = 16
SERVICES_MAX = 500
HOST_BITS = 8
"""Where a netmask says nothing about the network (/32, or none), the network is taken to be the address's /24 (or /120)."""


@dataclass(frozen=True, slots=True)
class Service:
    """One primitive. `address` is the IP of a failover IP, "" for everything else; `copies_max` on how many nodes at most it
    should be active at once, 0 for clones; `promoted_max` 0 for what is not promotable; `tasks` are the
    operations that can fail, `unit` its systemd unit."""

    id: str
    address: str = ""
    network: str = ""
    copies_max: int = 1
    promoted_max: int = 0
    tasks: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """The cluster as it is played. `names` by the world's node id; `shared` says that clients use the network of link 0."""

    names: dict[NodeId, str]
    votes: dict[NodeId, int]
    links: int
    quorum: QuorumSettings
    times: Times
    policy: str
    shared: bool
    services: tuple[Service, ...]
    configuration: str
    notes: tuple[str, ...]

    def of(self, service: str) -> Service:
        """By its id."""
        return next(one for one in self.services if one.id == service)


def cast_of(config: ClusterConfig, root: etree._Element, quorum: QuorumSettings, names: tuple[str, ...] = ()) -> Cast:
    """The cast of a corosync.conf (its quorum section as `quorum`) and a CIB. `names` are those of nodes that the file names by
    address only, in its order. Raises Refused for what cannot be played."""
    nodelist = config.nodelist
    if not 1 < len(nodelist) <= NODES_MAX:
        raise Refused(error("rehearse.nodes", f"{len(nodelist)} nodes in corosync.conf", "", f"2 to {NODES_MAX} can be played"))
    ids = {node.id: NodeId(position + 1) for position, node in enumerate(nodelist)}
    notes: list[str] = []
    called = _names(config, root, names, notes)
    named = {ids[node.id]: name for node, name in zip(nodelist, called, strict=True)}
    tie = quorum.auto_tie_breaker_node
    if isinstance(tie, tuple):
        quorum = replace(quorum, auto_tie_breaker_node=tuple(ids[node] for node in tie if node in ids))
    copy = deepcopy(root)
    configuration = copy.find("configuration")
    if configuration is None:
        raise Refused(error("rehearse.cib", "the CIB has no configuration", "", "cibadmin -Q > FILE"))
    services = _services(configuration)
    if not services:
        raise Refused(error("rehearse.resources", "the configuration has no resources: there is nothing to rehearse"))
    if len(services) > SERVICES_MAX:
        raise Refused(error("rehearse.resources", f"{len(services)} resources", "", f"up to {SERVICES_MAX} can be played"))
    _number_nodes(configuration, named, notes)
    _score_promotable(configuration, services, notes)
    policy = _option(configuration, "no-quorum-policy", "stop")
    if is_true(_option(configuration, "stonith-enabled", "true")):
        notes.append("stonith-enabled is true: fencing devices are not played; what has to wait for fencing is shown as waiting")
    race = fence_race(configuration) if quorum.two_node else None
    if race is not None:
        notes.append(f"{race.what}: {race.why} ({race.remedy})")
    links = max((link for node in nodelist for link, _ in node.addresses), default=0) + 1
    rings = [node.address(0) for node in nodelist]
    return Cast(
        names=named,
        votes={ids[node.id]: node.votes for node in nodelist},
        links=links,
        quorum=quorum,
        times=Times(token_ms=config.silence_ms_max, floor_ms=config.own.silence_floor_ms, lease_ms=config.own.lease_ms),
        policy=policy,
        shared=any(_is_near(service, rings) for service in services if service.address) or links == 1,
        services=services,
        configuration=_text(configuration),
        notes=tuple(notes),
    )


def _names(config: ClusterConfig, root: etree._Element, given: tuple[str, ...], notes: list[str]) -> list[str]:
    nodelist = config.nodelist
    if given:
        if len(set(given)) != len(nodelist):
            what = f"{len(set(given))} different names for {len(nodelist)} nodes"
            raise Refused(error("rehearse.names", what, "", "--names ONE,TWO,... in the order of corosync.conf"))
        return list(given)
    known = [
        str(node.get("uname")) for node in root.iterfind("configuration/nodes/node") if node.get("type", "member") == "member"
    ]
    written = [node.name for node in nodelist]
    if all(written):
        return written
    if len(known) == len(nodelist) and not any(written):
        notes.append(
            f"corosync.conf does not name its nodes: taken from the CIB in its order, {', '.join(known)} (else: --names)"
        )
        return known
    named = [name or f"node{position + 1}" for position, name in enumerate(written)]
    notes.append(f"corosync.conf does not name all nodes: they are called {', '.join(named)} here (else: --names)")
    return named


def _number_nodes(configuration: etree._Element, names: dict[NodeId, str], notes: list[str]) -> None:
    """The ids of the CIB's nodes become the world's; nodes of corosync.conf that it lacks are added."""
    by_name = {name: node for node, name in names.items()}
    section = configuration.find("nodes")
    if section is None:
        raise Refused(error("rehearse.cib", "the CIB has no section for nodes", "", "cibadmin -Q > FILE"))
    for element in list(section):
        name = element.get("uname")
        if name in by_name:
            element.set("id", str(int(by_name[name])))
        elif element.get("type", "member") == "member":
            section.remove(element)
            notes.append(f"{name} is in the CIB and not in corosync.conf: left out")
    for name in [name for name in by_name if all(element.get("uname") != name for element in section)]:
        section.append(section.makeelement("node", {"id": str(int(by_name[name])), "uname": name}))
    for pair in configuration.iterfind("resources//primitive/instance_attributes/nvpair[@name='nic']"):
        parent = pair.getparent()
        if parent is not None:
            parent.remove(pair)  # every interface is taken to be there


def _score_promotable(configuration: etree._Element, services: tuple[Service, ...], notes: list[str]) -> None:
    """Agents of promotable clones say who is fit to be promoted; those that are played say: the nodes in their order."""
    promotable = [service.id for service in services if service.promoted_max]
    if not promotable:
        return
    notes.append(f"{', '.join(promotable)}: promotion scores are taken to be higher on earlier nodes")
    nodes = configuration.findall("nodes/node")
    for position, node in enumerate(nodes):
        held = node.find("instance_attributes")
        if held is None:
            held = node.makeelement("instance_attributes", {"id": f"nodes-{node.get('id')}"})
            node.append(held)
        for name in promotable:
            attributes = {
                "id": f"rehearsed-{name}-{position}",
                "name": f"master-{name}",
                "value": str(10 + len(nodes) - position),
            }
            held.append(held.makeelement("nvpair", attributes))


def _services(configuration: etree._Element) -> tuple[Service, ...]:
    return tuple(
        _service(element, _source(configuration, element))
        for element in configuration.iterfind("resources//primitive")
        if _source(configuration, element).get("class") != "stonith"
    )


def _source(configuration: etree._Element, element: etree._Element) -> etree._Element:
    """The primitive itself, or the template that says what it is."""
    name = element.get("template")
    return next((one for one in configuration.iterfind("resources/template") if name and one.get("id") == name), element)


def _service(element: etree._Element, source: etree._Element) -> Service:
    standard, provider, kind = (source.get(name, "") for name in ("class", "provider", "type"))
    clone = next((one for one in element.iterancestors("clone", "master")), None)
    is_ip = clone is None and f"{standard}:{provider}:{kind}" in NATIVE_AGENTS
    address, network = _address(element) if is_ip else ("", "")
    is_promotable = clone is not None and (clone.tag == "master" or is_true(_meta(clone, "promotable")))
    most = "" if clone is None else _meta(clone, "promoted-max") or _meta(clone, "master-max")
    ops = [*element.iterfind("operations/op"), *source.iterfind("operations/op")]
    has_monitor = any(op.get("name") == "monitor" and op.get("interval", "0") not in ("0", "0s") for op in ops)
    return Service(
        element.get("id", ""),
        address,
        network,
        1 if clone is None else 0,
        (int(most) if most.isdecimal() else 1) if is_promotable else 0,
        (*(("monitor",) if has_monitor else ()), "start", *(() if address else ("stop",))),
        kind if standard in ("systemd", "service") else "",
    )


def _address(element: etree._Element) -> tuple[str, str]:
    """A failover IP's address and the network it is in; nothing for one that makes no sense (its start will fail)."""
    values = {pair.get("name"): pair.get("value", "") for pair in element.iterfind("instance_attributes/nvpair")}
    try:
        address = ip_address(values.get("ip", ""))
        usual = address.max_prefixlen - HOST_BITS
        written = values.get("cidr_netmask") or str(usual)
        prefix = ip_interface(f"{address}/{written}").network.prefixlen
        return str(address), str(ip_network(f"{address}/{min(prefix, usual)}", strict=False))
    except ValueError:
        return "", ""


def _is_near(service: Service, rings: list[str | None]) -> bool:
    """Whether the nodes' first links run over the network of this address."""
    network = ip_network(service.network)
    try:
        return any(ip_address(ring) in network for ring in rings if ring)
    except ValueError:
        return False


def _meta(element: etree._Element, name: str) -> str:
    found = element.find(f"meta_attributes/nvpair[@name='{name}']")
    return "" if found is None else found.get("value", "")


def _option(configuration: etree._Element, name: str, default: str) -> str:
    found = configuration.find(f"crm_config//nvpair[@name='{name}']")
    return default if found is None else found.get("value", default)


def _text(element: etree._Element) -> str:
    from lxml import etree

    return etree.tostring(element, encoding="unicode")
