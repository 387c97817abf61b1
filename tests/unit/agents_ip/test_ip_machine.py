"""Conversations with the failover IP: a kernel, neighbours and a cluster layer in virtual time, and what is said and done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standfast.agents.ip.api import (
    Changed,
    Done,
    Healed,
    Look,
    NeighbourHeard,
    NetworkChanged,
    NetworkState,
    Operate,
    Pulsed,
    Revoked,
    SetTimer,
    TimerFired,
)
from standfast.agents.ip.machine import FailoverIps

if TYPE_CHECKING:
    from tests.unit.agents_ip.ip_rig import FOREIGN, MS, SEED, VIP, VIP6, Rig, S, reborn
else:
    from ip_rig import FOREIGN, MS, SEED, VIP, VIP6, Rig, S, reborn


# ---- the ordinary life ----------------------------------------------------------------------------------------------


def test_start_asks_eight_times_then_takes_and_announces() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.operate("start")
    rig.run(500 * MS)
    assert rig.log == [
        *(f"{at}: ask" for at in (10, 20, 30, 40, 50, 60, 70, 80)),
        "90: put 172.16.0.100/32 on eth0",
        "90: announce",
        "90: done 0",
        "140: announce",
        "240: announce",
        "490: announce",
    ]


def test_announcements_follow_the_schedule_then_every_fifteen_seconds() -> None:
    rig = Rig().started()
    first = rig.announced[0]
    rig.run(45 * S)
    assert [(at - first) // MS for at in rig.announced] == [0, 50, 150, 400, 1100, 2500, 5000, 11000, 11200, 11400, 26400, 41400]


def test_refresh_follows_a_monitor() -> None:
    rig = Rig().started()
    rig.run(13 * S)
    before = len(rig.announced)
    run = rig.operate("monitor")
    rig.run(2 * S)
    assert rig.done[run].rc == 0
    assert len(rig.announced) - before == 5


def test_healed_announces_from_the_start() -> None:
    rig = Rig().started()
    rig.run(30 * S)
    before, begin = len(rig.announced), rig.now
    rig.give(Healed())
    rig.run(3 * S)
    assert [(at - begin) // MS for at in rig.announced[before:]] == [0, 50, 150, 400, 1100, 2500]


def test_handover_takes_at_once() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.operate("start", handover=True)
    rig.run(5 * MS)
    assert rig.log == ["10: ask", "10: put 172.16.0.100/32 on eth0", "10: announce", "10: done 0"]


def test_a_second_start_finds_it_held() -> None:
    rig = Rig().started()
    run = rig.operate("start")
    assert rig.done[run].rc == 0
    assert rig.log == [f"{rig.now / MS:g}: done 0"]


def test_the_lease_is_renewed_and_stop_removes_every_copy() -> None:
    rig = Rig().started()
    rig.run(20 * S)
    assert rig.is_up
    rig.up[("eth0", VIP, 24)] = None
    rig.up[("eth1", VIP, 32)] = None
    rig.log.clear()
    run = rig.operate("stop")
    assert run not in rig.done, "answered before the proof"
    rig.run(5 * MS)
    assert rig.done[run] == Done(run, 0, "")
    assert not rig.is_up
    assert not rig.remembered
    assert sum("drop" in line for line in rig.log) == 3


def test_stop_of_what_was_never_started() -> None:
    rig = Rig()
    rig.up[("eth0", VIP, 24)] = None
    rig.run(10 * MS)
    run = rig.operate("stop")
    rig.run(5 * MS)
    assert rig.done[run].rc == 0
    assert not rig.is_up


def test_stop_after_a_start_that_found_a_stranger_hands_nothing_over() -> None:
    rig = Rig()
    rig.run(10 * MS)
    run = rig.operate("stop")
    rig.run(5 * MS)
    assert rig.done[run] == Done(run, 0, f"{VIP} was not on this node")


def test_stop_says_when_somebody_adds_it_again() -> None:
    rig = Rig().started()
    rig.stubborn = True
    run = rig.operate("stop")
    rig.run(2 * S)
    assert rig.done[run].rc == 1
    assert "172.16.0.100/32 on eth0" in rig.done[run].reason


def test_stop_works_with_parameters_that_cannot_be_read() -> None:
    rig = Rig().started()
    run = rig.operate("stop", (("ip", VIP), ("cidr_netmask", "nonsense")))
    rig.run(5 * MS)
    assert rig.done[run].rc == 0
    assert not rig.is_up


def test_monitor_and_probe_before_and_after() -> None:
    rig = Rig()
    rig.run(10 * MS)
    assert rig.done[rig.operate("monitor", probe=True)].rc == 7
    rig.started()
    assert rig.done[rig.operate("monitor", probe=True)].rc == 0
    assert rig.done[rig.operate("monitor")].rc == 0
    rig.operate("stop")
    rig.run(5 * MS)
    assert rig.done[rig.operate("monitor")].rc == 7


def test_ipv6_lives_the_same_life() -> None:
    rig = Rig()
    rig.run(10 * MS)
    run = rig.operate("start", (("ip", "FD00:0::100"),))
    rig.run(100 * MS)
    assert rig.done[run].rc == 0
    assert ("eth0", VIP6, 64) in rig.up


def test_what_comes_before_the_first_picture_waits_for_it() -> None:
    ips = FailoverIps()
    assert ips.step(0, Operate(1, "vip", "monitor", SEED, 20_000, probe=True)) == (Look(),)
    assert Done(1, 7, f"{VIP} is not on this node") in ips.step(1, NetworkChanged(NetworkState()))


# ---- somebody else has it -------------------------------------------------------------------------------------------


def test_an_old_holder_is_waited_out() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.stranger_until = 2 * S
    run = rig.operate("start")
    rig.run(4 * S)
    assert rig.done[run].rc == 0
    puts = [line for line in rig.log if "put" in line]
    assert len(puts) == 1
    assert 2000 < float(puts[0].split(":")[0]) < 2250, "eight unanswered probes after the last answer"


def test_a_timer_that_fires_early_is_armed_again() -> None:
    ips = FailoverIps()
    ips.step(0, NetworkChanged(Rig().state()))
    ips.step(0, Pulsed(10 * S))
    assert SetTimer(10 * MS) in ips.step(0, Operate(1, "vip", "start", SEED, 20_000))
    assert ips.step(10 * MS - 1, TimerFired()) == (SetTimer(10 * MS),)


def test_a_stranger_is_never_disturbed() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.stranger_until = 1000 * S
    run = rig.operate("start")
    rig.run(10 * S)
    assert rig.done[run].rc == 1
    assert "in use by 02:00:00:00:00:ff" in rig.done[run].reason
    assert 5500 < float(rig.log[-1].split(":")[0]) < 5700
    assert not rig.announced
    assert not any("put" in line for line in rig.log)


def test_chatter_does_not_put_off_the_verdict() -> None:
    rig = Rig()
    rig.run(10 * MS)
    run = rig.operate("start")
    for step in range(1000):
        rig.at(step * 10 * MS, NeighbourHeard("eth0", VIP, FOREIGN, "announcement"))
    rig.run(9 * S)
    assert rig.done[run].rc == 1


def test_two_that_ask_at_once_the_lower_mac_goes_first() -> None:
    lower = bytes(6)[:5] + b"\x01"
    for mac, taken in ((lower, False), (FOREIGN, True)):
        rig = Rig()
        rig.run(10 * MS)
        rig.operate("start")
        rig.at(15 * MS, NeighbourHeard("eth0", VIP, mac, "probe"))
        rig.run(85 * MS)
        assert rig.is_up is taken


@pytest.mark.parametrize("asked", range(1, 9))
def test_a_silence_that_was_slept_through_is_none(asked: int) -> None:
    """Stopped while it asked, for less than its evidence lives; meanwhile another asks, hears nothing and takes it."""
    rig = Rig()
    rig.pulse(20 * S)
    rig.run(10 * MS)
    rig.operate("start")
    rig.run((10 * asked - 5) * MS)
    rig.stranger_until = 60 * S
    rig.now += 900 * MS  # the timer comes first, whatever waits to be read
    rig.run(300 * MS)
    assert not rig.is_up


def test_a_host_that_is_always_late_serves_in_the_end() -> None:
    rig = Rig()
    rig.pulse(60 * S)
    rig.run(10 * MS)
    rig.operate("start")
    for _ in range(16):
        rig.now += 300 * MS
        rig.run(0)
    assert rig.is_up


def test_a_holder_that_answers_one_question_in_eight_is_one() -> None:
    """Of eight questions seven are lost, or their answers, again and again: that is still somebody who has the address."""
    rig = Rig()
    rig.run(10 * MS)
    run = rig.operate("start")
    for after_ms in (70, *[110] * 40):
        rig.run(after_ms * MS)
        rig.give(NeighbourHeard("eth0", VIP, FOREIGN, "reply"))
    assert not rig.is_up
    rig.run(130 * MS)
    assert rig.done[run].rc == 0, "and seven more in a row have no answer: it has gone"


def test_a_claim_is_defended_once_and_reported_if_it_goes_on() -> None:
    rig = Rig().started()
    rig.run(12 * S)
    before = len(rig.announced)
    for _ in range(20):
        rig.give(NeighbourHeard("eth0", VIP, FOREIGN, "announcement"))
        rig.run(100 * MS)
    assert len(rig.announced) - before == 1
    assert rig.told == ["ip.claimed", "ip.conflict"]
    assert rig.is_up, "never dropped for a frame"
    run = rig.operate("monitor")
    assert "02:00:00:00:00:ff" in rig.done[run].reason
    rig.give(NeighbourHeard("eth0", VIP, FOREIGN, "probe"))
    assert rig.told == ["ip.claimed", "ip.conflict"], "asking is no claim"


# ---- losing it ------------------------------------------------------------------------------------------------------


def test_without_pulses_it_is_dropped_when_the_evidence_ends() -> None:
    rig = Rig().started()
    rig.pulsing = False
    rig.run(3 * S)
    assert not rig.is_up
    assert [c.rc for c in rig.changed] == [7]
    assert "has not confirmed" in rig.changed[0].reason
    assert float(rig.log[-2].split(":")[0]) == rig.until / MS


@pytest.mark.parametrize("pause_ms", [2_100, 5_000, 60_000])
def test_a_pause_longer_than_the_lease_never_puts_it_back(pause_ms: int) -> None:
    rig = Rig().started()
    rig.frozen = True
    rig.run(pause_ms * MS)
    assert not rig.is_up, "the kernel drops it without us"
    rig.frozen = False
    rig.log.clear()
    rig.run(1 * S)
    assert not any("put" in line or "announce" in line for line in rig.log)
    assert "this node was paused for" in rig.changed[0].reason


def test_a_pause_that_wakes_to_a_new_pulse_first() -> None:
    """The worst order: the evidence is renewed before anything else is noticed."""
    rig = Rig().started()
    rig.now += 10 * S
    rig.up.clear()
    rig.pulse(rig.now + 2 * S)
    rig.run(5 * S)
    assert not rig.is_up
    assert [c.rc for c in rig.changed] == [7]


def test_a_short_pause_is_forgiven() -> None:
    rig = Rig().started()
    rig.now += 800 * MS
    rig.run(5 * S)
    assert rig.is_up
    assert not rig.changed


def test_without_a_lease_the_evidence_still_counts() -> None:
    rig = Rig().started((*SEED, ("lease", "0")))
    assert list(rig.up.values()) == [None]
    rig.run(10 * S)
    assert rig.is_up
    rig.pulsing = False
    rig.run(2 * S)
    assert not rig.is_up
    assert [c.rc for c in rig.changed] == [7]


def test_revoked_drops_at_once() -> None:
    rig = Rig().started()
    rig.pulsing = False
    rig.give(Revoked("quorum was lost"))
    assert not rig.is_up
    assert rig.changed == [Changed("vip", 7, "quorum was lost")]


def test_deleted_by_hand_is_put_back_at_once() -> None:
    rig = Rig().started()
    rig.run(15 * S)
    rig.log.clear()
    rig.delete()
    at = f"{rig.now / MS:g}"
    assert rig.log == [f"{at}: put 172.16.0.100/32 on eth0", f"{at}: announce"]
    assert rig.told == ["ip.deleted"]
    assert rig.is_up


def test_deleted_again_and_again_is_given_up() -> None:
    rig = Rig().started()
    for _ in range(6):
        rig.run(300 * MS)
        rig.delete()
    rig.run(100 * MS)
    assert not rig.is_up
    assert rig.changed[0].rc == 7
    assert "something keeps deleting 172.16.0.100 from eth0: 6 times in 10 s" in rig.changed[0].reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"carrier": False}, "interface eth0 has no carrier: its cable or switch port is down"),
        ({"is_up": False}, "interface eth0 is down (ip link set eth0 up)"),
        ({"index": 0}, "interface eth0 is gone"),
    ],
)
def test_interface_trouble_is_told_at_once(more: dict[str, bool | int], reason: str) -> None:
    rig = Rig().started()
    rig.set_link(**more)
    assert rig.changed == [Changed("vip", 7, reason)]
    assert not rig.is_up


def test_carrier_may_be_ignored() -> None:
    rig = Rig().started((*SEED, ("check_link_status", "false")))
    rig.set_link(carrier=False)
    rig.run(5 * S)
    assert rig.is_up


# ---- failing starts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "rc", "words"),
    [
        ((), 6, "parameter ip is missing"),
        (
            (("ip", "10.9.9.9"),),
            5,
            "no interface for 10.9.9.9: no connected network contains it: there are 172.16",
        ),
        ((("ip", VIP), ("nic", "eth7")), 5, "there is no interface eth7: there are eth0"),
        ((("ip", VIP), ("mac", "01:00:00:00:00:01")), 6, "parameter mac"),
    ],
)
def test_starts_that_cannot_be(parameters: tuple[tuple[str, str], ...], rc: int, words: str) -> None:
    rig = Rig()
    rig.run(10 * MS)
    run = rig.operate("start", parameters)
    assert rig.done[run].rc == rc
    assert words in rig.done[run].reason


def test_start_on_an_interface_without_carrier_fails() -> None:
    rig = Rig()
    rig.run(10 * MS)
    rig.set_link(carrier=False)
    run = rig.operate("start")
    assert rig.done[run].rc == 1
    assert "no carrier" in rig.done[run].reason


def test_start_without_evidence_waits_for_it_then_asks() -> None:
    rig = Rig(pulsing=False)
    rig.run(10 * MS)
    run = rig.operate("start")
    rig.run(1 * S)
    assert rig.log == []
    rig.pulsing, rig.next_pulse = True, rig.now
    rig.run(100 * MS)
    assert rig.done[run].rc == 0


def test_start_without_evidence_fails_in_the_end() -> None:
    rig = Rig(pulsing=False)
    rig.run(10 * MS)
    run = rig.operate("start")
    rig.run(9 * S)
    assert run not in rig.done, "a starved node may be confirmed in a moment, and a failed start bans it"
    rig.run(2 * S)
    assert rig.done[run].rc == 1
    assert "does not confirm this node's membership" in rig.done[run].reason


def test_start_that_the_kernel_refuses() -> None:
    rig = Rig()
    rig.deaf = True
    rig.run(10 * MS)
    run = rig.operate("start")
    rig.run(1 * S)
    assert rig.done[run] == Done(run, 4, "Operation not permitted")


def test_one_address_belongs_to_one_resource() -> None:
    rig = Rig().started()
    rig.give(Operate(99, "other", "start", SEED, 20_000))
    assert rig.done[99].rc == 6
    assert "vip" in rig.done[99].reason


# ---- after a restart of the manager ---------------------------------------------------------------------------------


def test_adopted_without_an_outage() -> None:
    rig = Rig().started()
    rig.pulsing = False
    rig = reborn(rig)
    rig.run(800 * MS)
    rig.pulsing, rig.next_pulse = True, rig.now
    rig.run(10 * S)
    assert rig.is_up
    assert not any("put" in line or "ends" in line for line in rig.log), rig.log
    assert rig.done[rig.operate("monitor", probe=True)].rc == 0
    run = rig.operate("start")
    assert rig.done[run].rc == 0
    rig.run(200 * S)
    assert rig.is_up


def test_adopted_looks_before_it_renews() -> None:
    """The kernel ended the lease, and the pulse is heard before netlink's word of it."""
    rig = Rig().started()
    rig.pulsing = False
    rig = reborn(rig)
    rig.now += 900 * MS
    rig.up.clear()
    rig.pulse(rig.now + 1500 * MS)
    rig.run(1 * S)
    assert not rig.is_up
    assert not any("put" in line for line in rig.log)


