"""Several resolvers moved through partitions, as corosync-vqsim moves its nodes."""

from __future__ import annotations

from collections.abc import Mapping

from standfast.base.ids import US_PER_MS, NodeId
from standfast.engine.api import Quorum
from standfast.engine.quorum.settings import QuorumSettings
from standfast.engine.quorum.votequorum import VoteQuorum
from standfast.engine.quorum.votes import Remembered


class Cluster:
    """Nodes in numbered partitions; a partition whose members change installs a new view at each of them."""

    def __init__(self, votes: Mapping[int, int], settings: QuorumSettings | None = None, *, starts: bool = True) -> None:
        self.votes = {NodeId(node): count for node, count in votes.items()}
        self.settings = settings or QuorumSettings()
        self.now_us = 0
        self.nodes: dict[NodeId, VoteQuorum] = {}
        self.partition: dict[NodeId, int] = {}
        self.kept: dict[NodeId, Remembered] = {}
        for node in self.votes if starts else ():
            self.up(node)

    def view(self, *partitions: int) -> None:
        """Every member of these partitions installs its view, from what all said before it."""
        for partition in sorted(set(partitions)):
            members = tuple(sorted(node for node in self.nodes if self.partition[node] == partition))
            told = {node: self.nodes[node].announce() for node in members}
            for node in members:
                self.nodes[node].installed(self.now_us, members, told)
                self.nodes[node].check()
                self.kept[node] = self.nodes[node].remember()

    def up(self, node: int, partition: int = 0) -> None:
        """Start a node; what it remembered is there again."""
        name = NodeId(node)
        self.nodes[name] = VoteQuorum(self.settings, name, self.votes, self.kept.get(name))
        self.partition[name] = partition
        self.view(partition)

    def down(self, *nodes: int) -> None:
        """Nodes die."""
        touched = [self.partition.pop(NodeId(node)) for node in nodes]
        for node in nodes:
            del self.nodes[NodeId(node)]
        self.view(*touched)

    def move(self, nodes: tuple[int, ...], partition: int) -> None:
        """Nodes find themselves in another partition."""
        touched = [self.partition[NodeId(node)] for node in nodes]
        self.partition.update({NodeId(node): partition for node in nodes})
        self.view(*touched, partition)

    def join(self, into: int, other: int) -> None:
        """Two partitions see each other."""
        self.partition.update({node: into for node, partition in self.partition.items() if partition == other})
        self.view(into)

    def wait(self, ms: int) -> None:
        """Time passes."""
        self.now_us += ms * US_PER_MS
        for quorum in self.nodes.values():
            quorum.elapsed(self.now_us)
            quorum.check()

    def adjust(self, partition: int, verb: str, node: int, value: int) -> None:
        """An operator's order reaches every member of a partition."""
        for member, quorum in self.nodes.items():
            if self.partition[member] == partition:
                quorum.adjust(verb, NodeId(node), value)
                quorum.check()

    def at(self, node: int) -> Quorum:
        """What one node says."""
        return self.nodes[NodeId(node)].current

    def quorate_partitions(self) -> list[int]:
        """Partitions in which any node is quorate."""
        return sorted({self.partition[node] for node, quorum in self.nodes.items() if quorum.current.quorate})

    def shown(self) -> str:
        """`1+ 2+ | 3-`: partitions by number, node ids, quorate or not."""
        partitions: dict[int, list[str]] = {}
        for node in sorted(self.nodes):
            mark = "+" if self.nodes[node].current.quorate else "-"
            partitions.setdefault(self.partition[node], []).append(f"{node}{mark}")
        return " | ".join(" ".join(partitions[partition]) for partition in sorted(partitions))
