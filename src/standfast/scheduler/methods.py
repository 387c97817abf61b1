"""What differs between primitives, groups, clones and bundles in each phase: the shape of one row of variants.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from standfast.scheduler.memory import Cluster, Colocation, Location, Node, Op, Resource, ScoreWalk


class Methods(Protocol):
    """What differs between primitives, groups and clones in each phase (see variants.py)."""

    def assign(self, cluster: Cluster, rsc: Resource, prefer: Node | None, stop_if_fail: bool) -> Node | None:
        """Choose a node for `rsc` (for each member, instance)."""

    def create_actions(self, cluster: Cluster, rsc: Resource) -> None:
        """Create the actions that bring `rsc` to where it was assigned."""

    def create_probe(self, cluster: Cluster, rsc: Resource, node: Node) -> bool:
        """Create probes of `rsc` on `node` where its state is unknown."""

    def internal_constraints(self, cluster: Cluster, rsc: Resource) -> None:
        """Create the orderings and colocations that `rsc` implies."""

    def apply_coloc_score(
        self, cluster: Cluster, dependent: Resource, primary: Resource, colocation: Colocation, for_dependent: bool
    ) -> int:
        """Apply a colocation to the dependent's scores or priority; returns the priority's change."""

    def with_this(self, rsc: Resource, orig: Resource, found: list[Colocation]) -> None:
        """Collect colocations of others with `orig` that `rsc` contributes."""

    def this_with(self, rsc: Resource, orig: Resource, found: list[Colocation]) -> None:
        """Collect colocations of `orig` with others that `rsc` contributes."""

    def add_colocated_scores(
        self, cluster: Cluster, walk: ScoreWalk, source: Resource, colocation: Colocation | None, factor: float
    ) -> None:
        """Add the node preferences of `source` and of what is colocated with it to `walk.table`."""

    def apply_location(self, cluster: Cluster, rsc: Resource, location: Location) -> None:
        """Add a location constraint's scores."""

    def action_flags(self, op: Op, node: Node | None) -> int:
        """An action's flags as orderings see them."""

    def update_ordered(self, cluster: Cluster, first: Op, then: Op, node: Node | None, flags: int, wanted: int, kind: int) -> int:
        """Let one ordering change `first` and `then`; returns CHANGED_FIRST | CHANGED_THEN."""
