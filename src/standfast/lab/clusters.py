"""Made-up clusters of any size for measurements: settled CIBs, as a cluster of groups and clones at rest writes them.

Four-member groups spread over the nodes, four interleaved clones on every node, a fencing device, stickiness 100. At rest means
that the scheduler has nothing to do (a test holds that); `lose` is what happens to such a CIB when a node dies, `failed_monitor`
what is written when a resource fails, `refreshed` and `noted` what is written though nothing happened.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

MEMBERS, CLONES = 4, 4
SINCE_S = 1_781_000_000
"""When everything that ran was started, an epoch second."""

DIGEST, DIGEST_EVERY_10_S = "f2317cad3d54cec5d7d7aa7d0bf35cf8", "4811cef7f7f94e3a35a70be7916cb2fd"
"""Of no parameters at all, and of an operation repeated every 10 s with the usual timeout."""

DUMMY = 'class="ocf" provider="pacemaker" type="Dummy"'
FENCE = 'class="stonith" type="fence_dummy"'


def settled(nodes: int, primitives: int) -> etree._Element:
    """A <cib> of `nodes` nodes and `primitives` primitives (CLONES + 1, and a multiple of MEMBERS)."""
    groups, rest = divmod(primitives - CLONES - 1, MEMBERS)
    assert nodes > 0
    assert groups >= 0 == rest, f"{primitives} primitives are not {CLONES} clones, a fencing device and groups of {MEMBERS}"
    places = {f"g{g}-{m}": g % nodes for g in range(groups) for m in range(MEMBERS)} | {"fence": 0}
    members = "".join(f'<node id="{n + 1}" uname="node{n + 1}"/>' for n in range(nodes))
    states = "".join(_node_state(n, places) for n in range(nodes))
    return etree.fromstring(
        '<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="1"'
        ' num_updates="1"><configuration><crm_config><cluster_property_set id="options">'
        '<nvpair id="fencing" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>'
        f"<nodes>{members}</nodes>"
        f"<resources>{_resources(groups)}</resources><constraints/><rsc_defaults><meta_attributes id='defaults'>"
        "<nvpair id='sticky' name='resource-stickiness' value='100'/></meta_attributes></rsc_defaults></configuration>"
        f"<status>{states}</status></cib>"
    )


def lose(cib: etree._Element, name: str) -> None:
    """The node called `name` is gone without a word."""
    for state in cib.iterfind("status/node_state"):
        if state.get("uname") == name:
            state.set("in_ccm", "false")
            state.set("crmd", "offline")


def failed_monitor(nodes: int, group: int) -> str:
    """The state that the node writes where the second member of a group runs, whose monitor has found it stopped."""
    n, name, call = group % nodes, f"g{group}-1", 1_000_000
    key = f"{call}:2:0:00000000-0000-0000-0000-000000000001"
    return (
        f'<node_state id="{n + 1}"><lrm id="{n + 1}"><lrm_resources><lrm_resource id="{name}" {DUMMY}>'
        f'<lrm_rsc_op id="{name}_last_failure_0" operation_key="{name}_monitor_10000" operation="monitor"'
        f' crm_feature_set="3.16.1" transition-key="{key}"'
        f' transition-magic="0:7;{key}" on_node="node{n + 1}" call-id="{call}" rc-code="7" op-status="0"'
        f' interval="10000" last-rc-change="{SINCE_S + 60}" exec-time="5" queue-time="0" op-digest="{DIGEST_EVERY_10_S}"/>'
        f'</lrm_resource></lrm_resources></lrm><transient_attributes id="{n + 1}"><instance_attributes id="status-{n + 1}">'
        f'<nvpair id="fails-{name}" name="fail-count-{name}#monitor_10000" value="1"/>'
        f'<nvpair id="failed-{name}" name="last-failure-{name}#monitor_10000" value="{SINCE_S + 60}"/>'
        "</instance_attributes></transient_attributes></node_state>"
    )


def refreshed(nodes: int, group: int) -> str:
    """The state that the node writes where a group's second member runs, whose monitor says again what it said before."""
    n, name = group % nodes, f"g{group}-1"
    entry = f'<lrm_rsc_op id="{name}_monitor_10000" exec-time="{group + 6}"/>'
    histories = f'<lrm_resources><lrm_resource id="{name}">{entry}</lrm_resource></lrm_resources>'
    return f'<node_state id="{n + 1}"><lrm id="{n + 1}">{histories}</lrm></node_state>'


def noted(node: int, value: int) -> str:
    """The state in which a node has an attribute that nobody looks at."""
    pair = f'<nvpair id="noted-{node}" name="noted" value="{value}"/>'
    attributes = f'<instance_attributes id="status-{node}">{pair}</instance_attributes>'
    return f'<node_state id="{node}"><transient_attributes id="{node}">{attributes}</transient_attributes></node_state>'


def _resources(groups: int) -> str:
    every = []
    for g in range(groups):
        members = "".join(_primitive(f"g{g}-{m}", DUMMY) for m in range(MEMBERS))
        every.append(f'<group id="g{g}">{members}</group>')
    for k in range(CLONES):
        interleave = f'<meta_attributes id="c{k}-meta"><nvpair id="c{k}-i" name="interleave" value="true"/></meta_attributes>'
        every.append(f'<clone id="c{k}">{interleave}{_primitive(f"d{k}", DUMMY)}</clone>')
    return "".join(every) + f'<primitive id="fence" {FENCE}/>'


def _primitive(name: str, agent: str) -> str:
    return (
        f'<primitive id="{name}" {agent}><operations><op id="{name}-m" name="monitor" interval="10s"/></operations></primitive>'
    )


def _node_state(n: int, places: dict[str, int]) -> str:
    calls = iter(range(1, 10_000_000))
    histories = [_history(name, n, calls, runs=place == n) for name, place in places.items()]
    histories += [_history(f"d{k}", n, calls, runs=True) for k in range(CLONES)]
    return (
        f'<node_state id="{n + 1}" uname="node{n + 1}" in_ccm="true" crmd="online" join="member" expected="member">'
        f'<lrm id="{n + 1}"><lrm_resources>{"".join(histories)}</lrm_resources></lrm></node_state>'
    )


def _history(name: str, n: int, calls: Iterator[int], *, runs: bool) -> str:
    operations = [_operation(name, n, "start", 0, 0, next(calls)) if runs else _operation(name, n, "monitor", 0, 7, next(calls))]
    if runs and name != "fence":
        operations.append(_operation(name, n, "monitor", 10_000, 0, next(calls)))
    return f'<lrm_resource id="{name}" {FENCE if name == "fence" else DUMMY}>{"".join(operations)}</lrm_resource>'


def _operation(name: str, n: int, task: str, interval_ms: int, rc: int, call: int) -> str:
    entry = f"{name}_{task}_{interval_ms}" if interval_ms else f"{name}_last_0"
    key = f"{call}:1:{rc}:00000000-0000-0000-0000-000000000001"
    return (
        f'<lrm_rsc_op id="{entry}" operation_key="{name}_{task}_{interval_ms}" operation="{task}" crm-debug-origin="bench"'
        f' crm_feature_set="3.16.1" transition-key="{key}"'
        f' transition-magic="0:{rc};{key}" exit-reason="" on_node="node{n + 1}"'
        f' call-id="{call}" rc-code="{rc}" op-status="0" interval="{interval_ms}" last-rc-change="{SINCE_S}" exec-time="5"'
        f' queue-time="0" op-digest="{DIGEST_EVERY_10_S if interval_ms else DIGEST}"/>'
    )
