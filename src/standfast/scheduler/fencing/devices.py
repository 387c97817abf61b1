"""The fencing devices and levels of a configuration, for whoever carries out a fencing.

A device is usable by every node that its constraints allow, started or not; target-role=Stopped takes it out of use, and a score
below zero takes it from a node (Pacemaker: daemons/fenced/fenced_scheduler.c, register_if_fencing_device).
"""

from __future__ import annotations

from standfast.scheduler.actions.meta import rsc_params
from standfast.scheduler.api import FenceDevice, FenceLevel, Fencing
from standfast.scheduler.memory import Cluster, Resource, primitives
from standfast.scheduler.placement.scores import add_scores
from standfast.scheduler.values import Role, int_or, interval_ms

LEVELS_MAX = 1024
LEVEL_INDEX_MAX = 9


def fencing_of(cluster: Cluster) -> Fencing:
    """Devices and levels, once constraints are unpacked and before anything is placed."""
    devices = [d for top in cluster.resources for rsc in primitives(top) if (d := _device(cluster, rsc)) is not None]
    levels = _levels(cluster)
    wanted = any(level.kind == "target-attribute" for level in levels)
    attributes = tuple((node.name, tuple(sorted(node.attrs.items()))) for node in cluster.nodes) if wanted else ()
    return Fencing(tuple(devices), levels, attributes, interval_ms(cluster.option("fencing-timeout")) or 60_000)


def _device(cluster: Cluster, rsc: Resource) -> FenceDevice | None:
    if not rsc.fence_device or rsc.removed or rsc.meta.get("target-role", "").lower() == "stopped":
        return None
    scores = _scores(cluster, rsc)
    allowed = [node for node in cluster.nodes if node.kind == "member" and scores.get(node.id, -1) >= 0]
    active = [node for node in rsc.active_nodes if node in allowed]
    nodes = tuple(node.name for node in (*active, *(node for node in allowed if node not in active)))
    common = _pairs(rsc_params(cluster, rsc, None))
    special = ((node.name, _pairs(rsc_params(cluster, rsc, node))) for node in allowed)
    return FenceDevice(rsc.id, rsc.agent[2], common, nodes, tuple((n, p) for n, p in special if p != common))


def _scores(cluster: Cluster, rsc: Resource) -> dict[str, int]:
    """What location constraints alone say: a device whose start failed somewhere is still better than none."""
    owners: list[Resource] = [rsc]
    while owners[-1].parent is not None:
        owners.append(owners[-1].parent)
    scores = {} if not cluster.symmetric else {node.id: 0 for node in cluster.nodes}
    for location in cluster.locations:
        if location.rsc in owners and location.role in (Role.UNKNOWN, Role.STARTED):
            for node, points in location.scores:
                scores[node.id] = add_scores(scores.get(node.id, 0), points)
    return scores


def _pairs(params: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(params.items()))


def _levels(cluster: Cluster) -> tuple[FenceLevel, ...]:
    found = []
    for element in list(cluster.root.iterfind("configuration/fencing-topology/fencing-level"))[:LEVELS_MAX]:
        index = int_or(element.get("index", ""), 0)
        kind = next((k for k in ("target", "target-pattern", "target-attribute") if element.get(k) is not None), "")
        if not kind or not 1 <= index <= LEVEL_INDEX_MAX:
            continue
        devices = tuple(name.strip() for name in element.get("devices", "").split(",") if name.strip())
        found.append(FenceLevel(index, kind, element.get(kind, ""), element.get("target-value", ""), devices))
    return tuple(found)
