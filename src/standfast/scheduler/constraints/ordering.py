"""rsc_order: what must be started, stopped, promoted or demoted first."""

from __future__ import annotations

from copy import deepcopy
from enum import Enum, auto
from typing import TYPE_CHECKING

from standfast.base.report import warning
from standfast.scheduler.actions.ops import pseudo_op
from standfast.scheduler.constraints.find import complain, expand_sets, find_resource, ignored, known, missing, remark, tag_to_set
from standfast.scheduler.memory import (
    AR_ASYMMETRIC,
    AR_FIRST_IMPLIES_THEN,
    AR_FIRST_IMPLIES_THEN_GRAPHED,
    AR_MIN_RUNNABLE,
    AR_ORDERED,
    AR_SERIALIZE,
    AR_THEN_IMPLIES_FIRST,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    Cluster,
    Resource,
    Variant,
)
from standfast.scheduler.orderings.new import new_ordering, order_tasks
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.rules import resolve
from standfast.scheduler.values import int_or, is_true, parse_bool

if TYPE_CHECKING:
    from lxml import etree

INVERSE = {
    "start": "stop",
    "stop": "start",
    "promote": "demote",
    "demote": "promote",
    "promoted": "demoted",
    "demoted": "promoted",
    "running": "stopped",
    "stopped": "running",
}


TASKS = frozenset(("start", "stop", "promote", "demote"))


class Kind(Enum):
    """How strict an ordering is."""

    OPTIONAL = auto()
    MANDATORY = auto()
    SERIALIZE = auto()


class Symmetry(Enum):
    """Whether the inverse holds too; INVERSE marks the inverse itself."""

    ASYMMETRIC = auto()
    SYMMETRIC = auto()
    INVERSE = auto()


def _kind(cluster: Cluster, element: etree._Element) -> Kind:
    kind = element.get("kind")
    if kind is None:
        # Before "kind" there was a score: 0 meant advisory.
        score = element.get("score")
        if score is not None:
            what = "Support for 'score' in rsc_order is deprecated and will be removed in a future release (use 'kind' instead)"
            cluster.tell_once("order score", warning("scheduler.deprecated", what, where=element.get("id") or ""))
        return Kind.OPTIONAL if score is not None and parse_score(score) in (0, None) else Kind.MANDATORY
    known_kinds = {"Optional": Kind.OPTIONAL, "Mandatory": Kind.MANDATORY, "Serialize": Kind.SERIALIZE}
    if kind not in known_kinds:
        name = element.get("id", "missing ID")
        complain(cluster, element, f"Resetting 'kind' for constraint {name} to 'Mandatory' because '{kind}' is not valid")
    return known_kinds.get(kind, Kind.MANDATORY)


def _symmetry(cluster: Cluster, element: etree._Element, parent_kind: Kind, parent_value: str | None) -> Symmetry:
    kind = parent_kind
    if element.get("kind") is not None or element.get("score") is not None:
        kind = _kind(cluster, element)
    stated = parse_bool(element.get("symmetrical"))
    if stated is None and parent_value is not None:
        stated = is_true(parent_value)
    if stated and kind == Kind.SERIALIZE:
        what = f"Ignoring symmetrical for '{element.get('id')}' because not valid with kind of 'Serialize'"
        remark(cluster, element, what)
    if stated is not None:
        return Symmetry.SYMMETRIC if stated and kind != Kind.SERIALIZE else Symmetry.ASYMMETRIC
    return Symmetry.ASYMMETRIC if kind == Kind.SERIALIZE else Symmetry.SYMMETRIC


def _flags(kind: Kind, first_task: str, symmetry: Symmetry) -> int:
    if kind == Kind.OPTIONAL:
        return AR_ORDERED
    if kind == Kind.SERIALIZE:
        return AR_SERIALIZE
    if symmetry == Symmetry.ASYMMETRIC:
        return AR_ORDERED | AR_ASYMMETRIC
    if symmetry == Symmetry.INVERSE:
        return AR_ORDERED | AR_THEN_IMPLIES_FIRST
    up = first_task in ("start", "promote", "running", "promoted")
    return AR_ORDERED | AR_FIRST_IMPLIES_THEN | (AR_UNRUNNABLE_FIRST_BLOCKS if up else 0)


