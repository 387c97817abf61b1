"""crm_resource: where resources run, moves, bans, clean-up, parameters. Outputs and exit codes as Pacemaker 2.1.5's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from standfast.api.status import situation_from_json
from standfast.base.report import Refused, error
from standfast.base.situation import OperationStatus, ResourceStatus, Situation
from standfast.compat.xml_text import xpath_text
from standfast.tools import crm_resource_changes as changes
from standfast.tools.manager_client import EXIT_NO_SUCH, EXIT_USAGE, Manager
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

EXIT_TIMEOUT = 124
WAIT_S = 3600.0

HELP = """\
usage: crm_resource COMMAND [-r RESOURCE] [OPTIONS]

  -L, --list  -l, --list-raw  -W, --locate  -q, --query-xml  -O, --list-operations  -o, --list-all-operations
  -a, --constraints            constraints of a resource
  -M, --move [-N NODE]  -B, --ban [-N NODE]  -U, --clear [-N NODE]   [--lifetime=PT1H] [--promoted] [--force]
  -C, --cleanup [-r] [-N]      forget failures        -R, --refresh [-r] [-N]   forget all history
  -p, --set-parameter=NAME -v VALUE  -g, --get-parameter=NAME  -d, --delete-parameter=NAME   [-m, --meta | -z, --utilization]
  --wait [-T SECONDS]          until nothing is under way
"""
_COMMANDS = {
    "list": ("L", "list"),
    "raw": ("l", "list-raw"),
    "locate": ("W", "locate"),
    "xml": ("q", "query-xml"),
    "operations": ("O", "list-operations"),
    "all-operations": ("o", "list-all-operations"),
    "constraints": ("a", "A", "constraints", "stack"),
    "move": ("M", "move"),
    "ban": ("B", "ban"),
    "clear": ("U", "clear"),
    "cleanup": ("C", "cleanup"),
    "refresh": ("R", "refresh", "P", "reprobe"),
    "wait": ("wait",),
    "version": ("$", "version"),
}
_VALUED = {
    "set": ("p", "set-parameter"),
    "get": ("g", "get-parameter"),
    "delete": ("d", "delete-parameter"),
}
_OPTIONS = (
    *(option(key, *names) for key, names in _COMMANDS.items()),
    *(option(key, *names, takes="value") for key, names in _VALUED.items()),
    option("resource", "r", "resource", takes="value"),
    option("node", "N", "H", "node", "host-uname", takes="value"),
    option("value", "v", "parameter-value", takes="value"),
    option("lifetime", "u", "lifetime", takes="value"),
    option("timeout", "T", "timeout", takes="value"),
    option("set-name", "s", "set-name", takes="value"),
    option("nvpair", "i", "nvpair", takes="value"),
    option("meta", "m", "meta"),
    option("utilization", "z", "utilization"),
    option("promoted", "promoted", "master"),
    option("expired", "expired"),
    option("force", "f", "force"),
    option("quiet", "Q", "quiet"),
    option("verbose", "V", "verbose"),
    option("help", "h", "help", "help-all"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_resource", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    command = options.last((*_COMMANDS, *_VALUED))
    if command in {"", "version"} or "help" in options:
        say("Pacemaker 2.1.5\n" if command == "version" else HELP)
        return 0
    seconds = options.value("timeout")
    wait_s = float(seconds.rstrip("s")) if seconds.rstrip("s").isdecimal() else WAIT_S
    manager = Manager("crm_resource", timeout_s=wait_s + 10 if command == "wait" else 60.0)
    if command == "wait":
        return _wait(manager, wait_s)
    if command in {"cleanup", "refresh"}:
        return _cleanup(manager, options, refresh=command == "refresh")
    situation = situation_from_json(manager.call("status")["situation"])
    return _ON_SITUATION[command](manager, options, situation)


# ---- looking ------------------------------------------------------------------------------------------------------------


def _every(resources: tuple[ResourceStatus, ...]) -> list[ResourceStatus]:
    return [inner for resource in resources for inner in (resource, *_every(resource.children))]


def wanted(options: Options, situation: Situation) -> ResourceStatus:
    """The resource of -r. Raises Refused: 64 when it is not given, 105 when nobody has that id."""
    name = options.value("resource")
    if not name:
        raise Refused(error("crm_resource.usage", "a resource is needed", "", "-r ID"), exit_code=EXIT_USAGE)
    for resource in _every(situation.resources):
        if name in {resource.id, resource.id.rpartition(":")[0]}:
            return resource
    raise Refused(
        error("crm_resource.no-such-resource", f"Resource '{name}' not found", "", "crm_resource --list shows all"),
        exit_code=EXIT_NO_SUCH,
    )


def running_on(resource: ResourceStatus) -> list[str]:
    """The nodes where it, or anything in it, is active."""
    if not resource.children:
        return list(resource.nodes) if resource.active else []
    return list(dict.fromkeys(node for child in resource.children for node in running_on(child)))


def _list(manager: Manager, options: Options, situation: Situation) -> int:  # noqa: ARG001
    from standfast.compat.status_page import View
    from standfast.compat.status_resources import resources_section

    say("\n".join(resources_section(situation, View(places=False))) + "\n")
    return 0


def _raw(manager: Manager, options: Options, situation: Situation) -> int:  # noqa: ARG001
    leaves = [resource for resource in _every(situation.resources) if not resource.children]
    for resource in leaves:
        say(f"{resource.id}\n")
    return 0 if leaves else EXIT_NO_SUCH


def _units(name: str, found: ResourceStatus, situation: Situation) -> list[ResourceStatus]:
    """What is located one by one: a clone's instances, all instances of a name without a number, else the resource as a whole."""
    if found.kind == "clone":
        return list(found.children)
    if name == found.id:
        return [found]
    return [resource for resource in _every(situation.resources) if resource.id.rpartition(":")[0] == name]


