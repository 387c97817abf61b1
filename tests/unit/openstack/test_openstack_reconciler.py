"""The coordinator and its cloud, as conversations in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from cloud_rig import NET, VIP, Rig

from standfast.base.ids import US_PER_S
from standfast.openstack.api import Fault, Reply, Request
from standfast.openstack.reconciler import Look, Wished
from standfast.openstack.wish import AddressWish, Mode

HTML = Reply(200, None, Fault.NOT_JSON, "not JSON but text/html")


def always(reply: Reply) -> Callable[[Request], Reply | None]:
    return lambda _request: reply


def on(method: str, reply: Reply) -> Callable[[Request], Reply | None]:
    return lambda request: reply if request.method == method else None


def error(status: int, kind: str = "", message: str = "no") -> Reply:
    return Reply(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}})


def test_from_cold_both_nodes_get_the_address_and_it_gets_its_port() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(12)
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)
    port = rig.own_port()
    assert port is not None
    assert (port["device_owner"], port["device_id"], port["admin_state_up"]) == ("standfast:vip", "demo", False)
    assert rig.codes == ["openstack.port-made", "openstack.allowed", "openstack.allowed"]
    assert len(rig.made) <= 9


def test_a_healthy_cluster_costs_one_call_a_look_and_no_word() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(1_100)  # the looks that follow a change are over
    before, said = len(rig.made), len(rig.reports)
    rig.run(60)
    assert 5 <= len(rig.made) - before <= 6
    assert {str(request) for _, request in rig.made[before:]} == {"GET /v2.0/ports"}
    assert len(rig.reports) == said


def test_never_more_than_one_call_a_second_and_node() -> None:
    rig = Rig()
    rig.want(VIP, "172.16.0.101", "172.16.0.0/25")
    rig.run(120)
    by_lane: dict[str, list[int]] = {}
    for at_us, request in rig.made:
        by_lane.setdefault(request.lane or "a", []).append(at_us)
    for times in by_lane.values():
        assert all(later - sooner >= US_PER_S for sooner, later in pairwise(times))


def test_an_erased_pair_is_back_within_thirty_seconds_and_foreign_ones_stay() -> None:
    rig = Rig()
    rig.cloud.set_pairs(rig.nodes["a"], "10.9.0.0/16")
    rig.want(VIP)
    rig.run(10)
    assert rig.pairs("a") == ("10.9.0.0/16", VIP)
    rig.cloud.set_pairs(rig.nodes["a"], "10.9.0.0/16", "10.8.0.1")  # terraform apply
    rig.run(15)
    assert rig.pairs("a") == ("10.9.0.0/16", "10.8.0.1", VIP)
    undone = next(report for report in rig.reports if report.code == "openstack.undone")
    assert "port" in undone.what
    assert "10.8.0.1" in undone.why
    assert "ignore_changes" in undone.remedy


def test_a_foreign_pair_of_the_same_address_with_another_mac_stays_and_does_not_count() -> None:
    rig = Rig()
    port = rig.cloud.ports[rig.nodes["a"]]
    port["allowed_address_pairs"] = [{"ip_address": VIP, "mac_address": "00:00:5e:00:01:01"}]
    rig.want(VIP)
    rig.run(8)
    macs = [pair["mac_address"] for pair in port["allowed_address_pairs"]]
    assert macs == ["00:00:5e:00:01:01", port["mac_address"]]


def test_the_port_of_the_address_is_made_again_when_somebody_deletes_it() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    port = rig.own_port()
    assert port is not None
    del rig.cloud.ports[str(port["id"])]
    rig.run(20)
    assert rig.own_port() is not None


def test_a_new_node_a_new_address_and_a_changed_one() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    rig.nodes["c"] = rig.cloud.add_node("c", NET, "172.16.0.13")
    rig.want(VIP, AddressWish("172.16.0.101", "second"))
    rig.run(10)
    assert rig.pairs("c") == (VIP, "172.16.0.101")
    rig.want(AddressWish("172.16.0.150", "ha-vip"), AddressWish("172.16.0.101", "second"))
    rig.run(20)
    assert rig.pairs("a") == rig.pairs("c") == ("172.16.0.101", "172.16.0.150")
    assert rig.own_port(VIP) is None


def test_a_deleted_resource_takes_its_pairs_and_port_along_but_not_what_was_there_before() -> None:
    rig = Rig()
    rig.cloud.set_pairs(rig.nodes["b"], VIP)  # somebody's own, before us
    rig.want(VIP)
    rig.run(10)
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)
    rig.want()
    rig.run(20)
    assert rig.pairs("a") == ()
    assert rig.pairs("b") == (VIP,)
    assert rig.own_port() is None


def test_a_port_that_carries_a_floating_ip_is_kept_and_named() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    port = rig.own_port()
    assert port is not None
    rig.cloud.add_floating_ip("203.0.113.7", str(port["id"]), VIP)
    rig.want()
    rig.run(40)
    assert rig.own_port() is not None
    assert rig.pairs("a") == ()
    assert "openstack.floating-ip-left" in rig.codes


def test_a_node_that_leaves_the_configuration_loses_what_it_was_given() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    gone = rig.nodes.pop("b")
    rig.want(VIP)
    rig.run(20)
    assert rig.cloud.pairs(gone) == ()
    assert rig.pairs("a") == (VIP,)


def test_another_clusters_address_is_not_touched() -> None:
    rig = Rig()
    rig.cloud.add_port(NET, VIP, "other-cluster", "standfast:vip")
    rig.want(VIP)
    rig.run(20)
    assert rig.pairs("a") == ()
    assert rig.codes == ["openstack.used"]
    assert "other-cluster" in rig.reports[0].why


def test_a_port_that_somebody_made_for_the_address_is_used_and_never_deleted() -> None:
    rig = Rig()
    rig.cloud.add_port(NET, VIP, owner="")
    rig.want(VIP)
    rig.run(10)
    assert rig.pairs("a") == (VIP,)
    rig.want()
    rig.run(20)
    assert rig.own_port() is not None


def test_the_duty_moves_on_and_nothing_is_asked_any_more() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(1)
    rig.say(Wished(None, "a"))
    before = len(rig.made)
    rig.run(120)
    assert len(rig.made) == before


def test_without_port_security_no_pair_is_tried_twice() -> None:
    rig = Rig()
    port = rig.cloud.ports[rig.nodes["a"]]
    port["port_security_enabled"] = False
    rig.want(VIP)
    rig.run(60)
    assert sum(str(r).startswith("PUT") for _, r in rig.made) == 1  # b only
    hidden = Rig()
    port = hidden.cloud.ports[hidden.nodes["a"]]
    port["port_security_enabled"] = False
    hidden.cloud.inject(lambda request: None)
    original = hidden.cloud._list

    def blind(kind: str, query: tuple[tuple[str, str], ...]) -> Reply:
        reply = original(kind, query)
        for item in (reply.body or {}).get("ports", []):
            item.pop("port_security_enabled", None)
        return reply

    hidden.cloud._list = blind  # type: ignore[method-assign]
    hidden.want(VIP)
    hidden.run(60)
    assert sum(str(r) == f"PUT /v2.0/ports/{hidden.nodes['a']}" for _, r in hidden.made) == 1
    assert hidden.codes.count("openstack.refused") == 0


# ---- the table of errors ------------------------------------------------------------------------------------------------

OUTAGES = {
    "no answer": Reply(fault=Fault.TIMEOUT, detail="ReadTimeout"),
    "away": Reply(fault=Fault.UNREACHABLE, detail="refused"),
    "expired certificate": Reply(fault=Fault.TLS, detail="certificate has expired"),
    "401 after renewal": Reply(401, {"error": {"message": "Unauthorized", "code": 401}}),
    "429": Reply(429, None, None, "", 20),
    "500": error(500),
    "503": Reply(503),
    "html": HTML,
    "nonsense": Reply(200, {"ports": [{"id": 5}]}),
    "empty": Reply(200, {}),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_storms_nothing_and_all_is_right_within_a_minute_after_it(name: str) -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    calls = rig.cloud.call
    rig.cloud.call = always(OUTAGES[name])  # type: ignore[method-assign, assignment]
    before = len(rig.made)
    rig.run(600)
    assert 10 <= len(rig.made) - before <= 70
    codes = rig.codes[3:]
    assert codes in (["openstack.outage"], ["openstack.credentials"])
    rig.cloud.set_pairs(rig.nodes["b"])
    rig.cloud.call = calls  # type: ignore[method-assign]
    rig.run(60)
    assert rig.pairs("b") == (VIP,)
    assert "openstack.back" in rig.codes


@pytest.mark.parametrize("name", OUTAGES)
def test_a_write_whose_answer_is_lost_is_looked_after_before_it_is_repeated(name: str) -> None:
    rig = Rig()

    def takes_effect(request: Request) -> Reply | None:
        if not request.is_write:
            return None
        rig.cloud.carry_out(request)
        return OUTAGES[name]

    for _ in range(3):
        rig.cloud.inject(takes_effect)
    rig.want(VIP)
    rig.run(100)
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)
    posts = [request for _, request in rig.made if request.method == "POST"]
    assert len(posts) == 1, "the port was there already"


def test_a_hung_api_is_given_up_and_asked_again() -> None:
    rig = Rig()
    rig.is_hung = True
    rig.want(VIP)
    rig.run(60)
    assert "openstack.outage" in rig.codes
    rig.is_hung = False
    rig.run(60)
    assert rig.pairs("a") == (VIP,)


def test_412_is_read_again_and_no_pair_of_the_other_is_lost() -> None:
    rig = Rig()

    def sneak(request: Request) -> Reply | None:
        if request.method == "PUT" and request.path.endswith(rig.nodes["a"]):
            rig.cloud.set_pairs(rig.nodes["a"], "10.1.1.1")
            return rig.cloud.carry_out(request)
        return None

    rig.cloud.inject(sneak)
    rig.want(VIP)
    rig.run(15)
    assert rig.pairs("a") == ("10.1.1.1", VIP)


def test_403_says_the_rule_and_is_not_hammered() -> None:
    rig = Rig()
    rig.cloud.forbidden = ("allowed_address_pairs",)
    rig.want(VIP)
    rig.run(290)
    puts = [str(request) for _, request in rig.made if request.method == "PUT"]
    assert 16 <= len(puts) <= 30, "each of both ports every 20 to 35 s: granted rights are found within a minute"
    told = [report for report in rig.reports if report.code == "openstack.forbidden"]
    assert len(told) == 2
    assert "update_port:allowed_address_pairs" in told[0].why
    assert "owns the network" in told[0].remedy
    rig.cloud.forbidden = ()
    rig.run(60)
    assert rig.pairs("a") == (VIP,)
    assert rig.codes.count("openstack.mended") == 2


def test_403_on_taking_away_is_not_hammered_either() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    rig.cloud.forbidden = ("allowed_address_pairs",)
    before = len(rig.made)
    rig.want()
    rig.run(290)
    puts = [str(request) for _, request in rig.made[before:] if request.method == "PUT"]
    assert 16 <= len(puts) <= 30, "each of both ports every 20 to 35 s"
    assert rig.codes.count("openstack.forbidden") == 2
    rig.cloud.forbidden = ()
    rig.run(60)
    assert (rig.pairs("a"), rig.own_port()) == ((), None)


def test_403_on_the_port_of_the_address_names_that_rule() -> None:
    rig = Rig()
    rig.cloud.forbidden = ("POST",)
    rig.want(VIP)
    rig.run(20)
    told = next(report for report in rig.reports if report.code == "openstack.forbidden")
    assert "create_port:fixed_ips:ip_address" in told.why


def test_what_finds_no_room_does_not_keep_what_is_to_go() -> None:
    rig = Rig()
    rig.cloud.set_pairs(rig.nodes["a"], *(f"10.0.0.{n}" for n in range(9)))
    rig.want(VIP)
    rig.run(15)
    assert VIP in rig.pairs("a")
    rig.want("172.16.0.101", "172.16.0.102")
    rig.run(60)
    assert VIP not in rig.pairs("a")
    assert "openstack.full" in rig.codes
    assert sorted(rig.pairs("b")) == ["172.16.0.101", "172.16.0.102"]


def test_a_full_list_is_named_and_the_other_node_gets_its_pair() -> None:
    rig = Rig()
    rig.cloud.set_pairs(rig.nodes["a"], *(f"10.0.0.{n}" for n in range(10)))
    rig.want(VIP)
    rig.run(30)
    assert rig.pairs("b") == (VIP,)
    assert rig.codes.count("openstack.full") == 1


def test_404_on_a_port_that_was_just_deleted_is_no_disaster() -> None:
    rig = Rig()

    def vanish(request: Request) -> Reply | None:
        if request.method == "PUT" and request.path.endswith(rig.nodes["b"]):
            del rig.cloud.ports[rig.nodes["b"]]
            return rig.cloud.carry_out(request)
        return None

    rig.cloud.inject(vanish)
    rig.want(VIP)
    rig.run(40)
    assert rig.pairs("a") == (VIP,)
    assert "openstack.no-port" in rig.codes


def test_an_address_that_went_while_reads_lagged_behind_is_taken_away_within_a_minute() -> None:
    """All reads are those of before `172.16.0.101` was added, while it is added and taken away again."""
    for lagged_s in (5, 20, 45, 90, 240):
        rig = Rig()
        rig.want(VIP)
        rig.run(10)
        rig.want(VIP, "172.16.0.101")
        rig.run(5)
        assert rig.pairs("a") == (VIP, "172.16.0.101")
        held = {name: dict(port) for name, port in rig.cloud.ports.items()}
        answer = rig.cloud._list

        def lagging(
            kind: str, query: tuple[tuple[str, str], ...], held: Any = held, rig: Rig = rig, answer: Any = answer
        ) -> Reply:
            now, rig.cloud.ports = (
                rig.cloud.ports,
                {own: port for own, port in held.items() if port["device_owner"] != "standfast:vip"},
            )
            try:
                return answer(kind, query)  # type: ignore[no-any-return]
            finally:
                rig.cloud.ports = now

        rig.cloud._list = lagging  # type: ignore[method-assign]
        rig.want(VIP)
        rig.run(lagged_s)
        rig.cloud._list = answer  # type: ignore[method-assign]
        rig.run(60)
        assert rig.pairs("a") == rig.pairs("b") == (VIP,), f"after {lagged_s} s of old readings"
        assert rig.own_port("172.16.0.101") is None


def test_a_reading_that_is_older_than_one_before_is_not_acted_on() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    port = rig.cloud.ports[rig.nodes["a"]]
    now, old = dict(port), dict(port, revision_number=1, allowed_address_pairs=[])
    rig.cloud.ports[rig.nodes["a"]] = old
    before = len([r for _, r in rig.made if r.is_write])
    rig.run(30)
    assert len([r for _, r in rig.made if r.is_write]) == before
    assert "lags behind" in rig.reports[-1].why
    rig.cloud.ports[rig.nodes["a"]] = now
    rig.run(40)
    assert rig.codes[-1] == "openstack.back"
    rig.cloud.ports[rig.nodes["a"]] = dict(old)  # a database that was restored from a backup stays so
    rig.run(120)
    assert rig.pairs("a") == (VIP,)


def test_a_lost_race_for_the_address_is_reported_and_gives_nobody_a_pair() -> None:
    rig = Rig()

    def race(request: Request) -> Reply | None:
        if request.method == "POST":
            rig.cloud.add_port(NET, VIP, "someone")
            return rig.cloud.carry_out(request)
        return None

    rig.cloud.inject(race)
    rig.want(VIP)
    rig.run(30)
    assert rig.pairs("a") == ()
    assert "openstack.used" in rig.codes


def test_a_cloud_without_revisions_is_written_without_if_match() -> None:
    rig = Rig()
    rig.cloud.has_revisions = False
    rig.want(VIP)
    rig.run(20)
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)


def test_who_fights_is_fought_slowly() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    before = len(rig.made)
    for _ in range(300):  # another writer, every second
        rig.cloud.set_pairs(rig.nodes["a"])
        rig.run(1)
    assert len(rig.made) - before < 150
    rig.run(60)
    assert rig.pairs("a") == (VIP,)


# ---- interrupted at every step ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.PAIRS, Mode.EXCLUSIVE])
@pytest.mark.parametrize("cut", range(1, 14))
def test_a_coordinator_that_dies_anywhere_is_continued_by_the_next(cut: int, mode: Mode) -> None:
    """All the way: an address appears, changes, goes; the coordinator dies after its nth call, with the call's effect."""
    first = Rig()
    one = AddressWish(VIP, "ha-vip", holder="a")
    two = AddressWish("172.16.0.150", "ha-vip", holder="b")
    for wanted in ((one,), (two,), ()):
        rig = Rig(first.cloud, first.nodes)
        rig.want(*wanted, mode=mode)
        while len(rig.made) < cut and rig.now_us < 1_060 * US_PER_S:
            rig.run(0.05)
    last = Rig(first.cloud, first.nodes)
    last.want(one, mode=mode)
    last.run(60)
    if mode is Mode.PAIRS:
        assert last.pairs("a") == last.pairs("b") == (VIP,)
        assert last.own_port() is not None
    else:
        assert sorted(addresses(last, "a")) == [VIP, "172.16.0.11"]
        assert last.pairs("a") == last.pairs("b") == ()
    assert last.own_port("172.16.0.150") is None
    assert "172.16.0.150" not in addresses(last, "b") or mode is Mode.EXCLUSIVE


