"""`crm resource constraints`: what binds a resource, in the words of crm_resource -a (2.1.5), the last written first.

A rule is printed as it is written where crm_resource prints the nodes that it holds for: which those are is the scheduler's to
say. Orders and tickets, which crm_resource leaves out, follow as statements. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from standfast.compat.crm.document import Configuration, references_of
from standfast.compat.crm.format_attributes import Style, rule
from standfast.compat.crm.format_objects import statement


def constraint_lines(configuration: Configuration, name: str) -> Iterator[str]:
    """The lines for one resource; none when nothing binds it."""
    found = configuration.constraints()[::-1]
    locations = [line for item in found if item.keyword == "location" for line in _location(item.element, name)]
    if locations:
        yield "Locations:"
        yield from locations
    pairs = [pair for item in found if item.keyword == "colocation" for pair in _pairs(item.element)]
    for title, mine, other in (("Resources colocated with {}:", 1, 0), ("Resources {} is colocated with:", 0, 1)):
        lines = [f"  * {pair[other]} (score={pair[2]}, id={pair[3]})" for pair in pairs if pair[mine] == name]
        if lines:
            yield title.format(name)
            yield from lines
    others = [item for item in configuration.constraints() if item.keyword in ("order", "rsc_ticket")]
    for item in others:
        if name in references_of(item.element):
            yield statement(item.keyword, item.element)


def _location(element: etree._Element, name: str) -> Iterator[str]:
    pattern = element.get("rsc-pattern")
    if name not in references_of(element) and not (pattern and _matches(pattern, name)):
        return
    if element.get("node") is not None:
        yield f"  * Node {element.get('node')} (score={element.get('score')}, id={element.get('id')}, rsc={name})"
    for found in element.iterchildren("rule"):
        points = found.get("score") or found.get("score-attribute")
        text = rule(found, Style()).partition(": ")[2] if found.get("score") != "INFINITY" else rule(found, Style())
        yield f"  * Rule {text} (score={points}, id={found.get('id')}, rsc={name})"


def _matches(pattern: str, name: str) -> bool:
    """A pattern's answer for a name; `!` in front turns it round, and what is no expression matches nothing."""
    try:
        matches = re.search(pattern.removeprefix("!"), name) is not None
    except re.error:
        return False
    return matches is not pattern.startswith("!")


def _pairs(element: etree._Element) -> Iterator[tuple[str, str, str, str]]:
    """(resource, with, score, id) of a colocation; inside a set each is with the one before it, between sets all with all."""
    score, ident = element.get("score") or "", element.get("id") or ""
    if element.get("rsc"):
        yield element.get("rsc") or "", element.get("with-rsc") or "", score, ident
        return
    earlier: list[str] = []
    for found in element.iterchildren("resource_set"):
        members = [reference.get("id") or "" for reference in found.iterchildren("resource_ref")]
        if (found.get("sequential") or "true") == "true":
            for one, other in zip(members[1:], members, strict=False):
                yield one, other, score, found.get("id") or ""
        for one in earlier:
            for other in members:
                yield one, other, score, ident
        earlier = members
