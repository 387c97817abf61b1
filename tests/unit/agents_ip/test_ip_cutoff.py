"""A node that is alone: cut off, or the last one alive? What it sees of its neighbours, and what becomes of the address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from standfast.agents.ip.api import (
    NEIGHBOURS_MAX,
    Changed,
    Denied,
    Done,
    Doubted,
    Interface,
    Neighbour,
    NeighbourHeard,
    NetworkState,
    Revoked,
    Route,
    Survey,
    Surveyed,
)
from standfast.agents.ip.outlook import Outlooks, Sight

if TYPE_CHECKING:
    from tests.unit.agents_ip.ip_rig import CLIENT, MS, OWN, PEER, PEERS, ROUTES, SEED, VIP, Rig, S, reborn
else:
    from ip_rig import CLIENT, MS, OWN, PEER, PEERS, ROUTES, SEED, VIP, Rig, S, reborn

PEER_SEEN = Neighbour(PEERS[0], PEER, 0)
CLIENT_SEEN = Neighbour("172.16.0.200", CLIENT, 30)


def holding(*, client: bool = True) -> Rig:
    """A holder whose kernel knows the peer and, mostly, a client."""
    rig = Rig()
    rig.known = (PEER_SEEN, CLIENT_SEEN) if client else (PEER_SEEN,)
    rig.living = {PEERS[0]: PEER} | ({"172.16.0.200": CLIENT} if client else {})
    return rig.started()


def cut_off() -> Rig:
    """The holder, a second and a half after its switch failed and its view shrank."""
    rig = holding()
    rig.cut = True
    rig.give(Doubted(is_alone=True))
    rig.run(1500 * MS)
    assert not rig.is_up
    rig.log.clear()
    return rig


# ---- the verdicts ---------------------------------------------------------------------------------------------------


def test_in_company_of_a_majority_nobody_is_asked() -> None:
    rig = holding()
    rig.give(Doubted(is_alone=False))
    rig.run(60 * S)
    assert rig.is_up
    assert not rig.surveys


def test_cut_off_the_address_goes_after_one_unanswered_second() -> None:
    rig = holding()
    rig.cut = True
    rig.give(Doubted(is_alone=True))
    begun = rig.now
    rig.run(999 * MS)
    assert rig.is_up
    rig.run(2 * MS)
    assert not rig.is_up
    why = (
        "172.16.0.100 is suspended on this node: this node is cut off on eth0: nobody answers there any more, "
        "neither 172.16.0.200 nor another node"
    )
    assert rig.log[-2:] == [f"{(begun + S) / MS:g}: drop 172.16.0.100/32 on eth0", f"{(begun + S) / MS:g}: changed 190 {why}"]
    assert rig.told == ["ip.suspended"]
    rig.run(60 * S)
    assert not rig.is_up
    assert rig.told == ["ip.suspended"], "said once"
    assert rig.done[rig.operate("monitor")].rc == 190
    assert rig.remembered


def test_the_survivor_of_a_death_is_in_company_and_keeps_it() -> None:
    rig = holding()
    del rig.living[PEERS[0]]
    rig.give(Doubted(is_alone=True))
    rig.run(60 * S)
    assert rig.is_up
    assert not rig.changed
    assert not rig.told


def test_the_survivor_where_only_the_dead_peer_was_ever_seen_keeps_it() -> None:
    rig = holding(client=False)
    rig.living = {}
    rig.give(Doubted(is_alone=True))
    rig.run(60 * S)
    assert rig.is_up
    assert not rig.changed


def test_a_cut_after_the_death_of_the_peer_is_noticed_too() -> None:
    rig = holding()
    del rig.living[PEERS[0]]
    rig.give(Doubted(is_alone=True))
    rig.run(10 * S)
    rig.cut = True
    rig.run(3100 * MS)
    assert not rig.is_up


def test_a_new_client_is_a_witness_later() -> None:
    """The kernel knew only the peer; a client is heard while the node is alone, and then everything falls silent."""
    rig = holding(client=False)
    rig.living = {"172.16.0.201": CLIENT}
    rig.give(Doubted(is_alone=True))
    rig.run(3 * S)
    rig.cut = True
    rig.run(3100 * MS)
    assert not rig.is_up
    assert "neither 172.16.0.201 nor" in rig.changed[0].reason


@pytest.mark.parametrize(
    "known", [Neighbour("172.16.0.200", CLIENT, 601), Neighbour("172.16.0.120", PEER, 0), Neighbour(VIP, CLIENT, 0)]
)
def test_who_is_no_witness(known: Neighbour) -> None:
    """Somebody of long ago, another address of the dead peer, and the failover IP itself."""
    rig = holding()
    rig.known, rig.living = (PEER_SEEN, known), {}
    rig.give(Doubted(is_alone=True))
    rig.run(10 * S)
    assert rig.is_up


def test_a_survey_that_cannot_be_asked_proves_nothing() -> None:
    rig = holding()
    rig.cut = True
    rig.give(Doubted(is_alone=True))
    survey = rig.surveys.pop("eth0")
    rig.queue.clear()
    rig.give(Denied(survey, "Operation not permitted", is_permission=True))
    rig.run(900 * MS)
    assert rig.is_up
    assert not rig.surveys
    rig.run(200 * MS)
    assert rig.surveys, "asked again a second later"


# ---- coming back ----------------------------------------------------------------------------------------------------


def test_as_soon_as_somebody_answers_it_is_asked_for_taken_and_announced() -> None:
    rig = cut_off()
    rig.run(300 * MS)
    rig.cut = False
    healed = rig.now
    rig.run(700 * MS)
    assert [line.split(": ")[1] for line in rig.log[:11]] == ["ask"] * 8 + [
        "put 172.16.0.100/32 on eth0",
        "announce",
        "changed 0 ",
    ]
    assert float(rig.log[8].split(":")[0]) - healed / MS <= 400
    assert rig.told == ["ip.suspended", "ip.resumed"]
    assert rig.done[rig.operate("monitor")].rc == 0
    rig.run(30 * S)
    assert rig.is_up


def test_it_does_not_come_back_while_the_other_half_holds_it() -> None:
    rig = cut_off()
    rig.cut, rig.stranger_until = False, rig.now + 30 * S
    rig.run(30 * S)
    assert not any("put" in line for line in rig.log)
    rig.run(1200 * MS)
    assert rig.is_up, "the other one has let go, and the views still have not met"


@pytest.mark.parametrize("last_pulse_ms", range(4_000, 9_000, 500))
def test_the_rest_between_two_rounds_may_end_without_evidence(last_pulse_ms: int) -> None:
    """The other half answers for longer than any lease lives: a rest; when that is over there may be no evidence to ask with."""
    rig = cut_off()
    rig.cut, rig.stranger_until = False, rig.now + 60 * S
    rig.run(last_pulse_ms * MS)
    rig.pulsing = False
    rig.run(30 * S)
    rig.pulsing, rig.next_pulse, rig.stranger_until = True, rig.now, 0
    rig.run(1200 * MS)
    assert rig.is_up


def test_without_evidence_nothing_comes_back() -> None:
    rig = cut_off()
    rig.pulsing = False
    rig.run(2 * S)
    rig.cut = False
    rig.run(10 * S)
    assert not any("put" in line for line in rig.log)
    rig.pulsing, rig.next_pulse = True, rig.now
    rig.run(200 * MS)
    assert rig.is_up


def test_after_the_views_have_met_the_cluster_decides() -> None:
    rig = cut_off()
    rig.cut = False
    rig.give(Doubted(is_alone=False))
    assert rig.done[rig.operate("monitor", probe=True)].rc == 7
    rig.run(30 * S)
    assert not rig.is_up
    assert not rig.remembered
    assert [c.rc for c in rig.changed] == [190]


def test_a_cluster_that_does_not_ask_after_the_doubt_is_told() -> None:
    rig = cut_off()
    rig.give(Doubted(is_alone=False))
    rig.run(4900 * MS)
    assert [c.rc for c in rig.changed] == [190]
    rig.run(200 * MS)
    assert [c.rc for c in rig.changed] == [190, 7]
    run = rig.operate("start")
    rig.cut = False
    rig.run(200 * MS)
    assert rig.done[run] == Done(run, 0, "")


def test_held_unseen_it_is_asked_for_at_the_first_sign_of_life() -> None:
    """A standby was cut off: nobody but the dead or distant peer was ever seen, so it holds. The cut heals."""
    rig = holding(client=False)
    rig.cut, rig.stranger, rig.stranger_until = True, PEER, 60 * S
    rig.give(Doubted(is_alone=True))
    rig.run(5 * S)
    assert rig.is_up
    rig.cut = False
    rig.run(190 * MS)
    assert not rig.is_up, "the peer holds it, and goes first"
    assert "holds 172.16.0.100 too" in rig.changed[0].reason


def test_held_unseen_it_goes_when_the_views_meet_first() -> None:
    rig = holding(client=False)
    rig.cut = True
    rig.give(Doubted(is_alone=True))
    rig.run(5 * S)
    rig.give(Doubted(is_alone=False))
    assert not rig.is_up
    assert "unseen" in rig.changed[0].reason
    assert rig.done[rig.operate("monitor", probe=True)].rc == 7


def test_held_unseen_and_nobody_else_has_it() -> None:
    rig = holding(client=False)
    rig.living = {}
    rig.give(Doubted(is_alone=True))
    rig.run(5 * S)
    rig.living = {"172.16.0.201": CLIENT}
    rig.log.clear()
    rig.run(2 * S)
    assert rig.is_up
    assert not any("drop" in line for line in rig.log)


@pytest.mark.parametrize(("mac", "kept"), [(PEER, True), (bytes.fromhex("010000000002"), False)])
def test_when_both_held_it_in_company_the_lower_mac_goes_first(mac: bytes, kept: bool) -> None:
    rig = holding()
    rig.known = (Neighbour(PEERS[0], mac, 0), CLIENT_SEEN)
    rig.stranger, rig.stranger_until = mac, 60 * S
    rig.give(Doubted(is_alone=True))
    rig.run(100 * MS)
    assert rig.is_up is kept


def test_a_stranger_is_never_given_way_to() -> None:
    rig = holding()
    rig.give(Doubted(is_alone=True))
    rig.run(100 * MS)
    rig.give(NeighbourHeard("eth0", VIP, bytes.fromhex("000000000001"), "announcement"))
    assert rig.is_up


# ---- the link -------------------------------------------------------------------------------------------------------


def test_a_lone_survivors_link_flaps_and_the_address_comes_back() -> None:
    rig = holding()
    del rig.living[PEERS[0]]
    rig.give(Doubted(is_alone=True))
    rig.run(5 * S)
    for _ in range(3):
        rig.set_link(carrier=False)
        assert not rig.is_up
        rig.run(4 * S)
        rig.set_link(carrier=True)
        rig.run(700 * MS)
        assert rig.is_up
    assert [c.rc for c in rig.changed] == [190, 0] * 3


def test_a_link_that_is_back_but_passes_nothing_yet_is_no_reason() -> None:
    """A switch port that learns for 30 s: the carrier is there, the other half is not heard."""
    rig = holding()
    rig.give(Doubted(is_alone=True))
    rig.run(1 * S)
    rig.set_link(carrier=False)
    rig.cut = True
    rig.set_link(carrier=True)
    rig.run(30 * S)
    assert not rig.is_up
    rig.cut = False
    rig.run(700 * MS)
    assert rig.is_up


def test_a_start_without_carrier_on_a_lone_node_is_suspended_not_failed() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.set_link(carrier=False)
    rig.give(Doubted(is_alone=True))
    run = rig.operate("start")
    assert rig.done[run].rc == 190
    assert "no carrier" in rig.done[run].reason
    rig.set_link(carrier=True)
    rig.living = {"172.16.0.200": CLIENT}
    rig.run(2 * S)
    assert rig.is_up
    assert rig.changed == [Changed("vip", 0, "")]


# ---- a link that has just come back ---------------------------------------------------------------------------------


def plugged_in(*, slow_port: bool = True) -> Rig:
    """Its cable was pulled, and the kernel forgot its neighbours with it; then the doubt came, and now the carrier comes back."""
    rig = Rig()
    rig.run(10 * MS)
    rig.set_link(carrier=False)
    rig.give(Doubted(is_alone=True))
    rig.run(S)
    rig.cut = slow_port
    rig.living = {PEERS[0]: PEER}
    rig.set_link(carrier=True)
    return rig


def test_silence_behind_a_port_that_does_not_forward_yet_proves_nothing() -> None:
    """The other half has the address; its answer cannot come through for another 400 ms."""
    rig = plugged_in()
    run = rig.operate("start")
    assert rig.done[run].rc == 190
    assert "the link of eth0 has just come up and nobody answers there yet" in rig.done[run].reason
    rig.run(400 * MS)
    rig.stranger_until, rig.cut = rig.now + 60 * S, False
    rig.run(30 * S)
    assert not any("put" in line for line in rig.log)
    rig.run(32 * S)
    assert rig.is_up, "the other half has let go"


def test_behind_a_new_link_the_first_answer_is_enough() -> None:
    rig = plugged_in()
    rig.operate("start")
    rig.run(400 * MS)
    rig.cut = False
    rig.run(1500 * MS)
    assert rig.is_up


def test_behind_a_new_link_with_nobody_at_all_it_comes_up_when_any_port_would_forward() -> None:
    rig = plugged_in()
    rig.living = {}
    rig.operate("start")
    rig.run(34 * S)
    assert not rig.is_up
    rig.run(2 * S)
    assert rig.is_up


def test_in_company_of_a_majority_a_new_link_is_watched_until_somebody_answers() -> None:
    """Minutes of good service later, or seconds, it is this node that survives: it must not wait for what it could know."""
    rig = Rig()
    rig.run(10 * MS)
    rig.set_link(carrier=False)
    rig.run(S)
    rig.cut, rig.living = True, {PEERS[0]: PEER}
    rig.set_link(carrier=True)
    rig.run(3 * S)
    assert rig.surveys
    rig.cut = False
    rig.run(1100 * MS)
    assert not rig.surveys
    rig.run(60 * S)
    assert not rig.surveys
    rig.living = {}
    rig.give(Doubted(is_alone=True))
    rig.operate("start")
    rig.run(200 * MS)
    assert rig.is_up


def test_a_new_link_on_which_nobody_ever_answers_is_left_alone_in_the_end() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.set_link(carrier=False)
    rig.set_link(carrier=True)
    rig.run(37 * S)
    assert not rig.surveys


def test_a_survey_under_way_when_the_link_went_is_replaced() -> None:
    outlooks = Outlooks(PEERS)
    link = Interface("eth0", 2, OWN, is_up=True, carrier=True)
    plugged, pulled = NetworkState((link,), (), ROUTES), NetworkState((replace(link, carrier=False),), (), ROUTES)
    outlooks.renew(0, NetworkState(), plugged)
    outlooks.doubt(is_alone=True)
    asked = (Survey("eth0", PEERS, 1000),)
    assert outlooks.due(0, ("eth0",), plugged) == asked
    assert not outlooks.due(1, ("eth0",), plugged)
    outlooks.renew(2, plugged, pulled)
    assert outlooks.due(2, ("eth0",), pulled) == asked
    outlooks.renew(3, pulled, plugged)
    assert outlooks.due(3, ("eth0",), plugged) == asked
    assert outlooks.is_settling("eth0")
    outlooks.surveyed(4, Surveyed("eth0", (), PEERS), ())
    assert not outlooks.is_settling("eth0")
    outlooks.check()


def test_a_link_that_never_went_delays_no_survivor() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.give(Doubted(is_alone=True))
    rig.operate("start")
    rig.run(200 * MS)
    assert rig.is_up


def test_with_another_node_to_go_to_a_lost_carrier_is_told_at_once() -> None:
    rig = holding()
    rig.set_link(carrier=False)
    assert [c.rc for c in rig.changed] == [7]


def test_a_start_on_a_node_that_knows_it_is_cut_off() -> None:
    rig = cut_off()
    run = rig.operate("start")
    assert rig.done[run].rc == 190
    stop = rig.operate("stop")
    rig.run(5 * MS)
    assert rig.done[stop].rc == 0
    assert rig.done[stop].reason, "it had nothing to hand over"
    rig.run(10 * S)
    assert not rig.surveys, "nothing to ask for any more"


# ---- interrupted at every step --------------------------------------------------------------------------------------

INTERRUPTIONS: dict[str, Callable[[Rig], object]] = {
    "healed": lambda rig: setattr(rig, "cut", False),
    "views met": lambda rig: rig.give(Doubted(is_alone=False)),
    "stopped": lambda rig: rig.operate("stop"),
    "started": lambda rig: rig.operate("start"),
    "revoked": lambda rig: rig.give(Revoked("this node leaves the cluster")),
    "pulse lost": lambda rig: setattr(rig, "pulsing", False),
    "link lost": lambda rig: rig.set_link(carrier=False),
    "interface gone": lambda rig: rig.set_link(index=0),
    "frozen": lambda rig: setattr(rig, "frozen", True),
    "reborn": reborn,
}
AT_MS = [0, 1, 20, 500, 999, 1000, 1001, 1002, 1290, 1310, 1400, 3000]


@pytest.mark.parametrize("how", sorted(INTERRUPTIONS))
@pytest.mark.parametrize("after_ms", AT_MS)
def test_the_way_into_suspension_cut_at_every_step(how: str, after_ms: int) -> None:
    rig = holding()
    rig.cut = True
    rig.give(Doubted(is_alone=True))
    rig.run(after_ms * MS)
    INTERRUPTIONS[how](rig)
    rig.pulsing &= how != "revoked"
    if how == "reborn":
        rig.give(Doubted(is_alone=True))
    rig.run(7 * S)
    if how == "frozen":
        assert not rig.is_up
        rig.frozen = False
        rig.run(3 * S)
    may_be_up = {"healed": True, "views met": after_ms < 1000}
    assert rig.is_up is may_be_up.get(how, False)


@pytest.mark.parametrize("how", sorted(INTERRUPTIONS))
@pytest.mark.parametrize("after_ms", [0, 1, 150, 299, 300, 301, 320, 340, 361, 381, 382, 500, 1500])
def test_the_way_back_cut_at_every_step(how: str, after_ms: int) -> None:
    rig = cut_off()
    rig.cut = False
    rig.run(after_ms * MS)
    was_up = rig.is_up
    INTERRUPTIONS[how](rig)
    rig.pulsing &= how != "revoked"
    if how == "reborn":
        rig.give(Doubted(is_alone=True))
    rig.run(10 * S)
    if how == "frozen":
        assert not rig.is_up
        rig.frozen = False
        rig.run(3 * S)
        return
    if how in ("healed", "started"):
        assert rig.is_up
    elif how in ("views met", "reborn"):
        assert rig.is_up is was_up
    else:
        assert not rig.is_up


# ---- bounds ---------------------------------------------------------------------------------------------------------


def test_witnesses_are_bounded_and_the_most_recent_come_first() -> None:
    outlooks = Outlooks(PEERS)
    outlooks.doubt(is_alone=True)
    network = NetworkState(routes=(Route("172.16.0.0/24", "eth0", 0),))
    assert outlooks.due(0, ("eth0", "eth1"), network) == (Survey("eth0", PEERS, 1000), Survey("eth1", (), 1000))
    crowd = tuple(Neighbour(f"172.16.1.{n}", CLIENT, 500 - n) for n in range(200))
    outlooks.surveyed(S, Surveyed("eth0", crowd, ()), (VIP,))
    outlooks.check()
    assert outlooks.sight("eth0") is Sight.CUT_OFF
    (again,) = outlooks.due(S, ("eth0",), network)
    assert again == Survey("eth0", tuple(f"172.16.1.{n}" for n in range(199, 199 - NEIGHBOURS_MAX, -1)), 300)
    assert outlooks.why("eth0").endswith("neither 172.16.1.199, 172.16.1.198, 172.16.1.197, 172.16.1.196, ... nor another node")


def test_an_answer_from_an_earlier_doubt_is_not_heard() -> None:
    outlooks = Outlooks()
    outlooks.doubt(is_alone=True)
    outlooks.due(0, ("eth0",), NetworkState())
    outlooks.doubt(is_alone=False)
    outlooks.surveyed(S, Surveyed("eth0", (CLIENT_SEEN,), ()), ())
    outlooks.check()
    assert outlooks.sight("eth0") is Sight.UNKNOWN


def test_parameters_of_the_seed_are_what_is_resumed() -> None:
    rig = cut_off()
    assert rig.remembered == {"vip": SEED}


# ---- a starved survivor ---------------------------------------------------------------------------------------------


def test_a_lone_node_that_was_starved_takes_its_address_back_by_itself() -> None:
    rig = holding()
    rig.give(Doubted(is_alone=True))
    rig.pulsing = False
    rig.run(3 * S)
    assert not rig.is_up, "nothing is held beyond the evidence"
    assert [e.rc for e in rig.changed] == [190], "degraded, not failed: there is no other node to go to"
    rig.pulsing = True
    rig.run(3 * S)
    assert rig.is_up


def test_a_node_in_company_that_was_starved_fails_and_lets_the_cluster_decide() -> None:
    rig = holding()
    rig.pulsing = False
    rig.run(3 * S)
    assert not rig.is_up
    assert [e.rc for e in rig.changed] == [7]
