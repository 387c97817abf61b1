"""crm_standby: whether a node may run resources; `standby` as a node attribute, for ever or until the node restarts."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.tools import crm_attribute
from standfast.tools.manager_client import EXIT_USAGE, Manager
from standfast.tools.options import option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\
usage: crm_standby (-G | -v on|off | -D) [-N NODE] [-l reboot|forever] [-q]
"""
_OPTIONS = (
    option("query", "G", "query"),
    option("update", "v", "update", takes="value"),
    option("delete", "D", "delete"),
    option("node", "N", "U", "node", "uname", takes="value"),
    option("lifetime", "l", "lifetime", takes="value"),
    option("id", "i", "id", takes="value"),
    option("quiet", "q", "Q", "quiet"),
    option("verbose", "V", "verbose"),
    option("help", "help", "?"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_standby", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    action = options.last(("query", "update", "delete"))
    if "help" in options or not action:
        say(HELP)
        return 0 if "help" in options else EXIT_USAGE
    manager = Manager("crm_standby")
    node = options.value("node") or manager.local_name()
    sections = {"forever": ("nodes",), "reboot": ("status",)}.get(options.value("lifetime"), ("nodes", "status"))
    if action == "update":
        place = crm_attribute.place_of(manager, sections[0], node)
        found = crm_attribute.find(manager, place, "standby")
        crm_attribute.update(manager, place, "standby", options.value("update"), found)
        return 0
    answer = ("status", "off")
    for section in sections:
        place = crm_attribute.place_of(manager, section, node)
        found = crm_attribute.find(manager, place, "standby")
        if action == "delete":
            say("".join(crm_attribute.remove(manager, place, found)))
        elif found:
            answer = (section, found[0].value)
            break
    if action == "query":
        say(f"{answer[1]}\n" if "quiet" in options else f"scope={answer[0]}  name=standby value={answer[1]}\n")
    return 0
