"""Pacemaker Remote nodes: hosts, guests and bundle replicas that are reached through a connection resource.

Their connection's state is theirs: it must be unpacked before they are (Pacemaker: lib/pengine/remote.c and unpack.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree as tree

from standfast.base.report import error, warning
from standfast.scheduler.constraints.find import by_name
from standfast.scheduler.memory import Cluster, Node, Resource, Variant, primitives
from standfast.scheduler.unpack.nodes import add_node, read_attributes
from standfast.scheduler.values import Role, int_or, is_true, parse_bool

if TYPE_CHECKING:
    from lxml import etree

_GUEST_OPTIONS = (
    "remote-node",
    "remote-addr",
    "remote-port",
    "remote-connect-timeout",
    "remote-allow-migrate",
    "is-managed",
)


def is_connection(element: etree._Element) -> bool:
    """Whether an element is an ocf:pacemaker:remote primitive, the connection to a node."""
    agent = tuple((element.get(name) or "").lower() for name in ("class", "provider", "type"))
    return agent == ("ocf", "pacemaker", "remote")


def new_set(owner: etree._Element, tag: str, set_id: str, values: dict[str, str | None]) -> None:
    """Add a set of nvpairs to an element; None leaves a pair out."""
    created = tree.SubElement(owner, tag, id=set_id)
    for name, value in values.items():
        if value is not None:
            tree.SubElement(created, "nvpair", id=f"{set_id}-{name}", name=name, value=value)


def new_op(operations: etree._Element, owner_id: str, name: str, interval: str, timeout: str | None) -> None:
    """Add an `op` to an <operations> element."""
    op = tree.SubElement(operations, "op", id=f"{owner_id}-{name}-{interval}", name=name, interval=interval)
    if timeout is not None:
        op.set("timeout", timeout)


def connection_xml(
    name: str,
    container: str,
    address: str | None,
    port: str | None,
    migrate: str | None = None,
    managed: str | None = None,
    timeout: str | None = None,
) -> etree._Element:
    """The connection that a guest or bundle node implies, as if it were configured."""
    made = tree.Element("primitive")
    made.attrib.update({"id": name, "class": "ocf", "provider": "pacemaker", "type": "remote"})
    meta = {"internal_rsc": "true", "container": container, "allow-migrate": migrate, "is-managed": managed}
    new_set(made, "meta_attributes", f"{name}-meta_attributes", meta)
    if address or port:
        new_set(made, "instance_attributes", f"{name}-instance_attributes", {"addr": address, "port": port})
    operations = tree.SubElement(made, "operations")
    new_op(operations, name, "monitor", "30s", "30s")
    if timeout is not None:
        new_op(operations, name, "start", "0", timeout)
    return made


def unpack_remote_nodes(cluster: Cluster, section: etree._Element | None) -> list[etree._Element]:
    """Make the nodes that resources imply, before resources are unpacked; returns the connections to unpack after them."""
    implied: list[etree._Element] = []
    for element in () if section is None else section.iterchildren():
        if is_connection(element):
            _ensure_node(cluster, element.get("id"))
        elif element.tag == "primitive":
            _guest(cluster, element, implied)
        elif element.tag == "group":
            for member in element.iterchildren():
                _guest(cluster, member, implied)
    return implied


def _ensure_node(cluster: Cluster, name: str | None) -> None:
    if name and cluster.find_node(name) is None:
        add_node(cluster, name, name, "remote")


def _guest(cluster: Cluster, element: etree._Element, implied: list[etree._Element]) -> None:
    """A resource whose meta-attribute remote-node makes it a guest node's host. Rules and references are not looked at."""
    values: dict[str, str] = {}
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") in _GUEST_OPTIONS:
            values[pair.get("name") or ""] = pair.get("value") or ""
    name = values.get("remote-node")
    if not name:
        return
    implied.append(
        connection_xml(
            name,
            element.get("id") or "",
            values.get("remote-addr"),
            values.get("remote-port"),
            values.get("remote-allow-migrate"),
            values.get("is-managed"),
            values.get("remote-connect-timeout", "60s"),
        )
    )
    _ensure_node(cluster, name)


