"""Small XML as text, for tools that must start fast: writing elements, and reading the attributes of well-formed replies.

Reading is for what the manager itself serialised (double quotes, no CDATA, no DOCTYPE); input of people goes to the manager,
whose parser judges it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_TAG = re.compile(r'<([A-Za-z_][\w.-]*)((?:\s+[\w:.-]+="[^"]*")*)\s*/?>')
_ATTRIBUTE = re.compile(r'([\w:.-]+)="([^"]*)"')
_ENTITY = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def escape(text: str) -> str:
    """Text for an attribute's value or an element's content."""
    for char, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("\n", "&#10;"),
        ("\t", "&#9;"),
        ("\r", "&#13;"),
    ):
        text = text.replace(char, entity)
    return "".join(char for char in text if char >= " ")  # XML 1.0 has no other control characters


def unescape(text: str) -> str:
    """The inverse of what a serialiser writes."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[3]]
    number = int(match[1], 16) if match[1] else int(match[2])
    return chr(number) if number < 0x110000 else ""


def tag(name: str, attributes: Mapping[str, str | None], *, is_open: bool = False) -> str:
    """A start tag or an empty element; attributes that are None are left out."""
    text = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{text}{'' if is_open else '/'}>"


def elements(xml: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(name, attributes) of every start tag, in document order."""
    for match in _TAG.finditer(xml):
        yield match[1], {name: unescape(value) for name, value in _ATTRIBUTE.findall(match[2])}


def xpath_text(text: str) -> str:
    """A string as an XPath literal. Names in a CIB have no quotes of both kinds; such a text can match nothing."""
    if "'" not in text:
        return f"'{text}'"
    return f'"{text}"' if '"' not in text else "''"
