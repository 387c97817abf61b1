"""What the scheduler answers: scores, reasons, graph, summary. `plan.schedule(cib_root, now_s)` makes it."""

from __future__ import annotations

from dataclasses import replace

from standfast.base.dataclass import dataclass
from standfast.base.report import Report
from standfast.base.situation import Situation
from standfast.scheduler.graph.model import Graph

INFINITY = 1_000_000


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of a score's ledger: what added `points` to `resource` on `node`, named by the id of its source
    (constraint, attribute, default) and a sentence."""

    resource: str
    node: str
    points: int
    source: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Score:
    """`pcmk__primitive_assign: RSC allocation score on NODE: N` as values."""

    function: str
    resource: str
    node: str
    points: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a node can carry (`step` is Original or Remaining, `resource` is ""), or what a resource takes from it. `after` is how
    many scores had been found by then: the original prints both as they come."""

    step: str
    resource: str
    node: str
    values: tuple[tuple[str, str], ...]
    after: int


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the transition summary: verb (Start, Stop, Move, Recover, Restart, Fence, ...), resource or node, the detail
    in brackets and the reason, as Pacemaker words them. `places` are the detail's parts by name (role, next-role, source, dest
    or node), `cause` the bare reason; `blocked` says that it can't be done."""

    verb: str
    subject: str
    detail: str
    reason: str = ""
    places: tuple[tuple[str, str], ...] = ()
    cause: str = ""
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class FenceDevice:
    """A fencing device as configured: the nodes that may run its agent, those first where it is started, and its parameters, with
    those of single nodes where a rule makes them differ."""

    id: str
    agent: str
    parameters: tuple[tuple[str, str], ...]
    nodes: tuple[str, ...]
    special: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class FenceLevel:
    """A fencing level: `kind` is target | target-pattern | target-attribute, `key` the name, pattern or attribute."""

    index: int
    kind: str
    key: str
    value: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fencing:
    """What the configuration says about fencing; `attributes` are those of each node."""

    devices: tuple[FenceDevice, ...] = ()
    levels: tuple[FenceLevel, ...] = ()
    attributes: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    timeout_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one run of the scheduler found. `recheck_s` is the wall-clock second by which to decide again. Who only carries
    it out is content with the `decision`: no scores, reasons, loads, situation, which are the largest part by far."""

    graph: Graph
    scores: tuple[Score, ...]
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...]
    notices: tuple[Report, ...]
    situation: Situation
    recheck_s: int | None = None
    loads: tuple[Load, ...] = ()
    fencing: Fencing = Fencing()

    def decision(self) -> Plan:
        """What is to be done, without why."""
        return replace(self, scores=(), reasons=(), situation=Situation(), loads=())
