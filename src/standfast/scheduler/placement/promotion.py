"""Promotable clones: which instances are promoted, by their agents' scores, locations and colocations of the role.

Pacemaker: lib/pacemaker/pcmk_sched_promotable.c.
"""

from __future__ import annotations

from standfast.base.report import notice
from standfast.scheduler.actions.places import assigned_to
from standfast.scheduler.api import Score
from standfast.scheduler.constraints.tickets import require_promotion_tickets
from standfast.scheduler.memory import (
    Allowed,
    Cluster,
    Colocation,
    Node,
    QuorumPolicy,
    Resource,
    ScoreWalk,
    located,
    primitives,
)
from standfast.scheduler.mergesort import merge_sorted
from standfast.scheduler.placement.colocated import all_this_with, all_with_this, has_influence, node_attribute, node_value
from standfast.scheduler.placement.compatible import compatible_instance, state_of
from standfast.scheduler.placement.instances import compare_instances
from standfast.scheduler.placement.ledger import add_to, ban, copy_table
from standfast.scheduler.placement.scores import add_scores, float32, parse_score
from standfast.scheduler.unpack.failcounts import base_name
from standfast.scheduler.values import Role

INFINITY = 1_000_000


class Peers:
    """What is known of all instances of one primitive of an anonymous clone: the first that is active on each node, and where
    any was probed."""

    def __init__(self, rsc: Resource) -> None:
        name = base_name(rsc.id)
        self.active: dict[str, Resource] = {}
        self.probed: set[str] = set()
        for leaf in (leaf for child in rsc.top().children for leaf in primitives(child) if name in (leaf.id, leaf.xml_id)):
            self.probed |= leaf.probed
            for node in leaf.active_nodes:
                self.active.setdefault(node.id, leaf)


def _score_applies(rsc: Resource, node: Node, known: dict[str, Peers]) -> bool:
    """Whether a promotion score on `node` is about this instance: it is active or was probed there, or nothing is known."""
    applies = False
    if not rsc.unique:
        name = base_name(rsc.id)
        if name not in known:
            known[name] = Peers(rsc)
        active = known[name].active.get(node.id)
        applies = active is rsc or (active is None and node.id in known[name].probed)
    if not applies and (rsc.active_nodes or rsc.probed):
        applies = node.id in rsc.probed or node in rsc.active_nodes
        if not applies:
            return False
    entry = rsc.allowed.get(node.id)
    return entry is not None and entry.score >= 0


def promotion_score(rsc: Resource, node: Node, known: dict[str, Peers]) -> tuple[int, bool]:
    """(the agent's promotion score of an instance on a node, whether there is none and 0 is a default). `known` is filled with
    what the instances of a clone have in common, for as long as they stay in their order."""
    if rsc.children:
        parts = [promotion_score(child, node, known) for child in rsc.children]
        return sum(part[0] for part in parts), all(part[1] for part in parts)
    if not _score_applies(rsc, node, known):
        return 0, True
    assigned = not rsc.unassigned
    value = node_attribute(node, f"master-{rsc.history_id or rsc.id}", rsc, assigned)
    if value is None and not rsc.unique:
        value = node_attribute(node, f"master-{base_name(rsc.id)}", rsc, assigned)
    if value is None:
        return 0, True
    return parse_score(value) or 0, False


def add_promotion_scores(cluster: Cluster, clone: Resource) -> None:
    """Instances go rather where they could be promoted, and those with the best score first."""
    data = clone.clone_data()
    if data.scores_added:
        return
    data.scores_added = True
    known: dict[str, Peers] = {}
    for instance in clone.children:
        for entry in instance.allowed.values():
            if not entry.node.available():
                continue
            score, _ = promotion_score(instance, entry.node, known)
            if score > 0:
                attribute = f"master-{base_name(instance.id)}"
                add_to(cluster, instance, entry, score, attribute, f"promotion score of {instance.id} ({attribute})")
            instance.priority = max(instance.priority, score)


def set_instance_roles(cluster: Cluster, clone: Resource) -> None:
    """Promote as many of the best instances as promoted-max allows."""
    for entry in clone.allowed.values():
        entry.count = 0
    known: dict[str, Peers] = {}
    for instance in clone.children:
        _set_priority(cluster, clone, instance, known)
    _sort(cluster, clone)
    promoted = 0
    for instance in clone.children:
        promoted += _set_role(cluster, clone, instance, promoted)


def _set_priority(cluster: Cluster, clone: Resource, instance: Resource, known: dict[str, Peers]) -> None:
    if state_of(instance, current=True) == Role.STARTED:
        _call_unpromoted(instance)
    chosen = assigned_to(instance)
    if chosen is None:
        return
    role = state_of(instance, current=False)
    if role in (Role.STARTED, Role.UNKNOWN):
        score, default = promotion_score(instance, chosen, known)
        instance.priority = -1 if default else score
    elif role in (Role.UNPROMOTED, Role.STOPPED):
        instance.priority = -INFINITY
    for location in (*reversed(instance.locations), *reversed(clone.locations)):
        points = next((p for n, p in location.scores if n is chosen), None)
        if location.role == Role.PROMOTED and points is not None:
            instance.priority = add_scores(instance.priority, points)
    for colocation in all_this_with(instance):
        instance.act().apply_coloc_score(cluster, instance, colocation.primary, colocation, for_dependent=True)
    instance.promotion_priority = INFINITY if role == Role.PROMOTED else instance.priority


def _call_unpromoted(rsc: Resource) -> None:
    if rsc.role == Role.STARTED:
        rsc.role = Role.UNPROMOTED
    for child in rsc.children:
        _call_unpromoted(child)


