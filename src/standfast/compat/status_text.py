"""The `status` reply to the text that `crm_mon -1 -r` of Pacemaker 2.1.5 prints, and its variants by option.

Owns: every word, order and indent, because people and scripts know them (lib/pengine/pe_output.c, native.c, group.c, clone.c of
2.1.5). Does not own: the situation itself, nor the options' letters. Pure: dates come from `date`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from standfast.api.status import situation_from_json
from standfast.base.boolean import is_true
from standfast.base.situation import FailCount, NodeStatus, OperationStatus, ResourceStatus, Situation
from standfast.compat.dates import Date, ctime_text, iso_text
from standfast.compat.exit_codes import execution_text, interval_text, is_masked_probe, ocf_text
from standfast.compat.fencing_text import sections as fencing_sections
from standfast.compat.status_page import FULL, Page, View, count_text, sorted_nodes
from standfast.compat.status_resources import (
    base_id,
    brief_lines,
    is_internal,
    is_wanted,
    leaves,
    placed,
    resource_text,
    resources_section,
)

INFINITY = 1_000_000
STATES = {
    "starting": "Pacemaker daemons are starting",
    "joining": "Pacemaker daemons are starting",
    "stopping": "Pacemaker daemons are shutting down",
}
_HIDDEN_ATTRIBUTES = ("fail-count", "last-failure", "shutdown", "terminate", "standby", "#")


def render(status: Mapping[str, Any], view: View = FULL, date: Date = ctime_text) -> str:
    """The whole text for a `status` reply (api/protocol.py). Raises Malformed when the reply is not what it should be."""
    situation = situation_from_json(status["situation"])
    sections = [_summary(status, situation, view, date) if view.headers else []]
    if view.nodes:
        sections.append(_nodes(situation, view))
    if view.resources:
        sections.append(resources_section(situation, view))
    if view.attributes:
        sections.append(attributes_section(situation, view))
    if view.operations or view.fail_counts:
        sections.append(history_section(situation, view, date))
    if view.failures:
        sections.append(failures_section(situation, view, date))
    for title, sentences in fencing_sections(status.get("fencing", ()), view.fencing) if view.fencing else ():
        page = Page()
        page.begin(title)
        for text in sentences:
            page.item(text)
        sections.append(page.lines)
    lines = "\n\n".join("\n".join(section) for section in sections if section)
    return lines + "\n" if lines else ""


def render_simple(status: Mapping[str, Any]) -> tuple[str, bool]:
    """`crm_mon -s`: one line, and whether all is well."""
    situation = situation_from_json(status["situation"])
    offline = [node.name for node in sorted_nodes(situation) if not node.online]
    online = [node for node in situation.nodes if node.online]
    if offline or not status["dc"]:
        words = (["No DC"] if not status["dc"] else []) + (
            [" ".join(f"offline node: {name}" for name in offline)] if offline else []
        )
        return f"CLUSTER WARN: {', '.join(words)}\n", False
    standby = sum(node.standby for node in online)
    maintenance = sum(node.maintenance and not node.standby for node in online)
    text = f"CLUSTER OK: {count_text(len(online) - standby - maintenance, 'node')} online"
    text += f", {count_text(standby, 'standby node')}" if standby else ""
    text += f", {count_text(maintenance, 'maintenance node')}" if maintenance else ""
    return f"{text}, {count_text(situation.instances, 'resource instance')} configured\n", True


# ---- summary ----------------------------------------------------------------------------------------------------------


def _summary(status: Mapping[str, Any], situation: Situation, view: View, date: Date) -> list[str]:
    page = Page()
    if view.daemon:
        state = STATES.get(status["local_state"], "Pacemaker is running")
        page.item(f"Status of pacemakerd: '{state}' (last updated {iso_text(int(status['now_s']))})")
    page.begin("Cluster Summary")
    page.item(f"Stack: {status['stack']}")
    page.item(f"Current DC: {_dc(status, situation, view)}")
    page.item(f"Last updated: {date(int(status['now_s']))}")
    page.item(f"Last change:  {last_change(status)}")
    page.item(f"{count_text(len(situation.nodes), 'node')} configured")
    page.item(f"{count_text(situation.instances, 'resource instance')} configured{_troubled(situation)}")
    options = dict(situation.options)
    if view.options:
        for line in _options(options):
            page.item(line)
    if is_true(options.get("maintenance-mode", "")):
        page.lines += ["", "              *** Resource management is DISABLED ***"]
        page.lines.append("  The cluster will not attempt to start, stop or recover services")
    elif is_true(options.get("stop-all-resources", "")):
        page.lines += ["", "    *** Resource management is DISABLED ***", "  The cluster will keep all resources stopped"]
    return page.lines


def last_change(status: Mapping[str, Any]) -> str:
    """`DATE by USER via CLIENT on NODE`, what is unknown left out."""
    text = str(status["last_change"])
    for word, key in (("by", "last_change_user"), ("via", "last_change_client"), ("on", "last_change_node")):
        text += f" {word} {status[key]}" if status[key] else ""
    return text


def _dc(status: Mapping[str, Any], situation: Situation, view: View) -> str:
    node = next((node for node in situation.nodes if node.name == status["dc"]), None)
    if not status["dc"]:
        return "NONE"
    name = display_name(node, view) if node else status["dc"]
    mixed = "MIXED-VERSION " if is_mixed(situation) else ""
    quorum = "with" if status["quorate"] else "WITHOUT"
    return f"{name} (version {status['dc_version'] or 'unknown'}) - {mixed}partition {quorum} quorum"


def is_mixed(situation: Situation) -> bool:
    """Whether online nodes report different feature sets."""
    found = {dict(node.attributes).get("#feature-set", "") for node in situation.nodes if node.online and node.kind == "member"}
    return len(found - {""}) > 1


def _troubled(situation: Situation) -> str:
    disabled, blocked = situation.disabled, situation.blocked
    if disabled and blocked:
        return f" ({disabled} DISABLED, {blocked} BLOCKED from further action due to failure)"
    if disabled:
        return f" ({disabled} DISABLED)"
    return f" ({blocked} BLOCKED from further action due to failure)" if blocked else ""


def _options(options: Mapping[str, str]) -> list[str]:
    policy = {
        "freeze": "Freeze resources",
        "demote": "Demote promotable resources and stop all other resources",
        "ignore": "Ignore",
        "suicide": "Suicide",
    }.get(options.get("no-quorum-policy", "stop"), "Stop ALL resources")
    return [
        f"STONITH of failed nodes {'enabled' if is_true(options.get('stonith-enabled', 'true')) else 'disabled'}",
        f"Cluster is {'symmetric' if is_true(options.get('symmetric-cluster', 'true')) else 'asymmetric'}",
        f"No quorum policy: {policy}",
    ]


# ---- nodes ------------------------------------------------------------------------------------------------------------


def display_name(node: NodeStatus, view: View) -> str:
    """The name, with the id (of a guest, the host) when details are wanted."""
    name = f"{node.name}@{node.host}" if view.detail and node.launcher else node.name
    return f"{name} ({node.id})" if view.detail and node.id.lower() != node.name.lower() else name


def _prefix(node: NodeStatus) -> str:
    if node.launcher:
        return "Guest"
    return "Remote" if node.kind == "remote" else ""


def _is_shown(node: NodeStatus, view: View) -> bool:
    return not view.only_node or node.name.lower() == view.only_node.lower()


def _nodes(situation: Situation, view: View) -> list[str]:
    page = Page()
    shown = [node for node in sorted_nodes(situation) if _is_shown(node, view)]
    if not shown:
        return []
    page.begin("Node List")
    lists: dict[str, list[str]] = {"Online": [], "OFFLINE": [], "RemoteOnline": [], "RemoteOFFLINE": [], "GuestOnline": []}
    for node in shown:
        if _is_special(node) or view.by_node or view.detail:
            _node(page, node, situation, view)
        else:
            title = _prefix(node) + ("Online" if node.online else "OFFLINE")
            if title in lists:  # a guest that is down is not shown
                lists[title].append(display_name(node, view))
    for title, names in lists.items():
        if names:
            page.item(f"{title}: [ {' '.join(names)} ]")
    return page.lines


def feature_set(node: NodeStatus) -> str:
    """The version of the operations that a node understands; the attribute exists since 3.15.1."""
    return dict(node.attributes).get("#feature-set", "<3.15.1")


def _is_special(node: NodeStatus) -> bool:
    """Whether a node has a line of its own."""
    on_fail = node.standby_onfail and node.online
    return node.unclean or node.pending or on_fail or node.standby or node.maintenance or node.health != "green"


def node_state(node: NodeStatus) -> str:
    """The words behind a node's name."""
    if node.unclean:
        return "UNCLEAN (online)" if node.online else "UNCLEAN (pending)" if node.pending else "UNCLEAN (offline)"
    if node.pending:
        return "pending"
    if node.standby_onfail and node.online:
        return "standby (on-fail)"
    if node.standby:
        if not node.online:
            return "OFFLINE (standby)"
        return "standby (with active resources)" if node.resources_running else "standby"
    if node.maintenance:
        return "maintenance" if node.online else "OFFLINE (maintenance)"
    return "online" if node.online else "OFFLINE"


