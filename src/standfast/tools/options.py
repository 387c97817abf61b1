"""GNU option parsing for the tools: bundled short options, `--long=value`, unique abbreviations. Imports nothing, starts fast.

(argparse costs 6 ms and words its messages in its own way; getopt drags in gettext.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from standfast.base.report import Refused, error

EXIT_USAGE = 64  # Pacemaker's CRM_EX_USAGE


class Option(NamedTuple):
    """One option: `key` names it in the result; `names` are its letters and long names; `takes` is "", "value" or "maybe"
    (joined on, or the next word unless that is an option, as GLib's parser has it)."""

    key: str
    names: tuple[str, ...]
    takes: str = ""


class Options:
    """What was given: `given` holds each (key, value) in order, `rest` the words that are no options."""

    def __init__(self, given: tuple[tuple[str, str], ...], rest: tuple[str, ...]) -> None:
        self.given = given
        self.rest = rest

    def __contains__(self, key: str) -> bool:
        return any(name == key for name, _ in self.given)

    def value(self, key: str, default: str = "") -> str:
        """The last value given for a key."""
        return next((value for name, value in reversed(self.given) if name == key), default)

    def values(self, key: str) -> list[str]:
        """All values given for a key, in order."""
        return [value for name, value in self.given if name == key]

    def last(self, keys: Sequence[str]) -> str:
        """Which of the keys came last, "" when none did."""
        return next((name for name, _ in reversed(self.given) if name in keys), "")


def option(key: str, *names: str, takes: str = "") -> Option:
    """An option named by its letters and long names; the key is the first long name when it is empty."""
    return Option(key, names, takes)


def parse_options(argv: Sequence[str], options: Sequence[Option], exit_code: int = EXIT_USAGE) -> Options:
    """Split `argv` (without the program's name). Raises Refused for an unknown, ambiguous or incomplete option."""
    letters = {name: item for item in options for name in item.names if len(name) == 1}
    words = {name: item for item in options for name in item.names if len(name) > 1}
    given: list[tuple[str, str]] = []
    rest: list[str] = []
    queue = list(reversed(argv))
    while queue:
        word = queue.pop()
        if word == "--":
            rest += reversed(queue)
            break
        if word.startswith("--"):
            _long(word, words, queue, given, exit_code)
        elif word.startswith("-") and word != "-":
            _short(word, letters, queue, given, exit_code)
        else:
            rest.append(word)
    return Options(tuple(given), tuple(rest))


def _long(word: str, words: Mapping[str, Option], queue: list[str], given: list[tuple[str, str]], exit_code: int) -> None:
    name, has_value, value = word[2:].partition("=")
    found = [words[name]] if name in words else [item for key, item in words.items() if key.startswith(name)]
    if len({item.key for item in found}) != 1:
        why = "it could be more than one" if found else "it is not known, or not offered here"
        raise Refused(error("tool.option", f"the option --{name} cannot be used", why, "see --help"), exit_code=exit_code)
    item = found[0]
    if not item.takes and has_value:
        raise Refused(error("tool.option", f"--{name} takes no value"), exit_code=exit_code)
    if item.takes and not has_value:
        value = _next(f"--{name}", item, queue, exit_code)
    given.append((item.key, value))


def _short(word: str, letters: Mapping[str, Option], queue: list[str], given: list[tuple[str, str]], exit_code: int) -> None:
    bundle = word[1:]
    for at, letter in enumerate(bundle, 1):
        item = letters.get(letter)
        if item is None:
            why = "it is not known, or not offered here"
            raise Refused(error("tool.option", f"the option -{letter} cannot be used", why, "see --help"), exit_code=exit_code)
        if not item.takes:
            given.append((item.key, ""))
            continue
        joined = bundle[at:]
        if not joined:
            joined = _next(f"-{letter}", item, queue, exit_code)
        given.append((item.key, joined))
        return


def _next(name: str, item: Option, queue: list[str], exit_code: int) -> str:
    if item.takes == "maybe":
        return queue.pop() if queue and not queue[-1].startswith("-") else ""
    if not queue:
        raise Refused(error("tool.option", f"{name} needs a value", "", "see --help"), exit_code=exit_code)
    return queue.pop()
