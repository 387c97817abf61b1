"""crm_simulate: what the cluster would do about a CIB, or about events that did not happen yet. Nothing real is touched.

The CIB comes from a file, from standard input, from the running cluster (-L), or with -L from the file that CIB_file names. The
simulation and its words are compat/simulation.py's; this reads, writes and chooses.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Refused, Report, Severity, error
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

if TYPE_CHECKING:
    from lxml import etree

    from standfast.compat.simulation import Asked, Simulation

CIB_FILE = "CIB_file"
CIB_BYTES_MAX = 64 * 1024 * 1024
REPEAT_MAX = 10_000
LOUDNESS = {Severity.ERROR: 1, Severity.WARNING: 2, Severity.NOTICE: 3}
"""How many -V it takes to be told."""
EXIT_ERROR, EXIT_PRIVILEGES, EXIT_USAGE, EXIT_DATA = 1, 4, 64, 65
EXIT_CANTCREAT, EXIT_IO, EXIT_CONFIG, EXIT_NOSUCH = 73, 74, 78, 105
VERSION = "Pacemaker 2.1.5\nWritten by Andrew Beekhof and the Pacemaker project contributors\n"

HELP = """\
usage: crm_simulate [OPTIONS]

What is done (without any: the status is shown):
  -R, --run                    show what the cluster would do
  -S, --simulate               also do it, on a copy, and show the status afterwards
  -X, --in-place               like -S, and write the result back to the input file
  -A, --show-attrs             show node attributes          -c, --show-failcounts     show fail counts and failures
  -s, --show-scores            show assignment scores        -U, --show-utilization    show utilization
  -P, --profile=DIR            plan for every XML file of a directory, with times; -N, --repeat=N  N times each

What happens before:
  -u, --node-up=NODE           a node joins                  -d, --node-down=NODE      a node leaves
  -f, --node-fail=NODE         a node is lost
  -i, --op-inject=OPSPEC       an operation has this result  -F, --op-fail=OPSPEC      it will, when the plan is carried out
  -g, --ticket-grant=TICKET    -r, --ticket-revoke=TICKET    -b, --ticket-standby=TICKET   -e, --ticket-activate=TICKET
  -q, --quorum=BOOL            -w, --watchdog=BOOL           -t, --set-datetime=ISO8601

  OPSPEC is RSC_TASK_INTERVALMS@NODE=RC, for example memcached_monitor_20000@bart.example.com=7

Input:
  -x, --xml-file=FILE          -p, --xml-pipe (the default)  -L, --live-check          the running cluster, or CIB_file

Output:
  -I, --save-input=FILE        the CIB after the events      -O, --save-output=FILE    the CIB at the end
  -G, --save-graph=FILE        the transition graph, XML     -D, --save-dotfile=FILE   the same for dot(1)
  -a, --all-actions            in the dot file, also what need not be done
      --output-as=text|xml|none    --output-to=FILE          -Q, --quiet               scores and utilization only
  -V, --verbose                errors; -VV warnings; -VVV all -$, --version             -?, --help
