"""The running cluster as the shell sees it: the verbs of the local API, by name. All that is known comes through here."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from standfast.base.report import Refused, Report, error

if TYPE_CHECKING:
    from lxml import etree

    from standfast.compat.crm.document import Configuration

Json = dict[str, Any]
WAIT_S_MAX = 3600.0
CALL_S_MAX = 60.0


class Link(Protocol):
    """What is used of client.connection.Connection."""

    def call(self, verb: str, **arguments: Any) -> Json:
        """One request, one reply."""

    def stream(self, verb: str, **arguments: Any) -> Iterator[Json]:
        """One request, many replies."""

    def close(self) -> None:
        """Hang up."""


Connect = Callable[[float], Link]
"""Opens a connection to the manager whose answers take at most so many seconds. Raises Refused (102) when nobody answers."""


def connect_to_manager(timeout_s: float) -> Link:
    """The running one, or the file that CIB_file names."""
    from standfast.client.cib_file import CibFile, named

    if named():
        return CibFile(named())
    from standfast.client.connection import Connection

    return Connection("manager", timeout_s=timeout_s)


class Cluster:
    """One connection for each call, so that a daemon that was restarted meanwhile does not matter."""

    def __init__(self, connect: Connect = connect_to_manager) -> None:
        self._connect = connect
        self.remark: Callable[[Iterable[Report]], None] = lambda _reports: None
        """Told what a good reply has to say beside its answer."""

    def call(self, verb: str, within_s: float = CALL_S_MAX, /, **arguments: Any) -> Json:
        """One request, answered within so many seconds. Raises Refused with the daemon's reports."""
        link = self._connect(within_s)
        try:
            reply = link.call(verb, **arguments)
        finally:
            link.close()
        if "reports" in reply:
            from standfast.client.connection import remarks

            self.remark(remarks(reply))
        return reply

    def status(self) -> Json:
        """The reply to `status` (api/protocol.py)."""
        return self.call("status")

    def cib(self) -> etree._Element:
        """The whole document, status included."""
        return self._query()[0]

    def configuration(self) -> Configuration:
        """The configuration as objects, without the status section, with the version it has now."""
        from standfast.compat.crm.document import Configuration

        root, version = self._query()
        for status in root.findall("status"):
            root.remove(status)
        return Configuration(root, version)

    def _query(self) -> tuple[etree._Element, str]:
        from lxml import etree

        reply = self.call("cib.query")
        parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True, huge_tree=True)
        return etree.fromstring(str(reply["xml"]).encode(), parser), str(reply.get("version", ""))

    def apply(self, operations: Sequence[Mapping[str, object]], base_version: str = "", *, is_forced: bool = False) -> str:
        """Change the CIB, all or nothing; gives the new version. With `base_version`, only if the configuration is still that."""
        arguments: Json = {"operations": [dict(operation) for operation in operations], "client": "crm", "user": user_name()}
        if base_version:
            arguments["base_version"] = base_version
        if is_forced:
            arguments["force"] = True
        return str(self.call("cib.apply", **arguments).get("version", ""))

    def wait(self, timeout_s: float = WAIT_S_MAX) -> bool:
        """Until nothing is under way; False when that took too long."""
        return bool(self.call("wait", timeout_s + 10, timeout_s=timeout_s)["stable"])

    def events(self, timeout_s: float = WAIT_S_MAX) -> tuple[Iterator[Json], Callable[[], None]]:
        """The stream of events, and how to end it (from any thread)."""
        link = self._connect(timeout_s)
        stream = (reply["event"] for reply in link.stream("events") if "event" in reply)
        return stream, link.close

    def resources(self) -> list[Json]:
        """All resources of the status, groups and clones before their members."""
        return list(_flat(self.status()["situation"]["resources"]))

    def running(self) -> frozenset[str]:
        """Ids of resources that are active somewhere; instances of clones by the name of what was cloned."""
        return frozenset(str(item["id"]).partition(":")[0] for item in self.resources() if item["active"])

    def nodes_of(self, resource: str) -> tuple[str, ...]:
        """Where a resource is active, each node once. Raises Refused (105) when there is no such resource."""
        found = [item for item in self.resources() if str(item["id"]).partition(":")[0] == resource or item["id"] == resource]
        if not found:
            raise no_such_resource(resource)
        nodes = {str(node): None for item in found for leaf in _flat([item]) for node in leaf["nodes"]}
        return tuple(nodes)


def no_such_resource(name: str) -> Refused:
    """The refusal of a resource that is not there."""
    return Refused(error("shell.no-resource", f"Resource '{name}' not found", "", "crm resource status"), exit_code=105)


def no_such_node(name: str) -> Refused:
    """The refusal of a node that is not there."""
    return Refused(error("shell.no-node", f'Node "{name}" is not a cluster node', "", "crm node show"), exit_code=105)


def _flat(resources: Sequence[Json]) -> Iterator[Json]:
    for item in resources:
        yield item
        yield from _flat(item.get("children") or ())


def user_name() -> str:
    """Who runs the shell."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
