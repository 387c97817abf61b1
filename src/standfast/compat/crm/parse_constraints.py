"""location, colocation, order and rsc_ticket, with their resource sets.

    loc  ::= location ID (RSC | /REGEX/ | "{" RSET "}") {role=R | resource-discovery=W} (SCORE: NODE | RULE...)
    col  ::= colocation ID SCORE: (RSC[:ROLE] WITH[:ROLE] | RSET...) [node-attribute=A]
    ord  ::= order ID [KIND: | SCORE:] (RSC[:ACTION] RSC[:ACTION] | RSET...) [symmetrical=BOOL]
    tick ::= rsc_ticket ID TICKET: RSC[:ROLE]... [loss-policy=P]
    RSET ::= a b:Q ... | "(" a b ")" | "[" a b "]"; inside sequential=B require-all=B; a change of role or action starts a new set

Round brackets mean sequential=false, square ones require-all=false too. `_rsc_set_` marks a set that would read as a pair.
"""

from __future__ import annotations

import re
from dataclasses import field

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.compat.crm import words
from standfast.compat.crm.cursor import IDENT, Cursor
from standfast.compat.crm.lexer import Token, refuse
from standfast.compat.crm.parse_attributes import SCORE, canonical, new, read_rules, read_score

PATTERN = re.compile(r"/(.+)/", re.DOTALL)
LOCATION_ATTRIBUTE = re.compile(r"\$?(role|resource-discovery)=(.+)", re.IGNORECASE)
SYMMETRICAL = re.compile(r"symmetrical=(true|false|yes|no|on|off)", re.IGNORECASE)
NODE_ATTRIBUTE = re.compile(r"node-attribute=(.+)", re.IGNORECASE)
LOSS_POLICY = re.compile(rf"loss-policy=({'|'.join(words.LOSS_POLICIES)})", re.IGNORECASE)
SET_FLAG = re.compile(r"(sequential|require-all)=(.*)", re.IGNORECASE)

TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
CLOSING = {"(": ")", "[": "]"}


def read_location(cursor: Cursor) -> etree._Element:
    """`location ...` after the keyword."""
    element = new("rsc_location", id=cursor.expect_id("an id"))
    if cursor.accept(PATTERN):
        element.set("rsc-pattern", cursor.group(1))
    elif cursor.accept_word("{"):
        members = []
        while cursor.has_more and cursor.peek() != "}":
            members.append(cursor.tokens[cursor.index])
            cursor.index += 1
        if not cursor.accept_word("}"):
            cursor.refuse("the brace { is never closed")
        for resource_set in read_resource_sets(cursor, members, "role"):
            element.append(resource_set)
    else:
        element.set("rsc", cursor.expect_resource())
    _read_location_attributes(cursor, element)
    if cursor.accept(SCORE):
        element.set(*read_score(cursor, cursor.group(1)))
        element.set("node", cursor.expect(IDENT, "the name of a node").group())
        _read_location_attributes(cursor, element)
    else:
        rules = read_rules(cursor)
        if not rules:
            cursor.refuse("SCORE: NODE or rule expected", remedy=f"for example: location {element.get('id')} RSC 100: NODE")
        element.extend(rules)
    cursor.finish(("rule", "role", "resource-discovery"))
    return element


def read_colocation(cursor: Cursor) -> etree._Element:
    """`colocation ...` after the keyword."""
    element = new("rsc_colocation", id=cursor.expect_id("an id"))
    cursor.expect(SCORE, "SCORE:")
    kind, value = read_score(cursor, cursor.group(1))
    if kind != "score":  # the schema has had no score-attribute here since 3.0
        cursor.refuse(f"{value!r} is not a score", remedy="a number, inf or -inf", at=cursor.index - 1)
    element.set("score", value)
    tail = _take_tail(cursor, NODE_ATTRIBUTE)
    if tail:
        element.set("node-attribute", tail)
    _read_members(cursor, element, "role", ("rsc", "with-rsc"))
    return element


def read_order(cursor: Cursor) -> etree._Element:
    """`order ...` after the keyword. An old numeric score means Optional when 0, else Mandatory."""
    element = new("rsc_order", id=cursor.expect_id("an id"))
    if cursor.accept(SCORE):
        word = cursor.group(1)
        kinds = {kind.lower(): kind for kind in words.ORDER_KINDS}
        if word.lower() in kinds:
            element.set("kind", kinds[word.lower()])
        elif re.fullmatch(r"[+-]?(inf|INF)(inity|INITY)?|[+-]?[0-9]+", word):
            element.set("kind", "Optional" if word == "0" else "Mandatory")
        else:
            cursor.refuse(
                f"{word!r} is not a kind of order", remedy=f"one of: {', '.join(words.ORDER_KINDS)}", at=cursor.index - 1
            )
    tail = _take_tail(cursor, SYMMETRICAL)
    if tail:
        element.set("symmetrical", "true" if TRUTH[tail.lower()] else "false")
    _read_members(cursor, element, "action", ("first", "then"))
    return element


def read_ticket(cursor: Cursor) -> etree._Element:
    """`rsc_ticket ...` after the keyword."""
    element = new("rsc_ticket", id=cursor.expect_id("an id"))
    element.set("ticket", cursor.expect(SCORE, "TICKET:").group(1))
    tail = _take_tail(cursor, LOSS_POLICY)
    if tail:
        element.set("loss-policy", tail.lower())
    _read_members(cursor, element, "role", ("rsc",))
    return element


def _read_location_attributes(cursor: Cursor, element: etree._Element) -> None:
    while cursor.accept(LOCATION_ATTRIBUTE):
        name, value = cursor.group(1).lower(), cursor.group(2)
        known = words.ROLES if name == "role" else words.DISCOVERY
        element.set(name, canonical(cursor, value, known, f"a value of {name}"))


