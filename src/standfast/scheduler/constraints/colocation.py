"""rsc_colocation: resources that belong together or apart."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from standfast.base.report import warning
from standfast.scheduler.constraints.find import (
    complain,
    expand_sets,
    find_resource,
    ignored,
    known,
    missing,
    references,
    remark,
    tag_to_set,
)
from standfast.scheduler.memory import AR_IF_REQUIRED_ON_SAME_NODE, Cluster, Colocation, Resource
from standfast.scheduler.orderings.new import order_tasks
from standfast.scheduler.placement.colocated import add_this_with, add_with_this
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.rules import resolve
from standfast.scheduler.values import Role, parse_bool, parse_role

if TYPE_CHECKING:
    from lxml import etree

INFINITY = 1_000_000


def new_colocation(
    cluster: Cluster,
    source: str,
    score: int,
    dependent: Resource,
    primary: Resource,
    roles: tuple[str | None, str | None] = (None, None),
    attribute: str | None = None,
    influence: bool = True,
    explicit: bool = True,
) -> None:
    """Colocate two resources; a score of 0 means nothing, and what must be apart is ordered: stop before start."""
    parsed = [_role(text) for text in roles]
    if score == 0 or parsed[0] is None or parsed[1] is None:
        return
    if attribute:
        cluster.watch.asked.add(attribute)
    made = Colocation(source, score, dependent, primary, parsed[0], parsed[1], attribute or "#uname", influence, explicit)
    add_this_with(dependent.this_with, made)
    add_with_this(primary.with_this, made)
    if score <= -INFINITY:
        _keep_apart(cluster, dependent, made.dependent_role, primary, made.primary_role)
        _keep_apart(cluster, primary, made.primary_role, dependent, made.dependent_role)


def _role(text: str | None) -> Role | None:
    if text is None:
        return Role.UNKNOWN
    role = parse_role(text)
    if role == Role.UNKNOWN:
        return None
    return Role.UNKNOWN if role == Role.STARTED else role


def _keep_apart(cluster: Cluster, first: Resource, first_role: Role, then: Resource, then_role: Role) -> None:
    first_tasks = ["demote"] if first_role == Role.PROMOTED else ["stop"]
    if first_role == Role.UNPROMOTED:
        first_tasks.append("promote")
    then_tasks = ["promote"] if then_role == Role.PROMOTED else ["start"]
    if then_role == Role.UNPROMOTED:
        then_tasks.append("demote")
    for first_task in first_tasks:
        for then_task in then_tasks:
            order_tasks(cluster, first, first_task, then, then_task, AR_IF_REQUIRED_ON_SAME_NODE)


def _influence(cluster: Cluster, constraint: etree._Element, rsc: Resource) -> bool:
    text = constraint.get("influence")
    stated = parse_bool(text)
    if text is not None and stated is None:
        what = f"Constraint '{constraint.get('id')}' has invalid value for influence (using default)"
        complain(cluster, constraint, what)
    return rsc.critical if stated is None else stated


def unpack_colocation(cluster: Cluster, constraint: etree._Element) -> None:
    """One rsc_colocation: two resources, tags, or chains of sets."""
    expanded = _expand(cluster, constraint)
    if expanded is None:
        return
    score = parse_score(expanded.get("score"), 0, cluster.health_scores)
    if score is None:
        name = constraint.get("id")
        complain(cluster, constraint, f"Ignoring colocation {name} because '{expanded.get('score')}' is not a valid score")
        return
    last: etree._Element | None = None
    for element in expanded.iterchildren("resource_set"):
        resolved = resolve(cluster, element)
        if resolved is None:
            return
        _unpack_set(cluster, constraint, resolved, score)
        if last is not None:
            _colocate_sets(cluster, constraint, last, resolved, score)
        last = resolved
    if last is None:
        _unpack_simple(cluster, constraint, score)


def _expand(cluster: Cluster, constraint: etree._Element) -> etree._Element | None:
    expanded = expand_sets(cluster, constraint)
    dependent, primary = constraint.get("rsc"), constraint.get("with-rsc")
    if expanded is not constraint or dependent is None or primary is None:
        return constraint if expanded is None else expanded
    if not known(cluster, constraint, dependent) or not known(cluster, constraint, primary):
        return None
    tags = [name for name in (dependent, primary) if find_resource(cluster, name) is None and references(cluster, name)]
    if not tags:
        return constraint
    if len(tags) == 2:
        ignored(cluster, constraint, "two templates or tags cannot be colocated")
        return None
    copied = deepcopy(constraint)
    for attribute, role_attribute in (("rsc", "rsc-role"), ("with-rsc", "with-rsc-role")):
        created = tag_to_set(cluster, copied, attribute, convert=True)
        if created is not None and copied.get(role_attribute) is not None:
            created.set("role", copied.get(role_attribute) or "")
            del copied.attrib[role_attribute]
    return copied


def _unpack_simple(cluster: Cluster, constraint: etree._Element, score: int) -> None:
    dependent, primary = (find_resource(cluster, constraint.get(name)) for name in ("rsc", "with-rsc"))
    if dependent is None or primary is None:
        missing(cluster, constraint, constraint.get("rsc" if dependent is None else "with-rsc") or "(null)")
        return
    if parse_bool(constraint.get("symmetrical")):
        remark(cluster, constraint, "The colocation constraint 'symmetrical' attribute has been removed")
    roles = (constraint.get("rsc-role"), constraint.get("with-rsc-role"))
    wrong = next((role for role in roles if _role(role) is None), None) if score != 0 else None
    if wrong is not None:
        complain(cluster, constraint, f"Ignoring constraint {constraint.get('id')}: Invalid role '{wrong}'")
    new_colocation(
        cluster,
        constraint.get("id") or "",
        score,
        dependent,
        primary,
        roles,
        constraint.get("node-attribute"),
        _influence(cluster, constraint, dependent),
    )


def _members(cluster: Cluster, resource_set: etree._Element) -> list[Resource]:
    """The members up to the first that there is not."""
    found = []
    for ref in resource_set.iterchildren("resource_ref"):
        rsc = find_resource(cluster, ref.get("id"))
        if rsc is None:
            what = f"Ignoring {ref.get('id')} and later resources in set {resource_set.get('id')}: No such resource"
            complain(cluster, resource_set, what)
            break
        found.append(rsc)
    return found


def _is_sequential(resource_set: etree._Element) -> bool:
    return parse_bool(resource_set.get("sequential")) is not False


def _unpack_set(cluster: Cluster, constraint: etree._Element, resource_set: etree._Element, score: int) -> None:
    """Inside a set: each with the one before it; for negative scores, each apart from all before it."""
    text, source = resource_set.get("score"), resource_set.get("id") or ""
    local = parse_score(text, score, cluster.health_scores)
    if local is None:
        what = f"Ignoring colocation '{constraint.get('id')}' for set '{source}' because '{text}' is not a valid score"
        complain(cluster, constraint, what)
    if local is None or local == 0 or not _is_sequential(resource_set):
        return
    role = resource_set.get("role")
    with_previous = (resource_set.get("ordering") or "group").lower() == "group"
    if local > 0 and not with_previous:
        what = f"Support for 'ordering' other than 'group' in resource_set (such as {source}) is deprecated"
        told = warning("scheduler.deprecated", f"{what} and will be removed in a future release", where=source)
        cluster.tell_once("set ordering", told)
    members = _members(cluster, resource_set)
    for index, rsc in enumerate(members):
        others = members[max(0, index - 1) : index] if local > 0 else members[:index]
        for other in others:
            pair = (rsc, other) if with_previous or local < 0 else (other, rsc)
            new_colocation(cluster, source, local, *pair, (role, role), influence=_influence(cluster, constraint, rsc))


def _colocate_sets(
    cluster: Cluster, constraint: etree._Element, first: etree._Element, second: etree._Element, score: int
) -> None:
    """Members of `first` go with members of `second`: only the first and the last where a set is sequential. A member that there
    is not is passed over, or ends it all where it is the one that counts."""
    if score == 0:
        return
    both = f"colocation of set {first.get('id')}", f"set {second.get('id')}"
    dependents, primaries = _ends(first, 0), _ends(second, -1)
    for wanted, names, which in ((first, dependents, "first"), (second, primaries, "last")):
        if _is_sequential(wanted) and names and find_resource(cluster, names[0]) is None:
            complain(cluster, constraint, f"Ignoring {both[0]} with {both[1]} because {which} resource {names[0]} not found")
            return
    roles = (first.get("role"), second.get("role"))
    for name in dependents:
        dependent = find_resource(cluster, name)
        if dependent is None:
            complain(cluster, constraint, f"Ignoring {both[0]} resource {name} with {both[1]}: No such resource")
            continue
        influence = _influence(cluster, constraint, dependent)
        for other in primaries:
            primary = find_resource(cluster, other)
            if primary is None:
                what = f"{both[0]} resource {name} with {both[1]} resource {other}"
                if _is_sequential(first):
                    what = f"set {first.get('id')} colocation with resource {other} in {both[1]}"
                complain(cluster, constraint, f"Ignoring {what}: No such resource")
                continue
            new_colocation(cluster, constraint.get("id") or "", score, dependent, primary, roles, influence=influence)


def _ends(resource_set: etree._Element, which: int) -> list[str | None]:
    """What a set's members are called, or of a sequential one the first (0) or the last (-1)."""
    names = [ref.get("id") for ref in resource_set.iterchildren("resource_ref")]
    return [names[which]] if names and _is_sequential(resource_set) else names
