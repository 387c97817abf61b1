"""crm_resource on a file, as Pacemaker 2.1.5 answers: where something runs, and how it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from standfast.tools.crm_resource import main

DUMMY = 'class="ocf" provider="pacemaker" type="Dummy"'


def row(name: str) -> str:
    key = "1:1:0:00000000-0000-0000-0000-000000000001"
    return (
        f'<lrm_resource id="{name}" {DUMMY}><lrm_rsc_op id="{name}_last_0" operation="start" operation_key="{name}_start_0"'
        f' transition-key="{key}" transition-magic="0:0;{key}" call-id="1" rc-code="0" op-status="0" interval="0"/>'
        "</lrm_resource>"
    )


@pytest.fixture(autouse=True)
def cib_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes: a group on the first, a clone on both, and one that is stopped."""
    states = "".join(
        f'<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="{n}">'
        f"<lrm_resources>{rows}</lrm_resources></lrm></node_state>"
        for n, rows in ((1, row("a") + row("b") + row("web")), (2, row("web")))
    )
    path = tmp_path / "cib.xml"
    path.write_text(
        '<cib have-quorum="1" dc-uuid="1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">'
        '<configuration><crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/>'
        '</cluster_property_set></crm_config><nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes><resources>'
        f'<group id="g"><primitive id="a" {DUMMY}/><primitive id="b" {DUMMY}/></group><clone id="c"><primitive id="web" {DUMMY}/>'
        f'</clone><primitive id="off" {DUMMY}/></resources><constraints/></configuration><status>{states}</status></cib>'
    )
    monkeypatch.setenv("CIB_file", str(path))


@pytest.mark.parametrize(
    ("name", "nodes"), [("a", ["n1"]), ("g", ["n1"]), ("c", ["n2", "n1"]), ("web", ["n2", "n1"]), ("web:0", ["n1"])]
)
def test_it_is_located_once_on_each_node(name: str, nodes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-W", "-r", name]) == 0
    assert capsys.readouterr().out == "".join(f"resource {name} is running on: {node}\n" for node in nodes)


def test_what_is_not_there_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-W", "-r", "off"]) == 0
    assert main(["-r", "off", "-m", "-g", "target-role"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "resource off is NOT running\nAttribute 'target-role' not found for 'off'\n"


def test_an_instance_has_the_configuration_of_its_primitive(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "-r", "web"]) == 0
    assert 'Resource XML:\n<primitive id="web"' in capsys.readouterr().out


@pytest.mark.parametrize(("name", "first"), [("c", "Started: [ n1 n2 ]\n"), ("g", "a\t(ocf:pacemaker:Dummy):\t Started n1\n")])
def test_what_is_in_it_comes_before_how_it_is_written(name: str, first: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "-r", name]) == 0
    assert capsys.readouterr().out.startswith(first)
