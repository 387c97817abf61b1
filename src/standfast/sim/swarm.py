"""A swarm run: each seed draws its own cluster, weather, faults and load; then everything heals and must come to rest.

Owns: the draws, the faults' times, the liveness phase. Does not own: what a fault does (world.py), judgement (checks.py).

Ranges begin where TigerBeetle's simulator has them (loss 0-30 %, duplication 0-50 %, delay to 100 ms); some kinds of fault are
off for a whole seed, because a run in which everything happens never sees what happens when only one thing does.
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.effects import Adjusted
from standfast.engine.quorum.settings import QuorumSettings
from standfast.sim.chance import Stream
from standfast.sim.checks import PromiseError
from standfast.sim.network import Weather
from standfast.sim.world import World

CALM_US = 2 * US_PER_S
"""Liveness: one agreed view so long after the last fault."""

GOODBYE_US = 600 * US_PER_MS
"""Whoever was leaving when the faults ended has left by then, and is started again."""

PROBATION_US = 75 * US_PER_S
"""The same where a flapping peer has to be calm first (engine/detector/peer.py)."""

KINDS = ("crash", "power", "pause", "halves", "one_way", "pair", "link", "leave", "weather", "detach", "adjust", "burst")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one seed has drawn."""

    seed: int
    nodes: int
    links: int
    two_node: bool
    wait_for_all: bool
    weather: Weather
    kinds: tuple[str, ...]
    fault_every_ms: int
    message_every_ms: int
    payload_bytes_max: int
    duration_us: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; `failure` is empty when everything held."""

    plan: Plan
    failure: str
    trace: str
    simulated_us: int
    events: int
    faults: int
    delivered: int
    views: int


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Stream(seed, "plan")
    nodes = chance.choice((2, 2, 3, 3, 4, 5))
    is_calm = chance.happens(250)
    weather = Weather(
        delay_us=chance.between(50, 2_000),
        jitter_us=chance.choice((50, 1_000, 10_000, 50_000, 100_000)) if not is_calm else 100,
        loss=0 if is_calm else chance.choice((0, 10, 50, 100, 300)),
        duplication=0 if is_calm else chance.choice((0, 50, 500)),
    )
    kinds = tuple(kind for kind in KINDS if chance.happens(500))
    payload_bytes_max = chance.choice((20, 200, 5_000, 100_000))
    return Plan(
        seed=seed,
        nodes=nodes,
        links=chance.choice((1, 1, 2)),
        two_node=nodes == 2 and chance.happens(500),
        wait_for_all=chance.happens(300),
        weather=weather,
        kinds=kinds,
        fault_every_ms=chance.choice((200, 700, 2_000, 5_000)),
        # A cluster's messages are small and few; large ones come often enough to meet every fault.
        message_every_ms=chance.choice((5, 20, 100, 1_000) if payload_bytes_max <= 200 else (100, 300, 1_000)),
        payload_bytes_max=payload_bytes_max,
        duration_us=chance.between(5, 20) * US_PER_S,
    )


class Swarm:
    """Runs one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        quorum = QuorumSettings(two_node=plan.two_node, wait_for_all=plan.wait_for_all)
        self.world = World(plan.seed, plan.nodes, plan.links, weather=plan.weather, quorum=quorum)
        self._faults = Stream(plan.seed, "faults")
        self._load = Stream(plan.seed, "load")
        self._is_over = False
        self.count = 0
        self._deeds: dict[str, Callable[[], None]] = {
            "crash": self._crash,
            "power": self._power,
            "pause": self._pause,
            "halves": self._halves,
            "one_way": self._one_way,
            "pair": self._pair,
            "link": self._link,
            "leave": self._leave,
            "weather": self._weather,
            "detach": self._detach,
            "adjust": self._adjust,
            "burst": self._burst,
        }

    def run(self) -> Outcome:
        """Play the plan; a broken promise or invariant ends it."""
        failure = ""
        try:
            self._play()
        except AssertionError as broken:
            failure = f"{type(broken).__name__}: {broken}" if str(broken) else _place(broken)
        w = self.world
        return Outcome(
            self.plan, failure, w.trace.hexdigest(), w.now_us, w.events, self.count, w.checks.delivered, w.checks.views
        )

    def _play(self) -> None:
        w = self.world
        for node in w.hosts:
            w.at(self._faults.below(US_PER_S), lambda node=node: w.start(node) if not w.hosts[node].is_up else None)  # type: ignore[misc]
        w.at(US_PER_S, self._next_message)
        if self.plan.kinds:
            w.at(2 * US_PER_S, self._next_fault)
        w.run(self.plan.duration_us)
        self._is_over = True
        w.network.heal()
        for node in w.hosts:
            w.resume(node)
        w.run(GOODBYE_US)
        for node, host in w.hosts.items():
            if not host.is_up:
                w.start(node)
            elif not host.is_attached:
                w.attach(node)
        w.run(CALM_US)
        until_us = w.now_us + PROBATION_US
        while w.checks.unsettled(w.hosts) and w.now_us < until_us and any(self._is_held(node) for node in w.hosts):
            w.run(US_PER_S)
            if not any(self._is_held(node) for node in w.hosts):
                w.run(CALM_US)
        unsettled = w.checks.unsettled(w.hosts)
        if unsettled:
            raise PromiseError(f"after {w.now_us - self.plan.duration_us} us of calm: {unsettled}")

    def _is_held(self, node: NodeId) -> bool:
        engine = self.world.hosts[node].engine
        return engine is not None and engine.has_probationers

    # ---- load -----------------------------------------------------------------------------------------------------

    def _next_message(self) -> None:
        if self._is_over:
            return
        self._speak(self._load.choice(tuple(self.world.hosts)))
        self.world.at(self._load.below(2 * self.plan.message_every_ms) * US_PER_MS + 100, self._next_message)

    def _speak(self, node: NodeId) -> None:
        host = self.world.hosts[node]
        host.counter += 1
        head = b"%d/%d/%d/" % (node, host.life, host.counter)
        self.world.broadcast(node, head + bytes(self._load.below(self.plan.payload_bytes_max)))

    # ---- faults ---------------------------------------------------------------------------------------------------

    def _next_fault(self) -> None:
        if self._is_over:
            return
        self.count += 1
        self._deeds[self._faults.choice(self.plan.kinds)]()
        self.world.at(self._faults.below(2 * self.plan.fault_every_ms) * US_PER_MS + 1000, self._next_fault)

    def _node(self) -> NodeId:
        return self._faults.choice(tuple(self.world.hosts))

    def _later(self, low_ms: int, high_ms: int, what: Callable[[], None]) -> None:
        self.world.at(self._faults.between(low_ms, high_ms) * US_PER_MS, lambda: None if self._is_over else what())

    def _start(self, node: NodeId) -> None:
        if not self.world.hosts[node].is_up:
            self.world.start(node)

    def _crash(self) -> None:
        node = self._node()
        self.world.kill(node)
        self._later(1, 3_000, lambda: self._start(node))

    def _power(self) -> None:
        node = self._node()
        self.world.kill(node, power=True)
        self._later(10, 5_000, lambda: self._start(node))

    def _leave(self) -> None:
        node = self._node()
        self.world.leave(node)
        self._later(500, 3_000, lambda: self._start(node))

    def _pause(self) -> None:
        node = self._node()
        self.world.pause(node)
        long_ms = self._faults.choice((30, 300, 1_000, 6_000))
        # Ended even when the run is over by then: only `resume` of the liveness phase may come before.
        self.world.at(self._faults.between(1, long_ms) * US_PER_MS, lambda: self.world.resume(node))

    def _cut(self, wires: list[tuple[int, int]]) -> None:
        cuts = [(a, b, link) for a, b in wires for link in range(self.plan.links)]
        for wire in cuts:
            self.world.network.cut(*wire)
        self._later(50, self._faults.choice((200, 1_000, 5_000)), lambda: self._mend(cuts))

    def _mend(self, cuts: list[tuple[int, int, int]]) -> None:
        for wire in cuts:
            self.world.network.cuts.pop(wire, None)

    def _halves(self) -> None:
        order = self._faults.shuffled(tuple(self.world.hosts))
        at = self._faults.between(1, len(order) - 1)
        self._cut([wire for a in order[:at] for b in order[at:] for wire in ((a, b), (b, a))])

    def _one_way(self) -> None:
        a, b = self._faults.shuffled(tuple(self.world.hosts))[:2]
        self._cut([(a, b)])

    def _pair(self) -> None:
        a, b = self._faults.shuffled(tuple(self.world.hosts))[:2]
        self._cut([(a, b), (b, a)])

    def _link(self) -> None:
        link = self._faults.below(self.plan.links)
        a, b = self._faults.shuffled(tuple(self.world.hosts))[:2]
        cuts = [(int(a), int(b), link), (int(b), int(a), link)]
        for wire in cuts:
            self.world.network.cut(*wire)
        self._later(50, 5_000, lambda: self._mend(cuts))

    def _weather(self) -> None:
        before = self.world.network.weather
        self.world.network.weather = Weather(
            self._faults.between(50, 20_000), self._faults.choice((50, 100_000)), self._faults.choice((0, 300, 900)), 0
        )
        self._later(100, 3_000, lambda: setattr(self.world.network, "weather", before))

    def _detach(self) -> None:
        node = self._node()
        self.world.detach(node)
        self._later(1, 4_000, lambda: None if self.world.hosts[node].is_attached else self.world.attach(node))

    def _adjust(self) -> None:
        node = self._node()
        host = self.world.hosts[node]
        if host.is_up and not host.is_paused:
            self.world.adjust(node, Adjusted("cancel_wait_for_all", NodeId(0), 0))

    def _burst(self) -> None:
        node = self._node()
        for _ in range(self._faults.between(10, 300)):
            self._speak(node)


def _place(broken: AssertionError) -> str:
    """An assertion without a text: say where it stands."""
    trace = broken.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    return f"assertion in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}"


def run(seed: int) -> Outcome:
    """Draw and play one seed."""
    return Swarm(draw(seed)).run()
