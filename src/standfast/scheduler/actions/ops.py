"""Getting an action of a resource: found or made, required or optional, and whether quorum and node allow it to run."""

from __future__ import annotations

from standfast.scheduler.actions.core import find_by_key, new_action, set_reason
from standfast.scheduler.actions.meta import op_params
from standfast.scheduler.actions.places import is_active
from standfast.scheduler.fencing.ops import can_fence, fence_node
from standfast.scheduler.memory import (
    ON_DC,
    OPTIONAL,
    PARAMS_SET,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Needs,
    Node,
    Op,
    QuorumPolicy,
    Resource,
    op_key,
)
from standfast.scheduler.values import Role


def get_action(
    cluster: Cluster, rsc: Resource, task: str, node: Node | None, optional: bool, interval_ms: int = 0, key_task: str = ""
) -> Op:
    """The action of `rsc` with this task (or whose key names `key_task`), interval and node; made if there is none.

    An action asked for with optional=False becomes required, except one of an unmanaged resource that is not recurring.
    """
    return keyed_action(cluster, rsc, op_key(rsc.id, key_task or task, interval_ms), task, node, optional, interval_ms)


def keyed_action(
    cluster: Cluster, rsc: Resource, key: str, task: str, node: Node | None, optional: bool, interval_ms: int = 0
) -> Op:
    """`get_action` for an action whose key says more than its task (a notification's)."""
    found = find_by_key(rsc, key, node)
    op = found[0] if found else new_action(cluster, rsc, key, task, node, optional, interval_ms)
    if op.node is not None and not op.flags & PSEUDO and not rsc.managed and "interval" not in op.meta:
        op.flags |= OPTIONAL
    elif not optional:
        op.flags &= ~OPTIONAL
    if op.node is not None and op.config is not None and not op.flags & PARAMS_SET:
        op.extra = op_params(cluster, op.config, op.node)
        op.flags |= PARAMS_SET
    _update_runnable(cluster, op, rsc)
    return op


def _update_runnable(cluster: Cluster, op: Op, rsc: Resource) -> None:
    if op.flags & PSEUDO:
        return
    node = op.node
    if node is None:
        op.flags &= ~RUNNABLE
    elif not op.flags & ON_DC and not node.online and (node.launcher is None or node.remote_reset):
        op.flags &= ~RUNNABLE
        if rsc.managed and op.task == "stop" and not node.unclean:
            fence_node(cluster, node, "stop is unrunnable")
    elif not op.flags & ON_DC and node.pending:
        op.flags &= ~RUNNABLE
    elif op.needs == Needs.NOTHING:
        op.reason = ""
        if node.launcher is not None and not can_fence(cluster, node):
            # The guest's host is unclean and can't be fenced.
            op.flags &= ~RUNNABLE
        else:
            op.flags |= RUNNABLE
    else:
        _apply_quorum(cluster, op, rsc)


def _apply_quorum(cluster: Cluster, op: Op, rsc: Resource) -> None:
    policy = effective_policy(cluster, rsc)
    if policy == QuorumPolicy.STOP:
        op.flags &= ~RUNNABLE
        set_reason(op, "no quorum", overwrite=True)
    elif policy == QuorumPolicy.FREEZE:
        if not is_active(rsc, everywhere=True) or rsc.next_role > rsc.role:
            op.flags &= ~RUNNABLE
            set_reason(op, "quorum freeze", overwrite=True)
    else:
        op.flags |= RUNNABLE


def effective_policy(cluster: Cluster, rsc: Resource) -> QuorumPolicy:
    """no-quorum-policy as it applies to this resource now; "demote" limits roles of promotable ones and stops the rest."""
    if cluster.quorate:
        return QuorumPolicy.IGNORE
    if cluster.policy != QuorumPolicy.DEMOTE:
        return cluster.policy
    if rsc.role in (Role.PROMOTED, Role.UNPROMOTED):
        rsc.next_role = min(rsc.next_role, Role.UNPROMOTED)
        return QuorumPolicy.IGNORE
    return QuorumPolicy.STOP


def start_action(cluster: Cluster, rsc: Resource, node: Node | None, optional: bool) -> Op:
    """The start of `rsc` on `node`."""
    return get_action(cluster, rsc, "start", node, optional)


def stop_action(cluster: Cluster, rsc: Resource, node: Node | None, optional: bool) -> Op:
    """The stop of `rsc` on `node`."""
    return get_action(cluster, rsc, "stop", node, optional)


def pseudo_op(cluster: Cluster, name: str) -> Op:
    """A point in time of no resource, by name."""
    op = cluster.singletons.get(name)
    if op is None:
        op = new_action(cluster, None, name, name, None, optional=True)
        op.flags |= PSEUDO | RUNNABLE
    return op


def rsc_pseudo_op(cluster: Cluster, rsc: Resource, task: str, optional: bool = True, runnable: bool = True) -> Op:
    """A point in time of a group or clone."""
    op = get_action(cluster, rsc, task, None, optional)
    op.flags |= PSEUDO
    if runnable:
        op.flags |= RUNNABLE
    return op
