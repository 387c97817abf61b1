"""Mode fenced on whole Nodes: no address starts before the cloud has cut the lost node off, whatever happens on the way."""

from __future__ import annotations

from typing import Any

import pytest
from node_rig import DUMMY, VIP, Host, options
from test_controller_openstack import IP, CloudRig

from standfast.agents.ip import api as ip
from standfast.base.ids import NodeId
from standfast.openstack.api import Fault, Reply

FENCED = {"stonith_enabled": "false", "no_quorum_policy": "stop", "openstack_cloud": "lab", "openstack_mode": "fenced"}


class Watched(CloudRig):
    """Whenever an address comes up, the ports of all hosts that are gone are looked at."""

    gone: set[str]
    proven: int = 0

    def touch(self, host: Host, effect: Any) -> None:
        if isinstance(effect, ip.PutAddress) and effect.ip not in host.addresses:
            for name in getattr(self, "gone", ()):
                port = self.cloud.ports[self.ports[name]]
                assert IP not in self.cloud.pairs(self.ports[name]) or port.get("admin_state_up") is False, name
                self.proven += 1
        super().touch(host, effect)

    def kill(self, *numbers: int) -> None:
        """These hosts lose their power; the others agree on a view."""
        self.gone = getattr(self, "gone", set()) | {f"n{n}" for n in numbers}
        for number in numbers:
            self.hosts[NodeId(number)].is_up = False
            self.hosts[NodeId(number)].addresses.clear()
        self.install(*(h.id for h in self.hosts.values() if h.is_up))

    def told(self, text: str) -> int:
        return sum(text in line for host in self.hosts.values() if host.is_up for line in host.told)

    def until(self, seconds: float, *holders: str) -> float:
        began_us = self.now_us
        while [name for name in self.holders() if self.host(name).is_up] != list(holders):
            self.run(0.005)
            assert self.now_us < began_us + seconds * 1e6, (self.holders(), self.where(next(iter(holders))))
        return (self.now_us - began_us) / 1e6


def up(count: int = 3, **more: str) -> Watched:
    rig = Watched(count)
    rig.run(3)
    rig.configure("n1", "resources", VIP)
    rig.configure("n1", "crm_config", options(**{**FENCED, **more}))
    rig.run(15)
    assert rig.holders() == ["n1"]
    assert rig.pairs() == [(IP,)] * count
    return rig


def test_a_lost_holder_loses_its_pair_before_another_starts() -> None:
    rig = up()
    rig.kill(1)
    assert rig.until(2, "n2") < 1.5
    assert rig.proven
    rig.run(5)
    assert rig.pairs() == [(), (IP,), (IP,)]
    assert rig.told("of n1 lets 172.16.0.100 through no more") == 1


def test_one_of_two_that_goes_on_without_quorum_cuts_the_other_off() -> None:
    rig = up(2, no_quorum_policy="ignore")
    rig.kill(1)
    assert rig.until(2, "n2") < 1.5
    assert rig.proven
    assert rig.pairs() == [(), (IP,)]


def test_nothing_else_waits() -> None:
    rig = up()
    rig.configure("n1", "resources", DUMMY)
    rig.run(2)
    rig.is_hung = True
    rig.kill(1)
    rig.run(5)
    where = rig.where("n2")
    assert where["dummy"] in ("n2", "n3")
    assert where["vip"] == "Stopped"
    assert not [name for name in rig.holders() if name != "n1"]


def test_with_the_api_away_the_address_stays_down_and_it_is_said_why() -> None:
    rig = up()
    rig.cloud.call = lambda _request: Reply(fault=Fault.UNREACHABLE, detail="refused")  # type: ignore[method-assign, assignment]
    rig.kill(1)
    rig.run(200)
    assert not [name for name in rig.holders() if name != "n1"]
    assert rig.told("vip is not started: it waits until OpenStack lets 172.16.0.100 through no more on n1") == 1
    assert rig.told("crm node clearstate n1")
    assert rig.told("refused")


def test_when_the_api_is_back_the_address_starts() -> None:
    rig = up()
    works = rig.cloud.call
    rig.cloud.call = lambda _request: Reply(fault=Fault.UNREACHABLE, detail="refused")  # type: ignore[method-assign, assignment]
    rig.kill(1)
    rig.run(200)
    rig.cloud.call = works  # type: ignore[method-assign]
    rig.until(60, "n2")


def test_a_person_who_knows_that_it_is_off_is_believed() -> None:
    rig = up()
    rig.is_hung = True
    rig.kill(1)
    rig.gone.clear()
    rig.run(30)
    rig.ask("n2", "fence.confirm", node="n1")
    rig.until(5, "n2")


def test_an_orderly_leave_and_a_planned_move_ask_nobody() -> None:
    rig = up()
    before = len(rig.calls)
    rig.ask("n1", "node.shutdown", wait=False)
    assert rig.until(3, "n2") < 1
    assert len(rig.calls) - before <= 1, "a look that was due"
    rig.kill(1)
    rig.run(30)
    assert rig.pairs() == [(IP,)] * 3


def test_a_node_that_comes_back_has_its_pair_again() -> None:
    rig = up()
    rig.kill(1)
    rig.run(10)
    assert rig.pairs()[0] == ()
    rig.gone.clear()
    old = rig.hosts[NodeId(1)]
    again = rig.boot(old.id, old.disk)
    rig.hosts[old.id] = again
    rig.begin(again)
    rig.install(1, 2, 3)
    rig.run(20)
    assert rig.pairs() == [(IP,)] * 3
    assert rig.cloud.ports[rig.ports["n1"]]["description"] == ""
    assert len(rig.holders()) == 1


@pytest.mark.parametrize("stop_ms", range(0, 1200, 60))
def test_the_next_coordinator_is_lost_at_every_step(stop_ms: int) -> None:
    rig = up(5)
    rig.kill(1)
    rig.run(stop_ms / 1000)
    rig.kill(2)
    rig.until(5, "n3")
    assert rig.proven
    rig.run(5)
    assert rig.pairs()[:2] == [(), ()]


@pytest.mark.parametrize("answers", range(1, 9))
def test_the_api_goes_away_at_every_call_and_comes_back(answers: int) -> None:
    rig = up()
    left = [answers]
    works = rig.cloud.call

    def call(request: Any) -> Reply:
        left[0] -= 1
        return works(request) if left[0] > 0 else Reply(fault=Fault.TIMEOUT)

    rig.cloud.call = call  # type: ignore[method-assign]
    rig.kill(1)
    rig.run(40)
    rig.cloud.call = works  # type: ignore[method-assign]
    rig.until(60, "n2")
    rig.run(60)
    assert rig.pairs() == [(), (IP,), (IP,)]


def test_a_change_of_the_configuration_meanwhile_is_not_held_up() -> None:
    rig = up()
    rig.is_hung = True
    rig.kill(1)
    rig.run(5)
    rig.configure("n2", "resources", DUMMY)
    rig.run(5)
    assert rig.where("n2")["dummy"] in ("n2", "n3")
    rig.gone.clear()
    rig.configure("n2", "crm_config", options(openstack_mode="pairs"))
    rig.until(5, "n2")
