"""What the fencing room takes and gives: devices, jobs, requests, records, events, effects."""

from __future__ import annotations

from enum import StrEnum

from standfast.base.dataclass import dataclass
from standfast.base.report import Report

Pairs = tuple[tuple[str, str], ...]


class Phase(StrEnum):
    """How far a fencing is, with the words of stonith_admin."""

    PENDING = "pending"
    FAILED = "failed"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Device:
    """A fencing device as the configuration has it. `nodes` may run its agent, those where it is started first; `parameters` are
    for all of them but those in `special`."""

    id: str
    agent: str
    parameters: Pairs
    nodes: tuple[str, ...]
    special: tuple[tuple[str, Pairs], ...] = ()

    def parameters_on(self, node: str) -> Pairs:
        """Its parameters as a rule may have made them for one node."""
        return dict(self.special).get(node, self.parameters)


@dataclass(frozen=True, slots=True)
class Level:
    """One fencing level: `kind` is target | target-pattern | target-attribute, `key` the name, pattern or attribute, `value` the
    attribute's value."""

    index: int
    kind: str
    key: str
    value: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the configuration says about fencing. `attributes` are (node, its attributes), for target-attribute."""

    devices: tuple[Device, ...] = ()
    levels: tuple[Level, ...] = ()
    attributes: tuple[tuple[str, Pairs], ...] = ()
    timeout_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Job:
    """One device's part of a fencing, for one node to carry out. `delay_ms` is added to the device's own; -1 means no delay at
    all. `id` is new for each order."""

    id: str
    device: str
    agent: str
    parameters: Pairs
    target: str
    action: str
    timeout_ms: int
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Ran:
    """How a job ended. `unfit` says that the device answered that it is not the target's; `recalled` that nothing was done."""

    job: str
    ok: bool
    reason: str = ""
    unfit: bool = False
    recalled: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One fencing, for the history. `client`@`origin` asked for it, `delegate` carried it out; times are wall clock seconds."""

    id: str
    target: str
    action: str
    client: str
    origin: str
    phase: Phase
    delegate: str = ""
    began_s: int = 0
    completed_s: int = 0
    reason: str = ""


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Want:
    """Fence `target`: `action` is reboot | off | on. `who` comes back in Ended; the same wish again joins the one in hand. One
    that `may_lapse` is about a node that is gone: when that takes part again, and nothing has been done to it, it is let be."""

    target: str
    action: str
    who: str
    client: str
    origin: str
    delay_ms: int = 0
    timeout_ms: int = 0
    may_lapse: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A node reports the end of a job."""

    node: str
    ran: Ran


@dataclass(frozen=True, slots=True)
class Members:
    """Who can be asked from now on. What was ordered is ordered again, for an order may have been lost with the old view."""

    present: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A person says that `target` is down."""

    target: str


@dataclass(frozen=True, slots=True)
class Run:
    """The coordinator's order to this node."""

    job: Job


@dataclass(frozen=True, slots=True)
class Recall:
    """The coordinator's wish that this node leave a job alone, if nothing has been done to the target yet; "" means all jobs."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """A process that Launch started has ended. `rc` is None when it could not be started at all."""

    run: int
    rc: int | None
    stdout: bytes
    stderr: bytes
    failure: str = ""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The machine's one timer."""


RequestInput = Want | Heard | Members | Confirmed | TimerFired
RunnerInput = Run | Recall | AgentEnded | TimerFired

# ---- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """Have `node` carry out a job."""

    node: str
    job: Job


@dataclass(frozen=True, slots=True)
class CallBack:
    """Have `node` leave a job alone, if it can; how the job ends is heard in any case."""

    node: str
    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class Began:
    """A fencing is under way, for everybody to know."""

    id: str
    want: Want


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over. `who` are all that asked; `is_final` says that trying again is pointless until something changes; `lapsed` that
    the target came back first, and nothing was done to it."""

    id: str
    want: Want
    who: tuple[str, ...]
    ok: bool
    delegate: str
    reason: str
    is_final: bool = False
    lapsed: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """Start an agent; `run` counts from 1."""

    run: int
    argv: tuple[str, ...]
    environment: Pairs
    stdin: bytes


@dataclass(frozen=True, slots=True)
class End:
    """End the agent's whole process group."""

    run: int
    force: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """A job is over; said again when it is ordered again."""

    ran: Ran


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Arm the machine's one timer, replacing the last."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for the log."""

    report: Report


RequestEffect = Order | CallBack | Began | Ended | SetTimer | Tell
RunnerEffect = Launch | End | Finished | SetTimer | Tell
