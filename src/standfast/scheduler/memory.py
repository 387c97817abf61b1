"""The working memory of one scheduler run: nodes, resources, actions, relations, constraints. Data only; the phases act on it.

Everything here is made by one run and thrown away after it; nothing refers to the CIB's elements in a way that changes them.
Lists that Pacemaker prepends to are appended to here and read from the end (`newest_first`), so the order is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from standfast.base.report import Report
from standfast.scheduler.api import Load, Reason, Score
from standfast.scheduler.known import Known
from standfast.scheduler.values import Role

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.actions.notifications import Notification
    from standfast.scheduler.methods import Methods
    from standfast.scheduler.unpack.bundles import BundleData
    from standfast.scheduler.unpack.entries import History, HistoryEntry

# Flags of an action (Pacemaker: enum pcmk__action_flags).
OPTIONAL: Final = 1  # need not run
RUNNABLE: Final = 2  # may run
PSEUDO: Final = 4  # a point in time, nothing is executed
MIGRATABLE: Final = 8  # part of a live migration
RESCHEDULE: Final = 16  # recurring operation with a changed definition
ON_DC: Final = 32  # executed by the coordinator, whatever its node is
ALWAYS: Final = 64  # goes into the graph even if optional
DEDUPLICATED: Final = 128
GRAPHED: Final = 256
ON_PATH: Final = 512  # visited by a walk in progress
MIGRATION_ABORT: Final = 1024
PARAMS_SET: Final = 2048

# Flags of a relation (Pacemaker: enum pcmk__action_relation_flags; the words are its own).
AR_NONE: Final = 0
AR_ORDERED: Final = 1 << 0
AR_IF_FIRST_UNMIGRATABLE: Final = 1 << 1
AR_THEN_IMPLIES_FIRST: Final = 1 << 4
AR_FIRST_IMPLIES_THEN: Final = 1 << 5
AR_PROMOTED_THEN_IMPLIES_FIRST: Final = 1 << 6
AR_UNMIGRATABLE_THEN_BLOCKS: Final = 1 << 7
AR_UNRUNNABLE_FIRST_BLOCKS: Final = 1 << 8
AR_FIRST_ELSE_THEN: Final = 1 << 9
AR_FIRST_IMPLIES_SAME_NODE_THEN: Final = 1 << 10
AR_NESTED_REMOTE_PROBE: Final = 1 << 11
AR_INTERMEDIATE_STOP: Final = 1 << 12
AR_SERIALIZE: Final = 1 << 14
AR_IF_ON_SAME_NODE: Final = 1 << 15
AR_THEN_IMPLIES_FIRST_GRAPHED: Final = 1 << 16
AR_FIRST_IMPLIES_THEN_GRAPHED: Final = 1 << 17
AR_ASYMMETRIC: Final = 1 << 20
AR_IF_ON_SAME_NODE_OR_TARGET: Final = 1 << 21
AR_MIN_RUNNABLE: Final = 1 << 22
AR_IF_REQUIRED_ON_SAME_NODE: Final = 1 << 23
AR_GUEST_ALLOWED: Final = 1 << 24
AR_THEN_CANCELS_FIRST: Final = 1 << 25


class Variant(IntEnum):
    """Kinds of resources, in Pacemaker's order (compared in places)."""

    PRIMITIVE = 1
    GROUP = 2
    CLONE = 3
    BUNDLE = 4


class ProbeMode(IntEnum):
    """resource-discovery of a location constraint; a greater one wins."""

    ALWAYS = 0
    NEVER = 1
    EXCLUSIVE = 2


class Needs(IntEnum):
    """What an action needs before it may run."""

    NOTHING = 0
    QUORUM = 1
    FENCING = 2


class OnFail(IntEnum):
    """What a failure means, in rising severity."""

    IGNORE = 0
    DEMOTE = 1
    RESTART = 2
    RESET_REMOTE = 3
    RESTART_CONTAINER = 4
    BAN = 5
    BLOCK = 6
    STOP = 7
    STANDBY = 8
    FENCE = 9


class QuorumPolicy(IntEnum):
    """no-quorum-policy."""

    FREEZE = 0
    STOP = 1
    IGNORE = 2
    FENCE = 3
    DEMOTE = 4


class MultipleActive(IntEnum):
    """multiple-active."""

    STOP_START = 0
    STOP_ONLY = 1
    BLOCK = 2
    STOP_UNEXPECTED = 3


