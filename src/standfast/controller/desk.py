"""The desk: where requests of local tools come in, and what they may ask of the controller.

Owns: the preconditions of a request (a view, room for one more change). Does not own: the verbs (verbs.py), when a request is
answered (clients.py), the node's life: a request to shut down is only noted here (`wants_shutdown`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error
from standfast.cib.document import Cib
from standfast.cib.machine import CibMachine
from standfast.cib.operations import Change, Operation, Origin
from standfast.controller import verbs
from standfast.controller.clients import EXIT_DISCONNECTED, Asker, Clients, failure, success
from standfast.controller.effects import Asked, AskPlan, Now, Wake
from standfast.controller.fences import Fences
from standfast.controller.messages import Await, FenceAsked, Forget
from standfast.controller.outbox import Outbox
from standfast.controller.roll import Roll
from standfast.controller.scheduling import Scheduling
from standfast.scheduler.api import Plan


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is. `boot` is new in each life of the manager."""

    id: NodeId
    name: str
    boot: str
    cluster_name: str
    admin_gid: int | None = None


class Desk:
    """See the module; it is the verbs' Host."""

    def __init__(
        self,
        identity: Identity,
        roll: Roll,
        machine: CibMachine,
        clients: Clients,
        say: Outbox,
        fences: Fences,
        scheduling: Scheduling,
    ) -> None:
        self.roll = roll
        self.is_congested = False
        self.wants_shutdown = False
        self.fences = fences
        self._identity = identity
        self._machine = machine
        self._clients = clients
        self._say = say
        self._scheduling = scheduling

    def asked(self, event: Asked) -> None:
        """A request: it is answered now or later, and a bad one with what is wrong with it."""
        asker = Asker(event.connection, event.request.get("id"))
        try:
            verbs.perform(self, asker, event, self._identity.admin_gid)
        except Refused as refusal:
            self._say.answer([(asker.connection, failure(asker, refusal))])

    def arm(self) -> None:
        """Have the first of those who wait woken when its time is up."""
        at_us = self._clients.next_timeout_us()
        if at_us is not None:
            self._say.add(Wake("clients", at_us))

    # ---- what a verb may do --------------------------------------------------------------------------------------

    @property
    def cib(self) -> Cib:
        """This node's document."""
        return self._machine.cib

    @property
    def now(self) -> Now:
        """The time of the request."""
        return self._say.now

    def answer(self, asker: Asker, **fields: Any) -> None:
        """Answer at once."""
        self._say.answer([(asker.connection, success(asker, **fields))])

    def propose_for(
        self,
        asker: Asker,
        operations: tuple[Operation, ...],
        order: Forget | None,
        author: verbs.Author,
        answer: dict[str, Any],
        *,
        base: str = "",
    ) -> None:
        """A tool's change of the CIB; answered when it is stable and on enough disks. Raises Refused when there is no view."""
        self._need_view()
        if self.is_congested:
            raise Refused(error("api.congested", "too much is on its way already", "", "try again in a moment"))
        origin = Origin(author.user, author.client, self._identity.name, self.now.wall_s)
        number = self._say.send(Change(operations, origin), order=order, base=base)
        self._clients.expect_change(number, asker, answer)

    def plan_for(self, asker: Asker, xml: bytes | None, render: Callable[[Plan], dict[str, Any]]) -> None:
        """A plan for a tool: of the live document, or of `xml`."""
        number = self._clients.expect_plan(asker, render)
        if xml is not None:
            self._say.add(AskPlan(number, self.now.wall_s, xml))
        else:
            self._scheduling.ask(number, keep=False)

    def wait_for(self, asker: Asker, timeout_s: float) -> None:
        """Answer when nothing is under way any more, or when the time is up."""
        self._need_view()
        token = self._clients.expect_rest(self.now.us, asker, timeout_s)
        self._say.propose(news=Await(token))
        self.arm()

    def follow(self, asker: Asker) -> None:
        """Send every event from now on."""
        self._say.answer(self._clients.follow(asker))

    def fence(self, asker: Asker, news: FenceAsked) -> None:
        """Have a node fenced, or taken as down; answered when it is over."""
        self._need_view()
        self.fences.ask(asker, news)

    def forget_fencing(self, target: str) -> None:
        """Clean up the history of a target, or of all."""
        self._need_view()
        self.fences.forget(target)

    def shut_down(self) -> None:
        """Leave in order, as for a signal."""
        self.wants_shutdown = True

    def _need_view(self) -> None:
        if self.roll.view is None or not self._machine.is_synced:
            raise Refused(
                error(
                    "controller.no-view",
                    "this node is not in the cluster at the moment",
                    "its engine does not run, or it is still agreeing with the others",
                    "crm status shows when it is; corosync-cfgtool -s shows who is reachable",
                ),
                exit_code=EXIT_DISCONNECTED,
            )
