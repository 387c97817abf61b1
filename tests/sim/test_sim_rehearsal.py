"""`standfast rehearse`: the user's files under every single and double fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from standfast.lab.files import COROSYNC_CONF, CRM, NAMES
from standfast.tools.standfast import main

SHOP_CONF = """\
totem {
  version: 2
  cluster_name: shop
}
nodelist {
  node {
    name: alpha
    nodeid: 11
    ring0_addr: 10.0.0.1
    ring1_addr: 10.9.0.1
  }
  node {
    name: beta
    nodeid: 12
    ring0_addr: 10.0.0.2
    ring1_addr: 10.9.0.2
  }
  node {
    name: gamma
    nodeid: 13
    ring0_addr: 10.0.0.3
    ring1_addr: 10.9.0.3
  }
}
quorum {
  provider: corosync_votequorum
}
"""

SHOP_CRM = """\
primitive shop-ip IPaddr2 params ip=10.0.0.100 cidr_netmask=24 nic=bond0 op monitor interval=10s
primitive shop ocf:heartbeat:Dummy op monitor interval=5s
primitive cache ocf:heartbeat:Dummy op monitor interval=10s
primitive db ocf:pacemaker:Stateful op monitor interval=9s role=Promoted op monitor interval=10s role=Unpromoted
primitive mail systemd:postfix op monitor interval=10s
group web shop-ip shop
clone caches cache
clone dbs db meta promotable=true
property stonith-enabled=false
rsc_defaults resource-stickiness=100
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The two-node cluster of the demo, as files."""
    (tmp_path / "corosync.conf").write_text(COROSYNC_CONF)
    (tmp_path / "ha-vip.crm").write_text(CRM)
    return [str(tmp_path / "corosync.conf"), str(tmp_path / "ha-vip.crm")]


@pytest.fixture
def shop(tmp_path: Path) -> list[str]:
    """Three nodes, two links; a group, a clone, a promotable clone and a unit."""
    (tmp_path / "corosync.conf").write_text(SHOP_CONF)
    (tmp_path / "shop.crm").write_text(SHOP_CRM)
    return [str(tmp_path / "corosync.conf"), str(tmp_path / "shop.crm")]


def found(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["rehearse", "-o", "json", *words]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    report["fates"] = {
        (each["fault"], fate["service"]): fate for each in report["single"] for fate in each["services"]
    }  # by fault and service
    return report


def test_two_nodes_every_single_fault(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    report = found(capsys, "--names", ",".join(NAMES), "--doubles", "none", *files)
    fates = report["fates"]
    assert report["before"][0]["after"] == ["test-node-1"]
    for fault in ("power", "isolate", "freeze"):
        fate = fates[f"{fault}:test-node-1", "ha-vip"]
        assert fate["after"] == ["test-node-2"]
        assert 100_000 < fate["away_us"] < 1_000_000
        assert not fate["twice"]  # the lease: a frozen or cut holder gives the address up
    assert fates["standby:test-node-1", "ha-vip"]["away_us"] < 100_000
    assert ("power:test-node-2", "ha-vip") not in fates  # nobody notices
    assert fates["switch:0", "ha-vip"]["away_us"] is None
    assert fates["switch:0", "ha-vip"]["is_back"]
    assert "no client reaches it" in fates["switch:0", "ha-vip"]["why"]


def test_two_nodes_double_faults_say_what_is_left_out(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "--names", ",".join(NAMES), "--faults", "power,isolate,monitor", "--doubles", "3", *files]) == 0
    out = capsys.readouterr().out
    assert "3 played of" in out
    assert "left out (--within, --doubles)" in out
    assert "ha-vip runs nowhere: no node is left that could run it." in out


def test_three_nodes_with_a_group_clones_and_a_unit(shop: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "shop.html"
    report = found(capsys, "--doubles", "none", "--faults", "power,kill,stop", "--picture", str(picture), *shop)
    fates, before = report["fates"], {fate["service"]: fate for fate in report["before"]}
    assert before["db"]["promoted"] == ["alpha"]
    assert len(before["cache"]["after"]) == 3
    home = before["shop"]["after"][0]
    assert before["shop-ip"]["after"] == [home]
    moved = fates[f"power:{home}", "shop"]
    assert moved["after"] == fates[f"power:{home}", "shop-ip"]["after"] != [home]
    assert fates["power:alpha", "db"]["promoted"] != ["alpha"]
    assert fates["power:alpha", "db"]["away_us"] > 1_000_000  # the promotion takes as long as an agent is taken to take
    killed = fates[f"kill:{home}", "shop"]
    assert killed["doubled_us"] is None  # without fencing nobody stops what a killed manager left running
    assert home in killed["twice"]
    assert fates["stop:shop", "shop"]["is_blocked"]
    assert picture.read_text().startswith("<!doctype html>")
    assert "shop-ip" in picture.read_text()


def test_the_same_files_give_the_same_report(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["rehearse", "-o", "json", "--names", ",".join(NAMES), "--faults", "power,switch", "--doubles", "2", *files]
    main(words)
    first = capsys.readouterr().out
    main(words)
    assert capsys.readouterr().out == first


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 64, "two files are needed"),
        (["--doubles", "many"], 64, "--doubles 'many' is not 0"),
        (["--faults", "power,flood"], 64, "there is no kind of fault 'flood'"),
        (["--names", "one"], 1, "1 different names for 2 nodes"),
    ],
)
def test_what_cannot_be_played_is_refused(
    words: list[str], code: int, said: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rehearse", *words, *(files if words else files[:1])]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("text", [b"\xff\xfe", b"<cib", b"<html/>", b"primitive", b"", b"<cib><configuration/></cib>"])
def test_a_file_that_is_no_cib_is_refused(text: bytes, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[1]).write_bytes(text)
    assert main(["rehearse", *files]) != 0
    assert "standfast rehearse: " in capsys.readouterr().err


def test_the_example_of_the_docs_is_what_comes_out(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown = (Path(__file__).parents[2] / "docs" / "rehearse.md").read_text().partition("```console\n")[2].partition("```")[0]
    words = shown.splitlines()[0].split()[3:-2]
    assert main(["rehearse", *words, *files]) == 0
    assert shown.partition("\n")[2].rstrip() == capsys.readouterr().out.rstrip()


def test_a_race_of_two_fencing_nodes_is_noted(files: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shots = "primitive shot stonith:fence_x params pcmk_host_check=none{}\nproperty stonith-enabled=true\n"
    provider = "provider: corosync_votequorum"
    assert provider in COROSYNC_CONF
    (tmp_path / "corosync.conf").write_text(COROSYNC_CONF.replace(provider, f"{provider}\n  two_node: 1"))
    for wait, is_told in (("", True), (" pcmk_delay_max=5s", False)):
        (tmp_path / "ha-vip.crm").write_text(CRM + shots.format(wait))
        notes = found(capsys, "--doubles=none", "--faults=leave", *files)["notes"]
        assert any("each may fence the other" in note for note in notes) == is_told, notes
