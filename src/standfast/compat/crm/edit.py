"""Changes to a Configuration: define, load, delete, rename. Each is all or nothing.

Every public function works on a copy and gives the new Configuration with the notices worth saying; whatever is wrong
raises Refused and leaves the old one as it was. `running` are the resources that may not be deleted or renamed.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import field
from enum import StrEnum
from typing import NoReturn

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, Report, Severity, error
from standfast.compat.crm import words
from standfast.compat.crm.document import (
    REFERENCES,
    Configuration,
    Object,
    children_of,
    parent_of,
    references_of,
    top_of,
)
from standfast.compat.crm.ids import assign, used_ids
from standfast.compat.crm.parser import Definition
from standfast.compat.crm.render import is_related, is_same, spread_levels


class Method(StrEnum):
    """How a text meets the configuration: UPDATE merges by id, REPLACE erases all but the nodes first, PUSH is UPDATE and
    deletes what the text does not name, EDIT makes the chosen objects be what the text says. A text never
    deletes a node."""

    UPDATE = "update"
    REPLACE = "replace"
    PUSH = "push"
    EDIT = "edit"


@dataclass(slots=True)
class Change:
    """A change under way: the copy, and what has to be told about it."""

    to: Configuration
    running: Collection[str] = ()
    notices: list[Report] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Every id of the document; kept, because walking it for each object of a large text takes too long."""

    def __post_init__(self) -> None:
        self.used = used_ids(self.to.root)

    def say(self, what: str) -> None:
        """Note something done on the side."""
        self.notices.append(Report("crm.consequence", Severity.INFO, what))


Changed = tuple[Configuration, tuple[Report, ...]]


def define(configuration: Configuration, definition: Definition) -> Changed:
    """A single statement: a new object; nodes, property sets and monitors add to what is there."""
    change = Change(configuration.copy())
    if definition.keyword not in (*words.SET_KEYWORDS, "node", "monitor"):
        item = change.to.find(definition.ident)
        if item is not None:
            _refuse(
                definition.where,
                f"{definition.ident} is in use already by a {item.keyword}",
                remedy=f"crm configure edit {definition.ident}, or delete it first",
            )
    _put(change, definition, keeps=True)
    check_references(change.to, {definition.ident: definition.where})
    return change.to, tuple(change.notices)


def load(
    configuration: Configuration,
    definitions: Sequence[Definition],
    method: Method,
    chosen: Sequence[Object] = (),
    running: Collection[str] = (),
) -> Changed:
    """A whole text. `chosen` are the objects that an EDIT was given to change; others of the text must be new."""
    change = Change(configuration.copy(), running)
    _refuse_duplicates(definitions)
    named = {(item.keyword == "node", _ident_in(change.to, item)) for item in definitions}
    old = _old_objects(change.to, method, chosen)
    if method is Method.EDIT:
        _refuse_foreign(change.to, definitions, old)
    # A text without a node's line does not make the node leave: it is a member, whatever the text says.
    gone = [item for item in old if item.keyword != "node" and (False, item.ident) not in named]
    _refuse_running(change, [item.ident for item in gone if item.keyword in words.RESOURCE_KEYWORDS])
    if method is Method.REPLACE:
        gone = old
    # Constraints and containers go first, so that their members are free for others.
    first = (*words.CONSTRAINT_KEYWORDS, *words.CONTAINER_KEYWORDS)
    for item in [item for item in gone if item.keyword in first]:
        _remove(change, item, quietly=True)
    if method is Method.REPLACE:
        for item in gone:
            _remove(change, item, quietly=True)
    for definition in sorted(definitions, key=_processing_rank):
        _put(change, definition, keeps=method in (Method.UPDATE, Method.PUSH))
    for item in [item for item in gone if item.keyword not in first and method is not Method.REPLACE]:
        _remove(change, item, quietly=False)
    check_references(change.to, {definition.ident: definition.where for definition in definitions})
    return change.to, tuple(change.notices)


