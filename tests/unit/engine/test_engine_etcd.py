"""Managers on an etcd that is played: leases run out, writes get lost on their way back, watches lag, at every moment."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.engine import etcd_records as records
from standfast.engine.api import Broadcast, Congested, Delivered, Leave, Stable, ViewInstalled
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient
from standfast.engine.etcd import Store
from standfast.engine.etcd_effects import (
    Changed,
    Closed,
    Entry,
    KeepAlive,
    Kept,
    Opened,
    Propose,
    Put,
    PutDone,
    Release,
    Reopen,
    StoreInput,
)
from standfast.engine.provider import ETCD
from standfast.engine.reserved import SEQ_FILE
from standfast.lab.contract import History, Life

A, B, C = NodeId(1), NodeId(2), NodeId(3)
MS, TTL_S = 1000, 5
PREFIX = "/standfast/test"


class Host:
    """One node's manager, and what is on its way between it and etcd."""

    def __init__(self, world: World, node: NodeId) -> None:
        self.world, self.node = world, node
        self.disk: dict[str, bytes] = {}
        self.store: Store | None = None
        self.life: Life | None = None
        self.boot = self.sent = 0
        self.lease_us = 0
        self.timer_us: int | None = None
        self.watch: deque[Entry] = deque()
        self.asks: deque[Any] = deque()
        self.answers: deque[StoreInput] = deque()
        self.is_cut = self.is_frozen = self.has_session = False

    @property
    def told(self) -> Life:
        assert self.life is not None
        return self.life

    def start(self) -> None:
        self.world.boots += 1
        self.boot = self.world.boots
        self.store = Store(self.node, self.boot, PREFIX, dict.fromkeys(self.world.hosts, 1), self.disk.get(SEQ_FILE))
        self.life = self.world.history.begin(self.node)

    def open(self) -> None:
        """A session: a lease, the key, all that there is, and what changes from here."""
        self.has_session = True
        self.lease_us = self.world.now_us + TTL_S * 1_000_000
        self.world.write(records.node_key(PREFIX, self.node), records.encode(records.Node(self.boot)))
        self.watch.clear()
        self.asks.clear()
        self.answers.clear()
        entries = tuple(Entry(k, v, r) for k, (v, r) in sorted(self.world.keys.items()))
        self.step(Opened(self.world.now_us, TTL_S, self.world.revision, entries))

    def kill(self) -> None:
        if self.life is not None:
            self.life.is_over = True
        self.store = self.life = self.timer_us = None
        self.has_session = self.is_frozen = False
        for queue in (self.watch, self.asks, self.answers):
            queue.clear()

    def step(self, event: StoreInput) -> None:
        assert self.store is not None
        effects = self.store.step(self.world.now_us, event)
        self.store.check()
        for effect in effects:
            match effect:
                case ToClient(said):
                    self.world.now_us += 1
                    self.told.events.append((self.world.now_us, said))
                case SetTimer(at_us):
                    self.timer_us = at_us
                case Persist(name, data):
                    self.disk[name] = data
                case KeepAlive() | Propose() | Put():
                    self.asks.append((effect, self.world.now_us))
                case Release():
                    for life in self.world.history.lives:  # whatever an earlier life left behind goes with it
                        if life.node == self.node:
                            life.left_us = life.left_us or self.world.now_us
                    self.world.expire(self)
                    self.kill()
                    return
                case Reopen():
                    self.told.is_over = True
                    self.life = self.world.history.begin(self.node)
                    self.has_session, self.timer_us = False, None
                    self.world.boots += 1
                    self.boot = self.world.boots
                    self.store = Store(self.node, self.boot, PREFIX, dict.fromkeys(self.world.hosts, 1), self.disk.get(SEQ_FILE))
                    return
                case Tell():
                    pass

    def say(self) -> bytes:
        self.sent += 1
        payload = f"{self.node}.{self.boot}.{self.sent}".encode()
        self.told.sent.append(payload)
        self.step(Requested(Broadcast(payload)))
        return payload


