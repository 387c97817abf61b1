"""The trunk's cluster, decided: two nodes, one failover IP. Each test is a conversation: a situation, and what is planned."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.scheduler.api import Plan
from standfast.scheduler.graph.model import ActionKind
from standfast.scheduler.graph.xml import write_graph
from standfast.scheduler.plan import decide, schedule, situation, unpack
from standfast.scheduler.report.simulation import report
from standfast.scheduler.simulate import execute

NOW_S = 1_782_000_000
UUID = "01234567-89ab-cdef-0123-456789abcdef"

CIB = """
<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1">
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="o1" name="stonith-enabled" value="false"/>
      <nvpair id="o2" name="no-quorum-policy" value="ignore"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
    <resources>
      <primitive id="ha-vip" class="ocf" provider="heartbeat" type="IPaddr2">
        <instance_attributes id="ip"><nvpair id="ip1" name="ip" value="172.16.0.100"/></instance_attributes>
        <operations><op id="m" name="monitor" interval="10s"/></operations>
        <meta_attributes id="meta"/>
      </primitive>
    </resources>
    <constraints/>
    <rsc_defaults><meta_attributes id="d">
      <nvpair id="d1" name="resource-stickiness" value="1000"/></meta_attributes></rsc_defaults>
  </configuration>
  <status>
    <node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""


def cib() -> etree._Element:
    return etree.fromstring(CIB)


def running() -> etree._Element:
    """The cluster after its first plan was carried out: ha-vip runs on n1."""
    root = cib()
    return execute(root, schedule(root, NOW_S).graph, NOW_S).cib


def add(root: etree._Element, path: str, xml: str) -> etree._Element:
    parent = root.find(path)
    assert parent is not None
    parent.append(etree.fromstring(xml))
    return root


def option(root: etree._Element, name: str, value: str) -> etree._Element:
    found = root.xpath(f"//nvpair[@name='{name}']")
    if found:
        found[0].set("value", value)
        return root
    path = "configuration/crm_config/cluster_property_set"
    return add(root, path, f'<nvpair id="opt-{name}" name="{name}" value="{value}"/>')


def meta(root: etree._Element, name: str, value: str) -> etree._Element:
    path = "configuration/resources/primitive/meta_attributes"
    return add(root, path, f'<nvpair id="meta-{name}" name="{name}" value="{value}"/>')


def standby(root: etree._Element, node: str) -> etree._Element:
    xml = f'<instance_attributes id="a-{node}"><nvpair id="s-{node}" name="standby" value="on"/></instance_attributes>'
    return add(root, f"configuration/nodes/node[@uname='{node}']", xml)


def transient(root: etree._Element, node: str, **attributes: str) -> etree._Element:
    pairs = "".join(
        f'<nvpair id="t-{node}-{i}" name="{name.replace("__", "#").replace("_vip", "-vip")}" value="{value}"/>'
        for i, (name, value) in enumerate(attributes.items())
    )
    inner = f'<instance_attributes id="t-{node}">{pairs}</instance_attributes>'
    xml = f'<transient_attributes id="{node}">{inner}</transient_attributes>'
    return add(root, f"status/node_state[@uname='{node}']", xml)


def down(root: etree._Element, node: str) -> etree._Element:
    state = root.find(f"status/node_state[@uname='{node}']")
    assert state is not None
    for name, value in (("in_ccm", "false"), ("crmd", "offline"), ("join", "down")):
        state.set(name, value)
    return root


