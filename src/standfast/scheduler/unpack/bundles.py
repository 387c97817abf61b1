"""Bundles: containers with replicas, and the resources that each replica implies (Pacemaker: lib/pengine/bundle.c).

A replica is a container, and may have an IP address, a primitive inside, and the connection through which this primitive is
reached: the replica is a node then, which only its own primitive may use. The primitives are the instances of an implicit clone.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import field
from typing import TYPE_CHECKING

from lxml import etree as tree

from standfast.base.dataclass import dataclass
from standfast.base.report import error
from standfast.scheduler.memory import Allowed, Cluster, Node, ProbeMode, Resource, walk
from standfast.scheduler.placement.ledger import assign_score, ban
from standfast.scheduler.unpack.nodes import add_node
from standfast.scheduler.unpack.remotes import connection_xml, new_op, new_set
from standfast.scheduler.values import int_or, parse_bool

if TYPE_CHECKING:
    from lxml import etree

INFINITY = 1_000_000
MAX_REPLICAS = 1000
REMOTE_PORT = "3121"
REMOTE_KEY = "/etc/pacemaker/authkey"
LOG_ROOT = "/var/log/pacemaker/bundles"
REMOTE_DAEMON = "/usr/sbin/pacemaker-remoted"
NODE_SCORE = 500


@dataclass(eq=False, slots=True)
class Replica:
    """One replica. `node` is the node that it is, if something runs inside."""

    offset: int
    container: Resource
    child: Resource | None = None
    ip: Resource | None = None
    remote: Resource | None = None
    node: Node | None = None
    address: str | None = None


@dataclass(eq=False, slots=True)
class BundleData:
    """What only bundles have. `clone` holds the primitives inside the replicas, if there are any."""

    agent: str  # docker or podman
    image: str
    max: int
    per_host: int
    promoted_max: int
    clone: Resource | None = None
    all: list[Replica] = field(default_factory=list)

    @property
    def containers(self) -> list[Resource]:
        """The replicas' containers, in order."""
        return [replica.container for replica in self.all]


@dataclass(frozen=True, slots=True)
class _Mount:
    source: str
    target: str
    options: str | None
    own: bool  # each replica has a directory of its own below `source`


@dataclass(slots=True)
class _Config:
    """A bundle's configuration, while its replicas are made."""

    bundle: Resource
    agent: str
    container: etree._Element
    network: etree._Element | None
    replicas: int
    per_host: int
    mounts: list[_Mount] = field(default_factory=list)
    ports: list[tuple[str, str]] = field(default_factory=list)
    hosts: str = ""

    def net(self, name: str) -> str | None:
        """An attribute of <network>."""
        return None if self.network is None else self.network.get(name)

    @property
    def control_port(self) -> str:
        """The port of the connection to what runs inside."""
        return self.net("control-port") or REMOTE_PORT


def unpack_bundle(cluster: Cluster, bundle: Resource) -> bool:
    """A bundle's replicas and all they imply; False if it can't be used."""
    container = next((found for tag in ("docker", "podman") if (found := bundle.xml.find(tag)) is not None), None)
    if container is None:
        return False
    promoted_max = max(0, int_or(container.get("promoted-max"), 0))
    replicas = promoted_max if container.get("replicas") is None and promoted_max > 0 else int_or(container.get("replicas"), 1)
    config = _Config(
        bundle,
        str(container.tag),
        container,
        bundle.xml.find("network"),
        max(1, min(MAX_REPLICAS, replicas)),
        max(1, int_or(container.get("replicas-per-host"), 1)),
    )
    if config.per_host == 1:
        bundle.unique = False
    _read_ports(cluster, config)
    _read_mounts(cluster, config)
    data = BundleData(config.agent, container.get("image") or "", config.replicas, config.per_host, promoted_max)
    bundle.replicas = data
    primitive = bundle.xml.find("primitive")
    if primitive is not None:
        if not _manageable(cluster, config):
            what = f"Cannot control {bundle.id} inside {primitive.get('id')} without either ip-range-start or control-port"
            return _refuse(cluster, bundle, what)
        data.per_host = config.per_host
        if not _unpack_clone(cluster, config, data, primitive):
            return False
    if not _make_replicas(cluster, config, data):
        return _refuse(cluster, bundle, f"Failed unpacking resource {bundle.id}")
    if data.clone is not None:
        bundle.children.append(data.clone)
    return True


def _refuse(cluster: Cluster, bundle: Resource, what: str) -> bool:
    cluster.tell(error("scheduler.bundle", what, where=bundle.id))
    return False


def _manageable(cluster: Cluster, config: _Config) -> bool:
    """Whether what runs inside can be reached: by an address of each replica, or by a port of its host."""
    if config.net("ip-range-start") is not None:
        return True
    if config.net("control-port") is None:
        return False
    if config.per_host > 1:
        what = f"Specifying the 'control-port' for {config.bundle.id} requires 'replicas-per-host=1'"
        cluster.tell(error("scheduler.bundle", what, where=config.bundle.id))
        config.per_host = 1
    return True


