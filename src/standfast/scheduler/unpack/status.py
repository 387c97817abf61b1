"""Node states: who is a member, online, shutting down, pending, or gone without saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.report import error, notice, warning
from standfast.scheduler.actions.ops import stop_action
from standfast.scheduler.actions.places import current_node
from standfast.scheduler.fencing.ops import fence_node
from standfast.scheduler.memory import Cluster, Node, QuorumPolicy, Resource
from standfast.scheduler.unpack.history import plain_resources, read_node_history, unpack_node_history
from standfast.scheduler.unpack.nodes import read_attributes
from standfast.scheduler.unpack.remotes import determine_online, may_unpack, read_remote_state
from standfast.scheduler.values import Role, int_or, is_true, ms_to_s, parse_bool, parse_int

if TYPE_CHECKING:
    from lxml import etree


def unpack_status(cluster: Cluster) -> None:
    """Every node's state, then every node's history: known nodes first, unclean ones too where fencing may follow."""
    section = cluster.root.find("status")
    states = [] if section is None else list(section.iterchildren("node_state"))
    cluster.known.keep_only(states)
    for state in states:
        _unpack_state(cluster, state)
        read_node_history(cluster, state)
    cluster.watch.general = 0  # what was said so far is said again in every run
    plain = plain_resources(cluster)
    while _unpack_histories(cluster, states, plain, everything=False):
        pass
    _unpack_histories(cluster, states, plain, everything=cluster.fencing_enabled)
    for container in reversed(cluster.stop_needed):
        node = current_node(container)
        if node is not None:
            stop_action(cluster, container, node, optional=False)
    for node in cluster.nodes:
        if node.kind != "remote":
            continue
        if node.shutdown and node.remote is not None:
            node.remote.next_role = Role.STOPPED
        if not node.unpacked:
            determine_online(node)


def _unpack_histories(
    cluster: Cluster, states: list[etree._Element], plain: dict[str | None, Resource], everything: bool
) -> bool:
    """One pass over the nodes whose history can be unpacked now; whether there were any. A Pacemaker Remote node's history
    counts once those of its connection and launcher are known, so there may have to be several."""
    progress = False
    for state in states:
        node = _find(cluster, state)
        if node is None or state.get("uname") is None or node.unpacked:
            continue
        if not everything:
            if node.kind == "remote":
                if not may_unpack(cluster, node):
                    continue
            elif not (cluster.fencing_enabled or cluster.shutdown_lock) and not node.online:
                continue
        if node.kind == "remote":
            determine_online(node)
            read_remote_state(cluster, node, state)
        node.unpacked = True
        unpack_node_history(cluster, node, plain)
        progress = True
    return progress


def _find(cluster: Cluster, state: etree._Element) -> Node | None:
    node_id = state.get("id")
    if node_id is None:
        return None
    return cluster.nodes_by_id.get(node_id.lower()) or cluster.find_node(state.get("uname"))


def _unpack_state(cluster: Cluster, state: etree._Element) -> None:
    if state.get("id") is None:
        cluster.tell(error("scheduler.node-state", "Ignoring invalid node_state entry without id"))
        return
    node = _find(cluster, state)
    if node is None:
        name = state.get("uname") or state.get("id")
        cluster.tell(notice("scheduler.node-state", f"the recorded state of {name} is ignored", "no such node is configured"))
        return
    if node.kind == "remote":
        node.remote_fenced = int_or(state.get("node_fenced"), 0) > 0
        return
    read_attributes(cluster, state.find("transient_attributes"), node, overwrite=True)
    node.standby = node.standby or is_true(node.attrs.get("standby"))
    node.maintenance = node.maintenance or is_true(node.attrs.get("maintenance"))
    discovery = node.attrs.get("resource-discovery-enabled")
    if discovery is not None and not is_true(discovery):
        why = "because disabling resource discovery is not allowed for cluster nodes"
        what = f"Ignoring resource-discovery-enabled attribute for {node.name} {why}"
        cluster.tell(warning("scheduler.node-attribute", what, where=node.id))
    node.unclean = False
    node.seen = True
    _determine_online(cluster, state, node)
    if not cluster.quorate and node.online and cluster.policy == QuorumPolicy.FENCE:
        fence_node(cluster, node, "cluster does not have quorum")


def _determine_online(cluster: Cluster, state: etree._Element, node: Node) -> None:
    node.shutdown = node.attrs.get("shutdown") not in (None, "0")
    if not node.shutdown and (state.get("expected") or "").lower() == "member":
        node.expected_up = True
    member, online = _member_since(cluster, state), _online_since(state)
    if cluster.fencing_enabled:
        node.online = _online_with_fencing(cluster, state, node, member, online)
    else:
        node.online = _online_without_fencing(cluster, state, node, member, online)
    if not node.online or node.shutdown:
        node.score = -1_000_000


def _member_since(cluster: Cluster, state: etree._Element) -> int:
    """When the node became a member of the cluster layer: an epoch second, 0 for no member, -1 for not known."""
    value = state.get("in_ccm")
    if value is None:
        return -1
    flag = parse_bool(value)
    if flag is not None:
        return cluster.now_s if flag else 0
    when = parse_int(value)
    return -1 if when is None or when < 0 else when


def _online_since(state: etree._Element) -> int:
    """When the node's controller joined the process group: 0 for offline."""
    value = (state.get("crmd") or "offline").lower()
    if value in ("offline", "online"):
        return int(value == "online")
    when = parse_int(value)
    return 0 if when is None or when < 0 else when