def result(root: etree._Element, node: str, task: str, rc: int, interval_ms: int = 0, target_rc: int = 0, call: int = 90) -> None:
    """Write an operation's result as the controller does after a failure."""
    history = root.find(f"status/node_state[@uname='{node}']/lrm/lrm_resources/lrm_resource[@id='ha-vip']")
    assert history is not None
    key = f"1:2:{target_rc}:{UUID}"
    etree.SubElement(
        history,
        "lrm_rsc_op",
        {
            "id": "ha-vip_last_failure_0",
            "operation_key": f"ha-vip_{task}_{interval_ms}",
            "operation": task,
            "interval": str(interval_ms),
            "call-id": str(call),
            "rc-code": str(rc),
            "op-status": "0",
            "on_node": node,
            "transition-key": key,
            "transition-magic": f"0:{rc};{key}",
            "last-rc-change": str(NOW_S - 5),
            "exit-reason": "the cable is gone",
        },
    )


def told(plan: Plan) -> list[str]:
    return [" ".join(f"{c.verb} {c.subject} {c.detail} {c.reason}".split()) for c in plan.changes]


def done(plan: Plan) -> list[str]:
    order = {a.id: a for a in plan.graph.actions}
    return sorted(f"{a.operation} {a.resource} {a.interval_ms} {a.node}" for a in order.values())


def test_first_start_probes_everywhere_and_monitors() -> None:
    plan = schedule(cib(), NOW_S)
    assert told(plan) == ["Start ha-vip n1"]
    assert done(plan) == [
        "monitor ha-vip 0 n1",
        "monitor ha-vip 0 n2",
        "monitor ha-vip 10000 n1",
        "start ha-vip 0 n1",
    ]
    start = next(a for a in plan.graph.actions if a.operation == "start")
    probes = {a.id for a in plan.graph.actions if a.operation == "monitor" and a.interval_ms == 0}
    assert set(start.inputs) == probes
    assert dict(start.attributes)["ip"] == "172.16.0.100"
    assert start.timeout_ms == 20_000
    assert start.kind == ActionKind.RSC_OP


def test_an_executed_plan_leaves_nothing_to_do() -> None:
    plan = schedule(running(), NOW_S)
    assert told(plan) == []
    assert plan.graph.actions == ()
    assert plan.situation.resources[0].role == "Started"
    assert plan.situation.resources[0].nodes == ("n1",)


def test_stickiness_keeps_it_where_it_is() -> None:
    plan = schedule(running(), NOW_S)
    assert {(s.node, s.points) for s in plan.scores} == {("n1", 1000), ("n2", 0)}
    assert [(r.node, r.points, r.source) for r in plan.reasons] == [("n1", 1000, "stickiness")]


def test_a_preference_moves_it() -> None:
    root = add(
        running(),
        "configuration/constraints",
        '<rsc_location id="cli-prefer-ha-vip" rsc="ha-vip" role="Started" node="n2" score="INFINITY"/>',
    )
    plan = schedule(root, NOW_S)
    assert told(plan) == ["Move ha-vip n1 -> n2"]
    start, stop = (next(a for a in plan.graph.actions if a.operation == t) for t in ("start", "stop"))
    assert stop.id in start.inputs
    assert any(r.source == "cli-prefer-ha-vip" and r.points == 1_000_000 for r in plan.reasons)


def test_a_ban_with_a_lifetime_ends_by_itself() -> None:
    xml = (
        '<rsc_location id="cli-ban-ha-vip-on-n1" rsc="ha-vip"><rule id="r" score="-INFINITY" boolean-op="and">'
        '<expression id="e" attribute="#uname" operation="eq" value="n1" type="string"/>'
        '<date_expression id="x" operation="lt" end="2026-06-21 02:00:00Z"/></rule></rsc_location>'
    )
    root = add(running(), "configuration/constraints", xml)
    plan = schedule(root, 1_782_000_000)  # 2026-06-21 00:00:00Z
    assert told(plan) == ["Move ha-vip n1 -> n2"]
    assert plan.recheck_s == 1_782_007_200
    assert told(schedule(root, 1_782_007_201)) == []


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_standby(node: str) -> None:
    plan = schedule(standby(running(), node), NOW_S)
    assert told(plan) == (["Move ha-vip n1 -> n2"] if node == "n1" else [])
    assert [n.standby for n in plan.situation.nodes] == [node == "n1", node == "n2"]


