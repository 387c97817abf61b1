"""Mode exclusive and floating IPs: Neutron lets no address leave a port while one leads to it; they come along all the same."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_rig import VIP, Rig

from standfast.openstack.api import Fault, Reply, Request
from standfast.openstack.doctor import examine
from standfast.openstack.reconciler import Reconciler, Wished
from standfast.openstack.view import status
from standfast.openstack.wish import AddressWish, Mode
from standfast.shell.openstack_work import survey
from standfast.sim.cloud import FakeCloud


class Worker:
    """Asks the cloud at once."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.calls = 0
        self._cloud = cloud

    def ask(self, batch: tuple[Request, ...]) -> tuple[Reply, ...]:
        self.calls += len(batch)
        return tuple(self._cloud.call(request) for request in batch)


FLOATING = "203.0.113.7"


def hold(rig: Rig, name: str, mode: Mode = Mode.EXCLUSIVE) -> None:
    rig.want(AddressWish(VIP, "ha-vip", holder=name), mode=mode)


def lose_answers(rig: Rig, number: int) -> None:
    """From the write of that number on, whatever is asked is carried out, and the answer does not come."""
    writes = 0

    def lost(request: Request) -> Reply | None:
        nonlocal writes
        writes += request.is_write
        if writes < number:
            return None
        rig.cloud.carry_out(request)
        return Reply(fault=Fault.TIMEOUT)

    rig.cloud.inject(lost)


def placed() -> tuple[Rig, Any]:
    """The address has a port of its own, and a floating IP leads there."""
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    port = rig.own_port()
    assert port is not None
    return rig, rig.cloud.add_floating_ip(FLOATING, str(port["id"]), VIP)


def owner(rig: Rig) -> list[str]:
    ports = rig.cloud.ports
    return [name for name, own in rig.nodes.items() if VIP in [fixed["ip_address"] for fixed in ports[own]["fixed_ips"]]]


def test_it_comes_along_from_the_own_port_to_the_holder_from_holder_to_holder_and_back() -> None:
    rig, floating = placed()
    for name in ("a", "b", "a"):
        hold(rig, name)
        rig.run(20)
        assert owner(rig) == [name]
        assert (floating["port_id"], floating["fixed_ip_address"]) == (rig.nodes[name], VIP)
        assert floating["description"] == "web", "no trace is left"
    hold(rig, "a", Mode.PAIRS)
    rig.run(20)
    port = rig.own_port()
    assert port is not None
    assert (floating["port_id"], floating["fixed_ip_address"]) == (port["id"], VIP)
    assert rig.codes.count("openstack.floating-ip-moved") == 4
    assert not [report for report in rig.reports if report.severity.name in ("ERROR", "WARNING")]


def test_the_log_says_what_becomes_of_the_address() -> None:
    rig, _ = placed()
    hold(rig, "a")
    rig.run(20)
    port = rig.nodes["a"]
    hold(rig, "a", Mode.PAIRS)
    rig.run(20)
    told = [report.what for report in rig.reports if f"port {port}" in report.what and "floating" not in report.what]
    assert told[1:] == [
        f"{VIP} is an address of port {port} of a",
        f"{VIP} is allowed on port {port} of a; {VIP} is no longer an address of it",
    ]


def test_what_a_failover_costs() -> None:
    rig, _ = placed()
    hold(rig, "a")
    rig.run(25)
    before = len(rig.made)
    hold(rig, "b")
    rig.run(8)
    sent = [(request.method, request.path.split("/")[2]) for _, request in rig.made[before:]]
    assert sent[:6] == [
        ("GET", "ports"),
        ("GET", "floatingips"),
        ("PUT", "floatingips"),
        ("PUT", "ports"),
        ("PUT", "ports"),
        ("PUT", "floatingips"),
    ]
    start_us = rig.made[before][0]
    owned_us = rig.made[before + 4][0]
    assert owned_us - start_us < 3_000_000


def test_the_address_does_not_wait_for_the_last_step() -> None:
    rig, floating = placed()
    hold(rig, "a")
    rig.run(25)
    rig.latency_us = 400_000
    hold(rig, "b")
    while not (rig.owned and (VIP, "b") in rig.owned[-1].owners):
        rig.run(0.1)
    assert rig.codes.count("openstack.floating-ip-moved") == 1, "no answer yet, and the address may start already"
    rig.run(10)
    assert floating["port_id"] == rig.nodes["b"]


