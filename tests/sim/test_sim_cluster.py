"""Whole nodes under faults: what clients, people and disks may rely on, from seeds and from plans."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from standfast.base.ids import US_PER_S, NodeId
from standfast.base.report import Refused
from standfast.sim.checks import PromiseError
from standfast.sim.cluster.draw import draw
from standfast.sim.cluster.plan import read
from standfast.sim.cluster.play import Player
from standfast.sim.cluster.world import Cluster, Setting

SEEDS = range(1, 9)


def served(nodes: int = 3, **settings: object) -> Cluster:
    world = Cluster(1, Setting(nodes=nodes, **settings))  # type: ignore[arg-type]
    for node in world.hosts:
        world.boot(node)
    world.at(US_PER_S, world.people.configure)
    world.run(4 * US_PER_S)
    assert world.oracle.tally.holders == [1]
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_nodes_keep_their_promises(seed: int) -> None:
    outcome = Player(draw(seed)).play()
    assert not outcome.failure, f"{outcome.failure}\n{outcome.plan.text()}"


def test_a_frozen_holder_is_followed_when_its_kernel_has_let_go() -> None:
    world = served()
    world.stop_running(NodeId(1))
    world.run(5 * US_PER_S)
    assert world.oracle.tally.holders == [2]
    assert world.oracle.tally.overlap_us == 0
    world.go_on(NodeId(1))
    world.run(3 * US_PER_S)
    assert world.oracle.tally.holders == [2]


def test_two_holders_on_one_segment_are_noticed_at_once() -> None:
    world = served()
    world.machines[NodeId(2)].kernel.held.update(world.machines[NodeId(1)].kernel.held)
    with pytest.raises(PromiseError, match="S1"):
        world.segment.changed()


def test_a_plan_is_a_text_and_back() -> None:
    for seed in range(300):
        plan = draw(seed)
        assert read(plan.text()) == plan


@pytest.mark.parametrize("line", ["> cluster color=red", "> at soon power 1", "> safety 3 weeks", "> dance"])
def test_what_is_no_plan_is_refused(line: str) -> None:
    with pytest.raises(Refused, match="not a line of a plan"):
        read(line)


def test_a_whole_cluster_is_one_history_under_any_hash_seed() -> None:
    program = (
        "from standfast.sim.cluster.draw import draw; from standfast.sim.cluster.play import Player;"
        "print([Player(draw(seed)).play().trace for seed in (2, 5)])"
    )
    traces = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4711")
    ]
    assert len(set(traces)) == 1
