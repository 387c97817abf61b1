"""Patterns of what may stand in an element, and how one more attribute or child changes what is still to come.

RELAX NG's derivatives (J. Clark, "An algorithm for RELAX NG validation", 2002) for what grammar.py needs. Equal patterns are one
object (a `Patterns` makes them), and every step is remembered at its pattern, so that a document costs a few look-ups for each
attribute and child, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from standfast.cib.datatypes import Datatype


class Kind(Enum):
    """Of patterns."""

    NONE = "none"  # nothing fits
    EMPTY = "empty"  # nothing more is needed
    ATTRIBUTE = "attribute"
    CHILD = "child"
    EITHER = "either"
    SEQUENCE = "sequence"
    BOTH = "both"  # in any order
    MANY = "many"  # one or more


class Child(NamedTuple):
    """An element's name, and the definition that says what is in it."""

    tag: str
    definition: str


class Pattern:
    """What may still come. Invariant: made by one `Patterns`, which makes equal ones only once; never changed but for memos."""

    __slots__ = (
        "after_attribute",
        "after_child",
        "child",
        "closed",
        "datatypes",
        "is_complete",
        "kind",
        "name",
        "parts",
        "serial",
        "type",
    )

    def __init__(
        self, serial: int, kind: Kind, parts: tuple[Pattern, ...], name: str, datatype: Datatype | None, child: Child | None
    ) -> None:
        self.serial = serial
        self.kind = kind
        self.parts = parts
        self.name = name
        self.type = datatype
        self.child = child
        self.is_complete = _is_complete(kind, parts)
        self.datatypes: dict[str, tuple[Datatype | None, ...]] = {}
        self.after_attribute: dict[tuple[str, tuple[bool, ...]], Pattern] = {}
        self.after_child: dict[str, tuple[Pattern, str]] = {}
        self.closed: Pattern | None = None

    def walk(self) -> Iterator[Pattern]:
        """This pattern and all in it, each as often as it stands there."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def attributes(self) -> dict[str, list[Datatype | None]]:
        """Every attribute that may still come, with its types (None for any text)."""
        found: dict[str, list[Datatype | None]] = {}
        for pattern in self.walk():
            if pattern.kind is Kind.ATTRIBUTE:
                types = found.setdefault(pattern.name, [])
                if pattern.type not in types:
                    types.append(pattern.type)
        return found

    def children(self) -> dict[str, str]:
        """Every child that may still come, with its definition."""
        return {p.child.tag: p.child.definition for p in self.walk() if p.child is not None}


def _is_complete(kind: Kind, parts: tuple[Pattern, ...]) -> bool:
    if kind in {Kind.SEQUENCE, Kind.BOTH, Kind.MANY}:
        return all(part.is_complete for part in parts)
    return kind is Kind.EMPTY or (kind is Kind.EITHER and any(part.is_complete for part in parts))


class Patterns:
    """Makes patterns in their simplest form, and takes the steps from one to the next."""

    def __init__(self) -> None:
        self._made: dict[object, Pattern] = {}
        self.none = self._make(Kind.NONE)
        self.empty = self._make(Kind.EMPTY)

    def _make(
        self,
        kind: Kind,
        parts: tuple[Pattern, ...] = (),
        name: str = "",
        datatype: Datatype | None = None,
        child: Child | None = None,
    ) -> Pattern:
        key = (kind, tuple(part.serial for part in parts), name, datatype, child)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Pattern(len(self._made), kind, parts, name, datatype, child)
        return found

    # ---- making -----------------------------------------------------------------------------------------------------

    def attribute(self, name: str, datatype: Datatype | None) -> Pattern:
        """An attribute of that type; None is any text."""
        return self._make(Kind.ATTRIBUTE, name=name, datatype=datatype)

    def element(self, child: Child) -> Pattern:
        """One child."""
        return self._make(Kind.CHILD, child=child)

    def either(self, parts: Iterable[Pattern]) -> Pattern:
        """One of them."""
        flat: dict[int, Pattern] = {}
        for part in parts:
            for inner in part.parts if part.kind is Kind.EITHER else (part,):
                if inner.kind is not Kind.NONE:
                    flat[inner.serial] = inner
        if any(part.is_complete for part in flat.values() if part.kind is not Kind.EMPTY):
            flat.pop(self.empty.serial, None)
        chosen = tuple(flat[serial] for serial in sorted(flat))
        if len(chosen) == 1:
            return chosen[0]
        return self._make(Kind.EITHER, chosen) if chosen else self.none

    def sequence(self, parts: Iterable[Pattern]) -> Pattern:
        """One after the other."""
        return self._together(Kind.SEQUENCE, list(parts))

    def both(self, parts: Iterable[Pattern]) -> Pattern:
        """All of them, mixed in any way."""
        return self._together(Kind.BOTH, list(parts))

    def many(self, part: Pattern) -> Pattern:
        """One or more."""
        return part if part.kind in {Kind.NONE, Kind.EMPTY, Kind.MANY} else self._make(Kind.MANY, (part,))

    def maybe(self, part: Pattern) -> Pattern:
        """It, or nothing."""
        return part if part.is_complete else self.either((part, self.empty))

    def _together(self, kind: Kind, parts: list[Pattern]) -> Pattern:
        flat: list[Pattern] = []
        for part in parts:
            flat.extend(part.parts if part.kind is kind else (part,))
        if any(part.kind is Kind.NONE for part in flat):
            return self.none
        flat = [part for part in flat if part.kind is not Kind.EMPTY]
        if kind is Kind.BOTH:
            flat.sort(key=lambda part: part.serial)
        if len(flat) == 1:
            return flat[0]
        return self._make(kind, tuple(flat)) if flat else self.empty

    # ---- stepping ---------------------------------------------------------------------------------------------------

    def attribute_step(self, pattern: Pattern, name: str, value: str) -> Pattern:
        """What may come after this attribute; `none` when it does not fit."""
        types = pattern.datatypes.get(name)
        if types is None:
            types = pattern.datatypes[name] = tuple(pattern.attributes().get(name, ()))
        fits = tuple(datatype is None or datatype.accepts(value) for datatype in types)
        after = pattern.after_attribute.get((name, fits))
        if after is None:
            fitting = [datatype for datatype, holds in zip(types, fits, strict=True) if holds]
            after = pattern.after_attribute[name, fits] = self._without(pattern, name, fitting)
        return after

    def _without(self, pattern: Pattern, name: str, types: list[Datatype | None]) -> Pattern:
        kind, parts = pattern.kind, pattern.parts
        if kind is Kind.ATTRIBUTE:
            return self.empty if pattern.name == name and pattern.type in types else self.none
        if kind is Kind.EITHER:
            return self.either(self._without(part, name, types) for part in parts)
        if kind is Kind.MANY:
            return self.sequence((self._without(parts[0], name, types), self.maybe(pattern)))
        if kind in {Kind.SEQUENCE, Kind.BOTH}:
            return self.either(
                self._together(kind, [*parts[:at], self._without(part, name, types), *parts[at + 1 :]])
                for at, part in enumerate(parts)
            )
        return self.none

    def close(self, pattern: Pattern) -> Pattern:
        """What may come when all attributes have been seen."""
        if pattern.closed is None:
            kind, parts = pattern.kind, pattern.parts
            if kind is Kind.ATTRIBUTE:
                pattern.closed = self.none
            elif kind is Kind.EITHER:
                pattern.closed = self.either(self.close(part) for part in parts)
            elif kind is Kind.MANY:
                pattern.closed = self.many(self.close(parts[0]))
            elif kind in {Kind.SEQUENCE, Kind.BOTH}:
                pattern.closed = self._together(kind, [self.close(part) for part in parts])
            else:
                pattern.closed = pattern
        return pattern.closed

    def child_step(self, pattern: Pattern, tag: str) -> tuple[Pattern, str]:
        """What may come after this child, and the definition of what is in it; `none` when it does not fit."""
        found = pattern.after_child.get(tag)
        if found is None:
            definition = pattern.children().get(tag, "")
            found = pattern.after_child[tag] = (self._behind(pattern, tag), definition)
        return found

    def _behind(self, pattern: Pattern, tag: str) -> Pattern:
        kind, parts = pattern.kind, pattern.parts
        if kind is Kind.CHILD:
            return self.empty if pattern.child is not None and pattern.child.tag == tag else self.none
        if kind is Kind.EITHER:
            return self.either(self._behind(part, tag) for part in parts)
        if kind is Kind.MANY:
            return self.sequence((self._behind(parts[0], tag), self.maybe(pattern)))
        if kind is Kind.BOTH:
            return self.either(
                self.both((*parts[:at], self._behind(part, tag), *parts[at + 1 :])) for at, part in enumerate(parts)
            )
        if kind is Kind.SEQUENCE:
            ways: list[Pattern] = []
            for at, part in enumerate(parts):
                ways.append(self.sequence((self._behind(part, tag), *parts[at + 1 :])))
                if not part.is_complete:
                    break
            return self.either(ways)
        return self.none
