"""The resources of the status text: primitives, groups and clones as Pacemaker 2.1.5 words them (native.c, group.c, clone.c).

Owns: one resource's line, and which lines a group or clone makes of its members. Does not own: the other sections.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from standfast.base.boolean import is_true
from standfast.base.situation import OperationStatus, ResourceStatus, Situation
from standfast.compat.exit_codes import is_masked_probe, ocf_text
from standfast.compat.status_page import Page, View, count_text, name_key, sorted_nodes


def leaves(resources: Iterable[ResourceStatus]) -> list[ResourceStatus]:
    """All primitives, those inside groups and clones too, in order."""
    found: list[ResourceStatus] = []
    for resource in resources:
        found += leaves(resource.children) if resource.children else [resource] if resource.kind == "primitive" else []
    return found


def placed(situation: Situation, node: str) -> list[tuple[ResourceStatus, ResourceStatus | None]]:
    """(primitive, the clone it is an instance of) on a node, in the order of the node's history."""
    order: dict[str, int] = {}
    for at, operation in enumerate(situation.operations):
        if operation.node == node:
            order.setdefault(base_id(operation.resource), at)
    found = [
        (leaf, top if top.kind == "clone" else None)
        for top in situation.resources
        for leaf in leaves([top])
        if node in leaf.nodes
    ]
    return sorted(found, key=lambda pair: order.get(base_id(pair[0].id), len(situation.operations)))


def base_id(resource_id: str) -> str:
    """The id without the number of an instance: `web:1` is `web`."""
    head, colon, number = resource_id.rpartition(":")
    return head if colon and number.isdecimal() else resource_id


def is_fully_active(resource: ResourceStatus) -> bool:
    """Whether it, and all that is in it, is active."""
    return all(map(is_fully_active, resource.children)) if resource.children else resource.active


def is_partly_active(resource: ResourceStatus) -> bool:
    """Whether it, or anything in it, is active."""
    return any(map(is_partly_active, resource.children)) if resource.children else resource.active


def is_disabled(resource: ResourceStatus) -> bool:
    """Whether its target role keeps it from what it could be."""
    return _is_aimed(resource, "stopped") or (is_promotable(resource) and _is_aimed(resource, "unpromoted", "slave"))


def _is_aimed(resource: ResourceStatus, *roles: str) -> bool:
    """Whether the target role is one of these; case does not count (text2role)."""
    return resource.target_role.lower() in roles


def is_promotable(resource: ResourceStatus) -> bool:
    """Whether a clone has promoted instances."""
    return is_true(dict(resource.meta).get("promotable", "false"))


def is_unique(resource: ResourceStatus) -> bool:
    """Whether the instances of a clone have names of their own."""
    return is_true(dict(resource.meta).get("globally-unique", "false"))


def is_wanted(resource: ResourceStatus, view: View) -> bool:
    """Whether the view is of all resources, or of this one or one in it."""
    if not view.only_resource:
        return True
    ids = {resource.id, base_id(resource.id)}
    return view.only_resource in ids or any(is_wanted(child, view) for child in resource.children)


def _runs_on(resource: ResourceStatus, node: str) -> bool:
    return any(node.lower() in {name.lower() for name in leaf.nodes} for leaf in leaves([resource]))


def resources_section(situation: Situation, view: View) -> list[str]:
    """The section of resources: full, active or inactive ones, as the view wants."""
    if view.by_node and not view.inactive:
        return []
    page = Page()
    shown = [resource for resource in situation.resources if is_wanted(resource, view) and _is_listed(resource, view)]
    title = "Inactive Resources" if view.by_node else "Full List of Resources" if view.inactive else "Active Resources"
    page.begin(title)
    if view.brief and not view.by_node:
        natives = [resource for resource in situation.resources if resource.kind == "primitive" and is_wanted(resource, view)]
        brief_lines(page, natives, inactive=view.inactive, with_nodes=True)
        shown = [resource for resource in shown if resource.kind != "primitive"]
    for resource in shown:
        _resource(page, resource, situation, view, parent=None)
    if len(page.lines) == 1:
        word = "inactive " if view.by_node else "" if view.inactive else "active "
        page.item(f"No {word}resources")
    return page.lines


def _is_listed(resource: ResourceStatus, view: View) -> bool:
    if resource.orphaned and not is_fully_active(resource):
        return False
    if view.by_node:
        return not is_fully_active(resource)
    if not is_partly_active(resource):
        return view.inactive
    return not view.only_node or _runs_on(resource, view.only_node)


def _resource(page: Page, resource: ResourceStatus, situation: Situation, view: View, parent: ResourceStatus | None) -> None:
    if resource.kind == "clone":
        _clone(page, resource, situation, view)
    elif resource.kind == "bundle":
        _bundle(page, resource, situation, view)
    elif resource.kind == "group":
        _group(page, resource, situation, view, parent)
    elif view.detail or not is_internal(resource):
        page.item(resource_text(resource, situation, parent=parent, with_node=view.places))


