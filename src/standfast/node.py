"""A Node: the manager's pure rooms, composed. The daemon and the simulator build the same object.

    Node.step(now, event) -> effects, in the order in which they are to be performed

Owns: the wiring between controller, executor and failover IPs. Does not own: any decision, any IO.
Invariant (`check`): the rooms' own.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import cast

from standfast.agents.ip import api as ip
from standfast.agents.ip.machine import FailoverIps
from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.cib.machine import CibMachine
from standfast.controller.controller import Controller
from standfast.controller.desk import Identity
from standfast.controller.effects import FromAgent, FromCloud, FromNetwork, NodeEffect, NodeInput, Now, Tell, Wake, Woken
from standfast.executor import api as ex
from standfast.executor.environment import Settings, base_environment
from standfast.executor.machine import Executor
from standfast.fencing import api as fence
from standfast.fencing import runner as fencing
from standfast.openstack import api as cloud
from standfast.openstack import machine as openstack

CASCADE_MAX = 10_000
"""Events that one event may cause inside a node; more is a loop, and a bug."""

INSIDE = (
    ex.Completed
    | ex.ExecutorInput
    | ip.IpInput
    | openstack.CloudInput
    | openstack.Announce
    | cloud.Severed
    | cloud.Owned
    | fence.RunnerInput
    | fence.Finished
)
"""What one room says to another."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What a node is told at its start. `boot` is new in each life; `adopted` are (resource, parameters) of failover IPs that an
    earlier life of this manager held; `agents` is what every agent is told (None: the usual); `peers` are the addresses of the
    other nodes."""

    id: NodeId
    name: str
    boot: str
    cluster_name: str
    parallel_max: int
    admin_gid: int | None = None
    adopted: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    agents: Settings | None = None
    peers: tuple[str, ...] = ()


class Node:
    """See the module."""

    def __init__(self, settings: NodeSettings, machine: CibMachine) -> None:
        """`machine` holds the CIB as it was recovered from the disk."""
        self._settings = settings
        identity = Identity(settings.id, settings.name, settings.boot, settings.cluster_name, settings.admin_gid)
        self.controller = Controller(identity, machine)
        self.executor = Executor(settings.agents or Settings(settings.name), settings.parallel_max)
        agents = settings.agents or Settings(settings.name)
        self.fencing = fencing.Runner(base_environment(agents), settings.boot, agents.fence_dir, agents.own_fence_agents)
        self.ips = FailoverIps(settings.peers)
        self.openstack = openstack.OpenStack(int(hashlib.sha256(settings.boot.encode()).hexdigest()[:16], 16))

    def start(self, now: Now) -> tuple[NodeEffect, ...]:
        """The first effects: look at the network, take over what an earlier life held."""
        out: list[NodeEffect] = []
        for resource, parameters in self._settings.adopted:
            self._cascade(now, deque([ip.Adopt(resource, parameters)]), out)
        return tuple(out)

    def step(self, now: Now, event: NodeInput) -> tuple[NodeEffect, ...]:
        """Apply one event and everything that it causes inside the node."""
        out: list[NodeEffect] = []
        first: object = event
        match event:
            case FromAgent(exited) if exited.run < 0:
                first = fence.AgentEnded(-exited.run, exited.rc, exited.stdout, exited.stderr, exited.failure)
            case FromAgent(exited):
                first = exited
            case FromNetwork(heard):
                first = heard
            case FromCloud(answered):
                first = answered
            case Woken("cloud"):
                first = cloud.TimerFired()
            case Woken("fencing"):
                first = fence.TimerFired()
            case Woken("executor"):
                first = ex.TimerFired()
            case Woken("ip"):
                first = ip.TimerFired()
        self._cascade(now, deque([first]), out)
        return tuple(out)

    def check(self, now: Now) -> None:
        """Assert the rooms' invariants."""
        self.controller.check()
        self.executor.check()
        self.fencing.check()
        self.ips.check(now.us)
        self.openstack.check()

    def _cascade(self, now: Now, events: deque[object], out: list[NodeEffect]) -> None:
        for _ in range(CASCADE_MAX):
            if not events:
                return
            event = events.popleft()
            effects: tuple[object, ...]
            if isinstance(event, ex.ExecutorInput):
                effects = self.executor.step(now.us, now.wall_s, event)
            elif isinstance(event, fence.RunnerInput):
                effects = self.fencing.step(now.us, event)
            elif isinstance(event, ip.IpInput):
                effects = self.ips.step(now.us, event)
            elif isinstance(event, openstack.CloudInput):
                effects = self.openstack.step(now.us, event)
            else:
                effects = self.controller.step(now, event)  # type: ignore[arg-type]  # whatever is left is the controller's
            self._route(effects, events, out)
        raise AssertionError(f"more than {CASCADE_MAX} events out of one")

    def _route(self, effects: tuple[object, ...], events: deque[object], out: list[NodeEffect]) -> None:
        """What one room says is another room's event, or the world's business. All that is left goes out as it is."""
        for effect in effects:
            match effect:
                case ex.RunNative(run, request):
                    probe = request.action == "monitor" and request.interval_ms == 0
                    events.append(
                        ip.Operate(
                            run, request.resource, request.action, request.parameters, request.timeout_ms, request.handover, probe
                        )
                    )
                case ex.EndNative(run):
                    events.append(ip.Forget(run))
                case ip.Done(run, rc, reason):
                    events.append(ex.NativeDone(run, rc, reason))
                case ip.Changed(resource, rc, reason):
                    events.append(ex.NativeChanged(resource, rc, reason))
                case fence.Launch() | fence.End() | fence.SetTimer():
                    out.append(_of_fencing(effect))
                case ex.SetTimer(at_us):
                    out.append(Wake("executor", at_us))
                case ip.SetTimer(at_us):
                    out.append(Wake("ip", at_us))
                case cloud.SetTimer(at_us):
                    out.append(Wake("cloud", at_us))
                case cloud.Moved(_, node):
                    if node == self._settings.name:
                        events.append(ip.Healed())  # what was announced before the cloud let it through, nobody has heard
                case ex.Tell(report) | fence.Tell(report) | ip.Tell(report) | cloud.Tell(report):
                    out.append(Tell(report))
                case _ if isinstance(effect, INSIDE):
                    events.append(effect)
                case _:
                    out.append(cast(NodeEffect, effect))  # the unions of the rooms leave nothing else


def _of_fencing(effect: fence.Launch | fence.End | fence.SetTimer) -> NodeEffect:
    """Fence agents are processes as others are; their numbers are below zero, apart from the executor's."""
    match effect:
        case fence.Launch(run, argv, environment, stdin):
            return ex.RunAgent(-run, argv, environment, stdin)
        case fence.End(run, force):
            return ex.EndAgent(-run, force)
        case fence.SetTimer(at_us):
            return Wake("fencing", at_us)