def _take_tail(cursor: Cursor, pattern: re.Pattern[str]) -> str:
    """The value of an attribute that stands last in the statement; the word is then gone."""
    match = pattern.fullmatch(cursor.tokens[-1].text) if cursor.has_more else None
    if match is None:
        return ""
    cursor.tokens.pop()
    return match.group(1)


def _read_members(cursor: Cursor, element: etree._Element, qualifier: str, names: tuple[str, ...]) -> None:
    """As many plain members as `names`, as attributes of the constraint; otherwise resource sets."""
    if cursor.remaining == 0:
        cursor.refuse("resources expected")
    if cursor.remaining == len(names) and not any(token.text[0:1] in "([" for token in cursor.tokens[cursor.index :]):
        for name in names:
            _read_member(cursor, element, qualifier, name)
        return
    for resource_set in read_resource_sets(cursor, cursor.take_rest(), qualifier):
        element.append(resource_set)


def _read_member(cursor: Cursor, element: etree._Element, qualifier: str, name: str) -> None:
    resource, colon, word = cursor.take("a resource").partition(":")
    if not resource or "=" in resource:
        cursor.refuse(f"{resource!r} is not a resource", at=cursor.index - 1)
    element.set(name, resource)
    if word.isdigit():
        element.set(f"{name}-instance", word)
    elif colon:
        known = words.ROLES if qualifier == "role" else words.ACTIONS
        element.set(f"{name}-{qualifier}", canonical(cursor, word, known, f"a valid {qualifier}"))


def read_resource_sets(cursor: Cursor, tokens: list[Token], qualifier: str) -> list[etree._Element]:
    """RSET... as `<resource_set>` elements; `qualifier` is what a colon after a resource means, role or action."""
    reader = _SetReader(cursor, qualifier)
    for token in _split_brackets(tokens):
        reader.read(token)
    reader.close()
    if not reader.sets:
        cursor.refuse("a resource set needs members")
    return reader.sets


def _split_brackets(tokens: list[Token]) -> list[Token]:
    """Brackets that touch a name made words of their own."""
    split: list[Token] = []
    for token in tokens:
        text, column = token.text, token.column
        while len(text) > 1 and text[0] in "([":
            split.append(Token(text[0], token.line, column))
            text, column = text[1:], column + 1
        closing: list[Token] = []
        while len(text) > 1 and text[-1] in ")]":
            closing.insert(0, Token(text[-1], token.line, column + len(text) - 1))
            text = text[:-1]
        split.append(Token(text, token.line, column))
        split.extend(closing)
    return split


@dataclass(slots=True)
class _SetReader:
    """Collects members; a bracket or a change of qualifier closes the set. Invariant: `flags` are empty outside brackets."""

    cursor: Cursor
    qualifier: str
    sets: list[etree._Element] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    word: str = ""
    opened: Token | None = None
    flags: dict[str, bool] = field(default_factory=dict)

    def read(self, token: Token) -> None:
        """One word of the set."""
        flag = SET_FLAG.fullmatch(token.text)
        if token.text == "_rsc_set_":
            return
        if token.text in CLOSING:
            self._open(token)
        elif token.text in CLOSING.values():
            self._shut(token)
        elif flag:
            if flag.group(2).lower() not in TRUTH:
                self.refuse(token, f"{flag.group(2)!r} is neither true nor false")
            self.flags[flag.group(1).lower()] = TRUTH[flag.group(2).lower()]
        elif "=" in token.text:
            self.refuse(token, f"{token.text!r} is not an attribute of a set", "sequential= or require-all=")
        else:
            self._member(token)

    def close(self) -> None:
        """The end of the statement."""
        if self.opened is not None:
            self.refuse(self.opened, f"the bracket {self.opened.text} is never closed")
        self._save()

    def refuse(self, token: Token, what: str, remedy: str = "") -> None:
        """A syntax error at `token`."""
        refuse(self.cursor.statement.source, token.line, token.column, what, "", remedy)

    def _open(self, token: Token) -> None:
        if self.opened is not None:
            self.refuse(token, "resource sets cannot be nested")
        self._save()
        self.opened = token
        self.flags = {"sequential": False}
        if token.text == "[":
            self.flags["require-all"] = False

    def _shut(self, token: Token) -> None:
        if self.opened is None:
            self.refuse(token, f"there is no bracket for {token.text} to close")
        elif token.text != CLOSING[self.opened.text]:
            self.refuse(token, f"{token.text} does not close {self.opened.text}")
        elif not self.members:
            self.refuse(token, "the resource set is empty")
        self._save()
        self.opened, self.flags = None, {}

    def _member(self, token: Token) -> None:
        name, colon, word = token.text.partition(":")
        if not name:
            self.refuse(token, f"{token.text!r} is not a resource")
        if colon:
            known = words.ROLES if self.qualifier == "role" else words.ACTIONS
            found = [candidate for candidate in known if candidate.lower() == word.lower()]
            if not found:
                self.refuse(token, f"{word!r} is not a valid {self.qualifier}", f"one of: {', '.join(known)}")
            word = found[0]
        if word != self.word:
            self._save()
            self.word = word
        self.members.append(name)

    def _save(self) -> None:
        """Lay down the members collected so far as one set."""
        if not self.members:
            return
        element = etree.Element("resource_set")
        for name in ("require-all", "sequential"):
            if self.flags.get(name) is False:
                element.set(name, "false")
        if self.word:
            element.set(self.qualifier, self.word)
        for name in self.members:
            element.append(new("resource_ref", id=name))
        self.sets.append(element)
        self.members, self.word = [], ""
