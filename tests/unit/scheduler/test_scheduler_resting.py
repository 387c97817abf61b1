"""What is at rest is left out of a plan, and the plan is the one from scratch all the same: after every kind of change, who is
left out, and that nobody is left out who must not be."""

from __future__ import annotations

import random

import pytest
from follower_rig import NOW_S, Cluster, lost, remove, wander, write
from lxml import etree

from standfast.cib.operations import Operation, OpKind
from standfast.lab.clusters import failed_monitor, settled
from standfast.scheduler.plan import schedule
from standfast.scheduler.simulate import execute

NODES, PRIMITIVES = 4, 41
TOPS = 9 + 4 + 1
"""Groups, clones, and the fencing device of such a cluster; the device never rests, because everybody needs it."""


def at_rest() -> Cluster:
    cluster = Cluster(settled(NODES, PRIMITIVES))
    assert cluster.is_right()
    return cluster


def settle(root: etree._Element) -> Cluster:
    """A cluster that has done what its configuration asks for."""
    cluster = Cluster(root)
    for _ in range(6):
        plan = schedule(cluster.cib.root, NOW_S)
        cluster.become(execute(cluster.cib.root, plan.graph, NOW_S).cib)
    assert cluster.is_right()
    return cluster


def awake(cluster: Cluster, *changes: Operation) -> int:
    """How many resources were looked at in the plan after these changes, which has to be right."""
    cluster.change(*changes)
    assert cluster.is_right(), changes
    return TOPS - cluster.follower.left_out


def attribute(node: int, name: str, value: str) -> Operation:
    return write(
        "status",
        f'<node_state id="{node}"><transient_attributes id="{node}"><instance_attributes id="status-{node}">'
        f'<nvpair id="a-{node}-{name.partition("#")[0]}" name="{name}" value="{value}"/>'
        "</instance_attributes></transient_attributes></node_state>",
    )


def meta(kind: str, name: str, option: str, value: str) -> Operation:
    pairs = f'<meta_attributes id="m-{name}"><nvpair id="m-{name}-{option}" name="{option}" value="{value}"/></meta_attributes>'
    return write("resources", f'<{kind} id="{name}">{pairs}</{kind}>')


def constraint(xml: str) -> Operation:
    return Operation(OpKind.CREATE, "constraints", xml=xml)


def option(name: str, value: str) -> Operation:
    pair = f'<nvpair id="o-{name}" name="{name}" value="{value}"/>'
    return write("crm_config", f'<cluster_property_set id="options">{pair}</cluster_property_set>')


def test_what_changes_nothing_looks_at_nobody_else() -> None:
    cluster = at_rest()
    refreshed = "/cib/status/node_state[@id='1']//lrm_rsc_op[@id='g0-1_monitor_10000']"
    assert awake(cluster, Operation(OpKind.MODIFY, xpath=refreshed, xml='<lrm_rsc_op exec-time="7"/>')) == 2
    assert awake(cluster, attribute(2, "nobody-asks", "1")) == 1
    assert awake(cluster, attribute(2, "nobody-asks", "2")) == 1


def test_one_failure_concerns_one_resource_until_it_is_over() -> None:
    cluster = at_rest()
    assert awake(cluster, write("status", failed_monitor(NODES, 1))) == 2
    for _ in range(3):
        plan = schedule(cluster.cib.root, NOW_S)
        cluster.become(execute(cluster.cib.root, plan.graph, NOW_S).cib)
        assert cluster.is_right()
        assert TOPS - cluster.follower.left_out <= 2
    assert awake(cluster, *(write("status", failed_monitor(NODES, at)) for at in (2, 3))) == 4, "its fail count does not matter"


def test_a_change_of_configuration_concerns_whom_it_names() -> None:
    cluster = at_rest()
    assert awake(cluster, meta("group", "g3", "target-role", "Stopped")) == 2
    assert awake(cluster, meta("group", "g3", "target-role", "Started")) == 2
    assert awake(cluster, constraint('<rsc_location id="l" rsc="g1" node="node1" score="-INFINITY"/>')) == 2
    assert awake(cluster, remove("//rsc_location")) == 2
    assert awake(cluster, constraint('<rsc_colocation id="c" rsc="g1" with-rsc="g2" score="5"/>')) == 3
    assert awake(cluster, attribute(3, "fail-count-g2-0#monitor_10000", "1")) == 3, "whoever is tied to it looks too"
    assert awake(cluster, remove("//rsc_colocation")) == 3
    assert awake(cluster, attribute(3, "fail-count-g2-0#monitor_10000", "2")) == 2


@pytest.mark.parametrize(
    "change",
    [
        option("maintenance-mode", "true"),
        option("no-quorum-policy", "ignore"),
        write("cib", '<cib have-quorum="0"/>'),
        write("rsc_defaults", '<meta_attributes id="defaults"><nvpair id="sticky" value="0"/></meta_attributes>'),
        attribute(2, "standby", "on"),
        attribute(2, "#health-x", "red"),
        attribute(2, "shutdown", "1"),
        lost(2),
        remove("/cib/status/node_state[@id='2']"),
        write("nodes", '<node id="9" uname="node9"/>'),
    ],
)
def test_what_everybody_sees_leaves_nobody_out(change: Operation) -> None:
    assert awake(at_rest(), change) == TOPS


def test_an_attribute_that_is_looked_at_is_seen_by_everybody() -> None:
    cluster = at_rest()
    rule = '<rule id="r" score="-INFINITY"><expression id="e" attribute="site" operation="eq" value="far"/></rule>'
    assert awake(cluster, constraint(f'<rsc_location id="l" rsc="g1">{rule}</rsc_location>')) == 2
    assert awake(cluster, attribute(2, "site", "near")) == TOPS
    assert awake(cluster, attribute(2, "site", "far")) == TOPS
    assert awake(cluster, attribute(2, "other", "far")) <= 2, "who moves is not at rest yet"