def _online_without_fencing(cluster: Cluster, state: etree._Element, node: Node, member: int, online: int) -> bool:
    if member <= 0:
        return False
    if online > 0:
        return (state.get("join") or "").lower() == "member"
    if node.expected_up:
        fence_node(cluster, node, "peer is unexpectedly down")
    return False


def _online_with_fencing(cluster: Cluster, state: etree._Element, node: Node, member: int, online: int) -> bool:
    if node.shutdown:
        return online > 0
    if member < 0:
        fence_node(cluster, node, "peer has not been seen by the cluster")
        return False
    join = state.get("join")
    if join == "banned":
        fence_node(cluster, node, "peer failed Pacemaker membership criteria")
    elif _terminate_requested(cluster, node):
        if member <= 0 and online <= 0 and join == "down":
            return False
        fence_node(cluster, node, "fencing was requested")
    elif state.get("expected") in (None, "down"):
        if _pending_too_long(cluster, member, online):
            fence_node(cluster, node, "peer pending timed out on joining the process group")
        elif member > 0 or online > 0:
            node.standby = True
            node.pending = True
    elif member <= 0:
        fence_node(cluster, node, "peer is no longer part of the cluster", priority_delay=True)
    elif online <= 0:
        fence_node(cluster, node, "peer process is no longer available")
    elif join in ("pending", "down"):
        node.standby = True
        node.pending = True
    elif join != "member":
        fence_node(cluster, node, "peer was in an unknown state")
    return member > 0


def _terminate_requested(cluster: Cluster, node: Node) -> bool:
    value = node.attrs.get("terminate")
    if value is None:
        return False
    flag = parse_bool(value)
    if flag is not None:
        return flag
    number = parse_int(value)
    if number is None:
        cluster.tell(warning("scheduler.terminate", f"terminate='{value}' of {node.name} is ignored", where=node.name))
    return number is not None and number > 0


def _pending_too_long(cluster: Cluster, member: int, online: int) -> bool:
    if cluster.node_pending_ms <= 0 or member <= 0 or online > 0:
        return False
    cluster.now_matters()  # a member since "true" is one since now
    deadline = member + ms_to_s(cluster.node_pending_ms)
    if cluster.now_s >= deadline:
        return True
    cluster.recheck(deadline)
    return False
