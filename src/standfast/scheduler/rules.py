"""Rules: whether nvpair sets and location constraints apply now, here, to this. Source: Pacemaker_Explained, "Rules"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from standfast.base.report import warning
from standfast.scheduler.dates import add_calendar, parse_date, spec_fields
from standfast.scheduler.values import int_or, interval_ms, parse_int

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

    from standfast.scheduler.memory import Cluster

MAX_DEPTH = 32
COMPARISONS = ("lt", "lte", "gt", "gte", "eq", "ne", "defined", "not_defined")


@dataclass(slots=True)
class Subject:
    """What a rule is asked about. None means "not known here": an expression on it does not pass."""

    node_attrs: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    meta: Mapping[str, str] | None = None
    agent: tuple[str, str, str] = ("", "", "")
    op_name: str = ""
    op_interval_ms: int = 0
    submatches: tuple[str, ...] = field(default_factory=tuple)


def passes(cluster: Cluster, rule: etree._Element, subject: Subject, depth: int = 0) -> bool:
    """Whether `rule` passes; asks the cluster to look again when a date in it will change the answer."""
    resolved = resolve(cluster, rule)
    if resolved is None or depth > MAX_DEPTH:
        return False
    boolean = (resolved.get("boolean-op") or "and").lower()
    if boolean not in ("and", "or"):
        _complain(cluster, resolved, f"'{boolean}' is not a valid boolean-op")
        return False
    conditions = [c for c in resolved if isinstance(c.tag, str)]
    if not conditions:
        return True
    for condition in conditions:
        passed = _condition(cluster, condition, subject, depth)
        if passed and boolean == "or":
            return True
        if not passed and boolean == "and":
            return False
    return boolean == "and"


def find_element(cluster: Cluster, element_id: str) -> etree._Element | None:
    """The first element of this id: in the configuration, else in the status section (whose ids nobody looks at, as a rule)."""
    found = cluster.ids.get(element_id)
    if found is not None:
        return found
    for section in cluster.root.iterchildren("status"):
        found = next((element for element in section.iter() if element.get("id") == element_id), None)
    return found


def resolve(cluster: Cluster, element: etree._Element) -> etree._Element | None:
    """The element itself, or the one of the same kind that its id-ref names."""
    reference = element.get("id-ref")
    if reference is None:
        return element
    target = find_element(cluster, reference)
    if target is None or target.tag != element.tag:
        _complain(cluster, element, f"no {element.tag!s} with id '{reference}'")
        return None
    return target


def _condition(cluster: Cluster, condition: etree._Element, subject: Subject, depth: int) -> bool:
    match condition.tag:
        case "rule":
            return passes(cluster, condition, subject, depth + 1)
        case "expression":
            return _attribute(cluster, condition, subject)
        case "date_expression":
            return _date(cluster, condition)
        case "rsc_expression":
            actual = dict(zip(("class", "provider", "type"), subject.agent, strict=True))
            return all(condition.get(k) in (None, actual[k]) for k in ("class", "provider", "type"))
        case "op_expression":
            if condition.get("name") != subject.op_name:
                return False
            return condition.get("interval") is None or interval_ms(condition.get("interval")) == subject.op_interval_ms
    _complain(cluster, condition, f"{condition.tag!s} is not a condition")
    return False


def expand(text: str, submatches: tuple[str, ...]) -> str:
    """%0 to %9 replaced by what a resource pattern matched."""
    if not submatches:
        return text

    def group(match: re.Match[str]) -> str:
        index = int(match.group(1))
        return submatches[index] if index < len(submatches) else ""

    return re.sub(r"%([0-9])", group, text)


def _attribute(cluster: Cluster, expression: etree._Element, subject: Subject) -> bool:
    name, operation = expression.get("attribute"), (expression.get("operation") or "").lower()
    value = expression.get("value")
    if name is None or operation not in COMPARISONS:
        _complain(cluster, expression, "attribute or operation is missing or unknown")
        return False
    if (value is not None) == (operation in ("defined", "not_defined")):
        _complain(cluster, expression, f"value and operation '{operation}' do not go together")
        return False
    actual = subject.node_attrs.get(expand(name, subject.submatches)) if subject.node_attrs is not None else None
    if operation == "defined":
        return actual is not None
    if operation == "not_defined":
        return actual is None
    assert value is not None
    source = (expression.get("value-source") or "literal").lower()
    tables = {"param": subject.params, "meta": subject.meta}
    reference: str | None = value
    if source in tables:
        reference = (tables[source] or {}).get(value)
    elif source != "literal":
        return False
    kind = _kind(expression.get("type"), operation, actual, reference)
    if kind is None:
        _complain(cluster, expression, f"unknown type '{expression.get('type')}'")
        return False
    return _holds(operation, actual, reference, compare(actual, reference, kind))


def _holds(operation: str, actual: str | None, reference: str | None, order: int) -> bool:
    if operation in ("eq", "ne"):
        return (order == 0) == (operation == "eq")
    if actual is None or reference is None:
        return False
    return {"lt": order < 0, "lte": order <= 0, "gt": order > 0, "gte": order >= 0}[operation]


def _kind(stated: str | None, operation: str, actual: str | None, reference: str | None) -> str | None:
    if stated is not None:
        return stated.lower() if stated.lower() in ("string", "integer", "number", "version") else None
    if operation in ("eq", "ne"):
        return "string"
    return "number" if "." in (actual or "") or "." in (reference or "") else "integer"


def compare(a: str | None, b: str | None, kind: str) -> int:
    """-1, 0 or 1; nothing is less than anything. Values that do not parse as `kind` compare as text without case."""
    if b is None:
        return 0 if a is None else 1
    if a is None:
        return -1
    if kind == "version":
        return _sign(_version(a), _version(b))
    if kind == "integer":
        x, y = parse_int(a), parse_int(b)
        if x is not None and y is not None:
            return (x > y) - (x < y)
    elif kind == "number":
        number = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
        p, q = number.match(a), number.match(b)
        if p is not None and q is not None:
            u, v = float(p.group()), float(q.group())
            return (u > v) - (u < v)
    return (a.lower() > b.lower()) - (a.lower() < b.lower())


def _version(text: str) -> list[int]:
    parts = [int_or(part, 0) for part in re.split(r"[.\-]", text)]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def _sign(a: list[int], b: list[int]) -> int:
    return (a > b) - (a < b)


def compare_versions(a: str, b: str) -> int:
    """-1, 0 or 1 for dotted versions; missing parts count as 0."""
    return _sign(_version(a), _version(b))


def _date(cluster: Cluster, expression: etree._Element) -> bool:
    operation = (expression.get("operation") or "in_range").lower()
    start, end = (parse_date(expression.get(k), cluster.utc_offset_s) for k in ("start", "end"))
    wrong = any(expression.get(k) is not None and v is None for k, v in (("start", start), ("end", end)))
    now_s = cluster.now_s
    if operation == "date_spec":
        spec = expression.find("date_spec")
        return spec is not None and _date_spec(cluster, spec)
    if operation == "in_range" and end is None and start is not None and not wrong:
        end = _duration_end(expression, start)
    needed = {"gt": start is not None, "lt": end is not None, "in_range": start is not None or end is not None}
    if wrong or not needed.get(operation, False):
        _complain(cluster, expression, "operation, start or end is missing or wrong")
        return False
    if operation == "gt":
        assert start is not None
        cluster.recheck(start + 1)
        return now_s > start
    if operation == "lt":
        assert end is not None
        cluster.recheck(end)
        return now_s < end
    if start is not None and now_s < start:
        cluster.recheck(start)
        return False
    if end is not None:
        if now_s > end:
            return False
        cluster.recheck(end + 1)
    return True


def _duration_end(expression: etree._Element, start: int) -> int | None:
    duration = expression.find("duration")
    if duration is None:
        return None
    months = int_or(duration.get("months"), 0)
    seconds = 0
    for name, unit in (("weeks", 604_800), ("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
        seconds += max(-(10**9), min(10**9, int_or(duration.get(name), 0))) * unit
    return add_calendar(start, int_or(duration.get("years"), 0), months, seconds)


def _date_spec(cluster: Cluster, spec: etree._Element) -> bool:
    cluster.now_matters()
    for name, value in spec_fields(cluster.now_s, cluster.utc_offset_s).items():
        wanted = spec.get(name)
        if wanted is None:
            continue
        match = re.fullmatch(r"\s*([+]?\d{0,18})(-?)([+]?\d{0,18})", wanted, re.ASCII)
        low, dash, high = ("", "", "") if match is None else match.groups()
        if not low and not high:
            _complain(cluster, spec, f"'{wanted}' is no range of {name}")
            return False
        if low and value < int(low):
            return False
        if (high or not dash) and value > int(high or low):
            return False
    return True


def nvpairs(
    cluster: Cluster, owner: etree._Element | None, set_name: str, subject: Subject, into: dict[str, str], first_id: str = ""
) -> None:
    """Add the name-value pairs of `owner`'s sets to `into`, highest score first; what is there already stays."""
    if owner is None:
        return
    found: list[tuple[int, int, etree._Element]] = []
    for block in owner.iterchildren(set_name):
        resolved = resolve(cluster, block)
        if resolved is not None:
            score = _block_score(resolved)
            found.append((0 if first_id and resolved.get("id") == first_id else 1, -score, resolved))
    # Among equal scores the last block counts first, as in the original.
    found.reverse()
    found.sort(key=lambda entry: entry[:2])
    for _, _, block in found:
        rule = block.find("rule")
        if rule is not None and not passes(cluster, rule, subject):
            continue
        for pair in block.iterchildren("nvpair"):
            target = resolve(cluster, pair)
            if target is None:
                continue
            name, value = target.get("name"), target.get("value")
            if name is None or value is None:
                continue
            if value.lower() == "#default":
                into.pop(name, None)
            else:
                into.setdefault(name, value)


def _block_score(block: etree._Element) -> int:
    text = (block.get("score") or "0").upper()
    if text.endswith("INFINITY"):
        return -1_000_000 if text.startswith("-") else 1_000_000
    return max(-1_000_000, min(1_000_000, int_or(text, 0)))


def _complain(cluster: Cluster, element: etree._Element, why: str) -> None:
    cluster.tell(warning("scheduler.rule", f"{element.tag!s} '{element.get('id', '')}' does not pass", why))
