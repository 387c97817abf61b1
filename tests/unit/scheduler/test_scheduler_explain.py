"""Why: situations in which `crm_resource --why` says nothing or too little, and the sentences that are owed there."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.scheduler.explain.explain import Question, answer, explain, explain_of
from standfast.scheduler.explain.model import Explanation
from standfast.scheduler.plan import schedule
from standfast.scheduler.simulate import execute

NOW_S = 1_782_000_000
SUITE = Path(__file__).resolve().parents[4] / "shared" / "scheduler-suite"

EMPTY = """
<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1">
  <configuration>
    <crm_config><cluster_property_set id="options">
      <nvpair id="o-stonith" name="stonith-enabled" value="false"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="node1"/><node id="2" uname="node2"/></nodes>
    <resources/><constraints/><rsc_defaults/>
  </configuration>
  <status>
    <node_state id="1" uname="node1" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="node2" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""


class World:
    """A CIB that a test grows line by line."""

    def __init__(self) -> None:
        self.root = etree.fromstring(EMPTY)

    def add(self, path: str, xml: str) -> World:
        parent = self.root.find(path)
        assert parent is not None
        parent.append(etree.fromstring(xml))
        return self

    def option(self, name: str, value: str) -> World:
        found = self.root.xpath(f"//nvpair[@name='{name}']")
        if found:
            found[0].set("value", value)
            return self
        return self.add("configuration/crm_config/*", f'<nvpair id="o-{name}" name="{name}" value="{value}"/>')

    def primitive(self, name: str, inside: str = "", **meta: str) -> World:
        pairs = "".join(f'<nvpair id="{name}-m-{k}" name="{k.replace("_", "-")}" value="{v}"/>' for k, v in meta.items())
        xml = f'<primitive id="{name}" class="ocf" provider="pacemaker" type="Dummy">{inside}'
        return self.add("configuration/resources", f'{xml}<meta_attributes id="{name}-m">{pairs}</meta_attributes></primitive>')

    def constraint(self, xml: str) -> World:
        return self.add("configuration/constraints", xml)

    def run(self) -> World:
        """Carry the plan out."""
        for _ in range(3):
            self.root = execute(self.root, schedule(self.root, NOW_S).graph, NOW_S).cib
        return self

    def failed(self, name: str, node: str, count: str = "INFINITY", task: str = "start", rc: int = 1) -> World:
        """The history of an operation that failed, as a controller leaves it."""
        state = self.root.xpath(f"status/node_state[@uname='{node}']")[0]
        for tag in ("lrm", "lrm_resources"):
            state = state.find(tag) if state.find(tag) is not None else etree.SubElement(state, tag, id=node)
        for old in state.xpath(f"lrm_resource[@id='{name}']"):
            state.remove(old)
        history = etree.SubElement(state, "lrm_resource", id=name, type="Dummy", provider="pacemaker")
        history.set("class", "ocf")
        key = f"3:1:0:{'0' * 8}"
        values = {
            "id": f"{name}_last_failure_0",
            "operation_key": f"{name}_{task}_0",
            "operation": task,
            "transition-key": key,
            "transition-magic": f"0:{rc};{key}",
            "exit-reason": "no such device",
            "on_node": node,
            "call-id": "7",
            "rc-code": str(rc),
            "op-status": "0",
            "interval": "0",
            "last-rc-change": "1781999000",
        }
        entry = etree.SubElement(history, "lrm_rsc_op")
        for attribute, value in values.items():
            entry.set(attribute, value)
        if task == "start":  # and then it was stopped
            stopped = {"id": f"{name}_last_0", "operation_key": f"{name}_stop_0", "operation": "stop", "rc-code": "0"}
            key = f"4:2:0:{'0' * 8}"
            stopped |= {"call-id": "8", "transition-key": key, "transition-magic": f"0:0;{key}", "exit-reason": ""}
            history.append(deepcopy(entry))
            for attribute, value in stopped.items():
                history[-1].set(attribute, value)
        state = self.root.xpath(f"status/node_state[@uname='{node}']")[0]
        state.append(
            etree.fromstring(
                f'<transient_attributes id="{node}"><instance_attributes id="s-{node}">'
                f'<nvpair id="f-{node}" name="fail-count-{name}#{task}_0" value="{count}"/>'
                f'<nvpair id="l-{node}" name="last-failure-{name}#{task}_0" value="1781999000"/>'
                "</instance_attributes></transient_attributes>"
            )
        )
        return self

    def why(self, name: str, since: dict[str, int] | None = None) -> Explanation:
        known = since or {}
        before = etree.tostring(self.root)
        question = Question(self.root, NOW_S, clock=lambda s: f"T{s - NOW_S:+d}", since=known.get)
        (found, *_) = explain(question, name)
        assert etree.tostring(self.root) == before, "the question changed the CIB"
        return found


