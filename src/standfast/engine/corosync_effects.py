"""What the real Corosync tells this node's manager, and what is asked of it: events and effects of the machine in corosync.py.

The order of events is that of CPG's dispatch, which is the same for all members; QuorumSaid comes on a line of its own.
"""

from __future__ import annotations

from enum import IntEnum

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient


class Reason(IntEnum):
    """Why a process is in a list of CPG's (corosync/cpg.h)."""

    UNKNOWN = 0
    JOIN = 1
    LEAVE = 2
    NODE_DOWN = 3
    NODE_UP = 4
    PROCESS_DOWN = 5


Process = tuple[NodeId, int]
"""One member of the process group: (node, process id)."""

RingId = tuple[int, int]
"""Totem's ring: (representative, sequence)."""


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """CPG's configuration change: who is in the group now, and who left it why."""

    members: tuple[Process, ...]
    left: tuple[tuple[Process, Reason], ...] = ()


@dataclass(frozen=True, slots=True)
class RingChanged:
    """Totem's configuration change, as CPG passes it on: the nodes of the ring, whether a manager runs there or not."""

    ring: RingId
    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the group, in total order, our own too."""

    process: Process
    data: bytes


@dataclass(frozen=True, slots=True)
class QuorumSaid:
    """Votequorum's word about a ring. `has_provider` False: corosync.conf names no quorum provider, nobody counts votes."""

    ring: RingId
    quorate: bool
    votes: int
    votes_needed: int
    expected_votes: int
    flags: tuple[str, ...] = ()
    has_provider: bool = True


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The daemon is gone, or the connection to it: everything that was known of the group is void."""


GroupInput = MembersChanged | RingChanged | Heard | QuorumSaid | TimerFired | Requested | Disconnected


@dataclass(frozen=True, slots=True)
class Cast:
    """Multicast a frame to the group, in order with the others of this node."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Depart:
    """Leave the group politely and disconnect."""


@dataclass(frozen=True, slots=True)
class Rejoin:
    """The others go on without this process: disconnect, and come in anew after REJOIN_MS."""


REJOIN_MS = 500
"""By then everything is delivered that was said about this process's earlier part in the group: the group itself cannot tell the
two apart (same node, same process id)."""

GroupEffect = Cast | ToClient | Tell | SetTimer | Persist | Depart | Rejoin
