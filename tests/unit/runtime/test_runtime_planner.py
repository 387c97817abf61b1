"""The scheduler's process, for real: it follows a document, answers in order, prepares when idle, and is never in the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from standfast.cib.apply import apply
from standfast.cib.document import Cib, Version
from standfast.cib.operations import Change, Operation, OpKind, Origin, encode_change
from standfast.controller.effects import AskPlan, Document, Follow, Foresee, ForScheduler, PlanMade
from standfast.lab.clusters import settled
from standfast.runtime.foresight import Foresight
from standfast.runtime.planner import fork_planner, frame, read_answer
from standfast.scheduler.api import Plan
from standfast.scheduler.follower import Follower
from standfast.scheduler.plan import schedule

BY_HAND = Origin("root", "test", "node1", 1_782_000_000)


class Talk:
    """A worker and a document that it follows."""

    def __init__(self, kept: Path | None = None) -> None:
        self.planner = fork_planner(kept)
        self.planner.line.settimeout(30)
        self.cib = Cib.parse(etree.tostring(settled(3, 41)))
        self.number = 0

    def tell(self, news: ForScheduler) -> None:
        self.planner.line.sendall(frame(news))

    def ask(self, xml: bytes | None = None, *, keep: bool = False) -> PlanMade:
        self.number += 1
        self.tell(AskPlan(self.number, int(time.time()), xml, keep))
        answer = read_answer(self.planner.line)
        assert answer.number == self.number
        return answer

    def change(self, xml: str) -> bytes:
        change = Change((Operation(OpKind.MODIFY, "status", xml=xml),), BY_HAND)
        outcome = apply(self.cib, change)
        data = encode_change(change)
        self.tell(Follow(outcome.before, outcome.after, data))
        return data

    def scratch(self) -> Plan:
        return schedule(etree.fromstring(self.cib.compact()), int(time.time()), connects=False)

    def end(self) -> None:
        if self.planner.line.fileno() >= 0:
            self.planner.line.close()
            os.waitpid(self.planner.pid, 0)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path / "kept")
    yield made
    made.end()


def lost(node: int) -> str:
    return f'<node_state id="{node}" in_ccm="false" crmd="offline"/>'


def test_it_follows_and_plans_as_from_scratch(talk: Talk, tmp_path: Path) -> None:
    assert talk.ask().lost, "it has no document yet"
    talk.tell(Document(talk.cib.compact()))
    assert talk.ask().plan == talk.scratch()
    talk.change(lost(3))
    answer = talk.ask(keep=True)
    assert answer.plan == talk.scratch().decision(), "who carries it out is not told why"
    assert talk.ask().plan == talk.scratch()
    talk.tell(Follow(Version(9, 9, 9), Version(9, 9, 10), b""))
    assert talk.ask().lost
    talk.end()
    kept = [path.name for path in (tmp_path / "kept").glob("*.bz2")]
    assert kept in (["pe-input-0.bz2"], ["pe-warn-0.bz2"], ["pe-error-0.bz2"])


def test_a_document_of_the_asker_is_planned_and_forgotten(talk: Talk) -> None:
    talk.tell(Document(talk.cib.compact()))
    other = talk.ask(etree.tostring(settled(2, 9)))
    assert other.plan is not None
    assert len(other.plan.situation.nodes) == 2
    assert talk.ask().plan == talk.scratch()


def test_nonsense_is_answered_and_the_next_question_too(talk: Talk) -> None:
    answer = talk.ask(b"<cib")
    assert answer.fault is not None
    assert answer.fault.code == "scheduler.bug"
    talk.tell(Document(b"<cib/>"))
    assert talk.ask().lost
    talk.tell(Document(talk.cib.compact()))
    assert talk.ask().plan == talk.scratch()


def test_without_the_document_nothing_is_prepared_and_it_says_so_when_asked(talk: Talk) -> None:
    change = Change((Operation(OpKind.MODIFY, "status", xml=lost(3)),), BY_HAND)
    talk.tell(Foresee((encode_change(change),)))
    time.sleep(0.1)
    assert talk.ask().lost


def test_questions_are_answered_while_it_prepares_and_what_was_foreseen_is_right(talk: Talk) -> None:
    talk.tell(Document(talk.cib.compact()))
    changes = [Change((Operation(OpKind.MODIFY, "status", xml=lost(n)),), BY_HAND) for n in (2, 3)]
    talk.tell(Foresee(tuple(encode_change(change) for change in changes)))
    for _ in range(5):
        assert talk.ask().plan is not None
        time.sleep(0.03)
    time.sleep(0.5)
    talk.change(lost(3))
    assert talk.ask(keep=True).plan == talk.scratch().decision()


@pytest.fixture
def follower() -> Follower:
    made = Follower()
    made.take(Cib.parse(etree.tostring(settled(3, 9))).compact())
    return made


def until(foresight: Foresight, done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end_s
        foresight.go_on()
        time.sleep(0.001)


def change(node: int) -> bytes:
    return encode_change(Change((Operation(OpKind.MODIFY, "status", xml=lost(node)),), BY_HAND))


def test_a_child_prepares_and_leaves_the_document_alone(follower: Follower) -> None:
    foresight = Foresight(follower, lambda _: 0)
    before = follower.xml()
    foresight.prepare((change(2), change(3), b"nonsense"))
    until(foresight, lambda: foresight.pause_s() is None)
    assert follower.xml() == before
    assert follower.version is not None
    assert follower.follow(follower.version, follower.version.after_status(), change(3))
    assert follower.plan(int(time.time()), connects=False) is not None
    assert follower.ready == 1
    assert foresight.lines == ()


def test_an_interrupted_child_is_gone_and_its_work_is_begun_again(follower: Follower) -> None:
    foresight = Foresight(follower, lambda _: 0)
    foresight.prepare((change(3),))
    until(foresight, lambda: bool(foresight.lines))
    child, start_s = foresight._child, time.monotonic()
    assert child is not None
    foresight.interrupt()
    assert time.monotonic() - start_s < 1
    assert foresight.lines == ()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    until(foresight, lambda: foresight.pause_s() is None)
    assert follower.version is not None
    assert follower.follow(follower.version, follower.version.after_status(), change(3))
    follower.plan(int(time.time()), connects=False)
    assert follower.ready == 1


def test_news_of_the_document_end_what_was_supposed(follower: Follower) -> None:
    foresight = Foresight(follower, lambda _: 0)
    foresight.prepare((change(2), change(3)))
    until(foresight, lambda: bool(foresight.lines))
    foresight.interrupt()
    foresight.forget()
    assert foresight.pause_s() is None


def test_a_child_that_dies_costs_nothing_but_its_plan(follower: Follower) -> None:
    foresight = Foresight(follower, lambda _: 0)
    foresight.prepare((change(3),))
    until(foresight, lambda: bool(foresight.lines))
    assert foresight._child is not None
    os.kill(foresight._child, signal.SIGKILL)
    until(foresight, lambda: foresight.pause_s() is None)
    assert foresight.lines == ()