def _read_ports(cluster: Cluster, config: _Config) -> None:
    for mapping in () if config.network is None else config.network.iterchildren("port-mapping"):
        source, target = mapping.get("port"), mapping.get("internal-port")
        if source is None:
            source, target = mapping.get("range"), None
        if source:
            config.ports.append((source, target or source))
        else:
            name = mapping.get("id") or ""
            cluster.tell(error("scheduler.bundle", f"Invalid port directive {name}", where=name))


def _read_mounts(cluster: Cluster, config: _Config) -> None:
    for mapping in config.bundle.xml.iterfind("storage/storage-mapping"):
        source, target = mapping.get("source-dir"), mapping.get("target-dir")
        own = source is None
        if source is None:
            source = mapping.get("source-dir-root")
        if source and target:
            config.mounts.append(_Mount(source, target, mapping.get("options"), own))
        else:
            name = mapping.get("id") or ""
            cluster.tell(error("scheduler.bundle", f"Invalid mount directive {name}", where=name))


def _unpack_clone(cluster: Cluster, config: _Config, data: BundleData, primitive: etree._Element) -> bool:
    """The clone of what runs inside: its instances become the replicas' children."""
    from standfast.scheduler.unpack.resources import unpack_resource

    bundle = config.bundle
    element = tree.Element("clone", id=f"{bundle.id}-{'master' if data.promoted_max else 'clone'}")
    options: dict[str, str | None] = {
        "ordered": "true",
        "clone-max": str(config.replicas),
        "clone-node-max": str(config.per_host),
        "globally-unique": "true" if config.per_host > 1 else "false",
        "promotable": "true" if data.promoted_max else None,
        "promoted-max": str(data.promoted_max) if data.promoted_max else None,
    }
    new_set(element, "meta_attributes", f"{bundle.id}-clone-meta", options)
    element.append(deepcopy(primitive))
    data.clone = unpack_resource(cluster, element, bundle)
    if data.clone is None:
        return False
    config.mounts.append(_Mount(REMOTE_KEY, REMOTE_KEY, None, own=False))
    if all(mount.target != "/var/log" for mount in config.mounts):
        config.mounts.append(_Mount(LOG_ROOT, "/var/log", None, own=True))
    config.ports.append((config.control_port, config.control_port))
    return True


def _next_address(address: str) -> str | None:
    """The IPv4 address after one; None beyond the last that is used, or for anything else."""
    octets = address.split(".")
    if len(octets) != 4 or not all(octet.isascii() and octet.isdigit() for octet in octets):
        return None
    first, second, third, fourth = (int(octet[:9]) for octet in octets)
    if third > 253:
        return None
    return f"{first}.{second}.{third + 1}.1" if fourth > 253 else f"{first}.{second}.{third}.{fourth + 1}"


def _addresses(config: _Config) -> list[str | None]:
    """One address for each replica, and the host entries that make them known inside (they are the same for all)."""
    found: list[str | None] = []
    add_host = parse_bool(config.net("add-host")) is not False
    address = config.net("ip-range-start")
    for offset in range(config.replicas):
        found.append(address)
        if address is not None:
            name = f"{config.bundle.id}-{offset}"
            config.hosts += f" --add-host={name}:{address}" if add_host else f" --hosts-entry={address}={name}"
            address = _next_address(address)
    return found


def _make_replicas(cluster: Cluster, config: _Config, data: BundleData) -> bool:
    bundle = config.bundle
    children = [] if data.clone is None else list(data.clone.children)
    addresses = _addresses(config)
    for one in children:
        one.exclusive_probes = True
        if one.notify and data.clone is not None:
            data.clone.notify = True
    target = children[-1].meta.get("container-attribute-target") if children else None
    if target is not None and data.clone is not None:
        bundle.meta["container-attribute-target"] = data.clone.meta["container-attribute-target"] = target
    for offset in range(len(children) if data.clone is not None else config.replicas):
        child = children[offset] if data.clone is not None else None
        address = addresses[offset] if offset < len(addresses) else None
        container = _implicit(cluster, bundle, _container_xml(config, offset, address, child is not None))
        if container is None:
            return False
        container.replica_container = True
        replica = Replica(offset, container, child, address=address)
        data.all.append(replica)
        if address is not None:
            replica.ip = _implicit(cluster, bundle, _address_xml(config, offset, address))
            if replica.ip is None:
                return False
        if child is not None:
            if not _make_connection(cluster, config, replica, child):
                return False
            # Utilization can only be configured for what runs inside, but it is the container that needs the room.
            container.utilization, child.utilization = child.utilization, container.utilization
    return True


def _implicit(cluster: Cluster, bundle: Resource, element: etree._Element) -> Resource | None:
    from standfast.scheduler.unpack.resources import unpack_resource

    made = unpack_resource(cluster, element, bundle)
    if made is not None:
        bundle.children.append(made)
    return made