class World:
    """etcd, played: one history of revisions; leases; a watch for each node that lags as it likes."""

    def __init__(self, nodes: tuple[NodeId, ...] = (A, B, C), seed: int = 1) -> None:
        self.chance = Random(seed)
        self.now_us = 1_000_000
        self.revision = self.boots = 0
        self.keys: dict[str, tuple[bytes, int]] = {}
        self.history = History(ETCD, 0)
        self.hosts = {node: Host(self, node) for node in nodes}

    def write(self, key: str, value: bytes | None) -> None:
        self.revision += 1
        if value is None:
            self.keys.pop(key, None)
        else:
            self.keys[key] = (value, self.revision)
        for host in self.hosts.values():
            if host.has_session:
                host.watch.append(Entry(key, value, self.revision))

    def expire(self, host: Host) -> None:
        """The lease is gone, and the key with it where it is still this life's."""
        key = records.node_key(PREFIX, host.node)
        if key in self.keys and records.decode(records.Node, self.keys[key][0]).boot == host.boot:
            self.write(key, None)
        host.lease_us = 0

    def _revision_of(self, key: str) -> int:
        return self.keys.get(key, (b"", 0))[1]

    def serve(self, host: Host) -> None:
        """One request reaches etcd, and its answer is on its way; or it is lost, and asked again, as the client does."""
        ask, sent_us = host.asks.popleft()
        view_key = records.view_key(PREFIX)
        match ask:
            case KeepAlive():
                if host.lease_us:
                    host.lease_us = self.now_us + TTL_S * 1_000_000
                    host.answers.append(Kept(sent_us, self._revision_of(view_key)))
                else:
                    host.answers.append(Closed())
            case Propose(value, view_revision, nodes):
                same = all(self._revision_of(records.node_key(PREFIX, node)) == revision for node, revision in nodes)
                if same and self._revision_of(view_key) == view_revision:
                    self.write(view_key, value)
            case Put(value, view_revision):
                taken = self._revision_of(view_key) == view_revision
                if taken:
                    self.write(records.said_key(PREFIX, host.node), value)
                if self.chance.randrange(8) == 0:
                    host.asks.appendleft((ask, sent_us))  # the answer got lost
                else:
                    host.answers.append(PutDone(taken))

    def moves(self) -> list[tuple[str, Host]]:
        found = []
        for host in self.hosts.values():
            if host.store is None or host.is_frozen:
                continue
            if not host.has_session:
                found += [] if host.is_cut else [("open", host)]
                continue
            if not host.is_cut:
                found += [(kind, host) for kind, queue in (("ask", host.asks), ("watch", host.watch)) if queue]
            found += [("answer", host)] if host.answers else []
        return found

    def move(self) -> bool:
        moves = self.moves()
        if not moves:
            return False
        kind, host = self.chance.choice(moves)
        self.now_us += 10
        if kind == "open":
            host.open()
        elif kind == "ask":
            self.serve(host)
        elif kind == "watch":
            count = self.chance.randrange(1, len(host.watch) + 1)
            host.step(Changed(tuple(host.watch.popleft() for _ in range(count))))
        else:
            event = host.answers.popleft()
            host.step(event)
            if isinstance(event, Closed):
                self.lose(host)
        return True

    def lose(self, host: Host) -> None:
        host.told.is_over = True
        host.life = self.history.begin(host.node)
        host.has_session, host.timer_us = False, None

    def run(self, span_us: int) -> None:
        end_us = self.now_us + span_us
        while True:
            while self.move():
                pass
            due = [h for h in self.hosts.values() if h.timer_us is not None and h.store is not None and not h.is_frozen]
            leases = [h.lease_us for h in self.hosts.values() if h.lease_us]
            next_us = min([*(h.timer_us or 0 for h in due), *leases, end_us])
            if next_us >= end_us:
                self.now_us = max(self.now_us, end_us)
                return
            self.now_us = max(self.now_us, next_us)
            for host in self.hosts.values():
                if host.lease_us and self.now_us >= host.lease_us:
                    self.expire(host)
                if host in due and host.timer_us is not None and host.timer_us <= self.now_us:
                    host.timer_us = None
                    host.step(TimerFired())

    def views(self) -> dict[NodeId, tuple[NodeId, ...]]:
        return {n: h.life.view.members for n, h in self.hosts.items() if h.life is not None and h.life.view is not None}


