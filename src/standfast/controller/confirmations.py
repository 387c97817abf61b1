"""Whose journals hold a change: what every manager says of its own, and when that is enough to answer the person who made it.

How it is told. Each envelope carries what its sender's journal holds (`Envelope.holds`). It leaves a node after everything that
was stored before it (controller/effects.py), so to have received it is to know it. A manager that has written a record and has
nothing else to say sends an empty envelope, at most one at a time, however many records it writes meanwhile.

What is enough (docs/adr/0022). The managers whose journals hold the change are more than half of the cluster, or all members of
the view (CibMachine.is_enough): no later quorum can do without them all. And what they hold is of this view's lineage, so that
nothing that others agreed on in between can win against it. A record of an earlier lineage is written anew when somebody who
waits asks for it (`Envelope.asks`).

Owns: what is known of the others' journals. Does not own: the journal, the requests that wait (clients.py).
Invariant (`check`): nothing is known of who is no member.
"""

from __future__ import annotations

from typing import Any

from standfast.base.ids import NodeId
from standfast.base.report import Report, warning
from standfast.cib.document import Version
from standfast.cib.machine import NOTHING, CibMachine, Record
from standfast.controller.clients import as_fields
from standfast.controller.messages import Envelope, Present
from standfast.controller.roll import Roll

Json = dict[str, Any]


class Confirmations:
    """See the module."""

    def __init__(self, roll: Roll, machine: CibMachine) -> None:
        self._roll = roll
        self._machine = machine
        self._heard: dict[NodeId, Record | None] = {}  # None: of an older version, which does not say
        self._said: Record = NOTHING
        self._under_way = 0  # the number of the empty envelope that has not come back yet

    # ---- our own word --------------------------------------------------------------------------------------------

    def word(self) -> tuple[int, int, int, int]:
        """What an envelope that leaves now says of this node's journal."""
        self._said = self._machine.record
        lineage, version = self._machine.holds
        return (lineage, version.admin_epoch, version.epoch, version.num_updates)

    @property
    def is_due(self) -> bool:
        """Whether the others have to be told of a new record, and nothing that tells them is on its way."""
        if self._said == self._machine.record or self._under_way or not self._machine.is_synced:
            return False
        return self._roll.view is not None and len(self._roll.view.members) > 1

    def sent(self, number: int) -> None:
        """The envelope that tells them."""
        self._under_way = number

    # ---- what the others say -------------------------------------------------------------------------------------

    def begin_again(self) -> None:
        """A new view, or none: everybody says anew what it holds, with its Present."""
        self._heard.clear()
        self._under_way = 0

    def went(self, node: NodeId) -> None:
        """Its manager is gone. When it comes back, its journal may be another."""
        self._heard.pop(node, None)

    def heard(self, sender: NodeId, envelope: Envelope) -> None:
        """An envelope was delivered, whatever becomes of it."""
        if self._roll.view is None or envelope.view != self._roll.view.id.seq or sender not in self._roll.view.members:
            return
        if sender == self._roll.local and envelope.number >= self._under_way:
            self._under_way = 0
        if envelope.holds is not None:
            lineage, *numbers = envelope.holds
            self._heard[sender] = (lineage, Version(*numbers))
        elif isinstance(envelope.news, Present):
            self._heard[sender] = None

    def verdict(self, version: Version, is_late: bool) -> Json | None:
        """What is told beside the answer for a change that every engine holds: nothing when enough journals hold it too, the
        warning when they will not in time, or None: wait."""
        members = self._roll.view.members if self._roll.view is not None else ()
        lacking = [node for node in members if not self._holds(node, version)]
        if self._machine.is_synced and len(members) - len(lacking) >= self._machine.enough:
            return {}
        away = [node for node in lacking if node in self._machine.absent]
        if is_late or (self._machine.is_synced and len(members) - len(away) < self._machine.enough):
            return {"reports": [as_fields(unconfirmed([self._roll.name(node) for node in lacking]))]}
        return None

    def _holds(self, node: NodeId, version: Version) -> bool:
        if node != self._roll.local and node not in self._heard:
            return False
        word = self._machine.holds if node == self._roll.local else self._heard[node]
        return word is None or (word[0] >= self._machine.lineage and word[1] >= version)

    def check(self) -> None:
        """Assert the invariant."""
        members = self._roll.view.members if self._roll.view is not None else ()
        assert all(node in members for node in self._heard)


def unconfirmed(nodes: list[str]) -> Report:
    """The change is made, and too few journals hold it."""
    names = ", ".join(nodes) or "the others"
    return warning(
        "cib.unconfirmed",
        f"the change is made, but it is not confirmed that the journal of {names} holds it",
        "the disk there is slow, or the manager is away: if the other nodes are lost before it is back, so is the change",
        f"look after the disk and the manager of {names}; crm configure show tells whether the change is still there",
    )
