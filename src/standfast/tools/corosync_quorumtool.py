"""corosync-quorumtool: quorum, votes and members of the engine. Exit code 0 quorate, 1 error, 2 not quorate."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from standfast import __version__
from standfast.compat import corosync_text
from standfast.tools.engine_client import EXIT_FAILURE, connect, engine_status, positive
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

EXIT_NOT_QUORATE = 2
MONITOR_POLL_S = 0.5

HELP = """\
usage:
corosync-quorumtool <options>

  options:

  -s             show quorum status
  -m             constantly monitor quorum status
  -l             list nodes
  -a             show all names or addresses for each node
  -p             when used with -s or -l, generates machine parsable output
  -v <votes>     change the number of votes for a node
  -n <nodeid>    optional nodeid of node for -v
  -e <expected>  change expected votes for the cluster
  -H             show nodeids in hexadecimal rather than decimal
  -i             show node IP addresses instead of the resolved name
  -o <a|n|i>     order by [a] IP address (default), [n] name, [i] nodeid
  -W             stop waiting for all nodes (wait_for_all)
  -h             show this help text
  -V             show version and exit

"""
_OPTIONS = (
    *(option(letter, letter) for letter in "VHaslpmfhiW"),
    *(option(letter, letter, takes="value") for letter in "evno"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("corosync-quorumtool", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS, exit_code=EXIT_FAILURE)
    if "h" in options:
        say(HELP)
        return 0
    if "V" in options:
        say(f"corosync-quorumtool version: {__version__}\n")
        return 0
    table = corosync_text.Table("H" in options, "i" in options, "p" in options, "a" in options, options.value("o", "a"))
    if table.order not in {"a", "n", "i"}:
        sys.stderr.write("Invalid ordering option. valid orders are a(address), i(node ID) or n(name)\n")
        return EXIT_FAILURE
    return _act(options, table)


def _act(options: Options, table: corosync_text.Table) -> int:
    action = options.last(("s", "m", "l", "v", "e", "f", "W")) or "s"
    votes = 0
    if action == "e":
        votes = positive(options.value("e"), "New expected votes value was not valid, try a positive number")
    elif action == "v":
        votes = positive(options.value("v"), "New votes value was not valid, try a positive number or zero", 0)
    node = positive(options.value("n"), "The nodeid was not valid, try a positive number") if "n" in options else 0
    if action == "f":
        sys.stderr.write("Unable to unregister quorum device: no quorum device is used here\n")
        return EXIT_FAILURE
    with connect("Cannot initialize CMAP service") as engine:
        status = engine_status(engine)
        if action == "l":
            say(corosync_text.members_text(status, table))
            return 0
        if action in {"e", "v", "W"}:
            verb = {"e": "expected_votes", "v": "votes", "W": "cancel_wait_for_all"}[action]
            engine.call("engine.adjust", adjust=verb, node=node or status["local"], value=votes)
            return 0
        said = ""
        while True:
            text = corosync_text.quorum_text(status, time.ctime(), table)
            if text.partition("Quorum provider")[2] != said:
                said = text.partition("Quorum provider")[2]
                say(text + ("\n" if action == "m" else ""))
                sys.stdout.flush()
            if action == "s":
                return 0 if status["quorum"]["quorate"] else EXIT_NOT_QUORATE
            time.sleep(MONITOR_POLL_S)
            status = engine_status(engine)
