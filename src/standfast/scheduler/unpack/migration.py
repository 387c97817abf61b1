"""Live migration in the history: finished, half done, failed, or left dangling. Both nodes' entries are read together."""

from __future__ import annotations

from standfast.base.report import error
from standfast.scheduler.memory import Cluster, Node, Resource
from standfast.scheduler.unpack.entries import DONE, PENDING, RC_NOT_RUNNING, RC_OK, HistoryEntry, newer
from standfast.scheduler.values import Role

RC_UNKNOWN = 193


def _find(cluster: Cluster, rsc_id: str, node: str, task: str, entry: HistoryEntry | None = None) -> HistoryEntry | None:
    """The entry of `task` in a resource's history on a node, for migrations the one between the same two nodes; None if there
    are several, as nobody can tell then which one counts."""
    found = [
        other
        for other in cluster.history.get((node, rsc_id), ())
        if other.task == task
        and (entry is None or task != "migrate_from" or other.migrate_source == entry.migrate_source)
        and (entry is None or task != "migrate_to" or other.migrate_target == entry.migrate_target)
    ]
    return found[0] if len(found) == 1 else None


def _unknown_on(cluster: Cluster, rsc: Resource, node: str) -> bool:
    return all(entry.rc in (None, RC_UNKNOWN) for entry in cluster.history.get((node, rsc.id), ()))


def _ends(cluster: Cluster, entry: HistoryEntry, node: Node, at: str) -> tuple[str, str] | None:
    """(source, target) of a migration; None unless it names both, and `node` as its source or target."""
    source, target = entry.migrate_source, entry.migrate_target
    why = ""
    if not source or not target:
        why = "without migrate_source and migrate_target"
    elif node.name.lower() != (source if at == "source" else target).lower():
        why = f"because migrate_{at}='{source if at == 'source' else target}' does not match {node.name}"
    if why or not source or not target:
        cluster.tell(error("scheduler.migration", f"Ignoring resource history entry {entry.id} {why}"))
        return None
    return source, target


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

    ends = _ends(cluster, entry, node, "source")
    if ends is None:
        return
    source, target = ends
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


def migration_failed(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """migrate_to failed on the source, or migrate_from on the target: the resource may be active on the other side (as well),
    unless something newer says not."""
    from standfast.scheduler.unpack.history import add_running

    leaving = entry.task == "migrate_to"
    ends = _ends(cluster, entry, node, "source" if leaving else "target")
    if ends is None:
        return
    source, target = ends
    rsc.role = Role.STARTED
    there = target if leaving else source
    half = _find(cluster, rsc.id, there, "migrate_from" if leaving else "migrate_to", entry)
    if half is not None and (half.rc != RC_OK or half.status != DONE):
        half = None
    departure, arrival = (entry, half) if leaving else (half, entry)
    if not _unknown_on(cluster, rsc, there) and not _newer_state(cluster, rsc.id, there, departure, arrival):
        other = cluster.find_node(there)
        if other is not None and other.online:
            add_running(cluster, rsc, other, failed=not leaving)
    elif leaving and not _state_changed_after(cluster, rsc.id, source, entry):
        rsc.dangling_sources.append(node)
