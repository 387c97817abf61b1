"""The executor: runs operations, one at a time per resource, and says how each ended.

Owns the line of operations that wait for each resource, time limits, repeated monitors, and when a result is worth telling.
Does not own processes (runtime performs RunAgent and friends), what a code means (codes.py) or what an agent is started with
(environment.py).

The rules:

* One operation at a time per resource, first come first served; different resources run side by side, up to a limit for
  single operations and the same limit again for repeated ones, so that hanging monitors cannot keep a stop waiting.
* At its time limit an operation is answered TIMEOUT, whatever its processes do. They get TERM, and KILL a second later; the
  next operation of the resource starts only when AgentExited says that the whole process group is gone. An operation that
  waits behind processes that cannot be ended is answered TIMEOUT too, after its own time.
* A repeated operation runs again `interval` after the end of its last run. Its first result is told, and then each result
  whose status or code differs from the one told last (Pacemaker's executor does the same, send_cmd_complete_notify). Asking
  for it again makes it run and be told at once. A cancel or a stop of the resource ends it.
* A stop waits for nothing that it makes pointless: waiting starts, promotes, reloads and monitors are cancelled, a running
  repeated monitor is killed, a native start that still waits is given up.
* Every Perform is answered exactly once (a repeated one: at least once).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

from standfast.base.ids import US_PER_MS
from standfast.base.report import InvariantBroken, Refused, Report, error, warning
from standfast.executor import codes, environment
from standfast.executor.api import (
    Agent,
    AgentClass,
    AgentExited,
    CancelRecurring,
    Completed,
    EndAgent,
    EndNative,
    ExecutorEffect,
    ExecutorInput,
    Fault,
    NativeChanged,
    NativeDone,
    OpStatus,
    Perform,
    Rc,
    Request,
    Result,
    RunAgent,
    RunNative,
    RunUnit,
    SetTimer,
    Tell,
    TimerFired,
)
from standfast.executor.codes import Outcome
from standfast.executor.lines import Job, Kind, Line, Run, RunInput, RunState

WAITING_MAX = 64
"""Operations in hand for one resource, repeated ones among them."""

RESOURCES_MAX = 8192
"""Resources with operations in hand."""

TERM_PATIENCE_MS = 1_000
"""How long a process group may take after TERM, before KILL."""

KILL_AGAIN_MS = 10_000
"""How often KILL is repeated while the group is still there (a process in uninterruptible sleep)."""

STALL_MS = 1_000
"""A timer that fires later than this means that we slept (a frozen host): each run gets that long again, once."""

_STOPPED_SHORT = frozenset({"start", "promote", "monitor", "status", "reload", "reload-agent"})
"""Single operations that a stop makes pointless while they wait. The rest (demote, notify, migrations) keep their turn."""


class Executor:
    """The machine of the room: `step` takes one input and gives the effects, in the order in which they are to be performed.

    Invariant (`check`): a resource has at most one run; every run is found by its number, and natively run ones have no life
    after their answer; a repeated operation is in hand once; no line is empty; every limit is kept.
    """

    def __init__(self, settings: environment.Settings, parallel_max: int, first_call_id: int = 1) -> None:
        """`parallel_max`: how many single (and how many repeated) operations may run at once, usually twice the cores.
        `first_call_id`: above every call-id of this node's history in the CIB, for the scheduler sorts by it."""
        assert parallel_max > 0, parallel_max
        self._settings = settings
        self._parallel_max = parallel_max
        self._next_call_id = first_call_id
        self._next_run = 1
        self._next_order = 1
        self._lines: dict[str, Line] = {}
        self._runs: dict[int, Run] = {}
        self._fence_devices: set[str] = set()
        self._armed_us: int | None = None
        self._now_us = 0
        self._wall_s = 0
        self._out: list[ExecutorEffect] = []

    def step(self, now_us: int, wall_s: int, event: ExecutorInput) -> tuple[ExecutorEffect, ...]:
        """Apply one input at `now_us` (monotonic) and `wall_s` (time of day, for records). Never raises for what agents,
        users or the environment do."""
        self._now_us, self._wall_s, self._out = max(now_us, self._now_us), wall_s, []
        self._take(event)
        self._start_what_may()
        self._arm()
        effects, self._out = tuple(self._out), []
        return effects

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing but repeated operations waits."""
        return not self._runs and all(job.request.interval_ms for line in self._lines.values() for job in line.waiting)

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def _take(self, event: ExecutorInput) -> None:
        match event:
            case Perform():
                self._perform(event)
            case CancelRecurring():
                self._cancel(event)
            case AgentExited():
                self._agent_exited(event)
            case NativeDone():
                self._native_done(event)
            case NativeChanged():
                self._native_changed(event)
            case TimerFired():
                self._timer_fired()

    def _perform(self, event: Perform) -> None:
        request = event.request
        job = Job(request, self._call_id(), self._order(), self._now_us + request.start_delay_ms * US_PER_MS)
        line = self._lines.get(request.resource)
        if line is None:
            if len(self._lines) >= RESOURCES_MAX:
                self._refuse(job, f"more than {RESOURCES_MAX} resources have operations in hand")
                return
            line = self._lines[request.resource] = Line(request.resource)
        if request.interval_ms:
            self._drop_recurring(line, request.action, request.interval_ms)
        elif request.action == "stop":
            self._make_way(line)
        if len(line.waiting) >= WAITING_MAX:
            self._refuse(job, f"{WAITING_MAX} operations of {request.resource} wait already")
            return
        line.waiting.append(job)

    def _cancel(self, event: CancelRecurring) -> None:
        line = self._lines.get(event.resource)
        found = None
        if line is not None and event.interval_ms:
            found = self._drop_recurring(line, event.action, event.interval_ms)
            self._tidy(line)
        if found is None:
            none = Agent(AgentClass.OCF, "", "")
            request = Request(event.resource, none, event.action, event.interval_ms, 0, (), (), event.transition_key)
            found = Job(request, self._call_id(), 0, self._now_us)
        else:
            found = replace(found, request=replace(found.request, transition_key=event.transition_key))
        self._tell_result(found, Outcome(OpStatus.CANCELLED, Rc.OK), self._wall_s)

    def _agent_exited(self, event: AgentExited) -> None:
        run = self._runs.get(event.run)
        if run is None:
            return  # an old answer: the run was given up, or never was
        if run.state is RunState.RUNNING and self._is_missing_script(run, event):
            self._start_unit_instead(run)
            return
        run.exited = event
        self._move(run, RunInput.EXITED)

    def _native_done(self, event: NativeDone) -> None:
        run = self._runs.get(event.run)
        if run is None or run.job is None:
            return  # it was given up
        self._close(run)
        self._answer(run, Outcome(OpStatus.DONE, event.rc, codes.visible(event.reason)))

    def _native_changed(self, event: NativeChanged) -> None:
        line = self._lines.get(event.resource)
        monitors = [job for job in (line.jobs() if line else ()) if job.request.interval_ms and job.request.action == "monitor"]
        reason = codes.visible(event.reason)
        if not monitors:
            what = f"{event.resource} has changed by itself ({codes.meaning(event.rc)}), and no monitor operation asks for it"
            self._tell(warning("executor.unwatched", what, reason, "add an operation: op monitor interval=10s", event.resource))
            return
        job = min(monitors, key=lambda job: (job.request.interval_ms, job.order))
        self._report_change(job, Outcome(OpStatus.DONE, event.rc, reason), self._wall_s)

    def _timer_fired(self) -> None:
        was_stalled = self._armed_us is not None and self._now_us - self._armed_us > STALL_MS * US_PER_MS
        self._armed_us = None
        for line in tuple(self._lines.values()):
            run = line.active
            if run is not None and run.deadline_us <= self._now_us:
                if was_stalled and not run.has_grace:
                    # This process slept, not the agent: its answer may be here already, behind this timer.
                    run.has_grace, run.deadline_us = True, self._now_us + STALL_MS * US_PER_MS
                else:
                    self._move(run, RunInput.DEADLINE)
            self._give_up_waiting(line)

    # ---- runs -------------------------------------------------------------------------------------------------------

    def _move(self, run: Run, what: RunInput) -> None:
        self.MOVES[run.state, what](self, run)

    def _exited(self, run: Run) -> None:
        job, exited = run.job, run.exited
        assert job is not None, run
        assert exited is not None, run
        self._close(run)
        standard = AgentClass.SYSTEMD if run.kind is Kind.UNIT else job.request.agent.standard
        self._answer(run, self._with_remedy(job.request, codes.of_exit(standard, job.request.action, exited)))

    def _timed_out(self, run: Run) -> None:
        job = run.job
        assert job is not None, run
        outcome = codes.of_timeout(job.request.timeout_ms)
        self._tell(warning("executor.timeout", f"{run.key} was not done in time", outcome.reason, where=run.line.resource))
        self._end(run, force=False)
        self._answer(run, outcome)

    def _withdrawn(self, run: Run) -> None:
        job = run.job
        assert job is not None, run
        self._end(run, force=True)
        run.job = None
        run.answered_us = self._now_us
        self._tell_cancelled(job)

    def _kill(self, run: Run) -> None:
        self._end(run, force=True)

    def _kill_again(self, run: Run) -> None:
        if not run.is_told_stuck:
            run.is_told_stuck = True
            self._tell(
                error(
                    "executor.stuck",
                    f"the processes of {run.key} cannot be ended",
                    "they were killed and are still there, usually waiting for a disk or a file system that does not answer",
                    f"nothing else can be done with {run.line.resource} on this node until they are gone",
                    run.line.resource,
                )
            )
        self._end(run, force=True)

    def _gone(self, run: Run) -> None:
        self._close(run)
        self._tidy(run.line)

    def _nothing(self, _run: Run) -> None:
        """A run whose answer was given has nothing more to withdraw."""

    def _end(self, run: Run, *, force: bool) -> None:
        """Ask for the end of a run. A native one is over with that; processes live on until AgentExited."""
        if run.kind is Kind.NATIVE:
            self._out.append(EndNative(run.run))
            self._close(run)
            return
        self._out.append(EndAgent(run.run, force))
        run.state = RunState.KILLED if force else RunState.TERMINATING
        run.deadline_us = self._now_us + (KILL_AGAIN_MS if force else TERM_PATIENCE_MS) * US_PER_MS

    def _close(self, run: Run) -> None:
        del self._runs[run.run]
        run.line.active = None

    MOVES: ClassVar[dict[tuple[RunState, RunInput], Callable[[Executor, Run], None]]] = {
        (RunState.RUNNING, RunInput.EXITED): _exited,
        (RunState.RUNNING, RunInput.DEADLINE): _timed_out,
        (RunState.RUNNING, RunInput.WITHDRAWN): _withdrawn,
        (RunState.TERMINATING, RunInput.EXITED): _gone,
        (RunState.TERMINATING, RunInput.DEADLINE): _kill,
        (RunState.TERMINATING, RunInput.WITHDRAWN): _nothing,
        (RunState.KILLED, RunInput.EXITED): _gone,
        (RunState.KILLED, RunInput.DEADLINE): _kill_again,
        (RunState.KILLED, RunInput.WITHDRAWN): _nothing,
    }
    """Every state with every input."""

    # ---- starting ---------------------------------------------------------------------------------------------------

    def _start_what_may(self) -> None:
        """Start every job that is due, whose resource is free and for which there is room: stops first, then by age."""
        while self._start_round():
            pass  # a refused job was answered and its resource is free still; each round has one due job less

    def _start_round(self) -> bool:
        """One job of each resource. Returns whether any was refused."""
        ready = []
        for line in self._lines.values():
            if line.active is None:
                due = [job for job in line.waiting if job.due_us <= self._now_us]
                if due:
                    ready.append((line, min(due, key=lambda job: job.turn)))
        if not ready:
            return False
        ready.sort(key=lambda pair: (pair[1].request.action != "stop", pair[1].turn))
        room = {True: self._parallel_max, False: self._parallel_max}
        for run in self._runs.values():
            if run.job is not None and run.kind is not Kind.NATIVE:
                room[run.job.request.interval_ms > 0] -= 1
        refused = False
        for line, job in ready:
            recurring = job.request.interval_ms > 0
            if job.request.native or room[recurring] > 0:
                is_started = self._start(line, job)
                room[recurring] -= is_started and not job.request.native
                refused |= not is_started
        return refused

    def _start(self, line: Line, job: Job) -> bool:
        """Begin the run of a job; False when it was refused, and answered."""
        line.waiting.remove(job)
        request = job.request
        kind, effect = Kind.NATIVE, None
        refusal = None
        if not request.native:
            try:
                effect = environment.invocation(request, self._settings)
                kind = Kind.UNIT if isinstance(effect, environment.Unit) else Kind.AGENT
            except Refused as refused:
                refusal = refused.reports[0]
        run = Run(
            run=self._next_run,
            line=line,
            job=job,
            kind=kind,
            deadline_us=self._now_us + request.timeout_ms * US_PER_MS,
            began_us=self._now_us,
            began_s=self._wall_s,
            queue_ms=(self._now_us - job.due_us) // US_PER_MS,
            key=request.key,
        )
        known = self._of_device(request)
        if refusal is not None or known is not None:
            self._answer(run, known or _refused(refusal))
            return False
        self._next_run += 1
        self._runs[run.run] = line.active = run
        if effect is None:
            self._out.append(RunNative(run.run, request))
        elif isinstance(effect, environment.Unit):
            self._out.append(RunUnit(run.run, effect.name, effect.verb))
        else:
            self._out.append(RunAgent(run.run, effect.argv, effect.environment, effect.stdin))
        return True

    def _of_device(self, request: Request) -> Outcome | None:
        """A fencing device is started where its agent answered, and stopping it only takes that back (Pacemaker's
        execd_stonith_*): a probe and a stop need no agent."""
        if request.agent.standard is not AgentClass.STONITH:
            return None
        if request.action == "stop":
            self._fence_devices.discard(request.resource)
            return Outcome(OpStatus.DONE, Rc.OK)
        if request.action == "monitor" and not request.interval_ms:
            return Outcome(OpStatus.DONE, Rc.OK if request.resource in self._fence_devices else Rc.NOT_RUNNING)
        if request.action not in ("start", "monitor"):
            return Outcome(OpStatus.ERROR, Rc.UNIMPLEMENT_FEATURE, f"fencing devices know no {request.action}")
        return None

    @staticmethod
    def _is_missing_script(run: Run, event: AgentExited) -> bool:
        """Whether this is class `service` and there is no init script of that name: then it is a systemd unit."""
        is_service = run.job is not None and run.job.request.agent.standard is AgentClass.SERVICE
        return is_service and run.kind is Kind.AGENT and event.rc is None and event.fault is Fault.MISSING

    def _start_unit_instead(self, run: Run) -> None:
        job = run.job
        assert job is not None, run
        try:
            unit = environment.unit_invocation(job.request)
        except Refused as refused:
            self._close(run)
            self._answer(run, _refused(refused.reports[0]))
            return
        del self._runs[run.run]
        run.run, run.kind = self._next_run, Kind.UNIT
        self._next_run += 1
        self._runs[run.run] = run
        self._out.append(RunUnit(run.run, unit.name, unit.verb))

    # ---- leaving the line -------------------------------------------------------------------------------------------

    def _drop_recurring(self, line: Line, action: str, interval_ms: int) -> Job | None:
        """Forget the repeated operation, whether it waits or runs; the job as it was, None when there was none."""
        for job in line.jobs():
            if (job.request.action, job.request.interval_ms) == (action, interval_ms):
                if job in line.waiting:
                    line.waiting.remove(job)
                    self._tell_cancelled(job)
                elif line.active is not None:
                    self._move(line.active, RunInput.WITHDRAWN)
                return job
        return None

    def _make_way(self, line: Line) -> None:
        """A stop was asked for: end what repeats, and what it makes pointless."""
        dropped = [job for job in line.waiting if job.request.interval_ms or job.request.action in _STOPPED_SHORT]
        line.waiting = [job for job in line.waiting if job not in dropped]
        for job in dropped:
            self._tell_cancelled(job)
        run = line.active
        if run is not None and run.job is not None:
            is_waiting_start = run.kind is Kind.NATIVE and run.job.request.action == "start"
            if run.job.request.interval_ms or is_waiting_start:
                self._move(run, RunInput.WITHDRAWN)

    def _give_up_waiting(self, line: Line) -> None:
        """Answer what has waited its whole time behind processes that cannot be ended."""
        run = line.active
        if run is None or run.job is not None:
            return
        late = [job for job in line.waiting if self._waits_until_us(run, job) <= self._now_us]
        for job in late:
            line.waiting.remove(job)
            reason = f"the processes of {run.key} could not be ended"
            waited = Run(0, line, job, run.kind, 0, self._now_us, self._wall_s, job.request.timeout_ms, job.request.key)
            self._answer(waited, Outcome(OpStatus.TIMEOUT, Rc.UNKNOWN_ERROR, reason))

    @staticmethod
    def _waits_until_us(run: Run, job: Job) -> int:
        return max(job.due_us, run.answered_us) + job.request.timeout_ms * US_PER_MS

    def _tidy(self, line: Line) -> None:
        if line.active is None and not line.waiting:
            self._lines.pop(line.resource, None)

    # ---- answers ----------------------------------------------------------------------------------------------------

    def _answer(self, run: Run, outcome: Outcome) -> None:
        """Give the answer that `run` owes, and let a repeated operation wait for its next turn."""
        job = run.job
        assert job is not None, run
        request = job.request
        if request.agent.standard is AgentClass.STONITH and request.action == "start" and outcome.rc == Rc.OK:
            self._fence_devices.add(request.resource)
        run.job = None
        run.answered_us = self._now_us
        exec_ms = (self._now_us - run.began_us) // US_PER_MS
        if job.request.interval_ms:
            self._report_change(job, outcome, run.began_s, exec_ms, run.queue_ms)
            job.due_us = self._now_us + job.request.interval_ms * US_PER_MS
            job.order = self._order()
            run.line.waiting.append(job)
        else:
            self._tell_result(job, outcome, run.began_s, exec_ms, run.queue_ms)
            self._tidy(run.line)

    def _report_change(self, job: Job, outcome: Outcome, began_s: int, exec_ms: int = 0, queue_ms: int = 0) -> None:
        if job.told != (outcome.status, outcome.rc):
            self._tell_result(job, outcome, began_s, exec_ms, queue_ms)

    def _tell_cancelled(self, job: Job) -> None:
        """The last answer of a job that will not run (again); a repeated one that has answered needs none."""
        if job.told is None:
            self._tell_result(job, Outcome(OpStatus.CANCELLED, Rc.OK), self._wall_s)

    def _refuse(self, job: Job, why: str) -> None:
        self._tell(
            error("executor.full", f"{job.request.key} is refused", why, "wait for what is under way", job.request.resource)
        )
        self._tell_result(job, Outcome(OpStatus.ERROR, Rc.UNKNOWN_ERROR, why), self._wall_s)

    def _tell_result(self, job: Job, outcome: Outcome, began_s: int, exec_ms: int = 0, queue_ms: int = 0) -> None:
        # The time of change of a single operation is when it ran (pcmk__create_history_xml), of a repeated one when it was seen.
        changed_s = self._wall_s if job.request.interval_ms else began_s
        if job.told is not None and job.changed_s is not None:
            # Results of one call are told apart by their second alone (pe__is_newer_op): a failure in the second of the success
            # before it would count as the older of the two, and never be recovered.
            changed_s = max(changed_s, job.changed_s + 1)
        job.told, job.changed_s = (outcome.status, outcome.rc), changed_s
        self._out.append(
            Completed(
                Result(
                    job.request, job.call_id, outcome.status, outcome.rc, outcome.reason, began_s, changed_s, exec_ms, queue_ms
                )
            )
        )

    def _with_remedy(self, request: Request, outcome: Outcome) -> Outcome:
        """Name the package when the agent is not there."""
        if outcome.status is not OpStatus.NOT_INSTALLED:
            return outcome
        return replace(outcome, reason=codes.visible(f"{outcome.reason} ({environment.package_hint(request.agent)})"))

    def _tell(self, report: Report) -> None:
        self._out.append(Tell(report))

    # ---- numbers and time -------------------------------------------------------------------------------------------

    def _call_id(self) -> int:
        self._next_call_id += 1
        return self._next_call_id - 1

    def _order(self) -> int:
        self._next_order += 1
        return self._next_order - 1

    def _arm(self) -> None:
        """Keep the one timer at the next moment at which something has to be done without another input."""
        nearest = min((at for line in self._lines.values() for at in self._moments(line)), default=None)
        if nearest is not None and nearest != self._armed_us:
            self._armed_us = nearest
            self._out.append(SetTimer(nearest))

    def _moments(self, line: Line) -> Iterator[int]:
        run = line.active
        if run is None:
            # What is due already waits for room, and room comes with another run's end.
            yield from (job.due_us for job in line.waiting if job.due_us > self._now_us)
            return
        yield run.deadline_us
        if run.job is None:
            yield from (self._waits_until_us(run, job) for job in line.waiting)

    def check(self) -> None:
        """Assert the invariant; raises InvariantBroken. Cost is linear in what is in hand."""
        active = [line.active for line in self._lines.values() if line.active is not None]
        _hold(len(active) == len(self._runs), "a run without its resource")
        for run in active:
            _hold(self._runs.get(run.run) is run, f"run {run.run} is not found by its number")
            _hold((run.job is not None) == (run.state is RunState.RUNNING), f"run {run.run} owes an answer, or does not")
            _hold(run.kind is not Kind.NATIVE or run.job is not None, f"native run {run.run} lives after its answer")
        for name, line in self._lines.items():
            _hold(name == line.resource and (line.active is not None or bool(line.waiting)), f"{name} has nothing in hand")
            _hold(len(line.waiting) <= WAITING_MAX + 1, f"{name} has too much in hand")
            keys = [(job.request.action, job.request.interval_ms) for job in line.jobs() if job.request.interval_ms]
            _hold(len(set(keys)) == len(keys), f"{name} repeats an operation twice")
        for recurring in (False, True):
            running = [r for r in active if r.job is not None and r.kind is not Kind.NATIVE]
            count = sum(1 for r in running if r.job is not None and (r.job.request.interval_ms > 0) is recurring)
            _hold(count <= self._parallel_max, f"{count} operations run at once")
        _hold(len(self._lines) <= RESOURCES_MAX, "too many resources")


def _hold(truth: bool, otherwise: str) -> None:
    if not truth:
        raise InvariantBroken(otherwise)


def _refused(report: Report | None) -> Outcome:
    """The outcome of an operation whose names or values are not allowed: the node cannot help it, nor could another."""
    assert report is not None
    rc = Rc.UNIMPLEMENT_FEATURE if report.code in ("executor.action", "executor.class") else Rc.NOT_CONFIGURED
    return Outcome(OpStatus.ERROR, rc, codes.visible(report.sentence()))