def delete(configuration: Configuration, names: Sequence[str], running: Collection[str] = (), is_forced: bool = False) -> Changed:
    """Objects by id (nodes by name), with all that would hang in the air without them. Forced: a missing one is no error."""
    change = Change(configuration.copy(), running)
    for name in names:
        item = change.to.find_any(name)
        if item is None:
            if not is_forced and configuration.find_any(name) is None:
                raise Refused(error("crm.no-object", f"object {name} does not exist", "", "crm configure show lists all objects"))
            continue
        users = [found for found in change.to.objects() if found.element.get("template") == item.ident]
        inside = [child.get("id") or "" for child in item.element.iter(*words.CHILD_TAGS)]
        doomed = [item.ident, *inside, *(found.ident for found in users)] if item.keyword != "node" else []
        _refuse_running(change, doomed if item.keyword in words.RESOURCE_KEYWORDS else [])
        for user in users:
            change.say(f"hanging {user.keyword}:{user.ident} deleted")
            _remove(change, user, quietly=False)
        _remove(change, item, quietly=False)
    return change.to, tuple(change.notices)


def rename(configuration: Configuration, old: str, new: str, running: Collection[str] = ()) -> Changed:
    """A new id for an object that does not run, in the object and wherever it is named; ids made from it stay."""
    from standfast.compat.crm.cursor import ID

    change = Change(configuration.copy(), running)
    item = change.to.find(old)
    if item is None:
        raise Refused(error("crm.no-object", f"object {old} does not exist"))
    if item.keyword in (*words.SET_KEYWORDS, "fencing_topology"):
        raise Refused(error("crm.no-rename", f"{old} cannot be renamed"))
    if not ID.fullmatch(new) or new in used_ids(change.to.root):
        raise Refused(error("crm.bad-id", f"{new!r} is in use already or cannot be an id"))
    _refuse_running(change, [old, *(child.get("id") or "" for child in item.element.iter(*words.CHILD_TAGS))])
    item.element.set("id", new)
    for found in change.to.configuration.iter(etree.Element):
        _redirect(found, old, new)
    return change.to, tuple(change.notices)


# ---- the steps -----------------------------------------------------------------------------------------------------------


def _put(change: Change, definition: Definition, *, keeps: bool) -> None:
    """Create or change the object of one definition. `keeps`: property sets keep the pairs that the text does not name."""
    if definition.keyword == "monitor":
        _put_monitor(change, definition)
        return
    element = copy.deepcopy(definition.element)
    previous = _previous(change.to, definition)
    if definition.keyword == "fencing_topology":
        element = spread_levels(element, change.to.node_names())
    if definition.keyword == "node" and previous is not None and element.get("id") not in (None, previous.ident):
        # Texts are carried from cluster to cluster, but a node's id is the cluster layer's.
        change.say(f"node {previous.name} keeps its id {previous.ident}")
        element.set("id", previous.ident)
    if definition.keyword == "node" and previous is not None:
        _refuse_namesake(change.to, definition, previous)
    if previous is not None and previous.keyword != definition.keyword:
        _refuse(definition.where, f"{definition.ident} is in use already by a {previous.keyword}")
    if previous is not None and keeps and definition.keyword in (*words.SET_KEYWORDS, "node"):
        element = _merged(previous.element, element)
    _resolve_references(change, element, definition.where)
    new_children = _adopt(change, element, definition, previous)
    old = previous.element if previous is not None else None
    if old is not None:
        change.used -= used_ids(old)
    change.used -= {ident for child in new_children for ident in used_ids(child)}
    assign(element, change.used, old)
    for comment in reversed(definition.comments):
        element.insert(0, etree.Comment(comment.replace("--", "- -")))
    if previous is not None:
        for child in _replace(previous, element):
            change.used |= used_ids(child)
        return
    section = words.SECTION_OF_KEYWORD[definition.keyword]
    target = change.to.section(section) if section else change.to.configuration
    target.append(element)
    for child in new_children:
        _redirect_constraints(change, child.get("id") or "", definition.ident)


