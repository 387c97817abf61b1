"""The `status` reply as `crm_mon --output-as=xml` of Pacemaker 2.1.5 writes it (schema api-version 2.25).

Owns: elements, attributes and their order: agents such as galera and redis read single lines with grep. Does not own: the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from standfast.api.status import situation_from_json
from standfast.base.boolean import is_true
from standfast.base.situation import NodeStatus, OperationStatus, ResourceStatus, Situation
from standfast.compat.dates import Date, ctime_text, iso_text
from standfast.compat.exit_codes import execution_text, ocf_text
from standfast.compat.fencing_text import attributes as fence_event
from standfast.compat.status_page import FULL, View, sorted_nodes
from standfast.compat.status_resources import base_id, is_disabled, is_fully_active, is_promotable, is_unique, is_wanted, placed
from standfast.compat.status_text import (
    fail_count,
    feature_set,
    is_mixed,
    node_history,
    shown_attributes,
    shown_failures,
    task_name,
)
from standfast.compat.xml_text import tag

API_VERSION = "2.25"
PACEMAKER_VERSION = "2.1.5"
_POLICIES = ("freeze", "stop", "demote", "ignore", "suicide")
_UNITS_MS = {"": 1000, "s": 1000, "sec": 1000, "ms": 1, "msec": 1, "m": 60_000, "min": 60_000, "h": 3_600_000, "hr": 3_600_000}


class Tree:
    """Lines with indents: `leaf` and `open`/`close`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: list[str] = []

    def leaf(self, name: str, /, **attributes: str | None) -> None:
        """An element without children. Underscores at an end keep a name from being a Python word."""
        self.lines.append("  " * len(self._names) + tag(name, _named(attributes)))

    def open(self, name: str, /, **attributes: str | None) -> None:
        """The start of an element."""
        self.lines.append("  " * len(self._names) + tag(name, _named(attributes), is_open=True))
        self._names.append(name)

    def text(self, name: str, /, content: str) -> None:
        """An element that holds a text."""
        safe = content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        self.lines.append("  " * len(self._names) + tag(name, {}, is_open=True) + f"{safe}</{name}>")

    def close(self) -> None:
        """The end of the innermost element; one that got no children is written empty."""
        name = self._names.pop()
        start = "  " * len(self._names) + f"<{name}"
        if self.lines[-1].startswith((start + ">", start + " ")) and not self.lines[-1].endswith("/>"):
            self.lines[-1] = self.lines[-1][:-1] + "/>"
        else:
            self.lines.append("  " * len(self._names) + f"</{name}>")


def _named(attributes: Mapping[str, str | None]) -> dict[str, str | None]:
    """`last_rc_change__` is written last-rc-change: two underscores at the end turn the others into dashes."""
    return {(name[:-2].replace("_", "-") if name.endswith("__") else name): value for name, value in attributes.items()}


def _bool(value: object) -> str:
    return "true" if value else "false"


def render_xml(
    status: Mapping[str, Any], request: str, view: View = FULL, *, legacy: bool = False, date: Date = ctime_text
) -> str:
    """The whole document. `request` is the command line; `legacy` is `crm_mon -X`: the same body in <crm_mon>."""
    situation = situation_from_json(status["situation"])
    tree = Tree()
    if legacy:
        tree.open("crm_mon", version=PACEMAKER_VERSION)
    else:
        tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    if view.headers:
        state = {"starting": "starting_daemons", "stopping": "shutting_down"}.get(status["local_state"], "running")
        tree.leaf("pacemakerd", sys_from="pacemakerd", state=state, last_updated=iso_text(int(status["now_s"])))
        _summary(tree, status, situation, date)
    status_body(tree, situation, view, date)
    if view.fencing and status.get("fencing"):
        tree.open("fence_history", status="0")
        for record in status["fencing"]:
            tree.leaf("fence_event", **{f"{name.replace('-', '_')}__": value for name, value in fence_event(record).items()})
        tree.close()
    if not legacy:
        tree.leaf("status", code="0", message="OK")
    tree.close()
    return "\n".join(tree.lines) + "\n"


def status_body(tree: Tree, situation: Situation, view: View, date: Date) -> None:
    """Nodes, resources and what else the view has, without the summary."""
    if view.nodes:
        _nodes(tree, situation, view)
    if view.resources and not (view.by_node and not view.inactive):
        shown = [item for item in situation.resources if is_wanted(item, view) and not (view.by_node and is_fully_active(item))]
        if shown:
            tree.open("resources")
            for resource in shown:
                _resource(tree, resource, situation, None)
            tree.close()
    if view.attributes:
        _attributes(tree, situation)
    if view.operations or view.fail_counts:
        _history(tree, situation, view, date)
    if view.failures:
        _failures(tree, situation, view)


def error_xml(request: str, code: int, message: str, sentences: list[str]) -> str:
    """The document of a failed request."""
    tree = Tree()
    tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    status_end(tree, code, message, sentences)
    tree.close()
    return "\n".join(tree.lines) + "\n"


