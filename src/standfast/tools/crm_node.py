"""crm_node: names, ids and membership of nodes, as short lines for scripts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from standfast.base.report import Refused, error
from standfast.tools.manager_client import EXIT_NO_SUCH, ON_NODE, Manager
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\
usage: crm_node (-n | -i | -l | -p | -q | -N ID | -R NAME)

  -n, --name             this node's name          -i, --cluster-id   this node's id
  -l, --list             all known nodes           -p, --partition    members of this partition
  -q, --quorum           1 with quorum, else 0     -N, --name-for-id=ID
  -R, --remove=NAME      forget a node that is gone
"""
_OPTIONS = (
    option("name", "n", "name"),
    option("id", "i", "cluster-id"),
    option("list", "l", "list"),
    option("partition", "p", "partition"),
    option("quorum", "q", "quorum"),
    option("for", "N", "name-for-id", takes="value"),
    option("remove", "R", "remove", takes="value"),
    option("force", "f", "force"),
    option("verbose", "V", "verbose"),
    option("quiet", "Q", "quiet"),
    option("version", "$", "version"),
    option("help", "h", "help", "help-all"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_node", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    action = options.last(("name", "id", "list", "partition", "quorum", "for", "remove", "version"))
    if action in {"", "version"} or "help" in options:
        say("Pacemaker 2.1.5\n" if action == "version" else HELP)
        return 0
    here = os.environ.get(ON_NODE)
    if action == "name" and here:
        say(f"{here}\n")  # an agent asks for the node that it runs on: nobody needs to be asked
        return 0
    manager = Manager("crm_node")
    if action == "remove":
        manager.call("node.forget", node=options.value("remove"))
        return 0
    say(_answer(action, options, manager.call("status")))
    return 0


def _answer(action: str, options: Options, status: dict[str, Any]) -> str:
    nodes = sorted(status["situation"]["nodes"], key=lambda node: str(node["name"]))
    members = [node for node in nodes if node["online"]]
    if action == "name":
        return f"{status['local_node']}\n"
    if action == "quorum":
        return f"{int(status['quorate'])}\n"
    if action == "partition":
        return "".join(f"{node['name']} " for node in members) + "\n"
    if action == "list":
        return "".join(f"{node['id']} {node['name']} {'member' if node['online'] else 'lost'}\n" for node in nodes)
    key, wanted, shown = ("name", status["local_node"], "id") if action == "id" else ("id", options.value("for"), "name")
    for node in nodes:
        if str(node[key]) == wanted:
            return f"{node[shown]}\n"
    raise Refused(
        error("crm_node.no-such-node", f"there is no node with {key} {wanted}", "", "crm_node -l"), exit_code=EXIT_NO_SUCH
    )
