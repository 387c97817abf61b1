"""The configuration as objects: a CIB document seen through the eyes of `crm configure`.

Owns: which elements are objects, finding them, sections, who refers to whom. Does not own: changing them (edit.py), text
(render.py). Invariant: the document is its own copy; nobody else's tree is ever changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.compat.crm import words


@dataclass(frozen=True, slots=True)
class Object:
    """One object: keyword, id (of nodes the id, not the name), element in the document. `xml` is the keyword of elements that
    the grammar does not know: they are kept and shown as they are."""

    keyword: str
    ident: str
    element: etree._Element

    @property
    def name(self) -> str:
        """What a person calls it: a node by its uname, all else by id."""
        return self.element.get("uname") or self.ident if self.keyword == "node" else self.ident


class Configuration:
    """A private copy of a CIB. `version` is what the cluster called it when it was read."""

    def __init__(self, root: etree._Element, version: str = "") -> None:
        """Takes `<cib>` or `<configuration>`; a missing configuration is made."""
        self.root = copy.deepcopy(root)
        self.version = version
        found = self.root if self.root.tag == "configuration" else self.root.find("configuration")
        self.configuration = found if found is not None else etree.SubElement(self.root, "configuration")

    def copy(self) -> Configuration:
        """An independent copy."""
        return Configuration(self.root, self.version)

    def section(self, name: str) -> etree._Element:
        """The section of that name, made (in the usual order) when it is missing."""
        found = self.configuration.find(name)
        if found is not None:
            return found
        element = etree.Element(name)
        later = words.SECTION_ORDER[words.SECTION_ORDER.index(name) + 1 :] if name in words.SECTION_ORDER else ()
        for position, child in enumerate(self.configuration):
            if child.tag in later:
                self.configuration.insert(position, element)
                return element
        self.configuration.append(element)
        return element

    def objects(self) -> list[Object]:
        """All objects in the order of `show`: by rank, then by id."""
        return sorted(self._found(), key=lambda item: (words.RANK_OF_KEYWORD[item.keyword], item.ident))

    def _found(self) -> Iterator[Object]:
        for section in self.configuration.iterchildren(etree.Element):
            if section.tag == "fencing-topology":
                yield Object("fencing_topology", words.DEFAULT_IDS["fencing_topology"], section)
                continue
            for child in section.iterchildren(etree.Element):
                yield from _objects_of(str(section.tag), child)

    def find(self, ident: str) -> Object | None:
        """The object of that id that is not a node (ids of nodes may collide with those of resources)."""
        if ident == words.DEFAULT_IDS["fencing_topology"]:
            section = self.configuration.find("fencing-topology")
            return Object("fencing_topology", ident, section) if section is not None else None
        # An XPath, because a large text looks for each of its objects, and Python would walk the document each time.
        for element in _BY_ID(self.configuration, ident=ident):
            section = element
            while section.getparent() is not self.configuration:
                section = section.getparent()
            item = next(_objects_of(str(section.tag), element))
            if item.keyword != "node" and item.ident == ident:
                return item
        return None

    def find_node(self, name: str) -> Object | None:
        """The node of that id or uname."""
        nodes = self.nodes()
        for item in nodes:
            if item.ident == name:
                return item
        return next((item for item in nodes if item.element.get("uname") == name), None)

    def nodes(self) -> list[Object]:
        """All configured nodes, in the order of the CIB."""
        section = self.configuration.find("nodes")
        return [] if section is None else [next(_objects_of("nodes", child)) for child in section.iterchildren("node")]

    def find_any(self, name: str) -> Object | None:
        """The resource, constraint, ... of that id, else the node of that name."""
        return self.find(name) or self.find_node(name)

    def find_set(self, keyword: str, ident: str) -> Object | None:
        """The property or defaults set of that id."""
        item = self.find(ident)
        return item if item is not None and item.keyword == keyword else None

    def find_resource(self, ident: str) -> etree._Element | None:
        """The primitive, group, clone, bundle or template of that id."""
        item = self.find(ident)
        return item.element if item is not None and item.keyword in words.RESOURCE_KEYWORDS else None

    def node_names(self) -> tuple[str, ...]:
        """Unames of all configured nodes, in the order of the CIB."""
        return tuple(node.element.get("uname") or "" for node in self.nodes())

    def constraints(self) -> list[Object]:
        """All constraints, tickets included."""
        return [item for item in self._found() if item.keyword in words.CONSTRAINT_KEYWORDS]


_BY_ID = etree.XPath("*/*[@id=$ident or @id-ref=$ident] | resources//primitive[@id=$ident] | resources//group[@id=$ident]")


def _objects_of(section: str, element: etree._Element) -> Iterator[Object]:
    keyword = words.KEYWORD_OF_TAG.get(str(element.tag), "xml")
    if section in ("rsc_defaults", "op_defaults"):
        keyword = section if element.tag == "meta_attributes" else "xml"
    elif words.SECTION_OF_KEYWORD.get(keyword) != section:
        keyword = "xml"
    ident = element.get("id") or element.get("id-ref") or element.get("uname") or str(element.tag)
    yield Object(keyword, ident, element)
    if section == "resources":
        for child in element.iterchildren(*words.CHILD_TAGS):
            yield from _objects_of(section, child)


def parent_of(element: etree._Element) -> etree._Element | None:
    """The group, clone, ms or bundle that holds a resource."""
    parent = element.getparent()
    return parent if parent is not None and parent.tag in ("group", "clone", "master", "bundle") else None


def top_of(element: etree._Element) -> etree._Element:
    """The outermost container of a resource, or the resource itself."""
    while (parent := parent_of(element)) is not None:
        element = parent
    return element


def children_of(element: etree._Element) -> list[etree._Element]:
    """The resources inside a container."""
    return list(element.iterchildren(*words.CHILD_TAGS))


REFERENCES = ("rsc", "with-rsc", "first", "then")


def references_of(constraint: etree._Element) -> list[str]:
    """Ids of the resources that a constraint names, in its order (patterns name none)."""
    named = [constraint.get(name) or "" for name in REFERENCES if constraint.get(name)]
    return named + [reference.get("id") or "" for reference in constraint.iterfind("resource_set/resource_ref")]
