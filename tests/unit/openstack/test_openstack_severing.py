"""Mode fenced: what is taken from a lost node, in what order, when it counts, and when it is given back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cloud_rig import NET, VIP, Rig

from standfast.base.ids import US_PER_S
from standfast.openstack.api import Fault, Reply, Request, Severed
from standfast.openstack.reconciler import Wished
from standfast.openstack.wish import Mode, Wish

DONE = Severed((("b", VIP),))


class FencedRig(Rig):
    """`lose` and `back` say that b is lost, and is back."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.want(VIP, mode=Mode.FENCED)
        self.run(10)
        self.severed.clear()

    def lose(self, *names: str, is_sure: bool = True) -> None:
        wish = self.wish(VIP, mode=Mode.FENCED, is_sure=is_sure)
        nodes = tuple(replace(node, is_fenced=node.name in (names or ("b",))) for node in wish.nodes)
        self.want(VIP, mode=Mode.FENCED, nodes=nodes, is_sure=is_sure)

    def back(self) -> None:
        self.want(VIP, mode=Mode.FENCED)

    def description(self, name: str) -> str:
        return str(self.cloud.ports[self.nodes[name]]["description"])

    def is_up(self, name: str) -> bool:
        return self.cloud.ports[self.nodes[name]].get("admin_state_up") is not False


def test_a_read_a_write_and_a_read_and_it_is_known_within_a_moment() -> None:
    rig = FencedRig()
    began_us, before = rig.now_us, len(rig.made)
    rig.lose()
    while DONE not in rig.severed:
        rig.run(0.01)
        assert rig.now_us < began_us + US_PER_S
    assert [request.method for _, request in rig.made[before:]][:3] == ["GET", "PUT", "GET"]
    assert rig.pairs("b") == ()
    assert rig.pairs("a") == (VIP,)
    rig.run(3)
    assert rig.codes[-1] == "openstack.severed"


def test_a_node_that_is_back_has_its_pair_again_and_no_mark() -> None:
    rig = FencedRig()
    rig.cloud.ports[rig.nodes["b"]]["description"] = "web server"
    rig.lose()
    rig.run(30)
    assert rig.description("b").startswith("web server [standfast fenced by a ")
    rig.back()
    rig.run(5)
    assert rig.pairs("b") == (VIP,)
    assert rig.description("b") == "web server"
    assert "openstack.undone" not in rig.codes


@pytest.mark.parametrize("pairs", [(VIP, "172.16.0.0/24"), ("0.0.0.0/0",), ("172.16.0.96/28", VIP)])
def test_a_wider_pair_sets_the_port_down_and_foreign_pairs_stay(pairs: tuple[str, ...]) -> None:
    rig = FencedRig()
    rig.cloud.set_pairs(rig.nodes["b"], *pairs)
    rig.lose()
    rig.run(1)
    assert rig.severed == [DONE]
    assert not rig.is_up("b")
    assert rig.pairs("b") == tuple(ip for ip in pairs if ip != VIP)
    rig.back()
    rig.run(5)
    assert rig.is_up("b")
    assert set(rig.pairs("b")) == {*pairs, VIP}


def test_port_security_that_is_off_and_a_right_that_is_missing_set_the_port_down() -> None:
    rig = FencedRig()
    rig.cloud.forbidden = ("allowed_address_pairs",)
    rig.lose()
    rig.run(3)
    assert rig.severed == [DONE]
    assert not rig.is_up("b")
    assert rig.pairs("b") == (VIP,), "what may not be written is as it was"
    other = FencedRig()
    other.cloud.ports[other.nodes["b"]]["port_security_enabled"] = False
    other.lose()
    other.run(3)
    assert other.severed == [DONE]
    assert not other.is_up("b")


def test_nothing_is_known_while_the_cloud_is_away_and_it_says_why() -> None:
    rig = FencedRig()
    works = rig.cloud.call
    rig.cloud.call = lambda _request: Reply(fault=Fault.UNREACHABLE, detail="refused")  # type: ignore[method-assign, assignment]
    rig.lose()
    rig.run(60)
    assert not any(said.done for said in rig.severed)
    assert "refused" in rig.severed[-1].why
    rig.cloud.call = works  # type: ignore[method-assign]
    rig.run(30)
    assert rig.severed[-1] == DONE


def test_an_answer_that_says_done_is_not_believed() -> None:
    rig = FencedRig()

    def lies(request: Request) -> Reply | None:
        if request.method != "PUT":
            return None
        port = dict(rig.cloud.ports[rig.nodes["b"]], allowed_address_pairs=[], description="[standfast fenced by a 9]")
        return Reply(200, {"port": port})

    rig.cloud.inject(lies)
    rig.lose()
    rig.run(0.9)
    assert [said.done for said in rig.severed] == [()]
    assert "still lets them through" in rig.severed[0].why
    rig.run(5)
    assert rig.severed[-1] == DONE


