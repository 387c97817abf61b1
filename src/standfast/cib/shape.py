"""The shape of a configuration: which element may stand where, what it must carry, ids once only, references that lead somewhere.

A table, read off Pacemaker's schemas 1.0 to 3.9 taken together (xml/*.rng), so that old files pass too. What stands inside
`status` is left open, as in those schemas. Values are not judged here: what a score or an option means is the scheduler's
business.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lxml.etree import _Element as Element

from standfast.base.report import Refused, Report, error
from standfast.cib.refusal import Exit

REPORTS_MAX = 20
ID = re.compile(r"[^\W\d][\w.-]*")
"""What an id may look like: XML's NCName, as the schemas demand (so that it can stand in a path without quoting)."""


class Rule(NamedTuple):
    """One element: allowed children, required attributes (`a|b`: one of them), which attributes name another element's id.

    `has_id`: its `id` is unique in the whole configuration. A node's id and a tag member's id are not.
    """

    children: str = ""
    required: str = "id"
    references: str = ""
    has_id: bool = True


_NVSETS = "instance_attributes meta_attributes"
_RESOURCE = f"{_NVSETS} operations utilization"
_NVSET = Rule("nvpair rule", "id|id-ref", "id-ref")
_CONTAINER = Rule("", "image", has_id=False)


def _section(children: str) -> Rule:
    return Rule(children, "", has_id=False)


RULES: dict[str, Rule] = {
    "cib": _section("configuration status"),
    "configuration": _section(
        "crm_config nodes resources constraints rsc_defaults op_defaults tags acls alerts fencing-topology"
    ),
    "crm_config": _section("cluster_property_set"),
    "nodes": _section("node"),
    "resources": _section("primitive template group clone master bundle"),
    "constraints": _section("rsc_location rsc_colocation rsc_order rsc_ticket"),
    "rsc_defaults": _section("meta_attributes"),
    "op_defaults": _section("meta_attributes"),
    "tags": _section("tag"),
    "acls": _section("acl_role acl_target acl_group acl_user"),
    "alerts": _section("alert"),
    "fencing-topology": _section("fencing-level"),
    "cluster_property_set": _NVSET,
    "instance_attributes": _NVSET,
    "meta_attributes": _NVSET,
    "utilization": _NVSET,
    "nvpair": Rule("", "id|id-ref name|id-ref", "id-ref"),
    "rule": Rule("expression date_expression rsc_expression op_expression rule", "id|id-ref", "id-ref"),
    "expression": Rule("", "id attribute operation"),
    "date_expression": Rule("date_spec duration"),
    "date_spec": Rule(),
    "duration": Rule(),
    "rsc_expression": Rule(),
    "op_expression": Rule("", "id name"),
    "node": Rule(f"{_NVSETS} utilization", "id uname", has_id=False),
    "primitive": Rule(_RESOURCE, "id class|template type|template", "template"),
    "template": Rule(_RESOURCE, "id class type"),
    "group": Rule(f"{_NVSETS} primitive"),
    "clone": Rule(f"{_NVSETS} primitive group"),
    "master": Rule(f"{_NVSETS} primitive group"),
    "bundle": Rule(f"{_NVSETS} docker rkt podman network storage primitive"),
    "docker": _CONTAINER,
    "rkt": _CONTAINER,
    "podman": _CONTAINER,
    "network": Rule("port-mapping", "", has_id=False),
    "port-mapping": Rule(),
    "storage": Rule("storage-mapping", "", has_id=False),
    "storage-mapping": Rule("", "id target-dir"),
    "operations": Rule("op", "", "id-ref"),
    "op": Rule(_NVSETS, "id name interval"),
    "rsc_location": Rule("rule resource_set lifetime", "id", "rsc"),
    "rsc_colocation": Rule("resource_set lifetime", "id", "rsc with-rsc"),
    "rsc_order": Rule("resource_set lifetime", "id", "first then"),
    "rsc_ticket": Rule("resource_set", "id ticket", "rsc"),
    "resource_set": Rule("resource_ref", "id|id-ref", "id-ref"),
    "resource_ref": Rule("", "id", "id", has_id=False),
    "lifetime": Rule("rule", "", has_id=False),
    "tag": Rule("obj_ref"),
    "obj_ref": Rule("", "id", has_id=False),
    "fencing-level": Rule("", "id index devices"),
    "acl_role": Rule("acl_permission read write deny"),
    "acl_permission": Rule("", "id kind", "reference"),
    "acl_target": Rule("role", "id", has_id=False),
    "acl_group": Rule("role"),
    "acl_user": Rule("role_ref read write deny"),
    "role": Rule("", "id", "id", has_id=False),
    "role_ref": Rule("", "id", "id", has_id=False),
    "read": Rule("", "id", "ref"),
    "write": Rule("", "id", "ref"),
    "deny": Rule("", "id", "ref"),
    "alert": Rule(f"{_NVSETS} recipient select", "id path"),
    "recipient": Rule(_NVSETS, "id value"),
    "select": Rule("select_nodes select_fencing select_resources select_attributes", "", has_id=False),
    "select_nodes": Rule("", "", has_id=False),
    "select_fencing": Rule("", "", has_id=False),
    "select_resources": Rule("", "", has_id=False),
    "select_attributes": Rule("attribute", "", has_id=False),
    "attribute": Rule("", "id name"),
}


