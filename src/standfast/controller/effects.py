"""What goes into a Node (node.py) and what comes out: the union of its rooms' events and effects, and the manager's own.

The order of effects is a promise: `Store` (durable) stands before `ToEngine` and `Answer` (visible). The runtime holds those back
until what was stored before them is on the disk; addresses and timers never wait for a disk.
"""

from __future__ import annotations

from typing import Any

from standfast.agents.ip.api import IpInput, KernelEffect, Remember
from standfast.base.dataclass import dataclass
from standfast.base.report import Report
from standfast.cib.document import Version
from standfast.engine.api import ClientEvent, ClientRequest
from standfast.executor.api import AgentExited, EndAgent, RunAgent, RunUnit
from standfast.openstack.api import Call, Replied
from standfast.openstack.machine import Identified, Identify
from standfast.scheduler.api import Plan

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Now:
    """The time of an event: `us` of the monotonic clock, `wall_s` of the wall clock (for texts, records and date rules)."""

    us: int
    wall_s: int


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EngineSaid:
    """The cluster layer tells something."""

    event: ClientEvent


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The line to the engine broke: there is no view any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on the local API. `connection` names the asker until HungUp; uid and gid are the kernel's word."""

    connection: int
    uid: int
    gid: int
    request: Json


@dataclass(frozen=True, slots=True)
class HungUp:
    """An asker is gone."""

    connection: int


@dataclass(frozen=True, slots=True)
class FromAgent:
    """A process that RunAgent or RunUnit started has ended."""

    event: AgentExited


@dataclass(frozen=True, slots=True)
class FromNetwork:
    """Netlink, ARP or NDP tells something."""

    event: IpInput


@dataclass(frozen=True, slots=True)
class FromCloud:
    """The cloud worker answers a Call or an Identify."""

    event: Replied | Identified


@dataclass(frozen=True, slots=True)
class PlanMade:
    """The scheduler's answer to AskPlan `number`; `fault` when there is no plan, and `lost` when it has no document."""

    number: int
    plan: Plan | None
    fault: Report | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class DiskFailed:
    """What was to be stored is not on the disk, and nothing later will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Woken:
    """A room's timer rang: executor | ip | cloud | coordinator | clients | foresight | node."""

    room: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """The process was asked to end (a signal): leave in order."""


NodeInput = (
    EngineSaid | EngineLost | Asked | HungUp | FromAgent | FromNetwork | FromCloud | PlanMade | DiskFailed | Woken | Terminate
)

# ---- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToEngine:
    """Ask the cluster layer."""

    request: ClientRequest


@dataclass(frozen=True, slots=True)
class Store:
    """Append `data` to the journal, or replace the journal by it (`rewrite`), durably."""

    data: bytes
    rewrite: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """Write what a merge dropped to a file of its own, for people; `name` is its file name. Best effort."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One line to an asker."""

    connection: int
    message: Json


@dataclass(frozen=True, slots=True)
class Document:
    """The whole document, for the scheduler to follow from now on."""

    xml: bytes


@dataclass(frozen=True, slots=True)
class Follow:
    """The encoded change that led from one version to the next, for the scheduler; empty when the version alone was changed."""

    before: Version
    after: Version
    change: bytes


@dataclass(frozen=True, slots=True)
class Foresee:
    """Encoded changes, any one of which may come: the scheduler prepares the plan for each when it has nothing else to do."""

    changes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AskPlan:
    """Have the scheduler plan for `wall_s` the document that it follows, or `xml`; what is planned to be done (`keep`), not just
    asked about, is kept on disk, and answered without scores and reasons."""

    number: int
    wall_s: int
    xml: bytes | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Wake:
    """Ring for `room` at `at_us`, replacing what was armed for that room."""

    room: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for the log."""

    report: Report


@dataclass(frozen=True, slots=True)
class Stop:
    """The manager's work is done (or cannot go on): end the process with this code."""

    exit_code: int
    report: Report


ProcessEffect = RunAgent | RunUnit | EndAgent
CloudCall = Call | Identify
ForScheduler = Document | Follow | Foresee | AskPlan
NodeEffect = (
    ToEngine | Store | Keep | Answer | ForScheduler | Wake | Tell | Stop | KernelEffect | Remember | ProcessEffect | CloudCall
)
