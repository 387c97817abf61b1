"""A Configuration as text, and selections of it: what `show`, `edit` and `save` print."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Iterable, Sequence

from lxml import etree

from standfast.base.report import Refused, error
from standfast.compat.crm import words
from standfast.compat.crm.document import Configuration, Object, references_of
from standfast.compat.crm.format_attributes import Style, referenced_ids
from standfast.compat.crm.format_objects import statement, xml_statement
from standfast.compat.crm.ids import assign, used_ids
from standfast.compat.crm.lexer import statements
from standfast.compat.crm.parse_resources import Providers, heartbeat_only
from standfast.compat.crm.parser import parse

OBSCURED_BY_DEFAULT = ("passw*",)


def show(
    configuration: Configuration,
    objects: Iterable[Object] | None = None,
    obscured: Sequence[str] = (),
    providers: Providers = heartbeat_only,
) -> str:
    """The statements of `objects` (default: all), one object after another, without a newline at the end."""
    chosen = configuration.objects() if objects is None else list(objects)
    plain = Style(referenced_ids(configuration.root), (), len(configuration.node_names()), providers)
    masked = Style(plain.referenced, tuple(obscured), plain.nodes, providers)
    used = used_ids(configuration.root)
    return "\n".join(_render(configuration, item, plain, masked, used) for item in chosen)


def show_xml(configuration: Configuration, objects: Iterable[Object] | None = None, obscured: Sequence[str] = ()) -> str:
    """A `<cib>` that holds the chosen objects only, in their sections, indented."""
    root = etree.Element("cib")
    for name, value in configuration.root.attrib.items():
        root.set(str(name), str(value))
    if objects is None:
        shown = copy.deepcopy(configuration.configuration)
        root.append(shown)
    else:
        shown = etree.SubElement(root, "configuration")
        _copy_objects(configuration, shown, list(objects))
    for found in shown.iter("nvpair"):
        if found.get("value") is not None and any(fnmatch.fnmatchcase(found.get("name") or "", glob) for glob in obscured):
            found.set("value", "******")
    clean = etree.fromstring(etree.tostring(root), etree.XMLParser(remove_blank_text=True))
    text = etree.tostring(clean, pretty_print=True, encoding="unicode")
    return f'<?xml version="1.0" ?>\n{text}'


def _copy_objects(configuration: Configuration, shown: etree._Element, objects: list[Object]) -> None:
    wanted = {id(item.element) for item in objects}
    for section in configuration.configuration.iterchildren(etree.Element):
        if id(section) in wanted:
            shown.append(copy.deepcopy(section))
            continue
        found = [child for child in section.iterchildren(etree.Element) if wanted & {id(inner) for inner in child.iter()}]
        if found:
            target = etree.SubElement(shown, section.tag)
            target.extend(copy.deepcopy(child) for child in found)


def _render(configuration: Configuration, item: Object, plain: Style, masked: Style, used: set[str]) -> str:
    if item.keyword == "xml" or not is_expressible(configuration, item, plain, used):
        element = item.element
        if masked.obscured:
            element = copy.deepcopy(element)
            for found in element.iter("nvpair"):
                if any(fnmatch.fnmatchcase(found.get("name") or "", glob) for glob in masked.obscured):
                    found.set("value", "******")
        return xml_statement(element, item.keyword)
    return statement(item.keyword, item.element, masked)


def is_expressible(configuration: Configuration, item: Object, style: Style, used: set[str]) -> bool:
    """Whether the object's statement reads back as the same object; documents made by other tools need not. `used` are all ids
    of the document."""
    text = statement(item.keyword, item.element, style)
    try:
        found = statements(text)
        if len(found) != 1:
            return False
        definition = parse(found[0], style.providers)
    except Refused:
        return False
    if definition.keyword != item.keyword:
        return False
    element = definition.element
    by_id = {child.get("id"): child for child in item.element.iterchildren(*words.CHILD_TAGS)}
    for member in list(element.iter("member")):
        child = by_id.get(member.get("id"))
        parent = member.getparent()
        if child is None or parent is None:
            return False
        parent.replace(member, copy.deepcopy(child))
    if item.keyword == "fencing_topology":
        element = spread_levels(element, configuration.node_names())
    assign(element, used - used_ids(item.element), item.element)
    return _shape(element) == _shape(item.element)


def spread_levels(element: etree._Element, nodes: Sequence[str]) -> etree._Element:
    """A topology whose levels without target are repeated for each node."""
    spread = etree.Element(element.tag)
    plain = [level for level in element if level.get("target") is None and _has_no_target(level)]
    for node in nodes if plain else ():
        for level in plain:
            found = etree.SubElement(spread, "fencing-level", {"target": node})
            for name, value in level.attrib.items():
                found.set(str(name), str(value))
    for level in element:
        if level not in plain:
            spread.append(copy.deepcopy(level))
    return spread


def _has_no_target(level: etree._Element) -> bool:
    return level.get("target-pattern") is None and level.get("target-attribute") is None


Shape = tuple[str, tuple[tuple[str, str], ...], tuple["Shape", ...]]
"""An element for comparing: tag, attributes, children."""


def _shape(element: etree._Element, *, with_ids: bool = True) -> Shape:
    """An element as nested tuples. Attributes in any order; children in their order, but sorted by tag, because statements
    lay members behind attributes and the schema lets them mix; comments and indentation do not count."""
    children = [_shape(child, with_ids=with_ids) for child in element.iterchildren(etree.Element)]
    children.sort(key=lambda shape: shape[0])
    defaults = (("boolean-op", "and"), ("sequential", "true"), ("require-all", "true"), ("type", "normal"))
    attributes = tuple(
        sorted(
            (str(n), str(v))
            for n, v in element.attrib.items()
            if ((n, v) not in defaults or element.tag == "primitive") and (with_ids or n != "id")
        )
    )
    return str(element.tag), attributes, tuple(children)


def is_same(one: etree._Element, other: etree._Element, *, with_ids: bool = True) -> bool:
    """Whether two elements mean the same configuration, ids and all or but for the ids."""
    return _shape(one, with_ids=with_ids) == _shape(other, with_ids=with_ids)


def select(configuration: Configuration, filters: Sequence[str], changed: frozenset[str] = frozenset()) -> list[Object]:
    """The objects that the words of `show` choose: ids, globs, `changed`, type:T, tag:T, related:ID; `and` intersects.

    Raises Refused (`crm.no-object`) for an id that names nothing.
    """
    everything = configuration.objects()
    if not filters:
        return everything
    chosen: list[Object] = []
    earlier: list[Object] | None = None
    for word in filters:
        if word == "or":
            continue
        if word == "and":
            earlier, chosen = chosen, []
            continue
        chosen = [*chosen, *(item for item in _select_one(configuration, everything, word, changed) if item not in chosen)]
        if earlier is not None:
            chosen, earlier = [item for item in chosen if item in earlier], None
    return [item for item in everything if item in (chosen if earlier is None else earlier)]


def _select_one(configuration: Configuration, everything: list[Object], word: str, changed: frozenset[str]) -> list[Object]:
    kind, colon, name = word.partition(":")
    if word == "changed":
        return [item for item in everything if item.ident in changed]
    if colon and kind == "type":
        keyword = words.KEYWORD_ALIASES.get(name, name)
        if keyword not in words.RANK_OF_KEYWORD:
            raise Refused(error("crm.no-type", f"there is no type of object {name!r}", "", ", ".join(words.RANK_OF_KEYWORD)))
        return [item for item in everything if item.keyword == keyword]
    if colon and kind == "tag":
        tag = configuration.find(name)
        named = [found.get("id") for found in tag.element.iterchildren("obj_ref")] if tag is not None else []
        return [item for item in everything if item.ident in named]
    if colon and kind == "related":
        return [item for item in everything if item.ident == name or is_related(item, name)]
    found = [item for item in everything if fnmatch.fnmatchcase(item.name, word) or fnmatch.fnmatchcase(item.ident, word)]
    if not found and not any(char in word for char in "*?["):
        raise Refused(error("crm.no-object", f"object {word} does not exist", "", "crm configure show lists all objects"))
    return found


def is_related(item: Object, ident: str) -> bool:
    """Whether an object names the resource `ident`: constraint, container, tag, or user of a template."""
    element = item.element
    if item.keyword in words.CONSTRAINT_KEYWORDS:
        return ident in references_of(element)
    if item.keyword == "tag":
        return any(found.get("id") == ident for found in element.iterchildren("obj_ref"))
    if item.keyword in words.CONTAINER_KEYWORDS:
        return any(child.get("id") == ident for child in element.iterchildren(*words.CHILD_TAGS))
    return element.get("template") == ident
