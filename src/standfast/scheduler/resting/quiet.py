"""Who was at rest in a run that is over: nothing was to be done, said or asked, and all that was made was its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.scheduler.memory import GRAPHED, OPTIONAL, Cluster, Resource, Rest, walk
from standfast.scheduler.placement.utilization import counts
from standfast.scheduler.values import interval_ms

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.api import Plan
    from standfast.scheduler.resting.layout import Layout


def is_plain(cluster: Cluster) -> bool:
    """Whether resources that don't belong together can be looked at apart from each other at all."""
    return not (
        counts(cluster)
        or cluster.shutdown_lock
        or cluster.unfencing
        or interval_ms(cluster.option("priority-fencing-delay")) > 0
        or any(node.kind == "remote" for node in cluster.nodes)
        or any(op.rsc is None for op in cluster.actions)
    )


def find_quiet(cluster: Cluster, plan: Plan, layout: Layout) -> dict[etree._Element, tuple[Resource, Rest]]:
    """Each resource of this run that was at rest, as were all that belong to it; by element."""
    restless = cluster.watch.restless
    told = {change.subject for change in plan.changes}
    found: dict[etree._Element, tuple[Resource, Rest]] = {}
    awake = {rsc.id: rsc for rsc in cluster.resources if rsc.rest is None and not rsc.removed}
    for name in awake:
        element = layout.tops.get(name)
        party = None if element is None else layout.parties[element]
        if element is None or party is None or element in found or party.tops[0] is not element:
            continue
        members = [awake.get(top.get("id") or "") for top in party.tops]
        parts = [part for member in members if member is not None for part in walk([member])]
        if None in members or not restless.isdisjoint((*members, *party.constraints, *party.tops)):
            continue
        if all(_is_quiet(part, told) for part in parts) and _is_closed(parts):
            rests = [_rest(cluster, member) for member in members if member is not None]
            if None not in rests:
                for top, member, rest in zip(party.tops, members, rests, strict=True):
                    if member is not None and rest is not None:
                        found[top] = member, rest
    return found


def _is_quiet(rsc: Resource, told: set[str]) -> bool:
    if rsc.removed or rsc.failed or rsc.blocked or rsc.fence_device or rsc.connection or rsc.lock_node is not None:
        return False
    if rsc.launcher is not None or rsc.launched or rsc.tickets or rsc.id in told:
        return False
    return all(op.flags & OPTIONAL and not op.flags & GRAPHED for op in rsc.actions)


def _is_closed(parts: list[Resource]) -> bool:
    """Whether no action waits for one of others, nor one of others for it."""
    own = {id(part) for part in parts}
    return all(
        id(relation.op.rsc) in own for part in parts for op in part.actions for side in (op.before, op.after) for relation in side
    )


def _rest(cluster: Cluster, top: Resource) -> Rest | None:
    """What it did to others; None if that can't be repeated, because it made actions out of its turn."""
    parts = list(walk([top]))
    first, end = cluster.watch.windows[top]
    ids = [op.id for part in parts for op in part.actions]
    in_turn = sum(first <= number < end for number in ids)
    if in_turn != end - first or len(ids) - in_turn != cluster.watch.early.get(top, 0):
        return None
    placed, before = cluster.watch.turns[top]
    names = dict.fromkeys(name for part in parts for name in (part.id, part.history_id) if name)
    return Rest(placed, before, end - first, tuple(names))
