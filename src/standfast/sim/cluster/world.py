"""Whole nodes: the engine's world (sim/world.py), with a manager, a kernel, a disk, agents and an L2 segment for each host.

Owns: what joins the processes of a host, the supervisor, the scheduler's process. Does not own: faults' times, judgement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from lxml import etree

from standfast.agents.ip.api import IpInput
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import Report, Severity
from standfast.controller import effects as fx
from standfast.engine.api import ClientEvent
from standfast.engine.effects import TimerFired
from standfast.engine.quorum.settings import QuorumSettings
from standfast.scheduler.api import Plan
from standfast.scheduler.plan import schedule
from standfast.sim.chance import Stream
from standfast.sim.checks import Checks, PromiseError
from standfast.sim.cluster.disk import Trouble
from standfast.sim.cluster.kernel import address_of
from standfast.sim.cluster.machine import NO_RESTART, Machine
from standfast.sim.cluster.neutron import Neutron
from standfast.sim.cluster.oracle import ClusterChecks, Oracle
from standfast.sim.cluster.people import ADDRESS, People
from standfast.sim.cluster.planner import Planner
from standfast.sim.cluster.power import Switch
from standfast.sim.cluster.segment import Segment
from standfast.sim.host import Host
from standfast.sim.network import Weather
from standfast.sim.world import World

WALL_S = 1_800_000_000
PLANS_MAX = 512
SCRATCH_EVERY = 4
RECORD_EVERY = 37
RECORDED_MAX = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """What kind of cluster this is. `policy` is no-quorum-policy; `lan` says whether the first link runs over the segment of the
    address (`shared`) or has wires of its own (`apart`); `ppm` is how far clocks run apart at the most; `delay`: who waits
    before a shot (`base`: whoever shoots n1, by pcmk_delay_base; `max`: both, by pcmk_delay_max); `cloud`: openstack-mode, ""
    for hosts that are no servers of a cloud."""

    nodes: int = 3
    links: int = 1
    two_node: bool = False
    wait_for_all: bool = False
    policy: str = "stop"
    lan: str = "shared"
    resources: str = "vip"
    clients: int = 2
    ppm: int = 0
    fencing: bool = False
    delay: str = ""
    cloud: str = ""

    @property
    def goes_on_alone(self) -> bool:
        """Whether the user asked for more than quorum promises: two sides of a cut may both act."""
        return self.two_node or self.policy in ("ignore", "freeze")


class Cluster(World):
    """See the module."""

    def __init__(self, seed: int, setting: Setting | None = None, weather: Weather | None = None) -> None:
        self.setting = setting or Setting()
        quorum = QuorumSettings(two_node=self.setting.two_node, wait_for_all=self.setting.wait_for_all or None)
        self.oracle = self.make_oracle()
        self.is_overridden = False
        super().__init__(seed, self.setting.nodes, self.setting.links, weather=weather, quorum=quorum)
        drift = Stream(seed, "drift")
        for host in self.hosts.values():
            host.ppm = drift.between(-self.setting.ppm, self.setting.ppm)
        self.wall_us = WALL_S * US_PER_S
        self.machines = {node: self.make_machine(host, seed) for node, host in self.hosts.items()}
        for machine in self.machines.values():
            machine.agents.overlap = lambda one, other, machine=machine: self.oracle.overlapped(machine, one, other)  # type: ignore[misc]
            machine.agents.started = lambda resource, machine=machine: self.oracle.service_started(machine, resource)  # type: ignore[misc]
        kernels = {node: machine.kernel for node, machine in self.machines.items()}
        self.segment = Segment(Stream(seed, "segment"), kernels, lambda: self.now_us, self.at, self._arp)
        self.segment.changed = self.oracle.segment_changed
        self.segment.has_ring = self.setting.lan == "shared"
        self.segment.open(self.setting.clients, ADDRESS)
        self.switch = Switch(Stream(seed, "switch"), self.at, self.power_off, self.boot, lambda node: self.hosts[node].is_powered)
        for machine in self.machines.values():
            machine.agents.switch = self.switch
        self.people = People(self, self.setting.policy, self.setting.resources)
        self.people.fenced = tuple(machine.name for machine in self.machines.values()) if self.setting.fencing else ()
        self.people.delay = self.setting.delay
        self.people.cloud = self.setting.cloud
        self.neutron = Neutron(self, seed) if self.setting.cloud else None
        self._plans: dict[tuple[bytes, int], Plan] = {}
        self._planning = Stream(seed, "planning")
        self._pauses = Stream(seed, "supervisor")
        self._recorded: deque[tuple[NodeId, NodeId, int, tuple[str, int], bytes]] = deque(maxlen=RECORDED_MAX)
        self._arrivals = 0
        self.planned = self.foreseen = 0
        self.plans_every_change = False
        self.heard: list[Callable[[int, NodeId, str], None]] = []

    @property
    def goes_on_alone(self) -> bool:
        """Whether two sides of a cut may both act, because the user said so in the configuration or by an order since."""
        return self.setting.goes_on_alone or self.is_overridden

    def name_of(self, node: NodeId) -> str:
        """What a node is called."""
        return f"n{node}"

    def make_machine(self, host: Host, seed: int) -> Machine:
        """What stands on a host."""
        return Machine(self, host, seed)

    def make_oracle(self) -> Oracle:
        """Who judges what clients see."""
        return Oracle(self)

    def make_checks(self) -> Checks:
        """Payloads are the managers' own here."""
        return ClusterChecks(self)

    def traced(self, node: NodeId, event: fx.NodeInput, effects: tuple[fx.NodeEffect, ...]) -> None:
        """Every event of a Node and all its effects go into the trace."""
        self.trace.update(b"%d n%d " % (self.now_us, node))
        if not isinstance(event, fx.PlanMade):  # what a plan leads to is traced
            self.trace.update(repr(event).encode())
        self.trace.update(repr(effects).encode())

    def say(self, node: NodeId, text: str) -> None:
        """Something worth a line, for whoever follows."""
        for listener in self.heard:
            listener(self.now_us, node, text)

    # ---- the engine's side ------------------------------------------------------------------------------------------

    def engine_started(self, host: Host) -> None:
        """The manager finds it by itself."""

    def engine_ended(self, host: Host) -> None:
        """The manager's line broke."""
        self.machines[host.id].engine_ended()

    def to_client(self, host: Host, event: ClientEvent) -> None:
        """A frame on the manager's line."""
        self.machines[host.id].engine_said(event)

    def attach(self, node: NodeId) -> None:
        """Only a manager that lives attaches."""
        if self.machines[node].node is not None:
            super().attach(node)

    def persist(self, host: Host, name: str, data: bytes) -> None:
        """The engine's files lie on the same disk as the journal."""
        if self.machines[host.id].disk.trouble in (Trouble.NONE, Trouble.SLOW):
            host.disk[name] = data
            return
        self.say(host.id, "engine: cannot write its state, leaves")
        self.kill(host.id)
        self._restart_engine(host)

    def halted(self, host: Host, report: Report) -> None:
        """The engine has left: the supervisor ends the manager too; or it failed, and is started again."""
        self.kill(host.id)
        machine = self.machines[host.id]
        if report.severity in (Severity.ERROR, Severity.CRITICAL):
            self._restart_engine(host)
        else:
            machine.is_wanted = False
            machine.feed(fx.Terminate())

    def _restart_engine(self, host: Host) -> None:
        machine = self.machines[host.id]
        if machine.is_wanted:
            again_us = self._pauses.between(150, 1_500) * US_PER_MS
            self.at(again_us, lambda: self._engine_again(host))

    def _engine_again(self, host: Host) -> None:
        machine = self.machines[host.id]
        if machine.is_frozen:
            self.at(500 * US_PER_MS, lambda: self._engine_again(host))
        elif not host.is_up and machine.is_wanted and host.is_powered:
            self.start(host.id)

    def supervise(self, machine: Machine, exit_code: int) -> None:
        """The manager's process has ended."""
        if exit_code in NO_RESTART:
            machine.is_wanted = False
            self.at(200 * US_PER_MS, lambda: None if machine.is_wanted else self.leave(machine.id))
        elif machine.is_wanted:
            self.at(self._pauses.between(150, 1_500) * US_PER_MS, lambda: machine.start() if machine.is_wanted else None)

    # ---- hosts ------------------------------------------------------------------------------------------------------

    def boot(self, node: NodeId) -> None:
        """`systemctl start standfast`, on a host that is switched on first if need be."""
        host, machine = self.hosts[node], self.machines[node]
        if machine.is_frozen:  # nobody types there until it runs again
            self.at(500 * US_PER_MS, lambda: self.boot(node))
            return
        host.is_powered = True
        machine.is_wanted = True
        machine.starts_again = machine.is_stopping
        if not host.is_up:
            self.start(node)
        if machine.node is None:
            machine.start()

    def stop(self, node: NodeId) -> None:
        """`systemctl stop standfast`."""
        machine = self.machines[node]
        machine.is_wanted = False
        machine.starts_again = False
        if machine.node is not None:
            machine.is_stopping = True
            machine.feed(fx.Terminate())
        elif self.hosts[node].is_up:
            self.leave(node)

    def kill_manager(self, node: NodeId) -> None:
        """kill -9; the supervisor starts it again."""
        self.machines[node].end()
        self.supervise(self.machines[node], 1)

    def kill_engine(self, node: NodeId) -> None:
        """kill -9; the supervisor starts it again."""
        self.kill(node)
        self._restart_engine(self.hosts[node])

    def kill_all(self, node: NodeId) -> None:
        """kill -9 of the supervisor and its children; the kernel keeps what it has, until its lifetime ends."""
        machine = self.machines[node]
        machine.is_wanted = machine.starts_again = False
        machine.end()
        self.kill(node)

    def power_off(self, node: NodeId) -> None:
        """The plug is pulled."""
        machine = self.machines[node]
        machine.is_wanted = machine.starts_again = False
        if machine.is_frozen:
            machine.kernel.is_frozen = False
        machine.end()
        self.kill(node, power=True)
        machine.kernel.boot()
        machine.agents.power_off()
        machine.holdings.clear()
        self.segment.changed()

    def stop_running(self, node: NodeId, what: str = "all") -> None:
        """SIGSTOP of the engine, the manager or both."""
        if what in ("all", "engine"):
            self.pause(node)
        if what in ("all", "manager"):
            self.machines[node].pause()

    def go_on(self, node: NodeId) -> None:
        """SIGCONT of both."""
        if not self.machines[node].is_frozen:
            self.resume(node)
            self.machines[node].resume()

    def freeze(self, node: NodeId) -> None:
        """The virtual machine stands still, its kernel too."""
        machine = self.machines[node]
        if machine.is_frozen or not self.hosts[node].is_powered:
            return
        machine.kernel.is_frozen = True
        machine.frozen_us = self.now_us
        self.stop_running(node)
        self.segment.changed()

    def thaw(self, node: NodeId, *, clock_stood: bool) -> None:
        """It runs again; its clock has gone on meanwhile, or has not."""
        machine, host = self.machines[node], self.hosts[node]
        if not machine.is_frozen:
            return
        if clock_stood:
            host.clock_us -= self.now_us - machine.frozen_us
            machine.thawed_us = host.paused_us = self.now_us  # nothing that it could notice
            host.queue = [event for event in host.queue if not isinstance(event, TimerFired)]
        machine.kernel.thaw()
        machine.rearm()
        if clock_stood:
            self.rearm(host)
        self.segment.changed()
        self.go_on(node)

    def peers_of(self, node: NodeId) -> tuple[str, ...]:
        """The addresses of the other nodes, as corosync.conf has them."""
        if self.setting.lan == "shared":
            return tuple(address_of(other) for other in self.hosts if other != node)
        return tuple(self.address(other, 0)[0] for other in self.hosts if other != node)

    def _arp(self, node: NodeId, event: IpInput) -> None:
        self.machines[node].heard(event)

    # ---- the scheduler's process ------------------------------------------------------------------------------------

    def schedule(self, planner: Planner, news: fx.ForScheduler, answer: Callable[[fx.PlanMade], None]) -> None:
        """What a node's scheduler is told. It plans in some milliseconds, and prepares in no time. A plan that was foreseen
        has to be the one from scratch, and every fourth of the others; with `plans_every_change` that after every change too."""
        match news:
            case fx.Document(xml):
                planner.take(xml)
            case fx.Follow():
                planner.follow(news)
                if self.plans_every_change:
                    self._followed(planner, fx.AskPlan(0, (self.wall_us + self.now_us) // US_PER_S, keep=True))
                    planner.check()
            case fx.Foresee(changes):
                planner.suppose(changes, (self.wall_us + self.now_us) // US_PER_S)
            case fx.AskPlan(number, wall_s, xml):
                self.planned += 1
                made = self._followed(planner, news) if xml is None else fx.PlanMade(number, self._scratch(xml, wall_s))
                self.at(self._planning.between(4, 40) * US_PER_MS, lambda: answer(made))

    def _followed(self, planner: Planner, question: fx.AskPlan) -> fx.PlanMade:
        """The plan of a document that was kept up by changes: it has to be the one that reading it anew would give."""
        number, wall_s, ready = question.number, question.wall_s, planner.ready
        made = planner.plan(wall_s, tells=not question.keep)
        was_foreseen = planner.ready > ready
        self.foreseen += was_foreseen
        if made is None:
            return fx.PlanMade(number, None, lost=True)
        if was_foreseen or self.plans_every_change or self.planned % SCRATCH_EVERY == 1:
            scratch = self._scratch(planner.follower.xml(), wall_s)
            if made.plan != (scratch.decision() if question.keep else scratch):
                raise PromiseError(f"at {self.now_us} us: the plan for {planner.follower.version} is not the plan from scratch")
        return fx.PlanMade(number, made.plan)

    def _scratch(self, xml: bytes, wall_s: int) -> Plan:
        """Nodes that hold the same document are given the same plan without working it out twice."""
        key = (xml, wall_s)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            plan = self._plans[key] = schedule(etree.fromstring(xml), wall_s)
        return plan

    def told(self, machine: Machine, report: Report) -> None:
        """A line of the manager's log."""
        self.say(machine.id, f"{report.severity}: {report.sentence()}")

    # ---- old datagrams ----------------------------------------------------------------------------------------------

    def kernel_runs(self, host: Host) -> bool:
        """A machine that is frozen as a whole answers nothing."""
        return host.is_powered and not self.machines[host.id].is_frozen

    def arrive(self, source: Host, target: Host, link: int, source_address: tuple[str, int], data: bytes) -> None:
        """A datagram reaches a host; every so many are kept, to come again one day."""
        self._arrivals += 1
        if self._arrivals % RECORD_EVERY == 0:
            self._recorded.append((source.id, target.id, link, source_address, data))
        super().arrive(source, target, link, source_address, data)

    def replay(self, node: NodeId) -> None:
        """Everything that was ever recorded on its way to this node comes again."""
        target = self.hosts[node]
        for source, to, link, address, data in tuple(self._recorded):
            if to == node and target.is_up:
                super().arrive(self.hosts[source], target, link, address, data)

    # ---- wires ------------------------------------------------------------------------------------------------------

    def cut_wire(self, source: NodeId, target: NodeId, link: int) -> None:
        """One link, one way; where the first link runs over the segment, the segment's wire with it."""
        self.network.cut(source, target, link)
        if link == 0 and self.setting.lan == "shared":
            self.segment.cut(source, target)

    def mend_wire(self, source: NodeId, target: NodeId, link: int) -> None:
        """Whole again."""
        self.network.cuts.pop((source, target, link), None)
        if link == 0 and self.setting.lan == "shared":
            self.segment.mend(source, target)
