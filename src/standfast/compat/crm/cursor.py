"""A reading head over the tokens of one statement: look, match, expect, refuse with the position of the offending word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NoReturn

from standfast.compat.crm.lexer import Statement, Token, refuse

ID = re.compile(r"[A-Za-z_][\w.-]*\Z", re.ASCII)
IDENT = re.compile(r"[A-Za-z0-9_#$-][^=]*\Z")
RESOURCE = re.compile(r"[A-Za-z_#$][^=]*\Z")
DESCRIPTION = re.compile(r"description=(.+)\Z", re.IGNORECASE | re.DOTALL)


class Cursor:
    """Walks the tokens of `statement` once, left to right. Invariant: 0 <= index <= len(tokens)."""

    def __init__(self, statement: Statement) -> None:
        """Stands on the first word, which is the keyword."""
        self.statement = statement
        self.tokens = list(statement.tokens)
        self.index = 0
        self.matched: re.Match[str] | None = None

    @property
    def has_more(self) -> bool:
        """Whether a word is left."""
        return self.index < len(self.tokens)

    @property
    def remaining(self) -> int:
        """How many words are left."""
        return len(self.tokens) - self.index

    def peek(self) -> str | None:
        """The word under the head, or None at the end."""
        return self.tokens[self.index].text if self.has_more else None

    def peek_is(self, *words: str) -> bool:
        """Whether the next word is one of `words`, in any case."""
        word = self.peek()
        return word is not None and word.lower() in words

    def take(self, what: str) -> str:
        """The next word, whatever it is; refuses the end of the statement, naming `what` was expected."""
        if not self.has_more:
            self.refuse(f"{what} expected, but the statement ends here")
        token = self.tokens[self.index]
        self.index += 1
        return token.text

    def take_rest(self) -> list[Token]:
        """All words that are left."""
        rest = self.tokens[self.index :]
        self.index = len(self.tokens)
        return rest

    def accept(self, pattern: re.Pattern[str]) -> bool:
        """Step over the next word if all of it matches; the match is then in `matched`."""
        word = self.peek()
        self.matched = pattern.fullmatch(word) if word is not None else None
        if self.matched is None:
            return False
        self.index += 1
        return True

    def accept_word(self, *words: str) -> str | None:
        """Step over the next word if it is one of `words` in any case; gives that word as it stands in `words`."""
        word = self.peek()
        if word is not None:
            for wanted in words:
                if word.lower() == wanted.lower():
                    self.index += 1
                    return wanted
        return None

    def expect(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """The match of the next word, or a refusal that says `what` was expected."""
        if not self.accept(pattern):
            found = self.peek()
            self.refuse(f"{what} expected" if found is None else f"{what} expected, found {found!r}")
        assert self.matched is not None
        return self.matched

    def group(self, index: int) -> str:
        """A group of the last match ("" when it took no part)."""
        assert self.matched is not None
        return self.matched.group(index) or ""

    def expect_id(self, what: str) -> str:
        """An id that XML accepts: a letter or underscore, then letters, digits, dots, dashes, underscores."""
        ident = self.expect(IDENT, what).group()
        if not ID.fullmatch(ident):
            self.refuse(
                f"{ident!r} cannot be an id",
                "an id starts with a letter or _ and goes on with letters, digits, . - _",
                at=self.index - 1,
            )
        return ident

    def expect_resource(self) -> str:
        """The name of a resource."""
        return self.expect(RESOURCE, "a resource").group()

    def description(self) -> str:
        """The text of `description=` if it is next, else an empty text."""
        return self.group(1) if self.accept(DESCRIPTION) else ""

    def where(self, index: int | None = None) -> tuple[int, int]:
        """Line and column of a word (the one under the head); past the end, of the end."""
        at = self.index if index is None else index
        if at < len(self.tokens):
            return self.tokens[at].line, self.tokens[at].column
        return self.statement.end

    def refuse(self, what: str, why: str = "", remedy: str = "", at: int | None = None) -> NoReturn:
        """Raise the report of a syntax error at the word under the head, or at word number `at`."""
        keyword = self.tokens[0].text.lower()
        refuse(self.statement.source, *self.where(at), f"{keyword}: {what}", why, remedy)

    def finish(self, expected: Iterable[str] = ()) -> None:
        """Refuse whatever is left, with the nearest of the words that could have stood there."""
        word = self.peek()
        if word is None:
            return
        near = get_close_matches(word.lower(), list(expected), n=1)
        self.refuse(f"{word!r} is not expected here", remedy=f"did you mean {near[0]}?" if near else "")
