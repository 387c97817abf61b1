"""What an explanation is made of. Plain values: text, JSON and the web render the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.scheduler.explain.words import listed, plural

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from standfast.scheduler.api import Plan
    from standfast.scheduler.memory import Cluster

Edit = Callable[["Element"], None]
"""Changes a copy of the CIB as the command of a cure would change the real one."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A finished decision, and what the one who asks knows beside it: how to write an instant (a wall-clock second), and since
    when an element of some id has been in the configuration (None: nobody knows)."""

    cluster: Cluster
    plan: Plan
    clock: Callable[[int], str]
    since: Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that decides.

    `what` is a sentence, or with `node` the predicate of that node ("is offline"); without `node` it counts everywhere.
    `source` is the id of the element (constraint, rule, nvpair) behind it, `blames` another resource whose own causes say more,
    `remedy` what to type.
    """

    code: str
    what: str
    node: str = ""
    source: str = ""
    remedy: str = ""
    blames: str = ""
    edit: Edit | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a score's ledger."""

    points: int
    source: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Place:
    """One node as the resource sees it: the score, whether it could run there, the predicate that says so ("is offline", "has
    1000 from stickiness"), and the whole ledger."""

    node: str
    score: int
    usable: bool
    clause: str
    causes: tuple[Cause, ...] = ()
    ledger: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Cure:
    """What to type, and what the scheduler says would come of it."""

    command: str
    result: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One primitive (or one instance). `verdict` is the first clause ("ha-vip runs on node2"); `causes` count everywhere,
    `places` one node each."""

    resource: str
    verdict: str
    nodes: tuple[str, ...]
    target: str
    causes: tuple[Cause, ...]
    places: tuple[Place, ...]
    cures: tuple[Cure, ...]

    def sentence(self) -> str:
        """All that decides, as one sentence."""
        clauses = [cause.what for cause in self.causes] + self._place_clauses()
        return f"{self.verdict}: {'; '.join(clauses)}." if clauses else f"{self.verdict}."

    def _place_clauses(self) -> list[str]:
        """Nodes of which the same is to be said share a clause."""
        shared: dict[str, list[str]] = {}
        for place in self.places:
            if place.clause:
                shared.setdefault(place.clause, []).append(place.node)
        return [f"{listed(nodes)} {plural(text) if len(nodes) > 1 else text}" for text, nodes in shared.items()]
