"""`crm resource why`, `crm what-if`, `commit --plan`, as people type them, on a CIB in a file and on kept decisions."""

from __future__ import annotations

import bz2
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.client import decisions
from standfast.runtime.archive import Archive
from standfast.scheduler.plan import schedule
from standfast.scheduler.simulate import execute
from standfast.shell.cluster import Cluster
from standfast.shell.foresight import parse_time

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import NOW_S, SESSION, Shell
else:
    from shell_rig import NOW_S, SESSION, Shell

CIB = """<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1" validate-with="pacemaker-3.9"
  epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="o1" name="stonith-enabled" value="false"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="node1"/><node id="2" uname="node2"/></nodes>
    <resources>
      <primitive id="ha-vip" class="ocf" provider="heartbeat" type="IPaddr2">
        <instance_attributes id="ip"><nvpair id="ip1" name="ip" value="172.16.0.100"/></instance_attributes>
        <operations><op id="m" name="monitor" interval="10s"/></operations>
      </primitive>
      <primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/>
    </resources>
    <constraints>
      <rsc_colocation id="web-with-ip" rsc="web" with-rsc="ha-vip" score="INFINITY"/>
    </constraints>
    <rsc_defaults><meta_attributes id="d">
      <nvpair id="d1" name="resource-stickiness" value="1000"/></meta_attributes></rsc_defaults>
  </configuration>
  <status>
    <node_state id="1" uname="node1" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="node2" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""
BAN = '<rsc_location id="cli-ban-ha-vip-on-node1" rsc="ha-vip" node="node1" score="-INFINITY"/>'


def on_file() -> Shell:
    """A shell that asks what it would ask outside of tests: the file that CIB_file names."""
    shell = Shell()
    shell.session.cluster = Cluster()
    return shell


def settled(root: etree._Element) -> etree._Element:
    for _ in range(3):
        root = execute(root, schedule(root, NOW_S).graph, NOW_S).cib
    return root


@pytest.fixture
def cib_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cluster at rest, ha-vip on node1, in a file that CIB_file names; no decision is kept."""
    path = tmp_path / "cib.xml"
    path.write_bytes(etree.tostring(settled(etree.fromstring(CIB))))
    monkeypatch.setenv("CIB_file", str(path))
    monkeypatch.setattr(decisions, "STATE_DIR", str(tmp_path))
    return path


def test_why(cib_file: Path) -> None:
    assert cib_file.exists()
    good, out, _ = on_file().run("resource", "why", "ha-vip")
    assert good
    assert out.splitlines() == [
        "ha-vip runs on node1: node1 has 1000 from stickiness and 1000 from web-with-ip; node2 has 0.",
        "  What would change it:",
        "    crm node standby node1  -> ha-vip would move to node2",
    ]


def test_why_full_and_json(cib_file: Path) -> None:
    assert cib_file.exists()
    _, out, _ = on_file().run("resource", "why", "web", "full")
    assert "    node2: -INFINITY" in out
    assert "web-with-ip: web is colocated with ha-vip (web-with-ip)" in out
    (found,) = json.loads(on_file().run("resource", "why", "web", "-o", "json")[1])
    assert found["verdict"] == "web runs on node1"
    assert found["places"][1]["causes"][0]["code"] == "why.together"


def test_why_of_nobody(cib_file: Path) -> None:
    assert cib_file.exists()
    shell = on_file()
    good, out, err = shell.run("resource", "why", "nobody")
    assert (good, out) == (False, "")
    assert "there is no resource nobody" in err
    assert shell.session.exit_code == 105


def test_why_at_a_time_and_since_when(cib_file: Path) -> None:
    """Three decisions were kept: the start, ten minutes ago a ban, five minutes ago a node in standby."""
    archive = Archive(cib_file.parent / "pengine")
    root = etree.fromstring(CIB)
    archive.keep(etree.tostring(root), NOW_S - 3600, ())
    root = settled(root)
    (constraints,) = root.iter("constraints")
    constraints.append(etree.fromstring(BAN))
    archive.keep(etree.tostring(root), NOW_S - 600, ())
    root = settled(root)
    archive.keep(etree.tostring(root), NOW_S - 300, ())
    cib_file.write_bytes(etree.tostring(root))

    _, now, _ = on_file().run("resource", "why", "ha-vip")
    assert now.startswith("ha-vip runs on node2: node1 is banned (-INFINITY) by cli-ban-ha-vip-on-node1 since ")
    assert "; node2 has 1000 from stickiness" in now
    _, then, _ = on_file().run("resource", "why", "ha-vip", "--at", "7m")
    first, second, *_ = then.splitlines()
    assert first.startswith("As decided at ")
    assert first.endswith("(pe-input-1.bz2):")
    assert second.startswith("ha-vip runs on node1 and is about to move to node2: node1 is banned")
    good, _, err = on_file().run("resource", "why", "ha-vip", "--at", "2h")
    assert not good
    assert "no decision of that time or before is kept" in err