"""
_MANY = {
    "node-up": ("u", "nodes_up"),
    "node-down": ("d", "nodes_down"),
    "node-fail": ("f", "nodes_failed"),
    "op-inject": ("i", "operations"),
    "ticket-grant": ("g", "tickets_granted"),
    "ticket-revoke": ("r", "tickets_revoked"),
    "ticket-standby": ("b", "tickets_standby"),
    "ticket-activate": ("e", "tickets_activated"),
}
_VALUES = {
    "op-fail": "F",
    "quorum": "q",
    "watchdog": "w",
    "set-datetime": "t",
    "xml-file": "x",
    "save-input": "I",
    "save-output": "O",
    "save-graph": "G",
    "save-dotfile": "D",
    "profile": "P",
    "repeat": "N",
    "output-as": "",
    "output-to": "",
}
_FLAGS = {
    "run": "R",
    "simulate": "S",
    "in-place": "X",
    "show-attrs": "A",
    "show-failcounts": "c",
    "show-scores": "s",
    "show-utilization": "U",
    "pending": "j",
    "all-actions": "a",
    "live-check": "L",
    "xml-pipe": "p",
    "quiet": "Q",
    "verbose": "V",
    "text-fancy": "",
    "version": "$",
}
_HELPS = ("help", *(f"help-{part}" for part in ("all", "operations", "synthetic", "artifact", "source", "output")))
_OPTIONS = (
    *(option(name, letter, name, takes="value") for name, (letter, _) in _MANY.items()),
    *(option(name, *filter(None, (letter, name)), takes="value") for name, letter in _VALUES.items()),
    *(option(name, *filter(None, (letter, name))) for name, letter in _FLAGS.items()),
    option("help", "h", "?", *_HELPS),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_simulate", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else VERSION)
        return 0
    form = options.value("output-as", "text")
    if form not in {"text", "xml", "none"}:
        sys.stderr.write(f"Error creating output format {form}: Unknown output format\n")
        return EXIT_NOSUCH
    request = " ".join(["crm_simulate", *argv])
    try:
        code, text = _profile(options, form, request) if "profile" in options else _simulation(options, form, request)
    except Refused as refused:
        if form == "xml":
            from standfast.compat.exit_codes import exit_text
            from standfast.compat.status_xml import error_xml

            sentences = [f"crm_simulate: {report.sentence()}" for report in refused.reports]
            _put(error_xml(request, refused.exit_code, exit_text(refused.exit_code), sentences), options.value("output-to"))
            return refused.exit_code
        raise
    _put(text, options.value("output-to"))
    return code


def _simulation(options: Options, form: str, request: str) -> tuple[int, str]:
    """One simulation: (exit code, what to print)."""
    source = _source(options)
    if "in-place" in options and source in {"", "-"}:
        raise Refused(error("simulate.in-place", "-X needs a file to write to", "", "-x FILE"), exit_code=EXIT_USAGE)
    cib = _read(source)
    from standfast.compat.simulation import complaints, first_words, run, text

    asked = _asked(options, source, form)
    found = run(cib, asked, int(time.time()), time.localtime().tm_gmtoff)
    _save(options, found, source)
    code = EXIT_ERROR if found.outcome is not None and not found.outcome.complete else 0
    sys.stderr.write("".join(f"{line}\n" for line in first_words(cib)))
    _say_notices(options, found)
    if form == "xml":
        from standfast.compat.simulation_xml import render_simulation

        return code, render_simulation(found, asked, request, code)
    sys.stderr.write("".join(f"{line}\n" for line in complaints(found)))
    return code, text(found, asked) if form == "text" else ""


def _asked(options: Options, source: str, form: str) -> Asked:
    from standfast.compat.simulation import Asked, Injections, Wanted

    events = {field: tuple(options.values(name)) for name, (_, field) in _MANY.items()}
    is_run = bool({"simulate", "in-place", "op-fail"} & {key for key, _ in options.given})
    plans = ("run", "show-scores", "show-utilization", "save-graph", "save-dotfile")
    return Asked(
        Injections(quorum=options.value("quorum"), watchdog=options.value("watchdog"), **events),
        failing=tuple(options.values("op-fail")),
        plan=is_run or any(name in options for name in plans),
        run=is_run,
        date=options.value("set-datetime"),
        is_saved=bool(source),
        wanted=Wanted("show-scores" in options, "show-utilization" in options, "quiet" in options),
        attributes="show-attrs" in options,
        failures="show-failcounts" in options,
        as_xml=form == "xml",
    )


# ---- reading ------------------------------------------------------------------------------------------------------------


def _source(options: Options) -> str:
    """Where the CIB comes from: a file's name, "-" for standard input, "" for the cluster."""
    chosen = options.last(("live-check", "xml-file", "xml-pipe"))
    return {"live-check": "", "xml-file": options.value("xml-file")}.get(chosen, "-")


def _read(source: str) -> etree._Element:
    """The CIB. Raises Refused: 65 for what can't be read or is no XML, 78 for what is no CIB, 102 without a cluster."""
    from lxml import etree

    # A comment or a processing instruction says nothing about the cluster: the schema names neither, so neither is read.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(_bytes(source), parser)
    except OSError as fault:
        raise _unreadable(fault.strerror or str(fault)) from None
    except etree.XMLSyntaxError as bad:
        raise _unreadable(str(bad)) from None
    if root.tag != "cib":
        what = f"the input is no CIB: its outermost element is <{root.tag!s}>"
        raise Refused(error("simulate.input", what, "", "cibadmin -Q > FILE"), exit_code=EXIT_CONFIG)
    return _conforming(root, "cib" if source in ("", "-") else source)


def _conforming(root: etree._Element, where: str) -> etree._Element:
    """The CIB as the schema of today has it. Raises Refused (78) when it does not conform to the one that it names."""
    from standfast.cib.shape import check_shape
    from standfast.cib.upgrade import upgraded

    check_shape(root, where)
    current = upgraded(root)
    if isinstance(current, Report):
        raise Refused(current, exit_code=EXIT_CONFIG)
    return current


