"""Patchsets as Pacemaker writes them (`<diff format="2">`): made from two documents, applied through an Edit.

A patchset names its source and target versions, carries the target's digest, and lists changes by path: `create` (a parent's
path, the position, the element), `modify` (the attributes as they shall be), `move` (to a position) and `delete`. Children are
paired by name and id; a path is made of names with `[@id='...']` where there is an id (lib/common/patchset.c and xml.c of
Pacemaker 3).

`make_patchset` applies what it made and compares; documents whose elements cannot be told apart by path (two siblings of one name
without ids, an id with a quote) get a patchset that replaces the part as a whole, and so does a reordering that the
format's rules for moves would not reproduce.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from standfast.base.report import Refused
from standfast.cib.document import COUNTERS, Cib, Version, compact_xml, is_counter, pacemaker_digest, version_of
from standfast.cib.edit import Edit
from standfast.cib.refusal import Exit, refused
from standfast.cib.shape import name_of

_STEP = re.compile(r"/([A-Za-z_][\w.-]*)(?:\[@id='([^'/]*)'\])?")
PATH_STEPS_MAX = 64


class Order(Enum):
    """What a difference in the order of attributes is: nothing, a change, or a change that lists the attributes that moved."""

    IGNORED = "ignored"
    KEPT = "kept"
    LISTED = "listed"


# ---- making ---------------------------------------------------------------------------------------------------------


def make_patchset(before: Cib, after: Cib) -> bytes | None:
    """What turns `before` into `after`, as compact XML; None when they are the same."""
    patchset = element_patchset(before.root, after.root, with_digest=True)
    return None if patchset is None else compact_xml(patchset)


def element_patchset(before: Element, after: Element, *, with_digest: bool) -> Element | None:
    """The same for two elements of one name, CIBs or not, as a `<diff>`."""
    if compact_xml(before) == compact_xml(after):
        return None
    # As Pacemaker: in a CIB the order of attributes is no difference, unless our own digest would see one.
    ways = (Order.IGNORED, Order.KEPT) if with_digest else (Order.LISTED,)
    for order in ways:
        patchset = _frame(before, after, with_digest=with_digest)
        patchset.extend([*_deletions(before, after), *_others(before, after, order)])
        if _reproduces(before, after, patchset):
            return patchset
    patchset = _frame(before, after, with_digest=with_digest)
    patchset.extend(_whole(before, after))
    return patchset


def _frame(before: Element, after: Element, *, with_digest: bool) -> Element:
    patchset = etree.Element("diff", {"format": "2"})
    if with_digest:
        patchset.set("digest", pacemaker_digest(after))
    version = etree.SubElement(patchset, "version")
    for tag, root in (("source", before), ("target", after)):
        etree.SubElement(version, tag, {name: root.get(name, "0") for name in COUNTERS})
    return patchset


def _deletions(old: Element, new: Element) -> Iterator[Element]:
    """What has gone between two elements of the same path, in the old document's order."""
    lasting = {match: child for child, match in _pair(old, new).items()}
    for child in old:
        if child in lasting:
            yield from _deletions(child, lasting[child])
        else:
            yield _change("delete", _path(child))


def _others(old: Element, new: Element, order: Order) -> Iterator[Element]:
    """All the other changes, in the new document's order."""
    if old.items() != new.items() and (order is not Order.IGNORED or dict(old.items()) != dict(new.items())):
        yield _modify(old, new, order)
    pairs = _pair(old, new)
    moved = _moved(list(old), list(new), pairs)
    for position, child in enumerate(new):
        match = pairs.get(child)
        if match is None:
            change = _change("create", _path(new), position)
            change.append(copy.deepcopy(child))
            yield change
            continue
        yield from _others(match, child, order)
        if child in moved:
            yield _change("move", _path(child), position)


def _pair(old: Element, new: Element) -> dict[Element, Element]:
    """New children with their old selves: the same name and id."""
    waiting: dict[tuple[object, str | None], list[Element]] = {}
    for child in new:
        waiting.setdefault((child.tag, child.get("id")), []).append(child)
    pairs: dict[Element, Element] = {}
    for child in old:
        candidates = waiting.get((child.tag, child.get("id")))
        if candidates:
            pairs[candidates.pop(0)] = child
    return pairs


