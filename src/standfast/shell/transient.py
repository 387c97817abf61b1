"""Transient attributes of nodes: what stands in the status section until the node leaves. Pure: operations for `cib.apply`.

They are kept where Pacemaker's attribute manager keeps them:
`node_state[@id]/transient_attributes/instance_attributes[@id='status-ID']/nvpair`.
"""

from __future__ import annotations

import re

from lxml import etree

from standfast.base.report import Refused, error

INFINITY = 1_000_000
Operation = dict[str, object]


def pairs_of(root: etree._Element, node_id: str) -> list[etree._Element]:
    """All transient attributes of a node."""
    state = next((found for found in root.iterfind("status/node_state") if found.get("id") == node_id), None)
    return [] if state is None else list(state.iterfind("transient_attributes/instance_attributes/nvpair"))


def get(root: etree._Element, node_id: str, name: str) -> str | None:
    """The value of one."""
    return next((pair.get("value") or "" for pair in pairs_of(root, node_id) if pair.get("name") == name), None)


def put(root: etree._Element, node_id: str, name: str, value: str) -> list[Operation]:
    """Set one. Raises Refused for a node that has no status (it was never seen)."""
    state = next((found for found in root.iterfind("status/node_state") if found.get("id") == node_id), None)
    if state is None:
        raise Refused(
            error("shell.no-state", f"node {node_id} has no status yet", "it was never seen", "start it first"), exit_code=105
        )
    pair = next((pair for pair in pairs_of(root, node_id) if pair.get("name") == name), None)
    made = etree.Element("node_state", {"id": node_id})
    inner = etree.SubElement(made, "transient_attributes", {"id": node_id})
    holder = pair.getparent() if pair is not None else None
    set_id = (holder.get("id") if holder is not None else None) or f"status-{node_id}"
    own_id = (pair.get("id") if pair is not None else None) or f"{set_id}-{_id_word(name)}"
    attributes = etree.SubElement(inner, "instance_attributes", {"id": set_id})
    etree.SubElement(attributes, "nvpair", {"id": own_id, "name": name, "value": value})
    text = etree.tostring(made, encoding="unicode")
    return [{"kind": "modify", "scope": "status", "xml": text, "allow_create": True}]


def remove(root: etree._Element, node_id: str, name: str) -> list[Operation]:
    """Delete one; nothing to do when it is not there."""
    if get(root, node_id, name) is None:
        return []
    pair = next(pair for pair in pairs_of(root, node_id) if pair.get("name") == name)
    path = f"/cib/status/node_state[@id='{node_id}']/transient_attributes/instance_attributes/nvpair[@id='{pair.get('id')}']"
    return [{"kind": "delete", "xpath": path}]


def fail_count(root: etree._Element, node_id: str, resource: str) -> int:
    """Failures of a resource on a node, those of all its operations and instances together."""
    total = 0
    for pair in pairs_of(root, node_id):
        if _is_fail_count(pair.get("name") or "", resource):
            value = pair.get("value") or "0"
            total += INFINITY if value == "INFINITY" else int(value) if value.isdigit() else 0
    return min(total, INFINITY)


def set_fail_count(root: etree._Element, node_id: str, resource: str, value: int) -> list[Operation]:
    """Make the one fail count be `value`. Raises Refused when it is not one: then it is not clear which is meant."""
    found = [pair for pair in pairs_of(root, node_id) if _is_fail_count(pair.get("name") or "", resource)]
    if len(found) != 1:
        why = "it has none" if not found else f"it has {len(found)}"
        raise Refused(error("shell.fail-count", f"{resource} does not have one fail count there", why, "crm status failcounts"))
    return put(root, node_id, found[0].get("name") or "", str(value))


def _is_fail_count(name: str, resource: str) -> bool:
    return bool(re.fullmatch(rf"fail-count-{re.escape(resource)}(:\d+)?(#[\w-]+_\d+)?", name))


def _id_word(name: str) -> str:
    return re.sub(r"[^\w.-]", ".", name, flags=re.ASCII)
