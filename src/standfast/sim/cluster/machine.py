"""A simulated host: what runtime/manager_host.py and the supervisor are in the world, around the production `Node`.

Owns: the manager's process (its life, its queue while it does not run, its timers), performing a Node's effects, /run.
Does not own: the engine's process (sim/world.py), any decision.

Durable before visible, as the runtime has it: after a `Store`, what the node says waits until the journal is on the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from standfast.agents.ip import api as ip
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.base.report import Refused, error
from standfast.cib.journal import Recovered, recover
from standfast.cib.machine import CibMachine
from standfast.controller import effects as fx
from standfast.engine.api import ClientEvent, ClientRequest, Leave
from standfast.engine.effects import Requested
from standfast.executor import api as ex
from standfast.node import Node, NodeSettings
from standfast.openstack.api import Call
from standfast.openstack.machine import Identify
from standfast.sim.chance import Stream
from standfast.sim.cluster.agents import Agents
from standfast.sim.cluster.disk import Disk, Trouble
from standfast.sim.cluster.kernel import Kernel
from standfast.sim.cluster.people import ADDRESS
from standfast.sim.cluster.planner import Planner
from standfast.sim.host import Host

if TYPE_CHECKING:
    from standfast.sim.cluster.neutron import Neutron
    from standfast.sim.cluster.world import Cluster

LINE_US = 40
"""From one process of a host to the other."""

RETRY_US = 50 * US_PER_MS
START_US = US_PER_S
"""What was told to start while it stopped, starts so long after its end."""

QUEUE_MAX = 100_000
CHECK_EVERY = 4
PARALLEL_MAX = 4
EXIT_CONFIG = 78
NO_RESTART = (0, EXIT_CONFIG)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """Netlink has something to tell: what, is read when the process gets to it."""


PICTURE = Picture()


@dataclass(slots=True)
class Timer:
    """A room's timer, by the host's clock."""

    number: int
    at_us: int


class Machine:
    """See the module. Invariant: `node` is None exactly while no manager's process runs."""

    def __init__(self, world: Cluster, host: Host, seed: int) -> None:
        self.world, self.host, self.id = world, host, host.id
        self.name = world.name_of(host.id)
        self.kernel = Kernel(host, Stream(seed, f"kernel {host.id}"), lambda: world.now_us, world.at)
        self.kernel.changed = self._kernel_changed
        self.disk = Disk(Stream(seed, f"journal {host.id}"))
        self.agents = Agents(Stream(seed, f"agents {host.id}"), world.at)
        self.agents.exited = self._agent_exited
        self.node: Node | None = None
        self.life = 0
        self.planner = Planner()
        self.is_paused = self.is_wanted = False
        self.is_stopping = self.starts_again = False
        self.wall_us = 0
        self.holdings: dict[str, tuple[tuple[str, str], ...]] = {}
        self.reports: list[str] = []
        self.refusal = ""
        self.hiccup: tuple[int, Callable[[], None]] | None = None
        self.thawed_us = -(10**12)
        self.frozen_us = 0
        self.slept_us = -(10**12)
        self.unread = 0
        self._queue: list[fx.NodeInput | Picture] = []
        self._rest: deque[fx.NodeEffect] = deque()
        self._timers: dict[str, Timer] = {}
        self._number = 0
        self._storing = 0
        self._held: deque[tuple[fx.ToEngine | fx.Answer, bool]] = deque()
        self.is_promise = False  # whether the answer that is being given is one: see Oracle.promises
        self._askers: dict[int, Callable[[Json], None]] = {}
        self._steps = 0

    @property
    def now(self) -> fx.Now:
        """What its clocks show."""
        world_us = self.world.now_us
        return fx.Now(self.host.local_us(world_us), (self.world.wall_us + world_us + self.wall_us) // US_PER_S)

    @property
    def is_behind(self) -> bool:
        """Whether its engine has told it what it has not read yet."""
        return self.unread > 0

    @property
    def unanswered(self) -> int:
        """How many of those who typed a command here still wait for its end."""
        return len(self._askers)

    @property
    def is_frozen(self) -> bool:
        """Whether the machine as a whole stands still."""
        return self.kernel.is_frozen

    # ---- the process ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The manager's process begins, with what its disk and /run hold."""
        if self.node is not None or not self.host.is_powered:
            return
        self.life += 1
        self.planner = Planner()
        try:
            recovered = self._read_journal()
        except Refused as refusal:
            self.refusal = str(refusal)
            self.world.oracle.refused(self)
            self.world.supervise(self, EXIT_CONFIG)
            return
        self.refusal = ""
        session = int.from_bytes(self.world.entropy(8), "big")
        settings = NodeSettings(
            self.id,
            self.name,
            f"{self.id}-{self.life}-{session:x}",
            "sim",
            PARALLEL_MAX,
            None,
            tuple(self.holdings.items()),
            None,
            self.world.peers_of(self.id),
        )
        self.node = Node(settings, CibMachine(self.id, session, recovered))
        self.is_paused = self.is_frozen
        self.world.oracle.began(self)
        self._perform(self.node.start(self.now))
        self._soon(PICTURE)
        self._connect(self.life)

    def _read_journal(self) -> Recovered | None:
        if self.disk.trouble is Trouble.EIO:
            raise Refused(error("runtime.unreadable", "cannot read the journal", "Input/output error", "check the disk"))
        recovered = recover(self.disk.durable) if self.disk.durable else None
        assert recovered is not None or not self.disk.durable, "S12: a journal with bytes in it passed for none"
        return recovered

    def end(self) -> None:
        """The process is gone, at once; its agents and the kernel's addresses are not."""
        if self.node is None:
            return
        self.node = None
        self.is_paused = self.is_stopping = False
        if self.starts_again:
            self.starts_again = False
            self.world.at(START_US, lambda: self.world.boot(self.id))
        for forgotten in (self._queue, self._rest, self._timers, self._held):
            forgotten.clear()
        self._storing = self.unread = 0
        self.hiccup = None
        self.disk.end_of_process()
        self.kernel.watched.clear()
        askers, self._askers = self._askers, {}
        self.world.oracle.ended(self)
        self.world.detach(self.id)
        for asker in askers.values():
            asker({"ok": False, "closed": True})

    def _connect(self, life: int) -> None:
        if self.node is None or self.life != life or self.host.is_attached:
            return
        if self.host.is_up and not self.is_paused:
            self.world.attach(self.id)
        else:
            self.world.at(RETRY_US, lambda: self._connect(life))

    def engine_ended(self) -> None:
        """The line to the engine broke."""
        if self.node is not None:
            life = self.life
            self._soon(fx.EngineLost("the engine closed it"))
            self.world.at(RETRY_US, lambda: self._connect(life))

    def pause(self) -> None:
        """SIGSTOP."""
        self.is_paused = self.node is not None

    def resume(self) -> None:
        """SIGCONT: first what it was in the middle of, then what has waited."""
        if not self.is_paused or self.is_frozen:
            return
        self.is_paused = False
        self.slept_us = self.world.now_us
        self._hand_on()
        self._go_on()

    def rearm(self) -> None:
        """The machine stood still, its clock too: no timer rang meanwhile."""
        self._queue = [event for event in self._queue if not isinstance(event, fx.Woken)]
        for room, timer in list(self._timers.items()):
            self._arm(room, timer.at_us)

    def _go_on(self) -> None:
        self._perform_rest()
        queue, self._queue = self._queue, []
        while queue and self.node is not None:
            if self.is_paused:
                self._queue = queue + self._queue
                return
            self._step(queue.pop(0))

    # ---- events in --------------------------------------------------------------------------------------------------

    def feed(self, event: fx.NodeInput | Picture) -> None:
        """Something happens to the process; it waits while that does not run."""
        if self.node is None:
            return
        if self.is_paused:
            if len(self._queue) < QUEUE_MAX:
                self._queue.append(event)
            return
        self._step(event)

    def _soon(self, event: fx.NodeInput | Picture) -> None:
        life = self.life
        self.world.at(LINE_US, lambda: self.feed(event) if self.life == life else None)

    def _step(self, event: fx.NodeInput | Picture) -> None:
        assert self.node is not None
        if isinstance(event, fx.EngineSaid):
            self.unread -= 1
        elif isinstance(event, Picture):
            event = fx.FromNetwork(ip.NetworkChanged(self.kernel.state()))
        node, now = self.node, self.now
        effects = node.step(now, event)
        self.world.traced(self.id, event, effects)
        self._perform(effects)
        self._steps += 1
        if self.node is node and self._steps % CHECK_EVERY == 0 and not self.is_paused:
            self._check(node, now, event)
        self.world.oracle.stepped(self)

    def _check(self, node: Node, now: fx.Now, event: fx.NodeInput) -> None:
        """The rooms' own invariants. What is held beyond its evidence is judged when the addresses' room has its turn."""
        if isinstance(event, fx.FromNetwork) or event == fx.Woken("ip"):
            node.check(now)
        else:
            node.controller.check()
            node.executor.check()

    def engine_said(self, event: ClientEvent) -> None:
        """A frame of the engine's line."""
        self.unread += 1
        self._soon(fx.EngineSaid(event))

    def heard(self, event: ip.IpInput) -> None:
        """ARP."""
        if isinstance(event, ip.NeighbourHeard) and event.ip not in self.kernel.watched:
            return
        self.feed(fx.FromNetwork(event))

    def ask(self, asker: Callable[[Json], None], verb: str, arguments: Json) -> None:
        """Somebody types a command on this host."""
        if self.node is None:
            asker({"ok": False, "closed": True})
            return
        self._number += 1
        connection = self._number
        self._askers[connection] = asker
        self._soon(fx.Asked(connection, 0, 0, {"id": connection, "verb": verb, **arguments}))

    def _kernel_changed(self) -> None:
        self._soon(PICTURE)
        self.world.segment.changed()

    def _agent_exited(self, life: int, event: ex.AgentExited) -> None:
        if life == self.life:
            self.feed(fx.FromAgent(event))

    # ---- effects out ------------------------------------------------------------------------------------------------

    def _perform(self, effects: tuple[fx.NodeEffect, ...]) -> None:
        self._rest.extend(effects)
        self._perform_rest()

    def _perform_rest(self) -> None:
        while self._rest and not self.is_paused:
            if self.hiccup is not None:
                left, deed = self.hiccup
                self.hiccup = (left - 1, deed) if left else None
                if not left:
                    deed()
                    continue
            self._perform_one(self._rest.popleft())

    def _perform_one(self, effect: fx.NodeEffect) -> None:
        match effect:
            case fx.ToEngine() | fx.Answer():
                is_promise = isinstance(effect, fx.Answer) and self.world.oracle.promises(self, effect.message)
                if self._storing:
                    self._held.append((effect, is_promise))
                else:
                    self._speak(effect, is_promise=is_promise)
            case fx.Store(data, rewrite):
                self._store(data, rewrite=rewrite)
            case fx.Wake(room, at_us):
                self._arm(room, at_us)
            case fx.Document() | fx.Follow() | fx.Foresee() | fx.AskPlan():
                life = self.life
                self.world.schedule(self.planner, effect, lambda made: self.feed(made) if self.life == life else None)
            case fx.Tell(report):
                self.world.told(self, report)
            case fx.Keep():
                pass
            case ip.Remember(resource, parameters):
                if parameters is None:
                    self.holdings.pop(resource, None)
                else:
                    self.holdings[resource] = parameters
            case ex.RunAgent():
                self.agents.run(self.life, effect)
            case Call() | Identify() | ex.RunUnit():
                assert not isinstance(effect, ex.RunUnit), f"no units are configured here: {effect}"
                self._cloud.perform(self, effect)
            case ex.EndAgent():
                self.agents.end(self.life, effect)
            case fx.Stop(exit_code, _):
                self.end()
                self.world.supervise(self, exit_code)
            case _:
                self._touch(effect)

    @property
    def _cloud(self) -> Neutron:
        assert self.world.neutron is not None, "no cloud is configured here"
        return self.world.neutron

    def _touch(self, effect: ip.KernelEffect) -> None:
        segment, kernel = self.world.segment, self.kernel
        match effect:
            case ip.PutAddress():
                if self.world.neutron is not None and effect.ip == ADDRESS and ADDRESS not in kernel.held:
                    self._cloud.put(self)
                if reason := kernel.put(effect):
                    self._soon(fx.FromNetwork(ip.Denied(effect, reason)))
                self.world.oracle.put(self, effect.ip)
            case ip.DropAddress(_, address, _):
                kernel.drop(address)
                self._soon(PICTURE)
            case ip.Look():
                self._soon(PICTURE)
            case ip.Ask(_, address):
                segment.ask(self.id, address)
            case ip.Survey():
                segment.survey(self.id, effect)
            case ip.Announce(_, address, _):
                segment.announce(self.id, address)
            case ip.Watch(_, address, on):
                if on:
                    kernel.watched[address] = None
                else:
                    kernel.watched.pop(address, None)
            case ip.Promote():
                pass

    def _speak(self, effect: fx.ToEngine | fx.Answer, *, is_promise: bool) -> None:
        if isinstance(effect, fx.Answer):
            message = effect.message
            asker = self._askers.get(effect.connection)
            if asker is not None:
                if message.get("end", True):
                    del self._askers[effect.connection]
                self.is_promise = is_promise
                asker(message)
            return
        host, life, request = self.host, self.host.life, effect.request
        if host.is_attached:
            self.world.at(LINE_US, lambda: self._request(life, request))

    def _request(self, life: int, request: ClientRequest) -> None:
        host = self.host
        if host.is_up and host.life == life and (host.is_attached or isinstance(request, Leave)):
            self.world.give(self.id, Requested(request))

    def _arm(self, room: str, at_us: int) -> None:
        self._number += 1
        timer = self._timers[room] = Timer(self._number, at_us)
        self._ring(room, timer)

    def _ring(self, room: str, timer: Timer) -> None:
        self.world.at(max(0, self.host.world_us(timer.at_us) - self.world.now_us), lambda: self._rang(room, timer))

    def _rang(self, room: str, timer: Timer) -> None:
        if self._timers.get(room) is timer and not self.is_frozen:
            del self._timers[room]
            self.feed(fx.Woken(room))

    # ---- disk -------------------------------------------------------------------------------------------------------

    def _store(self, data: bytes, *, rewrite: bool) -> None:
        self._storing += 1
        life = self.life
        waiting_us = self.disk.latency_us() + LINE_US * len(self.disk.flights)
        self.disk.begin(data, rewrite=rewrite)
        self.world.at(waiting_us, lambda: self._stored(life))

    def _stored(self, life: int) -> None:
        if self.life != life or self.node is None or not self.disk.flights:
            return
        if self.is_frozen:
            self.world.at(RETRY_US, lambda: self._stored(life))
            return
        fault = self.disk.land()
        if fault:
            self._held.clear()
            self._storing = 0
            self.disk.flights.clear()
            self.feed(fx.DiskFailed(fault))
            return
        self._storing = max(0, self._storing - 1)
        if self.is_paused:
            return  # the loop hands it on when it runs again; see resume
        self._hand_on()

    def _hand_on(self) -> None:
        while self._held and not self._storing:
            effect, is_promise = self._held.popleft()
            self._speak(effect, is_promise=is_promise)