def test_adopted_without_evidence_is_dropped_in_time() -> None:
    rig = Rig().started()
    rig.pulsing = False
    rig = reborn(rig)
    rig.run(3 * S)
    assert not rig.is_up
    assert not rig.remembered


def test_adopted_but_never_asked_for_goes_in_the_end() -> None:
    rig = Rig().started()
    rig = reborn(rig)
    rig.run(130 * S)
    assert not rig.is_up
    assert "did not ask for it" in rig.changed[0].reason


def test_start_of_an_adopted_address_keeps_it_up() -> None:
    rig = Rig().started()
    rig.pulsing = False
    rig = reborn(rig)
    run = rig.operate("start")
    rig.run(500 * MS)
    rig.pulsing, rig.next_pulse = True, rig.now
    rig.run(500 * MS)
    assert rig.done[run].rc == 0
    assert not any("drop" in line or "ends" in line for line in rig.log)


def test_a_monitor_takes_over_what_ipaddr2_left() -> None:
    rig = Rig()
    rig.up[("eth0", VIP, 24)] = None
    rig.run(10 * MS)
    assert rig.done[rig.operate("monitor", probe=True)].rc == 0
    assert rig.up[("eth0", VIP, 24)] is None, "a probe changes nothing"
    assert rig.done[rig.operate("monitor")].rc == 0
    rig.run(1 * S)
    assert rig.up[("eth0", VIP, 24)] is not None, "leased from now on"