def status_end(tree: Tree, code: int, message: str, sentences: list[str]) -> None:
    """How it went: the last element of every document."""
    if not sentences:
        tree.leaf("status", code=str(code), message=message)
        return
    tree.open("status", code=str(code), message=message)
    tree.open("errors")
    for sentence in sentences:
        tree.text("error", sentence)
    tree.close()
    tree.close()


def timings_xml(request: str, timings: Sequence[tuple[str, float]]) -> str:
    """The document of `crm_simulate --profile`: seconds by file."""
    tree = Tree()
    tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    if timings:
        tree.open("timings")
        for path, seconds in timings:
            tree.leaf("timing", file=path, duration=f"{seconds:.6f}")
        tree.close()
    status_end(tree, 0, "OK", [])
    tree.close()
    return "\n".join(tree.lines) + "\n"


def _summary(tree: Tree, status: Mapping[str, Any], situation: Situation, date: Date) -> None:
    tree.open("summary")
    tree.leaf("stack", type=status["stack"])
    dc = next((node for node in situation.nodes if node.name == status["dc"]), None)
    if not status["dc"]:
        tree.leaf("current_dc", present="false")
    else:
        tree.leaf(
            "current_dc",
            present="true",
            version=status["dc_version"],
            name=status["dc"],
            id=dc.id if dc else "",
            with_quorum=_bool(status["quorate"]),
            mixed_version=_bool(is_mixed(situation)),
        )
    tree.leaf("last_update", time=date(int(status["now_s"])))
    tree.leaf(
        "last_change",
        time=status["last_change"],
        user=status["last_change_user"],
        client=status["last_change_client"],
        origin=status["last_change_node"],
    )
    tree.leaf("nodes_configured", number=str(len(situation.nodes)))
    tree.leaf(
        "resources_configured",
        number=str(situation.instances),
        disabled=str(situation.disabled),
        blocked=str(situation.blocked),
    )
    _options(tree, dict(situation.options))
    tree.close()


def _options(tree: Tree, options: Mapping[str, str]) -> None:
    policy = options.get("no-quorum-policy", "stop")
    tree.leaf(
        "cluster_options",
        stonith_enabled__=_bool(is_true(options.get("stonith-enabled", "true"))),
        symmetric_cluster__=_bool(is_true(options.get("symmetric-cluster", "true"))),
        no_quorum_policy__=policy if policy in _POLICIES else "stop",
        maintenance_mode__=_bool(is_true(options.get("maintenance-mode", "false"))),
        stop_all_resources__=_bool(is_true(options.get("stop-all-resources", "false"))),
        stonith_timeout_ms__=str(_milliseconds(options.get("stonith-timeout", "60s"))),
        priority_fencing_delay_ms__=str(_milliseconds(options.get("priority-fencing-delay", "0"))),
    )


