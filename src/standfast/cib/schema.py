"""Does a CIB conform to its schema? Every fault is named with its line, the element's id, and what to do about it.

Owns: walking a document along the patterns of a grammar, ids once only, references that lead somewhere, the words of the
faults. Does not own: the table (grammar.py), what values mean (scheduler/).
What stands in <status> is left open, as in Pacemaker's schemas.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from lxml.etree import _Element as Element

from standfast.cib.grammar import GRAMMAR, VERSIONS
from standfast.cib.grammar_text import Grammar, read_grammar
from standfast.cib.patterns import Kind, Pattern

FAULTS_MAX: Final = 20
PREFIX: Final = "pacemaker-"
NEWEST: Final = VERSIONS[-1]
NO_SCHEMA: Final = "none"
"""`validate-with="none"`: nothing is checked."""


class Fault(NamedTuple):
    """One way in which a document is not what its schema asks for. `code` is the noun of a report's code."""

    element: Element
    code: str
    what: str
    remedy: str

    @property
    def line(self) -> int:
        """The element's line in the text that was parsed; 0 for one that was made."""
        return self.element.sourceline or 0


@cache
def grammar(version: str) -> Grammar:
    """The schema of that version (`3.9`), read once."""
    return read_grammar(GRAMMAR, VERSIONS, version)


def version_named(validate_with: str | None) -> str | None:
    """`pacemaker-3.9` -> `3.9`; None for a schema that is not known."""
    name = (validate_with or "").removeprefix(PREFIX)
    return name if validate_with == PREFIX + name and name in VERSIONS else None


def conforms(root: Element, version: str) -> bool:
    """Whether a `cib` element is what the schema asks for."""
    return not faults(root, version, limit=1)


def faults(root: Element, version: str, limit: int = FAULTS_MAX) -> list[Fault]:
    """The faults of a `cib` element, in the document's order, at most `limit`."""
    return _Walk(grammar(version), limit).document(root)


