"""What the executor has in hand: jobs, the line of each resource, and runs. Plain mutable values that machine.py owns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.executor.api import AgentExited, OpStatus, Request


class RunState(Enum):
    """A run from its start to the end of its last process. Only RUNNING still owes an answer."""

    RUNNING = auto()
    TERMINATING = auto()  # TERM was sent
    KILLED = auto()  # KILL was sent


class RunInput(Enum):
    """What can happen to a run."""

    EXITED = auto()
    DEADLINE = auto()
    WITHDRAWN = auto()  # nobody wants the answer any more


class Kind(Enum):
    """What runs: a process, a systemd unit's job, or a native agent."""

    AGENT = auto()
    UNIT = auto()
    NATIVE = auto()


@dataclass(slots=True, eq=False)
class Job:
    """A request in hand, waiting or running. A repeated one stays until it is cancelled; `told` is what was last reported,
    with `changed_s` (wall seconds) as its time."""

    request: Request
    call_id: int
    order: int
    due_us: int
    told: tuple[OpStatus, int] | None = None
    changed_s: int | None = None

    @property
    def turn(self) -> tuple[int, int]:
        """Sorts jobs into the order in which they run."""
        return self.due_us, self.order


@dataclass(slots=True, eq=False)
class Run:
    """One execution. `job` is None once its answer was given: then only its processes are waited for."""

    run: int
    line: Line
    job: Job | None
    kind: Kind
    deadline_us: int
    began_us: int
    began_s: int
    queue_ms: int
    key: str
    state: RunState = RunState.RUNNING
    answered_us: int = 0
    is_told_stuck: bool = False
    has_grace: bool = False
    exited: AgentExited | None = None


@dataclass(slots=True, eq=False)
class Line:
    """What one resource has in hand."""

    resource: str
    waiting: list[Job] = field(default_factory=list)
    active: Run | None = None

    def jobs(self) -> Iterator[Job]:
        """All of them, the running one first."""
        if self.active is not None and self.active.job is not None:
            yield self.active.job
        yield from self.waiting
