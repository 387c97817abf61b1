"""Files of commands: `crm -f FILE`, `crm < FILE`, `crm configure < FILE`.

All statements of the configuration are parsed before the first is carried out, so that a syntax error anywhere leaves everything
as it was. The first command that fails ends the run; what was not committed then is dropped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from standfast.base.report import Refused, Report, error
from standfast.compat.crm.lexer import Statement, statements
from standfast.shell.session import LEVELS, Session


def read_text(name: str) -> str:
    """A file's text, or that of standard input for `-`. Raises Refused."""
    try:
        if name == "-":
            return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
        with open(name, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError as fault:
        raise Refused(error("shell.file", f"{name} cannot be read", fault.strerror or str(fault))) from fault


def run_text(session: Session, text: str, source: str) -> bool:
    """Run all commands of a text, then leave the levels (which commits). Raises Refused for syntax errors, nothing done yet."""
    found = statements(text, source)
    refuse_syntax(session.here.name, found)
    for statement in found:
        if not session.run_statement(statement):
            session.output.info(f"stopped at {statement.where}")
            for level in session.stack:
                level.abandon()
            return False
        if session.has_ended:
            return True
    return session.end()


def refuse_syntax(level: str, found: tuple[Statement, ...]) -> None:
    """Parse every statement of the configuration; all that is wrong is refused together."""
    from standfast.compat.crm.parser import parse
    from standfast.shell.agent_lookup import providers

    reports: list[Report] = []
    for statement in _definitions(level, found):
        try:
            parse(statement, providers)
        except Refused as refused:
            reports.extend(refused.reports)
    if reports:
        raise Refused(*reports)


def _definitions(level: str, found: tuple[Statement, ...]) -> Iterator[Statement]:
    """The statements that define something, as far as the levels can be followed by their words."""
    from dataclasses import replace

    from standfast.compat.crm.parser import KEYWORDS

    for statement in found:
        words = [token.text.lower() for token in statement.tokens]
        if level == "configure" and words[0] in KEYWORDS:
            yield statement
        elif words[0] == "configure" and len(words) > 1 and words[1] in KEYWORDS:
            yield replace(statement, tokens=statement.tokens[1:])
        elif words[0] in LEVELS and len(words) == 1:
            level = words[0]
        elif words[0] in ("up", "end", "back", "..", "cd"):
            level = words[-1] if words[0] == "cd" and words[-1] in LEVELS else ""
