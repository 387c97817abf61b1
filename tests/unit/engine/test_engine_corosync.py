"""Managers on a Corosync that is played: processes come, go, freeze, rings part and meet, at every moment of every step."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.engine import corosync_frames as frames
from standfast.engine.api import (
    Broadcast,
    ClientAbsent,
    Congested,
    Leave,
    Pulse,
    QuorumChanged,
    Stable,
    ViewInstalled,
)
from standfast.engine.corosync import Group, GroupTimes, lease_ms_of
from standfast.engine.corosync_effects import (
    REJOIN_MS,
    Cast,
    Depart,
    Disconnected,
    GroupInput,
    Heard,
    MembersChanged,
    Process,
    QuorumSaid,
    Reason,
    Rejoin,
    RingChanged,
)
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient
from standfast.engine.provider import COROSYNC
from standfast.engine.reserved import SEQ_FILE
from standfast.lab.contract import History, Life

A, B, C = NodeId(1), NodeId(2), NodeId(3)
MS = 1000
TIMES = GroupTimes()
REJOIN_US = REJOIN_MS * MS
"""Who was barred waits before it comes in anew: what was said before must not be taken for what is said now."""


class Host:
    """One node: its daemon's place in a ring, and a manager's process with what is on its way to it."""

    def __init__(self, world: World, node: NodeId) -> None:
        self.world, self.node = world, node
        self.disk: dict[str, bytes] = {}
        self.ring: tuple[NodeId, ...] = (node,)
        self.ring_seq = 0
        self.pid = 0
        self.group: Group | None = None
        self.life: Life | None = None
        self.inbox: deque[GroupInput] = deque()
        self.quorum: deque[GroupInput] = deque()
        self.casts: deque[bytes] = deque()
        self.timer_us: int | None = None
        self.rejoin_us: int | None = None
        self.is_joined = self.is_frozen = False
        self.sent = 0

    @property
    def told(self) -> Life:
        assert self.life is not None
        return self.life

    @property
    def process(self) -> Process:
        return (self.node, self.pid)

    def start(self) -> None:
        self.world.pids += 1
        self.pid = self.world.pids
        self.group = Group(self.process, dict.fromkeys(self.world.hosts, 1), TIMES, self.disk.get(SEQ_FILE))
        self.life = self.world.history.begin(self.node)
        self.connect()

    def connect(self) -> None:
        self.rejoin_us = None
        self.inbox.clear()
        self.quorum.clear()
        self.casts.clear()
        self.timer_us = None
        self.is_joined = True
        self.world.group_changed(self.ring, ())
        self.inbox.append(RingChanged((self.ring[0], self.ring_seq), self.ring))
        self.world.say_quorum(self)

    def stop(self, reason: Reason) -> None:
        """The process ends (kill -9, or a polite leave)."""
        process = self.process
        self.group, self.is_joined, self.is_frozen, self.timer_us, self.rejoin_us = None, False, False, None, None
        for queue in (self.inbox, self.quorum, self.casts):
            queue.clear()
        if self.life is not None:
            self.life.is_over = True
        self.life = None
        self.world.group_changed(self.ring, ((process, reason),))

    def step(self, event: GroupInput) -> None:
        assert self.group is not None
        assert self.life is not None
        effects = self.group.step(self.world.now_us, event)
        self.group.check()
        for effect in effects:
            match effect:
                case Cast(data):
                    self.casts.append(data)
                case ToClient(said):
                    self.world.now_us += 1  # every event at an instant of its own
                    self.life.events.append((self.world.now_us, said))
                case SetTimer(at_us):
                    self.timer_us = at_us
                case Persist(name, data):
                    self.disk[name] = data
                case Depart():
                    self.stop(Reason.LEAVE)
                    return
                case Rejoin():
                    self.life.is_over = True
                    self.life = self.world.history.begin(self.node)
                    process = self.process
                    self.is_joined = False
                    self.world.group_changed(self.ring, ((process, Reason.LEAVE),))
                    self.group.step(self.world.now_us, Disconnected())
                    self.inbox.clear()
                    self.casts.clear()
                    self.rejoin_us = self.world.now_us + REJOIN_US
                    return
                case Tell():
                    pass

    def say(self, text: str = "") -> bytes:
        assert self.life is not None
        self.sent += 1
        payload = f"{self.node}.{self.pid}.{self.sent} {text}".encode()
        self.life.sent.append(payload)
        self.step(Requested(Broadcast(payload)))
        return payload


class World:
    """Corosync's part, played: total order in each ring, virtual synchrony when rings change."""

    def __init__(self, nodes: tuple[NodeId, ...], seed: int = 1) -> None:
        self.chance = Random(seed)
        self.now_us = 1_000_000
        self.pids = 100
        self.ring_seq = 4
        self.history = History(COROSYNC, TIMES.lease_ms * MS)
        self.hosts = {node: Host(self, node) for node in nodes}
        self.part(*((node,) for node in nodes))
        self.part(nodes)

    def part(self, *rings: tuple[NodeId, ...]) -> None:
        """The nodes are in these rings now. What is ordered in a ring reaches all of it before: messages not yet ordered wait."""
        for ring in rings:
            self.ring_seq += 4
            here = [process for node in ring if (process := self.joined(node))]
            for node in ring:
                host = self.hosts[node]
                gone = tuple(p for n in host.ring if n not in ring and (p := self.joined(n)))
                before = tuple(p for p in here if p[0] in host.ring)
                if host.is_joined:
                    if gone:
                        host.inbox.append(MembersChanged(before, tuple((p, Reason.NODE_DOWN) for p in gone)))
                    if len(before) < len(here):
                        host.inbox.append(MembersChanged(tuple(here), ()))
                    host.inbox.append(RingChanged((ring[0], self.ring_seq), ring))
        for ring in rings:
            for node in ring:
                self.hosts[node].ring, self.hosts[node].ring_seq = ring, self.ring_seq
                self.say_quorum(self.hosts[node])
        # every ring of one call has a number of its own
        for nth, ring in enumerate(rings):
            for node in ring:
                self._renumber(self.hosts[node], (ring[0], self.ring_seq), (ring[0], self.ring_seq + 4 * nth))
        self.ring_seq += 4 * len(rings)

    @staticmethod
    def _renumber(host: Host, old: tuple[int, int], new: tuple[int, int]) -> None:
        host.ring_seq = new[1]
        for queue in (host.inbox, host.quorum):
            for nth, event in enumerate(queue):
                if isinstance(event, RingChanged) and nth == len(queue) - 1:
                    queue[nth] = RingChanged(new, event.nodes)
                if isinstance(event, QuorumSaid) and nth == len(queue) - 1:
                    queue[nth] = QuorumSaid(new, event.quorate, event.votes, event.votes_needed, event.expected_votes)

    def joined(self, node: NodeId) -> Process | None:
        host = self.hosts[node]
        return host.process if host.is_joined else None

    def say_quorum(self, host: Host) -> None:
        if host.is_joined:
            votes, all_votes = len(host.ring), len(self.hosts)
            said = QuorumSaid((host.ring[0], host.ring_seq), 2 * votes > all_votes, votes, all_votes // 2 + 1, all_votes)
            host.quorum.append(said)

    def group_changed(self, ring: tuple[NodeId, ...], left: tuple[tuple[Process, Reason], ...]) -> None:
        processes = tuple(p for node in ring if (p := self.joined(node)))
        for node in ring:
            if self.joined(node):
                self.hosts[node].inbox.append(MembersChanged(processes, left))

    # ---- time passes ------------------------------------------------------------------------------------------------

    def moves(self) -> list[tuple[str, Host]]:
        found = []
        for host in self.hosts.values():
            if not host.is_joined:
                continue
            if host.casts:
                found.append(("order", host))
            if not host.is_frozen:
                found += [(kind, host) for kind, queue in (("hear", host.inbox), ("quorum", host.quorum)) if queue]
        return found

    def move(self) -> bool:
        """One thing happens, drawn by chance; False when nothing is left to happen at this instant."""
        moves = self.moves()
        if not moves:
            return False
        kind, host = self.chance.choice(moves)
        self.now_us += 10
        if kind == "order":
            data = host.casts.popleft()
            for node in host.ring:
                if self.hosts[node].is_joined:
                    self.hosts[node].inbox.append(Heard(host.process, data))
        elif kind == "hear":
            host.step(host.inbox.popleft())
        else:
            host.step(host.quorum.popleft())
        return True

    def run(self, span_us: int) -> None:
        """Until the instant, with all timers."""
        end_us = self.now_us + span_us
        while True:
            while self.move():
                pass
            due = [h for h in self.hosts.values() if h.timer_us is not None and not h.is_frozen and h.is_joined]
            back = [h for h in self.hosts.values() if h.rejoin_us is not None]
            next_us = min([h.timer_us or 0 for h in due] + [h.rejoin_us or 0 for h in back], default=end_us)
            if next_us >= end_us:
                self.now_us = max(self.now_us, end_us)
                return
            self.now_us = max(self.now_us, next_us)
            for host in back:
                if host.rejoin_us is not None and host.rejoin_us <= self.now_us:
                    host.connect()
            for host in due:
                if host.timer_us is not None and host.timer_us <= self.now_us:
                    host.timer_us = None
                    host.step(TimerFired())

    def views(self) -> dict[NodeId, tuple[NodeId, ...]]:
        return {n: h.life.view.members for n, h in self.hosts.items() if h.life is not None and h.life.view is not None}


def cluster(*nodes: NodeId, seed: int = 1) -> World:
    world = World(nodes or (A, B, C), seed)
    for host in world.hosts.values():
        host.start()
    world.run(1000 * MS)
    assert world.views() == dict.fromkeys(world.hosts, tuple(world.hosts))
    return world


def told(host: Host, kind: type) -> list[Any]:
    return [event for _, event in host.told.events if isinstance(event, kind)]


# ---- what the contract promises ---------------------------------------------------------------------------------------


def test_three_managers_come_to_one_quorate_view_and_deliver_the_same() -> None:
    world = cluster()
    payloads = [host.say() for host in world.hosts.values() for _ in range(5)]
    world.run(100 * MS)
    orders = [host.life.delivered() for host in world.hosts.values() if host.life]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(payloads)
    assert all(host.life is not None and host.life.is_quorate for host in world.hosts.values())
    assert all(told(host, Stable)[-1].seq == 15 for host in world.hosts.values())
    world.history.check()


def test_a_message_larger_than_a_frame_comes_whole() -> None:
    world = cluster()
    payload = world.hosts[A].say("x" * 300_000)
    world.run(100 * MS)
    assert world.hosts[C].told.delivered() == [payload]


def test_a_message_on_its_way_when_the_group_changes_is_delivered_once_in_the_next_view() -> None:
    world = cluster()
    world.hosts[C].stop(Reason.LEAVE)
    payload = world.hosts[A].say()  # A has not heard of the change yet
    world.run(100 * MS)
    assert world.views() == {A: (A, B), B: (A, B)}
    for node in (A, B):
        life = world.hosts[node].life
        assert life is not None
        assert life.delivered() == [payload]
    world.history.check()


def test_pulses_come_while_others_answer_and_end_when_they_do_not() -> None:
    world = cluster()
    world.run(3000 * MS)
    assert world.hosts[A].told.pulse_us > world.now_us + 500 * MS
    world.hosts[B].is_frozen = world.hosts[C].is_frozen = True
    frozen_us = world.now_us
    world.run(2500 * MS)
    assert world.hosts[A].told.pulse_us <= frozen_us + TIMES.lease_ms * MS


def test_a_lone_manager_is_pulsed_by_its_own_beats() -> None:
    world = cluster()
    world.part((A,), (B, C))
    world.run(1000 * MS)
    assert world.views() == {A: (A,), B: (B, C), C: (B, C)}
    assert not world.hosts[A].told.is_quorate
    assert world.hosts[A].told.pulse_us > world.now_us
    world.history.check()


def test_a_manager_killed_and_back_within_its_grace_changes_no_view() -> None:
    world = cluster()
    views = len(told(world.hosts[A], ViewInstalled))
    world.hosts[A].say()
    world.run(50 * MS)
    world.hosts[B].stop(Reason.PROCESS_DOWN)
    world.run(200 * MS)
    world.hosts[B].start()
    world.run(500 * MS)
    assert len(told(world.hosts[A], ViewInstalled)) == views
    assert world.views() == dict.fromkeys((A, B, C), (A, B, C))
    payload = world.hosts[B].say()
    world.run(100 * MS)
    assert told(world.hosts[A], ClientAbsent) == []
    assert world.hosts[A].told.delivered()[-1] == payload
    world.history.check()


def test_a_manager_that_stays_away_is_told_absent_and_comes_back_into_the_same_view() -> None:
    world = cluster()
    views = len(told(world.hosts[A], ViewInstalled))
    world.hosts[B].stop(Reason.PROCESS_DOWN)
    world.run(3000 * MS)
    absent = told(world.hosts[A], ClientAbsent)
    assert [event.node for event in absent] == [B]
    assert told(world.hosts[C], ClientAbsent) == absent
    payload = world.hosts[A].say()
    world.run(100 * MS)
    assert told(world.hosts[A], Stable)[-1].seq == 2  # nobody waits for B
    world.hosts[B].start()
    world.run(500 * MS)
    assert len(told(world.hosts[A], ViewInstalled)) == views
    assert world.hosts[B].told.delivered() == []
    assert payload
    world.history.check()


def test_who_comes_into_a_view_with_an_absent_one_is_told_of_it() -> None:
    world = cluster()
    world.hosts[B].stop(Reason.PROCESS_DOWN)
    world.run(3000 * MS)
    world.hosts[C].stop(Reason.PROCESS_DOWN)
    world.run(100 * MS)
    world.hosts[C].start()
    world.run(500 * MS)
    told_at_once = told(world.hosts[C], ClientAbsent)
    assert [(event.seq, event.node) for event in told_at_once] == [(0, B)]


def test_a_frozen_manager_is_told_absent_and_says_so_itself_when_it_wakes() -> None:
    world = cluster()
    world.hosts[B].is_frozen = True
    world.run(5000 * MS)
    assert [event.node for event in told(world.hosts[A], ClientAbsent)] == [B]
    world.hosts[B].is_frozen = False
    world.run(1000 * MS)
    assert [event.node for event in told(world.hosts[B], ClientAbsent)] == [B]
    world.hosts[A].say()
    world.run(100 * MS)
    assert told(world.hosts[A], Stable)[-1].seq == 2  # B counts again
    world.history.check()


def test_a_manager_frozen_while_the_group_changes_is_barred_and_comes_in_anew() -> None:
    world = cluster()
    world.hosts[B].is_frozen = True
    world.hosts[C].stop(Reason.LEAVE)
    world.run(5000 * MS)
    assert world.views()[A] == (A,)
    world.hosts[B].is_frozen = False
    world.run(2000 * MS)
    assert world.views() == {A: (A, B), B: (A, B)}
    world.history.check()


def test_no_view_before_votequorum_has_spoken_about_the_ring() -> None:
    world = cluster(A, B)
    world.part((A,), (B,))
    world.hosts[A].quorum.clear()
    world.run(1000 * MS)
    assert world.views()[A] == (A, B)
    world.say_quorum(world.hosts[A])
    world.run(100 * MS)
    assert world.views()[A] == (A,)


def test_lost_quorum_counts_at_once_and_won_quorum_with_its_ring() -> None:
    world = cluster()
    host = world.hosts[A]
    host.step(QuorumSaid((9, 9), False, 1, 2, 3))
    assert not host.told.is_quorate
    host.step(QuorumSaid((9, 13), True, 2, 2, 3))
    assert not host.told.is_quorate
    assert len(told(host, QuorumChanged)) == 1


def test_without_a_quorum_provider_nobody_is_quorate() -> None:
    world = cluster()
    host = world.hosts[A]
    host.step(QuorumSaid((host.ring[0], host.ring_seq), True, 0, 0, 0, has_provider=False))
    assert not host.told.is_quorate


def test_a_polite_leave_departs() -> None:
    world = cluster()
    world.hosts[C].step(Requested(Leave()))
    world.run(200 * MS)
    assert world.views() == {A: (A, B), B: (A, B)}


def test_numbers_of_views_grow_over_a_restart_of_everything() -> None:
    world = cluster()
    before = max(host.life.view.id.seq for host in world.hosts.values() if host.life and host.life.view)
    for host in world.hosts.values():
        host.stop(Reason.PROCESS_DOWN)
    for host in world.hosts.values():
        host.start()
    world.run(1000 * MS)
    assert min(host.life.view.id.seq for host in world.hosts.values() if host.life and host.life.view) > before
    world.history.check()


def test_a_damaged_number_is_refused() -> None:
    with pytest.raises(Refused, match="view-seq"):
        Group((A, 1), {A: 1}, TIMES, b"17 00000000\n")


def test_too_much_at_once_is_told_and_refused_beyond() -> None:
    world = cluster()
    for host in world.hosts.values():
        host.is_frozen = True
    host = world.hosts[A]
    assert host.group is not None
    said = [e for _ in range(5000) for e in host.group.step(world.now_us, Requested(Broadcast(b"x" * 100)))]
    assert ToClient(Congested(True)) in said
    assert any(isinstance(e, Tell) and e.report.code == "engine.congested" for e in said)
    assert len([e for e in said if isinstance(e, Cast)]) <= 64
    too_large = host.group.step(world.now_us, Requested(Broadcast(b"x" * ((1 << 20) + 1))))
    assert [e.report.code for e in too_large if isinstance(e, Tell)] == ["engine.too-large"]


def test_noise_in_the_group_is_counted_and_changes_nothing() -> None:
    world = cluster()
    host = world.hosts[A]
    assert host.group is not None
    before = host.group.view
    told_of = [host.group.step(world.now_us, Heard((B, world.hosts[B].pid), b"\x07nonsense")) for _ in range(5)]
    assert [len([e for e in effects if isinstance(e, Tell)]) for effects in told_of] == [1, 1, 0, 1, 0]
    host.group.check()
    assert host.group.view == before


@pytest.mark.parametrize("seed", range(60))
def test_the_contract_holds_whatever_happens_between_any_two_steps(seed: int) -> None:
    """Kills, leaves, freezes, partitions and merges strike between any two events; then all is well, and all agree."""
    world = World((A, B, C), seed)
    chance = Random(f"{seed}/faults")
    for host in world.hosts.values():
        host.start()
    rings = [((A, B, C),), ((A,), (B, C)), ((A, B), (C,)), ((B,), (A, C)), ((A,), (B,), (C,))]
    for _ in range(40):
        for _ in range(chance.randrange(30)):
            world.move()
        host = world.hosts[chance.choice((A, B, C))]
        fault = chance.randrange(9)
        if fault == 0 and host.group is not None:
            host.stop(Reason.PROCESS_DOWN)
        elif fault == 1 and host.group is not None and not host.is_frozen:
            host.step(Requested(Leave()))
        elif fault == 2:
            world.part(*chance.choice(rings))
        elif fault == 3 and host.group is not None:
            host.is_frozen = not host.is_frozen
        elif fault == 4 and host.group is None:
            host.start()
        elif fault == 5:
            world.run(chance.randrange(4000) * MS)
        elif host.group is not None and not host.is_frozen:
            host.say()
    world.part((A, B, C))
    for host in world.hosts.values():
        host.is_frozen = False
        if host.group is None:
            host.start()
    world.run(12_000 * MS)
    assert world.views() == dict.fromkeys((A, B, C), (A, B, C))
    final = [host.say() for host in world.hosts.values()]
    world.run(200 * MS)
    for host in world.hosts.values():
        assert host.life is not None
        assert set(final) <= set(host.life.delivered())
        assert host.life.is_quorate
        assert host.life.pulse_us > world.now_us
    world.history.check()


# ---- frames and numbers -------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_malformed(data: bytes) -> None:
    for head in (b"", b"\x00", b"\x01"):
        try:
            frame = frames.decode(head + data)
        except Malformed:
            continue
        assert frames.decode(frames.encode(frame)) == frame


def test_frames_come_back_as_they_went() -> None:
    state = frames.State(b"g" * 16, 7, (5, 1), (1, 2), 3, b"t", (2,), (), ((2, 77),))
    for frame in (state, frames.Beat((5, 1), 9, 3, ((2, 8),)), frames.Missing((5, 1), 2), frames.Bar(b"g", ((2, 77),))):
        assert frames.decode(frames.encode(frame)) == frame
    with pytest.raises(Malformed):
        frames.decode(frames.encode(state)[:-1])


def test_the_lease_follows_corosyncs_consensus_unless_the_file_says_it() -> None:
    assert lease_ms_of(3600, None, 1500) == 3240
    assert lease_ms_of(1200, None, 1500) == 1500
    assert lease_ms_of(60_000, None, 1500) == 10_000
    assert lease_ms_of(3600, 700, 1500) == 700


def test_a_pulse_is_worth_its_lease_and_no_more() -> None:
    world = cluster()
    world.run(3000 * MS)
    for host in world.hosts.values():
        assert host.life is not None
        assert all(e.until_us <= at_us + TIMES.lease_ms * MS for at_us, e in host.life.events if isinstance(e, Pulse))
