"""Mode fenced on the real Neutron: a lost node's port is written, read again, and given back."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from os_lab import VIP, OpenStackLab, Session

from standfast.openstack.model import Port
from standfast.openstack.plan import mark_of
from standfast.openstack.round import Memory, Outcome, Round
from standfast.openstack.wish import AddressWish, Mode, Wish
from standfast.shell.openstack_work import drive

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]
HA = AddressWish(VIP, "ha-vip")
LOST = (("node-b", VIP),)


def wanted(cloud: OpenStackLab, *lost: str, is_sure: bool = True) -> Wish:
    wish = cloud.wish(HA, mode=Mode.FENCED, is_sure=is_sure)
    return replace(wish, nodes=tuple(replace(node, is_fenced=node.name in lost) for node in wish.nodes))


def go(session: Session, wish: Wish, memory: Memory) -> Outcome:
    return drive(session, Round(wish, memory, is_thorough=False, local="node-a").steps())


def node_b(cloud: OpenStackLab) -> Port:
    return cloud.ports()["node-b"]


def test_the_pair_is_taken_proven_and_given_back(cloud: OpenStackLab) -> None:
    memory = Memory()
    go(cloud.owner, wanted(cloud), memory)
    before = node_b(cloud).description
    assert node_b(cloud).allows(VIP)
    sent, start_s = len(cloud.owner.wire), time.monotonic()
    outcome = go(cloud.owner, wanted(cloud, "node-b"), memory)
    print(f"\nsevered: {len(cloud.owner.wire) - sent} requests, {time.monotonic() - start_s:.2f} s")
    assert outcome.severed is not None
    assert outcome.severed.done == LOST
    port = node_b(cloud)
    assert not port.allows(VIP)
    assert port.is_up
    assert cloud.ports()["node-a"].allows(VIP)
    assert [line.partition("?")[0] for line in cloud.owner.wire[sent:][:3]] == [
        "GET /v2.0/ports",
        f"PUT /v2.0/ports/{port.id}",
        "GET /v2.0/ports",
    ]
    go(cloud.owner, wanted(cloud), memory)
    assert node_b(cloud).allows(VIP)
    assert node_b(cloud).description == before


def test_a_wider_pair_sets_the_port_down_until_the_node_is_back(cloud: OpenStackLab) -> None:
    memory = Memory()
    cloud.set_pairs(node_b(cloud), "172.16.0.0/24")
    go(cloud.owner, wanted(cloud), memory)
    outcome = go(cloud.owner, wanted(cloud, "node-b"), memory)
    assert outcome.severed is not None
    assert outcome.severed.done == LOST
    port = node_b(cloud)
    assert not port.is_up
    assert [pair.ip for pair in port.pairs] == ["172.16.0.0/24"]
    go(cloud.owner, wanted(cloud), memory)
    port = node_b(cloud)
    assert port.is_up
    assert port.allows(VIP)
    assert mark_of(port) is None


def test_who_may_not_write_is_told_so_and_starts_nothing(cloud: OpenStackLab) -> None:
    memory = Memory()
    go(cloud.owner, wanted(cloud), memory)
    outcome = go(Session("lab-reader"), wanted(cloud, "node-b"), Memory())
    assert outcome.severed is not None
    assert outcome.severed.done == ()
    assert "openstack.not-severed" in [trouble.report.code for trouble in outcome.troubles]
    stranger = go(Session("lab-other"), wanted(cloud, "node-b"), Memory())
    assert stranger.severed is not None
    assert stranger.severed.done == ()


def test_two_halves_that_take_each_others_port_leave_none_that_sends(cloud: OpenStackLab) -> None:
    go(cloud.owner, wanted(cloud), Memory())
    first = drive(cloud.owner, Round(wanted(cloud, "node-b", is_sure=False), Memory(), local="node-a").steps())
    second = drive(cloud.owner, Round(wanted(cloud, "node-a", is_sure=False), Memory(), local="node-b").steps())
    assert first.severed is not None
    assert second.severed is not None
    assert first.severed.done == LOST
    assert second.severed.done == (), "it sees that it came second"
    assert cloud.ports()["node-a"].allows(VIP)
    assert not cloud.ports()["node-b"].allows(VIP)
    go(cloud.owner, wanted(cloud), Memory())
    assert all(port.allows(VIP) for port in cloud.ports().values())
