"""Constant partial faults: some pairs of nodes do not hear each other, or one way only, or with much loss; and it stays so.

Owns: the draw of such a fault, and the count of view changes under it. Does not own: wires (network.py), what a view is.

A cluster that stood still before has to come to rest again (Totem does not: Corosync's issues #750, #760, #659). The figures
are the most view changes that any node saw within any minute, and when the last one was, counted from the fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import combinations

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S, NodeId
from standfast.engine.api import ViewInstalled
from standfast.engine.effects import EngineEffect, ToClient
from standfast.sim.chance import Stream
from standfast.sim.network import Wire
from standfast.sim.world import World

MINUTE_US = 60 * US_PER_S
CALM_BEFORE_US = 15 * US_PER_S
LOSSES = (50, 200, 400, 600, 700, 800, 900, 950)
"""Per mille of what a lossy wire carries."""


class Kind(StrEnum):
    """CUTS: every wire carries all or nothing. LOSS: some lose at random besides. BEATS: some pairs break every few seconds."""

    CUTS = "cuts"
    LOSS = "loss"
    BEATS = "beats"


@dataclass(frozen=True, slots=True)
class Restless:
    """What a cluster did under one constant fault."""

    fault: str
    worst_in_a_minute: int
    last_us: int
    trace: str


class Partial:
    """One seed: a settled cluster, one fault, some minutes."""

    def __init__(self, seed: int, nodes: int, kind: Kind, *, is_checked: bool = True) -> None:
        self.world = World(seed, nodes, is_checked=is_checked)
        self._chance = Stream(seed, f"partial/{kind}")
        self._kind = kind
        self._since_us = 0
        self._views: dict[NodeId, list[int]] = {node: [] for node in self.world.hosts}
        self._fault: list[str] = []

    def run(self, for_us: int) -> Restless:
        """Play it."""
        w = self.world
        for node in w.hosts:
            w.start(node)
        w.run(CALM_BEFORE_US)
        self._since_us = w.now_us
        w.listeners.append(self._listen)
        for a, b in combinations(sorted(w.hosts), 2):
            self._break(a, b)
        w.run(for_us)
        worst = max(_densest(times) for times in self._views.values())
        last_us = max((max(times) for times in self._views.values() if times), default=0)
        return Restless(" ".join(self._fault) or "none", worst, last_us, w.trace.hexdigest())

    def _listen(self, now_us: int, node: NodeId, effect: EngineEffect) -> None:
        if isinstance(effect, ToClient) and isinstance(effect.event, ViewInstalled):
            self._views[node].append(now_us - self._since_us)

    def _break(self, a: NodeId, b: NodeId) -> None:
        drawn = self._chance.below(100)
        network = self.world.network
        if drawn < 44:
            ways = ((a, b), (b, a)) if drawn < 20 else ((a, b),) if drawn < 32 else ((b, a),)
            for source, target in ways:
                network.cut(source, target, 0)
                self._fault.append(f"{source}>{target}:cut")
        elif drawn < 64 and self._kind is Kind.LOSS:
            loss = self._chance.choice(LOSSES)
            for source, target in ((a, b), (b, a)) if self._chance.happens(500) else ((a, b),):
                network.lossy[source, target, 0] = loss
                self._fault.append(f"{source}>{target}:{loss}")
        elif drawn < 64 and self._kind is Kind.BEATS:
            every_us, off_us = self._chance.between(2, 60) * US_PER_S, self._chance.between(500, 1_500) * 1_000
            self._fault.append(f"{a}-{b}:{off_us // 1000}ms every {every_us // US_PER_S}s")
            self._beat(a, b, every_us, off_us)

    def _beat(self, a: NodeId, b: NodeId, every_us: int, off_us: int) -> None:
        w = self.world
        wires = ((a, b, 0), (b, a, 0))
        for wire in wires:
            w.network.cut(*wire)
        w.at(off_us, lambda: self._mend(wires))
        w.at(every_us, lambda: self._beat(a, b, every_us, off_us))

    def _mend(self, wires: Sequence[Wire]) -> None:
        for wire in wires:
            self.world.network.cuts.pop(wire, None)


def _densest(times_us: list[int]) -> int:
    """The most of these within any minute."""
    return max((sum(1 for other in times_us[i:] if other - at < MINUTE_US) for i, at in enumerate(times_us)), default=0)