@dataclass(eq=False, slots=True)
class Node:
    """A node. `score` and `probe_mode` are what new entries in tables of allowed nodes start with; `remote` is the connection
    that makes a Pacemaker Remote node (kind "remote") reachable."""

    name: str
    id: str
    kind: str = "member"
    score: int = 0
    online: bool = False
    shutdown: bool = False
    unclean: bool = False
    pending: bool = False
    standby: bool = False
    standby_onfail: bool = False
    maintenance: bool = False
    seen: bool = False
    expected_up: bool = False
    unpacked: bool = False
    probes_allowed: bool = True
    attrs: dict[str, str] = field(default_factory=dict)
    utilization: dict[str, str] = field(default_factory=dict)
    running: list[Resource] = field(default_factory=list)
    assigned_count: int = 0
    priority: int = 0
    digests: dict[str, Digest] = field(default_factory=dict)
    probe_mode: ProbeMode = ProbeMode.ALWAYS
    remote: Resource | None = None
    remote_reset: bool = False  # is, or is to be, "fenced" by recovery of its launcher or connection
    remote_fenced: bool = False
    remote_maintenance: bool = False  # what the node's state says; `maintenance` is what should be

    @property
    def launcher(self) -> Resource | None:
        """The resource (virtual machine, container) inside which this node runs; None for all but guest and bundle nodes."""
        return None if self.remote is None or self.kind != "remote" else self.remote.launcher

    @property
    def is_remote(self) -> bool:
        """Whether this is a remote node: behind a connection, but a host of its own."""
        return self.kind == "remote" and self.launcher is None

    @property
    def is_bundle_node(self) -> bool:
        """Whether this node is a bundle's replica."""
        return self.launcher is not None and self.launcher.bundle() is not None

    def available(self) -> bool:
        """Whether resources may be placed here, scores apart."""
        return self.online and not (self.shutdown or self.unclean or self.standby or self.maintenance)


@dataclass(eq=False, slots=True)
class Allowed:
    """One node in a resource's table, with the resource's score there."""

    node: Node
    score: int
    probe_mode: ProbeMode = ProbeMode.ALWAYS
    count: int = 0

    def copy(self) -> Allowed:
        """An independent copy; the node is shared."""
        return Allowed(self.node, self.score, self.probe_mode, self.count)


@dataclass(eq=False, slots=True)
class Digest:
    """Digests of an operation's parameters as configured now, and the result of the last comparison with history."""

    result: str  # match | unknown | mismatch | restart
    all: str
    restart: str | None
    secure: str | None = None


@dataclass(eq=False, slots=True)
class ScoreWalk:
    """A walk along colocations: the table being added to, whom it is for, and how to walk."""

    target: Resource
    table: dict[str, Allowed] | None
    nonnegative: bool = False
    active: bool = False
    this_with: bool = False


@dataclass(eq=False, slots=True)
class CloneData:
    """What only clones have: how many instances, where, in which roles. `child` is the configuration of one instance."""

    child: etree._Element
    max: int
    node_max: int
    promoted_max: int = 1
    promoted_node_max: int = 1
    ordered: bool = False
    total: int = 0
    scores_added: bool = False
    constrained: bool = False


@dataclass(eq=False, slots=True)
class Resource:
    """A primitive, group or clone (or an instance of one). `active_nodes` is where history says it is active."""

    id: str
    variant: Variant
    xml: etree._Element
    parent: Resource | None
    meta: dict[str, str] = field(default_factory=dict)
    children: list[Resource] = field(default_factory=list)
    ops_xml: list[etree._Element] = field(default_factory=list)
    methods: Methods | None = None
    clone: CloneData | None = None
    history_id: str = ""
    replicas: BundleData | None = None
    # remote connections and what runs inside other resources
    connection: bool = False
    launcher: Resource | None = None
    launched: list[Resource] = field(default_factory=list)
    reconnect_ms: int = 0
    nesting_allowed: bool = False
    replica_container: bool = False
    removed_launched: bool = False
    # flags
    managed: bool = True
    blocked: bool = False
    failed: bool = False
    stop_if_failed: bool = False
    removed: bool = False
    maintenance: bool = False
    ignore_failure: bool = False
    unique: bool = True
    notify: bool = False
    promotable: bool = False
    critical: bool = True
    migratable: bool = False
    fence_device: bool = False
    needs_quorum: bool = False
    needs_fencing: bool = False
    needs_unfencing: bool = False
    exclusive_probes: bool = False
    unassigned: bool = True
    assigning: bool = False
    restarting: bool = False
    stop_unexpected: bool = False
    start_pending: bool = False
    reload: bool = False
    updating_nodes: bool = False
    ordered: bool = True
    colocated: bool = True
    # numbers and policies
    priority: int = 0
    promotion_priority: int = 0
    stickiness: int = 0
    ban_after_failures: int = 1_000_000
    failure_timeout_ms: int = 0
    multiple_active: MultipleActive = MultipleActive.STOP_START
    # state
    role: Role = Role.STOPPED
    next_role: Role = Role.UNKNOWN
    active_nodes: list[Node] = field(default_factory=list)
    probed: set[str] = field(default_factory=set)
    allowed: dict[str, Allowed] = field(default_factory=dict)
    assigned: Node | None = None
    assigned_score: int = 0
    pending_action: str = ""
    pending_node: Node | None = None
    lock_node: Node | None = None
    lock_time_s: int = 0
    migration_source: Node | None = None
    migration_target: Node | None = None
    dangling_sources: list[Node] = field(default_factory=list)
    params: dict[str, dict[str, str]] = field(default_factory=dict)
    utilization: dict[str, str] = field(default_factory=dict)
    # constraints and actions
    tickets: list[RscTicket] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    with_this: list[Colocation] = field(default_factory=list)
    this_with: list[Colocation] = field(default_factory=list)
    actions: list[Op] = field(default_factory=list)
    actions_by_key: dict[str, list[Op]] = field(default_factory=dict)
    notifications: dict[str, Notification] = field(default_factory=dict)

    def act(self) -> Methods:
        """The variant's behaviour (set before constraints are unpacked)."""
        assert self.methods is not None
        return self.methods

    def top(self) -> Resource:
        """The outermost resource below a bundle that contains this one (itself, if none)."""
        rsc = self
        while rsc.parent is not None and rsc.parent.variant != Variant.BUNDLE:
            rsc = rsc.parent
        return rsc

    def bundle(self) -> Resource | None:
        """The bundle that this resource is, or is in."""
        top = self.top()
        owner = top if top.parent is None else top.parent
        return owner if owner.variant == Variant.BUNDLE else None

    def clone_data(self) -> CloneData:
        """The data of the clone that this resource is, or is in."""
        data = self.top().clone
        assert data is not None
        return data

    def is_inside(self, other: Resource) -> bool:
        """Whether `other` is an ancestor."""
        rsc = self.parent
        while rsc is not None:
            if rsc is other:
                return True
            rsc = rsc.parent
        return False

    @property
    def xml_id(self) -> str:
        """The id in the configuration, without an instance's number."""
        return self.xml.get("id", "")

    @property
    def agent(self) -> tuple[str, str, str]:
        """Class, provider, type."""
        return self.meta.get("class", ""), self.meta.get("provider", ""), self.meta.get("type", "")