def test_the_holder_dies() -> None:
    plan = schedule(down(running(), "n1"), NOW_S)
    assert told(plan) == ["Start ha-vip n2"]
    assert [n.online for n in plan.situation.nodes] == [False, True]


def test_the_holder_leaves_in_good_order() -> None:
    plan = schedule(transient(running(), "n1", shutdown=str(NOW_S)), NOW_S)
    assert told(plan) == ["Shutdown n1", "Move ha-vip n1 -> n2"]
    leave = next(a for a in plan.graph.actions if a.operation == "do_shutdown")
    stop = next(a for a in plan.graph.actions if a.operation == "stop")
    assert leave.kind == ActionKind.CRM
    assert stop.id in leave.inputs
    assert leave.downed == ("1",)


def test_a_failed_monitor_restarts_it() -> None:
    root = running()
    result(root, "n1", "monitor", 7, interval_ms=10_000)
    plan = schedule(root, NOW_S)
    assert told(plan) == ["Recover ha-vip n1"]
    shown = plan.situation.resources[0]
    assert shown.failed
    assert plan.situation.failures[0].exit_reason == "the cable is gone"


def test_too_many_failures_move_it_and_expire() -> None:
    root = meta(meta(running(), "migration-threshold", "1"), "failure-timeout", "60s")
    result(root, "n1", "monitor", 7, interval_ms=10_000)
    attributes = {"fail-count-ha-vip#monitor_10000": "1", "last-failure-ha-vip#monitor_10000": str(NOW_S - 5)}
    transient(root, "n1", **attributes)
    plan = schedule(root, NOW_S)
    assert told(plan) == ["Recover ha-vip n1 -> n2"]
    assert plan.recheck_s == NOW_S - 5 + 61
    assert [(f.node, f.count, f.threshold) for f in plan.situation.fail_counts] == [("n1", 1, 1)]
    later = schedule(root, NOW_S + 120)
    assert [a.operation for a in later.graph.actions if a.kind == ActionKind.CRM] == ["clear_failcount"]


def test_a_failed_stop_without_fencing_blocks() -> None:
    root = running()
    result(root, "n1", "stop", 1)
    plan = schedule(root, NOW_S)
    assert told(plan) == []
    shown = plan.situation.resources[0]
    assert (shown.blocked, shown.managed, shown.failed) == (True, False, True)
    assert plan.situation.blocked == 1


def test_a_failed_start_bans_the_node() -> None:
    root = running()
    result(root, "n1", "start", 1)
    transient(root, "n1", **{"fail-count-ha-vip#start_0": "INFINITY"})
    assert told(schedule(root, NOW_S)) == ["Recover ha-vip n1 -> n2"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("maintenance-mode", "true", []),
        ("stop-all-resources", "true", ["Stop ha-vip n1 due to node availability"]),
        ("symmetric-cluster", "false", ["Stop ha-vip n1 due to node availability"]),
        ("unheard-of", "x", []),
        ("no-quorum-policy", "stop", []),
    ],
)
def test_options(name: str, value: str, expected: list[str]) -> None:
    assert told(schedule(option(running(), name, value), NOW_S)) == expected


def test_maintenance_cancels_the_monitor() -> None:
    plan = schedule(option(running(), "maintenance-mode", "true"), NOW_S)
    assert done(plan) == ["cancel ha-vip 10000 n1"]
    assert plan.situation.resources[0].maintenance


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("stop", ["Stop ha-vip n1 due to no quorum"]),
        ("freeze", []),
        ("ignore", []),
        ("demote", ["Stop ha-vip n1 due to no quorum"]),
        ("suicide", ["Stop ha-vip n1 due to no quorum"]),
    ],
)
def test_without_quorum(policy: str, expected: list[str]) -> None:
    root = option(running(), "no-quorum-policy", policy)
    root.set("have-quorum", "0")
    assert told(schedule(root, NOW_S)) == expected


