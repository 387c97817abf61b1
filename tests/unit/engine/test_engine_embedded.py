"""The whole engine, in a world: what the brief of the cluster layer promises in figures, and what it refuses."""

from __future__ import annotations

import itertools

import pytest

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import Refused
from standfast.engine.api import (
    PAYLOAD_BYTES_MAX,
    Alive,
    Attach,
    Broadcast,
    ClientEvent,
    Congested,
    Delivered,
    Pulse,
    Stable,
    ViewInstalled,
)
from standfast.engine.effects import (
    Adjusted,
    DatagramReceived,
    EngineEffect,
    Halt,
    Persist,
    Requested,
    SendDatagram,
    SetTimer,
    Tell,
    TimerFired,
    ToClient,
)
from standfast.engine.embedded import Engine
from standfast.engine.reserved import SEQ_FILE
from standfast.sim.network import Weather
from standfast.sim.world import World

A, B, C = NodeId(1), NodeId(2), NodeId(3)


class Ears:
    """Everything that managers and disks were told, with the world's time."""

    def __init__(self, world: World) -> None:
        self.heard: list[tuple[int, NodeId, EngineEffect]] = []
        world.listeners.append(lambda now_us, node, effect: self.heard.append((now_us, node, effect)))

    def events(self, kind: type[ClientEvent]) -> list[tuple[int, NodeId, ClientEvent]]:
        return [(at, n, e.event) for at, n, e in self.heard if isinstance(e, ToClient) and isinstance(e.event, kind)]


def settled(nodes: int = 2, **kind: object) -> tuple[World, Ears]:
    world = World(5, nodes, **kind)  # type: ignore[arg-type]
    for node in world.hosts:
        world.start(node)
    world.run(US_PER_S)
    ears = Ears(world)
    return world, ears


@pytest.mark.parametrize("sender", [A, B])
def test_a_message_costs_one_round_trip_and_no_timer(sender: NodeId) -> None:
    world, ears = settled(weather=Weather(delay_us=1_000, jitter_us=0))
    sent_us = world.now_us
    world.broadcast(sender, b"1/1/1")
    world.run(5 * US_PER_MS)
    delivered = {node: at - sent_us for at, node, _ in ears.events(Delivered)}
    assert max(delivered.values()) <= 2_000
    stable = {node: at - sent_us for at, node, _ in ears.events(Stable)}
    assert max(stable.values()) <= 3_000
    assert stable[sender] <= 2_000, "whoever waits for it has it after one round trip"


@pytest.mark.parametrize("nodes", [2, 3, 5, 16])
def test_a_dead_node_is_out_within_425_ms(nodes: int) -> None:
    world, ears = settled(nodes)
    for dead in (NodeId(nodes), A):
        since_us = world.now_us
        world.kill(dead, power=True)
        world.run(400 * US_PER_MS)
        views = ears.events(ViewInstalled)
        assert views, dead
        assert max(at for at, _, _ in views) - since_us <= 425 * US_PER_MS
        ears.heard.clear()
        world.start(dead)
        world.run(US_PER_S)
        ears.heard.clear()


@pytest.mark.parametrize("paused", [A, B])
@pytest.mark.parametrize("nodes", [2, 3])
def test_a_pause_of_a_second_is_no_death_and_nobody_loses_its_pulse(nodes: int, paused: NodeId) -> None:
    world, ears = settled(nodes)
    for _ in range(8):
        world.pause(paused)
        world.run(US_PER_S)
        world.resume(paused)
        world.run(3 * US_PER_S + 77 * US_PER_MS)
    assert ears.events(ViewInstalled) == []
    for node in world.hosts:
        reaches_us = 0
        for at_us, _, pulse in [each for each in ears.events(Pulse) if each[1] == node]:
            assert isinstance(pulse, Pulse)
            assert not reaches_us or world.hosts[node].local_us(at_us) <= reaches_us, "the pulse had lapsed"
            reaches_us = pulse.until_us


