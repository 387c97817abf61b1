"""The executor's life as conversations: who waits for whom, what happens at a time limit, when a result is worth telling."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from standfast.executor.api import (
    Agent,
    AgentClass,
    AgentExited,
    CancelRecurring,
    Completed,
    NativeChanged,
    NativeDone,
    OpStatus,
    Perform,
    Rc,
    RunAgent,
    SetTimer,
    TimerFired,
)
from standfast.executor.environment import Settings
from standfast.executor.lines import RunInput, RunState
from standfast.executor.machine import WAITING_MAX, Executor

if TYPE_CHECKING:
    from tests.unit.executor.executor_lab import WALL_S, Lab, request, trimmed
else:
    from executor_lab import WALL_S, Lab, request, trimmed

ORDINARY_LIFE = """
    > 0 perform d monitor
    agent 1: Dummy monitor
    timer 20000
    > 10 exited 1 rc=7
    = d_monitor_0: not running call 1 10+0ms
    > 20 perform d start
    agent 2: Dummy start
    timer 20020
    > 50 exited 2 rc=0
    = d_start_0: ok call 2 30+0ms
    > 60 perform d monitor/10000
    agent 3: Dummy monitor
    timer 20060
    > 70 exited 3 rc=0
    = d_monitor_10000: ok call 3 10+0ms
    timer 10070
    > 10070 timer
    agent 4: Dummy monitor
    timer 30070
    > 10080 exited 4 rc=0
    timer 20080
    > 20080 timer
    agent 5: Dummy monitor
    timer 40080
    > 20090 exited 5 rc=7 reason='the process is gone'
    = d_monitor_10000: not running (the process is gone) call 3 10+0ms
    timer 30090
    > 30090 timer
    agent 6: Dummy monitor
    timer 50090
    > 30100 exited 6 rc=7 reason='still gone'
    timer 40100
    > 30200 perform d stop
    agent 7: Dummy stop
    timer 50200
    > 30230 exited 7 rc=0
    = d_stop_0: ok call 4 30+0ms
    > 60000 timer
"""

TIME_LIMIT = """
    > 0 perform d start timeout=1000
    agent 1: Dummy start
    timer 1000
    > 10 perform d stop
    > 20 perform e start
    agent 2: Dummy start
    > 1000 timer
    ! executor.timeout
    term 1
    = d_start_0: Timed Out (Resource agent did not complete within 1s) call 1 1000+0ms
    timer 2000
    > 2000 timer
    kill 1
    timer 12000
    > 2010 exited 1 rc=-9
    agent 3: Dummy stop
    timer 20020
    > 2020 exited 3 rc=0
    = d_stop_0: ok call 2 10+2000ms
    > 2030 exited 1 rc=0
"""

TERM_IS_ENOUGH = """
    > 0 perform d monitor timeout=1000
    agent 1: Dummy monitor
    timer 1000
    > 1000 timer
    ! executor.timeout
    term 1
    = d_monitor_0: Timed Out (Resource agent did not complete within 1s) call 1 1000+0ms
    timer 2000
    > 1005 exited 1 rc=-15
    > 2000 timer
"""

NEVER_GONE = """
    > 0 perform d start timeout=1000
    agent 1: Dummy start
    timer 1000
    > 10 perform d stop timeout=5000
    > 1000 timer
    ! executor.timeout
    term 1
    = d_start_0: Timed Out (Resource agent did not complete within 1s) call 1 1000+0ms
    timer 2000
    > 2000 timer
    kill 1
    timer 6000
    > 6000 timer
    = d_stop_0: Timed Out (the processes of d_start_0 could not be ended) call 2 0+5000ms
    timer 12000
    > 12000 timer
    ! executor.stuck
    kill 1
    timer 22000
    > 22000 timer
    kill 1
    timer 32000
    > 23000 perform d stop timeout=5000
    timer 28000
    > 24000 exited 1 rc=-9
    agent 2: Dummy stop
    timer 29000
"""

STOP_MAKES_WAY = """
    > 0 perform d monitor/10000
    agent 1: Dummy monitor
    timer 20000
    > 10 perform d monitor/20000
    > 20 perform d notify
    > 30 perform d start
    > 40 perform d stop
    = d_monitor_20000: Cancelled call 2
    = d_start_0: Cancelled call 4
    kill 1
    = d_monitor_10000: Cancelled call 1
    timer 10040
    > 50 exited 1 rc=-9
    agent 2: Dummy notify
    timer 20050
    > 60 exited 2 rc=0
    = d_notify_0: ok call 3 10+30ms
    agent 3: Dummy stop
    timer 20060
