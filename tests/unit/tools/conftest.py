"""A daemon that answers from a table, for the tools to talk to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
        return {"id": number, "ok": True, **self.answers[verb](request)}

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