def cluster(seed: int = 1) -> World:
    world = World(seed=seed)
    for host in world.hosts.values():
        host.start()
    world.run(2000 * MS)
    assert world.views() == dict.fromkeys((A, B, C), (A, B, C))
    return world


def told(host: Host, kind: type) -> list[Any]:
    return [event for _, event in host.told.events if isinstance(event, kind)]


def test_three_managers_come_to_one_view_and_deliver_the_same() -> None:
    world = cluster()
    payloads = [host.say() for host in world.hosts.values() for _ in range(5)]
    world.run(200 * MS)
    orders = [host.told.delivered() for host in world.hosts.values()]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(payloads)
    assert all(told(host, Stable)[-1].seq == 15 for host in world.hosts.values())
    world.history.check()


def test_a_lone_survivor_is_quorate_because_etcd_is() -> None:
    world = cluster()
    world.hosts[B].kill()
    world.hosts[C].kill()
    world.run(8000 * MS)
    assert world.views() == {A: (A,)}
    quorum = told(world.hosts[A], ViewInstalled)[-1].quorum
    assert (quorum.quorate, quorum.is_sole, quorum.votes) == (True, True, 1)
    world.history.check()


def test_etcd_away_ends_the_session_before_the_lease_can_end() -> None:
    world = cluster()
    world.run(2000 * MS)
    host = world.hosts[A]
    host.is_cut = True
    before_us, life, until_us = world.now_us, host.told, host.told.pulse_us
    assert until_us > before_us
    world.run(TTL_S * 1000 * MS)
    assert life.is_over
    assert life.pulse_us == until_us <= host.lease_us or not host.lease_us
    assert not host.has_session
    host.is_cut = False
    world.run(4000 * MS)
    assert world.views() == dict.fromkeys((A, B, C), (A, B, C))
    world.history.check()


def test_a_polite_leave_is_known_at_once() -> None:
    world = cluster()
    world.hosts[C].step(Requested(Leave()))
    world.run(100 * MS)
    assert world.views() == {A: (A, B), B: (A, B)}


def test_a_new_life_of_a_member_is_in_joined_and_in_left() -> None:
    world = cluster()
    world.hosts[B].kill()
    world.hosts[B].start()
    world.run(1000 * MS)
    view = told(world.hosts[A], ViewInstalled)[-1].view
    assert (view.members, view.joined, view.left, view.transitional) == ((A, B, C), (B,), (B,), None)
    world.history.check()


def test_a_write_whose_answer_was_lost_is_delivered_once() -> None:
    world = cluster()
    host = world.hosts[A]
    payload = host.say()
    batch = next(ask for ask, _ in host.asks if isinstance(ask, Put))
    for _ in range(3):
        world.write(records.said_key(PREFIX, A), batch.value)
    world.run(100 * MS)
    assert world.hosts[B].told.delivered() == [payload]


def test_a_message_refused_by_a_new_view_is_said_again_in_it() -> None:
    world = cluster()
    world.hosts[A].is_cut = True  # its write waits on the way
    payload = world.hosts[A].say()
    world.hosts[C].step(Requested(Leave()))
    world.run(500 * MS)
    world.hosts[A].is_cut = False
    world.run(500 * MS)
    assert world.hosts[B].told.delivered() == [payload]
    assert told(world.hosts[B], Delivered)[0].view == world.hosts[B].told.views()[-1][1].id
    world.history.check()


