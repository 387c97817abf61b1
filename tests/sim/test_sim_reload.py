"""Another corosync.conf for a running cluster: every member reads its own file, and all follow it or none."""

from __future__ import annotations

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import Refused
from standfast.engine.api import ViewInstalled
from standfast.engine.effects import Draft, EngineEffect, FileRead, ReadFile, ReloadAsked, ReloadEnded, ToClient
from standfast.engine.settings import Times
from standfast.sim.network import Weather
from standfast.sim.world import World

NODES = (NodeId(1), NodeId(2), NodeId(3))
OLD = Draft(1000, 375, 0, (("quorum.two_node", 0), ("totem.token", 1)))
NEW = Draft(2500, 500, 0, (("quorum.two_node", 0), ("totem.token", 2)))
SHORT = Draft(60, 50, 0, (("totem.token", 3),))


class Reloading(World):
    """A world whose nodes have a corosync.conf: a draft, a sentence about what is wrong with it, or None: it is never read."""

    def __init__(self, seed: int, nodes: int = 3, weather: Weather | None = None, times: Times | None = None) -> None:
        super().__init__(seed, nodes, weather=weather, times=times)
        self.files: dict[NodeId, Draft | str | None] = dict.fromkeys(self.hosts, NEW)
        self.read_us = 3 * US_PER_MS
        self.ended: dict[NodeId, list[ReloadEnded]] = {node: [] for node in self.hosts}
        self.views = 0
        self.listeners.append(self._listen)
        for node in self.hosts:
            self.start(node)
        self.run(US_PER_S)
        self.views = 0

    def _listen(self, _: int, node: NodeId, effect: EngineEffect) -> None:
        if isinstance(effect, ReadFile):
            self.at(self.read_us, lambda: self._read(node, effect.number))
        elif isinstance(effect, ReloadEnded):
            self.ended[node].append(effect)
        elif isinstance(effect, ToClient) and isinstance(effect.event, ViewInstalled):
            self.views += 1

    def _read(self, node: NodeId, number: int) -> None:
        said = self.files[node]
        if said is not None:
            self.give(node, FileRead(number, said) if isinstance(said, Draft) else FileRead(number, None, said))

    def reload(self, node: int, draft: Draft = NEW) -> None:
        self.give(NodeId(node), ReloadAsked(draft))

    def tokens(self) -> set[str]:
        """What the living go by."""
        living = [host.engine for host in self.hosts.values() if host.engine is not None]
        listed = [engine.status(self.now_us).cmap for engine in living]
        return {value for cmap in listed for key, _, value in cmap if key == "runtime.config.totem.token"}

    def answer(self, node: int) -> str:
        """What the one who typed it reads."""
        [ended] = [each for each in self.ended[NodeId(node)] if each.is_asker]
        return "followed" if ended.is_applied else ended.reports[0].sentence()


def test_all_follow_it_and_nobody_notices() -> None:
    world = Reloading(1, weather=Weather(delay_us=300, jitter_us=5_000, loss=30))
    world.reload(2)
    world.run(US_PER_S)
    assert world.answer(2) == "followed"
    assert world.tokens() == {"2500"}
    world.run(20 * US_PER_S)
    assert world.views == 0
    assert [len(ended) for ended in world.ended.values()] == [1, 1, 1]


@pytest.mark.parametrize("asker", NODES)
def test_one_that_refuses_keeps_all_from_it_and_is_named(asker: NodeId) -> None:
    world = Reloading(2)
    world.files[NodeId(3)] = "corosync.conf:7:5: totem.token: 5 is not 30 .. 3600000"
    world.reload(asker)
    world.run(US_PER_S)
    assert world.answer(asker) == (
        "not reloaded: node3 refuses: corosync.conf:7:5: totem.token: 5 is not 30 .. 3600000 "
        "(nobody has applied anything; mend it, then corosync-cfgtool -R again)"
    )
    assert world.tokens() == {"1000"}
    world.files[NodeId(3)] = NEW
    world.reload(1)
    world.run(US_PER_S)
    assert world.tokens() == {"2500"}


def test_one_that_differs_is_named_with_what_differs() -> None:
    world = Reloading(3)
    world.files[NodeId(2)] = OLD
    world.reload(1)
    world.run(US_PER_S)
    assert "node2 refuses: its corosync.conf differs from that of node1 in totem.token (" in world.answer(1)
    assert world.tokens() == {"1000"}


