"""Actions on Pacemaker Remote nodes: they need the connection up, and go through the cluster node that holds it.

Pacemaker: lib/pacemaker/pcmk_sched_remote.c.
"""

from __future__ import annotations

from enum import Enum, auto

from standfast.scheduler.actions.places import current_node
from standfast.scheduler.fencing.ops import fence_node
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_GUEST_ALLOWED,
    AR_NONE,
    AR_ORDERED,
    AR_THEN_IMPLIES_FIRST,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    PSEUDO,
    Cluster,
    Node,
    Op,
    Resource,
)
from standfast.scheduler.orderings.new import new_ordering
from standfast.scheduler.values import Role

_MIGRATIONS = ("migrate_to", "migrate_from")
# Tasks that the original knows by name; anything else ("cancel", "delete", ...) it calls unspecified.
_KNOWN = ("monitor", "start", "running", "stop", "stopped", "promote", "promoted", "demote", "demoted", "notify", "notified")


class State(Enum):
    """What a connection is good for in this transition."""

    UNKNOWN = auto()  # not up, but it may come up
    ALIVE = auto()
    RESTING = auto()  # it must first come up elsewhere
    FAILED = auto()  # and will not come back
    STOPPED = auto()


def connection_state(connection: Resource, node: Node) -> State:
    """The state of the connection to a remote node."""
    host = current_node(connection)
    if connection.next_role == Role.STOPPED or connection.assigned is None:
        if host is not None and host.unclean:
            return State.FAILED
        if not connection.failed:
            return State.STOPPED
        waits = connection.next_role == Role.STOPPED and connection.reconnect_ms > 0
        if waits and node.remote_fenced and node.attrs.get("shutdown") in (None, "0"):
            # Whether the connection can be had again shows after the reconnect interval.
            return State.UNKNOWN
        return State.FAILED
    if host is None:
        return State.UNKNOWN
    if host.unclean or not host.online:
        return State.RESTING
    if len(connection.active_nodes) > 1 and None not in (connection.migration_source, connection.migration_target):
        return State.RESTING
    return State.ALIVE


def connection_failed(node: Node) -> bool:
    """Whether a remote node (no guest) can't be reached any more."""
    return node.is_remote and node.remote is not None and connection_state(node.remote, node) == State.FAILED


def order_remote_actions(cluster: Cluster) -> None:
    """Order everything that is done on Pacemaker Remote nodes with their connections."""
    for op in list(reversed(cluster.actions)):
        rsc = op.rsc
        if rsc is None:
            continue
        if rsc.connection and op.task == "clear_failcount":
            new_ordering(cluster, op, (rsc, "start"), AR_ORDERED)
            continue
        if op.node is None or op.node.kind != "remote" or op.flags & PSEUDO or op.node.remote is None:
            continue
        connection = op.node.remote
        if op.task == "start":
            # Leave a resource where it is until the connection to its new node is up.
            for other in reversed(rsc.actions):
                if other.task == "stop" and other.node is not op.node:
                    new_ordering(cluster, (connection, "start"), other, AR_ORDERED)
        task = "stop" if op.task in _MIGRATIONS else op.task
        if connection.launcher is not None:
            _order_on_guest(cluster, op, task, connection, connection.launcher)
        else:
            _order_on_remote(cluster, op, task, connection, op.node)


def _after_start(cluster: Cluster, first: Resource, op: Op, flags: int = AR_NONE) -> None:
    new_ordering(cluster, (first, "start"), op, AR_GUEST_ALLOWED | AR_UNRUNNABLE_FIRST_BLOCKS | flags)


def _before_stop(cluster: Cluster, op: Op, then: Resource, flags: int = AR_NONE) -> None:
    new_ordering(cluster, op, (then, "stop"), AR_GUEST_ALLOWED | flags)


def _is_recurring(op: Op) -> bool:
    return op.meta.get("interval", "0") != "0"


def _order_on_remote(cluster: Cluster, op: Op, task: str, connection: Resource, node: Node) -> None:
    state = connection_state(connection, node)
    if task in ("start", "promote"):
        _after_start(cluster, connection, op, AR_FIRST_IMPLIES_THEN if state == State.FAILED else AR_NONE)
    elif task == "stop":
        _order_stop(cluster, op, connection, node, state)
    elif task == "demote":
        # Otherwise the stop's ordering does.
        if state in (State.RESTING, State.UNKNOWN):
            _after_start(cluster, connection, op)
    elif _is_recurring(op):
        _after_start(cluster, connection, op, AR_FIRST_IMPLIES_THEN)
    else:
        if task == "monitor" and state == State.FAILED:
            fence_node(cluster, node, "resources are in unknown state and connection is unrecoverable")
        if current_node(connection) is not None and state == State.STOPPED:
            # The connection goes for good: what is done through it comes before.
            _before_stop(cluster, op, connection, AR_UNRUNNABLE_FIRST_BLOCKS)
        else:
            _after_start(cluster, connection, op)


def _order_stop(cluster: Cluster, op: Op, connection: Resource, node: Node, state: State) -> None:
    if state == State.FAILED:
        # Fencing will imply the stop.
        fence_node(cluster, node, "resources are active but connection is unrecoverable")
    elif state == State.ALIVE or connection.next_role == Role.STOPPED:
        _before_stop(cluster, op, connection, AR_THEN_IMPLIES_FIRST)
    else:
        _after_start(cluster, connection, op)


def _order_on_guest(cluster: Cluster, op: Op, task: str, connection: Resource, launcher: Resource) -> None:
    if launcher.failed and op.node is not None:
        fence_node(cluster, op.node, "container failed")
    if task in ("start", "promote"):
        _after_start(cluster, launcher, op, AR_FIRST_IMPLIES_THEN)
        _after_start(cluster, connection, op)
    elif task in ("stop", "demote"):
        # With a failed launcher, its stop implies this.
        if not launcher.failed:
            _before_stop(cluster, op, connection)
    elif not _is_recurring(op):
        _after_start(cluster, connection, op)
    elif task in _KNOWN:
        _after_start(cluster, connection, op, AR_FIRST_IMPLIES_THEN)


def router(op: Op) -> Node | None:
    """The cluster node through which an action on a Pacemaker Remote node goes; None for any other."""
    node = op.node
    if node is None or node.kind != "remote" or node.remote is None or op.task == "stonith":
        return None
    connection = node.remote
    began, ended = current_node(connection), connection.assigned
    if began is None or ended is None or began is ended:
        return ended if began is None else began
    task = op.meta.get("notify_operation", op.task) if op.task == "notify" else op.task
    half_done = connection.launcher is None and connection.migration_target is not None
    if task in ("cancel", "stop", "demote", *_MIGRATIONS) and not half_done:
        return began
    return ended


def guest_meta(op: Op) -> dict[str, str]:
    """What an agent on a guest node is told of the guest's host: where it is for what ends there, else where it will be."""
    launcher = None if op.node is None else op.node.launcher
    if launcher is None or op.rsc is None:
        return {}
    task = op.meta.get("notify_operation", "") if op.task in ("notify", "notified") else op.task
    host: Node | None = None
    if task in ("stop", "stopped", "demote", "demoted"):
        host = current_node(launcher)
    elif task in ("start", "running", "monitor", "promote", "promoted"):
        host = launcher.assigned
    if host is None:
        return {}
    found = {"CRM_meta_physical_host": host.name}
    target = op.rsc.meta.get("container-attribute-target")
    if target is not None:
        found["CRM_meta_container_attribute_target"] = target
    return found
