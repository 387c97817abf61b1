"""A member that has the key and lies, sends giant lists or floods: bounded, named in the log, and the others keep view and pulse.

The liar is node 3 of three (or node 1, the coordinator): its engine runs as it should, and whoever holds its key and its address
sends more in its name. So everything below goes through the seals, as it would on a wire.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from standfast.base.ids import NODES_MAX, US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import Delivered, Pulse, ViewId, ViewInstalled
from standfast.engine.doubt import CONTROL_MAX, RECORDS_MAX, SEQ_FLOOR, SEQ_STEP
from standfast.engine.effects import DatagramReceived, EngineEffect, SendDatagram, Tell, ToClient
from standfast.engine.links.fragments import MESSAGE_BYTES_MAX
from standfast.engine.links.links import DATA_PER_S
from standfast.engine.messages import (
    NO_VIEW,
    ROWS_MAX,
    SEQ_MAX,
    Accept,
    Beat,
    Entry,
    EntryKind,
    Fetch,
    Gossip,
    Install,
    Life,
    Origin,
    Progress,
    Propose,
    Record,
    Recover,
    Refuse,
    Row,
    Submit,
    write_packet,
    write_record,
)
from standfast.engine.ordering.log import AHEAD_MAX
from standfast.engine.quorum.votes import PeerVotes
from standfast.sim.world import World

A, B, C = NodeId(1), NodeId(2), NodeId(3)


class Scene:
    """Three nodes that stand in one view; everything the honest ones say and are told is kept."""

    def __init__(self, liar: NodeId = C) -> None:
        self.world = World(11, 3)
        for node in self.world.hosts:
            self.world.start(node)
        self.world.run(2 * US_PER_S)
        self.liar = liar
        self.honest = [node for node in self.world.hosts if node != liar]
        self.effects: list[tuple[NodeId, EngineEffect]] = []
        self.world.listeners.append(lambda _, node, effect: self.effects.append((node, effect)))
        self.views = {node: self.view(node) for node in self.honest}
        assert self.world.checks.unsettled(tuple(self.world.hosts)) == ""

    def view(self, node: NodeId) -> object:
        engine = self.world.hosts[node].engine
        assert engine is not None
        return engine.status(0).view

    @property
    def id(self) -> ViewId:
        engine = self.world.hosts[self.liar].engine
        assert engine is not None
        return engine._membership.view

    def life(self, node: NodeId) -> Life:
        engine = self.world.hosts[node].engine
        assert engine is not None
        return engine._me

    def packet(self, records: Iterable[Record]) -> bytes:
        return write_packet(self.life(self.liar).boot, [write_record(record) for record in records])

    def send(self, receiver: NodeId, packet: bytes) -> None:
        """In the liar's name, sealed by the liar's own links."""
        engine = self.world.hosts[self.liar].engine
        assert engine is not None
        now_us = self.world.hosts[self.liar].local_us(self.world.now_us)
        for datagram in engine._links.send(now_us, receiver, packet):
            source = self.world.address(self.liar, datagram.link)
            self.world.give(receiver, DatagramReceived(datagram.link, source, datagram.data))

    def say(self, *records: Record) -> None:
        """To all honest nodes."""
        for node in self.honest:
            self.send(node, self.packet(records))

    def codes(self, node: NodeId) -> list[str]:
        return [effect.report.code for at, effect in self.effects if at == node and isinstance(effect, Tell)]

    def told(self, node: NodeId, kind: type[object]) -> list[object]:
        return [e.event for at, e in self.effects if at == node and isinstance(e, ToClient) and isinstance(e.event, kind)]

    def unharmed(self, for_us: int = 3 * US_PER_S) -> None:
        """The honest ones stay together, know that they are counted in, and their messages go through."""
        for node in self.honest:
            self.effects = [(at, effect) for at, effect in self.effects if at != node or isinstance(effect, Tell)]
        self.world.run(for_us)
        for node in self.honest:
            assert not self.told(node, ViewInstalled), "a view change"
            assert self.view(node) == self.views[node]
            assert len(self.told(node, Pulse)) >= 3
        for number, node in enumerate(self.honest):
            self.world.broadcast(node, b"%d/1/%d" % (node, number + 1))
        self.world.run(US_PER_S)
        for node in self.honest:
            assert len(self.told(node, Delivered)) == len(self.honest)
        assert self.world.checks.unsettled(tuple(self.world.hosts)) == ""


def lies(scene: Scene) -> dict[str, Record]:
    """Records that no honest member 3 of view 1,2,3 can send, each alone."""
    view, a, b, c = scene.id, scene.life(A), scene.life(B), scene.life(C)
    high = ViewId(view.seq + 1, A)
    far = ViewId(SEQ_MAX, C)
    return {
        "an entry in the coordinator's name": Entry(view, 1, B, 1, EntryKind.DATA, True, b"2/1/1"),
        "an order of an operator in the coordinator's name": Entry(view, 1, B, 1, EntryKind.ADJUST, True, b"\3" + bytes(8)),
        "what is stable, in the coordinator's name": Progress(view, 500),
        "a proposal in another's name": Propose(high, (a, b, c)),
        "an installation in another's name": Install(high, (Origin(a, view, 0, PeerVotes(1, 3)),)),
        "a view with a stranger": Install(
            ViewId(view.seq + 1, C),
            (Origin(c, view, 0, PeerVotes(1, 3)), Origin(Life(NodeId(9), 1), NO_VIEW, 0, PeerVotes(1, 3))),
        ),
        "a cut in another's name": Recover(high, view, 5, C),
        "a view number that leaves no higher one": Beat(False, 1, 0, 0, NO_VIEW, far, 0),
        "the same in a refusal": Refuse(view, far),
        "the same in a proposal": Propose(far, (c,)),
        "more than can have been ordered": Accept(high, view, AHEAD_MAX + 100, PeerVotes(1, 3)),
        "a node that hears two lives of another": Gossip((Row(c, 1 << 30, (Life(A, 1), Life(A, 2))),)),
        "a segment that fills memory": Submit(view, 1, EntryKind.DATA, False, bytes(1 << 20)),
    }


@pytest.mark.parametrize("name", sorted(lies(Scene())))
def test_a_lie_is_dropped_and_its_sender_named_once_a_minute(name: str) -> None:
    scene = Scene()
    for _ in range(20):
        scene.say(lies(scene)[name])
    for node in scene.honest:
        assert scene.codes(node).count("engine.lie") == 1
        said = next(e.report for at, e in scene.effects if at == node and isinstance(e, Tell) and e.report.code == "engine.lie")
        assert "node 3" in said.what
        assert said.remedy
        engine = scene.world.hosts[node].engine
        assert engine is not None
        assert dict(engine.status(0).counters)["lies"] == 20
    scene.unharmed()
    scene.world.run(60 * US_PER_S)
    scene.say(lies(scene)[name])
    assert all(scene.codes(node).count("engine.lie") == 2 for node in scene.honest)


def test_a_member_cannot_say_whom_another_hears() -> None:
    scene = Scene()
    for version in (1000, 1 << 31, 0xFFFF_FFFF):
        for other in (A, B):
            scene.say(Gossip((Row(scene.life(other), version, ()), Row(scene.life(C), 50, (scene.life(A), scene.life(B))))))
        scene.world.run(300 * US_PER_MS)
    scene.unharmed()


def test_invented_lives_fill_no_table_and_no_packet() -> None:
    scene = Scene()
    me = scene.life(C)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for turn in range(60):
        # Each packet hangs another hundred lives, of boots that never were, behind those of the last one.
        chain = [Life(NodeId(1 + n % 2), 10_000 + turn * 100 + n) for n in range(101)]
        rows = {life: Row(life, turn + 1, (following,)) for life, following in pairwise(chain)}
        rows[me] = Row(me, 1000 + turn, (chain[0],))
        scene.say(Gossip(tuple(rows[life] for life in sorted(rows))))
        scene.world.run(10 * US_PER_MS)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 8 << 20
    for node in scene.honest:
        engine = scene.world.hosts[node].engine
        assert engine is not None
        rows_known = engine._rows.gossip().rows
        lives = {life for row in rows_known for life in (row.life, *row.hears)}
        assert len(lives) <= ROWS_MAX
        engine.check()
    # The liar has said that it hears nobody who lives: it is out, by its own word. The others stay together.
    scene.world.run(5 * US_PER_S)
    assert scene.world.checks.unsettled((A, B)) == ""


GIANTS: dict[str, Callable[[Scene], list[Record]]] = {
    "a thousand probes": lambda s: [Beat(True, n, 0, 0, s.id, s.id, 0) for n in range(1000)],
    "ten thousand requests to send again": lambda s: [Fetch(s.id, 1, 1 << 60)] * 10_000,
    "ten thousand entries": lambda s: [Entry(ViewId(1, C), n, C, n, EntryKind.DATA, False, b"") for n in range(10_000)],
    "as many gossips as fit": lambda s: [Gossip(())] * (CONTROL_MAX + 1),
}


@pytest.mark.parametrize("name", sorted(GIANTS))
def test_a_giant_list_is_dropped_whole(name: str) -> None:
    scene = Scene()
    packet = scene.packet(GIANTS[name](scene))
    assert len(packet) <= MESSAGE_BYTES_MAX
    begun_s = time.process_time()
    for node in scene.honest:
        scene.send(node, packet)
    assert time.process_time() - begun_s < 2
    for node in scene.honest:
        assert scene.codes(node) == ["engine.lie"]
        assert not [e for at, e in scene.effects if at == node and isinstance(e, SendDatagram) and len(e.data) > 1500]
    scene.unharmed()


def test_limits_leave_room_for_what_honest_members_send() -> None:
    assert CONTROL_MAX < RECORDS_MAX
    assert NODES_MAX * 2 == ROWS_MAX
    assert SEQ_STEP < SEQ_FLOOR < SEQ_MAX


def test_a_flood_of_sealed_packets_is_cut_off_named_and_leaves_the_others_alone() -> None:
    scene = Scene()
    packet = scene.packet([Beat(False, 1, 0, 0, scene.id, scene.id, 0)])
    for _ in range(DATA_PER_S + 2000):
        scene.send(B, packet)
    assert scene.codes(B).count("links.flood") == 1
    engine = scene.world.hosts[B].engine
    assert engine is not None
    assert dict(engine.status(0).counters)["flood"] >= 1900
    scene.world.run(2 * US_PER_S)  # its own heartbeats are taken again as soon as it is quiet
    scene.unharmed()


def test_a_flood_of_fragments_holds_four_megabytes_and_no_more() -> None:
    scene = Scene()
    engine = scene.world.hosts[B].engine
    assert engine is not None
    liar = scene.world.hosts[C].engine
    assert liar is not None
    now_us = scene.world.hosts[C].local_us(scene.world.now_us)
    for number in range(40):
        cut = liar._links.send(now_us, B, number.to_bytes(4, "big") + bytes(300_000))
        for datagram in cut[:-1]:  # never whole
            scene.world.give(B, DatagramReceived(datagram.link, scene.world.address(C, 0), datagram.data))
    assert engine._links._peers[C].assembly.held_bytes <= 4 << 20
    assert dict(engine.status(0).counters)["incomplete"] > 0
    scene.unharmed()


def test_a_coordinator_that_lies_is_named_too() -> None:
    scene = Scene(liar=A)
    scene.say(Recover(ViewId(scene.id.seq + 1, A), scene.id, 1 << 40, A))
    assert all(scene.codes(node) == ["engine.lie"] for node in scene.honest)
    scene.unharmed()
