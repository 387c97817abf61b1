"""The embedded engine: links, detector, membership, ordering, quorum, pulse and client put together. Pure.

Owns: the path of every event through the rooms, this node's own stalls, the polite leave. Does not own: any rule of a room.

`start`, then `step` for each event, return the effects in the order in which they have to be performed; there is one timer.
A node that finds its timer fired much too late has not been running (SIGSTOP, a frozen machine, starved of CPU): it blames
nobody for that time, and if it was long, it does nothing on its own (no pulse, no proposal) until every peer that it counted in
has answered a probe sent after it woke, or has been silent for a whole bound since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from standfast.base.bounded import Full
from standfast.base.ids import US_PER_MS, Entropy, NodeId
from standfast.base.report import error, notice, warning
from standfast.base.wire import Malformed
from standfast.engine.api import (
    PAYLOAD_BYTES_MAX,
    Alive,
    Attach,
    Broadcast,
    ClientAbsent,
    ClientRequest,
    EngineStatus,
    Leave,
    Pulse,
    Quorum,
    QuorumChanged,
    View,
    ViewInstalled,
)
from standfast.engine.client import Client, Sign
from standfast.engine.detector.detector import Detector
from standfast.engine.detector.peer import State
from standfast.engine.doubt import Doubt
from standfast.engine.effects import (
    Adjusted,
    ClientGone,
    DatagramReceived,
    EngineEffect,
    EngineInput,
    FileRead,
    KernelAnswered,
    PeerRefused,
    Rekeyed,
    ReloadAsked,
    Requested,
    SendDatagram,
    SetTimer,
    ThirdSaid,
    TimerFired,
)
from standfast.engine.leaver import Leaver
from standfast.engine.links.links import Links, Message
from standfast.engine.membership.membership import Installed, Membership
from standfast.engine.membership.rows import Rows
from standfast.engine.messages import (
    ENTRY_OVERHEAD_BYTES,
    NO_VIEW,
    Accept,
    Ack,
    Beat,
    Entry,
    EntryKind,
    Fetch,
    Gossip,
    Install,
    Leaving,
    Life,
    Progress,
    Propose,
    Ready,
    Recover,
    Refuse,
    Submit,
    read_packet,
)
from standfast.engine.operator import Operator
from standfast.engine.ordering.ordering import Ordering
from standfast.engine.post import Post, in_packets
from standfast.engine.pulse import Evidence
from standfast.engine.quorum.votequorum import VoteQuorum, leaving
from standfast.engine.quorum.votes import PeerVotes, write_remembered
from standfast.engine.quorum_file import QUORUM_FILE, read_quorum
from standfast.engine.reserved import SEQ_FILE
from standfast.engine.settings import EngineConfig
from standfast.engine.stall import Stall
from standfast.engine.status import names_of, status_of
from standfast.engine.third import Third

LINK_OVERHEAD_BYTES = 64
"""What links/ puts around a packet, rounded up: a full segment is one datagram."""


class Engine:
    """One node's cluster layer.

    Invariants: between steps the tray is empty and the timer stands at the earliest thing to do; no pulse is shown while a
    view is changing or while this node has just woken; the detector's list and the rows agree.
    """

    def __init__(
        self, config: EngineConfig, entropy: Entropy, remembered: Mapping[str, bytes], links: Links | None = None
    ) -> None:
        """`remembered` is what the engine's state folder holds, by name. Raises Refused when a file there is damaged or the
        configuration cannot be used. `links` replaces the sealed ones (a simulation of many nodes may do without a cipher)."""
        self._config = config
        self._times = config.times
        self._votes = {node.id: node.votes for node in config.nodes}
        self._peer_ids = tuple(node.id for node in config.peers)
        self._addresses = {(link, a): n.id for n in config.peers for link, a in enumerate(n.addresses) if a is not None}
        me = Life(config.local, int.from_bytes(entropy(8), "big") or 1)
        self._me = me
        self._links = Links(config.links(), entropy) if links is None else links
        self._post = Post()
        self._detector = Detector(config.local, self._peer_ids, config.times)
        self._hears_version = 0
        self._rows = Rows(me, self._votes)
        self._membership = Membership(me, self._rows, tuple(self._votes), self, remembered.get(SEQ_FILE))
        self._ordering = Ordering(me.node, max(256, config.mtu_bytes - LINK_OVERHEAD_BYTES - ENTRY_OVERHEAD_BYTES))
        self._quorum = VoteQuorum(config.quorum, me.node, self._votes, read_quorum(remembered.get(QUORUM_FILE)))
        self._third = Third(self._quorum, self._post, config.times.lease_us)
        self._quorum_kept = self._quorum.remember()
        self._votes_needed = self._quorum.current.votes_needed
        self._told: dict[NodeId, PeerVotes] = {}
        self._leavers: dict[NodeId, PeerVotes] = {}
        self._view: View | None = None
        self._evidence = Evidence(me.node, (me.node,))
        self._client = Client(config.times)
        self._leaver = Leaver()
        self._stall = Stall(config.times)
        self._timer_us: int | None = None
        self._doubt = Doubt(self._post.tell)
        self._operator = Operator(config, me, self._quorum, self._ordering, self._post, self)
        self._takes = self._handlers()

    # ---- the way in and the way out -------------------------------------------------------------------------------

    def start(self, now_us: int) -> tuple[EngineEffect, ...]:
        """Begin. To be called once, before any step."""
        for report in self._quorum.reports:
            self._post.tell(report)
        self._detector.start(now_us)
        self._client.begin(now_us)
        self._membership.start(now_us, self._post, self._times.bound_us_min)
        self._due(now_us)
        return self._effects(now_us, self._next_us())

    def step(self, now_us: int, event: EngineInput) -> tuple[EngineEffect, ...]:
        """Take one event. `now_us` never goes back."""
        self._wake(now_us)
        if isinstance(event, DatagramReceived):
            self._datagram(now_us, event)
        elif isinstance(event, TimerFired):
            self._timer_us = None
        elif isinstance(event, Requested):
            self._requested(now_us, event.request)
        elif isinstance(event, PeerRefused):
            self._refused(now_us, event)
        elif isinstance(event, KernelAnswered):
            self._kernel_answered(event)
        elif isinstance(event, ThirdSaid):
            self.quorum_changed(self._third.said(now_us, event))
            self._pulse(now_us)
        elif isinstance(event, Rekeyed):
            self._links.rotate(event.keys)
        elif isinstance(event, Adjusted | ReloadAsked | FileRead):
            self._operator.take(now_us, event)
        else:
            assert isinstance(event, ClientGone)
            self._client.take(now_us, Sign.LOST)
            self._post.has_client = self._client.is_attached
        self._heard(now_us)
        next_us = self._next_us()
        if self._timer_us is None or now_us >= next_us:
            self._due(now_us)
            next_us = self._next_us()
        return self._effects(now_us, next_us)

    def _effects(self, now_us: int, next_us: int) -> tuple[EngineEffect, ...]:
        if self._post.is_empty:  # what came asked for nothing: so it is with most heartbeats
            if next_us == self._timer_us:
                return ()
            self._timer_us = next_us
            return (SetTimer(next_us),)
        effects, records, spread, halt = self._post.take()
        for node, written in records.items():
            effects.extend(self._sealed(now_us, node, written, all_links=False))
        for node, written in spread.items():
            effects.extend(self._sealed(now_us, node, written, all_links=True))
        if halt is not None:
            effects.append(halt)
            return tuple(effects)
        if next_us != self._timer_us:
            self._timer_us = next_us
            effects.append(SetTimer(next_us))
        return tuple(effects)

    def _sealed(self, now_us: int, node: NodeId, records: list[bytes], *, all_links: bool) -> list[SendDatagram]:
        room = self._config.mtu_bytes - LINK_OVERHEAD_BYTES
        out: list[SendDatagram] = []
        for packet in in_packets(self._me.boot, records, room):
            out.extend(self._links.send(now_us, node, packet, all_links=all_links))
        return out

    def _next_us(self) -> int:
        next_us = self._detector.next_us
        for wait_us in (
            self._membership.next_us,
            self._ordering.next_us,
            self._quorum.next_us,
            self._third.next_us,
            self._client.deadline_us,
            self._stall.until_us,
            self._leaver.next_us,
            self._operator.next_us,
        ):
            if wait_us is not None and wait_us < next_us:
                next_us = wait_us
        return next_us

    # ---- time -----------------------------------------------------------------------------------------------------

    def _wake(self, now_us: int) -> None:
        """Was this node running? The timer tells: nothing else that comes late proves anything."""
        late_us = 0 if self._timer_us is None else now_us - self._timer_us
        if late_us < self._stall.noticed_us:
            return
        self._detector.suspend(now_us, late_us)
        self._client.suspend(late_us)
        if late_us < self._times.suspect_us or (self._is_alone and late_us < self._times.lease_us // 2):
            # Too short for anybody to have noticed; and a node alone in its view is asked by nobody: a starved survivor goes on
            # confirming itself as long as it pauses for less than what it confirms.
            return
        waiting = [life.node for life in self._detector.hears]
        self._stall.begin(now_us, waiting, self._times.bound_us_max if waiting else self._times.bound_us_min)
        self._membership.is_suspended = True
        self._detector.woke(now_us)
        self._post.tell(
            warning(
                "engine.stalled",
                f"this node was not running for {late_us // US_PER_MS} ms",
                "frozen, migrated, or starved of CPU",
                "it waits to hear from its peers before it acts",
            )
        )

    @property
    def _is_alone(self) -> bool:
        """Whether this node is its view, and hears nobody."""
        return self._view is not None and len(self._view.members) == 1 and not self._detector.hears

    def _due(self, now_us: int) -> None:
        for node, wants_answer in self._detector.due(now_us):
            self._beat(now_us, node, wants_answer=wants_answer)
            if wants_answer and self._detector.peers[node].asks_kernel(now_us):
                self._post.ask_kernel(now_us, [place for place, owner in self._addresses.items() if owner == node])
        self._heard(now_us)
        if self._stall.elapsed(now_us):
            self._resume(now_us)
        self._membership.due(now_us, self._post)
        self._membership.quiet(self._post)
        self._ordering.due(now_us, self._post)
        self.quorum_changed(self._quorum.elapsed(now_us))
        self.quorum_changed(self._third.due(now_us))
        deadline_us = self._client.deadline_us
        if deadline_us is not None and now_us >= deadline_us and self._client.take(now_us, Sign.EXPIRED):
            self._absent(now_us)
        self._leave_on(now_us)
        self._operator.due(now_us)
        self._pulse(now_us)

    def _beat(self, now_us: int, node: NodeId, *, wants_answer: bool) -> None:
        if self._leaver.is_leaving:
            return
        p = self._detector.peers[node]
        held_us = now_us - p.echo_at_us if p.echo_us else 0
        m = self._membership
        beat = Beat(wants_answer, now_us, p.echo_us, held_us, m.view, m.promised, self._rows.digest)
        self._post.spread(node, beat)
        m.remind(now_us, self._post, node)
        progress = self._ordering.reminder(now_us)
        if progress is not None and self._view is not None and node in self._view.members:
            self._post.send(node, progress)

    # ---- what comes in --------------------------------------------------------------------------------------------

    def _datagram(self, now_us: int, event: DatagramReceived) -> None:
        inbound = self._links.receive(now_us, event.link, event.source, event.data)
        self._post.pass_on(inbound.replies)
        for report in inbound.reports:
            self._post.tell(report)
        for node in inbound.established:
            self._beat(now_us, node, wants_answer=True)  # at once: a first view waits for nothing else
        for message in inbound.messages:
            self._message(now_us, message)

    def _message(self, now_us: int, message: Message) -> None:
        try:
            boot, records = read_packet(message.data)
        except Malformed as bad:
            self._doubt.unreadable(now_us, message.peer, str(bad))
            return
        sender = Life(message.peer, boot)
        if self._doubt.is_lie(now_us, sender, records, self._membership, self._ordering.held):
            return
        self._detector.heard(now_us, sender.node, boot)
        self._heard(now_us)
        for record in records:
            self._takes[type(record)](now_us, sender, record)
        self._operator.obey(now_us)

    def _handlers(self) -> dict[type, Callable[[int, Life, Any], None]]:
        """Who takes what peers say: a table of record -> room."""
        m, o, post = self._membership, self._ordering, self._post
        return {
            Beat: self._beat_came,
            Entry: self._entry_came,
            Submit: lambda now_us, life, record: o.submitted(now_us, post, life.node, record),
            Ack: self._ack_came,
            Progress: lambda _, __, record: o.progressed(post, record),
            Fetch: lambda _, life, record: o.fetched(post, life.node, record),
            Gossip: lambda now_us, life, record: m.gossiped(now_us, post, life, record),
            Propose: self._propose_came,
            Accept: lambda now_us, life, record: m.accepted(now_us, post, life, record),
            Refuse: lambda now_us, _, record: m.refused(now_us, record),
            Recover: lambda now_us, life, record: m.recover(now_us, post, life, record),
            Ready: lambda now_us, life, record: m.ready(now_us, post, life, record),
            Install: lambda now_us, life, record: m.told_to_install(now_us, post, life, record),
            Leaving: self._peer_leaves,
        }

    def _entry_came(self, now_us: int, _: Life, entry: Entry) -> None:
        self._ordering.came(now_us, self._post, entry)
        if self._membership.is_changing and self._ordering.is_ready:
            self._membership.recovered(now_us, self._post)

    def _ack_came(self, now_us: int, sender: Life, ack: Ack) -> None:
        if ack.view == self._membership.view:
            self._membership.confirmed(sender.node)
        self._ordering.acked(now_us, self._post, sender.node, ack)

    def _propose_came(self, now_us: int, sender: Life, propose: Propose) -> None:
        if not self._leaver.is_leaving:
            self._membership.proposed(now_us, self._post, sender, propose)

    def _beat_came(self, now_us: int, sender: Life, beat: Beat) -> None:
        self._detector.beat(now_us, sender.node, beat)
        if beat.wants_answer:
            self._beat(now_us, sender.node, wants_answer=False)
        self._membership.beat(now_us, self._post, sender, beat)
        if beat.echo_us >= self._stall.woke_us and self._stall.answered(sender.node):
            self._resume(now_us)
        if beat.view == beat.promised == self._membership.view and beat.echo_us <= now_us:
            self._evidence.beat(sender.node, beat)
            self._pulse(now_us)

    def _resume(self, now_us: int) -> None:
        self._stall.end()
        self._membership.is_suspended = False
        self._membership.consider(now_us, self._post)

    def _heard(self, now_us: int) -> None:
        """Tell membership when the detector's list has changed."""
        if self._detector.version == self._hears_version:
            return
        self._hears_version = self._detector.version
        hears = self._detector.hears
        here = {life.node for life in hears}
        gone = [node for node in self._peer_ids if node not in here]
        self._membership.lost(gone)
        if self._stall.lost(now_us, gone):
            self._resume(now_us)
        slowest_us = max((self._detector.peers[life.node].rtt_us for life in hears), default=0)
        self._ordering.timed(slowest_us)
        self._membership.heard(now_us, self._post, hears)

    def _refused(self, now_us: int, event: PeerRefused) -> None:
        node = self._addresses.get((event.link, event.address))
        if node is not None:
            self._detector.refused(now_us, node)

    def _kernel_answered(self, event: KernelAnswered) -> None:
        node = self._addresses.get((event.link, event.address))
        if node is not None:
            self._detector.peers[node].kernel_answered(event.asked_us)

    # ---- the body that membership works on --------------------------------------------------------------------------

    def freeze(self) -> int:
        """See membership.Body."""
        return self._ordering.freeze()

    def held(self) -> int:
        """See membership.Body."""
        return self._ordering.held

    def recover(self, now_us: int, post: Post, cut: int, holder: NodeId) -> bool:
        """See membership.Body."""
        return self._ordering.recover(now_us, post, cut, holder)

    def votes(self) -> PeerVotes:
        """See membership.Body."""
        return self._quorum.announce()

    def install(self, now_us: int, post: Post, installed: Installed) -> None:
        """See membership.Body: the view begins for everybody in this engine."""
        self._operator.obey(now_us)  # what was ordered in the old view counts before the new one
        self._operator.installed()
        members = installed.members
        along = installed.along(self._me)
        before = () if self._view is None else self._view.members
        joined = tuple(node for node in members if node not in along) if before else members
        left = tuple(node for node in before if node not in along)
        told = {origin.life.node: origin.votes for origin in installed.origins}
        leavers = {node: votes for node, votes in self._leavers.items() if node not in told}
        self._third.installing(now_us, members)
        self._quorum.installed(now_us, members, {**told, **leavers})
        quorum = self._third.installed(now_us)
        self._told, self._leavers = told, {}
        self._votes_needed = quorum.votes_needed
        self._keep_quorum()
        self._view = View(installed.id, members, joined, left, along)
        self._evidence = Evidence(self._me.node, members)
        post.tell(
            notice("engine.view", f"view {installed.id.seq}.{installed.id.coordinator} of nodes {_list(members)}", quorum.reason)
        )
        post.client(ViewInstalled(self._view, quorum))
        self._ordering.install(now_us, post, installed.id, members)
        if self._client.is_absent:
            self._absent(now_us)  # each view begins with all managers counted in
        self._pulse(now_us)

    # ---- the pulse ------------------------------------------------------------------------------------------------

    def _pulse(self, now_us: int) -> None:
        """Show a pulse when the evidence has moved on enough, or all that there is when a peer is silent."""
        view, m = self._view, self._membership
        if view is None or m.is_changing or self._stall.is_waiting or self._leaver.is_leaving:
            return
        if len(view.members) == 1 and self._stall.is_recent(now_us) and self._detector.hears:
            return  # woken alone, and somebody is there: a common view comes first
        evidence = self._evidence
        lease_us, is_last = self._times.lease_us, self._detector.has_suspects
        if not evidence.shows(now_us, now_us + lease_us, lease_us, is_last=is_last):
            return  # not even an acknowledgement of this very instant would be new enough
        since_us = evidence.since_us(now_us, self._votes, self._votes_needed)
        until_us = since_us + lease_us
        third_us = self._third.pulse_end_us(now_us)
        until_us = until_us if third_us is None else min(until_us, third_us)
        if evidence.shows(now_us, until_us, lease_us, is_last=is_last):
            evidence.shown_us = until_us
            self._post.client(Pulse(until_us))
            if self._client.is_attached:
                self._client.take(now_us, Sign.PULSED)

    # ---- the client and the operator ------------------------------------------------------------------------------

    def _requested(self, now_us: int, request: ClientRequest) -> None:
        match request:
            case Attach():
                self._client.take(now_us, Sign.ATTACHED)
                self._post.has_client = True
                self._third.attached()
                if self._view is not None:
                    v = self._view
                    view = View(v.id, v.members, v.members, (), v.transitional)
                    self._post.client(ViewInstalled(view, self._quorum.current))
                    for node in [n for n in self._ordering.absent if n != self._me.node]:
                        self._post.client(ClientAbsent(v.id, 0, node))
                self._evidence.shown_us = 0
                self._pulse(now_us)
            case Broadcast(payload):
                self._broadcast(now_us, payload)
            case Alive():
                self._client.take(now_us, Sign.ANSWERED)
            case Leave():
                self.leave(now_us)

    def _broadcast(self, now_us: int, payload: bytes) -> None:
        if len(payload) > PAYLOAD_BYTES_MAX:
            self._post.tell(
                error("engine.too-large", f"a message of {len(payload)} bytes was refused", f"{PAYLOAD_BYTES_MAX} fit")
            )
            return
        try:
            self._ordering.broadcast(now_us, self._post, EntryKind.DATA, payload)
        except Full as full:
            self._post.tell(error("engine.congested", "a message was refused", str(full), "it can be sent again in a moment"))
        self._operator.obey(now_us)

    def _absent(self, now_us: int) -> None:
        try:
            self._ordering.broadcast(now_us, self._post, EntryKind.ABSENT, b"")
        except Full as full:
            self._post.tell(error("engine.congested", "the others do not learn that the manager is gone", str(full)))

    def members(self) -> tuple[NodeId, ...]:
        """See operator.Body."""
        return () if self._view is None else self._view.members

    def follow(self, now_us: int, config: EngineConfig) -> None:
        """See operator.Body."""
        self._config, self._times = config, config.times
        self._detector.retime(now_us, config.times)
        self._stall.retime(config.times)

    def quorum_changed(self, quorum: Quorum | None) -> None:
        """See operator.Body: quorum may have changed within the view."""
        if quorum is None:
            return
        self._keep_quorum()
        self._votes_needed = quorum.votes_needed
        self._post.client(QuorumChanged(quorum))

    def _keep_quorum(self) -> None:
        remember = self._quorum.remember()
        if remember != self._quorum_kept:
            self._quorum_kept = remember
            self._post.persist(QUORUM_FILE, write_remembered(remember))

    # ---- leaving --------------------------------------------------------------------------------------------------

    def leave(self, now_us: int) -> None:
        """See operator.Body: leave politely."""
        self._leaver.begin(now_us)
        self._leave_on(now_us)

    def _leave_on(self, now_us: int) -> None:
        """Say goodbye as soon as everything of ours is delivered, repeat it until all have heard it, then end."""
        hears = [life.node for life in self._detector.hears]
        for node in self._leaver.due(now_us, hears, is_flushed=self._ordering.outbox.is_empty):
            self._post.spread(node, Leaving(is_answer=False))
        if self._leaver.is_done:
            self._post.halt(notice("engine.left", f"node {self._me.node} has left the cluster"))

    def _peer_leaves(self, now_us: int, sender: Life, record: Leaving) -> None:
        if record.is_answer:
            self._leaver.answered(sender.node)
            self._leave_on(now_us)
            return
        self._post.spread(sender.node, Leaving(is_answer=True))
        if self._config.quorum.allow_downscale and sender.node in self._told:
            self._leavers[sender.node] = leaving(self._told[sender.node])
        self._detector.gone(now_us, sender.node)
        self._heard(now_us)

    # ---- for people and tests --------------------------------------------------------------------------------------

    def status(self, now_us: int) -> EngineStatus:
        """What the corosync tools print."""
        counters = (*self._links.counters, ("malformed-packets", self._doubt.malformed), ("lies", self._doubt.lies))
        return status_of(
            now_us,
            self._config,
            view=self._view,
            quorum=self._quorum.current,
            detector=self._detector,
            links=self._links,
            votes={node: told.votes for node, told in self._told.items()},
            client_attached=self._client.is_attached,
            counters=counters,
        )

    @property
    def lacking_key(self) -> tuple[str, ...]:
        """On the way to another key: the nodes that have not shown to have it, by name or address."""
        return names_of(self._config, self._links.lacking)

    @property
    def has_probationers(self) -> bool:
        """Whether a peer that comes and goes is heard, but not counted in yet."""
        return any(p.state is State.HELD for p in self._detector.peers.values())

    def check(self) -> None:
        """The invariants of all rooms; the simulator calls it after each step."""
        self._detector.check()
        self._membership.check()
        self._ordering.check()
        self._quorum.check()
        self._third.check()
        self._client.check()
        self._doubt.check()
        self._operator.check()
        assert self._rows.mine == self._detector.hears
        assert self._leaver.is_done or self._timer_us == self._next_us()
        assert (self._view is None) == (self._membership.view == NO_VIEW)
        assert self._view is None or self._view.id == self._membership.view


def _list(nodes: tuple[NodeId, ...]) -> str:
    return ", ".join(map(str, nodes))
