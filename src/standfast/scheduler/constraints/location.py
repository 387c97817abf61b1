"""rsc_location: scores of resources on nodes, by node, by pattern, by set and by rule."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING

from standfast.scheduler.actions.meta import rsc_params
from standfast.scheduler.constraints.find import complain, expand_sets, find_resource, ignored, known, remark, tag_to_set
from standfast.scheduler.memory import Cluster, Location, Node, ProbeMode, Resource
from standfast.scheduler.placement.colocated import node_attribute
from standfast.scheduler.placement.scores import parse_score, score_text
from standfast.scheduler.rules import Subject, expand, passes, resolve
from standfast.scheduler.values import BAD_VALUE, Role, parse_role

if TYPE_CHECKING:
    from lxml import etree

_MODES = {"always": ProbeMode.ALWAYS, "never": ProbeMode.NEVER, "exclusive": ProbeMode.EXCLUSIVE}


def unpack_location(cluster: Cluster, constraint: etree._Element) -> None:
    """One rsc_location."""
    original = constraint
    name = constraint.get("rsc")
    expanded = expand_sets(cluster, constraint)
    if expanded is constraint and name is not None:
        if not known(cluster, constraint, name):
            return
        if find_resource(cluster, name) is None:
            role = constraint.get("role")
            expanded = deepcopy(constraint)
            created = tag_to_set(cluster, expanded, "rsc", convert=False)
            if created is not None and role is not None:
                created.set("role", role)
                del expanded.attrib["role"]
    expanded = constraint if expanded is None else expanded
    sets = list(expanded.iterchildren("resource_set"))
    for resource_set in sets:
        resolved = resolve(cluster, resource_set)
        if resolved is None or not _unpack_set(cluster, expanded, resolved):
            return
    if not sets:
        _unpack_simple(cluster, original)


def _unpack_set(cluster: Cluster, constraint: etree._Element, resource_set: etree._Element) -> bool:
    for ref in resource_set.iterchildren("resource_ref"):
        rsc = find_resource(cluster, ref.get("id"))
        if rsc is None:
            complain(cluster, resource_set, f"{resource_set.get('id')}: No resource found for {ref.get('id')}")
            return False
        _apply_to(cluster, constraint, rsc, resource_set.get("role"), resource_set.get("score"), ())
    return True


def _unpack_simple(cluster: Cluster, constraint: etree._Element) -> None:
    name = constraint.get("rsc")
    if name is not None:
        rsc = find_resource(cluster, name)
        if rsc is None:
            remark(cluster, constraint, f"Ignoring constraint '{constraint.get('id')}' because resource '{name}' does not exist")
        else:
            _apply_to(cluster, constraint, rsc, None, None, ())
    pattern = constraint.get("rsc-pattern")
    if pattern is None:
        return
    invert = pattern.startswith("!")
    try:
        compiled = re.compile(_posix(pattern[1:] if invert else pattern))
    except (re.error, OverflowError, RecursionError):
        ignored(cluster, constraint, f"rsc-pattern has invalid value '{pattern}'")
        return
    for rsc in list(cluster.resources):
        match = compiled.search(rsc.id)
        if invert and match is None:
            _apply_to(cluster, constraint, rsc, None, None, ())
        elif not invert and match is not None:
            groups = tuple(g or "" for g in (match.group(0), *match.groups()))
            _apply_to(cluster, constraint, rsc, None, None, groups)


def _posix(pattern: str) -> str:
    """A POSIX extended expression as Python's: character classes are what differs in practice."""
    classes = {"alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s"}
    return re.sub(r"\[:(\w+):\]", lambda m: classes.get(m.group(1), ""), pattern)


def _role(text: str | None) -> Role | None:
    """The role filter: only Promoted and Stopped filter; None when the name is not known."""
    if text is None:
        return Role.UNKNOWN
    role = parse_role(text)
    if role == Role.UNKNOWN:
        return None
    return Role.UNKNOWN if role in (Role.STARTED, Role.UNPROMOTED) else role


