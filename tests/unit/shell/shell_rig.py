"""A manager to talk to: a real CIB behind the local API, and resources that start, stop and move at once.

Where a resource runs follows from target-role, standby, bans and moves, so that the shell sees the effect of what it did.
`FakeManager.connect` is a link in the process; `serve` puts the same manager behind a Unix socket.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from standfast.api.status import situation_to_json
from standfast.base.report import Refused, Report, Severity, error
from standfast.base.situation import NodeStatus, ResourceStatus, Situation
from standfast.cib.apply import apply, query
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin
from standfast.executor.metadata import AgentMetadata, Parameter
from standfast.shell import agent_lookup
from standfast.shell.cluster import Cluster
from standfast.shell.output import Output
from standfast.shell.session import Options, Session

Json = dict[str, Any]
INSTALLED = {
    ("ocf", "heartbeat", "Dummy"): AgentMetadata("Dummy", parameters=(Parameter("fake"), Parameter("state"))),
    ("ocf", "pacemaker", "Dummy"): AgentMetadata("Dummy", parameters=(Parameter("fake"),)),
}


def _installed(standard: str, provider: str, agent_type: str) -> AgentMetadata:
    found = INSTALLED.get((standard, provider, agent_type))
    if found is None:
        raise Refused(error("agents.missing", f"{standard}:{provider}:{agent_type} is not installed here"))
    return found


def _providers(agent_type: str) -> tuple[str, ...]:
    return tuple(sorted(provider for _, provider, name in INSTALLED if name == agent_type))


# What is installed on the machine that runs the tests is not what they are about.
agent_lookup.installed = _installed
agent_lookup.installed_providers = _providers

NOW_S = 1_795_000_000

EMPTY = b"""<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="4" num_updates="0"
 cib-last-written="Sun Aug 23 10:00:00 2026"><configuration><crm_config/><nodes>
<node id="2886729738" uname="test-node-1"/><node id="2886729748" uname="test-node-2"/></nodes><resources/><constraints/>
</configuration><status>
<node_state id="2886729738" uname="test-node-1" in_ccm="true" crmd="online" join="member" expected="member"/>
<node_state id="2886729748" uname="test-node-2" in_ccm="true" crmd="online" join="member" expected="member"/></status></cib>"""

SESSION = """primitive ha-vip IPaddr2 \\
  params ip=172.16.0.100 cidr_netmask=32 arp_count=10 arp_count_refresh=5 \\
  op monitor interval=10s \\
  meta target-role=Started
property cib-bootstrap-options: \\
  have-watchdog=false dc-version=1.1.18-2b07d5c5a9 cluster-infrastructure=corosync \\
  cluster-name=test-cluster stonith-action=reboot no-quorum-policy=ignore \\
  stonith-enabled=false last-lrm-refresh=1596896556 maintenance-mode=false
rsc_defaults rsc-options: \\
  resource-stickiness=1000