@pytest.mark.parametrize("calls", range(1, 9))
def test_a_coordinator_that_dies_after_any_call_loses_none(calls: int) -> None:
    rig, floating = placed()
    hold(rig, "a")
    rig.run(25)
    before = len(rig.made)
    hold(rig, "b")
    for _ in range(200):
        if len(rig.made) >= before + calls:
            break
        rig.run(0.05)
    rig.machine, rig.coming, rig.timer_us = Reconciler(seed=8), [], None
    rig.say(Wished(rig.wish(AddressWish(VIP, "ha-vip", holder="b"), mode=Mode.EXCLUSIVE), "b"))
    rig.run(30)
    assert owner(rig) == ["b"]
    assert (floating["port_id"], floating["description"]) == (rig.nodes["b"], "web")


@pytest.mark.parametrize("number", range(1, 4))
def test_an_answer_that_is_lost_after_any_write_loses_none(number: int) -> None:
    rig, floating = placed()
    hold(rig, "a")
    rig.run(25)
    lose_answers(rig, number)
    hold(rig, "b")
    rig.run(40)
    assert owner(rig) == ["b"]
    assert (floating["port_id"], floating["description"]) == (rig.nodes["b"], "web")


def test_who_may_not_take_it_off_is_told_so_and_nothing_is_cut() -> None:
    rig, floating = placed()
    before = dict(floating)
    rig.cloud.forbidden = ("floatingips",)
    hold(rig, "a")
    rig.run(15)
    assert rig.own_port() is not None
    assert floating == before
    (said,) = {report.what: report for report in rig.reports if report.code == "openstack.floating-ip-stuck"}.values()
    assert FLOATING in said.what
    assert "PUT /v2.0/floatingips/*" in said.remedy


def test_one_of_the_nodes_own_address_and_one_that_a_person_led_elsewhere_stay() -> None:
    rig, floating = placed()
    own = rig.cloud.add_floating_ip("203.0.113.8", rig.nodes["a"], "172.16.0.11")
    hold(rig, "a")
    rig.run(25)
    rig.cloud.others["floatingips"].reverse()
    floating.update(port_id=rig.nodes["b"], fixed_ip_address="172.16.0.12", revision_number=90)
    hold(rig, "b")
    rig.run(30)
    assert own["port_id"] == rig.nodes["a"]
    assert floating["fixed_ip_address"] == "172.16.0.12"
    assert owner(rig) == ["b"]


def attached() -> tuple[Rig, Any]:
    """Node a's port has the address, and the floating IP leads there."""
    rig, floating = placed()
    hold(rig, "a")
    rig.run(25)
    assert (owner(rig), floating["port_id"]) == (["a"], rig.nodes["a"])
    return rig, floating


WAITS = f"web [standfast for {VIP} of demo]"


def test_of_a_deleted_resource_it_is_kept_and_told_and_comes_back_with_the_address() -> None:
    rig, floating = attached()
    before = len(rig.made)
    rig.want(mode=Mode.EXCLUSIVE)
    rig.run(60)
    assert owner(rig) == []
    assert "standfast" not in rig.cloud.ports[rig.nodes["a"]]["description"]
    assert (floating["port_id"], floating["fixed_ip_address"], floating["description"]) == (None, None, WAITS)
    assert [request.method for _, request in rig.made[before:]].count("PUT") == 2, "once, and not again at each look"
    (said,) = [report for report in rig.reports if report.code == "openstack.floating-ip-detached"]
    assert said.what == f"floating IP {FLOATING} leads nowhere now: it led to {VIP}, which no resource has any more"
    assert not [report for report in rig.reports if report.severity.name == "ERROR"]
    hold(rig, "b")
    rig.run(60)
    assert (owner(rig), floating["port_id"], floating["description"]) == (["b"], rig.nodes["b"], "web")


def test_of_a_deleted_resource_it_is_left_to_who_leads_it_elsewhere() -> None:
    rig, floating = attached()
    rig.want(mode=Mode.EXCLUSIVE)
    rig.run(30)
    floating.update(port_id=rig.nodes["b"], fixed_ip_address="172.16.0.12", description="mail", revision_number=90)
    hold(rig, "b")
    rig.run(60)
    assert owner(rig) == ["b"]
    assert (floating["fixed_ip_address"], floating["description"]) == ("172.16.0.12", "mail")