def addresses(rig: Rig, name: str) -> list[Any]:
    return [fixed["ip_address"] for fixed in rig.cloud.ports[rig.nodes[name]]["fixed_ips"]]


# ---- mode exclusive -----------------------------------------------------------------------------------------------------


def test_exclusive_gives_the_address_to_the_holder_alone_and_moves_it() -> None:
    rig = Rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"), mode=Mode.EXCLUSIVE)
    rig.run(10)
    assert addresses(rig, "a") == [VIP, "172.16.0.11"]
    assert rig.pairs("a") == rig.pairs("b") == ()
    rig.want(AddressWish(VIP, "ha-vip", holder="b"), mode=Mode.EXCLUSIVE)
    rig.run(6)
    assert addresses(rig, "a") == ["172.16.0.11"]
    assert addresses(rig, "b") == [VIP, "172.16.0.12"]
    assert rig.moved == [(VIP, "a"), (VIP, "b")]


def test_an_address_that_a_node_had_before_is_left_alone_and_named() -> None:
    rig = Rig()
    rig.cloud.ports[rig.nodes["b"]]["fixed_ips"].append({"subnet_id": "", "ip_address": VIP})
    rig.want(VIP)
    rig.run(20)
    assert addresses(rig, "b") == ["172.16.0.12", VIP]
    assert rig.codes == ["openstack.own-address"]


