"""The list of phases. `schedule` is the face of the room: a pure function of the CIB (with status) and the time.

Pacemaker: lib/pacemaker/pcmk_scheduler.c, pcmk__schedule_actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.scheduler.actions.changes import check_deferred, clear_removed_failcounts, handle_config_changes
from standfast.scheduler.actions.probes import schedule_probes
from standfast.scheduler.actions.remote import order_remote_actions
from standfast.scheduler.api import Plan
from standfast.scheduler.constraints.tickets import unpack_ticket_states
from standfast.scheduler.constraints.unpack import apply_node_health, unpack_constraints
from standfast.scheduler.depth import deep_calls
from standfast.scheduler.fencing.devices import fencing_of
from standfast.scheduler.fencing.schedule import schedule_fencing_and_shutdowns
from standfast.scheduler.graph.build import build_graph
from standfast.scheduler.known import Known
from standfast.scheduler.memory import Cluster
from standfast.scheduler.orderings.apply import apply_orderings
from standfast.scheduler.placement.assign import assign_resources
from standfast.scheduler.placement.criteria import apply_node_criteria
from standfast.scheduler.report.situation import situation_of
from standfast.scheduler.report.summary import summarize
from standfast.scheduler.resting.keeper import Keeper
from standfast.scheduler.resting.layout import ids_of
from standfast.scheduler.unpack.config import unpack_config
from standfast.scheduler.unpack.nodes import unpack_nodes, unpack_tags
from standfast.scheduler.unpack.resources import unpack_resources
from standfast.scheduler.unpack.status import unpack_status
from standfast.scheduler.variants import set_methods

if TYPE_CHECKING:
    from lxml import etree

    from standfast.base.report import Report
    from standfast.base.situation import Situation


def unpack(
    root: etree._Element,
    now_s: int,
    sanitized: bool = False,
    connects: bool = True,
    utc_offset_s: int = 0,
    known: Known | None = None,
    tells: bool = True,
    keeper: Keeper | None = None,
) -> Cluster:
    """Working memory filled from a <cib> element, which is not changed; nothing is decided yet.

    `sanitized`: the CIB was saved for others to look at, and private parameters may have been blanked. `connects`: who
    carries out the plan can reach Pacemaker Remote nodes; otherwise they, and bundles, are left alone.
    `known`: what was read in the parts of this document that are as they were; more is put there. `tells`: more is wanted than
    the decision. `keeper`: knows who is at rest, and can be left out.
    """
    cluster = Cluster(root, now_s, utc_offset_s, connects=connects, tells=tells, sanitized=sanitized, known=known or Known())
    if keeper is not None:
        cluster.asleep = keeper.asleep(root, cluster.known)
    cluster.ids = ids_of(root) if keeper is None else keeper.ids()
    unpack_config(cluster)
    unpack_nodes(cluster)
    unpack_resources(cluster)
    unpack_tags(cluster)
    unpack_ticket_states(cluster)
    unpack_status(cluster)
    if keeper is not None:
        keeper.look(cluster)
    return cluster


def situation(root: etree._Element, now_s: int) -> Situation:
    """What status commands show, without planning."""
    return situation_of(unpack(root, now_s))


def notices_of_unpacking(root: etree._Element, now_s: int) -> tuple[Report, ...]:
    """What is to be said about a configuration before anything is decided."""
    cluster = unpack(root, now_s)
    set_methods(cluster)
    apply_node_health(cluster)
    unpack_constraints(cluster)
    return tuple(cluster.notices.values())


def decide(cluster: Cluster) -> Plan:
    """Every phase after unpacking, in order; `cluster` is used up."""
    with deep_calls(len(cluster.ids) + len(cluster.history)):
        return _decide(cluster)


def _decide(cluster: Cluster) -> Plan:
    found = situation_of(cluster)
    set_methods(cluster)
    apply_node_health(cluster)
    unpack_constraints(cluster)
    fencing = fencing_of(cluster)
    apply_node_criteria(cluster)
    for rsc in cluster.each():
        rsc.act().internal_constraints(cluster, rsc)
    handle_config_changes(cluster)
    assign_resources(cluster)
    check_deferred(cluster)
    schedule_probes(cluster)
    clear_removed_failcounts(cluster)
    for rsc in cluster.each():
        first = cluster.next_action_id
        rsc.act().create_actions(cluster, rsc)
        cluster.watch.windows[rsc] = (first, cluster.next_action_id)
    # Before fencing, because it may find more nodes to fence.
    order_remote_actions(cluster)
    schedule_fencing_and_shutdowns(cluster)
    apply_orderings(cluster)
    graph = build_graph(cluster)
    return Plan(
        graph=graph,
        scores=tuple(cluster.scores),
        reasons=tuple(cluster.reasons),
        changes=summarize(cluster),
        notices=tuple(cluster.notices.values()),
        situation=found,
        recheck_s=cluster.recheck_by_s or None,
        loads=tuple(cluster.loads),
        fencing=fencing,
    )


def schedule(cib: etree._Element, now_s: int, utc_offset_s: int = 0, *, connects: bool = True) -> Plan:
    """Decide what to do about the cluster that a <cib> element describes, at wall-clock second `now_s`; `utc_offset_s` is what
    local time is ahead of UTC."""
    return decide(unpack(cib, now_s, connects=connects, utc_offset_s=utc_offset_s))
