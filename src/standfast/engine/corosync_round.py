"""One round of agreement in a Corosync process group: everybody says its State, and all come to the same verdict.

Owns: what was said in this round, when it is over, and what follows from it. Does not own: views, messages, time.

All members see the same configuration changes and the same messages in the same order (CPG), so all see the round end at the same
message. The verdict is a function of what was said:

* If all who are in a view are in the same one, came from it to here by the same way (`trail`: so they have delivered the same
  messages in it, by Corosync's virtual synchrony), and every other process belongs to a member of it that was away, and nobody
  of it is lost: that view goes on, and who comes back is told of it.
* Else there is a new view of all nodes that spoke. Those who came the same way from the same view came along.
"""

from __future__ import annotations

from collections.abc import Iterable

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.corosync_effects import Process
from standfast.engine.corosync_frames import State, ViewKey

NO_VIEW: ViewKey = (0, 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the round ended. `continues`: the view that goes on, None for a new one. `members` of it, sorted; `away`/`absent` of
    it. `highest` is the highest view number anybody knows, and `coordinator` the node that knows it: it has made sure of not
    using the next one again, so a new view is named by the two. `processes` are those that took part, `along` the nodes by view
    and way that they came; `count` messages were delivered in the view that goes on."""

    continues: ViewKey | None
    members: tuple[NodeId, ...]
    away: tuple[NodeId, ...]
    absent: tuple[NodeId, ...]
    count: int
    highest: int
    coordinator: NodeId
    processes: tuple[Process, ...]
    ways: tuple[tuple[NodeId, ViewKey, bytes], ...]

    def along(self, node: NodeId) -> tuple[NodeId, ...]:
        """The nodes that came the same way from the same view as `node`, sorted; only itself where it said that it was in
        none."""
        mine = next((way[1:] for way in self.ways if way[0] == node), (NO_VIEW, b""))
        return tuple(n for n, *way in self.ways if n == node or (tuple(way) == mine and mine[0] != NO_VIEW))


class Round:
    """Invariant: only processes of the group have spoken, each once (its last word counts)."""

    __slots__ = ("_barred", "_processes", "_said", "group")

    def __init__(self, group: bytes, processes: tuple[Process, ...]) -> None:
        """`group` names this membership; `processes` are sorted."""
        self.group = group
        self._processes = processes
        self._said: dict[Process, State] = {}
        self._barred: dict[Process, None] = {}

    def said(self, process: Process, state: State) -> None:
        """A State of this membership came."""
        if process in self._processes:
            self._said[process] = state
            self.bar((NodeId(node), pid) for node, pid in state.barred)

    def bar(self, processes: Iterable[Process]) -> None:
        """The others go on without these."""
        for process in processes:
            if process in self._processes:
                self._barred[process] = None

    @property
    def barred(self) -> tuple[Process, ...]:
        """Who is left out, sorted."""
        return tuple(process for process in self._processes if process in self._barred)

    @property
    def silent(self) -> tuple[Process, ...]:
        """Who is still waited for, sorted."""
        return tuple(p for p in self._processes if p not in self._barred and p not in self._said)

    @property
    def is_over(self) -> bool:
        """Whether everybody who counts has spoken."""
        return not self.silent and any(p not in self._barred for p in self._processes)

    def verdict(self, ring: Iterable[NodeId]) -> Verdict:
        """What follows. `ring` are the nodes of the ring."""
        states = {process: state for process, state in sorted(self._said.items()) if process not in self._barred}
        nodes = {process[0]: state for process, state in states.items()}
        common = self._common(nodes, dict.fromkeys(ring))
        ways = tuple((node, state.view, state.trail) for node, state in nodes.items())
        highest, lowest = max((state.highest, -node) for node, state in nodes.items())
        coordinator = NodeId(-lowest)
        if common is None:
            return Verdict(None, tuple(nodes), (), (), 0, highest, coordinator, tuple(states), ways)
        away = tuple(NodeId(node) for node in common.away if node not in nodes)
        absent = tuple(NodeId(node) for node in common.absent)
        members = tuple(NodeId(node) for node in common.members)
        return Verdict(common.view, members, away, absent, common.count, highest, coordinator, tuple(states), ways)

    @staticmethod
    def _common(nodes: dict[NodeId, State], ring: dict[NodeId, None]) -> State | None:
        """A State of the view that goes on."""
        inside = [state for state in nodes.values() if state.view != NO_VIEW]
        if not inside or any((s.view, s.trail, s.count) != (inside[0].view, inside[0].trail, inside[0].count) for s in inside):
            return None
        one = inside[0]
        if any(node not in one.members for node in nodes):
            return None  # somebody new
        outside = [node for node in one.members if node not in nodes]
        if any(node not in one.away or NodeId(node) not in ring for node in outside):
            return None  # somebody is lost
        if any(state.view == NO_VIEW and node not in one.away for node, state in nodes.items()):
            return None  # a new life of a member that nobody saw go
        return one

    def check(self) -> None:
        """The invariant."""
        assert all(process in self._processes for process in (*self._said, *self._barred))
