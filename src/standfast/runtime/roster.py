"""The nodes as corosync.conf lists them, and a foreign provider's state laid out over them for corosync-quorumtool and the
others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.api import EngineStatus, PeerStatus, Quorum, View


@dataclass(frozen=True, slots=True)
class Roster:
    """The nodes as configured: names, votes and addresses by node."""

    cluster_name: str
    local: NodeId
    transport: str
    names: Mapping[NodeId, str]
    votes: Mapping[NodeId, int]
    addresses: Mapping[NodeId, tuple[str, ...]] = field(default_factory=dict)

    def status(
        self,
        view: View | None,
        quorum: Quorum | None,
        reachable: Mapping[NodeId, bool],
        cmap: Sequence[tuple[str, str, str]],
        votes: Mapping[NodeId, int],
    ) -> EngineStatus:
        """The provider's state as the tools print it. `reachable`: its daemon counts the node in, whether its manager is or
        not."""
        members = () if view is None else view.members
        peers = tuple(
            PeerStatus(
                node=node,
                name=name,
                votes=votes.get(node, self.votes[node]),
                member=node in members or reachable.get(node, False),
                reachable=node in members or reachable.get(node, False),
                links=tuple((address, node in members or reachable.get(node, False)) for address in self.addresses.get(node, ())),
                silent_ms=0,
                bound_ms=0,
                rtt_us=0,
            )
            for node, name in sorted(self.names.items())
        )
        none = Quorum(quorate=False, votes=0, votes_needed=0, expected_votes=0, reason="there is no view")
        return EngineStatus(
            local=self.local,
            cluster_name=self.cluster_name,
            transport=self.transport,
            view=view,
            quorum=quorum or none,
            peers=peers,
            client_attached=view is not None,
            cmap=tuple(cmap),
        )
