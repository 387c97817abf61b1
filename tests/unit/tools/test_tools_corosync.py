"""The corosync-* tools before a daemon, and before none."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from standfast.tools import config_check, corosync_cfgtool, corosync_cmapctl, corosync_keygen, corosync_quorumtool, standfast
from standfast.tools.options import option, parse_options

STATUS: dict[str, Any] = {
    "local": 1,
    "cluster_name": "c",
    "transport": "knet",
    "view": {"id": {"seq": 16, "coordinator": 1}, "members": [1, 2], "joined": [], "left": [], "transitional": None},
    "quorum": {
        "quorate": True,
        "votes": 2,
        "votes_needed": 1,
        "expected_votes": 2,
        "reason": "",
        "flags": ["2Node", "WaitForAll"],
    },
    "peers": [
        {"node": 1, "name": "n1", "votes": 1, "member": True, "reachable": True, "links": [["10.0.0.1", True]]},
        {"node": 2, "name": "n2", "votes": 1, "member": True, "reachable": True, "links": [["10.0.0.2", True]]},
    ],
    "client_attached": True,
    "counters": [["views", 2]],
    "cmap": [],
}


def test_the_session_of_the_manual(engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    engine.reply("engine.status", status=STATUS)
    assert corosync_cfgtool.main(["-s"]) == 0
    assert "\t\tnodeid:          2:\tconnected\n" in capsys.readouterr().out
    assert corosync_quorumtool.main([]) == 0
    assert "Flags:            2Node Quorate WaitForAll \n" in capsys.readouterr().out
    assert corosync_cmapctl.main(["runtime.members"]) == 0
    assert "runtime.members.2.status (str) = joined\n" in capsys.readouterr().out


def test_quorumtool_ends_with_2_when_not_quorate(engine: Any) -> None:
    engine.reply("engine.status", status={**STATUS, "quorum": {**STATUS["quorum"], "quorate": False}})
    assert corosync_quorumtool.main(["-s"]) == 2
    assert corosync_quorumtool.main(["-l"]) == 0


@pytest.mark.parametrize(
    ("tool", "words", "asked"),
    [
        (corosync_quorumtool, ["-e", "3"], {"adjust": "expected_votes", "node": 1, "value": 3}),
        (corosync_quorumtool, ["-v0", "-n", "2"], {"adjust": "votes", "node": 2, "value": 0}),
        (corosync_quorumtool, ["-W"], {"adjust": "cancel_wait_for_all", "node": 1, "value": 0}),
        (corosync_cfgtool, ["-k", "2"], {"adjust": "kill", "node": 2, "value": 0}),
        (corosync_cfgtool, ["-H"], {"adjust": "leave", "node": 0, "value": 0}),
        (
            corosync_cmapctl,
            ["-s", "quorum.cancel_wait_for_all", "u8", "1"],
            {"adjust": "cancel_wait_for_all", "node": 0, "value": 1},
        ),
    ],
)
def test_orders_reach_the_engine(engine: Any, tool: Any, words: list[str], asked: dict[str, Any]) -> None:
    engine.reply("engine.status", status=STATUS)
    engine.reply("engine.adjust")
    assert tool.main(words) == 0
    assert engine.asked[-1] == {"verb": "engine.adjust", **asked}


def test_reload_and_reopen(engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    engine.reply("engine.reload", reports=[{"what": "totem.tokn: unknown key", "where": "corosync.conf:3:1"}])
    engine.reply("engine.reopen_logs")
    assert corosync_cfgtool.main(["-R"]) == 0
    assert capsys.readouterr() == ("Reloading corosync.conf...\nDone\n", "corosync.conf:3:1: totem.tokn: unknown key\n")
    assert corosync_cfgtool.main(["-L"]) == 0


def test_cmapctl_reads_single_keys(engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    engine.reply("engine.status", status=STATUS)
    assert corosync_cmapctl.main(["-g", "totem.transport"]) == 0
    assert corosync_cmapctl.main(["-qg", "totem.transport"]) == 0
    assert capsys.readouterr().out == "totem.transport (str) = knet\nknet\n"
    assert corosync_cmapctl.main(["-g", "no.such"]) == 1
    assert capsys.readouterr().err == "Can't get key no.such. Error CS_ERR_NOT_EXIST\n"
    assert corosync_cmapctl.main(["no.such"]) == 1
    assert corosync_cmapctl.main(["-m", "stats"]) == 0
    assert capsys.readouterr().out == "stats.views (u64) = 2\n"
    assert corosync_cmapctl.main(["-d", "totem.token"]) == 1
    assert "-d: deleting keys is not offered" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        (corosync_cfgtool, "Could not initialize corosync configuration API error 2"),
        (corosync_quorumtool, "Cannot initialize CMAP service"),
        (corosync_cmapctl, "Failed to initialize the cmap API. Error CS_ERR_LIBRARY"),
    ],
)
def test_nobody_answers(run_dir: Path, tool: Any, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["-s"] if tool is not corosync_cmapctl else []) == 1
    said = capsys.readouterr().err
    assert said.startswith(line + "\n")
    assert f"nothing answers at {run_dir}/engine.sock" in said


# ---- keygen --------------------------------------------------------------------------------------------------------------


def test_keygen_writes_a_private_key_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "authkey"
    assert corosync_keygen.main(["-l", "-k", str(path)]) == 0
    first = path.read_bytes()
    assert (len(first), stat.S_IMODE(path.stat().st_mode)) == (256, 0o400)
    assert capsys.readouterr().out == (
        "Corosync Cluster Engine Authentication key generator.\n"
        "Gathering 2048 bits for key from /dev/urandom.\n"
        f"Writing corosync key to {path}.\n"
    )
    assert corosync_keygen.main(["--key-file", str(path), "--size=128"]) == 0
    assert len(path.read_bytes()) == 128
    assert os.listdir(tmp_path) == ["authkey"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-s", "127"], 1, "Unsupported key size"),
        (["-s", "4097"], 1, "Unsupported key size"),
        (["-s", "many"], 1, "Unsupported key size"),
        (["-r", "/no/such"], 1, "Failed to open random source"),
        (["-r", "/dev/null"], 1, "it holds 0 bytes only"),
        (["-k", "/no/such/folder/key"], 2, "Could not create /no/such/folder/key: No such file or directory"),
        (["-z"], 1, "the option -z cannot be used"),
    ],
)
def test_keygen_refuses(words: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert corosync_keygen.main([*(["-k", str(tmp_path / "k")] if "-k" not in words else []), *words]) == code
    assert said in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_full_disk_keeps_the_old_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "authkey"
    assert corosync_keygen.main(["-k", str(path)]) == 0
    before = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert corosync_keygen.main(["-k", str(path)]) == 4
    assert "No space left on device" in capsys.readouterr().err
    assert (path.read_bytes(), os.listdir(tmp_path)) == (before, ["authkey"])


# ---- config check ----------------------------------------------------------------------------------------------------------


def test_config_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.conf"
    good.write_text("totem {\nversion: 2\ncluster_name: c\ntokn: 5\n}\nnodelist {\nnode {\nring0_addr: 10.0.0.1\nname: a\n}\n}\n")
    assert standfast.main(["config", "check", str(good)]) == 0
    assert capsys.readouterr().out == (
        f"warning: {good}:4:1: unknown key totem.tokn: kept, without effect (did you mean token?)\n"
        "cluster c: 1 nodes, 1 votes, quorum not asked for\n"
        "  node 167772161 a: 10.0.0.1 port 5405\n"
        "a silent node is lost after 375 to 1000 ms; membership is confirmed for 1750 ms\n"
    )
    bad = tmp_path / "bad.conf"
    bad.write_text(good.read_text().replace("version: 2", "version: 3"))
    assert config_check.main([str(bad)]) == 78
    assert "bad.conf:2:10: totem.version cannot be '3'" in capsys.readouterr().out
    assert config_check.main(["--json", str(bad)]) == 78
    assert json.loads(capsys.readouterr().out)["reports"][0]["code"] == "config.value"
    assert config_check.main([str(tmp_path / "none")]) == 66


def test_names_in_the_file_are_resolved_here() -> None:
    assert config_check.resolve_name("localhost", "ipv4") == "127.0.0.1"
    assert config_check.resolve_name("no-such-host.invalid", "ipv6-4") is None


def test_standfast_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert standfast.main(["version"]) == 0
    assert standfast.main([]) == 0
    assert standfast.main(["frob"]) == 64
    assert standfast.main(["config", "frob"]) == 64
    assert "there is no command 'config frob'" in capsys.readouterr().err


def test_options_are_read_as_gnu_getopt_does() -> None:
    spec = (
        option("name", "n", "name", takes="value"),
        option("quiet", "q", "quiet"),
        option("query", "query"),
        option("d", "d", takes="maybe"),
    )
    options = parse_options(["-qn", "x", "--name=y", "word", "-d", "w", "-d", "-dz", "--", "-q"], spec)
    assert options.values("name") == ["x", "y"]
    assert options.values("d") == ["w", "", "z"]
    assert options.rest == ("word", "-q")
    assert "quiet" in options
    for words, said in (
        [["--qu"], "more than one"],
        [["-n"], "needs a value"],
        [["--quiet=1"], "takes no value"],
        [["--zoo"], "not known"],
    ):
        with pytest.raises(Exception, match=str(said)):
            parse_options(list(words), spec)
