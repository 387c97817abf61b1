"""How every tool runs: reports become lines on stderr, refusals become exit codes, a closed pipe is no tragedy.

Owns: the frame around a tool's work. Does not own: the work, the texts.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterable, Sequence

from standfast.base.report import Refused, Report

EXIT_IO = 74
EXIT_PIPE = 141
EXIT_INTERRUPTED = 130

OBJECTS_UNCOLLECTED = 100_000
"""So much a tool may allocate before Python first looks for cycles. Few ever do; Python's own 700 costs them 7 ms of 100."""

Work = Callable[[Sequence[str]], int]


def run_tool(name: str, work: Work, argv: Sequence[str] | None) -> int:
    """Run `work` on the arguments and give the exit code. A refusal prints `NAME: sentence` lines on stderr.

    Without arguments the process is the tool's own, and ends here: it does not return then.
    """
    if argv is not None:
        return _run(name, work, argv)
    for stream in ("stdout", "stderr"):  # None where whoever started it has closed it (`2>&-`)
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (it ends with the process)
    gc.set_threshold(OBJECTS_UNCOLLECTED)
    code = _run(name, work, sys.argv[1:])
    sys.stderr.flush()
    # Everything is written and closed: to take the interpreter apart piece by piece would be another 10 ms.
    os._exit(code)


def _run(name: str, work: Work, argv: Sequence[str]) -> int:
    try:
        code = work(argv)
        sys.stdout.flush()
    except Refused as refused:
        complain(name, refused.reports)
        return refused.exit_code
    except BrokenPipeError:
        # the reader has gone (| head): nothing more to say, and nothing more to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_PIPE
    except OSError as fault:
        if fault.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO} or fault.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stderr.write(f"{name}: the output cannot be written: {fault.strerror}\n")
        return EXIT_IO
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
