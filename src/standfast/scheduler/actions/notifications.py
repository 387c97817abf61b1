"""Notifications (notify=true): instances are told before and after others start, stop, are promoted or demoted.

Pacemaker: lib/pengine/pe_notif.c.
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.scheduler.actions.core import find_by_key, find_task, new_action, relate
from standfast.scheduler.actions.ops import keyed_action
from standfast.scheduler.actions.places import current_node
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_ORDERED,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Allowed,
    Cluster,
    Node,
    Op,
    Resource,
)
from standfast.scheduler.values import Role, name_key

INFINITY = 1_000_000
Entry = tuple[Resource, Node | None]
LISTS = ("stop", "start", "demote", "promote", "active", "unpromoted", "promoted", "inactive")


@dataclass(eq=False, slots=True)
class Notification:
    """The points in time around one task of a clone, and who does what, as the instances will be told."""

    task: str
    pre: Op | None = None
    pre_done: Op | None = None
    post: Op | None = None
    post_done: Op | None = None
    lists: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in LISTS})
    allowed: dict[str, Allowed] | None = None
    keys: dict[str, str] = field(default_factory=dict)


def _key(rsc: Resource, kind: str, task: str) -> str:
    return f"{rsc.id}_{kind}_notify_{task}_0"


def _point(cluster: Cluster, rsc: Resource, op: Op, task: str, kind: str, about: str) -> Op:
    key = _key(rsc, kind, op.task)
    found = find_by_key(rsc, key, None)
    made = found[0] if found else new_action(cluster, rsc, key, task, None, bool(op.flags & OPTIONAL))
    if not op.flags & OPTIONAL:
        made.flags &= ~OPTIONAL
    made.flags |= PSEUDO
    made.meta["notify_key_type"] = kind
    made.meta["notify_key_operation"] = op.task
    made.meta["notify_type"] = "pre" if kind.endswith("pre") else "post"
    made.meta["notify_operation"] = about
    return made


def action_notifications(cluster: Cluster, rsc: Resource, task: str, op: Op | None, done: Op | None) -> Notification:
    """The four points in time around `op` (its start) and `done` (its end)."""
    made = Notification(task)
    if op is not None:
        made.pre = _point(cluster, rsc, op, "notify", "pre", task)
        made.pre_done = _point(cluster, rsc, op, "notified", "confirmed-pre", task)
        made.pre.flags |= RUNNABLE
        made.pre_done.flags |= RUNNABLE
        relate(made.pre, made.pre_done, AR_ORDERED)
        relate(made.pre_done, op, AR_ORDERED)
    if done is not None:
        made.post = _point(cluster, rsc, done, "notify", "post", task)
        made.post_done = _point(cluster, rsc, done, "notified", "confirmed-post", task)
        for point in (made.post, made.post_done):
            point.priority = INFINITY
            point.flags = point.flags & ~RUNNABLE | done.flags & RUNNABLE
        relate(done, made.post, AR_FIRST_IMPLIES_THEN)
        relate(made.post, made.post_done, AR_FIRST_IMPLIES_THEN)
    if made.pre_done is not None and made.post is not None:
        relate(made.pre_done, made.post, AR_ORDERED)
    return made


def create_notifications(cluster: Cluster, clone: Resource) -> None:
    """Tell every instance about every task, once all actions are decided."""
    for task in ("start", "stop", "promote", "demote"):
        notification = clone.notifications.get(task)
        if notification is not None:
            collect(clone, notification, activity=True)
            _fill_keys(cluster, clone, notification)
            create_notify_actions(cluster, clone, notification)


def collect(rsc: Resource, notification: Notification, activity: bool) -> None:
    """Who is what now and, with `activity`, who will do what."""
    if notification.allowed is None:
        notification.allowed = rsc.allowed
    if rsc.children:
        for child in rsc.children:
            collect(child, notification, activity)
        return
    lists = notification.lists
    entry: Entry = (rsc, rsc.active_nodes[0] if rsc.active_nodes else None)
    if rsc.role == Role.STOPPED:
        lists["inactive"].append(entry)
    elif rsc.role != Role.UNKNOWN:
        lists["active"].append(entry)
        if rsc.role == Role.UNPROMOTED:
            lists["unpromoted"].append(entry)
        elif rsc.role == Role.PROMOTED:
            lists["promoted"].append(entry)
    for op in rsc.actions if activity else ():
        if op.flags & OPTIONAL or op.node is None or op.task not in ("start", "stop", "promote", "demote"):
            continue
        if op.flags & RUNNABLE or (op.task == "stop" and op.node.unclean):
            lists[op.task].append((rsc, op.node))


def _names(entries: list[Entry], with_nodes: bool) -> tuple[str, str]:
    resources: list[str] = []
    nodes: list[str] = []
    ordered = sorted(entries, key=lambda e: (e[0].id, e[1] is None, "" if e[1] is None else e[1].id))
    for rsc, node in ordered:
        if (with_nodes and node is None) or (resources and resources[-1] == rsc.id):
            continue
        resources.append(rsc.id)
        if node is not None:
            nodes.append(node.name)
    return " ".join(resources) or " ", " ".join(nodes) or " "


def _fill_keys(cluster: Cluster, clone: Resource, notification: Notification) -> None:
    keys, lists = notification.keys, notification.lists
    required = bool(lists[notification.task])
    for name in LISTS:
        resources, nodes = _names(lists[name], with_nodes=name != "inactive")
        keys[f"notify_{name}_resource"] = resources
        if name != "inactive":
            keys[f"notify_{name}_uname"] = nodes
        old = {"unpromoted": "slave", "promoted": "master"}.get(name)
        if old is not None:
            keys[f"notify_{old}_resource"], keys[f"notify_{old}_uname"] = resources, nodes
    available = sorted((notification.allowed or {}).values(), key=lambda entry: name_key(entry.node.name))
    keys["notify_available_uname"] = " ".join(entry.node.name for entry in available) or " "
    keys["notify_all_uname"] = " ".join(node.name for node in cluster.nodes) or " "
    if clone.meta.get("container-attribute-target") == "host":
        hosts = (node if node.launcher is None else current_node(node.launcher) or node for node in cluster.nodes)
        keys["notify_all_hosts"] = " ".join(node.name for node in hosts) or " "
    if required:
        for point in (notification.pre, notification.pre_done, notification.post, notification.post_done):
            if point is not None:
                point.flags &= ~OPTIONAL


def create_notify_actions(cluster: Cluster, rsc: Resource, notification: Notification) -> None:
    """The notify actions of one resource (its members) for one task."""
    if rsc.children:
        for child in rsc.children:
            create_notify_actions(cluster, child, notification)
        return
    for op in rsc.actions:
        if not op.flags & OPTIONAL and op.node is not None and op.task in ("start", "stop", "promote", "demote"):
            op.meta.update(notification.keys)
    task = notification.task
    if task != "stop" and not notification.lists[task]:
        return
    if task in ("stop", "demote") and rsc.role != Role.STOPPED:
        stop = find_task(rsc, "stop", None)
        for node in rsc.active_nodes:
            if stop is not None and stop.flags & PSEUDO and (node.unclean or node.remote_reset):
                continue
            _notify(cluster, rsc, node, notification.pre, notification.pre_done, notification)
            if task == "demote" or stop is None or stop.flags & OPTIONAL:
                _notify_after(cluster, rsc, node, notification)
    if task in ("start", "promote") and rsc.next_role != Role.STOPPED and rsc.assigned is not None:
        start = find_task(rsc, "start", None)
        connection = None if start is None or start.node is None else start.node.remote
        remote_start = None if connection is None else find_task(connection, "start", None)
        if remote_start is not None and not remote_start.flags & RUNNABLE:
            return
        if task != "start" or start is None or start.flags & OPTIONAL:
            _notify(cluster, rsc, rsc.assigned, notification.pre, notification.pre_done, notification)
        _notify_after(cluster, rsc, rsc.assigned, notification)


def _notify(
    cluster: Cluster, rsc: Resource, node: Node, point: Op | None, done: Op | None, notification: Notification
) -> Op | None:
    if point is None or done is None or not node.online or not point.flags & RUNNABLE:
        return None
    key = _key(rsc, point.meta.get("notify_type", ""), point.meta.get("notify_operation", ""))
    op = keyed_action(cluster, rsc, key, point.task, node, optional=bool(point.flags & OPTIONAL))
    for name, value in point.meta.items():
        op.meta.setdefault(name, value)
    op.meta.update(notification.keys)
    relate(point, op, AR_ORDERED)
    relate(op, done, AR_ORDERED)
    return op


def _notify_after(cluster: Cluster, rsc: Resource, node: Node, notification: Notification) -> None:
    op = _notify(cluster, rsc, node, notification.post, notification.post_done, notification)
    if op is not None:
        op.priority = INFINITY
    if notification.post_done is None:
        return
    for monitor in reversed(rsc.actions):
        if monitor.meta.get("interval", "0") != "0" and monitor.task != "cancel":
            relate(notification.post_done, monitor, AR_ORDERED)


def notify_after_fencing(cluster: Cluster, stop: Op, rsc: Resource, fencing: Op) -> None:
    """Instances elsewhere learn of a stop that fencing implies, after the fencing."""
    if not rsc.notify or stop.node is None:
        return
    notification = action_notifications(cluster, rsc, "stop", None, fencing)
    collect(rsc, notification, activity=False)
    notification.keys["notify_stop_resource"] = rsc.id
    notification.keys["notify_stop_uname"] = stop.node.name
    create_notify_actions(cluster, rsc.top(), notification)
