"""Events put into a CIB: what is written, what the scheduler makes of it, and that nonsense is answered, never raised."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.base.report import Refused
from standfast.scheduler import inject as events
from standfast.scheduler.inject import Injections, Note, OperationSpec, parse_operation
from standfast.scheduler.plan import unpack
from standfast.scheduler.simulate import Request, Simulation, simulate

NOW_S = 1_782_000_000

CIB = """
<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1" num_updates="0">
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="o1" name="stonith-enabled" value="false"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
    <resources>
      <primitive id="ha-vip" class="ocf" provider="heartbeat" type="IPaddr2">
        <operations><op id="m" name="monitor" interval="10s"/></operations>
      </primitive>
      <primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/>
      <clone id="pings"><primitive id="ping" class="ocf" provider="pacemaker" type="ping"/></clone>
    </resources>
    <constraints>
      <rsc_ticket id="t" rsc="web" ticket="east" loss-policy="stop"/>
      <rsc_location id="l" rsc="ha-vip" node="n1" score="50"/>
    </constraints>
  </configuration>
  <status/>
</cib>
"""


def settled() -> etree._Element:
    """Both nodes came, the ticket was granted, everything was started."""
    request = Request(Injections(nodes_up=("n1", "n2"), tickets_granted=("east",)))
    return simulate(etree.fromstring(CIB), request, NOW_S).result


def told(root: etree._Element, *, failing: tuple[str, ...] = (), **wanted: object) -> Simulation:
    return simulate(root, Request(Injections(**wanted), failing), NOW_S)  # type: ignore[arg-type]


def changes(found: Simulation) -> list[str]:
    assert found.plan is not None
    return [f"{change.verb} {change.subject} {change.detail}" for change in found.plan.changes]


def test_nodes_that_come_make_a_cluster() -> None:
    root = settled()
    assert [state.get("uname") for state in root.iterfind("status/node_state")] == ["n1", "n2"]
    assert changes(told(root)) == []


def test_a_node_that_leaves_gives_up_its_resources_without_fencing() -> None:
    root = settled()
    found = told(root, nodes_down=("n1",))
    assert found.notes == (Note("Taking node n1 offline", "modify_node", (("action", "Offline"), ("node", "n1"))),)
    assert changes(found) == ["Start ha-vip n2"]
    assert found.cib.find("status/node_state[@uname='n1']/lrm") is None


def test_a_node_that_fails_must_be_fenced_first() -> None:
    root = settled()
    option = root.find("configuration/crm_config//nvpair[@name='stonith-enabled']")
    assert option is not None
    option.set("value", "true")
    resources = root.find("configuration/resources")
    assert resources is not None
    resources.append(etree.fromstring('<primitive id="fence" class="stonith" type="fence_dummy"/>'))
    found = told(root, nodes_failed=("n1",))
    assert any(change.startswith("Fence (reboot) n1") for change in changes(found))
    state = found.cib.find("status/node_state[@uname='n1']")
    assert state is not None
    assert (state.get("in_ccm"), state.get("crmd"), state.get("expected")) == ("false", "online", "member")


def test_an_unknown_node_may_come_but_not_leave() -> None:
    root = settled()
    assert told(root, nodes_up=("n3",)).cib.find("configuration/nodes/node[@uname='n3']") is not None
    with pytest.raises(Refused) as refused:
        told(root, nodes_down=("n3",))
    assert refused.value.exit_code == 105


def test_a_failed_monitor_is_a_history_entry_and_a_fail_count() -> None:
    root = settled()
    found = told(root, operations=("ha-vip_monitor_10000@n1=7",))
    assert "Recover ha-vip n1" in changes(found)
    entry = found.cib.find("status/node_state[@uname='n1']//lrm_rsc_op[@id='ha-vip_last_failure_0']")
    assert entry is not None
    wanted = {
        "operation": "monitor",
        "rc-code": "7",
        "interval": "10000",
        "exit-reason": "Simulated action result",
        "call-id": "4",
    }
    assert {name: entry.get(name) for name in wanted} == wanted
    pairs = {
        p.get("name"): p.get("value") for p in found.cib.iterfind("status/node_state[@uname='n1']/transient_attributes//nvpair")
    }
    assert pairs["fail-count-ha-vip#monitor_10000"] == "1"
    assert pairs["last-failure-ha-vip#monitor_10000"] == str(NOW_S)


def test_a_second_failure_counts_on() -> None:
    once = told(settled(), operations=("ha-vip_monitor_10000@n1=7",)).cib
    twice = told(once, operations=("ha-vip_monitor_10000@n1=7",)).cib
    counts = twice.xpath("//nvpair[@name='fail-count-ha-vip#monitor_10000']/@value")
    assert counts == ["2"]


def test_a_failed_start_is_for_good_where_start_failures_are_fatal() -> None:
    root = settled()
    fatal = told(root, operations=("web_start_0@n1=1",)).cib
    assert fatal.xpath("//nvpair[@name='fail-count-web#start_0']/@value") == ["INFINITY"]
    options = root.find("configuration/crm_config/cluster_property_set")
    assert options is not None
    options.append(etree.fromstring('<nvpair id="f" name="start-failure-is-fatal" value="false"/>'))
    mild = told(root, operations=("web_start_0@n1=1",)).cib
    assert mild.xpath("//nvpair[@name='fail-count-web#start_0']/@value") == ["1"]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("nix_start_0@n1=1", "Invalid resource name: nix"),
        ("ha-vip_start_0", "Invalid operation spec: ha-vip_start_0.  Only found 1 fields"),
        ("ha-vip_start_0@n1", "Invalid operation spec: ha-vip_start_0@n1.  Only found 2 fields"),
        ("pings_start_0@n1=1", "Invalid resource name: pings"),
    ],
)
def test_a_spec_that_names_nothing_is_complained_about(spec: str, complaint: str) -> None:
    root = settled()
    before = etree.tostring(root)
    found = told(root, operations=(spec,))
    assert found.notes is not None
    assert [note.text for note in found.notes if note.is_error] == [complaint]
    assert etree.tostring(found.cib) == before == etree.tostring(root)


def test_an_operation_that_is_told_to_fail_stops_the_rest() -> None:
    found = told(settled(), failing=("ha-vip_stop_0@n1=1",), operations=("ha-vip_monitor_10000@n1=7",))
    assert found.outcome is not None
    said = [note.text for note in found.outcome.notes]
    assert said[-3].startswith("Pretending action ")
    assert said[-3].endswith(" failed with rc=1")
    assert "fail-count-ha-vip#stop_0=INFINITY" in said[-2]
    assert not any("start on" in line for line in said)
    assert found.outcome.complete, "it ended because of a failure, not because the plan was wrong"
    assert len(found.result.xpath("//lrm_rsc_op[@operation='stop'][@rc-code='1']")) == 2, (
        "the last failure, and the last operation"
    )


def test_a_failure_for_an_instance_matches_under_both_names() -> None:
    for name in ("ping", "ping:0", "PING"):
        root = etree.fromstring(CIB)
        request = Request(Injections(nodes_up=("n1", "n2")), (f"{name}_start_0@n1=5", "ping_start_0@n1=x"))
        found = simulate(root, request, NOW_S)
        assert found.outcome is not None
        text = "\n".join(note.text for note in found.outcome.notes)
        assert ("failed with rc=5" in text) == (name != "ping:0" or "ping:0          start on n1" in text)


def test_a_ticket_comes_goes_rests_and_wakes() -> None:
    root = settled()
    assert "Stop web n2" in changes(told(root, tickets_revoked=("east",)))
    assert "Stop web n2" in changes(told(root, tickets_standby=("east",)))
    resting = told(root, tickets_standby=("east",)).cib
    assert changes(told(resting, tickets_activated=("east",))) == []
    assert root.find("status/tickets/ticket_state[@id='east']") is not None
    new = told(root, tickets_granted=("west",)).cib
    assert new.find("status/tickets/ticket_state[@id='west']") is not None


def test_quorum_and_watchdog_are_set() -> None:
    found = told(settled(), quorum="0", watchdog="true")
    assert all(change.startswith("Stop ") for change in changes(found))
    assert found.cib.xpath("//nvpair[@name='have-watchdog']/@value") == ["true"]
    assert [note.text for note in found.notes or ()] == ["Setting quorum: 0", "Setting watchdog: true"]


def test_fail_is_the_spec_without_the_spelling() -> None:
    one, other = settled(), settled()
    events.fail(one, unpack(one, NOW_S), "ha-vip", "monitor", "n1", NOW_S, interval_ms=10_000, rc=7)
    events.operation(other, unpack(other, NOW_S), "ha-vip_monitor_10000@n1=7", NOW_S)
    assert etree.tostring(one) == etree.tostring(other)


def test_nothing_given_to_inject_is_changed() -> None:
    root = settled()
    before = etree.tostring(root)
    wanted = Injections("0", "1", ("n1",), ("n2",), ("n1",), ("a",), ("b",), ("c",), ("d",), ("web_stop_0@n1=1",))
    copy, notes = events.inject(root, wanted, unpack(root, NOW_S), NOW_S)
    assert etree.tostring(root) == before != etree.tostring(copy)
    assert len(notes) == 12


def test_a_spec_is_taken_apart() -> None:
    spec = parse_operation("memcached:0_monitor_20000@bart.example.com=7")
    assert spec == OperationSpec("memcached:0", "monitor", 20_000, "bart.example.com", 7)
    assert parse_operation("a_b_start_0@n=-1") == OperationSpec("a_b", "start", 0, "n", -1)
    assert parse_operation("") == 0


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.text("ha-vip_monstrt@n12=0:#", max_size=30), st.sampled_from(["", "1", "true", "x"]))
def test_any_spec_and_ticket_is_answered(text: str, spec: str, quorum: str) -> None:
    root = _SETTLED
    xml_safe = "".join(char for char in text if char.isprintable())
    wanted = Injections(quorum, tickets_granted=(xml_safe,), operations=(spec, text))
    try:
        found = simulate(root, Request(wanted, (spec, text)), NOW_S)
    except Refused as refused:
        assert refused.exit_code == 105  # noqa: PT017
        return
    assert found.plan is not None
    found.plan.graph.check()
    etree.fromstring(etree.tostring(found.result))


_SETTLED = deepcopy(settled())
