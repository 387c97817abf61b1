"""What crm_resource writes: location constraints of moves and bans, and parameters of resources.

Ids and attributes are Pacemaker's (cli-prefer-RSC, cli-ban-RSC-on-NODE), so that its tools and ours find each other's.
"""

from __future__ import annotations

from standfast.base.report import Refused, error
from standfast.compat.xml_text import elements, tag, xpath_text
from standfast.tools.manager_client import EXIT_NO_SUCH, Attributes, Manager, delete, modify, nested

EXIT_MULTIPLE = 109
_CONSTRAINTS = "/cib/configuration/constraints/rsc_location"


def locations(manager: Manager, resource: str) -> list[Attributes]:
    """The location constraints of a resource."""
    return [attributes for _, attributes in manager.found(f"{_CONSTRAINTS}[@rsc={xpath_text(resource)}]")]


def prefer(manager: Manager, resource: str, node: str, lifetime: str, *, promoted: bool) -> None:
    """Make a resource go to a node: earlier preferences and a ban there are removed in the same change."""
    xml, _ = _location(f"cli-prefer-{resource}", resource, node, "INFINITY", lifetime, promoted=promoted)
    manager.apply(
        delete(f"{_CONSTRAINTS}[@id={xpath_text(f'cli-prefer-{resource}')}]"),
        delete(f"{_CONSTRAINTS}[@id={xpath_text(f'cli-ban-{resource}-on-{node}')}]"),
        modify("constraints", xml),
    )


def ban(manager: Manager, resource: str, node: str, lifetime: str, *, promoted: bool) -> str:
    """Keep a resource from a node. Returns the end of a lifetime, "" without one."""
    name = f"cli-ban-{resource}-on-{node}"
    xml, end = _location(name, resource, node, "-INFINITY", lifetime, promoted=promoted)
    manager.apply(delete(f"{_CONSTRAINTS}[@id={xpath_text(name)}]"), modify("constraints", xml))
    return end


def ban_warning(resource: str, node: str) -> str:
    """Pacemaker's three lines about a ban."""
    return (
        f"WARNING: Creating rsc_location constraint 'cli-ban-{resource}-on-{node}' with a score of -INFINITY for resource "
        f"{resource} on {node}.\n"
        f"\tThis will prevent {resource} from running on {node} until the constraint is removed using the clear option or by "
        "editing the CIB with an appropriate tool\n"
        f"\tThis will be the case even if {node} is the last node in the cluster\n"
    )


def clear(manager: Manager, resource: str, node: str, *, only_expired: bool) -> list[str]:
    """Remove what moves and bans left, of one node or of all; the ids that were removed."""
    prefix = f"cli-ban-{resource}-on-"
    removed = []
    for attributes in locations(manager, resource):
        name = attributes["id"]
        is_ban = name.startswith(prefix) and node in {"", name.removeprefix(prefix)}
        is_preference = name == f"cli-prefer-{resource}" and node in {"", attributes.get("node", node)}
        if (is_ban or is_preference) and (not only_expired or _is_expired(manager, name)):
            removed.append(name)
    if removed:
        manager.apply(*(delete(f"{_CONSTRAINTS}[@id={xpath_text(name)}]") for name in removed))
    return removed


def _is_expired(manager: Manager, name: str) -> bool:
    from datetime import UTC, datetime

    for _, attributes in manager.found(f"{_CONSTRAINTS}[@id={xpath_text(name)}]//date_expression"):
        end = attributes.get("end", "").replace("Z", "+00:00")
        try:
            return datetime.fromisoformat(end) < datetime.now(UTC)
        except (ValueError, TypeError):
            return False
    return False


