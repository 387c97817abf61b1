"""A node's resource history: which resources are active there, in which role, failed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.report import error, notice
from standfast.scheduler.actions.core import find_by_key
from standfast.scheduler.actions.ops import get_action, stop_action
from standfast.scheduler.actions.places import active_count
from standfast.scheduler.constraints.find import by_name
from standfast.scheduler.fencing.ops import fence_node
from standfast.scheduler.memory import (
    OPTIONAL,
    Cluster,
    MultipleActive,
    Node,
    OnFail,
    Resource,
    Variant,
    located,
    op_key,
    primitives,
)
from standfast.scheduler.placement.ledger import add_location, ban_everywhere
from standfast.scheduler.unpack.failcounts import base_name
from standfast.scheduler.unpack.nodes import add_node
from standfast.scheduler.unpack.remotes import link_connection
from standfast.scheduler.unpack.resources import create_instance, target_role, unpack_resource
from standfast.scheduler.unpack.results import Walk, unpack_entry
from standfast.scheduler.values import Role, ms_to_s, parse_int

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.unpack.entries import History

INFINITY = 1_000_000


def unpack_node_history(cluster: Cluster, node: Node, plain: dict[str | None, Resource]) -> None:
    """Every `lrm_resource` of a node's state."""
    before = cluster.numbers_before
    for history in cluster.node_history.get(node.name, ()):
        cluster.next_action_id += before.get(history, 0) if before else 0
        rsc = plain.get(history.id) if history.idle else None
        if rsc is None or rsc.migration_target is not None or (rsc.actions and op_key(rsc.id, "stop") in rsc.actions_by_key):
            first = cluster.next_action_id
            _unpack_resource(cluster, node, history)
            cluster.watch.used(history.element, cluster.next_action_id - first)
        else:
            # What the walk comes to, without the walk: nearly all histories of a large cluster are like that.
            rsc.role, rsc.next_role = max(rsc.role, Role.STOPPED), Role.UNKNOWN
            rsc.probed.add(node.id)
    cluster.next_action_id += before.get(node.name, 0)
    cluster.watch.about = None


def plain_resources(cluster: Cluster) -> dict[str | None, Resource]:
    """The primitives, by id, for which it means nothing more than that they are stopped there when a probe found nothing: no
    instances, nothing in a bundle, no connections, nothing whose failures expire or whose role is limited."""
    if cluster.shutdown_lock:
        return {}
    return {
        rsc_id: rsc
        for rsc_id, rsc in cluster.by_id.items()
        if rsc.variant == Variant.PRIMITIVE
        and (rsc.parent is None or (rsc.parent.parent is None and rsc.parent.variant == Variant.GROUP))
        and rsc.rest is None
        and not (rsc.connection or rsc.failure_timeout_ms or "target-role" in rsc.meta)
    }


def read_node_history(cluster: Cluster, state: etree._Element) -> None:
    """Parse a node's entries. All nodes' must be known before any is applied: migrations look at both ends, and a removed
    connection's node is only found in histories."""
    node = cluster.nodes_by_id.get((state.get("id") or "").lower()) or cluster.find_node(state.get("uname"))
    name = (state.get("uname") or "") if node is None else node.name
    found = cluster.node_history.setdefault(name, [])
    asleep = cluster.asleep
    for history in (row for row, _ in asleep.histories[state]) if asleep.resources else cluster.known.histories(state):
        found.append(history)
        cluster.history.setdefault((name, history.id or ""), []).extend(history.entries)
    if asleep.resources:
        cluster.numbers_before |= {row: used for row, used in asleep.histories[state] if used}
        cluster.numbers_before[name] = cluster.numbers_before.get(name, 0) + asleep.after[state]


