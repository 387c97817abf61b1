"""Questions to an input that the table of known changes asks: who is grouped, cloned, colocated, unmanaged; what failed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

_NAME = re.compile(r"\b(?:rsc|grp|clone|fence|gone)\d+")


def changed_names(lines: Iterable[str]) -> frozenset[str]:
    """The resources that some lines speak of, without instance numbers."""
    return frozenset(match[0] for line in lines for match in _NAME.finditer(line))


def _inside(root: etree._Element, tag: str) -> frozenset[str]:
    owners = root.findall(f"configuration/resources//{tag}")
    return frozenset(e.get("id", "") for owner in owners for e in owner.iter("clone", "group", "primitive"))


def group_members(root: etree._Element) -> frozenset[str]:
    """Groups and what is in them."""
    return _inside(root, "group")


def clone_members(root: etree._Element) -> frozenset[str]:
    """Clones and what is in them."""
    return _inside(root, "clone")


def colocated_names(root: etree._Element) -> frozenset[str]:
    """What a colocation constraint names, directly, by a template or a tag, and what is in it or around it."""
    named: set[str] = set()
    for colocation in root.iterfind("configuration/constraints/rsc_colocation"):
        named.update(filter(None, (colocation.get("rsc"), colocation.get("with-rsc"))))
        named.update(ref.get("id", "") for ref in colocation.iter("resource_ref"))
    for tag in root.iterfind("configuration/tags/tag"):
        if tag.get("id") in named:
            named.update(ref.get("id", "") for ref in tag.iter("obj_ref"))
    found: set[str] = set()
    for top in root.iterfind("configuration/resources/*"):
        ids = {e.get("id", "") for e in top.iter("clone", "group", "primitive")}
        templates = {e.get("template", "") for e in top.iter("primitive")}
        if (ids | templates) & named:
            found |= ids
    return frozenset(found)


def located_by_role(root: etree._Element) -> bool:
    """Whether a location constraint, its rule or its set is for one role."""
    return any(e.get("role") is not None for location in root.iter("rsc_location") for e in location.iter())


def dates_with_offset(root: etree._Element) -> bool:
    """Whether a rule has a date of another time zone."""
    return any(re.search(r"\+\d\d:\d\d$", str(v)) for e in root.iter("date_expression") for v in e.attrib.values())


def may_be_unmanaged(root: etree._Element) -> bool:
    """Whether anything may be unmanaged: by an attribute of it or its node, a mode, a blocking failure, no device."""
    pairs = [(p.get("name"), p.get("value")) for p in root.iter("nvpair")]
    if any(pair in pairs for pair in (("maintenance-mode", "true"), ("maintenance", "true"), ("is-managed", "false"))):
        return True
    blocks = any(op.get("on-fail") == "block" for op in root.iter("op")) or ("multiple-active", "block") in pairs
    fencing = ("stonith-enabled", "false") not in pairs
    return blocks or ("on-fail", "block") in pairs or not fencing or any(op.get("operation") == "stop" for op in _failed(root))


def _failed(root: etree._Element) -> list[etree._Element]:
    return [op for op in root.iter("lrm_rsc_op") if op.get("id", "").endswith("_last_failure_0")]


def _owners(operations: Iterable[etree._Element]) -> frozenset[str]:
    parents = (op.getparent() for op in operations)
    return frozenset(p.get("id", "").partition(":")[0] for p in parents if p is not None)


def with_tasks(root: etree._Element, *tasks: str) -> frozenset[str]:
    """Resources with an operation of these kinds in their history."""
    return _owners(op for op in root.iter("lrm_rsc_op") if op.get("operation") in tasks)


def with_results(root: etree._Element, *codes: str) -> frozenset[str]:
    """Resources with such a result in their history."""
    return _owners(op for op in root.iter("lrm_rsc_op") if op.get("rc-code") in codes)


def with_failures(root: etree._Element) -> frozenset[str]:
    """Resources with a failure in their history."""
    return _owners(_failed(root))


def with_recurring(root: etree._Element) -> frozenset[str]:
    """Resources with a recurring operation in their history."""
    return _owners(op for op in root.iter("lrm_rsc_op") if op.get("interval") != "0")


def failures_expire(root: etree._Element) -> bool:
    """Whether a failure-timeout is configured anywhere."""
    return any(p.get("name") == "failure-timeout" for p in root.iter("nvpair"))
