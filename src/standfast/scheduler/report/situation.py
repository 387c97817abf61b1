"""The situation: what status commands show, taken from working memory before anything is decided."""

from __future__ import annotations

from standfast.base.situation import FailCount, NodeStatus, OperationStatus, ResourceStatus, Situation
from standfast.scheduler.actions.meta import rsc_params
from standfast.scheduler.actions.places import current_node, is_active
from standfast.scheduler.memory import Cluster, Node, Resource, Variant, primitives
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.unpack.bundles import BundleData
from standfast.scheduler.unpack.entries import HistoryEntry
from standfast.scheduler.unpack.failcounts import fail_count
from standfast.scheduler.unpack.resources import is_disabled
from standfast.scheduler.values import ROLE_TEXT, Role, parse_int

_PENDING = {
    "start": "Starting",
    "stop": "Stopping",
    "migrate_to": "Migrating",
    "migrate_from": "Migrating",
    "promote": "Promoting",
    "demote": "Demoting",
}

_PINGS = ("ping", "pingd")
"""Agents that count the hosts they reach in a node attribute."""


def situation_of(cluster: Cluster) -> Situation:
    """The cluster as its status section shows it; empty if that is not wanted."""
    leaves = [leaf for rsc in cluster.awake() for leaf in primitives(rsc)]
    fail_counts = tuple(_fail_counts(cluster, leaves))  # may have something to say about what is configured, wanted or not
    if not cluster.tells:
        return Situation()
    counted = [leaf for leaf in leaves if not leaf.removed or leaf.role > Role.STOPPED]
    operations = [
        _operation(entry, rsc_id, node_name) for (node_name, rsc_id), entries in cluster.history.items() for entry in entries
    ]
    return Situation(
        nodes=tuple(_node(cluster, node) for node in cluster.nodes),
        resources=tuple(_resource(rsc) for rsc in cluster.resources if not rsc.removed or is_active(rsc, everywhere=True)),
        failures=tuple(_operation(f.entry, f.rsc.id, f.node.name) for f in cluster.failures),
        operations=tuple(operations),
        fail_counts=fail_counts,
        options=tuple(sorted((name, value) for name, value in cluster.options.items() if value)),
        instances=len(counted),
        disabled=sum(1 for leaf in counted if is_disabled(leaf)),
        blocked=sum(1 for leaf in counted if leaf.blocked),
    )


def _node(cluster: Cluster, node: Node) -> NodeStatus:
    host = None if node.launcher is None else current_node(node.launcher)
    return NodeStatus(
        name=node.name,
        id=node.id,
        kind=node.kind,
        online=node.online,
        standby=node.standby,
        standby_onfail=node.standby_onfail,
        maintenance=node.maintenance,
        pending=node.pending,
        unclean=node.unclean,
        shutdown=node.shutdown,
        expected_up=node.expected_up,
        is_dc=node is cluster.dc,
        resources_running=len(node.running),
        health=health_of(cluster, node),
        launcher="" if node.launcher is None else node.launcher.id,
        host="" if host is None else host.name,
        attributes=tuple(sorted((name, value) for name, value in node.attrs.items() if _is_shown(name))),
        expected=_expected(cluster, node),
    )


def _expected(cluster: Cluster, node: Node) -> tuple[tuple[str, str], ...]:
    """By attribute: the value when every host answers the ping resource that runs on this node and sets it."""
    found: dict[str, str] = {}
    for rsc in node.running:
        if (rsc.agent[-1] or "").lower() not in _PINGS:
            continue
        params = rsc_params(cluster, rsc, node)
        sets = params.get("name", "pingd").lower()
        for name in node.attrs:
            if name.lower() == sets:
                multiplier = parse_int(params.get("multiplier"))
                hosts = params["host_list"].split(" ") if params.get("host_list") else []
                found.setdefault(name, str(len(hosts) * (1 if multiplier is None else multiplier)))
    return tuple(sorted(found.items()))


def _is_shown(attribute: str) -> bool:
    """Names with a hash are the scheduler's own, but for those that status commands show."""
    return not attribute.startswith("#") or attribute.startswith(("#health", "#feature-set"))


