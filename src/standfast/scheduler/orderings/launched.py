"""Orderings between a resource and what it runs inside of, and the nodes that connections may use."""

from __future__ import annotations

from standfast.scheduler.constraints.colocation import new_colocation
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_ORDERED,
    AR_THEN_IMPLIES_FIRST,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    Cluster,
    Resource,
)
from standfast.scheduler.orderings.new import order_tasks
from standfast.scheduler.placement.ledger import ban

INFINITY = 1_000_000
PREFERRED = 10_000


def order_with_launcher(cluster: Cluster, rsc: Resource) -> None:
    """Start after the launcher and stop before it, where it is; or go to the node that the launcher makes."""
    launcher = rsc.launcher
    if launcher is None:
        return
    behind: Resource | None = None
    if rsc.connection:
        if not rsc.nesting_allowed:
            avoid_remote_nodes(cluster, launcher)
        # If the launcher's history was cleaned, a probe may find it: no recovery of the connection before that.
        order_tasks(cluster, launcher, "monitor", rsc, "stop", AR_ORDERED)
    elif launcher.connection:
        behind = launcher
    else:
        behind = contained_connection(launcher)
    if behind is not None:
        for entry in rsc.allowed.values():
            if entry.node.remote is not behind:
                ban(cluster, rsc, entry, "inside-launcher")
        return
    order_tasks(cluster, launcher, "start", rsc, "start", AR_FIRST_IMPLIES_THEN | AR_UNRUNNABLE_FIRST_BLOCKS)
    order_tasks(cluster, rsc, "stop", launcher, "stop", AR_THEN_IMPLIES_FIRST)
    # A bundle's connection may be elsewhere, so that its container may run on a remote node.
    score = PREFERRED if rsc.nesting_allowed else INFINITY
    new_colocation(cluster, "#resource-with-container", score, rsc, launcher, explicit=False)


def contained_connection(rsc: Resource) -> Resource | None:
    """The connection to the guest node that a resource makes, if it makes one."""
    return next((launched for launched in rsc.launched if launched.connection), None)


def avoid_remote_nodes(cluster: Cluster, rsc: Resource) -> None:
    """Keep a resource to cluster nodes."""
    for entry in rsc.allowed.values():
        if entry.node.remote is not None:
            ban(cluster, rsc, entry, "no-connection-there")
