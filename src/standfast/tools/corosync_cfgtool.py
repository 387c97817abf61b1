"""corosync-cfgtool: links and nodes of the engine, reload, kill, stop."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from standfast.compat import corosync_text
from standfast.tools.engine_client import EXIT_FAILURE, connect, engine_status, positive
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\
corosync-cfgtool [[-i <interface ip>] [-b] -s] [-n] [-R] [-L] [-k nodeid] [-a nodeid] [-h] [-H]

A tool for displaying and configuring active parameters within the cluster engine.
options:
\t-i\tFinds only information about the specified interface IP address or link id when used with -s.
\t-s\tDisplays the status of the current links on this node.
\t-n\tDisplays the status of the connected nodes and their links.
\t-b\tDisplays the brief status of the current links on this node when used with -s.
\t-R\tReads corosync.conf again.
\t-L\tReopens all logging files.
\t-k\tKills the engine of a node identified by node id.
\t-a\tDisplays the IP address(es) of a node
\t-h\tPrints basic usage.
\t-H\tStops the engine on this node politely.
\t\t--force stops it without asking anybody
"""
_OPTIONS = (
    option("interface", "i", "if", takes="value"),
    option("links", "s", "status"),
    option("nodes", "n", "nodes"),
    option("brief", "b", "brief"),
    option("reload", "R", "reload"),
    option("reopen", "L", "reopen"),
    option("kill", "k", "kill", takes="value"),
    option("address", "a", "address", takes="value"),
    option("stop", "H", "shutdown"),
    option("force", "force"),
    option("help", "h", "help"),
)
_ACTIONS = ("links", "nodes", "reload", "reopen", "kill", "address", "stop")
_ABSENT = "Could not initialize corosync configuration API error 2"
_BAD_ID = "The nodeid was not valid, try a positive number"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("corosync-cfgtool", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS, exit_code=EXIT_FAILURE)
    action = options.last(_ACTIONS)
    if action in {"", "help"}:
        say(HELP)
        return 0
    return _act(action, options)


def _act(action: str, options: Options) -> int:
    node = positive(options.value(action), _BAD_ID) if action in {"kill", "address"} else 0
    if action == "reload":
        say("Reloading corosync.conf...\n")
        sys.stdout.flush()  # what is wrong with the file comes on the other stream, and after this
    with connect(_ABSENT) as engine:
        if action == "links":
            say(corosync_text.links_text(engine_status(engine), brief="brief" in options, only=options.value("interface")))
        elif action == "nodes":
            say(corosync_text.nodes_text(engine_status(engine)))
        elif action == "address":
            text = corosync_text.addresses_text(engine_status(engine), node)
            if text is None:
                sys.stderr.write(f"Could not get node address for nodeid {node}\n")
                return EXIT_FAILURE
            say(text)
        elif action == "reload":
            for report in engine.call("engine.reload").get("reports", ()):
                remedy = f" ({report['remedy']})" if report.get("remedy") else ""
                sys.stderr.write(f"{report.get('where') or 'corosync.conf'}: {report['what']}{remedy}\n")
            say("Done\n")
        elif action == "reopen":
            engine.call("engine.reopen_logs")
        elif action == "kill":
            say(f"Killing node {node}\n")
            engine.call("engine.adjust", adjust="kill", node=node, value=0)
        else:
            say("Shutting down corosync\n")
            engine.call("engine.adjust", adjust="leave", node=0, value=int("force" in options))
    return 0
