"""The cluster as its status section shows it: what `crm status` renders, what the scheduler unpacks.

Plain values, so that a tool can read them from a JSON reply without knowing the scheduler.
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as `crm_mon` shows it. `expected_up` is None where it is not told: then it is whether the node is up to stay.
    A guest node is a remote one with a `launcher`, the resource inside which it runs, now on `host`. `expected` is what an
    attribute is while all hosts of the ping resource that sets it answer."""

    name: str
    id: str
    kind: str = "member"  # member | remote
    online: bool = False
    standby: bool = False
    standby_onfail: bool = False
    maintenance: bool = False
    pending: bool = False
    unclean: bool = False
    shutdown: bool = False
    expected_up: bool | None = None
    is_dc: bool = False
    resources_running: int = 0
    health: str = "green"
    attributes: tuple[tuple[str, str], ...] = ()
    expected: tuple[tuple[str, str], ...] = ()
    launcher: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """One history entry, as `crm_mon -o -f` and `crm_resource -O` show it: None is what the entry does not say, and without
    `has_key` its `key` is its id."""

    resource: str
    node: str
    task: str
    interval_ms: int
    call: int
    rc: int
    status: int
    key: str
    last_rc_change_s: int
    exec_ms: int | None
    queue_ms: int | None
    exit_reason: str | None = ""
    has_key: bool = True


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """A resource, or a group or clone with `children`, as `crm_mon` shows it. `role` is the current one (Started, Stopped,
    Starting, ...); `nodes` where it is active. A bundle's children are its replicas, whose children are its resources; `label`
    is its image or a replica's address, and `agent` the kind of container."""

    id: str
    kind: str  # primitive | group | clone | bundle | replica
    agent: str = ""
    role: str = "Stopped"
    target_role: str = ""
    nodes: tuple[str, ...] = ()
    active: bool = False
    orphaned: bool = False
    blocked: bool = False
    maintenance: bool = False
    managed: bool = True
    failed: bool = False
    failure_ignored: bool = False
    pending: str = ""
    unclean: bool = False
    children: tuple[ResourceStatus, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class FailCount:
    """A resource's failures on a node."""

    resource: str
    node: str
    count: int
    threshold: int
    last_failure_s: int


@dataclass(frozen=True, slots=True)
class Situation:
    """The cluster as the CIB's status section shows it, before any decision."""

    nodes: tuple[NodeStatus, ...] = ()
    resources: tuple[ResourceStatus, ...] = ()
    failures: tuple[OperationStatus, ...] = ()
    operations: tuple[OperationStatus, ...] = ()
    fail_counts: tuple[FailCount, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    instances: int = 0
    disabled: int = 0
    blocked: int = 0
