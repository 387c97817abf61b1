"""The status as Pacemaker 2.1.5 printed it for the same cluster.

goldens/NAME.cib.xml is a CIB, NAME.xml and NAME.txt are what crm_mon 2.1.5 said about it (`%% VARIANT` starts each text). The
texts are made twice here: from Pacemaker's own XML (so that only the words are under test), and from the CIB through our own
scheduler (so that the whole way is).
"""

from __future__ import annotations

import importlib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.api.status import situation_from_json, situation_to_json
from standfast.base.situation import NodeStatus, ResourceStatus, Situation
from standfast.base.wire import Malformed
from standfast.client.cib_file import CibFile, status_of
from standfast.compat.exit_codes import interval_text
from standfast.compat.status_page import View, name_key
from standfast.compat.status_text import render, render_simple
from standfast.compat.status_xml import render_xml

status_of_xml = importlib.import_module("status_from_xml").status_of_xml  # beside this file, which is no package

GOLDENS = Path(__file__).parent / "goldens"
NAMES = sorted(path.name.removesuffix(".cib.xml") for path in GOLDENS.glob("*.cib.xml"))
NOW_S = 1_787_479_500  # Sun Aug 23 10:05:00 2026 UTC
OFFLINE = View(daemon=False)
VIEWS = {
    "r": OFFLINE,
    "plain": replace(OFFLINE, inactive=False),
    "n": replace(OFFLINE, by_node=True),
    "R": replace(OFFLINE, detail=True),
    "full": replace(OFFLINE, fail_counts=True, operations=True, timing=True, attributes=True),
    "b": replace(OFFLINE, brief=True),
    "f": replace(OFFLINE, fail_counts=True),
}
FULL_REQUEST = "crm_mon -1 --output-as=xml -r -f -o -t -A"
# Of this one the XML of Pacemaker does not tell what its text does: a masked probe.
UNTOLD = {"probe-not-installed"}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates of the goldens are UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def texts(name: str) -> dict[str, str]:
    parts = re.split(r"^%% (\w+)\n", (GOLDENS / f"{name}.txt").read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("variant", VIEWS)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNTOLD])
def test_the_words(name: str, variant: str) -> None:
    status = status_of_xml((GOLDENS / f"{name}.xml").read_text(), NOW_S)
    assert render(status, VIEWS[variant]) == texts(name)[variant]


@pytest.mark.parametrize("name", NAMES)
def test_the_line_for_nagios(name: str) -> None:
    text, is_well = render_simple(status_of_xml((GOLDENS / f"{name}.xml").read_text(), NOW_S))
    assert text == texts(name)["s"]
    assert is_well == text.startswith("CLUSTER OK")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNTOLD])
def test_the_xml(name: str) -> None:
    expected = (GOLDENS / f"{name}.xml").read_text()
    status = status_of_xml(expected, NOW_S)
    made = render_xml(status, FULL_REQUEST, VIEWS["full"])
    made = re.sub(r"  <pacemakerd [^\n]*\n", "", made)  # only a live cluster has it
    assert normal(made) == normal(expected)


def normal(xml: str) -> list[str]:
    """Lines, without what a situation does not know: whether an absent node was expected; and the > that may stand as it is."""
    gone = r'(online="false".*) expected_up="[^"]*"'
    return [re.sub(gone, r"\1", line).replace("&gt;", ">") for line in xml.splitlines()]


@pytest.mark.parametrize("variant", ["r", "full", "n", "R"])
@pytest.mark.parametrize("name", NAMES)
def test_the_whole_way_from_the_cib(name: str, variant: str) -> None:
    status = {**status_of(CibFile(str(GOLDENS / f"{name}.cib.xml")).root()), "now_s": NOW_S}
    assert render(status, VIEWS[variant]) == texts(name)[variant]


# ---- what a live cluster says more, and limits -------------------------------------------------------------------------------


def small(**changes: Any) -> dict[str, Any]:
    status = status_of_xml((GOLDENS / "running.xml").read_text(), NOW_S)
    return {**status, **changes}


