"""Ordering: one view's messages, from the client's Broadcast to Delivered and Stable at every member.

Owns: the path of a message, repair of losses, the freeze when the view ends. Does not own: views, who is heard.

    member                    coordinator                  member
      Submit  ------------------>  gives the number
      Entry  <-------------------  delivers, sends  -------->  Entry: delivers
      Ack  --------------------->                  <---------  Ack
              <----- Progress ---  all hold it     -------->  Progress     (more than two members only)

With two members the entry itself tells the member that both hold it. A message costs one round trip and no timer; timers are
armed only while something is on its way, and repair what was lost. Virtual synchrony: `freeze` stops delivery at `held`, the
proposer takes the highest `held` of those who come from this view as the cut, `recover` brings a member up to it, and nobody
delivers beyond. So what was delivered anywhere among those who move together is delivered by all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import US_PER_MS, NodeId
from standfast.base.report import warning
from standfast.engine.api import ClientAbsent, Congested, Delivered, Stable, ViewId
from standfast.engine.messages import NO_VIEW, Ack, Entry, EntryKind, Fetch, Progress, Submit, write_record
from standfast.engine.ordering.log import Log, Ordered
from standfast.engine.ordering.outbox import Outbox, Segment
from standfast.engine.ordering.sequencer import Sequencer
from standfast.engine.post import Post

ACK_EVERY = 16
"""Entries after which a member acknowledges although no message is complete."""

RESEND_MAX = 24
"""Entries sent again to one member at one time."""

RETRY_US_MIN = 20 * US_PER_MS
RETRY_US_MAX = 500 * US_PER_MS
RESEND_PAUSE_US = 5 * US_PER_MS
REMIND_US = 2_000 * US_PER_MS

CONGESTED_AT, RELIEVED_AT = 0.5, 0.25


class Ordering:
    """The messages of one node.

    Invariants: nothing is delivered while frozen, except up to the cut by `recover`; timers are armed only while something is
    outstanding; only the view's coordinator has a sequencer.
    """

    def __init__(self, local: NodeId, segment_bytes: int) -> None:
        self._local = local
        self.absent: dict[NodeId, None] = {}  # members of this view whose manager is gone, in the order in which that was said
        self.outbox = Outbox(segment_bytes)
        self._log = Log(NO_VIEW)
        self._members: tuple[NodeId, ...] = ()
        self._sequencer: Sequencer | None = None
        self._frozen = True
        self._cut: int | None = None
        self._holder = local
        self.next_us: int | None = None
        """When `due` wants to be called, or None."""
        self._wait_us = RETRY_US_MIN
        self._base_us = RETRY_US_MIN
        self._since_ack = 0
        self._remind_until_us = 0
        self._is_congested = False
        self._orders: list[tuple[NodeId, bytes]] = []

    # ---- what is known --------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Everything up to here was delivered in the current view."""
        return self._log.held

    @property
    def seq_stable(self) -> int:
        """The client's number up to which everything is stable."""
        return self._log.seq_stable

    @property
    def is_ready(self) -> bool:
        """Frozen, and at the cut."""
        return self._cut is not None and self._log.held >= self._cut

    @property
    def is_congested(self) -> bool:
        """Whether the client was asked to stop."""
        return self._is_congested

    def take_orders(self) -> list[tuple[NodeId, bytes]]:
        """Orders of operators that were delivered since the last call, in order, and at which node they were given."""
        orders, self._orders = self._orders, []
        return orders

    # ---- views ----------------------------------------------------------------------------------------------------

    def freeze(self) -> int:
        """The view is about to end: deliver no more; gives what is held."""
        self._frozen = True
        self._cut = None
        self.next_us = None
        self._log.truncate()
        return self._log.held

    def recover(self, now_us: int, post: Post, cut: int, holder: NodeId) -> bool:
        """Fetch everything up to `cut` from `holder`; True when it is here already."""
        assert self._frozen
        self._cut, self._holder = cut, holder
        if self.is_ready:
            return True
        self._fetch(now_us, post)
        return False

    def _fetch(self, now_us: int, post: Post) -> None:
        assert self._cut is not None
        last = min(self._cut, self._log.held + RESEND_MAX)
        post.send(self._holder, Fetch(self._log.view, self._log.held + 1, last))
        self.next_us = now_us + self._base_us

    def install(self, now_us: int, post: Post, view: ViewId, members: Sequence[NodeId]) -> None:
        """Begin a view."""
        self._log = Log(view)
        self.absent = {}
        self._members = tuple(members)
        is_coordinator = view.coordinator == self._local
        self._sequencer = Sequencer(view, members, self._local) if is_coordinator else None
        self._frozen = False
        self._cut = self.next_us = None
        self._wait_us = self._base_us
        self._since_ack = 0
        self._remind_until_us = 0
        self.outbox.restart()
        if not is_coordinator:
            self._ack(post)  # tells the coordinator that this member has installed the view
        self.pump(now_us, post)

    # ---- sending --------------------------------------------------------------------------------------------------

    def broadcast(self, now_us: int, post: Post, kind: EntryKind, payload: bytes) -> None:
        """Queue a message and send what may be sent. Raises Full."""
        self.outbox.add(kind, payload)
        self.pump(now_us, post)

    def pump(self, now_us: int, post: Post) -> None:
        """Put on its way what the window allows."""
        while not self._frozen and (segments := self.outbox.next_segments()):
            for segment in segments:
                if self._sequencer is None:
                    post.send(self._log.view.coordinator, self._submit(segment))
                else:
                    self._sequencer.park(self._local, self._submit(segment))
            if self._sequencer is not None:
                self._order(now_us, post)
        self._arm(now_us)
        self._weigh(post)

    def _submit(self, segment: Segment) -> Submit:
        return Submit(self._log.view, segment.number, segment.kind, segment.is_last, segment.data)

    def _weigh(self, post: Post) -> None:
        fullness = self.outbox.fullness
        congested = fullness >= CONGESTED_AT or (self._is_congested and fullness > RELIEVED_AT)
        if congested != self._is_congested:
            self._is_congested = congested
            post.client(Congested(congested))

    def _order(self, now_us: int, post: Post) -> None:
        """The coordinator gives numbers, sends and delivers."""
        assert self._sequencer is not None
        while entries := self._sequencer.next_entries(self._log.stable):
            for entry in entries:
                written = write_record(entry)
                for member in self._sequencer.acked:
                    post.send_written(member, written)
                self._place(post, entry)
            if not self._sequencer.acked:
                self._settle(post, self._log.held)  # alone: stable at once, and the window is open again
        self._arm(now_us)

    # ---- receiving ------------------------------------------------------------------------------------------------

    def submitted(self, now_us: int, post: Post, sender: NodeId, submit: Submit) -> None:
        """A member wants a segment ordered."""
        if self._sequencer is None or self._frozen or submit.view != self._log.view or sender not in self._sequencer.acked:
            return
        self._sequencer.park(sender, submit)
        self._order(now_us, post)

    def came(self, now_us: int, post: Post, entry: Entry) -> None:
        """An entry came: from the coordinator, or while recovering from the holder."""
        log = self._log
        if entry.view != log.view or entry.sender not in self._members:
            return
        if self._frozen:
            self._recovered(now_us, post, entry)
            return
        if self._sequencer is not None:
            return
        before = log.held
        completed = self._place(post, entry)
        if len(self._members) == 2:
            self._settle(post, log.held)
        self._since_ack += 1
        if completed or log.held == before or self._since_ack >= ACK_EVERY:
            # Something was completed, or there is a gap, or it was known (then our last Ack was lost).
            self._ack(post)
        self.pump(now_us, post)

    def _recovered(self, now_us: int, post: Post, entry: Entry) -> None:
        if self._cut is None or entry.seq > self._cut:
            return
        self._place(post, entry)
        if self.is_ready:
            self.next_us = None
        elif self._log.held % RESEND_MAX == 0:
            self._fetch(now_us, post)

    def _place(self, post: Post, entry: Entry) -> bool:
        """Put an entry into its place and deliver what is complete; True when something was."""
        completed = False
        for each in self._log.add(entry) or ():
            if each.sender == self._local:
                if not self.outbox.delivered(each.number):
                    post.tell(
                        warning("engine.not-sent", f"node {self._log.view.coordinator} has ordered what this node did not send")
                    )
                if not self._frozen:
                    self._progressed()
            ordered = self._log.assemble(each)
            if ordered is not None:
                completed = True
                self._deliver(post, ordered)
        return completed

    def _deliver(self, post: Post, ordered: Ordered) -> None:
        view = self._log.view
        if ordered.kind is EntryKind.DATA:
            self.absent.pop(ordered.sender, None)
            post.client(Delivered(view, ordered.seq, ordered.sender, ordered.payload))
        elif ordered.kind is EntryKind.ABSENT:
            self.absent[ordered.sender] = None
            post.client(ClientAbsent(view, ordered.seq, ordered.sender))
        else:
            self._orders.append((ordered.sender, ordered.payload))

    def _ack(self, post: Post) -> None:
        self._since_ack = 0
        post.send(self._log.view.coordinator, Ack(self._log.view, self._log.held, self._log.holes()))

    def acked(self, now_us: int, post: Post, member: NodeId, ack: Ack) -> None:
        """A member says what it holds and lacks."""
        sequencer = self._sequencer
        if sequencer is None or self._frozen or ack.view != self._log.view or member not in sequencer.acked:
            return
        for first, last in ack.holes:
            self._resend(now_us, post, member, first, min(last, first + RESEND_MAX - 1))
        if not sequencer.ack(member, ack.held):
            return
        self._progressed()
        stable = sequencer.stable
        if stable > self._log.stable:
            sequencer.forget(stable)
            self._settle(post, stable)
            if len(self._members) > 2:
                self._remind_until_us = now_us + REMIND_US
                progress = write_record(Progress(self._log.view, stable))
                for each in sequencer.acked:
                    post.send_written(each, progress)
        self._order(now_us, post)
        self.pump(now_us, post)

    def progressed(self, post: Post, progress: Progress) -> None:
        """The coordinator says what all hold."""
        if self._frozen or self._sequencer is not None or progress.view != self._log.view:
            return
        self._settle(post, progress.stable)

    def fetched(self, post: Post, node: NodeId, fetch: Fetch) -> None:
        """Somebody lacks entries of the view that is ending, and we hold them."""
        if fetch.view != self._log.view:
            return
        for seq in range(fetch.first, min(fetch.last, fetch.first + RESEND_MAX - 1, self._log.held) + 1):
            entry = self._log.entries.get(seq)
            if entry is not None:
                post.send(node, entry)

    def _settle(self, post: Post, stable: int) -> None:
        if self._log.settle(stable):
            post.client(Stable(self._log.view, self._log.seq_stable))

    def _resend(self, now_us: int, post: Post, member: NodeId, first: int, last: int) -> None:
        assert self._sequencer is not None
        for seq in range(first, last + 1):
            entry = self._log.entries.get(seq)
            if entry is not None and self._sequencer.may_resend(now_us, seq, RESEND_PAUSE_US):
                post.send(member, entry)

    # ---- time -----------------------------------------------------------------------------------------------------

    def timed(self, rtt_us: int) -> None:
        """The slowest round trip to a member, as measured: what waits for an answer waits a few of these."""
        self._base_us = min(max(4 * rtt_us, RETRY_US_MIN), RETRY_US_MAX)

    def reminder(self, now_us: int) -> Progress | None:
        """What the coordinator repeats beside its heartbeats for a while, because a Progress is not acknowledged."""
        if self._sequencer is None or self._frozen or now_us >= self._remind_until_us:
            return None
        return Progress(self._log.view, self._log.stable)

    def due(self, now_us: int, post: Post) -> None:
        """Send again what was not answered in time."""
        if self.next_us is None or now_us < self.next_us:
            return
        self.next_us = None
        if self._frozen:
            if self._cut is not None and not self.is_ready:
                self._fetch(now_us, post)
            return
        self._wait_us = min(2 * self._wait_us, RETRY_US_MAX)
        if self._sequencer is not None:
            for member, held in self._sequencer.acked.items():
                for seq in range(held + 1, min(held + RESEND_MAX, self._sequencer.last) + 1):
                    post.send(member, self._log.entries[seq])
        else:
            for segment in list(self.outbox.in_flight)[:RESEND_MAX]:
                post.send(self._log.view.coordinator, self._submit(segment))
        self._arm(now_us)

    def _progressed(self) -> None:
        self._wait_us = self._base_us
        self.next_us = None

    def _arm(self, now_us: int) -> None:
        if self.next_us is not None:
            return
        if self._sequencer is not None:
            is_outstanding = self._sequencer.last > self._sequencer.stable
        else:
            is_outstanding = bool(self.outbox.in_flight)
        if is_outstanding:
            self.next_us = now_us + self._wait_us

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        self.outbox.check()
        self._log.check()
        if self._sequencer is not None:
            assert self._log.view.coordinator == self._local
            if not self._frozen:
                self._sequencer.check()
                assert self._log.held == self._sequencer.last
                assert (self.next_us is None) == (self._sequencer.last == self._sequencer.stable)
        elif not self._frozen:
            assert (self.next_us is None) == (not self.outbox.in_flight)
