"""Votequorum's resolver: views and votes in, quorate or not out.

Owns: the arithmetic of corosync's exec/votequorum.c, with its memory (which is why it is a machine and no function).
Does not own: views, time, disk, quorum devices.

    total = votes of the members
    E     = highest expected votes that a member goes by
    Q     = max((E + 2) / 2, (total + 2) / 2), and never less than before unless something below allows it
            two_node with at most two members: 1
    expected votes grow to `total` when that is more; they never shrink by themselves
    quorate = total >= Q
              or exactly half of the expected votes, and the tie-breaker is here, and the other half can't have Q
              but not while wait_for_all waits for total == expected

What may lower Q: joining a quorate partition that goes by less, an operator's expected_votes or votes, last_man_standing after
its window, a polite leave with allow_downscale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto

from standfast.base.ids import US_PER_MS, NodeId
from standfast.base.report import Report, error
from standfast.engine.api import Quorum
from standfast.engine.quorum.reasons import Rule, sentence
from standfast.engine.quorum.settings import VOTES_MAX, QuorumSettings, resolve
from standfast.engine.quorum.votes import PeerVotes, Remembered


class _State(Enum):
    MEMBER = auto()
    LEAVING = auto()
    DEAD = auto()


class _Node:
    """A node that was a member at some time. `told` is what it last said of itself."""

    __slots__ = ("expected_votes", "state", "told", "votes")

    def __init__(self, votes: int, expected_votes: int) -> None:
        self.votes = votes
        self.expected_votes = expected_votes
        self.state = _State.MEMBER
        self.told: PeerVotes | None = None

    def seen(self) -> tuple[int, int, _State, PeerVotes | None]:
        return self.votes, self.expected_votes, self.state, self.told


class VoteQuorum:
    """One node's resolver.

    Invariants: while it waits for all nodes it is not quorate; `votes_needed` is over half of the members' votes unless
    two_node holds; the local node is a member.
    """

    def __init__(
        self,
        settings: QuorumSettings,
        local: NodeId,
        votes_by_node: Mapping[NodeId, int],
        remembered: Remembered | None = None,
    ) -> None:
        """`votes_by_node` is the nodelist, the local node included. Raises Refused where corosync would not start."""
        assert local in votes_by_node
        self._rules, self.reports = resolve(settings, votes_by_node)
        self._local = local
        self._configured = {node: votes_by_node[node] for node in sorted(votes_by_node)}
        tracked = remembered.highest_expected_votes if remembered and self._rules.tracks_expected_votes else 0
        expected_votes = max(self._rules.expected_votes, tracked)
        self._highest_expected = expected_votes
        self._barrier = expected_votes
        self._us = _Node(self._configured[local], expected_votes)
        self._nodes: dict[NodeId, _Node] = {local: self._us}
        self._members: tuple[NodeId, ...] = ()
        self._previous: tuple[NodeId, ...] = ()
        self._needed = 0
        self._quorate = False
        self._waiting = self._rules.wait_for_all
        self._rule = Rule.MAJORITY
        self._lowest: NodeId | None = None  # of the last view that had a majority; a node that never saw one breaks no tie
        self._highest: NodeId | None = None
        self._last_man_standing = self._rules.last_man_standing
        self.next_us: int | None = None
        """When `elapsed` wants to be called, or None."""
        self._has_device_vote = False
        self._device_reason = ""
        self._recalculate()

    # ---- what is known now ----------------------------------------------------------------------------------------

    @property
    def current(self) -> Quorum:
        """The state of things; before the first view, that of a node alone."""
        votes, _ = self._total()
        absent = tuple(node for node in self._configured if node not in self._members and node != self._local)
        return Quorum(
            quorate=self._quorate,
            votes=votes,
            votes_needed=self._needed,
            expected_votes=self._us.expected_votes,
            reason=self._device_reason
            + sentence(
                self._rule,
                quorate=self._quorate,
                votes=votes,
                needed=self._needed,
                expected=self._us.expected_votes,
                two_node=self._rules.two_node,
                absent=absent,
                shrinks=self.next_us is not None,
            ),
            flags=self._flags(),
        )

    def announce(self) -> PeerVotes:
        """What this node tells the others at each view, before it has heard them."""
        return PeerVotes(self._us.votes, self._us.expected_votes, self._quorate, self._waiting)

    def remember(self) -> Remembered:
        """What the engine keeps on disk, whenever it has changed."""
        return Remembered(self._highest_expected)

    def _flags(self) -> tuple[str, ...]:
        """As `corosync-quorumtool -s` prints them, in its order."""
        named = (
            ("2Node", self._rules.two_node),
            ("Quorate", self._quorate),
            ("WaitForAll", self._rules.wait_for_all),
            ("LastManStanding", self._last_man_standing),
            ("AutoTieBreaker", self._rules.tie_breaker is not None),
            ("AllowDownscale", self._rules.allow_downscale),
            ("Qdevice", self._rules.device_votes > 0),
        )
        return tuple(name for name, is_set in named if is_set)

    @property
    def is_waiting(self) -> bool:
        """wait_for_all: the other nodes were not seen yet."""
        return self._waiting

    @property
    def has_device(self) -> bool:
        """Whether a quorum device has votes."""
        return self._rules.device_votes > 0

    def device(self, *, votes: bool, reason: str) -> Quorum:
        """The quorum device casts its votes for this partition, or does not; `reason` is its sentence."""
        self._device_reason = f"{reason}; " if reason else ""
        self._has_device_vote = votes
        self._recalculate()
        return self.current

    # ---- views ----------------------------------------------------------------------------------------------------

    def installed(self, now_us: int, members: tuple[NodeId, ...], peer_states: Mapping[NodeId, PeerVotes]) -> Quorum:
        """A view was installed. `peer_states` is what each member announced when the view was made (its own announcement may
        be missing; a member without one counts with its configured votes). A node that is not a member but said `is_leaving`
        has left politely."""
        assert self._local in members
        told = {self._local: self.announce(), **peer_states}
        left = [node for node in self._members if node not in members]
        for node in left:
            self._nodes[node].state = _State.DEAD
        self._maybe_open_window(now_us, members, someone_left=bool(left))
        self._previous, self._members = self._members, tuple(sorted(members))
        for node in self._members:
            self._told(node, told.get(node) or self._unannounced(node))
        for node in sorted(told):
            # Last, because the members announced their expected votes before they knew of the leave.
            if self._rules.allow_downscale and node not in members and told[node].is_leaving:
                self._told(node, told[node])
        self._recalculate()
        return self.current

    def _unannounced(self, node: NodeId) -> PeerVotes:
        return PeerVotes(self._configured.get(node, 1), self._us.expected_votes)

    def _maybe_open_window(self, now_us: int, members: tuple[NodeId, ...], *, someone_left: bool) -> None:
        """last_man_standing (votequorum_sync_init)."""
        if not self._last_man_standing:
            return
        holds = len(members) >= self._needed and someone_left
        ties = len(members) <= self._needed and self._rules.tie_breaker is not None and self._is_member(self._lowest)
        if holds or ties:
            self.next_us = now_us + self._rules.last_man_standing_window_ms * US_PER_MS

    def _told(self, node: NodeId, told: PeerVotes) -> None:
        """One node's account (message_handler_req_exec_votequorum_nodeinfo)."""
        entry = self._nodes.get(node)
        before = None if entry is None else entry.seen()
        if entry is None:
            entry = self._nodes[node] = _Node(0, 0)
        entry.told = told
        entry.votes = told.votes
        leaves = told.is_leaving and self._rules.allow_downscale
        entry.state = _State.LEAVING if leaves else _State.MEMBER
        joins_quorate = told.is_quorate and not self._quorate
        if joins_quorate:
            self._us.expected_votes = told.expected_votes
        believed = told.is_quorate or self._rules.tracks_expected_votes
        entry.expected_votes = told.expected_votes if believed else self._us.expected_votes
        if self._last_man_standing and told.votes > 1:
            self._last_man_standing = False  # it counts nodes: with unequal votes its arithmetic would be wrong
            self.next_us = None
        if node == self._local or before != entry.seen():
            self._recalculate(may_decrease=leaves or joins_quorate, by_members=leaves)
        if self._rules.wait_for_all and told.is_quorate and not told.is_waiting:
            self._waiting = False

    # ---- time and operators ---------------------------------------------------------------------------------------

    def elapsed(self, now_us: int) -> Quorum | None:
        """last_man_standing's window: gives the quorum when it has closed, None before `next_us`."""
        if self.next_us is None or now_us < self.next_us:
            return None
        self.next_us = None
        if self._quorate:
            self._recalculate(may_decrease=True, by_members=True)
        return self.current

    def refusal(self, verb: str, node: NodeId, value: int) -> Report | None:
        """Why `adjust` would not do this, or None: to be asked at the node where the operator is, before the order goes out."""
        if verb == "cancel_wait_for_all":
            return None
        if verb == "expected_votes":
            return self._refuses_expected(value)
        if verb == "votes":
            return self._refuses_votes(node, value)
        return error("quorum.unknown-order", f"{verb!r} is no order that quorum knows")

    def adjust(self, verb: str, node: NodeId, value: int) -> Quorum:
        """An operator's order, in the order of the view's messages on each member: expected_votes (`value`), votes (of
        `node`), cancel_wait_for_all. What `refusal` refuses changes nothing."""
        if self.refusal(verb, node, value) is not None:
            return self.current
        if verb == "expected_votes":
            for member in self._member_nodes():
                member.expected_votes = value
            self._barrier = value
            if self._rules.tracks_expected_votes:
                self._us.expected_votes = max(self._us.expected_votes, self._highest_expected)
            self._recalculate(may_decrease=True)
        elif verb == "votes":
            self._nodes[node].votes = value
            self._recalculate(may_decrease=True)
        else:
            self._waiting = False
            self._recalculate()
        return self.current

    def _refuses_expected(self, value: int) -> Report | None:
        total, _ = self._total()
        if not total <= value <= VOTES_MAX:
            return error("quorum.expected-votes", f"expected votes {value} are less than the {total} votes that are here")
        if self._quorate and self._arithmetic(value, may_decrease=True, is_downscale=False) > total:
            return error(
                "quorum.expected-votes",
                f"expected votes {value} would cost this partition its quorum: it has {total} votes",
                remedy=f"set at most {max(total, 2 * total - 1)}",
            )
        return None

    def _refuses_votes(self, node: NodeId, value: int) -> Report | None:
        entry = self._nodes.get(node)
        if entry is None:
            return error("quorum.unknown-node", f"node {node} has not been seen by this node")
        if not 0 <= value <= VOTES_MAX:
            return error("quorum.votes", f"{value} votes are not 0 .. {VOTES_MAX}")
        saved, entry.votes = entry.votes, value
        total, _ = self._total()
        needed = self._arithmetic(0, may_decrease=True, is_downscale=False)
        entry.votes = saved
        if total // 2 <= needed <= total:
            return None
        return error("quorum.votes", f"with {value} votes for node {node} there would be {total} votes here, {needed} needed")

    # ---- arithmetic -----------------------------------------------------------------------------------------------

    def _is_member(self, node: NodeId | None) -> bool:
        return node is not None and node in self._nodes and self._nodes[node].state is _State.MEMBER

    def _member_nodes(self) -> list[_Node]:
        return [entry for entry in self._nodes.values() if entry.state is _State.MEMBER]

    def _total(self) -> tuple[int, int]:
        """Votes and number of the members."""
        members = self._member_nodes()
        device_votes = self._rules.device_votes if self._has_device_vote else 0
        return sum(entry.votes for entry in members) + device_votes, len(members)

    def _recalculate(self, *, may_decrease: bool = False, by_members: bool = False) -> None:
        """recalculate_quorum; `by_members` takes the number of members for the expected votes."""
        total, count = self._total()
        self._us.expected_votes = max(self._us.expected_votes, total)
        self._needed = self._arithmetic(count if by_members else 0, may_decrease=may_decrease)
        if by_members:
            # Corosync lets the expected votes sink below the barrier here, although Q does not follow them; we hold both.
            expected_votes = max(self._barrier, count) if self._rules.allow_downscale else count
            for member in self._member_nodes():
                member.expected_votes = expected_votes
        self._highest_expected = max(self._highest_expected, self._us.expected_votes)
        self._decide(total)

    def _arithmetic(self, expected_votes: int, *, may_decrease: bool, is_downscale: bool = True) -> int:
        """Q (calculate_quorum); `expected_votes` 0: the highest that a member goes by."""
        if expected_votes and may_decrease and is_downscale and self._rules.allow_downscale:
            expected_votes = max(self._barrier, expected_votes)
        members = self._member_nodes()
        expected_votes = expected_votes or max(entry.expected_votes for entry in members)
        total = sum(entry.votes for entry in members)
        if self._rules.two_node and len(members) <= 2:
            return 1
        needed = max((expected_votes + 2) // 2, (total + 2) // 2)
        return needed if may_decrease else max(self._needed, needed)

    def _decide(self, total: int) -> None:
        """are_we_quorate."""
        if self._rules.wait_for_all and self._waiting:
            is_whole = total == self._us.expected_votes
            if self._rules.device_votes:  # it is asked by those who are left alone, not by a whole cluster
                is_whole = all(self._is_member(node) for node in self._configured)
            if not is_whole:
                assert not self._quorate
                self._rule = Rule.WAIT_FOR_ALL
                return
            self._waiting = False
        self._rule = Rule.MAJORITY
        quorate = total >= self._needed
        if quorate:
            members = [node for node, entry in self._nodes.items() if entry.state is _State.MEMBER]
            self._lowest, self._highest = min(members), max(members)
        elif self._wins_tie(total):
            quorate = True
            self._rule = Rule.AUTO_TIE_BREAKER
        self._quorate = quorate
        if self._rules.wait_for_all and not self._rules.device_votes:
            self._waiting = not quorate  # with a device the loser may come back alone: the device sees to one at a time

    def _wins_tie(self, total: int) -> bool:
        """auto_tie_breaker: exactly half is here, the others cannot have quorum, and the tie-breaker is on our side."""
        if self._rules.tie_breaker is None or total != self._us.expected_votes // 2:
            return False
        if len(self._previous) - len(self._members) >= self._needed:
            return False
        if self._rules.tie_breaker == "lowest":
            return self._is_member(self._lowest)
        if self._rules.tie_breaker == "highest":
            return self._is_member(self._highest)
        for node in self._rules.tie_breaker:
            if node in self._members:
                return True
            if node in self._previous:
                return False  # it was with us just now, so it may live in the other half
        return False

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert self._is_member(self._local)
        assert not (self._quorate and self._waiting)
        total, count = self._total()
        assert self._needed * 2 > total or (self._rules.two_node and count <= 2)
        assert self._us.expected_votes <= self._highest_expected


def leaving(told: PeerVotes) -> PeerVotes:
    """The announcement of a node that leaves politely."""
    return replace(told, is_leaving=True)
