"""A seeded mutator that knows shapes: bytes, numbers, words, lines, XML elements, JSON values, and pieces of other inputs.

Owns: one changed input from a seed input. Does not own: which changes lead somewhere new (Atheris knows that, this does not).
The same seed gives the same inputs.
"""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

INTERESTING = (
    0,
    1,
    2,
    7,
    8,
    63,
    64,
    127,
    128,
    255,
    256,
    1023,
    1024,
    65_535,
    65_536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**60,
    2**63,
    2**64 - 1,
)
NUMBERS = (
    "0",
    "-1",
    "+1",
    "1e9",
    "INFINITY",
    "-INFINITY",
    "NaN",
    "00",
    "2147483648",
    "9" * 40,
    "9" * 5000,
    "1.5",
    "0x10",
    "",
    " ",
    "٣",
)
ODD_TEXTS = (
    """\0 \xc3 & &amp; &#0; &lol; ]]> <!-- \\ " ' <?x?> { } # = : % %s ../ \u2028 \u202e \ufeff <!DOCTYPE[<!ENTITY/b/'c'>]>"""
)
ODD = (b"\xff", b"\xed\xa0\x80", b"\r", b"\n", b"\t", *(word.replace("/b/", " b ").encode() for word in ODD_TEXTS.split(" ")))
WORD = re.compile(rb"[\w.:-]+|[^\w\s]|\s+")
ELEMENT = re.compile(rb"<(\w[\w.-]*)[^<>]*?(?:/>|>(?:[^<>]*)</\1>)")
ATTRIBUTE = re.compile(rb'[\w.-]+="[^"]*"')
DIGITS = re.compile(rb"\d+")

WINDOW_BYTES = 2048


