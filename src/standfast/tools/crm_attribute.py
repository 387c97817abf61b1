"""crm_attribute: cluster options and node attributes, one at a time; outputs and exit codes as Pacemaker 2.1.5's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from standfast.base.report import Refused, error
from standfast.compat.xml_text import elements, xpath_text
from standfast.tools.manager_client import EXIT_NO_SUCH, EXIT_USAGE, ON_NODE, Attributes, Manager, delete, modify, nested
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

EXIT_MULTIPLE = 109
HELP = """\
usage: crm_attribute (-G | -v VALUE | -D) -n NAME [OPTIONS]

  -n, --name=NAME          attribute or option
  -G, --query              print it       -d, --default=VALUE  when it is not set
  -v, --update=VALUE       set it         -D, --delete         remove it
  -t, --type=SECTION       crm_config (default), nodes, status, rsc_defaults, op_defaults
  -N, --node=NAME          node attribute of that node
  -l, --lifetime=WORD      forever (configuration) or reboot (status)
  -p, --promotion[=RSC]    the promotion score of a resource (default: OCF_RESOURCE_INSTANCE)
  -z, --utilization        utilization attribute of the node
  -s, --set-name=ID  -i, --id=ID   when several match
  -q, --quiet              print only the value
"""
_OPTIONS = (
    option("name", "n", "name", "attr-name", takes="value"),
    option("update", "v", "update", "attr-value", takes="value"),
    option("query", "G", "query", "get-value"),
    option("delete", "D", "delete", "delete-attr"),
    option("default", "d", "default", takes="value"),
    option("type", "t", "type", takes="value"),
    option("node", "N", "node", "node-uname", takes="value"),
    option("node", "U", "uname", takes="value"),
    option("lifetime", "l", "lifetime", takes="value"),
    option("promotion", "p", "promotion", takes="maybe"),
    option("utilization", "z", "utilization"),
    option("set", "s", "set-name", takes="value"),
    option("id", "i", "id", "attr-id", takes="value"),
    option("quiet", "q", "quiet"),
    option("quiet", "Q"),
    option("verbose", "V", "verbose"),
    option("version", "$", "version"),
    option("help", "h", "help", "help-all"),
)
_SECTIONS = {
    "crm_config": ("cluster_property_set", "cib-bootstrap-options"),
    "rsc_defaults": ("meta_attributes", "rsc-options"),
    "op_defaults": ("meta_attributes", "op-options"),
}


class Place(NamedTuple):
    """Where attributes live: `scope` of the CIB, `path` to the sets, `levels` that lead there, the set's tag, its default id."""

    scope: str
    path: str
    levels: tuple[tuple[str, Attributes], ...]
    set_tag: str
    set_id: str


class Found(NamedTuple):
    """One attribute that is set."""

    id: str
    name: str
    value: str
    set_id: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_attribute", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else "Pacemaker 2.1.5\n")
        return 0
    name = options.value("name")
    if "promotion" in options:
        resource = options.value("promotion") or os.environ.get("OCF_RESOURCE_INSTANCE", "")
        if not resource:
            raise _usage("-p needs a resource", "give one, or set OCF_RESOURCE_INSTANCE")
        name = f"master-{resource}"
    action = options.last(("query", "update", "delete")) or "query"
    if not name and action != "query" and "id" not in options:
        raise _usage("an attribute name is needed", "-n NAME")
    manager = Manager("crm_attribute")
    place = place_of(manager, *_section(options))
    if action == "query":
        return _query(manager, place, name, options)
    matches = find(manager, place, name, options.value("set"), options.value("id"))
    if action == "delete":
        for text in remove(manager, place, matches):
            say(text)
        return 0
    update(manager, place, name, options.value("update"), matches, options.value("set"))
    return 0


def _section(options: Options) -> tuple[str, str, bool]:
    """(section, node or "", utilization) that the options mean."""
    section, lifetime = options.value("type"), options.value("lifetime")
    on_node = "node" in options or "promotion" in options or "utilization" in options or bool(lifetime)
    if section in {"", "nodes", "status"} and (section or on_node):
        default = "reboot" if "promotion" in options or section == "status" else "forever"
        section = "status" if (lifetime or default) == "reboot" else "nodes"
    if lifetime not in {"", "reboot", "forever"}:
        raise _usage(f"the lifetime {lifetime!r} is not known", "reboot or forever")
    return section or "crm_config", options.value("node"), "utilization" in options


