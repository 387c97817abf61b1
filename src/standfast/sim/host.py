"""A simulated host: its engine's process, its disk, its clock, and a manager that listens.

Owns: what outlives a crash (the disk) and what does not. Does not own: time, wires, faults.
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.effects import EngineInput
from standfast.engine.embedded import Engine

MILLION = 1_000_000


@dataclass(slots=True)
class Host:
    """One host. `life` counts its engine's starts; `clock_us` is what its monotonic clock was ahead of the world's when
    that began, and `ppm` how much faster it runs.

    `stepped_us`: what it showed when the engine last had an event.

    Invariant: `engine` is None exactly while its process does not run; what comes while it is paused waits in `queue`.
    """

    id: NodeId
    clock_us: int
    ppm: int = 0
    engine: Engine | None = None
    life: int = 0
    disk: dict[str, bytes] = field(default_factory=dict)
    is_paused: bool = False
    resumed_us: int = -1
    paused_us: int = 0
    queue: list[EngineInput] = field(default_factory=list)
    timer: int = 0
    timer_us: int = 0
    stepped_us: int = -1 << 63
    is_attached: bool = False
    is_hung: bool = False
    is_powered: bool = True
    counter: int = 0
    congested: bool = False

    @property
    def is_up(self) -> bool:
        """Whether there is an engine process at all, paused or not."""
        return self.engine is not None

    def local_us(self, world_us: int) -> int:
        """What its monotonic clock shows."""
        return world_us + self.clock_us + (world_us * self.ppm // MILLION if self.ppm else 0)

    def world_us(self, local_us: int) -> int:
        """The first instant of the world at which its clock shows that."""
        if not self.ppm:
            return local_us - self.clock_us
        at_us = (local_us - self.clock_us) * MILLION // (MILLION + self.ppm)
        while self.local_us(at_us) < local_us:
            at_us += 1
        return at_us
