"""Who takes part in the view, and who coordinates it: a function of the view and of who has said Present in it.

Owns: the view, the members that are present with a manager and the agreed CIB, names, the duty. Does not own: the CIB, plans.
Invariants (`check`): whoever is present is a member; the coordinator, where there is one, is present.
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, NodeId
from standfast.engine.api import Quorum, View

GRACE_US = 1_500 * US_PER_MS
"""How long the coordinator waits for members of a new view to say Present before it goes on without them."""


@dataclass(slots=True)
class Roll:
    """See the module. `local` is this node."""

    local: NodeId
    view: View | None = None
    quorum: Quorum | None = None
    names: dict[NodeId, str] = field(default_factory=dict)
    coordinator: NodeId | None = None
    _present: set[NodeId] = field(default_factory=set)
    _since_us: int = 0

    def install(self, now_us: int, view: View, quorum: Quorum) -> None:
        """A new view: nobody is present yet."""
        self.view, self.quorum = view, quorum
        self.begin_again(now_us)

    def begin_again(self, now_us: int) -> None:
        """The members agree on a document (again): each will say Present after it."""
        self._since_us = now_us
        self._present.clear()
        self.coordinator = None

    def lose(self) -> None:
        """There is no view any more."""
        self.view, self.quorum, self.coordinator = None, None, None
        self._present.clear()

    def arrived(self, node: NodeId, name: str) -> None:
        """A member said Present."""
        if self.view is not None and node in self.view.members:
            self._present.add(node)
            self.names[node] = name

    def went(self, node: NodeId) -> None:
        """A member's manager is gone."""
        self._present.discard(node)
        if self.coordinator == node:
            self.coordinator = None

    def took_duty(self, node: NodeId) -> None:
        """A member said that it coordinates."""
        self.coordinator = node if node in self._present else None

    @property
    def present(self) -> tuple[NodeId, ...]:
        """The members that take part, sorted."""
        return tuple(sorted(self._present))

    @property
    def missing(self) -> tuple[NodeId, ...]:
        """The members that have not said Present, sorted."""
        return tuple(n for n in self.view.members if n not in self._present) if self.view else ()

    @property
    def enough(self) -> int:
        """How many members no quorum, elsewhere or later, can do without: more than half of the cluster's, or all of this view's.
        Votes that are not one for each member (weights, a device's) are not known one by one: then all."""
        assert self.view is not None
        assert self.quorum is not None
        count = len(self.view.members)
        return min(count, self.quorum.expected_votes // 2 + 1) if self.quorum.votes == count else count

    def knows_more(self, present: tuple[NodeId, ...] | None) -> bool:
        """Whether somebody is present who was not when `present` was told."""
        return present is not None and not self._present <= set(present)

    def is_due(self, now_us: int) -> bool:
        """Whether this node should take up the duty now: it is the lowest that is present, and nobody is waited for any more."""
        if self.view is None or self.local not in self._present or self.coordinator is not None:
            return False
        return min(self._present) == self.local and (not self.missing or now_us >= self.grace_ends_us)

    @property
    def grace_ends_us(self) -> int:
        """When the members that are still missing are not waited for any more."""
        return self._since_us + GRACE_US

    def name(self, node: NodeId) -> str:
        """A node's name, its id where no name is known."""
        return self.names.get(node, str(node))

    def check(self) -> None:
        """Assert the invariants."""
        members = self.view.members if self.view else ()
        assert self._present <= set(members), "present without being a member"
        assert self.coordinator is None or self.coordinator in self._present, "the coordinator is not present"