BAN = '<rsc_location id="cli-ban-{0}-on-{1}" rsc="{0}" node="{1}" score="-INFINITY" role="Started"/>'


def cures(found: Explanation) -> list[str]:
    return [f"{cure.command} -> {cure.result}" for cure in found.cures]


def stickiness(world: World) -> World:
    return world.add(
        "configuration/rsc_defaults",
        '<meta_attributes id="d"><nvpair id="d1" name="resource-stickiness" value="1000"/></meta_attributes>',
    )


def test_a_ban_and_stickiness() -> None:
    world = stickiness(World().primitive("ha-vip"))
    world.constraint(BAN.format("ha-vip", "node1")).run()
    found = world.why("ha-vip", {"cli-ban-ha-vip-on-node1": NOW_S - 600})
    assert found.sentence() == (
        "ha-vip runs on node2: node1 is banned (-INFINITY) by cli-ban-ha-vip-on-node1 since T-600; "
        "node2 has 1000 from stickiness."
    )
    assert cures(found) == ["crm node standby node2 -> ha-vip would stop: no other node may run it"]


def test_bans_on_both_nodes() -> None:
    world = World().primitive("ha-vip").constraint(BAN.format("ha-vip", "node1")).constraint(BAN.format("ha-vip", "node2"))
    found = world.why("ha-vip")
    assert found.sentence() == (
        "ha-vip runs nowhere: node1 is banned (-INFINITY) by cli-ban-ha-vip-on-node1; "
        "node2 is banned (-INFINITY) by cli-ban-ha-vip-on-node2."
    )
    assert cures(found) == ["crm resource clear ha-vip -> ha-vip would start on node1"]


def test_no_fence_device() -> None:
    found = World().option("stonith-enabled", "true").primitive("ha-vip").why("ha-vip")
    assert found.sentence() == (
        "ha-vip runs nowhere: nothing is started or moved because fencing is on (stonith-enabled=true) and no fencing device is "
        "configured."
    )
    assert cures(found)[0].endswith("crm configure property stonith-enabled=false -> ha-vip would start on node1")


def test_a_chain_of_colocations_ends_at_its_cause() -> None:
    world = World().primitive("fs", target_role="Stopped").primitive("db").primitive("web")
    world.constraint('<rsc_colocation id="db-with-fs" rsc="db" with-rsc="fs" score="INFINITY"/>')
    world.constraint('<rsc_colocation id="web-with-db" rsc="web" with-rsc="db" score="INFINITY"/>')
    found = world.why("web")
    assert found.sentence() == (
        "web runs nowhere: web has to be with db, which runs nowhere (web-with-db); "
        "db has to be with fs, which runs nowhere (db-with-fs); fs is told to be stopped (target-role=Stopped)."
    )
    assert cures(found) == ["crm resource start fs -> web would start on node1"]


def test_failed_starts_on_both_nodes_and_what_cleaning_up_would_do() -> None:
    found = World().primitive("db").failed("db", "node1").failed("db", "node2", rc=5).why("db")
    assert found.sentence() == (
        "db runs nowhere: node1 is banned because db failed there for good (a failed start counts as INFINITY): "
        "the start failed with 'error' (no such device) at T-1000; "
        "node2 is banned because an operation of db failed there: "
        "the start failed with 'not installed' (no such device) at T-1000."
    )
    assert cures(found)[0] == "crm resource cleanup db node1 -> db would start on node1"


def test_migration_threshold() -> None:
    world = World().primitive("db", migration_threshold="3").failed("db", "node1", count="3", task="monitor", rc=7)
    assert "node1 is banned because db failed there 3 times (migration-threshold 3)" in world.why("db").sentence()


def test_a_ticket() -> None:
    world = World().primitive("db").constraint('<rsc_ticket id="t" rsc="db" ticket="site-a" loss-policy="stop"/>')
    found = world.why("db")
    assert found.sentence() == "db runs nowhere: db needs the ticket site-a, which is not granted here."
    assert cures(found) == ["crm_ticket --ticket site-a --grant -> db would start on node1"]


