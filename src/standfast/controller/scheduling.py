"""What the scheduler's process is told: the document once, then each change, questions, and what may come.

Owns: which version the scheduler knows, when it needs the whole document. Does not own: plans, when one is wanted
(coordinator.py).
Invariant: what is sent after a `Document` leads, change by change, to the version of the machine's document; when that cannot be
said any more nothing is sent until the next question, which begins with a `Document`.
"""

from __future__ import annotations

from dataclasses import replace

from lxml.etree import _Element as Element

from standfast.base.ids import US_PER_S
from standfast.base.report import Refused, Report, error
from standfast.cib.apply import Outcome
from standfast.cib.document import Version
from standfast.cib.machine import CibMachine
from standfast.cib.operations import Change, Origin, encode_change
from standfast.controller import duty
from standfast.controller.effects import AskPlan, Document, Follow, Foresee, PlanMade, Wake
from standfast.controller.outbox import Outbox
from standfast.controller.roll import Roll
from standfast.engine.api import Quorum

REST_US = US_PER_S
"""After this long without a change what may come is worth preparing for."""

FORESEEN_MAX = 32
"""Losses that are prepared for at most."""


class Scheduling:
    """See the module."""

    def __init__(self, name: str, cluster_name: str, roll: Roll, machine: CibMachine, say: Outbox) -> None:
        """`name` is this node's."""
        self._name = name
        self._cluster_name = cluster_name
        self._roll = roll
        self._machine = machine
        self._say = say
        self._known: Version | None = None
        self._is_repeated = False

    def ask(self, number: int, *, keep: bool) -> None:
        """Ask for the plan of the document as it is now."""
        self._meet()
        self._say.add(AskPlan(number, self._say.now.wall_s, keep=keep))

    def answered(self, answer: PlanMade) -> PlanMade | None:
        """An answer; None when there was no document to answer about, and the question is asked again with it: once."""
        if not answer.lost:
            self._is_repeated = False
            return answer
        self._known = None
        if self._is_repeated:
            self._is_repeated = False
            return PlanMade(answer.number, None, _no_document())
        self._is_repeated = True
        self.ask(answer.number, keep=answer.number >= 0)
        return None

    def applied(self, outcome: Outcome, change: bytes) -> None:
        """A change was applied. (Of several in one step the document is at the last one's version already.)"""
        self._rest()
        if self._known is None or self._known == self._machine.cib.version:
            return
        if self._known != outcome.before:
            self._known = None
            return
        self._known = outcome.after
        self._say.add(Follow(outcome.before, outcome.after, change))

    def agreed(self, version: Version, *, replaced: bool) -> None:
        """The members agreed on a document: this node's own, perhaps with a new number, or another one."""
        self._rest()
        before, self._known = self._known, None
        if before is not None and not replaced:
            self._known = version
            if before != version:
                self._say.add(Follow(before, version, b""))

    def foresee(self, *, is_settled: bool) -> None:
        """Nothing has changed for a while: have the plan for the loss of each member prepared that this node would coordinate
        after it."""
        if not (is_settled and self._machine.is_synced) or self._roll.missing:
            return
        origin = Origin("hacluster", "crmd", self._name, self._say.now.wall_s)
        changes = losses(self._machine.cib.root, self._roll, self._cluster_name, origin)
        if changes:
            self._meet()
            self._say.add(Foresee(changes))

    def _rest(self) -> None:
        self._say.add(Wake("foresight", self._say.now.us + REST_US))

    def _meet(self) -> None:
        cib = self._machine.cib
        if self._known != cib.version:
            self._known = cib.version
            self._say.add(Document(cib.compact()))


def losses(root: Element, roll: Roll, cluster_name: str, origin: Origin) -> tuple[bytes, ...]:
    """What this node would write down if it were to coordinate without one of the other members, for each of them (the lowest
    coordinates, so the second in line prepares for the loss of the first)."""
    if roll.view is None or roll.quorum is None or roll.local not in roll.present:
        return ()
    out: list[bytes] = []
    for lost in roll.present:
        rest = tuple(node for node in roll.present if node != lost)
        if lost == roll.local or min(rest) != roll.local:
            continue
        for quorum in _quorum_without(roll.quorum, len(roll.view.members)):
            would = Roll(roll.local)
            would.install(0, replace(roll.view, members=rest), quorum)
            for node in rest:
                would.arrived(node, roll.name(node))
            try:
                out.append(encode_change(Change(duty.records(root, would, cluster_name), origin)))
            except Refused:
                continue
    return tuple(out[:FORESEEN_MAX])


def _quorum_without(quorum: Quorum, members: int) -> tuple[Quorum, ...]:
    """What may become of quorum with a member less, where votes are shared evenly; with exactly half of them both may be
    (two_node, a tie-breaker)."""
    votes = quorum.votes - quorum.votes // members
    if 2 * votes == quorum.expected_votes:
        return replace(quorum, quorate=True), replace(quorum, quorate=False)
    return (replace(quorum, quorate=2 * votes > quorum.expected_votes),)


def _no_document() -> Report:
    """The scheduler lost the document twice in a row."""
    return error(
        "scheduler.no-document",
        "the scheduler cannot follow the configuration",
        "it was sent the whole document, and could not read it",
        "report it with the output of cibadmin -Q",
    )
