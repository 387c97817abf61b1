"""One node's part: carry out a device's action, with its delay, its tries, and the proof that it took effect.

A job goes through stages: ask the agent what it can do (once per agent), ask whether the target is the device's (dynamic-list,
status), wait the delay, act, and, after an off, ask for the status where the agent can tell. Success is the agent's own success,
never less; a target that its device still reports as on is a failure, whatever the agent said before.

Invariants (`check`): a job has at most one process; a device has at most pcmk_action_limit of them; every Run is answered by
Finished exactly once for each time it is ordered, at the latest at its deadline.
"""

from __future__ import annotations

import hashlib
from dataclasses import field
from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error, notice, warning
from standfast.fencing import agents, values
from standfast.fencing.agents import Abilities
from standfast.fencing.api import (
    AgentEnded,
    End,
    Finished,
    Job,
    Launch,
    Pairs,
    Ran,
    Recall,
    Run,
    RunnerEffect,
    RunnerInput,
    SetTimer,
    Tell,
)

JOBS_MAX = 256
KEPT_MAX = 256
TERM_PATIENCE_US = 1_000_000
PROOF_PAUSE_US = 1_000_000
PROOF_TRIES = 5
"""How often a device is asked whether the target is off, a second apart, before its "on" is believed."""
STATUS_ON, STATUS_OFF = 0, 2
"""FenceAgentAPI: what `status` exits with."""
REASON_CHARS_MAX = 300


class Stage(Enum):
    """See the module. CHECK is list or status, PROOF is status after an off. Up to DELAY nothing has been done to the target."""

    QUEUED = auto()
    ABILITIES = auto()
    CHECK = auto()
    DELAY = auto()
    ACT = auto()
    TURN_ON = auto()
    PROOF = auto()
    PAUSE = auto()


HARMLESS = frozenset({Stage.QUEUED, Stage.ABILITIES, Stage.CHECK, Stage.DELAY})


@dataclass(slots=True)
class _Work:
    """A job in hand. `run` is its process, 0 for none; `wake_us` is when it goes on (DELAY, PAUSE); `limit_us` is the end of the
    present process's time."""

    job: Job
    deadline_us: int
    stage: Stage = Stage.QUEUED
    run: int = 0
    limit_us: int = 0
    wake_us: int = 0
    tries: int = 0
    proofs: int = 0
    stage_began_us: int = 0
    action: str = ""
    killed: bool = False


@dataclass(slots=True)
class _Ending:
    """A process whose job is answered: TERM was sent, KILL follows."""

    kill_us: int
    limit: int = field(default=0)