def test_target_role_stopped_and_unmanaged() -> None:
    plan = schedule(meta(running(), "target-role", "Stopped"), NOW_S)
    assert told(plan) == ["Stop ha-vip n1 due to node availability"]
    assert plan.situation.disabled == 1
    plan = schedule(meta(running(), "is-managed", "false"), NOW_S)
    assert told(plan) == []
    assert plan.graph.actions == ()


def test_a_changed_parameter_restarts_and_a_changed_interval_replaces_the_monitor() -> None:
    root = running()
    root.xpath("//nvpair[@name='ip']")[0].set("value", "172.16.0.101")
    assert told(schedule(root, NOW_S)) == ["Restart ha-vip n1"]
    root = running()
    root.xpath("//op")[0].set("interval", "20s")
    assert done(schedule(root, NOW_S)) == ["cancel ha-vip 10000 n1", "monitor ha-vip 20000 n1"]


def test_a_removed_resource_is_stopped_and_forgotten() -> None:
    root = running()
    primitive = root.find("configuration/resources/primitive")
    assert primitive is not None
    primitive.getparent().remove(primitive)  # type: ignore[union-attr]
    plan = schedule(root, NOW_S)
    assert told(plan) == ["Stop ha-vip n1 due to node availability"]
    assert "delete ha-vip 0 n1" in done(plan)
    assert plan.situation.resources[0].orphaned


def test_fencing_without_a_device_touches_nothing_and_says_so() -> None:
    plan = schedule(option(cib(), "stonith-enabled", "true"), NOW_S)
    assert told(plan) == []
    told_codes = {n.code: n for n in plan.notices}
    assert "fencing" in told_codes["scheduler.no-fencing"].remedy


def test_a_lost_node_is_fenced_before_its_resource_starts() -> None:
    root = option(down(running(), "n1"), "stonith-enabled", "true")
    add(root, "configuration/resources", '<primitive id="fence" class="stonith" type="fence_ssh"/>')
    plan = schedule(root, NOW_S)
    assert "Fence (reboot) n1 'peer is no longer part of the cluster'".replace("'", "") in told(plan)
    fence = next(a for a in plan.graph.actions if a.operation == "stonith")
    start = next(a for a in plan.graph.actions if a.operation == "start" and a.resource == "ha-vip")
    assert fence.id in start.inputs
    assert plan.situation.nodes[0].unclean


def test_a_remote_node_that_was_never_connected_is_not_fenced() -> None:
    root = option(running(), "stonith-enabled", "true")
    add(root, "configuration/resources", '<primitive id="fence" class="stonith" type="fence_ssh"/>')
    add(root, "configuration/nodes", '<node id="r1" uname="r1" type="remote"/>')
    assert not [a for a in schedule(root, NOW_S).graph.actions if a.operation == "stonith"]


def test_a_promotable_clone_promotes_the_agents_choice() -> None:
    xml = (
        '<clone id="c"><meta_attributes id="cm"><nvpair id="cm1" name="promotable" value="true"/></meta_attributes>'
        '<primitive id="db" class="ocf" provider="heartbeat" type="pgsql"/></clone>'
    )
    root = add(running(), "configuration/resources", xml)
    root = execute(root, schedule(root, NOW_S).graph, NOW_S).cib
    transient(root, "n2", **{"master-db": "10"})
    plan = schedule(root, NOW_S)
    assert told(plan) == ["Promote db:1 Unpromoted -> Promoted n2"]
    promote = next(a for a in plan.graph.actions if a.operation == "promote" and a.node)
    assert (promote.resource, promote.long_id) == ("db", "db:1")
    assert dict(promote.attributes)["CRM_meta_promoted_max"] == "1"


