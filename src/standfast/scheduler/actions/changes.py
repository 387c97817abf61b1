"""Changes of configuration: operations that ran with other parameters than those of today, agents that were exchanged,
resources that were removed."""

from __future__ import annotations

from standfast.base.report import notice
from standfast.scheduler.actions.core import set_reason
from standfast.scheduler.actions.digests import compare_digest, needs_host_address, only_private_changed, restart_digest
from standfast.scheduler.actions.meta import find_config
from standfast.scheduler.actions.ops import get_action
from standfast.scheduler.actions.recurring import reschedule, schedule_cancel
from standfast.scheduler.fencing.unfencing import trigger_unfencing
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_ORDERED,
    AR_THEN_CANCELS_FIRST,
    Cluster,
    Node,
    Resource,
    Variant,
    walk,
)
from standfast.scheduler.orderings.new import new_ordering, order_tasks
from standfast.scheduler.unpack.entries import History, HistoryEntry
from standfast.scheduler.unpack.failcounts import clear_failcount, fail_count

Agent = tuple[str | None, str | None, str | None]
"""Class, provider, type."""


def handle_config_changes(cluster: Cluster) -> None:
    """Compare every history with the configuration, on nodes that can act on the difference."""
    by_name: dict[str | None, list[tuple[Resource, Agent]]] = {}
    for rsc in walk(cluster.awake()):
        if rsc.variant == Variant.PRIMITIVE:
            agent = rsc.xml.get("class"), rsc.xml.get("provider"), rsc.xml.get("type")
            for name in {rsc.id, rsc.history_id} - {""}:
                by_name.setdefault(name, []).append((rsc, agent))
    for found in by_name.values():
        found.reverse()
    for node in cluster.nodes:
        if not (node.maintenance or node.available()):
            continue
        for history in cluster.node_history.get(node.name, ()):
            for rsc, agent in by_name.get(history.id, ()) if history.entries else ():
                if rsc.removed or history.agent != agent or node in rsc.active_nodes:
                    cluster.watch.about = rsc.top()
                    _process(cluster, rsc, node, history, is_exchanged=history.agent != agent)
    cluster.watch.about = None


def _process(cluster: Cluster, rsc: Resource, node: Node, history: History, *, is_exchanged: bool) -> None:
    if rsc.removed:
        top = rsc.top()
        if top.variant != Variant.CLONE or top.unique:
            schedule_cleanup(cluster, rsc, node, optional=False)
        return
    active = node in rsc.active_nodes
    if is_exchanged:
        _agent_changed(cluster, rsc, node, active)
        schedule_cleanup(cluster, rsc, node, optional=False)
    if not active:
        return
    start, stop = history.active_range
    if start < stop:
        return
    for index, entry in enumerate(history.ordered):
        if index < start:
            continue
        if entry.interval_ms > 0 and (rsc.maintenance or node.maintenance):
            schedule_cancel(cluster, rsc, entry.raw_call, entry.task, entry.interval_ms, node)
        elif entry.interval_ms > 0 or entry.task in ("monitor", "start", "promote", "migrate_from"):
            if needs_host_address(cluster, rsc):
                cluster.deferred_checks.append((rsc, node, entry, True))
                continue
            changed = _check_entry(cluster, rsc, node, entry)
            if changed and fail_count(cluster, node, rsc).count != 0:
                clear_failcount(cluster, rsc, node, "action definition changed")


def check_deferred(cluster: Cluster) -> None:
    """What could not be compared before containers had their place: connections whose address is their host's."""
    for rsc, node, entry, active in cluster.deferred_checks:
        if active:
            if _check_entry(cluster, rsc, node, entry) and fail_count(cluster, node, rsc).count != 0:
                clear_failcount(cluster, rsc, node, "action definition changed")
        elif compare_digest(cluster, rsc, node, entry).result not in ("unknown", "match"):
            clear_failcount(cluster, rsc, node, "resource parameters have changed")


def _agent_changed(cluster: Cluster, rsc: Resource, node: Node, active: bool) -> None:
    trigger_unfencing(cluster, rsc, node, "Device definition changed")
    if active:
        cluster.tell(notice("scheduler.agent-changed", f"{rsc.id} on {node.name} is restarted", "its agent changed"))
        get_action(cluster, rsc, "stop", node, optional=False)
        rsc.start_pending = True


def schedule_cleanup(cluster: Cluster, rsc: Resource, node: Node, optional: bool) -> None:
    """Let the executor on `node` forget a resource that is gone or exchanged."""
    if rsc.failed or node.unclean or not node.online:
        return
    flag = AR_FIRST_IMPLIES_THEN if optional else AR_ORDERED
    get_action(cluster, rsc, "delete", node, optional)
    order_tasks(cluster, rsc, "stop", rsc, "delete", flag)
    order_tasks(cluster, rsc, "delete", rsc, "start", flag)


def _check_entry(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> bool:
    """Whether the operation's definition changed; schedules what follows from that."""
    interval = entry.interval_ms
    if interval > 0 and find_config(rsc, entry.task, interval, include_disabled=False) is None:
        if cluster.cancel_removed:
            schedule_cancel(cluster, rsc, entry.raw_call, entry.task, interval, node)
        return True
    task = entry.task
    if interval == 0 and task in ("monitor", "migrate_from", "promote"):
        task = "start"
    digest = compare_digest(cluster, rsc, node, entry)
    result = digest.result
    if result == "match":
        return False
    if only_private_changed(entry, digest):
        return False
    if result == "restart":
        _force_restart(cluster, rsc, task, interval, node)
    elif interval > 0:
        reschedule(cluster, rsc, task, interval, node)
    elif restart_digest(cluster, entry) is not None:
        trigger_unfencing(cluster, rsc, node, "Device parameters changed (reload)")
        _schedule_reload(cluster, rsc, node)
    else:
        _force_restart(cluster, rsc, task, interval, node)
    return True


def _force_restart(cluster: Cluster, rsc: Resource, task: str, interval: int, node: Node) -> None:
    required = get_action(cluster, rsc, task, None, optional=False, interval_ms=interval)
    set_reason(required, "resource definition change", overwrite=True)
    trigger_unfencing(cluster, rsc, node, "Device parameters changed")


def _schedule_reload(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """Only parameters changed that the agent can reload: no restart, unless something else needs one."""
    if not rsc.managed or rsc.failed:
        return
    if rsc.start_pending:
        get_action(cluster, rsc, "stop", node, optional=False)
        return
    rsc.reload = True
    reload = get_action(cluster, rsc, "reload-agent", node, optional=False)
    set_reason(reload, "resource definition change", overwrite=False)
    new_ordering(cluster, reload, (rsc, "stop"), AR_ORDERED | AR_THEN_CANCELS_FIRST)
    new_ordering(cluster, reload, (rsc, "demote"), AR_ORDERED | AR_THEN_CANCELS_FIRST)


def clear_removed_failcounts(cluster: Cluster) -> None:
    """Forget the failures of resources that are no longer configured."""
    if not cluster.stop_removed:
        return
    for rsc in cluster.resources:
        if not rsc.removed:
            continue
        for node in cluster.nodes:
            if node.online and fail_count(cluster, node, rsc).count:
                op = clear_failcount(cluster, rsc, node, "it is removed")
                new_ordering(cluster, op, (rsc, "stop"), AR_ORDERED)