class Runner:
    """See the module."""

    def __init__(self, environment: Pairs, entropy: str, sbin: str = agents.SBIN, own: Pairs = ()) -> None:
        """`entropy` is new in each life: it decides random delays. `own` are (name, file) of agents that come with Standfast."""
        self._environment = environment
        self._entropy = entropy
        self._sbin = sbin
        self._own = own
        self._works: dict[str, _Work] = {}
        self._runs: dict[int, str] = {}
        self._ending: dict[int, _Ending] = {}
        self._abilities: dict[str, Abilities] = {}
        self._done: dict[str, Ran] = {}
        self._next_run = 1
        self._now_us = 0
        self._armed_us: int | None = None
        self._out: list[RunnerEffect] = []

    def step(self, now_us: int, event: RunnerInput) -> tuple[RunnerEffect, ...]:
        """Apply one input; returns the effects in order."""
        self._now_us = max(now_us, self._now_us)
        match event:
            case Run(job):
                self._take(job)
            case Recall(name, reason):
                for work in [w for w in self._works.values() if name in ("", w.job.id)]:
                    self._recall(work, reason)
            case AgentEnded():
                self._ended(event)
            case _:
                self._armed_us = None
        self._time_passes()
        self._start_queued()
        self._arm()
        out, self._out = tuple(self._out), []
        return out

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def _take(self, job: Job) -> None:
        if job.id in self._works:
            return
        if job.id in self._done:
            self._out.append(Finished(self._done[job.id]))
            return
        if len(self._works) >= JOBS_MAX:
            self._out.append(Finished(Ran(job.id, ok=False, reason=f"{JOBS_MAX} fencing actions are under way on this node")))
            return
        delay = self._delay_ms(job)
        self._works[job.id] = _Work(job, self._now_us + (job.timeout_ms + delay) * 1000, action=job.action)

    def _recall(self, work: _Work, reason: str) -> None:
        """What has begun at the device goes on: nobody could say what it has done."""
        if work.stage in HARMLESS:
            self._end_process(work)
            self._finish(work, ok=False, reason=reason, recalled=True)

    def _start_queued(self) -> None:
        busy: dict[str, int] = {}
        for work in self._works.values():
            if work.stage is not Stage.QUEUED:
                busy[work.job.device] = busy.get(work.job.device, 0) + 1
        for work in list(self._works.values()):
            device = work.job.device
            if work.stage is Stage.QUEUED and busy.get(device, 0) < values.action_limit(work.job.parameters):
                busy[device] = busy.get(device, 0) + 1
                self._ask_abilities(work)

    def _ask_abilities(self, work: _Work) -> None:
        if work.job.agent in self._abilities:
            self._ask_fit(work)
        else:
            self._launch(work, Stage.ABILITIES, lambda: b"action=metadata\n", "metadata")

    def _ask_fit(self, work: _Work) -> None:
        """Whether the target is this device's, where its host list does not say."""
        given = dict(work.job.parameters)
        able = self._able(work)
        check = given.get("pcmk_host_check", "").lower()
        if not check and not given.get("pcmk_host_list") and not given.get("pcmk_host_map"):
            check = next((c for c, a in (("dynamic-list", "list"), ("status", "status")) if a in able.actions), "none")
        if check == "dynamic-list":
            self._launch(work, Stage.CHECK, lambda: agents.lines(work.job.parameters, "list"), "list")
        elif check == "status":
            self._launch(work, Stage.CHECK, lambda: agents.target_lines(work.job, "status", able.argument), "status")
        else:
            self._wait(work)

    def _wait(self, work: _Work) -> None:
        delay = self._delay_ms(work.job)
        if delay > 0:
            work.stage, work.wake_us = Stage.DELAY, self._now_us + delay * 1000
            why = f"{work.job.device} waits {delay} ms, as pcmk_delay_* and priority-fencing-delay say"
            self._out.append(Tell(notice("fencing.delay", f"fencing of {work.job.target} is delayed", why)))
        else:
            self._act(work)

    def _act(self, work: _Work) -> None:
        able = self._able(work)
        if work.job.action == "reboot" and "reboot" not in able.actions and "pcmk_reboot_action" not in dict(work.job.parameters):
            work.action = "off"
        if work.stage is not Stage.ACT:
            work.tries, work.stage_began_us = 0, self._now_us
        work.tries += 1
        self._launch(work, Stage.ACT, lambda: agents.target_lines(work.job, work.action, able.argument), work.action)

    def _acted(self, work: _Work) -> None:
        if work.action == "off" and "status" in self._able(work).actions:
            self._prove(work)
        else:
            self._proved(work)

    def _prove(self, work: _Work) -> None:
        work.proofs += 1
        argument = self._able(work).argument
        self._launch(work, Stage.PROOF, lambda: agents.target_lines(work.job, "status", argument), "status")

    def _proved(self, work: _Work) -> None:
        if work.job.action == "reboot" and work.action == "off" and "on" in self._able(work).actions:
            argument = self._able(work).argument
            self._launch(work, Stage.TURN_ON, lambda: agents.target_lines(work.job, "on", argument), "on")
        else:
            self._finish(work, ok=True)

    # ---- processes -----------------------------------------------------------------------------------------------

    def _launch(self, work: _Work, stage: Stage, stdin: object, action: str) -> None:
        assert callable(stdin)
        try:
            argv, data = (agents.path(work.job.agent, self._sbin, self._own),), stdin()
        except Refused as refusal:
            self._finish(work, ok=False, reason=refusal.reports[0].sentence())
            return
        work.stage, work.run, self._next_run = stage, self._next_run, self._next_run + 1
        self._runs[work.run] = work.job.id
        limit_ms = work.job.timeout_ms if stage is Stage.ACT else values.timeout_ms(work.job.parameters, action, 20_000)
        work.limit_us = min(self._now_us + limit_ms * 1000, work.deadline_us)
        self._out.append(Launch(work.run, argv, self._environment, data))

    def _ended(self, event: AgentEnded) -> None:
        self._ending.pop(event.run, None)
        name = self._runs.pop(event.run, None)
        work = self._works.get(name) if name is not None else None
        if work is None or work.run != event.run:
            return
        work.run = 0
        match work.stage:
            case Stage.ABILITIES:
                self._know(work, event)
            case Stage.CHECK:
                self._checked(work, event)
            case Stage.ACT:
                self._act_ended(work, event)
            case Stage.PROOF:
                self._proof_ended(work, event)
            case _:
                if event.rc != 0:
                    what = f"{work.job.target} is off and could not be turned on again"
                    self._out.append(Tell(warning("fencing.not-on", what, reason_of(event), where=work.job.device)))
                self._finish(work, ok=True)

    def _know(self, work: _Work, event: AgentEnded) -> None:
        if event.rc is None:
            self._finish(work, ok=False, reason=reason_of(event))
            return
        able = agents.abilities(event.stdout) if event.rc == 0 else None
        if able is None:
            what = f"{work.job.agent} gives no meta-data that can be read"
            self._out.append(Tell(warning("fencing.metadata", what, reason_of(event), "it is taken to know on, off and reboot")))
            able = Abilities()
        self._abilities[work.job.agent] = able
        self._ask_fit(work)

    def _checked(self, work: _Work, event: AgentEnded) -> None:
        is_list = "list" in self._able(work).actions and dict(work.job.parameters).get("pcmk_host_check", "") != "status"
        if is_list:
            is_fit = event.rc == 0 and agents.port(work.job) in values.host_list(event.stdout.decode(errors="replace"))
        else:
            is_fit = event.rc in (STATUS_ON, STATUS_OFF)
        if is_fit:
            self._wait(work)
        else:
            why = reason_of(event) if event.rc != 0 else f"its list does not name {agents.port(work.job)}"
            self._finish(work, ok=False, reason=f"{work.job.device} does not fence {work.job.target} ({why})", unfit=True)

    def _act_ended(self, work: _Work, event: AgentEnded) -> None:
        if event.rc == 0:
            self._acted(work)
            return
        reason = reason_of(event)
        spent = self._now_us - work.stage_began_us
        may_retry = event.rc is not None and spent < work.job.timeout_ms * 700
        if may_retry and work.tries < values.tries(work.job.parameters, work.action):
            what = f"{work.job.device} failed to {work.action} {work.job.target}, once more"
            self._out.append(Tell(warning("fencing.retry", what, reason)))
            work.stage, work.wake_us = Stage.PAUSE, self._now_us + PROOF_PAUSE_US
            return
        self._finish(work, ok=False, reason=reason)

    def _proof_ended(self, work: _Work, event: AgentEnded) -> None:
        if event.rc == STATUS_OFF:
            self._proved(work)
        elif event.rc == STATUS_ON and work.proofs < PROOF_TRIES:
            work.stage, work.wake_us = Stage.PAUSE, self._now_us + PROOF_PAUSE_US
        elif event.rc == STATUS_ON:
            reason = f"{work.job.agent} said that {work.job.target} is off, but its status says that it is on"
            self._finish(work, ok=False, reason=reason)
        else:
            what = f"whether {work.job.target} is off cannot be asked; the agent said so"
            self._out.append(Tell(warning("fencing.unproved", what, reason_of(event), where=work.job.device)))
            self._proved(work)

    # ---- time ----------------------------------------------------------------------------------------------------

    def _time_passes(self) -> None:
        for run, ending in list(self._ending.items()):
            if self._now_us >= ending.kill_us:
                self._out.append(End(run, force=True))
                ending.kill_us = self._now_us + 10 * TERM_PATIENCE_US
        for work in list(self._works.values()):
            if self._now_us >= work.deadline_us or (work.run and self._now_us >= work.limit_us):
                self._too_late(work)
            elif work.stage is Stage.DELAY and self._now_us >= work.wake_us:
                self._act(work)
            elif work.stage is Stage.PAUSE and self._now_us >= work.wake_us:
                if work.proofs:
                    self._prove(work)
                else:
                    work.stage = Stage.ACT
                    self._act(work)

    def _too_late(self, work: _Work) -> None:
        stage = work.stage
        self._end_process(work)
        if stage is Stage.TURN_ON:
            self._finish(work, ok=True)
            return
        within = (self._now_us - work.stage_began_us) // 1000
        doing = {Stage.ABILITIES: "its meta-data", Stage.CHECK: "its host list", Stage.PROOF: "its status"}.get(
            stage, work.action
        )
        reason = f"Fence agent did not complete within {within} ms" if stage is Stage.ACT else f"no answer in time to {doing}"
        self._finish(work, ok=False, reason=reason)

    def _end_process(self, work: _Work) -> None:
        if work.run:
            self._out.append(End(work.run, force=False))
            self._ending[work.run] = _Ending(self._now_us + TERM_PATIENCE_US)
            self._runs.pop(work.run, None)
            work.run = 0

    def _finish(self, work: _Work, *, ok: bool, reason: str = "", unfit: bool = False, recalled: bool = False) -> None:
        job = work.job
        del self._works[job.id]
        ran = Ran(job.id, ok, reason[:REASON_CHARS_MAX], unfit, recalled)
        self._done[job.id] = ran
        while len(self._done) > KEPT_MAX:
            del self._done[next(iter(self._done))]
        if not ok and not unfit and not recalled:
            what = f"{job.device} did not {job.action} {job.target}"
            self._out.append(Tell(error("fencing.failed", what, reason, f"try the agent by hand: {job.agent} -o status")))
        self._out.append(Finished(ran))

    def _delay_ms(self, job: Job) -> int:
        if job.delay_ms < 0 or job.action == "on":
            return 0
        chance = int.from_bytes(hashlib.sha256(f"{self._entropy}{job.id}".encode()).digest()[:6], "big")
        return job.delay_ms + values.delay_ms(job.parameters, job.target, chance)

    def _able(self, work: _Work) -> Abilities:
        return self._abilities.get(work.job.agent, Abilities())

    def _arm(self) -> None:
        times = [e.kill_us for e in self._ending.values()]
        for work in self._works.values():
            times.append(work.deadline_us)
            if work.run:
                times.append(work.limit_us)
            elif work.stage in (Stage.DELAY, Stage.PAUSE):
                times.append(work.wake_us)
        nearest = min(times, default=None)
        if nearest is not None and nearest != self._armed_us:
            self._armed_us = nearest
            self._out.append(SetTimer(nearest))

    def check(self) -> None:
        """Assert the invariants."""
        for name, work in self._works.items():
            assert name == work.job.id, name
            assert not work.run or self._runs.get(work.run) == name, f"{name} does not know its process"
        assert len(self._works) <= JOBS_MAX
        assert len(self._done) <= KEPT_MAX


def reason_of(event: AgentEnded) -> str:
    """Why an agent failed: its own last words on stderr, else its exit code."""
    if event.rc is None:
        return event.failure or "the agent cannot be started"
    lines = [line.strip() for line in event.stderr.decode(errors="replace").splitlines() if line.strip()]
    words = "".join(c if c.isprintable() else " " for c in lines[-1])[:200] if lines else ""
    return words or (f"the agent was ended by signal {-event.rc}" if event.rc < 0 else f"the agent exited with {event.rc}")