def _node(page: Page, node: NodeStatus, situation: Situation, view: View) -> None:
    text = f"{_prefix(node)}Node {display_name(node, view)}: {node_state(node)}"
    text += {"red": " (health is RED)", "yellow": " (health is YELLOW)"}.get(node.health, "")
    if view.detail and node.online and node.kind == "member":
        text += f", feature set {feature_set(node)}"
    if not view.by_node:
        page.item(text)
        return
    running = [
        (leaf, clone)
        for leaf, clone in placed(situation, node.name)
        if is_wanted(leaf, view) and (view.detail or not is_internal(leaf))
    ]
    if view.brief and not running:
        return
    page.begin(text)
    page.begin("Resources")
    if view.brief:
        brief_lines(page, [leaf for leaf, _ in running], inactive=False, with_nodes=False, on=node.name)
    else:
        for leaf, clone in running:
            page.item(resource_text(leaf, situation, with_node=False, parent=clone))
    page.end()
    page.end()


# ---- attributes, history, failures ------------------------------------------------------------------------------------


def shown_attributes(node: NodeStatus) -> list[tuple[str, str]]:
    """Attributes that people set or want to see, by name."""
    return sorted((name, value) for name, value in node.attributes if not name.startswith(_HIDDEN_ATTRIBUTES))


