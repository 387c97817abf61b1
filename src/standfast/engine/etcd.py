"""The cluster layer on etcd: membership by leases, order by revision, quorum by etcd itself; kept to the contract of api.py.
Pure.

Owns: when a view is proposed and of whom, what a change in etcd means to this node, the pulse, what waits to be said. Does not
own: the protocol (runtime/etcd_client.py), nor etcd's own consensus.

*Views.* A node is alive while its key stands, and the key while its lease does. The view in force is one key, replaced by
compare-and-swap: the writer names the members it sees, and the write fails unless the view and every one of those keys are
still what it saw. So all nodes read the same views in the same order, each under a number of its own, and there is never more
than one in force. Whoever was in a view is left out of a later one only after its key has gone.

*Order.* A message is a write that fails unless the view is still the one it was meant for; revisions order all writes. etcd has
it on a majority of its disks before anybody reads it, ahead of everything later: so it is stable when it is delivered (LOGGED,
not held).

*The pulse.* etcd counts a lease from when it hears of a renewal, which is after it was sent. So until `sent + ttl` the key
stands and no view without this node can be written: that is the pulse, where the view in force was still this node's when it
was read after the renewal; less a tenth for clocks that run at different rates. (A leader that was deposed may answer for at
most one more election timeout, and its successor gives every lease that much more: etcd, lease/lessor.go, Promote.) When
nothing was renewed for a whole ttl, the session is over before etcd may think so.

What etcd cannot do is in `provider.ETCD`: no transitional views; a manager that dies takes its node out of the view.
"""

from __future__ import annotations

from collections.abc import Mapping

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import error, notice, warning
from standfast.base.wire import Malformed
from standfast.engine.api import (
    PAYLOAD_BYTES_MAX,
    Alive,
    Attach,
    Broadcast,
    ClientEvent,
    ClientRequest,
    Congested,
    Delivered,
    Leave,
    Pulse,
    Quorum,
    Stable,
    View,
    ViewId,
    ViewInstalled,
)
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient
from standfast.engine.etcd_effects import (
    Changed,
    Closed,
    Entry,
    KeepAlive,
    Kept,
    Opened,
    Propose,
    Put,
    PutDone,
    Release,
    Reopen,
    StoreEffect,
    StoreInput,
)
from standfast.engine.etcd_records import BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, Batch, Node, Record, decode, encode, meaning
from standfast.engine.etcd_says import Says
from standfast.engine.reserved import Reserved

KEEP_US = 400 * US_PER_MS
"""Pause between renewals: the kernel's lease of an address (2 s) is renewed with each."""

PULSE_STEP_US = 100 * US_PER_MS
RANK_US = 300 * US_PER_MS
"""Who writes the next view: the lowest living node at once, each other so much later than the one before it."""

CONGESTED_AT, RELIEVED_AT = 0.5, 0.25


