"""One node's part: every stage, every way in which an agent can disappoint, and an end in time in all of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.fencing.api import (
    AgentEnded,
    End,
    Finished,
    Job,
    Launch,
    Phase,
    Ran,
    Recall,
    Record,
    Run,
    RunnerEffect,
    SetTimer,
    TimerFired,
)
from standfast.fencing.history import RECORDS_MAX, History
from standfast.fencing.runner import Runner

SECOND = 1_000_000


def metadata(*actions: str) -> bytes:
    listed = "".join(f'<action name="{name}"/>' for name in actions)
    parameters = '<parameters><parameter name="plug"/></parameters>'
    return f"<resource-agent>{parameters}<actions>{listed}</actions></resource-agent>".encode()


class Bench:
    """A runner, and agents that answer as `says` has it: action -> (rc, stdout), None for one that hangs."""

    def __init__(self, *actions: str, **says: tuple[int, bytes] | None) -> None:
        self.runner = Runner((), "boot")
        self.says: dict[str, tuple[int, bytes] | None] = {"metadata": (0, metadata(*actions)), **says}
        self.now_us = 0
        self.asked: list[str] = []
        self.ran: list[Ran] = []
        self.running: dict[int, str] = {}
        self.timer_us: int | None = None

    def feed(self, event: Run | Recall | AgentEnded | TimerFired) -> None:
        queue = [event]
        while queue:
            for effect in self.runner.step(self.now_us, queue.pop(0)):
                queue += self.perform(effect)
            self.runner.check()

    def perform(self, effect: RunnerEffect) -> list[Run | Recall | AgentEnded | TimerFired]:
        match effect:
            case Launch(run, _, _, stdin):
                action = stdin.decode().split("\n")[0].removeprefix("action=")
                self.asked.append(action)
                said = self.says.get(action, (0, b""))
                self.running[run] = action
                return [AgentEnded(run, said[0], said[1], b"no\n" if said[0] == 1 else b"")] if said is not None else []
            case End(run, force) if force and run in self.running:
                return [AgentEnded(run, -9, b"", b"")]
            case Finished(ran):
                self.ran.append(ran)
            case SetTimer(at_us):
                self.timer_us = at_us
            case _:
                pass
        return []

    def run(self, until_s: int = 300) -> None:
        while self.timer_us is not None and self.timer_us <= until_s * SECOND:
            self.now_us, self.timer_us = max(self.timer_us, self.now_us), None
            self.feed(TimerFired())


def job(action: str = "off", number: int = 1, **parameters: str) -> Job:
    given = {"pcmk_host_list": "n1", **parameters}
    return Job(f"j{number}", "d", "fence_x", tuple(given.items()), "n1", action, 20_000, 0)


def test_off_and_proof() -> None:
    bench = Bench("on", "off", "status", status=(2, b""))
    bench.feed(Run(job()))
    assert bench.asked == ["metadata", "off", "status"]
    assert bench.ran == [Ran("j1", ok=True)]


def test_an_agent_without_reboot_is_turned_off_and_on() -> None:
    bench = Bench("on", "off", "status", status=(2, b""))
    bench.feed(Run(job("reboot")))
    assert bench.asked == ["metadata", "off", "status", "on"]
    assert bench.ran[0].ok


def test_an_on_that_fails_after_an_off_is_still_a_fencing() -> None:
    bench = Bench("on", "off", on=(1, b""))
    bench.feed(Run(job("reboot")))
    assert bench.ran[0].ok


def test_the_same_order_again_gets_the_same_answer_and_no_second_shot() -> None:
    bench = Bench("off")
    bench.feed(Run(job()))
    bench.feed(Run(job()))
    assert bench.asked == ["metadata", "off"]
    assert bench.ran == [Ran("j1", ok=True)] * 2


def test_one_action_at_a_time_and_device() -> None:
    bench = Bench("off", off=None)
    bench.feed(Run(job(number=1)))
    bench.feed(Run(job(number=2)))
    assert bench.asked == ["metadata", "off"]
    bench.feed(AgentEnded(2, 0, b"", b""))
    assert bench.asked == ["metadata", "off", "off"]


def test_a_hanging_agent_is_ended_and_told() -> None:
    bench = Bench("off", off=None)
    bench.feed(Run(job()))
    bench.run()
    assert [r.ok for r in bench.ran] == [False]
    assert "did not complete within 20000 ms" in bench.ran[0].reason


def test_tries_and_reason() -> None:
    bench = Bench("off", off=(1, b""))
    bench.feed(Run(job(pcmk_off_retries="4")))
    bench.run()
    assert bench.asked.count("off") == 4
    assert bench.ran == [Ran("j1", ok=False, reason="no")]


def test_a_liar_is_asked_five_times() -> None:
    bench = Bench("off", "status", status=(0, b""))
    bench.feed(Run(job()))
    bench.run()
    assert bench.asked.count("status") == 5
    assert not bench.ran[0].ok


def test_an_agent_that_is_not_there() -> None:
    bench = Bench("off", metadata=None)
    bench.feed(Run(job()))
    bench.feed(AgentEnded(1, None, b"", b"", "no such file"))
    assert bench.ran == [Ran("j1", ok=False, reason="no such file")]


def test_a_name_that_is_no_agent() -> None:
    bench = Bench("off")
    bench.feed(Run(Job("j", "d", "../bin/sh", (), "n1", "off", 1_000, 0)))
    assert bench.asked == []
    assert not bench.ran[0].ok


REPLIES = st.sampled_from([(0, b""), (1, b""), (2, b""), (0, b"n1\n"), None])


@given(st.lists(st.sampled_from(["on", "off", "reboot", "status", "list"]), max_size=5), st.data())
def test_every_order_is_answered_once_and_never_well_without_the_agent(actions: list[str], data: st.DataObject) -> None:
    says = {name: data.draw(REPLIES) for name in ("metadata", "off", "reboot", "status", "list", "on")}
    bench = Bench(*actions, **says)
    check = data.draw(st.sampled_from(["", "status", "dynamic-list", "none"]))
    wanted = data.draw(st.sampled_from(["off", "reboot"]))
    bench.feed(
        Run(Job("j", "d", "fence_x", (("pcmk_host_check", check),), "n1", wanted, 20_000, data.draw(st.integers(-1, 5_000))))
    )
    bench.run(600)
    assert len(bench.ran) == 1
    if bench.ran[0].ok:
        done = [name for name in ("off", "reboot") if (says[name] or (1, b""))[0] == 0 and name in bench.asked]
        assert done, "success without an agent that said so"


def test_the_history_is_bounded_and_ended_stays_ended() -> None:
    history = History()
    for number in itertools.count():
        if number > RECORDS_MAX + 20:
            break
        history.note(Record(str(number), "n1", "off", "c", "o", Phase.FAILED, completed_s=number))
        history.check()
    assert len(history.records()) == RECORDS_MAX
    assert history.records()[0].id == str(RECORDS_MAX + 20)
    history.note(Record(str(RECORDS_MAX), "n1", "off", "c", "o", Phase.PENDING))
    assert all(r.phase is Phase.FAILED for r in history.records())
    history.forget("n1")
    assert history.records() == ()


BACK = Ran("j1", ok=False, reason="back", recalled=True)


@pytest.mark.parametrize("hangs", ["metadata", "list"])
def test_what_has_done_nothing_yet_is_left_alone_when_it_is_called_back(hangs: str) -> None:
    bench = Bench("on", "off", "list", **{hangs: None})
    bench.feed(Run(job(pcmk_host_check="dynamic-list")))
    bench.feed(Recall("j1", "back"))
    assert bench.ran == [BACK]
    bench.run()
    assert "off" not in bench.asked
    bench.feed(Run(job()))
    assert bench.ran == [BACK, BACK], "ordered again, it says so again"


def test_neither_a_delayed_nor_a_queued_one_is_carried_out_when_it_is_called_back() -> None:
    bench = Bench("on", "off")
    bench.feed(Run(job(pcmk_delay_base="9s")))
    bench.feed(Run(job(number=2)))
    bench.feed(Recall("j2", "back"))
    bench.feed(Recall("j1", "back"))
    assert [(ran.job, ran.recalled) for ran in bench.ran] == [("j2", True), ("j1", True)]
    bench.run()
    assert "off" not in bench.asked


@pytest.mark.parametrize("hangs", ["off", "status"])
def test_what_has_begun_goes_on_though_it_is_called_back(hangs: str) -> None:
    bench = Bench("on", "off", "status", **{hangs: None})
    bench.feed(Run(job()))
    bench.feed(Recall("j1", "back"))
    assert bench.ran == []
    bench.run()
    assert [ran.recalled for ran in bench.ran] == [False]


def test_all_that_was_ordered_by_another_is_called_back_at_once() -> None:
    bench = Bench("on", "off", off=None)
    bench.feed(Run(job()))
    bench.feed(Run(job(number=2)))
    bench.feed(Run(job(number=3)))
    bench.feed(Recall("", "another coordinates"))
    assert [(ran.job, ran.recalled) for ran in bench.ran] == [("j2", True), ("j3", True)]


def test_a_job_that_nobody_knows_is_not_called_back() -> None:
    bench = Bench("on", "off")
    bench.feed(Recall("j1", "back"))
    assert bench.ran == []


def test_a_fencing_began_when_it_began() -> None:
    history = History()
    history.note(Record("1", "n1", "off", "c", "o", Phase.PENDING, began_s=100))
    history.note(Record("1", "n1", "off", "c", "o", Phase.SUCCESS, "n2", began_s=160, completed_s=160))
    assert [(r.began_s, r.completed_s) for r in history.records()] == [(100, 160)]