def unpack_ordering(cluster: Cluster, constraint: etree._Element) -> None:
    """One rsc_order: two resources, tags, or a chain of sets."""
    expanded = _expand(cluster, constraint)
    if expanded is None:
        return
    kind = _kind(cluster, expanded)
    symmetry = _symmetry(cluster, expanded, kind, None)
    last: etree._Element | None = None
    for element in expanded.iterchildren("resource_set"):
        resolved = resolve(cluster, element)
        if resolved is None or not _unpack_set(cluster, constraint, resolved, kind):
            return
        if last is not None:
            if not _order_sets(cluster, last, resolved, kind, symmetry):
                return
            if symmetry == Symmetry.SYMMETRIC and not _order_sets(cluster, resolved, last, kind, Symmetry.INVERSE):
                return
        last = resolved
    if last is None:
        _unpack_simple(cluster, constraint, kind, symmetry)


def _expand(cluster: Cluster, constraint: etree._Element) -> etree._Element | None:
    expanded = expand_sets(cluster, constraint)
    first, then = constraint.get("first"), constraint.get("then")
    if expanded is not constraint or first is None or then is None:
        return constraint if expanded is None else expanded
    if not known(cluster, constraint, first) or not known(cluster, constraint, then):
        return None
    if find_resource(cluster, first) is not None and find_resource(cluster, then) is not None:
        return constraint
    copied = deepcopy(constraint)
    for attribute in ("first", "then"):
        created = tag_to_set(cluster, copied, attribute, convert=True)
        action = copied.get(f"{attribute}-action")
        if created is not None and action is not None:
            created.set("action", action)
            del copied.attrib[f"{attribute}-action"]
    return copied


def _unpack_simple(cluster: Cluster, constraint: etree._Element, kind: Kind, symmetry: Symmetry) -> None:
    first, then = _end(cluster, constraint, "first"), None
    if first is not None:
        then = _end(cluster, constraint, "then")
    if first is None or then is None:
        return
    first_task = constraint.get("first-action") or "start"
    then_task = constraint.get("then-action") or first_task
    flags = _flags(kind, first_task, symmetry)
    for task in (first_task, then_task):
        if task not in TASKS:
            remark(cluster, constraint, f"Unknown action '{task}' specified in order constraint")
    if first is then and first_task == then_task:
        ignored(cluster, constraint, f"resource '{first.id}' cannot be ordered relative to itself")
        return
    least = _least_instances(cluster, first, constraint)
    if least > 0:
        _order_least(cluster, constraint, first, first_task, then, then_task, flags, least)
    else:
        order_tasks(cluster, first, first_task, then, then_task, flags)
    if symmetry != Symmetry.SYMMETRIC:
        return
    if first_task not in INVERSE or then_task not in INVERSE:
        remark(cluster, constraint, f"Cannot invert constraint '{constraint.get('id')}' (please specify inverse manually)")
        return
    flags = _flags(kind, INVERSE[first_task], Symmetry.INVERSE)
    order_tasks(cluster, then, INVERSE[then_task], first, INVERSE[first_task], flags)


def _end(cluster: Cluster, constraint: etree._Element, which: str) -> Resource | None:
    """One of the two resources; what is wrong with its name is reported."""
    name = constraint.get(which)
    found = find_resource(cluster, name)
    if name is None:
        complain(cluster, constraint, f"Ignoring constraint '{constraint.get('id')}' without {which}")
    elif found is None:
        missing(cluster, constraint, name)
    return found


def _least_instances(cluster: Cluster, first: Resource, constraint: etree._Element) -> int:
    """How many instances of a clone must be up before others follow; 0 for all of them."""
    if first.variant != Variant.CLONE:
        return 0
    clone_min = first.meta.get("clone-min")
    if clone_min is not None:
        return max(0, int_or(clone_min, 0))
    if parse_bool(constraint.get("require-all")) is not None:
        what = "Support for require-all in ordering constraints is deprecated and will be removed in a future release"
        told = warning(
            "scheduler.deprecated", f"{what} (use clone-min clone meta-attribute instead)", where=constraint.get("id") or ""
        )
        cluster.tell_once("require-all", told)
    return 1 if parse_bool(constraint.get("require-all")) is False else 0


