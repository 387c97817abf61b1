"""Adding to scores: every change of a score on a node is made here or in colocation.py, and leaves a Reason."""

from __future__ import annotations

from collections.abc import Iterable

from standfast.scheduler.api import INFINITY, Reason
from standfast.scheduler.memory import Allowed, Cluster, Node, ProbeMode, Resource, Variant
from standfast.scheduler.placement.scores import add_scores

SENTENCES = {
    "stickiness": "{rsc} is active on {node} and prefers to stay",
    "__fail_limit__": "{rsc} failed too often on {node} (migration-threshold)",
    "__stop_fail__": "a stop of {rsc} failed on {node}",
    "__action_migration_auto__": "an operation of {rsc} failed on {node} and its on-fail says to leave",
    "__removed_do_not_run__": "{rsc} is no longer configured",
    "hard-error": "an operation of {rsc} failed on {node} in a way that a retry there can't cure",
    "fatal-error": "an operation of {rsc} failed in a way that a retry can't cure anywhere",
    "masked-probe-failure": "{rsc} is not installed or not configured on {node}",
    "not_managed_default": "{rsc} is not managed and stays on {node}",
    "target-role": "target-role keeps {rsc} stopped",
    "shutdown-lock": "{rsc} is locked to the node that was shut down",
    "__no_ticket__": "{rsc} needs a ticket that is not granted here",
    "__loss_of_ticket__": "{rsc} lost its ticket",
    "__ticket_standby__": "the ticket of {rsc} is on standby",
    "__stateful_without_ticket__": "{rsc} may not be promoted without its ticket",
    "collective_limit_reached": "enough instances of {rsc} have a place",
    "node-score": "every resource starts with that score on {node}",
    "no-place": "{node} takes no instance like {rsc}: it is not available, or has as many as it may",
    "__limit_utilization__": "{node} has too little capacity left for {rsc} and what must be with it",
    "multiple-active": "{rsc} is active on more than one node and must stay stopped",
    "on-fail": "an operation of {rsc} failed and its on-fail says to stop",
    "bundle-node": "{node} is a replica of a bundle, which only what is inside may use",
    "bundle-child": "{rsc} runs in its own replica {node}",
    "no-connection-there": "{node} is a Pacemaker Remote node, which can't run connections, guests or fencing devices",
    "inside-launcher": "{rsc} runs inside another resource, and {node} is not what that one makes",
    "resource-discovery": "{rsc} may only run where its location constraints discover it",
}


def note(cluster: Cluster, rsc: Resource, node: Node, points: int, source: str, sentence: str = "") -> None:
    """Write one entry of the ledger, unless it adds nothing, or nobody will read it."""
    if points and cluster.tells:
        template = sentence or SENTENCES.get(source, "{rsc} on {node}: {source}")
        text = template if sentence else template.format(rsc=rsc.id, node=node.name, source=source)
        cluster.reasons.append(Reason(rsc.id, node.name, points, source, text))


def add_location(cluster: Cluster, rsc: Resource, node: Node | None, points: int, source: str) -> None:
    """Add `points` to a resource (and its members) on a node, or on every node."""
    for one in cluster.nodes if node is None else (node,):
        _add(cluster, rsc, one, points, source)
    if node is None and points == -INFINITY:
        rsc.assigned = None


def allow_everywhere(cluster: Cluster, rsc: Resource) -> None:
    """A symmetric cluster: every node starts in the table of `rsc` with its own score. (Members of groups and clones have their
    tables already.)"""
    if rsc.exclusive_probes:
        return
    for child in rsc.children if rsc.variant == Variant.BUNDLE else ():
        allow_everywhere(cluster, child)
    for node in cluster.nodes:
        if node.id not in rsc.allowed and node.probe_mode != ProbeMode.NEVER:
            rsc.allowed[node.id] = Allowed(node, node.score, node.probe_mode)
            note(cluster, rsc, node, node.score, "node-score")


def _add(cluster: Cluster, rsc: Resource, node: Node, points: int, source: str) -> None:
    for child in rsc.children:
        _add(cluster, child, node, points, source)
    entry = rsc.allowed.get(node.id)
    if entry is None:
        entry = rsc.allowed[node.id] = Allowed(node, node.score, node.probe_mode)
        note(cluster, rsc, node, node.score, "node-score")
    entry.score = add_scores(entry.score, points)
    note(cluster, rsc, node, points, source)


def ban_everywhere(cluster: Cluster, rsc: Resource, source: str) -> None:
    """Forget all scores of a resource: it may run nowhere."""
    rsc.allowed = {node.id: Allowed(node, -INFINITY) for node in cluster.nodes}
    for node in cluster.nodes:
        note(cluster, rsc, node, -INFINITY, source)


def ban(cluster: Cluster, rsc: Resource, entry: Allowed, source: str, sentence: str = "") -> None:
    """Set one score to -INFINITY, and say so if it was not."""
    if entry.score > -INFINITY:
        entry.score = -INFINITY
        note(cluster, rsc, entry.node, -INFINITY, source, sentence)


def assign_score(cluster: Cluster, rsc: Resource, entry: Allowed, points: int, source: str) -> None:
    """Set one score, whatever it was: what the ledger said about it before no longer counts."""
    if entry.score == points:
        return
    kept = [reason for reason in cluster.reasons if reason.resource != rsc.id or reason.node != entry.node.name]
    cluster.reasons[:] = kept
    entry.score = points
    note(cluster, rsc, entry.node, points, source)


def add_to(cluster: Cluster, rsc: Resource, entry: Allowed, points: int, source: str, sentence: str = "") -> None:
    """Add points to one score."""
    entry.score = add_scores(entry.score, points)
    note(cluster, rsc, entry.node, points, source, sentence)


def withdraw(cluster: Cluster, since: int, parts: Iterable[Resource]) -> None:
    """Forget what was written about `parts` since the ledger had `since` entries: their scores of then are back."""
    names = {part.id for part in parts}
    cluster.reasons[since:] = [reason for reason in cluster.reasons[since:] if reason.resource not in names]


def copy_table(table: dict[str, Allowed]) -> dict[str, Allowed]:
    """An independent copy of a table of allowed nodes."""
    return {node_id: entry.copy() for node_id, entry in table.items()}


def any_available(table: dict[str, Allowed]) -> bool:
    """Whether some node of the table is available and not banned."""
    return any(entry.score >= 0 and entry.node.available() for entry in table.values())