"""


class FakeManager:
    """Answers requests as protocol.py says. `before_apply` runs once before the next change: somebody else's turn."""

    def __init__(self, xml: bytes = EMPTY) -> None:
        self.cib = Cib.parse(xml, "test")
        self.places: dict[str, str] = {}
        self.requests: list[Json] = []
        self.before_apply: list[Operation] = []
        self.refusals: dict[str, Refused] = {}
        self.sticks: set[str] = set()
        self.remarks: list[Json] = []  # what is said beside the answer to a change

    # ---- the verbs ---------------------------------------------------------------------------------------------------

    def answer(self, request: Json) -> list[Json]:
        self.requests.append(request)
        number = request.get("id")
        try:
            refusal = self.refusals.get(request["verb"])
            if refusal is not None:
                raise refusal
            replies = getattr(self, "verb_" + request["verb"].replace(".", "_"))(request)
        except Refused as refused:
            reports = [{**report._asdict(), "severity": report.severity.value} for report in refused.reports]
            return [{"id": number, "ok": False, "exit_code": refused.exit_code, "reports": reports}]
        return [{"id": number, "ok": True, **reply} for reply in (replies if isinstance(replies, list) else [replies])]

    def verb_cib_query(self, request: Json) -> Json:
        return {"xml": query(self.cib, request.get("scope", ""), request.get("xpath", "")), "version": str(self.cib.version)}

    def verb_cib_apply(self, request: Json) -> Json:
        if self.before_apply:
            others, self.before_apply = tuple(self.before_apply), []
            apply(self.cib, Change(others, Origin("somebody", "else", "test-node-2", NOW_S)))
        base = request.get("base_version", "")
        if base and base.rpartition(".")[0] != str(self.cib.version).rpartition(".")[0]:
            raise Refused(error("cib.changed-meanwhile", "somebody else changed the configuration meanwhile"), exit_code=103)
        operations = tuple(
            Operation(
                OpKind(item["kind"]),
                item.get("scope", ""),
                item.get("xpath", ""),
                item.get("xml", ""),
                allow_create=item.get("allow_create", False),
            )
            for item in request["operations"]
        )
        apply(self.cib, Change(operations, Origin(request.get("user", ""), request.get("client", ""), "test-node-1", NOW_S)))
        return {"version": str(self.cib.version), **({"reports": self.remarks} if self.remarks else {})}

    def verb_status(self, request: Json) -> Json:
        return {
            "stack": "corosync",
            "dc": "test-node-1",
            "dc_version": "2.1.5",
            "quorate": True,
            "quorum_reason": "",
            "now_s": NOW_S,
            "last_change": "Sun Aug 23 10:00:00 2026",
            "last_change_user": "root",
            "last_change_client": "crm",
            "last_change_node": "test-node-1",
            "version": str(self.cib.version),
            "local_node": "test-node-1",
            "local_state": "active",
            "situation": situation_to_json(self.situation()),
        }

    def verb_wait(self, request: Json) -> Json:
        return {"stable": True}

    def verb_events(self, request: Json) -> list[Json]:
        return [
            {"event": {"kind": "hello"}, "end": False},
            {"event": {"kind": "action", "resource": "ha-vip", "node": "test-node-1", "operation": "stop", "state": "started"}},
            {
                "event": {
                    "kind": "action",
                    "resource": "ha-vip",
                    "node": "test-node-1",
                    "operation": "stop",
                    "state": "done",
                    "rc": 0,
                }
            },
            {"event": {"kind": "cib", "version": "0.5.0"}, "end": True},
        ]

    def verb_plan(self, request: Json) -> Json:
        scores = [{"function": "pcmk__primitive_assign", "resource": "ha-vip", "node": "test-node-1", "points": 1_000_000}]
        return {"summary": [], "scores": scores, "notices": []}

    def verb_resource_cleanup(self, request: Json) -> Json:
        names = [request["resource"]] if request.get("resource") else list(self.primitives())
        return {"cleaned": [[name, "test-node-1"] for name in names]}

    def verb_node_forget(self, request: Json) -> Json:
        return {}

    # ---- the state of the resources ----------------------------------------------------------------------------------

    def primitives(self) -> dict[str, etree._Element]:
        found = self.cib.root.iterfind("configuration/resources//primitive")
        return {element.get("id") or "": element for element in found}

    def standby(self, node: str) -> bool:
        path = f"configuration/nodes/node[@uname='{node}']/instance_attributes/nvpair[@name='standby']"
        pairs = [*self.cib.root.findall(path)]
        path = f"status/node_state[@uname='{node}']/transient_attributes/instance_attributes/nvpair[@name='standby']"
        return any(pair.get("value") == "on" for pair in [*pairs, *self.cib.root.findall(path)])

    def place(self, name: str, element: etree._Element) -> str:
        nodes = [node.get("uname") or "" for node in self.cib.root.iterfind("configuration/nodes/node")]
        roles = [pair.get("value") for pair in element.iterfind("meta_attributes/nvpair[@name='target-role']")]
        parent = element.getparent()
        if parent is not None and parent.tag in ("group", "clone"):
            roles += [pair.get("value") for pair in parent.iterfind("meta_attributes/nvpair[@name='target-role']")]
        if "Stopped" in roles and name not in self.sticks:
            return ""
        free = [node for node in nodes if not self.standby(node)]
        for constraint in self.cib.root.iterfind("configuration/constraints/rsc_location"):
            if constraint.get("rsc") == name and constraint.get("score") == "-INFINITY":
                free = [node for node in free if node != constraint.get("node")]
            elif constraint.get("rsc") == name and constraint.get("node") in free and name not in self.sticks:
                return constraint.get("node") or ""
        now = self.places.get(name, "")
        return now if now in free else free[0] if free else ""

    def situation(self) -> Situation:
        resources = []
        for name, element in self.primitives().items():
            node = self.place(name, element)
            self.places[name] = node
            agent = ":".join(part for part in (element.get("class"), element.get("provider"), element.get("type")) if part)
            role = "Started" if node else "Stopped"
            resources.append(ResourceStatus(name, "primitive", agent, role, nodes=(node,) if node else (), active=bool(node)))
        nodes = tuple(
            NodeStatus(node.get("uname") or "", node.get("id") or "", online=True, standby=self.standby(node.get("uname") or ""))
            for node in self.cib.root.iterfind("configuration/nodes/node")
        )
        return Situation(nodes, tuple(resources), (), (), (), (), len(resources), 0, 0)

    # ---- ways to it --------------------------------------------------------------------------------------------------

    def connect(self, timeout_s: float) -> FakeLink:
        return FakeLink(self)

    def tree(self) -> etree._Element:
        return self.cib.root

    def find(self, path: str) -> etree._Element | None:
        return self.cib.root.find(f"configuration/{path}")


