"""How every tool runs: reports become lines on stderr, refusals become exit codes, a closed pipe is no tragedy.

Owns: the frame around a tool's work. Does not own: the work, the texts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence

from standfast.base.report import Refused, Report

EXIT_PIPE = 141
EXIT_INTERRUPTED = 130

Work = Callable[[Sequence[str]], int]


def run_tool(name: str, work: Work, argv: Sequence[str] | None) -> int:
    """Run `work` on the arguments and give the exit code. A refusal prints `NAME: sentence` lines on stderr."""
    try:
        code = work(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except Refused as refused:
        complain(name, refused.reports)
        return refused.exit_code
    except BrokenPipeError:
        # the reader has gone (| head): nothing more to say, and nothing more to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def complain(name: str, reports: Iterable[Report]) -> None:
    """Reports on stderr, a line each, with the remedy on a line of its own."""
    sys.stdout.flush()
    for report in reports:
        where = f"{report.where}: " if report.where else ""
        why = f": {report.why}" if report.why else ""
        remedy = f"\n  {report.remedy}" if report.remedy else ""
        sys.stderr.write(f"{name}: {where}{report.what}{why}{remedy}\n")


def say(text: str) -> None:
    """Text to stdout as it is."""
    sys.stdout.write(text)
