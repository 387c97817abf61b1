"""The coordinator's life as a conversation: what it asks for, what it starts, and what makes it ask again."""

from standfast.base.situation import Situation
from standfast.controller.coordinator import Alarm, Coordinator, Duty, Effect, Progress, Start, Told, WantPlan
from standfast.controller.messages import Landed
from standfast.scheduler.api import Plan
from standfast.scheduler.graph.model import Action, ActionKind, Graph

SECOND = 1_000_000
NOTHING = Situation((), (), (), (), (), (), 0, 0, 0)


def action(number: int, operation: str, node: str, inputs: tuple[int, ...] = ()) -> Action:
    key = f"vip_{operation}_0"
    agent = ("ocf", "heartbeat", "IPaddr2")
    return Action(number, ActionKind.RSC_OP, operation, key, node, node, "vip", agent, 0, (), inputs, timeout_ms=20_000)


def plan(*actions: Action, recheck_s: int | None = None) -> Plan:
    return Plan(Graph(actions), (), (), (), (), NOTHING, recheck_s)


MOVE = plan(action(1, "stop", "n1"), action(2, "start", "n2", (1,)))


def landed(start: Start, rc: int = 0, status: int = 0, reason: str = "") -> Landed:
    return Landed(1, "vip", start.action.operation, 0, str(start.key), rc, status, reason)  # type: ignore[arg-type]


def starts(effects: tuple[Effect, ...]) -> list[Start]:
    return [e for e in effects if isinstance(e, Start)]


def words(effects: tuple[Effect, ...]) -> list[str]:
    out = []
    for effect in effects:
        match effect:
            case WantPlan(number):
                out.append(f"plan {number}?")
            case Start(what, _, handover):
                out.append(f"{what.operation} on {what.node}{' handed over' if handover else ''}")
            case Progress(number, state, _, reason):
                out.append(f"transition {number} {state}" + (f": {reason}" if reason else ""))
            case Told(report):
                out.append(report.code)
            case Alarm():
                pass
    return out


class Talk:
    """A coordinator and a clock that only goes on when told."""

    def __init__(self) -> None:
        self.now_us = 0
        self.it = Coordinator("uuid")

    def planned(self, number: int, answer: Plan | None) -> tuple[Effect, ...]:
        out = self.it.planned(self.now_us, 0, number, answer, None)
        self.it.check()
        return out

    def ran_until_move(self) -> Start:
        assert words(self.it.appointed(self.now_us)) == ["plan 1?"]
        effects = self.planned(1, MOVE)
        assert words(effects) == ["transition 0 running", "stop on n1"]
        return starts(effects)[0]


def test_a_planned_move_from_appointment_to_rest() -> None:
    talk = Talk()
    stop = talk.ran_until_move()
    effects = talk.it.landed(talk.now_us, landed(stop))
    assert words(effects) == ["start on n2 handed over"], "the stop was confirmed, so the new holder need not ask"
    assert words(talk.it.landed(talk.now_us, landed(starts(effects)[0]))) == ["transition 0 complete"]
    assert talk.it.is_settled


def test_a_stop_of_what_was_not_there_hands_nothing_over() -> None:
    talk = Talk()
    stop = talk.ran_until_move()
    effects = talk.it.landed(talk.now_us, landed(stop, reason="172.16.0.100 was not on this node"))
    assert words(effects) == ["start on n2"], "the start before it may have failed because of a stranger: ask again"


def test_a_failed_stop_is_planned_again_and_starts_nothing() -> None:
    talk = Talk()
    stop = talk.ran_until_move()
    effects = talk.it.landed(talk.now_us, landed(stop, rc=1))
    assert words(effects) == [
        "transition 0 aborted: vip stop ended with rc 1 instead of 0",
        "controller.transition-aborted",
        "plan 2?",
    ]


def test_a_change_while_running_waits_for_what_flies_and_then_plans_again() -> None:
    talk = Talk()
    stop = talk.ran_until_move()
    assert words(talk.it.changed(talk.now_us, "the configuration changed")) == []
    out = words(talk.it.landed(talk.now_us, landed(stop)))
    assert out == ["transition 0 aborted: the configuration changed", "controller.transition-aborted", "plan 2?"]


def test_a_change_while_planning_makes_the_plan_stale() -> None:
    talk = Talk()
    talk.it.appointed(0)
    assert talk.it.changed(0, "a node joined") == ()
    assert words(talk.planned(1, MOVE)) == ["plan 2?"]
    assert talk.planned(1, MOVE) == (), "an answer to an old question is nobody's"


def test_dismissed_in_the_middle_forgets_everything() -> None:
    for steps in range(3):
        talk = Talk()
        if steps > 0:
            talk.it.appointed(0)
        if steps > 1:
            talk.planned(1, MOVE)
        assert talk.it.dismissed() == ()
        talk.it.check()
        assert talk.it.duty is Duty.IDLE
        assert talk.planned(1, MOVE) == ()
        assert talk.it.changed(0, "x") == ()


def test_an_action_without_an_answer_is_given_up_after_timeout_and_allowance() -> None:
    talk = Talk()
    talk.ran_until_move()
    assert words(talk.it.elapsed(79 * SECOND)) == []
    out = words(talk.it.elapsed(80 * SECOND))
    assert out[0] == "controller.action-lost"
    assert out[-1] == "plan 2?"


def test_a_result_from_another_life_is_news_not_an_answer() -> None:
    talk = Talk()
    talk.it.appointed(0)
    talk.planned(1, plan())
    old = Landed(1, "vip", "monitor", 10_000, "3:7:0:another-uuid", 7, 0, "gone")  # type: ignore[arg-type]
    assert words(talk.it.landed(0, old)) == ["plan 2?"]


def test_too_many_plans_are_slowed_down_but_never_forgotten() -> None:
    talk = Talk()
    talk.it.appointed(0)
    number = 1
    while talk.it.duty is not Duty.HOLDING:
        talk.planned(number, plan())
        number += 1
        talk.it.changed(0, "flapping")
        assert number < 100
    assert words(talk.it.elapsed(3 * SECOND)) == [f"plan {number}?"]


def test_it_looks_again_when_the_plan_says_so() -> None:
    talk = Talk()
    talk.it.appointed(0)
    out = talk.planned(1, plan(recheck_s=60))
    assert out == (Alarm(60 * SECOND),)
    assert words(talk.it.elapsed(60 * SECOND)) == ["plan 2?"]


def test_no_plan_is_said_and_tried_again_later() -> None:
    talk = Talk()
    talk.it.appointed(0)
    assert words(talk.planned(1, None)) == ["controller.no-plan"]
    assert words(talk.it.elapsed(60 * SECOND)) == ["plan 2?"]
