"""The coordinator's duty: ask for a plan when something changed, carry it out, ask again when the world disagrees.

Which node coordinates is a function of the view (the caller says `appointed`/`dismissed`); there is no election.
Owns: the plan asked for, the graph in flight, pacing and deadlines. Does not own: what a plan contains, how an action travels.
Invariants (`check`): at most one plan is asked for at a time; one graph at most is in flight, and only while RUNNING;
nothing is fired unless appointed.
"""

from __future__ import annotations

from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.base.report import Report, notice, warning
from standfast.base.wire import Malformed
from standfast.controller.messages import Landed
from standfast.controller.transition import Run, RunState
from standfast.executor.history import TransitionKey, parse_transition_key
from standfast.scheduler.api import Plan
from standfast.scheduler.graph.model import Action

FENCE = "stonith"
PLANS_PER_BURST = 20
BURST_US = 2 * US_PER_S
RECHECK_US = 15 * 60 * US_PER_S
"""cluster-recheck-interval's default: decide again after this long even if nothing seemed to change."""


class Duty(Enum):
    """IDLE: another node coordinates. SETTLED: nothing to do. PLANNING: a plan was asked for. RUNNING: a graph is in flight.
    HOLDING: too many plans in a short time; the next one waits."""

    IDLE = auto()
    SETTLED = auto()
    PLANNING = auto()
    RUNNING = auto()
    HOLDING = auto()


@dataclass(frozen=True, slots=True)
class WantPlan:
    """Ask the scheduler about the CIB as it is now; the answer comes back with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Start:
    """Carry out one action; its end comes back as Landed with `key`, or by `done`."""

    action: Action
    key: TransitionKey
    handover: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Something for the log and for those who follow events."""

    report: Report


