"""Levels and commands as a table: each command says its name, aliases, usage and what completes its arguments.

Owns: finding a command by a word. A unique beginning is accepted, and said; not for commands that stop or remove something:
those must be spelt out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, Report, Severity, error

if TYPE_CHECKING:
    from standfast.compat.crm.lexer import Statement
    from standfast.shell.session import Session


@dataclass(frozen=True, slots=True)
class Call:
    """One command as it was typed: the words after its name, and the whole statement with positions when there is one."""

    name: str
    words: tuple[str, ...]
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """An entry of the table. `completes` names a kind of word for each argument (see completion.py), the last one repeats.
    `level` is the name of the level that the command enters; `method` the method of its level that does the work."""

    name: str
    usage: str
    summary: str
    aliases: tuple[str, ...] = ()
    completes: tuple[str, ...] = ()
    level: str = ""
    is_destructive: bool = False
    method: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The name and all others."""
        return (self.name, *self.aliases)


Method = Callable[[Any, Call], bool]


def command(
    usage: str,
    summary: str,
    *aliases: str,
    name: str = "",
    completes: Sequence[str] = (),
    destructive: bool = False,
) -> Callable[[Method], Method]:
    """Mark a method of a Level as a command: `do_move` is `move`, `_` in its name stands for `-` unless `name` is given."""

    def mark(method: Method) -> Method:
        own = name or method.__name__.removeprefix("do_").replace("_", "-")
        entry = Command(own, usage, summary, aliases, tuple(completes), "", destructive, method.__name__)
        method.command = entry  # type: ignore[attr-defined]
        return method

    return mark


class Level:
    """A level of the shell: a set of commands with the session they act on."""

    name: ClassVar[str] = ""
    levels: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Levels that can be entered from here: name and summary."""
    table: ClassVar[dict[str, Command]] = {}

    def __init_subclass__(cls) -> None:
        """Collects the commands of the class."""
        entries = [getattr(member, "command", None) for member in vars(cls).values()]
        own = {entry.name: entry for entry in entries if isinstance(entry, Command)}
        for level, summary in cls.levels:
            own[level] = Command(level, level, summary, (), (), level)
        cls.table = {**_COMMON, **own}

    def __init__(self, session: Session) -> None:
        self.session = session

    def find(self, word: str) -> tuple[Command, Report | None]:
        """The command that `word` names, and what to say when it is not its full name. Raises Refused with the nearest ones."""
        wanted = word.replace("_", "-").lower()
        for entry in self.table.values():
            if wanted in [name.replace("_", "-") for name in entry.names]:
                return entry, None
        found = [entry for entry in self.table.values() if any(name.startswith(wanted) for name in entry.names)]
        place = f"{self.name}.{word}" if self.name else word
        if len(found) == 1 and not found[0].is_destructive:
            return found[0], Report("shell.short", Severity.INFO, f'"{word}" is accepted as "{found[0].name}"')
        if found:
            why = "it could be more than one" if len(found) > 1 else "what stops or removes something must be spelt out"
            raise Refused(
                error("shell.ambiguous", "No such command", why, f"did you mean {_either([e.name for e in found])}?", place)
            )
        everything = [name for entry in self.table.values() for name in entry.names]
        near = get_close_matches(wanted, everything, n=3)
        remedy = f"did you mean {_either(near)}?" if near else "help lists the commands"
        raise Refused(error("shell.unknown", "No such command", "", remedy, place))

    def run(self, entry: Command, call: Call) -> bool:
        """Carry out a command of this level; False when it failed and has said so."""
        method: Callable[[Call], bool] = getattr(self, entry.method)
        return method(call)

    def abandon(self) -> None:
        """Called instead of `leave` when a command failed that entered the level for itself alone."""

    def leave(self) -> bool:
        """Called before the level is left; False keeps it."""
        return True


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)


def usage_refused(entry_usage: str, what: str = "") -> Refused:
    """The refusal of a call that does not fit its usage."""
    return Refused(error("shell.usage", what or "that is not how it is used", "", f"usage: {entry_usage}"))


_COMMON: dict[str, Command] = {
    "help": Command("help", "help [COMMAND]", "show the commands, or what one does", ("?",), ("command",)),
    "ls": Command("ls", "ls", "list the commands of this level"),
    "cd": Command("cd", "cd [LEVEL|..]", "go to another level", (), ("level",)),
    "up": Command("up", "up", "go back to the level above", ("end", "back", "..")),
    "quit": Command("quit", "quit", "leave the shell", ("exit", "bye")),
}
"""Commands of every level; session.py carries them out."""