def _apply_to(
    cluster: Cluster, constraint: etree._Element, rsc: Resource, role: str | None, score: str | None, groups: tuple[str, ...]
) -> None:
    node_name = constraint.get("node")
    text = score if score is not None else constraint.get("score")
    if node_name is None or text is None:
        _apply_rule(cluster, constraint, rsc, groups)
        return
    node = cluster.find_node(node_name)
    if node is None:
        return
    points = parse_score(text, 0, cluster.health_scores)
    wanted = _role(role if role is not None else constraint.get("role"))
    if points is None or wanted is None:
        wrong = f"'{text}' is not a valid score" if points is None else f"'{role or constraint.get('role')}' is not a valid role"
        complain(cluster, constraint, f"Ignoring location constraint {constraint.get('id')} because {wrong}")
        return
    _add(cluster, constraint, constraint.get("id") or "", rsc, wanted, [(node, points)])


def _apply_rule(cluster: Cluster, constraint: etree._Element, rsc: Resource, groups: tuple[str, ...]) -> None:
    element = constraint.find("rule")
    rule = None if element is None else resolve(cluster, element)
    name = constraint.get("id")
    if rule is None:
        return
    rule_id = rule.get("id")
    if rule_id is None:
        complain(cluster, constraint, f"Ignoring location constraint '{name}' because its rule has no id")
        return
    wanted = _role(rule.get("role"))
    boolean = (rule.get("boolean-op") or "and").lower()
    attribute = rule.get("score-attribute")
    points = 0 if attribute is not None else parse_score(rule.get("score") or "", 0, cluster.health_scores)
    if wanted is None or boolean not in ("and", "or"):
        wrong = f"role '{rule.get('role')}'" if wanted is None else f"boolean-op '{rule.get('boolean-op')}'"
        complain(cluster, constraint, f"Ignoring location constraint '{name}' because rule '{rule_id}' has invalid {wrong}")
        return
    if points is None or (attribute is None and rule.get("score") is None):
        bad = f"'{rule.get('score')}' is not a valid score: {BAD_VALUE}"
        why = "neither score nor score-attribute was specified" if rule.get("score") is None else bad
        complain(cluster, constraint, f"Ignoring location constraint rule {rule_id} because {why}")
        return
    scores: list[tuple[Node, int]] = []
    for node in cluster.nodes:
        subject = Subject(node.attrs, rsc_params(cluster, rsc, node), rsc.meta, submatches=groups)
        if not passes(cluster, rule, subject):
            continue
        if attribute is not None:
            meant = expand(attribute, groups)
            cluster.watch.asked.add(meant)
            value = node_attribute(node, meant, rsc, assigned=False)
            found = parse_score(value, 0, cluster.health_scores) if value else None
            if found is None:
                continue
            points = found
        scores.append((node, points))
    scores.reverse()
    _add(cluster, constraint, rule.get("id") or "", rsc, wanted, scores)


def _add(
    cluster: Cluster, constraint: etree._Element, source: str, rsc: Resource, role: Role, scores: list[tuple[Node, int]]
) -> None:
    mode = _MODES.get((constraint.get("resource-discovery") or "always").lower())
    if mode is None:
        what = f"Invalid resource-discovery value {constraint.get('resource-discovery')} in location constraint"
        complain(cluster, constraint, what)
        mode = ProbeMode.ALWAYS
    if mode == ProbeMode.EXCLUSIVE:
        rsc.exclusive_probes = True
    sentence = f"constraint {constraint.get('id')}"
    if source != constraint.get("id"):
        sentence += f", rule {source}"
    made = Location(source, rsc, mode, role, scores, sentence)
    cluster.locations.append(made)
    rsc.locations.append(made)


def health_location(cluster: Cluster, rsc: Resource, node: Node, points: int) -> None:
    """The scores of a node's health, as if a constraint had given them."""
    strategy = cluster.option("node-health-strategy")
    sentence = f"the health of {node.name} ({strategy}) is {score_text(points)}"
    cluster.locations.append(Location(strategy, rsc, ProbeMode.ALWAYS, Role.UNKNOWN, [(node, points)], sentence))