@dataclass(eq=False, slots=True)
class Relation:
    """The other end of an ordering between two actions."""

    op: Op
    flags: int
    graphed: bool = False


@dataclass(eq=False, slots=True)
class Op:
    """An action while it is being decided. `before` and `after` hold relations, oldest first."""

    id: int
    key: str
    task: str
    rsc: Resource | None
    node: Node | None
    flags: int
    meta: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    config: etree._Element | None = None
    needs: Needs = Needs.NOTHING
    reason: str = ""
    cancel_task: str = ""
    priority: int = 0
    required_runnable_before: int = 0
    runnable_before: int = 0
    before: list[Relation] = field(default_factory=list)
    after: list[Relation] = field(default_factory=list)

    def has(self, flag: int) -> bool:
        """Whether all bits of `flag` are set."""
        return self.flags & flag == flag


@dataclass(eq=False, slots=True)
class Ordering:
    """An ordering constraint between (resource, key) or actions, waiting until all actions exist."""

    flags: int
    first_rsc: Resource | None
    first_key: str
    first: Op | None
    then_rsc: Resource | None
    then_key: str
    then: Op | None


@dataclass(eq=False, slots=True)
class Colocation:
    """`dependent` goes where `primary` is, as strongly as `score` says."""

    id: str
    score: int
    dependent: Resource
    primary: Resource
    dependent_role: Role
    primary_role: Role
    node_attribute: str
    influence: bool
    explicit: bool


@dataclass(eq=False, slots=True)
class Location:
    """Scores of one resource on some nodes, from one constraint or rule."""

    id: str
    rsc: Resource
    probe_mode: ProbeMode
    role: Role
    scores: list[tuple[Node, int]]
    sentence: str


@dataclass(eq=False, slots=True)
class Ticket:
    """A ticket of a multi-site cluster."""

    id: str
    granted: bool = False
    standby: bool = False


@dataclass(frozen=True, slots=True)
class RscTicket:
    """A resource's need of a ticket; `policy` is stop, demote, fence or freeze."""

    ticket: Ticket
    policy: str
    role: Role


@dataclass(eq=False, slots=True)
class Failure:
    """A failed operation that status commands show."""

    entry: HistoryEntry
    node: Node
    rsc: Resource


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
    failures: list[Failure] = field(default_factory=list)
    expired: set[HistoryEntry] = field(default_factory=set)  # failed recurring operations, to be scheduled anew
    actions: list[Op] = field(default_factory=list)
    singletons: dict[str, Op] = field(default_factory=dict)
    orderings: list[Ordering] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    values: dict[str, dict[Node, str]] = field(default_factory=dict)  # of attributes, by node (placement/colocated.py)
    known: Known = field(default_factory=Known)
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

    def recheck(self, when_s: int) -> None:
        """Ask to be run again no later than `when_s`, if that is in the future."""
        if when_s > self.now_s and (self.recheck_by_s == 0 or when_s < self.recheck_by_s):
            self.recheck_by_s = when_s
        self.has_come(when_s)

    def has_come(self, when_s: int) -> bool:
        """Whether it is `when_s`, or later. Whatever looks at the time asks so, or else says that `now_matters`."""
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