def _moved(old: list[Element], new: list[Element], pairs: dict[Element, Element]) -> dict[Element, None]:
    """Which of the new children are to be announced as moved: Pacemaker's rule (mark_child_moved), whose effect is that after
    each move either the old or the new place is left out of later counting."""
    order = [pairs[child] for child in new if child in pairs]
    kept = dict.fromkeys(order)
    if order == [child for child in old if child in kept]:
        return {}
    moved: dict[Element, None] = {}
    old_skipped = {child: child not in kept for child in old}
    new_position = 0
    for child in new:
        match = pairs.get(child)
        if match is None:
            continue
        old_position = sum(1 for sibling in old[: old.index(match)] if not old_skipped[sibling])
        if old_position == new_position:
            new_position += 1
            continue
        moved[child] = None
        if old_position > new_position:
            old_skipped[match] = True
            new_position += 1
    return moved


def _modify(old: Element, new: Element, order: Order = Order.KEPT) -> Element:
    change = _change("modify", _path(new))
    changes = etree.SubElement(change, "change-list")
    moved = _moved_attributes(old.items(), new.items()) if order is Order.LISTED else frozenset()
    for name, value in new.items():
        if old.get(name) != value or name in moved:
            etree.SubElement(changes, "change-attr", {"name": name, "operation": "set", "value": value})
    for name in old.keys():  # noqa: SIM118 -- an Element iterates over its children
        if new.get(name) is None:
            etree.SubElement(changes, "change-attr", {"name": name, "operation": "unset"})
    result = etree.SubElement(change, "change-result")
    etree.SubElement(result, name_of(new), dict(new.items()))
    return change