def place_of(manager: Manager, section: str, node: str, is_utilization: bool = False) -> Place:
    """The place for a section; of a node's, that of this node when none is named. Raises Refused for an unknown one."""
    if section in _SECTIONS:
        set_tag, set_id = _SECTIONS[section]
        return Place(section, f"/cib/configuration/{section}/{set_tag}", (), set_tag, set_id)
    if section not in {"nodes", "status"}:
        raise _usage(f"the section {section!r} is not known", "crm_config, nodes, status, rsc_defaults or op_defaults")
    name = node or os.environ.get(ON_NODE) or manager.local_name()
    node_id = manager.node_id(name)
    set_tag = "utilization" if is_utilization else "instance_attributes"
    if section == "nodes":
        path = f"/cib/configuration/nodes/node[@id={xpath_text(node_id)}]/{set_tag}"
        kind = "nodes" if not is_utilization else "nodes-utilization"
        return Place("nodes", path, (("node", {"id": node_id}),), set_tag, f"{kind}-{node_id}")
    path = f"/cib/status/node_state[@id={xpath_text(node_id)}]/transient_attributes/{set_tag}"
    levels = (("node_state", {"id": node_id, "uname": name}), ("transient_attributes", {"id": node_id}))
    return Place("status", path, levels, set_tag, f"status-{node_id}")


def find(manager: Manager, place: Place, name: str, set_id: str = "", nvpair_id: str = "") -> list[Found]:
    """The attributes there, of that name (all when it is ""), in that set, with that id."""
    wanted = f"[nvpair[@name={xpath_text(name)}]]" if name else ""
    try:
        xml = manager.call("cib.query", xpath=place.path + wanted)["xml"]
    except Refused as refused:
        if refused.exit_code == EXIT_NO_SUCH:
            return []
        raise
    found: list[Found] = []
    current = ""
    for tag, attributes in elements(xml):
        if tag == place.set_tag:
            current = attributes.get("id", "")
        elif tag == "nvpair" and name in {"", attributes.get("name")}:
            entry = Found(attributes.get("id", ""), attributes.get("name", ""), attributes.get("value", ""), current)
            if set_id in {"", current} and nvpair_id in {"", entry.id}:
                found.append(entry)
    return found


def update(manager: Manager, place: Place, name: str, value: str, matches: list[Found], set_id: str = "") -> None:
    """Set an attribute: the one that is there, else a new one in the first set. Raises Refused (109) when several match."""
    if len(matches) > 1:
        lines = "; ".join(f"value {match.value} (id={match.id}, set={match.set_id})" for match in matches)
        report = error("crm_attribute.several", f"several attributes match name={name}", lines, "choose with -s or -i")
        raise Refused(report, exit_code=EXIT_MULTIPLE)
    if matches:
        where, nvpair = matches[0].set_id, matches[0].id
        name = matches[0].name
    else:
        sets = [attributes["id"] for _, attributes in manager.found(place.path) if "id" in attributes]
        where = set_id or (place.set_id if place.set_id in sets or not sets else sets[0])
        nvpair = f"{where}-{clean_id(name)}"
    leaf = ("nvpair", {"id": nvpair, "name": name, "value": value})
    manager.apply(modify(place.scope, nested(*place.levels, (place.set_tag, {"id": where}), leaf)))


def remove(manager: Manager, place: Place, matches: list[Found]) -> list[str]:
    """Delete attributes; a line for each, as Pacemaker words it."""
    if not matches:
        return []
    manager.apply(*(delete(f"{place.path}/nvpair[@id={xpath_text(match.id)}]") for match in matches))
    return [f"Deleted {place.scope} attribute: id={match.id} name={match.name}\n" for match in matches]


def clean_id(text: str) -> str:
    """A text as part of an XML id."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_.-") else "." for char in text)


def _query(manager: Manager, place: Place, name: str, options: Options) -> int:
    found = find(manager, place, name, options.value("set"), options.value("id"))
    if not found and "default" in options:
        found = [Found("", name, options.value("default"), "")]
    if not found:
        raise Refused(
            error(
                "crm_attribute.not-set",
                "Error performing operation: No such device or address",
                f"{name or 'nothing'} is not set",
            ),
            exit_code=EXIT_NO_SUCH,
        )
    for entry in found:
        say(f"{entry.value}\n" if "quiet" in options else f"scope={place.scope}  name={entry.name} value={entry.value}\n")
    return 0


def _usage(what: str, remedy: str) -> Refused:
    return Refused(error("crm_attribute.usage", what, "", remedy), exit_code=EXIT_USAGE)
