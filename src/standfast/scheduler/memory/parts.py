"""What one run works on: nodes, resources, actions, relations, constraints. Data only."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from standfast.base.dataclass import dataclass
from standfast.scheduler.memory.flags import MultipleActive, Needs, ProbeMode, Variant
from standfast.scheduler.memory.watch import Rest
from standfast.scheduler.values import Role

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.actions.notifications import Notification
    from standfast.scheduler.methods import Methods
    from standfast.scheduler.unpack.bundles import BundleData
    from standfast.scheduler.unpack.entries import HistoryEntry


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


class Pull(NamedTuple):
    """What several steps add to one score, one after the other: how much in all, the lowest and highest that it comes to on the
    way, and whether one of them is -INFINITY or INFINITY (which are not in the sums)."""

    total: int
    low: int
    high: int
    bans: bool
    binds: bool


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
    rest: Rest | None = None  # this only stands for a resource that is at rest (resting/)
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
    # Of members, by task, until there is a newer one (actions/core.py).
    newest: dict[str, list[tuple[Resource, Op | None]]] = field(default_factory=dict)
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


Draw = dict[Node, Pull]
"""What a resource, and everything colocated with it in turn, adds to the scores of its primary."""


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