def test_one_that_never_answers_is_waited_for_five_seconds() -> None:
    world = Reloading(4)
    world.files[NodeId(3)] = None
    world.reload(1)
    world.run(4_900 * US_PER_MS)
    assert world.ended[NodeId(1)] == []
    world.run(200 * US_PER_MS)
    assert "no answer from node3 within 5 s" in world.answer(1)
    assert world.tokens() == {"1000"}
    assert world.views == 0
    world.files[NodeId(3)] = NEW
    world.reload(3)
    world.run(US_PER_S)
    assert world.answer(3) == "followed"


def test_two_at_once_are_one() -> None:
    world = Reloading(5)
    world.reload(1)
    world.reload(3)
    with pytest.raises(Refused, match="another reload is under way"):
        world.reload(3)
    world.run(US_PER_S)
    assert sorted((world.answer(1), world.answer(3)))[0].startswith("another node's reload came first")
    assert sorted((world.answer(1), world.answer(3)))[1] == "followed"
    assert world.tokens() == {"2500"}


@pytest.mark.parametrize(("before", "after"), [(Times(), SHORT), (Times(token_ms=60, floor_ms=50), NEW)])
def test_much_shorter_or_longer_times_cost_no_view(before: Times, after: Draft) -> None:
    world = Reloading(6, nodes=5, times=before)
    world.files = dict.fromkeys(world.hosts, after)
    world.reload(4, after)
    world.run(30 * US_PER_S)
    assert world.answer(4) == "followed"
    assert world.views == 0


def test_expected_votes_follow_and_what_would_cost_the_quorum_is_refused() -> None:
    world = Reloading(7)
    more = Draft(1000, 375, 5, ())
    world.files = dict.fromkeys(world.hosts, more)
    world.reload(1, more)
    world.run(US_PER_S)
    engine = world.hosts[NodeId(2)].engine
    assert engine is not None
    assert engine.status(world.now_us).quorum.expected_votes == 5
    with pytest.raises(Refused, match="would cost this partition its quorum"):
        world.reload(1, Draft(1000, 375, 9, ()))


@pytest.mark.parametrize("dies", NODES)
@pytest.mark.parametrize("asker", NODES)
def test_whoever_dies_at_any_moment_the_others_all_follow_or_none(asker: NodeId, dies: NodeId) -> None:
    seen = set()
    for moment in range(0, 9_000, 450):
        world = Reloading(8, weather=Weather(delay_us=400, jitter_us=900))
        world.reload(asker)
        world.run(moment)
        world.kill(dies, power=True)
        world.run(4 * US_PER_S)
        tokens = world.tokens()
        assert len(tokens) == 1, (moment, tokens)
        seen |= tokens
        for node in NODES:
            if node != dies:
                assert [each.is_applied for each in world.ended[node]] in ([], [tokens == {"2500"}])
        if asker != dies:
            followed = world.answer(asker) == "followed"
            assert followed == (tokens == {"2500"})
        world.start(dies)
        world.run(4 * US_PER_S)
        assert world.checks.unsettled(world.hosts) == ""
    assert seen == {"1000", "2500"}


@pytest.mark.parametrize("effects", range(14))
def test_a_node_whose_power_fails_between_two_effects(effects: int) -> None:
    world = Reloading(9)
    world.fuse[NodeId(1)] = effects
    world.reload(2)
    world.run(4 * US_PER_S)
    assert len(world.tokens()) == 1
    assert (world.answer(2) == "followed") == (world.tokens() == {"2500"})


def test_cut_in_the_middle_each_side_is_of_one_mind_and_typing_it_again_joins_them() -> None:
    for moment in range(0, 9_000, 450):
        world = Reloading(10, nodes=5)
        world.reload(1)
        world.run(moment)
        halves = ((NodeId(1), NodeId(2), NodeId(3)), (NodeId(4), NodeId(5)))
        for a in halves[0]:
            for b in halves[1]:
                world.network.cut(a, b, 0)
                world.network.cut(b, a, 0)
        world.run(3 * US_PER_S)
        for half in halves:
            assert len({bool(world.ended[node]) and world.ended[node][-1].is_applied for node in half}) == 1
        world.network.heal()
        world.run(5 * US_PER_S)
        world.reload(2)
        world.run(US_PER_S)
        assert world.tokens() == {"2500"}
