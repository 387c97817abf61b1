"""Whole Nodes on a cloud: who they are reaches the CIB, the coordinator makes the ports right, a failover asks nobody."""

from __future__ import annotations

from typing import Any

from node_rig import VIP, Host, Rig, options

from standfast.controller import effects as fx
from standfast.openstack.api import Call, Fault, Replied, Reply
from standfast.openstack.identity import Identity, Nic
from standfast.openstack.machine import Identified, Identify
from standfast.sim.cloud import FakeCloud

IP = "172.16.0.100"
PLAIN = {"stonith_enabled": "false", "no_quorum_policy": "ignore"}


class CloudRig(Rig):
    """The hosts are servers of a cloud, which answers after 50 ms, or never."""

    def __init__(self, count: int = 2) -> None:
        self.cloud = FakeCloud()
        self.cloud.add_subnet("net", "172.16.0.0/24")
        self.ports = {f"n{n}": self.cloud.add_node(f"n{n}", "net", f"172.16.0.{n}0") for n in range(1, count + 1)}
        self.is_hung = False
        self.calls: list[tuple[int, str, str]] = []
        super().__init__(count)

    def perform(self, host: Host, effects: tuple[fx.NodeEffect, ...]) -> None:
        """Plans last: the planner is a process of its own, so what is said in the same step is said before its answer."""
        super().perform(host, tuple(sorted(effects, key=lambda effect: isinstance(effect, fx.AskPlan))))

    def touch(self, host: Host, effect: Any) -> None:
        match effect:
            case Identify():
                port = self.cloud.ports[self.ports[host.name]]
                found = Identity(port["device_id"], (Nic("eth0", port["mac_address"], port["id"]),))
                self.at(30_000, ("cloud", host.id, Identified(found)))
            case Call(owner, number, _, request):
                self.calls.append((self.now_us, host.name, str(request)))
                if not self.is_hung:
                    self.at(50_000, ("cloud", host.id, Replied(owner, number, self.cloud.call(request))))
            case _:
                super().touch(host, effect)

    def happen(self, what: Any) -> None:
        if what[0] == "cloud":
            self.step(self.hosts[what[1]], fx.FromCloud(what[2]))
        else:
            super().happen(what)

    def pairs(self) -> list[tuple[str, ...]]:
        return [self.cloud.pairs(own) for own in self.ports.values()]


def up(count: int = 2) -> CloudRig:
    rig = CloudRig(count)
    rig.run(3)
    rig.configure("n1", "resources", VIP)
    rig.configure("n1", "crm_config", options(**PLAIN, openstack_cloud="lab"))
    return rig


def test_the_property_is_all_it_takes() -> None:
    rig = up()
    rig.run(12)
    assert rig.pairs() == [(IP,), (IP,)]
    assert {name for _, name, _ in rig.calls} == {"n1"}, "the coordinator asks, and nobody else"
    xml = rig.ask("n2", "cib.query")["xml"]
    for own in rig.ports.values():
        assert own in xml, "each node has written down which port it is"
    assert 'name="openstack-id"' in xml


def test_nothing_is_asked_without_it() -> None:
    rig = CloudRig()
    rig.run(3)
    rig.configure("n1", "resources", VIP)
    rig.run(60)
    assert rig.calls == []


def test_a_failover_asks_nobody_and_takes_no_longer() -> None:
    times = []
    for has_cloud in (False, True):
        rig = up() if has_cloud else CloudRig()
        if not has_cloud:
            rig.run(3)
            rig.configure("n1", "resources", VIP)
            rig.configure("n1", "crm_config", options(**PLAIN))
        rig.run(15)
        (holder,) = rig.holders()
        other = next(name for name in rig.ports if name != holder)
        start_us, calls = rig.now_us, len(rig.calls)
        rig.ask(holder, "node.shutdown", wait=False)
        while rig.holders() != [other]:
            rig.run(0.001)
            assert rig.now_us < start_us + 10_000_000
        times.append(rig.now_us - start_us)
        assert len(rig.calls) == calls
    assert times[0] == times[1]


def test_a_cloud_that_hangs_delays_nothing() -> None:
    rig = up()
    rig.is_hung = True
    rig.run(60)
    (holder,) = rig.holders()
    other = next(name for name in rig.ports if name != holder)
    start_us = rig.now_us
    rig.ask(holder, "node.shutdown", wait=False)
    while rig.holders() != [other]:
        rig.run(0.01)
        assert rig.now_us < start_us + 2_000_000


def test_an_api_error_neither_moves_nor_stops_the_address() -> None:
    rig = up()
    rig.run(12)
    before = list(rig.ran)
    rig.cloud.call = lambda _request: Reply(fault=Fault.UNREACHABLE, detail="refused")  # type: ignore[method-assign, assignment]
    rig.run(300)
    assert rig.ran == before
    assert len(rig.holders()) == 1
    assert sum("OpenStack gives no usable answer" in line for host in rig.hosts.values() for line in host.told) == 1


def test_the_next_coordinator_goes_on() -> None:
    rig = up(3)
    rig.run(15)
    rig.hosts[1].is_up = False  # type: ignore[index]
    rig.install(2, 3)
    rig.cloud.set_pairs(rig.ports["n1"])  # the dead node's port as well: it comes back one day
    rig.run(30)
    assert rig.pairs() == [(IP,)] * 3
    assert rig.calls[-1][1] == "n2"


def test_a_deleted_resource_is_cleared_away() -> None:
    rig = up()
    rig.run(12)
    rig.ask("n1", "cib.apply", operations=[{"kind": "delete", "xpath": "//primitive[@id='vip']"}])
    rig.run(20)
    assert rig.pairs() == [(), ()]
    assert len(rig.cloud.ports) == 2
