"""`standfast rehearse`: the user's own cluster in the simulator, under every single and double fault. Touches no cluster."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from standfast.base.report import Refused, Report, error
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

if TYPE_CHECKING:
    from lxml import etree

EXIT_USAGE, EXIT_DATA, EXIT_NO_INPUT, EXIT_CANTCREAT = 64, 65, 66, 73
FILE_BYTES_MAX = 64 * 1024 * 1024
WITHIN_S = 300
AGENT_MS = 1000
ALL = 1_000_000

HELP = """\
usage: standfast rehearse [OPTIONS] COROSYNC_CONF CIB

Plays every single fault, and then every double fault, against the cluster that the two files describe: each node lost, frozen,
paused, cut off, in standby, shut down, its processes killed; each link and cable cut, each pair deaf to each other; the monitor,
start and stop of each resource failing. CIB is XML (cibadmin -Q) or text for crm (crm configure show). Says where each service
goes, how long clients are without it, where it stops for good and why, and where two could have it. No cluster is touched.

  -o, --output-as=text|json   the report (text)
      --picture=FILE          also as a page of HTML
      --faults=KIND,KIND,...  only these: power, isolate, freeze, paused, manager, engine, kill, standby, leave, switch, cable,
                              pair, monitor, start, stop (all)
      --doubles=all|none|N    how many double faults, the gravest first (all)
      --within=SECONDS        start no double fault after that time (300)
      --agent-ms=N            how long starts and stops take; failover IPs take what they take (1000)
      --names=ONE,TWO,...     names of the nodes, in the order of COROSYNC_CONF, where it has none
  -q, --quiet                 no progress on stderr
  -h, --help
"""

_OPTIONS = (
    option("output-as", "o", "output-as", takes="value"),
    option("picture", "picture", takes="value"),
    option("faults", "faults", takes="value"),
    option("doubles", "doubles", takes="value"),
    option("within", "within", takes="value"),
    option("agent-ms", "agent-ms", takes="value"),
    option("names", "names", takes="value"),
    option("quiet", "q", "quiet"),
    option("help", "h", "help"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on the words after `rehearse`."""
    return run_tool("standfast rehearse", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options:
        say(HELP)
        return 0
    form = options.value("output-as", "text")
    if form not in ("text", "json") or len(options.rest) != 2:
        what = f"{form!r} is no form of output" if form not in ("text", "json") else "two files are needed"
        raise Refused(error("rehearse.usage", what, "", "standfast rehearse --help"), exit_code=EXIT_USAGE)
    doubles = options.value("doubles", "all")
    doubles_max = {"all": ALL, "none": 0}.get(doubles, -1)
    doubles_max = doubles_max if doubles_max >= 0 else _number(options, "doubles", 0, 0, ALL)
    within_s = _number(options, "within", WITHIN_S, 0, 86_400)
    agent_ms = _number(options, "agent-ms", AGENT_MS, 1, 60_000)
    names = tuple(name for name in options.value("names").split(",") if name)

    from standfast.config.parse import parse_config
    from standfast.daemon import quorum_settings
    from standfast.sim.rehearsal.cast import cast_of
    from standfast.sim.rehearsal.faults import KINDS
    from standfast.sim.rehearsal.page import page
    from standfast.sim.rehearsal.script import plain, rehearse, text
    from standfast.tools.config_check import resolve_name

    kinds = tuple(kind for kind in options.value("faults").split(",") if kind)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        what = f"there is no kind of fault {unknown[0]!r}"
        raise Refused(error("rehearse.usage", what, "", f"one of {', '.join(KINDS)}"), exit_code=EXIT_USAGE)
    config = parse_config(_read(options.rest[0]), options.rest[0], resolve_name)
    cast = cast_of(config, _cib(_read(options.rest[1]), options.rest[1]), quorum_settings(config.quorum), names)
    progress = _Progress(within_s, is_quiet="quiet" in options)
    found = rehearse(cast, agent_ms, doubles_max, progress.go_on, kinds)
    progress.end()
    say(json.dumps(plain(found), indent=1) + "\n" if form == "json" else text(found))
    if "picture" in options:
        _write(options.value("picture"), page(found))
    return 0


class _Progress:
    """One line on stderr that is written over, where that is a terminal; and the time."""

    def __init__(self, within_s: int, *, is_quiet: bool) -> None:
        self._until_s = time.monotonic() + within_s
        self._is_shown = not is_quiet and sys.stderr.isatty()

    def go_on(self, what: str, number: int, of: int) -> bool:
        """Show what is played; whether there is time for it."""
        if self._is_shown:
            sys.stderr.write(f"\r\033[K{number}/{of} {what}"[:110])
            sys.stderr.flush()
        return time.monotonic() < self._until_s

    def end(self) -> None:
        """Leave no line behind."""
        if self._is_shown:
            sys.stderr.write("\r\033[K")


def _number(options: Options, name: str, default: int, low: int, high: int) -> int:
    text = options.value(name, str(default))
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:9]) <= high:
        raise Refused(error("rehearse.usage", f"--{name} {text!r} is not {low} .. {high}"), exit_code=EXIT_USAGE)
    return int(text[:9])


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(FILE_BYTES_MAX)
    except OSError as fault:
        report = error("rehearse.file", f"the file {path} cannot be read", fault.strerror or str(fault))
        raise Refused(report, exit_code=EXIT_NO_INPUT) from None


def _cib(data: bytes, path: str) -> etree._Element:
    """The CIB of a file: XML as it is (upgraded where it is old), or crm text."""
    from lxml import etree

    from standfast.cib.upgrade import upgraded

    if not data.lstrip().startswith(b"<"):
        return _crm(data, path)
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True))
    except etree.XMLSyntaxError as bad:
        raise Refused(error("rehearse.cib", f"{path} is no XML", str(bad)), exit_code=EXIT_DATA) from None
    if root.tag != "cib":
        what = f"{path} is no CIB: its outermost element is <{root.tag!s}>"
        raise Refused(error("rehearse.cib", what, "", "cibadmin -Q > FILE"), exit_code=EXIT_DATA)
    new = upgraded(root)
    if isinstance(new, Report):
        raise Refused(new, exit_code=EXIT_DATA)
    return new


def _crm(data: bytes, path: str) -> etree._Element:
    from standfast.cib.document import Cib
    from standfast.compat.crm.document import Configuration
    from standfast.compat.crm.edit import Method, load
    from standfast.compat.crm.lexer import statements
    from standfast.compat.crm.parser import parse

    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refused(error("rehearse.cib", f"{path} is neither XML nor text in UTF-8"), exit_code=EXIT_DATA) from None
    definitions = [parse(statement) for statement in statements(text, path)]
    return load(Configuration(Cib.empty().root), definitions, Method.UPDATE)[0].root


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as fault:
        report = error("rehearse.file", f"{path} cannot be written", fault.strerror or str(fault))
        raise Refused(report, exit_code=EXIT_CANTCREAT) from None