def _unpack_resource(cluster: Cluster, node: Node, history: History) -> None:
    rsc_id, entries, element = history.id, history.entries, history.element
    cluster.watch.about = None
    if rsc_id is None:
        cluster.tell(error("scheduler.history", "Ignoring invalid lrm_resource entry: No id"))
        return
    if not entries and not cluster.shutdown_lock:
        return
    rsc = find_resource(cluster, node, rsc_id)
    if rsc is None:
        cluster.watch.about = "removed"  # what is no longer configured never rests
        rsc = _removed_resource(cluster, element) if entries else None
        if rsc is None:
            return
    cluster.watch.about = rsc.top()
    if cluster.shutdown_lock:
        _unpack_lock(cluster, element, rsc, node)
    saved = rsc.role
    rsc.role = Role.UNKNOWN
    walk = Walk()
    for entry in history.ordered:
        unpack_entry(cluster, rsc, node, entry, walk)
    if history.repeats:
        _note_recurring(cluster, rsc, node, history)
    _apply_state(cluster, rsc, node, walk.on_fail)
    role = target_role(cluster, rsc)
    if role is not None and (rsc.next_role == Role.UNKNOWN or role < rsc.next_role):
        rsc.next_role = role
    rsc.role = max(rsc.role, saved)


def find_resource(cluster: Cluster, node: Node, rsc_id: str) -> Resource | None:
    """The resource that a history entry's id means; for an anonymous clone, the instance that stands for this node."""
    rsc = by_name(cluster, rsc_id)
    if rsc is None:
        first = cluster.by_id.get(f"{base_name(rsc_id)}:0")
        if first is not None and not first.unique:
            rsc = first
    elif rsc.variant > Variant.PRIMITIVE:
        # A group's or clone's name in a history: the resource was a primitive once.
        return None
    if rsc is None:
        return None
    top = rsc.top()
    bundle = rsc.bundle()
    if top.variant == Variant.CLONE and not top.unique and bundle is not None and bundle.replicas is not None:
        rsc = next((replica.child for replica in bundle.replicas.all if replica.node is node), None)
    elif top.variant == Variant.CLONE and not top.unique:
        rsc = _anonymous_instance(cluster, node, top, base_name(rsc_id))
    if rsc is not None and rsc_id not in (rsc.id, rsc.history_id):
        rsc.history_id = rsc_id
        cluster.by_history[rsc_id] = rsc
    return rsc


def _part_of(instance: Resource, name: str) -> Resource | None:
    """The primitive of an instance (or of its group) that is configured under `name`."""
    return next((leaf for leaf in primitives(instance) if name in (leaf.id, leaf.xml_id)), None)


def _anonymous_instance(cluster: Cluster, node: Node, clone: Resource, name: str) -> Resource | None:
    """An instance known on this node already, else the first free one, else a new one that only stands for this history."""
    found: Resource | None = None
    free: Resource | None = None
    skip_free = False
    for child in clone.children:
        places = located(child, current=True, pending=True)
        if places:
            if places[0] is node:
                found = _part_of(child, name)
                if found is not None and found.active_nodes:
                    # Several histories of what has become anonymous: the others are surplus.
                    skip_free, found = True, None
            if found is not None:
                break
        elif not skip_free and free is None and not child.blocked:
            free = _part_of(child, name)
            if free is not None and free.pending_node not in (None, node):
                free = None
    if found is None and not skip_free:
        found = free
    data = clone.clone
    assert data is not None
    universal = data.max == len(cluster.nodes) or node.launcher is not None
    if found is not None and not found.needs_fencing and (not node.online or node.unclean) and not universal:
        # It must not take the place of an instance that can run.
        found = None
    if found is None:
        instance = create_instance(cluster, clone)
        found = None if instance is None else _part_of(instance, name)
    return found