def _milliseconds(text: str) -> int:
    """A duration as crm_get_msec reads it; 0 where it is none."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip()
    return int(number) * _UNITS_MS[unit] if number.isdecimal() and unit in _UNITS_MS else 0


def _nodes(tree: Tree, situation: Situation, view: View) -> None:
    tree.open("nodes")
    for node in sorted_nodes(situation):
        if view.only_node and node.name.lower() != view.only_node.lower():
            continue
        tree.open("node", **_node(node))
        if view.by_node:
            for leaf, clone in placed(situation, node.name):
                _primitive(tree, leaf, situation, clone)
        tree.close()
    tree.close()


def _node(node: NodeStatus) -> dict[str, str | None]:
    return {
        "name": node.name,
        "id": node.id,
        "online": _bool(node.online),
        "standby": _bool(node.standby),
        "standby_onfail": _bool(node.standby_onfail),
        "maintenance": _bool(node.maintenance),
        "pending": _bool(node.pending),
        "unclean": _bool(node.unclean),
        "health": node.health,
        "feature_set": feature_set(node) if node.online and node.kind == "member" else None,
        "shutdown": _bool(node.shutdown),
        "expected_up": _bool(node.online and not node.shutdown if node.expected_up is None else node.expected_up),
        "is_dc": _bool(node.is_dc),
        "resources_running": str(node.resources_running),
        "type": node.kind,
        "id_as_resource": node.launcher or None,
    }


def _resource(tree: Tree, resource: ResourceStatus, situation: Situation, clone: ResourceStatus | None) -> None:
    if resource.kind == "primitive":
        _primitive(tree, resource, situation, clone)
        return
    managed = _bool(resource.managed and not resource.maintenance)
    if resource.kind == "clone":
        tree.open(
            "clone",
            id=resource.id,
            multi_state=_bool(is_promotable(resource)),
            unique=_bool(is_unique(resource)),
            managed=managed,
            disabled=_bool(is_disabled(resource)),
            failed=_bool(resource.failed),
            failure_ignored=_bool(resource.failure_ignored),
            target_role=resource.target_role or next((child.target_role for child in resource.children[:1]), "") or None,
        )
        clone = resource
    elif resource.kind == "bundle":
        tree.open(
            "bundle",
            id=resource.id,
            type=resource.agent,
            image=resource.label,
            unique=_bool(is_unique(resource)),
            managed=managed,
            failed=_bool(resource.failed),
        )
    elif resource.kind == "replica":
        tree.open("replica", id=resource.id)
    else:
        number = str(len(resource.children))
        tree.open("group", id=resource.id, number_resources=number, managed=managed, disabled=_bool(is_disabled(resource)))
    for child in resource.children:
        _resource(tree, child, situation, clone)
    tree.close()


def _primitive(tree: Tree, resource: ResourceStatus, situation: Situation, clone: ResourceStatus | None) -> None:
    tree.open(
        "resource",
        id=resource.id if clone is not None and is_unique(clone) else base_id(resource.id),
        resource_agent=resource.agent,
        role=resource.role,
        target_role=resource.target_role or None,
        active=_bool(resource.active),
        orphaned=_bool(resource.orphaned),
        blocked=_bool(resource.blocked),
        managed=_bool(resource.managed and not resource.maintenance),
        failed=_bool(resource.failed),
        failure_ignored=_bool(resource.failure_ignored),
        nodes_running_on=str(len(resource.nodes)),
        pending=resource.pending or None,
    )
    by_name = {node.name: node for node in situation.nodes}
    for name in resource.nodes:
        node = by_name.get(name)
        tree.leaf("node", name=name, id=node.id if node else "", cached=_bool(node is not None and node.online))
    tree.close()


def _attributes(tree: Tree, situation: Situation) -> None:
    shown = [node for node in sorted_nodes(situation) if node.online and shown_attributes(node)]
    if not shown:
        return
    tree.open("node_attributes")
    for node in shown:
        tree.open("node", name=node.name)
        expected = dict(node.expected)
        for name, value in shown_attributes(node):
            tree.leaf("attribute", name=name, value=value, expected=expected.get(name))
        tree.close()
    tree.close()


def _history(tree: Tree, situation: Situation, view: View, date: Date) -> None:
    order = {operation.node: at for at, operation in reversed(list(enumerate(situation.operations)))}
    online = [node for node in situation.nodes if node.online]
    if not online:
        return
    tree.open("node_history")
    for node in sorted(online, key=lambda node: order.get(node.name, len(order))):
        history = [
            (resource, operations)
            for resource, operations in node_history(situation, node.name)
            if view.operations or fail_count(situation, resource, node.name).count
        ]
        if history:
            tree.open("node", name=node.name)
            for resource, operations in history:
                _resource_history(tree, situation, node.name, resource, operations, view, date)
            tree.close()
    tree.close()


def _resource_history(
    tree: Tree, situation: Situation, node: str, resource: str, operations: list[OperationStatus], view: View, date: Date
) -> None:
    count = fail_count(situation, resource, node)
    tree.open(
        "resource_history",
        id=resource,
        orphan="false",
        migration_threshold__=str(count.threshold),
        fail_count__=str(count.count) if count.count else None,
        last_failure__=date(count.last_failure_s) if count.last_failure_s else None,
    )
    for operation in operations if view.operations else ():
        timed = view.timing
        tree.leaf(
            "operation_history",
            call=str(operation.call),
            task=task_name(operation),
            rc=str(operation.rc),
            rc_text=ocf_text(operation.rc),
            interval=f"{operation.interval_ms}ms" if operation.interval_ms else None,
            last_rc_change__=date(operation.last_rc_change_s) if timed and operation.last_rc_change_s else None,
            exec_time__=f"{operation.exec_ms}ms" if timed and operation.exec_ms is not None else None,
            queue_time__=f"{operation.queue_ms}ms" if timed and operation.queue_ms is not None else None,
        )
    tree.close()


def _failures(tree: Tree, situation: Situation, view: View) -> None:
    failures = shown_failures(situation, view)
    if not failures:
        return
    tree.open("failures")
    for operation in failures:
        dated = operation.last_rc_change_s > 0
        made_up = f"{operation.resource}_{operation.task}_{operation.interval_ms}"
        tree.leaf(
            "failure",
            **{"op_key" if operation.has_key else "id": operation.key or made_up},
            node=operation.node,
            exitstatus=ocf_text(operation.rc),
            exitreason="none" if operation.exit_reason is None else operation.exit_reason,
            exitcode=str(operation.rc),
            call=str(operation.call),
            status=execution_text(operation.status),
            last_rc_change__=iso_text(operation.last_rc_change_s) if dated else None,
            queued=str(operation.queue_ms) if dated and operation.queue_ms is not None else None,
            exec=str(operation.exec_ms) if dated and operation.exec_ms is not None else None,
            interval=str(operation.interval_ms) if dated else None,
            task=operation.task if dated else None,
        )
    tree.close()