def is_internal(resource: ResourceStatus) -> bool:
    """Whether a resource is implied by another one: a guest node's connection."""
    return is_true(dict(resource.meta).get("internal_rsc", "false"))


def _bundle(page: Page, bundle: ResourceStatus, situation: Situation, view: View) -> None:
    """One line for each replica, about what runs inside (or the container); with details, each of its resources."""
    several = len(bundle.children) > 1
    flags = (" (unique)" if is_unique(bundle) else "") + (" (unmanaged)" if bundle.maintenance or not bundle.managed else "")
    page.begin(f"Container bundle{' set' if several else ''}: {bundle.id} [{bundle.label}]{flags}")
    for replica in bundle.children:
        address, container, child, connection = _parts(replica)
        if view.detail:
            if several:
                page.item(f"Replica[{replica.id}]")
            page.level += 1
            for part in (address, child, container, connection):
                if part is not None:
                    page.item(resource_text(part, situation))
            page.end()
            continue
        name = (connection or container).id + (f" ({replica.label})" if replica.label else "")
        # Shown where the container is: the replica itself is the node of what runs inside.
        page.item(
            resource_text(replace(child or container, nodes=container.nodes, unclean=container.unclean), situation, name=name)
        )
    page.end()


def _parts(replica: ResourceStatus) -> tuple[ResourceStatus | None, ResourceStatus, ResourceStatus | None, ResourceStatus | None]:
    """(address, container, what runs inside, connection) of a replica, which are in the order address, inside, container,
    connection where they exist (a reply may hold anything)."""
    children = list(replica.children) or [replica]
    address = children.pop(0) if replica.label and len(children) > 1 else None
    if len(children) < 3:
        return address, children[0], None, None
    return address, children[1], children[0], children[2]


def resource_text(
    resource: ResourceStatus,
    situation: Situation,
    *,
    with_node: bool = True,
    parent: ResourceStatus | None = None,
    nodes: bool = True,
    name: str = "",
) -> str:
    """One primitive on one line: `vip<TAB>(ocf:heartbeat:IPaddr2):<TAB> Started node1 (disabled)`; pcmk__native_output_string.
    `parent` is the clone that it is an instance of."""
    name = name or (resource.id if parent is not None and is_unique(parent) else base_id(resource.id))
    node = resource.nodes[0] if with_node and len(resource.nodes) == 1 else ""
    text = f"{name}\t({resource.agent}):\t"
    text += " ORPHANED" if resource.orphaned else ""
    if resource.failed:
        text += " FAILED" + (f" {resource.role}" if resource.role in {"Promoted", "Master"} else "")
    else:
        text += f" {resource.role}"
    text += f" {node}" if node else ""
    if resource.role == "Stopped":
        probe = _failed_probe(resource.id, node, situation)
        text += f" ({ocf_text(probe.rc)}) " if probe else ""
    flags = _flags(resource, parent, node)
    text += f" ({', '.join(flags)})" if flags else ""
    if nodes and with_node and len(resource.nodes) > 1:
        text += f" [ {' '.join(resource.nodes)} ]"
    return text


def _flags(resource: ResourceStatus, parent: ResourceStatus | None, node: str) -> list[str]:
    flags = ["UNCLEAN"] if resource.unclean and node else []
    if resource.pending in {"Monitoring", "monitor"}:
        flags.append("Monitoring")
    if _is_aimed(resource, "stopped"):
        flags.append("disabled")
    elif parent is not None and is_promotable(parent) and _is_aimed(resource, "unpromoted", "slave"):
        flags.append(f"target-role:{resource.target_role}")
    if resource.blocked:
        flags.append("blocked")
    elif resource.maintenance or not resource.managed:
        flags.append("unmanaged")
    return [*flags, "failure ignored"] if resource.failure_ignored else flags


def _failed_probe(resource_id: str, node: str, situation: Situation) -> OperationStatus | None:
    for operation in situation.failures:
        is_here = base_id(operation.resource) == base_id(resource_id) and node in {"", operation.node}
        if is_here and is_masked_probe(operation.task, operation.interval_ms, operation.rc, operation.status):
            return operation
    return None


def _group(page: Page, group: ResourceStatus, situation: Situation, view: View, parent: ResourceStatus | None) -> None:
    children = [child for child in group.children if view.inactive or is_partly_active(child) or view.by_node]
    if not children:
        return
    words = []
    if not view.inactive and is_partly_active(group) and not is_fully_active(group):
        stopped = sum(not is_fully_active(child) for child in group.children)
        words.append(f"{count_text(stopped, 'member')} inactive")
    if group.maintenance or not group.managed:
        words.append("unmanaged")
    if is_disabled(group):
        words.append("disabled")
    page.begin(f"Resource Group: {group.id}" + (f" ({', '.join(words)})" if words else ""))
    if view.brief:
        brief_lines(page, group.children, inactive=True, with_nodes=True)
    else:
        for child in children:
            _resource(page, child, situation, view, parent=parent)
    page.end()