class FakeLink:
    """The manager in the same process; requests and replies go through JSON all the same."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def call(self, verb: str, **arguments: Any) -> Json:
        return next(self.stream(verb, **arguments))

    def stream(self, verb: str, **arguments: Any) -> Iterator[Json]:
        for reply in self.manager.answer(json.loads(json.dumps({"id": 1, "verb": verb, **arguments}))):
            if not reply["ok"]:
                reports = [Report(**{**fields, "severity": Severity(fields["severity"])}) for fields in reply["reports"]]
                raise Refused(*reports, exit_code=reply["exit_code"])
            yield json.loads(json.dumps(reply))

    def close(self) -> None:
        pass


class Shell:
    """A session with captured streams."""

    def __init__(self, manager: FakeManager | None = None, answers: tuple[str, ...] = (), **options: bool) -> None:
        self.manager = manager or FakeManager()
        self.out, self.err = io.StringIO(), io.StringIO()
        self.questions: list[str] = []
        self.answers = list(answers)
        self.output = Output(self.out, self.err, is_interactive=bool(answers), environment={}, read=self.reply)
        self.session = Session(self.output, Cluster(self.manager.connect), Options(**options), now_s=lambda: NOW_S)

    def reply(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)

    def run(self, *words: str) -> tuple[bool, str, str]:
        """The words of a command line: whether it went well, stdout and stderr of it alone."""
        self.out.seek(0), self.out.truncate(), self.err.seek(0), self.err.truncate()
        good = self.session.run_words(words)
        return good, self.out.getvalue(), self.err.getvalue()

    def type(self, *lines: str) -> tuple[bool, str, str]:
        """Lines at the prompt."""
        from standfast.shell.prompt import run_line

        self.out.seek(0), self.out.truncate(), self.err.seek(0), self.err.truncate()
        results = [run_line(self.session, line) for line in lines]
        good = all(results)
        return good, self.out.getvalue(), self.err.getvalue()

    def file(self, text: str, *levels: str) -> tuple[bool, str, str]:
        """A file of commands."""
        from standfast.shell.batch import run_text

        was, self.output.is_interactive = self.output.is_interactive, False
        self.out.seek(0), self.out.truncate(), self.err.seek(0), self.err.truncate()
        try:
            self.session.enter(levels)
            good = run_text(self.session, text, "FILE")
        except Refused as refused:
            self.output.say_all(refused.reports)
            good = False
        self.output.is_interactive = was
        return good, self.out.getvalue(), self.err.getvalue()


@contextlib.contextmanager
def serve(manager: FakeManager, run_dir: Path) -> Iterator[None]:
    """The manager behind RUN_DIR/manager.sock, one thread for each connection."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(run_dir / "manager.sock"))
    listener.listen()
    lock = threading.Lock()

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                with lock:
                    replies = manager.answer(json.loads(line))
                for reply in replies:
                    stream.write(json.dumps(reply).encode() + b"\n")
                stream.flush()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)
