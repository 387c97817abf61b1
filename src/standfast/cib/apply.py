"""Applying a change to a document: all of it or nothing, the same on every node.

The rules are Pacemaker's (checked against cibadmin 2.1.5), but for these, where its own are traps:

* REPLACE of the whole document, and ERASE, leave `status` alone: it belongs to the nodes, and an old file must not make a cluster
  forget what runs. Replace the scope `status` to do it on purpose.
* Any change of the configuration raises `epoch`, a MODIFY that adds an object too (2.1.5 raises only num_updates there).
* A section that is missing (`tags`, ...) is created by CREATE and REPLACE as it is by MODIFY; an unknown scope is refused.

Versions: a change of the configuration gives epoch + 1 and num_updates 0; anything else that changes gives num_updates + 1;
nothing changed, nothing counted. The numbers start from what the operations themselves wrote into the root, which must not be
lower.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from lxml import etree
from lxml.etree import _Element as Element

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused
from standfast.cib import xpath
from standfast.cib.diff import apply_patchset
from standfast.cib.document import (
    COUNTERS,
    REQUIRED_SECTIONS,
    WRITTEN_ATTRIBUTES,
    Cib,
    Version,
    is_counter,
    parse_xml,
    version_of,
)
from standfast.cib.edit import ROOT, Edit
from standfast.cib.operations import Change, Operation, OpKind, Origin
from standfast.cib.refusal import Exit, refused
from standfast.cib.shape import SECTIONS, check_shape, name_of

WHOLE = ("", "cib", "all")
CLUSTER_ATTRIBUTES = ("have-quorum", "dc-uuid")
"""Root attributes that the cluster keeps; a file that replaces the document does not change them."""

INFINITY = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change did. `sections` as Edit.sections names them; `answers` holds a text for each QUERY."""

    before: Version
    after: Version
    sections: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything changed."""
        return bool(self.sections)

    @property
    def changed_status(self) -> bool:
        """Whether the status section changed."""
        return "status" in self.sections

    @property
    def changed_configuration(self) -> bool:
        """Whether the configuration, or a version above num_updates, changed: what has to be on disk before it is answered."""
        return is_configuration(self.sections) or (self.before.admin_epoch, self.before.epoch) != (
            self.after.admin_epoch,
            self.after.epoch,
        )


def is_configuration(sections: Iterable[str]) -> bool:
    """Whether any of the changed sections belongs to the configuration."""
    return any(section not in {ROOT, "status"} for section in sections)


def apply(cib: Cib, change: Change, written: list[tuple[Element, str]] | None = None) -> Outcome:
    """Apply all operations, in order. Raises Refused, and then nothing has changed. `written` is given Edit.written."""
    edit = Edit(cib.root)
    before = cib.version
    answers: list[str] = []
    try:
        for operation in change.operations:
            answer = _PERFORM[operation.kind](cib, edit, operation)
            if answer is not None:
                answers.append(answer)
        sections = edit.sections
        after = _settle(cib.root, edit, before, change)
    except Refused:
        edit.rollback()
        raise
    finally:
        cib.touched(configuration=is_configuration(edit.sections))
    if written is not None:
        written += edit.written
    return Outcome(before, after, sections, tuple(answers))


def query(cib: Cib, scope: str = "", expression: str = "") -> str:
    """A section's text, or what an XPath selects (several matches inside `<xpath-query>`). Raises Refused (105) for nothing."""
    if not expression:
        section = _section(cib, scope)
        if section is None:
            raise _no_such(f"the CIB has no {scope}")
        return etree.tostring(section, encoding="unicode", pretty_print=True)
    found = xpath.find(cib.root, expression)
    if not found:
        raise _no_such(f"nothing matches {expression}")
    if len(found) == 1:
        return etree.tostring(found[0], encoding="unicode", pretty_print=True)
    wrapper = etree.Element("xpath-query")
    wrapper.extend(copy.deepcopy(element) for element in found)
    return etree.tostring(wrapper, encoding="unicode", pretty_print=True)


# ---- the kinds ------------------------------------------------------------------------------------------------------


