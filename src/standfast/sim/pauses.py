"""Pauses of up to a second on a network that loses and delays: how many of them are taken for a death.

Owns: the weather, when whose engine stands still, and the count. Does not own: wires (network.py), what a view is.
"""

from __future__ import annotations

from dataclasses import dataclass

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import ViewInstalled
from standfast.engine.effects import EngineEffect, ToClient
from standfast.sim.chance import Stream
from standfast.sim.network import Weather
from standfast.sim.world import World

PAUSE_MS_MAX = 1_000
SETTLE_US = 10 * US_PER_S
APART_US = 5 * US_PER_S
"""Views without a member that come so soon after one another count as one loss."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run has seen."""

    simulated_us: int
    pauses: int
    losses: int


class Pauses:
    """One seed's cluster in 5 % loss and 50 ms jitter; every `every_s` or so an engine stands still for 1 ms to 1 s."""

    def __init__(self, seed: int, nodes: int, every_s: int, *, is_checked: bool = False) -> None:
        weather = Weather(delay_us=500, jitter_us=50 * US_PER_MS, loss=50)
        self.world = World(seed, nodes, weather=weather, is_checked=is_checked)
        self._chance = Stream(seed, "pauses")
        self._every_us = every_s * US_PER_S
        self._pauses = self._losses = 0
        self._lost_us = -APART_US
        for node in self.world.hosts:
            self.world.start(node)
        self.world.run(SETTLE_US)
        self.world.listeners.append(self._listen)
        self._next()

    def run(self, for_us: int) -> Counted:
        """Let that much time pass; the count is since the beginning."""
        self.world.run(for_us)
        return Counted(self.world.now_us - SETTLE_US, self._pauses, self._losses)

    def _next(self) -> None:
        self.world.at(self._chance.between(self._every_us // 2, self._every_us * 3 // 2), self._pause)

    def _pause(self) -> None:
        node = NodeId(1 + self._chance.below(len(self.world.hosts)))
        self._pauses += 1
        self.world.pause(node)
        self.world.at(self._chance.between(1, PAUSE_MS_MAX) * US_PER_MS, lambda: self._resume(node))

    def _resume(self, node: NodeId) -> None:
        self.world.resume(node)
        self._next()

    def _listen(self, now_us: int, _: NodeId, effect: EngineEffect) -> None:
        if not isinstance(effect, ToClient) or not isinstance(effect.event, ViewInstalled):
            return
        if len(effect.event.view.members) < len(self.world.hosts) and now_us - self._lost_us >= APART_US:
            self._losses += 1
            self._lost_us = now_us