@dataclass(frozen=True, slots=True)
class Progress:
    """A transition's state for those who follow events: planned | running | complete | aborted."""

    number: int
    state: str
    actions: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Call `elapsed` at this instant."""

    at_us: int


Effect = WantPlan | Start | Told | Progress | Alarm


class Coordinator:
    """See the module. Every input returns the effects to perform, in order."""

    def __init__(self, uuid: str) -> None:
        """`uuid` tells this life of this node's coordinator from all others, in transition keys."""
        self.uuid = uuid
        self.duty = Duty.IDLE
        self.plan: Plan | None = None
        self._run: Run | None = None
        self._asked = 0
        self._number = -1
        self._dirty = ""
        self._asked_at_us: list[int] = []
        self._deadline_us: dict[int, int] = {}
        self._recheck_at_us: int | None = None
        self._stopped: set[str] = set()

    # ---- inputs --------------------------------------------------------------------------------------------------

    def appointed(self, now_us: int) -> tuple[Effect, ...]:
        """This node coordinates the view that was just agreed and has the agreed CIB."""
        self._drop_run()
        self.duty = Duty.SETTLED
        return self._want(now_us, "a new view")

    def dismissed(self) -> tuple[Effect, ...]:
        """Another node coordinates, or there is no view."""
        self._drop_run()
        self.duty, self._dirty, self._recheck_at_us = Duty.IDLE, "", None
        return ()

    def changed(self, now_us: int, reason: str) -> tuple[Effect, ...]:
        """The CIB or the cluster is not what the plan in flight assumes."""
        match self.duty:
            case Duty.IDLE:
                return ()
            case Duty.SETTLED:
                return self._want(now_us, reason)
            case Duty.RUNNING:
                assert self._run is not None
                self._dirty = self._dirty or reason
                self._run.abort(reason)
                return self._continue(now_us)
            case Duty.PLANNING | Duty.HOLDING:
                self._dirty = self._dirty or reason
                return ()

    def planned(self, now_us: int, now_s: int, number: int, plan: Plan | None, fault: Report | None) -> tuple[Effect, ...]:
        """The scheduler's answer. `now_s` is the wall clock, for the plan's recheck time."""
        if self.duty is not Duty.PLANNING or number != self._asked:
            return ()
        if self._dirty:
            self.duty = Duty.SETTLED
            return self._want(now_us, self._dirty)
        if plan is None:
            self.duty = Duty.SETTLED
            self._recheck_at_us = now_us + 60 * US_PER_S
            return (Told(fault or warning("controller.no-plan", "the scheduler gave no plan")), Alarm(self._recheck_at_us))
        self.plan = plan
        wait_us = RECHECK_US if plan.recheck_s is None else max(1, plan.recheck_s - now_s) * US_PER_S
        self._recheck_at_us = now_us + min(wait_us, RECHECK_US)
        if not plan.graph.actions:
            self.duty = Duty.SETTLED
            return (Alarm(self._recheck_at_us),)
        self._number += 1
        self._stopped.clear()
        self._run = Run(plan.graph, self._number, self.uuid)
        self.duty = Duty.RUNNING
        first = Progress(self._number, "running", len(plan.graph.actions))
        return (first, *self._continue(now_us))

    def landed(self, now_us: int, note: Landed) -> tuple[Effect, ...]:
        """A node reports the end of an operation. One that belongs to no action of ours is news, and a reason to plan again."""
        if self.duty is Duty.IDLE:
            return ()
        key = _key(note.transition_key)
        if self._run is None or key is None or not self._run.owns(key):
            return self.changed(now_us, f"{note.resource} {note.action} on its node ended outside the plan (rc {note.rc})")
        self._deadline_us.pop(key.action, None)
        if note.status == 0 and note.rc == key.target_rc:
            # A stop with a remark (the address was not there: its start had failed) hands nothing over: a stranger may have it.
            if note.action == "stop" and not note.reason:
                self._stopped.add(note.resource)
            return self._fired(now_us, self._run.confirmed(key.action))
        reason = f"{note.resource} {note.action} ended with rc {note.rc} instead of {key.target_rc}"
        self._dirty = self._dirty or reason
        self._run.failed(key.action, reason)
        return self._continue(now_us)

    def done(self, now_us: int, action_id: int) -> tuple[Effect, ...]:
        """An action that the controller carries out itself (an order to a node, a change of the CIB) took effect."""
        if self._run is None:
            return ()
        self._deadline_us.pop(action_id, None)
        return self._fired(now_us, self._run.confirmed(action_id))

    def failed(self, now_us: int, action_id: int, reason: str) -> tuple[Effect, ...]:
        """Such an action could not be carried out. Planning again at once would only repeat it: the next change decides."""
        if self._run is None:
            return ()
        self._deadline_us.pop(action_id, None)
        self._run.failed(action_id, reason)
        return (Told(warning("controller.action-failed", reason)), *self._continue(now_us))

    def unfulfilled(self, now_us: int, action_id: int, reason: str, *, again: bool) -> tuple[Effect, ...]:
        """A fencing failed: plan `again` at once, or, after too many times, when something changes."""
        if self._run is not None and again:
            self._dirty = self._dirty or reason
        return self.failed(now_us, action_id, reason)

    def held(self, action_id: int) -> None:
        """A start waits for something outside (controller/gate.py): its time does not run yet."""
        self._deadline_us.pop(action_id, None)

    def released(self, now_us: int, start: Start) -> tuple[Effect, ...]:
        """What it waited for is there."""
        assert self._run is not None
        self._deadline_us[start.action.id] = self._deadline(now_us, start.action)
        return (start, *self._alarm(now_us))

    def withdrawn(self, now_us: int, action_id: int, reason: str) -> tuple[Effect, ...]:
        """It is not waited for any longer; nothing was done."""
        assert self._run is not None
        self._run.failed(action_id, reason)
        return self._continue(now_us)

    @property
    def is_ending(self) -> bool:
        """Whether the graph in flight waits for its last actions only, to plan anew."""
        return self._run is not None and self._run.state is RunState.ENDING

    def owns(self, key: TransitionKey) -> bool:
        """Whether `key` names an action that is under way."""
        return self._run is not None and self._run.owns(key)

    def elapsed(self, now_us: int) -> tuple[Effect, ...]:
        """The alarm rang (too early is harmless)."""
        out: list[Effect] = []
        if self.duty is Duty.HOLDING and now_us >= self._asked_at_us[-1] + BURST_US:
            self.duty = Duty.SETTLED
            out += self._want(now_us, self._dirty or "the pause after many plans is over")
        if self._run is not None:
            for action_id in [i for i, at_us in self._deadline_us.items() if now_us >= at_us]:
                del self._deadline_us[action_id]
                reason = f"action {action_id} of transition {self._number} was not answered in time"
                self._dirty = self._dirty or reason
                self._run.failed(action_id, reason)
                out.append(Told(warning("controller.action-lost", reason, "its node did not answer within the timeout")))
            out += self._continue(now_us)
        if self.duty is Duty.SETTLED and self._recheck_at_us is not None and now_us >= self._recheck_at_us:
            out += self._want(now_us, "time to look again")
        if not out:
            out += self._alarm(now_us)
        return tuple(out)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way and nothing is about to be."""
        return self.duty in (Duty.IDLE, Duty.SETTLED)

    @property
    def flying(self) -> tuple[Action, ...]:
        """What is under way now."""
        return self._run.flying if self._run is not None else ()

    def check(self) -> None:
        """Assert the class's invariants."""
        assert (self._run is not None) == (self.duty is Duty.RUNNING), f"{self.duty} with a run: {self._run is not None}"
        if self._run is not None:
            self._run.check()
            assert not self._run.is_over, "a finished graph was kept"
        assert set(self._deadline_us) <= {a.id for a in self.flying}, "a deadline for an action that is not in flight"

    # ---- how it goes on ------------------------------------------------------------------------------------------

    def _want(self, now_us: int, reason: str) -> tuple[Effect, ...]:
        self._asked_at_us = [at_us for at_us in self._asked_at_us if now_us - at_us < BURST_US]
        if len(self._asked_at_us) >= PLANS_PER_BURST:
            self.duty, self._dirty = Duty.HOLDING, reason
            pause = f"{PLANS_PER_BURST} plans within {BURST_US // US_PER_S} s, the last because: {reason}"
            return (
                Told(warning("controller.many-plans", "decisions come too fast; the next one waits", pause)),
                Alarm(now_us + BURST_US),
            )
        self._asked_at_us.append(now_us)
        self._dirty = ""
        self._asked += 1
        self.duty = Duty.PLANNING
        return (WantPlan(self._asked),)

    def _fired(self, now_us: int, actions: tuple[Action, ...]) -> tuple[Effect, ...]:
        assert self._run is not None
        out: list[Effect] = []
        for action in actions:
            if action.operation != FENCE:  # it has deadlines of its own (fencing/requests.py), and always ends
                self._deadline_us[action.id] = self._deadline(now_us, action)
            out.append(Start(action, self._run.key(action), action.operation == "start" and action.resource in self._stopped))
        return (*out, *self._end(now_us))

    def _deadline(self, now_us: int, action: Action) -> int:
        assert self._run is not None
        return now_us + (action.timeout_ms + self._run.graph.cluster_delay_ms) * US_PER_MS

    def _continue(self, now_us: int) -> tuple[Effect, ...]:
        return self._fired(now_us, self._run.fire()) if self._run is not None else ()

    def _end(self, now_us: int) -> tuple[Effect, ...]:
        run = self._run
        if run is None or not run.is_over:
            return self._alarm(now_us)
        self._drop_run()
        self.duty = Duty.SETTLED
        state = "complete" if run.state is RunState.COMPLETE else "aborted"
        out: tuple[Effect, ...] = (Progress(run.number, state, len(run.graph.actions), run.abort_reason),)
        if run.abort_reason:
            text = f"transition {run.number} was cut short"
            out = (*out, Told(notice("controller.transition-aborted", text, run.abort_reason)))
        return (*out, *(self._want(now_us, self._dirty) if self._dirty else self._alarm(now_us)))

    def _alarm(self, now_us: int) -> tuple[Effect, ...]:
        times = list(self._deadline_us.values())
        if self.duty is Duty.SETTLED and self._recheck_at_us is not None:
            times.append(self._recheck_at_us)
        if self.duty is Duty.HOLDING:
            times.append(self._asked_at_us[-1] + BURST_US)
        return (Alarm(max(now_us, min(times))),) if times else ()

    def _drop_run(self) -> None:
        self._run = None
        self._deadline_us.clear()


def _key(text: str) -> TransitionKey | None:
    """The key, or None: a result may come from an older life, or from a tool that made one up."""
    try:
        return parse_transition_key(text)
    except Malformed:
        return None