def _query(cib: Cib, edit: Edit, operation: Operation) -> str | None:  # noqa: ARG001
    return query(cib, operation.scope, operation.xpath)


def _create(cib: Cib, edit: Edit, operation: Operation) -> str | None:
    given = _input(operation)
    if operation.xpath:
        for place in _matches(cib, operation):
            _add(edit, place, given)
        return None
    if given.tag == "cib" or operation.scope in WHOLE:
        return _modify(cib, edit, operation)  # as Pacemaker: into the whole document, create means merge
    section = _made_section(cib, edit, operation.scope)
    for child in list(given) if given.tag == section.tag else [given]:
        _add(edit, section, child)
    return None


def _modify(cib: Cib, edit: Edit, operation: Operation) -> str | None:
    given = _part(_input(operation), operation.scope)
    if operation.xpath:
        for place in _matches(cib, operation):
            if place.tag != given.tag:
                raise _no_such(f"the XPath leads to <{name_of(place)}>, the input is <{name_of(given)}>")
            _merge(edit, place, given)
        return None
    section = _made_section(cib, edit, operation.scope)
    target = _same_object(section, given)
    if target is not None:
        _merge(edit, target, given)
    elif operation.allow_create:
        edit.append(section, copy.deepcopy(given))
    else:
        raise _no_such(f"no {_label(given)} in {operation.scope or 'the CIB'}")
    return None


def _replace(cib: Cib, edit: Edit, operation: Operation) -> str | None:
    given = _part(_input(operation), operation.scope)
    if operation.xpath:
        for place in _matches(cib, operation):
            if place is cib.root:
                raise refused("bad-change", Exit.DATA, "the XPath leads to the whole document", "", "replace the scope cib")
            _swap(edit, place, given)
        return None
    if given.tag == "cib":
        _replace_document(cib, edit, given)
        return None
    section = _made_section(cib, edit, operation.scope)
    target = section if section.tag == given.tag and section is not cib.root else _same_object(section, given)
    if target is None:
        raise _no_such(f"no {_label(given)} in {operation.scope or 'the CIB'}")
    _swap(edit, target, given)
    return None


def _delete(cib: Cib, edit: Edit, operation: Operation) -> str | None:
    if operation.xpath:
        # In reverse, so that a match inside a match is removed first.
        for place in reversed(_found(cib, operation)):
            if place is cib.root:
                raise refused("bad-change", Exit.DATA, "the whole document cannot be deleted", "", "erase it")
            edit.remove(place)
        return None
    given = _part(_input(operation), operation.scope)
    section = _section(cib, operation.scope)
    if section is None:
        return None
    for wanted in list(given) if given.tag == section.tag else [given]:
        target = next((e for e in section.iter(name_of(wanted)) if all(e.get(k) == v for k, v in wanted.items())), None)
        if target is cib.root:
            raise refused("bad-change", Exit.DATA, "the whole document cannot be deleted", "", "erase it")
        if target is not None:
            edit.remove(target)
    return None


def _patch(cib: Cib, edit: Edit, operation: Operation) -> str | None:
    apply_patchset(cib.root, edit, _input(operation))
    return None


def _bump(cib: Cib, edit: Edit, operation: Operation) -> str | None:  # noqa: ARG001
    edit.set(cib.root, "epoch", str(cib.version.epoch + 1))
    return None


def _erase(cib: Cib, edit: Edit, operation: Operation) -> str | None:  # noqa: ARG001
    _swap(edit, cib.configuration, Cib.empty().configuration)
    edit.set(cib.root, "admin_epoch", str(cib.version.admin_epoch + 1))
    return None


_PERFORM: dict[OpKind, Callable[[Cib, Edit, Operation], str | None]] = {
    OpKind.QUERY: _query,
    OpKind.CREATE: _create,
    OpKind.MODIFY: _modify,
    OpKind.REPLACE: _replace,
    OpKind.DELETE: _delete,
    OpKind.PATCH: _patch,
    OpKind.BUMP: _bump,
    OpKind.ERASE: _erase,
}

# ---- finding --------------------------------------------------------------------------------------------------------


