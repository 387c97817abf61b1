"""The cluster layer on the real Corosync: one manager's end of a CPG process group, kept to the contract of api.py. Pure.

Owns: views of managers, the place of each message in them, stability, the pulse, who is absent. Does not own: membership of
nodes, order, quorum: Corosync decides those. Nor the libraries (runtime/corosync_line.py).

*Views.* CPG tells of processes that come and go; it has no number for that, and none that outlives a restart. So after each
change every process says its State in order, and when all have spoken, all come to the same verdict at the same message
(corosync_round.py). Meanwhile nothing is delivered: a message carries the view it was sent in, is dropped by everybody alike
when that is not the view in force, and its sender sends it again. A manager that dies while its host stays in the ring is
*away*: the view goes on, and if it is not back within its grace, its absence is told, in order. One that falls silent is told
absent too; one that does not say its State in time is barred, and comes in anew when it wakes.

*The pulse.* Each member says a Beat in order every `beat_us`, and in it names the latest Beat of each other that it has
delivered in this view. Let s be the latest instant such that Beats sent since were named so by enough members; the pulse is s +
lease, as in pulse.py and for the same reason: a member that goes on to another view stops naming Beats of this one first. This
rests on CPG's order alone, not on Corosync's timing. Members whose manager is away cannot testify; where too few are left,
those that are left do, and for one alone its own Beat does: it comes back only with the token, so Corosync cannot have formed a
ring without this node before then, nor for its consensus timeout after. So a lease no longer than that timeout ends before any
view without this node.

Interruption: every method may be the last one of its life. What must not be used twice (view numbers) is durable before it is
shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from standfast.base.bounded import Full
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, NodeId
from standfast.base.report import error, notice, warning
from standfast.base.wire import Malformed
from standfast.engine.api import (
    PAYLOAD_BYTES_MAX,
    Alive,
    Attach,
    Broadcast,
    ClientAbsent,
    ClientEvent,
    ClientRequest,
    Congested,
    Delivered,
    Leave,
    Pulse,
    Quorum,
    QuorumChanged,
    Stable,
    View,
    ViewId,
    ViewInstalled,
)
from standfast.engine.corosync_effects import (
    Cast,
    Depart,
    Disconnected,
    GroupEffect,
    GroupInput,
    Heard,
    MembersChanged,
    Process,
    QuorumSaid,
    Reason,
    Rejoin,
    RingChanged,
    RingId,
)
from standfast.engine.corosync_frames import SEGMENT_BYTES, Ack, Bar, Beat, Data, Frame, Missing, State, ViewKey, decode, encode
from standfast.engine.corosync_round import NO_VIEW, Round, Verdict
from standfast.engine.corosync_seats import Seats
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient
from standfast.engine.messages import EntryKind
from standfast.engine.ordering.outbox import Outbox
from standfast.engine.reserved import Reserved

CONGESTED_AT, RELIEVED_AT = 0.5, 0.25
PULSE_STEP_US = 100 * US_PER_MS
"""A pulse is shown when the evidence has moved on by so much: the kernel's lease of an address is renewed with each."""

