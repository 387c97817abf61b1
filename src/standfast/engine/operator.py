"""What operators order: votes, a node's leave, another corosync.conf. Given at one node, followed by all at one place.

Owns: the way of an order into the total order and out of it, and which part of a new file changes what. Does not own: the
bytes of an order (orders.py), when a reload has succeeded (reload.py), the arithmetic of quorum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from standfast.base.bounded import Full
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error, notice, warning
from standfast.base.wire import Malformed
from standfast.engine.api import Quorum
from standfast.engine.effects import Adjusted, Draft, FileRead, ReloadAsked
from standfast.engine.messages import EntryKind, Life
from standfast.engine.ordering.ordering import Ordering
from standfast.engine.orders import order_of, read_order
from standfast.engine.post import Post
from standfast.engine.quorum.votequorum import VoteQuorum
from standfast.engine.reload import FIRST_BYTE, Reload
from standfast.engine.settings import EngineConfig


class Body(Protocol):
    """What an order moves: the engine."""

    def members(self) -> tuple[NodeId, ...]:
        """Of the view that the orders belong to."""

    def quorum_changed(self, quorum: Quorum | None) -> None:
        """Quorum is to be told and kept."""

    def leave(self, now_us: int) -> None:
        """This node has to leave."""

    def follow(self, now_us: int, config: EngineConfig) -> None:
        """Other times and another configuration from now on."""


class Operator:
    """Invariant: `config` changes only at a place of the order at which every member's does."""

    def __init__(self, config: EngineConfig, me: Life, quorum: VoteQuorum, ordering: Ordering, post: Post, body: Body) -> None:
        self.config = config
        self._local = me.node
        self._nodes = tuple(node.id for node in config.nodes)
        self._quorum = quorum
        self._ordering = ordering
        self._post = post
        self._body = body
        self._reload = Reload(me.node, me.boot, {node.id: node.name for node in config.nodes}, self._say)

    @property
    def next_us(self) -> int | None:
        """When `due` wants to be called, or None."""
        return self._reload.next_us

    def due(self, now_us: int) -> None:
        """A reload that takes too long."""
        self._reload.due(now_us, self._post)
        self.obey(now_us)

    def installed(self) -> None:
        """Another view begins."""
        self._reload.installed(self._post)

    def take(self, now_us: int, event: Adjusted | ReloadAsked | FileRead) -> None:
        """An order, or a word about corosync.conf. Raises Refused when it cannot be followed."""
        if isinstance(event, Adjusted):
            if event.verb == "leave":
                self._body.leave(now_us)
                return
            order = order_of(event, self._nodes, self._quorum)
            try:
                self._say(now_us, order)
            except Full as full:
                raise Refused(error("engine.congested", "too much is waiting to be ordered", str(full), "try again")) from None
        elif isinstance(event, ReloadAsked):
            refusal = self._refusal(event.draft)
            if refusal:
                raise Refused(error("reload.refused", "not reloaded", refusal, "mend it, then corosync-cfgtool -R again"))
            self._reload.ask(now_us, event.draft)
        else:
            self._reload.read(now_us, event, "" if event.draft is None else self._refusal(event.draft))
        self.obey(now_us)

    def obey(self, now_us: int) -> None:
        """Follow the orders that were delivered, in their order: every member does the same."""
        while orders := self._ordering.take_orders():
            for sender, written in orders:
                try:
                    self._obey_one(now_us, sender, written)
                except Malformed as bad:
                    self._post.tell(warning("engine.malformed-order", "an order that does not parse was passed over", str(bad)))

    def _obey_one(self, now_us: int, sender: NodeId, written: bytes) -> None:
        if written[:1] >= bytes([FIRST_BYTE]):
            draft = self._reload.delivered(now_us, self._post, sender, written, self._body.members())
            if draft is not None:
                self._follow(now_us, draft)
            return
        order = read_order(written)
        if order.verb != "kill":
            self._body.quorum_changed(self._quorum.adjust(order.verb, order.node, order.value))
        elif order.node == self._local:
            self._post.tell(notice("engine.killed", "an operator has asked this node to leave"))
            self._body.leave(now_us)

    def _say(self, now_us: int, order: bytes) -> None:
        self._ordering.broadcast(now_us, self._post, EntryKind.ADJUST, order)

    # ---- another corosync.conf ------------------------------------------------------------------------------------

    def _follow(self, now_us: int, draft: Draft) -> None:
        votes = self._votes_changed(draft)
        self.config = self._with(draft)
        self._body.follow(now_us, self.config)
        if votes:
            self._body.quorum_changed(self._quorum.adjust("expected_votes", self._local, votes))

    def _with(self, draft: Draft) -> EngineConfig:
        """The settings with what the draft changes. Raises Refused for times that cannot be used."""
        times = replace(self.config.times, token_ms=draft.token_ms, floor_ms=draft.floor_ms)
        quorum = replace(self.config.quorum, expected_votes=draft.expected_votes)
        return replace(self.config, times=times, quorum=quorum, cmap=draft.cmap)

    def _votes_changed(self, draft: Draft) -> int:
        """The expected votes that the draft asks for, 0 where it says the same as before."""
        quorum = self.config.quorum
        if draft.expected_votes == quorum.expected_votes:
            return 0
        return draft.expected_votes or sum(node.votes for node in self.config.nodes) + quorum.device_votes

    def _refusal(self, draft: Draft) -> str:
        """Why this engine cannot follow it now, in one sentence; "" when it can."""
        try:
            self._with(draft)
        except Refused as refused:
            return refused.reports[0].sentence()
        votes = self._votes_changed(draft)
        report = self._quorum.refusal("expected_votes", self._local, votes) if votes else None
        return "" if report is None else report.sentence()

    def check(self) -> None:
        """The invariants of what is under way."""
        self._reload.check()
