"""What changes scores before assignment: shutdown locks, location constraints, stickiness, too many failures, discovery."""

from __future__ import annotations

from standfast.base.report import warning
from standfast.scheduler.actions.core import find_by_key
from standfast.scheduler.memory import Allowed, Cluster, Location, Node, ProbeMode, Resource, Variant, op_key, primitives
from standfast.scheduler.placement.ledger import add_location, ban, note
from standfast.scheduler.placement.scores import add_scores
from standfast.scheduler.unpack.failcounts import any_failures, launched_fail_count
from standfast.scheduler.values import Role, ms_to_s, parse_int

INFINITY = 1_000_000


def apply_node_criteria(cluster: Cluster) -> None:
    """Everything that is known before resources are compared with each other."""
    if cluster.shutdown_lock:
        for rsc in cluster.each():
            for leaf in primitives(rsc):
                _apply_shutdown_lock(cluster, leaf)
    for location in reversed(cluster.locations):
        cluster.watch.about = location.rsc.top()
        location.rsc.act().apply_location(cluster, location.rsc, location)
    awake = cluster.awake()
    for rsc in cluster.each(awake):
        _apply_stickiness(cluster, rsc)
    for node in cluster.nodes:
        failures = any_failures(node)
        for rsc in cluster.each(awake):
            banned: set[str] = set()
            for leaf in primitives(rsc) if failures else ():
                _check_threshold(cluster, leaf, node, banned)
            if rsc.exclusive_probes:
                _apply_exclusive(cluster, rsc, node)


def apply_location(cluster: Cluster, rsc: Resource, location: Location) -> None:
    """Add one location constraint's scores to one resource's table."""
    if location.role not in (Role.UNKNOWN, rsc.next_role):
        return
    for node, points in location.scores:
        entry = rsc.allowed.get(node.id)
        if entry is None:
            entry = rsc.allowed[node.id] = Allowed(node, points, node.probe_mode)
        else:
            entry.score = add_scores(entry.score, points)
        note(cluster, rsc, node, points, location.id, location.sentence)
        if entry.probe_mode < location.probe_mode:
            entry.probe_mode = location.probe_mode
            if location.probe_mode == ProbeMode.EXCLUSIVE:
                rsc.exclusive_probes = True


def _apply_stickiness(cluster: Cluster, rsc: Resource) -> None:
    if rsc.children:
        for child in rsc.children:
            _apply_stickiness(cluster, child)
        return
    if not rsc.managed or rsc.stickiness < 1 or len(rsc.active_nodes) != 1:
        return
    node = rsc.active_nodes[0]
    if not cluster.symmetric and node.id not in rsc.allowed:
        # In an opt-in cluster, a resource whose node is no longer allowed must not stay there.
        return
    add_location(cluster, rsc, node, rsc.stickiness, "stickiness")


def threshold_reached(cluster: Cluster, rsc: Resource, node: Node) -> bool:
    """Whether migration-threshold bans a resource from a node."""
    if rsc.ban_after_failures == 0 or rsc.ignore_failure:
        return False
    count = launched_fail_count(cluster, node, rsc)
    return count > 0 and rsc.ban_after_failures - count <= 0


def _check_threshold(cluster: Cluster, rsc: Resource, node: Node, banned: set[str]) -> None:
    """Ban what failed too often. `banned` are the ids of what was banned from this node already: one member, or instance, is
    enough for all of a clone, and a thousand of them would make a million entries."""
    if find_by_key(rsc, op_key(rsc.id, "clear_failcount"), node):
        return
    if threshold_reached(cluster, rsc, node):
        owner = rsc if rsc.unique else rsc.top()
        if owner.id not in banned:
            banned.add(owner.id)
            why = "due to reaching migration threshold (clean up resource to allow again)"
            cluster.tell(warning("scheduler.threshold", f"{owner.id} cannot run on {node.name} {why}"))
            add_location(cluster, owner, node, -INFINITY, "__fail_limit__")


def _apply_exclusive(cluster: Cluster, rsc: Resource, node: Node) -> None:
    if not (rsc.exclusive_probes or rsc.top().exclusive_probes):
        return
    for child in rsc.children:
        _apply_exclusive(cluster, child, node)
    entry = rsc.allowed.get(node.id)
    if entry is not None and entry.probe_mode != ProbeMode.EXCLUSIVE:
        ban(cluster, rsc, entry, "resource-discovery")


def _apply_shutdown_lock(cluster: Cluster, rsc: Resource) -> None:
    """shutdown-lock: a resource stays with the node that was stopped in good order."""
    from standfast.scheduler.actions.ops import get_action

    if rsc.fence_device or rsc.connection or rsc.bundle() is not None or rsc.top().variant > Variant.GROUP:
        return
    if rsc.lock_node is not None:
        if rsc.active_nodes:
            get_action(cluster, rsc, "lrm_delete", rsc.lock_node, optional=False)
            rsc.lock_node = None
            rsc.lock_time_s = 0
    elif len(rsc.active_nodes) == 1:
        node = rsc.active_nodes[0]
        if node.shutdown and not node.unclean:
            rsc.lock_node = node
            rsc.lock_time_s = parse_int(node.attrs.get("shutdown")) or cluster.now_s
            cluster.now_matters()
    if rsc.lock_node is None:
        return
    if cluster.shutdown_lock_ms > 0:
        cluster.recheck(rsc.lock_time_s + ms_to_s(cluster.shutdown_lock_ms) + 1)
    for node in cluster.nodes:
        if node is not rsc.lock_node:
            add_location(cluster, rsc, node, -INFINITY, "shutdown-lock")
