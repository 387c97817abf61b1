"""The location constraints that `move`, `ban` and `clear` write and remove, as crm_resource 2.1.5 makes them. Pure.

    <rsc_location id="cli-prefer-RSC" rsc="RSC" role="Started" node="NODE" score="INFINITY"/>
    <rsc_location id="cli-ban-RSC-on-NODE" rsc="RSC" role="Started" node="NODE" score="-INFINITY"/>

With a lifetime, a rule with a date takes the place of node and score. They stay until they are cleared: that surprises people,
so whoever calls this must say it.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta

from lxml import etree

from standfast.base.report import Refused, error
from standfast.compat.crm.document import Configuration, top_of

_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?\Z", re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:?\d{2})?)?\Z")


def is_lifetime(text: str) -> bool:
    """Whether a word is an ISO 8601 duration (PT5M) or date."""
    return bool(_DURATION.match(text) or _DATE.match(text))


def end_of(text: str, now_s: int) -> str:
    """When a lifetime that starts at `now_s` (seconds since 1970) ends, as `2026-11-22 14:52:19Z`. Raises Refused."""
    match = _DURATION.match(text)
    try:
        if match is None:
            return _utc_text(datetime.fromisoformat(text.upper().replace("Z", "+00:00")))
        years, months, weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        start = _months_later(datetime.fromtimestamp(now_s, UTC), years * 12 + months)
        return _utc_text(start + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds))
    except (ValueError, OverflowError) as fault:
        raise Refused(error("shell.bad-lifetime", f"{text!r} is not a lifetime", str(fault), "as PT5M or 2030-01-01")) from fault


def _months_later(start: datetime, months: int) -> datetime:
    month = start.month - 1 + months
    year, month = start.year + month // 12, month % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))


def _utc_text(when: datetime) -> str:
    aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def prefer(configuration: Configuration, resource: str, node: str, until: str = "") -> str:
    """Write the constraint of a move to `node`; earlier moves and a ban from that node go. Gives its id."""
    clear(configuration, resource, prefers=True)
    clear(configuration, resource, node)
    ident = f"cli-prefer-{resource}"
    rule_ids = (f"cli-prefer-rule-{resource}", f"cli-prefer-expr-{resource}", f"cli-prefer-lifetime-end-{resource}")
    _write(configuration, ident, resource, node, "INFINITY", until, rule_ids)
    return ident


def ban(configuration: Configuration, resource: str, node: str, until: str = "") -> str:
    """Write the constraint that keeps a resource off `node`, over an earlier one; a move to that node goes. Gives its id."""
    clear(configuration, resource, node)
    ident = f"cli-ban-{resource}-on-{node}"
    rule_ids = (f"{ident}-rule", f"{ident}-expr", f"{ident}-lifetime")
    _write(configuration, ident, resource, node, "-INFINITY", until, rule_ids)
    return ident


def clear(configuration: Configuration, resource: str, node: str = "", *, prefers: bool = False) -> list[str]:
    """Remove what move and ban have written for a resource; with `node` only what names that node, with `prefers` only moves.
    Gives the ids of what was removed."""
    gone = []
    for item in configuration.constraints():
        own_prefer = item.ident == f"cli-prefer-{resource}"
        own_ban = item.ident.startswith(f"cli-ban-{resource}-on-") and item.element.get("rsc") == resource
        if not own_prefer and (not own_ban or prefers):
            continue
        if node and _node_of(item.element) != node:
            continue
        parent = item.element.getparent()
        assert parent is not None
        parent.remove(item.element)
        gone.append(item.ident)
    return gone


def _node_of(constraint: etree._Element) -> str:
    expression = constraint.find("rule/expression[@attribute='#uname']")
    return constraint.get("node") or (expression.get("value") or "" if expression is not None else "")


def _write(
    configuration: Configuration, ident: str, resource: str, node: str, score: str, until: str, rule_ids: tuple[str, str, str]
) -> None:
    element = etree.SubElement(configuration.section("constraints"), "rsc_location")
    element.set("id", ident)
    element.set("rsc", resource)
    element.set("role", "Started")
    if not until:
        element.set("node", node)
        element.set("score", score)
        return
    rule = etree.SubElement(element, "rule", {"id": rule_ids[0], "score": score, "boolean-op": "and"})
    names = {"id": rule_ids[1], "attribute": "#uname", "operation": "eq", "value": node, "type": "string"}
    etree.SubElement(rule, "expression", names)
    etree.SubElement(rule, "date_expression", {"id": rule_ids[2], "operation": "lt", "end": until})


def movable(configuration: Configuration, name: str) -> str:
    """The id that a constraint on `name` should carry: what is inside a clone or group moves with it. Raises Refused (105)."""
    from standfast.shell.attributes import resource

    element = resource(configuration, name)
    outer = top_of(element)
    return (outer if outer.tag in ("clone", "master", "bundle") else element).get("id") or name
