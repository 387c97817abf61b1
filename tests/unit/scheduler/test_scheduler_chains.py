"""Long chains: a thousand resources, each with or after the one before it. Deep is not endless."""

from __future__ import annotations

import sys

import pytest
from lxml import etree

from standfast.scheduler.api import Plan
from standfast.scheduler.laws import broken
from standfast.scheduler.plan import decide, unpack

NOW_S = 1_782_000_000


def chain(length: int, constraint: str, active: bool = False) -> etree._Element:
    """`length` primitives on two nodes; `constraint` is filled with `after` (one's id) and `before` (the previous one's)."""
    resources = "".join(f'<primitive id="r{i}" class="ocf" provider="pacemaker" type="Dummy"/>' for i in range(length))
    constraints = "".join(constraint.format(number=i, before=f"r{i - 1}", after=f"r{i}") for i in range(1, length))
    ran = "".join(
        f'<lrm_resource id="r{i}" class="ocf" provider="pacemaker" type="Dummy"><lrm_rsc_op id="r{i}_last_0" operation="start" '
        f'operation_key="r{i}_start_0" call-id="{i + 1}" rc-code="0" op-status="0" interval="0" transition-key="1:1:0:x"/>'
        "</lrm_resource>"
        for i in range(length if active else 0)
    )
    states = "".join(
        f'<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member">'
        f'<lrm id="{n}"><lrm_resources>{ran if n == 1 else ""}</lrm_resources></lrm></node_state>'
        for n in (1, 2)
    )
    return etree.fromstring(
        '<cib have-quorum="1"><configuration><crm_config><cluster_property_set id="o">'
        '<nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>'
        f'<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes><resources>{resources}</resources>'
        f"<constraints>{constraints}</constraints></configuration><status>{states}</status></cib>"
    )


def planned(root: etree._Element) -> Plan:
    cluster = unpack(root, NOW_S)
    plan = decide(cluster)
    assert broken(cluster, plan.graph) == []
    return plan


ORDER = '<rsc_order id="o{number}" first="{before}" then="{after}"/>'
COLOCATION = '<rsc_colocation id="c{number}" rsc="{after}" with-rsc="{before}" score="INFINITY"/>'


@pytest.mark.parametrize(("length", "constraint"), [(2000, ORDER), (1000, COLOCATION), (400, ORDER + COLOCATION)])
def test_a_long_chain_starts_in_order_or_on_one_node(length: int, constraint: str) -> None:
    limit = sys.getrecursionlimit()
    plan = planned(chain(length, constraint))
    starts = {action.resource: action for action in plan.graph.actions if action.operation == "start"}
    assert len(starts) == length
    if ORDER in constraint:
        assert all(starts[f"r{i - 1}"].id in starts[f"r{i}"].inputs for i in range(1, length))
    if COLOCATION in constraint:
        assert len({action.node for action in starts.values()}) == 1
    assert sys.getrecursionlimit() == limit


def test_a_long_chain_of_active_resources_restarts_from_its_head() -> None:
    root = chain(600, ORDER, active=True)
    head = root.find("status/node_state/lrm/lrm_resources/lrm_resource/lrm_rsc_op")
    assert head is not None
    head.set("op-digest", "other")
    stops = [action.resource for action in planned(root).graph.actions if action.operation == "stop"]
    assert len(stops) == 600


def test_a_ring_of_orders_and_colocations_is_no_traceback() -> None:
    root = chain(40, ORDER + COLOCATION)
    constraints = root.find("configuration/constraints")
    assert constraints is not None
    constraints.append(etree.fromstring('<rsc_order id="ring" first="r39" then="r0"/>'))
    constraints.append(etree.fromstring('<rsc_colocation id="knot" rsc="r0" with-rsc="r39" score="INFINITY"/>'))
    plan = planned(root)
    assert any(report.code == "scheduler.blocked" for report in plan.notices)


def test_the_laws_see_a_start_where_it_is_banned_and_a_second_one() -> None:
    cluster = unpack(chain(2, ORDER), NOW_S)
    graph = decide(cluster).graph
    assert broken(cluster, graph) == []
    start = next(op for op in cluster.actions if op.task == "start" and op.rsc is cluster.by_id["r0"])
    other = next(op for op in cluster.actions if op.task == "start" and op.rsc is cluster.by_id["r1"])
    other.rsc = start.rsc
    assert broken(cluster, graph) == ["r0 starts 2 times"]
    other.rsc = cluster.by_id["r1"]
    assert start.node is not None
    del cluster.by_id["r0"].allowed[start.node.id]
    assert broken(cluster, graph) == [f"r0 starts on {start.node.name}, where it is banned"]