class _Compiled(NamedTuple):
    children: frozenset[str]
    required: tuple[tuple[str, ...], ...]
    references: tuple[str, ...]
    has_id: bool


_COMPILED: dict[str, _Compiled] = {
    tag: _Compiled(
        frozenset(rule.children.split()),
        tuple(tuple(names.split("|")) for names in rule.required.split()),
        tuple(rule.references.split()),
        rule.has_id,
    )
    for tag, rule in RULES.items()
}


def name_of(element: Element) -> str:
    """An element's name. (lxml's types allow bytes and functions there; parse_xml lets neither in.)"""
    assert isinstance(element.tag, str)
    return element.tag


def check_shape(root: Element, where: str = "cib") -> None:
    """Raises Refused (exit code 78) with a report for each fault, at most REPORTS_MAX. `root` is a `cib` element."""
    reports: list[Report] = []
    ids: dict[str, Element] = {}
    references: list[tuple[Element, str, str]] = []
    seen: dict[str, Element] = {}
    for part in root:
        tag = name_of(part)
        if tag not in _COMPILED["cib"].children:
            reports.append(_unknown(part, root, where))
        elif tag in seen:
            reports.append(_fault(part, where, "twice", f"a second <{tag}>", "merge the two"))
        seen[tag] = part
    configuration = root.find("configuration")
    assert configuration is not None
    sections: dict[str, Element] = {}
    for section in configuration:
        if section.tag in sections:
            reports.append(_fault(section, where, "twice", f"a second <{name_of(section)}>", "merge the two"))
        sections[name_of(section)] = section
    for element in configuration.iter():
        if len(reports) >= REPORTS_MAX:
            break
        _check_element(element, where, ids, references, reports)
    if root.get("validate-with") != "none":
        reports.extend(_dangling(ids, references, where))
    if reports:
        raise Refused(*reports[:REPORTS_MAX], exit_code=int(Exit.CONFIG))


def _check_element(
    element: Element, where: str, ids: dict[str, Element], references: list[tuple[Element, str, str]], reports: list[Report]
) -> None:
    rule = _COMPILED.get(name_of(element))
    if rule is None:
        return  # its parent has reported it
    reports.extend(_unknown(child, element, where) for child in element if child.tag not in rule.children)
    for names in rule.required:
        if not any(element.get(name) for name in names):
            wanted = " or ".join(names)
            reports.append(_fault(element, where, "incomplete", f"<{name_of(element)}> without {wanted}", f"add {wanted}=..."))
    for name in rule.references:
        target = element.get(name)
        if target is not None:
            references.append((element, name, target))
    own = element.get("id") if rule.has_id else None
    if own is None:
        return
    if ID.fullmatch(own) is None:
        remedy = "letters, digits, `_`, `-` and `.`, a letter or `_` first"
        reports.append(_fault(element, where, "bad-id", f"{own[:80]!r} cannot be the id of <{name_of(element)}>", remedy))
    other = ids.setdefault(own, element)
    if other is not element:
        line = f" in line {other.sourceline}" if other.sourceline else ""
        what = f"id {own!r} of <{name_of(element)}> is taken by <{name_of(other)}>{line}"
        reports.append(_fault(element, where, "id-taken", what, "ids are unique in a configuration: choose another"))


def _dangling(ids: dict[str, Element], references: list[tuple[Element, str, str]], where: str) -> list[Report]:
    """Constraints, templates and id-refs that name something that is not there."""
    return [
        _fault(
            element, where, "dangling", f"<{name_of(element)} id={element.get('id', '')!r}> {name}={target!r}: no such object",
            f"define {target} in the same change, or remove the reference first",
        )
        for element, name, target in references
        if target not in ids
    ]  # fmt: skip


def _unknown(element: Element, parent: Element, where: str) -> Report:
    known = " ".join(sorted(_COMPILED[name_of(parent)].children)) or "nothing"
    what = f"<{name_of(element)}> cannot stand in <{name_of(parent)}>"
    return _fault(element, where, "unknown-element", what, f"allowed: {known}")


def _fault(element: Element, where: str, code: str, what: str, remedy: str) -> Report:
    place = f"{where}:{element.sourceline}" if element.sourceline else where
    return error(f"cib.{code}", what, "", remedy, place)