def _previous(to: Configuration, definition: Definition) -> Object | None:
    if definition.keyword == "node":
        return to.find_node(definition.element.get("id") or "") or to.find_node(definition.element.get("uname") or "")
    if definition.keyword in words.SET_KEYWORDS:
        return to.find_set(definition.keyword, definition.ident) or to.find(definition.ident)
    return to.find(definition.ident)


def _merged(old: etree._Element, new: etree._Element) -> etree._Element:
    """The old set or node with the pairs of the new one laid over it."""
    merged = copy.deepcopy(old)
    for name, value in new.attrib.items():
        if name != "id":
            merged.set(str(name), str(value))
    for child in new.iterchildren(etree.Element):
        same = [
            found
            for found in merged.iterchildren(str(child.tag))
            if child.tag != "nvpair" or found.get("name") == child.get("name")
        ]
        if same and child.tag == "nvpair":
            same[0].attrib.pop("value", None)
            for name, value in child.attrib.items():
                same[0].set(str(name), str(value))
        elif same and child.tag in ("instance_attributes", "utilization"):
            merged.replace(same[0], _merged(same[0], child))
        elif not any(is_same(found, child, with_ids=False) for found in same):
            merged.append(copy.deepcopy(child))
    return merged


def _adopt(change: Change, element: etree._Element, definition: Definition, previous: Object | None) -> list[etree._Element]:
    """Put the named resources in the place of `<member>`; gives those that were not children of this object before."""
    new_children = []
    for member in list(element.iter("member")):
        name = member.get("id") or ""
        found = change.to.find_resource(name)
        if found is None:
            _refuse(definition.where, f"{definition.ident} names a resource {name} that does not exist")
        holder = parent_of(found)
        if holder is not None and holder.get("id") != definition.ident:
            _refuse(definition.where, f"{name} is in use already at {holder.get('id')}")
        if found.tag not in words.CHILD_TAGS or (definition.keyword in ("group", "bundle") and found.tag != "primitive"):
            kind = words.KEYWORD_OF_TAG[str(found.tag)]
            _refuse(definition.where, f"a {definition.keyword} cannot hold {name}, which is a {kind}")
        parent = member.getparent()
        assert parent is not None
        if holder is None:
            new_children.append(found)
            parent.replace(member, found)  # moves it out of its section
        else:
            parent.replace(member, copy.deepcopy(found))
    assert previous is None or previous.element.get("id") is not None or definition.keyword == "fencing_topology"
    return new_children


def _replace(previous: Object, element: etree._Element) -> list[etree._Element]:
    """Lay the new element in the place of the old; members that it no longer names become resources of their own: given back."""
    old = previous.element
    kept = {child.get("id") for child in children_of(element)}
    holder = old.getparent()
    assert holder is not None
    is_container = previous.keyword in words.CONTAINER_KEYWORDS
    released = [child for child in children_of(old) if is_container and child.get("id") not in kept]
    for child in released:
        top_of(old).addprevious(child)
    element.tail = None
    holder.replace(old, element)
    return released


def _put_monitor(change: Change, definition: Definition) -> None:
    element = change.to.find_resource(definition.ident)
    if element is None or element.tag not in ("primitive", "template"):
        _refuse(definition.where, f"there is no primitive {definition.ident}")
    op = copy.deepcopy(definition.element)
    del op.attrib["rsc"]
    operations = element.find("operations")
    if operations is None:
        operations = etree.SubElement(element, "operations")
    for found in operations.iterchildren("op"):
        if all(found.get(name) == op.get(name) for name in ("name", "interval", "role")):
            _refuse(definition.where, f"{definition.ident} already has a monitor with interval {op.get('interval')}")
    operations.append(op)
    assign(element, change.used, None)


