"""The L2 segment: hosts, clients and perhaps a stranger on one switch; ARP as they see it, and who answers for an address.

Owns: frames, cuts and loss on the segment, the clients' ARP caches. Does not own: who should hold an address.
Clients ask when they know nothing, believe announcements, and ask again only after their peer was silent for ten seconds: without
an announcement a move is an outage of that long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from standfast.agents.ip import api as ip
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.sim.chance import Stream
from standfast.sim.cluster.kernel import NIC, Kernel, address_of, mac_of

CLIENT_ADDRESS = "172.16.0.200"
PING_US = 250 * US_PER_MS
STALE_US = 10 * US_PER_S
ROUNDS = 4
FIRST_CLIENT = 100
STRANGER = 99
OLD_S = 60
STRANGER_MAC = b"\xaa\x00\x00\x00\x00\x01"


@dataclass(slots=True)
class Client:
    """Somebody who uses the address. `cached` is the host whose MAC it knows, `silent_us` since when that has not answered."""

    id: int
    cached: int | None = None
    silent_us: int | None = None
    is_on: bool = True
    outage_us: int = 0
    answered_us: int = 0
    pings: int = 0
    lost: int = 0

    @property
    def ip(self) -> str:
        """Its own address."""
        return f"172.16.0.{200 + self.id - FIRST_CLIENT}"


@dataclass(slots=True)
class Survey:
    """A host's question under way."""

    number: int
    effect: ip.Survey
    answered: list[str] = field(default_factory=list)


Tell = Callable[[NodeId, ip.IpInput], None]


