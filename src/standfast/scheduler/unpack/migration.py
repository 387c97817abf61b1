"""Live migration in the history: finished, half done, failed, or left dangling. Both nodes' entries are read together."""

from __future__ import annotations

from standfast.scheduler.memory import Cluster, Node, Resource
from standfast.scheduler.unpack.entries import DONE, PENDING, RC_NOT_RUNNING, RC_OK, HistoryEntry, newer
from standfast.scheduler.values import Role

RC_UNKNOWN = 193


def _find(cluster: Cluster, rsc_id: str, node: str, task: str, entry: HistoryEntry | None = None) -> HistoryEntry | None:
    """The first entry of `task` in a resource's history on a node; for migrations, the one between the same two nodes."""
    for other in cluster.history.get((node, rsc_id), ()):
        if other.task != task:
            continue
        if entry is not None and task == "migrate_from" and other.migrate_source != entry.migrate_source:
            continue
        if entry is not None and task == "migrate_to" and other.migrate_target != entry.migrate_target:
            continue
        return other
    return None


def _unknown_on(cluster: Cluster, rsc: Resource, node: str) -> bool:
    return all(entry.rc == RC_UNKNOWN for entry in cluster.history.get((node, rsc.id), ()))


def _state_changed_after(cluster: Cluster, rsc_id: str, node: str, entry: HistoryEntry) -> bool:
    tasks = ("start", "stop", "migrate_to", "migrate_from")
    return any(
        other is not entry and other.task in tasks and newer(other, entry) > 0
        for other in cluster.history.get((node, rsc_id), ())
    )


def _newer_state(
    cluster: Cluster, rsc_id: str, node: str, migrate_to: HistoryEntry | None, migrate_from: HistoryEntry | None
) -> bool:
    entry = migrate_from or migrate_to
    if entry is None:
        return False
    if entry is not migrate_to and migrate_to is not None and node.lower() == (entry.migrate_source or "").lower():
        entry = migrate_to
    if _state_changed_after(cluster, rsc_id, node, entry):
        return True
    monitor = _find(cluster, rsc_id, node, "monitor")
    return monitor is not None and monitor.rc == RC_NOT_RUNNING and monitor.status == DONE and newer(monitor, entry) > 0


def migrate_to_succeeded(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """migrate_to is done on the source: what counts is whether migrate_from followed on the target."""
    from standfast.scheduler.unpack.history import add_running

    source, target = entry.migrate_source, entry.migrate_target
    if not source or not target or source.lower() != node.name.lower():
        return
    source_newer = _state_changed_after(cluster, rsc.id, source, entry)
    arrival = _find(cluster, rsc.id, target, "migrate_from", entry)
    from_rc, from_status = RC_OK, PENDING
    if arrival is not None:
        if source_newer:
            return
        from_rc, from_status = arrival.rc or 0, PENDING if arrival.status is None else arrival.status
    target_newer = _newer_state(cluster, rsc.id, target, entry, arrival)
    if source_newer and target_newer:
        return
    if from_rc == RC_OK and from_status == DONE:
        rsc.role = Role.STOPPED
        rsc.dangling_sources.append(node)
        return
    rsc.role = Role.STARTED
    target_node = cluster.find_node(target)
    online = target_node is not None and target_node.online
    active_on_target = not target_newer and online
    if from_status != PENDING:
        if active_on_target and target_node is not None:
            add_running(cluster, rsc, target_node, failed=True)
        else:
            _fail(rsc)
        return
    if online and _unknown_on(cluster, rsc, target):
        return
    if active_on_target and target_node is not None:
        add_running(cluster, rsc, target_node, failed=False)
        source_node = cluster.find_node(source)
        if source_node is not None and source_node.online:
            rsc.migration_target, rsc.migration_source = target_node, source_node
    elif not source_newer:
        _fail(rsc)


def _fail(rsc: Resource) -> None:
    rsc.failed = rsc.stop_if_failed = True
    rsc.migratable = False


def migrate_to_failed(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """migrate_to failed on the source: the resource may be active on either side."""
    from standfast.scheduler.unpack.history import add_running

    source, target = entry.migrate_source, entry.migrate_target
    if not source or not target or source.lower() != node.name.lower():
        return
    rsc.role = Role.STARTED
    arrival = _find(cluster, rsc.id, target, "migrate_from", entry)
    if arrival is not None and (arrival.rc != RC_OK or arrival.status != DONE):
        arrival = None
    if not _unknown_on(cluster, rsc, target) and not _newer_state(cluster, rsc.id, target, entry, arrival):
        target_node = cluster.find_node(target)
        if target_node is not None and target_node.online:
            add_running(cluster, rsc, target_node, failed=False)
    elif not _state_changed_after(cluster, rsc.id, source, entry):
        rsc.dangling_sources.append(node)


def migrate_from_failed(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """migrate_from failed on the target: the source still has the resource, unless something newer says not."""
    from standfast.scheduler.unpack.history import add_running

    source, target = entry.migrate_source, entry.migrate_target
    if not source or not target or target.lower() != node.name.lower():
        return
    rsc.role = Role.STARTED
    departure = _find(cluster, rsc.id, source, "migrate_to", entry)
    if departure is not None and (departure.rc != RC_OK or departure.status != DONE):
        departure = None
    if not _unknown_on(cluster, rsc, source) and not _newer_state(cluster, rsc.id, source, departure, entry):
        source_node = cluster.find_node(source)
        if source_node is not None and source_node.online:
            add_running(cluster, rsc, source_node, failed=True)
