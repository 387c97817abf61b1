"""What managers say to each other, in total order: a change of the CIB, an order to a node, the result of an operation, news.

One envelope carries them, because they belong together: the pending record of an operation and the order to run it, the result of
an operation and the record of it. All nodes take the same envelope at the same place in the order.
"""

from __future__ import annotations

import msgspec

from standfast.base.ids import NodeId
from standfast.base.wire import Malformed
from standfast.executor.api import Request
from standfast.fencing.api import Job, Ran, Record

ENVELOPE_BYTES_MAX = 1 << 20


class Execute(msgspec.Struct, frozen=True, tag="execute"):
    """The coordinator's order: `target` runs the request and answers with an envelope that carries its Landed."""

    target: NodeId
    request: Request


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop a recurring operation on `target`, which answers with Landed."""

    target: NodeId
    resource: str
    action: str
    interval_ms: int
    transition_key: str


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """These (node, resource) histories were deleted: the nodes stop repeating those operations and know nothing of them."""

    histories: tuple[tuple[NodeId, str], ...]


class Depart(msgspec.Struct, frozen=True, tag="depart"):
    """Everything has left `target`: it may stop now."""

    target: NodeId


class RunFence(msgspec.Struct, frozen=True, tag="fence"):
    """The coordinator's order: `target` carries out its part of a fencing and answers with FenceRan."""

    target: NodeId
    job: Job


class RecallFence(msgspec.Struct, frozen=True, tag="unfence"):
    """The coordinator's order: `target` leaves that job alone, if nothing has been done yet; it answers as it would else."""

    target: NodeId
    job: str
    reason: str


Order = Execute | Cancel | Forget | Depart | RunFence | RecallFence


class Landed(msgspec.Struct, frozen=True, tag="landed"):
    """An operation ended on `node`: the coordinator matches it by its transition key."""

    node: NodeId
    resource: str
    action: str
    interval_ms: int
    transition_key: str
    rc: int
    status: int
    reason: str


class Present(msgspec.Struct, frozen=True, tag="present"):
    """The sender has the agreed CIB and takes part in this view, under this name."""

    name: str


class Duty(msgspec.Struct, frozen=True, tag="duty"):
    """The sender coordinates this view from here on. The records that come along say who is not there: made for those who were
    `present` then (None: of a version that does not say), they are void when somebody has come meanwhile."""

    present: tuple[NodeId, ...] | None = None


class Step(msgspec.Struct, frozen=True, tag="step"):
    """The coordinator's transition began or ended, for those who follow events."""

    transition: int
    state: str
    actions: int
    reason: str


class Await(msgspec.Struct, frozen=True, tag="await"):
    """The sender wants to know when nothing is under way any more; `token` comes back in Rested."""

    token: int


class Rested(msgspec.Struct, frozen=True, tag="rested"):
    """The coordinator's answer to Await: nothing is under way, and everything ordered before is decided."""

    asker: NodeId
    token: int


class FenceRan(msgspec.Struct, frozen=True, tag="fence-ran"):
    """How the sender's part of a fencing ended."""

    ran: Ran


class FenceAsked(msgspec.Struct, frozen=True, tag="fence-asked"):
    """A person at the sender wants `action` (reboot | off | on), or says that the target is down (confirm); `token` comes back in
    FenceNoted."""

    token: int
    target: str
    action: str
    client: str
    delay_ms: int = 0
    timeout_ms: int = 0


class FenceNoted(msgspec.Struct, frozen=True, tag="fence-noted"):
    """A fencing began or ended; `replies` are the (node, token) of those who waited."""

    record: Record
    replies: tuple[tuple[NodeId, int], ...]


class FenceKnown(msgspec.Struct, frozen=True, tag="fence-known"):
    """What the sender's history holds, for a node that has just come."""

    records: tuple[Record, ...]


class FenceForgotten(msgspec.Struct, frozen=True, tag="fence-forgotten"):
    """The history of a target is cleaned up; "" for all."""

    target: str


FencingNews = FenceRan | FenceAsked | FenceNoted | FenceKnown | FenceForgotten
News = Landed | Present | Duty | Step | Await | Rested | FencingNews


class Envelope(msgspec.Struct, frozen=True):
    """One ordered message between managers.

    `sender` and `number` name it (a client's answer waits for its own). `view` is the sequence of the view it was sent in: an
    envelope with an order is void in any other view, for everybody alike, because the coordinator that sent it plans anew.
    `change` is an encoded cib Change, or empty. `expected` says that the change is bookkeeping of the plan in flight.
    `action` is the id of the coordinator's own action that is done when this is delivered, or 0. `base`, where given, is the
    `admin_epoch.epoch` that the change was made for: in any other configuration it is refused, by everybody alike.
    `holds` is the lineage and the version (admin_epoch, epoch, num_updates) that the sender's journal holds; None from a version
    that does not say. `asks`: everybody is to write down what was agreed (confirmations.py).
    """

    sender: NodeId
    number: int
    view: int
    change: bytes = b""
    order: Order | None = None
    news: News | None = None
    expected: bool = False
    action: int = 0
    base: str = ""
    holds: tuple[int, int, int, int] | None = None
    asks: bool = False


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The envelope's bytes."""
    return _ENCODE(envelope)


def decode(data: bytes) -> Envelope:
    """The envelope in `data`; raises Malformed."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as bad:
        raise Malformed("envelope", str(bad)) from bad
