"""Statement -> Definition: the element that a statement of `crm configure` describes, not yet joined to a CIB.

Pure and without context but for one question: which providers have an agent of a given type on this host.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.compat.crm import parse_constraints as constraints
from standfast.compat.crm import parse_resources as resources
from standfast.compat.crm import parse_sections as sections
from standfast.compat.crm import words
from standfast.compat.crm.cursor import ID, Cursor
from standfast.compat.crm.lexer import Statement, statements
from standfast.compat.crm.parse_resources import Providers, heartbeat_only


@dataclass(frozen=True, slots=True)
class Definition:
    """What one statement defines: its keyword (`monitor` and the keywords of words.py), the id of the object, the element
    without generated ids and with `<member id=.../>` for resources it names, where it was written, comments above it."""

    keyword: str
    ident: str
    element: etree._Element
    where: str
    comments: tuple[str, ...] = ()


_READERS: dict[str, Callable[[Cursor], etree._Element]] = {
    "node": resources.read_node,
    "group": resources.read_group,
    "clone": lambda cursor: resources.read_clone(cursor, "clone"),
    "ms": lambda cursor: resources.read_clone(cursor, "master"),
    "bundle": resources.read_bundle,
    "monitor": resources.read_monitor,
    "location": constraints.read_location,
    "colocation": constraints.read_colocation,
    "order": constraints.read_order,
    "rsc_ticket": constraints.read_ticket,
    "property": lambda cursor: sections.read_property_set(cursor, "property"),
    "rsc_defaults": lambda cursor: sections.read_property_set(cursor, "rsc_defaults"),
    "op_defaults": lambda cursor: sections.read_property_set(cursor, "op_defaults"),
    "fencing_topology": sections.read_topology,
    "tag": sections.read_tag,
    "role": lambda cursor: sections.read_acl(cursor, "role"),
    "user": lambda cursor: sections.read_acl(cursor, "user"),
    "acl_target": lambda cursor: sections.read_acl(cursor, "acl_target"),
    "acl_group": lambda cursor: sections.read_acl(cursor, "acl_group"),
    "alert": sections.read_alert,
    "xml": sections.read_xml,
}

KEYWORDS = frozenset((*_READERS, "primitive", "rsc_template", *words.KEYWORD_ALIASES))
"""Every word that may start a statement."""


def parse(statement: Statement, providers: Providers = heartbeat_only) -> Definition:
    """The definition in `statement`. Raises Refused (`crm.syntax`) with line and column."""
    cursor = Cursor(statement)
    written = cursor.take("a keyword").lower()
    keyword = words.KEYWORD_ALIASES.get(written, written)
    if keyword in ("primitive", "rsc_template"):
        element = resources.read_primitive(cursor, words.TAG_OF_KEYWORD[keyword], providers)
    elif keyword in _READERS:
        element = _READERS[keyword](cursor)
    else:
        near = get_close_matches(written, sorted(KEYWORDS), n=1)
        cursor.refuse("unknown keyword", remedy=f"did you mean {near[0]}?" if near else "crm configure help", at=0)
    if keyword == "xml":
        return _xml_definition(cursor, element)
    return Definition(keyword, _ident(keyword, element), element, statement.where, statement.comments)


def parse_text(text: str, source: str = "input", providers: Providers = heartbeat_only) -> tuple[Definition, ...]:
    """All definitions of a text, in its order. Raises Refused at the first error, so a text is taken whole or not at all."""
    return tuple(parse(statement, providers) for statement in statements(text, source))


def _ident(keyword: str, element: etree._Element) -> str:
    if keyword == "monitor":
        return element.get("rsc", "")
    if keyword == "fencing_topology":
        return words.DEFAULT_IDS[keyword]
    if keyword == "node":
        return element.get("id") or element.get("uname") or ""
    return element.get("id") or element.get("id-ref") or ""


def _xml_definition(cursor: Cursor, element: etree._Element) -> Definition:
    tag = str(element.tag)
    keyword = words.KEYWORD_OF_TAG.get(tag, "")
    if tag in ("rsc_defaults", "op_defaults"):
        if len(element) != 1:
            cursor.refuse(f"{tag} needs exactly one meta_attributes inside", at=0)
        keyword, element = tag, element[0]
    if not keyword:
        cursor.refuse(f"the element {tag} is no object of the configuration", at=0)
    ident = _ident(keyword, element)
    is_free = keyword in ("node", "fencing_topology", "user", "role", "acl_target", "acl_group")  # names, not XML ids
    if not ident or not (is_free or ID.fullmatch(ident)):
        cursor.refuse(f"the element {tag} has no valid id", at=0)
    return Definition(keyword, ident, element, cursor.statement.where, cursor.statement.comments)
