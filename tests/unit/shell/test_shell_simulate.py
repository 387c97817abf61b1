"""`crm configure simulate|ptest|graph|verify` and `crm resource scores`: the plan of what is being edited, nothing touched."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.compat.crm.document import Configuration
from standfast.compat.crm.graph import draw
from standfast.shell import pictures

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import SESSION, Shell
else:
    from shell_rig import SESSION, Shell


@pytest.fixture
def shell() -> Shell:
    made = Shell()
    assert made.file(SESSION, "configure")[0]
    made.session.has_ended = False
    made.manager.requests.clear()
    return made


def changed(shell: Shell) -> bool:
    return any(request["verb"] == "cib.apply" for request in shell.manager.requests)


# ---- simulate -----------------------------------------------------------------------------------------------------------


def test_what_is_being_edited_is_what_is_simulated(shell: Shell) -> None:
    good, out, err = shell.file("primitive web ocf:heartbeat:Dummy\ngroup g ha-vip web\nsimulate nograph", "configure")
    assert good, err
    lines = out.splitlines()
    assert lines[0] == "Current cluster status:"
    assert "  * Start      ha-vip     ( test-node-1 )" in lines
    assert "  * Start      web        ( test-node-1 )" in lines
    assert (
        lines.index("Transition Summary:") < lines.index("Executing Cluster Transition:") < lines.index("Revised Cluster Status:")
    )
    assert "      * web\t(ocf:heartbeat:Dummy):\t Started test-node-1" in lines


def test_ptest_is_the_same_and_nothing_is_sent(shell: Shell) -> None:
    _, simulated, _ = shell.run("configure", "simulate", "nograph")
    good, out, err = shell.run("configure", "ptest", "nograph")
    assert (good, out, err) == (True, simulated, "")
    assert not changed(shell)


def test_scores_and_utilization_are_shown_when_asked(shell: Shell) -> None:
    assert "Assignment" not in shell.run("configure", "simulate")[1]
    out = shell.run("configure", "simulate", "scores", "utilization")[1]
    assert "Assignment Scores and Utilization Information:" in out
    assert "  * pcmk__primitive_assign: ha-vip allocation score on test-node-1: 0" in out
    assert "  * Original: test-node-1 capacity:" in out


def test_actions_alone(shell: Shell) -> None:
    good, out, _ = shell.run("configure", "simulate", "actions")
    assert (good, out) == (True, "  * Start      ha-vip     ( test-node-1 )\n")
    good, out, err = shell.file("property maintenance-mode=true\nsimulate actions\nrefresh", "configure")
    assert (good, out) == (True, "")
    assert "no actions" in err


def test_the_scheduler_remarks_as_loudly_as_asked(shell: Shell) -> None:
    status = shell.manager.cib.root.find("status")
    assert status is not None
    etree.SubElement(status, "node_state", id="7", uname="gone", in_ccm="true")
    assert "gone" not in shell.run("configure", "simulate")[2]
    assert "gone" in shell.run("configure", "simulate", "vvv")[2]


def test_a_word_that_is_not_known(shell: Shell) -> None:
    good, out, err = shell.run("configure", "simulate", "everything")
    assert (good, out) == (False, "")
    assert "usage: simulate [nograph] [v...] [scores] [utilization] [actions]" in err


def test_the_plan_is_shown_in_a_window_where_there_is_one(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    viewer = tmp_path / "xdot"
    viewer.write_text(f"#!/bin/sh\ncp $1 {tmp_path}/shown.tmp && mv {tmp_path}/shown.tmp {tmp_path}/shown\n")
    viewer.chmod(viewer.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert pictures.viewer() == ""
    assert "starting" not in shell.run("configure", "simulate")[2]
    monkeypatch.setenv("DISPLAY", ":0")
    assert "starting xdot to show transition graph" in shell.run("configure", "simulate")[2]
    assert "starting" not in shell.run("configure", "simulate", "nograph")[2]


# ---- verify and scores --------------------------------------------------------------------------------------------------


def test_verify_asks_the_scheduler_too(shell: Shell) -> None:
    remark = "requires fencing but fencing is disabled"
    assert remark not in shell.run("configure", "verify")[2]
    text = "primitive w ocf:heartbeat:Dummy meta requires=fencing\nverify\nrefresh"
    assert remark in shell.file(text, "configure")[2]
    assert not changed(shell)


def test_scores_are_those_of_the_live_cluster(shell: Shell) -> None:
    good, out, err = shell.run("resource", "scores")
    assert (good, err) == (True, "")
    assert out.splitlines() == [
        "pcmk__primitive_assign: ha-vip allocation score on test-node-1: 0",
        "pcmk__primitive_assign: ha-vip allocation score on test-node-2: 0",
    ]
    assert shell.run("resource", "scores", "ha-vip")[0] is False


# ---- graph --------------------------------------------------------------------------------------------------------------

EVERYTHING = """<configuration><crm_config/>
<nodes><node id="1" uname="node-1"/><node id="2" uname="node-2"/></nodes>
<resources>
 <primitive id="ha-vip" class="ocf" provider="heartbeat" type="IPaddr2"/>
 <primitive id="fence" class="stonith" type="external/nova"/>
 <group id="g"><primitive id="disk" class="systemd" type="mnt"/>
  <primitive id="web" class="ocf" provider="heartbeat" type="apache"/></group>
 <clone id="dbs"><primitive id="db" template="tpl"/></clone>
 <clone id="cg"><group id="inner"><primitive id="a" class="lsb" type="a"/></group></clone>
 <bundle id="b"><primitive id="boxed" class="ocf" provider="pacemaker" type="Dummy"/></bundle>
 <template id="tpl" class="ocf" provider="pacemaker" type="Stateful"/>