def _connectivity(value: str, expected: str | None) -> str:
    """What a ping resource's attribute says, where that is bad news."""
    if expected is None:
        return ""
    reached, wanted = (int(text) if text.isdecimal() else 0 for text in (value, expected))
    if not reached:
        return "\t: Connectivity is lost"
    return f"\t: Connectivity is degraded (Expected={expected})" if reached < wanted else ""


def attributes_section(situation: Situation, view: View) -> list[str]:
    """Attributes of the nodes that are online; no lines where there are none."""
    page = Page()
    page.begin("Node Attributes")
    for node in sorted_nodes(situation):
        if node.online and _is_shown(node, view) and shown_attributes(node):
            page.begin(f"Node: {display_name(node, view)}")
            for name, value in shown_attributes(node):
                page.item(f"{name:<32}\t: {value:<10}{_connectivity(value, dict(node.expected).get(name))}")
            page.end()
    return page.lines if len(page.lines) > 1 else []


def history_section(situation: Situation, view: View, date: Date) -> list[str]:
    """Operations by node and resource, or the fail counts alone."""
    page = Page()
    first = {operation.node: at for at, operation in reversed(list(enumerate(situation.operations)))}
    online = [node for node in situation.nodes if node.online and _is_shown(node, view)]
    online.sort(key=lambda node: first.get(node.name, len(first)))  # the order of the status section
    if not online:
        return []
    page.begin("Operations" if view.operations else "Migration Summary")
    for node in online:
        before = len(page.lines)
        page.begin(f"Node: {display_name(node, view)}")
        for resource, operations in node_history(situation, node.name):
            count = fail_count(situation, resource, node.name)
            if not is_wanted(ResourceStatus(resource, "primitive"), view) or not (view.operations or count.count):
                continue
            title = f"{resource}: {history_text(count, date)}"
            if not view.operations:
                page.item(title)
                continue
            page.begin(title)
            for operation in operations:
                page.item(_operation(operation, view, date))
            page.end()
        page.end()
        if len(page.lines) == before + 1:
            page.lines.pop()
    return page.lines


def node_history(situation: Situation, node: str) -> list[tuple[str, list[OperationStatus]]]:
    """By resource, in the order of the history: the operations worth showing, by call. Notifications and probes that found
    nothing are not shown."""
    found: dict[str, list[OperationStatus]] = {}
    for operation in situation.operations:
        if operation.node != node or operation.task == "notify":
            continue
        if task_name(operation) == "probe" and operation.rc == 7:
            continue
        found.setdefault(operation.resource, []).append(operation)
    return [(resource, sorted(operations, key=_call_order)) for resource, operations in found.items()]


def _call_order(operation: OperationStatus) -> tuple[bool, int]:
    """By call; an operation that is under way has none yet, and is the latest."""
    return operation.call < 0, operation.call


