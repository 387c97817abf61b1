"""A `status` reply made from what Pacemaker's own `crm_mon --output-as=xml` said, so that its own text can be the expectation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lxml import etree

from standfast.api.status import situation_to_json
from standfast.base.situation import FailCount, NodeStatus, OperationStatus, ResourceStatus, Situation
from standfast.compat.exit_codes import execution_text

Element = etree._Element

STATUS_OF_TEXT = {execution_text(number): number for number in range(-1, 12)}
PENDING_ROLES = {"Starting", "Stopping", "Migrating", "Promoting", "Demoting"}


def status_of_xml(text: str, now_s: int) -> dict[str, Any]:
    """The reply that would make the same picture."""
    root = etree.fromstring(text.encode())
    summary = root.find("summary")
    assert summary is not None
    dc, change = _at(summary, "current_dc"), dict(_at(summary, "last_change").attrib)
    return {
        "stack": _at(summary, "stack").get("type"),
        "dc": dc.get("name", ""),
        "dc_version": dc.get("version", ""),
        "quorate": dc.get("with_quorum") == "true",
        "quorum_reason": "",
        "now_s": now_s,
        "last_change": str(change.get("time", "")),
        "last_change_user": str(change.get("user", "")),
        "last_change_client": str(change.get("client", "")),
        "last_change_node": str(change.get("origin", "")),
        "version": "0.0.0",
        "local_node": "node1",
        "local_state": "active",
        "situation": situation_to_json(_situation(root, summary)),
    }


def _at(parent: Element, name: str) -> Element:
    found = parent.find(name)
    return etree.Element(name) if found is None else found


def _situation(root: Element, summary: Element) -> Situation:
    options = dict(_at(summary, "cluster_options").attrib)
    counts = _at(summary, "resources_configured")
    nodes = tuple(_node(node, root) for node in root.findall("nodes/node"))
    operations, fail_counts = _history(root)
    return Situation(
        nodes=nodes,
        resources=tuple(_resource(item, nodes) for item in _at(root, "resources")),
        failures=tuple(_failure(item) for item in root.findall("failures/failure")),
        operations=operations,
        fail_counts=fail_counts,
        options=tuple((str(name), str(value)) for name, value in options.items()),
        instances=int(counts.get("number", "0")),
        disabled=int(counts.get("disabled", "0")),
        blocked=int(counts.get("blocked", "0")),
    )


def _is(item: Element, name: str) -> bool:
    return item.get(name) == "true"


def _node(node: Element, root: Element) -> NodeStatus:
    attributes = root.xpath(f"node_attributes/node[@name='{node.get('name')}']/attribute")
    found = [(str(item.get("name")), str(item.get("value"))) for item in attributes] if isinstance(attributes, list) else []
    if node.get("feature_set", "").startswith("3"):
        found.append(("#feature-set", node.get("feature_set", "")))
    return NodeStatus(
        name=node.get("name", ""),
        id=node.get("id", ""),
        kind=node.get("type", "member"),
        online=_is(node, "online"),
        standby=_is(node, "standby"),
        standby_onfail=_is(node, "standby_onfail"),
        maintenance=_is(node, "maintenance"),
        pending=_is(node, "pending"),
        unclean=_is(node, "unclean"),
        shutdown=_is(node, "shutdown"),
        is_dc=_is(node, "is_dc"),
        resources_running=int(node.get("resources_running", "0")),
        health=node.get("health", "green"),
        attributes=tuple(found),
    )


def _resource(item: Element, nodes: tuple[NodeStatus, ...]) -> ResourceStatus:
    kind = {"resource": "primitive"}.get(str(item.tag), str(item.tag))
    children = tuple(_resource(child, nodes) for child in item if child.tag != "node")
    names = tuple(node.get("name", "") for node in item.findall("node"))
    meta = [("promotable", item.get("multi_state", "false")), ("globally-unique", item.get("unique", "false"))]
    by_name = {node.name: node for node in nodes}
    here = by_name.get(names[0]) if len(names) == 1 else None
    return ResourceStatus(
        id=item.get("id", ""),
        kind=kind,
        agent=item.get("resource_agent", "").replace("::", ":"),
        role=item.get("role", "Stopped"),
        target_role=item.get("target_role", "Stopped" if _is(item, "disabled") else ""),
        nodes=names,
        active=_is(item, "active") if kind == "primitive" else all(child.active for child in children),
        orphaned=_is(item, "orphaned"),
        blocked=_is(item, "blocked"),
        managed=_is(item, "managed"),
        failed=_is(item, "failed"),
        failure_ignored=_is(item, "failure_ignored"),
        pending=item.get("pending", ""),
        unclean=here is not None and here.unclean and not here.online,
        children=children,
        meta=tuple(meta) if kind == "clone" else (),
    )


def _key(key: str) -> tuple[str, str, int]:
    resource, task, interval = key.rsplit("_", 2)
    for longer in ("migrate_to", "migrate_from"):
        if f"{resource}_{task}".endswith(f"_{longer}"):
            return f"{resource}_{task}".removesuffix(f"_{longer}"), longer, int(interval)
    return resource, task, int(interval)


def _failure(item: Element) -> OperationStatus:
    resource, task, interval_ms = _key(item.get("op_key") or str(item.get("id")))
    reason = item.get("exitreason", "")
    return OperationStatus(
        resource=resource,
        node=item.get("node", ""),
        task=task,
        interval_ms=interval_ms,
        call=int(item.get("call", "-1")),
        rc=int(item.get("exitcode", "0")),
        status=STATUS_OF_TEXT[item.get("status", "complete")],
        key=item.get("op_key", ""),
        last_rc_change_s=_seconds(item.get("last-rc-change")),
        exec_ms=int(item.get("exec", "0")),
        queue_ms=int(item.get("queued", "0")),
        exit_reason="" if reason == "none" else reason,
    )


def _seconds(text: str | None) -> int:
    """Of either form of date that crm_mon writes, in UTC."""
    if not text:
        return 0
    form = "%Y-%m-%d %H:%M:%SZ" if text.endswith("Z") else "%a %b %d %H:%M:%S %Y"
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())


def _history(root: Element) -> tuple[tuple[OperationStatus, ...], tuple[FailCount, ...]]:
    operations, counts = [], []
    for node in root.findall("node_history/node"):
        name = node.get("name", "")
        for entry in node.findall("resource_history"):
            resource = entry.get("id", "")
            count, threshold = int(entry.get("fail-count", "0")), int(entry.get("migration-threshold", "0"))
            if entry.get("orphan") == "false":
                counts.append(FailCount(resource, name, count, threshold, _seconds(entry.get("last-failure"))))
            for item in entry.findall("operation_history"):
                task = item.get("task", "")
                operations.append(
                    OperationStatus(
                        resource=resource,
                        node=name,
                        task="monitor" if task == "probe" else task,
                        interval_ms=int(item.get("interval", "0").removesuffix("ms")),
                        call=int(item.get("call", "0")),
                        rc=int(item.get("rc", "0")),
                        status=0,
                        key="",
                        last_rc_change_s=_seconds(item.get("last-rc-change")),
                        exec_ms=int(item.get("exec-time", "0").removesuffix("ms")),
                        queue_ms=int(item.get("queue-time", "0").removesuffix("ms")),
                    )
                )
    return tuple(operations), tuple(counts)
