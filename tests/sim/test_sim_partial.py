"""Membership that does not flap: constant partial faults of every kind, drawn by seed. See docs/reliability.md."""

from __future__ import annotations

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import ViewInstalled
from standfast.engine.effects import EngineEffect, ToClient
from standfast.sim.partial import Kind, Partial
from standfast.sim.world import World

STABLE_US = 2 * US_PER_S
CHANGES_A_MINUTE = 3


@pytest.mark.parametrize(("nodes", "seeds", "for_s"), [(3, 24, 15), (5, 8, 12), (8, 3, 10)])
def test_one_stable_view_within_two_seconds_of_any_cut(nodes: int, seeds: int, for_s: int) -> None:
    for seed in range(1, seeds + 1):
        was = Partial(seed, nodes, Kind.CUTS).run(for_s * US_PER_S)
        assert was.last_us <= STABLE_US, (seed, was)
        assert was.worst_in_a_minute <= CHANGES_A_MINUTE, (seed, was)


@pytest.mark.parametrize(
    ("kind", "nodes", "seeds", "for_s"),
    [(Kind.LOSS, 2, 12, 120), (Kind.LOSS, 3, 12, 62), (Kind.LOSS, 5, 3, 62), (Kind.BEATS, 2, 12, 120), (Kind.BEATS, 3, 4, 90)],
)
def test_at_most_three_view_changes_a_minute_under_any_constant_fault(kind: Kind, nodes: int, seeds: int, for_s: int) -> None:
    for seed in range(1, seeds + 1):
        was = Partial(seed, nodes, kind, is_checked=False).run(for_s * US_PER_S)
        assert was.worst_in_a_minute <= CHANGES_A_MINUTE, (seed, was)


@pytest.mark.parametrize("every_s", [2, 5, 12, 29, 31, 45])
def test_a_pair_that_breaks_every_so_often_is_left_apart(every_s: int) -> None:
    play = Partial(1, 2, Kind.CUTS)
    play.world.at(15 * US_PER_S, lambda: play._beat(NodeId(1), NodeId(2), every_s * US_PER_S, 900 * US_PER_MS))
    was = play.run(240 * US_PER_S)
    assert was.last_us
    assert was.worst_in_a_minute <= CHANGES_A_MINUTE


@pytest.mark.parametrize("links", [2, 8])
def test_all_links_but_one_are_lost_and_back_and_nobody_notices(links: int) -> None:
    world = World(3, 3, links)
    for node in world.hosts:
        world.start(node)
    world.run(US_PER_S)
    views: list[EngineEffect] = []
    world.listeners.append(
        lambda _, __, effect: (
            views.append(effect) if isinstance(effect, ToClient) and isinstance(effect.event, ViewInstalled) else None
        )
    )
    for left in range(links):
        for source, target, link in [(a, b, n) for a in world.hosts for b in world.hosts if a != b for n in range(links)]:
            if link != left:
                world.network.cut(source, target, link)
        world.broadcast(NodeId(1), b"1/1/%d" % left)
        world.run(700 * US_PER_MS)
        world.network.heal()
        world.run(300 * US_PER_MS if left % 2 else 0)
    assert views == []
    assert world.checks.unsettled(world.hosts) == ""
