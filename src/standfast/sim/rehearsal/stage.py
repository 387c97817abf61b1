"""The stage: a simulated cluster (sim/cluster) with the user's names, votes, times and services, watched by clients.

Owns: agents that start, stop, promote and demote whatever the user has configured; kernels with the networks of its addresses.
Does not own: the behaviour of nodes, faults (faults.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

from standfast.agents.ip import api as ip
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.controller import effects as fx
from standfast.engine.settings import EngineConfig, NodeConfig
from standfast.executor import api as ex
from standfast.openstack.api import Call
from standfast.openstack.machine import Identify
from standfast.sim.chance import Stream
from standfast.sim.cluster.agents import Agents, Process
from standfast.sim.cluster.kernel import NIC, Kernel
from standfast.sim.cluster.machine import Json, Machine
from standfast.sim.cluster.oracle import Oracle
from standfast.sim.cluster.world import Cluster, Setting
from standfast.sim.host import Host
from standfast.sim.rehearsal.cast import Cast
from standfast.sim.rehearsal.watch import Record, Watch

if TYPE_CHECKING:
    from standfast.cib.document import Cib

SEED = 1
CLIENT = 100
PROMOTED_RC = 8
UNIT_VERBS = {"status": "monitor"}
BOOT_US = 50 * US_PER_MS
CONFIGURED_US = 30 * US_PER_S


class StageAgents(Agents):
    """Agents of any service. `failing` names (service, action) that fail from now on."""

    def __init__(self, chance: Stream, at: Callable[[int, Callable[[], None]], None], agent_ms: int) -> None:
        super().__init__(chance, at)
        self.failing: dict[tuple[str, str], bool] = {}
        self.promoted: dict[str, bool] = {}
        self.changed: Callable[[], None] = lambda: None
        self._agent_ms = agent_ms

    def run(self, life: int, effect: ex.RunAgent) -> None:
        """An agent begins, and takes as long as it is taken to take. (That two never overlap, is the simulator's business.)"""
        resource = next((value for name, value in effect.environment if name == "OCF_RESOURCE_INSTANCE"), "")
        self.begin(life, effect.run, resource, effect.argv[-1])

    def begin(self, life: int, run: int, resource: str, action: str) -> None:
        """The same, for whatever kind of agent."""
        self.processes[life, run] = Process(run, life, resource, action)
        takes_ms = self._agent_ms if action in ("start", "stop", "promote", "demote") else min(10, self._agent_ms)
        self._at(takes_ms * US_PER_MS, lambda: self._finish(life, run))

    def crash(self, resource: str) -> None:
        """The service dies by itself."""
        super().crash(resource)
        self.promoted.pop(resource, None)
        self.changed()

    def power_off(self) -> None:
        """Everything is gone."""
        super().power_off()
        self.promoted.clear()
        self.changed()

    def _did(self, process: Process, *, lie: bool) -> int:
        name = process.resource
        if self.failing.get((name.partition(":")[0], process.action)):
            return 1
        match process.action:
            case "promote":
                self.promoted[name] = True
            case "demote":
                self.promoted.pop(name, None)
            case "stop":
                self.promoted.pop(name, None)
                super()._did(process, lie=lie)
            case "monitor" | "status" if self.promoted.get(name) and self.running.get(name):
                return PROMOTED_RC
            case _:
                return super()._did(process, lie=lie)
        self.changed()
        return 0


class StageKernel(Kernel):
    """A kernel with the networks that the user's addresses are in; `denied` are addresses that it will not take."""

    networks: tuple[str, ...] = ()

    def __init__(
        self, host: Host, chance: Stream, clock: Callable[[], int], at: Callable[[int, Callable[[], None]], None]
    ) -> None:
        super().__init__(host, chance, clock, at)
        self.denied: dict[str, bool] = {}

    def put(self, effect: ip.PutAddress) -> str:
        """Add or renew, unless it is to fail."""
        return "the kernel refuses it (rehearsed)" if self.denied.get(effect.ip) else super().put(effect)

    def state(self) -> ip.NetworkState:
        """What netlink tells."""
        state = super().state()
        known = {route.network for route in state.routes}
        mine, routes = [], []
        for name in dict.fromkeys(self.networks):
            if name not in known:
                network = ip_network(name)
                mine.append(
                    ip.AddressSeen(NIC, str(network[-1 - self.host.id]), network.prefixlen, NIC, None, frozenset({"permanent"}))
                )
                routes.append(ip.Route(name, NIC, 0))
        return replace(state, addresses=(*mine, *state.addresses), routes=(*state.routes, *routes))


class StageMachine(Machine):
    """A host with such a kernel and such agents; units are agents like any other."""

    agents: StageAgents
    kernel: StageKernel

    def __init__(self, stage: Stage, host: Host, seed: int) -> None:
        super().__init__(stage, host, seed)
        self.kernel = StageKernel(host, Stream(seed, f"kernel {host.id}"), lambda: stage.now_us, stage.at)
        self.kernel.networks = tuple(service.network for service in stage.cast.services if service.address)
        self.kernel.changed = self._kernel_changed
        self.agents = StageAgents(Stream(seed, f"agents {host.id}"), stage.at, stage.agent_ms)
        self.agents.exited = self._agent_exited

    def _perform_one(self, effect: fx.NodeEffect) -> None:
        if isinstance(effect, ex.RunUnit):
            unit = effect.unit.removesuffix(".service")
            assert isinstance(self.world, Stage)
            name = next((service.id for service in self.world.cast.services if service.unit == unit), unit)
            self.agents.begin(self.life, effect.run, name, UNIT_VERBS.get(effect.verb, effect.verb))
        elif not isinstance(effect, Call | Identify):  # no cloud is played
            super()._perform_one(effect)


class StageOracle(Oracle):
    """Judges nothing: the stage only looks who has what."""

    def segment_changed(self) -> None:
        """An address or a wire came or went."""
        world = self._world
        assert isinstance(world, Stage)
        world.look()

    def overlapped(self, machine: Machine, one: Process, other: Process) -> None:
        """Not judged here."""

    def service_started(self, _machine: Machine, _resource: str) -> None:
        """A service begins."""
        self.segment_changed()

    def stepped(self, machine: Machine) -> None:
        """Not judged here."""


class Stage(Cluster):
    """See the module."""

    def __init__(self, cast: Cast, agent_ms: int) -> None:
        self.cast, self.agent_ms = cast, agent_ms
        self.watch: Watch | None = None
        self.told_lines: list[str] = []
        setting = Setting(
            nodes=len(cast.names),
            links=cast.links,
            two_node=cast.quorum.two_node,
            policy=cast.policy,
            lan="shared" if cast.shared else "apart",
            clients=0,
        )
        super().__init__(SEED, setting)
        self._is_checked = False
        self.times, self._quorum = cast.times, cast.quorum
        for machine in self.machines.values():
            assert isinstance(machine, StageMachine)
            machine.agents.changed = self.look
        addresses = [service.address for service in cast.services if service.address]
        self.segment.open(1, addresses[0] if addresses else "")
        self.watch = Watch({service.id: Record(service) for service in cast.services})

    def name_of(self, node: NodeId) -> str:
        """The user's."""
        return self.cast.names[node]

    def make_machine(self, host: Host, seed: int) -> Machine:
        """A host."""
        return StageMachine(self, host, seed)

    def make_oracle(self) -> Oracle:
        """Nobody judges."""
        return StageOracle(self)

    def config(self, local: NodeId) -> EngineConfig:
        """The user's votes, rules and times, on addresses of the world."""
        nodes = tuple(
            NodeConfig(node, self.name_of(node), tuple(self.address(node, n) for n in range(self.links)), self.cast.votes[node])
            for node in self.hosts
        )
        return EngineConfig("rehearsal", local, nodes, self._key, quorum=self.cast.quorum, times=self.cast.times)

    def machine(self, node: NodeId) -> StageMachine:
        """The one on a node."""
        machine = self.machines[node]
        assert isinstance(machine, StageMachine)
        return machine

    def look(self) -> None:
        """Who has what now."""
        if self.watch is None:
            return
        for record in self.watch.records.values():
            service = record.service
            if service.address:
                there = self.segment.answerers(CLIENT, service.address)
                promoted: tuple[NodeId, ...] = ()
            else:
                there = tuple(node for node in self.hosts if self._runs(node, service.id))
                promoted = tuple(node for node in there if self._runs(node, service.id, is_promoted=True))
            names = tuple(self.name_of(node) for node in there)
            self.watch.seen(self.now_us, service.id, names, tuple(self.name_of(node) for node in promoted))

    def _runs(self, node: NodeId, service: str, *, is_promoted: bool = False) -> bool:
        machine = self.machine(node)
        if not machine.kernel.host.is_powered or machine.kernel.is_frozen:
            return False
        running = machine.agents.promoted if is_promoted else machine.agents.running
        return any(name.partition(":")[0] == service for name in running)

    # ---- orders -----------------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Boot everybody and load the configuration; whether it was taken."""
        for node in self.hosts:
            self.at(BOOT_US * node, lambda node=node: self.boot(node))  # type: ignore[misc]
        self.run(US_PER_S)
        taken: list[Json] = []
        operations = [{"kind": "replace", "scope": "configuration", "xml": self.cast.configuration}]
        until_us = self.now_us + CONFIGURED_US
        while self.now_us < until_us:
            self.people.apply(min(self.hosts), operations, taken.append)
            self.run(US_PER_S)
            if any(answer.get("ok") for answer in taken):
                return True
        self.told_lines += [str(answer.get("reports", answer)) for answer in taken[-1:]]
        return False

    def standby(self, node: NodeId) -> None:
        """`crm node standby`, typed at the first node that lets it be typed."""
        for by in (node, *self.hosts):
            manager = self.machines[by].node
            if manager is not None and not self.machines[by].is_paused and manager.controller.is_synced:
                xml = (
                    f'<node id="{node}" uname="{self.name_of(node)}"><instance_attributes id="nodes-{node}">'
                    f'<nvpair id="nodes-{node}-standby" name="standby" value="on"/></instance_attributes></node>'
                )
                change = {"kind": "modify", "scope": "nodes", "xml": xml, "allow_create": True}
                self.people.apply(by, [change], lambda _answer: None)
                return

    def survivor(self) -> Cib | None:
        """The document of the coordinator of the largest part that agrees on one; None when nobody is left."""
        best: tuple[int, int] | None = None
        found: Cib | None = None
        for node, machine in self.machines.items():
            manager, life = machine.node, self.checks.lives.get(node)
            if manager is None or machine.is_paused or not manager.controller.is_synced or life is None or life.view is None:
                continue
            rank = (len(life.view.members), -int(node))
            if best is None or rank > best:
                best, found = rank, manager.controller.cib
        return found