def test_a_live_cluster_says_first_how_its_daemon_does() -> None:
    first = "Status of pacemakerd: 'Pacemaker is running' (last updated 2026-08-23 10:05:00Z)\nCluster Summary:\n"
    assert render(small()).startswith(first)
    assert "'Pacemaker daemons are starting'" in render(small(local_state="joining"))
    assert '<pacemakerd sys_from="pacemakerd" state="running" last_updated="2026-08-23 10:05:00Z"/>' in render_xml(small(), "x")


def test_xml_escapes_what_agents_say() -> None:
    status = small()
    status["situation"]["nodes"][0]["attributes"] = [["note", 'a<b & "c"\n']]
    xml = render_xml(status, 'crm_mon --node="x"', VIEWS["full"])
    assert 'value="a&lt;b &amp; &quot;c&quot;&#10;"' in xml
    assert etree.fromstring(xml.encode()).find("node_attributes/node/attribute").get("value") == 'a<b & "c"\n'  # type: ignore[union-attr]


def test_only_one_node_or_resource() -> None:
    text = render(small(), replace(OFFLINE, only_node="node2"))
    assert "Online: [ node2 ]" in text
    assert "No resources" in text
    assert "No resources" in render(small(), replace(OFFLINE, only_resource="other"))
    assert "vip" in render(small(), replace(OFFLINE, only_resource="vip"))


def test_a_reply_that_is_not_one_is_refused() -> None:
    for situation in ({}, {"nodes": 1}, {**small()["situation"], "resources": [{}]}, {**small()["situation"], "instances": "x"}):
        with pytest.raises(Malformed):
            render(small(situation=situation))


@pytest.mark.parametrize(
    ("interval_ms", "text"),
    [
        (0, "0s"),
        (999, "999ms"),
        (1000, "1000ms"),
        (1200, "1.200s"),
        (10_000, "10s"),
        (60_000, "60s"),
        (90_000, "1m30s"),
        (3_600_000, "60m"),
    ],
)
def test_intervals(interval_ms: int, text: str) -> None:
    assert interval_text(interval_ms) == text


def test_names_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["node10", "Node2", "a", "node1"], key=name_key) == ["a", "node1", "Node2", "node10"]


NAMES_OF_ALL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
RESOURCES = st.recursive(
    st.builds(
        ResourceStatus,
        id=NAMES_OF_ALL,
        kind=st.just("primitive"),
        agent=NAMES_OF_ALL,
        role=st.sampled_from(["Started", "Stopped", "Promoted", "Starting"]),
        target_role=st.sampled_from(["", "Stopped", "started", "Unpromoted"]),
        nodes=st.lists(st.sampled_from(["n1", "n2", "ghost"]), unique=True, max_size=3).map(tuple),
        active=st.booleans(),
        orphaned=st.booleans(),
        failed=st.booleans(),
        managed=st.booleans(),
    ),
    lambda inner: st.builds(
        ResourceStatus,
        id=NAMES_OF_ALL,
        kind=st.sampled_from(["group", "clone", "bundle"]),
        children=st.lists(inner, max_size=3).map(tuple),
        meta=st.sampled_from([(), (("promotable", "true"),), (("globally-unique", "true"), ("clone-max", "1"))]),
    ),
    max_leaves=6,
)
SITUATIONS = st.builds(
    Situation,
    nodes=st.just((NodeStatus("n1", "1", online=True), NodeStatus("n2", "2", unclean=True))),
    resources=st.lists(RESOURCES, max_size=4).map(tuple),
    failures=st.just(()),
    operations=st.just(()),
    fail_counts=st.just(()),
    options=st.just(()),
    instances=st.integers(0, 5),
    disabled=st.integers(0, 2),
    blocked=st.integers(0, 2),
)


@settings(max_examples=150, deadline=None)
@given(SITUATIONS, st.sampled_from(sorted(VIEWS)))
def test_any_situation_has_a_text_and_travels_unchanged(situation: Situation, variant: str) -> None:
    assert situation_from_json(situation_to_json(situation)) == situation
    status = {**status_of_xml((GOLDENS / "running.xml").read_text(), NOW_S), "situation": situation_to_json(situation)}
    assert render(status, VIEWS[variant]).endswith("\n")
    etree.fromstring(render_xml(status, "crm_mon", VIEWS[variant]).encode())