</resources>
<constraints>
 <rsc_location id="l1" rsc="ha-vip" node="node-1" score="100"/>
 <rsc_location id="l2" rsc="g"><rule id="r" score="-INFINITY">
  <expression id="e" attribute="#uname" operation="eq" value="node-2"/></rule></rsc_location>
 <rsc_location id="l3" rsc="g"><rule id="r3" score="5">
  <expression id="e3" attribute="cpu" operation="gt" value="2"/></rule></rsc_location>
 <rsc_order id="o1" first="ha-vip" then="g"/>
 <rsc_order id="o2" first="g" then="dbs" kind="Optional"/>
 <rsc_colocation id="c1" rsc="dbs" with-rsc="ha-vip" score="INFINITY"/>
 <rsc_order id="o3"><resource_set id="s1" sequential="false"><resource_ref id="ha-vip"/><resource_ref id="web"/></resource_set>
  <resource_set id="s2"><resource_ref id="db"/><resource_ref id="a"/></resource_set></rsc_order>
</constraints></configuration>"""


def test_the_picture_of_everything() -> None:
    lines = [line.strip() for line in draw(Configuration(etree.fromstring(EVERYTHING))).splitlines()]
    assert (lines[0], lines[-1]) == ("digraph G {", "}")
    assert '{ rank=source; "node node-1"; "node node-2"; }' in lines
    assert any(line.startswith('"ha-vip" [label="ha-vip\\nIPaddr2", shape="box"') for line in lines)
    assert any(line.startswith('"fence" [label="fence\\nexternal/nova"') and 'style="dashed"' in line for line in lines)
    assert any(line.startswith('"db" [label="clone:db\\nStateful"') and '"#ec008c"' in line for line in lines)
    assert any(line.startswith('"disk" [label="disk\\nsystemd:mnt"') for line in lines)
    assert 'subgraph "cluster_g" {' in lines
    assert '"disk" -> "web";' in lines
    assert '"tpl" -> "db" [style="dotted", dir="back", arrowtail="open", color="#b9b9b9"];' in lines
    assert '"node node-1" -> "ha-vip" [style="dashed", dir="none", label="100"];' in lines
    assert '"node node-2" -> "disk" [style="dashed", dir="none", label="-INFINITY", lhead="cluster_g"];' in lines
    assert not any('label="5"' in line for line in lines), "a rule about something else than a name is not drawn"
    assert '"ha-vip" -> "disk" [lhead="cluster_g"];' in lines
    assert '"web" -> "db" [label="Optional", ltail="cluster_g"];' in lines
    assert any(line.startswith('"db" -> "ha-vip" [style="dotted", dir="none"') and 'label="INFINITY"' in line for line in lines)
    assert {'"ha-vip" -> "db";', '"web" -> "db";', '"db" -> "a";'} <= set(lines)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=8), st.text('a"\\ -.', max_size=8))
def test_odd_names_cannot_break_a_picture(one: str, other: str) -> None:
    root = etree.fromstring("<configuration><nodes/><resources/><constraints/></configuration>")
    nodes, resources, constraints = root
    etree.SubElement(nodes, "node", id="1", uname=other)
    etree.SubElement(resources, "primitive", {"id": one, "class": other, "type": one, "template": other})
    etree.SubElement(constraints, "rsc_location", rsc=one, node=other, score=one)
    etree.SubElement(constraints, "rsc_order", {"first": one, "then": other, "kind": other})
    for line in draw(Configuration(root)).splitlines():
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
        assert '"' not in bare
        assert bare.count("[") == bare.count("]")


def test_a_picture_is_saved_printed_or_made_an_image(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = tmp_path / "g.dot"
    assert shell.run("configure", "graph", "dot", str(saved)) == (True, "", "")
    assert shell.run("configure", "graph", "dot", "-") == (True, saved.read_text(), "")
    assert saved.read_text().startswith("digraph G {")
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\n[ "$1" = -Tpng ] || { echo "Format not recognized" >&2; exit 1; }\ncat > "$3"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    image = tmp_path / "g.png"
    assert shell.run("configure", "graph", "dot", str(image), "png")[0]
    assert image.read_text() == saved.read_text()
    good, _, err = shell.run("configure", "graph", "dot", str(image), "nonsense")
    assert not good
    assert "Format not recognized" in err


def test_a_picture_that_cannot_be_made_says_what_to_do(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "crm configure graph dot FILE" in shell.run("configure", "graph")[2]
    assert "install graphviz" in shell.run("configure", "graph", "dot", str(tmp_path / "x"), "png")[2]
    assert "graph type svg is not supported" in shell.run("configure", "graph", "svg")[2]
    assert "cannot be written" in shell.run("configure", "graph", "dot", "/nonexistent/x")[2]
    assert not changed(shell)
