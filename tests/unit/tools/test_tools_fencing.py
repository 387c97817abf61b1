"""stonith_admin and the fencing history in the original's words."""

from __future__ import annotations

from typing import Any

import pytest

from standfast.base.report import Refused, error
from standfast.compat.fencing_text import attributes, sections, sentence
from standfast.tools import stonith_admin

FAILED = {
    "id": "a-1",
    "target": "n1",
    "action": "reboot",
    "client": "pacemaker-controld",
    "origin": "n2",
    "phase": "failed",
    "delegate": "",
    "began_s": 1_800_000_000,
    "completed_s": 1_800_000_010,
    "reason": "n2: the device says no",
}
DONE = {**FAILED, "id": "a-2", "phase": "success", "delegate": "n2", "completed_s": 1_800_000_020, "reason": ""}
PENDING = {**FAILED, "id": "a-3", "phase": "pending", "completed_s": 0, "reason": "", "action": "off"}


def test_sentences() -> None:
    records = [PENDING, DONE, FAILED]
    assert sentence(PENDING, records, is_full=True) == "turning off of n1 for pacemaker-controld@n2 pending"
    assert sentence(DONE, records, is_full=False).startswith("reboot of n1 by n2 for pacemaker-controld@n2 last successful at 20")
    failed = sentence(FAILED, records, is_full=False)
    assert failed.startswith("reboot of n1 for pacemaker-controld@n2 last failed (n2: the device says no) at 20")
    assert failed.endswith("(a later attempt from n2 succeeded)")


def test_what_crm_mon_shows_at_each_level() -> None:
    older = {**FAILED, "id": "a-0", "completed_s": 1_799_999_000}
    records = [PENDING, DONE, FAILED, older]
    assert [(title, len(lines)) for title, lines in sections(records, 1)] == [
        ("Failed Fencing Actions", 1),
        ("Pending Fencing Actions", 1),
    ]
    assert [title for title, _ in sections(records, 2)][-1] == "Fencing History"
    assert {title: len(lines) for title, lines in sections(records, 3)}["Failed Fencing Actions"] == 2
    assert list(sections([], 3)) == []


def test_the_xml_event() -> None:
    event = attributes(FAILED)
    assert list(event) == ["action", "target", "client", "origin", "status", "exit-reason", "completed"]
    assert "completed" not in attributes(PENDING)


class Daemon:
    """Answers as a manager would."""

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, _client: str, timeout_s: float = 0) -> Daemon:
        return self

    def call(self, verb: str, **arguments: Any) -> Any:
        self.asked.append((verb, arguments))
        reply = self.replies[verb.replace(".", "_")]
        if isinstance(reply, Exception):
            raise reply
        return reply


def run(monkeypatch: pytest.MonkeyPatch, daemon: Daemon, *argv: str) -> int:
    monkeypatch.setattr(stonith_admin, "Manager", daemon)
    return stonith_admin.main(list(argv))


def test_devices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(fence_devices={"devices": [["fence-a", "fence_x", ["n1"]], ["fence-b", "fence_x", []]], "levels": []})
    assert run(monkeypatch, daemon, "-L") == 0
    assert capsys.readouterr().out == "  * fence-a\n  * fence-b\n2 fence devices found\n"
    assert run(monkeypatch, Daemon(fence_devices={"devices": [], "levels": []}), "--list", "n1") == 105


def test_history_and_last(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(fence_history={"records": [DONE, FAILED]})
    assert run(monkeypatch, daemon, "--history", "*") == 0
    assert capsys.readouterr().out.endswith("1 event found\n")
    assert run(monkeypatch, daemon, "--history", "n1", "-v") == 0
    assert capsys.readouterr().out.endswith("2 events found\n")
    assert run(monkeypatch, daemon, "--last", "n1") == 0
    assert capsys.readouterr().out.startswith("Node n1 last fenced at: ")
    assert run(monkeypatch, Daemon(fence_history={"records": []}), "--last", "n1") == 0
    assert capsys.readouterr().out == "Node n1 has never been fenced\n"


@pytest.mark.parametrize(("option", "action"), [("-F", "off"), ("-B", "reboot"), ("-U", "on")])
def test_fencing_by_hand(monkeypatch: pytest.MonkeyPatch, option: str, action: str) -> None:
    daemon = Daemon(fence={"delegate": "n2"})
    assert run(monkeypatch, daemon, option, "n1", "-t", "30") == 0
    verb, arguments = daemon.asked[0]
    assert (verb, arguments["node"], arguments["action"], arguments["timeout_s"]) == ("fence", "n1", action, 30)
    refusal = Refused(error("fencing.failed", "n1 was not fenced", "no"), exit_code=1)
    assert run(monkeypatch, Daemon(fence=refusal), option, "n1") == 1


@pytest.mark.parametrize("argv", [(), ("--metadata",), ("-B", "n1", "-t", "soon"), ("--nonsense",)])
def test_bad_input(monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]) -> None:
    assert run(monkeypatch, Daemon(), *argv) == 64


def test_no_agent_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Daemon(), "-M", "-a", "../bin/sh") == 5
