"""One run of the shell: where one stands, what is being edited, and how a line or a list of words is carried out.

Owns: the stack of levels, the options of the command line, changing the live CIB. Does not own: the commands
(level_*.py), reading lines (main.py, prompt.py). Invariant: the stack is never empty, and its bottom is the root level.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused
from standfast.shell.cluster import Cluster
from standfast.shell.command import Call, Command, Level
from standfast.shell.output import Output

if TYPE_CHECKING:
    from standfast.compat.crm.document import Configuration
    from standfast.compat.crm.lexer import Statement
    from standfast.shell.edit_state import EditState

ATTEMPTS_MAX = 8
EXIT_OLD = 103

LEVELS = {
    "": ("standfast.shell.level_root", "RootLevel"),
    "configure": ("standfast.shell.level_configure", "ConfigureLevel"),
    "resource": ("standfast.shell.level_resource", "ResourceLevel"),
    "node": ("standfast.shell.level_node", "NodeLevel"),
    "ra": ("standfast.shell.level_ra", "RaLevel"),
    "cluster": ("standfast.shell.level_cluster", "ClusterLevel"),
    "corosync": ("standfast.shell.level_corosync", "CorosyncLevel"),
    "openstack": ("standfast.shell.level_openstack", "OpenStackLevel"),
}
"""Where each level lives; imported when it is entered, because a one-shot command needs one or two of them."""


@dataclass(slots=True)
class Options:
    """What the command line of `crm` says for all commands."""

    is_forced: bool = False
    waits: bool = False
    is_debugging: bool = False
    wants_json: bool = False


class Session:
    """The state of one run."""

    def __init__(
        self,
        output: Output,
        cluster: Cluster | None = None,
        options: Options | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`now_s` is the wall clock, for lifetimes and the dates of the status."""
        self.output = output
        self.cluster = cluster if cluster is not None else Cluster()
        self.cluster.remark = output.say_all
        self.options = options if options is not None else Options()
        self.now_s = now_s
        self.edit: EditState | None = None
        self.has_ended = False
        self.is_one_line = False
        """Whether the level one stands on was entered for the command under way alone."""
        self.exit_code = 0
        self._made: dict[str, Level] = {}
        self.stack: list[Level] = [self.level("")]

    # ---- where one stands --------------------------------------------------------------------------------------------

    def level(self, name: str) -> Level:
        """The level of that name, made on first use."""
        if name not in self._made:
            module, cls = LEVELS[name]
            level: Level = getattr(importlib.import_module(module), cls)(self)
            self._made[name] = level
        return self._made[name]

    @property
    def here(self) -> Level:
        """The level one stands on."""
        return self.stack[-1]

    @property
    def prompt(self) -> str:
        """`crm(live/host)configure# `."""
        return f"crm(live/{os.uname().nodename.partition('.')[0]}){self.here.name}# "

    def up(self) -> bool:
        """To the level above; from the root, nothing. False when the level would not let go."""
        if len(self.stack) == 1:
            return True
        if not self.here.leave():
            return False
        self.stack.pop()
        return True

    def end(self) -> bool:
        """Leave the shell, level by level; the answers to open questions are taken on the way."""
        while len(self.stack) > 1:
            if not self.up():
                return False
        self.has_ended = True
        return True

    # ---- carrying out ------------------------------------------------------------------------------------------------

    def run_statement(self, statement: Statement) -> bool:
        """One line of a prompt or file, which stays on the level that it leads to."""
        return self._attempt([token.text for token in statement.tokens], statement)

    def run_words(self, words: Sequence[str]) -> bool:
        """The words of a command line: levels are entered, the command is run, and the levels are left again (which commits)."""
        return self._attempt(list(words), None)

    def enter(self, words: Sequence[str]) -> list[str]:
        """Enter levels as long as words name them; gives the words that are left."""
        left = list(words)
        while left:
            entry, notice = self.here.find(left[0])
            if not entry.level:
                break
            if notice is not None:
                self.output.say(notice)
            self.stack.append(self.level(entry.level))
            left = left[1:]
        return left

    def _attempt(self, words: list[str], statement: Statement | None) -> bool:
        """`LEVEL... COMMAND ARGS` comes back to where it started, having committed; `LEVEL...` alone stays there."""
        depth = len(self.stack)
        entered: list[Level] = []
        try:
            left = self.enter(words)
            if not left:
                return True
            entry, notice = self.here.find(left[0])
            if notice is not None:
                self.output.say(notice)
            entered = self.stack[depth:]
            self.is_one_line = bool(entered)
            is_good = self._run(entry, Call(left[0], tuple(left[1:]), _rest_of(statement, len(left))))
            if entry.name in _MOVES and not entry.method:
                return is_good
            while is_good and len(self.stack) > depth:
                is_good = self.up()
        except Refused as refused:
            self._fail(refused, words)
            is_good = False
        if not is_good and len(self.stack) > depth:
            for level in entered if len(words) > 1 else []:
                level.abandon()
            del self.stack[depth:]
        return is_good

    def _run(self, entry: Command, call: Call) -> bool:
        builtin = _BUILTINS.get(entry.name)
        if builtin is not None and not entry.method:
            return builtin(self, call)
        return self.here.run(entry, call)

    def _fail(self, refused: Refused, words: Sequence[str]) -> None:
        """Say why, under the name of the command: `ERROR: resource.move: ...`."""
        self.exit_code = refused.exit_code
        place = self.here.name
        names = {name for entry in self.here.table.values() for name in entry.names}
        command = next((word for word in words if word in names), "")
        place = ".".join(part for part in (place, command) if part)
        for report in refused.reports:
            self.output.say(report, "" if report.where.startswith(place) and place else place)

    # ---- commands of every level -------------------------------------------------------------------------------------

    def do_help(self, call: Call) -> bool:
        """The table of this level, or one entry of it."""
        from standfast.shell.help_text import level_help, topic_help

        self.output.write(topic_help(self, call.words) if call.words else level_help(self.here))
        return True

    def do_ls(self, _call: Call) -> bool:
        """The names only."""
        self.output.write("\n".join(sorted(self.here.table)))
        return True

    def do_cd(self, call: Call) -> bool:
        """`cd configure`, `cd ../node`, `cd ..`, `cd` (to the root)."""
        path = call.words[0] if call.words else "/"
        if path.startswith("/"):
            while len(self.stack) > 1:
                if not self.up():
                    return False
        for part in [part for part in path.split("/") if part]:
            if part == "..":
                if not self.up():
                    return False
                continue
            entry, _ = self.here.find(part)
            if not entry.level:
                self.output.warn(f"{part} is a command, not a level")
                return False
            self.stack.append(self.level(entry.level))
        return True

    def do_up(self, _call: Call) -> bool:
        """To the level above."""
        return self.up()

    def do_quit(self, _call: Call) -> bool:
        """Out."""
        return self.end()

    # ---- what the commands use ---------------------------------------------------------------------------------------

    def write_json(self, value: Any) -> None:
        """A value as JSON, for `-o json`."""
        self.output.write(json.dumps(value, indent=2, ensure_ascii=False))

    def change(self, alter: Callable[[Configuration], None], *, follows: bool = False) -> bool:
        """Change the live configuration: `alter` is given a copy of it. When somebody else was faster, it is asked again.

        With -w (or `follows`, for commands that people watch), waits until the cluster is at rest.
        """
        from standfast.compat.crm.changes import operations

        progress = self._progress(follows=follows)
        try:
            for attempt in range(1, ATTEMPTS_MAX + 1):
                before = self.cluster.configuration()
                after = before.copy()
                alter(after)
                steps = operations(before, after)
                if not steps:
                    break
                try:
                    self.cluster.apply(steps, before.version, is_forced=self.options.is_forced)
                    break
                except Refused as refused:
                    if refused.exit_code != EXIT_OLD or attempt == ATTEMPTS_MAX:
                        raise
            return self._rest(follows=follows)
        finally:
            if progress is not None:
                progress()

    def change_status(self, operations: Sequence[dict[str, object]]) -> bool:
        """Change the status section (transient attributes)."""
        self.cluster.apply(operations)
        return self._rest(follows=False)

    def follow(self, act: Callable[[], None], *, follows: bool) -> bool:
        """Do something and wait as `change` does."""
        progress = self._progress(follows=follows)
        try:
            act()
            return self._rest(follows=follows)
        finally:
            if progress is not None:
                progress()

    def is_watched(self, *, follows: bool) -> bool:
        """Whether a change is waited for: with -w always, else when somebody watches a command worth watching."""
        return self.options.waits or (follows and self.output.is_interactive)

    def _progress(self, *, follows: bool) -> Callable[[], None] | None:
        if not self.is_watched(follows=follows):
            return None
        from standfast.shell.progress import Progress

        progress = Progress(self.cluster, self.output)
        progress.start()
        return progress.stop

    def _rest(self, *, follows: bool) -> bool:
        if not self.is_watched(follows=follows):
            return True
        from standfast.shell.progress import wait_for_rest

        return wait_for_rest(self.cluster, self.output)


def _rest_of(statement: Statement | None, count: int) -> Statement | None:
    """The last `count` tokens of a statement as a statement of their own."""
    if statement is None or count == len(statement.tokens):
        return statement
    from dataclasses import replace

    return replace(statement, tokens=statement.tokens[-count:])


_MOVES = ("up", "cd", "quit")

_BUILTINS: dict[str, Callable[[Session, Call], bool]] = {
    "help": Session.do_help,
    "ls": Session.do_ls,
    "cd": Session.do_cd,
    "up": Session.do_up,
    "quit": Session.do_quit,
}
