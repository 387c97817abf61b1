"""An agent's meta-data: any output gives bounded values that can be printed, or Malformed."""

from __future__ import annotations

from standfast.executor.metadata import ACTIONS_MAX, NAME_CHARS_MAX, PARAMETERS_MAX, parse

DICTIONARY = (
    b"parameter",
    b"content",
    b"option",
    b"longdesc",
    b"shortdesc",
    b"unique-group",
    b"reloadable",
    b"deprecated",
    b"private",
    b"select",
)


def one(data: bytes) -> None:
    """One input."""
    found = parse(data)
    assert len(found.parameters) <= PARAMETERS_MAX
    assert len(found.actions) <= ACTIONS_MAX
    assert all(0 < len(parameter.name) <= NAME_CHARS_MAX for parameter in found.parameters)
    assert isinstance(found.reload_action, str)
    texts = (found.shortdesc, *found.restart_parameters, *found.private_parameters, *(p.shortdesc for p in found.parameters))
    assert not any(character in text for text in texts for character in "\x1b\x07\n\r")
