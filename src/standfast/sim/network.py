"""Wires between hosts: delay, loss, duplication, reordering, cuts by pair, direction and link.

Owns: what happens to a datagram between two hosts. Does not own: when, and to whom it is given (world.py).
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.sim.chance import Stream

Wire = tuple[int, int, int]
"""(from node, to node, link)."""


@dataclass(slots=True)
class Weather:
    """What all wires do to datagrams. Times in microseconds, chances per mille. Reordering is what jitter makes."""

    delay_us: int = 200
    jitter_us: int = 50
    loss: int = 0
    duplication: int = 0
    corruption: int = 0


class Network:
    """All wires. Draws from its own stream alone."""

    def __init__(self, stream: Stream, weather: Weather) -> None:
        self._chance = stream
        self.weather = weather
        self.cuts: dict[Wire, bool] = {}
        self.lossy: dict[Wire, int] = {}
        self.sent = 0
        self.lost = 0

    def cut(self, source: int, target: int, link: int) -> None:
        """Nothing passes this way any more."""
        self.cuts[source, target, link] = True

    def heal(self) -> None:
        """Every wire is whole, and the weather is good."""
        self.cuts.clear()
        self.lossy.clear()
        self.weather = Weather()

    def delays(self, source: int, target: int, link: int) -> list[int]:
        """After which times the datagram arrives: none when it is lost, two when it is doubled."""
        wire = (source, target, link)
        self.sent += 1
        if wire in self.cuts or self._chance.happens(self.lossy.get(wire, self.weather.loss)):
            self.lost += 1
            return []
        copies = 2 if self._chance.happens(self.weather.duplication) else 1
        return [self.weather.delay_us + self._chance.below(self.weather.jitter_us + 1) for _ in range(copies)]

    def corrupted(self, data: bytes) -> bytes:
        """The datagram as it arrives: whole, or (`Weather.corruption`) with a byte changed, cut short, or with rubbish behind."""
        if not self._chance.happens(self.weather.corruption):
            return data
        at = self._chance.below(len(data))
        way = self._chance.below(3)
        if way == 0:
            return data[:at] + bytes([data[at] ^ (1 + self._chance.below(255))]) + data[at + 1 :]
        return data[:at] if way == 1 else data + self._chance.bytes(1 + self._chance.below(60_000))
