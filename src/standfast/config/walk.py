"""Walks the tree of a corosync.conf once: types every known key, and says what is unknown, idle, old or wrong.

Owns: the check of each key against the table, and the sentences about it. Does not own: the table (keys.py), what several keys
mean together (parse.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from standfast.base.report import Report, error, notice, warning
from standfast.config.keys import OLD_SECTIONS, OLD_TOP_KEYS, SECTIONS, Fate, Key, Value
from standfast.config.tree import REPORTS_MAX, Item, Section

GUESSES_MAX = 20
GUESSED_CHARS_MAX = 64
"""How often, and up to which length of a word, `did you mean` is worth its time."""


class Context:
    """Collects reports while a tree is read. Errors refuse the file at the end; notices go into the result."""

    def __init__(self, file: str, *, is_whole: bool = True) -> None:
        """`is_whole`: the grammar found no fault, so that what is missing is really missing."""
        self.file = file
        self.is_whole = is_whole
        self.errors: list[Report] = []
        self.notices: list[Report] = []
        self.unknown: list[tuple[str, str]] = []

    def at(self, line: int, column: int) -> str:
        """A position in the file."""
        return f"{self.file}:{line}:{column}"

    def wrong(self, code: str, what: str, why: str, remedy: str, line: int, column: int = 1) -> None:
        """An error."""
        if len(self.errors) < REPORTS_MAX:
            self.errors.append(error(f"config.{code}", what, why, remedy, self.at(line, column)))

    def missing(self, code: str, what: str, why: str, remedy: str, line: int, column: int = 1) -> None:
        """An error of absence: not told of a file with broken lines, where it would only be noise."""
        if self.is_whole:
            self.wrong(code, what, why, remedy, line, column)

    def say(self, code: str, what: str, line: int, column: int = 1, why: str = "") -> None:
        """Something worth one line."""
        self.notices.append(notice(f"config.{code}", what, why, "", self.at(line, column)))

    def warn(self, code: str, what: str, line: int, column: int, remedy: str) -> None:
        """Something that may well be a mistake."""
        if len(self.notices) < 20 * REPORTS_MAX:
            self.notices.append(warning(f"config.{code}", what, "", remedy, self.at(line, column)))


class Sections:
    """Walks the tree once: types every known key, and says what is unknown, idle or old.

    `values[path]` holds (item, value) of each key by its full path, in the order of the file; a later one overrides."""

    def __init__(self, context: Context, tree: Section) -> None:
        self._context = context
        self.values: dict[str, list[tuple[Item, Value]]] = {}
        self._said: set[str] = set()
        self._guessed = 0
        self._walk(tree, "")

    def texts(self, section: str, key: str) -> list[str]:
        """All values of a key, as texts."""
        return [str(value) for _, value in self.values.get(f"{section}.{key}", ())]

    def number(self, path: str, default: int) -> int:
        """The last value of a numeric key."""
        found = self.values.get(path)
        return int(found[-1][1]) if found else default

    def number_or_none(self, path: str) -> int | None:
        """The last value of a numeric key, None where the file has none."""
        return self.number(path, 0) if path in self.values else None

    def text(self, path: str, default: str) -> str:
        """The last value of a text key."""
        found = self.values.get(path)
        return str(found[-1][1]) if found else default

    def switch(self, path: str, *, default: bool) -> bool:
        """The last value of a yes/no or 0/1 key."""
        found = self.values.get(path)
        return bool(found[-1][1]) if found else default

    def _walk(self, section: Section, path: str) -> None:
        for item in section.items:
            inner = f"{path}.{item.name if isinstance(item, Section) else item.key}".lstrip(".")
            if isinstance(item, Section):
                self._enter(item, path, inner)
            else:
                self._key(item, path, inner)

    def _enter(self, section: Section, path: str, inner: str) -> None:
        if not path and section.name in OLD_SECTIONS:
            self._once(inner, f"{section.name} {{ }} {OLD_SECTIONS[section.name]}", section.line, section.column)
        elif inner in SECTIONS:
            self._walk(section, inner)
        else:
            names = [name.rpartition(".")[2] for name in SECTIONS if name.rpartition(".")[0] == path]
            what = f"unknown section {section.name} {{ }}" + (f" in {path}" if path else "")
            self._context.warn("unknown-section", what, section.line, section.column, self._meant(section.name, names))
            self._keep(section, inner)

    def _keep(self, section: Section, path: str) -> None:
        """Everything below an unknown section is unknown; its keys are kept, and not told one by one."""
        for item in section.items:
            if isinstance(item, Item):
                self._context.unknown.append((f"{path}.{item.key}", item.value))
            else:
                self._keep(item, f"{path}.{item.name}")

    def _key(self, item: Item, path: str, inner: str) -> None:
        table = SECTIONS.get(path, {})
        key = table.get(item.key)
        if key is None and path == "quorum.device.heuristics" and item.key.startswith("exec_"):
            key = Key()
        if not path and item.key in OLD_TOP_KEYS:
            self._once(inner, f"{item.key}: {OLD_TOP_KEYS[item.key]}", item.line, item.key_column)
        elif key is None:
            self._unknown(item, path, inner, table)
        else:
            self._typed(item, inner, key)

    def _unknown(self, item: Item, path: str, inner: str, table: Mapping[str, Key]) -> None:
        if path in {"uidgid", "totem.interface.member"}:
            allowed = " and ".join(table)
            self._context.wrong(
                "unknown-key", f"{item.key} is not allowed in {path} {{ }}", f"only {allowed}", "", item.line, item.key_column
            )
            return
        self._context.unknown.append((inner, item.value))
        if not path and item.key not in OLD_TOP_KEYS:
            remedy = "a key belongs into a section, for example totem { }"
        else:
            remedy = self._meant(item.key, list(table))
        self._context.warn("unknown-key", f"unknown key {inner}: kept, without effect", item.line, item.key_column, remedy)

    def _typed(self, item: Item, inner: str, key: Key) -> None:
        try:
            value = key.read(item.value)
        except ValueError as bad:
            what = f"{inner} cannot be {item.value[:60]!r}"
            self._context.wrong(
                "value", what, str(bad), f"default: {key.default}" if key.default else "", item.line, item.value_column
            )
            return
        self.values.setdefault(inner, []).append((item, value))
        if key.fate is not Fate.USED:
            self._once(inner, f"{inner} {key.note}", item.line, item.key_column)

    def _once(self, path: str, what: str, line: int, column: int) -> None:
        if path not in self._said:
            self._said.add(path)
            self._context.say("no-effect", what, line, column)

    def _meant(self, word: str, known: list[str]) -> str:
        """`did you mean X?`, or "" when nothing is near. Guessing is slow: a file of unknown words gets a few guesses."""
        from difflib import get_close_matches

        self._guessed += 1
        if self._guessed > GUESSES_MAX or len(word) > GUESSED_CHARS_MAX:
            return ""
        near = get_close_matches(word, known, n=1, cutoff=0.7)
        return f"did you mean {near[0]}?" if near else ""