def test_garbage_in_etcd_is_told_and_a_damaged_view_is_replaced() -> None:
    world = cluster()
    world.write(f"{PREFIX}/nodes/99", b"\xffnonsense")
    world.write(f"{PREFIX}/elsewhere", b"x")
    world.write(f"{PREFIX}/view", b"\xc1")
    world.run(3000 * MS)
    assert world.views() == dict.fromkeys((A, B, C), (A, B, C))
    assert all(host.told.pulse_us > world.now_us for host in world.hosts.values())


def test_numbers_grow_even_when_etcd_was_emptied() -> None:
    world = cluster()
    before = told(world.hosts[A], ViewInstalled)[-1].view.id.seq
    for host in world.hosts.values():
        host.kill()
        host.lease_us = 0
    world.keys.clear()
    for host in world.hosts.values():
        host.start()
    world.run(2000 * MS)
    assert told(world.hosts[A], ViewInstalled)[-1].view.id.seq > before
    with pytest.raises(Refused, match="view-seq"):
        Store(A, 1, PREFIX, {A: 1}, b"17 00000000\n")


def test_too_much_at_once_is_told_and_refused_beyond() -> None:
    world = cluster()
    store = world.hosts[A].store
    assert store is not None
    said = [e for _ in range(5000) for e in store.step(world.now_us, Requested(Broadcast(b"x" * 100)))]
    assert ToClient(Congested(congested=True)) in said
    assert any(isinstance(e, Tell) and e.report.code == "engine.congested" for e in said)
    assert len([e for e in said if isinstance(e, Put)]) == 1


@pytest.mark.parametrize("seed", range(60))
def test_etcds_contract_holds_whatever_happens_between_any_two_steps(seed: int) -> None:
    world = World(seed=seed)
    chance = Random(f"{seed}/faults")
    for host in world.hosts.values():
        host.start()
    for _ in range(40):
        for _ in range(chance.randrange(30)):
            world.move()
        host = world.hosts[chance.choice((A, B, C))]
        fault = chance.randrange(8)
        if fault == 0 and host.store is not None:
            host.kill()
        elif fault == 1 and host.store is not None and not host.is_frozen and host.has_session:
            host.step(Requested(Leave()))
        elif fault == 2:
            host.is_cut = not host.is_cut
        elif fault == 3 and host.store is not None:
            host.is_frozen = not host.is_frozen
        elif fault == 4 and host.store is None:
            host.start()
        elif fault == 5:
            world.run(chance.randrange(6000) * MS)
        elif host.store is not None and not host.is_frozen and host.has_session:
            host.say()
    for host in world.hosts.values():
        host.is_frozen = host.is_cut = False
        if host.store is None:
            host.start()
    world.run(12_000 * MS)
    assert world.views() == dict.fromkeys((A, B, C), (A, B, C))
    final = [host.say() for host in world.hosts.values()]
    world.run(200 * MS)
    for host in world.hosts.values():
        assert set(final) <= set(host.told.delivered())
        assert host.told.pulse_us > world.now_us
    world.history.check()


@given(st.binary(max_size=100))
def test_any_value_decodes_or_is_malformed(data: bytes) -> None:
    for kind in (records.Node, records.Record, records.Batch):
        try:
            value: Any = records.decode(kind, data)
        except Malformed:
            continue
        assert records.decode(kind, records.encode(value)) == value


@given(st.text(max_size=40))
def test_any_key_is_ours_or_nobodys(key: str) -> None:
    for text in (key, f"{PREFIX}/{key}", f"{PREFIX}/nodes/{key}"):
        assert records.meaning(PREFIX, text)[0] in {"", "view", "nodes", "said"}
    assert records.meaning(PREFIX, records.said_key(PREFIX, B)) == ("said", B)