def _locate(manager: Manager, options: Options, situation: Situation) -> int:  # noqa: ARG001
    name = options.value("resource")
    units = _units(name, wanted(options, situation), situation)
    # The last first, as Pacemaker's does.
    lines = [(node, unit) for unit in reversed(units) for node in reversed(running_on(unit))]
    if "quiet" in options:
        say("".join(f"{node}\n" for node, _ in lines))
        return 0
    for node, unit in lines:
        is_promoted = any(leaf.role in {"Promoted", "Master"} for leaf in _every((unit,)))
        say(f"resource {name} is running on: {node}{' Promoted' if is_promoted else ''}\n")
    if not lines:
        sys.stderr.write(f"resource {name} is NOT running\n")
    return 0


def _xml(manager: Manager, options: Options, situation: Situation) -> int:
    from dataclasses import replace

    from standfast.compat.status_page import View
    from standfast.compat.status_resources import base_id, resource_text, resources_section

    resource = wanted(options, situation)
    if resource.children:
        section = resources_section(replace(situation, resources=(resource,)), View())
        texts = [line.strip().removeprefix("* ") for line in section]
        say("".join(f"{text}\n" for text in texts if not text.endswith(":") and "Stopped: [" not in text))
    else:
        say(resource_text(resource, situation) + "\n")
    written = f"/cib/configuration/resources//*[@id={xpath_text(base_id(resource.id))}]"
    xml: str = manager.call("cib.query", xpath=written)["xml"]
    say(f"Resource XML:\n{xml.rstrip()}\n")
    return 0


def _operations(manager: Manager, options: Options, situation: Situation) -> int:  # noqa: ARG001
    name, node = options.value("resource"), options.value("node")
    by_id = {resource.id.rpartition(":")[0] or resource.id: resource for resource in _every(situation.resources)}
    for operation in situation.operations:
        if name in {"", operation.resource} and node in {"", operation.node}:
            say(_operation(operation, by_id.get(operation.resource), situation) + "\n")
    return 0


def _operation(operation: OperationStatus, resource: ResourceStatus | None, situation: Situation) -> str:
    from standfast.compat.dates import ctime_text
    from standfast.compat.exit_codes import execution_text
    from standfast.compat.status_resources import resource_text

    what = f"Unknown resource {operation.resource}"
    if resource is not None:
        what = resource_text(resource, situation, with_node=False)
    changed = ""
    if operation.last_rc_change_s:
        changed = f", last-rc-change='{ctime_text(operation.last_rc_change_s)}', exec={operation.exec_ms or 0}ms"
    key = operation.key or f"{operation.resource}_{operation.task}_{operation.interval_ms}"
    details = f"node={operation.node}, call={operation.call}, rc={operation.rc}{changed}"
    return f"{what}: {key} ({details}): {execution_text(operation.status)}"