def test_utilization() -> None:
    world = World().option("placement-strategy", "utilization")
    for element in world.root.iter("node"):
        element.append(
            etree.fromstring(
                f'<utilization id="u{element.get("id")}"><nvpair id="c{element.get("id")}" name="cpu" value="2"/></utilization>'
            )
        )
    world.primitive("db", '<utilization id="u"><nvpair id="u-cpu" name="cpu" value="4"/></utilization>')
    assert world.why("db").sentence() == (
        "db runs nowhere: node1 and node2 have too little capacity for db (cpu 4 needed, 2 left)."
    )


def test_health() -> None:
    world = World().option("node-health-strategy", "only-green").primitive("db")
    for state in world.root.iter("node_state"):
        name = state.get("uname")
        xml = f'<nvpair id="h-{name}" name="#health-disk" value="red"/>'
        xml = f'<instance_attributes id="i-{name}">{xml}</instance_attributes>'
        state.append(etree.fromstring(f'<transient_attributes id="{name}">{xml}</transient_attributes>'))
    found = world.why("db")
    assert found.sentence() == (
        "db runs nowhere: node1 and node2 are not healthy (#health-disk=red; node-health-strategy=only-green)."
    )
    assert "db would start on node1" in cures(found)[0]


def test_no_quorum() -> None:
    world = World().primitive("db")
    world.root.set("have-quorum", "0")
    found = world.why("db")
    assert found.sentence().startswith("db runs nowhere: this partition has no quorum (2 of 2 nodes; no-quorum-policy=stop)")


def test_an_order_behind_something_stopped() -> None:
    world = World().primitive("first", target_role="Stopped").primitive("then")
    world.constraint('<rsc_order id="o" first="first" then="then"/>')
    assert world.why("then").sentence() == (
        "then runs nowhere: it may start only after the start of first, which cannot happen; "
        "first is told to be stopped (target-role=Stopped)."
    )


def test_a_rule_is_quoted_with_the_attribute_as_it_is() -> None:
    world = (
        World()
        .primitive("db")
        .constraint(
            '<rsc_location id="loc" rsc="db"><rule id="r" score="-INFINITY" boolean-op="or">'
            '<expression id="e1" attribute="pingd" operation="not_defined"/>'
            '<expression id="e2" attribute="pingd" operation="lt" value="1"/></rule></rsc_location>'
        )
    )
    found = world.why("db")
    assert found.sentence() == (
        "db runs nowhere: node1 and node2 are banned (-INFINITY) by loc "
        "(pingd not_defined: it is not defined or pingd lt 1: it is not defined)."
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("maintenance-mode", "true", "the cluster is in maintenance mode, and keeps its hands off every resource"),
        ("stop-all-resources", "true", "all resources are told to stop (stop-all-resources=true)"),
    ],
)
def test_options_that_count_everywhere(name: str, value: str, said: str) -> None:
    found = World().primitive("db").option(name, value).why("db")
    assert said in found.sentence()
    assert cures(found)[0].endswith("-> db would start on node1")


def test_standby_and_where_it_would_go() -> None:
    world = World().primitive("db").run()
    world.add(
        "configuration/nodes/node",
        '<instance_attributes id="n"><nvpair id="n-s" name="standby" value="on"/></instance_attributes>',
    )
    found = world.why("db")
    assert found.sentence() == "db runs on node1 and is about to move to node2: node1 is in standby; node2 has 0."
    assert cures(found) == [
        "crm node online node1 -> db would stay on node1",
        "crm node standby node2 -> db would stop: no other node may run it",
    ]


def test_unknown_resources_are_refused() -> None:
    with pytest.raises(Refused, match="there is no resource nobody"):
        World().why("nobody")


@pytest.mark.skipif(not SUITE.is_dir(), reason="needs ../shared/scheduler-suite (Pacemaker's scheduler cases)")
def test_it_is_never_silent() -> None:
    """On all of Pacemaker's cases: what runs nowhere, and will not, has a cause or an obstacle on some node."""
    silent = []
    for path in sorted((SUITE / "xml").glob("*.xml")):
        question = Question(etree.parse(path).getroot(), NOW_S)
        ask = answer(question)
        for rsc in [rsc for rsc in ask.cluster.resources if rsc.agent[2] != "remote"]:
            for found in explain_of(question, ask, rsc.id, trials_max=0):
                is_idle = not found.nodes and not found.target
                if is_idle and not found.causes and all(place.usable for place in found.places):
                    silent.append(f"{path.stem}: {found.sentence()}")
    assert not silent
