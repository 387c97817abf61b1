"""A node's OpenStack room: who it is, what it announces, and what a failover costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from cloud_rig import NET, VIP, Rig
from lxml import etree

from standfast.base.ids import US_PER_S
from standfast.controller.clouds import node_attributes
from standfast.openstack.api import Call, TimerFired
from standfast.openstack.identity import Identity, Nic
from standfast.openstack.machine import Announce, Configured, Identified, Identify, OpenStack
from standfast.openstack.wish import AddressWish, NodeWish, Wish

PORT = "8357b9ec-9e30-4a25-86f7-b80233150b1d"
CARD = Nic("eth0", "fa:16:3e:7d:f5:fe", PORT)
WISH = Wish("lab", "demo-1", (NodeWish("a"), NodeWish("b")), (AddressWish(VIP, "ha-vip"),))


def kinds(effects: tuple[object, ...], kind: type) -> list[object]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_nothing_happens_without_the_property() -> None:
    room = OpenStack(1)
    assert room.step(0, Configured(None, "a", coordinates=True)) == ()
    assert room.step(10**9, TimerFired()) == ()


def test_a_node_finds_out_who_it_is_and_says_so_once() -> None:
    room = OpenStack(1)
    assert kinds(room.step(0, Configured(WISH, "a", coordinates=False)), Identify)
    found = Identity("server", (CARD,))
    assert kinds(room.step(1, Identified(found)), Announce) == [Announce(found)]
    known = replace(WISH, nodes=(NodeWish("a", "server", (CARD,)), NodeWish("b")))
    assert not kinds(room.step(2, Configured(known, "a", coordinates=False)), Announce)
    lost = replace(WISH, cloud="lab")
    assert not kinds(room.step(3, Configured(lost, "a", coordinates=False)), Announce), "not twice within a moment"
    assert kinds(room.step(20 * US_PER_S, Configured(lost, "a", coordinates=False)), Announce)


def test_what_was_known_stays_known_while_the_metadata_service_is_away() -> None:
    room = OpenStack(1)
    known = replace(WISH, nodes=(NodeWish("a", "server", (CARD,)), NodeWish("b")))
    room.step(0, Configured(known, "a", coordinates=False))
    assert not kinds(room.step(1, Identified(Identity("", (replace(CARD, port=""),)))), Announce)
    assert not kinds(room.step(2, Identified(Identity())), Announce), "a worker that died says nothing"


def test_a_node_without_an_answer_asks_again_soon_then_rarely() -> None:
    room = OpenStack(1)
    now_us, asked = 0, []
    effects: tuple[object, ...] = room.step(0, Configured(WISH, "a", coordinates=False))
    while now_us < 3600 * US_PER_S:
        if kinds(effects, Identify):
            asked.append(now_us)
            room.step(now_us, Identified(Identity("", (replace(CARD, port=""),))))
        now_us += US_PER_S
        effects = room.step(now_us, TimerFired())
    gaps = [(b - a) // US_PER_S for a, b in pairwise(asked)]
    assert gaps[:4] == [60, 60, 60, 600]


def test_only_the_coordinator_calls_the_cloud() -> None:
    room = OpenStack(1)
    room.step(0, Configured(WISH, "a", coordinates=False))
    assert not kinds(room.step(60 * US_PER_S, TimerFired()), Call)
    room.step(61 * US_PER_S, Configured(WISH, "a", coordinates=True))
    assert kinds(room.step(70 * US_PER_S, TimerFired()), Call)


def test_the_attributes_are_those_that_crm_attribute_would_set() -> None:
    operation = node_attributes("1", "a", [("openstack-ports", "eth0/x/-")])
    element = etree.fromstring(operation.xml)
    assert element.get("uname") == "a"
    pair = element.find("instance_attributes[@id='nodes-1']/nvpair")
    assert pair is not None
    assert (pair.get("id"), pair.get("value")) == ("nodes-1-openstack-ports", "eth0/x/-")


def test_a_failover_in_mode_pairs_costs_no_call() -> None:
    rig = Rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(20)
    rig.say(TimerFired())
    before, next_us = len(rig.made), rig.timer_us
    rig.want(AddressWish(VIP, "ha-vip", holder="b"))
    assert len(rig.made) == before
    assert rig.timer_us == next_us, "the next look comes when it would have come anyway"


def test_a_new_coordinator_lets_the_failover_go_first() -> None:
    rig = Rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(2.9)
    assert rig.made == []


def dvr_rig() -> Rig:
    rig = Rig()
    rig.cloud.add_port(NET, "172.16.0.1", owner="network:router_interface_distributed")
    return rig


def test_with_a_distributed_router_the_holders_port_is_touched_after_each_move() -> None:
    rig = dvr_rig()
    rig.cloud.ports[rig.nodes["b"]]["description"] = "eth0 of b"
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(20)
    assert rig.codes.count("openstack.nudged") == 1
    moved_us = rig.now_us
    rig.want(AddressWish(VIP, "ha-vip", holder="b"))
    rig.run(10)
    touches = [at for at, r in rig.made if r.method == "PUT" and r.path.endswith(rig.nodes["b"]) and at >= moved_us]
    assert len(touches) == 1
    assert touches[0] - moved_us < 2 * US_PER_S
    first = str(rig.cloud.ports[rig.nodes["b"]]["description"])
    assert first.startswith("eth0 of b [standfast ")
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(10)
    rig.want(AddressWish(VIP, "ha-vip", holder="b"))
    rig.run(10)
    again = str(rig.cloud.ports[rig.nodes["b"]]["description"])
    assert again.startswith("eth0 of b [standfast ")
    assert again != first, "a text that stays the same would be no update"


def test_where_the_property_says_so_the_first_look_already_touches() -> None:
    rig = dvr_rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(20)
    new = Rig(rig.cloud, rig.nodes)  # the survivor becomes the coordinator
    new.want(AddressWish(VIP, "ha-vip", holder="b"), dvr="true")
    new.run(2.5)
    assert [r.method for _, r in new.made].count("PUT") == 1
