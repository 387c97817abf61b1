"""A host's kernel: its interface, its addresses and their lifetimes, and the picture of them that netlink gives.

Owns: which addresses the host answers for. Does not own: frames (segment.py), the decision to put an address (agents/ip).
A leased address ends between 20 ms before and about 1.25 s after its lifetime, as measured on Linux (agents/ip/lease.py).
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.agents.ip import api as ip
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.sim.chance import Stream
from standfast.sim.host import Host

NIC = "eth0"
NETWORK = "172.16.0.0/24"
EARLY_US, USUAL_US, LATE_US = 20 * US_PER_MS, 400 * US_PER_MS, 1_250 * US_PER_MS


@dataclass(slots=True)
class Held:
    """An address, up since `since_us` (of the world); `ends_us` by the host's own clock, None for ever; `put` counts renewals."""

    seen: ip.AddressSeen
    ends_us: int | None
    put: int
    since_us: int = 0


class Kernel:
    """One host's. `changed` is called after each change that netlink would tell; `at` runs something later."""

    def __init__(
        self, host: Host, chance: Stream, clock: Callable[[], int], at: Callable[[int, Callable[[], None]], None]
    ) -> None:
        self.host, self._chance, self._clock, self._at = host, chance, clock, at
        self.held: dict[str, Held] = {}
        self.carrier = True
        self.is_forwarded = True
        """Whether the switch's port passes frames; after the carrier came back it may take its time."""
        self.is_frozen = False
        self.watched: dict[str, None] = {}
        self.contacts: dict[str, int] = {}
        self.changed: Callable[[], None] = lambda: None
        self._puts = self._plugs = 0

    @property
    def mac(self) -> bytes:
        """The interface's."""
        return mac_of(self.host.id)

    @property
    def is_awake(self) -> bool:
        """Whether there is a kernel at work."""
        return self.host.is_powered and not self.is_frozen

    @property
    def runs(self) -> bool:
        """Whether it can answer anybody."""
        return self.is_awake and self.carrier and self.is_forwarded

    def put(self, effect: ip.PutAddress) -> str:
        """Add or renew; gives why not, "" when done."""
        if self.host.local_us(self._clock()) >= effect.before_us:
            return f"too late to put {effect.ip}: this node was paused between the decision and the deed"
        self._puts += 1
        ends_us = None
        if effect.valid_s is not None:
            late_us = self._chance.between(-EARLY_US, LATE_US if self._chance.happens(30) else USUAL_US)
            ends_us = self.host.local_us(self._clock()) + effect.valid_s * US_PER_S + late_us
        is_new = effect.ip not in self.held
        seen = ip.AddressSeen(effect.interface, effect.ip, effect.prefix, effect.label or "", effect.valid_s)
        since_us = self._clock() if is_new else self.held[effect.ip].since_us
        self.held[effect.ip] = Held(seen, ends_us, self._puts, since_us)
        self._arm(effect.ip)
        if is_new:
            self.changed()
        return ""

    def drop(self, address: str) -> None:
        """Delete."""
        if self.held.pop(address, None) is not None:
            self.changed()

    def _arm(self, address: str) -> None:
        held = self.held[address]
        if held.ends_us is not None:
            number = held.put
            self._at(max(0, self.host.world_us(held.ends_us) - self._clock()), lambda: self._expire(address, number))

    def _expire(self, address: str, number: int) -> None:
        held = self.held.get(address)
        if held is not None and held.put == number and not self.is_frozen and self.host.is_powered:
            assert held.ends_us is not None
            if self.host.local_us(self._clock()) >= held.ends_us:
                self.drop(address)
            else:
                self._arm(address)  # the machine stood still meanwhile, its clock too

    def thaw(self) -> None:
        """The machine runs again: timers that are due ring now."""
        self.is_frozen = False
        for address, held in list(self.held.items()):
            if held.ends_us is not None:
                self._expire(address, held.put)

    def unplug(self) -> None:
        """The carrier goes, and with it, as on Linux, everything the kernel knew of its neighbours."""
        self.carrier = self.is_forwarded = False
        self.contacts.clear()
        self.changed()

    def plug_in(self, port_ms: int, forwards: Callable[[], None]) -> None:
        """The carrier comes; the switch's port forwards so much later, and says so, unless it was unplugged meanwhile."""
        self.carrier = True
        self.changed()
        self._plugs += 1
        number = self._plugs

        def forward() -> None:
            if self.carrier and self._plugs == number:
                self.is_forwarded = True
                forwards()

        self._at(port_ms * US_PER_MS, forward) if port_ms else forward()

    def boot(self) -> None:
        """Power is back: nothing is left but what the host is configured with."""
        self.held.clear()
        self.watched.clear()
        self.contacts.clear()

    def state(self) -> ip.NetworkState:
        """What netlink tells."""
        link = ip.Interface(NIC, 2, self.mac, is_up=True, carrier=self.carrier)
        own = ip.AddressSeen(NIC, address_of(self.host.id), 24, NIC, None, frozenset({"permanent"}))
        return ip.NetworkState((link,), (own, *(held.seen for held in self.held.values())), (ip.Route(NETWORK, NIC, 0),))


def address_of(node: NodeId) -> str:
    """A node's own address on the segment."""
    return f"172.16.0.{10 + node}"


def mac_of(node: int) -> bytes:
    """Its MAC."""
    return bytes([2, 0, 0, 0, 0, node])
