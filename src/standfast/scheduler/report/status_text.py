"""Cluster status as `crm_simulate` prints it: node list and resource list, from working memory before anything is decided."""

from __future__ import annotations

from standfast.scheduler.actions.places import current_node, is_active
from standfast.scheduler.memory import Cluster, Node, Resource, Variant, walk
from standfast.scheduler.report.clone_text import clone_lines
from standfast.scheduler.report.situation import health_of
from standfast.scheduler.unpack.resources import is_disabled
from standfast.scheduler.values import RC_TEXT, ROLE_TEXT, Role, is_true, parse_role

_PENDING = {
    "start": "Starting",
    "stop": "Stopping",
    "migrate_to": "Migrating",
    "migrate_from": "Migrating",
    "promote": "Promoting",
    "demote": "Demoting",
}


def status_lines(cluster: Cluster, show_pending: bool) -> list[str]:
    """`Node List:` and `Full List of Resources:` with their entries."""
    lines = ["  * Node List:", *_node_lines(cluster), "", "  * Full List of Resources:"]
    shown = False
    for rsc in cluster.resources:
        if rsc.removed and not is_active(rsc, everywhere=True):
            continue
        shown = True
        lines += _resource_lines(cluster, rsc, show_pending)
    return [*lines, *([] if shown else ["    * No resources"])]


def _node_lines(cluster: Cluster) -> list[str]:
    lines: list[str] = []
    titles = ("Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline", "GuestOFFLINE")
    lists: dict[str, list[str]] = {title: [] for title in titles}
    for node in cluster.nodes:
        health = health_of(cluster, node)
        odd = node.unclean or node.pending or (node.standby_onfail and node.online) or node.standby or node.maintenance
        if odd or health != "green":
            suffix = "" if health == "green" else f" (health is {health.upper()})"
            lines.append(f"    * {_prefix(node)}Node {node.name}: {node_state(node)}{suffix}")
        else:
            lists[_prefix(node) + ("Online" if node.online else "OFFLINE")].append(node.name)
    # A guest that is down is not shown.
    del lists["GuestOFFLINE"]
    return lines + [f"    * {title}: [ {' '.join(names)} ]" for title, names in lists.items() if names]


def _prefix(node: Node) -> str:
    if node.launcher is not None:
        return "Guest"
    return "Remote" if node.kind == "remote" else ""


def node_state(node: Node) -> str:
    """One node's state in words."""
    if node.unclean:
        return "UNCLEAN (online)" if node.online else "UNCLEAN (pending)" if node.pending else "UNCLEAN (offline)"
    if node.pending:
        return "pending"
    if node.standby_onfail and node.online:
        return "standby (on-fail)"
    if node.standby:
        if not node.online:
            return "OFFLINE (standby)"
        return "standby (with active resources)" if node.running else "standby"
    if node.maintenance:
        return "maintenance" if node.online else "OFFLINE (maintenance)"
    return "online" if node.online else "OFFLINE"


def _resource_lines(cluster: Cluster, rsc: Resource, show_pending: bool, indent: str = "    ") -> list[str]:
    if is_true(rsc.meta.get("internal_rsc")):
        # The connection of a guest node is not configured by anybody: the node's state says it all.
        return []
    if not rsc.children:
        node = current_node(rsc) or rsc.pending_node
        return [f"{indent}* {native_line(cluster, rsc, node, show_pending)}"]
    if rsc.variant == Variant.CLONE:
        return clone_lines(cluster, rsc, show_pending, indent, _resource_lines)
    if rsc.replicas is not None:
        return bundle_lines(cluster, rsc, show_pending, indent)
    flags = ["disabled"] if is_disabled(rsc) else []
    if rsc.maintenance:
        flags.append("maintenance")
    elif not rsc.managed:
        flags.append("unmanaged")
    lines = [f"{indent}* Resource Group: {rsc.id}" + (f" ({', '.join(flags)})" if flags else "") + ":"]
    for child in rsc.children:
        lines += _resource_lines(cluster, child, show_pending, indent + "  ")
    return lines


def _display_role(rsc: Resource) -> Role:
    return Role.UNPROMOTED if rsc.role == Role.STARTED and rsc.top().promotable else rsc.role