def _input(operation: Operation) -> Element:
    """The operation's XML."""
    if not operation.xml:
        raise refused("no-input", Exit.USAGE, f"{operation.kind.value} needs XML")
    try:
        data = operation.xml.encode()
    except UnicodeEncodeError:
        raise refused("not-utf-8", Exit.DATA, "the input holds text that UTF-8 cannot express") from None
    return parse_xml(data, "input")


def _part(given: Element, scope: str) -> Element:
    """Of a whole document given for one section, that section."""
    if given.tag != "cib" or scope in WHOLE:
        return given
    part = given.find(scope) if scope in {"configuration", "status"} else given.find(f"configuration/{scope}")
    if part is None:
        raise _no_such(f"the input has no {scope}")
    return part


def _section(cib: Cib, scope: str) -> Element | None:
    """The element that a scope names, if the document has it. Raises Refused (64) for a scope that does not exist."""
    if scope in WHOLE:
        return cib.root
    if scope == "configuration":
        return cib.configuration
    if scope == "status":
        return cib.status
    if scope not in SECTIONS:
        raise refused(
            "unknown-scope", Exit.USAGE, f"no scope {scope[:40]!r}", "", f"cib configuration status {' '.join(SECTIONS)}"
        )
    return cib.configuration.find(scope)


def _made_section(cib: Cib, edit: Edit, scope: str) -> Element:
    """The element that a scope names, created if need be."""
    section = _section(cib, scope)
    if section is None:
        section = etree.Element(scope)
        edit.append(cib.configuration, section)
    return section


def _found(cib: Cib, operation: Operation) -> list[Element]:
    found = xpath.find(cib.root, operation.xpath)
    return found if operation.multiple else found[:1]


def _matches(cib: Cib, operation: Operation) -> list[Element]:
    found = _found(cib, operation)
    if not found:
        raise _no_such(f"nothing matches {operation.xpath}")
    return found


def _same_object(section: Element, given: Element) -> Element | None:
    """The first element, the section itself included, with the same name and id (or both without an id)."""
    own = given.get("id")
    return next((element for element in section.iter(name_of(given)) if element.get("id") == own), None)


def _label(element: Element) -> str:
    own = element.get("id")
    return f"<{name_of(element)}>" if own is None else f"<{name_of(element)} id={own!r}>"


def _no_such(what: str) -> Refused:
    return refused("no-such-object", Exit.NO_SUCH, what)


# ---- writing --------------------------------------------------------------------------------------------------------


def _add(edit: Edit, parent: Element, child: Element) -> None:
    """Append a copy, unless the parent has such a child."""
    own = child.get("id")
    if any(own is None or sibling.get("id") == own for sibling in parent.iterchildren(name_of(child))):
        raise refused("exists", Exit.EXISTS, f"{_label(child)} exists already", "", "modify or replace it")
    edit.append(parent, copy.deepcopy(child))


def _merge(edit: Edit, target: Element, given: Element) -> None:
    """Give `target` the attributes of `given`, and do the same for children of the same name and id; the others are added."""
    for name, value in given.items():
        edit.set(target, name, _counted(name, target.get(name), value))
    if not len(given):
        return
    children: dict[tuple[str, str | None], Element] = {}
    for child in target:
        children.setdefault((name_of(child), child.get("id")), child)
        children.setdefault((name_of(child), None), child)
    for child in given:
        match = children.get((name_of(child), child.get("id")))
        if match is None:
            match = copy.deepcopy(child)
            edit.append(target, match)
            children.setdefault((name_of(child), child.get("id")), match)
            children.setdefault((name_of(child), None), match)
        else:
            _merge(edit, match, child)


def _counted(name: str, old: str | None, value: str) -> str:
    """`epoch="epoch++"` and `value="value+=4"` count up from the old value; scores stop at INFINITY. Anything else is itself."""
    if old is None or not value.startswith(f"{name}+"):
        return value
    sign, rest = value[len(name) : len(name) + 2], value[len(name) + 2 :]
    if sign == "++":
        amount = 1
    elif sign == "+=":
        amount = _number(rest)
    else:
        return value
    total = _number(old) + amount
    return str(total) if total < INFINITY or name in COUNTERS else "INFINITY"


