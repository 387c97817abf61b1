"""What the shell says: answers on stdout, messages on stderr, questions. Colour only on a terminal, and not with NO_COLOR."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

from standfast.base.report import Report, Severity

_LABELS = {
    Severity.DEBUG: ("DEBUG", "2"),
    Severity.INFO: ("INFO", "32"),
    Severity.NOTICE: ("INFO", "32"),
    Severity.WARNING: ("WARNING", "33"),
    Severity.ERROR: ("ERROR", "31"),
    Severity.CRITICAL: ("ERROR", "31"),
}


class Output:
    """The two streams and the person. `is_interactive`: somebody sits there and can be asked."""

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        *,
        is_interactive: bool | None = None,
        environment: Mapping[str, str] | None = None,
        read: Callable[[str], str] = input,
        display: str = "",
    ) -> None:
        """`display` is crm's -D: plain, color, color-always, uppercase (the last is taken as plain)."""
        self.out = out if out is not None else sys.stdout
        self.err = err if err is not None else sys.stderr
        self.is_interactive = sys.stdin.isatty() and self.out.isatty() if is_interactive is None else is_interactive
        names = os.environ if environment is None else environment
        wants = display not in ("plain", "uppercase") and not names.get("NO_COLOR")
        self.has_colour = display == "color-always" or (wants and self.err.isatty())
        self._read = read

    def write(self, text: str) -> None:
        """An answer; a newline is added unless the text ends with one."""
        if text:
            self.out.write(text if text.endswith("\n") else text + "\n")
            self.out.flush()

    def say(self, report: Report, place: str = "") -> None:
        """A report as `LABEL: place: sentence` on stderr; `place` is such as `resource.move`."""
        label, colour = _LABELS[report.severity]
        shown = f"\x1b[{colour}m{label}\x1b[0m" if self.has_colour else label
        where = f"{place}: " if place and report.severity in (Severity.ERROR, Severity.CRITICAL) else ""
        self.out.flush()
        self.err.write(f"{shown}: {where}{report.sentence()}\n")
        self.err.flush()

    def say_all(self, reports: Iterable[Report], place: str = "") -> None:
        """Several reports, in their order."""
        for report in reports:
            self.say(report, place)

    def info(self, text: str) -> None:
        """An INFO line."""
        self.say(Report("shell.info", Severity.INFO, text))

    def warn(self, text: str, remedy: str = "") -> None:
        """A WARNING line."""
        self.say(Report("shell.warning", Severity.WARNING, text, "", remedy))

    def progress(self, text: str) -> None:
        """A line of progress on stderr."""
        self.err.write(text + "\n")
        self.err.flush()

    def ask(self, question: str) -> bool:
        """A yes or no of the person; no when there is nobody to ask."""
        if not self.is_interactive:
            return False
        for _ in range(5):
            try:
                answer = self._read(f"{question} (y/n)? ").strip().lower()
            except EOFError:
                return False
            if answer in ("y", "yes", "n", "no"):
                return answer.startswith("y")
        return False