def test_a_cloud_that_no_file_names_is_no_outage_of_the_cloud() -> None:
    rig = Rig()
    for _ in range(50):
        rig.cloud.inject(lambda _: Reply(fault=Fault.SETTINGS, detail="ConfigException: Cloud lab was not found."))
    rig.want(VIP)
    rig.run(40)
    (said,) = [report for report in rig.reports if report.code == "openstack.settings"]
    assert said.severity == "error"
    assert "Cloud lab was not found" in said.why
    assert "clouds.yaml" in said.remedy


def test_a_cloud_that_was_misspelt_and_then_named_rightly_is_said_to_answer() -> None:
    rig = Rig()
    for _ in range(3):
        rig.cloud.inject(lambda _: Reply(fault=Fault.SETTINGS, detail="no cloud lba in /etc/openstack/clouds.yaml; it has lab"))
    rig.want(VIP, cloud="lba")
    rig.run(4)
    rig.want(VIP, cloud="lbb")
    rig.run(4)
    assert rig.codes == ["openstack.settings", "openstack.settings"], "of each name at once"
    rig.cloud._faults.clear()
    rig.want(VIP)
    rig.run(20)
    assert rig.codes.count("openstack.back") == 1


def test_ports_that_these_credentials_do_not_see_are_named_as_that() -> None:
    rig = Rig()
    wish = rig.wish(VIP)
    rig.cloud.ports.clear()
    rig.say(Wished(wish, "a"))
    rig.run(40)
    (said,) = [report for report in rig.reports if report.code == "openstack.no-port"]
    assert "no port of a, b is seen" in said.what
    assert "is it the right project?" in said.remedy


