"""Membership: the views of one node, and its part in agreeing on them.

Owns: promises, proposals, installation, the reserved sequence numbers. Does not own: who is heard (detector/), the flush
itself (ordering/), quorum, the client.

    lowest id of the wanted members        every member
      Propose(id, members)  ------------>  has promised nothing higher, and hears all members: stops delivering
             <-------------------------    Accept(old view, held)
      [Recover(cut, holder)  ----------->  fetches what it lacks;  Ready]        only when somebody lacks something
      Install(id, origins)  ------------>  installs

A view id is promised like a ballot of Paxos: a member that has promised a higher one refuses. So two views with one id cannot
be, and of two rival proposals the higher one wins wherever both are heard. A node alone needs nobody: it installs at once.

Who is wanted is computed by every node from the same rows (rows.py). When the answer leaves out somebody who is heard, the rows
may only be late: then nothing is proposed before they have been quiet for SETTLE_US.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, NodeId
from standfast.engine.api import ViewId
from standfast.engine.membership.proposal import Proposal
from standfast.engine.membership.rows import Rows
from standfast.engine.messages import (
    NO_VIEW,
    Accept,
    Beat,
    Gossip,
    Install,
    Life,
    Origin,
    Propose,
    Ready,
    Recover,
    Refuse,
)
from standfast.engine.post import Post
from standfast.engine.quorum.votes import PeerVotes
from standfast.engine.reserved import SEQ_FILE, SEQ_LOW, SEQ_RESERVED, read_seq, write_seq

SETTLE_US = 200 * US_PER_MS
REPEAT_US = 40 * US_PER_MS
PROPOSAL_US_MAX = 1_000 * US_PER_MS
RIVAL_US = 60 * US_PER_MS
"""Pause before proposing again after somebody had promised more: a rival's proposal is given the time to go through."""

GOSSIP_US = 20 * US_PER_MS
GOSSIP_REPEAT_US = 50 * US_PER_MS
GOSSIP_SAME_US = 1_000 * US_PER_MS
ROWS_ALONG_MAX = 8
"""Up to so many configured nodes, a proposal brings the rows to whoever showed others in its last heartbeat."""


class Body(Protocol):
    """What membership needs of the rest of the engine."""

    def freeze(self) -> int:
        """Stop delivering; gives what is held of the current view."""
        ...

    def held(self) -> int:
        """What is held of the current view."""
        ...

    def recover(self, now_us: int, post: Post, cut: int, holder: NodeId) -> bool:
        """Fetch up to the cut; True when everything is here."""
        ...

    def votes(self) -> PeerVotes:
        """What quorum tells the others."""
        ...

    def install(self, now_us: int, post: Post, installed: Installed) -> None:
        """The view begins."""
        ...


@dataclass(frozen=True, slots=True)
class Installed:
    """A view as it begins: where each member comes from, and the view that this node comes from."""

    id: ViewId
    origins: tuple[Origin, ...]
    old: ViewId
    old_members: tuple[Life, ...]

    @property
    def members(self) -> tuple[NodeId, ...]:
        """Sorted ids."""
        return tuple(origin.life.node for origin in self.origins)

    def along(self, me: Life) -> tuple[NodeId, ...]:
        """The members that come along from this node's last view."""
        return tuple(o.life.node for o in self.origins if o.life == me or (o.old == self.old != NO_VIEW))