def _resolve_references(change: Change, element: etree._Element, where: str) -> None:
    """`$id-ref` may name a set or an object that has one of that kind; the latter becomes the id of its first such set."""
    for found in element.iter(etree.Element):
        reference = found.get("id-ref")
        if reference is None:
            continue
        item = change.to.find_any(reference)
        if item is not None and item.element is not element:
            inside = [child.get("id") for child in item.element.iter(str(found.tag)) if child.get("id")]
            if inside and item.element.tag != found.tag:
                found.set("id-ref", inside[0] or "")
                continue
        if reference not in change.used and reference not in used_ids(element):
            _refuse(where, f"nothing has the id {reference} that $id-ref or @ names")


def _remove(change: Change, item: Object, *, quietly: bool) -> None:
    """Take an object out with what hangs on it: constraints, tag entries, containers that would be empty."""
    element = item.element
    if element.getparent() is None or element.getroottree().getroot() is not change.to.root:
        return  # gone with another one already
    holder = parent_of(element)
    if item.keyword in words.CONTAINER_KEYWORDS:
        children = children_of(element)
        for child in children:
            element.addprevious(child)
        if children and not quietly:
            _redirect_constraints(change, item.ident, children[0].get("id") or "")
    parent = element.getparent()
    assert parent is not None
    _detach(parent, element)
    change.used -= used_ids(element)
    if item.keyword in words.RESOURCE_KEYWORDS:
        _drop_references(change, item.ident, quietly=quietly)
    if holder is not None and not children_of(holder):
        keyword = words.KEYWORD_OF_TAG[str(holder.tag)]
        change.say(f"empty {keyword}:{holder.get('id')} deleted")
        _remove(change, Object(keyword, holder.get("id") or "", holder), quietly=quietly)
    if parent.tag in ("rsc_defaults", "op_defaults", "tags", "acls", "alerts") and not len(parent):
        outer = parent.getparent()
        if outer is not None:
            _detach(outer, parent)


def _detach(parent: etree._Element, element: etree._Element) -> None:
    """Remove an element but not the text behind it, which lxml would take along."""
    element.tail = None
    parent.remove(element)


def _drop_references(change: Change, ident: str, *, quietly: bool) -> None:
    for item in [*change.to.constraints(), *(found for found in change.to.objects() if found.keyword == "tag")]:
        if not is_related(item, ident):
            continue
        for reference in list(item.element.iter("resource_ref", "obj_ref")):
            if reference.get("id") == ident:
                holder = reference.getparent()
                assert holder is not None
                _detach(holder, reference)
                if holder.tag == "resource_set" and not len(holder):
                    _detach(item.element, holder)
        is_silly = any(item.element.get(name) == ident for name in REFERENCES)
        named = next(item.element.iter("resource_ref", "obj_ref"), None)
        is_empty = named is None and not item.element.get("rsc-pattern")
        if is_silly or (is_empty and not any(item.element.get(name) for name in REFERENCES)):
            _remove(change, item, quietly=True)
            if not quietly:
                change.say(f"hanging {item.keyword}:{item.ident} deleted")
        elif not quietly:
            change.say(f"{item.keyword}:{item.ident} updated")


def _redirect_constraints(change: Change, old: str, new: str) -> None:
    """Constraints on a resource that has moved into (or out of) a container now name the other; those on both are void."""
    for item in change.to.constraints():
        if old not in references_of(item.element):
            continue
        for found in item.element.iter(etree.Element):
            _redirect(found, old, new)
        change.say(f"{item.keyword}:{item.ident} now applies to {new} instead of {old}")
        names = references_of(item.element)
        if len(names) > 1 and len(set(names)) == 1:
            _remove(change, item, quietly=True)


def _redirect(element: etree._Element, old: str, new: str) -> None:
    if element.tag in ("resource_ref", "obj_ref") and element.get("id") == old:
        element.set("id", new)
    if element.tag in words.CONSTRAINT_TAGS:
        for name in REFERENCES:
            if element.get(name) == old:
                element.set(name, new)
    if element.tag == "primitive" and element.get("template") == old:
        element.set("template", new)