"""

RUNNING_START_IS_WAITED_FOR = """
    > 0 perform d start
    agent 1: Dummy start
    timer 20000
    > 10 perform d stop
    > 500 exited 1 rc=0
    = d_start_0: ok call 1 500+0ms
    agent 2: Dummy stop
    timer 20500
"""

CANCEL = """
    > 0 perform d monitor/10000
    agent 1: Dummy monitor
    timer 20000
    > 10 exited 1 rc=0
    = d_monitor_10000: ok call 1 10+0ms
    timer 10010
    > 20 cancel d monitor/10000
    = d_monitor_10000: Cancelled call 1
    > 30 cancel d monitor/10000
    = d_monitor_10000: Cancelled call 2
    > 40 perform d monitor/5000
    agent 2: Dummy monitor
    timer 20040
    > 50 cancel d monitor/5000
    kill 2
    = d_monitor_5000: Cancelled call 3
    = d_monitor_5000: Cancelled call 3
    timer 10050
    > 60 exited 2 rc=-9
    > 10050 timer
"""

ASKED_AGAIN = """
    > 0 perform d monitor/10000
    agent 1: Dummy monitor
    timer 20000
    > 10 exited 1 rc=0
    = d_monitor_10000: ok call 1 10+0ms
    timer 10010
    > 5000 perform d monitor/10000
    agent 2: Dummy monitor
    timer 25000
    > 5010 exited 2 rc=0
    = d_monitor_10000: ok call 2 10+0ms
    timer 15010
"""

NATIVE = """
    > 0 perform ip start native
    native 1: ip_start_0
    timer 20000
    > 5 answered 1 rc=0
    = ip_start_0: ok call 1 5+0ms
    > 10 perform ip monitor/10000 native
    native 2: ip_monitor_10000
    timer 20010
    > 11 answered 2 rc=0
    = ip_monitor_10000: ok call 2 1+0ms
    timer 10011
    > 300 changed ip rc=7 reason='somebody deleted 172.16.0.100'
    = ip_monitor_10000: not running (somebody deleted 172.16.0.100) call 2
    > 310 changed ip rc=7
    > 10011 timer
    native 3: ip_monitor_10000
    timer 30011
    > 10012 answered 3 rc=0
    = ip_monitor_10000: ok call 2 1+0ms
    timer 20012
    > 20012 timer
    native 4: ip_monitor_10000
    timer 40012
    > 40012 timer
    ! executor.timeout
    forget 4
    = ip_monitor_10000: Timed Out (Resource agent did not complete within 20s) call 2 20000+0ms
    timer 50012
    > 41000 answered 4 rc=0
    > 41001 perform ip stop native
    native 5: ip_stop_0
    timer 61001
    > 41002 changed ip rc=7
    ! executor.unwatched
"""

NATIVE_START_THAT_WAITS_IS_GIVEN_UP = """
    > 0 perform ip start native
    native 1: ip_start_0
    timer 20000
    > 100 perform ip stop native
    forget 1
    = ip_start_0: Cancelled call 1
    native 2: ip_stop_0
    timer 20100
    > 101 answered 1 rc=0
    > 102 answered 2 rc=0
    = ip_stop_0: ok call 2 2+0ms
"""

START_DELAY = """
    > 0 perform d monitor/10000 delay=3000
    timer 3000
    > 10 perform d notify
    agent 1: Dummy notify
    timer 20010
    > 20 exited 1 rc=0
    = d_notify_0: ok call 2 10+0ms
    timer 3000
    > 3000 timer
    agent 2: Dummy monitor
    timer 23000
"""

FAULTS = """
    > 0 perform d start
    agent 1: Dummy start
    timer 20000
    > 10 broken 1 fault=missing text='/x/Dummy: No such file or directory'
    = d_start_0: Not installed (/x/Dummy: No such file or directory (install the package resource-agents on this node)) call 1 10+0ms
    > 20 perform d start
    agent 2: Dummy start
    timer 20020
    > 30 broken 2 fault=denied text='/x/Dummy: Permission denied'
    = d_start_0: Error (/x/Dummy: Permission denied) call 2 10+0ms
    > 40 perform d start
    agent 3: Dummy start
    timer 20040
    > 50 exited 3 rc=-11
    = d_start_0: Error (Resource agent interrupted by Segmentation fault signal) call 3 10+0ms
    > 60 perform ../../etc start
    = ../../etc_start_0: Error (../../etc: the resource name '../../etc' is not allowed: letters, digits and a few signs only, and no path (correct the name in the configuration)) call 4
    > 70 perform w promote agent=stonith:fence_x
    = w_promote_0: Error (fencing devices know no promote) call 5