def brief_lines(page: Page, resources: Iterable[ResourceStatus], *, inactive: bool, with_nodes: bool, on: str = "") -> None:
    """Counts by agent and node: pe__rscs_brief_output. With `on`, of that node alone."""
    total: dict[str, int] = {}
    active: dict[str, dict[str, int]] = {}
    for resource in leaves(resources):
        total[resource.agent] = total.get(resource.agent, 0) + 1
        for node in resource.nodes if resource.active else ():
            if on in {"", node}:
                by_node = active.setdefault(resource.agent, {})
                by_node[node] = by_node.get(node, 0) + 1
    for agent in sorted(total):
        for node in sorted(active.get(agent, {}), key=name_key):
            number = active[agent][node]
            share = f"{number}/{total[agent]}" if inactive else str(number)
            page.item(f"{share}\t({agent}):\tActive {node if with_nodes else ''}")
        if inactive and not active.get(agent):
            page.item(f"0/{total[agent]}\t({agent}):\tActive")


def _clone(page: Page, clone: ResourceStatus, situation: Situation, view: View) -> None:
    full: list[ResourceStatus] = []
    promoted: list[str] = []
    started: list[str] = []
    for child in clone.children:
        where = _instance_place(clone, child, situation, view)
        if where is None:
            full.append(child)
        elif where:
            (promoted if _role(child) in {"Promoted", "Master"} else started).append(where)
    stopped = _stopped(clone, situation, len(promoted) + len(started)) if view.inactive and not view.detail else {}
    if not (full or promoted or started or stopped):
        if view.inactive and not (promoted or started):
            page.begin(_clone_title(clone))
            page.end()
        return
    page.begin(_clone_title(clone))
    for child in full:
        _resource(page, child, situation, view, parent=clone)
    if not view.detail:
        _instances(page, clone, promoted, started, stopped)
    page.end()


def _instances(page: Page, clone: ResourceStatus, promoted: list[str], started: list[str], stopped: dict[str, list[str]]) -> None:
    word = "Started"
    if is_promotable(clone):
        word = "Unpromoted (target-role)" if _is_aimed(clone, "unpromoted", "slave") else "Unpromoted"
    lines = {"Promoted": promoted, word: started, **stopped}
    for title, names in lines.items():
        if names:
            page.item(f"{title}: [ {' '.join(sorted(names, key=name_key))} ]")


def _clone_title(clone: ResourceStatus) -> str:
    child = base_id(clone.children[0].id) if clone.children else "unknown"
    words = []
    if is_promotable(clone):
        words.append("promotable")
    if is_unique(clone):
        words.append("unique")
    if clone.maintenance or not clone.managed:
        words.append("unmanaged")
    if is_disabled(clone):
        words.append("disabled")
    return f"Clone Set: {clone.id} [{child}]" + (f" ({', '.join(words)})" if words else "")


def _role(resource: ResourceStatus) -> str:
    """The highest role of what is in it."""
    roles = {leaf.role for leaf in leaves([resource])}
    return next((role for role in ("Promoted", "Master") if role in roles), resource.role)


def _instance_place(clone: ResourceStatus, child: ResourceStatus, situation: Situation, view: View) -> str | None:
    """The node whose list an instance belongs to, "" when to none, None when it needs lines of its own."""
    inner = leaves([child])
    if view.detail:
        return None
    if is_unique(clone):
        return None if is_partly_active(child) or not clone.orphaned else ""
    if any(leaf.pending or leaf.role in _BUSY for leaf in inner):
        return None
    if not is_partly_active(child):
        return ""
    if any(leaf.orphaned or leaf.failed or leaf.maintenance or not leaf.managed for leaf in inner):
        return None
    nodes = {node for leaf in inner for node in leaf.nodes}
    if not is_fully_active(child) or len(nodes) != 1:
        return None
    name = min(nodes)
    node = next((node for node in situation.nodes if node.name == name), None)
    return None if node is not None and node.unclean and not node.online else name


_BUSY = frozenset({"Starting", "Stopping", "Migrating", "Promoting", "Demoting"})


def _stopped(clone: ResourceStatus, situation: Situation, running: int) -> dict[str, list[str]]:
    """Title -> nodes without an instance, for a clone that may have more instances than it has."""
    most = dict(clone.meta).get("clone-max", "")
    limit = int(most) if most.isdecimal() else len(situation.nodes)
    if is_unique(clone) or limit <= running:
        return {}
    busy = {node for leaf in leaves([clone]) for node in leaf.nodes}
    usual = "Stopped (disabled)" if _is_aimed(clone, "stopped") else "Stopped"
    titles: dict[str, list[str]] = {}
    for node in sorted_nodes(situation):
        if node.name not in busy:
            probe = _failed_probe(clone.children[0].id, node.name, situation) if clone.children else None
            titles.setdefault(f"Stopped ({ocf_text(probe.rc)})" if probe else usual, []).append(node.name)
    return {title: titles[title] for title in sorted(titles)}
