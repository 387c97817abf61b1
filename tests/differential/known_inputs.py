"""Questions to an input that the table of known changes asks: who is grouped, cloned, colocated, unmanaged; what failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

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


def ends(colocation: etree._Element) -> set[str]:
    """What a colocation constraint names, directly, by a template or a tag."""
    named = {colocation.get("rsc", ""), colocation.get("with-rsc", "")}
    named |= {ref.get("id", "") for ref in colocation.iter("resource_ref")}
    for tag in colocation.getroottree().iterfind("configuration/tags/tag"):
        if tag.get("id") in named:
            named.update(ref.get("id", "") for ref in tag.iter("obj_ref"))
    return named


def is_opposed(colocation: etree._Element) -> bool:
    """Whether its score, or that of a set in it, is negative."""
    return any(element.get("score", "").startswith("-") for element in colocation.iter())


def has_roles(colocation: etree._Element) -> bool:
    """Whether it is for one role."""
    return any(element.get(name) is not None for element in colocation.iter() for name in ("role", "rsc-role", "with-rsc-role"))


def colocations(root: etree._Element) -> list[etree._Element]:
    """The colocation constraints."""
    return list(root.iterfind("configuration/constraints/rsc_colocation"))


def is_mixed(root: etree._Element) -> bool:
    """Whether some colocations (or sets in them) are mandatory and others are not."""
    scores = [e.get("score", "INFINITY") for c in colocations(root) for e in (c, *c.iter("resource_set"))]
    mandatory = [abs(int(score.replace("INFINITY", "1000000"))) >= 1000000 for score in scores]
    return any(mandatory) and not all(mandatory)


def colocated_names(root: etree._Element, which: Callable[[etree._Element], bool] = lambda one: True) -> frozenset[str]:
    """What such colocation constraints name, and what is in it or around it."""
    named: set[str] = set()
    for colocation in root.iterfind("configuration/constraints/rsc_colocation"):
        if which(colocation):
            named |= ends(colocation)
    return _with_insides(root, named)


def _with_insides(root: etree._Element, named: set[str]) -> frozenset[str]:
    found: set[str] = set()
    for top in root.iterfind("configuration/resources/*"):
        ids = {e.get("id", "") for e in top.iter("clone", "group", "primitive")}
        templates = {e.get("template", "") for e in top.iter("primitive")}
        if (ids | templates) & named:
            found |= ids
    return frozenset(found)


def on_nodes_in_maintenance(root: etree._Element) -> frozenset[str]:
    """Resources in the history of a node in maintenance."""
    nodes = {
        node.get("id") for node in root.iterfind("configuration/nodes/node")
        if any((p.get("name"), p.get("value")) == ("maintenance", "true") for p in node.iter("nvpair"))
    } | {
        state.get("id") for state in root.iterfind("status/node_state")
        if any((p.get("name"), p.get("value")) == ("maintenance", "true") for p in state.iter("nvpair"))
    }  # fmt: skip
    return _in_histories(state for state in root.iterfind("status/node_state") if state.get("id") in nodes)


def on_lost_nodes(root: etree._Element) -> frozenset[str]:
    """Resources in the history of a node that is not a member, and the groups and clones around them."""
    states = root.iterfind("status/node_state")
    member = ("true", "online", "member")
    inside = _in_histories(s for s in states if (s.get("in_ccm"), s.get("crmd"), s.get("join")) != member)
    around = (e for e in root.iterfind("configuration/resources//primitive") if e.get("id") in inside)
    return inside | frozenset(str(parent.get("id")) for e in around for parent in e.iterancestors("group", "clone"))


def _in_histories(states: Iterable[etree._Element]) -> frozenset[str]:
    return frozenset(r.get("id", "").partition(":")[0] for state in states for r in state.iter("lrm_resource"))


def ordered_by_action(root: etree._Element) -> frozenset[str]:
    """What is named by an ordering of sets of which one is for a certain action."""
    orders = root.iterfind("configuration/constraints/rsc_order")
    named = [o for o in orders if any(e.get("action") is not None for e in o.iterfind("resource_set"))]
    return _with_insides(root, {ref.get("id", "") for order in named for ref in order.iter("resource_ref")})


def location_rules(root: etree._Element) -> list[etree._Element]:
    """The rules of location constraints."""
    return list(root.iterfind("configuration/constraints/rsc_location//rule"))


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


def with_results(root: etree._Element, *codes: str, but: str = "") -> frozenset[str]:
    """Resources with such a result in their history, but for one kind of operation."""
    return _owners(op for op in root.iter("lrm_rsc_op") if op.get("rc-code") in codes and op.get("operation") != but)


def with_status(root: etree._Element, status: str) -> frozenset[str]:
    """Resources with an operation of this status in their history."""
    return _owners(op for op in root.iter("lrm_rsc_op") if op.get("op-status") == status)


def with_failures(root: etree._Element) -> frozenset[str]:
    """Resources with a failure in their history."""
    return _owners(_failed(root))


def with_recurring(root: etree._Element) -> frozenset[str]:
    """Resources with a recurring operation in their history."""
    return _owners(op for op in root.iter("lrm_rsc_op") if op.get("interval") != "0")


def failures_expire(root: etree._Element) -> bool:
    """Whether a failure-timeout is configured anywhere."""
    return any(p.get("name") == "failure-timeout" for p in root.iter("nvpair"))
