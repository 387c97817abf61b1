"""What changed between two configurations, as operations for `cib.apply`; and two people's changes joined.

Operations are per object (delete, replace, create by id), in one list that the CIB applies whole or not at all. That is why
they are not a patch: a v2 patch is bound to the exact version it was made from, which every status update moves on, while
operations by id leave alone whatever the session did not touch.
"""

from __future__ import annotations

import copy

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.compat.crm.document import Configuration
from standfast.compat.crm.render import is_same

Json = dict[str, object]
Key = tuple[str, str, str]
"""Section, tag and id of a direct child of a section; a section itself has only its name."""

_WHOLE_SECTIONS = frozenset(("fencing-topology",))


@dataclass(frozen=True, slots=True)
class Difference:
    """One top-level object that differs: None stands for absent."""

    key: Key
    before: etree._Element | None
    after: etree._Element | None


def differences(before: Configuration, after: Configuration) -> tuple[Difference, ...]:
    """Top-level objects that differ, deletions first, in the order of the documents."""
    old, new = _top_objects(before), _top_objects(after)
    gone = [Difference(key, element, None) for key, element in old.items() if key not in new]
    changed = [
        Difference(key, old.get(key), element)
        for key, element in new.items()
        if key not in old or not is_same(old[key], element) or _comments(old[key]) != _comments(element)
    ]
    return (*gone, *sorted(changed, key=lambda item: item.before is None))


def changed_ids(before: Configuration, after: Configuration) -> frozenset[str]:
    """Ids of the objects in `after` that are new or differ, members of containers by themselves."""
    found = set()
    old = {(item.keyword, item.ident): item for item in before.objects()}
    for item in after.objects():
        earlier = old.get((item.keyword, item.ident))
        if earlier is None or not is_same(earlier.element, item.element):
            found.add(item.ident)
    return frozenset(found)


def operations(before: Configuration, after: Configuration) -> list[Json]:
    """The list for `cib.apply` that makes the configuration of `before` that of `after`."""
    out: list[Json] = []
    made: set[str] = {str(section.tag) for section in before.configuration.iterchildren(etree.Element)}
    for item in differences(before, after):
        section, tag, ident = item.key
        mark = '"' if "'" in ident else "'"
        path = f"/cib/configuration/{section}" + (f"/{tag}[@id={mark}{ident}{mark}]" if tag else "")
        if item.after is None:
            out.append({"kind": "delete", "xpath": path})
        elif item.before is not None:
            out.append({"kind": "replace", "xpath": path, "xml": _text(item.after)})
        elif tag and section in made:
            out.append({"kind": "create", "scope": section, "xml": _text(item.after)})
        else:
            made.add(section)
            element = item.after
            if tag:
                element = etree.Element(section)
                element.append(copy.deepcopy(item.after))
            out.append({"kind": "create", "scope": "configuration", "xml": _text(element)})
    return out


def merge(base: Configuration, mine: Configuration, theirs: Configuration) -> Configuration:
    """My changes since `base` laid over `theirs`, what the cluster has now.

    Raises Refused (`crm.conflict`) naming the objects that both changed, each differently.
    """
    my_changes = differences(base, mine)
    their_changes = {item.key: item for item in differences(base, theirs)}
    clashes = []
    for item in my_changes:
        other = their_changes.get(item.key)
        if other is not None and not _is_same_end(item.after, other.after):
            clashes.append(item.key[2] or item.key[0])
    if clashes:
        raise Refused(
            error(
                "crm.conflict",
                f"changed by somebody else meanwhile: {', '.join(clashes)}",
                "your change starts from an older state of the same objects",
                "crm configure refresh shows the new state (and drops your changes); crm configure save FILE keeps them",
            )
        )
    merged = theirs.copy()
    for item in my_changes:
        if item.key not in their_changes:
            _lay(merged, item)
    return merged


def _is_same_end(one: etree._Element | None, other: etree._Element | None) -> bool:
    if one is None or other is None:
        return one is other
    return is_same(one, other)


def _lay(merged: Configuration, item: Difference) -> None:
    section, tag, _ = item.key
    found = _top_objects(merged).get(item.key)
    if item.after is None:
        parent = found.getparent() if found is not None else None
        if found is not None and parent is not None:
            parent.remove(found)
        return
    element = copy.deepcopy(item.after)
    element.tail = None
    if found is None:
        (merged.section(section) if tag else merged.configuration).append(element)
        return
    parent = found.getparent()
    assert parent is not None
    parent.replace(found, element)


def _top_objects(configuration: Configuration) -> dict[Key, etree._Element]:
    found: dict[Key, etree._Element] = {}
    for section in configuration.configuration.iterchildren(etree.Element):
        name = str(section.tag)
        if name in _WHOLE_SECTIONS:
            found[name, "", ""] = section
            continue
        for child in section.iterchildren(etree.Element):
            found[name, str(child.tag), child.get("id") or ""] = child
    return found


def _comments(element: etree._Element) -> list[str]:
    return [str(child.text) for child in element.iter(etree.Comment)]


def _text(element: etree._Element) -> str:
    """The element alone, without indentation."""
    clean = etree.fromstring(etree.tostring(element, with_tail=False), etree.XMLParser(remove_blank_text=True))
    return etree.tostring(clean, encoding="unicode")