def _bytes(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(CIB_BYTES_MAX)
    path = source or os.environ.get(CIB_FILE, "")
    if path:
        with open(path, "rb") as stream:
            return stream.read(CIB_BYTES_MAX)
    from standfast.tools.manager_client import Manager

    xml: str = Manager("crm_simulate").call("cib.query")["xml"]
    return xml.encode()


def _unreadable(why: str) -> Refused:
    return Refused(error("simulate.input", "Could not read input XML", why), exit_code=EXIT_DATA)


# ---- writing ------------------------------------------------------------------------------------------------------------


def _save(options: Options, found: Simulation, source: str) -> None:
    """The files that were asked for. Raises Refused when one can't be written."""
    from standfast.compat.simulation import cib_text, dot_text, graph_text

    if "save-input" in options:
        _write(options.value("save-input"), cib_text(found.cib), 0)
    if "save-graph" in options:
        _write(options.value("save-graph"), graph_text(found), EXIT_IO)
    if "save-dotfile" in options:
        picture = dot_text(found, all_actions="all-actions" in options, ids="verbose" in options)
        _write(options.value("save-dotfile"), picture, EXIT_IO)
    target = source if "in-place" in options else options.value("save-output")
    if target:
        _write(target, cib_text(found.result), 0)


def _write(path: str, text: str, exit_code: int) -> None:
    """Raises Refused with this exit code, or with the one that fits the fault."""
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as fault:
        fitting = {errno.ENOENT: EXIT_NOSUCH, errno.EACCES: EXIT_PRIVILEGES}.get(fault.errno or 0, EXIT_CANTCREAT)
        report = error("simulate.output", f"Could not create '{path}'", fault.strerror or "")
        raise Refused(report, exit_code=exit_code or fitting) from None


def _put(text: str, path: str) -> None:
    if path in {"", "-"}:
        say(text)
    else:
        _write(path, text, 0)


def _say_notices(options: Options, found: Simulation) -> None:
    """With -V the scheduler's errors, with -VV its warnings too, with -VVV all it noticed."""
    loudness = len(options.values("verbose"))
    if not loudness or found.plan is None:
        return
    from standfast.scheduler.unpack.remarks import remarks, too_new

    newer = too_new(found.cib)
    told = [*(() if newer is None else (newer,)), *remarks(found.cib), *found.plan.notices]
    for report in told:
        if LOUDNESS.get(report.severity, 3) <= loudness:
            why = f": {report.why}" if report.why else ""
            sys.stderr.write(f"{report.severity.value}: {report.what}{why}\n")


# ---- profiling ----------------------------------------------------------------------------------------------------------


def _profile(options: Options, form: str, request: str) -> tuple[int, str]:
    """How long each file of a directory takes, in processor time: (exit code, what to print)."""
    directory = options.value("profile")
    repeat = _repeat(options)
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".xml") and not name.startswith("."))
    except OSError as fault:
        code = EXIT_NOSUCH if fault.errno == errno.ENOENT else EXIT_ERROR
        raise Refused(error("simulate.profile", f"{directory} cannot be read", fault.strerror or ""), exit_code=code) from None
    paths = [path for path in (f"{directory}/{name}" for name in names) if os.path.isfile(path)]
    timings = [(path, _seconds(path, options, repeat)) for path in paths]
    if form == "xml":
        from standfast.compat.status_xml import timings_xml

        return 0, timings_xml(request, timings)
    lines = ["Timings:"] if timings else []
    return 0, "".join(f"{line}\n" for line in [*lines, *(f"  * Testing {path} ... {spent:.2f} secs" for path, spent in timings)])


def _repeat(options: Options) -> int:
    text = options.value("repeat", "1")
    if not text.isascii() or not text.isdecimal() or int(text) > REPEAT_MAX:
        raise Refused(error("simulate.repeat", f"{text!r} is no number of repetitions up to {REPEAT_MAX}"), exit_code=EXIT_USAGE)
    return int(text)


def _seconds(path: str, options: Options, repeat: int) -> float:
    from standfast.compat.simulation import Asked, Injections, run

    cib = _read(path)
    asked = Asked(Injections(), run=False, date=options.value("set-datetime"))
    start = time.process_time()
    for _ in range(repeat):
        run(cib, asked, int(time.time()), time.localtime().tm_gmtoff)
    return time.process_time() - start