def _constraints(manager: Manager, options: Options, situation: Situation) -> int:
    resource = wanted(options, situation)
    found = changes.locations(manager, resource.id)
    if found:
        say("Locations:\n")
    for attributes in found:
        node, score = attributes.get("node", ""), attributes.get("score", "")
        say(f"  * Node {node} (score={score}, id={attributes['id']}, rsc={resource.id})\n")
    return 0


# ---- changing -----------------------------------------------------------------------------------------------------------


def _wait(manager: Manager, wait_s: float) -> int:
    if manager.call("wait", timeout_s=wait_s).get("stable"):
        return 0
    sys.stderr.write("crm_resource: actions are still under way\n")
    return EXIT_TIMEOUT


def _cleanup(manager: Manager, options: Options, *, refresh: bool) -> int:
    name, node = options.value("resource"), options.value("node")
    cleaned = manager.call("resource.cleanup", resource=name, node=node, refresh=refresh, client="crm_resource")["cleaned"]
    for resource, where in cleaned:
        say(f"Cleaned up {resource} on {where}\n")
    if not cleaned:
        say(f"Nothing to clean up: {name or 'no resource'} has no {'history' if refresh else 'failures'}\n")
    return 0


def _move(manager: Manager, options: Options, situation: Situation) -> int:
    resource = wanted(options, situation)
    node = _node(options, situation)
    if not node:
        return _ban(manager, options, situation)
    if node in running_on(resource) and "force" not in options and len(running_on(resource)) == 1:
        report = error("crm_resource.already", f"{resource.id} is already active on {node}", "", "--force makes it stay there")
        raise Refused(report, exit_code=108)
    changes.prefer(manager, resource.id, node, options.value("lifetime"), promoted="promoted" in options)
    return 0


def _ban(manager: Manager, options: Options, situation: Situation) -> int:
    resource = wanted(options, situation)
    node = _node(options, situation)
    if not node:
        active = running_on(resource)
        if len(active) != 1:
            where = f"it is active on {len(active)} nodes"
            raise Refused(
                error("crm_resource.node", f"a node is needed for {resource.id}", where, "-N NODE"), exit_code=EXIT_USAGE
            )
        node = active[0]
    end = changes.ban(manager, resource.id, node, options.value("lifetime"), promoted="promoted" in options)
    sys.stderr.write(f"Migration will take effect until: {end}\n" if end else "")
    if "quiet" not in options:
        sys.stderr.write(changes.ban_warning(resource.id, node))
    return 0


def _clear(manager: Manager, options: Options, situation: Situation) -> int:
    resource = wanted(options, situation)
    for removed in changes.clear(manager, resource.id, _node(options, situation), only_expired="expired" in options):
        say(f"Removing constraint: {removed}\n")
    return 0


def _node(options: Options, situation: Situation) -> str:
    """The node of -N, "" without. Raises Refused (105) when there is no such node."""
    name = options.value("node")
    if name and name not in {node.name for node in situation.nodes}:
        report = error("crm_resource.no-such-node", f"Node '{name}' not found", "", "crm_node -l lists them")
        raise Refused(report, exit_code=EXIT_NO_SUCH)
    return name


def _parameter(manager: Manager, options: Options, situation: Situation) -> int:
    resource = wanted(options, situation)
    resource_id = resource.id.rpartition(":")[0] or resource.id
    kind = "meta_attributes" if "meta" in options else "utilization" if "utilization" in options else "instance_attributes"
    sets = changes.Sets(manager, resource_id, kind, options.value("set-name"), options.value("nvpair"))
    command = options.last(tuple(_VALUED))
    name = options.value(command)
    if command == "get":
        values = sets.values(name)
        say("".join(f"{value}\n" for value in values))
        sys.stderr.write("" if values else f"Attribute '{name}' not found for '{resource_id}'\n")
    elif command == "set":
        if "value" not in options:
            raise Refused(error("crm_resource.usage", "a value is needed", "", "-v VALUE"), exit_code=EXIT_USAGE)
        say(sets.set(name, options.value("value")))
    else:
        say(sets.delete(name))
    return 0


_ON_SITUATION: Mapping[str, Callable[[Manager, Options, Situation], int]] = {
    "list": _list,
    "raw": _raw,
    "locate": _locate,
    "xml": _xml,
    "operations": _operations,
    "all-operations": _operations,
    "constraints": _constraints,
    "move": _move,
    "ban": _ban,
    "clear": _clear,
    "set": _parameter,
    "get": _parameter,
    "delete": _parameter,
}
