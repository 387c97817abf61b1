"""Finding one's way: levels, short names, help, completion, options, prompts, and the whole program over a socket."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from standfast.base.report import Refused, Report, error
from standfast.shell import placement
from standfast.shell.completion import Completer
from standfast.shell.main import main, read_options
from standfast.shell.output import Output
from standfast.shell.session import LEVELS

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import SESSION, FakeManager, Shell, serve
else:
    from shell_rig import SESSION, FakeManager, Shell, serve


def test_walking_about() -> None:
    shell = Shell()
    assert shell.type("resource", "cd ../node", "cd", "configure", "ra", "up", "back")[0]
    assert shell.session.here.name == ""
    assert shell.type("cd /configure")[0]
    assert shell.session.prompt.endswith(")configure# ")
    assert not shell.type("cd /status")[0]
    assert shell.type("quit")[0]
    assert shell.session.has_ended


def test_short_names_are_said() -> None:
    shell = Shell()
    assert shell.run("resource", "stat")[2] == 'INFO: "stat" is accepted as "status"\n'
    assert shell.run("res", "status")[2] == 'INFO: "res" is accepted as "resource"\n'
    assert 'INFO: "primitiv" is accepted as "primitive"' in shell.run("configure", "primitiv", "x", "Dummy")[2]
    assert shell.manager.find("resources/primitive[@id='x']") is not None
    good, _, err = shell.run("configure", "r")
    assert not good
    assert "it could be more than one" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nosuch",), "ERROR: nosuch: No such command (help lists the commands)"),
        (("statsu",), "ERROR: statsu: No such command (did you mean status?)"),
        (("resource", "nosuch"), "ERROR: resource.nosuch: No such command"),
        (
            ("configure", "delet", "x"),
            "ERROR: configure.delet: No such command: what stops or removes something must be spelt out",
        ),
        (("status", "nosuch"), "ERROR: status: unknown word 'nosuch'"),
        (("corosync", "status", "nosuch"), "usage: status [ring|quorum]"),
        (("wait", "long"), "is not a number of seconds"),
    ],
)
def test_unknown_words(words: tuple[str, ...], sentence: str) -> None:
    good, out, err = Shell().run(*words)
    assert not good
    assert out == ""
    assert sentence in err


def test_every_command_of_every_level_has_help() -> None:
    shell = Shell()
    for name in LEVELS:
        level = shell.session.level(name)
        for entry in level.table.values():
            words = ("help", *([name] if name else []), entry.name)
            good, out, _ = shell.run(*words)
            assert good, words
            assert entry.summary in out or entry.level
    assert "Levels:" in shell.run("help")[1]
    assert "configure" in shell.run("ls")[1]
    assert "also:  migrate" in shell.run("resource", "help", "move")[1]


def test_completion() -> None:
    shell = Shell()
    shell.file(SESSION, "configure")
    complete = Completer(shell.session).complete
    assert complete("res") == ["resource"]
    assert "move" in complete("resource ")
    assert complete("resource move ") == ["ha-vip"]
    assert complete("resource move ha-vip ") == ["test-node-1", "test-node-2"]
    assert complete("resource maintenance ha-vip o") == ["off", "on"]
    assert complete("configure show ha") == ["ha-vip"]
    assert complete("configure prim") == ["primitive"]
    assert "IPaddr2" in complete("configure primitive x IPadd")
    assert complete("configure primitive x IPaddr2 pa") == ["params"]
    assert "cidr_netmask=" in complete("configure primitive x IPaddr2 params ip=1 cidr")
    assert complete("configure primitive x IPaddr2 op ") == ["demote", "monitor", "notify", "promote", "start", "stop"]
    assert complete("status by") == ["bynode"]
    assert complete("nosuch ") == []
    assert complete("ra list st") == ["stonith"]
    shell.manager.refusals["cib.query"] = Refused(*_down())
    assert Completer(shell.session).complete("resource move ") == []


def _down() -> tuple[Report, ...]:
    return (error("client.not-running", "down"),)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="abcdefgmnoprstuv \t\"'\\=:/-", max_size=40))
def test_any_line_is_answered(text: str) -> None:
    """Noise at the prompt: a message or an answer, never a traceback; and completion stays calm."""
    shell = Shell()
    Completer(shell.session).complete(text)
    shell.type(text)


def test_options() -> None:
    given_, words = read_options(["-F", "-w", "-o", "json", "-D", "plain", "-dR", "--file=x", "resource", "-w"])
    assert given_ == {
        "force": "yes",
        "wait": "yes",
        "output": "json",
        "display": "plain",
        "debug": "yes",
        "regression": "yes",
        "file": "x",
    }
    assert words == ["resource", "-w"]
    for bad in (["-x"], ["-f"], ["-o", "yaml"], ["-D", "pink"], ["-c", "shadow"], ["--forc"]):
        with pytest.raises(Refused):
            read_options(bad)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: crm")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("crm (standfast ")
    assert main(["--nosuch"]) == 64
    assert "unknown option --nosuch" in capsys.readouterr().err


def test_colour_is_for_terminals() -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for environment, display, expected in (({}, "", True), ({"NO_COLOR": "1"}, "", False), ({}, "plain", False)):
        output = Output(io.StringIO(), Terminal(), is_interactive=False, environment=environment, display=display)
        assert output.has_colour is expected
    assert not Output(io.StringIO(), io.StringIO(), is_interactive=False, environment={}).has_colour
    assert Output(io.StringIO(), io.StringIO(), is_interactive=False, environment={}, display="color-always").has_colour


def test_questions_end() -> None:
    answers = iter(["perhaps"] * 9)
    assert not Output(is_interactive=True, read=lambda _: next(answers)).ask("Really")

    def closed(_: str) -> str:
        raise EOFError

    assert not Output(is_interactive=True, read=closed).ask("Really")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("PT5M", "2026-11-18 11:11:40Z"),
        ("P1M", "2026-12-18 11:06:40Z"),
        ("P1Y2M3W4DT5H6M7S", "2028-02-12 16:12:47Z"),
        ("2030-01-01", "2030-01-01 00:00:00Z"),
        ("2030-01-01T12:00:00+02:00", "2030-01-01 10:00:00Z"),
    ],
)
def test_lifetimes(text: str, end: str) -> None:
    assert placement.is_lifetime(text)
    assert placement.end_of(text, 1_795_000_000) == end


@pytest.mark.parametrize("text", ["P", "PT", "5M", "P5", "", "P99999999Y", "2030-13-01"])
def test_no_lifetimes(text: str) -> None:
    if placement.is_lifetime(text):
        with pytest.raises(Refused):
            placement.end_of(text, 1_795_000_000)


def test_status_words() -> None:
    shell = Shell()
    shell.file(SESSION, "configure")
    shell.session.has_ended = False
    assert json.loads(shell.run("status", "-o", "json")[1])["dc"] == "test-node-1"
    assert shell.run("status", "simple")[1] == "CLUSTER OK: 2 nodes online, 1 resource instance configured\n"
    assert shell.run("status", "xml")[1].startswith("<pacemaker-result")
    assert "Status of pacemakerd" not in shell.run("status", "noheaders")[1]
    for word in ("bynode", "inactive", "ops", "failcounts", "full", "-r", "-n", "brief", "detail"):
        good, out, err = shell.run("status", word)
        assert good, err
        assert "test-node-1" in out


def test_status_watched() -> None:
    shell = Shell()
    good, out, _ = shell.run("status", "--watch")
    assert good
    assert out.count("Node List:") == 3, "at first, and after two of the events"


def test_agents_without_a_cluster() -> None:
    shell = Shell()
    shell.manager.refusals["cib.query"] = Refused(*_down())
    assert "ocf / " in shell.run("ra", "classes")[1]
    assert shell.run("ra", "list", "ocf")[0]
    assert not shell.run("ra", "list", "nosuch")[0]
    assert not shell.run("ra", "info", "nosuch-agent")[0]
    assert [r["verb"] for r in shell.manager.requests] == []


# ---- the program over a socket -------------------------------------------------------------------------------------------


def crm(run_dir: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STANDFAST_RUN_DIR": str(run_dir), "HOME": str(run_dir), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "standfast.shell.main", *words],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )


def test_the_program(tmp_path: Path) -> None:
    manager = FakeManager()
    with serve(manager, tmp_path):
        done = crm(tmp_path, "configure", stdin=SESSION)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        done = crm(tmp_path, "status")
        assert "  * ha-vip\t(ocf:heartbeat:IPaddr2):\t Started test-node-1\n" in done.stdout
        done = crm(tmp_path, "-w", "resource", "migrate", "ha-vip", "test-node-2")
        assert done.returncode == 0
        assert "INFO: ha-vip is running on test-node-2" in done.stderr
        done = crm(tmp_path, "configure", stdin="primitive x Dummy\nprimitive y\n")
        assert done.returncode == 1
        assert done.stderr == "ERROR: stdin:2:12: primitive: an agent ([CLASS:[PROVIDER:]]TYPE) expected\n"
        assert manager.find("resources/primitive[@id='x']") is None
        script = tmp_path / "s.crm"
        script.write_text("resource\nstop ha-vip\nend\nnode show\n")
        done = crm(tmp_path, "-f", str(script))
        assert done.returncode == 0
        assert "test-node-1(2886729738): member" in done.stdout
        done = crm(tmp_path, "configure", "load", "update", "-", stdin="primitive z IPaddr2 params ip=172.16.0.101\n")
        assert done.returncode == 0
        assert manager.find("resources/primitive[@id='z']") is not None
        assert crm(tmp_path, "nosuch").returncode == 1
        assert crm(tmp_path, "-f", "/nosuch").returncode == 1


def test_the_program_without_a_cluster(tmp_path: Path) -> None:
    for words in (("status",), ("configure", "show"), ("resource", "stop", "x"), ("node", "standby")):
        done = crm(tmp_path, *words)
        assert done.returncode == 102, words
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "the cluster is not running on this node" in done.stderr
    assert crm(tmp_path, "ra", "classes").returncode == 0
    assert crm(tmp_path, "help").returncode == 0


def test_a_status_is_quick(tmp_path: Path) -> None:
    """Imports decide: what only other commands need is not loaded for a status."""
    with serve(FakeManager(), tmp_path):
        crm(tmp_path, "status")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        crm(tmp_path, "status")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 1.0, "100 ms are usual; a busy machine takes its time, but not of the processor"
    code = "import standfast.shell.status, standfast.shell.level_root, standfast.shell.main, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("lxml", "prompt_toolkit", "rich", "asyncio", "msgspec", "subprocess", "argparse", "standfast.compat.crm"):
        assert heavy not in loaded


def test_the_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys as they are typed: TAB, a continuation line, Ctrl-C, a question, the end; and the history on disk."""
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    from standfast.shell.prompt import interact

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    shell = Shell(answers=("y",))
    keys = "conf\t\rprim\tx Dummy \\\r meta target-role=Stopped\rgarbage\x03up\rresource\rsta\tx\rstatus\r\x04"
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        assert interact(shell.session) == 0
    assert shell.manager.find("resources/primitive[@id='x']/meta_attributes") is not None
    assert shell.questions == ["There are changes pending. Do you want to commit them (y/n)? "]
    assert "x\t(ocf:heartbeat:Dummy)" in shell.out.getvalue()
    history = tmp_path / "standfast" / "crm_history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "resource" in history.read_text()
