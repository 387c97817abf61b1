"""Every constraint of the configuration, in document order."""

from __future__ import annotations

from standfast.base.report import error
from standfast.scheduler.constraints.colocation import unpack_colocation
from standfast.scheduler.constraints.location import health_location, unpack_location
from standfast.scheduler.constraints.ordering import unpack_ordering
from standfast.scheduler.constraints.tickets import unpack_ticket
from standfast.scheduler.memory import Cluster
from standfast.scheduler.placement.scores import add_scores, parse_score
from standfast.scheduler.values import is_true

KINDS = {
    "rsc_location": unpack_location,
    "rsc_colocation": unpack_colocation,
    "rsc_order": unpack_ordering,
    "rsc_ticket": unpack_ticket,
}


def apply_node_health(cluster: Cluster) -> None:
    """node-health-strategy: the sum of a node's #health attributes counts for every resource there."""
    strategy = cluster.option("node-health-strategy")
    if strategy == "none":
        return
    base = parse_score(cluster.option("node-health-base")) or 0 if strategy == "progressive" else 0
    for node in cluster.nodes:
        health = base
        for name, value in node.attrs.items():
            if name.startswith("#health"):
                health = add_scores(parse_score(value, 0, cluster.health_scores) or 0, health)
        for rsc in cluster.awake() if health else ():
            if health > 0 or not is_true(rsc.meta.get("allow-unhealthy-nodes")):
                health_location(cluster, rsc, node, health)


def unpack_constraints(cluster: Cluster) -> None:
    """Locations, colocations, orderings and tickets; what is none of them is reported."""
    section = cluster.root.find("configuration/constraints")
    for constraint in () if section is None else section.iterchildren():
        if not isinstance(constraint.tag, str) or constraint in cluster.asleep.constraints:
            continue
        cluster.watch.about = constraint
        unpack = KINDS.get(constraint.tag)
        if constraint.get("id") is None or unpack is None:
            kind = str(constraint.tag)
            is_nameless = constraint.get("id") is None
            what = f"Ignoring <{kind}> constraint without id" if is_nameless else f"Unsupported constraint type: {kind}"
            cluster.tell(error("scheduler.constraint", what, where=constraint.get("id") or ""))
            continue
        unpack(cluster, constraint)
    cluster.watch.about = None