class Membership:
    """One node's views.

    Invariants: `promised >= view`, and no id lower than `promised` is accepted; ids installed or proposed never exceed the
    reservation on disk, and a restart begins above it; a proposal is this node's own, and it is the lowest of its members.
    """

    def __init__(self, me: Life, rows: Rows, configured: Sequence[NodeId], body: Body, remembered: bytes | None) -> None:
        """`remembered` is what SEQ_FILE held. Raises Refused when that cannot be read: better no node than a repeated id."""
        self.me = me
        self.rows = rows
        self.view = NO_VIEW
        self.members: tuple[Life, ...] = ()
        self._reserved = read_seq(remembered)
        # Whatever an earlier life installed lies within its reservation: this life accepts only what lies above it.
        self.promised = ViewId(self._reserved, NodeId(0xFFFF_FFFF)) if self._reserved else NO_VIEW
        self.is_suspended = False
        self.configured = tuple(configured)
        self._body = body
        self._seq = self._reserved
        self._proposal: Proposal | None = None
        self._ready_sent = False
        self._peers: dict[NodeId, tuple[int, ViewId, ViewId]] = {}
        self._alone_us = 0
        self._rival_us = 0
        self._rows_seen = self._moves_seen = -1
        self._rows_since_us = 0
        self._target: tuple[Life, ...] = (me,)
        self._repeat_us: int | None = None
        self._consider_us: int | None = None
        self._install: Install | None = None
        self._unconfirmed: dict[NodeId, bool] = {}
        self._gossiped_us = -GOSSIP_US
        self._gossiped_to: dict[NodeId, tuple[int, int, int]] = {}
        self._gossip_us: int | None = None
        self._digests: dict[NodeId, int] = {}

    def start(self, now_us: int, post: Post, alone_us: int) -> None:
        """Begin; `alone_us` is how long to listen for others before a first view without them."""
        self._alone_us = now_us + alone_us
        self._consider_us = self._alone_us
        self._reserve(post, self._seq + 1)

    @property
    def seq(self) -> int:
        """The highest view number that this node knows of."""
        return self._seq

    @property
    def is_changing(self) -> bool:
        """Whether this node has promised a view that is not installed: it may be without anybody."""
        return self.promised != self.view

    @property
    def next_us(self) -> int | None:
        """When `due` wants to be called, or None."""
        next_us = self._repeat_us
        if self._consider_us is self._gossip_us is None:
            return next_us
        for wait_us in (self._consider_us, self._gossip_us):
            if wait_us is not None and (next_us is None or wait_us < next_us):
                next_us = wait_us
        return next_us

    # ---- who hears whom -------------------------------------------------------------------------------------------

    def heard(self, now_us: int, post: Post, hears: tuple[Life, ...]) -> None:
        """The detector's list changed."""
        if not self.rows.hear(hears):
            return
        known = {life.node: life.boot for life in hears}
        self._peers = {node: at for node, at in self._peers.items() if known.get(node) == at[0]}
        self._gossip(now_us, post)
        self.consider(now_us, post)

    def beat(self, now_us: int, post: Post, sender: Life, beat: Beat) -> None:
        """A peer says where it stands."""
        before = self._peers.get(sender.node)
        self._peers[sender.node] = sender.boot, beat.view, beat.promised
        self._seq = max(self._seq, beat.promised.seq, beat.view.seq)
        if beat.view == self.view:
            self._unconfirmed.pop(sender.node, None)
        self._digests[sender.node] = beat.digest
        if beat.digest != self.rows.digest:
            self._gossip_to(now_us, post, sender.node, beat.digest)
        if before is None or before[2] != beat.promised or beat.promised > self.view:
            # A member that has promised more went on without us, or its Install was lost: asked again with each heartbeat,
            # because the answer may have to wait for a proposal that is on its way now.
            self.consider(now_us, post)

    def remind(self, now_us: int, post: Post, node: NodeId) -> None:
        """Whoever this node does not hear may hear it all the same, and would count it in by what it said last: it is told the
        rows too. (A node that cannot receive told nobody that it had lost the last of its peers.)"""
        if all(life.node != node for life in self._mine()):
            self._gossip_to(now_us, post, node, -1)

    def gossiped(self, now_us: int, post: Post, sender: Life, gossip: Gossip) -> None:
        """A peer tells its rows."""
        if self.rows.learn(gossip, sender):
            self.consider(now_us, post)

    def _gossip(self, now_us: int, post: Post) -> None:
        if now_us - self._gossiped_us < GOSSIP_US:
            self._gossip_us = self._gossiped_us + GOSSIP_US
            return
        self._gossiped_us, self._gossip_us = now_us, None
        gossip = self.rows.gossip()
        for life in self._mine():
            post.send(life.node, gossip)

    def _gossip_to(self, now_us: int, post: Post, node: NodeId, theirs: int) -> None:
        """Their rows are not ours: tell, but not the same thing over and over (on a one-way link they never get equal)."""
        at_us, mine_then, theirs_then = self._gossiped_to.get(node, (-GOSSIP_SAME_US, 0, 0))
        is_same = (mine_then, theirs_then) == (self.rows.digest, theirs)
        if now_us - at_us < (GOSSIP_SAME_US if is_same else GOSSIP_REPEAT_US):
            return
        self._gossiped_to[node] = now_us, self.rows.digest, theirs
        post.send(node, self.rows.gossip())

    def _mine(self) -> tuple[Life, ...]:
        return self.rows.mine

    # ---- proposing ------------------------------------------------------------------------------------------------

    def consider(self, now_us: int, post: Post) -> None:
        """Look at what is wanted, and propose it if it is this node's turn."""
        self._consider_us = None
        if self.rows.moves != self._moves_seen:
            self._moves_seen = self.rows.moves
            self._target = self.rows.target()
        if self.rows.changes != self._rows_seen:
            self._rows_seen, self._rows_since_us = self.rows.changes, now_us
        target = self._target
        if self.is_suspended or self._is_content(target):
            return
        proposal = self._proposal
        if target[0] != self.me:
            self._proposal = None
            return
        if proposal is not None and proposal.members == target and now_us - proposal.begun_us < PROPOSAL_US_MAX:
            return
        wait_until_us = self._patience(now_us, target)
        if wait_until_us > now_us:
            self._consider_us = wait_until_us
            return
        self._propose(now_us, post, target)

    def _is_content(self, target: tuple[Life, ...]) -> bool:
        if target != self.members or self.is_changing:
            return False
        ahead = (self._peers[life.node][2] > self.view for life in target if life.node in self._peers)
        return not any(ahead)

    def _patience(self, now_us: int, target: tuple[Life, ...]) -> int:
        """Until when to wait before proposing `target`."""
        everybody = len(target) == len(self._mine()) + 1  # nobody who is heard is left out
        wait_us = max(self._rival_us, now_us if everybody else self._rows_since_us + SETTLE_US)
        if self.view == NO_VIEW and len(target) < len(self.configured):
            wait_us = max(wait_us, self._alone_us)
        return wait_us

    def _propose(self, now_us: int, post: Post, target: tuple[Life, ...]) -> None:
        self._seq = max(self._seq, self.promised.seq) + 1
        self._reserve(post, self._seq)
        view = ViewId(self._seq, self.me.node)
        self._proposal = Proposal(now_us, view, target)
        self._promise(view)
        self._repeat_us = now_us + REPEAT_US
        self._take_accept(now_us, post, self.me.node, Accept(view, self.view, self._body.freeze(), self._body.votes()))
        if self._proposal is not None:
            self._repeat(post, self._proposal, is_again=False)

    def _promise(self, view: ViewId) -> None:
        assert view > self.promised
        self.promised = view
        self._install = None
        self._unconfirmed = {}
        self._ready_sent = False

    def _repeat(self, post: Post, proposal: Proposal, *, is_again: bool = True) -> None:
        missing = proposal.missing
        for node in missing:
            # A member that accepts, and knows no better than before, would leave again: on a wire that loses most of what it
            # carries the rows may not have come through, so they ride along (in a large cluster only with what is said again).
            if (is_again or len(self.configured) <= ROWS_ALONG_MAX) and self._digests.get(node) != self.rows.digest:
                post.send(node, self.rows.gossip())
            post.send(node, Propose(proposal.id, proposal.members))
        if not missing:
            for node, old, cut, holder in proposal.laggards():
                if node != self.me.node:
                    post.send(node, Recover(proposal.id, old, cut, holder))

    def accepted(self, now_us: int, post: Post, sender: Life, accept: Accept) -> None:
        """A member has stopped and says where."""
        proposal = self._proposal
        if proposal is not None and accept.id == proposal.id and sender in proposal.members:
            self._take_accept(now_us, post, sender.node, accept)

    def _take_accept(self, now_us: int, post: Post, node: NodeId, accept: Accept) -> None:
        proposal = self._proposal
        assert proposal is not None
        if node in proposal.accepts:
            return
        proposal.accepts[node] = accept
        if proposal.missing:
            return
        for laggard, old, cut, holder in proposal.laggards():
            if laggard != self.me.node:
                post.send(laggard, Recover(proposal.id, old, cut, holder))
            elif self._body.recover(now_us, post, cut, holder):
                proposal.ready[laggard] = True
        self._finish(now_us, post)

    def _finish(self, now_us: int, post: Post) -> None:
        proposal = self._proposal
        if proposal is None or proposal.missing or proposal.laggards():
            return
        install = proposal.install()
        self._proposal = None
        self._install = install
        for life in proposal.members:
            if life != self.me:
                self._unconfirmed[life.node] = True
                post.send(life.node, install)
        self._begin(now_us, post, install)

    def ready(self, now_us: int, post: Post, sender: Life, ready: Ready) -> None:
        """A member has fetched what it lacked."""
        proposal = self._proposal
        if proposal is not None and ready.id == proposal.id and sender in proposal.members:
            proposal.ready[sender.node] = True
            self._finish(now_us, post)

    def refused(self, now_us: int, refuse: Refuse) -> None:
        """A member has promised more than this node proposed."""
        self._seq = max(self._seq, refuse.promised.seq)
        if self._proposal is not None and refuse.id == self._proposal.id and refuse.promised.seq >= refuse.id.seq:
            self._proposal = None
            self._rival_us = self._consider_us = now_us + RIVAL_US

    # ---- accepting ------------------------------------------------------------------------------------------------

    def proposed(self, now_us: int, post: Post, sender: Life, propose: Propose) -> None:
        """The coordinator of a view to be asks this node to stop where it is."""
        if propose.id.coordinator != sender.node or sender not in propose.members or self.me not in propose.members:
            return
        self._seq = max(self._seq, propose.id.seq)
        if propose.id == self.view:
            return
        if propose.id < self.promised or propose.id.seq <= self.view.seq:  # equal numbers of two coordinators do not grow
            post.send(sender.node, Refuse(propose.id, self.promised))
            return
        if propose.id > self.promised:
            mine = self._mine()
            if any(life != self.me and life not in mine for life in propose.members):
                post.send(sender.node, Refuse(propose.id, self.promised))
                self._gossip_to(now_us, post, sender.node, -1)
                return
            self._proposal = None
            self._promise(propose.id)
            self._body.freeze()
        post.send(sender.node, Accept(propose.id, self.view, self._body.held(), self._body.votes()))

    def recover(self, now_us: int, post: Post, sender: Life, recover: Recover) -> None:
        """This node lacks something before the new view can begin."""
        if recover.id != self.promised or sender.node != recover.id.coordinator or recover.old != self.view:
            return
        if self._body.recover(now_us, post, recover.cut, recover.holder):
            post.send(sender.node, Ready(recover.id))

    def recovered(self, now_us: int, post: Post) -> None:
        """What was lacking has come."""
        if not self.is_changing:
            return
        if self.promised.coordinator != self.me.node:
            if not self._ready_sent:
                self._ready_sent = True
                post.send(self.promised.coordinator, Ready(self.promised))
        elif self._proposal is not None:
            self._proposal.ready[self.me.node] = True
            self._finish(now_us, post)

    def told_to_install(self, now_us: int, post: Post, sender: Life, install: Install) -> None:
        """Everybody is where he has to be: the view begins."""
        if install.id != self.promised or install.id == self.view or sender.node != install.id.coordinator:
            return
        mine = next((origin for origin in install.origins if origin.life == self.me), None)
        if mine is None or mine.old != self.view or mine.cut != self._body.held():
            return
        self._begin(now_us, post, install)

    def _begin(self, now_us: int, post: Post, install: Install) -> None:
        self._reserve(post, install.id.seq)
        installed = Installed(install.id, install.origins, self.view, self.members)
        self.view = install.id
        self.members = tuple(origin.life for origin in install.origins)
        self.rows.enter(self.view, self.members)
        self._repeat_us = now_us + REPEAT_US if self._unconfirmed else None
        self._body.install(now_us, post, installed)

    # ---- time -----------------------------------------------------------------------------------------------------

    def due(self, now_us: int, post: Post) -> None:
        """Repeat what was not answered, gossip what had to wait, consider what had to settle."""
        if self._gossip_us is not None and now_us >= self._gossip_us:
            self._gossip(now_us, post)
        if self._repeat_us is not None and now_us >= self._repeat_us:
            self._repeat_us = None
            if self._proposal is not None:
                self._repeat(post, self._proposal)
                self._repeat_us = now_us + REPEAT_US
                if now_us - self._proposal.begun_us >= PROPOSAL_US_MAX:
                    self.consider(now_us, post)
            elif self._install is not None and self._unconfirmed:
                for node in self._unconfirmed:
                    post.send(node, self._install)
                self._repeat_us = now_us + REPEAT_US
        if self._consider_us is not None and now_us >= self._consider_us:
            self.consider(now_us, post)

    def confirmed(self, node: NodeId) -> None:
        """`node` speaks in the current view."""
        self._unconfirmed.pop(node, None)

    def lost(self, nodes: Sequence[NodeId]) -> None:
        """These are not heard any more: nothing is repeated to them."""
        for node in nodes:
            self._unconfirmed.pop(node, None)
            self._gossiped_to.pop(node, None)

    def quiet(self, post: Post) -> None:
        """Nothing is urgent: reserve more numbers before they are needed in a hurry."""
        if self._reserved - self._seq < SEQ_LOW:
            self._reserve(post, max(self._seq, self._reserved) + 1)

    def _reserve(self, post: Post, seq: int) -> None:
        """Durable before visible: no id above the reservation is shown to anybody."""
        if seq > self._reserved:
            self._reserved = seq + SEQ_RESERVED
            post.persist(SEQ_FILE, write_seq(self._reserved))

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert self.promised >= self.view
        assert self.view.seq <= self._reserved
        assert self.promised == self.view or self.promised.seq > self.view.seq
        if self._proposal is not None:
            self._proposal.check()
            assert self._proposal.id == self.promised
        assert self.view == NO_VIEW or self.me in self.members
