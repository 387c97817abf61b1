"""The engine's state as the corosync tools print it.

Owns: the choice and names of what is shown (cmap_keys.7). Does not own: any state.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.api import EngineStatus, PeerStatus, Quorum, View
from standfast.engine.detector.detector import Detector
from standfast.engine.links.links import Links
from standfast.engine.settings import EngineConfig, NodeConfig

LINK_FRESH_US = US_PER_S
"""A link that brought nothing for so long is shown as disconnected (a heartbeat goes over every link)."""


def status_of(
    now_us: int,
    config: EngineConfig,
    *,
    view: View | None,
    quorum: Quorum,
    detector: Detector,
    links: Links,
    votes: Mapping[NodeId, int],
    client_attached: bool,
    counters: tuple[tuple[str, int], ...],
) -> EngineStatus:
    """Everything the tools print, at this instant."""
    members = () if view is None else view.members
    nodes = sorted(config.nodes, key=lambda node: node.id)
    peers = tuple(
        _peer(now_us, node, members, detector, links, votes.get(node.id, node.votes))
        if node.id != config.local
        else _local(node, members, votes.get(node.id, node.votes))
        for node in nodes
    )
    return EngineStatus(
        local=config.local,
        cluster_name=config.cluster_name,
        transport=config.transport,
        view=view,
        quorum=quorum,
        peers=peers,
        client_attached=client_attached,
        counters=counters,
        cmap=tuple(sorted((*config.cmap, *_cmap(config, peers, quorum)))),
    )


def _local(node: NodeConfig, members: tuple[NodeId, ...], votes: int) -> PeerStatus:
    links = tuple((address[0], True) for address in node.addresses if address is not None)
    return PeerStatus(
        node=node.id,
        name=node.name,
        votes=votes,
        member=node.id in members,
        reachable=True,
        links=links,
        silent_ms=0,
        bound_ms=0,
        rtt_us=0,
    )


def _peer(now_us: int, node: NodeConfig, members: tuple[NodeId, ...], detector: Detector, links: Links, votes: int) -> PeerStatus:
    p = detector.peers[node.id]
    shown = tuple(
        (h.address[0], h.last_heard_us is not None and now_us - h.last_heard_us < LINK_FRESH_US) for h in links.health(node.id)
    )
    return PeerStatus(
        node=node.id,
        name=node.name,
        votes=votes,
        member=node.id in members,
        reachable=p.is_counted,
        links=shown,
        silent_ms=(now_us - p.heard_us) // US_PER_MS if p.heard_us else 0,
        bound_ms=p.bound_us // US_PER_MS,
        rtt_us=p.rtt_us,
    )


def _cmap(config: EngineConfig, peers: tuple[PeerStatus, ...], quorum: Quorum) -> list[tuple[str, str, str]]:
    keys = [("runtime.config.totem.token", "u32", str(config.times.token_ms))]
    for peer in peers:
        if peer.member:
            addresses = " ".join(f"r({link}) ip({address})" for link, (address, _) in enumerate(peer.links))
            keys.append((f"runtime.members.{peer.node}.ip", "str", addresses))
            keys.append((f"runtime.members.{peer.node}.status", "str", "joined"))
    keys.append(("runtime.votequorum.this_node_id", "u32", str(config.local)))
    keys.append(("runtime.votequorum.lowest_node_id", "u32", str(min((p.node for p in peers if p.member), default=config.local))))
    keys.append(
        ("runtime.votequorum.highest_node_id", "u32", str(max((p.node for p in peers if p.member), default=config.local)))
    )
    keys.append(("runtime.votequorum.two_node", "u8", str(int("2Node" in quorum.flags))))
    keys.append(("runtime.votequorum.wait_for_all_status", "u8", str(int("WaitForAll" in quorum.flags and not quorum.quorate))))
    return keys


def names_of(config: EngineConfig, nodes: Container[NodeId]) -> tuple[str, ...]:
    """Peers as people know them: by name, or by the first address."""
    named = [node for node in config.peers if node.id in nodes]
    return tuple(node.name or next((a[0] for a in node.addresses if a), str(node.id)) for node in named)
