"""Laws that every plan keeps, whatever the input. Tests and simulations call `broken` on what was decided.

1. The graph is closed and has no cycle (`Graph.check`).
2. Nothing starts where it is banned.
3. No instance starts twice.

Two more are about runs, not about one plan, and are held by tests: the same CIB gives the same bytes under any hash seed, and a
plan applied to its own result leaves nothing to do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from standfast.scheduler.placement.scores import add_scores

if TYPE_CHECKING:
    from standfast.scheduler.graph.model import Graph
    from standfast.scheduler.memory import Cluster, Resource

# Bans that are about promotion only, though the original writes them over all of a clone's scores.
_PROMOTION_ONLY = "__stateful_without_ticket__"


def broken(cluster: Cluster, graph: Graph) -> list[str]:
    """Which laws a decided cluster and its graph break, in words; the graph's own invariant is asserted."""
    graph.check()
    graphed = {action.id for action in graph.actions}
    starts = [
        op for op in cluster.actions if op.id in graphed and op.task == "start" and op.rsc is not None and not op.rsc.children
    ]
    found = []
    for op in starts:
        if op.rsc is None or op.node is None:
            found.append(f"{op.key} starts nowhere")
        elif _score(cluster, op.rsc, op.node.id) < 0:
            found.append(f"{op.rsc.id} starts on {op.node.name}, where it is banned")
    counts = Counter(op.rsc.id for op in starts if op.rsc is not None)
    found += [f"{rsc_id} starts {count} times" for rsc_id, count in counts.items() if count > 1]
    return found


def _score(cluster: Cluster, rsc: Resource, node_id: str) -> int:
    """The score of a resource on a node without bans from promotion, from the ledger where there is one."""
    entry = rsc.allowed.get(node_id)
    if entry is None:
        return -1
    if entry.score >= 0:
        return entry.score
    score = 0
    bundle = rsc.bundle()
    # What is inside a bundle has its own node, whatever the bundle is colocated with: that is for the choice of roles.
    ignored = {_PROMOTION_ONLY, *(() if bundle is None or rsc.parent is bundle else (c.id for c in bundle.this_with))}
    for reason in cluster.reasons:
        if reason.resource == rsc.id and reason.node == entry.node.name and reason.source not in ignored:
            score = add_scores(score, reason.points)
    return score
