"""The grammar of corosync.conf: bytes to a tree of sections and keys, each with its place in the file.

Owns: lines, braces, limits, and the errors that name line and column. Does not own: what a key means (keys.py, parse.py).

The grammar, as the original's reader has it (corosync 3.1.7 exec/coroparse.c, parse_section): one thing a line, `name {`,
`key: value` or `}`; a `#` starts a comment only as the first character of a line; a `{` anywhere makes the line the start of a
section, else the first `:` splits key from value, else the line must be `}`. Where the original stops at the first mistake, this
reader goes on and tells all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, error

FILE_BYTES_MAX = 1 << 20
LINE_BYTES_MAX = 510  # the original reads into char[512]: 510, the newline and the final zero
DEPTH_MAX = 8
REPORTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Item:
    """One `key: value` line. Its place does not count when two are compared."""

    key: str
    value: str
    line: int = field(default=0, compare=False)
    key_column: int = field(default=0, compare=False)
    value_column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """`name { ... }`; the whole file is the section named "". `end_line` is the line of its closing brace."""

    name: str
    items: tuple[Item | Section, ...]
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)
    end_line: int = field(default=0, compare=False)

    def pairs(self) -> Iterator[Item]:
        """The keys that stand directly in this section, in order."""
        return (item for item in self.items if isinstance(item, Item))

    def sections(self, name: str | None = None) -> Iterator[Section]:
        """The sections directly inside, all or those called `name`, in order."""
        return (item for item in self.items if isinstance(item, Section) and name in {None, item.name})


@dataclass(slots=True)
class _Open:
    """A section whose closing brace has not come yet."""

    name: str
    line: int
    column: int
    items: list[Item | Section] = field(default_factory=list)


class _Reader:
    """Reads line by line. Invariant: `stack[0]` is the file itself and is never closed."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.reports: list[Report] = []
        self.stack = [_Open("", 0, 0)]

    def complain(self, line: int, column: int, code: str, what: str, why: str, remedy: str) -> None:
        """Keep an error, unless there are more than anybody reads."""
        if len(self.reports) < REPORTS_MAX:
            self.reports.append(error(f"config.{code}", what, why, remedy, f"{self.file}:{line}:{column}"))

    def feed(self, number: int, text: str) -> None:
        """One line without its end. Comments and empty lines have no trace in the tree."""
        stripped = text.strip(" \t")
        if not stripped or stripped.startswith("#"):
            return
        column = text.index(stripped[0]) + 1
        junk = next((at for at, char in enumerate(text, 1) if (char < " " and char != "\t") or char == "\x7f"), 0)
        if junk:
            remedy = "is this the right file? `file` tells what it is"
            self.complain(number, junk, "not-text", "a control character in the text", "corosync.conf is plain text", remedy)
        elif "{" in text:
            self._opened(number, column, text)
        elif ":" in text:
            self._keyed(number, column, text)
        elif stripped == "}":
            self._closed(number, column)
        elif "}" in text:
            self.complain(
                number,
                column,
                "brace",
                "more than a closing brace on the line",
                f"{stripped!r}",
                "put the } on a line of its own",
            )
        else:
            why = f"{_short(stripped)!r} is no `key: value`, no `section {{` and no `}}`"
            self.complain(
                number, column, "line", "a line without meaning", why, "add the colon, or start the line with # for a comment"
            )

    def _opened(self, number: int, column: int, text: str) -> None:
        before, _, after = text.partition("{")
        name, rest = before.strip(" \t:{"), after.strip(" \t")
        if not name:
            self.complain(number, column, "brace", "a brace without a section name", "", "write for example: totem {")
            name = "?"
        if rest:
            remedy = "put what follows on lines of its own, and the } too"
            self.complain(number, len(before) + 2, "brace", f"text after the brace of `{name} {{`", f"{_short(rest)!r}", remedy)
            if rest.endswith("}"):
                return
        if len(self.stack) > DEPTH_MAX:
            self.complain(
                number, column, "depth", "sections are nested too deep", f"more than {DEPTH_MAX}", "look for a missing }"
            )
        self.stack.append(_Open(name, number, column))

    def _keyed(self, number: int, column: int, text: str) -> None:
        before, _, after = text.partition(":")
        key, value = before.strip(" \t"), after.strip(" \t")
        if not key:
            self.complain(number, column, "line", "a value without a key", f"{_short(value)!r}", "write key: value")
            return
        value_column = len(before) + 2 + (len(after) - len(after.lstrip(" \t")))
        self.stack[-1].items.append(Item(key, value, number, column, value_column))

    def _closed(self, number: int, column: int) -> None:
        if len(self.stack) == 1:
            self.complain(
                number,
                column,
                "brace",
                "a closing brace too many",
                "no section is open here",
                "remove it, or look for a section closed too early",
            )
            return
        self._end(number)

    def _end(self, last_line: int) -> None:
        done = self.stack.pop()
        if len(self.stack) <= DEPTH_MAX:  # what lies deeper was complained about; whoever walks the tree may recurse
            self.stack[-1].items.append(Section(done.name, tuple(done.items), done.line, done.column, last_line))

    def finish(self, last_line: int) -> Section:
        """Close what is open (each is an error) and return the file."""
        for left in self.stack[:0:-1]:
            what = f"the section `{left.name} {{` is never closed"
            self.complain(
                left.line,
                left.column,
                "truncated",
                what,
                f"the file ends at line {last_line}",
                "add the missing }, or fetch the whole file again",
            )
            self._end(last_line)
        return Section("", tuple(self.stack[0].items), 0, 0, last_line)


def read_tree(data: bytes | str, file: str) -> tuple[Section, list[Report]]:
    """Read a whole file. Returns what could be understood, and every error; never raises for any input."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    reader = _Reader(file)
    if len(raw) > FILE_BYTES_MAX:
        why = f"{len(raw)} bytes, the limit is {FILE_BYTES_MAX}"
        reader.complain(1, 1, "too-large", "the file is too large to be a corosync.conf", why, "is this the right file?")
        return Section("", ()), reader.reports
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, 1):
        content = line[:-1] if line.endswith(b"\r") else line
        if len(content) > LINE_BYTES_MAX:
            why = f"{len(content)} bytes, the limit is {LINE_BYTES_MAX}"
            reader.complain(
                number, LINE_BYTES_MAX + 1, "line-too-long", "the line is too long", why, "split it, or shorten the comment"
            )
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError as bad:
            if content.lstrip(b" \t").startswith(b"#"):
                continue  # comments of old files are often Latin-1, and nobody reads them here
            remedy = "save the file as UTF-8; if it is not a text at all, fetch it again"
            reader.complain(
                number, bad.start + 1, "not-text", "bytes that are not UTF-8", f"byte 0x{content[bad.start]:02x}", remedy
            )
            continue
        reader.feed(number, text)
    return reader.finish(len(lines)), reader.reports


def _short(text: str) -> str:
    """At most 40 characters of a text that goes into a message."""
    return text if len(text) <= 40 else text[:37] + "..."
