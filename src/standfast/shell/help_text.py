"""The texts of `help`: made from the tables of commands, so that they cannot tell of what is not there."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.shell.command import Command, Level
from standfast.shell.session import Session

ROOT_TEXT = """This is crm, the shell of Standfast. Levels and commands may be shortened to what is unique.
Nothing that is typed in configure takes effect before `commit`.
"""


def level_help(level: Level) -> str:
    """Levels and commands with a line each."""
    entries = sorted(level.table.values(), key=lambda entry: entry.name)
    width = max(len(entry.name) for entry in entries)
    lines = [ROOT_TEXT] if not level.name else [f"Commands of {level.name}:", ""]
    levels = [entry for entry in entries if entry.level]
    if levels:
        lines += ["Levels:", ""]
        lines += [f"  {entry.name:<{width}}  {entry.summary}" for entry in levels]
        lines += ["", "Commands:", ""]
    lines += [f"  {entry.name:<{width}}  {entry.summary}" for entry in entries if not entry.level]
    return "\n".join([*lines, "", "help COMMAND says how a command is used."])


def topic_help(session: Session, words: Sequence[str]) -> str:
    """One command, given as `COMMAND` or `LEVEL COMMAND`."""
    level = session.here
    for word in words[:-1]:
        entry, _ = level.find(word)
        if entry.level:
            level = session.level(entry.level)
    entry, _ = level.find(words[-1])
    return level_help(session.level(entry.level)) if entry.level else command_help(entry)


def command_help(entry: Command) -> str:
    """How one command is used."""
    lines = [entry.summary, "", "usage: " + entry.usage.replace("\n", "\n       ")]
    if entry.aliases:
        lines.append(f"also:  {', '.join(entry.aliases)}")
    return "\n".join(lines)