class Mutator:
    """Makes inputs out of a corpus, for ever."""

    def __init__(self, corpus: Sequence[bytes], seed: int, size_max: int, words: Sequence[bytes] = ()) -> None:
        self._corpus = list(corpus) or [b""]
        self._chance = random.Random(seed)
        self._size_max = size_max
        theirs: set[bytes] = {word for data in corpus for word in WORD.findall(data[:4096]) if len(word) > 2}
        self._words: list[bytes] = [*ODD, *words, *sorted(theirs)][:4000]
        self._moves: tuple[Callable[[bytes], bytes], ...] = (
            *(self._flip, self._number, self._insert, self._cut, self._double, self._repeat, self._splice),
            *(self._word, self._words_swapped, self._line, self._element, self._attribute, self._digits, self._json),
        )

    def next(self) -> bytes:
        """One input."""
        return self.changed(self._chance.choice(self._corpus))

    def changed(self, data: bytes) -> bytes:
        """`data` with one to eight changes."""
        for _ in range(min(1 + int(self._chance.expovariate(0.6)), 8)):
            data = self._chance.choice(self._moves)(data)[: self._size_max]
        return data

    def _span(self, data: bytes, longest: int = 64) -> tuple[int, int]:
        first = self._chance.randrange(len(data) + 1)
        return first, min(len(data), first + self._chance.randrange(longest))

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._chance.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << self._chance.randrange(8),)) + data[at + 1 :]

    def _number(self, data: bytes) -> bytes:
        form = self._chance.choice((">B", ">H", ">I", ">Q", "<I"))
        value = struct.pack(form, self._chance.choice(INTERESTING) % (1 << 8 * struct.calcsize(form)))
        at = self._chance.randrange(len(data) + 1)
        return data[:at] + value + data[at + len(value) :]

    def _insert(self, data: bytes) -> bytes:
        at = self._chance.randrange(len(data) + 1)
        piece = (
            self._chance.choice(self._words)
            if self._chance.random() < 0.7
            else self._chance.randbytes(self._chance.randrange(1, 9))
        )
        return data[:at] + piece + data[at:]

    def _cut(self, data: bytes) -> bytes:
        first, last = self._span(data)
        return data[:first] + data[last:]

    def _double(self, data: bytes) -> bytes:
        first, last = self._span(data, 512)
        return data[:last] + data[first:last] + data[last:]

    def _repeat(self, data: bytes) -> bytes:
        """Few inputs grow large, but those that do grow by much: long lists and deep nesting."""
        if self._chance.random() < 0.8:
            return data
        first, last = self._span(data)
        return data[:last] + data[first:last] * self._chance.choice((10, 100, 1000)) + data[last:]

    def _pieces(self, data: bytes, pattern: re.Pattern[bytes]) -> list[re.Match[bytes]]:
        """What the pattern finds in a window somewhere: a long input is not searched from end to end for every change."""
        at = self._chance.randrange(max(1, len(data) - WINDOW_BYTES // 2))
        return list(pattern.finditer(data, at, at + WINDOW_BYTES))

    def _word(self, data: bytes) -> bytes:
        found = self._pieces(data, WORD)
        if not found:
            return data
        at = self._chance.choice(found)
        return data[: at.start()] + self._chance.choice(self._words) + data[at.end() :]

    def _words_swapped(self, data: bytes) -> bytes:
        return self._swapped(data, self._pieces(data, WORD))

    def _swapped(self, data: bytes, found: list[re.Match[bytes]]) -> bytes:
        if len(found) < 2:
            return data
        one, other = sorted(self._chance.sample(found, 2), key=lambda match: match.start())
        if one.end() > other.start():
            return data
        return data[: one.start()] + other[0] + data[one.end() : other.start()] + one[0] + data[other.end() :]

    def _line(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        at, other = self._chance.randrange(len(lines)), self._chance.randrange(len(lines))
        match self._chance.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                theirs = self._chance.choice(self._corpus).split(b"\n")
                lines.insert(at, self._chance.choice(theirs))
        return b"\n".join(lines)

    def _element(self, data: bytes) -> bytes:
        """An XML element without elements in it: doubled, taken away, or exchanged with another."""
        found = self._pieces(data, ELEMENT)
        if not found:
            return data
        at = self._chance.choice(found)
        match self._chance.randrange(4):
            case 0:
                return data[: at.start()] + data[at.end() :]
            case 1:
                return data[: at.end()] + at[0] + data[at.end() :]
            case 2:
                inner: bytes = at[0] if at[0].endswith(b"/>") else b""
                return data[: at.start()] + b"<" + at[1] + b">" + inner + b"</" + at[1] + b">" + data[at.end() :]
            case _:
                return self._swapped(data, found)

    def _attribute(self, data: bytes) -> bytes:
        found = self._pieces(data, ATTRIBUTE)
        if not found:
            return data
        at = self._chance.choice(found)
        name, _, value = at[0].partition(b"=")
        match self._chance.randrange(4):
            case 0:
                new = b""
            case 1:
                new = name + b'="' + self._chance.choice(NUMBERS).encode() + b'"'
            case 2:
                new = self._chance.choice(found)[0].partition(b"=")[0] + b"=" + value
            case _:
                new = name + b"=" + self._chance.choice(found)[0].partition(b"=")[2]
        return data[: at.start()] + new + data[at.end() :]

    def _digits(self, data: bytes) -> bytes:
        found = self._pieces(data, DIGITS)
        if not found:
            return data
        at = self._chance.choice(found)
        return data[: at.start()] + self._chance.choice(NUMBERS).encode() + data[at.end() :]

    def _splice(self, data: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return data[: self._chance.randrange(len(data) + 1)] + other[self._chance.randrange(len(other) + 1) :]

    def _json(self, data: bytes) -> bytes:
        """A value somewhere in it is exchanged for one of another kind."""
        if data[:1] not in (b"{", b"["):
            return data
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return data
        places = list(_places(value))
        if not places:
            return data
        holder, key = self._chance.choice(places)
        theirs, their_key = self._chance.choice(places)
        odd: list[Any] = [
            None,
            True,
            -1,
            1.5,
            2**70,
            "",
            "x" * 300,
            [],
            {},
            [[]],
            {"a": None},
            "\ud800",
            self._chance.choice(NUMBERS),
        ]
        holder[key] = self._chance.choice([*odd, json.loads(json.dumps(theirs[their_key]))])
        return json.dumps(value).encode()


def _places(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """Every (holder, key) in a JSON value."""
    pairs: list[tuple[Any, Any]] = []
    if depth < 20 and isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            pairs.append((value, key))
            pairs += _places(inner, depth + 1)
    return pairs
