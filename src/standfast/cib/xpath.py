"""XPath with limits: enough of it for what tools ask, nothing that lets one expression stall every node of the cluster.

Accepted: names, `*`, `/`, `//`, `.`, `..`, `@name`, `|`, predicates with comparisons, `and`, `or`, numbers, texts and a few
functions. Refused: named axes (`//*/following::*` on half a megabyte takes a second), `//` inside a predicate or behind a bare
`*`, more than DESCENTS_MAX times `//`, and anything longer than operations.XPATH_CHARS_MAX.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lxml import etree
from lxml.etree import _Element as Element

from standfast.cib.refusal import Exit, refused

DESCENTS_MAX = 5
BRACKETS_MAX = 3
CHARS_MAX = 1024
FUNCTIONS = ("contains", "starts-with", "not", "last", "position", "name", "count", "string-length")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>\d+)|(?P<name>[A-Za-z_][\w.-]*)|(?P<mark>//|/|\.\.|\.|@|\*|\[|\]|\(|\)|\||,|!=|<=|>=|=|<|>))"""
)


def find(root: Element, expression: str) -> list[Element]:
    """The elements that match, in document order. Raises Refused for an expression that is wrong, not allowed, or selects
    anything but elements (attributes, texts, numbers)."""
    try:
        found = _compiled(expression)(root)
    except etree.XPathError as bad:
        raise _refusal(expression, str(bad)) from None
    if not isinstance(found, list):
        raise _refusal(expression, "it yields a value, not elements")
    elements = [item for item in found if isinstance(item, etree._Element)]  # noqa: SLF001 -- lxml has no public name for it
    if len(elements) != len(found):
        raise _refusal(expression, "it selects something else than elements")
    return elements


@lru_cache(maxsize=512)  # tools ask for the same few; a refusal is not kept
def _compiled(expression: str) -> etree.XPath:
    _check(expression)
    return etree.XPath(expression, regexp=False, smart_strings=False)


def _check(expression: str) -> None:
    if not expression or len(expression) > CHARS_MAX:
        raise _refusal(expression, f"1 to {CHARS_MAX} characters are allowed")
    tokens = _tokens(expression)
    depth = descents = 0
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        if token == "[":
            depth += 1
        elif token == "]":
            depth -= 1
        elif token == "//":
            descents += 1
            if depth:
                raise _refusal(expression, "`//` inside a predicate is not allowed")
        elif token == "*" and (following == "//" or depth):
            raise _refusal(expression, "`*` in a predicate, or followed by `//`, is not allowed")
        elif following == "(" and token[0].isalpha() and token not in (*FUNCTIONS, "and", "or"):
            raise _refusal(expression, f"the function {token}() is not allowed")
        if depth > BRACKETS_MAX or descents > DESCENTS_MAX:
            raise _refusal(expression, f"more than {DESCENTS_MAX} times `//` or {BRACKETS_MAX} nested predicates")


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            raise _refusal(expression, f"not understood at column {at + 1}")
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


def _refusal(expression: str, why: str) -> Exception:
    return refused("bad-xpath", Exit.DATA, f"the XPath {expression[:80]!r} is refused", why)