"""  # noqa: E501 - a sentence that a person reads is one line

REFUSED_BEFORE_OTHERS = """
    > 0 perform u start agent=systemd:nginx
    unit 1: start nginx.service
    timer 20000
    > 1 perform u promote agent=systemd:nginx
    > 2 perform u notify agent=systemd:nginx
    > 3 perform u stop agent=systemd:nginx
    = u_promote_0: Cancelled call 2
    > 4 perform u notify agent=systemd:nginx
    > 5 exited 1 rc=0
    = u_start_0: ok call 1 5+0ms
    = u_notify_0: Error (u: Action notify not implemented for systemd resources) call 3 0+3ms
    unit 2: stop nginx.service
    timer 20005
"""

UNITS_AND_SCRIPTS = """
    > 0 perform u start agent=systemd:nginx
    unit 1: start nginx.service
    timer 20000
    > 10 exited 1 rc=0
    = u_start_0: ok call 1 10+0ms
    > 20 perform u monitor agent=systemd:nginx
    unit 2: status nginx.service
    timer 20020
    > 30 exited 2 rc=7
    = u_monitor_0: not running call 2 10+0ms
    > 40 perform l monitor agent=lsb:nginx
    agent 3: /etc/init.d/nginx status
    timer 20040
    > 50 exited 3 rc=3
    = l_monitor_0: not running call 3 10+0ms
    > 60 perform s monitor agent=service:nginx
    agent 4: /etc/init.d/nginx status
    timer 20060
    > 70 broken 4 fault=missing text='no such file'
    unit 5: status nginx.service
    > 80 exited 5 rc=7
    = s_monitor_0: not running call 4 20+0ms
    > 90 perform u promote agent=systemd:nginx
    = u_promote_0: Error (u: Action promote not implemented for systemd resources) call 5
