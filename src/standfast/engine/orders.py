"""Operators' orders: what is refused, and how an accepted one travels in the order of the view. Pure.

Owns: the verbs and their bytes. Does not own: what an order does to quorum (quorum/), the polite leave (leaver.py).
"""

from __future__ import annotations

from collections.abc import Container

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error
from standfast.base.wire import Reader, Writer
from standfast.engine.effects import Adjusted
from standfast.engine.quorum.votequorum import VoteQuorum

VERBS = ("expected_votes", "votes", "cancel_wait_for_all", "kill", "leave")
"""Their place is their number on the wire."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it was delivered."""

    verb: str
    node: NodeId
    value: int


def order_of(event: Adjusted, nodes: Container[NodeId], quorum: VoteQuorum) -> bytes:
    """The bytes of an order to all members. Raises Refused when it cannot be followed."""
    if event.verb not in VERBS:
        raise Refused(error("engine.unknown-verb", f"{event.verb!r} is no order", remedy="one of " + ", ".join(VERBS)))
    if event.verb == "kill":
        if event.node not in nodes:
            raise Refused(error("engine.unknown-node", f"node {event.node} is not in the nodelist"))
    else:
        refusal = quorum.refusal(event.verb, event.node, event.value)
        if refusal is not None:
            raise Refused(refusal)
    return Writer().u8(VERBS.index(event.verb)).u32(event.node).u32(event.value).done()


def read_order(written: bytes) -> Order:
    """Parse a delivered order. Raises Malformed."""
    reader = Reader(written)
    order = Order(VERBS[reader.u8("verb", len(VERBS) - 1)], NodeId(reader.u32("node")), reader.u32("value"))
    reader.end()
    return order
