"""crmadmin: who coordinates, what a node's controller does, which nodes there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from standfast.base.report import Refused, error
from standfast.tools.manager_client import EXIT_NO_SUCH, Manager
from standfast.tools.options import option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\
usage: crmadmin (-D | -S NODE | -N | -P) [-q] [-t SECONDS]

  -D, --dc_lookup     the coordinator       -S, --status=NODE   the state of a node's controller
  -N, --nodes         all nodes             -P, --pacemakerd    the state of the local manager
"""
_OPTIONS = (
    option("dc", "D", "dc_lookup"),
    option("state", "S", "status", takes="value"),
    option("nodes", "N", "nodes", takes="maybe"),
    option("daemon", "P", "pacemakerd"),
    option("timeout", "t", "timeout", takes="value"),
    option("bash", "B", "bash-export"),
    option("quiet", "q", "quiet"),
    option("verbose", "V", "verbose"),
    option("version", "$", "version"),
    option("help", "h", "help", "help-all"),
)
_BUSY = ("Starting", "Stopping", "Promoting", "Demoting", "Migrating")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crmadmin", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    action = options.last(("dc", "state", "nodes", "daemon", "version"))
    if action in {"", "version"} or "help" in options:
        say("Pacemaker 2.1.5\n" if action == "version" else HELP)
        return 0
    status = Manager("crmadmin").call("status")
    is_quiet = "quiet" in options
    if action == "dc":
        name = status["dc"]
        if not name:
            raise Refused(error("crmadmin.no-dc", "no coordinator is known", status["quorum_reason"]), exit_code=EXIT_NO_SUCH)
        say(f"{name}\n" if is_quiet else f"Designated Controller is: {name}\n")
    elif action == "nodes":
        for node in status["situation"]["nodes"]:
            kind = "cluster" if node["kind"] == "member" else "remote"
            is_export = "bash" in options
            say(f"export {node['name']}={node['id']}\n" if is_export else f"{kind} node: {node['name']} ({node['id']})\n")
    elif action == "daemon":
        say("running\n" if is_quiet else "Status of pacemakerd: 'Pacemaker is running'\n")
    else:
        state = controller_state(status, options.value("state"))
        say(f"{state}\n" if is_quiet else f"Controller on {options.value('state')} in state {state}: ok\n")
    return 0


def controller_state(status: dict[str, Any], name: str) -> str:
    """Pacemaker's word for what a node's controller does. Raises Refused (105) for a node that is not there."""
    node = next((node for node in status["situation"]["nodes"] if node["name"] == name), None)
    if node is None or not node["online"]:
        raise Refused(
            error("crmadmin.no-such-node", f"the node {name} does not answer", "", "crm_node -l"), exit_code=EXIT_NO_SUCH
        )
    if name != status["dc"]:
        return "S_NOT_DC"
    return "S_TRANSITION_ENGINE" if _is_busy(status["situation"]["resources"]) else "S_IDLE"


def _is_busy(resources: list[dict[str, Any]]) -> bool:
    return any(resource["role"] in _BUSY or _is_busy(resource["children"]) for resource in resources)
