"""The session of the tutorial, command by command, as an administrator types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import SESSION, FakeManager, Shell
else:
    from shell_rig import SESSION, FakeManager, Shell


def test_the_session_as_typed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    shell = Shell()
    good, out, err = shell.run("status")
    assert good
    assert err == ""
    assert "  * Online: [ test-node-1 test-node-2 ]" in out
    assert "  * 2 nodes configured\n  * 0 resource instances configured" in out

    assert shell.run("configure", "show")[1] == "node 2886729738: test-node-1\nnode 2886729748: test-node-2\n"

    path = tmp_path / "session.crm"
    path.write_text(SESSION)
    good, _, err = shell.run("configure", "load", "update", str(path))
    assert good, err
    good, out, err = shell.run("status")
    assert "  * ha-vip\t(ocf:heartbeat:IPaddr2):\t Started test-node-1" in out

    good, out, err = shell.run("resource", "migrate", "ha-vip", "test-node-2")
    assert good, err
    assert "Use `crm resource clear ha-vip` to remove this constraint" in err
    constraint = shell.manager.find("constraints/rsc_location")
    assert constraint is not None
    expected = {"id": "cli-prefer-ha-vip", "rsc": "ha-vip", "role": "Started", "node": "test-node-2", "score": "INFINITY"}
    assert dict(constraint.attrib) == expected
    assert "Started test-node-2" in shell.run("status")[1]

    good, out, err = shell.run("resource", "unmigrate", "ha-vip")
    assert good
    assert "Removed migration constraints for ha-vip" in err
    assert shell.manager.find("constraints/rsc_location") is None

    assert shell.run("node", "standby", "test-node-2")[0]
    assert "Node test-node-2: standby" in shell.run("status")[1]
    assert shell.run("node", "online", "test-node-2")[0]
    assert "Online: [ test-node-1 test-node-2 ]" in shell.run("status")[1]


def test_the_same_by_standard_input() -> None:
    shell = Shell()
    good, _, err = shell.file(SESSION, "configure")
    assert good, err
    assert shell.manager.find("resources/primitive[@id='ha-vip']") is not None
    assert shell.manager.find("rsc_defaults/meta_attributes[@id='rsc-options']") is not None
    applied = [request for request in shell.manager.requests if request["verb"] == "cib.apply"]
    assert len(applied) == 1, "one change for all"


def test_the_same_at_the_prompt() -> None:
    shell = Shell(answers=("y",))
    assert shell.session.prompt.endswith(")# ")
    assert shell.type("configure")[0]
    assert shell.session.prompt.endswith(")configure# ")
    assert shell.type(*SESSION.replace("\\\n", "").splitlines())[0]
    assert shell.manager.find("resources/primitive") is None, "nothing before commit"
    assert shell.type("commit", "up")[0]
    assert shell.manager.find("resources/primitive") is not None


def test_the_same_in_an_editor(monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    script = tmp_path / "editor"
    script.write_text(f"#!/bin/sh\ncat >> \"$1\" <<'END'\n{SESSION}END\n")
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.delenv("VISUAL", raising=False)
    shell = Shell()
    good, _, err = shell.run("configure", "edit")
    assert good, err
    assert shell.manager.find("resources/primitive[@id='ha-vip']") is not None
    assert shell.manager.find("nodes/node[@uname='test-node-2']") is not None


def test_a_manager_that_is_down_is_one_clear_message() -> None:
    from standfast.base.report import Refused, error

    manager = FakeManager()
    shell = Shell(manager)
    report = error("client.not-running", "the cluster is not running on this node", "No such file", "systemctl start standfast")
    for words in (("status",), ("configure", "show"), ("resource", "status"), ("node", "show"), ("resource", "stop", "x")):
        for verb in ("cib.query", "status"):
            manager.refusals[verb] = Refused(report, exit_code=102)
        good, out, err = shell.run(*words)
        assert not good
        assert out == ""
        assert err.count("\n") == 1
        assert "the cluster is not running on this node" in err
        assert shell.session.exit_code == 102