class Segment:
    """See the module. Ports are node ids; clients count from 100; 99 is the stranger."""

    def __init__(
        self,
        chance: Stream,
        kernels: dict[NodeId, Kernel],
        clock: Callable[[], int],
        at: Callable[[int, Callable[[], None]], None],
        tell: Tell,
    ) -> None:
        self._chance, self._kernels, self._clock, self._at, self._tell = chance, kernels, clock, at, tell
        self.clients: dict[int, Client] = {}
        self.cuts: dict[tuple[int, int], bool] = {}
        self.loss = 0
        self.stranger = ""
        self.changed: Callable[[], None] = lambda: None
        self.announced: dict[tuple[str, int], int] = {}
        self.has_ring = False
        self._surveys: dict[NodeId, Survey] = {}
        self._number = 0

    # ---- wires ------------------------------------------------------------------------------------------------------

    def cut(self, source: int, target: int) -> None:
        """Nothing passes this way any more."""
        self.cuts[source, target] = True
        self.changed()

    def mend(self, source: int, target: int) -> None:
        """It does again."""
        if self.cuts.pop((source, target), None):
            self.changed()

    def heal(self) -> None:
        """All wires are whole, and nobody is strange."""
        self.cuts.clear()
        self.loss, self.stranger = 0, ""
        for client in self.clients.values():
            client.is_on = True
        self.changed()

    def _is_on(self, port: int) -> bool:
        kernel = self._kernels.get(NodeId(port))
        if kernel is not None:
            return kernel.runs
        return port == STRANGER or self.clients[port].is_on

    def passes(self, source: int, target: int) -> bool:
        """Whether frames can go that way now."""
        return (source, target) not in self.cuts and self._is_on(source) and self._is_on(target)

    def _lost(self) -> bool:
        return self._chance.happens(self.loss)

    def _delay_us(self) -> int:
        return 60 + self._chance.below(200)

    # ---- who has the address ----------------------------------------------------------------------------------------

    def answerers(self, client: int, address: str) -> tuple[NodeId, ...]:
        """The nodes whose kernels answer this client for the address now."""
        return tuple(
            node
            for node, kernel in self._kernels.items()
            if address in kernel.held and self.passes(client, node) and self.passes(node, client)
        )

    def hear_each_other(self, a: NodeId, b: NodeId) -> bool:
        """Whether ARP works between two nodes, both ways."""
        return self.passes(a, b) and self.passes(b, a)

    def is_cut_between(self, a: NodeId, b: NodeId) -> bool:
        """Whether something other than their own cables and the switch's ports keeps ARP from working between them."""
        wires = (a, b) in self.cuts or (b, a) in self.cuts
        return wires or not all(self._kernels[node].is_awake for node in (a, b))

    # ---- what hosts send --------------------------------------------------------------------------------------------

    def ask(self, node: NodeId, address: str) -> None:
        """An ARP probe: kernels that have the address answer, listeners hear that somebody asks."""
        for other, kernel in self._kernels.items():
            if other == node or not self.passes(node, other) or self._lost():
                continue
            if address in kernel.watched:
                self._later(other, ip.NeighbourHeard(NIC, address, mac_of(node), "probe"))
            if address in kernel.held and self.passes(other, node) and not self._lost():
                self._later(node, ip.NeighbourHeard(NIC, address, mac_of(other), "reply"))
        if address == self.stranger and self.passes(node, STRANGER):
            self._later(node, ip.NeighbourHeard(NIC, address, STRANGER_MAC, "reply"))

    def announce(self, node: NodeId, address: str) -> None:
        """Gratuitous ARP."""
        self.announced[address, node] = self._clock()
        for other, kernel in self._kernels.items():
            if other != node and address in kernel.watched and self.passes(node, other) and not self._lost():
                self._later(other, ip.NeighbourHeard(NIC, address, mac_of(node), "announcement"))
        for client in self.clients.values():
            if self.passes(node, client.id) and not self._lost():
                client.cached, client.silent_us = int(node), None

    def survey(self, node: NodeId, effect: ip.Survey) -> None:
        """Questions to whoever was there, four times within the window."""
        self._number += 1
        one = Survey(self._number, effect)
        self._surveys[node] = one
        window_us = effect.window_ms * US_PER_MS
        for n in range(ROUNDS):
            self._at(window_us * n // ROUNDS + self._delay_us(), lambda: self._round(node, one.number))
        self._at(window_us, lambda: self._end(node, one.number))

    def _round(self, node: NodeId, number: int) -> None:
        one = self._surveys.get(node)
        if one is None or one.number != number:
            return
        first = not one.answered
        known = [n.ip for n in self.known(node)]
        for address in dict.fromkeys((*one.effect.ips, *known)):
            port = self._port(address)
            if port is None or port == node or address in one.answered:
                continue
            if self.passes(node, port) and self.passes(port, node) and not self._lost():
                one.answered.append(address)
        if first and one.answered:
            self._at(20 * US_PER_MS, lambda: self._end(node, number))

    def _end(self, node: NodeId, number: int) -> None:
        one = self._surveys.get(node)
        if one is not None and one.number == number:
            del self._surveys[node]
            self._tell(node, ip.Surveyed(NIC, self.known(node), tuple(one.answered)))

    def known(self, node: NodeId) -> tuple[ip.Neighbour, ...]:
        """The kernel's table of neighbours."""
        now_us = self._clock()
        contacts = self._kernels[node].contacts
        clients = (
            ip.Neighbour(address, mac_of(self._port(address) or 0), (now_us - at_us) // US_PER_S)
            for address, at_us in contacts.items()
        )
        # The heartbeats of a ring that runs over this segment keep the other nodes in the table.
        others = [n for n in self._kernels if n != node and self.has_ring]
        ages = ((n, 0 if self.hear_each_other(node, n) else OLD_S) for n in others)
        return (*clients, *(ip.Neighbour(address_of(n), mac_of(n), age_s) for n, age_s in ages))

    def _port(self, address: str) -> int | None:
        number = int(address.rpartition(".")[2])
        if number >= FIRST_CLIENT * 2 and number - FIRST_CLIENT in self.clients:
            return number - FIRST_CLIENT
        node = NodeId(number - 10)
        return node if address.startswith("172.16.") and node in self._kernels else None

    def _later(self, node: NodeId, event: ip.IpInput) -> None:
        self._at(self._delay_us(), lambda: self._tell(node, event) if self._kernels[node].runs else None)

    # ---- clients ----------------------------------------------------------------------------------------------------

    def open(self, count: int, address: str) -> None:
        """So many clients begin to use the address."""
        for n in range(count):
            client = Client(FIRST_CLIENT + n)
            self.clients[client.id] = client
            self._at(self._chance.below(PING_US), lambda client=client: self._ping(client, address))  # type: ignore[misc]

    def _ping(self, client: Client, address: str) -> None:
        now_us = self._clock()
        self._at(PING_US, lambda: self._ping(client, address))
        if not client.is_on:
            return
        client.pings += 1
        if client.cached is None or (client.silent_us is not None and now_us - client.silent_us >= STALE_US):
            there = self.answerers(client.id, address)
            client.cached, client.silent_us = (self._chance.choice(there) if there else None), None
        node = None if client.cached is None else NodeId(client.cached)
        kernel = None if node is None else self._kernels.get(node)
        if (
            node is not None
            and kernel is not None
            and address in kernel.held
            and self.passes(client.id, node)
            and self.passes(node, client.id)
            and not self._lost()
        ):
            client.silent_us, client.answered_us = None, now_us
            kernel.contacts[client.ip] = now_us
            return
        client.lost += 1
        client.outage_us += PING_US
        if client.silent_us is None:
            client.silent_us = now_us
