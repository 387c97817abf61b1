"""The coordinator's part: a wish to fence a node, carried to its end through devices, levels and nodes.

One alternative after the other; in one, every step must succeed; each step is tried on one node after the other. A turning on
after all were turned off may fail: the node is fenced, and says so itself when it does not come back.

A wish of the plan is about a node that is gone. When that takes part again before anything was done to it, the job is called
back, and nobody else is asked: to fence it now would take down what has just come up. That is safe, for what waits for the
fencing is told that there was none, and the plan is made anew; if that still wants it (a stop that failed there), it is done
then. What has begun at a device goes on, and people's own wishes are never called back.

Invariants (`check`): one request per target; it has exactly one job on its way; it ends at its deadline at the latest; what is
called back has done nothing to its target so far, and nobody but plans has asked for it.
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, notice, warning
from standfast.fencing import devices, values
from standfast.fencing.api import (
    Began,
    CallBack,
    Confirmed,
    Device,
    Ended,
    Facts,
    Heard,
    Job,
    Members,
    Order,
    Ran,
    RequestEffect,
    RequestInput,
    SetTimer,
    Tell,
    TimerFired,
    Want,
)
from standfast.fencing.devices import Step

REQUESTS_MAX = 256
WAITING_MAX = 64
ANSWER_MARGIN_MS = 2_000
"""What an order and its answer may take on their way, beside a fifth of the job's own time (Pacemaker's TIMEOUT_MULTIPLY)."""
A_HUMAN = "a human"


@dataclass(slots=True)
class _Request:
    """`alternatives` are what is left to try, the first one now; `step` is the place in it; `nodes` may still try this step.
    `was_away`: the target did not take part at some time since it was asked for."""

    id: str
    want: Want
    who: list[str]
    alternatives: list[tuple[Step, ...]]
    deadline_us: int
    step: int = 0
    nodes: list[str] = field(default_factory=list)
    node: str = ""
    job: Job | None = None
    answer_by_us: int = 0
    delayed: bool = False
    was_away: bool = False
    may_lapse: bool = False
    called_back: bool = False
    reasons: list[str] = field(default_factory=list)


class Requests:
    """See the module. `facts` is what the configuration says now."""

    def __init__(self, entropy: str) -> None:
        """`entropy` tells this life's requests from all others."""
        self.facts = Facts()
        self._entropy = entropy
        self._present: tuple[str, ...] = ()
        self._requests: dict[str, _Request] = {}
        self._count = 0
        self._now_us = 0
        self._out: list[RequestEffect] = []

    def step(self, now_us: int, event: RequestInput) -> tuple[RequestEffect, ...]:
        """Apply one input; returns the effects in order."""
        self._now_us = max(now_us, self._now_us)
        match event:
            case Want():
                self._want(event)
            case Heard(node, ran):
                self._heard(node, ran)
            case Members(present):
                self._members(present)
            case Confirmed(target):
                self._confirmed(target)
            case TimerFired():
                pass
        self._time_passes()
        times = [min(r.deadline_us, r.answer_by_us) for r in self._requests.values()]
        if times:
            self._out.append(SetTimer(min(times)))
        out, self._out = tuple(self._out), []
        return out

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the requests in hand."""
        return frozenset(r.id for r in self._requests.values())

    def drop(self) -> tuple[str, ...]:
        """Another node has the duty now; returns all that waited."""
        who = tuple(name for r in self._requests.values() for name in r.who)
        self._requests.clear()
        return who

    # ---- events --------------------------------------------------------------------------------------------------

    def _want(self, want: Want) -> None:
        old = self._requests.get(want.target)
        if old is not None and old.want.action == want.action and len(old.who) < WAITING_MAX:
            old.who.append(want.who)
            old.may_lapse &= want.may_lapse
            old.was_away = want.target not in self._present
            old.called_back = False  # it is wanted as things are now
            return
        self._count += 1
        name = f"{self._entropy}-{self._count}"
        if old is not None or len(self._requests) >= REQUESTS_MAX:
            busy = f"{want.target} is being fenced already ({old.want.action})" if old else "too many fencings are under way"
            self._out.append(Ended(name, want, (want.who,), ok=False, delegate="", reason=busy))
            return
        alternatives = devices.alternatives(self.facts, want.target, want.action)
        if not alternatives:
            self._out += [Began(name, want), Tell(no_device(want.target))]
            self._out.append(Ended(name, want, (want.who,), ok=False, delegate="", reason="No fence device", is_final=True))
            return
        total_ms = sum(self._timeout_ms(step, want) for chain in alternatives for step in chain)
        most_ms = max(values.delay_ms(d.parameters, want.target, 0) + self._delay_max_ms(d) for c in alternatives for d, _ in c)
        deadline_us = self._now_us + (total_ms * 12 // 10 + want.delay_ms + most_ms + ANSWER_MARGIN_MS) * 1000
        request = _Request(name, want, [want.who], list(alternatives), deadline_us, may_lapse=want.may_lapse)
        request.was_away = want.target not in self._present
        self._requests[want.target] = request
        self._out.append(Began(name, want))
        self._begin_step(request)

    def _heard(self, node: str, ran: Ran) -> None:
        found = next((r for r in self._requests.values() if r.job is not None and r.job.id == ran.job), None)
        if found is None or found.node != node:
            return
        if ran.ok:
            found.called_back = found.may_lapse = False  # it was hit: the rest has to follow
            self._step_done(found)
        elif ran.recalled and not found.called_back:
            found.nodes.insert(0, node)  # called back, and wanted again meanwhile
            self._order(found)
        else:
            reason = ran.reason if ran.recalled else f"{found.node}: {ran.reason}"
            self._step_failed(found, reason, unfit=ran.unfit)

    def _members(self, present: tuple[str, ...]) -> None:
        self._present = present
        for request in list(self._requests.values()):
            if request.job is not None and request.node in present:
                self._out.append(Order(request.node, request.job))
            else:
                self._step_failed(request, f"{request.node} was lost while it fenced {request.want.target}")
        for request in list(self._requests.values()):
            self._call_back(request)

    def _call_back(self, request: _Request) -> None:
        """The target may have come, or gone."""
        if request.want.target not in self._present:
            request.was_away, request.called_back = True, False
        elif request.was_away and request.may_lapse and request.step == 0 and request.job is not None:
            request.called_back = True
            reason = f"{request.want.target} came back before it was fenced"
            self._out.append(CallBack(request.node, request.job.id, reason))

    def _confirmed(self, target: str) -> None:
        request = self._requests.pop(target, None)
        if request is not None:
            self._out.append(Ended(request.id, request.want, tuple(request.who), ok=True, delegate=A_HUMAN, reason=""))

    def _time_passes(self) -> None:
        for request in list(self._requests.values()):
            if self._now_us >= request.deadline_us:
                self._end(request, ok=False, reason="; ".join((*request.reasons[-3:], "the time for fencing is up")))
            elif self._now_us >= request.answer_by_us:
                self._step_failed(request, f"{request.node} did not answer in time")

    # ---- how a request goes on -----------------------------------------------------------------------------------

    def _begin_step(self, request: _Request) -> None:
        device, _ = request.alternatives[0][request.step]
        others = [name for name in device.nodes if name in self._present and name != request.want.target]
        itself = [name for name in device.nodes if name in self._present and name == request.want.target]
        request.nodes = others or itself
        self._order(request)

    def _order(self, request: _Request) -> None:
        device, action = request.alternatives[0][request.step]
        if not request.nodes:
            request.reasons.append(f"no node that is here may run {device.id}")
            self._next_alternative(request)
            return
        self._count += 1
        request.node = request.nodes.pop(0)
        timeout_ms = self._timeout_ms((device, action), request.want)
        delay_ms = -1 if request.delayed or request.want.delay_ms < 0 else request.want.delay_ms
        request.job = Job(
            f"{request.id}.{self._count}",
            device.id,
            device.agent,
            device.parameters_on(request.node),
            request.want.target,
            action,
            timeout_ms,
            delay_ms,
        )
        patience_ms = timeout_ms * 12 // 10 + max(0, delay_ms) + self._delay_max_ms(device) + ANSWER_MARGIN_MS
        request.answer_by_us = self._now_us + patience_ms * 1000
        request.delayed = True
        self._out.append(Order(request.node, request.job))

    def _step_done(self, request: _Request) -> None:
        request.step += 1
        if request.step < len(request.alternatives[0]):
            self._begin_step(request)
        else:
            self._end(request, ok=True)

    def _step_failed(self, request: _Request, reason: str, *, unfit: bool = False) -> None:
        if request.called_back:
            self._end(request, ok=False, reason=reason, lapsed=True)
            return
        request.reasons.append(reason)
        _, action = request.alternatives[0][request.step]
        if action == "on" and request.want.action == "reboot":
            what = f"{request.want.target} is off and could not be turned on again"
            self._out.append(Tell(warning("fencing.not-on", what, reason)))
            self._step_done(request)
        elif request.nodes and not unfit:
            self._order(request)
        else:
            self._next_alternative(request)

    def _next_alternative(self, request: _Request) -> None:
        del request.alternatives[0]
        request.step = 0
        if request.alternatives:
            self._begin_step(request)
        else:
            self._end(request, ok=False, reason="; ".join(request.reasons[-3:]))

    def _end(self, request: _Request, *, ok: bool, reason: str = "", lapsed: bool = False) -> None:
        del self._requests[request.want.target]
        if ok:
            self._out.append(Tell(notice("fencing.done", f"{request.want.target} is fenced ({request.want.action})", "", "")))
        who, delegate = tuple(request.who), request.node if ok else ""
        self._out.append(Ended(request.id, request.want, who, ok, delegate, reason, lapsed=lapsed))

    def _timeout_ms(self, step: Step, want: Want) -> int:
        device, action = step
        return values.timeout_ms(device.parameters, action, want.timeout_ms or self.facts.timeout_ms)

    @staticmethod
    def _delay_max_ms(device: Device) -> int:
        given = dict(device.parameters)
        base = [values.duration_ms(text, 0) for text in (given.get("pcmk_delay_base"), given.get("pcmk_delay_max"))]
        mapped = [values.duration_ms(t, 0) for t in values.host_map(given.get("pcmk_delay_base", "")).values()]
        return max(*base, *mapped, 0)

    def check(self) -> None:
        """Assert the invariants."""
        for target, request in self._requests.items():
            assert target == request.want.target, target
            assert request.job is not None, f"nothing is under way for {target}"
            assert request.alternatives, f"nothing is left to try for {target}"
            assert not request.called_back or (request.may_lapse and request.step == 0), f"{target} was hit, or meant by people"
        assert len(self._requests) <= REQUESTS_MAX


def no_device(target: str) -> Report:
    """Nothing is configured that could fence a node."""
    return warning(
        "fencing.no-device",
        f"no device is configured that fences {target}",
        "no pcmk_host_list names it, and no fencing level is for it",
        "stonith_admin --list " + target + " shows what there is; when you know that it is down: crm node clearstate " + target,
    )