def test_a_longer_pause_is_a_death_and_the_sleeper_has_no_pulse_when_the_others_go_on() -> None:
    for seed in range(1, 9):
        world = World(seed, 2)
        ears = Ears(world)
        for node in world.hosts:
            world.start(node)
        world.run(US_PER_S + seed * 31 * US_PER_MS)
        paused_us = world.now_us
        ends_us = max(pulse.until_us for _, n, pulse in ears.events(Pulse) if n == B and isinstance(pulse, Pulse))
        world.pause(B)
        world.run(3 * US_PER_S)
        (gone_us,) = [at for at, node, view in ears.events(ViewInstalled) if at > paused_us]
        assert 1_300 * US_PER_MS <= gone_us - paused_us <= 1_550 * US_PER_MS
        assert ends_us - world.hosts[B].local_us(gone_us) <= 250 * US_PER_MS + world.times.heartbeat_us
        survivor = [(at, pulse) for at, n, pulse in ears.events(Pulse) if n == A and at >= paused_us and isinstance(pulse, Pulse)]
        for (_, before), (at_us, _) in itertools.pairwise(survivor):
            assert world.hosts[A].local_us(at_us) <= before.until_us, "the survivor's own pulse lapsed meanwhile"


def test_a_lone_node_has_its_view_after_375_ms_and_two_share_one_at_once() -> None:
    world = World(5, 2)
    ears = Ears(world)
    world.start(A)
    world.run(800 * US_PER_MS)
    (alone_us, _, _) = ears.events(ViewInstalled)[0]
    assert 365 * US_PER_MS <= alone_us <= 395 * US_PER_MS
    world.start(B)
    world.run(500 * US_PER_MS)
    assert world.checks.unsettled((A, B)) == ""


def test_partitions_merge_within_300_ms() -> None:
    world, _ = settled(3)
    world.network.cut(1, 2, 0)
    world.network.cut(2, 1, 0)
    world.network.cut(1, 3, 0)
    world.network.cut(3, 1, 0)
    world.run(20 * US_PER_S)
    world.network.heal()
    world.run(300 * US_PER_MS)
    assert world.checks.unsettled((A, B, C)) == ""


def test_a_daemon_that_is_gone_is_known_by_its_refusal() -> None:
    world, ears = settled()
    since_us = world.now_us
    world.kill(B)
    world.run(200 * US_PER_MS)
    assert ears.events(ViewInstalled)[0][0] - since_us <= 155 * US_PER_MS, "the next heartbeat and one confirmation"


def test_the_largest_message_arrives_whole_over_a_bad_wire() -> None:
    world, ears = settled(3, weather=Weather(loss=50, jitter_us=5_000))
    payload = b"2/1/1/" + bytes(PAYLOAD_BYTES_MAX - 6)
    world.broadcast(B, payload)
    world.run(20 * US_PER_S)
    got = [event for _, _, event in ears.events(Delivered)]
    assert len(got) == 3
    assert all(isinstance(event, Delivered) and event.payload == payload for event in got)


def test_a_larger_one_is_refused_and_said() -> None:
    world, ears = settled()
    world.give(A, Requested(Broadcast(bytes(PAYLOAD_BYTES_MAX + 1))))
    assert [e.report.code for _, _, e in ears.heard if isinstance(e, Tell)] == ["engine.too-large"]


def test_flow_control_says_stop_and_go() -> None:
    world, ears = settled(weather=Weather(delay_us=5_000))
    for n in range(3_000):
        world.give(B, Requested(Broadcast(b"2/1/%d" % n)))
    assert ears.events(Congested)[-1][2] == Congested(True)
    world.run(20 * US_PER_S)
    assert ears.events(Congested)[-1][2] == Congested(False)
    assert len(ears.events(Delivered)) == 6_000


def test_pulses_come_with_every_third_heartbeat_and_end_with_the_peer() -> None:
    world, ears = settled()
    world.run(10 * US_PER_S)
    pulses = [at for at, node, _ in ears.events(Pulse) if node == A]
    assert 24 <= len(pulses) <= 30
    world.network.cut(1, 2, 0)  # A is not heard any more, but hears
    cut_us = world.now_us
    ears.heard.clear()
    world.run(250 * US_PER_MS)
    for _, node, pulse in ears.events(Pulse):
        assert isinstance(pulse, Pulse)
        if node == A:
            assert pulse.until_us - world.hosts[A].clock_us <= cut_us + world.times.lease_us


def test_a_view_number_is_durable_before_it_is_seen() -> None:
    world = World(5, 1)
    engine = Engine(world.config(A), bytes, {})
    effects = engine.start(0)
    assert isinstance(effects[0], Persist)
    assert effects[0].name == SEQ_FILE
    first_send = next((i for i, e in enumerate(effects) if isinstance(e, SendDatagram)), len(effects))
    assert first_send > 0


