"""Objects of the configuration as plain values, for `-o json`."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from lxml import etree

from standfast.compat.crm.document import Object
from standfast.compat.crm.format_attributes import OBSCURED

Json = dict[str, Any]

_SETS = {"instance_attributes": "params", "meta_attributes": "meta", "utilization": "utilization"}


def object_json(item: Object, text: str, hidden: Sequence[str] = ()) -> Json:
    """Type, id, the attributes of the element, its sets of name/value pairs, operations, members; and its statement."""
    element = item.element
    value: Json = {"type": item.keyword, "id": item.ident}
    attributes = {str(name): str(found) for name, found in element.attrib.items() if name != "id"}
    if attributes:
        value["attributes"] = attributes
    if element.tag == "cluster_property_set" or item.keyword in ("rsc_defaults", "op_defaults"):
        value["values"] = _pairs(element, hidden)
    for tag, name in _SETS.items():
        found = [_pairs(child, hidden) for child in element.iterchildren(tag)]
        if found:
            value["attributes_set" if item.keyword == "node" and name == "params" else name] = {
                key: pair for pairs in found for key, pair in pairs.items()
            }
    operations = [{str(n): str(v) for n, v in op.attrib.items() if n != "id"} for op in element.iterfind("operations/op")]
    if operations:
        value["operations"] = operations
    members = [child.get("id") for child in element.iterchildren("primitive", "group")]
    if members:
        value["members"] = members
    rules = [rule.get("id") for rule in element.iterchildren("rule")]
    if rules:
        value["rules"] = rules
    value["text"] = text
    return value


def _pairs(element: etree._Element, hidden: Sequence[str]) -> dict[str, str]:
    return {
        pair.get("name") or pair.get("id-ref") or "": OBSCURED
        if any(fnmatch.fnmatchcase(pair.get("name") or "", glob) for glob in hidden)
        else pair.get("value") or ""
        for pair in element.iterchildren("nvpair")
    }
