"""Rules: whether nvpair sets and location constraints apply now, here, to this. Source: Pacemaker_Explained, "Rules"."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.report import error, warning
from standfast.scheduler.dates import add_calendar, parse_date, spec_fields
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.values import BAD_VALUE, INT_MAX, int_or, interval_ms, parse_int, parse_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

    from standfast.scheduler.memory import Cluster

MAX_DEPTH = 32
CONDITIONS = ("expression", "date_expression", "rsc_expression", "op_expression")
TYPES = ("string", "integer", "number", "version")
ENDS = {"gt": ("start",), "lt": ("end",), "in_range": ("start", "end")}
"""Which ends an operation on dates looks at."""
UNITS_S = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
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
    if resolved.get("id") is None:
        _complain(cluster, resolved, "")
        return False
    if boolean not in ("and", "or"):
        _complain(cluster, resolved, f"because '{resolved.get('boolean-op')}' is not a valid boolean-op")
        return False
    conditions = [c for c in resolved if isinstance(c.tag, str)]
    if not conditions:
        rule_id = resolved.get("id") or ""
        told = warning("scheduler.rule", f"Ignoring rule {rule_id} because it contains no conditions", where=rule_id)
        cluster.tell(told)
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
    if found is None or found.tag != "template":
        cluster.watch.mark()  # it may change without any change of what refers to it
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
        tag = str(element.tag)
        what = f"Ignoring invalid {tag} configuration: id-ref '{reference}' does not reference a valid object"
        cluster.tell(error("scheduler.reference", what, where=reference))
        return None
    return target


def _condition(cluster: Cluster, condition: etree._Element, subject: Subject, depth: int) -> bool:
    if condition.tag == "rule":
        return passes(cluster, condition, subject, depth + 1)
    if condition.tag in CONDITIONS and condition.get("id") is None:
        _complain(cluster, condition, "")
        return False
    match condition.tag:
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
            if _bad_interval(cluster, condition):
                return False
            return condition.get("interval") is None or interval_ms(condition.get("interval")) == subject.op_interval_ms
    name, kind = condition.get("id") or "without ID", str(condition.tag)
    what = f"Treating rule condition {name} as not passing because {kind} is not a valid condition type"
    cluster.tell(error("scheduler.rule", what, where=condition.get("id") or ""))
    return False


def _bad_interval(cluster: Cluster, condition: etree._Element) -> bool:
    text = condition.get("interval")
    if text is None or text.startswith("P") or parse_ms(text) is not None:
        return False
    _complain(cluster, condition, f"because '{text}' is not a valid interval")
    return True


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
    if name is None:
        _complain(cluster, expression, "because attribute was not specified")
        return False
    if operation not in COMPARISONS:
        stated = expression.get("operation")
        _complain(
            cluster,
            expression,
            "because it has no operation" if stated is None else f"because '{stated}' is not a valid operation",
        )
        return False
    source = (expression.get("value-source") or "literal").lower()
    if source not in ("literal", "param", "meta"):
        _complain(cluster, expression, f"because '{expression.get('value-source')}' is not a valid value-source")
        return False
    if (value is not None) == (operation in ("defined", "not_defined")):
        word = "required" if value is None else "not allowed"
        _complain(cluster, expression, f"because value is {word} when operation is {expression.get('operation')}")
        return False
    if expression.get("type") is not None and (expression.get("type") or "").lower() not in TYPES:
        _complain(cluster, expression, f"because '{expression.get('type')}' is not a valid type")
        return False
    actual = None
    if subject.node_attrs is not None:
        meant = expand(name, subject.submatches)
        cluster.watch.asked.add(meant)
        actual = subject.node_attrs.get(meant)
    if operation == "defined":
        return actual is not None
    if operation == "not_defined":
        return actual is None
    assert value is not None
    tables = {"param": subject.params, "meta": subject.meta}
    reference: str | None = value
    if source in tables:
        reference = (tables[source] or {}).get(value)
    kind = _kind(expression.get("type"), operation, actual, reference)
    return _holds(operation, actual, reference, compare(actual, reference, kind))


def _holds(operation: str, actual: str | None, reference: str | None, order: int) -> bool:
    if operation in ("eq", "ne"):
        return (order == 0) == (operation == "eq")
    if actual is None or reference is None:
        return False
    return {"lt": order < 0, "lte": order <= 0, "gt": order > 0, "gte": order >= 0}[operation]


def _kind(stated: str | None, operation: str, actual: str | None, reference: str | None) -> str:
    if stated is not None:
        return stated.lower()
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
        number = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
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
    now_s = cluster.now_s
    if operation == "date_spec":
        spec = expression.find("date_spec")
        if spec is None:
            _complain(cluster, expression, "because date_spec operations require a date_spec subelement")
        return spec is not None and _date_spec(cluster, expression, spec)
    if operation not in ENDS:
        _complain(cluster, expression, f"because '{expression.get('operation')}' is not a valid operation")
        return False
    start, end = (parse_date(expression.get(k), cluster.utc_offset_s) for k in ("start", "end"))
    for name, value in (("start", start), ("end", end)):
        if name in ENDS[operation] and value is None and expression.get(name) is not None:
            _complain(cluster, expression, f"because {name} is invalid")
            return False
    if not any(value is not None for name, value in (("start", start), ("end", end)) if name in ENDS[operation]):
        # The original says gt where it means lt.
        needed = {"gt": "gt requires start", "lt": "gt requires end"}
        _complain(cluster, expression, f"because {needed.get(operation, 'in_range requires at least one of start or end')}")
        return False
    duration = expression.find("duration") if operation == "in_range" and end is None else None
    if duration is not None:
        end = None if start is None else _duration_end(cluster, expression, duration, start)
        if end is None:
            _complain(cluster, expression, "because duration is invalid")
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


def _duration_end(cluster: Cluster, expression: etree._Element, duration: etree._Element, start: int) -> int | None:
    """When a duration ends; None, and a report, when it is not one."""
    if duration.get("id") is None:
        _complain(cluster, expression, "because duration subelement has no id")
        return None
    amounts: dict[str, int] = {}
    for name in ("years", "months", *UNITS_S):
        text = duration.get(name)
        amount = 0 if text is None else parse_int(text)
        if amount is None or not -INT_MAX - 1 <= amount <= INT_MAX:
            fault = "Unable to parse CIB XML" if amount is None and _is_no_number(text) else "Numerical result out of range"
            _complain(cluster, expression, f"because duration {duration.get('id')} attribute {name} is invalid: {fault}")
            return None
        amounts[name] = amount
    seconds = sum(amounts[name] * unit for name, unit in UNITS_S.items())
    return add_calendar(start, amounts["years"], amounts["months"], seconds)


def _is_no_number(text: str | None) -> bool:
    return re.match(r"\s*[+-]?\d", text or "", re.ASCII) is None


def _date_spec(cluster: Cluster, expression: etree._Element, spec: etree._Element) -> bool:
    if spec.get("id") is None:
        _complain(cluster, expression, "because date_spec subelement has no id")
        return False
    cluster.now_matters()
    for name, value in spec_fields(cluster.now_s, cluster.utc_offset_s).items():
        wanted = spec.get(name)
        if wanted is None:
            continue
        match = re.fullmatch(r"\s*([+]?\d{1,18})?(-?)([+]?\d{1,18})?", wanted, re.ASCII)
        low, dash, high = ("", "", "") if match is None else match.groups("")
        if not low and not high:
            _complain(cluster, expression, f"because '{wanted}' is not a valid range for date_spec attribute {name}")
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
            score = _block_score(cluster, resolved)
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
                what = f"Support for setting meta-attributes (such as {name}) to the explicit value '#default' is deprecated"
                told = warning(
                    "scheduler.deprecated", f"{what} and will be removed in a future release", where=target.get("id") or ""
                )
                cluster.tell(told)
                into.pop(name, None)
            else:
                into.setdefault(name, value)


def _block_score(cluster: Cluster, block: etree._Element) -> int:
    text = block.get("score")
    if text is None:
        return 0
    score = parse_score(text, 0, cluster.health_scores)
    if score is None:
        name = block.get("id") or ""
        what = f"Using 0 as {name} score because '{text}' is not a valid score: {BAD_VALUE}"
        cluster.tell(warning("scheduler.set-score", what, where=name))
    return score or 0


def _complain(cluster: Cluster, element: etree._Element, why: str) -> None:
    name = element.get("id")
    what = f"Treating {element.tag!s} {'without id' if name is None else name} as not passing"
    cluster.tell(error("scheduler.rule", f"{what} {why}" if why else what, where=name or ""))