@pytest.mark.parametrize("data", [b"", b"65\n", b"65 00000000\n", b"-1 9e7647a9\n", b"\xff" * 40, b"9" * 5000])
def test_a_damaged_view_number_is_refused_with_the_remedy(data: bytes) -> None:
    world = World(5, 1)
    with pytest.raises(Refused, match="view-seq") as refusal:
        Engine(world.config(A), bytes, {SEQ_FILE: data})
    assert refusal.value.reports[0].remedy


def test_a_damaged_quorum_file_is_refused() -> None:
    with pytest.raises(Refused, match="quorum"):
        Engine(World(5, 1).config(A), bytes, {"quorum": b"?"})


def test_random_datagrams_change_nothing_and_are_not_answered() -> None:
    world, ears = settled()
    engine = world.hosts[A].engine
    assert engine is not None
    before = engine.status(0)
    for n in range(500):
        junk = bytes((n * k * 37 + k) & 255 for k in range(n % 90))
        world.give(A, DatagramReceived(0, world.address(B, 0), junk))
        world.give(A, DatagramReceived(0, ("192.0.2.1", 9), junk))
    assert not [e for _, _, e in ears.heard if isinstance(e, SendDatagram)]
    after = engine.status(0)
    assert (after.view, after.quorum, after.peers) == (before.view, before.quorum, before.peers)


def test_orders_that_cannot_be_followed_are_refused() -> None:
    world, _ = settled()
    for order in (
        Adjusted("dance", A, 0),
        Adjusted("expected_votes", A, 1),
        Adjusted("votes", NodeId(9), 1),
        Adjusted("kill", C, 0),
    ):
        with pytest.raises(Refused):
            world.give(A, order)


def test_a_late_timer_is_a_stall_and_is_said() -> None:
    world = World(5, 1)
    engine = Engine(world.config(A), bytes, {})
    effects = engine.start(0)
    for _ in range(8):
        at_us = next(e.at_us for e in reversed(effects) if isinstance(e, SetTimer))
        effects = engine.step(at_us, TimerFired())
    timers = [e.at_us for e in effects if isinstance(e, SetTimer)]
    effects = engine.step(timers[0] + 5 * US_PER_S, TimerFired())
    assert [e.report.code for e in effects if isinstance(e, Tell)] == ["engine.stalled"]
    assert not [e for e in effects if isinstance(e, ToClient)], "no pulse right after waking"


def test_leaving_alone_halts_at_once_and_twice_is_once() -> None:
    world, ears = settled(1)
    world.leave(A)
    world.run(US_PER_MS)
    assert len([e for _, _, e in ears.heard if isinstance(e, Halt)]) == 1


def test_status_names_everybody() -> None:
    world, _ = settled(3, links=2)
    world.kill(C, power=True)
    world.run(2 * US_PER_S)
    engine = world.hosts[A].engine
    assert engine is not None
    status = engine.status(world.now_us + world.hosts[A].clock_us)
    assert [(p.node, p.name, p.member, p.reachable) for p in status.peers] == [
        (A, "node1", True, True),
        (B, "node2", True, True),
        (C, "node3", False, False),
    ]
    assert status.peers[1].links == (("10.0.0.2", True), ("10.1.0.2", True))
    assert status.peers[2].links == (("10.0.0.3", False), ("10.1.0.3", False))
    assert ("runtime.members.2.status", "str", "joined") in status.cmap


def test_an_idle_pair_does_little() -> None:
    """Twenty steps a second for each node: ten heartbeats sent, ten heard, hardly a wake-up beside them."""
    world, _ = settled()
    before = world.steps
    world.run(10 * US_PER_S)
    assert (world.steps - before) / 10 / 2 <= 30


def test_a_starved_survivor_goes_on_confirming_itself() -> None:
    """Alone in its view, paused for 200 ms again and again: nobody else could have been asked, so the pulse must not lapse."""
    world = World(5, 1)
    engine = Engine(world.config(A), bytes, {})
    timer_us, pulses = 0, []
    effects = (*engine.start(0), *engine.step(0, Requested(Attach())))
    for turn in range(80):
        timer_us = next((e.at_us for e in reversed(effects) if isinstance(e, SetTimer)), timer_us)
        now_us = timer_us + (200 * US_PER_MS if turn > 20 else 0)
        effects = engine.step(now_us, TimerFired())
        if any(isinstance(e, ToClient) and isinstance(e.event, Pulse) for e in effects):
            pulses.append(now_us)
            effects = (*effects, *engine.step(now_us, Requested(Alive())))
    gaps = [later - earlier for earlier, later in itertools.pairwise(pulses)]
    assert len(pulses) > 20
    assert max(gaps) < 1500 * US_PER_MS, "the lease of a pulse"
