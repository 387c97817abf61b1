"""Words that mean the same in many commands: `-o json`, `force`, lifetimes."""

from __future__ import annotations

from collections.abc import Sequence

FORMS = ("json", "text", "xml")


def without_output(words: Sequence[str]) -> tuple[list[str], str]:
    """The words without `-o FORM` / `--output FORM` / `--output=FORM`, and the form ("" when none is named)."""
    left: list[str] = []
    form = ""
    skip = False
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if skip:
            skip = False
        elif word in ("-o", "--output") and following in FORMS:
            form, skip = following, True
        elif word.startswith("--output=") and word.removeprefix("--output=") in FORMS:
            form = word.removeprefix("--output=")
        else:
            left.append(word)
    return left, form


def without(words: Sequence[str], *flags: str) -> tuple[list[str], bool]:
    """The words without some flags, and whether any of them was there."""
    left = [word for word in words if word not in flags]
    return left, len(left) < len(words)
