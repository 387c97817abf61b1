"""The world: one heap, one clock, one history per seed. It drives the production engines, unchanged.

Owns: time, the order of everything, and performing effects. Does not own: behaviour of an engine, what is checked (checks.py),
which faults happen when (swarm.py, transcript.py).

Events of the heap are (time, number, what to do): the number is unique, so nothing else is ever compared. The trace hash takes
in every event and every effect; two runs of one seed have the same hash under any PYTHONHASHSEED.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import Refused, Report
from standfast.engine.api import Alive, Attach, Broadcast, ClientEvent, Congested, Leave, Pulse
from standfast.engine.effects import (
    Adjusted,
    AskKernel,
    ClientGone,
    DatagramReceived,
    EngineEffect,
    EngineInput,
    Halt,
    KernelAnswered,
    PeerRefused,
    Persist,
    Requested,
    SendDatagram,
    SetTimer,
    Tell,
    TimerFired,
    ToClient,
)
from standfast.engine.embedded import Engine
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.engine.quorum.settings import QuorumSettings
from standfast.engine.settings import EngineConfig, NodeConfig, Times
from standfast.sim.chance import Stream
from standfast.sim.checks import Checks
from standfast.sim.host import Host
from standfast.sim.network import Network, Weather

PORT = 5405
EVENTS_AT_ONCE_MAX = 20_000
"""More events than that within a millisecond are somebody's timer in the past, or messages without end."""

EVENTS_A_PAIR_MAX = 16
"""With many nodes: at a start everybody greets everybody and tells what it knows, nine datagrams a pair as counted with 64."""

QUEUE_MAX = 4096
"""Datagrams that a paused host's kernel keeps."""

CLOCK_US_MAX = 100_000 * US_PER_S


