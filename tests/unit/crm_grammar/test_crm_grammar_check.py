"""The semantic checks, as a table of configurations and what is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from standfast.compat.crm.check import check, span_ms
from standfast.compat.crm.document import Configuration
from standfast.compat.crm.edit import Method, load
from standfast.compat.crm.parser import parse_text
from standfast.executor.metadata import Action, AgentMetadata, Parameter

EMPTY = (Path(__file__).parent / "golden" / "empty.xml").read_bytes()
IPADDR2 = AgentMetadata(
    "IPaddr2",
    parameters=(
        Parameter("ip", required=True, unique=True, shortdesc="the address"),
        Parameter("cidr_netmask"),
        Parameter("nic"),
    ),
    actions=(Action("start", "20s"), Action("stop", "20s"), Action("monitor", "20s", "10s")),
)
KNOWN = {
    ("ocf", "heartbeat", "IPaddr2"): IPADDR2,
    ("ocf", "heartbeat", "Dummy"): AgentMetadata("Dummy", parameters=(Parameter("fake"),), actions=(Action("start", "60s"),)),
    ("stonith", "", "fence_x"): AgentMetadata("fence_x", parameters=(Parameter("port", required=True), Parameter("login"))),
}


def said(text: str, fencing: str = "property stonith-enabled=false\n") -> list[str]:
    configuration = load(Configuration(etree.fromstring(EMPTY)), parse_text(fencing + text), Method.UPDATE)[0]
    reports = check(configuration, lambda *agent: KNOWN.get(agent))
    return [f"{report.severity.value} {report.sentence()}" for report in reports]


GOOD = "primitive v IPaddr2 params ip=1.2.3.4 op monitor interval=10s timeout=20s"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD, ""),
        ("primitive v IPaddr2 params cidr_netmask=24", 'error v: required parameter "ip" is not defined'),
        ("primitive v IPaddr2 params ip=", 'error v: required parameter "ip" is not defined'),
        (GOOD + " params cidr_netmsk=24", "did you mean cidr_netmask?"),
        (GOOD + " params cidr-netmask=24", "did you mean cidr_netmask?"),
        (GOOD + " meta target-rol=Started", "warning v: meta attribute target-rol is not known to the cluster (did you mean"),
        (GOOD + " op start timeout=5s", "warning v: specified timeout 5s for start is smaller than the advised 20s"),
        ("primitive d Dummy", "warning d: default timeout 20s for start is smaller than the advised 60s"),
        (GOOD + " op start timeout=soon", "error v: timeout 'soon' of start is no time span"),
        (GOOD + " op monitor", "a monitor with interval 0 never runs"),
        (GOOD + " op monitor interval=10 role=Stopped", "error v: two monitors every 10"),
        (GOOD + " op jump interval=3s", "warning v: action jump is not in the agent's meta-data"),
        ("primitive v Nosuch", "error v: no such resource agent ocf:heartbeat:Nosuch"),
        (
            GOOD + "\nprimitive w IPaddr2 params ip=1.2.3.4",
            'error Resources v,w violate uniqueness for parameter "ip": "1.2.3.4"',
        ),
        (GOOD + "\nlocation l v 5: nosuch", "warning l: referenced node nosuch does not exist"),
        (GOOD + "\nlocation l v rule #uname eq nosuch", "warning l: referenced node nosuch does not exist"),
        (GOOD + "\nlocation l /a(/ 5: node1", "may not be a valid regular expression"),
        (
            GOOD + "\nprimitive d Dummy op start timeout=60s\ngroup g v\ncolocation c inf: d v",
            "grouped, constraints should apply",
        ),
        (GOOD + "\nclone c v meta interleav=true", "did you mean interleave?"),
        ("rsc_template t IPaddr2 params ip=1.2.3.4\nprimitive v @t", ""),
        ("primitive f stonith:fence_x params login=x", ""),
        ("primitive f stonith:fence_x\nfencing_topology node9: f", "warning fencing_topology: target node9 is not a node"),
        (GOOD + "\nfencing_topology node1: v", "v is not a stonith resource"),
    ],
)
def test_findings(text: str, words: str) -> None:
    found = said(text)
    if words:
        assert any(words in sentence for sentence in found), found
    else:
        assert found == []


def test_fencing_without_a_device_is_said() -> None:
    assert any("no resource will start" in sentence for sentence in said(GOOD, fencing=""))
    assert not any("no resource will start" in s for s in said(GOOD + "\nprimitive f stonith:fence_x", fencing=""))


def test_spans() -> None:
    assert [span_ms(text) for text in ("10", "10s", "2min", "500ms", "1h", "", None, "P1D", "-3s")] == [
        10_000,
        10_000,
        120_000,
        500,
        3_600_000,
        None,
        None,
        None,
        None,
    ]


TWO = "node 1: n1\nnode 2: n2\n"
BOTH = "primitive f1 stonith:fence_x params pcmk_host_list=n1{0}\nprimitive f2 stonith:fence_x params pcmk_host_list=n2{1}\n"
RACE = (
    "warning when the two nodes lose sight of each other, each may fence the other, and then both are down: quorum.two_node lets "
    "both go on, and no fencing device gives one of them a head start (pcmk_delay_base=5s on the device that fences n1 (then n1 "
    "wins), pcmk_delay_max=5s on all devices, or property priority-fencing-delay=5s)"
)


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        (TWO + BOTH.format("", ""), True),
        (TWO + BOTH.format(" pcmk_delay_base=0", ""), True),
        (TWO + BOTH.format(" pcmk_delay_base=5s", " pcmk_delay_base=5s"), True),  # both wait alike
        (TWO + BOTH.format(" pcmk_delay_base=5s pcmk_delay_max=5s", " pcmk_delay_base=5s"), True),  # no time is left to chance
        (TWO + "primitive f stonith:fence_x params pcmk_host_check=none\n", True),
        (TWO + "primitive f stonith:fence_x params port=1\n", True),  # only its agent knows whom it fences
        (TWO + "rsc_template t stonith:fence_x params pcmk_host_check=none\nprimitive f @t\n", True),
        (TWO + BOTH.format(" pcmk_delay_base=5s", ""), False),
        (TWO + BOTH.format(" pcmk_delay_max=5s", ""), False),
        (TWO + "primitive f stonith:fence_x params pcmk_host_check=none pcmk_delay_base='n1:5s;n2:0'\n", False),
        (TWO + BOTH.format("", "") + "property priority-fencing-delay=5s\n", False),
        (TWO + BOTH.format("", "") + "property stonith-enabled=false\n", False),
        (TWO + "node 3: n3\n" + BOTH.format("", ""), False),
        (TWO + "primitive f1 stonith:fence_x params pcmk_host_list=n1\n", False),  # nobody can shoot n2
        (TWO + GOOD, False),
    ],
)
def test_two_nodes_that_may_shoot_each_other_are_told_to_give_one_a_head_start(text: str, is_told: bool) -> None:
    configuration = load(Configuration(etree.fromstring(EMPTY)), parse_text(text), Method.UPDATE)[0]
    for is_two_node in (True, False):
        reports = check(configuration, lambda *agent: KNOWN.get(agent), is_two_node=lambda: is_two_node)  # noqa: B023
        told = [f"{report.severity.value} {report.sentence()}" for report in reports if report.code == "crm.fence-race"]
        assert told == ([RACE] if is_told and is_two_node else [])
