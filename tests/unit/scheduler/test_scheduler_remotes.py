"""Remote nodes, guests and bundles: a situation, what is planned, what it leads to. Each plan is carried out on a copy."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.scheduler.api import Plan
from standfast.scheduler.graph.model import Action
from standfast.scheduler.plan import schedule, unpack
from standfast.scheduler.report.status_text import status_lines
from standfast.scheduler.simulate import execute

NOW_S = 1_782_000_000

CIB = """
<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1">
  <configuration>
    <crm_config><cluster_property_set id="o">
      <nvpair id="o1" name="stonith-enabled" value="{fencing}"/>
      <nvpair id="o2" name="no-quorum-policy" value="ignore"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
    <resources>{resources}</resources>
    <constraints>{constraints}</constraints>
  </configuration>
  <status>
    <node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""
REMOTE = '<primitive id="r1" class="ocf" provider="pacemaker" type="remote"/>'
WEB = '<primitive id="web" class="ocf" provider="heartbeat" type="apache"/>'
WEB_ON_R1 = '<rsc_location id="l" rsc="web" node="r1" score="1000"/>'
FENCE = '<primitive id="fence" class="stonith" type="fence_ipmilan"/>'
GUEST = (
    '<primitive id="vm" class="ocf" provider="heartbeat" type="VirtualDomain"><meta_attributes id="vm-m">'
    '<nvpair id="vm-m1" name="remote-node" value="g1"/></meta_attributes></primitive>'
)
BUNDLE = (
    '<bundle id="httpd"><podman image="pcmk:http" replicas="2"/>'
    '<network ip-range-start="192.168.122.131" host-interface="eth0" host-netmask="24">'
    '<port-mapping id="p" port="80"/></network>'
    '<storage><storage-mapping id="s" source-dir="/srv" target-dir="/var/www" options="rw"/></storage>'
    '<primitive id="apache" class="ocf" provider="heartbeat" type="apache"/></bundle>'
)


def cib(resources: str, constraints: str = "", fencing: bool = False) -> etree._Element:
    return etree.fromstring(CIB.format(resources=resources, constraints=constraints, fencing=str(fencing).lower()))


def settle(root: etree._Element) -> etree._Element:
    """Carry plans out until there is nothing left to do."""
    for _ in range(6):
        plan = schedule(root, NOW_S)
        if not plan.graph.actions:
            return root
        root = execute(root, plan.graph, NOW_S).cib
    raise AssertionError("it never settles")


def told(plan: Plan) -> list[str]:
    return [f"{c.verb} {c.subject} {c.detail}".strip() for c in plan.changes]


def find(plan: Plan, operation: str, resource: str) -> Action:
    return next(a for a in plan.graph.actions if a.operation == operation and a.resource == resource)


def lose(root: etree._Element, name: str) -> etree._Element:
    state = root.find(f"status/node_state[@uname='{name}']")
    assert state is not None
    state.attrib.update({"in_ccm": "false", "crmd": "offline", "join": "down"})
    return root


def fail(root: etree._Element, name: str, resource: str) -> etree._Element:
    """A recurring monitor of what runs there says: not running."""
    history = root.find(f"status/node_state[@uname='{name}']/lrm/lrm_resources/lrm_resource[@id='{resource}']")
    assert history is not None
    key = "9:9:0:01234567-89ab-cdef-0123-456789abcdef"
    op = etree.SubElement(history, "lrm_rsc_op", id=f"{resource}_last_failure_0")
    values = {"operation": "monitor", "operation_key": f"{resource}_monitor_10000", "interval": "10000", "call-id": "99"}
    values |= {"rc-code": "1", "op-status": "4", "on_node": name, "transition-key": key, "transition-magic": f"4:1;{key}"}
    op.attrib.update(values)
    return root


def test_a_connection_comes_first_and_what_is_behind_goes_through_its_host() -> None:
    plan = schedule(cib(REMOTE + WEB, WEB_ON_R1), NOW_S)
    assert told(plan) == ["Start r1 n1", "Start web r1"]
    connect, start = find(plan, "start", "r1"), find(plan, "start", "web")
    assert connect.id in start.inputs
    assert (start.node, start.router_node) == ("r1", "n1")


def test_a_stopped_connection_takes_its_node_down() -> None:
    root = settle(cib(REMOTE + WEB, WEB_ON_R1))
    assert "    * RemoteOnline: [ r1 ]" in status_lines(unpack(root, NOW_S), show_pending=False)
    connection = root.find("configuration/resources/primitive[@id='r1']")
    assert connection is not None
    meta = etree.SubElement(connection, "meta_attributes", id="m")
    etree.SubElement(meta, "nvpair", id="m1", name="target-role", value="Stopped")
    plan = schedule(root, NOW_S)
    assert told(plan) == ["Stop r1 n1", "Move web r1 -> n1"]
    stop = find(plan, "stop", "r1")
    assert stop.downed == ("r1",)
    assert find(plan, "stop", "web").id in stop.inputs


