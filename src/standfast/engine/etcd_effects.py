"""What etcd tells this node's manager, and what is asked of it: events and effects of the machine in etcd.py."""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient


@dataclass(frozen=True, slots=True)
class Entry:
    """A key as it is, or was changed: `value` None is its end. `revision` is that of the change."""

    key: str
    value: bytes | None
    revision: int


@dataclass(frozen=True, slots=True)
class Opened:
    """This node has a lease and its key stands; `entries` is everything under the prefix at `revision`. What changes after that
    comes as Changed. `granted_us`: when the lease was asked for, and `ttl_s` how long it is."""

    granted_us: int
    ttl_s: int
    revision: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What happened, in the order of revisions, nothing left out."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """etcd has renewed the lease, asked at `sent_us`, and a linearisable read since then found that the view was last changed at
    `view_revision`."""

    sent_us: int
    view_revision: int


@dataclass(frozen=True, slots=True)
class PutDone:
    """The last Put is decided: it stands, or the view was another one (`taken` False). Silence is not an answer: it is
    repeated."""

    taken: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: the lease is gone, history was compacted away, or etcd let go."""


StoreInput = Opened | Changed | Kept | PutDone | Closed | Requested | TimerFired


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Renew the lease and read the view's revision; the answer is Kept. No answer is no event."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Write the view, if its key was last changed at `view_revision` (0: there is none) and each of these nodes' keys at its
    revision still. Whoever wins, the change comes to everybody."""

    value: bytes
    view_revision: int
    nodes: tuple[tuple[NodeId, int], ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Say this, if the view was last changed at `view_revision`. The answer is PutDone."""

    value: bytes
    view_revision: int


@dataclass(frozen=True, slots=True)
class Release:
    """Give the lease back: the others learn it at once. Then end."""


@dataclass(frozen=True, slots=True)
class Reopen:
    """Give up this session and begin another."""

    reason: str


StoreEffect = KeepAlive | Propose | Put | Release | Reopen | ToClient | Tell | SetTimer | Persist
