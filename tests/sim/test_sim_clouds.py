"""The cloud of the simulator: what its API does wrong is done, and what must hold of it is judged."""

from __future__ import annotations

from typing import Any

import pytest

from standfast.base.ids import US_PER_S, NodeId
from standfast.controller import effects as fx
from standfast.openstack.api import Call, Fault, Replied, Request, Service
from standfast.openstack.requests import PORTS, list_ports
from standfast.sim.checks import PromiseError
from standfast.sim.cluster.draw import draw
from standfast.sim.cluster.neutron import Air, Neutron
from standfast.sim.cluster.people import ADDRESS
from standfast.sim.cluster.plan import read
from standfast.sim.cluster.play import Player
from standfast.sim.cluster.world import Cluster, Setting

ONE = NodeId(1)


class Asker:
    """One node's manager, as far as the cloud sees it."""

    def __init__(self, mode: str = "pairs") -> None:
        self.world = Cluster(7, Setting(nodes=2, cloud=mode))
        assert self.world.neutron is not None
        self.neutron: Neutron = self.world.neutron
        self.machine = self.world.machines[ONE]
        self.answers: list[Any] = []
        self.machine.feed = self.answers.append  # type: ignore[method-assign, assignment]
        self.count = 0

    def asks(self, request: Request) -> tuple[int, Fault | None, Any]:
        """(status, fault, body) of the answer."""
        self.count += 1
        self.neutron.perform(self.machine, Call("reconciler", self.count, "sim", request))
        self.world.run(12 * US_PER_S)
        event = self.answers.pop()
        assert isinstance(event, fx.FromCloud)
        assert isinstance(event.event, Replied)
        reply = event.event.reply
        return reply.status, reply.fault, reply.body

    def reads(self) -> Request:
        return list_ports("id", [self.neutron.ports[ONE]])

    def writes(self, *ips: str) -> Request:
        own = self.neutron.ports[ONE]
        fields = {"allowed_address_pairs": [{"ip_address": ip} for ip in ips]}
        return Request(Service.NETWORK, "PUT", f"{PORTS}/{own}", body={"port": fields})


@pytest.mark.parametrize(
    ("air", "status", "fault", "is_written"),
    [
        (Air.WORKS, (200,), (None,), True),
        (Air.SLOW, (200,), (None,), True),
        (Air.AWAY, (0,), (Fault.UNREACHABLE,), False),
        (Air.HANGS, (0,), (Fault.TIMEOUT,), False),
        (Air.LOSES, (0, 502), (Fault.TIMEOUT, None), True),
        (Air.BUSY, (429, 503), (None,), False),
        (Air.HTML, (0,), (Fault.NOT_JSON,), False),
        (Air.LOCKED, (401,), (None,), False),
    ],
)
def test_what_is_wrong_with_the_api_and_what_becomes_of_a_write(
    air: Air, status: tuple[int, ...], fault: tuple[Fault | None, ...], *, is_written: bool
) -> None:
    asker = Asker()
    asker.neutron.air = air
    got = asker.asks(asker.writes(ADDRESS))
    assert got[0] in status
    assert got[1] in fault
    assert asker.neutron.allows(ONE, ADDRESS) == is_written


def test_conflicts_refuse_some_writes_and_no_reading() -> None:
    asker = Asker()
    asker.neutron.air = Air.CONFLICTS
    assert {asker.asks(asker.writes(ADDRESS))[0] for _ in range(20)} == {200, 409, 412}
    assert {asker.asks(asker.reads())[0] for _ in range(5)} == {200}


def test_a_lagging_reading_shows_what_was_before_the_last_write() -> None:
    asker = Asker()
    asker.asks(asker.writes(ADDRESS))
    asker.neutron.air = Air.STALE
    assert asker.asks(asker.reads())[2]["ports"][0]["allowed_address_pairs"] == []
    asker.neutron.air = Air.WORKS
    assert asker.asks(asker.reads())[2]["ports"][0]["allowed_address_pairs"][0]["ip_address"] == ADDRESS


def test_a_write_that_drops_what_somebody_else_allowed_is_found() -> None:
    asker = Asker()
    while not asker.neutron.cloud.pairs(asker.neutron.ports[ONE]):
        asker.neutron.foreign_write(ONE)
    with pytest.raises(PromiseError, match="lost n1's foreign pairs"):
        asker.asks(asker.writes(ADDRESS))


def test_two_calls_within_a_second_are_found() -> None:
    asker = Asker()
    asker.neutron.perform(asker.machine, Call("reconciler", 1, "sim", asker.reads()))
    with pytest.raises(PromiseError, match="two calls for n1 within 0 ms"):
        asker.neutron.perform(asker.machine, Call("reconciler", 2, "sim", asker.reads()))


def test_a_node_that_takes_what_is_not_its_ports_is_found() -> None:
    asker = Asker("exclusive")
    with pytest.raises(PromiseError, match="which was its port's never"):
        asker.neutron.put(asker.machine)


@pytest.mark.parametrize("mode", ["pairs", "exclusive", "fenced"])
def test_a_seed_of_each_mode_holds(mode: str) -> None:
    plan = next(plan for seed in range(1, 300) if (plan := draw(seed)).setting.cloud == mode and plan.setting.nodes <= 3)
    player = Player(plan)
    assert player.play().failure == ""
    assert player.world.neutron is not None
    assert player.world.neutron.calls > 0


@pytest.mark.parametrize("lost", ["power 1", "isolate 1", "freeze 1"])
def test_mode_fenced_severs_the_lost_holder_before_another_takes_the_address(lost: str) -> None:
    text = f"> cluster seed=5 nodes=3 cloud=fenced resources=vip\n> at 30s {lost}\n> core 1 2 3\n> safety 40s\n"
    player = Player(read(text))
    player.safety()
    neutron = player.world.neutron
    assert neutron is not None
    assert ADDRESS in player.world.machines[NodeId(2)].kernel.held
    assert (neutron.severed, neutron.allows(ONE, ADDRESS)) == (1, False)
