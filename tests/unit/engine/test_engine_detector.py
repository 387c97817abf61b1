"""The detector: one peer's life as a conversation, every state with every sign, and the bound's arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.engine.detector.detector import Detector
from standfast.engine.detector.peer import CALM_US, MOVES, Peer, Sign, State
from standfast.engine.settings import Times

MS = 1_000
P = NodeId(2)


def detector(**times: int) -> Detector:
    d = Detector(NodeId(1), [P], Times(**times))
    d.start(0)
    d.due(0)
    return d


def alive_until(d: Detector, until_ms: int, every_ms: int = 100) -> int:
    now_ms = 0
    while now_ms <= until_ms:
        d.due(now_ms * MS)
        d.heard(now_ms * MS, P, 7)
        now_ms += every_ms
    return (now_ms - every_ms) * MS


def lost_after(d: Detector, since_us: int) -> int:
    """How long it takes until the peer is not counted in, called exactly when the detector asks for it; in ms."""
    for _ in range(1000):
        now_us = d.next_us
        d.due(now_us)
        if not d.hears:
            return (now_us - since_us) // MS
    raise AssertionError("never lost")


def test_a_silent_peer_is_probed_and_lost_at_the_floor() -> None:
    d = detector()
    last_us = alive_until(d, 2_000)
    probes: list[int] = []
    while d.hears:
        now_us = d.next_us
        probes += [(now_us - last_us) // MS for node, wants in d.due(now_us) if wants and d.hears]
    assert probes == [187, 212, 237, 262, 287, 312, 337, 362]
    assert (now_us - last_us) // MS == 375


def answering(d: Detector, since_us: int, until_us: int) -> int:
    """The peer says nothing, its kernel answers every question until then; when it is lost, in ms since it was heard last."""
    for _ in range(1000):
        now_us = d.next_us
        for node, wants in d.due(now_us):
            if wants and d.peers[node].asks_kernel(now_us) and now_us < until_us:
                d.peers[node].kernel_answered(now_us)
        d.check()
        if not d.hears:
            return (now_us - since_us) // MS
    raise AssertionError("never lost")


def test_a_silent_peer_whose_kernel_answers_is_borne_for_one_and_a_half_seconds() -> None:
    d = detector()
    last_us = alive_until(d, 2_000)
    assert answering(d, last_us, last_us + 60_000 * MS) == 1_500


def test_when_the_kernel_falls_silent_too_the_lowest_bound_counts_from_its_last_answer() -> None:
    d = detector()
    last_us = alive_until(d, 2_000)
    assert 700 <= answering(d, last_us, last_us + 400 * MS) <= 400 + 375


def test_an_answer_of_the_kernel_to_what_was_never_asked_proves_nothing() -> None:
    d = detector()
    last_us = alive_until(d, 2_000)
    d.peers[P].kernel_answered(last_us + 5_000 * MS)
    assert lost_after(d, last_us) == 375


def test_a_user_who_wants_a_short_token_gets_it_from_frozen_peers_too() -> None:
    d = detector(token_ms=400)
    last_us = alive_until(d, 2_000)
    assert answering(d, last_us, last_us + 60_000 * MS) == 600
    assert Times(token_ms=3000).frozen_us_max == 3_000 * MS, "never shorter than the token"
    assert Times(lease_ms=1300).frozen_us_max // MS == 1_050, "the lease has to bear it"


def test_any_packet_ends_suspicion() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    d.due(last_us + 190 * MS)
    assert d.peers[P].state is State.SUSPECT
    d.heard(last_us + 200 * MS, P, 7)
    assert d.peers[P].state is State.ALIVE


def test_the_bound_follows_the_gaps_and_relaxes_slowly() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    assert d.peers[P].bound_us == 375 * MS
    d.heard(last_us + 280 * MS, P, 7)
    beat_us = Times().heartbeat_us
    assert d.peers[P].bound_us == beat_us + 2 * (280 * MS - beat_us)
    for n in range(1, 3_000):
        d.heard(last_us + 280 * MS + n * 100 * MS, P, 7)
    assert d.peers[P].bound_us == 375 * MS


def test_a_token_below_the_floor_is_obeyed() -> None:
    d = detector(token_ms=120)
    last_us = alive_until(d, 1_000, every_ms=40)
    assert lost_after(d, last_us) == 120


@given(st.lists(st.integers(1, 5_000_000), max_size=50), st.integers(50, 5_000))
def test_the_bound_stays_within_its_limits(gaps_us: list[int], token_ms: int) -> None:
    times = Times(token_ms=token_ms)
    p = Peer(P, times)
    p.take(0, Sign.HEARD)
    now_us = 0
    for gap_us in gaps_us:
        now_us += gap_us
        p.measured(gap_us % 1_000_000)
        p.take(now_us, Sign.HEARD)
        p.check()


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("sign", list(Sign))
def test_every_state_takes_every_sign(state: State, sign: Sign) -> None:
    p = Peer(P, Times())
    p.state = state
    p.calm_needed_us = CALM_US if state is State.HELD else 0
    p.take(1_000, sign)
    p.check()
    if (state, sign) not in MOVES:
        assert p.state is state


def test_one_refusal_is_only_asked_about_and_an_answer_voids_it() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    d.refused(last_us + 10 * MS, P)
    assert (P, True) in d.due(last_us + 15 * MS)
    d.heard(last_us + 16 * MS, P, 7)
    d.refused(last_us + 17 * MS, P)
    d.due(last_us + 18 * MS)
    assert d.hears


def test_a_confirmed_refusal_is_known_in_milliseconds() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    d.refused(last_us + 10 * MS, P)
    d.due(last_us + 15 * MS)
    d.refused(last_us + 15 * MS + 200, P)
    assert lost_after(d, last_us + 10 * MS) == 10


def test_a_spoofed_pair_of_refusals_is_voided_by_a_live_peer() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    d.refused(last_us + 10 * MS, P)
    d.due(last_us + 15 * MS)
    d.refused(last_us + 15 * MS, P)
    d.heard(last_us + 16 * MS, P, 7)
    d.due(last_us + 30 * MS)
    assert d.hears


def test_a_new_boot_is_another_life_at_once() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    version = d.version
    d.heard(last_us + 1, P, 8)
    assert [life.boot for life in d.hears] == [8]
    assert d.version == version + 1


def test_last_words_after_a_goodbye_do_not_count() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    d.gone(last_us + 1, P)
    d.heard(last_us + 2, P, 7)
    assert not d.hears
    d.heard(last_us + 3, P, 8)
    assert d.hears


def test_own_sleep_is_nobody_s_silence() -> None:
    d = detector()
    last_us = alive_until(d, 1_000)
    d.woke(last_us + 60_000 * MS)
    assert (P, True) in d.due(last_us + 60_000 * MS)
    assert d.hears
    assert lost_after(d, last_us + 60_000 * MS) == 375


def heard_until_counted(d: Detector, since_us: int, boot: int = 7) -> int:
    """Heard each 100 ms; the first time at which the peer is counted in."""
    now_us = since_us
    d.heard(now_us, P, boot)
    while not d.hears:
        now_us += 100 * MS
        d.due(now_us)
        d.heard(now_us, P, boot)
    return now_us


def stays(d: Detector, since_us: int, for_ms: int) -> int:
    """Heard each 100 ms for so long."""
    for n in range(0, for_ms, 100):
        d.due(since_us + n * MS)
        d.heard(since_us + n * MS, P, 7)
    return since_us + (for_ms - 100) * MS


@pytest.mark.parametrize(("stayed_ms", "waits_ms"), [(500, 2_000), (3_000, 6_500), (20_000, 40_500), (45_000, 60_000)])
def test_what_broke_after_t_has_to_be_whole_for_twice_as_long(stayed_ms: int, waits_ms: int) -> None:
    d = detector()
    now_us = alive_until(d, 20_000)
    now_us += lost_after(d, now_us) * MS
    back_us = heard_until_counted(d, now_us + 900 * MS)
    assert back_us - now_us == 1_400 * MS, "the first return after a short absence: half a second of calm"
    now_us = stays(d, back_us, stayed_ms)
    now_us += lost_after(d, now_us) * MS
    again_us = heard_until_counted(d, now_us + 1_000 * MS)
    assert abs(again_us - now_us - (1_000 + waits_ms) * MS) <= 200 * MS


def test_a_long_absence_a_new_life_and_a_minute_s_stay_owe_nothing() -> None:
    d = detector()
    now_us = alive_until(d, 20_000)
    now_us += lost_after(d, now_us) * MS
    assert heard_until_counted(d, now_us + 1_000 * MS) == now_us + 1_000 * MS
    now_us += 1_000 * MS
    now_us += lost_after(d, now_us) * MS
    assert heard_until_counted(d, now_us + 1_000 * MS, boot=8) == now_us + 1_000 * MS
    d = detector()
    now_us = alive_until(d, 20_000)
    for absence_ms in (100, 1_000):
        now_us += lost_after(d, now_us) * MS
        now_us = stays(d, heard_until_counted(d, now_us + absence_ms * MS), 61_000)
    now_us += lost_after(d, now_us) * MS
    assert heard_until_counted(d, now_us + 1_000 * MS) == now_us + 1_000 * MS


def test_a_suspicious_silence_begins_the_calm_anew() -> None:
    d = detector()
    now_us = alive_until(d, 20_000)
    now_us += lost_after(d, now_us) * MS + 100 * MS
    d.heard(now_us, P, 7)
    assert d.peers[P].state is State.HELD
    for _ in range(20):
        now_us += 200 * MS
        d.due(now_us)
        d.heard(now_us, P, 7)
    assert not d.hears
    assert heard_until_counted(d, now_us + 100 * MS) - now_us == 20_000 * MS
