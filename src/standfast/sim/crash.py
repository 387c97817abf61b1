"""Power fails at one of many nodes: how long until the last of the others has the new view. Engines alone, a quiet network.

Owns: the histories and what is counted. Does not own: the world, what the engine does.
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import ViewInstalled
from standfast.engine.effects import EngineEffect, SendDatagram, ToClient
from standfast.sim.world import World

SETTLE_US, WATCH_US = US_PER_S, 2 * US_PER_S
AHEAD_US = 125 * US_PER_MS


@dataclass(frozen=True, slots=True)
class Crash:
    """One of them. `last_us`: until the last survivor had its last view; `views`: the most that any of them had on the way;
    `datagrams` and `sent_bytes` by a survivor on average, heartbeats included."""

    last_us: int
    views: int
    datagrams: int
    sent_bytes: int


def crash(seed: int, nodes: int) -> Crash:
    """Play one. Raises AssertionError when the survivors do not agree."""
    world = World(seed, nodes, is_checked=False)
    for node in world.hosts:
        world.start(node)
    world.run(SETTLE_US + seed * 17 * US_PER_MS % AHEAD_US)  # at any place of the heartbeats' beat
    victim = NodeId(1 + seed * 7 % nodes)
    world.kill(victim, power=True)
    start_us = world.now_us
    views: dict[NodeId, list[int]] = {node: [] for node in world.hosts if node != victim}
    sent = [0, 0]

    def listen(at_us: int, node: NodeId, effect: EngineEffect) -> None:
        if isinstance(effect, ToClient) and isinstance(effect.event, ViewInstalled):
            views[node].append(at_us - start_us)
        elif isinstance(effect, SendDatagram):
            sent[0] += 1
            sent[1] += len(effect.data)

    world.listeners.append(listen)
    world.run(WATCH_US)
    fault = world.checks.unsettled([node for node in world.hosts if node != victim])
    assert not fault, fault
    survivors = nodes - 1
    last_us = max(max(each, default=WATCH_US) for each in views.values())
    return Crash(last_us, max(map(len, views.values())), sent[0] // survivors, sent[1] // survivors)
