"""Whatever is asked and however agents behave: one at a time per resource, one answer for each request, nothing left behind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from standfast.executor.api import (
    Agent,
    AgentClass,
    AgentExited,
    CancelRecurring,
    Completed,
    EndAgent,
    EndNative,
    ExecutorInput,
    Fault,
    NativeChanged,
    NativeDone,
    OpStatus,
    Perform,
    Result,
    RunAgent,
    RunNative,
    RunUnit,
    SetTimer,
    TimerFired,
)

if TYPE_CHECKING:
    from tests.unit.executor.executor_lab import DUMMY, Lab, request
else:
    from executor_lab import DUMMY, Lab, request

RESOURCES = st.sampled_from(["a", "b", "c"])
ACTIONS = st.sampled_from(["start", "stop", "monitor", "notify", "promote"])
INTERVALS = st.sampled_from([1_000, 5_000])
CODES = st.sampled_from([0, 1, 5, 7, -9])
AGENTS = st.sampled_from([DUMMY, Agent(AgentClass.SYSTEMD, "", "u"), Agent(AgentClass.SERVICE, "", "s")])


class Host(RuleBasedStateMachine):
    """An executor whose world is this class: agents live until they are ended and agree to go."""

    @initialize(parallel_max=st.integers(1, 3))
    def begin(self, parallel_max: int) -> None:
        self.lab = Lab(parallel_max)
        self.living: dict[int, str] = {}
        self.resource_of: dict[str, str] = {}
        self.timer_ms: int | None = None
        self.asked: dict[str, bool] = {}
        self.answers: Counter[str] = Counter()
        self.told: dict[str, tuple[OpStatus, int]] = {}

    def step(self, event: ExecutorInput) -> None:
        for effect in self.lab.step(event):
            match effect:
                case RunAgent(run) | RunUnit(run) | RunNative(run):
                    resource = self.lab.executor._runs[run].line.resource
                    assert resource not in self.living.values(), f"two operations of {resource} at once"
                    self.living[run] = resource
                case EndNative(run):
                    assert self.living.pop(run)
                case EndAgent(run):
                    assert run in self.living
                case SetTimer(at_us):
                    self.timer_ms = at_us // 1000
                case Completed(result):
                    self.answer(result)
                case _:
                    pass

    def answer(self, result: Result) -> None:
        key = result.request.transition_key
        if key == "cancel":
            return
        self.answers[key] += 1
        if self.asked[key]:
            said = (result.status, result.rc)
            assert self.told.get(key) != said, "a repeated result that did not change"
            self.told[key] = said
        else:
            assert self.answers[key] == 1, "a second answer"

    @rule(resource=RESOURCES, action=ACTIONS, agent=AGENTS, native=st.booleans(), timeout=st.sampled_from([500, 3_000]))
    def ask(self, resource: str, action: str, agent: Agent, native: bool, timeout: int) -> None:
        key = f"1:{len(self.asked)}:0:u"
        self.asked[key] = False
        self.step(Perform(request(resource, action, 0, timeout, native=native, agent=agent, key=key)))

    @rule(resource=RESOURCES, interval=INTERVALS, native=st.booleans(), delay=st.sampled_from([0, 700]))
    def ask_again_and_again(self, resource: str, interval: int, native: bool, delay: int) -> None:
        key = f"1:{len(self.asked)}:0:u"
        self.asked[key] = True
        self.step(Perform(request(resource, "monitor", interval, 2_000, delay, native=native, key=key)))

    @rule(resource=RESOURCES, interval=INTERVALS)
    def cancel(self, resource: str, interval: int) -> None:
        self.step(CancelRecurring(resource, "monitor", interval, "cancel"))

    @rule(resource=RESOURCES, rc=CODES)
    def change(self, resource: str, rc: int) -> None:
        self.step(NativeChanged(resource, rc, ""))

    @rule(rc=CODES, which=st.integers(0, 5))
    def one_ends(self, rc: int, which: int) -> None:
        if self.living:
            self.end(sorted(self.living)[which % len(self.living)], rc)

    @rule(which=st.integers(0, 5))
    def one_is_missing(self, which: int) -> None:
        if self.living:
            run = sorted(self.living)[which % len(self.living)]
            self.living.pop(run)
            self.step(AgentExited(run, None, b"", b"", "not there", Fault.MISSING))
            self.step(NativeDone(run, 5, ""))

    def end(self, run: int, rc: int) -> None:
        self.living.pop(run)
        self.step(AgentExited(run, rc, b"", b""))
        self.step(NativeDone(run, abs(rc), ""))

    @rule(ms=st.sampled_from([1, 100, 600, 1_500]))
    def time_goes_on(self, ms: int) -> None:
        until = self.lab.now_ms + ms
        while self.timer_ms is not None and self.timer_ms <= until:
            self.lab.now_ms, self.timer_ms = max(self.timer_ms, self.lab.now_ms), None
            self.step(TimerFired())
        self.lab.now_ms = until

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "lab"):
            self.lab.executor.check()

    def teardown(self) -> None:
        """Everything ends at last, and then each request has its answer."""
        if not hasattr(self, "lab"):
            return
        for resource in ("a", "b", "c"):
            for interval in (1_000, 5_000):
                self.cancel(resource, interval)
        for _ in range(200):
            for run in list(self.living):
                self.end(run, 0)
            self.time_goes_on(600)
            if self.lab.executor.is_idle:
                break
        assert self.lab.executor.is_idle
        assert not self.lab.executor._lines
        assert set(self.answers) == set(self.asked), "a request without an answer"


Host.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHost = Host.TestCase