def test_exclusive_reserves_the_address_while_nobody_holds_it() -> None:
    rig = Rig()
    rig.want(VIP, mode=Mode.EXCLUSIVE)
    rig.run(10)
    assert rig.own_port() is not None
    rig.want(AddressWish(VIP, "ha-vip", holder="b"), mode=Mode.EXCLUSIVE)
    rig.run(10)
    assert rig.own_port() is None
    assert addresses(rig, "b") == [VIP, "172.16.0.12"]


def test_a_start_that_waits_for_a_refused_change_is_told_why_as_long_as_it_waits() -> None:
    rig = Rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"), mode=Mode.EXCLUSIVE)
    rig.run(40)
    rig.cloud.forbidden = ("fixed_ips",)
    rig.want(AddressWish(VIP, "ha-vip", holder="b"), mode=Mode.EXCLUSIVE)
    for _ in range(20):  # a refused change is tried again every twenty seconds, and said in between too
        rig.run(3)
        assert "update_port:fixed_ips" in rig.owned[-1].why
    rig.cloud.forbidden = ()
    rig.run(40)
    assert rig.owned[-1].owners == ((VIP, "b"),)
    assert rig.owned[-1].why == ""


def successor(rig: Rig) -> Rig:
    """Another node coordinates: it knows of the cloud what the cloud shows."""
    return Rig(rig.cloud, rig.nodes)


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("others", [(), ("172.16.0.101",)])
def test_exclusive_takes_back_the_address_of_a_deleted_resource(others: tuple[str, ...], is_new: bool) -> None:
    rig = Rig()
    rig.cloud.ports[rig.nodes["b"]]["fixed_ips"].append({"subnet_id": "", "ip_address": "172.16.0.77"})  # somebody's own
    rest = [AddressWish(ip, "second", holder="a") for ip in others]
    rig.want(AddressWish(VIP, "ha-vip", holder="b"), *rest, mode=Mode.EXCLUSIVE)
    rig.run(15)
    assert VIP in addresses(rig, "b")
    rig = successor(rig) if is_new else rig
    rig.want(*rest, mode=Mode.EXCLUSIVE)
    rig.run(60)
    assert sorted(addresses(rig, "b")) == ["172.16.0.12", "172.16.0.77"]
    assert sorted(addresses(rig, "a")) == sorted(["172.16.0.11", *others])
    assert VIP not in str(rig.cloud.ports[rig.nodes["b"]]["description"])


