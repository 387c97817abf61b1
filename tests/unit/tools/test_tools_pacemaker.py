"""The Pacemaker-named tools, as a session: what is typed, what is printed, what it ends with.

tools_session.txt is the transcript; each `$` line is a command, then its output (stderr marked with `!`), then `= exit code`
where it is not 0. Expected outputs are those of Pacemaker 2.1.5 for the same CIB, except where a `!` line is ours.
"""

from __future__ import annotations

import importlib
import io
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TRANSCRIPT = Path(__file__).parent / "tools_session.txt"


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """One command; its output in the transcript's form."""
    module = importlib.import_module(f"standfast.tools.{words[0]}")
    code = module.main(words[1:])
    said = capsys.readouterr()
    text = said.out + "".join(f"! {line}\n" for line in said.err.splitlines())
    return text + (f"= {code}\n" if code else "")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates of the transcript are UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_the_session(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.reply("resource.cleanup", cleaned=[["vip", "node1"]])
    cluster.reply("wait", stable=True)
    cluster.reply("node.forget")
    expected = TRANSCRIPT.read_text()
    played = ""
    for line in expected.splitlines():
        if line.startswith("#"):
            played += ("\n" if played else "") + line + "\n"
        elif line.startswith("$ "):
            played += line + "\n" + run(shlex.split(line[2:]), capsys)
    if os.environ.get("ACCEPT"):
        TRANSCRIPT.write_text(played)
    assert played == expected


def test_changes_are_made_in_the_tools_name(cluster: Any) -> None:
    from standfast.tools import crm_attribute

    assert crm_attribute.main(["-t", "crm_config", "-n", "x", "-v", "1"]) == 0
    assert cluster.asked[-1]["client"] == "crm_attribute"


TOOLS = [
    (["crm_mon", "-1"], 102),
    (["crm_mon", "-s"], 2),
    (["crm_attribute", "-n", "x", "-G"], 102),
    (["crm_node", "-l"], 102),
    (["cibadmin", "-Q"], 102),
    (["crm_resource", "-L"], 102),
    (["crm_failcount", "-G", "-r", "vip"], 102),
    (["crm_standby", "-G"], 102),
    (["crmadmin", "-D"], 102),
]


@pytest.mark.parametrize(("words", "code"), TOOLS, ids=[" ".join(words) for words, _ in TOOLS])
def test_nobody_answers(run_dir: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, capsys).endswith(f"= {code}\n")


def test_crm_mon_says_it_in_the_originals_words_too(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(["crm_mon", "-1"], capsys)
    assert "! error: Could not connect to launcher: Connection refused\n" in said
    assert "! crm_mon: Connection to cluster failed: Connection refused\n" in said
    assert f"nothing answers at {run_dir}/manager.sock" in said
    said = run(["crm_mon", "--output-as=xml"], capsys)
    assert '<status code="102" message="Not connected">' in said
    assert "crm_mon: CLUSTER CRIT: Connection to cluster failed: Connection refused" in run(["crm_mon", "-s"], capsys)


def test_xml_comes_in_three_ways(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    xml = '<rsc_location id="l1" rsc="vip" node="node1" score="5"/>'
    path = tmp_path / "c.xml"
    path.write_text(xml)
    assert run(["cibadmin", "-C", "-o", "constraints", "-x", str(path)], capsys) == ""
    assert run(["cibadmin", "-D", "-o", "constraints", "-X", xml], capsys) == ""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(xml.encode())))
    assert run(["cibadmin", "-C", "-o", "constraints", "-p"], capsys) == ""
    assert xml in run(["cibadmin", "-Q", "-o", "constraints"], capsys)
    assert run(["cibadmin", "-R", "-x", "/no/such"], capsys).endswith("= 66\n")


def test_a_ban_with_a_lifetime_ends(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(["crm_resource", "--ban", "-r", "vip", "-N", "node1", "--lifetime", "PT1H"], capsys)
    assert said.startswith("! Migration will take effect until: 20")
    xml = run(["cibadmin", "-Q", "-o", "constraints"], capsys)
    assert '<date_expression id="cli-ban-vip-on-node1-lifetime" operation="lt" end="20' in xml
    assert run(["crm_resource", "--clear", "-r", "vip", "--expired"], capsys) == ""
    assert "Removing constraint: cli-ban-vip-on-node1" in run(["crm_resource", "--clear", "-r", "vip"], capsys)
    assert run(["crm_resource", "--ban", "-r", "vip", "-N", "node1", "--lifetime", "soon"], capsys).endswith("= 64\n")


def test_crm_mon_reads_a_cib_from_a_file_or_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CIB_file", str(Path(__file__).parent / "two_nodes.xml"))
    said = run(["crm_mon", "-1"], capsys)
    assert said.startswith("Cluster Summary:\n  * Stack: corosync\n  * Current DC: node1 (version 2.1.5-a3f44794f94)")
    assert "  * vip\t(ocf:heartbeat:IPaddr2):\t Started node1\n" in said
    monkeypatch.setenv("CIB_file", "/no/such")
    assert run(["crm_mon", "-1"], capsys).endswith("= 66\n")


def test_an_agent_asks_for_its_node_without_asking_anybody(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "node7")
    assert run(["crm_node", "-n"], capsys) == "node7\n"


def test_a_decision_imports_what_decides_and_nothing_more() -> None:
    """Three quarters of a `crm_simulate` are imports: what waits, logs or asks the cluster is not among them."""
    whole = "<configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/>"
    text = f'<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="0" num_updates="0">{whole}</cib>'
    code = "import sys; from standfast.tools.crm_simulate import main; main(['-R', '-p']); print('|', *sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True, timeout=60).stdout
    loaded = set(told.split("|")[1].split())
    heavy = {"argparse", "asyncio", "cryptography", "json", "logging", "msgspec", "rich", "socket", "subprocess", "xml"}
    assert loaded & heavy == set()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("standfast.")}
    assert rooms == {"base", "cib", "compat", "scheduler", "tools"}
    assert {name for name in loaded if name.startswith("standfast.compat.")} == {"standfast.compat.simulation"}


def test_what_cannot_be_written_is_said_in_a_line() -> None:
    words = [sys.executable, "-c", "from standfast.tools.crm_simulate import main; main()", "--version"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (74, "crm_simulate: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("--no-such-option", 64)])
def test_a_tool_whose_output_is_closed_does_its_work_all_the_same(closed: str, word: str, code: int) -> None:
    main = "from standfast.tools.crm_simulate import main; main()"
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {word} {closed}', sys.executable, main], capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == code


@pytest.mark.parametrize("module", ["crm_attribute", "crm_node", "cibadmin", "crm_resource"])
def test_a_one_shot_tool_imports_nothing_heavy(module: str) -> None:
    """60 ms from start to exit leave no room for lxml, asyncio or argparse."""
    code = f"import sys, standfast.tools.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert {"lxml", "lxml.etree", "asyncio", "argparse", "msgspec", "cryptography", "standfast.scheduler"} & set(loaded) == set()


def test_a_change_that_is_not_confirmed_is_made_and_the_tool_says_so(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from standfast.tools import crm_attribute

    report = {"code": "cib.unconfirmed", "severity": "warning", "what": "it is made, and not confirmed", "remedy": "look at n2"}
    applied = cluster.answers["cib.apply"]
    cluster.answers["cib.apply"] = lambda request: {**applied(request), "reports": [report]}
    assert crm_attribute.main(["-t", "crm_config", "-n", "x", "-v", "1"]) == 0
    assert capsys.readouterr().err == "crm_attribute: it is made, and not confirmed\n  look at n2\n"
