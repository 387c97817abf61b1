"""Assignment, in order of priority: each resource gets a node, or none."""

from __future__ import annotations

from standfast.base.report import notice
from standfast.scheduler.actions.places import current_node
from standfast.scheduler.api import INFINITY, Score
from standfast.scheduler.memory import Allowed, Cluster, Colocation, Node, QuorumPolicy, Resource
from standfast.scheduler.placement.colocated import all_this_with, all_with_this
from standfast.scheduler.placement.draws import forget_draws
from standfast.scheduler.placement.ledger import add_location, any_available, copy_table, withdraw
from standfast.scheduler.placement.nodes import assign_best, assign_resource, best_first
from standfast.scheduler.placement.utilization import counts, note_load, sort_resources
from standfast.scheduler.placement.walk import add_dependent_scores
from standfast.scheduler.values import Role, name_key


def assign_resources(cluster: Cluster) -> None:
    """Assign every resource of the cluster."""
    if counts(cluster):
        everywhere = [Allowed(node, node.score) for node in cluster.nodes]
        sort_resources(cluster, best_first(cluster, everywhere, None))
    for node in cluster.nodes:
        note_load(cluster, "Original", None, node)
    # Connections first: where they are decides whether remote nodes are there for the others.
    for rsc in [rsc for rsc in cluster.resources if rsc.connection]:
        rsc.act().assign(cluster, rsc, rsc.migration_target, stop_if_fail=True)
    for rsc in [rsc for rsc in cluster.resources if not rsc.connection]:
        _take_turn(cluster, rsc)
    cluster.watch.about = None
    for node in cluster.nodes:
        note_load(cluster, "Remaining", None, node)


def _take_turn(cluster: Cluster, rsc: Resource) -> None:
    """Assign one resource, and note what that did to the nodes' counts, and whether those had a say in it."""
    watch = cluster.watch
    watch.about, watch.tied = rsc, False
    before = [node.assigned_count for node in cluster.nodes]
    rsc.act().assign(cluster, rsc, None, stop_if_fail=True)
    if rsc.rest is None:
        grown = ((index, node.assigned_count - before[index]) for index, node in enumerate(cluster.nodes))
        watch.turns[rsc] = tuple((index, more) for index, more in grown if more), tuple(before) if watch.tied else None


def record_scores(cluster: Cluster, rsc: Resource, function: str) -> None:
    """Keep the scores as they are now, for `-s`; members follow their parent."""
    if cluster.tells and not rsc.removed:
        entries = sorted(rsc.allowed.values(), key=lambda entry: name_key(entry.node.name))
        cluster.scores.extend(Score(function, rsc.id, entry.node.name, entry.score) for entry in entries)
        for child in rsc.children:
            record_scores(cluster, child, function)


def assign_primitive(cluster: Cluster, rsc: Resource, prefer: Node | None, stop_if_fail: bool) -> Node | None:
    """Assign one primitive, its primaries first; mandatory colocations count before advisory ones."""
    parent = rsc.parent
    if parent is not None and not parent.assigning:
        parent.act().assign(cluster, parent, prefer, stop_if_fail)
    if not rsc.unassigned:
        return rsc.assigned
    if rsc.assigning:
        return None
    rsc.assigning = True
    _apply_colocations(cluster, rsc)
    if rsc.next_role == Role.STOPPED:
        add_location(cluster, rsc, None, -INFINITY, "target-role")
    elif rsc.next_role > rsc.role and not cluster.quorate and cluster.policy == QuorumPolicy.FREEZE:
        cluster.tell(notice("scheduler.freeze", f"{rsc.id} keeps its role", "no-quorum-policy=freeze", where=rsc.id))
        rsc.next_role = rsc.role
    record_scores(cluster, rsc, "pcmk__primitive_assign")
    if cluster.fencing_enabled and not cluster.have_fencing:
        rsc.managed = False
    if not rsc.managed:
        rsc.next_role = rsc.role
        node = current_node(rsc)
        assign_resource(cluster, rsc, None if node is None else Allowed(node, 0), force=True, stop_if_fail=stop_if_fail)
    elif cluster.stop_all:
        assign_resource(cluster, rsc, None, force=True, stop_if_fail=stop_if_fail)
    else:
        assign_best(cluster, rsc, prefer, stop_if_fail)
    rsc.assigning = False
    forget_draws(cluster, rsc)
    if rsc.connection:
        _connection_assigned(cluster, rsc)
    return rsc.assigned


def _connection_assigned(cluster: Cluster, connection: Resource) -> None:
    """A Pacemaker Remote node will be online if its connection will be somewhere, and else it is to leave."""
    node = cluster.find_node(connection.id)
    if node is None:
        return
    cluster.draws.clear()
    cluster.draw_users.clear()
    if connection.assigned is None or connection.next_role == Role.STOPPED:
        node.shutdown = True
        return
    node.online = True
    if not node.seen:
        # No fencing before the new connection has told what is the case there.
        node.unclean = False


def _apply_colocations(cluster: Cluster, rsc: Resource) -> None:
    this_with, with_this = all_this_with(rsc), all_with_this(rsc)
    for mandatory in (True, False):
        for colocation in this_with:
            if (abs(colocation.score) >= INFINITY) == mandatory:
                _apply_this_with(cluster, rsc, colocation)
                forget_draws(cluster, rsc)
        for colocation in with_this:
            if (abs(colocation.score) >= INFINITY) == mandatory:
                add_dependent_scores(cluster, colocation, rsc)
                forget_draws(cluster, rsc)


def _apply_this_with(cluster: Cluster, rsc: Resource, colocation: Colocation) -> None:
    """Place the primary if it has none yet, then follow it; what would leave no node is rolled back where it is advice."""
    advisory = colocation.dependent_role >= Role.PROMOTED or -INFINITY < colocation.score < 0
    archive = copy_table(rsc.allowed) if advisory else None
    written = len(cluster.reasons)
    primary = colocation.primary
    if primary.unassigned:
        primary.act().assign(cluster, primary, None, stop_if_fail=True)
    rsc.act().apply_coloc_score(cluster, rsc, primary, colocation, for_dependent=True)
    if archive is not None and not any_available(rsc.allowed):
        rsc.allowed = archive
        withdraw(cluster, written, (rsc,))