def _removed_resource(cluster: Cluster, element: etree._Element) -> Resource | None:
    """A resource that history knows and the configuration no longer has: stopped, unless stop-removed-resources says not."""
    from lxml import etree as tree

    copied = tree.Element("primitive")
    for name, value in element.attrib.items():
        copied.set(name, value)
    rsc = unpack_resource(cluster, copied, None, removed=True)
    if rsc is None:
        return None
    if rsc.connection:
        node = cluster.find_node(rsc.id) or add_node(cluster, rsc.id, rsc.id, "remote")
        link_connection(cluster, rsc)
        node.shutdown = True
    rsc.removed_launched = element.get("container") is not None
    rsc.removed = True
    cluster.resources.append(rsc)
    if cluster.stop_removed:
        add_location(cluster, rsc, None, -INFINITY, "__removed_do_not_run__")
    else:
        rsc.managed = False
    return rsc


def _unpack_lock(cluster: Cluster, element: etree._Element, rsc: Resource, node: Node) -> None:
    """shutdown-lock: the resource belongs to the node that was shut down, until it returns or the limit passes."""
    when = parse_int(element.get("shutdown-lock")) or 0
    if when == 0:
        return
    limit_ms = cluster.shutdown_lock_ms
    if limit_ms > 0 and cluster.has_come(when + ms_to_s(limit_ms) + 1):
        get_action(cluster, rsc, "lrm_delete", node, optional=False)
    else:
        rsc.lock_node = node
        rsc.lock_time_s = when


def _note_recurring(cluster: Cluster, rsc: Resource, node: Node, history: History) -> None:
    """Actions for recurring operations that run already, so that later phases find them."""
    start, stop = history.active_range
    if not node.online:
        return
    for index, entry in enumerate(history.ordered):
        if (start < stop and index <= stop) or index < start:
            continue
        if entry.interval_ms == 0 or entry.raw_status == "-1":
            continue
        get_action(cluster, rsc, entry.task, node, optional=True, interval_ms=entry.interval_ms)


def _apply_state(cluster: Cluster, rsc: Resource, node: Node, on_fail: OnFail) -> None:
    """Draw the consequences of a resource's history on one node."""
    active = rsc.role > Role.STOPPED
    if rsc.role != Role.UNKNOWN:
        probed: Resource | None = rsc
        while probed is not None:
            probed.probed.add(node.id)
            probed = None if probed.unique else probed.parent
    if active and not node.online and not node.maintenance and rsc.managed:
        _active_on_lost_node(cluster, rsc, node)
    effective = OnFail.IGNORE if node.unclean else on_fail
    _apply_on_fail(cluster, rsc, node, effective, active)
    if rsc.failed and rsc.connection:
        behind = cluster.find_node(rsc.id)
        if behind is not None and behind.unclean:
            # A failed connection has its node fenced even if a new attempt to connect is to be made.
            behind.seen = True
    if active:
        if rsc.removed:
            what = "will be stopped when possible" if rsc.managed else "must be stopped by hand"
            cluster.tell(notice("scheduler.removed", f"removed resource {rsc.id} is active on {node.name} and {what}"))
        add_running(cluster, rsc, node, failed=on_fail != OnFail.IGNORE)
        if effective != OnFail.IGNORE:
            rsc.failed = True
            if effective not in (OnFail.DEMOTE, OnFail.BLOCK):
                rsc.stop_if_failed = True
    elif ":" in rsc.history_id:
        rsc.history_id = ""
    else:
        for stop in find_by_key(rsc, op_key(rsc.id, "stop"), node):
            stop.flags |= OPTIONAL
    if rsc.role == Role.STOPPED and rsc.active_nodes and rsc.migration_target is not None and rsc.migration_source is node:
        rsc.role = Role.STARTED