def test_pending_operations_are_shown() -> None:
    root = running()
    history = root.find("status/node_state/lrm/lrm_resources/lrm_resource")
    assert history is not None
    key = f"1:3:0:{UUID}"
    values = {"operation": "stop", "interval": "0", "call-id": "-1", "rc-code": "193", "op-status": "-1", "on_node": "n1"}
    values |= {
        "id": "ha-vip_last_0",
        "operation_key": "ha-vip_stop_0",
        "transition-key": key,
        "transition-magic": f"-1:193;{key}",
    }
    history[0].attrib.update(values)
    assert situation(root, NOW_S).resources[0].role == "Stopping"


def test_the_graph_as_xml() -> None:
    cluster = unpack(cib(), NOW_S)
    xml = write_graph(decide(cluster).graph, cluster)
    assert xml.get("cluster-delay") == "60s"
    assert [s.get("id") for s in xml] == ["0", "1", "2", "3"]
    assert xml.xpath("count(//synapse/inputs/trigger)") == 3


def test_any_hash_seed_gives_the_same_bytes() -> None:
    code = (
        "import sys,hashlib;from lxml import etree;from standfast.scheduler.report.simulation import report;"
        "p,l=report(etree.fromstring(sys.stdin.read()),1782000000);"
        "print(hashlib.sha256(repr((p,l)).encode()).hexdigest())"
    )
    root = standby(running(), "n1")
    text = etree.tostring(root).decode()
    plan, lines = report(root, NOW_S)
    digests = {hashlib.sha256(repr((plan, lines)).encode()).hexdigest()}
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run(
            [sys.executable, "-c", code], input=text, capture_output=True, text=True, env=environment, check=True
        )
        digests.add(out.stdout.strip())
    assert len(digests) == 1


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "set", "unset", "double", "rename"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.sampled_from(
            ["", "INFINITY", "-INFINITY", "true", "0", "-1", "ha-vip", "n1", "Promoted", "stop", "9" * 30, "2024-02-30"]
        ),
    ),
    min_size=1,
    max_size=12,
)


def mutate(root: etree._Element, steps: list[tuple[str, int, int, str]]) -> etree._Element:
    """An odd CIB: elements dropped, doubled or renamed, attributes changed or lost."""
    root = deepcopy(root)
    for kind, where, which, value in steps:
        elements = [e for e in root.iter() if isinstance(e.tag, str) and e.getparent() is not None]
        if not elements:
            break
        element = elements[where % len(elements)]
        parent = element.getparent()
        assert parent is not None
        names = sorted(str(name) for name in element.attrib)
        if kind == "drop":
            parent.remove(element)
        elif kind == "double":
            parent.append(deepcopy(element))
        elif kind == "rename":
            element.tag = elements[which % len(elements)].tag
        elif names and kind == "set":
            element.set(names[which % len(names)], value)
        elif names:
            del element.attrib[names[which % len(names)]]
    return root