def test_who_asks_for_the_time_never_rests() -> None:
    cluster = at_rest()
    date = '<rule id="r" score="0"><date_expression id="d" operation="gt" start="2030-01-01"/></rule>'
    assert awake(cluster, constraint(f'<rsc_location id="l" rsc="g1">{date}</rsc_location>')) == 2
    assert awake(cluster, attribute(2, "nobody-asks", "1")) == 2
    assert cluster.is_right(1_900_000_000)


def test_where_counts_decide_the_others_are_asked_again() -> None:
    """Without stickiness and preferences a resource goes where fewest are: one that moves may move the others."""
    root = settled(3, 4 * 5 + 5)
    for pair in root.findall(".//rsc_defaults//nvpair"):
        pair.set("value", "0")
    cluster = settle(root)
    cluster.change(attribute(1, "nobody-asks", "1"))
    assert cluster.is_right()
    assert cluster.follower.left_out > 0
    for number, node in enumerate(("node1", "node2", "node1", "node3")):
        cluster.change(constraint(f'<rsc_location id="l{number}" rsc="g{number}" node="{node}" score="-INFINITY"/>'))
        assert cluster.is_right(), number


def test_a_removed_resource_is_noticed_though_the_others_rest() -> None:
    cluster = at_rest()
    cluster.change(remove("//group[@id='g2']"))
    assert cluster.is_right()
    assert cluster.follower.left_out == TOPS - 2
    group = settled(NODES, PRIMITIVES).find(".//group[@id='g2']")
    assert group is not None
    cluster.change(Operation(OpKind.CREATE, "resources", xml=etree.tostring(group).decode()))
    assert cluster.is_right()


def rich() -> etree._Element:
    """Every kind of tie between resources, on top of groups and clones."""
    root = settled(NODES, PRIMITIVES)
    section, constraints = root.find("configuration/resources"), root.find("configuration/constraints")
    assert section is not None
    assert constraints is not None
    stateful = '<primitive id="s" class="ocf" provider="pacemaker" type="Stateful"/>'
    section.append(etree.fromstring('<template id="t" class="ocf" provider="pacemaker" type="Dummy"/>'))
    section.append(etree.fromstring('<primitive id="p0" template="t"/>'))
    section.append(etree.fromstring('<primitive id="p1" template="t"/>'))
    promotable = (
        '<meta_attributes id="sm"><nvpair id="smp" name="promotable" value="true"/><nvpair id="smn" name="notify" value="1"/>'
    )
    section.append(etree.fromstring(f'<clone id="sc">{promotable}</meta_attributes>{stateful}</clone>'))
    defined = '<expression id="ke" attribute="load" operation="defined"/>'
    configuration = section.getparent()
    assert configuration is not None
    configuration.append(etree.fromstring('<tags><tag id="both"><obj_ref id="g3"/><obj_ref id="g4"/></tag></tags>'))
    for xml in (
        '<rsc_colocation id="k1" rsc="g0" with-rsc="g1" score="50"/>',
        '<rsc_order id="k2" first="g1" then="g0"/>',
        '<rsc_order id="k3" first="c0" then="c1"/>',
        '<rsc_colocation id="k4" rsc="c1" with-rsc="c0" score="INFINITY"/>',
        '<rsc_colocation id="k5" rsc="p0" with-rsc="sc" with-rsc-role="Promoted" score="INFINITY"/>',
        '<rsc_location id="k6" rsc="both" node="node2" score="7"/>',
        '<rsc_colocation id="k7" rsc="g5" with-rsc="g6" node-attribute="rack" score="9"/>',
        f'<rsc_location id="k8" rsc="p1"><rule id="k9" score-attribute="load">{defined}</rule></rsc_location>',
    ):
        constraints.append(etree.fromstring(xml))
    return root


def heal(cluster: Cluster) -> None:
    """Everybody is back, what failed is forgotten, and what was to be done is done."""
    root = etree.fromstring(cluster.cib.compact())
    root.set("have-quorum", "1")
    for state in root.iterfind("status/node_state"):
        for name, value in (("in_ccm", "true"), ("crmd", "online"), ("join", "member"), ("expected", "member")):
            state.set(name, value)
        for part in state.findall("transient_attributes"):
            state.remove(part)
    root.set("num_updates", str(int(root.get("num_updates", "0")) + 1))
    cluster.become(root)
    for _ in range(3):
        plan = schedule(cluster.cib.root, NOW_S)
        cluster.become(execute(cluster.cib.root, plan.graph, NOW_S).cib)
        assert cluster.is_right()


ATTRIBUTES = ("load", "rack", "unread", "master-s", "fail-count-g2-1#monitor_10000", "fail-count-s#monitor_0", "#health-a")


@pytest.mark.parametrize("seed", range(6))
def test_plan_equals_the_plan_from_scratch_whoever_rests(seed: int) -> None:
    chance = random.Random(f"rest {seed}")
    cluster = settle(rich())
    left_out = 0
    for step in range(20):
        match chance.randrange(7):
            case 0 | 1:
                value = chance.choice(("1", "5", "INFINITY"))
                cluster.change(attribute(chance.randint(1, NODES), chance.choice(ATTRIBUTES), value))
            case 2:
                cluster.change(write("status", failed_monitor(NODES, chance.randrange(9))))
            case 3 | 4:
                heal(cluster)
            case _:
                wander(cluster, chance)
        assert cluster.is_right(), step
        left_out += cluster.follower.left_out
    assert left_out > 20, "hardly anybody ever rested: this shows nothing"
