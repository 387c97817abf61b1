"""A graph in flight: fired once, in order, never past a failure, and over exactly when nothing is left."""

from hypothesis import given
from hypothesis import strategies as st

from standfast.controller.transition import Run, RunState, target_rc
from standfast.executor.history import TransitionKey, parse_transition_key
from standfast.scheduler.graph.model import Action, ActionKind, Graph


def action(number: int, operation: str, node: str = "n1", inputs: tuple[int, ...] = (), pseudo: bool = False) -> Action:
    kind = ActionKind.PSEUDO if pseudo else ActionKind.RSC_OP
    agent = ("", "", "") if pseudo else ("ocf", "heartbeat", "Dummy")
    attributes = (("CRM_meta_op_target_rc", "7"),) if operation == "monitor" else ()
    return Action(number, kind, operation, f"r_{operation}_0", node, node, "r", agent, 0, attributes, inputs)


MOVE = Graph(
    (action(1, "stop", "n1"), action(2, "all_stopped", pseudo=True, inputs=(1,)), action(3, "start", "n2", inputs=(1, 2)))
)


def state(run: Run) -> RunState:
    return run.state


def names(actions: tuple[Action, ...]) -> list[str]:
    return [f"{a.operation} on {a.node}" for a in actions]


def test_a_move_stops_first_and_starts_when_the_stop_is_confirmed() -> None:
    run = Run(MOVE, 0, "u")
    assert names(run.fire()) == ["stop on n1"]
    assert names(run.fire()) == []
    assert names(run.confirmed(1)) == ["start on n2"]
    assert state(run) is RunState.RUNNING
    assert names(run.confirmed(3)) == []
    assert state(run) is RunState.COMPLETE


def test_a_failed_stop_starts_nothing() -> None:
    run = Run(MOVE, 0, "u")
    run.fire()
    run.failed(1, "stop failed")
    assert (run.state, run.fire()) == (RunState.ABORTED, ())


def test_an_abort_waits_for_what_is_in_flight() -> None:
    run = Run(MOVE, 0, "u")
    run.fire()
    run.abort("the configuration changed")
    assert state(run) is RunState.ENDING
    assert run.confirmed(1) == ()
    assert state(run) is RunState.ABORTED


def test_a_lost_node_answers_no_more() -> None:
    run = Run(MOVE, 0, "u")
    run.fire()
    run.lose("n1")
    assert state(run) is RunState.ABORTED


def test_a_confirmation_counts_once_and_only_for_what_flies() -> None:
    run = Run(MOVE, 0, "u")
    assert names(run.confirmed(3)) == ["stop on n1"], "a start that was never fired cannot be confirmed"
    assert names(run.confirmed(1)) == ["start on n2"]
    assert names(run.confirmed(1)) == []


def test_keys_go_there_and_back() -> None:
    run = Run(Graph((action(4, "monitor"),)), 12, "8a-b")
    (probe,) = run.fire()
    assert target_rc(probe) == 7
    key = run.key(probe)
    assert str(key) == "4:12:7:8a-b"
    assert parse_transition_key(str(key)) == key
    assert run.owns(key)
    assert not run.owns(TransitionKey(4, 11, 7, "8a-b"))
    assert not run.owns(TransitionKey(4, 12, 7, "other"))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 12))
    actions = []
    for number in range(1, count + 1):
        inputs = draw(st.lists(st.integers(1, number - 1), unique=True, max_size=4)) if number > 1 else []
        actions.append(action(number, "start", inputs=tuple(inputs), pseudo=draw(st.booleans())))
    return Graph(tuple(actions))


@given(graphs(), st.randoms(use_true_random=False), st.integers(0, 12))
def test_whatever_the_order_of_answers_each_is_fired_once_and_an_abort_anywhere_ends(graph, random, abort_after) -> None:  # type: ignore[no-untyped-def]
    run = Run(graph, 0, "u")
    flying = list(run.fire())
    fired = [a.id for a in flying]
    answered = 0
    while not run.is_over:
        run.check()
        if answered == abort_after:
            run.abort("interrupted")
            if not flying:
                break
        landed = flying.pop(random.randrange(len(flying)))
        answered += 1
        more = run.confirmed(landed.id)
        flying += more
        fired += [a.id for a in more]
    run.check()
    assert len(fired) == len(set(fired))
    assert run.is_over
    if run.state is RunState.COMPLETE:
        assert sorted(fired) == [a.id for a in graph.actions if a.kind is ActionKind.RSC_OP]