def health_of(cluster: Cluster, node: Node) -> str:
    """green, yellow or red, by the node's #health attributes (always green without a strategy)."""
    if cluster.option("node-health-strategy") == "none":
        return "green"
    scores = cluster.health_scores
    health = "green"
    for name, value in node.attrs.items():
        if not name.startswith("#health"):
            continue
        lowered = value.lower()
        points = parse_score(value, 0, scores)
        if lowered == "red" or (lowered != "yellow" and points is not None and points <= scores["red"]):
            return "red"
        if lowered == "yellow" or (points is not None and points <= scores["yellow"] and scores["yellow"] != scores["green"]):
            health = "yellow"
    return health


def _bundle(bundle: Resource, data: BundleData) -> ResourceStatus:
    """A bundle by its replicas: of each, the address, what runs inside, the container, the connection."""
    replicas = []
    for replica in data.all:
        parts = (replica.ip, replica.child, replica.container, replica.remote)
        children = tuple(_resource(part) for part in parts if part is not None)
        active = all(child.active for child in children)
        replicas.append(
            ResourceStatus(str(replica.offset), "replica", label=replica.address or "", active=active, children=children)
        )
    return ResourceStatus(
        id=bundle.id,
        kind="bundle",
        agent=data.agent,
        label=data.image,
        target_role=bundle.meta.get("target-role", ""),
        active=is_active(bundle, everywhere=True),
        orphaned=bundle.removed,
        blocked=bundle.blocked,
        maintenance=bundle.maintenance,
        managed=bundle.managed,
        failed=bundle.failed,
        children=tuple(replicas),
        meta=(("globally-unique", "true" if bundle.unique else "false"),),
    )


def _resource(rsc: Resource) -> ResourceStatus:
    if rsc.replicas is not None:
        return _bundle(rsc, rsc.replicas)
    children = tuple(_resource(child) for child in rsc.children)
    role = rsc.role if not rsc.children else Role.STOPPED
    if role == Role.STARTED and rsc.top().promotable:
        role = Role.UNPROMOTED
    node = current_node(rsc) if not rsc.children else None
    shown = [n.name for n in rsc.active_nodes] if not rsc.children else []
    if not shown and rsc.pending_node is not None:
        shown = [rsc.pending_node.name]
    agent = ":".join(part for part in rsc.agent if part) if not rsc.children else ""
    return ResourceStatus(
        id=rsc.id,
        kind={Variant.PRIMITIVE: "primitive", Variant.GROUP: "group", Variant.CLONE: "clone"}[rsc.variant],
        agent=agent,
        role=_PENDING.get(rsc.pending_action, ROLE_TEXT[role]),
        target_role=rsc.meta.get("target-role", ""),
        nodes=tuple(shown),
        active=is_active(rsc, everywhere=True),
        orphaned=rsc.removed,
        blocked=rsc.blocked,
        maintenance=rsc.maintenance,
        managed=rsc.managed,
        failed=rsc.failed,
        failure_ignored=rsc.ignore_failure,
        pending="Monitoring" if rsc.pending_action == "monitor" else "",
        unclean=node is not None and not node.online and node.unclean,
        children=children,
        meta=tuple(sorted((k, v) for k, v in rsc.meta.items() if k not in ("id", "class", "provider", "type"))),
    )


def _operation(entry: HistoryEntry, rsc_id: str, node: str) -> OperationStatus:
    return OperationStatus(
        resource=rsc_id,
        node=node,
        task=entry.task,
        interval_ms=entry.interval_ms,
        call=entry.call,
        rc=-1 if entry.rc is None else entry.rc,
        status=-2 if entry.status is None else entry.status,
        key=entry.key,
        last_rc_change_s=max(entry.last_change_s, 0),
        exec_ms=entry.exec_ms,
        queue_ms=entry.queue_ms,
        exit_reason=entry.exit_reason,
        has_key=entry.has_key,
    )


def _fail_counts(cluster: Cluster, leaves: list[Resource]) -> list[FailCount]:
    found = []
    for node in cluster.nodes:
        if not any(name.startswith("fail-count-") for name in node.attrs):
            continue
        for leaf in leaves:
            cluster.watch.about = leaf.top()
            fails = fail_count(cluster, node, leaf)
            if fails.count:
                found.append(FailCount(leaf.id, node.name, fails.count, leaf.ban_after_failures, fails.last_s))
    cluster.watch.about = None
    return found
