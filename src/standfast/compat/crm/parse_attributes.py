"""ATTRS, RULE, EXP and SCORE of the grammar: the parts that sit inside every object.

ATTRS ::= $id-ref=ID | [$id=ID] [SCORE:] {RULE} {K=V | K | $ID[:K]=V | @ID[:K]}
RULE  ::= rule [$id=ID|$id-ref=ID] [[$]role=R] [SCORE:] EXP {and EXP | or EXP}
EXP   ::= A [TYPE:]OP V | A OP param{P}|meta{P} | defined A | not_defined A | date ...
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lxml import etree

from standfast.compat.crm import words
from standfast.compat.crm.cursor import IDENT, Cursor

PAIR = re.compile(r"([^=@$][^=]*)=(.*)", re.DOTALL)
PAIR_WITH_ID = re.compile(r"\$([^:=]+)(?::([^=]+))?=(.*)", re.DOTALL)
PAIR_REFERENCE = re.compile(r"@([^:]+)(?::(.+))?")
PAIR_NAME = re.compile(r"[^:=]+")
ID_SPEC = re.compile(r"\$(id-ref|id)=(.*)", re.IGNORECASE)
SCORE = re.compile(r"([^:=]+):")
ROLE = re.compile(r"\$?role=(.+)", re.IGNORECASE)
NUMBER_SCORE = re.compile(r"([+-]?)(?:(inf|INF)(?:inity|INITY)?|([0-9]+))")
VALUE_SOURCE = re.compile(r"(param|meta)\{([^\s{}]+)\}")
COMPARISON = re.compile(rf"(?:({'|'.join(words.EXPRESSION_TYPES)}):)?({'|'.join(words.BINARY_OPERATIONS)})", re.IGNORECASE)


def new(tag: str, **attributes: str) -> etree._Element:
    """An element; an empty value means: leave the attribute out. `_` in a name stands for `-`."""
    element = etree.Element(tag)
    for name, value in attributes.items():
        if value:
            element.set(name.rstrip("_").replace("_", "-"), value)
    return element


def read_pairs(cursor: Cursor, terminators: Collection[str] = words.ATTRIBUTE_TERMINATORS) -> list[etree._Element]:
    """`name=value`, `name`, `$id[:name]=value` and `@id[:name]`, up to a word that can be none of them."""
    pairs: list[etree._Element] = []
    while (word := cursor.peek()) is not None and word.lower() not in terminators:
        if cursor.accept(PAIR_REFERENCE):
            pairs.append(new("nvpair", id_ref=cursor.group(1), name=cursor.group(2)))
        elif cursor.accept(PAIR_WITH_ID):
            pair = new("nvpair", id=cursor.group(1), name=cursor.group(2) or cursor.group(1))
            pair.set("value", cursor.group(3))
            pairs.append(pair)
        elif cursor.accept(PAIR):
            pair = new("nvpair", name=cursor.group(1))
            pair.set("value", cursor.group(2))
            pairs.append(pair)
        elif cursor.accept(PAIR_NAME):
            pairs.append(new("nvpair", name=word))
        else:
            break
    return pairs


def read_set(cursor: Cursor, tag: str, terminators: Collection[str] = words.ATTRIBUTE_TERMINATORS) -> etree._Element:
    """One ATTRS as an element `tag`; `$id-ref` stays as written and is resolved against the CIB later."""
    element = etree.Element(tag)
    if cursor.accept(ID_SPEC):
        name, value = cursor.group(1).lower(), cursor.group(2)
        if not value:
            cursor.refuse(f"${name} needs an id", at=cursor.index - 1)
        element.set(name, value)
        if name == "id-ref":
            return element
    if cursor.accept(SCORE):
        element.set("score", _plain_score(cursor))
    for rule in read_rules(cursor):
        element.append(rule)
    for pair in read_pairs(cursor, terminators):
        element.append(pair)
    return element


def is_empty(element: etree._Element) -> bool:
    """Whether nothing at all was written in a set."""
    return len(element) == 0 and not element.attrib


def read_sets(
    cursor: Cursor,
    out: etree._Element,
    names: Mapping[str, str],
    implicit: str = "",
    terminators: Collection[str] = words.ATTRIBUTE_TERMINATORS,
) -> None:
    """Any number of `KEYWORD ATTRS`, appended to `out`; the first set may leave out the keyword `implicit`."""
    if implicit and (word := cursor.peek()) is not None and word.lower() not in names:
        element = read_set(cursor, names[implicit], terminators)
        if not is_empty(element):
            out.append(element)
    while (name := cursor.accept_word(*names)) is not None:
        out.append(read_set(cursor, names[name], terminators))


def read_rules(cursor: Cursor) -> list[etree._Element]:
    """Any number of RULE."""
    rules = []
    while cursor.accept_word("rule"):
        rules.append(_read_rule(cursor))
    return rules


def _read_rule(cursor: Cursor) -> etree._Element:
    rule = etree.Element("rule")
    if cursor.accept(ID_SPEC):
        rule.set(cursor.group(1).lower(), cursor.group(2))
    if cursor.accept(ROLE):
        rule.set("role", canonical(cursor, cursor.group(1), words.ROLES, "a role"))
    if rule.get("id-ref"):
        return rule
    if cursor.accept(SCORE):
        rule.set(*read_score(cursor, cursor.group(1)))
    else:
        rule.set("score", "INFINITY")
    rule.append(_read_expression(cursor))
    operator = ""
    while (word := cursor.accept_word("and", "or")) is not None:
        if operator and word != operator:
            cursor.refuse("and / or cannot be mixed in one rule", remedy="write two rules", at=cursor.index - 1)
        operator = word
        rule.append(_read_expression(cursor))
    if operator == "or":
        rule.set("boolean-op", operator)
    return rule


def _read_expression(cursor: Cursor) -> etree._Element:
    if cursor.accept_word("date"):
        return _read_date(cursor)
    unary = cursor.accept_word(*words.UNARY_OPERATIONS)
    if unary:
        attribute = cursor.expect(IDENT, "the name of an attribute").group()
        return new("expression", operation=unary, attribute=attribute)
    attribute = cursor.expect(IDENT, "the name of an attribute").group()
    match = cursor.expect(COMPARISON, f"a comparison ({', '.join(words.BINARY_OPERATIONS)})")
    element = new("expression", operation=match.group(2).lower(), attribute=attribute)
    if match.group(1):
        element.set("type", match.group(1).lower())
    value = cursor.take("a value to compare with")
    source = VALUE_SOURCE.fullmatch(value)
    element.set("value", source.group(2) if source else value)
    if source:
        element.set("value-source", source.group(1))
    return element


def _read_date(cursor: Cursor) -> etree._Element:
    word = cursor.accept_word(*words.DATE_OPERATIONS)
    if word is None:
        cursor.refuse("date needs lt, gt, in or spec")
    operation = words.DATE_OPERATIONS[word]
    element = new("date_expression", operation=operation)
    if operation in ("lt", "gt"):
        element.set("end" if operation == "lt" else "start", cursor.take("a date"))
        return element
    fields = _read_date_fields(cursor)
    if operation == "in_range":
        for name in ("start", "end"):
            if name in fields:
                element.set(name, fields.pop(name))
        if not element.get("start") and not element.get("end"):
            cursor.refuse("date in needs start= or end=")
        if fields:
            element.append(new("duration", **fields))
    elif not fields or "start" in fields or "end" in fields:
        cursor.refuse("date spec needs fields such as hours=9-17 or weekdays=1-5", at=cursor.index - 1 if fields else None)
    else:
        element.append(new("date_spec", **fields))
    return element


def _read_date_fields(cursor: Cursor) -> dict[str, str]:
    fields: dict[str, str] = {}
    while cursor.accept(PAIR):
        name, value = cursor.group(1).lower(), cursor.group(2)
        if name not in words.DATE_FIELDS and name not in ("start", "end"):
            cursor.index -= 1  # it belongs to what follows the rule
            break
        if not value:
            cursor.refuse(f"{name} needs a value", at=cursor.index - 1)
        fields[name] = value
    return fields


def read_score(cursor: Cursor, text: str) -> tuple[str, str]:
    """`("score", N)` for a number or (-)inf, else `("score-attribute", NAME)`: the value of a node attribute."""
    word = words.SCORE_WORDS.get(text.lower())
    if word:
        return "score", word
    number = NUMBER_SCORE.fullmatch(text)
    if number:
        return "score", number.group(1) + ("INFINITY" if number.group(2) else number.group(3))
    if not IDENT.fullmatch(text):
        cursor.refuse(f"{text!r} is neither a score nor the name of a node attribute", at=cursor.index - 1)
    return "score-attribute", text


def _plain_score(cursor: Cursor) -> str:
    kind, value = read_score(cursor, cursor.group(1))
    if kind != "score":
        cursor.refuse(f"{value!r} is not a score", remedy="a number or inf", at=cursor.index - 1)
    return value


def canonical(cursor: Cursor, word: str, known: Collection[str], what: str) -> str:
    """`word` in the spelling of `known`; refuses (at the word just read) what is not in it."""
    found = [wanted for wanted in known if wanted.lower() == word.lower()]
    if not found:
        cursor.refuse(f"{word!r} is not {what}", remedy=f"one of: {', '.join(known)}", at=max(cursor.index - 1, 0))
    return found[0]
