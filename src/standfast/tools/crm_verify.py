"""crm_verify: will the cluster be able to work with this configuration? Schema, the scheduler's complaints, what is deprecated.

The verdict is scheduler/verify.py's; this reads and prints. Exit codes are the original's: 0, 78 for errors and warnings alike
and for what is no CIB, 1 without input, 102 (66 for CIB_file) without a cluster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Refused, Report, error
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say
from standfast.tools.xml_input import file_bytes, live_bytes, parsed, stdin_bytes

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from standfast.scheduler.verify import Verdict

EXIT_ERROR, EXIT_CANTCREAT, EXIT_CONFIG = 1, 73, 78
PLAIN = frozenset({"verify.not-a-cib"})
"""What the original says without being asked to, and without calling it an error."""
HELP = """\
usage: crm_verify [OPTIONS]

Check a configuration: against its schema, as the scheduler sees it, and for what is deprecated.

  -L, --live-check     the running cluster, or the file that CIB_file names
  -x, --xml-file=FILE  -p, --xml-pipe (standard input)  -X, --xml-text=XML
  -S, --save-xml=FILE  save what was checked
  -V, --verbose        name the errors and warnings       -q, --quiet  only the exit code
      --output-as=text|xml   --output-to=FILE             -$, --version   -?, --help

Exit codes: 0 nothing to say, 78 errors or warnings, 1 no input, 102 no cluster.
"""
_OPTIONS = (
    option("live", "L", "live-check"),
    option("file", "x", "xml-file", takes="value"),
    option("pipe", "p", "xml-pipe"),
    option("text", "X", "xml-text", takes="value"),
    option("save", "S", "save-xml", takes="value"),
    option("verbose", "V", "verbose"),
    option("quiet", "q", "quiet"),
    option("form", "output-as", takes="value"),
    option("to", "output-to", takes="value"),
    option("fancy", "text-fancy"),
    option("version", "$", "version"),
    option("help", "h", "?", "help", "help-all"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_verify", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else "Pacemaker 2.1.5\n")
        return 0
    is_xml = options.value("form", "text") == "xml"
    try:
        code, lines = _check(options)
    except Refused as refused:
        if not is_xml:
            raise
        code, lines = refused.exit_code, [f"crm_verify: {report.sentence()}" for report in refused.reports]
    if is_xml:
        from standfast.compat.exit_codes import exit_text
        from standfast.compat.status_xml import error_xml

        _put(error_xml(" ".join(["crm_verify", *argv]), code, exit_text(code), lines), options.value("to"))
    elif "quiet" not in options:
        sys.stdout.flush()
        sys.stderr.write("".join(f"{line}\n" for line in lines))
    return code


def _check(options: Options) -> tuple[int, list[str]]:
    """(exit code, what to say)."""
    root, where = _source(options)
    _save(root, options.value("save"))
    from standfast.scheduler.report.simulation import preamble
    from standfast.scheduler.verify import verify

    if "quiet" not in options:
        sys.stderr.write("".join(f"{line}\n" for line in preamble(root)))
    return _told(verify(root, int(time.time()), where), is_verbose="verbose" in options or options.value("form") == "xml")


def _told(verdict: Verdict, *, is_verbose: bool) -> tuple[int, list[str]]:
    """The original shows what the schema says without being asked, and everything else with -V."""
    if verdict.is_clean:
        return 0, []
    lines = []
    for report in verdict.complaints:
        if report.code in PLAIN:
            lines.append(_line(report))
        elif not verdict.conforms:
            lines.append(report.sentence())
        elif is_verbose:
            lines.append(f"{report.severity.value}: {_line(report)}")
    if is_verbose and not verdict.conforms:
        lines.append("error: CIB did not pass schema validation")
    hint = "" if is_verbose else " (-V may provide more detail)"
    lines.append(f"Configuration {'invalid' if verdict.errors else 'may need attention'}{hint}")
    return EXIT_CONFIG, lines


def _line(report: Report) -> str:
    """`WHAT (REMEDY) [cib.xml:41]`: the original's words first, where those who search for them find them."""
    why = f": {report.why}" if report.why else ""
    remedy = f" ({report.remedy})" if report.remedy else ""
    return f"{report.what}{why}{remedy} [{report.where}]"


def _source(options: Options) -> tuple[Element, str]:
    """The CIB, and by which name its lines are told."""
    chosen = options.last(("live", "file", "pipe", "text"))
    fault = ""
    root: Element | None = None
    if chosen == "live":
        root, where = parsed(live_bytes("crm_verify")), "cib"
    elif chosen == "file":
        where = options.value("file")
        try:
            root = parsed(file_bytes(where))
        except OSError as wrong:
            fault = f"{where}: {wrong.strerror or wrong}"
    elif chosen == "pipe":
        root, where = parsed(stdin_bytes()), "stdin"
    elif chosen == "text":
        root, where = parsed(options.value("text").encode()), "line"
    else:
        raise Refused(error("verify.input", "No input specified", "", "crm_verify -x FILE, or -L"), exit_code=EXIT_ERROR)
    if root is None:
        report = error("verify.input", "Verification failed: Unable to parse CIB XML", fault or where)
        raise Refused(report, exit_code=EXIT_CONFIG)
    return root, where


def _save(root: Element, path: str) -> None:
    if not path:
        return
    from lxml import etree

    try:
        with open(path, "wb") as stream:
            stream.write(etree.tostring(root, encoding="utf-8", pretty_print=True))
    except OSError as fault:
        report = error("verify.save", f"{path} cannot be written", fault.strerror or "")
        raise Refused(report, exit_code=EXIT_CANTCREAT) from None


def _put(text: str, path: str) -> None:
    if path in {"", "-"}:
        say(text)
        return
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
