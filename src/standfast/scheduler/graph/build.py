"""The transition graph from the actions that were decided: resources in order, each one's newest action first."""

from __future__ import annotations

from standfast.base.report import warning
from standfast.scheduler.actions.digests import host_address, meta_name
from standfast.scheduler.actions.meta import rsc_params
from standfast.scheduler.actions.notifications import create_notifications
from standfast.scheduler.actions.ops import pseudo_op
from standfast.scheduler.actions.remote import guest_meta, router
from standfast.scheduler.graph.inputs import belongs, wanted
from standfast.scheduler.graph.model import Action, ActionKind, Graph
from standfast.scheduler.memory import ALWAYS, DEDUPLICATED, GRAPHED, PSEUDO, Cluster, Op, Relation, Resource, Variant, op_key
from standfast.scheduler.report.why import why
from standfast.scheduler.unpack.bundles import BundleData
from standfast.scheduler.values import FEATURE_SET, int_or, interval_ms

MAINTENANCE_NODES = "maintenance_nodes"


def build_graph(cluster: Cluster) -> Graph:
    """Everything that is to be done, with its inputs."""
    actions: list[Action] = []
    for rsc in cluster.resources:
        _add_resource(cluster, rsc, actions)
    if any(_maintenance_of(cluster)):
        pseudo_op(cluster, MAINTENANCE_NODES).flags |= ALWAYS
    for op in reversed(cluster.actions):
        _add(cluster, op, actions)
    actions = _executable(cluster, actions)
    limit = int_or(cluster.option("migration-limit"), -1)
    return Graph(
        actions=tuple(actions),
        cluster_delay_ms=interval_ms(cluster.option("cluster-delay")),
        stonith_timeout_ms=interval_ms(cluster.option("fencing-timeout")),
        failed_start_offset="INFINITY" if cluster.start_failure_fatal else "1",
        failed_stop_offset="INFINITY",
        batch_limit=int_or(cluster.option("batch-limit"), 0),
        migration_limit=limit if limit > 0 else -1,
        recheck_by_s=cluster.recheck_by_s or None,
    )


def _executable(cluster: Cluster, actions: list[Action]) -> list[Action]:
    """Without the actions that could never be carried out: they wait for something that can't run, or for each other.

    The original leaves them in, and its transition then ends early; leaving them out does the same things (docs/adr/0012).
    """
    waiting = {action.id: len(action.inputs) for action in actions}
    followers: dict[int, list[int]] = {}
    for action in actions:
        for needed in action.inputs:
            followers.setdefault(needed, []).append(action.id)
    ready = [action_id for action_id, count in waiting.items() if count == 0]
    possible = set(ready)
    while ready:
        for follower in followers.get(ready.pop(), ()):
            waiting[follower] -= 1
            if waiting[follower] == 0:
                possible.add(follower)
                ready.append(follower)
    for action in actions:
        if action.id not in possible:
            what = f"{action.operation_key} on {action.node}" if action.node else action.operation_key
            why_not = "what must come first can't run, or orderings form a circle"
            cluster.tell(warning("scheduler.blocked", f"{what} is left out", why_not))
    return [action for action in actions if action.id in possible]


