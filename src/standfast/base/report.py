"""Reports: what every command, parser and room says when a person has to know something.

A report says what happened, why, and what to do about it. Nothing prints inside logic: the shell, the web and
`-o json` render the same value. A mistake of a user or a peer travels as `Refused`; a bug is `InvariantBroken`;
a fault of the environment is neither: it is an ordinary event that some state expects.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How loud to be. `NOTICE` is worth a line in the log, `INFO` only an answer to a question."""

    DEBUG = "debug"
    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Report(NamedTuple):
    """One thing to tell a person. (A named tuple, because every one-shot tool imports this and dataclasses cost it 10 ms.)

    `code` is stable and greppable (`config.unknown-key`: room, dot, noun); `what` is the fact, `why` its cause, `remedy` the
    next thing to type or check; `where` is a position such as `corosync.conf:12:3`, a node or a resource.
    """

    code: str
    severity: Severity
    what: str
    why: str = ""
    remedy: str = ""
    where: str = ""

    def sentence(self) -> str:
        """The report on one line: `WHERE: what: why (remedy)`, empty parts left out."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f": {self.why}"
        if self.remedy:
            text += f" ({self.remedy})"
        return text


class Refused(Exception):
    """A user's or a peer's mistake: carries the reports that name the offender and the remedy (at least one)."""

    def __init__(self, *reports: Report, exit_code: int = 1) -> None:
        """`exit_code` is what a tool ends with (Pacemaker's numbers, compat/exit_codes.py)."""
        assert reports, "a refusal without a report helps nobody"
        super().__init__("; ".join(r.sentence() for r in reports))
        self.reports = reports
        self.exit_code = exit_code


class InvariantBroken(AssertionError):
    """A bug of ours: the node stops and says so. Never caught outside `runtime`."""


def error(code: str, what: str, why: str = "", remedy: str = "", where: str = "") -> Report:
    """An ERROR report, for the commonest case."""
    return Report(code, Severity.ERROR, what, why, remedy, where)


def warning(code: str, what: str, why: str = "", remedy: str = "", where: str = "") -> Report:
    """A WARNING report."""
    return Report(code, Severity.WARNING, what, why, remedy, where)


def notice(code: str, what: str, why: str = "", remedy: str = "", where: str = "") -> Report:
    """A NOTICE report."""
    return Report(code, Severity.NOTICE, what, why, remedy, where)
