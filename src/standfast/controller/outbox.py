"""What the controller says: envelopes to the managers, answers and events to tools, lines to the log, all in one list.

Owns: the order of effects of one step, and the numbers of this node's envelopes. Does not own: what is said.
Invariant: envelope numbers grow by one; nothing goes to the cluster while there is no view.
"""

from __future__ import annotations

from typing import Any

import msgspec

from standfast.agents.ip.api import IpInput
from standfast.base.ids import NodeId
from standfast.base.report import Report
from standfast.cib.messages import Message, encode_message
from standfast.cib.operations import Change, Operation, Origin, encode_change
from standfast.controller import messages
from standfast.controller.clients import Clients
from standfast.controller.confirmations import Confirmations
from standfast.controller.effects import Answer, NodeEffect, Now, Tell, ToEngine
from standfast.controller.messages import Envelope
from standfast.controller.roll import Roll
from standfast.engine.api import Broadcast
from standfast.executor.api import ExecutorInput
from standfast.fencing.api import Recall, Run
from standfast.openstack.machine import CloudInput

ENVELOPE, CIB = b"E", b"C"
"""The first byte of every payload: an envelope, or a message of the replicated CIB."""

Effect = NodeEffect | ExecutorInput | IpInput | CloudInput | Run | Recall


class Outbox:
    """See the module. `now` is set at the beginning of each step."""

    def __init__(self, name: str, roll: Roll, clients: Clients, confirmations: Confirmations) -> None:
        """`name` is this node's."""
        self.now = Now(0, 0)
        self._confirmations = confirmations
        self._name = name
        self._roll = roll
        self._clients = clients
        self._number = 0
        self._effects: list[Effect] = []

    def add(self, *effects: Effect) -> None:
        """Effects as they are."""
        self._effects += effects

    def take(self) -> tuple[Effect, ...]:
        """Everything said since the last call, in order."""
        out, self._effects = tuple(self._effects), []
        return out

    # ---- to the managers -----------------------------------------------------------------------------------------

    def propose(
        self,
        operations: tuple[Operation, ...] = (),
        *,
        order: messages.Order | None = None,
        news: messages.News | None = None,
        expected: bool = False,
        action: int = 0,
    ) -> None:
        """Something of the controller's own. Without a view it is dropped: the next view begins with what is known then."""
        if self._roll.view is None:
            return
        origin = Origin("hacluster", "crmd", self._name, self.now.wall_s)
        change = Change(operations, origin) if operations else None
        self.send(change, order=order, news=news, expected=expected, action=action)

    def send(
        self,
        change: Change | None,
        *,
        order: messages.Order | None = None,
        news: messages.News | None = None,
        expected: bool = False,
        action: int = 0,
        base: str = "",
        asks: bool = False,
    ) -> int:
        """An envelope of the present view; returns its number. Raises Refused for a change that is too large."""
        assert self._roll.view is not None, "nothing is sent without a view"
        data = encode_change(change) if change is not None else b""
        self._number += 1
        head = (self._roll.local, self._number, self._roll.view.id.seq)
        word = self._confirmations.word()
        envelope = Envelope(*head, data, order, news, expected, action, base, holds=word, asks=asks)
        self._cast(ENVELOPE + messages.encode(envelope))
        return self._number

    def send_again(self, envelope: Envelope) -> int:
        """The same under a new number, in the present view: a change that lost its turn to a new round of agreement."""
        assert self._roll.view is not None, "nothing is sent without a view"
        self._number += 1
        again = msgspec.structs.replace(envelope, number=self._number, view=self._roll.view.id.seq)
        self._cast(ENVELOPE + messages.encode(again))
        return self._number

    def say(self, message: Message) -> None:
        """A message of the replicated CIB."""
        self._cast(CIB + encode_message(message))

    def _cast(self, payload: bytes) -> None:
        self._effects.append(ToEngine(Broadcast(payload)))

    # ---- to tools and people -------------------------------------------------------------------------------------

    def answer(self, answers: list[tuple[int, dict[str, Any]]]) -> None:
        """Lines to askers, as (connection, message)."""
        self._effects += [Answer(connection, message) for connection, message in answers]

    def publish(self, kind: str, **fields: Any) -> None:
        """An event for those who follow."""
        self.answer(self._clients.publish(kind, **fields))

    def publish_operation(self, node: NodeId, operation: tuple[str, str, int], **state: Any) -> None:
        """An operation (resource, action, interval in ms) began or ended on a node."""
        resource, action, interval_ms = operation
        name = self._roll.name(node)
        self.publish("action", node=name, resource=resource, operation=action, interval_ms=interval_ms, **state)

    def tell(self, report: Report) -> None:
        """A line for the log, and for those who follow."""
        self._effects.append(Tell(report))
        self.publish("report", code=report.code, severity=report.severity.value, text=report.sentence())
