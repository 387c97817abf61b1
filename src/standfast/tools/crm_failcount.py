"""crm_failcount: how often a resource failed on a node, and forgetting it."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.report import Refused, error
from standfast.tools.manager_client import EXIT_USAGE, Manager
from standfast.tools.options import option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\
usage: crm_failcount (-G | -D) -r RESOURCE [-N NODE] [-q]

  -G, --query    print the fail count      -D, --delete   forget the failures
"""
_OPTIONS = (
    option("query", "G", "query"),
    option("delete", "D", "delete"),
    option("resource", "r", "resource", takes="value"),
    option("node", "N", "U", "node", "uname", takes="value"),
    option("operation", "n", "operation", takes="value"),
    option("interval", "I", "interval", takes="value"),
    option("quiet", "q", "Q", "quiet"),
    option("verbose", "V", "verbose"),
    option("help", "help", "?"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_failcount", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    action = options.last(("query", "delete"))
    if "help" in options or not action:
        say(HELP)
        return 0 if "help" in options else EXIT_USAGE
    resource = options.value("resource")
    if not resource:
        raise Refused(error("crm_failcount.usage", "a resource is needed", "", "-r ID"), exit_code=EXIT_USAGE)
    manager = Manager("crm_failcount")
    status = manager.call("status")
    node = options.value("node") or status["local_node"]
    if action == "delete":
        for name, where in manager.call("resource.cleanup", resource=resource, node=node, client="crm_failcount")["cleaned"]:
            say(f"Cleaned up {name} on {where}\n")
        return 0
    counts = [
        item["count"] for item in status["situation"]["fail_counts"] if (item["resource"], item["node"]) == (resource, node)
    ]
    count = min(sum(counts), 1_000_000)
    value = "INFINITY" if count == 1_000_000 else str(count)
    say(f"{value}\n" if "quiet" in options else f"scope=status  name=fail-count-{resource} value={value}\n")
    return 0