def _sort(cluster: Cluster, clone: Resource) -> None:
    data = clone.clone_data()
    if data.constrained:
        return
    data.constrained = True
    clone.updating_nodes = True
    for instance in clone.children:
        chosen = assigned_to(instance)
        if instance.promotion_priority >= 0 and chosen is not None:
            entry = clone.allowed.get(chosen.id)
            # An opt-in cluster's clone may hold unmanaged instances on nodes that it is not allowed on.
            if entry is not None:
                entry.score = add_scores(instance.promotion_priority, entry.score)
    for colocation in all_with_this(clone):
        if colocation.primary_role == Role.PROMOTED and has_influence(colocation):
            walk = ScoreWalk(clone, copy_table(clone.allowed), nonnegative=True, active=True)
            dependent = colocation.dependent
            factor = float32(colocation.score / INFINITY)
            dependent.act().add_colocated_scores(cluster, walk, dependent, colocation, factor)
            clone.allowed = walk.table or clone.allowed
    require_promotion_tickets(cluster, clone)
    for instance in clone.children:
        chosen = assigned_to(instance)
        if not instance.managed and instance.next_role == Role.PROMOTED:
            instance.promotion_priority = INFINITY
        elif chosen is None:
            instance.promotion_priority = -INFINITY
        elif instance.promotion_priority >= 0 and chosen.id in clone.allowed:
            instance.promotion_priority = clone.allowed[chosen.id].score

    def compare(a: Resource, b: Resource) -> int:
        if a.promotion_priority != b.promotion_priority:
            return -1 if a.promotion_priority > b.promotion_priority else 1
        role_a, role_b = state_of(a, current=True), state_of(b, current=True)
        if role_a != role_b:
            return -1 if role_a > role_b else 1
        return compare_instances(cluster, a, b)

    clone.children = merge_sorted(clone.children, compare)
    clone.updating_nodes = False


def _place_to_promote(clone: Resource, rsc: Resource) -> Allowed | None:
    """The entry of the node where an instance may be promoted."""
    if any(_place_to_promote(clone, child) is None for child in rsc.children):
        return None
    node = assigned_to(rsc)
    if node is None:
        return None
    if not rsc.managed:
        if state_of(rsc, current=True) != Role.PROMOTED:
            return None
    elif rsc.priority < 0 or not node.available() or (node.launcher is not None and assigned_to(node.launcher) is None):
        return None
    entry = clone.allowed.get(node.id)
    if entry is None or (entry.count >= clone.clone_data().promoted_node_max and rsc.managed):
        return None
    return entry


def _set_role(cluster: Cluster, clone: Resource, instance: Resource, promoted: int) -> int:
    """Set an instance's next role; 1 if it is promoted."""
    shown = assigned_to(instance)
    where = "" if shown is None else shown.name
    if cluster.tells:
        cluster.scores.append(Score("promotion", instance.id, where, instance.promotion_priority))
    place: Allowed | None = None
    if instance.promotion_priority >= 0 and (promoted < clone.clone_data().promoted_max or not clone.managed):
        place = _place_to_promote(clone, instance)
    frozen = instance.role < Role.PROMOTED and not cluster.quorate and cluster.policy == QuorumPolicy.FREEZE
    if place is not None and frozen:
        cluster.tell(notice("scheduler.freeze", f"{instance.id} is not promoted", "there is no quorum", where=instance.id))
        place = None
    if place is None:
        _next_unpromoted(instance)
        return 0
    place.count += 1
    _next_promoted(instance)
    return 1


def _next_unpromoted(rsc: Resource) -> None:
    rsc.next_role = Role.UNPROMOTED if located(rsc, assigned=True) else Role.STOPPED
    for child in rsc.children:
        _next_unpromoted(child)


def _next_promoted(rsc: Resource) -> None:
    if rsc.next_role == Role.UNKNOWN:
        rsc.next_role = Role.PROMOTED
    for child in rsc.children:
        _next_promoted(child)


def follow_promotable(cluster: Cluster, clone: Resource, dependent: Resource, colocation: Colocation) -> None:
    """Draw a dependent to where instances of `clone` will have the colocation's role."""
    places: dict[str, int] = {}
    role = colocation.primary_role.name.lower()
    sentence = f"{dependent.id} is colocated with the {role} instances of {clone.id} ({colocation.id})"
    mandatory = colocation.score >= INFINITY
    for instance in clone.children:
        node = assigned_to(instance)
        if node is None or state_of(instance, current=False) != colocation.primary_role:
            continue
        wanted = node_value(node, colocation.node_attribute, clone)
        for entry in dependent.allowed.values() if not mandatory else ():
            if node_value(entry.node, colocation.node_attribute, dependent) == wanted:
                add_to(cluster, dependent, entry, colocation.score, colocation.id, sentence)
        places[node.id] = next(leaf.assigned_score for leaf in primitives(instance) if leaf.assigned is node)
    both_promoted = colocation.dependent_role == Role.PROMOTED and colocation.primary_role == Role.PROMOTED
    if mandatory and not both_promoted:
        for entry in dependent.allowed.values():
            chosen = places.get(entry.node.id)
            if chosen is None:
                ban(cluster, dependent, entry, colocation.id, sentence)
            else:
                add_to(cluster, dependent, entry, chosen, colocation.id, sentence)


def promotable_priority(cluster: Cluster, clone: Resource, dependent: Resource, colocation: Colocation) -> int:
    """Raise (or end) a dependent instance's chance of promotion by where `clone` is promoted; returns the change."""
    instance = compatible_instance(
        cluster, dependent, clone, colocation.primary_role, current=False, attribute=colocation.node_attribute
    )
    if instance is not None:
        dependent.priority = add_scores(dependent.priority, colocation.score)
        return colocation.score
    if colocation.score >= INFINITY:
        dependent.priority = -INFINITY
        return -INFINITY
    return 0