def rich() -> etree._Element:
    """A CIB with a bit of everything, as a start for mutations."""
    root = running()
    result(root, "n1", "monitor", 1, interval_ms=10_000)
    transient(root, "n1", **{"fail-count-ha-vip#monitor_10000": "2", "last-failure-ha-vip#monitor_10000": str(NOW_S)})
    resources = "configuration/resources"
    add(root, resources, '<group id="g"><primitive id="a" class="ocf" type="x"/><primitive id="b" class="lsb" type="y"/></group>')
    add(root, resources, '<primitive id="fence" class="stonith" type="fence_ssh"/>')
    add(
        root,
        resources,
        '<clone id="c"><meta_attributes id="cm"><nvpair id="cm1" name="promotable" value="true"/>'
        '<nvpair id="cm2" name="notify" value="true"/></meta_attributes><primitive id="db" class="ocf" type="z"/></clone>',
    )
    constraints = "configuration/constraints"
    add(root, constraints, '<rsc_colocation id="c1" rsc="g" with-rsc="ha-vip" score="INFINITY"/>')
    add(root, constraints, '<rsc_colocation id="c2" rsc="ha-vip" with-rsc="fence" score="-5"/>')
    add(root, constraints, '<rsc_order id="o1x" first="ha-vip" then="g" kind="Mandatory"/>')
    add(root, constraints, '<rsc_location id="l1" rsc-pattern="^h(.*)" node="n2" score="20"/>')
    add(root, constraints, '<rsc_order id="o2x" first="c" first-action="promote" then="g" then-action="start"/>')
    add(root, constraints, '<rsc_colocation id="c3" rsc="g" with-rsc="c" with-rsc-role="Promoted" score="50"/>')
    add(root, constraints, '<rsc_ticket id="t1" rsc="g" ticket="T" loss-policy="stop"/>')
    rule = '<rule id="r1" score="7"><date_expression id="de" operation="in_range" start="2020-01-01" end="2030-01-01"/></rule>'
    add(root, constraints, f'<rsc_location id="l2" rsc="g">{rule}</rsc_location>')
    return root


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MUTATIONS)
def test_an_odd_cib_gives_a_plan_and_never_a_traceback(steps: list[tuple[str, int, int, str]]) -> None:
    root = mutate(rich(), steps)
    before = etree.tostring(root)
    plan = schedule(root, NOW_S)
    plan.graph.check()
    assert etree.tostring(root) == before
    banned = {(s.resource, s.node) for s in plan.scores if s.points <= -1_000_000}
    for action in plan.graph.actions:
        if action.operation == "start" and action.kind == ActionKind.RSC_OP:
            assert (action.long_id or action.resource, action.node) not in banned
    starts = [(a.long_id or a.resource, a.node) for a in plan.graph.actions if a.operation == "start"]
    assert len(starts) == len(set(starts))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.sampled_from(["standby n1", "standby n2", "down n1", "ban", "prefer", "target", "fail", "no quorum"])))
def test_a_plan_applied_to_its_own_result_is_empty(events: set[str]) -> None:
    root = running()
    for event in sorted(events):
        if event.startswith("standby"):
            standby(root, event[-2:])
        elif event == "down n1":
            down(root, "n1")
        elif event == "target":
            meta(root, "target-role", "Stopped")
        elif event == "fail":
            result(root, "n1", "monitor", 1, interval_ms=10_000)
        elif event == "no quorum":
            option(root, "no-quorum-policy", "stop")
            root.set("have-quorum", "0")
        else:
            score = "-INFINITY" if event == "ban" else "500"
            add(root, "configuration/constraints", f'<rsc_location id="{event}" rsc="ha-vip" node="n2" score="{score}"/>')
    outcome = execute(root, schedule(root, NOW_S).graph, NOW_S)
    assert outcome.complete
    assert schedule(outcome.cib, NOW_S).graph.actions == ()


def test_suite_inputs_stay_out_of_the_repository() -> None:
    """The original's cases are data of another project under another licence: only their names may be here."""
    here = Path(__file__).resolve().parents[2] / "suite"
    assert {p.suffix for p in here.iterdir() if p.is_file()} <= {".py", ".txt"}


def test_rules_ask_for_the_coordinators_local_time() -> None:
    """Office hours in Vienna: 8 to 16 by its clocks, an hour ahead of UTC in winter."""
    root = cib()
    constraints = root.find("configuration/constraints")
    assert constraints is not None
    constraints.append(
        etree.fromstring(
            '<rsc_location id="office" rsc="ha-vip"><rule id="r" score="INFINITY"><expression id="e" attribute="#uname"'
            ' operation="eq" value="n2"/><date_expression id="d" operation="date_spec"><date_spec id="s" hours="8-15"/>'
            "</date_expression></rule></rsc_location>"
        )
    )
    half_past_seven_utc = 1_700_033_400
    for ahead_s, node in ((0, "n1"), (3600, "n2")):
        plan = schedule(root, half_past_seven_utc, ahead_s)
        assert [action.node for action in plan.graph.actions if action.operation == "start"] == [node]
