"""A simulated host: its engine's process, its disk, its clock, and a manager that listens.

Owns: what outlives a crash (the disk) and what does not. Does not own: time, wires, faults.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from standfast.base.ids import NodeId
from standfast.engine.effects import EngineInput
from standfast.engine.embedded import Engine


@dataclass(slots=True)
class Host:
    """One host. `life` counts its engine's starts; `clock_us` is what its monotonic clock is ahead of the world's.

    Invariant: `engine` is None exactly while its process does not run; what comes while it is paused waits in `queue`.
    """

    id: NodeId
    clock_us: int
    engine: Engine | None = None
    life: int = 0
    disk: dict[str, bytes] = field(default_factory=dict)
    is_paused: bool = False
    resumed_us: int = -1
    paused_us: int = 0
    queue: list[EngineInput] = field(default_factory=list)
    timer: int = 0
    is_attached: bool = False
    is_hung: bool = False
    is_powered: bool = True
    counter: int = 0
    congested: bool = False

    @property
    def is_up(self) -> bool:
        """Whether there is an engine process at all, paused or not."""
        return self.engine is not None