class Store:
    """See the module.

    Invariants (`check`): a view in force has this life of this node in it; one Put at most is undecided; numbers of views grow.
    """

    def __init__(
        self, local: NodeId, boot: int, prefix: str, votes: Mapping[NodeId, int], remembered: bytes | None = None
    ) -> None:
        """`boot` is new in each life; `remembered` is what SEQ_FILE held. Raises Refused when that is damaged."""
        self._local, self._boot = local, boot
        self._prefix = prefix
        self._votes = dict(votes)
        self._out: list[StoreEffect] = []
        self._reserved = Reserved(remembered, lambda name, data: self._out.append(Persist(name, data)))
        self._is_leaving = False
        self._malformed = 0
        self._timer_us: int | None = None
        self._forget()

    def _forget(self) -> None:
        """No session."""
        self._is_open = False
        self._nodes: dict[NodeId, tuple[int, int]] = {}  # (boot, revision of its key)
        self._record: Record | None = None
        self._view_revision = 0
        self._view: View | None = None
        self._lives: dict[NodeId, int] = {}  # (node, boot) of its members
        self._count = 0
        self._numbers: dict[NodeId, int] = {}
        self._kept_us = self._ttl_us = self._keep_at_us = self._shown_us = 0
        self._propose_at_us: int | None = None
        self._says = Says()
        self._is_congested = False

    # ---- the way in and the way out -------------------------------------------------------------------------------

    def step(self, now_us: int, event: StoreInput) -> tuple[StoreEffect, ...]:
        """Take one event. `now_us` never goes back."""
        match event:
            case Opened():
                self._opened(now_us, event)
            case Changed(entries) if self._is_open:
                for entry in entries:
                    if self._is_open:
                        self._entry(now_us, entry, is_news=True)
            case Kept(sent_us, view_revision) if self._is_open:
                self._kept_us = max(self._kept_us, sent_us)
                if view_revision == self._view_revision:  # else there is a newer view, on its way to this node
                    self._pulse(now_us)
            case PutDone(taken):
                self._says.decided(taken=taken)
            case Requested(request):
                self._requested(request)
            case TimerFired():
                self._timer_us = None
            case Closed():
                self._forget()
        if self._is_open:
            self._due(now_us)
            self._pump()
        return self._take()

    def _take(self) -> tuple[StoreEffect, ...]:
        if self._is_open:
            waits = [self._keep_at_us, self._kept_us + self._ttl_us]
            next_us = min(waits if self._propose_at_us is None else [*waits, self._propose_at_us])
            if next_us != self._timer_us:
                self._timer_us = next_us
                self._out.append(SetTimer(next_us))
        out, self._out = tuple(self._out), []
        return out

    @property
    def view(self) -> View | None:
        """The view in force."""
        return self._view

    @property
    def living(self) -> tuple[NodeId, ...]:
        """Whose key stands, sorted."""
        return tuple(sorted(self._nodes))

    @property
    def quorum(self) -> Quorum | None:
        """etcd's, as long as there is a view."""
        return None if self._view is None else self._quorum(self._view)

    def check(self) -> None:
        """The invariants, for tests."""
        self._reserved.check()
        self._says.check()
        if self._view is not None:
            assert self._record is not None
            assert (int(self._local), self._boot) in self._record.members
            assert self._view.id.seq == self._record.seq <= self._reserved.seq

    # ---- the session ------------------------------------------------------------------------------------------------

    def _opened(self, now_us: int, event: Opened) -> None:
        self._forget()
        self._is_open = True
        self._kept_us, self._ttl_us = event.granted_us, event.ttl_s * US_PER_S * 9 // 10
        self._keep_at_us = now_us + KEEP_US
        self._timer_us = None
        for entry in event.entries:
            self._entry(now_us, entry, is_news=False)
        if self._nodes.get(self._local, (0, 0))[0] != self._boot:
            self._reopen("this node's key has gone already")
            return
        self._weigh(now_us)

    def _reopen(self, reason: str) -> None:
        self._forget()
        self._out.append(Reopen(reason))

    def _due(self, now_us: int) -> None:
        if now_us >= self._kept_us + self._ttl_us:
            self._reopen("etcd has not renewed the lease in time")
            return
        if now_us >= self._keep_at_us:
            self._keep_at_us = now_us + KEEP_US
            if not self._is_leaving:
                self._out.append(KeepAlive())
        if self._propose_at_us is not None and now_us >= self._propose_at_us:
            self._propose_at_us = now_us + RANK_US * (len(self._nodes) + 1)  # should that fail without a word
            self._propose()

    def _pulse(self, now_us: int) -> None:
        until_us = self._kept_us + self._ttl_us
        if self._view is not None and until_us > now_us and until_us - self._shown_us >= PULSE_STEP_US and not self._is_leaving:
            self._shown_us = until_us
            self._client(Pulse(until_us))

    # ---- changes ----------------------------------------------------------------------------------------------------

    def _entry(self, now_us: int, entry: Entry, *, is_news: bool) -> None:
        kind, node = meaning(self._prefix, entry.key)
        try:
            if kind == "nodes":
                self._node(now_us, node, entry)
            elif kind == "view":
                self._record = None if entry.value is None else decode(Record, entry.value)
                self._view_revision = 0 if entry.value is None else entry.revision
                self._recorded(now_us)
            elif kind == "said" and entry.value is not None and is_news:
                self._said(node, decode(Batch, entry.value))
        except Malformed as bad:
            self._malformed += 1
            if self._malformed.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...
                what = f"{self._malformed} values in etcd cannot be read, now {entry.key}"
                self._out.append(Tell(warning("etcd.malformed", what, str(bad), "is another release running there?")))
            if kind == "view":
                self._record, self._view_revision = None, entry.revision
                self._recorded(now_us)

    def _node(self, now_us: int, node: NodeId, entry: Entry) -> None:
        if entry.value is None:
            self._nodes.pop(node, None)
        else:
            self._nodes[node] = (decode(Node, entry.value).boot, entry.revision)
        if node == self._local and self._nodes.get(node, (0, 0))[0] != self._boot:
            if self._view is not None or entry.value is None:
                self._reopen("etcd has let this node's lease go" if entry.value is None else "another life of this node came in")
            return
        self._weigh(now_us)

    def _recorded(self, now_us: int) -> None:
        """There is another view in force, or none."""
        record = self._record
        if record is None or (int(self._local), self._boot) not in record.members:
            if self._view is not None:
                self._reopen("the others went on without this node")
            else:
                self._weigh(now_us)
            return
        before = {} if self._view is None else dict(self._lives)
        self._lives = {NodeId(node): boot for node, boot in record.members}
        members = tuple(self._lives)
        joined = tuple(n for n in members if before.get(n) != self._lives[n])
        left = tuple(n for n in before if self._lives.get(n) != before[n])
        self._reserved.use(record.seq)
        self._view = View(ViewId(record.seq, NodeId(record.writer)), members, joined, left, None)
        self._count = 0
        self._numbers.clear()
        self._says.restart()
        quorum = self._quorum(self._view)
        names = ", ".join(map(str, members))
        self._out.append(Tell(notice("etcd.view", f"view {record.seq}.{record.writer} of nodes {names}", quorum.reason)))
        self._client(ViewInstalled(self._view, quorum))
        self._weigh(now_us)

    def _weigh(self, now_us: int) -> None:
        """Is the view in force that of those who live?"""
        living = tuple((int(node), boot) for node, (boot, _) in sorted(self._nodes.items()))
        if self._record is not None and self._record.members == living:
            self._propose_at_us = None
        elif (int(self._local), self._boot) in living and self._propose_at_us is None and not self._is_leaving:
            self._propose_at_us = now_us + sorted(self._nodes).index(self._local) * RANK_US

    def _propose(self) -> None:
        seq = max(self._reserved.seq, self._record.seq if self._record is not None else 0) + 1
        self._reserved.use(seq)
        members = tuple((int(node), boot) for node, (boot, _) in sorted(self._nodes.items()))
        nodes = tuple((node, revision) for node, (_, revision) in sorted(self._nodes.items()))
        self._out.append(Propose(encode(Record(seq, int(self._local), members)), self._view_revision, nodes))

    def _quorum(self, view: View) -> Quorum:
        votes, expected = sum(self._votes.get(node, 1) for node in view.members), sum(self._votes.values())
        reason = f"etcd holds this view, and there is no other: {votes} of {expected} votes are here"
        return Quorum(
            quorate=True, votes=votes, votes_needed=1, expected_votes=expected, reason=reason, flags=("Quorate",), is_sole=True
        )

    # ---- messages ---------------------------------------------------------------------------------------------------

    def _said(self, sender: NodeId, batch: Batch) -> None:
        if self._view is None or batch.seq != self._view.id.seq or batch.number != self._numbers.get(sender, 0) + 1:
            return  # of another view, or for the second time
        self._numbers[sender] = batch.number
        if sender == self._local:
            self._says.delivered(len(batch.payloads))
        for payload in batch.payloads:
            self._count += 1
            self._client(Delivered(self._view.id, self._count, sender, payload))
        self._client(Stable(self._view.id, self._count))

    def _requested(self, request: ClientRequest) -> None:
        match request:
            case Broadcast(payload):
                if len(payload) > PAYLOAD_BYTES_MAX:
                    what = f"a message of {len(payload)} bytes was refused"
                    self._out.append(Tell(error("engine.too-large", what, f"{PAYLOAD_BYTES_MAX} fit")))
                elif not self._says.add(payload):
                    remedy = "it can be sent again in a moment"
                    self._out.append(Tell(error("engine.congested", "a message was refused", "too much waits", remedy)))
            case Leave():
                self._is_leaving = True
                self._out.append(Release())
            case Attach() | Alive():
                pass  # this machine lives and dies with its client

    def _pump(self) -> None:
        if self._view is not None and not self._is_leaving:
            batch = self._says.next(BATCH_MESSAGES_MAX, BATCH_BYTES_MAX)
            if batch is not None:
                number, payloads = batch
                self._out.append(Put(encode(Batch(self._view.id.seq, number, payloads)), self._view_revision))
        fullness = self._says.fullness
        congested = fullness >= CONGESTED_AT or (self._is_congested and fullness > RELIEVED_AT)
        if congested != self._is_congested:
            self._is_congested = congested
            self._client(Congested(congested))

    def _client(self, event: ClientEvent) -> None:
        self._out.append(ToClient(event))
