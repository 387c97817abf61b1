"""iso8601: dates, durations and periods of ISO 8601, read and shown. The arithmetic is scheduler/durations.py's."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from standfast.base.report import Refused, error
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

EXIT_ERROR, EXIT_INVALID = 1, 2
HELP = """\
usage: iso8601 [OPTIONS]

  -n, --now              the current date and time        -d, --date=DATE          2019-09-24 00:30:00+01:00, 2019-040, 2019-W39-2
  -p, --period=PERIOD    2005-040/2005-043, 2005-040/P3D  -D, --duration=DURATION  P1M, PT36H; with a date: when it ends
  -E, --expected=TEXT    exit with 1 if the result of -n or -d is another

Shown as:
  -s, --seconds since the year 1   -S, --epoch: since 1970   -O, --ordinal   -W, --week   -L, --local time
      --output-as=text|xml         -V, --verbose             -$, --version   -?, --help

Exit codes: 0, 1 not as expected, 2 not a date, duration or period.
"""
_FORMS = ("seconds", "epoch", "week", "ordinal")
_OPTIONS = (
    option("now", "n", "now"),
    option("date", "d", "date", takes="value"),
    option("period", "p", "period", takes="value"),
    option("duration", "D", "duration", takes="value"),
    option("expected", "E", "expected", takes="value"),
    option("seconds", "s", "seconds"),
    option("epoch", "S", "epoch"),
    option("local", "L", "local"),
    option("ordinal", "O", "ordinal"),
    option("week", "W", "week"),
    option("form", "output-as", takes="value"),
    option("to", "output-to", takes="value"),
    option("fancy", "text-fancy"),
    option("verbose", "V", "verbose"),
    option("version", "$", "version"),
    option("help", "h", "?", "help", "help-all"),
)

Line = tuple[str, str, str]
"""What is told: (the original's words, the element's name, the text)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("iso8601", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else "Pacemaker 2.1.5\n")
        return 0
    lines: list[Line] = []
    try:
        code = _convert(options, int(time.time()), lines)
        problems: list[str] = []
    except Refused as refused:
        code, problems = refused.exit_code, [f"iso8601: {report.what}" for report in refused.reports]
    if options.value("form", "text") == "xml":
        say(_xml(" ".join(["iso8601", *argv]), code, lines, problems))
    else:
        say("".join(f"{words}: {text}\n" for words, _, text in lines))
        sys.stdout.flush()
        sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return code


def _convert(options: Options, now_s: int, lines: list[Line]) -> int:
    from standfast.scheduler.dates import parse_date
    from standfast.scheduler.durations import moment_text, parse_duration, parse_period

    form = next((name for name in _FORMS if name in options), "")
    moment: int | None = None
    zone_s, result = 0, ""
    chosen = options.last(("now", "date"))
    if chosen:
        given = "now" if chosen == "now" else options.value("date")
        whole = _with_day(given, now_s)
        moment = now_s if given == "now" else parse_date(whole, time.localtime(now_s).tm_gmtoff)
        if moment is None:
            raise _invalid(f"Invalid date/time specified: {given}")
        zone_s = _zone_s(whole, moment)
        result = moment_text(moment, form, zone_s if "local" in options else 0)
        lines.append(("Current date/time" if given == "now" else "Date", "date", result))
    duration = None
    if "duration" in options:
        duration = parse_duration(options.value("duration"))
        if duration is None:
            raise _invalid(f"Invalid duration specified: {options.value('duration')}")
        lines.append(("Duration", "duration", duration.text()))
    if "period" in options:
        period = parse_period(options.value("period"), now_s)
        if period is None:
            raise _invalid(f"Invalid interval specified: {options.value('period')}")
        edges = dict(zip(period, options.value("period").partition("/")[::2], strict=True))
        given_zones = [_zone_s(text, edge) for edge, text in edges.items() if text and not text.startswith("P")]
        zone = given_zones[0] if given_zones and "local" in options else 0
        start, end = (moment_text(edge, form, zone) for edge in period)
        lines.append(("Period", "period", f"{start} to {end}"))
    if moment is not None and duration is not None:
        end_s = duration.after(moment)
        result = moment_text(end_s, form, zone_s)
        lines.append(("Duration ends at", "duration_ends", result))
    return EXIT_ERROR if "expected" in options and moment is not None and result != options.value("expected") else 0


def _with_day(given: str, now_s: int) -> str:
    """A time without a date is one of today, in UTC."""
    if not given.startswith("T") and given[2:3] != ":":
        return given
    return time.strftime("%Y-%m-%dT", time.gmtime(now_s)) + given.removeprefix("T")


def _zone_s(given: str, moment_s: int) -> int:
    """How far the zone of a date and time is ahead of UTC: what it says, else that of this host. A date alone is in UTC."""
    from standfast.scheduler.dates import offset_s_of

    local_s = time.localtime(moment_s).tm_gmtoff
    return local_s if given == "now" else offset_s_of(given, local_s)


def _invalid(what: str) -> Refused:
    return Refused(error("iso8601.invalid", what), exit_code=EXIT_INVALID)


def _xml(request: str, code: int, lines: list[Line], problems: list[str]) -> str:
    from standfast.compat.exit_codes import exit_text
    from standfast.compat.status_xml import API_VERSION, Tree, status_end

    tree = Tree()
    tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    for _, name, text in lines:
        if name != "period":
            tree.text(name, text)
            continue
        start, _, end = text.partition(" to ")
        tree.open("period")
        tree.text("start", start)
        tree.text("end", end)
        tree.close()
    status_end(tree, code, exit_text(code), problems)
    tree.close()
    return "\n".join(tree.lines) + "\n"