class World:
    """One seed's world.

    Invariants: time never goes back; every engine gets its events with its own clock; a crashed engine's effects that were not
    performed never happen.
    """

    def __init__(
        self,
        seed: int,
        nodes: int = 3,
        links: int = 1,
        *,
        weather: Weather | None = None,
        quorum: QuorumSettings | None = None,
        times: Times | None = None,
        is_checked: bool = True,
        is_traced: bool = True,
    ) -> None:
        self.seed = seed
        self.now_us = 0
        self.times = times or Times()
        self._quorum = quorum or QuorumSettings()
        self.links = links
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self.entropy = Stream(seed, "entropy").bytes
        clocks = Stream(seed, "clocks")
        self.network = Network(Stream(seed, "network"), weather or Weather())
        self._disk = Stream(seed, "disk")
        self._key = KeyRing(AuthKey(Stream(seed, "key").bytes(128)))
        self.hosts = {NodeId(n): Host(NodeId(n), clocks.below(CLOCK_US_MAX)) for n in range(1, nodes + 1)}
        self._sources = {(node, link): self.address(node, link) for node in self.hosts for link in range(links)}
        self._targets = {(link, address): self.hosts[node] for (node, link), address in self._sources.items()}
        self.trace = hashlib.sha256()
        self.events = 0
        self.steps = 0
        self.checks = self.make_checks()
        self._is_checked = is_checked
        self._is_traced = is_traced
        self.listeners: list[Callable[[int, NodeId, EngineEffect], None]] = []
        self.fuse: dict[NodeId, int] = {}

    def make_checks(self) -> Checks:
        """Who judges this world."""
        return Checks(self)

    # ---- the heap -------------------------------------------------------------------------------------------------

    def at(self, delay_us: int, what: Callable[[], None]) -> None:
        """Do something later."""
        self._number += 1
        heappush(self._heap, (self.now_us + delay_us, self._number, what))

    def run(self, for_us: int) -> None:
        """Let that much time pass."""
        until_us = self.now_us + for_us
        at_once = max(EVENTS_AT_ONCE_MAX, EVENTS_A_PAIR_MAX * len(self.hosts) ** 2)
        checked_us, limit = self.now_us, self.events + at_once
        while self._heap and self._heap[0][0] <= until_us:
            self.now_us, _, what = heappop(self._heap)
            what()
            self.events += 1
            if self.events >= limit:
                assert self.now_us > checked_us + US_PER_MS, "L4: the world does not come to rest"
                checked_us, limit = self.now_us, self.events + at_once
        self.now_us = until_us

    # ---- hosts ----------------------------------------------------------------------------------------------------

    def address(self, node: NodeId, link: int) -> tuple[str, int]:
        """Where a node's engine listens on a link."""
        return f"10.{link}.{node >> 8}.{node & 255}", PORT

    def config(self, local: NodeId) -> EngineConfig:
        """The configuration of one node."""
        nodes = tuple(
            NodeConfig(node, f"node{node}", tuple(self.address(node, link) for link in range(self.links))) for node in self.hosts
        )
        return EngineConfig("sim", local, nodes, self._key, quorum=self._quorum, times=self.times)

    def start(self, node: NodeId) -> None:
        """Start the engine's process from what is on its disk; its manager attaches soon after."""
        host = self.hosts[node]
        assert not host.is_up
        host.life += 1
        host.timer += 1
        host.is_powered = True
        host.is_paused = host.is_attached = host.is_hung = host.congested = False
        host.queue.clear()
        host.engine = Engine(self.config(node), self.entropy, dict(host.disk))
        self.checks.started(host)
        self._perform(host, host.engine.start(host.local_us(self.now_us)), None)
        self.engine_started(host)

    def engine_started(self, host: Host) -> None:
        """An engine's process has begun: its manager attaches soon after."""
        life = host.life
        self.at(10 * US_PER_MS, lambda: self.attach(host.id) if host.life == life else None)

    def engine_ended(self, host: Host) -> None:
        """An engine's process is gone: the manager's line broke."""

    def attach(self, node: NodeId) -> None:
        """A manager connects; to a paused engine as soon as it runs again."""
        host = self.hosts[node]
        if host.is_paused:
            self.at(50 * US_PER_MS, lambda: self.attach(node))
        elif host.is_up and not host.is_attached:
            host.is_attached = True
            self.checks.attaching(host)
            self.give(node, Requested(Attach()))

    def detach(self, node: NodeId) -> None:
        """The manager's process dies."""
        host = self.hosts[node]
        if host.is_up and host.is_attached:
            host.is_attached = False
            self.checks.detached(host)
            self.give(node, ClientGone())

    def kill(self, node: NodeId, *, power: bool = False) -> None:
        """The engine's process ends at once; without power the whole host is silent, else its kernel refuses datagrams."""
        host = self.hosts[node]
        if host.is_up:
            self.checks.ended(host)
        host.engine = None
        host.is_attached = False
        host.is_powered = not power
        host.timer += 1
        self.engine_ended(host)

    def pause(self, node: NodeId) -> None:
        """The process stops running; datagrams wait in its sockets."""
        host = self.hosts[node]
        if not host.is_paused:
            host.is_paused = True
            host.paused_us = self.now_us

    def resume(self, node: NodeId) -> None:
        """The process runs again and finds what has waited: sockets before the timer, as an event loop does."""
        host = self.hosts[node]
        if not host.is_paused:
            return
        host.is_paused = False
        host.resumed_us = self.now_us
        queue, host.queue = host.queue, []
        for event in queue:
            self._give_now(host, host.life, event)

    def leave(self, node: NodeId) -> None:
        """Polite leave."""
        self.give(node, Requested(Leave()))

    def adjust(self, node: NodeId, order: Adjusted) -> None:
        """An operator's order; what the engine refuses is the operator's problem."""
        with suppress(Refused):
            self.give(node, order)

    def broadcast(self, node: NodeId, payload: bytes) -> None:
        """The manager of `node` broadcasts."""
        host = self.hosts[node]
        if host.is_up and host.is_attached and not host.is_paused and not host.congested:
            self.checks.sent(host, payload)
            self.give(node, Requested(Broadcast(payload)))

    # ---- events in ------------------------------------------------------------------------------------------------

    def give(self, node: NodeId, event: EngineInput) -> None:
        """Hand an event to an engine now."""
        host = self.hosts[node]
        self._give_now(host, host.life, event)

    def _give_now(self, host: Host, life: int, event: EngineInput) -> None:
        if host.engine is None or host.life != life:
            return
        if host.is_paused:
            if len(host.queue) < QUEUE_MAX:
                host.queue.append(event)
            return
        self.steps += 1
        local_us = host.local_us(self.now_us)
        assert local_us >= host.stepped_us, "a monotonic clock does not go back"
        host.stepped_us = local_us
        effects = host.engine.step(local_us, event)
        self._perform(host, effects, event)

    def _fire(self, host: Host, timer: int) -> None:
        if host.timer == timer:
            self._give_now(host, host.life, TimerFired())

    def rearm(self, host: Host) -> None:
        """Its clock was set back: the engine's timer rings later than it would have."""
        host.timer += 1
        timer = host.timer
        self.at(max(0, host.world_us(host.timer_us) - self.now_us), lambda: self._fire(host, timer))

    # ---- effects out ----------------------------------------------------------------------------------------------

    def _perform(self, host: Host, effects: tuple[EngineEffect, ...], event: EngineInput | None) -> None:
        if self._is_traced:
            self._hash(host, event, effects)
        for effect in effects:
            if self.fuse and self._is_burnt(host):
                self.kill(host.id, power=True)
                return
            self._perform_one(host, effect)
            for listener in self.listeners:
                listener(self.now_us, host.id, effect)
            if host.engine is None:
                return
        if self._is_checked:
            self.checks.stepped(host)

    def _is_burnt(self, host: Host) -> bool:
        """`fuse[node] = k`: power fails after k more effects, so that a crash can fall between any two of them."""
        left = self.fuse.get(host.id)
        if left is None:
            return False
        self.fuse[host.id] = left - 1
        if left:
            return False
        del self.fuse[host.id]
        return True

    def _perform_one(self, host: Host, effect: EngineEffect) -> None:
        match effect:
            case SendDatagram():
                self._send(host, effect.link, effect.address, effect.data)
            case AskKernel(link, address, asked_us):
                self._ask_kernel(host, self._target(link, address), KernelAnswered(link, address, asked_us))
            case SetTimer():
                host.timer += 1
                timer = host.timer
                host.timer_us = effect.at_us
                self.at(max(0, host.world_us(effect.at_us) - self.now_us), lambda: self._fire(host, timer))
            case ToClient(client_event):
                if host.is_attached:  # else its connection is closed: nobody reads this
                    self.checks.told(host, client_event)
                    self.to_client(host, client_event)
            case Persist(name, data):
                self.persist(host, name, data)
            case Halt(report):
                self.halted(host, report)
            case Tell(report):
                self.engine_told(host, report)

    def to_client(self, host: Host, event: ClientEvent) -> None:
        """The manager hears something: a stub answers pulses, and no more."""
        if isinstance(event, Pulse) and not host.is_hung:
            life = host.life
            self.at(100, lambda: self._give_now(host, life, Requested(Alive())))
        elif isinstance(event, Congested):
            host.congested = event.congested

    def halted(self, host: Host, _report: Report) -> None:
        """The engine has left, or cannot go on: its process ends."""
        self.kill(host.id)

    def engine_told(self, host: Host, report: Report) -> None:
        """A line of the engine's log."""

    def persist(self, host: Host, name: str, data: bytes) -> None:
        """What the engine's process writes to its state folder, durably."""
        host.disk[name] = data

    def _send(self, host: Host, link: int, address: tuple[str, int], data: bytes) -> None:
        target = self._target(link, address)
        source_address = self._sources[host.id, link]
        for delay_us in self.network.delays(host.id, target.id, link):
            self.at(delay_us, lambda: self.arrive(host, target, link, source_address, data))

    def _ask_kernel(self, host: Host, target: Host, answer: KernelAnswered) -> None:
        """An ICMP echo: there, and back if the kernel runs, whatever its processes do."""
        life = host.life

        def asked() -> None:
            if self.kernel_runs(target):
                for back_us in self.network.delays(target.id, host.id, answer.link):
                    self.at(back_us, lambda: self._give_now(host, life, answer))

        for there_us in self.network.delays(host.id, target.id, answer.link):
            self.at(there_us, asked)

    def kernel_runs(self, host: Host) -> bool:
        """Whether a host's kernel answers by itself."""
        return host.is_powered

    def _corrupt(self, target: Host, link: int, source_address: tuple[str, int], data: bytes) -> None:
        """S10: what does not open is not answered, and nobody is told anything. (What was due anyway may go out with it.)"""
        assert target.engine is not None
        self.steps += 1
        is_due = target.local_us(self.now_us) >= target.timer_us
        effects = target.engine.step(target.local_us(self.now_us), DatagramReceived(link, source_address, data))
        moved = [effect for effect in effects if not isinstance(effect, SetTimer | Tell)]
        assert is_due or not moved, f"S10: a datagram that does not open made node {target.id} do {moved}"
        self._perform(target, effects, DatagramReceived(link, source_address, data))

    def _target(self, link: int, address: tuple[str, int]) -> Host:
        return self._targets[link, address]  # whatever else is sent to does not exist

    def arrive(self, source: Host, target: Host, link: int, source_address: tuple[str, int], data: bytes) -> None:
        """A datagram reaches a host."""
        if target.is_up:
            if self.network.weather.corruption and not target.is_paused:
                whole, data = data, self.network.corrupted(data)
                if data is not whole:
                    self._corrupt(target, link, source_address, data)
                    return
            self._give_now(target, target.life, DatagramReceived(link, source_address, data))
        elif target.is_powered and (target.id, source.id, link) not in self.network.cuts:
            refused = PeerRefused(link, self.address(target.id, link))
            self.at(self.network.weather.delay_us, lambda: self._give_now(source, source.life, refused))

    def _hash(self, host: Host, event: EngineInput | None, effects: tuple[EngineEffect, ...]) -> None:
        parts = [b"%d %d " % (self.now_us, host.id)]
        for thing in (event, *effects):
            kind = type(thing)
            if kind is DatagramReceived or kind is SendDatagram:
                parts.append(thing.data)  # type: ignore[union-attr]
            elif kind is SetTimer:
                parts.append(b"SetTimer %d" % thing.at_us)  # type: ignore[union-attr]
            elif kind is TimerFired:
                parts.append(b"TimerFired")
            else:
                parts.append(repr(thing).encode())
        self.trace.update(b"".join(parts))