def _number(text: str) -> int:
    """A score as a number: INFINITY is a million, what is no number is 0."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits == "INFINITY":
        return sign * INFINITY
    return sign * int(digits) if is_counter(digits) else 0


def _swap(edit: Edit, old: Element, new: Element) -> None:
    """Put a copy of `new` in the place of `old`, unless they are the same."""
    twin = copy.deepcopy(new)
    if etree.tostring(twin) != etree.tostring(old):
        edit.replace(old, twin)


def _replace_document(cib: Cib, edit: Edit, given: Element) -> None:
    """Root attributes and configuration; see the head of the module for what stays."""
    kept = {*WRITTEN_ATTRIBUTES, *CLUSTER_ATTRIBUTES}
    for name in (name for name, _ in cib.root.items() if name not in kept and given.get(name) is None):
        edit.unset(cib.root, name) if name not in COUNTERS else edit.set(cib.root, name, "0")
    for name, value in given.items():
        if name not in kept:
            edit.set(cib.root, name, value)
    configuration = given.find("configuration")
    if configuration is None:
        raise refused("incomplete", Exit.CONFIG, "the input has no <configuration>", where="input:1")
    for section in REQUIRED_SECTIONS:
        if configuration.find(section) is None:
            etree.SubElement(configuration, section)
    _swap(edit, cib.configuration, configuration)


# ---- settling -------------------------------------------------------------------------------------------------------


def _settle(root: Element, edit: Edit, before: Version, change: Change) -> Version:
    """Check the result, count the version, sign it."""
    if not edit.sections:
        return before
    _check_frame(root, edit.sections)
    given = version_of(root)
    if given < before:
        if not any(operation.force for operation in change.operations):
            raise refused(
                "old", Exit.OLD, "the update is older than the configuration", f"{given} is lower than {before}",
                "start from the present document (cibadmin --query), or force it",
            )  # fmt: skip
        given = before
    # A patchset brings the numbers and the signature of its target; counting on would make another document of it.
    is_patch = all(operation.kind is OpKind.PATCH for operation in change.operations)
    after = given
    if is_configuration(edit.sections):
        check_shape(root, "input")
        if not is_patch or given == before:
            _sign(root, edit, change.origin)
            after = given.after_configuration()
    elif not is_patch or given == before:
        after = given.after_status()
    write_version(root, edit, after)
    return after


def write_version(root: Element, edit: Edit, version: Version) -> None:
    """Put the version into the root's attributes."""
    for name in COUNTERS:
        edit.set(root, name, str(getattr(version, name)))


def _check_frame(root: Element, sections: tuple[str, ...]) -> None:
    """What every CIB has must still be there, and the counters must be numbers."""
    for name in COUNTERS:
        if not is_counter(root.get(name, "")):
            raise refused("bad-version", Exit.CONFIG, f"{name}={root.get(name, '')[:40]!r} is not a number")
    configuration = root.find("configuration")
    if configuration is None or root.find("status") is None or len(root) != 2:
        raise refused("incomplete", Exit.CONFIG, "a CIB is made of one <configuration> and one <status>")
    if not is_configuration(sections):
        return
    missing = [section for section in REQUIRED_SECTIONS if configuration.find(section) is None]
    if missing:
        raise refused("incomplete", Exit.CONFIG, f"<{missing[0]}> cannot be removed", "", "delete what is in it")


def _sign(root: Element, edit: Edit, origin: Origin) -> None:
    """Who changed the configuration, and when; what is not known is removed, since it would name somebody else."""
    values = (written_text(origin.now_s), origin.node, origin.client, origin.user)
    for name, value in zip(WRITTEN_ATTRIBUTES, values, strict=True):
        if value:
            edit.set(root, name, value)
        else:
            edit.unset(root, name)


def written_text(now_s: int) -> str:
    """`Sun Aug 23 10:00:00 2026`: ctime's form (the day padded with a blank), in UTC so that all nodes write the same."""
    return datetime.fromtimestamp(now_s, UTC).ctime()
