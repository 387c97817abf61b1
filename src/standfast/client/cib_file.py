"""CIB_file: a CIB in a file in place of the running cluster, as Pacemaker's tools take it; the manager's verbs that need no more.

A change is applied by the same rules as in the cluster, held against the schema, and written back durably: aside, then renamed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from standfast.base.report import Refused, error

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from standfast.cib.document import Cib

Json = dict[str, Any]
VARIABLE = "CIB_file"
FILE_BYTES_MAX = 256 * 1024 * 1024
EXIT_NOINPUT, EXIT_DATA, EXIT_OLD, EXIT_DISCONNECTED, EXIT_CANTCREAT = 66, 65, 103, 102, 73


def named() -> str:
    """The file that CIB_file names, "" when it is not set."""
    return os.environ.get(VARIABLE, "")


class CibFile:
    """What client.connection.Connection is to the manager, on a file. Every call reads the file anew."""

    def __init__(self, path: str) -> None:
        """Nothing is read yet."""
        self.path = path

    def __enter__(self) -> CibFile:
        """As a connection is used."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""

    def call(self, verb: str, **arguments: Any) -> Json:
        """One of cib.query, cib.apply, status, plan, wait. Raises Refused: 102 for what only a running cluster can do."""
        match verb:
            case "cib.query":
                return self._query(str(arguments.get("scope", "")), str(arguments.get("xpath", "")))
            case "cib.apply":
                return self._apply(arguments)
            case "status":
                return status_of(self.root())
            case "plan":
                return self._plan()
            case "wait":
                return {"stable": True}
        what = f"{self.path} is a file (CIB_file), and {verb} needs the running cluster"
        raise Refused(error("cib.file", what, "", "unset CIB_file"), exit_code=EXIT_DISCONNECTED)

    def stream(self, verb: str, **arguments: Any) -> Iterator[Json]:
        """Nothing ever happens in a file."""
        yield self.call(verb, **arguments)

    def root(self) -> Element:
        """The document as it stands. Raises Refused: 66 unreadable, 65 no XML."""
        from lxml import etree

        try:
            return etree.fromstring(self._bytes(), etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
        except etree.XMLSyntaxError as bad:
            raise Refused(error("cib.file", f"the CIB {self.path} is no XML", str(bad)), exit_code=EXIT_DATA) from None

    def _bytes(self) -> bytes:
        try:
            with open(self.path, "rb") as stream:
                return stream.read(FILE_BYTES_MAX)
        except OSError as fault:
            what = f"the CIB {self.path} cannot be read"
            raise Refused(error("cib.file", what, fault.strerror or ""), exit_code=EXIT_NOINPUT) from None

    def _cib(self) -> Cib:
        from standfast.cib.document import Cib

        return Cib.parse(self._bytes(), self.path)

    def _query(self, scope: str, xpath: str) -> Json:
        from standfast.cib.apply import query

        cib = self._cib()
        return {"xml": query(cib, scope, xpath), "version": str(cib.version)}

    def _apply(self, arguments: Json) -> Json:
        from standfast.cib.apply import apply
        from standfast.cib.operations import Change, Origin, check_change, operation_of

        cib = self._cib()
        base = str(arguments.get("base_version", "")).rpartition(".")[0]
        if base and base != str(cib.version).rpartition(".")[0]:
            raise Refused(error("cib.changed", f"{self.path} was changed meanwhile", "", "try again"), exit_code=EXIT_OLD)
        operations = tuple(operation_of(given, force=arguments.get("force") is True) for given in arguments["operations"])
        origin = Origin(str(arguments.get("user", "")), str(arguments.get("client", "")), "", int(time.time()))
        change = Change(operations, origin)
        check_change(change)
        outcome = apply(cib, change)
        self._write(cib.xml())
        return {"version": str(outcome.after)}

    def _write(self, data: bytes) -> None:
        aside = f"{self.path}.new"
        try:
            mode = stat.S_IMODE(os.stat(self.path).st_mode)
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with open(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, self.path)
        except OSError as fault:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            what = f"the CIB {self.path} cannot be written"
            raise Refused(error("cib.file", what, fault.strerror or ""), exit_code=EXIT_CANTCREAT) from None

    def _plan(self) -> Json:
        from dataclasses import asdict

        from standfast.scheduler.plan import schedule

        plan = schedule(self.root(), int(time.time()), time.localtime().tm_gmtoff)
        return {
            "summary": [asdict(change) for change in plan.changes],
            "scores": [asdict(score) for score in plan.scores],
            "reasons": [asdict(reason) for reason in plan.reasons],
            "notices": [report._asdict() for report in plan.notices],
            "actions": len(plan.graph.actions),
        }


def status_of(root: Element) -> Json:
    """The `status` reply of a cluster that has this CIB."""
    from standfast.api.status import situation_to_json
    from standfast.scheduler.plan import situation

    now_s = int(time.time())
    found = situation(root, now_s)
    options = {str(pair.get("name")): str(pair.get("value")) for pair in root.iterfind("configuration/crm_config//nvpair")}
    dc = next((node.name for node in found.nodes if node.id == root.get("dc-uuid")), "")
    return {
        "stack": options.get("cluster-infrastructure", "unknown"),
        "dc": dc,
        "dc_version": options.get("dc-version", ""),
        "quorate": root.get("have-quorum") in {"1", "true"},
        "quorum_reason": "",
        "now_s": now_s,
        "last_change": root.get("cib-last-written", ""),
        "last_change_user": root.get("update-user", ""),
        "last_change_client": root.get("update-client", ""),
        "last_change_node": root.get("update-origin", ""),
        "version": ".".join(root.get(name, "0") for name in ("admin_epoch", "epoch", "num_updates")),
        "local_node": "",
        "local_state": "disconnected",
        "situation": situation_to_json(found),
    }
