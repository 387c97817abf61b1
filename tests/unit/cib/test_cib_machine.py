"""The replicated machine: starts, merges, interrupted rounds, and random histories.

Each step of each history checks the machine's invariants, that no version goes back on any node, that a version agreed in a
quorate view names one document, and at the end that all have the same document with every acknowledged change in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import InvariantBroken
from standfast.cib.effects import Applied, Broadcast, ChangeDelivered, MessageDelivered, Rewrite, Synced, ViewInstalled
from standfast.cib.journal import BLOCK
from standfast.cib.machine import QUEUE_MAX, CibMachine, Phase
from standfast.cib.messages import Hello, SnapshotPart
from standfast.cib.operations import Change, Operation, OpKind, Origin

if TYPE_CHECKING:
    from tests.unit.cib.cib_world import World
else:
    from cib_world import World


def started(count: int) -> World:
    world = World(count)
    world.run()
    for node in world.hosts:
        world.start(node)
    world.run()
    assert_agreed(world)
    return world


def assert_agreed(world: World) -> None:
    running = [node for node, host in world.hosts.items() if host.machine is not None]
    digests = world.documents(running)
    assert len(digests) == len(running), "somebody is not synced"
    assert len(dict.fromkeys(digests)) == 1, "they differ"
    assert not world.unanswered, "a change was neither applied nor given back"
    held = world.names(running[0])
    assert all(name in held for name in world.acknowledged), (held, list(world.acknowledged))


def version(world: World, node: int) -> str:
    machine = world.hosts[node].machine
    assert machine is not None
    return str(machine.cib.version)


def restart(world: World, *nodes: int) -> None:
    for node in nodes:
        world.crash(node)
    for node in nodes:
        world.start(node)


# ---- the ordinary life ----------------------------------------------------------------------------------------------


def test_a_lone_node_starts_with_an_empty_document_on_disk() -> None:
    machine = CibMachine(NodeId(1), 7, None)
    (hello,) = machine.step(ViewInstalled(4, (NodeId(1),), True))
    assert isinstance(hello, Broadcast)
    effects = machine.step(MessageDelivered(NodeId(1), hello.message))
    assert [type(effect).__name__ for effect in effects] == ["Rewrite", "Tell", "Synced"], "durable before visible"
    assert str(machine.cib.version) == "0.1.0"
    assert (machine.lineage, machine.is_enough) == (4, True)


def test_changes_reach_everybody_and_survive_a_power_cut_of_all() -> None:
    world = started(3)
    world.write(1, "a")
    world.write(2, "b")
    world.run()
    assert world.names(3) == ["a", "b"]
    assert list(world.acknowledged) == ["a", "b"]
    before = version(world, 1)
    for node in world.hosts:
        world.crash(node)
    world.run()
    for node in world.hosts:
        world.start(node)
        world.run()
    assert_agreed(world)
    assert before == "0.3.0"
    assert version(world, 1) == "0.3.65536", "the next block: status updates may have used all of the last one"


def test_status_lives_on_when_one_manager_starts_again() -> None:
    world = started(2)
    world.write(1, "n1-was-here", to_status=True)
    world.run()
    world.crash(1)
    world.run()
    world.start(1)
    world.run()
    assert_agreed(world)
    machine = world.hosts[1].machine
    assert machine is not None
    assert machine.cib.status.find("node_state") is not None
    assert world.hosts[1].synced[-1].replaced, "it has to tell again what it knows about itself"
    assert not world.hosts[2].synced[-1].replaced


def test_the_quorate_side_wins_and_what_is_dropped_is_kept() -> None:
    world = started(3)
    world.write(1, "common")
    world.run()
    world.settle_views([[1, 2], [3]])
    world.run()
    world.write(1, "quorate")
    for name in ("alone1", "alone2", "alone3"):
        world.write(3, name)
    world.run()
    assert version(world, 3) > version(world, 1)
    world.settle_views([[1, 2, 3]])
    world.run()
    assert_agreed(world)
    assert world.names(3) == ["common", "quorate"]
    (kept,) = world.hosts[3].kept
    assert b"alone3" in kept.xml
    assert "node 1 had version 0.3.0" in kept.reason
    assert version(world, 1) == "0.6.0", "above every number that either side has used"
    assert [len(world.hosts[node].kept) for node in (1, 2)] == [0, 0]


def test_what_is_changed_without_quorum_does_not_outweigh_what_was_confirmed() -> None:
    """Two of three confirm a change and all lose power; then the third, whose disk was slow, is written to alone."""
    world = started(3)
    world.write(1, "common")
    world.run()
    before = world.hosts[3].disk
    world.write(1, "confirmed")
    world.run()
    for node in world.hosts:
        world.crash(node)
    world.hosts[3].disk = before
    world.highest.pop(3, None)
    world.settle_views([[1], [2], [3]])
    for node in world.hosts:
        world.start(node)
    world.run()
    world.write(2, "elsewhere")
    for name in ("alone1", "alone2", "alone3"):
        world.write(3, name)
    world.run()
    assert version(world, 3) > version(world, 2)
    restart(world, 2, 3)
    world.run()
    world.settle_views([[1], [2, 3]])
    world.run()
    assert world.names(3) == world.names(2) == ["common", "confirmed", "elsewhere"]
    assert b"alone3" in world.hosts[3].kept[0].xml
    restart(world, 1, 2, 3)
    world.settle_views([[1, 2, 3]])
    world.run()
    assert_agreed(world)
    assert world.names(1) == ["common", "confirmed", "elsewhere"]


def test_without_quorum_the_higher_version_wins() -> None:
    world = started(2)
    world.settle_views([[1], [2]])
    world.run()
    world.write(1, "one")
    world.write(2, "two")
    world.write(2, "three")
    world.run()
    world.settle_views([[1, 2]])
    world.run()
    assert_agreed(world)
    assert world.names(1) == ["two", "three"]
    assert b"one" in world.hosts[1].kept[0].xml


def test_three_partitions_merge() -> None:
    world = started(5)
    world.settle_views([[1], [2, 3], [4, 5]])
    world.run()
    for node in (1, 2, 4):
        world.write(node, f"from{node}")
    world.write(5, "more")
    world.run()
    world.settle_views([[1, 2, 3, 4, 5]])
    world.run()
    assert_agreed(world)
    assert world.names(1) == ["from4", "more"]
    assert [len(world.hosts[n].kept) for n in world.hosts] == [1, 1, 1, 0, 0]


def test_an_absent_manager_is_not_waited_for() -> None:
    world = started(3)
    world.crash(3)
    world.run()
    world.settle_views([[1, 2, 3]])
    world.run()
    assert_agreed(world)
    lineage = [machine.lineage for node in (1, 2) if (machine := world.hosts[node].machine)]
    assert lineage == [1, 1], "3 may know more than we do: no new lineage without it"
    world.crash(2)
    world.run()
    world.start(2)  # learns from 1 that 3 is absent
    world.run()
    assert_agreed(world)


def test_a_manager_that_loses_its_engine_comes_in_again() -> None:
    world = started(3)
    world.write(2, "a")
    world.run()
    world.break_line(2)
    world.write(1, "b")
    world.run()
    assert_agreed(world)
    assert world.names(2) == ["a", "b"]


def test_starting_over_and_over_does_not_make_a_configuration_newer() -> None:
    world = started(2)
    world.settle_views([[1], [2]])
    world.run()
    world.write(2, "real")
    world.run()
    for _ in range(5):
        restart(world, 1)
        world.run()
    world.settle_views([[1, 2]])
    world.run()
    assert_agreed(world)
    assert world.names(1) == ["real"]


def test_a_block_of_numbers_is_on_disk_before_its_first_is_used() -> None:
    world = started(1)
    host = world.hosts[1]
    assert host.machine is not None
    operations = (Operation(OpKind.MODIFY, xml=f'<cib num_updates="{2 * BLOCK - 2}"/>'),)
    world.send(1, Change(operations, Origin()))
    world.run()
    size = len(host.disk)
    assert version(world, 1) == f"0.1.{2 * BLOCK - 1}"
    world.write(1, "status", to_status=True)
    world.run()
    assert version(world, 1) == f"0.1.{2 * BLOCK}"
    assert len(host.disk) > size
    restart(world, 1)
    world.run()
    assert version(world, 1) == f"0.1.{3 * BLOCK}"


# ---- interrupted ----------------------------------------------------------------------------------------------------


def merge(world: World) -> None:
    world.settle_views([[1, 2, 3]])


def step_once(world: World) -> bool:
    return any([world.order(n) for n in world.hosts] + [world.deliver(n) for n in world.hosts])


INTERRUPTIONS: dict[str, Callable[[World], None]] = {
    "another view": lambda world: world.settle_views([[1, 3], [2]]),
    "the same members again": lambda world: world.settle_views([[1, 2, 3]]),
    "all apart": lambda world: world.settle_views([[1], [2], [3]]),
    "the owner dies": lambda world: world.crash(1),
    "the owner is cut off": lambda world: world.settle_views([[2, 3], [1]]),
    "a loser dies": lambda world: world.crash(3),
    "a manager starts again at once": lambda world: restart(world, 2),
    "a line breaks": lambda world: world.break_line(3),
    "the power fails": lambda world: restart(world, 1, 2, 3),
}


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_a_merge_interrupted_at_every_step(name: str) -> None:
    for steps in range(40):
        world = started(3)
        world.write(1, "common")
        world.run()
        world.settle_views([[1, 2], [3]])
        world.run()
        world.write(1, "quorate")
        world.write(3, "alone")
        world.run()
        world.write(2, "under-way")
        merge(world)
        went_on = True
        for _ in range(steps):
            went_on = step_once(world)
        INTERRUPTIONS[name](world)
        world.run()
        for node, host in world.hosts.items():
            if host.machine is None:
                world.start(node)
        world.run()
        merge(world)
        world.run()
        assert_agreed(world)
        assert "quorate" in world.names(3)
        if not went_on:
            return
    raise AssertionError("a merge takes fewer steps than that")


# ---- peers that go wrong --------------------------------------------------------------------------------------------


def hello_of(view: int, digest: str, **fields: object) -> Hello:
    known = {"round": (0, 0, 0), "session": 9, "serial": 1, "lineage": 99, "version": (0, 9, 0), "is_live": True}
    return Hello(view=view, digest=digest, **{**known, **fields})  # type: ignore[arg-type]


def in_a_view_of_two() -> CibMachine:
    """A machine that has said Hello in view 3 with node 2, not as a newcomer."""
    machine = CibMachine(NodeId(1), 7, None)
    machine.step(ViewInstalled(2, (NodeId(1),), True))
    (hello,) = machine.step(ViewInstalled(3, (NodeId(1), NodeId(2)), True))
    assert isinstance(hello, Broadcast)
    machine.step(MessageDelivered(NodeId(1), hello.message))
    assert machine.phase is Phase.GATHERING
    return machine


@pytest.mark.parametrize(
    "part",
    [
        SnapshotPart(3, "d" * 64, 1, 2, b"\0<cib/>"),  # a part is missing
        SnapshotPart(3, "d" * 64, 0, 1, b"\0<cib"),
        SnapshotPart(3, "d" * 64, 0, 1, b"\0<cib/>"),
        SnapshotPart(3, "d" * 64, 0, 1, b"\2"),
        SnapshotPart(3, "d" * 64, 0, 1, b"\0" + CibMachine(NodeId(1), 1, None).cib.compact()),  # not what it said
    ],
)
def test_a_broken_document_is_left_out_and_the_next_best_goes_on(part: SnapshotPart) -> None:
    machine = in_a_view_of_two()
    machine.step(MessageDelivered(NodeId(2), hello_of(3, "d" * 64)))
    assert machine.phase is Phase.FETCHING
    effects = machine.step(MessageDelivered(NodeId(2), part))
    assert "the document of node 2 is left out" in str(effects[0])
    own = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    assert isinstance(own[0], SnapshotPart), "now ours is the best: it is sent"
    effects = machine.step(MessageDelivered(NodeId(1), own[0]))
    assert any(isinstance(effect, Synced) for effect in effects)
    assert str(machine.cib.version) == "0.10.0"


def test_nobody_can_send_a_document() -> None:
    machine = in_a_view_of_two()
    machine.step(MessageDelivered(NodeId(2), hello_of(3, "d" * 64)))
    machine.step(MessageDelivered(NodeId(2), SnapshotPart(3, "d" * 64, 1, 2, b"")))
    digest = machine.cib.digest()
    with pytest.raises(InvariantBroken):
        machine.step(MessageDelivered(NodeId(1), SnapshotPart(3, digest, 1, 2, b"")))


def test_what_belongs_to_another_view_or_round_is_ignored() -> None:
    machine = in_a_view_of_two()
    for message in (
        hello_of(2, "d" * 64),
        hello_of(4, "d" * 64),
        hello_of(3, "d" * 64, round=(2, 1, 1)),
        SnapshotPart(3, "d" * 64, 0, 1, b""),
        SnapshotPart(2, "d" * 64, 0, 1, b""),
    ):
        assert machine.step(MessageDelivered(NodeId(2), message)) == ()
    assert machine.step(MessageDelivered(NodeId(5), hello_of(3, "d" * 64))) == (), "not a member"
    assert machine.phase is Phase.GATHERING


def test_waiting_changes_are_taken_in_order_or_given_back() -> None:
    machine = in_a_view_of_two()
    for number in range(1, QUEUE_MAX + 1):
        assert machine.step(ChangeDelivered(NodeId(2), number, b"")) == ()
    (refused,) = machine.step(ChangeDelivered(NodeId(2), QUEUE_MAX + 1, b""))
    assert isinstance(refused, Applied)
    assert refused.exit_code == 75
    effects = machine.step(MessageDelivered(NodeId(2), hello_of(3, machine.cib.digest(), version=(0, 0, 0), is_live=False)))
    applied = [effect for effect in effects if isinstance(effect, Applied)]
    assert [effect.number for effect in applied] == list(range(1, QUEUE_MAX + 1))
    assert [type(effect) for effect in effects[:3]] != [Applied] * 3
    (copy,) = machine.step(ChangeDelivered(NodeId(2), QUEUE_MAX, b""))
    assert isinstance(copy, Applied)
    assert copy.duplicate
    (bad,) = machine.step(ChangeDelivered(NodeId(2), QUEUE_MAX + 2, b"\0nonsense"))
    assert isinstance(bad, Applied)
    assert (bad.outcome, bad.exit_code) == (None, 65)
    (unsynced, *given_back, _) = [*machine.step(ViewInstalled(5, (NodeId(1),), True)), None]
    assert type(unsynced).__name__ == "Unsynced"
    assert len(given_back) == 1, "nothing was waiting: only the Hello"
    assert not any(isinstance(effect, Rewrite) for effect in effects[3:])


# ---- histories ------------------------------------------------------------------------------------------------------


def history(seed: int, count: int, moves: int) -> None:
    chance = random.Random(seed)
    world = World(count)
    nodes = list(world.hosts)
    for node in nodes:
        world.start(node)
    for number in range(moves):
        node = chance.choice(nodes)
        host = world.hosts[node]
        kind = chance.random()
        if kind < 0.35:
            world.order(node)
        elif kind < 0.78:
            world.deliver(node)
        elif kind < 0.86:
            world.write(node, f"w{number}", to_status=chance.random() < 0.3)
        elif kind < 0.90:
            world.crash(node) if host.machine is not None else world.start(node)
        elif kind < 0.92 and host.machine is not None:
            world.break_line(node)
        elif kind < 0.97:
            for _ in range(chance.randrange(30)):
                step_once(world)
        elif kind < 0.985:
            groups: list[list[int]] = [[] for _ in range(chance.randrange(1, 4))]
            for member in nodes:
                chance.choice(groups).append(member)
            world.settle_views([group for group in groups if group])
        elif kind < 0.99:
            world.run()
    for node in nodes:
        if world.hosts[node].machine is None:
            world.start(node)
    world.settle_views([nodes])
    world.run()
    assert_agreed(world)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_random_histories_end_agreed_and_lose_nothing_acknowledged(seed: int, count: int) -> None:
    history(seed, count, 150)
