"""A wire of lists between Links objects: everything that is sent is recorded, nothing arrives unless the test carries it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from standfast.base.ids import NodeId
from standfast.base.report import Report
from standfast.engine.effects import Address, SendDatagram
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.engine.links.links import Inbound, Links, LinksConfig, Message

A, B, C = NodeId(1), NodeId(2), NodeId(3)
KEY_1 = AuthKey(bytes(range(128)))
KEY_2 = AuthKey(bytes(range(1, 129)))
RING_1 = KeyRing(KEY_1)

Drop = Callable[[int], bool]
"""Told the number of a datagram, counted from 0 over the life of the lab: whether it is lost."""


@dataclass(frozen=True)
class Flight:
    """A datagram on the wire."""

    sender: NodeId
    receiver: NodeId
    link: int
    source: Address
    data: bytes


class Lab:
    """Nodes 1, 2 and 3 with `link_count` links each."""

    def __init__(self, link_count: int = 1, mtu_bytes: int = 1400, priorities: tuple[int, ...] = ()) -> None:
        self.addresses = {n: tuple((f"10.{link}.0.{n}", 5405 + link) for link in range(link_count)) for n in (A, B, C)}
        self.mtu_bytes = mtu_bytes
        self.priorities = priorities
        self.now_us = 1_000_000
        self.boots = 0
        self.nodes: dict[NodeId, Links] = {}
        self.recorded: list[Flight] = []
        self.messages: list[tuple[NodeId, Message]] = []
        self.reports: list[tuple[NodeId, Report]] = []
        self.established: list[tuple[NodeId, NodeId]] = []
        self.drop: Drop = lambda number: False

    def boot(self, node: NodeId, keys: KeyRing = RING_1, cluster_name: str = "test-cluster") -> Links:
        """Start (or restart) the engine of `node`; each boot draws other random bytes."""
        self.boots += 1
        config = LinksConfig(
            local=node,
            cluster_name=cluster_name,
            peers=self.addresses,
            local_addresses=self.addresses[node],
            keys=keys,
            mtu_bytes=self.mtu_bytes,
            priorities=self.priorities,
        )
        self.nodes[node] = Links(config, random.Random(self.boots).randbytes)
        return self.nodes[node]

    def flights(self, sender: NodeId, sent: tuple[SendDatagram, ...]) -> list[Flight]:
        """Put datagrams on the wire; they are recorded, and not yet delivered."""
        found = []
        for datagram in sent:
            receiver = next(n for n, addresses in self.addresses.items() if datagram.address in addresses)
            found.append(Flight(sender, receiver, datagram.link, self.addresses[sender][datagram.link], datagram.data))
        self.recorded += found
        return found

    def deliver(self, flight: Flight) -> Inbound:
        """One datagram arrives; what it leads to is noted, replies are not carried."""
        node = self.nodes[flight.receiver]
        inbound = node.receive(self.now_us, flight.link, flight.source, flight.data)
        node.check()
        self.messages += [(flight.receiver, message) for message in inbound.messages]
        self.reports += [(flight.receiver, report) for report in inbound.reports]
        self.established += [(flight.receiver, peer) for peer in inbound.established]
        return inbound

    def carry(self, sender: NodeId, sent: tuple[SendDatagram, ...]) -> None:
        """Deliver, and carry the replies to and fro until the wire is quiet; `drop` may lose datagrams."""
        waiting = self.flights(sender, sent)
        number = len(self.recorded) - len(waiting)
        while waiting:
            flight = waiting.pop(0)
            if not self.drop(number) and flight.receiver in self.nodes:
                waiting += self.flights(flight.receiver, self.deliver(flight).replies)
            number += 1
            assert number < 10_000, "the two never stop talking"

    def meet(self, one: NodeId = A, other: NodeId = B) -> None:
        """A whole handshake."""
        self.carry(one, self.nodes[one].greet(self.now_us, other))

    def say(self, sender: NodeId, receiver: NodeId, data: bytes, *, all_links: bool = False) -> list[bytes]:
        """Send, and give what came out at `receiver` meanwhile."""
        before = len(self.messages)
        self.carry(sender, self.nodes[sender].send(self.now_us, receiver, data, all_links=all_links))
        return [message.data for node, message in self.messages[before:] if node == receiver]

    def codes(self, node: NodeId) -> list[str]:
        """Codes of the reports of `node`, in order."""
        return [report.code for reporter, report in self.reports if reporter == node]


def pair(link_count: int = 1, mtu_bytes: int = 1400, priorities: tuple[int, ...] = ()) -> Lab:
    """Nodes 1 and 2, started, that have met."""
    lab = Lab(link_count, mtu_bytes, priorities)
    lab.boot(A)
    lab.boot(B)
    lab.meet()
    return lab


BOOKKEEPING = frozenset({"_complaints", "handshake_pace", "settled_us"})


def snapshot(value: object, skip: frozenset[str] = BOOKKEEPING) -> object:
    """Everything that Links believes, as plain values, but what serves complaints and floods. Opaque objects by identity."""
    if isinstance(value, dict):
        return tuple((snapshot(k), snapshot(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(snapshot(item) for item in value)
    if isinstance(value, (int, str, bytes, type(None))):
        return value
    names = getattr(value, "__slots__", ()) or tuple(vars(value) if hasattr(value, "__dict__") else ())
    if not names:
        return id(value)
    return (type(value).__name__, *((name, snapshot(getattr(value, name, None))) for name in names if name not in skip))