"""

SCRIPTS = {
    name: script
    for name, script in globals().items()
    if name.isupper() and isinstance(script, str) and script.lstrip().startswith(">")
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_conversation(name: str) -> None:
    lab = Lab()
    assert lab.talk(SCRIPTS[name]) == trimmed(SCRIPTS[name])


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_conversation_interrupted_at_every_step_ends_idle(name: str) -> None:
    """Cut the conversation after each input; then every process ends and every timer fires: nothing stays in hand."""
    inputs = [line for line in trimmed(SCRIPTS[name]).splitlines() if line.startswith(">")]
    for cut in range(len(inputs) + 1):
        lab = Lab()
        lab.talk("\n".join(inputs[:cut]))
        for resource, interval in product(("d", "ip"), (5_000, 10_000, 20_000)):
            lab.step(CancelRecurring(resource, "monitor", interval, "k"))
        for _ in range(8):
            lab.now_ms += 100_000
            for run in range(1, 40):
                lab.step(AgentExited(run, -9, b"", b""))
                lab.step(NativeDone(run, 0, ""))
            lab.step(TimerFired())
        assert lab.executor.is_idle, (name, cut)


def test_the_table_names_every_state_with_every_input() -> None:
    assert set(Executor.MOVES) == set(product(RunState, RunInput))


def test_limit_for_single_operations_and_the_same_again_for_repeated_ones() -> None:
    lab = Lab(parallel_max=2)
    for name in ("a", "b", "c"):
        lab.step(Perform(request(name, "monitor", 1_000)))
    ran = [lab.step(Perform(request(name, "start"))) for name in ("x", "y", "z")]
    assert [any(isinstance(e, RunAgent) for e in effects) for effects in ran] == [True, True, False]
    # c and z wait; a stop that comes last goes first
    lab.step(Perform(request("w", "stop")))
    runs = [e for e in lab.step(AgentExited(3, 0, b"", b"")) if isinstance(e, RunAgent)]
    assert [run.argv[1] for run in runs] == ["stop"]
    runs = [e for e in lab.step(AgentExited(1, 0, b"", b"")) if isinstance(e, RunAgent)]
    assert [dict(run.environment)["OCF_RESOURCE_INSTANCE"] for run in runs] == ["c"]


def test_processes_that_cannot_be_ended_take_no_room_from_others() -> None:
    lab = Lab(parallel_max=1)
    lab.step(Perform(request("a", "start", timeout_ms=1_000)))
    lab.step(TimerFired(), 1_000)
    assert any(isinstance(e, RunAgent) for e in lab.step(Perform(request("b", "start"))))


def test_natives_need_no_room() -> None:
    lab = Lab(parallel_max=1)
    lab.step(Perform(request("a", "start")))
    assert lab.step(Perform(request("ip", "start", native=True)))


def test_line_of_a_resource_is_bounded_and_a_stop_still_finds_room() -> None:
    lab = Lab()
    lab.step(Perform(request("d", "start")))
    for _ in range(WAITING_MAX):
        assert not any(isinstance(e, Completed) for e in lab.step(Perform(request("d", "start"))))
    (refused,) = [e.result for e in lab.step(Perform(request("d", "start"))) if isinstance(e, Completed)]
    assert (refused.status, refused.rc) == (OpStatus.ERROR, Rc.UNKNOWN_ERROR)
    assert "wait already" in refused.reason
    cancelled = [e.result for e in lab.step(Perform(request("d", "stop"))) if isinstance(e, Completed)]
    assert {r.status for r in cancelled} == {OpStatus.CANCELLED}
    assert len(cancelled) == WAITING_MAX


def test_call_ids_go_on_where_the_history_ends_and_times_are_told() -> None:
    executor = Executor(Settings("n1"), 1, first_call_id=41)
    executor.step(0, WALL_S, Perform(request("d", "monitor", 10_000)))
    (first,) = [e.result for e in executor.step(5_000_000, WALL_S + 5, AgentExited(1, 0, b"", b"")) if isinstance(e, Completed)]
    assert (first.call_id, first.last_run_s, first.last_rc_change_s, first.exec_ms) == (41, WALL_S, WALL_S + 5, 5_000)


def test_a_failure_in_the_second_of_the_success_before_it_is_told_as_later() -> None:
    executor = Executor(Settings("n1"), 1)
    executor.step(0, WALL_S, Perform(request("ip", "monitor", 10_000, native=True)))
    told = []
    for event in (NativeDone(1, 0, ""), NativeChanged("ip", 7, "the address is gone"), NativeChanged("ip", 0, "")):
        told += [e.result.last_rc_change_s for e in executor.step(1, WALL_S, event) if isinstance(e, Completed)]
    assert told == [WALL_S, WALL_S + 1, WALL_S + 2], "or the scheduler could not tell which came last"


def test_a_frozen_host_does_not_make_its_agents_late() -> None:
    """SIGSTOP of the manager for a minute: the timer comes first, the agent's answer right behind it."""
    lab = Lab()
    lab.step(Perform(request("d", "start", timeout_ms=20_000)))
    effects = lab.step(TimerFired(), 60_000)
    assert not any(isinstance(e, Completed) for e in effects)
    assert [e.at_us for e in effects if isinstance(e, SetTimer)] == [61_000_000]
    (done,) = [e.result for e in lab.step(AgentExited(1, 0, b"", b""), 60_010) if isinstance(e, Completed)]
    assert (done.status, done.rc) == (OpStatus.DONE, 0)


def test_a_frozen_host_grants_that_once() -> None:
    lab = Lab()
    lab.step(Perform(request("d", "start", timeout_ms=20_000)))
    lab.step(TimerFired(), 60_000)
    assert any(isinstance(e, Completed) for e in lab.step(TimerFired(), 120_000))


def test_is_idle_does_not_count_monitors_that_wait() -> None:
    lab = Lab()
    assert lab.executor.is_idle
    lab.step(Perform(request("d", "monitor", 1_000)))
    assert not lab.executor.is_idle
    lab.step(AgentExited(1, 0, b"", b""))
    assert lab.executor.is_idle


def test_a_cancel_of_something_never_asked_for_is_answered_with_its_own_key() -> None:
    lab = Lab()
    (answer,) = [e.result for e in lab.step(CancelRecurring("x", "monitor", 1_000, "5:6:0:u")) if isinstance(e, Completed)]
    assert answer.request.transition_key == "5:6:0:u"
    assert answer.request.agent == Agent(AgentClass.OCF, "", "")