def _moved_attributes(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> frozenset[str]:
    """Unchanged attributes that are listed all the same, because they stand at another place (mark_attr_moved)."""
    new_values = dict(new)
    old_skipped: set[str] = set()
    new_skipped: set[str] = set()
    for at, (name, value) in enumerate(old):
        if new_values.get(name) != value:
            continue
        new_at = list(new_values).index(name)
        old_position = sum(1 for other, _ in old[:at] if other not in old_skipped)
        new_position = sum(1 for other, _ in new[:new_at] if other not in new_skipped)
        if old_position != new_position:
            (old_skipped if old_position > new_position else new_skipped).add(name)
    return frozenset(old_skipped | new_skipped)


def _change(operation: str, path: str, position: int | None = None) -> Element:
    change = etree.Element("change", {"operation": operation, "path": path})
    if position is not None:
        change.set("position", str(position))
    return change


def _path(element: Element) -> str:
    steps = []
    for step in [element, *element.iterancestors()]:
        own = step.get("id")
        steps.append(f"/{name_of(step)}" if own is None else f"/{name_of(step)}[@id='{own}']")
    return "".join(reversed(steps))


def _whole(before: Element, after: Element) -> list[Element]:
    """The root's attributes, and all parts of the document deleted and created anew."""
    changes: list[Element] = [_change("delete", _path(child)) for child in before]
    if before.items() != after.items():
        changes.append(_modify(before, after))
    for position, child in enumerate(after):
        change = _change("create", f"/{name_of(before)}", position)
        change.append(copy.deepcopy(child))
        changes.append(change)
    return changes


def _reproduces(before: Element, after: Element, patchset: Element) -> bool:
    trial = copy.deepcopy(before)
    try:
        _apply_changes(trial, Edit(trial), patchset)
    except Refused:
        return False
    return compact_xml(trial) == compact_xml(after)


# ---- applying -------------------------------------------------------------------------------------------------------


class _Late(NamedTuple):
    """A create or a move: done after all deletions and modifications, by position."""

    position: int
    target: Element
    child: Element | None


def apply_patchset(root: Element, edit: Edit, patchset: Element) -> None:
    """Apply a parsed `<diff>` to the document of `root`. Raises Refused: 65 for what is not a patchset or does not fit, 103 when
    it starts from another version, 104 when the result is not what its digest says. The caller rolls back."""
    _check_format(patchset)
    _check_versions(root, patchset)
    _apply_changes(root, edit, patchset)
    digest = patchset.get("digest")
    if digest is not None and digest.lower() != pacemaker_digest(root):
        raise refused(
            "digest-mismatch", Exit.DIGEST, "the patched document is not the one that the patchset was made for",
            f"its digest is {pacemaker_digest(root)}, not {digest[:64]}", "make the patchset again from the present document",
        )  # fmt: skip


def patch_element(root: Element, patchset: Element, *, check: bool) -> None:
    """Apply a `<diff>` to any element, in place; versions and digest count with `check` only. Raises Refused, and has changed
    nothing then."""
    edit = Edit(root)
    try:
        if check:
            _check_progress(patchset)
            apply_patchset(root, edit, patchset)
        else:
            _check_format(patchset)
            _apply_changes(root, edit, patchset)
    except Refused:
        edit.rollback()
        raise


def _check_progress(patchset: Element) -> None:
    """A patchset that raises none of the three versions is a stale one, whatever it changes."""
    source, target = patchset.find("version/source"), patchset.find("version/target")
    if source is None or target is None:
        return
    before, after = _version(source), _version(target)
    if not any(getattr(after, name) > getattr(before, name) for name in COUNTERS):
        raise refused("old-version", Exit.OLD, "the patchset makes no newer version", "", "raise epoch, or apply it without -c")


def _check_format(patchset: Element) -> None:
    if patchset.tag != "diff" or patchset.get("format") != "2":
        raise _bad("not a patchset of format 2", 'it must be <diff format="2">')


def _apply_changes(root: Element, edit: Edit, patchset: Element) -> None:
    """What a patchset lists, in the order that Pacemaker has: deletions and modifications first."""
    late: list[_Late] = []
    for change in patchset:
        if change.tag == "version":
            continue
        if change.tag != "change":
            raise _bad(f"<{name_of(change)}> in a patchset")
        _apply_one(root, edit, change, late)
    for item in sorted(late, key=lambda item: item.position):
        if item.child is not None:
            edit.insert(item.target, item.position, copy.deepcopy(item.child))
            continue
        parent = item.target.getparent()
        assert parent is not None
        edit.remove(item.target)
        edit.insert(parent, item.position, item.target)


def target_version(patchset: Element) -> Version | None:
    """The version that a patchset gives to its target, if it names one."""
    target = patchset.find("version/target")
    return None if target is None else _version(target)


def _apply_one(root: Element, edit: Edit, change: Element, late: list[_Late]) -> None:
    operation, path = change.get("operation"), change.get("path", "")
    target = _find(root, path)
    if operation == "delete":
        if target is root:
            raise _bad("a patchset cannot delete the whole document")
        if target is not None:
            edit.remove(target)
        return
    if target is None:
        raise _bad(f"nothing at {path[:200]} to {operation}", "make the patchset again from the present document")
    if operation == "modify":
        result = change.find("change-result")
        if result is None or len(result) != 1 or result[0].tag != target.tag:
            raise _bad(f"a modify of {path[:200]} without its result")
        edit.set_all(target, result[0].items())
    elif operation == "create":
        if len(change) != 1:
            raise _bad(f"a create at {path[:200]} of {len(change)} elements", "one is allowed")
        late.append(_Late(_position(change), target, change[0]))
    elif operation == "move" and target is not root:
        late.append(_Late(_position(change), target, None))
        parent = target.getparent()
        assert parent is not None
        edit.remove(target)  # out of the way, at the end, until its turn comes
        edit.append(parent, target)
    else:
        raise _bad(f"unknown operation {operation!r}")


def _find(root: Element, path: str) -> Element | None:
    """The first element at a path such as `/cib/configuration/nodes/node[@id='1']`."""
    at, place = 0, None
    for _ in range(PATH_STEPS_MAX):
        step = _STEP.match(path, at)
        if step is None:
            raise _bad(f"path {path[:200]!r} not understood at column {at + 1}")
        tag, own = step.groups()
        level = [root] if place is None else place.iterchildren(tag)
        place = next((e for e in level if e.tag == tag and (own is None or e.get("id") == own)), None)
        at = step.end()
        if place is None or at == len(path):
            return place
    raise _bad(f"a path of more than {PATH_STEPS_MAX} steps")


def _check_versions(root: Element, patchset: Element) -> None:
    """The source must be the version we are at. A target that is not newer is accepted as long as it is not older: crm_diff
    leaves it as it was when a person edited the file, and we count by ourselves."""
    current = version_of(root)
    source = patchset.find("version/source")
    if source is not None and _version(source) != current:
        raise refused(
            "old", Exit.OLD, f"the patchset starts from {_version(source)}, the CIB is at {current}", "",
            "make the patchset again from the present document",
        )  # fmt: skip
    target = target_version(patchset)
    if target is not None and target < current:
        raise refused("old", Exit.OLD, f"the patchset leads to {target}, the CIB is at {current} already")


def _version(element: Element) -> Version:
    numbers = [element.get(name, "") for name in COUNTERS]
    if not all(is_counter(number) for number in numbers):
        raise _bad(f"<{name_of(element)}> without three version numbers")
    return Version(*(int(number) for number in numbers))


def _position(change: Element) -> int:
    text = change.get("position", "0")
    if not is_counter(text):
        raise _bad(f"position {text[:40]!r} is not a number")
    return int(text)


def _bad(what: str, remedy: str = "") -> Refused:
    return refused("bad-patchset", Exit.DATA, what, "", remedy)
