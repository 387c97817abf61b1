"""People: who configure the cluster, mark its configuration, move and stand by, and now and then make a mistake.

Owns: the texts of their requests, and what was acknowledged to them. Does not own: when they act (draw.py, transcripts).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, NodeId
from standfast.sim.cluster.power import AGENT

if TYPE_CHECKING:
    from standfast.sim.cluster.world import Cluster

ADDRESS = "172.16.0.100"
VIP, SERVICE = "vip", "svc"
AGAIN_US = 300 * US_PER_MS
TRIES_MAX = 40
MARKS_MAX = 40

Json = dict[str, Any]


@dataclass(slots=True)
class Mark:
    """One change that a person made: `view` is the view it was acknowledged in, None while it was not."""

    name: str
    node: NodeId
    is_acknowledged: bool = False


@dataclass(slots=True)
class People:
    """See the module."""

    world: Cluster
    policy: str
    resources: str
    marks: dict[str, Mark] = field(default_factory=dict)
    is_configured: bool = False
    refused: int = 0
    fenced: tuple[str, ...] = ()
    delay: str = ""
    cloud: str = ""
    heard: Callable[[str, Json], None] = lambda _what, _answer: None

    def configure(self) -> None:
        """The first configuration, at whichever node lets them; again until it is taken."""
        self._try(self._operations(), TRIES_MAX)

    def _try(self, operations: list[Json], left: int) -> None:
        if self.is_configured or not left:
            return
        nodes = [n for n, m in self.world.machines.items() if m.node is not None]

        def answered(answer: Json) -> None:
            if answer.get("ok"):
                self.is_configured = True
                self.world.oracle.configured()

        if nodes:
            node = nodes[left % len(nodes)]
            self.apply(node, operations, answered)
        self.world.at(AGAIN_US, lambda: self._try(operations, left - 1))

    def apply(self, node: NodeId, operations: list[Json], answered: Callable[[Json], None]) -> None:
        """A change of the CIB."""
        self.world.machines[node].ask(answered, "cib.apply", {"operations": operations, "client": "people"})

    def mark(self, node: NodeId) -> None:
        """A small change that can be found again."""
        if len(self.marks) >= MARKS_MAX:
            return
        mark = Mark(f"mark-{len(self.marks) + 1}", node)
        self.marks[mark.name] = mark

        def answered(answer: Json) -> None:
            self.heard(mark.name, answer)
            if answer.get("ok"):
                mark.is_acknowledged = True
                self.world.oracle.acknowledged(mark, str(answer.get("version", "")))
            else:
                self.refused += 1

        self.apply(node, [_modify("crm_config", properties("marks", {mark.name: "1"}))], answered)

    def attribute(self, node: NodeId, target: NodeId, name: str, value: str) -> None:
        """A node's attribute: standby, maintenance."""
        xml = (
            f'<node id="{target}" uname="n{target}"><instance_attributes id="nodes-{target}">'
            f'<nvpair id="nodes-{target}-{name}" name="{name}" value="{value}"/></instance_attributes></node>'
        )
        self.apply(node, [_modify("nodes", xml)], lambda answer: self.heard(f"{name}={value}", answer))

    def move(self, node: NodeId, target: NodeId) -> None:
        """`crm resource move vip nX`."""
        xml = f'<rsc_location id="cli-prefer-{VIP}" rsc="{VIP}" role="Started" node="n{target}" score="INFINITY"/>'
        self.apply(node, [_modify("constraints", xml)], lambda answer: self.heard("move", answer))

    def clear(self, node: NodeId) -> None:
        """`crm resource clear vip`."""
        kind = {"kind": "delete", "scope": "constraints", "xml": f'<rsc_location id="cli-prefer-{VIP}"/>'}
        self.apply(node, [kind], lambda answer: self.heard("clear", answer))

    def role(self, node: NodeId, resource: str, role: str) -> None:
        """`crm resource start|stop`."""
        xml = (
            f'<primitive id="{resource}"><meta_attributes id="{resource}-meta">'
            f'<nvpair id="{resource}-role" name="target-role" value="{role}"/></meta_attributes></primitive>'
        )
        self.apply(node, [_modify("resources", xml)], lambda answer: self.heard(f"{role} {resource}", answer))

    def cleanup(self, node: NodeId) -> None:
        """`crm resource cleanup`."""
        self.world.machines[node].ask(lambda answer: self.heard("cleanup", answer), "resource.cleanup", {})

    def rest(self, node: NodeId, timeout_s: int) -> None:
        """`crm_resource --wait`."""
        self.world.machines[node].ask(lambda answer: self.heard("wait", answer), "wait", {"timeout_s": timeout_s})

    def _operations(self) -> list[Json]:
        options = {"stonith-enabled": "true" if self.fenced else "false", "no-quorum-policy": self.policy}
        if self.cloud:
            options |= {"openstack-cloud": "sim", "openstack-mode": self.cloud}
        sticky = '<meta_attributes id="rsc-options"><nvpair id="s" name="resource-stickiness" value="1000"/></meta_attributes>'
        operations = [_modify("crm_config", properties("cib-bootstrap-options", options)), _modify("rsc_defaults", sticky)]
        texts = {"vip": _VIP, "svc": _SERVICE}
        operations += [{"kind": "create", "scope": "resources", "xml": texts[name]} for name in self.resources.split("+") if name]
        if self.fenced:
            xml = _SWITCH.format(hosts=" ".join(self.fenced), delay=DELAYS[self.delay])
            operations.append({"kind": "create", "scope": "resources", "xml": xml})
        if self.resources == "vip+svc":
            xml = f'<rsc_colocation id="together" score="INFINITY" rsc="{SERVICE}" with-rsc="{VIP}"/>'
            order = f'<rsc_order id="address-first" first="{VIP}" then="{SERVICE}" kind="Mandatory"/>'
            operations += [_modify("constraints", xml), _modify("constraints", order)]
        return operations


def _modify(scope: str, xml: str) -> Json:
    return {"kind": "modify", "scope": scope, "xml": xml, "allow_create": True}


def properties(set_id: str, values: dict[str, str]) -> str:
    """A set of properties."""
    pairs = "".join(f'<nvpair id="{set_id}-{k}" name="{k}" value="{v}"/>' for k, v in values.items())
    return f'<cluster_property_set id="{set_id}">{pairs}</cluster_property_set>'


_VIP = (
    '<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="vip-i">'
    f'<nvpair id="vip-ip" name="ip" value="{ADDRESS}"/></instance_attributes><operations>'
    '<op id="vip-m" name="monitor" interval="10s"/></operations></primitive>'
)
_SWITCH = (
    f'<primitive id="switch" class="stonith" type="{AGENT}"><instance_attributes id="switch-i">'
    '<nvpair id="switch-hosts" name="pcmk_host_list" value="{hosts}"/>{delay}</instance_attributes></primitive>'
)
DELAYS = {
    "": "",
    "base": '<nvpair id="switch-delay" name="pcmk_delay_base" value="n1:3s;n2:0s"/>',
    "max": '<nvpair id="switch-delay" name="pcmk_delay_max" value="4s"/>',
}
"""Before a shot: the first node is shot later, so it wins a race; or both wait as long as chance says."""
_SERVICE = (
    '<primitive id="svc" class="ocf" provider="heartbeat" type="Dummy"><operations>'
    '<op id="svc-m" name="monitor" interval="5s" timeout="3s"/><op id="svc-start" name="start" interval="0" timeout="4s"/>'
    '<op id="svc-stop" name="stop" interval="0" timeout="4s"/></operations></primitive>'
)