def test_what_if_a_node_is_lost(cib_file: Path) -> None:
    before = cib_file.read_bytes()
    _, out, _ = on_file().run("what-if", "node", "node1", "down")
    assert out.splitlines() == [
        "Suppose node1 is lost without a word:",
        "(quorum is taken to stay as it is: two nodes usually run with two_node or a third opinion)",
        "ha-vip moves from node1 to node2",
        "web moves from node1 to node2",
    ]
    assert cib_file.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("node", "node2", "standby"), ["Suppose node2 is put into standby:", "Nothing would change."]),
        (
            ("resource", "ha-vip", "fails"),
            [
                "Suppose the monitor of ha-vip on node1 finds that it is not running:",
                "ha-vip is recovered on node1",
                "1 other resource stays as it is.",
            ],
        ),
        (
            ("resource", "ha-vip", "fails", "stop"),
            [
                "Suppose the stop of ha-vip on node1 fails:",
                "ha-vip is blocked on node1: nobody moves it",
                "1 other resource stays as it is.",
            ],
        ),
        (
            ("resource", "ha-vip", "fails", "start"),
            ["Suppose the start of ha-vip on node1 fails:", "ha-vip moves from node1 to node2", "web moves from node1 to node2"],
        ),
    ],
)
def test_what_if(cib_file: Path, words: tuple[str, ...], expected: list[str]) -> None:
    assert cib_file.exists()
    _, out, _ = on_file().run("what-if", *words)
    assert out.splitlines() == expected


def test_what_if_another_configuration(cib_file: Path) -> None:
    text = cib_file.parent / "new.crm"
    text.write_text("location away web -inf: node1\nlocation away2 web -inf: node2\n")
    _, out, _ = on_file().run("what-if", "configure", str(text))
    assert out.splitlines()[:3] == [
        f"Suppose the configuration of {text} is loaded (update):",
        "web stops on node1 and runs nowhere then (due to node availability)",
        "  web runs nowhere: node1 is banned (-INFINITY) by away; node2 is banned (-INFINITY) by away2.",
    ]
    good, out, _ = on_file().run("what-if", "node", "node9", "down", "-o", "json")
    assert not good


def test_commit_shows_the_plan_before_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIB_file", raising=False)
    shell = Shell(answers=("n",))
    assert shell.file(SESSION, "configure")[0]
    shell.session.has_ended = False
    shell.manager.requests.clear()
    shell.answers[:] = ["n"]
    good, out, err = shell.type("configure", "primitive other ocf:pacemaker:Dummy", "commit --plan")
    assert not good
    assert "When this is committed:" in out
    assert "nothing was committed" in err
    assert shell.questions[-1] == "Do you want to commit (y/n)? "
    assert not [r for r in shell.manager.requests if r["verb"] == "cib.apply"]


def test_times() -> None:
    """The last 03:12 that was, an age, an epoch, ISO 8601."""
    assert parse_time("20m", NOW_S) == NOW_S - 1200
    assert parse_time(str(NOW_S), 0) == NOW_S
    for text in ("00:00", "03:12", "23:59:59"):
        assert NOW_S - 86_400 < parse_time(text, NOW_S) <= NOW_S
    assert parse_time("2026-11-22T03:12:00Z", NOW_S) == 1_795_317_120
    for text in ("25:00", "yesterday", "", "3:7:9:1"):
        with pytest.raises(Refused):
            parse_time(text, NOW_S)


def test_the_archive_wraps_at_its_limit(tmp_path: Path) -> None:
    small = CIB.replace('name="stonith-enabled" value="false"', 'name="pe-input-series-max" value="2"').encode()
    archive = Archive(tmp_path)
    names = [archive.keep(small, NOW_S + n, ()) for n in range(3)]
    assert [path.name for path in names if path] == ["pe-input-0.bz2", "pe-input-1.bz2", "pe-input-0.bz2"]
    assert Archive(tmp_path).keep(small, NOW_S + 3, ()) == tmp_path / "pe-input-1.bz2", "the number survives the process"
    root = etree.fromstring(bz2.decompress((tmp_path / "pe-input-1.bz2").read_bytes()))
    assert root.get("execution-date") == str(NOW_S + 3)
    assert Archive(tmp_path).keep(small.replace(b'max" value="2"', b'max" value="0"'), NOW_S, ()) is None


def test_a_disk_that_refuses_costs_the_archive_only(capfd: pytest.CaptureFixture[str]) -> None:
    archive = Archive(Path("/proc/self/nowhere"))
    assert archive.keep(CIB.encode(), NOW_S, ()) is None
    assert archive.keep(CIB.encode(), NOW_S, ()) is None
    assert capfd.readouterr().err.count("decisions are not kept") == 1
