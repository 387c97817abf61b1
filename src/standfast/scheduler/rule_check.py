"""Is a rule of a constraint in effect at a moment? What `crm_rule --check` asks, with the original's limits and words.

Like the original it looks at rules below <constraints> with exactly one date_expression, and answers for that expression; a
date_spec must name years and no moon, since nothing else tells "not yet" from "no longer".
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from standfast.scheduler.dates import add_calendar, parse_date, spec_fields
from standfast.scheduler.values import int_or, parse_int

if TYPE_CHECKING:
    from lxml.etree import _Element as Element


class Effect(IntEnum):
    """The answer, as Pacemaker's exit codes have it."""

    IN_EFFECT = 0
    UNIMPLEMENTED = 3
    CONFIG = 78
    NO_SUCH = 105
    EXPIRED = 110
    NOT_YET = 111
    INDETERMINATE = 112


class Answer(NamedTuple):
    """`why` says what stands in the way of an answer; `is_spec`: a date_spec was asked, which has no range."""

    effect: Effect
    why: str = ""
    is_spec: bool = False


def check_rule(root: Element, rule_id: str, now_s: int) -> Answer:
    """For the rule with that id in a `cib` element."""
    found = [rule for rule in root.iterfind("configuration/constraints//rule") if rule.get("id") == rule_id]
    if not found:
        return Answer(Effect.NO_SUCH, "Rule not found")
    if len(found) > 1:
        return Answer(Effect.CONFIG, "Found more than one rule with matching ID")
    dates = list(found[0].iter("date_expression"))
    if len(dates) != 1:
        why = "Rule does not have a date expression" if not dates else "Rule has more than one date expression"
        return Answer(Effect.UNIMPLEMENTED, why)
    expression = dates[0]
    spec = expression.find("date_spec")
    if expression.get("operation") == "date_spec" and (spec is None or not spec.get("years") or spec.get("moon") is not None):
        return Answer(Effect.UNIMPLEMENTED, "Rule must either not use date_spec, or use date_spec with years= but not moon=")
    effect = _effect(expression, now_s)
    why = "Error parsing rule" if effect is Effect.INDETERMINATE else ""
    return Answer(effect, why, expression.get("operation") == "date_spec")


def _effect(expression: Element, now_s: int) -> Effect:
    operation = expression.get("operation", "in_range")
    start, end = parse_date(expression.get("start")), parse_date(expression.get("end"))
    duration = expression.find("duration")
    if start is not None and end is None and duration is not None:
        end = _end_of(start, duration)
    if operation == "date_spec":
        spec = expression.find("date_spec")
        return Effect.INDETERMINATE if spec is None else _spec(spec, now_s)
    if operation == "gt" and start is not None:
        return Effect.IN_EFFECT if now_s > start else Effect.NOT_YET
    if operation == "lt" and end is not None:
        return Effect.IN_EFFECT if now_s < end else Effect.EXPIRED
    if operation == "in_range" and (start is not None or end is not None):
        if start is not None and now_s < start:
            return Effect.NOT_YET
        return Effect.EXPIRED if end is not None and now_s > end else Effect.IN_EFFECT
    return Effect.INDETERMINATE


def _end_of(start: int, duration: Element) -> int:
    seconds = 0
    for name, unit in (("weeks", 604_800), ("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
        seconds += max(-(10**9), min(10**9, int_or(duration.get(name), 0))) * unit
    return add_calendar(start, int_or(duration.get("years"), 0), int_or(duration.get("months"), 0), seconds)


def _spec(spec: Element, now_s: int) -> Effect:
    """The first field that does not fit decides: below its range is not yet, above it is no longer."""
    for name, value in spec_fields(now_s).items():
        wanted = spec.get(name)
        if wanted is None:
            continue
        low_text, dash, high_text = wanted.partition("-")
        low, high = parse_int(low_text), parse_int(high_text) if dash else parse_int(low_text)
        if low is not None and value < low:
            return Effect.NOT_YET
        if high is not None and value > high:
            return Effect.EXPIRED
    return Effect.IN_EFFECT
