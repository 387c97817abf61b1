"""Text of `crm configure` -> statements of tokens, each with the line and column it came from.

Owns: continuation lines (a trailing backslash), comments (a line that starts with #), shell quoting as POSIX has it, limits.
Does not own: what a word means. `xml` statements keep their text raw, because XML has quotes of its own.
Raises Refused (`crm.syntax`, where = SOURCE:LINE:COLUMN) for an open quote, a dangling backslash, a character that no XML
document may hold, or a text beyond the limits.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import NoReturn

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error

TEXT_CHARS_MAX = 8 * 1024 * 1024
TOKENS_MAX = 50_000

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Token:
    """One word after unquoting; `line` and `column` (from 1) are where it starts in the source."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One logical line: its tokens (never empty), the comments above it, its raw text, where it starts and where it ends."""

    tokens: tuple[Token, ...]
    raw: str
    source: str
    end: tuple[int, int]
    comments: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """`SOURCE:LINE:COLUMN` of the first word."""
        return place(self.source, self.tokens[0].line, self.tokens[0].column)


def place(source: str, line: int, column: int) -> str:
    """A position as every report of the grammar words it."""
    return f"{source}:{line}:{column}"


def refuse(source: str, line: int, column: int, what: str, why: str = "", remedy: str = "") -> NoReturn:
    """Raise the report of a syntax error at a position."""
    raise Refused(error("crm.syntax", what, why, remedy, place(source, line, column)))


@dataclass(slots=True)
class _Logical:
    """A line with its continuations joined, and for any offset in it the place in the source."""

    text: str = ""
    offsets: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)

    def add(self, text: str, line: int, column: int) -> None:
        self.offsets.append(len(self.text))
        self.places.append((line, column))
        self.text += text

    def position(self, offset: int) -> tuple[int, int]:
        index = max(bisect.bisect_right(self.offsets, offset) - 1, 0)
        line, column = self.places[index]
        return line, column + offset - self.offsets[index]


def statements(text: str, source: str = "input") -> tuple[Statement, ...]:
    """Cut `text` into statements. Raises Refused with a position; `source` is the name that positions carry."""
    if len(text) > TEXT_CHARS_MAX:
        refuse(source, 1, 1, f"the text is longer than {TEXT_CHARS_MAX} characters", remedy="split it into several files")
    bad = _NOT_XML.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - (text.rfind("\n", 0, bad.start()) + 1) + 1
        refuse(
            source, line, column, f"the character U+{ord(bad.group()):04X} cannot stand in a configuration", remedy="remove it"
        )
    found = []
    comments: list[str] = []
    for logical in _logical_lines(text):
        if logical.text.startswith("#"):
            comments.append(logical.text)
            continue
        if logical.text:
            found.append(_statement(logical, source, tuple(comments)))
            comments = []
    return tuple(found)


def statement_of_words(words: Sequence[str], source: str = "command line") -> Statement:
    """A statement from words that a shell has split already; columns count the words as they were joined by blanks."""
    tokens = []
    column = 1
    for word in words:
        bad = _NOT_XML.search(word)
        if bad:
            refuse(source, 1, column, f"the character U+{ord(bad.group()):04X} cannot stand in a configuration")
        tokens.append(Token(word, 1, column))
        column += len(word) + 1
    if not tokens or len(tokens) > TOKENS_MAX:
        refuse(source, 1, 1, "nothing was given" if not tokens else f"more than {TOKENS_MAX} words in one statement")
    return Statement(tuple(tokens), " ".join(words), source, (1, column))


def _logical_lines(text: str) -> Iterator[_Logical]:
    logical = _Logical()
    for number, physical in enumerate(text.split("\n"), start=1):
        stripped = physical.strip()
        column = len(physical) - len(physical.lstrip()) + 1
        trailing = len(stripped) - len(stripped.rstrip("\\"))
        is_comment = not logical.offsets and stripped.startswith("#")
        if trailing % 2 and not is_comment:
            logical.add(stripped[:-1], number, column)
            continue
        logical.add(stripped, number, column)
        yield logical
        logical = _Logical()
    if logical.offsets:  # the text ends in a backslash
        yield logical


def _statement(logical: _Logical, source: str, comments: tuple[str, ...]) -> Statement:
    first = logical.text.split(None, 1)[0]
    tokens = [Token(first, *logical.position(0))] if first.lower() == "xml" else list(_tokens(logical, source))
    if not tokens:  # only quotes that hold nothing, or blanks before a backslash
        refuse(source, *logical.position(0), "an empty word cannot start a statement")
    return Statement(tuple(tokens), logical.text, source, logical.position(len(logical.text)), comments)


def _tokens(logical: _Logical, source: str) -> Iterator[Token]:
    text = logical.text
    offset = 0
    count = 0
    while offset < len(text):
        if text[offset].isspace():
            offset += 1
            continue
        count += 1
        if count > TOKENS_MAX:
            refuse(source, *logical.position(offset), f"more than {TOKENS_MAX} words in one statement")
        word, following = _word(logical, source, offset)
        yield Token(word, *logical.position(offset))
        offset = following


def _word(logical: _Logical, source: str, start: int) -> tuple[str, int]:
    """The unquoted word that begins at `start`, and the offset after it."""
    text = logical.text
    parts: list[str] = []
    offset = start
    while offset < len(text) and not text[offset].isspace():
        char = text[offset]
        if char in "'\"":
            part, offset = _quoted(logical, source, offset)
            parts.append(part)
        elif char == "\\":
            if offset + 1 == len(text):
                refuse(
                    source, *logical.position(offset), "a backslash with nothing after it", remedy="write \\\\ for a backslash"
                )
            parts.append(text[offset + 1])
            offset += 2
        else:
            parts.append(char)
            offset += 1
    return "".join(parts), offset


def _quoted(logical: _Logical, source: str, start: int) -> tuple[str, int]:
    """What stands between the quote at `start` and its match; inside double quotes, a backslash keeps a quote or a backslash."""
    text = logical.text
    quote = text[start]
    parts: list[str] = []
    offset = start + 1
    while offset < len(text):
        char = text[offset]
        if char == quote:
            return "".join(parts), offset + 1
        if char == "\\" and quote == '"' and offset + 1 < len(text) and text[offset + 1] in '"\\':
            char = text[offset + 1]
            offset += 1
        parts.append(char)
        offset += 1
    refuse(source, *logical.position(start), f"the quote {quote} is never closed", remedy=f"add a closing {quote}")