def _order_least(
    cluster: Cluster,
    constraint: etree._Element,
    first: Resource,
    first_task: str,
    then: Resource,
    then_task: str,
    flags: int,
    least: int,
) -> None:
    point = pseudo_op(cluster, f"clone-one-or-more:{constraint.get('id')}")
    point.required_runnable_before = least
    for instance in first.children:
        new_ordering(cluster, (instance, first_task), point, AR_MIN_RUNNABLE | AR_FIRST_IMPLIES_THEN_GRAPHED)
    new_ordering(cluster, point, (then, then_task), flags | AR_UNRUNNABLE_FIRST_BLOCKS)


def _members(cluster: Cluster, resource_set: etree._Element) -> list[Resource] | None:
    found = []
    for ref in resource_set.iterchildren("resource_ref"):
        rsc = find_resource(cluster, ref.get("id"))
        if rsc is None:
            complain(cluster, resource_set, f"{resource_set.get('id')}: No resource found for {ref.get('id')}")
            return None
        found.append(rsc)
    return found


def _unpack_set(cluster: Cluster, constraint: etree._Element, resource_set: etree._Element, parent_kind: Kind) -> bool:
    members = _members(cluster, resource_set)
    if members is None:
        return False
    task = resource_set.get("action") or "start"
    kind = _kind(cluster, resource_set) if resource_set.get("kind") is not None else parent_kind
    sequential = resource_set.get("sequential") is None or is_true(resource_set.get("sequential"))
    symmetry = _symmetry(cluster, resource_set, parent_kind, constraint.get("symmetrical"))
    flags = _flags(kind, task, symmetry)
    if len(members) == 1:
        return True
    for index, rsc in enumerate(members):
        if kind == Kind.SERIALIZE:
            for other in members[index + 1 :]:
                order_tasks(cluster, rsc, task, other, task, flags)
        elif sequential and index > 0:
            order_tasks(cluster, members[index - 1], task, rsc, task, flags)
    if symmetry == Symmetry.ASYMMETRIC or task not in INVERSE:
        return True
    inverse = INVERSE[task]
    flags = _flags(kind, inverse, Symmetry.INVERSE)
    for index in range(1, len(members) if sequential else 0):
        order_tasks(cluster, members[index], inverse, members[index - 1], inverse, flags)
    return True


def _order_sets(cluster: Cluster, first: etree._Element, then: etree._Element, kind: Kind, symmetry: Symmetry) -> bool:
    before, after = _members(cluster, first), _members(cluster, then)
    if before is None or after is None:
        return False
    first_task, then_task = first.get("action") or "start", then.get("action") or "start"
    if symmetry == Symmetry.INVERSE:
        if first_task not in INVERSE or then_task not in INVERSE:
            return False
        first_task, then_task = INVERSE[first_task], INVERSE[then_task]
    require_all = parse_bool(first.get("require-all")) is not False or first_task in ("stop", "demote")
    flags = _flags(kind, first_task, symmetry)
    if not require_all:
        _order_any(cluster, first, before, first_task, after, then_task, flags)
        return True
    inverse = symmetry == Symmetry.INVERSE
    if is_true(first.get("sequential")):
        before = before[:1] if inverse else before[-1:]
    if is_true(then.get("sequential")):
        after = after[-1:] if inverse else after[:1]
    for one in before:
        for other in after:
            order_tasks(cluster, one, first_task, other, then_task, flags)
    return True


def _order_any(
    cluster: Cluster,
    first: etree._Element,
    before: list[Resource],
    first_task: str,
    after: list[Resource],
    then_task: str,
    flags: int,
) -> None:
    """require-all=false: a point in time that comes as soon as one of `before` is done."""
    point = pseudo_op(cluster, f"one-or-more:{first.get('id')}")
    point.required_runnable_before = 1
    for rsc in before:
        new_ordering(cluster, (rsc, first_task), point, AR_MIN_RUNNABLE | AR_FIRST_IMPLIES_THEN_GRAPHED)
    for rsc in after:
        new_ordering(cluster, point, (rsc, then_task), flags | AR_UNRUNNABLE_FIRST_BLOCKS)
