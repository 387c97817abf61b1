"""Mode exclusive on whole Nodes: no address comes up on a node whose port does not own it."""

from __future__ import annotations

from typing import Any

import pytest
from node_rig import VIP, Host, options
from test_controller_fenced import FENCED, Watched
from test_controller_openstack import IP

from standfast.agents.ip import api as ip
from standfast.openstack.api import Fault, Reply


class Owning(Watched):
    """Whenever an address comes up, the host's port is looked at."""

    is_on: bool = False

    def touch(self, host: Host, effect: Any) -> None:
        if self.is_on and isinstance(effect, ip.PutAddress) and effect.ip not in host.addresses:
            assert IP in self.owned_by(host.name), f"{host.name} has it up, and its port has it not"
            self.proven += 1
        super().touch(host, effect)

    def owned_by(self, name: str) -> list[str]:
        return [fixed["ip_address"] for fixed in self.cloud.ports[self.ports[name]]["fixed_ips"]]

    def owners(self) -> list[str]:
        return [name for name in self.ports if IP in self.owned_by(name)]


def up(count: int = 3) -> Owning:
    rig = Owning(count)
    rig.run(3)
    rig.configure("n1", "resources", VIP)
    rig.configure("n1", "crm_config", options(**{**FENCED, "openstack_mode": "exclusive"}))
    rig.run(20)
    assert rig.holders() == rig.owners() == ["n1"]
    rig.is_on = True
    return rig


def test_a_lost_holder_owns_the_address_no_more_when_another_starts() -> None:
    rig = up()
    rig.kill(1)
    assert rig.until(15, "n2") < 10
    assert rig.proven
    assert rig.owners() == ["n2"]


def test_a_planned_move_waits_for_the_port() -> None:
    rig = up()
    rig.configure("n1", "constraints", '<rsc_location id="l" rsc="vip" node="n2" score="INFINITY"/>')
    assert rig.until(15, "n2") < 10
    assert rig.proven
    assert rig.owners() == ["n2"]


def test_with_the_api_away_nothing_moves_and_it_goes_on_afterwards() -> None:
    rig = up()
    works = rig.cloud.call
    rig.cloud.call = lambda _request: Reply(fault=Fault.UNREACHABLE, detail="refused")  # type: ignore[method-assign, assignment]
    rig.kill(1)
    rig.run(100)
    assert not rig.holders()
    assert rig.told("vip is not started: it waits until OpenStack shows 172.16.0.100 as an address of n2's port") == 1
    rig.cloud.call = works  # type: ignore[method-assign]
    rig.until(60, "n2")
    assert rig.owners() == ["n2"]


@pytest.mark.parametrize("stop_ms", range(0, 3600, 240))
def test_the_next_coordinator_is_lost_at_every_step(stop_ms: int) -> None:
    rig = up(5)
    rig.kill(1)
    rig.run(stop_ms / 1000)
    rig.kill(2)
    rig.until(20, "n3")
    assert rig.owners() == ["n3"]
