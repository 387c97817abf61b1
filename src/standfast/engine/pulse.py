"""The pulse: evidence that the others still count this node in, and how far into the future it reaches.

Owns: which of this node's heartbeats each member has acknowledged in the current view. Does not own: heartbeats, the lease's use.

Let V be this node X's view and s the latest instant such that X sent a heartbeat at or after s to each of enough members and
each has answered, in a heartbeat of its own that says "my view is V and I have promised no other". The pulse is

    until = s + lease

Enough is: for two members, both; for more, members whose votes (X's included) are both more than half of the view's and not
fewer than quorum needs, or all, where the view has less than that.

What is promised. A member Y that goes on to a view without X first promises it, and from then on acknowledges nothing for V.
So let T be the instant of that promise by whichever of the acknowledgers is first: X never shows a pulse that reaches beyond
T + lease. Any view W without X that holds enough members of V to be quorate beside it, or for two members any view of the
other, contains such a Y; so when W is installed at T', every pulse of X ends before T' + lease. On a quiet network it ends
`bound` (375 ms) earlier, because Y hears nothing of X for that long before.

What is not promised. That no other view exists before `until`: views form within the bound, and who wants to be alone with a
resource must wait for `until` (the leased address and its question before taking do). Clocks of different hosts are never
compared; they only have to run at the same rate over one lease. A node alone in its view has nobody to ask: its pulse is
now + lease while it does not notice a stall of its own. If it is frozen between the pulse and its use, only what runs out by
itself (the kernel's own lifetime of the address, a watchdog) covers that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from standfast.base.ids import NodeId
from standfast.engine.messages import Beat

PULSES_PER_LEASE = 5
"""So rarely is the manager told that all is well: every third heartbeat at the defaults. What was told last reaches 1.25 s beyond
the moment at which an engine is stopped (the lease, less three heartbeats since, less the one on its way): a second's pause and
the way back are borne (ADR 0018)."""


class Evidence:
    """Acknowledgements of one view. Invariant: instants only grow, and none is from before another view's end."""

    __slots__ = ("_acked_us", "_local", "shown_us")

    def __init__(self, local: NodeId, members: Sequence[NodeId]) -> None:
        self._local = local
        self._acked_us: dict[NodeId, int] = {node: 0 for node in members if node != local}
        self.shown_us = 0

    def beat(self, node: NodeId, beat: Beat) -> None:
        """`node` answers in this very view, and has promised no other (the caller has checked both)."""
        if node in self._acked_us:
            self._acked_us[node] = max(self._acked_us[node], beat.echo_us)

    def shows(self, now_us: int, until_us: int, lease_us: int, *, is_last: bool) -> bool:
        """Whether a pulse until then is worth showing: a fifth of a lease more than the last one, or anything more when no
        further evidence may come (`is_last`)."""
        more_us = until_us - self.shown_us
        return until_us > now_us and more_us > 0 and (is_last or more_us >= lease_us // PULSES_PER_LEASE)

    def since_us(self, now_us: int, votes: Mapping[NodeId, int], votes_needed: int) -> int:
        """The instant s of the module's text; for a node alone, now."""
        if not self._acked_us:
            return now_us
        if len(self._acked_us) == 1:
            return min(self._acked_us.values())
        total = votes[self._local] + sum(votes[node] for node in self._acked_us)
        enough = min(max(total // 2 + 1, votes_needed), total)
        gathered = votes[self._local]
        since_us = now_us
        for acked_us, node in sorted(((at_us, node) for node, at_us in self._acked_us.items()), reverse=True):
            if gathered >= enough:
                break
            gathered += votes[node]
            since_us = acked_us
        return since_us