# ---- refusals ------------------------------------------------------------------------------------------------------------


def check_references(to: Configuration, places: dict[str, str]) -> None:
    """Refuse constraints that name resources, and primitives that name templates, which do not exist."""
    known = {item.ident for item in to.objects() if item.keyword in words.RESOURCE_KEYWORDS}
    tags = {item.ident for item in to.objects() if item.keyword == "tag"}
    reports = []
    for item in to.objects():
        missing = []
        if item.keyword in words.CONSTRAINT_KEYWORDS:
            missing = [name for name in references_of(item.element) if name not in known and name not in tags]
        elif item.keyword == "primitive" and item.element.get("template", "") not in known | {""}:
            missing = [item.element.get("template") or ""]
        if missing and item.ident in places:
            what = f"{item.keyword} {item.ident} names {', '.join(missing)}, which does not exist"
            reports.append(
                error("crm.no-resource", what, "", "define the resource in the same text or before", places[item.ident])
            )
    if reports:
        raise Refused(*reports)


def _refuse(where: str, what: str, why: str = "", remedy: str = "") -> NoReturn:
    raise Refused(error("crm.meaning", what, why, remedy, where))


def _refuse_namesake(to: Configuration, definition: Definition, previous: Object) -> None:
    """A line that calls a node as another one is called already: two nodes of one name are a CIB that nothing can follow."""
    name = definition.element.get("uname")
    other = next((node for node in to.nodes() if node.element.get("uname") == name and node.ident != previous.ident), None)
    if name is not None and other is not None:
        what, why = f"node {previous.ident} cannot be called {name}", f"node {other.ident} is called so"
        _refuse(definition.where, what, why, "write the line without the id, or give the node a name of its own")


def _refuse_running(change: Change, names: Sequence[str]) -> None:
    for name in names:
        if name in change.running:
            raise Refused(
                error("crm.running", f"resource {name} is running, can't delete it", "", f"crm resource stop {name}, or --force")
            )


def _refuse_duplicates(definitions: Sequence[Definition]) -> None:
    seen: dict[tuple[bool, str], Definition] = {}
    for definition in definitions:
        if definition.keyword == "monitor" or definition.keyword in words.SET_KEYWORDS:
            continue
        key = (definition.keyword == "node", definition.ident)
        if key in seen:
            _refuse(definition.where, f"{definition.ident} is defined twice", f"the first time at {seen[key].where}")
        seen[key] = definition


def _refuse_foreign(to: Configuration, definitions: Sequence[Definition], chosen: Sequence[Object]) -> None:
    """An edited text may not name objects that exist but were not among those picked for editing."""
    picked = {(item.keyword == "node", item.ident) for item in chosen}
    for definition in definitions:
        if definition.keyword == "monitor":
            continue
        found = _previous(to, definition)
        if found is not None and (found.keyword == "node", found.ident) not in picked:
            _refuse(definition.where, f"{definition.ident} exists already but was not picked for editing")


def _old_objects(to: Configuration, method: Method, chosen: Sequence[Object]) -> list[Object]:
    if method is Method.EDIT:
        names = {(item.keyword, item.ident) for item in chosen}
        return [item for item in to.objects() if (item.keyword, item.ident) in names]
    if method is Method.UPDATE:
        return []
    return [item for item in to.objects() if item.keyword not in ("node", "xml")]


def _ident_in(to: Configuration, definition: Definition) -> str:
    if definition.keyword == "node":
        found = _previous(to, definition)
        return found.ident if found is not None else definition.ident
    return definition.ident


def _processing_rank(definition: Definition) -> int:
    if definition.keyword == "monitor":
        return 7  # after all that it may belong to
    return words.RANK_OF_KEYWORD[definition.keyword]
