"""crm_mon: the cluster's status as text or XML, once or again and again.

With CIB_file set, the status is worked out from that file (also from a pipe) without a cluster, as Pacemaker's does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from standfast.base.report import Refused, error
from standfast.compat.status_page import View
from standfast.compat.status_text import render, render_simple
from standfast.tools.manager_client import Manager, absent
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

CIB_FILE = "CIB_file"
EXIT_USAGE, EXIT_CANTCREAT, EXIT_DISCONNECTED = 64, 73, 102
EXIT_WARN, EXIT_CRITICAL = 1, 2  # -s, as Nagios wants them
VERSION = "Pacemaker 2.1.5\nWritten by Andrew Beekhof and the Pacemaker project contributors\n"

HELP = """\
usage: crm_mon [OPTIONS]

  -1, --one-shot                print once and exit (without it: again every --interval)
  -r, --inactive                inactive resources too
  -n, --group-by-node           resources under their nodes
  -o, --operations              history of operations      -t, --timing-details  with times
  -f, --failcounts              fail counts
  -A, --show-node-attributes    node attributes
  -R, --show-detail             node ids, single instances, technical failures
  -b, --brief                   counts of resources
  -D, --hide-headers            no summary
  -j, --pending                 (always on)
  -s, --simple-status           one line, exit code for Nagios
  -X, --as-xml                  XML in the old frame      --output-as=text|console|xml
      --output-to=FILE          write there
      --include=LIST --exclude=LIST   sections: summary nodes resources attributes operations failcounts failures options
      --node=NODE --resource=ID show only that
  -i, --interval=SECONDS        for the repeated form (default 5)
"""
_FLAGS = {
    "inactive": ("r", "inactive"),
    "by_node": ("n", "group-by-node"),
    "operations": ("o", "operations"),
    "timing": ("t", "timing-details"),
    "fail_counts": ("f", "failcounts"),
    "attributes": ("A", "show-node-attributes"),
    "detail": ("R", "show-detail"),
    "brief": ("b", "brief"),
    "hide": ("D", "hide-headers"),
    "once": ("1", "one-shot"),
    "simple": ("s", "simple-status"),
    "xml": ("X", "as-xml"),
    "pending": ("j", "pending"),
    "tickets": ("c", "tickets"),
    "plain": ("N", "disable-ncurses"),
    "verbose": ("V", "verbose"),
    "quiet": ("Q", "quiet"),
    "fancy": ("text-fancy",),
    "version": ("$", "version"),
    "help": ("?", "help", "help-all"),
}
_OPTIONS = (
    *(option(key, *names) for key, names in _FLAGS.items()),
    option("as", "output-as", takes="value"),
    option("to", "output-to", takes="value"),
    option("include", "I", "include", takes="value"),
    option("exclude", "U", "exclude", takes="value"),
    option("node", "node", takes="value"),
    option("resource", "resource", takes="value"),
    option("interval", "i", "interval", takes="value"),
    option("history", "m", "fence-history", takes="maybe"),
)
_SECTIONS = {
    "summary": ("headers",),
    "nodes": ("nodes",),
    "resources": ("resources",),
    "attributes": ("attributes",),
    "operations": ("operations",),
    "failcounts": ("fail_counts",),
    "failures": ("failures",),
    "options": ("options",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_mon", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else VERSION)
        return 0
    form = "legacy" if "xml" in options else options.value("as", "console")
    if form not in {"console", "text", "xml", "legacy"}:
        report = error("crm_mon.format", f"--output-as={form} is not offered", "", "use text, console or xml")
        raise Refused(report, exit_code=EXIT_USAGE)
    view = _view(options, form)
    request = " ".join(["crm_mon", *argv])
    is_repeated = form == "console" and not ({"once", "simple", "to"} & {key for key, _ in options.given}) and sys.stdout.isatty()
    while True:
        text, code = _picture(options, form, view, request)
        _put(text, options.value("to"), clear=is_repeated)
        if not is_repeated:
            return code
        time.sleep(max(0.5, _seconds(options.value("interval", "5"))))


def _view(options: Options, form: str) -> View:
    is_xml = form in {"xml", "legacy"}
    chosen: dict[str, Any] = {name: name in options for name in ("by_node", "brief", "detail", "timing")}
    chosen.update({name: name in options or is_xml for name in ("operations", "fail_counts", "attributes", "inactive")})
    chosen["operations"] = chosen["operations"] or chosen["timing"]
    chosen["headers"] = "hide" not in options
    level = options.value("history", "3" if is_xml else "1")
    chosen["fencing"] = int(level) if level.isdecimal() else 2
    for key, text in options.given:
        if key in {"include", "exclude"}:
            _choose(chosen, text, on=key == "include")
    offline = CIB_FILE in os.environ
    return View(**chosen, daemon=not offline, only_node=options.value("node"), only_resource=options.value("resource"))


def _choose(chosen: dict[str, Any], text: str, *, on: bool) -> None:
    """One --include or --exclude list."""
    for word in text.split(","):
        names = [name for group in _SECTIONS.values() for name in group] if word == "all" else list(_SECTIONS.get(word, ()))
        if word in {"none", "all"} and word == "none":
            names, on = [name for group in _SECTIONS.values() for name in group], not on
        for name in names:
            chosen[name] = on


def _picture(options: Options, form: str, view: View, request: str) -> tuple[str, int]:
    """(text, exit code) of the present."""
    try:
        status = _status()
    except Refused as refused:
        if form == "xml" and refused.exit_code == EXIT_DISCONNECTED:
            from standfast.compat.status_xml import error_xml

            sentences = ["crm_mon: Connection to cluster failed: Connection refused"]
            return error_xml(request, EXIT_DISCONNECTED, "Not connected", sentences), EXIT_DISCONNECTED
        if "simple" in options and refused.exit_code == EXIT_DISCONNECTED:
            sys.stderr.write("crm_mon: CLUSTER CRIT: Connection to cluster failed: Connection refused\n")
            raise Refused(*refused.reports, exit_code=EXIT_CRITICAL) from None
        absent("crm_mon", refused)
        raise
    if "simple" in options:
        text, is_well = render_simple(status)
        return text, 0 if is_well else EXIT_WARN
    if form in {"xml", "legacy"}:
        from standfast.compat.status_xml import render_xml

        return render_xml(status, request, view, legacy=form == "legacy"), 0
    return render(status, view), 0


def _status() -> dict[str, Any]:
    path = os.environ.get(CIB_FILE)
    if path is None:
        return Manager("crm_mon").call("status")
    from standfast.client.cib_file import CibFile, status_of

    return status_of(CibFile(path).root())


def _put(text: str, path: str, *, clear: bool) -> None:
    if path in {"", "-"}:
        say(("\x1b[H\x1b[2J" if clear else "") + text)
        sys.stdout.flush()
        return
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as fault:
        raise Refused(
            error("crm_mon.output", f"{path} cannot be written", fault.strerror or ""), exit_code=EXIT_CANTCREAT
        ) from None


def _seconds(text: str) -> float:
    """An interval: seconds, or with ms, s, m, h."""
    number = text.rstrip("mshinec")
    factor = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}.get(text[len(number) :])
    try:
        return float(number) * (factor or 1.0)
    except ValueError:
        raise Refused(error("crm_mon.interval", f"{text!r} is no interval"), exit_code=EXIT_USAGE) from None
