"""The contract of the cluster layer: what a provider tells its client (the manager), and what it takes from it.

Promises, proved for every provider by one conformance suite:

* Same view id, same members. View sequences grow on each node, across restarts too.
* Two nodes that move together from one view to the next delivered the same messages in the first, in the same order.
* A message is delivered in the view it was ordered in, to its sender too; per sender, in the order it was sent.
* At most one quorate view at a time, unless the user asked otherwise (`two_node` with a cut, expected_votes set by hand).
* `Stable(seq)`: every member of the view holds all messages up to `seq` of that view.
* With a quorum device (third.py) the device vouches for a node alone, and its pulse may come before the view without the peer.
* `Pulse(until_us)`: until that instant (CLOCK_MONOTONIC of this host, which processes of one host share) no other view can
  have been agreed without this node, as far as the members can be trusted to keep time within the lease. A node that was
  paused, or that the others no longer acknowledge, gets no pulse: its client must stop acting when `until_us` has passed.

What a provider cannot promise is in its types: `View.transitional` is None where the provider knows no transitional views.
"""

from __future__ import annotations

from dataclasses import field

from msgspec import Struct

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId

PAYLOAD_BYTES_MAX = 1 << 20
"""Largest message a client may broadcast: 1 MiB, as CPG's."""


class ViewId(Struct, frozen=True, order=True):
    """Names a view: the sequence grows, the coordinator (the member that sequences messages) breaks ties between partitions."""

    seq: int
    coordinator: NodeId


@dataclass(frozen=True, slots=True)
class View:
    """An agreed membership. `members` is sorted and holds this node; `joined`/`left` compare with this node's last view (a member
    that restarted, or was in another view meanwhile, is in both); `transitional` are the members that came along from this node's
    last view (None: the provider cannot tell)."""

    id: ViewId
    members: tuple[NodeId, ...]
    joined: tuple[NodeId, ...] = ()
    left: tuple[NodeId, ...] = ()
    transitional: tuple[NodeId, ...] | None = None


@dataclass(frozen=True, slots=True)
class Quorum:
    """Whether this partition may act. `reason` is a sentence for people: votes seen, votes needed, which rule decided."""

    quorate: bool
    votes: int
    votes_needed: int
    expected_votes: int
    reason: str
    flags: tuple[str, ...] = ()  # as corosync-quorumtool names them: 2Node, Quorate, WaitForAll, ...
    is_sole: bool = False
    """The provider knows that no other partition is quorate, however few votes are here (etcd)."""


# ---- what the provider tells its client -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ViewInstalled:
    """A new view, with its quorum. Everything delivered after this belongs to it."""

    view: View
    quorum: Quorum


@dataclass(frozen=True, slots=True)
class QuorumChanged:
    """Quorum changed inside the view (votes set by hand, wait_for_all cancelled, a device's vote)."""

    quorum: Quorum


class Delivered(Struct, frozen=True):
    """One message in total order. `seq` counts from 1 in each view. `sender_boot` tells one life of a sender from its next."""

    view: ViewId
    seq: int
    sender: NodeId
    payload: bytes


class Stable(Struct, frozen=True):
    """Every member of `view` holds all messages up to `seq`."""

    view: ViewId
    seq: int


class ClientAbsent(Struct, frozen=True):
    """In total order: the manager of member `node` has gone, or fell silent beyond its grace, while its engine lives.
    `seq` 0: it was so already when this client attached."""

    view: ViewId
    seq: int
    node: NodeId


class Pulse(Struct, frozen=True):
    """This node's membership was confirmed by evidence; see the module's last promise. About two a second."""

    until_us: int


class Congested(Struct, frozen=True):
    """Flow control: `True`, stop broadcasting until `False`. A broadcast while congested may be refused."""

    congested: bool


ClientEvent = ViewInstalled | QuorumChanged | Delivered | Stable | ClientAbsent | Pulse | Congested

# ---- what the client asks of the provider -----------------------------------------------------------------------------


class Attach(Struct, frozen=True):
    """The manager is here. The answer is ViewInstalled for the current view (joined = all members)."""


class Broadcast(Struct, frozen=True):
    """Deliver `payload` to every member, in total order. Sent across a view change it is delivered in the next view."""

    payload: bytes


class Alive(Struct, frozen=True):
    """The manager answers a pulse: it is not hung."""


class Leave(Struct, frozen=True):
    """Leave politely: the others learn it at once. The engine then stops."""


ClientRequest = Attach | Broadcast | Alive | Leave


# ---- what the tools (corosync-cfgtool, -quorumtool, -cmapctl) may ask -------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One configured node as the engine sees it. `links` is (address, connected) by link number; votes as configured."""

    node: NodeId
    name: str
    votes: int
    member: bool
    reachable: bool
    links: tuple[tuple[str, bool], ...]
    silent_ms: int
    bound_ms: int
    rtt_us: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Everything the corosync tools print; `cmap` holds (key, type, value) as corosync-cmapctl lists them."""

    local: NodeId
    cluster_name: str
    transport: str
    view: View | None
    quorum: Quorum
    peers: tuple[PeerStatus, ...]
    client_attached: bool
    counters: tuple[tuple[str, int], ...] = ()
    cmap: tuple[tuple[str, str, str], ...] = field(default=())
