"""All of one run: what was unpacked, what was decided, what is to be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.report import Report
from standfast.scheduler.api import Load, Reason, Score
from standfast.scheduler.known import Known
from standfast.scheduler.memory.flags import QuorumPolicy
from standfast.scheduler.memory.parts import Colocation, Draw, Failure, Location, Node, Op, Ordering, Resource, Ticket
from standfast.scheduler.memory.watch import Watch

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.unpack.entries import History, HistoryEntry


@dataclass(slots=True)
class Asleep:
    """What a run leaves out: resources at rest with what stands for them, by element, and constraints that are about them alone.
    `histories` are those that are not left out, by node state, each with how many numbers of actions those before it use up that
    are; `after` is how many those behind the last one do."""

    resources: dict[etree._Element, Resource] = field(default_factory=dict)
    histories: dict[etree._Element, list[tuple[History, int]]] = field(default_factory=dict)
    after: dict[etree._Element, int] = field(default_factory=dict)
    constraints: set[etree._Element] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Cluster:
    """The whole working memory. `now_s` is wall-clock seconds; `root` is read only."""

    root: etree._Element
    now_s: int
    utc_offset_s: int = 0  # of the coordinator's local time, which rules without a zone mean
    options: dict[str, str] = field(default_factory=dict)
    raw_options: dict[str, str] = field(default_factory=dict)
    quorate: bool = False
    policy: QuorumPolicy = QuorumPolicy.STOP
    fencing_enabled: bool = True
    unfencing: bool = False  # some resource needs unfencing, or some device provides it
    have_fencing: bool = False
    symmetric: bool = True
    in_maintenance: bool = False
    stop_all: bool = False
    probe_resources: bool = True
    startup_fencing: bool = True
    stop_removed: bool = True
    cancel_removed: bool = True
    start_failure_fatal: bool = True
    concurrent_fencing: bool = True
    connects: bool = True  # whether who carries out the plan can reach Pacemaker Remote nodes
    tells: bool = True  # whether scores, their reasons and the situation are wanted, not only what is to be done
    sanitized: bool = False  # a saved CIB, whose private parameters may have been blanked
    shutdown_lock: bool = False
    shutdown_lock_ms: int = 0
    node_pending_ms: int = 0
    fencing_action: str = "reboot"
    fence_remote_without_quorum: bool = False
    health_scores: dict[str, int] = field(default_factory=dict)
    rsc_defaults: list[etree._Element] = field(default_factory=list)
    op_defaults: list[etree._Element] = field(default_factory=list)
    ids: dict[str, etree._Element] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    nodes_by_id: dict[str, Node] = field(default_factory=dict)
    nodes_by_name: dict[str, Node] = field(default_factory=dict)
    dc: Node | None = None
    resources: list[Resource] = field(default_factory=list)
    by_id: dict[str, Resource] = field(default_factory=dict)
    stop_needed: list[Resource] = field(default_factory=list)
    deferred_checks: list[tuple[Resource, Node, HistoryEntry, bool]] = field(default_factory=list)
    by_history: dict[str, Resource] = field(default_factory=dict)
    templates: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    history: dict[tuple[str, str], list[HistoryEntry]] = field(default_factory=dict)
    node_history: dict[str, list[History]] = field(default_factory=dict)
    numbers_before: dict[object, int] = field(default_factory=dict)  # used up by what is left out before a history, or after all
    failures: list[Failure] = field(default_factory=list)
    expired: set[HistoryEntry] = field(default_factory=set)  # failed recurring operations, to be scheduled anew
    actions: list[Op] = field(default_factory=list)
    singletons: dict[str, Op] = field(default_factory=dict)
    orderings: list[Ordering] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    values: dict[str, dict[Node, str]] = field(default_factory=dict)  # of attributes, by node (placement/colocated.py)
    draws: dict[Resource, dict[tuple[Colocation, float], Draw | None]] = field(default_factory=dict)  # placement/draws.py
    draw_users: dict[Resource, dict[Resource, None]] = field(default_factory=dict)  # whose draws contain a resource's
    known: Known = field(default_factory=Known)
    watch: Watch = field(default_factory=Watch)
    asleep: Asleep = field(default_factory=Asleep)
    recheck_by_s: int = 0
    same_until_s: int | None = None  # every second before it decides the same
    next_action_id: int = 1
    scores: list[Score] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    notices: dict[str, Report] = field(default_factory=dict)

    def option(self, name: str) -> str:
        """An option's value in effect."""
        return self.options[name]

    def flag(self, name: str) -> bool:
        """A boolean option in effect."""
        return self.options[name] == "true"

    def find_node(self, name: str | None) -> Node | None:
        """A node by name, in any case."""
        return self.nodes_by_name.get((name or "").lower())

    def awake(self) -> list[Resource]:
        """The resources that are dealt with, without those that are left to rest."""
        return [rsc for rsc in self.resources if rsc.rest is None]

    def each(self, resources: list[Resource] | None = None) -> Iterator[Resource]:
        """One resource after the other (all, in order): what happens in its turn is on its account."""
        for rsc in self.resources if resources is None else resources:
            self.watch.about = rsc
            yield rsc
        self.watch.about = None

    def recheck(self, when_s: int) -> None:
        """Ask to be run again no later than `when_s`, if that is in the future."""
        if when_s > self.now_s and (self.recheck_by_s == 0 or when_s < self.recheck_by_s):
            self.recheck_by_s = when_s
        self.has_come(when_s)

    def has_come(self, when_s: int) -> bool:
        """Whether it is `when_s`, or later. Whatever looks at the time asks so, or else says that `now_matters`."""
        self.watch.mark()
        if when_s <= self.now_s:
            return True
        if self.same_until_s is None or when_s < self.same_until_s:
            self.same_until_s = when_s
        return False

    def now_matters(self) -> None:
        """The next second may decide otherwise."""
        self.has_come(self.now_s + 1)

    def tell(self, report: Report) -> None:
        """Keep a report, once."""
        self.tell_once(report.sentence(), report)

    def tell_once(self, mark: str, report: Report) -> None:
        """Keep the first report of this mark."""
        self.watch.mark()
        self.notices.setdefault(mark, report)


def located(rsc: Resource, current: bool = False, pending: bool = False, assigned: bool = False) -> list[Node]:
    """Nodes where a resource (any of its members) is active, has an operation pending, or was assigned; each once."""
    found: list[Node] = []
    if rsc.children:
        for child in rsc.children:
            found += [node for node in located(child, current, pending, assigned) if node not in found]
        return found
    if current:
        found += rsc.active_nodes
    if pending and rsc.pending_node is not None and rsc.pending_node not in found:
        found.append(rsc.pending_node)
    if assigned and rsc.assigned is not None:
        found.append(rsc.assigned)
    return found


def any_of(rsc: Resource, flag: str) -> bool:
    """Whether a flag is set on a resource or anything in it."""
    return bool(getattr(rsc, flag)) or any(any_of(child, flag) for child in rsc.children)


def op_key(rsc_id: str, task: str, interval_ms: int = 0) -> str:
    """RSC_TASK_INTERVAL, an operation's name everywhere in the field."""
    return f"{rsc_id}_{task}_{interval_ms}"


def walk(resources: list[Resource]) -> Iterator[Resource]:
    """Every resource, parents before children."""
    for rsc in resources:
        yield rsc
        yield from walk(rsc.children)


def primitives(rsc: Resource) -> Iterator[Resource]:
    """The leaves of a resource."""
    if rsc.children:
        for child in rsc.children:
            yield from primitives(child)
    else:
        yield rsc
