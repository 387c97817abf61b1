"""A conversation with the executor as text: what is asked after `>`, what it does below. A script is its own expectation."""

from __future__ import annotations

import shlex

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
    Perform,
    Request,
    RunAgent,
    RunNative,
    RunUnit,
    SetTimer,
    TimerFired,
)
from standfast.executor.codes import explain
from standfast.executor.environment import Settings
from standfast.executor.machine import Executor

DUMMY = Agent(AgentClass.OCF, "heartbeat", "Dummy")
WALL_S = 1_700_000_000


def request(
    resource: str = "d",
    action: str = "start",
    interval_ms: int = 0,
    timeout_ms: int = 20_000,
    start_delay_ms: int = 0,
    native: bool = False,
    agent: Agent = DUMMY,
    key: str = "1:2:0:uuid",
) -> Request:
    """A request with everything that a test does not care about."""
    return Request(resource, agent, action, interval_ms, timeout_ms, (), (), key, start_delay_ms, native=native)


class Lab:
    """An executor and the clock. `check` holds after every step."""

    def __init__(self, parallel_max: int = 4) -> None:
        self.executor = Executor(Settings("n1"), parallel_max)
        self.now_ms = 0

    def step(self, event: ExecutorInput, at_ms: int | None = None) -> tuple[ExecutorEffect, ...]:
        self.now_ms = self.now_ms if at_ms is None else at_ms
        effects = self.executor.step(self.now_ms * 1000, WALL_S + self.now_ms // 1000, event)
        self.executor.check()
        return effects

    def talk(self, script: str) -> str:
        """Play the lines that begin with `>` and write what follows below each; the result equals the script when all is well."""
        written = []
        for line in script.strip().splitlines():
            text = line.strip()
            if text.startswith(">"):
                words = shlex.split(text[1:])
                written.append(text)
                written += [shown for e in self.step(_event(words[1:]), int(words[0])) if (shown := show(e))]
        return "\n".join(written)


def trimmed(script: str) -> str:
    return "\n".join(line.strip() for line in script.strip().splitlines())


def show(effect: ExecutorEffect) -> str:
    match effect:
        case RunAgent(run, argv):
            return f"agent {run}: {' '.join(argv).removeprefix('/usr/lib/ocf/resource.d/heartbeat/')}"
        case RunUnit(run, unit, verb):
            return f"unit {run}: {verb} {unit}"
        case RunNative(run, asked):
            return f"native {run}: {asked.key}"
        case EndAgent(run, force):
            return f"{'kill' if force else 'term'} {run}"
        case EndNative(run):
            return f"forget {run}"
        case Completed(result):
            reason = f" ({result.reason})" if result.reason else ""
            timing = f" {result.exec_ms}+{result.queue_ms}ms" if result.exec_ms or result.queue_ms else ""
            return f"= {result.request.key}: {explain(result.status, result.rc)}{reason} call {result.call_id}{timing}"
        case SetTimer(at_us):
            return f"timer {at_us // 1000}"
        case _:
            return f"! {effect.report.code}"


def _event(words: list[str]) -> ExecutorInput:
    verb, *rest = words
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    plain = [word for word in rest if "=" not in word]
    if verb == "perform":
        action, _, interval = plain[1].partition("/")
        agent = DUMMY
        if "agent" in options:
            standard, kind = options["agent"].split(":")
            agent = Agent(AgentClass(standard), "", kind)
        return Perform(
            request(
                plain[0],
                action,
                int(interval or 0),
                int(options.get("timeout", 20_000)),
                int(options.get("delay", 0)),
                native="native" in plain,
                agent=agent,
            )
        )
    if verb == "cancel":
        action, _, interval = plain[1].partition("/")
        return CancelRecurring(plain[0], action, int(interval), "9:9:0:cancel")
    if verb == "exited":
        stderr = f"ocf-exit-reason:{options['reason']}\n" if "reason" in options else ""
        return AgentExited(int(plain[0]), int(options["rc"]), b"", stderr.encode())
    if verb == "broken":
        return AgentExited(int(plain[0]), None, b"", b"", options["text"], Fault(options["fault"]))
    if verb == "answered":
        return NativeDone(int(plain[0]), int(options["rc"]), options.get("reason", ""))
    if verb == "changed":
        return NativeChanged(plain[0], int(options["rc"]), options.get("reason", ""))
    assert verb == "timer", verb
    return TimerFired()
