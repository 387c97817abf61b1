"""Two engines, their arbiters and one Neutron in a world: what a pair with a third opinion does when it is parted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import Pulse, Quorum, QuorumChanged, View, ViewInstalled
from standfast.engine.effects import AskThird, EngineEffect, LeaveThird, ThirdSaid, ToClient
from standfast.engine.quorum.settings import QuorumSettings
from standfast.openstack.api import Call, Fault, Replied, Reply, SetTimer, TimerFired
from standfast.openstack.arbiter import OWNER, Arbiter, ArbiterInput, Asked, Lock, Opinion, Together
from standfast.sim.checks import Checks
from standfast.sim.cloud import FakeCloud
from standfast.sim.world import World

A, B = NodeId(1), NodeId(2)
NAMES = {A: "a", B: "b"}


class LockVouches(Checks):
    """As everywhere, but who has the lock needs no member of the old view to vouch for it: see the tests below."""

    def _parted(self, node: NodeId, view: View, quorum: Quorum | None) -> int | None:
        return None


class WithDevice(World):
    """A world whose engines have a quorum device."""

    def make_checks(self) -> Checks:
        return LockVouches(self)


class Pair:
    """The world, with what a manager on each node knows: its view, its quorum, how far its pulse reaches."""

    def __init__(self, latency_us: int = 80 * US_PER_MS) -> None:
        self.world = WithDevice(7, 2, quorum=QuorumSettings(two_node=True, device_votes=1))
        self.cloud = FakeCloud()
        self.cloud.add_subnet("net", "10.0.0.0/24")
        self.latency_us = dict.fromkeys((A, B), latency_us)
        self.is_away = dict.fromkeys((A, B), False)
        self.arbiters = {node: Arbiter(Lock("lab", "net", "10.0.0.9"), NAMES[node], "demo:1") for node in (A, B)}
        self.timers = dict.fromkeys((A, B), 0)
        self.calls: list[str] = []
        self.quorate: dict[NodeId, list[tuple[int, bool]]] = {A: [], B: []}
        self.members: dict[NodeId, int] = {A: 0, B: 0}
        self.pulse_us = dict.fromkeys((A, B), 0)
        self.reason = ""
        self.world.listeners.append(self.heard)
        for node in (A, B):
            self.world.start(node)
        self.world.run(2 * US_PER_S)

    def heard(self, _now_us: int, node: NodeId, effect: EngineEffect) -> None:
        now_us = self.world.now_us
        match effect:
            case AskThird(free_us):
                self.soon(0, lambda: self.step(node, Asked(free_us)))
            case LeaveThird():
                self.soon(0, lambda: self.step(node, Together()))
            case ToClient(ViewInstalled(view, quorum)):
                self.members[node] = len(view.members)
                self.quorate[node].append((now_us, quorum.quorate))
                self.reason = quorum.reason
            case ToClient(QuorumChanged(quorum)):
                self.quorate[node].append((now_us, quorum.quorate))
                self.reason = quorum.reason
            case ToClient(Pulse(until_us)):
                self.pulse_us[node] = self.world.hosts[node].world_us(until_us)
            case _:
                pass

    def soon(self, delay_us: int, what: Callable[[], None]) -> None:
        self.world.at(delay_us, what)

    def step(self, node: NodeId, event: ArbiterInput) -> None:
        host = self.world.hosts[node]
        for effect in self.arbiters[node].step(host.local_us(self.world.now_us), event):
            match effect:
                case Call(_, number, _, request):
                    self.calls.append(str(request))
                    reply = Reply(fault=Fault.TIMEOUT) if self.is_away[node] else self.cloud.call(request)
                    self.soon(self.latency_us[node], lambda n=number, r=reply: self.step(node, Replied(OWNER, n, r)))  # type: ignore[misc]
                case SetTimer(at_us):
                    self.timers[node] += 1
                    mine, delay_us = self.timers[node], max(0, host.world_us(at_us) - self.world.now_us)
                    self.soon(delay_us, lambda n=mine: self.fired(node, n))  # type: ignore[misc]
                case Opinion(until_us, from_us, reason, is_first, is_lost):
                    self.world.give(node, ThirdSaid(until_us, from_us, reason, is_first=is_first, is_lost=is_lost))
                case _:
                    pass

    def fired(self, node: NodeId, number: int) -> None:
        if number == self.timers[node]:
            self.step(node, TimerFired())

    def cut(self) -> None:
        self.world.network.cut(1, 2, 0)
        self.world.network.cut(2, 1, 0)

    def holds(self, node: NodeId) -> bool:
        """Whether its manager may act: quorum, and a pulse that has not ended."""
        return self.quorate[node][-1][1] and self.pulse_us[node] > self.world.now_us


def test_while_both_are_there_neutron_is_not_asked_for_anything() -> None:
    pair = Pair()
    pair.is_away = dict.fromkeys((A, B), True)
    pair.world.run(60 * US_PER_S)
    assert pair.holds(A)
    assert pair.holds(B)


def test_after_a_cut_one_goes_on_without_a_gap_and_the_other_lets_go() -> None:
    pair = Pair()
    pair.cut()
    cut_us = pair.world.now_us
    held: dict[NodeId, list[bool]] = {A: [], B: []}
    for _ in range(500):
        pair.world.run(10 * US_PER_MS)
        for node in (A, B):
            held[node].append(pair.holds(node))
    winner = A if held[A][-1] else B
    loser = B if winner == A else A
    assert all(held[winner]), "who wins keeps what it has, without a gap"
    assert [seen for at_us, seen in pair.quorate[winner] if at_us > cut_us] == [True]
    lost_us, quorate = pair.quorate[loser][-1]
    assert not quorate
    assert lost_us - cut_us < 1_000 * US_PER_MS
    assert not any(held[loser][100:])


def test_the_winner_begins_only_when_the_loser_has_surely_let_go() -> None:
    pair = Pair()
    pair.is_away[A] = True
    pair.cut()
    until_us = 0
    while not (pair.members[B] == 1 and pair.quorate[B][-1][1]):
        pair.world.run(5 * US_PER_MS)
        until_us = max(until_us, pair.pulse_us[A])
        assert pair.world.now_us < 20 * US_PER_S
    assert until_us <= pair.world.now_us
    pair.world.run(100 * US_PER_MS)
    assert not pair.holds(A)
    assert not pair.quorate[A][-1][1]


def test_without_an_answer_both_let_go_within_the_lease() -> None:
    pair = Pair()
    pair.is_away = dict.fromkeys((A, B), True)
    pair.cut()
    pair.world.run(3 * US_PER_S)
    for node in (A, B):
        assert not pair.quorate[node][-1][1]
        assert pair.pulse_us[node] <= pair.world.now_us
    assert "Neutron does not answer" in pair.reason
    pair.is_away[B] = False
    pair.world.run(10 * US_PER_S)
    assert pair.holds(B), "an answer that comes late still counts"


@pytest.mark.parametrize("away_s", [5, 40])
def test_a_lone_holder_bears_an_outage_shorter_than_its_hold(away_s: int) -> None:
    pair = Pair()
    pair.world.kill(B, power=True)
    pair.world.run(5 * US_PER_S)
    assert pair.holds(A)
    pair.is_away[A] = True
    pair.world.run(away_s * US_PER_S)
    assert pair.holds(A) == (away_s < 15)
    pair.is_away[A] = False
    pair.world.run(10 * US_PER_S)
    assert pair.holds(A)


def test_together_again_both_have_quorum_and_the_lock_is_gone() -> None:
    pair = Pair()
    pair.cut()
    pair.world.run(10 * US_PER_S)
    assert len(pair.cloud.ports) == 1
    pair.world.network.heal()
    pair.world.run(3 * US_PER_S)
    assert pair.members == {A: 2, B: 2}
    assert pair.holds(A)
    assert pair.holds(B)
    assert not pair.cloud.ports


def test_a_survivor_begins_a_lease_after_its_view_without_the_dead() -> None:
    pair = Pair()
    died_us = pair.world.now_us
    pair.world.kill(B, power=True)
    pair.world.run(5 * US_PER_S)
    at_us, quorate = pair.quorate[A][-1]
    assert quorate
    assert at_us - died_us < 2_200 * US_PER_MS