def _active_on_lost_node(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """A node is down on which a resource should be active: a guest's host recovers it, any other must be fenced."""
    if node.launcher is not None:
        rsc.failed = rsc.stop_if_failed = True
    elif not cluster.fencing_enabled:
        return
    why = f"{rsc.id} is thought to be active there"
    if node.is_remote and node.remote is not None and not node.remote.failed:
        # Unseen: it is fenced only if its connection starts nowhere else.
        node.seen = False
        why = f"{rsc.id} is active there (fencing will be revoked if remote connection can be re-established elsewhere)"
    fence_node(cluster, node, why)


def _apply_on_fail(cluster: Cluster, rsc: Resource, node: Node, on_fail: OnFail, active: bool) -> None:
    match on_fail:
        case OnFail.DEMOTE:
            rsc.failed = True
            get_action(cluster, rsc, "demote", node, optional=False)
        case OnFail.FENCE:
            fence_node(cluster, node, f"{rsc.id} failed there")
        case OnFail.STANDBY:
            cluster.watch.mark()  # everybody sees that
            node.standby = True
            node.standby_onfail = True
        case OnFail.BLOCK:
            rsc.managed = False
            rsc.blocked = True
        case OnFail.BAN:
            add_location(cluster, rsc, node, -INFINITY, "__action_migration_auto__")
        case OnFail.STOP:
            rsc.next_role = Role.STOPPED
        case OnFail.RESTART:
            if active:
                rsc.failed = rsc.stop_if_failed = True
                stop_action(cluster, rsc, node, optional=False)
        case OnFail.RESTART_CONTAINER:
            _restart_container(cluster, rsc, node, active)
        case OnFail.RESET_REMOTE:
            _reset_remote(cluster, rsc, node, active)
        case OnFail.IGNORE:
            pass


def _restart_container(cluster: Cluster, rsc: Resource, node: Node, active: bool) -> None:
    rsc.failed = rsc.stop_if_failed = True
    if rsc.launcher is not None and rsc.bundle() is not None:
        # A bundle's connection may run elsewhere than its container, whose place may not be known yet.
        cluster.stop_needed.append(rsc.launcher)
    elif rsc.launcher is not None:
        stop_action(cluster, rsc.launcher, node, optional=False)
    elif active:
        stop_action(cluster, rsc, node, optional=False)


def _reset_remote(cluster: Cluster, rsc: Resource, node: Node, active: bool) -> None:
    rsc.failed = rsc.stop_if_failed = True
    behind = cluster.find_node(rsc.id) if rsc.connection else None
    if cluster.fencing_enabled and behind is not None and behind.is_remote and not behind.remote_fenced:
        fence_node(cluster, behind, "remote connection is unrecoverable")
    if active:
        stop_action(cluster, rsc, node, optional=False)
    if rsc.reconnect_ms:
        rsc.next_role = Role.STOPPED


def add_running(cluster: Cluster, rsc: Resource, node: Node, failed: bool) -> None:
    """Record that a resource (and what contains it) is active on a node, and what being active twice means for it."""
    if node in rsc.active_nodes:
        return
    rsc.active_nodes.append(node)
    if rsc.variant == Variant.PRIMITIVE:
        node.running.append(rsc)
        if rsc.priority and not failed:
            points = rsc.priority + (rsc.role == Role.PROMOTED)
            for one in (node, *([] if node.launcher is None else node.launcher.active_nodes)):
                one.priority += points
        if node.maintenance:
            rsc.managed = False
            rsc.maintenance = True
    if not rsc.managed:
        add_location(cluster, rsc, node, INFINITY, "not_managed_default")
        parent = rsc.parent
        while parent is not None:
            parent.active_nodes.append(node)
            parent = parent.parent
        return
    if rsc.variant == Variant.PRIMITIVE and active_count(rsc) > 1:
        _active_twice(cluster, rsc)
    if rsc.parent is not None:
        add_running(cluster, rsc.parent, node, failed=False)


def _active_twice(cluster: Cluster, rsc: Resource) -> None:
    if rsc.multiple_active == MultipleActive.STOP_ONLY:
        ban_everywhere(cluster, rsc, "multiple-active")
    elif rsc.multiple_active == MultipleActive.BLOCK:
        blocked = [rsc]
        parent = rsc.parent
        together = parent is not None and parent.variant in (Variant.GROUP, Variant.BUNDLE)
        if together and parent is not None and parent.multiple_active == MultipleActive.BLOCK:
            blocked += parent.children
        for one in blocked:
            one.managed = False
            one.blocked = True