def test_exclusive_leaves_what_others_wrote_into_a_ports_description() -> None:
    rig = Rig()
    port = rig.cloud.ports[rig.nodes["a"]]
    port["description"] = "made by the network team"
    rig.want(AddressWish(VIP, "ha-vip", holder="a"), mode=Mode.EXCLUSIVE)
    rig.run(10)
    assert port["description"] == f"made by the network team [standfast has {VIP}]"
    rig.want(AddressWish(VIP, "ha-vip", holder="b"), mode=Mode.EXCLUSIVE)
    rig.run(10)
    assert port["description"] == "made by the network team"


def test_another_coordinator_goes_back_from_exclusive_to_pairs() -> None:
    rig = Rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"), mode=Mode.EXCLUSIVE)
    rig.run(10)
    rig = successor(rig)
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(20)
    assert addresses(rig, "a") == ["172.16.0.11"]
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)
    assert rig.codes.count("openstack.own-address") == 0


def test_back_from_exclusive_to_pairs() -> None:
    rig = Rig()
    rig.want(AddressWish(VIP, "ha-vip", holder="a"), mode=Mode.EXCLUSIVE)
    rig.run(10)
    rig.want(AddressWish(VIP, "ha-vip", holder="a"))
    rig.run(20)
    assert addresses(rig, "a") == ["172.16.0.11"]
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)
    assert rig.own_port() is not None


def test_fenced_takes_the_pair_from_a_fenced_node_and_gives_it_back() -> None:
    rig = Rig()
    rig.want(VIP, mode=Mode.FENCED)
    rig.run(10)
    wish = rig.wish(VIP, mode=Mode.FENCED)
    a, b = wish.nodes
    fenced = type(b)(b.name, b.server, b.nics, is_fenced=True)
    rig.want(VIP, mode=Mode.FENCED, nodes=(a, fenced))
    rig.run(5)
    assert rig.pairs("a") == (VIP,)
    assert rig.pairs("b") == ()
    rig.want(VIP, mode=Mode.FENCED)
    rig.run(5)
    assert rig.pairs("b") == (VIP,)


def test_look_asks_at_once() -> None:
    rig = Rig()
    rig.want(VIP)
    rig.run(10)
    before = len(rig.made)
    rig.say(Look())
    rig.run(1.2)
    assert len(rig.made) == before + 1
