"""Pauses of up to a second on a network that loses and delays: how many of them are taken for a death.

Owns: the weather, when whose engine stands still, and the count. Does not own: wires (network.py), what a view is.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from standfast.base.dataclass import dataclass
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


class Bad(Exception):
    """A tally's file that cannot be gone on with: the text says why."""


@dataclass(slots=True)
class Tally:
    """What several runs have seen together. Every hour has a seed of its own, so no history is counted twice; `seconds` is the
    processor's time, and `lost` names the seeds of the hours in which a pause was taken for a death."""

    next_seed: int
    hours: int = 0
    pauses: int = 0
    losses: int = 0
    seconds: float = 0.0
    lost: tuple[int, ...] = ()

    def count(self, counted: Counted, seconds: float) -> None:
        """An hour is over."""
        self.hours += 1
        self.pauses += counted.pauses
        self.losses += counted.losses
        self.seconds = round(self.seconds + seconds, 1)
        if counted.losses:
            self.lost += (self.next_seed,)
        self.next_seed += 1

    def text(self) -> str:
        """As a file has it."""
        return json.dumps(asdict(self)) + "\n"

    def sentence(self) -> str:
        """On one line."""
        rate = self.hours / max(self.seconds, 0.1) * 3600
        where = f" (hours with seed {', '.join(map(str, self.lost))})" if self.lost else ""
        return f"{self.hours} h: {self.pauses} pauses, {self.losses} taken for a death{where}, {rate:.0f} x real time"


def read_tally(text: str) -> Tally:
    """What `Tally.text` wrote. Raises Bad."""
    try:
        kept = json.loads(text)
        tally = Tally(**{**kept, "lost": tuple(kept["lost"]), "seconds": float(kept["seconds"])})
    except (ValueError, TypeError, KeyError, RecursionError) as bad:
        raise Bad(f"not a tally of pauses: {bad}") from None
    counts = (tally.next_seed, tally.hours, tally.pauses, tally.losses, *tally.lost)
    if any(type(count) is not int or count < 0 for count in counts) or not 0 <= tally.seconds < float("inf"):
        raise Bad("not a tally of pauses: a count is no number")
    return tally


class Pauses:
    """One seed's cluster in 5 % loss and 50 ms jitter; every `every_s` or so an engine stands still for 1 ms to 1 s."""

    def __init__(self, seed: int, nodes: int, every_s: int, *, is_checked: bool = False, is_traced: bool = True) -> None:
        weather = Weather(delay_us=500, jitter_us=50 * US_PER_MS, loss=50)
        self.world = World(seed, nodes, weather=weather, is_checked=is_checked, is_traced=is_traced)
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