def bundle_lines(cluster: Cluster, bundle: Resource, show_pending: bool, indent: str) -> list[str]:
    """A bundle: one line for each replica, about what runs inside (or the container, if nothing does)."""
    data = bundle.replicas
    assert data is not None
    flag = " (unique)" if bundle.unique else ""
    if bundle.maintenance:
        flag += " (maintenance)"
    elif not bundle.managed:
        flag += " (unmanaged)"
    kind = "Container bundle set" if data.max > 1 else "Container bundle"
    lines = [f"{indent}* {kind}: {bundle.id} [{data.image}]{flag}:"]
    for replica in data.all:
        shown = replica.child or replica.container
        name = (replica.remote or replica.container).id + (f" ({replica.address})" if replica.address else "")
        node = current_node(replica.container)
        lines.append(f"{indent}  * {native_line(cluster, shown, node, show_pending, name)}")
    return lines


def native_line(cluster: Cluster, rsc: Resource, node: Node | None, show_pending: bool, name: str = "") -> str:
    """One primitive: name, agent, role, node and flags."""
    if node is None:
        node = rsc.lock_node
    several = len(rsc.active_nodes) > 1
    if several:
        node = None
    klass, provider, kind = rsc.agent
    words = [" ORPHANED"] if rsc.removed else [""]
    role = _display_role(rsc)
    if rsc.failed:
        words.append("FAILED")
        if role > Role.UNPROMOTED:
            words.append(ROLE_TEXT[role])
    else:
        words.append((show_pending and _PENDING.get(rsc.pending_action)) or ROLE_TEXT[role])
    if node is not None:
        words.append(node.name)
    text = " ".join(words)
    if role == Role.STOPPED:
        text += _failed_probe(cluster, rsc, node)
    flags = _flags(rsc, node, show_pending)
    if flags:
        text += f" ({', '.join(flags)})"
    if several:
        description = rsc.xml.get("description")
        text += f" ({description})" if description else ""
        text += f" [ {' '.join(n.name for n in rsc.active_nodes)} ]"
    name = name or (rsc.id if rsc.unique else rsc.xml_id)
    agent = ":".join((klass, provider, kind) if provider and klass == "ocf" else (klass, kind))
    return f"{name}\t({agent}):\t{text}"


def _failed_probe(cluster: Cluster, rsc: Resource, node: Node | None) -> str:
    # In a clone, only what was recorded under the name of the cloned resource counts: no unique instance, no member of a group.
    clone = rsc.top().clone
    name = rsc.id if clone is None else clone.child.get("id")
    for failure in cluster.failures:
        entry = failure.entry
        if not entry.masks_failure or not entry.on_node or entry.key.rsplit("_", 2)[0] != name:
            continue
        if node is None or entry.on_node.lower() == node.name.lower():
            return f" ({RC_TEXT.get(entry.rc or 0, 'Unknown exit status')}) "
    return ""


def _flags(rsc: Resource, node: Node | None, show_pending: bool) -> list[str]:
    flags = []
    if node is not None and not node.online and node.unclean:
        flags.append("UNCLEAN")
    if node is not None and node is rsc.lock_node:
        flags.append("LOCKED")
    if show_pending and rsc.pending_action == "monitor":
        flags.append("Monitoring")
    target = rsc.meta.get("target-role")
    role = parse_role(target)
    if role == Role.STOPPED:
        flags.append("disabled")
    elif role == Role.UNPROMOTED and rsc.top().promotable:
        flags.append(f"target-role:{target}")
    if rsc.blocked:
        flags.append("blocked")
    elif rsc.maintenance:
        flags.append("maintenance")
    elif not rsc.managed:
        flags.append("unmanaged")
    if rsc.ignore_failure:
        flags.append("failure ignored")
    return flags


def counts(cluster: Cluster) -> tuple[int, int, int]:
    """(instances, disabled ones, blocked ones), removed resources only while they are active."""
    counted = [rsc for rsc in walk(cluster.resources) if not rsc.children and (not rsc.removed or rsc.role > Role.STOPPED)]
    disabled = sum(1 for rsc in counted if is_disabled(rsc))
    return len(counted), disabled, sum(1 for rsc in counted if rsc.blocked)