def test_a_connection_moves_without_its_resources_and_without_fencing() -> None:
    root = lose(settle(cib(REMOTE + WEB + FENCE, WEB_ON_R1, fencing=True)), "n1")
    plan = schedule(root, NOW_S)
    fenced = [a.node for a in plan.graph.actions if a.operation == "stonith"]
    assert fenced == ["n1"]
    assert "Move r1 n1 -> n2" in told(plan)
    assert not any("web" in line for line in told(plan))


def test_a_lost_connection_has_its_node_fenced() -> None:
    root = fail(settle(cib(REMOTE + WEB + FENCE, WEB_ON_R1, fencing=True)), "n1", "r1")
    plan = schedule(root, NOW_S)
    assert "Fence (reboot) r1" in told(plan)
    assert "Recover r1 n1" in told(plan)


def test_a_guest_is_recovered_with_its_machine() -> None:
    location = '<rsc_location id="l" rsc="web" node="g1" score="1000"/>'
    root = settle(cib(GUEST + WEB, location))
    lines = status_lines(unpack(root, NOW_S), show_pending=False)
    assert "    * GuestOnline: [ g1 ]" in lines
    assert not any("g1\t" in line for line in lines), "the connection is nobody's resource"
    plan = schedule(fail(root, "n1", "vm"), NOW_S)
    assert "Fence (reboot) g1 (resource: vm)" in told(plan)
    assert "Recover vm n1" in told(plan)
    # The stop of the machine is the fencing; what ran inside is started after it.
    assert find(plan, "stop", "vm").id < find(plan, "start", "web").id


def test_a_bundle_brings_address_container_connection_and_what_is_inside() -> None:
    root = cib(BUNDLE)
    plan = schedule(root, NOW_S)
    assert told(plan) == [
        "Start httpd-ip-192.168.122.131 n1",
        "Start httpd-podman-0 n1",
        "Start httpd-0 n1",
        "Start apache:0 httpd-0",
        "Start httpd-ip-192.168.122.132 n2",
        "Start httpd-podman-1 n2",
        "Start httpd-1 n2",
        "Start apache:1 httpd-1",
    ]
    options = dict(find(plan, "start", "httpd-podman-1").attributes)["run_opts"]
    assert options.startswith(" -h httpd-1 -e PCMK_stderr=1 -e PCMK_remote_port=3121 -v /srv:/var/www:rw ")
    assert "-p 192.168.122.132:80:80 -p 192.168.122.132:3121:3121" in options
    assert options.endswith(" --add-host=httpd-0:192.168.122.131 --add-host=httpd-1:192.168.122.132")
    lines = status_lines(unpack(settle(root), NOW_S), show_pending=False)
    assert lines[-3:] == [
        "    * Container bundle set: httpd [pcmk:http]:",
        "      * httpd-0 (192.168.122.131)\t(ocf:heartbeat:apache):\t Started n1",
        "      * httpd-1 (192.168.122.132)\t(ocf:heartbeat:apache):\t Started n2",
    ]


def test_only_what_is_inside_uses_a_replica() -> None:
    bans = "".join(f'<rsc_location id="l-{node}" rsc="web" node="{node}" score="-INFINITY"/>' for node in ("n1", "n2"))
    assert "web" not in " ".join(told(schedule(cib(BUNDLE + WEB, bans), NOW_S)))


def test_what_is_inside_an_unreachable_container_is_refused() -> None:
    xml = '<bundle id="b"><podman image="i"/><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></bundle>'
    plan = schedule(cib(xml), NOW_S)
    assert plan.graph.actions == ()
    assert any(n.code == "scheduler.bundle" and "control-port" in n.what for n in plan.notices)


def test_who_cannot_connect_leaves_remote_nodes_and_bundles_alone() -> None:
    root = cib(REMOTE + BUNDLE + WEB + FENCE, WEB_ON_R1, fencing=True)
    plan = schedule(root, NOW_S, connects=False)
    changes = {a.resource for a in plan.graph.actions if a.operation in ("start", "stop")}
    assert changes == {"web", "fence"}
    assert not [a for a in plan.graph.actions if a.operation == "stonith" or a.router_node]
    assert {n.where for n in plan.notices if n.code == "scheduler.not-managed"} >= {"r1", "httpd"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("n1", "n2")), st.sampled_from(("r1", "vm", "g1", "httpd-podman-0", "httpd-1", "httpd-podman-1"))
        ),
        max_size=4,
    ),
    st.sampled_from(("", "n1", "n2")),
    st.booleans(),
)
def test_whatever_fails_the_plan_holds_together(failures: list[tuple[str, str]], lost: str, fencing: bool) -> None:
    """Interrupted anywhere: connections, machines and containers fail, a host dies; every plan can be carried out."""
    root = settle(cib(REMOTE + GUEST + BUNDLE + WEB + FENCE, WEB_ON_R1, fencing))
    for node, resource in failures:
        if root.find(f"status/node_state[@uname='{node}']/lrm/lrm_resources/lrm_resource[@id='{resource}']") is not None:
            fail(root, node, resource)
    if lost:
        lose(root, lost)
    for connects in (True, False):
        plan = schedule(root, NOW_S, connects=connects)
        plan.graph.check()
        assert connects or not [a for a in plan.graph.actions if a.router_node and a.operation == "start"]
