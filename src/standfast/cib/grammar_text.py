"""Reads the table of grammar.py: text -> the patterns of one schema, by definition.

The table is ours, so a mistake in it is a bug: AssertionError, found by the tests, which read it for every version.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from standfast.cib.datatypes import DATATYPES, Datatype, enumeration
from standfast.cib.patterns import Child, Pattern, Patterns

_TOKEN = re.compile(r"\s*(?:(?P<guard>\[[^\]]+\])|(?P<mark>[()|&?*+])|(?P<term>[@$][\w:.=|-]+|<[^>]+>))")


LAYOUTS_MAX = 4096


class Layout(NamedTuple):
    """An element's attributes in one order: which places have a type to be checked, what comes after them for each outcome of
    the checks (filled in as documents are read), and which places hold an id (False) or the id of another element (True)."""

    checks: tuple[tuple[int, Datatype], ...]
    outcomes: dict[tuple[bool, ...], Pattern]
    naming: tuple[tuple[int, bool], ...]


class Grammar:
    """One schema; `patterns` takes the steps. A definition is read when a document first needs it: most need a third of them."""

    __slots__ = ("_layouts", "_reader", "patterns", "version")

    def __init__(self, version: str, reader: _Reader) -> None:
        self.version = version
        self.patterns = reader.patterns
        self._reader = reader
        self._layouts: dict[tuple[str, tuple[str, ...]], Layout] = {}

    def definition(self, name: str) -> Pattern:
        """What may stand in an element of that definition. KeyError where there is none."""
        return self._reader.pattern(name)

    def names(self) -> tuple[str, ...]:
        """Of all definitions."""
        return tuple(name for name in self._reader.bodies if not name.startswith("$"))

    def layout(self, definition: str, names: tuple[str, ...]) -> Layout:
        """What there is to know about an element of that definition with these attributes."""
        found = self._layouts.get((definition, names))
        if found is None:
            known = self.definition(definition).attributes()
            checks = [(at, kind) for at, name in enumerate(names) for kind in known.get(name, ()) if kind is not None]
            kinds = {"id": DATATYPES["id"], "idref": DATATYPES["idref"]}
            naming = [(at, kind is kinds["idref"]) for at, kind in checks if kind in kinds.values()]
            found = Layout(tuple(checks), {}, tuple(naming))
            if len(self._layouts) >= LAYOUTS_MAX:  # documents repeat a few hundred; whoever sends more shall not fill the memory
                self._layouts.clear()
            self._layouts[definition, names] = found
        return found


def read_grammar(text: str, versions: tuple[str, ...], version: str) -> Grammar:
    """The schema of that version. `versions` lists all of them, oldest first."""
    return Grammar(version, _Reader(_lines(text), versions, version))


def _lines(text: str) -> list[tuple[str, str]]:
    """(head, body) of each definition, continuation lines joined."""
    joined: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            joined[-1] += line
        elif line and not line.startswith("#"):
            joined.append(line)
    pairs = [line.partition(" = ") for line in joined]
    return [(head, body) for head, _, body in pairs]


class _Reader:
    """Reads the bodies of one version; each `$name` once."""

    def __init__(self, lines: list[tuple[str, str]], versions: tuple[str, ...], version: str) -> None:
        self.patterns = Patterns()
        self.bodies: dict[str, str] = {}
        self._order = {name: at for at, name in enumerate(versions)}
        self._version = version
        self._read: dict[str, Pattern] = {"nothing": self.patterns.empty}
        for head, body in lines:
            name, _, guard = head.partition(" ")
            if not guard or self._holds(guard):
                assert name not in self.bodies, f"{name} twice"
                self.bodies[name] = body

    def pattern(self, name: str) -> Pattern:
        """The pattern of a definition, or of a `$name`."""
        found = self._read.get(name)
        if found is None:
            tokens = _tokens(self.bodies[name])
            found = self._read[name] = self._either(tokens) or self.patterns.empty
            assert not tokens, f"{name}: {tokens[-1]} is left over"
        return found

    def _holds(self, guard: str) -> bool:
        low, dash, high = guard.strip("[]").partition("-")
        at = self._order[self._version]
        return (
            (not low or self._order[low] <= at) and at <= self._order[high if dash else low]
            if high or not dash
            else (self._order[low] <= at)
        )

    # Each reads from the end of `tokens`, which are reversed, and gives None for what this version does not have.

    def _either(self, tokens: list[str]) -> Pattern | None:
        return self._parted(tokens, "|")

    def _both(self, tokens: list[str]) -> Pattern | None:
        return self._parted(tokens, "&")

    def _parted(self, tokens: list[str], mark: str) -> Pattern | None:
        below, join = (self._both, self.patterns.either) if mark == "|" else (self._sequence, self.patterns.both)
        parts = [below(tokens)]
        while tokens and tokens[-1] == mark:
            tokens.pop()
            parts.append(below(tokens))
        there = [part for part in parts if part is not None]
        return join(there) if there else None

    def _sequence(self, tokens: list[str]) -> Pattern | None:
        parts: list[Pattern] = []
        is_empty = True
        while tokens and tokens[-1] not in {"|", "&", ")"}:
            part = self._term(tokens)
            is_empty = False
            if part is not None:
                parts.append(part)
        return self.patterns.sequence(parts) if parts or is_empty else None

    def _term(self, tokens: list[str]) -> Pattern | None:
        token = tokens.pop()
        pattern = self._group(tokens) if token == "(" else self._atom(token)
        while tokens and (tokens[-1] in {"?", "*", "+"} or tokens[-1].startswith("[")):
            behind = tokens.pop()
            if behind.startswith("["):
                if not self._holds(behind):
                    pattern = None
            elif pattern is not None:
                many = self.patterns.many(pattern) if behind != "?" else pattern
                pattern = many if behind == "+" else self.patterns.maybe(many)
        return pattern

    def _group(self, tokens: list[str]) -> Pattern | None:
        pattern = self._either(tokens)
        closing = tokens.pop()
        assert closing == ")", f"{closing} instead of )"
        return pattern

    def _atom(self, token: str) -> Pattern | None:
        if token.startswith("$"):
            return self.pattern(token) if token in self.bodies else None
        if token.startswith("<"):
            tag, _, definition = token.strip("<>").partition("/")
            return self.patterns.element(Child(tag, definition or tag))
        name, has_type, datatype = token[1:].partition(":")
        if has_type:
            return self.patterns.attribute(name, DATATYPES[datatype])
        name, has_words, words = token[1:].partition("=")
        return self.patterns.attribute(name, enumeration(tuple(words.split("|"))) if has_words else None)


def _tokens(text: str) -> list[str]:
    """The tokens, the first one last."""
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        assert match is not None, f"not understood: {text[at : at + 40]}"
        tokens.append(match.group().strip())
        at = match.end()
    return tokens[::-1]