def link_launcher(cluster: Cluster, rsc: Resource) -> None:
    """Tie a resource (its members) to what it runs inside, as its `container` meta-attribute says."""
    for leaf in primitives(rsc):
        name = leaf.meta.get("container")
        if name is None or name == leaf.id:
            continue
        launcher = by_name(cluster, name)
        if launcher is None:
            cluster.tell(error("scheduler.resource", f"Resource {leaf.id}: Unknown container {name}", where=leaf.id))
        elif not _launches(leaf, launcher):
            leaf.launcher = launcher
            if leaf not in launcher.launched:
                launcher.launched.append(leaf)


def _launches(rsc: Resource, other: Resource) -> bool:
    """Whether `other` runs inside `rsc`, at whatever depth: containers must not go in circles."""
    seen: Resource | None = other
    while seen is not None:
        if seen is rsc:
            return True
        seen = seen.launcher
    return False


def link_connection(cluster: Cluster, rsc: Resource) -> None:
    """Tie a connection to its node. A remote node is unclean until it was seen, as cluster nodes are; guests are not."""
    node = cluster.find_node(rsc.id) if rsc.connection else None
    if node is None or node.kind != "remote":
        return
    node.remote = rsc
    if rsc.launcher is None:
        node.unclean = cluster.startup_fencing and cluster.connects
    else:
        node.attrs["#kind"] = "container"


def determine_online(node: Node) -> None:
    """Whether a Pacemaker Remote node is online, leaving, or in need of recovery, by its connection and launcher."""
    connection = node.remote
    if connection is None:
        node.online = False
        return
    launcher = connection.launcher
    host = connection.active_nodes[0] if launcher is not None and len(connection.active_nodes) == 1 else None
    if connection.role == Role.STARTED:
        node.online = True
        if connection.next_role == Role.STOPPED:
            node.shutdown = True
    if launcher is not None and launcher.failed:
        node.online = False
        node.remote_reset = True
    elif connection.failed:
        node.online = False
    elif connection.role == Role.STOPPED or (launcher is not None and launcher.role == Role.STOPPED):
        node.online = False
        node.remote_reset = False
    elif host is not None and not host.online and host.unclean:
        node.online = False
        node.remote_reset = True


def read_remote_state(cluster: Cluster, node: Node, state: etree._Element) -> None:
    """A Pacemaker Remote node's attributes and modes, from its `node_state`."""
    node.remote_maintenance = int_or(state.get("node_in_maintenance"), 0) > 0
    if not node.remote_reset:
        node.unclean = False
        node.seen = True
    read_attributes(cluster, state.find("transient_attributes"), node, overwrite=True)
    if node.attrs.get("shutdown") not in (None, "0"):
        node.shutdown = True
    if is_true(node.attrs.get("standby")):
        node.standby = True
    if is_true(node.attrs.get("maintenance")) or (node.remote is not None and not node.remote.managed):
        node.maintenance = True
    discovery = node.attrs.get("resource-discovery-enabled")
    if discovery is None or parse_bool(discovery) is True:
        return
    what = "Support for the resource-discovery-enabled node attribute is deprecated and will be removed (and behave as 'true')"
    cluster.tell(warning("scheduler.deprecated", f"{what} in a future release."))
    if node.is_remote and not cluster.fencing_enabled:
        what = f"Ignoring resource-discovery-enabled attribute on Pacemaker Remote node {node.name} because fencing is disabled"
        cluster.tell(warning("scheduler.node-attribute", what, where=node.name))
    else:
        node.probes_allowed = False


def may_unpack(cluster: Cluster, node: Node) -> bool:
    """Whether what a Pacemaker Remote node depends on is unpacked and up, so that its own history counts."""
    connection = node.remote
    if connection is None:
        return False
    if connection.launcher is not None:
        return connection.role == Role.STARTED and connection.launcher.role == Role.STARTED
    return cluster.shutdown_lock or connection.role == Role.STARTED


def leave_alone(cluster: Cluster, rsc: Resource) -> None:
    """Where nobody can connect to Pacemaker Remote nodes, connections and bundles are not touched: a failed attempt would end
    in fencing what works."""
    rsc.managed = False
    rsc.meta["is-managed"] = "false"
    what = "bundles" if rsc.variant == Variant.BUNDLE else "connections to remote and guest nodes"
    cluster.tell(
        error(
            "scheduler.not-managed",
            f"{rsc.id} is left alone",
            f"this release decides about {what}, but does not carry them out",
            "manage it by hand",
            where=rsc.id,
        )
    )