def test_a_write_that_was_lost_on_the_way_comes_too_late_after_the_severing() -> None:
    """The pair was being given back when the node was lost again; the service carries that write out after all that follows."""
    rig = FencedRig()
    rig.lose()
    rig.run(5)
    late: list[Request] = []

    def delays(request: Request) -> Reply | None:
        if request.method == "PUT":
            late.append(request)
            return Reply(fault=Fault.TIMEOUT)
        return None

    rig.cloud.inject(delays)
    rig.severed.clear()
    rig.back()
    rig.run(1.5)
    assert late
    rig.lose()
    rig.run(30)
    assert rig.severed[-1] == DONE
    assert rig.cloud.carry_out(late[0]).status == 412
    assert rig.pairs("b") == ()


def test_one_who_comes_back_at_every_step_is_never_left_without_its_pair() -> None:
    for steps in range(12):
        rig = FencedRig()
        rig.lose()
        rig.run(steps * 0.025)
        rig.back()
        rig.run(40)
        assert rig.pairs("b") == (VIP,), steps
        assert rig.description("b") == "", steps


def test_the_next_coordinator_writes_its_own_mark_whatever_it_finds() -> None:
    for calls in range(8):
        rig = FencedRig()
        rig.lose()
        for _ in range(calls):
            rig.run(0.025)
        assert rig.machine.step(rig.now_us, Wished(None, "a")) is not None
        rig.coming.clear()
        wish: Wish = rig.wish(VIP, mode=Mode.FENCED, is_sure=True)
        nodes = tuple(replace(node, is_fenced=node.name == "b") for node in wish.nodes)
        rig.severed.clear()
        rig.say(Wished(replace(wish, nodes=nodes), "c"))
        rig.run(5)
        assert rig.severed[-1] == DONE
        assert "by c " in rig.description("b")


def test_a_half_whose_port_was_taken_takes_nothing_and_gives_itself_nothing() -> None:
    rig = FencedRig()
    own = rig.cloud.ports[rig.nodes["a"]]
    own["description"], own["allowed_address_pairs"] = "[standfast fenced by b 4]", []
    rig.lose(is_sure=False)
    rig.run(60)
    assert not any(said.done for said in rig.severed)
    assert "b has taken" in rig.severed[-1].why
    assert rig.pairs("b") == (VIP,)
    assert rig.pairs("a") == ()
    assert "openstack.fenced-here" in rig.codes
    assert "openstack.undone" not in rig.codes
    rig.back()
    rig.run(5)
    assert rig.pairs("a") == rig.pairs("b") == (VIP,)
    assert rig.description("a") == ""


def test_a_majority_takes_back_what_the_minority_took() -> None:
    rig = FencedRig()
    own = rig.cloud.ports[rig.nodes["a"]]
    own["description"], own["allowed_address_pairs"] = "[standfast fenced by b 4]", []
    rig.lose()
    rig.run(10)
    assert rig.severed[-1] == DONE
    assert rig.pairs("a") == (VIP,)
    assert rig.pairs("b") == ()


def test_somebody_else_gives_the_pair_back_and_it_is_taken_again() -> None:
    rig = FencedRig()
    rig.lose()
    rig.run(5)
    rig.cloud.set_pairs(rig.nodes["b"], VIP, "10.0.0.0/8")
    rig.run(15)
    assert rig.pairs("b") == ("10.0.0.0/8",)


def test_a_port_that_is_gone_lets_nothing_through_and_credentials_that_see_nothing_prove_nothing() -> None:
    rig = FencedRig()
    rig.lose()
    del rig.cloud.ports[rig.nodes["b"]]
    rig.run(3)
    assert rig.severed[-1] == DONE
    blind = FencedRig()
    blind.lose()
    blind.cloud.ports.clear()
    blind.run(3)
    assert not any(said.done for said in blind.severed)


def test_a_node_of_which_nothing_is_known_cannot_be_severed() -> None:
    rig = FencedRig()
    rig.cloud.servers.clear()
    wish = rig.wish(VIP, mode=Mode.FENCED, is_sure=True)
    a, b = wish.nodes
    rig.want(VIP, mode=Mode.FENCED, nodes=(a, replace(b, nics=(), is_fenced=True)), is_sure=True)
    rig.run(5)
    assert not any(said.done for said in rig.severed)
    assert "which ports b has is not known" in rig.severed[-1].why


def test_a_port_in_another_network_is_left_alone() -> None:
    rig = FencedRig()
    rig.cloud.add_subnet("net-2", "10.5.0.0/24")
    second = rig.cloud.add_port("net-2", "10.5.0.12")
    rig.cloud.set_pairs(second, "0.0.0.0/0")
    wish = rig.wish(VIP, mode=Mode.FENCED, is_sure=True)
    a, b = wish.nodes
    card = replace(b.nics[0], name="eth1", mac=rig.cloud.ports[second]["mac_address"], port=second)
    rig.want(VIP, mode=Mode.FENCED, nodes=(a, replace(b, nics=(*b.nics, card), is_fenced=True)), is_sure=True)
    rig.run(5)
    assert rig.severed[-1] == DONE
    assert rig.cloud.ports[second].get("admin_state_up") is not False
    assert NET != "net-2"