class _Walk:
    """One pass over a document. Invariant: `found` never has more than `limit` entries."""

    def __init__(self, schema: Grammar, limit: int) -> None:
        self._schema = schema
        self._limit = limit
        self._ids: dict[str, Element] = {}
        self._references: list[tuple[Element, str, str]] = []
        self.found: list[Fault] = []

    def document(self, root: Element) -> list[Fault]:
        if root.tag != "cib":
            return [Fault(root, "not-a-cib", f"the outermost element is <{root.tag!s}>, not <cib>", "")]
        waiting = [(root, "cib")]
        while waiting and len(self.found) < self._limit:
            element, definition = waiting.pop()
            waiting.extend(reversed(self._element(element, definition)))
        for element, name, target in self._references:
            if target not in self._ids:
                remedy = f"define {target} in the same change, or remove the reference first"
                self._say(element, "dangling", f"{name}={target!r}: no such object", remedy)
        self.found.sort(key=lambda fault: fault.line)
        return self.found

    def _element(self, element: Element, definition: str) -> list[tuple[Element, str]]:
        """Look at the attributes and at which children there are; gives the children that are to be looked into."""
        items = element.items()
        layout = self._schema.layout(definition, tuple(name for name, _ in items))
        values = [value for _, value in items]
        # Text is text: what follows from the attributes hangs on those alone that have a type.
        fits = tuple([datatype.accepts(values[at]) for at, datatype in layout.checks])
        state = layout.outcomes.get(fits)
        if state is None:
            state = self._attributes(element, definition, items)
            if state.kind is Kind.NONE:
                state = self._forgiving(definition)
            else:
                layout.outcomes[fits] = state
        for at, is_reference in layout.naming:
            self._take_name(element, items[at][0], values[at].strip(), is_reference=is_reference)
        return self._children(element, definition, state) if len(element) or not state.is_complete else []

    def _attributes(self, element: Element, definition: str, items: list[tuple[str, str]]) -> Pattern:
        """What may come after the attributes, one by one; `none` when they are not as they should be, which has been said."""
        patterns = self._schema.patterns
        whole = state = self._schema.definition(definition)
        is_right = True
        for name, value in items:
            after = patterns.attribute_step(state, name, value)
            if after.kind is Kind.NONE:
                self._complain_attribute(element, whole, state, name, value)
                is_right = False
            else:
                state = after
        closed = patterns.close(state)
        if is_right and closed.kind is Kind.NONE:
            self._complain_missing(element, state)
        return closed if is_right else patterns.none

    def _children(self, element: Element, definition: str, state: Pattern) -> list[tuple[Element, str]]:
        patterns = self._schema.patterns
        children: list[tuple[Element, str]] = []
        for child in element:
            tag = str(child.tag)
            after, inner = patterns.child_step(state, tag)
            if after.kind is Kind.NONE:
                whole = self._schema.definition(definition)
                self._complain_child(element, whole, state, child)
                inner = whole.children().get(tag, "")
            else:
                state = after
            if inner and inner != "status":
                children.append((child, inner))
        if not state.is_complete:
            self._complain_end(element, state)
        return children

    def _take_name(self, element: Element, name: str, own: str, *, is_reference: bool) -> None:
        """An id of the kind that may be used only once (a node's is of another kind), or the name of such an id."""
        if is_reference:
            self._references.append((element, name, own))
            return
        other = self._ids.setdefault(own, element)
        if other is not element:
            line = f" in line {other.sourceline}" if other.sourceline else ""
            what = f"id {own!r} is taken by <{other.tag!s}>{line}"
            self._say(element, "id-taken", what, "ids are unique in a configuration: choose another")

    def _forgiving(self, definition: str) -> Pattern:
        """Where an attribute is wrong, the children are still looked at: any that could ever stand here, in any number."""
        make, whole = self._schema.patterns, self._schema.definition(definition)
        return make.maybe(make.many(make.either(part for part in whole.walk() if part.kind is Kind.CHILD)))

    # ---- words ------------------------------------------------------------------------------------------------------

    def _complain_attribute(self, element: Element, whole: Pattern, state: Pattern, name: str, value: str) -> None:
        known = whole.attributes()
        possible = state.attributes().get(name)
        if name not in known:
            remedy = f"known here: {' '.join(sorted(known))}" if known else "it has no attributes"
            self._say(element, "unknown-attribute", f"{name}={value[:40]!r}: no such attribute", remedy)
        elif possible is None:
            self._say(
                element, "excess-attribute", f"{name}={value[:40]!r} cannot stand beside the others", f"remove {name}, or them"
            )
        else:
            meanings = dict.fromkeys(datatype.meaning for datatype in possible if datatype is not None)
            code = "bad-id" if name == "id" else "bad-value"
            self._say(element, code, f"{name}={value[:40]!r} is not allowed", f"must be {', or '.join(meanings)}")

    def _complain_missing(self, element: Element, state: Pattern) -> None:
        ways: list[tuple[str, ...]] = []
        for way in sorted(_ways(state, self._schema), key=len):
            if not any(set(shorter) <= set(way) for shorter in ways):
                ways.append(way)
        wanted = " or ".join(" and ".join(way) for way in ways[:3])
        self._say(element, "incomplete", f"without {wanted}", f"add {wanted}")

    def _complain_child(self, element: Element, whole: Pattern, state: Pattern, child: Element) -> None:
        tag, allowed = str(child.tag), whole.children()
        if tag not in allowed:
            remedy = f"allowed in <{element.tag!s}>: {' '.join(sorted(allowed)) or 'nothing'}"
            self._say(child, "unknown-element", f"cannot stand in <{element.tag!s}>", remedy)
        elif any(sibling.tag == tag for sibling in child.itersiblings(preceding=True)) and tag not in state.children():
            self._say(child, "twice", f"a second <{tag}> in <{element.tag!s}>", "merge the two")
        else:
            here = " ".join(sorted(state.children())) or "nothing more"
            self._say(child, "misplaced-element", f"not in its place in <{element.tag!s}>", f"expected here: {here}")

    def _complain_end(self, element: Element, state: Pattern) -> None:
        wanted = " or ".join(f"<{tag}>" for tag in sorted(_needed(state)))
        self._say(element, "incomplete", f"without {wanted}", f"add {wanted}")

    def _say(self, element: Element, code: str, what: str, remedy: str) -> None:
        if len(self.found) < self._limit:
            self.found.append(Fault(element, code, what, remedy))


def label(element: Element) -> str:
    """`<rsc_location id=loc1>`."""
    own = element.get("id") or element.get("uname")
    return f"<{element.tag!s}>" if own is None else f"<{element.tag!s} id={own}>"


def _ways(pattern: Pattern, schema: Grammar) -> list[tuple[str, ...]]:
    """Which attributes would make it whole: a few of the ways."""
    kind = pattern.kind
    if schema.patterns.close(pattern).kind is not Kind.NONE:
        return [()]
    if kind is Kind.ATTRIBUTE:
        return [(pattern.name,)]
    if kind is Kind.EITHER:
        return [way for part in pattern.parts for way in _ways(part, schema)]
    ways: list[tuple[str, ...]] = [()]
    for part in pattern.parts:
        more = _ways(part, schema)[:4]
        ways = [(*way, *(name for name in other if name not in way)) for way in ways[:8] for other in more]
    return ways


def _needed(pattern: Pattern) -> dict[str, str]:
    """Children without which it is not whole."""
    if pattern.is_complete:
        return {}
    if pattern.kind in {Kind.SEQUENCE, Kind.BOTH}:
        return next((found for part in pattern.parts if (found := _needed(part))), {})
    return pattern.children()
