"""What goes into a Node (node.py) and what comes out: the union of its rooms' events and effects, and the manager's own.

The order of effects is a promise: `Store` (durable) stands before `ToEngine` and `Answer` (visible). The runtime holds those back
until what was stored before them is on the disk; addresses and timers never wait for a disk.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from standfast.agents.ip.api import IpInput, KernelEffect, Remember
from standfast.base.report import Report
from standfast.cib.document import Version
from standfast.engine.api import ClientEvent, ClientRequest
from standfast.executor.api import AgentExited, EndAgent, RunAgent, RunUnit
from standfast.openstack.api import Call, Replied
from standfast.openstack.machine import Identified, Identify
from standfast.scheduler.api import Plan

Json = dict[str, Any]


class Now(Struct, frozen=True):
    """The time of an event: `us` of the monotonic clock, `wall_s` of the wall clock (for texts, records and date rules)."""

    us: int
    wall_s: int


# ---- events ---------------------------------------------------------------------------------------------------------


class EngineSaid(Struct, frozen=True):
    """The cluster layer tells something."""

    event: ClientEvent


class EngineLost(Struct, frozen=True):
    """The line to the engine broke: there is no view any more."""

    reason: str


class Asked(Struct, frozen=True):
    """A request on the local API. `connection` names the asker until HungUp; uid and gid are the kernel's word."""

    connection: int
    uid: int
    gid: int
    request: Json


class HungUp(Struct, frozen=True):
    """An asker is gone."""

    connection: int


class FromAgent(Struct, frozen=True):
    """A process that RunAgent or RunUnit started has ended."""

    event: AgentExited


class FromNetwork(Struct, frozen=True):
    """Netlink, ARP or NDP tells something."""

    event: IpInput


class FromCloud(Struct, frozen=True):
    """The cloud worker answers a Call or an Identify."""

    event: Replied | Identified


class PlanMade(Struct, frozen=True):
    """The scheduler's answer to AskPlan `number`; `fault` when there is no plan, and `lost` when it has no document."""

    number: int
    plan: Plan | None
    fault: Report | None = None
    lost: bool = False


class DiskFailed(Struct, frozen=True):
    """What was to be stored is not on the disk, and nothing later will be."""

    reason: str


class Woken(Struct, frozen=True):
    """A room's timer rang: executor | ip | cloud | coordinator | clients | foresight | node."""

    room: str


class Terminate(Struct, frozen=True):
    """The process was asked to end (a signal): leave in order."""


NodeInput = (
    EngineSaid | EngineLost | Asked | HungUp | FromAgent | FromNetwork | FromCloud | PlanMade | DiskFailed | Woken | Terminate
)

# ---- effects --------------------------------------------------------------------------------------------------------


class ToEngine(Struct, frozen=True):
    """Ask the cluster layer."""

    request: ClientRequest


class Store(Struct, frozen=True):
    """Append `data` to the journal, or replace the journal by it (`rewrite`), durably."""

    data: bytes
    rewrite: bool


class Keep(Struct, frozen=True):
    """Write what a merge dropped to a file of its own, for people; `name` is its file name. Best effort."""

    name: str
    data: bytes


class Answer(Struct, frozen=True):
    """One line to an asker."""

    connection: int
    message: Json


class Document(Struct, frozen=True):
    """The whole document, for the scheduler to follow from now on."""

    xml: bytes


class Follow(Struct, frozen=True):
    """The encoded change that led from one version to the next, for the scheduler; empty when the version alone was changed."""

    before: Version
    after: Version
    change: bytes


class Foresee(Struct, frozen=True):
    """Encoded changes, any one of which may come: the scheduler prepares the plan for each when it has nothing else to do."""

    changes: tuple[bytes, ...]


class AskPlan(Struct, frozen=True):
    """Have the scheduler plan for `wall_s` the document that it follows, or `xml`; what is planned to be done (`keep`), not just
    asked about, is kept on disk, and answered without scores and reasons."""

    number: int
    wall_s: int
    xml: bytes | None = None
    keep: bool = False


class Wake(Struct, frozen=True):
    """Ring for `room` at `at_us`, replacing what was armed for that room."""

    room: str
    at_us: int


class Tell(Struct, frozen=True):
    """A line for the log."""

    report: Report


class Stop(Struct, frozen=True):
    """The manager's work is done (or cannot go on): end the process with this code."""

    exit_code: int
    report: Report


ProcessEffect = RunAgent | RunUnit | EndAgent
CloudCall = Call | Identify
ForScheduler = Document | Follow | Foresee | AskPlan
NodeEffect = (
    ToEngine | Store | Keep | Answer | ForScheduler | Wake | Tell | Stop | KernelEffect | Remember | ProcessEffect | CloudCall
)