def _location(name: str, resource: str, node: str, score: str, lifetime: str, *, promoted: bool) -> tuple[str, str]:
    """(XML, end of the lifetime) of a constraint."""
    role = "Promoted" if promoted else "Started"
    if not lifetime:
        return tag("rsc_location", {"id": name, "rsc": resource, "role": role, "node": node, "score": score}), ""
    from datetime import UTC, datetime, timedelta

    from standfast.compat.durations import duration_s

    end = (datetime.now(UTC) + timedelta(seconds=duration_s(lifetime))).strftime("%Y-%m-%d %H:%M:%SZ")
    where = {"id": f"{name}-expr", "attribute": "#uname", "operation": "eq", "value": node, "type": "string"}
    until = {"id": f"{name}-lifetime", "operation": "lt", "end": end}
    xml = tag("rsc_location", {"id": name, "rsc": resource, "role": role}, is_open=True)
    xml += tag("rule", {"id": f"{name}-rule", "score": score, "boolean-op": "and"}, is_open=True)
    return xml + tag("expression", dict(where)) + tag("date_expression", dict(until)) + "</rule></rsc_location>", end


class Sets:
    """The parameters of one kind of a resource (instance_attributes, meta_attributes or utilization)."""

    def __init__(self, manager: Manager, resource: str, kind: str, set_id: str, nvpair_id: str) -> None:
        """`set_id` and `nvpair_id` choose when several match; "" is any."""
        self._manager = manager
        self._resource = resource
        self._kind = kind
        self._chosen = (set_id, nvpair_id)
        place = f"/cib/configuration/resources//*[@id={xpath_text(resource)}]"
        found = manager.found(place)
        if not found:
            report = error("crm_resource.no-such-resource", f"Resource '{resource}' not found")
            raise Refused(report, exit_code=EXIT_NO_SUCH)
        self._tag = found[0][0]
        self._path = f"{place}/{kind}"

    def _found(self, name: str) -> list[tuple[str, Attributes]]:
        """(id of the set, attributes of the nvpair) of each match."""
        try:
            xml = self._manager.call("cib.query", xpath=f"{self._path}[nvpair[@name={xpath_text(name)}]]")["xml"]
        except Refused as refused:
            if refused.exit_code == EXIT_NO_SUCH:
                return []
            raise
        found: list[tuple[str, Attributes]] = []
        current = ""
        for element, attributes in elements(xml):
            if element == self._kind:
                current = attributes.get("id", "")
            elif element == "nvpair" and attributes.get("name") == name:
                found.append((current, attributes))
        set_id, nvpair_id = self._chosen
        return [(where, pair) for where, pair in found if set_id in {"", where} and nvpair_id in {"", pair.get("id")}]

    def values(self, name: str) -> list[str]:
        """What is set."""
        return [pair.get("value", "") for _, pair in self._found(name)]

    def set(self, name: str, value: str) -> str:
        """Set one; the line that says so. Raises Refused (109) when several match."""
        found = self._found(name)
        if len(found) > 1:
            report = error("crm_resource.several", f"several attributes match name={name}", "", "choose with -s or -i")
            raise Refused(report, exit_code=EXIT_MULTIPLE)
        sets = [attributes["id"] for _, attributes in self._manager.found(self._path) if "id" in attributes]
        default = f"{self._resource}-{self._kind}"
        where = found[0][0] if found else self._chosen[0] or (default if default in sets or not sets else sets[0])
        pair = found[0][1]["id"] if found else self._chosen[1] or f"{where}-{name}"
        leaf = ("nvpair", {"id": pair, "name": name, "value": value})
        self._manager.apply(modify("resources", nested((self._tag, {"id": self._resource}), (self._kind, {"id": where}), leaf)))
        return f"Set '{self._resource}' option: id={pair} set={where} name={name} value={value}\n"

    def delete(self, name: str) -> str:
        """Remove it; the line that says so, "" when it was not set."""
        found = self._found(name)
        if found:
            self._manager.apply(*(delete(f"{self._path}/nvpair[@id={xpath_text(pair['id'])}]") for _, pair in found))
        return "".join(f"Deleted '{self._resource}' option: id={pair['id']} name={name}\n" for _, pair in found)
