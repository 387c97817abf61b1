"""A daemon that answers from a table, for the tools to talk to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from standfast.api.status import situation_to_json
from standfast.base.report import Refused
from standfast.cib.apply import apply, query
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin
from standfast.scheduler.plan import situation

Json = dict[str, Any]
Answer = Callable[[Json], Json]


class FakeDaemon:
    """Answers verbs with functions, and keeps what it was asked. A verb without an answer is refused, as a real one would."""

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Json] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def reply(self, verb: str, **fields: Any) -> None:
        """Answer a verb with these fields."""
        self.answers[verb] = lambda _: fields

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                for line in stream:
                    request = json.loads(line)
                    stream.write(json.dumps(self._answer(request)).encode() + b"\n")
                    stream.flush()

    def _answer(self, request: Json) -> Json:
        number, verb = request.pop("id"), request["verb"]
        self.asked.append(request)
        if verb not in self.answers:
            report = {"code": "api.verb", "severity": "error", "what": f"unknown verb {verb}"}
            return {"id": number, "ok": False, "exit_code": 1, "reports": [report]}
        try:
            return {"id": number, "ok": True, **self.answers[verb](request)}
        except Refused as refused:
            reports = [{"code": item.code, "severity": str(item.severity), "what": item.what} for item in refused.reports]
            return {"id": number, "ok": False, "exit_code": refused.exit_code, "reports": reports}

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty run directory, where nobody answers yet."""
    monkeypatch.setattr("standfast.client.connection.RUN_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def engine(run_dir: Path) -> Iterator[FakeDaemon]:
    """A fake engine."""
    daemon = FakeDaemon(run_dir / "engine.sock")
    yield daemon
    daemon.close()


@pytest.fixture
def manager(run_dir: Path) -> Iterator[FakeDaemon]:
    """A fake manager."""
    daemon = FakeDaemon(run_dir / "manager.sock")
    yield daemon
    daemon.close()


class CibManager(FakeDaemon):
    """A fake manager with the real CIB: queries and changes are the CIB room's own, the status is worked out from it."""

    def __init__(self, path: Path, xml: str) -> None:
        self.cib = Cib.parse(xml.encode(), "test")
        super().__init__(path)
        self.answers.update({"cib.query": self._query, "cib.apply": self._apply, "status": self._status})
        self.answers["node.local"] = lambda _: {"name": "node1", "node": "1"}

    def _query(self, request: Json) -> Json:
        return {"xml": query(self.cib, request.get("scope", ""), request.get("xpath", "")), "version": str(self.cib.version)}

    def _apply(self, request: Json) -> Json:
        operations = tuple(Operation(OpKind(item.pop("kind")), **item) for item in request["operations"])
        apply(self.cib, Change(operations, Origin(request["user"], request["client"], "node1", 1_787_479_200)))
        return {"version": str(self.cib.version)}

    def _status(self, request: Json) -> Json:
        root = self.cib.root
        return {
            "stack": "corosync",
            "dc": "node1",
            "dc_version": "2.1.5-a3f44794f94",
            "quorate": True,
            "quorum_reason": "",
            "now_s": 1_787_479_200,
            "last_change": root.get("cib-last-written"),
            "last_change_user": "root",
            "last_change_client": "cibadmin",
            "last_change_node": "node1",
            "version": str(self.cib.version),
            "local_node": "node1",
            "local_state": "active",
            "situation": situation_to_json(situation(root, 1_787_479_200)),
        }


@pytest.fixture
def cluster(run_dir: Path) -> Iterator[CibManager]:
    """A fake manager with a two-node CIB where vip runs on node1."""
    daemon = CibManager(run_dir / "manager.sock", (Path(__file__).parent / "two_nodes.xml").read_text())
    yield daemon
    daemon.close()
