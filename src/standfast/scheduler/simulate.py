"""What if: a plan made from a CIB, with events injected, and carried out on a copy: what `crm_simulate` does.

Every action succeeds at once, but for those that are told to fail, in the order in which its inputs allow it; results are written
as the controller writes them. Nothing outside this process is touched. The words are those of report/simulation.py.

Pacemaker: lib/pacemaker/pcmk_simulate.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import field

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.scheduler.actions.digests import digest_of, filtered
from standfast.scheduler.api import Plan
from standfast.scheduler.dates import from_epoch
from standfast.scheduler.graph.model import Action, ActionKind, Graph
from standfast.scheduler.inject import (
    Injections,
    Note,
    Result,
    count_failure,
    inject,
    node_state,
    record,
    resource_history,
    take_down,
)
from standfast.scheduler.memory import Cluster, op_key, walk
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.report.picture import Picture, picture_of
from standfast.scheduler.values import int_or, parse_int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The CIB after a graph was carried out, what was done, in order, and whether nothing was left without a reason (an action
    that was told to fail is one)."""

    cib: etree._Element
    notes: tuple[Note, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What to simulate.

    `failing` are operations (RSC_TASK_INTERVALMS@NODE=RC) that fail when the plan is carried out; `date` is a moment to pretend,
    as text and in seconds; `utc_offset_s` is what dates without a zone mean; `detailed` pictures can be shown as XML, with
    attributes and failures.
    """

    injections: Injections = field(default_factory=Injections)
    failing: tuple[str, ...] = ()
    plan: bool = True
    run: bool = True
    date: str = ""
    date_s: int = 0
    sanitized: bool = True
    detailed: bool = False
    utc_offset_s: int = 0


@dataclass(frozen=True, slots=True)
class Simulation:
    """One simulation. `cib` is the input with its injections; `notes` is None where nothing was injected; `cluster`, `plan`,
    `outcome` and `after` are None where they were not asked for."""

    clock: str
    before: Picture
    cib: etree._Element
    notes: tuple[Note, ...] | None
    cluster: Cluster | None = field(default=None, repr=False)
    plan: Plan | None = None
    outcome: Outcome | None = None
    after: Picture | None = None

    @property
    def result(self) -> etree._Element:
        """The CIB at the end."""
        return self.cib if self.outcome is None else self.outcome.cib


def simulate(cib: etree._Element, request: Request, now_s: int) -> Simulation:
    """Look, inject, plan, carry out and look again, as far as is asked for. `cib` is not changed; `now_s` dates what is injected.

    Raises Refused for a node to inject that does not exist.
    """
    when_s, clock = _clock(cib, request, now_s)
    cluster = unpack(cib, when_s, sanitized=request.sanitized, utc_offset_s=request.utc_offset_s)
    before = picture_of(cluster, show_pending=True, detailed=request.detailed)
    notes = None
    if request.injections:
        cib, done = inject(cib, request.injections, cluster, now_s)
        notes = tuple(done)
        cluster = unpack(cib, when_s, sanitized=request.sanitized, utc_offset_s=request.utc_offset_s)
    if not request.plan:
        return Simulation(clock, before, cib, notes)
    plan = decide(cluster)
    if not request.run:
        return Simulation(clock, before, cib, notes, cluster, plan)
    known = frozenset(name for rsc in walk(cluster.resources) for name in (rsc.id, rsc.history_id) if name)
    outcome = execute(cib, plan.graph, now_s, known, request.failing)
    after = picture_of(
        unpack(outcome.cib, when_s, utc_offset_s=request.utc_offset_s), show_pending=False, detailed=request.detailed
    )
    return Simulation(clock, before, cib, notes, cluster, plan, outcome, after)


def execution_date(cib: etree._Element) -> int | None:
    """The second for which a saved CIB was meant, if it says."""
    return parse_int(cib.get("execution-date"))


def _clock(cib: etree._Element, request: Request, now_s: int) -> tuple[int, str]:
    """The second that counts as now, and the line that says so where it is another than the real one."""
    if request.date:
        return request.date_s, f"Setting effective cluster time: {request.date}"
    date_s = execution_date(cib)
    if date_s is None:
        return now_s, ""
    return date_s, f"Using the original execution date of: {from_epoch(date_s):%Y-%m-%d %H:%M:%SZ}"


# ---- carrying out -------------------------------------------------------------------------------------------------------


def execute(
    cib: etree._Element, graph: Graph, now_s: int, known: frozenset[str] = frozenset(), failing: Sequence[str] = ()
) -> Outcome:
    """Carry out a graph on a copy of `cib`, pass by pass over its actions as the controller does. After a failure only points in
    time and actions of infinite priority go on.

    `known` holds the names under which resources were found in the history: instances are printed, and recorded, by
    their number where the plain name is not among them.
    """
    stage = _Stage(deepcopy(cib), now_s, known, failing, graph.failed_start_offset, graph.failed_stop_offset)
    waiting = list(graph.actions)
    while waiting:
        left = [action for action in waiting if not (stage.is_ready(action) and stage.perform(action))]
        if len(left) == len(waiting):
            break
        waiting = left
    return Outcome(stage.cib, tuple(stage.notes), not waiting or stage.aborted)


class _Stage:
    """A copy of the CIB on which actions are carried out. `done` never holds an action whose result was a failure."""

    def __init__(
        self, cib: etree._Element, now_s: int, known: frozenset[str], failing: Sequence[str], start_offset: str, stop_offset: str
    ) -> None:
        self.cib, self.now_s, self.known, self.failing = cib, now_s, known, failing
        self.offsets = {"start": start_offset, "stop": stop_offset}
        self.notes: list[Note] = []
        self.done: set[int] = set()
        self.aborted = False

    def is_ready(self, action: Action) -> bool:
        """Whether an action may be carried out now."""
        if self.aborted and action.kind != ActionKind.PSEUDO and action.priority < _INFINITE_PRIORITY:
            return False
        return all(needed in self.done for needed in action.inputs)

    def perform(self, action: Action) -> bool:
        """Carry out one action. Always True: it is not to be tried again."""
        succeeded = True
        if action.operation == "stonith" and action.kind == ActionKind.CRM:
            how = dict(action.attributes).get("CRM_meta_stonith_action", "")
            if how != "on":
                take_down(self.cib, action.node, action.node_id)
            self._say(f"Fencing {action.node} ({how})", "fencing_action", target=action.node, op=how)
        elif action.kind == ActionKind.PSEUDO:
            key, on = action.operation_key, f" on {action.node}" if action.node else ""
            self._say(f"Pseudo action:   {key}{on}", "pseudo_action", task=key, node=action.node)
        elif action.kind == ActionKind.CRM:
            subject = f" for {action.resource}" if action.resource else ""
            text = f"Cluster action:  {action.operation}{subject} on {action.node}"
            self._say(text, "cluster_action", task=action.operation, node=action.node, id=action.resource)
        else:
            succeeded = self._operate(action)
        if succeeded:
            self.done.add(action.id)
        return True

    def _say(self, text: str, element: str, **attributes: str) -> None:
        self.notes.append(Note(text, element, tuple((name, value) for name, value in attributes.items() if value)))

    def _operate(self, action: Action) -> bool:
        """An operation of a resource: said, made to fail if it is to, and recorded."""
        name = action.long_id if action.resource not in self.known and action.long_id in self.known else action.resource
        task, interval_ms = action.operation, action.interval_ms
        interval = f"={interval_ms}" if interval_ms else ""
        text = f"Resource action: {name:<15} {task}{interval} on {action.node}"
        shown_interval = str(interval_ms) if interval_ms else ""
        self._say(text, "rsc_action", resource=name, op=task, node=action.node, interval=shown_interval)
        if task in ("delete", "meta-data"):
            return True
        state = node_state(self.cib, action.node, action.node if action.router_node else action.node_id)
        history = resource_history(state, name, action.resource, action.agent)
        params = dict(action.attributes)
        expected_rc = int_or(params.get("CRM_meta_op_target_rc"), 0)
        rc = self._failure(action, name)
        ends = ("CRM_meta_migrate_source", "CRM_meta_migrate_target")
        result = Result(
            resource=action.resource,
            task=task,
            interval_ms=interval_ms,
            rc=expected_rc if rc is None else rc[1],
            expected_rc=expected_rc,
            node=action.node,
            now_s=self.now_s,
            digest=digest_of(filtered(params)),
            notify=(params.get("CRM_meta_notify_type", ""), params.get("CRM_meta_notify_operation", "")),
            migration=(params.get(ends[0], ""), params.get(ends[1], "")) if task in ("migrate_to", "migrate_from") else None,
        )
        if rc is not None:
            infinite = self.offsets.get(task, "") == "INFINITY"
            self.notes += count_failure(state, rc[0], task, interval_ms, rc[1], self.now_s, infinite=infinite)
        record(history, result, "User-injected result")
        return rc is None

    def _failure(self, action: Action, name: str) -> tuple[str, int] | None:
        """(name that matched, return code) when the operation is told to fail."""
        for spec in self.failing:
            for resource in dict.fromkeys((name, action.resource)):
                key = f"{op_key(resource, action.operation, action.interval_ms)}@{action.node}="
                if not spec.lower().startswith(key.lower()):
                    continue
                match = re.match(r"[^=]*=\s*([+-]?\d+)", spec)
                if match is None:
                    text = f"Invalid failed operation '{spec}' (result code must be integer)"
                    self.notes.append(Note(text, is_error=True))
                    break
                self.notes.append(Note(f"Pretending action {action.id} failed with rc={match[1]}"))
                self.aborted = True
                return resource, int(match[1])
        return None


_INFINITE_PRIORITY = 1_000_000