def _sanitized(name: str) -> str:
    return name.replace(":", ".").replace("#", ".")


def _primitive_xml(name: str, kind: str) -> etree._Element:
    made = tree.Element("primitive")
    made.attrib.update({"id": name, "class": "ocf", "provider": "heartbeat", "type": kind})
    return made


def _address_xml(config: _Config, offset: int, address: str) -> etree._Element:
    bundle = config.bundle
    name = _sanitized(f"{bundle.id}-ip-{address}")
    made = _primitive_xml(name, "IPaddr2")
    values = {"ip": address, "nic": config.net("host-interface"), "cidr_netmask": config.net("host-netmask") or "32"}
    new_set(made, "instance_attributes", f"{bundle.id}-attributes-{offset}", values)
    new_op(tree.SubElement(made, "operations"), name, "monitor", "60s", None)
    return made


def _container_xml(config: _Config, offset: int, address: str | None, inside: bool) -> etree._Element:
    bundle = config.bundle
    name = _sanitized(f"{bundle.id}-{config.agent}-{offset}")
    made = _primitive_xml(name, config.agent)
    own = [f"{mount.source}/{bundle.id}-{offset}" for mount in config.mounts if mount.own]
    values = {
        "image": config.container.get("image"),
        "allow_pull": "true",
        "force_kill": "false",
        "reuse": "false",
        "run_opts": _run_options(config, offset, address),
        "mount_points": ",".join(own),
        "run_cmd": config.container.get("run-command") or (REMOTE_DAEMON if inside else None),
        # Only whether the container is alive is asked: what runs inside has its own monitors.
        "monitor_cmd": "/bin/true",
    }
    new_set(made, "instance_attributes", f"{bundle.id}-attributes-{offset}", values)
    new_op(tree.SubElement(made, "operations"), name, "monitor", "60s", None)
    return made


def _run_options(config: _Config, offset: int, address: str | None) -> str:
    """The options for the container engine. Word for word those of the original, or every container would restart."""
    name, network = f"{config.bundle.id}-{offset}", config.container.get("network")
    words = " --restart=no" if config.agent == "docker" else ""
    if config.net("ip-range-start") is not None:
        words += f" -h {name}"
    words += " -e PCMK_stderr=1"
    if network is not None:
        words += f" --net={network}"
    words += f" -e PCMK_remote_port={config.control_port}"
    for mount in config.mounts:
        source = f"{mount.source}/{name}" if mount.own else mount.source
        words += f" -v {source}:{mount.target}" + ("" if mount.options is None else f":{mount.options}")
    for source, target in config.ports:
        if address is not None:
            words += f" -p {address}:{source}:{target}"
        elif network != "host":
            words += f" -p {source}:{target}"
    if config.container.get("options") is not None:
        words += f" {config.container.get('options')}"
    return f"{words} {config.hosts}"


def _make_connection(cluster: Cluster, config: _Config, replica: Replica, child: Resource) -> bool:
    """The node that a replica with something inside is, and the connection to it."""
    bundle = config.bundle
    name = f"{bundle.id}-{replica.offset}"
    if name in cluster.by_id:
        name = f"pcmk-internal-{child.id}-remote-{replica.offset}"
    # "#uname": the connection has no address of its own, the host's name stands for it.
    element = connection_xml(name, replica.container.id, replica.address or "#uname", config.control_port)
    node = cluster.find_node(name) or add_node(cluster, name, name, "remote")
    node.score = -INFINITY
    node.probe_mode = ProbeMode.NEVER
    for rsc in walk(cluster.resources):
        entry = rsc.allowed.get(node.id)
        if entry is not None:
            ban(cluster, rsc, entry, "bundle-node")
            entry.probe_mode = ProbeMode.NEVER
    replica.node = node
    entry = Allowed(node, 0, ProbeMode.EXCLUSIVE)
    cluster.reasons[:] = [reason for reason in cluster.reasons if reason.resource != child.id]
    child.allowed = {node.id: entry}
    assign_score(cluster, child, entry, NODE_SCORE, "bundle-child")
    if child.parent is not None:
        own = child.parent.allowed[node.id] = Allowed(node, 0, ProbeMode.EXCLUSIVE)
        assign_score(cluster, child.parent, own, -INFINITY, "bundle-node")
    connection = _implicit(cluster, bundle, element)
    if connection is None:
        return False
    replica.remote = node.remote = connection
    for other in connection.allowed.values():
        if other.node.kind == "remote":
            ban(cluster, connection, other, "no-connection-there")
    connection.launcher = replica.container
    node.attrs["#kind"] = "container"
    if replica.address is not None:
        child.meta["external-ip"] = replica.address
    # The connection may be on another host than its container, so that containers may run on remote nodes.
    connection.nesting_allowed = True
    return True
