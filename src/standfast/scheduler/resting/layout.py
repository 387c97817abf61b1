"""Which resources of a configuration belong together: those that constraints tie to each other, directly or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.scheduler.unpack.failcounts import base_name

if TYPE_CHECKING:
    from lxml import etree

_KINDS = ("primitive", "group", "clone", "master")
_NAMES = ("rsc", "with-rsc", "first", "then")


def ids_of(root: etree._Element) -> dict[str, etree._Element]:
    """All elements but those of the status section, by id; the first one counts."""
    found: dict[str, etree._Element] = {}
    for section in root:
        for element in section.iter("*") if section.tag != "status" else ():
            element_id = element.get("id")
            if element_id is not None:
                found.setdefault(element_id, element)
    return found


@dataclass(frozen=True, slots=True)
class Party:
    """Resources that belong together, and all constraints that name one of them, in document order."""

    tops: tuple[etree._Element, ...]
    constraints: tuple[etree._Element, ...]

    def touches(self, elements: set[etree._Element]) -> bool:
        """Whether any of these elements is one of the party's."""
        return not elements.isdisjoint(self.tops) or not elements.isdisjoint(self.constraints)


class Layout:
    """See the module. `simple`: every name in a constraint is that of one resource, or of a tag of resources, and every id is
    there once; what else a configuration may say is not worth looking through, so nothing rests then."""

    def __init__(self, root: etree._Element) -> None:
        self.simple = True
        self.ids = ids_of(root)
        self.tops: dict[str, etree._Element] = {}
        self._owners: dict[str, etree._Element] = {}
        section = root.find("configuration/resources")
        for top in () if section is None else section.iterchildren("*"):
            if top.tag != "template":
                self._read_top(top)
        self._tags = {
            tag.get("id") or "": [ref.get("id") or "" for ref in tag.iterchildren("obj_ref")]
            for tag in root.iterfind("configuration/tags/tag")
        }
        self.parties = self._tie(root.find("configuration/constraints"))

    def owner(self, name: str) -> etree._Element | None:
        """The resource of the highest level that a name belongs to: its own, of a member, or of an instance."""
        return self._owners[name] if name in self._owners else self._owners.get(base_name(name))

    def _read_top(self, top: etree._Element) -> None:
        self.simple = self.simple and top.tag in _KINDS and bool(top.get("id"))
        self.tops.setdefault(top.get("id") or "", top)
        for element in top.iter(*_KINDS):
            name = element.get("id") or ""
            self.simple = self.simple and name not in self._owners
            self._owners.setdefault(name, top)

    def _named(self, constraint: etree._Element) -> list[etree._Element]:
        """The resources that a constraint is about."""
        names = []
        for element in constraint.iter("*"):
            if element.tag == "resource_ref":
                names.append(element.get("id") or "")
            names += [value for name in _NAMES if (value := element.get(name)) is not None]
            self.simple = self.simple and element.get("rsc-pattern") is None
        found = []
        for meant in (one for name in names for one in ([name] if name in self._owners else self._tags.get(name, [name]))):
            top = self._owners.get(meant)
            if top is None:
                self.simple = False
            elif top not in found:
                found.append(top)
        return found

    def _tie(self, section: etree._Element | None) -> dict[etree._Element, Party]:
        tops: dict[etree._Element, list[etree._Element]] = {top: [top] for top in self.tops.values()}
        named = [(one, self._named(one)) for one in (() if section is None else section.iterchildren("*"))]
        for _, found in named:
            for other in found[1:]:
                ours, theirs = tops[found[0]], tops[other]
                if ours is not theirs:
                    small, large = sorted((ours, theirs), key=len)
                    large += small
                    for top in small:
                        tops[top] = large
        constraints: dict[int, list[etree._Element]] = {}
        for one, found in named:
            if found:
                constraints.setdefault(id(tops[found[0]]), []).append(one)
        parties: dict[int, Party] = {}
        for top in self.tops.values():
            key = id(tops[top])
            if key not in parties:
                # In document order, so that it is the same party however it came about.
                members = tops[top] if len(tops[top]) == 1 else self._in_order(tops[top])
                parties[key] = Party(tuple(members), tuple(constraints.get(key, ())))
        return {top: parties[id(tops[top])] for top in self.tops.values()}

    def _in_order(self, members: list[etree._Element]) -> list[etree._Element]:
        wanted = set(members)
        return [top for top in self.tops.values() if top in wanted]