def _maintenance_of(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """Pacemaker Remote nodes whose state does not say yet whether they are in maintenance, and what it should say."""
    nodes = (node for node in cluster.nodes if node.kind == "remote" and node.maintenance != node.remote_maintenance)
    return tuple((node.id, "1" if node.maintenance else "0") for node in nodes)


def _add_resource(cluster: Cluster, rsc: Resource, actions: list[Action]) -> None:
    if rsc.variant == Variant.CLONE:
        for op in list(reversed(rsc.actions)):
            # Brings the clone's points in time up to date with its instances' actions.
            rsc.act().action_flags(op, None)
        create_notifications(cluster, rsc)
        for child in rsc.children:
            _add_resource(cluster, child, actions)
    if rsc.replicas is not None:
        _add_bundle(cluster, rsc.replicas, actions)
        return
    for op in reversed(rsc.actions):
        _add(cluster, op, actions)
    for child in rsc.children:
        _add_resource(cluster, child, actions)


def _add_bundle(cluster: Cluster, data: BundleData, actions: list[Action]) -> None:
    """What runs inside, then each replica; the bundle's own points in time come with those of no resource."""
    if data.clone is not None:
        _add_resource(cluster, data.clone, actions)
    for replica in data.all:
        for one in (replica.ip, replica.container, replica.remote):
            if one is not None:
                _add_resource(cluster, one, actions)


def _deduplicate(op: Op) -> None:
    """One relation per action, by id; `before` stays in the order that reading from the end expects."""
    merged: dict[int, Relation] = {}
    newest_first = list(reversed(op.before))
    for relation in sorted(newest_first, key=lambda r: r.op.id):
        kept = merged.get(relation.op.id)
        if kept is None:
            relation.graphed = False
            merged[relation.op.id] = relation
        else:
            kept.flags |= relation.flags
            kept.graphed = kept.graphed or relation.graphed
    op.before = list(reversed(merged.values()))


def _add(cluster: Cluster, op: Op, actions: list[Action]) -> None:
    if not op.flags & DEDUPLICATED:
        _deduplicate(op)
        op.flags |= DEDUPLICATED
    if op.flags & GRAPHED or not belongs(op):
        return
    op.flags |= GRAPHED
    inputs = []
    for relation in reversed(op.before):
        if wanted(op, relation):
            relation.graphed = True
            inputs.append(relation.op.id)
    actions.append(_action(cluster, op, tuple(inputs)))


def _kind(op: Op) -> ActionKind:
    if op.task == "stonith":
        return ActionKind.PSEUDO if op.flags & PSEUDO else ActionKind.CRM
    if op.task in ("do_shutdown", "clear_failcount", "lrm_delete"):
        return ActionKind.CRM
    return ActionKind.PSEUDO if op.flags & PSEUDO else ActionKind.RSC_OP


def _action(cluster: Cluster, op: Op, inputs: tuple[int, ...]) -> Action:
    kind = _kind(op)
    rsc = op.rsc
    placed = op.node is not None and (kind != ActionKind.PSEUDO or op.task == "stonith")
    if placed and op.node is not None:
        op.meta["on_node"], op.meta["on_node_uuid"] = op.node.name, op.node.id
    priority = max(0 if rsc is None else rsc.priority, op.priority)
    gateway = router(op) if placed else None
    return Action(
        id=op.id,
        kind=kind,
        operation=op.task,
        operation_key=_operation_key(op),
        node=op.node.name if placed and op.node is not None else "",
        node_id=op.node.id if placed and op.node is not None else "",
        resource="" if rsc is None else _xml_id(rsc),
        long_id="" if rsc is None else _long_id(rsc),
        internal_key="" if rsc is None or not rsc.history_id else op.key,
        agent=("", "", "") if rsc is None or op.flags & PSEUDO else rsc.agent,
        interval_ms=int_or(op.meta.get("interval"), 0),
        attributes=_attributes(cluster, op),
        inputs=inputs,
        priority=max(priority, 0),
        timeout_ms=int_or(op.meta.get("timeout"), 0) + int_or(op.meta.get("start-delay"), 0),
        router_node="" if gateway is None else gateway.name,
        downed=_downed(op) if placed else (),
        maintenance=_maintenance_of(cluster) if op.task == MAINTENANCE_NODES else (),
        why=why(op),
        shutdown_lock_s=_lock_time(op),
    )


def _lock_time(op: Op) -> int:
    """Since when the resource of an action is locked to the action's node (while that shuts down, only stops keep the lock)."""
    rsc, node = op.rsc, op.node
    if rsc is None or node is None or op.flags & PSEUDO or rsc.lock_node is not node or (node.shutdown and op.task != "stop"):
        return 0
    return rsc.lock_time_s


def _downed(op: Op) -> tuple[str, ...]:
    """Ids of the nodes that an action brings down: a fenced one's guests with it, and what a closed connection led to."""
    if op.node is None:
        return ()
    if op.task == "do_shutdown":
        return (op.node.id,)
    if op.task == "stonith" and op.meta.get("stonith_action", "on") != "on":
        guests = (rsc.id for rsc in op.node.running if rsc.connection and rsc.launcher is not None)
        return (op.node.id, *guests)
    if op.rsc is not None and op.rsc.connection and op.task == "stop":
        migrates = any(r.op.rsc is op.rsc and r.op.task == "migrate_from" for r in op.before)
        return () if migrates else (op.rsc.id,)
    return ()


def _xml_id(rsc: Resource) -> str:
    """The id that the executor knows: instances of an anonymous clone share it."""
    if rsc.removed and rsc.history_id:
        return rsc.history_id
    return rsc.id if rsc.unique else rsc.xml_id


def _long_id(rsc: Resource) -> str:
    if rsc.removed and rsc.history_id:
        return rsc.id
    if rsc.unique:
        return ""
    return rsc.history_id if rsc.history_id not in ("", rsc.xml_id) else rsc.id


def _operation_key(op: Op) -> str:
    if op.rsc is None or not op.rsc.history_id:
        return op.key
    if op.task == "notify":
        return f"{op.rsc.history_id}_{op.meta.get('notify_type')}_notify_{op.meta.get('notify_operation')}_0"
    return op_key(op.rsc.history_id, op.cancel_task or op.task, int_or(op.meta.get("interval"), 0))


def _rsc_meta(rsc: Resource, found: dict[str, str]) -> None:
    """What an agent must know of its clone, and of what it runs inside."""
    if "clone" in rsc.meta and rsc.variant == Variant.PRIMITIVE:
        found["CRM_meta_clone"] = rsc.meta["clone"]
    if "remote-node" in rsc.meta and not rsc.children:
        found["CRM_meta_remote_node"] = rsc.meta["remote-node"]
    if "external-ip" in rsc.meta:
        found["pcmk_external_ip"] = rsc.meta["external-ip"]
    owner: Resource | None = rsc
    while owner is not None:
        if owner.launcher is not None:
            found["CRM_meta_container"] = owner.launcher.id
        owner = owner.parent
    clone = rsc.top()
    if clone.clone is None:
        return
    data = clone.clone
    found["CRM_meta_globally_unique"] = "true" if clone.unique else "false"
    found["CRM_meta_notify"] = "true" if clone.notify else "false"
    found["CRM_meta_clone_max"], found["CRM_meta_clone_node_max"] = str(data.max), str(data.node_max)
    if clone.promotable:
        for word in ("promoted", "master"):
            found[f"CRM_meta_{word}_max"] = str(data.promoted_max)
            found[f"CRM_meta_{word}_node_max"] = str(data.promoted_node_max)


def _attributes(cluster: Cluster, op: Op) -> tuple[tuple[str, str], ...]:
    """Operation parameters, then the resource's, then CRM_meta_*: what comes first wins."""
    found = {"crm_feature_set": FEATURE_SET}
    for name, value in op.extra.items():
        found.setdefault(name, value)
    rsc = op.rsc
    if rsc is not None and (op.node is not None or not rsc.children):
        for name, value in rsc_params(cluster, rsc, op.node).items():
            found.setdefault(name, value)
        address = host_address(cluster, rsc)
        if address is not None:
            found["addr"] = address
    for name, value in op.meta.items():
        if "#" not in name and ":" not in name:
            found.setdefault(meta_name(name), value)
    if rsc is not None:
        _rsc_meta(rsc, found)
        found.update(guest_meta(op))
    return tuple(sorted(found.items()))