LEASE_MS_MAX = 10_000
STALLED_US = 250 * US_PER_MS


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """In milliseconds. `lease_ms` of a pulse; `grace_ms`: how long a manager may be gone from a living host, and `silence_ms`:
    how long it may say nothing, before it is told absent; `state_ms`: how long a State is waited for."""

    lease_ms: int = 1500
    grace_ms: int = 1500
    silence_ms: int = 3000
    state_ms: int = 3000

    @property
    def beat_us(self) -> int:
        """Pause between two Beats: at least four within a lease, since evidence is up to two old."""
        return min(400 * US_PER_MS, self.lease_ms * US_PER_MS // 6)


class Group:
    """See the module.

    Invariants (`check`): in a view, its members are seats; while a round is under way nothing is delivered and no pulse is shown;
    at most one Ack and one Beat of ours are on their way; view numbers only grow.
    """

    def __init__(self, me: Process, votes: Mapping[NodeId, int], times: GroupTimes, remembered: bytes | None = None) -> None:
        """`votes` as configured, by node; `remembered` is what SEQ_FILE held. Raises Refused."""
        self._me, self._node = me, me[0]
        self._votes = dict(votes)
        self._times = times
        self._out: list[GroupEffect] = []
        self._reserved = Reserved(remembered, lambda name, data: self._out.append(Persist(name, data)))
        self._is_congested = False
        self._is_leaving = False
        self._malformed = 0
        self._timer_us: int | None = None
        self._forget()

    def _forget(self) -> None:
        """Nothing is known of the group."""
        self._processes: tuple[Process, ...] = ()
        self._ring: RingId = (0, 0)
        self._ring_nodes: tuple[NodeId, ...] = ()
        self._said: QuorumSaid | None = None
        self._round: Round | None = None
        self._round_until_us = 0
        self._state_said = b""
        self._view: View | None = None
        self._trail = b""
        self._seats = Seats(self._node, (), self._votes)
        self._quorum: Quorum | None = None
        self._count = 0
        self._stable = 0
        self._parts: dict[NodeId, list[bytes]] = {}
        self._acked_count = 0
        self._is_ack_out = self._is_beat_out = False
        self._beat_at_us = 0
        self._shown_us = 0
        self._is_late_told = False
        self._outbox = Outbox(SEGMENT_BYTES)

    # ---- the way in and the way out -------------------------------------------------------------------------------

    def step(self, now_us: int, event: GroupInput) -> tuple[GroupEffect, ...]:
        """Take one event. `now_us` never goes back."""
        if self._timer_us is not None and now_us - self._timer_us > STALLED_US:
            late_us = now_us - self._timer_us  # this process was not running: nobody else is to blame for that time
            self._round_until_us += late_us
            self._seats.woke(now_us, late_us)
            self._timer_us = None
        match event:
            case Heard(process, data):
                self._heard(now_us, process, data)
            case MembersChanged():
                self._members_changed(now_us, event)
            case RingChanged(ring, nodes):
                self._ring, self._ring_nodes = ring, nodes
                self._seats.keep(nodes)
                self._begin_round(now_us)
            case QuorumSaid():
                self._quorum_said(event)
            case TimerFired():
                self._timer_us = None
            case Requested(request):
                self._requested(request)
            case Disconnected():
                self._forget()
        self._due(now_us)
        return self._take()

    def _take(self) -> tuple[GroupEffect, ...]:
        next_us = self._next_us()
        if next_us is not None and next_us != self._timer_us:
            self._timer_us = next_us
            self._out.append(SetTimer(next_us))
        out, self._out = tuple(self._out), []
        return out

    @property
    def view(self) -> View | None:
        """The view in force."""
        return self._view

    @property
    def quorum(self) -> Quorum | None:
        """What is known of the votes."""
        return self._quorum

    def check(self) -> None:
        """The invariants, for tests."""
        self._reserved.check()
        self._outbox.check()
        self._seats.check()
        if self._round is not None:
            self._round.check()
        if self._view is not None:
            assert self._node in self._view.members
            assert self._view.members == self._seats.members
            assert self._stable <= self._count
            assert self._view.id.seq <= self._reserved.seq

    # ---- time -----------------------------------------------------------------------------------------------------

    def _next_us(self) -> int | None:
        waits = [self._round_until_us] if self._round is not None else []
        if self._view is not None and self._round is None:
            waits.append(self._beat_at_us)
            waits.extend(self._seats.deadlines())
        return min(waits, default=None)

    def _due(self, now_us: int) -> None:
        if self._round is not None:
            if now_us >= self._round_until_us:
                self._round_until_us = now_us + self._times.state_ms * US_PER_MS
                self._round_late()
            return
        if self._view is None or self._is_leaving:
            return
        if now_us >= self._beat_at_us:
            self._beat_at_us = now_us + self._times.beat_us
            if not self._is_beat_out:
                self._is_beat_out = True
                echoes = tuple((int(node), sent_us) for node, sent_us in self._seats.heard_from())
                self._cast(Beat(self._key, now_us, self._count, echoes))
        for node in self._seats.overdue(now_us, self._times.silence_ms * US_PER_MS):
            self._cast(Missing(self._key, node))

    def _round_late(self) -> None:
        assert self._round is not None
        silent = [process for process in self._round.silent if process != self._me]
        if self._said is None or self._said.ring != self._ring:
            self._tell_late(
                "votequorum has not spoken about this ring", "look at: corosync-quorumtool -s, journalctl -u corosync"
            )
        elif silent and self._state_said == self._round.group:
            self._cast(Bar(self._round.group, tuple((int(node), pid) for node, pid in silent)))

    def _tell_late(self, why: str, remedy: str) -> None:
        if not self._is_late_told:
            self._is_late_told = True
            self._out.append(Tell(warning("corosync.no-view", "there is no view yet after a change of the group", why, remedy)))

    # ---- the group changes ------------------------------------------------------------------------------------------

    def _members_changed(self, now_us: int, event: MembersChanged) -> None:
        self._processes = tuple(sorted(event.members))
        if self._me not in self._processes:
            if not self._is_leaving:
                self._out.append(Rejoin())
            return
        here = {process[0] for process in self._processes}
        for (node, _), reason in event.left:
            if node not in here and self._view is not None and node in self._view.members:
                if reason == Reason.PROCESS_DOWN and node in self._ring_nodes:
                    self._seats.went_away(node, now_us + self._times.grace_ms * US_PER_MS, len(here))
                else:
                    self._seats.lost(node)
        self._begin_round(now_us)

    def _begin_round(self, now_us: int) -> None:
        if self._me not in self._processes:
            return
        text = repr((self._ring, self._ring_nodes, self._processes)).encode()
        group = blake2b(text, digest_size=16).digest()
        if self._view is not None:
            self._trail = blake2b(self._trail + group, digest_size=16).digest()
        self._round = Round(group, self._processes)
        self._round_until_us = now_us + self._times.state_ms * US_PER_MS
        self._state_said, self._is_late_told = b"", False
        self._say_state()

    def _say_state(self) -> None:
        """Once quorum for this very ring is known: so every member of the view that follows knows it."""
        if self._round is None or self._said is None or self._said.ring != self._ring or self._state_said == self._round.group:
            return
        self._state_said = self._round.group
        self._reserved.quiet()  # the next number may be given in our name: it is never given again, whatever becomes of us
        barred = tuple((int(node), pid) for node, pid in self._seats.barred if (node, pid) in self._processes)
        self._cast(
            State(
                group=self._round.group,
                highest=self._reserved.seq,
                view=self._key,
                members=tuple(map(int, self._view.members)) if self._view else (),
                count=self._count,
                trail=self._trail,
                away=tuple(map(int, self._seats.away)),
                absent=tuple(map(int, self._seats.absent)),
                barred=barred,
            )
        )

    def _state_came(self, now_us: int, process: Process, state: State) -> None:
        if self._round is None or state.group != self._round.group:
            return
        self._round.said(process, state)
        self._end_round(now_us)

    def _barred(self, now_us: int, bar: Bar) -> None:
        if self._round is None or bar.group != self._round.group:
            return
        silent = self._round.silent
        processes = [(NodeId(node), pid) for node, pid in bar.processes]
        self._round.bar(process for process in processes if process in silent)
        self._end_round(now_us)

    def _end_round(self, now_us: int) -> None:
        assert self._round is not None
        if self._me in self._round.barred:
            self._out.append(
                Tell(warning("corosync.barred", "the others went on without this manager", "it did not answer in time"))
            )
            self._forget()
            self._out.append(Rejoin())
            return
        if not self._round.is_over:
            return
        barred, verdict = self._round.barred, self._round.verdict(self._ring_nodes)
        self._round = None
        if verdict.continues is None:
            self._install(now_us, verdict)
        else:
            self._go_on(now_us, verdict)
        self._seats.barred = barred
        self._beat_at_us = now_us
        self._pump()

    # ---- views ------------------------------------------------------------------------------------------------------

    def _install(self, now_us: int, verdict: Verdict) -> None:
        """A new view of all who spoke."""
        members = verdict.members
        along = verdict.along(self._node)
        before = self._view.members if self._view is not None else ()
        joined = tuple(node for node in members if node not in along) if before else members
        left = tuple(node for node in before if node not in along)
        seq = verdict.highest + 1
        self._begin_view(now_us, View(ViewId(seq, verdict.coordinator), members, joined, left, along), verdict)
        self._count = 0
        assert self._quorum is not None
        what = f"view {seq}.{verdict.coordinator} of nodes {', '.join(map(str, members))}"
        self._out.append(Tell(notice("corosync.view", what, self._quorum.reason)))

    def _go_on(self, now_us: int, verdict: Verdict) -> None:
        """The same view; who has come back to it is told."""
        assert verdict.continues is not None
        seq, coordinator = verdict.continues
        self._trail = b""
        if self._view is None:
            members = verdict.members
            self._begin_view(now_us, View(ViewId(seq, NodeId(coordinator)), members, members, (), (self._node,)), verdict)
            for node in verdict.absent:
                if node != self._node:
                    self._client(ClientAbsent(self._view_id, 0, node))
        else:
            self._quorum_known()
            self._seats.returned({process[0] for process in verdict.processes}, now_us)
        self._count = verdict.count
        self._parts.clear()
        self._outbox.restart()  # what was on its way was dropped by all: it came before our State, and after the change
        for node in self._seats.here:  # all who are here have just spoken, at the same place for everybody
            self._seats.acked(node, self._count)  # a newcomer's part of this view begins here
        self._settle()

    def _begin_view(self, now_us: int, view: View, verdict: Verdict) -> None:
        self._reserved.use(view.id.seq)
        self._view, self._trail = view, b""
        self._seats = Seats(self._node, view.members, self._votes)
        for node in verdict.away:
            self._seats.went_away(node, now_us + self._times.grace_ms * US_PER_MS, len(verdict.processes))
        for node in verdict.absent:
            if node in verdict.away:
                self._seats.told_absent(node, 0)
        self._seats.begin(now_us)
        self._stable = self._acked_count = 0
        self._is_ack_out = False
        self._shown_us = 0
        self._parts.clear()
        self._outbox.restart()
        assert self._said is not None
        self._quorum = quorum_of(self._said)
        self._client(ViewInstalled(view, self._quorum))

    @property
    def _key(self) -> ViewKey:
        return NO_VIEW if self._view is None else (self._view.id.seq, int(self._view.id.coordinator))

    @property
    def _view_id(self) -> ViewId:
        assert self._view is not None
        return self._view.id

    # ---- quorum -----------------------------------------------------------------------------------------------------

    def _quorum_said(self, said: QuorumSaid) -> None:
        self._said = said
        if self._round is not None:
            self._say_state()
        # A loss counts at once, whatever ring it speaks of; what is won counts from the view it belongs to.
        if self._view is not None and (not said.quorate or (self._round is None and said.ring == self._ring)):
            self._quorum_known()

    def _quorum_known(self) -> None:
        assert self._said is not None
        quorum = quorum_of(self._said)
        if quorum != self._quorum:
            self._quorum = quorum
            self._client(QuorumChanged(quorum))

    # ---- messages ---------------------------------------------------------------------------------------------------

    def _heard(self, now_us: int, process: Process, data: bytes) -> None:
        if process not in self._processes:
            return
        try:
            frame = decode(data)
        except Malformed as bad:
            self._malformed += 1
            if self._malformed.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...: a flood must not fill the log
                what = f"{self._malformed} messages that do not parse, now from node {process[0]}"
                self._out.append(Tell(warning("corosync.malformed", what, str(bad), "is another release running there?")))
            return
        if process == self._me:
            self._is_beat_out = self._is_beat_out and not isinstance(frame, Beat)
            self._is_ack_out = self._is_ack_out and not isinstance(frame, Ack)
        if process in self._seats.barred:
            return
        match frame:
            case State():
                self._state_came(now_us, process, frame)
            case Bar():
                self._barred(now_us, frame)
            case _ if self._round is not None or self._view is None:
                return  # nothing of a view counts while the next is being agreed
            case Data(view) if view == self._view_id:
                self._data_came(process[0], frame)
            case Beat(view) if view == self._key:
                self._beat_came(now_us, process[0], frame)
            case Ack(view, count) if view == self._key:
                self._seats.acked(process[0], min(count, self._count))
                self._settle()
            case Missing(view, node) if view == self._key:
                self._missing(NodeId(node))

    def _data_came(self, sender: NodeId, data: Data) -> None:
        if sender == self._node:
            is_next = self._outbox.delivered(data.number)
            assert is_next, "CPG keeps the order of one sender"
        parts = self._parts.setdefault(sender, [])
        parts.append(data.data)
        if len(parts) > 1 + PAYLOAD_BYTES_MAX // SEGMENT_BYTES:
            parts.clear()
            return
        if data.is_last:
            payload = b"".join(self._parts.pop(sender))
            self._count += 1
            self._client(Delivered(self._view_id, self._count, sender, payload))
            self._hold()
        if sender == self._node:
            self._pump()

    def _hold(self) -> None:
        """This node holds what was delivered; the others are told, one Ack at a time."""
        self._seats.holds(self._count)
        self._settle()

    def _settle(self) -> None:
        stable = self._seats.stable()
        if stable is not None and stable > self._stable:
            self._stable = stable
            self._client(Stable(self._view_id, stable))
        if self._acked_count < self._count and not self._is_ack_out and len(self._seats.members) > 1 and self._round is None:
            self._acked_count = self._count
            self._is_ack_out = True
            self._cast(Ack(self._key, self._count))

    def _missing(self, node: NodeId) -> None:
        if self._seats.told_absent(node, self._count + 1):
            self._count += 1
            self._client(ClientAbsent(self._view_id, self._count, node))
            self._hold()

    # ---- the pulse --------------------------------------------------------------------------------------------------

    def _beat_came(self, now_us: int, sender: NodeId, beat: Beat) -> None:
        echo_us = next((sent_us for node, sent_us in beat.echoes if node == self._node), 0)
        if sender == self._node:
            echo_us = beat.sent_us
        self._seats.beat(now_us, sender, beat.sent_us, min(echo_us, now_us), min(beat.count, self._count))
        self._settle()
        needed = self._quorum.votes_needed if self._quorum is not None else 0
        until_us = self._seats.since_us(needed) + self._times.lease_ms * US_PER_MS
        if until_us > now_us and until_us - self._shown_us >= PULSE_STEP_US:
            self._shown_us = until_us
            self._client(Pulse(until_us))

    # ---- the client -------------------------------------------------------------------------------------------------

    def _requested(self, request: ClientRequest) -> None:
        match request:
            case Broadcast(payload):
                self._broadcast(payload)
            case Leave():
                self._is_leaving = True
                self._out.append(Depart())
            case Attach() | Alive():
                pass  # this machine lives and dies with its client

    def _broadcast(self, payload: bytes) -> None:
        if len(payload) > PAYLOAD_BYTES_MAX:
            what = f"a message of {len(payload)} bytes was refused"
            self._out.append(Tell(error("engine.too-large", what, f"{PAYLOAD_BYTES_MAX} fit")))
            return
        try:
            self._outbox.add(EntryKind.DATA, payload)
        except Full as full:
            remedy = "it can be sent again in a moment"
            self._out.append(Tell(error("engine.congested", "a message was refused", str(full), remedy)))
            return
        self._pump()

    def _pump(self) -> None:
        if self._view is not None and self._round is None:
            for segment in self._outbox.next_segments():
                self._cast(Data(self._view_id, segment.number, segment.kind, segment.is_last, segment.data))
        fullness = self._outbox.fullness
        congested = fullness >= CONGESTED_AT or (self._is_congested and fullness > RELIEVED_AT)
        if congested != self._is_congested:
            self._is_congested = congested
            self._client(Congested(congested))

    def _client(self, event: ClientEvent) -> None:
        self._out.append(ToClient(event))

    def _cast(self, frame: Frame) -> None:
        self._out.append(Cast(encode(frame)))


def quorum_of(said: QuorumSaid) -> Quorum:
    """Votequorum's word as the contract says it."""
    if not said.has_provider:
        reason = "corosync.conf names no quorum provider, so nobody counts votes: add provider: corosync_votequorum to quorum { }"
        return Quorum(
            quorate=False, votes=said.votes, votes_needed=said.votes_needed, expected_votes=said.expected_votes, reason=reason
        )
    word = "has" if said.quorate else "lacks"
    reason = f"Corosync {word} quorum: {said.votes} of {said.expected_votes} votes are here, {said.votes_needed} are needed"
    return Quorum(said.quorate, said.votes, said.votes_needed, said.expected_votes, reason, said.flags)


def lease_ms_of(consensus_ms: int, given_ms: int | None, default_ms: int) -> int:
    """The lease on this Corosync: as the file says, else nine tenths of its consensus timeout (the module says why), not less
    than our own default, and not more than ten seconds."""
    if given_ms is not None:
        return given_ms
    return min(max(default_ms, consensus_ms * 9 // 10), LEASE_MS_MAX)
