"""Another key for a running cluster: in any order, half done for as long as one likes, with nodes that die meanwhile."""

from __future__ import annotations

import itertools

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import ViewInstalled
from standfast.engine.effects import EngineEffect, Rekeyed, ToClient
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.sim.network import Weather
from standfast.sim.world import World

NODES = (NodeId(1), NodeId(2), NodeId(3))
OLD, NEW = AuthKey(b"o" * 127 + b"1"), AuthKey(b"n" * 127 + b"1")
MOVING = KeyRing(OLD, NEW, is_moving=True)


class Rotating(World):
    """A world whose nodes have key files: what a node starts with is what was given last."""

    def __init__(self, seed: int, weather: Weather | None = None) -> None:
        self.files = dict.fromkeys(NODES, KeyRing(OLD))
        super().__init__(seed, 3, weather=weather)
        self.views: list[EngineEffect] = []
        self.listeners.append(
            lambda _, __, e: self.views.append(e) if isinstance(e, ToClient) and isinstance(e.event, ViewInstalled) else None
        )
        for node in NODES:
            self.start(node)
        self.run(US_PER_S)
        self.views.clear()

    def config(self, local: NodeId):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        return replace(super().config(local), keys=self.files[local])

    def rekey(self, node: NodeId, ring: KeyRing) -> None:
        self.files[node] = ring
        self.give(node, Rekeyed(ring))

    def lacking(self, node: NodeId) -> tuple[str, ...]:
        engine = self.hosts[node].engine
        assert engine is not None
        return engine.lacking_key


@pytest.mark.parametrize("orders", list(itertools.product(itertools.permutations(NODES), repeat=2)))
def test_in_any_order_nobody_notices(orders: tuple[tuple[NodeId, ...], tuple[NodeId, ...]]) -> None:
    world = Rotating(4, Weather(delay_us=500, jitter_us=20_000, loss=20))
    for node in orders[0]:
        world.rekey(node, MOVING)
        world.run(1_300 * US_PER_MS)
    world.run(3 * US_PER_S)
    for node in orders[1]:
        assert world.lacking(node) == ()
        world.rekey(node, KeyRing(NEW))
        world.run(700 * US_PER_MS)
    world.run(2 * US_PER_S)
    assert world.views == []
    assert world.checks.unsettled(world.hosts) == ""


def test_half_done_it_stands_and_says_who_is_missing() -> None:
    world = Rotating(5)
    world.rekey(NodeId(1), MOVING)
    world.rekey(NodeId(3), MOVING)
    world.run(120 * US_PER_S)
    assert world.views == []
    assert world.lacking(NodeId(1)) == world.lacking(NodeId(3)) == ("node2",)


@pytest.mark.parametrize("dies", NODES)
@pytest.mark.parametrize("stage", range(7))
def test_a_node_that_starts_again_at_any_stage_is_one_of_them(stage: int, dies: NodeId) -> None:
    world = Rotating(6)
    steps = [(node, ring) for ring in (MOVING, KeyRing(NEW)) for node in NODES]
    for number, (node, ring) in enumerate((*steps, (NodeId(1), KeyRing(NEW)))):
        if number == stage:
            world.kill(dies, power=True)
            world.run(US_PER_S)
            world.start(dies)
            world.run(4 * US_PER_S)
            assert world.checks.unsettled(world.hosts) == ""
        if ring is not MOVING:
            assert world.lacking(node) == ()
        world.rekey(node, ring)
        world.run(2 * US_PER_S)
    assert world.checks.unsettled(world.hosts) == ""
