"""Changes to a tree that can be taken back: every write to a CIB goes through an Edit.

Owns: undoing, and knowing which sections were changed. A write that changes nothing is not recorded, so that "nothing changed"
is a fact and not a comparison of documents.
"""

from __future__ import annotations

from collections.abc import Callable

from lxml.etree import _Element as Element

from standfast.cib.shape import name_of

ROOT = "cib"
"""The name under which changes of the root's own attributes are listed in `sections`, but for those of SCHEMA_ATTRIBUTES, which
say how to read the configuration and count as `configuration`."""

SCHEMA_ATTRIBUTES = ("validate-with", "crm_feature_set")


class Edit:
    """Writes to the tree under `root`. Invariant: `rollback()` restores the tree exactly, the order of attributes included."""

    __slots__ = ("_root", "_sections", "_undo", "written")

    def __init__(self, root: Element) -> None:
        self._root = root
        self._undo: list[Callable[[], None]] = []
        self._sections: dict[str, None] = {}
        self.written: list[tuple[Element, str]] = []
        """Each write: the element and the attribute ("": its list of children, or the order of its attributes)."""

    @property
    def sections(self) -> tuple[str, ...]:
        """What was changed, sorted: `cib` for the root's own attributes, `status`, else the name of the configuration section
        (`configuration` when it was changed as a whole)."""
        return tuple(sorted(self._sections))

    def set(self, element: Element, name: str, value: str) -> None:
        """Give an attribute a value."""
        old = element.get(name)
        if old == value:
            return
        self._note(element, attribute=name)
        if old is None:
            self._undo.append(lambda: element.attrib.__delitem__(name))
        else:
            self._undo.append(lambda: element.set(name, old))
        element.set(name, value)

    def unset(self, element: Element, name: str) -> None:
        """Remove an attribute, if it is there."""
        if element.get(name) is None:
            return
        self._note(element, attribute=name)
        before = element.items()
        self._undo.append(lambda: _restore_attributes(element, before))
        del element.attrib[name]

    def set_all(self, element: Element, items: list[tuple[str, str]]) -> None:
        """Give the element exactly these attributes, in this order."""
        before = element.items()
        if before == items:
            return
        old, new = dict(before), dict(items)
        for name in old | new:
            if old.get(name) != new.get(name):
                self._note(element, attribute=name)
        if old == new:
            self._note(element)
        self._undo.append(lambda: _restore_attributes(element, before))
        _restore_attributes(element, items)

    def insert(self, parent: Element, index: int, child: Element) -> None:
        """Put `child`, which belongs to no tree, before the child number `index` (appended when there are fewer)."""
        assert child.getparent() is None
        self._note(parent, child)
        self._undo.append(lambda: parent.remove(child))
        parent.insert(index, child)

    def append(self, parent: Element, child: Element) -> None:
        """Put `child`, which belongs to no tree, at the end."""
        self.insert(parent, len(parent), child)

    def remove(self, child: Element) -> None:
        """Take `child` out of its parent; it must not be the root."""
        parent = child.getparent()
        assert parent is not None
        index = parent.index(child)
        self._note(parent, child)
        self._undo.append(lambda: parent.insert(index, child))
        parent.remove(child)

    def replace(self, old: Element, new: Element) -> None:
        """Put `new`, which belongs to no tree, in the place of `old`."""
        parent = old.getparent()
        assert parent is not None
        index = parent.index(old)
        self.remove(old)
        self.insert(parent, index, new)

    def rollback(self) -> None:
        """Take everything back, the last write first."""
        while self._undo:
            self._undo.pop()()
        self._sections.clear()
        self.written.clear()

    def _note(self, element: Element, child: Element | None = None, attribute: str = "") -> None:
        """Remember which section is changed by a write at `element` (or to its list of children, at `child`)."""
        self.written.append((element, attribute))
        path = [element] if child is None else [child, element]
        while path[-1] is not self._root:
            parent = path[-1].getparent()
            assert parent is not None, "an element outside of the document"
            path.append(parent)
        names = [name_of(step) for step in reversed(path)]  # cib, configuration, SECTION, ...
        if element is self._root and attribute in SCHEMA_ATTRIBUTES:
            self._sections["configuration"] = None
        elif len(names) > 2 and names[1] == "configuration":
            self._sections[names[2]] = None
        else:
            self._sections[names[1] if len(names) > 1 else ROOT] = None


def _restore_attributes(element: Element, items: list[tuple[str, str]]) -> None:
    element.attrib.clear()
    for name, value in items:
        element.set(name, value)
