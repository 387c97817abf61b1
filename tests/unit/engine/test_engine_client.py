"""The manager's presence, the leave, the stall and the pulse's arithmetic, each as a small conversation."""

from __future__ import annotations

import pytest

from standfast.base.ids import NodeId
from standfast.engine.client import MOVES, Client, Presence, Sign
from standfast.engine.leaver import Leaver
from standfast.engine.messages import NO_VIEW, Beat
from standfast.engine.pulse import Evidence
from standfast.engine.settings import Times
from standfast.engine.stall import Stall

MS = 1_000
A, B, C = NodeId(1), NodeId(2), NodeId(3)


def test_a_manager_that_is_back_in_time_was_never_gone() -> None:
    c = Client(Times())
    c.take(0, Sign.ATTACHED)
    assert not c.take(100, Sign.LOST)
    assert c.deadline_us == 100 + 1_500 * MS
    c.take(200, Sign.ATTACHED)
    assert c.deadline_us is None


def test_a_manager_that_stays_away_is_told_once() -> None:
    c = Client(Times())
    c.take(0, Sign.ATTACHED)
    c.take(0, Sign.LOST)
    assert c.take(1_500 * MS, Sign.EXPIRED)
    assert c.is_absent
    assert not c.take(1_600 * MS, Sign.EXPIRED)


def test_a_manager_that_hangs_is_absent_until_it_answers() -> None:
    c = Client(Times())
    c.take(0, Sign.ATTACHED)
    c.take(0, Sign.PULSED)
    c.take(500 * MS, Sign.PULSED)
    assert c.deadline_us == 3_000 * MS, "counted from the first pulse that was not answered"
    assert c.take(3_000 * MS, Sign.EXPIRED)
    assert c.is_attached
    c.take(3_100 * MS, Sign.ANSWERED)
    assert not c.is_absent


@pytest.mark.parametrize("presence", list(Presence))
@pytest.mark.parametrize("sign", list(Sign))
def test_every_presence_takes_every_sign(presence: Presence, sign: Sign) -> None:
    c = Client(Times())
    c.presence = presence
    c.deadline_us = 1 if presence is Presence.AWAY else None
    c.take(10, sign)
    c.check()
    if (presence, sign) not in MOVES:
        assert c.presence is presence


def test_goodbye_is_repeated_until_all_have_heard_it() -> None:
    leaver = Leaver()
    assert leaver.due(0, [B, C], is_flushed=True) == []
    leaver.begin(0)
    assert leaver.due(0, [B, C], is_flushed=True) == [B, C]
    leaver.answered(B)
    assert leaver.due(20 * MS, [B, C], is_flushed=True) == [C]
    leaver.answered(C)
    leaver.due(21 * MS, [B, C], is_flushed=True)
    assert leaver.is_done
    assert leaver.next_us is None


def test_goodbye_ends_although_nobody_hears_it() -> None:
    leaver = Leaver()
    leaver.begin(0)
    assert leaver.due(100 * MS, [B], is_flushed=False) == [], "first deliver what is ours"
    assert leaver.due(300 * MS, [B], is_flushed=False) == [B]
    leaver.due(500 * MS, [B], is_flushed=False)
    assert leaver.is_done


def test_the_woken_wait_for_everybody() -> None:
    stall = Stall(Times())
    stall.begin(0, [A, B], 1_000 * MS)
    assert not stall.answered(A)
    assert not stall.answered(A)
    assert stall.answered(B)


def test_the_woken_do_not_believe_an_early_goodbye() -> None:
    stall = Stall(Times())
    stall.begin(0, [B], 1_000 * MS)
    assert not stall.lost(5 * MS, [B]), "it may have waited in the socket all the time"
    assert not stall.elapsed(374 * MS)
    assert stall.elapsed(375 * MS)


def beat(echo_us: int) -> Beat:
    return Beat(False, 0, echo_us, 0, NO_VIEW, NO_VIEW, 0)


def test_two_members_vouch_for_each_other() -> None:
    evidence = Evidence(A, (A, B))
    votes = {A: 1, B: 1}
    assert evidence.since_us(900, votes, 2) == 0
    evidence.beat(B, beat(700))
    evidence.beat(B, beat(600))
    assert evidence.since_us(900, votes, 1) == 700, "with two_node too, although one vote is enough for quorum"


@pytest.mark.parametrize(
    ("votes", "needed", "since_us"),
    [
        ((1, 1, 1), 2, 800),  # A and the freshest other
        ((1, 1, 1), 3, 600),  # quorum needs all
        ((3, 1, 1), 3, 900),  # A alone is the majority
        ((1, 1, 1), 9, 600),  # not quorate at all: everybody
    ],
)
def test_more_members_vouch_by_votes(votes: tuple[int, int, int], needed: int, since_us: int) -> None:
    evidence = Evidence(A, (A, B, C))
    evidence.beat(B, beat(600))
    evidence.beat(C, beat(800))
    assert evidence.since_us(900, dict(zip((A, B, C), votes, strict=True)), needed) == since_us


def test_a_manager_that_never_comes_is_told_after_the_first_wait_and_may_still_come() -> None:
    client = Client(Times())
    client.begin(0)
    client.check()
    assert client.deadline_us == Times().client_first_ms * 1000
    assert client.take(client.deadline_us, Sign.EXPIRED)
    assert client.is_absent
    client.check()
    client.take(client.times.client_first_ms * 1000 + 1, Sign.ATTACHED)
    assert client.presence is Presence.HERE
    client.check()