def fail_count(situation: Situation, resource: str, node: str) -> FailCount:
    """The failures of a resource on a node; none, with the threshold of the resource, when nothing failed."""
    for count in situation.fail_counts:
        if base_id(count.resource) == base_id(resource) and count.node == node:
            return count
    meta = next((dict(leaf.meta) for leaf in leaves(situation.resources) if base_id(leaf.id) == base_id(resource)), {})
    text = meta.get("migration-threshold", "")
    return FailCount(resource, node, 0, int(text) if text.isdecimal() else INFINITY, 0)


def history_text(count: FailCount, date: Date) -> str:
    """`migration-threshold=N fail-count=N last-failure='DATE'`."""
    text = f"migration-threshold={count.threshold}"
    text += f" fail-count={count.count}" if count.count else ""
    return text + (f" last-failure='{date(count.last_failure_s)}'" if count.last_failure_s else "")


def task_name(operation: OperationStatus) -> str:
    """The task, where a monitor without interval is a probe."""
    return "probe" if operation.task == "monitor" and not operation.interval_ms else operation.task


def _operation(operation: OperationStatus, view: View, date: Date) -> str:
    interval = f' interval="{operation.interval_ms}ms"' if operation.interval_ms else ""
    if not view.timing:
        return f"({operation.call}) {task_name(operation)}" + (f":{interval}" if interval else "")
    changed = f' last-rc-change="{date(operation.last_rc_change_s)}"' if operation.last_rc_change_s else ""
    spent = "" if operation.exec_ms is None else f' exec-time="{operation.exec_ms}ms"'
    spent += "" if operation.queue_ms is None else f' queue-time="{operation.queue_ms}ms"'
    return f"({operation.call}) {task_name(operation)}:{interval}{changed}{spent} rc={operation.rc} ({ocf_text(operation.rc)})"


def shown_failures(situation: Situation, view: View) -> list[OperationStatus]:
    """Failures to show: probes that found nothing installed are masked."""
    return [
        operation
        for operation in situation.failures
        if not is_masked_probe(operation.task, operation.interval_ms, operation.rc, operation.status)
        and (not view.only_node or operation.node.lower() == view.only_node.lower())
        and (not view.only_resource or base_id(operation.resource) == view.only_resource)
    ]


def failures_section(situation: Situation, view: View, date: Date) -> list[str]:
    """Failed operations, in technical or in friendly words; no lines where there are none."""
    failures = shown_failures(situation, view)
    if not failures:
        return []
    page = Page()
    page.begin("Failed Resource Actions")
    for operation in failures:
        page.item(_technical(operation, date) if view.detail else _friendly(operation, date))
    return page.lines


def _friendly(operation: OperationStatus, date: Date) -> str:
    interval = f"{interval_text(operation.interval_ms)}-interval " if operation.interval_ms else ""
    task = "probe" if task_name(operation) == "probe" else operation.task
    text = f"{_subject(operation)} {interval}{task} on {operation.node}"
    if operation.status == 0:
        text += f" returned '{ocf_text(operation.rc)}'" + (f" ({operation.exit_reason})" if operation.exit_reason else "")
    else:
        reason = f": {operation.exit_reason}" if operation.exit_reason else ""
        text += f" could not be executed ({execution_text(operation.status)}{reason})"
    text += f" at {date(operation.last_rc_change_s)}" if operation.last_rc_change_s else ""
    return text + (f" after {interval_text(operation.exec_ms)}" if operation.exec_ms and operation.exec_ms > 0 else "")


def _subject(operation: OperationStatus) -> str:
    """The resource as the operation's key names it: an instance of a unique clone keeps its number."""
    tail = f"_{operation.task}_{operation.interval_ms}"
    return operation.key.removesuffix(tail) if operation.key.endswith(tail) else base_id(operation.resource)


def _technical(operation: OperationStatus, date: Date) -> str:
    key = operation.key or f"{operation.resource}_{operation.task}_{operation.interval_ms}"
    text = f"{key} on {operation.node} '{ocf_text(operation.rc)}' ({operation.rc}): call={operation.call}"
    text += f", status='{execution_text(operation.status)}'"
    text += f", exitreason='{operation.exit_reason}'" if operation.exit_reason else ""
    text += f", last-rc-change='{date(operation.last_rc_change_s)}'" if operation.last_rc_change_s else ""
    text += "" if operation.queue_ms is None else f", queued={operation.queue_ms}ms"
    return text + ("" if operation.exec_ms is None else f", exec={operation.exec_ms}ms")