def test_of_a_deleted_resource_it_keeps_the_address_where_it_may_not_be_taken_off() -> None:
    rig, floating = attached()
    before = dict(floating)
    rig.cloud.forbidden = ("floatingips",)
    rig.want(mode=Mode.EXCLUSIVE)
    rig.run(60)
    assert (owner(rig), floating) == (["a"], before)
    assert "openstack.floating-ip-stuck" in rig.codes
    assert "openstack.floating-ip-detached" not in rig.codes
    rig.cloud.forbidden = ()
    rig.run(60)
    assert (owner(rig), floating["port_id"]) == ([], None)


def test_of_a_deleted_resource_it_waits_also_where_the_address_cannot_leave_the_port() -> None:
    rig, floating = attached()
    rig.cloud.forbidden = ("fixed_ips",)
    rig.want(mode=Mode.EXCLUSIVE)
    rig.run(60)
    assert (owner(rig), floating["port_id"]) == (["a"], None), "not led back and taken off in turns"
    assert rig.codes.count("openstack.floating-ip-detached") == 1
    rig.cloud.forbidden = ()
    rig.run(60)
    assert owner(rig) == []


@pytest.mark.parametrize("calls", range(1, 6))
def test_of_a_deleted_resource_none_is_lost_by_a_coordinator_that_dies_after_any_call(calls: int) -> None:
    rig, floating = attached()
    before = len(rig.made)
    rig.want(mode=Mode.EXCLUSIVE)
    for _ in range(200):
        if len(rig.made) >= before + calls:
            break
        rig.run(0.05)
    rig.machine, rig.coming, rig.timer_us = Reconciler(seed=8), [], None
    rig.want(mode=Mode.EXCLUSIVE)
    rig.run(60)
    assert owner(rig) == []
    assert (floating["port_id"], floating["description"]) == (None, WAITS)
    rig.machine, rig.coming, rig.timer_us = Reconciler(seed=9), [], None
    hold(rig, "b")
    rig.run(60)
    assert (floating["port_id"], floating["description"]) == (rig.nodes["b"], "web"), "a third one reads the mark too"


@pytest.mark.parametrize("number", range(1, 3))
def test_of_a_deleted_resource_it_is_told_also_when_the_answer_was_lost(number: int) -> None:
    rig, floating = attached()
    lose_answers(rig, number)
    rig.want(mode=Mode.EXCLUSIVE)
    rig.run(90)
    assert (owner(rig), floating["port_id"], floating["description"]) == ([], None, WAITS)
    assert rig.codes.count("openstack.floating-ip-detached") == 1


def test_status_and_doctor_see_where_it_leads_and_that_it_leads_nowhere() -> None:
    rig, floating = placed()
    hold(rig, "a")
    rig.run(25)
    wish = rig.wish(AddressWish(VIP, "ha-vip", holder="a"), mode=Mode.EXCLUSIVE)
    shown = status(wish, survey(Worker(rig.cloud), wish, is_deep=False))["addresses"][0]
    assert (shown["floating_ip"], shown["drift"], shown["owned_by"]) == (FLOATING, [], ["a"])
    floating.update(port_id=None, fixed_ip_address=None, description=f"web [standfast for {VIP} of demo]")
    shown = status(wish, survey(Worker(rig.cloud), wish, is_deep=False))["addresses"][0]
    assert (shown["floating_ip"], shown["drift"]) == ("", [f"floating IP {FLOATING} leads nowhere, and belongs here"])
    found = examine(wish, survey(Worker(rig.cloud), wish, is_deep=True), (5405,))
    (said,) = [finding.report for finding in found if finding.report.code == "openstack.floating-ip-apart"]
    assert said.remedy == f"openstack floating ip set --port {rig.nodes['a']} --fixed-ip-address {VIP} {FLOATING}"
    floating.update(port_id=rig.nodes["b"], fixed_ip_address="172.16.0.12", description="web")
    found = examine(wish, survey(Worker(rig.cloud), wish, is_deep=True), (5405,))
    assert "openstack.floating-ip" in [finding.report.code for finding in found]
