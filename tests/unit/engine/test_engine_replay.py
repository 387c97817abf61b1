"""Every datagram of a real conversation again, at any age: after restarts of either side, after a rotation, from anywhere.

Two engines talk in a world; every datagram that arrives is recorded. Then the attacker gives each of them again to the node that
it was for. Nothing that matters may change. Nothing may be said in answer but a challenge, to a greeting that this life of the
node has not seen: nobody can tell that from a new one. Every refusal is counted; the log names the source, once a minute and
kind.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.effects import DatagramReceived, EngineEffect, SendDatagram, SetTimer, Tell
from standfast.engine.embedded import Engine
from standfast.engine.links.complaints import Complaint
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.engine.links.sealing import Kind
from standfast.sim.host import Host
from standfast.sim.world import World

A, B = NodeId(1), NodeId(2)
OLD_AGE_US = 11 * US_PER_S
"""Older than what may be on its way, so that it is worth a word."""


@dataclass(frozen=True)
class Recorded:
    """A datagram as it arrived."""

    receiver: NodeId
    link: int
    source: tuple[str, int]
    data: bytes


class Tapped(World):
    """A world with somebody on the wire."""

    def __init__(self) -> None:
        self.tape: list[Recorded] = []
        super().__init__(3, 2, links=2)
        for node in self.hosts:
            self.start(node)
        self.run(US_PER_S)
        for number in range(30):
            self.broadcast(A, b"1/1/%d" % number)
            self.broadcast(B, b"2/1/%d" % number)
            self.run(20 * US_PER_MS)
        self.broadcast(B, b"2/1/1001/" + bytes(20_000))
        self.run(US_PER_S)

    def arrive(self, source: Host, target: Host, link: int, source_address: tuple[str, int], data: bytes) -> None:
        self.tape.append(Recorded(target.id, link, source_address, data))
        super().arrive(source, target, link, source_address, data)

    def engine(self, node: NodeId) -> Engine:
        engine = self.hosts[node].engine
        assert engine is not None
        return engine

    def restart(self, *nodes: NodeId) -> None:
        for node in nodes:
            self.kill(node, power=True)
        self.run(3 * US_PER_S)
        for node in nodes:
            self.start(node)
        self.run(3 * US_PER_S)

    def rotate(self, *nodes: NodeId, keys: KeyRing) -> None:
        for node in nodes:
            self.engine(node)._links.rotate(keys)
            self.run(200 * US_PER_MS)

    def inject(self, recorded: Recorded, source: tuple[str, int] | None = None) -> tuple[EngineEffect, ...]:
        """One recorded datagram, and what it leads to beyond what was due anyway."""
        host = self.hosts[recorded.receiver]
        now_us = host.local_us(self.now_us)
        assert now_us < host.timer_us, "something is due: the world has to run first"
        event = DatagramReceived(recorded.link, source or recorded.source, recorded.data)
        effects = self.engine(recorded.receiver).step(now_us, event)
        return tuple(effect for effect in effects if not isinstance(effect, SetTimer))


def state(world: World) -> dict[NodeId, object]:
    """What must not change: views, quorum, who is heard and since when, sessions, what is ordered."""
    found: dict[NodeId, object] = {}
    for node, host in world.hosts.items():
        engine = host.engine
        assert engine is not None
        status = engine.status(0)
        peer = B if node == A else A
        found[node] = (
            status.view,
            status.quorum,
            status.peers,
            engine._links.session(peer),
            engine._links.health(peer),
            engine._detector.peers[peer].heard_us,
            engine._ordering.held,
            engine._rows.digest,
        )
    return found


def counted(world: World) -> Counter[str]:
    total: Counter[str] = Counter()
    for host in world.hosts.values():
        assert host.engine is not None
        total.update(dict(host.engine.status(0).counters))
    return total


def replayed(world: Tapped, tape: list[Recorded], source: tuple[str, int] | None = None) -> tuple[Counter[str], list[str], int]:
    """All of it at one moment: (new counts, codes of the log, challenges given). Fails when anything else came of it."""
    before, counts = state(world), counted(world)
    codes: list[str] = []
    challenges = 0
    world.run(1)
    for recorded in tape:
        for effect in world.inject(recorded, source):
            if isinstance(effect, Tell):
                codes.append(effect.report.code)
                assert recorded.source[0] in effect.report.what or source is not None
            else:
                assert isinstance(effect, SendDatagram), effect
                assert recorded.data[3] == Kind.HELLO, "only a greeting may be answered"
                assert effect.data[3] == Kind.CHALLENGE, "and by a challenge only"
                challenges += 1
    for host in world.hosts.values():
        assert host.engine is not None
        host.engine.check()
    assert state(world) == before
    return counted(world) - counts, codes, challenges


def is_settled(world: Tapped) -> bool:
    world.run(3 * US_PER_S)
    return world.checks.unsettled((A, B)) == ""


@pytest.mark.parametrize("age_us", [0, US_PER_S, OLD_AGE_US, 600 * US_PER_S])
def test_again_in_the_same_life_at_any_age(age_us: int) -> None:
    world = Tapped()
    tape = list(world.tape)
    assert {recorded.data[3] for recorded in tape} == set(Kind)
    world.run(age_us)
    counts, codes, challenges = replayed(world, tape)
    assert challenges == 0
    assert counts == {Complaint.REPLAYED: len(tape)}
    assert codes == ["links.replayed"] * 4, "two nodes, two addresses of the other; once each"
    assert is_settled(world)


@pytest.mark.parametrize("restarted", [(A,), (B,), (A, B)], ids=["one", "the other", "both"])
def test_again_after_a_restart(restarted: tuple[NodeId, ...]) -> None:
    world = Tapped()
    tape = list(world.tape)
    world.restart(*restarted)
    world.run(OLD_AGE_US)
    for _ in range(2):
        counts, codes, challenges = replayed(world, tape)
        # Who has restarted cannot know a greeting of the other's former life: it asks for a proof, and nobody has one.
        greetings = [r for r in tape if r.data[3] == Kind.HELLO and r.receiver in restarted]
        assert challenges <= len(greetings)
        assert counts.total() == len(tape) - challenges
        assert set(counts) <= {Complaint.OUTLIVED, Complaint.REPLAYED}
        assert set(codes) <= {"links.outlived", "links.replayed"}
    assert is_settled(world)


def test_again_to_a_receiver_that_has_restarted_and_is_alone() -> None:
    """The worst moment: it has no session that could be the better one, and waits for its peer."""
    world = Tapped()
    tape = [recorded for recorded in world.tape if recorded.receiver == A]
    world.kill(B, power=True)
    world.kill(A, power=True)
    world.run(3 * US_PER_S)
    world.start(A)
    world.run(OLD_AGE_US)
    engine = world.engine(A)
    for turn in range(3):
        before = (engine.status(0).view, engine.status(0).peers)
        for recorded in tape:
            effects = world.inject(recorded)
            assert all(isinstance(effect, Tell | SendDatagram) for effect in effects)
            assert recorded.data[3] == Kind.HELLO or not [e for e in effects if isinstance(e, SendDatagram)]
        assert (engine.status(0).view, engine.status(0).peers) == before
        assert engine._links.session(B) is None
        assert dict(engine.status(0).counters)[Complaint.STALE if turn == 0 else Complaint.OUTLIVED] > 0
        world.run(OLD_AGE_US)
    world.start(B)
    assert is_settled(world)


def test_again_at_each_step_of_a_rotation_and_long_after() -> None:
    world = Tapped()
    old, new = world._key.send, AuthKey(bytes(range(128)))
    tapes = [list(world.tape)]
    for keys in (KeyRing(old, new), KeyRing(new, old), KeyRing(new)):
        world.rotate(A, B, keys=keys)
        for tape in tapes:
            counts, _, challenges = replayed(world, tape)
            assert challenges == 0
            assert counts.total() == len(tape)
            assert set(counts) <= {Complaint.REPLAYED, Complaint.STALE, Complaint.OUTLIVED, Complaint.OTHER_KEY}
        world.tape.clear()
        world.run(2 * US_PER_S)
        tapes.append(list(world.tape))
    world.run(600 * US_PER_S)
    # The old key comes back, as after a mistake: what was sealed under it is still old.
    for keys in (KeyRing(new, old), KeyRing(old, new)):
        world.rotate(A, B, keys=keys)
        for tape in tapes:
            counts, _, challenges = replayed(world, tape)
            assert challenges == 0
            assert counts.total() == len(tape)
    assert world.checks.unsettled((A, B)) == ""
    assert world.engine(A)._membership.view.seq == 1, "no view change in all that time"


def test_again_from_another_address() -> None:
    world = Tapped()
    counts, codes, challenges = replayed(world, list(world.tape), source=("192.0.2.7", 5405))
    assert challenges == 0
    assert counts == {Complaint.UNKNOWN_SOURCE: len(world.tape)}
    assert codes == ["links.unknown-source"] * 2
    assert is_settled(world)


def test_a_datagram_that_was_held_back_is_taken_once_and_not_when_it_is_old() -> None:
    """What never arrived is late, not replayed: it opens while it lies within the window, and never twice."""
    world = Tapped()
    host = world.hosts[B]
    links = world.engine(A)._links
    held = links.send(world.hosts[A].local_us(world.now_us), B, bytes(9))
    recorded = [Recorded(B, datagram.link, world.address(A, datagram.link), datagram.data) for datagram in held]
    counts, _, _ = replayed_once(world, recorded)
    assert counts["malformed-packets"] == len(recorded), "it was opened"
    counts, _, _ = replayed_once(world, recorded)
    assert counts == {Complaint.REPLAYED: len(recorded)}
    late = links.send(world.hosts[A].local_us(world.now_us), B, bytes(9))
    world.run(120 * US_PER_S)
    counts, _, _ = replayed_once(world, [Recorded(B, d.link, world.address(A, d.link), d.data) for d in late])
    assert counts == {Complaint.REPLAYED: len(late)}
    assert host.engine is not None


def replayed_once(world: Tapped, tape: list[Recorded]) -> tuple[Counter[str], list[str], int]:
    counts = counted(world)
    world.run(1)
    for recorded in tape:
        world.inject(recorded)
    return counted(world) - counts, [], 0
