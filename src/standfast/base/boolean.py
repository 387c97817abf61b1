"""Pacemaker's booleans (crm_str_to_boolean): one reading of "yes" for every room."""

from __future__ import annotations

TRUE = frozenset(("true", "on", "yes", "y", "1"))
FALSE = frozenset(("false", "off", "no", "n", "0"))


def is_true(text: str) -> bool:
    """Whether a text says yes; anything that is not a boolean does not."""
    return text.lower() in TRUE
