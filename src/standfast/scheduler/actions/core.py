"""Making and finding actions in working memory. What decides whether one may run is in ops.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.scheduler.actions.meta import action_meta, find_config
from standfast.scheduler.memory import ON_DC, OPTIONAL, RUNNABLE, Cluster, Needs, Node, Op, Relation, Resource

if TYPE_CHECKING:
    from lxml import etree


def action_needs(rsc: Resource, task: str) -> Needs:
    """Starts and promotions wait for fencing or quorum as the resource's `requires` says; all else needs nothing."""
    if task not in ("start", "promote"):
        return Needs.NOTHING
    if rsc.needs_fencing:
        return Needs.FENCING
    return Needs.QUORUM if rsc.needs_quorum else Needs.NOTHING


def new_action(
    cluster: Cluster, rsc: Resource | None, key: str, task: str, node: Node | None, optional: bool, interval_ms: int = 0
) -> Op:
    """A new action, runnable until something says otherwise. Actions without a resource are singletons by key."""
    flags = RUNNABLE | (OPTIONAL if optional else 0) | (ON_DC if task == "lrm_delete" else 0)
    config: etree._Element | None = None
    meta: dict[str, str] = {}
    needs = Needs.NOTHING
    if rsc is not None:
        config = find_config(rsc, task, interval_ms, include_disabled=True)
        if config is None and "_notify_" in key:
            config = find_config(rsc, "notify", 0, include_disabled=True)
        meta = action_meta(cluster, rsc, node, task, interval_ms, config)
        needs = action_needs(rsc, task)
    op = Op(cluster.next_action_id, key, task, rsc, node, flags, meta, config=config, needs=needs)
    cluster.next_action_id += 1
    cluster.actions.append(op)
    if rsc is None:
        cluster.singletons[key] = op
    else:
        rsc.actions.append(op)
        rsc.actions_by_key.setdefault(key, []).append(op)
        if rsc.parent is not None:
            rsc.parent.newest.clear()
    return op


def find_by_key(rsc: Resource, key: str, node: Node | None) -> list[Op]:
    """Actions with `key`, oldest first; with a node, those on it (one without a node is put there)."""
    found = []
    for op in rsc.actions_by_key.get(key, ()):
        if node is not None:
            if op.node is None:
                op.node = node
            elif op.node is not node:
                continue
        found.append(op)
    return found


def find_exact(rsc: Resource, key: str, node: Node | None) -> list[Op]:
    """Actions with `key` that are already on `node`, oldest first; none without a node."""
    if node is None:
        return []
    return [op for op in rsc.actions_by_key.get(key, ()) if op.node is node]


def find_task(rsc: Resource, task: str, node: Node | None) -> Op | None:
    """The newest action with this task, on `node` if given."""
    for op in reversed(rsc.actions):
        if op.task == task and (node is None or op.node is node):
            return op
    return None


def members_newest(group: Resource, task: str, node: Node | None) -> list[tuple[Resource, Op | None]]:
    """Each member's newest action with this task. Each member asks for all of them, in a large group a thousand times."""
    if node is not None:
        return [(member, find_task(member, task, node)) for member in group.children]
    if task not in group.newest:
        group.newest[task] = [(member, find_task(member, task, None)) for member in group.children]
    return group.newest[task]


def relate(first: Op, then: Op, flags: int) -> bool:
    """Order two actions; False when a relation with one of these flags exists already (or `flags` is none)."""
    if flags == 0:
        return False
    for relation in first.after:
        if relation.op is then and relation.flags & flags:
            return False
    first.after.append(Relation(then, flags))
    then.before.append(Relation(first, flags))
    return True


def set_reason(op: Op, reason: str, overwrite: bool) -> None:
    """Give an action its cause; an existing one stays unless told otherwise."""
    if overwrite or not op.reason:
        op.reason = reason
