"""What the embedded engine is told: nodes, addresses, keys, votes and the times it goes by. Frozen, checked once.

Owns: defaults and limits of the engine's times. Does not own: corosync.conf (config/), which is mapped onto this.
"""

from __future__ import annotations

from dataclasses import field, fields

from standfast.base.dataclass import dataclass
from standfast.base.ids import NODES_MAX, US_PER_MS, NodeId
from standfast.base.report import Refused, error
from standfast.engine.effects import Address
from standfast.engine.links.keys import KeyRing
from standfast.engine.links.links import LinksConfig
from standfast.engine.quorum.settings import QuorumSettings

TIME_MS_MAX = 3_600_000

HEARTBEATS_OLD = 2
"""A pulse rests on a heartbeat sent so many pauses, at most, before the last sign of life of the peer that answered it."""


@dataclass(frozen=True, slots=True)
class Times:
    """All times of the engine, in milliseconds.

    `heartbeat_ms` between two heartbeats to a peer; `suspect_ms` of silence and it is probed every `probe_ms`; it is lost when
    the silence reaches its bound, which adapts between `floor_ms` and `token_ms`. `lease_ms`: see pulse.py; it should exceed
    the bound (and `frozen_us_max` by what a heartbeat's answer may be old), or a lone survivor's pulse may lapse before the view
    without its peer is installed. `client_first_ms`: how long
    the first manager may take to come after the engine's start; `client_grace_ms`: how long it may be away before the others are
    told; `client_silence_ms`: how long it may leave pulses unanswered.
    """

    heartbeat_ms: int = 125
    suspect_ms: int = 187
    probe_ms: int = 25
    floor_ms: int = 375
    token_ms: int = 1000
    lease_ms: int = 1750
    client_first_ms: int = 5000
    client_grace_ms: int = 1500
    client_silence_ms: int = 3000

    bound_us_max: int = field(init=False)
    """The longest silence before a peer is lost: the user's token."""

    frozen_us_max: int = field(init=False)
    """The longest silence of a peer whose kernel answers: half as much again as `token`, as far as the lease bears it."""

    bound_us_min: int = field(init=False)
    """The shortest; a token below the floor lowers it, because the user asked for that."""

    suspect_us: int = field(init=False)
    """Silence that makes a peer suspect: never more than half of the lowest bound, so that there is time to probe."""

    heartbeat_us: int = field(init=False)
    """Pause between heartbeats: one and a half fit into the silence that makes suspect, at least."""

    probe_us: int = field(init=False)
    """Pause between probes of a suspect."""

    lease_us: int = field(init=False)
    """How far a pulse reaches beyond its evidence."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.init and not 1 <= getattr(self, each.name) <= TIME_MS_MAX:
                raise Refused(error("engine.time", f"{each.name} {getattr(self, each.name)} is not 1 .. {TIME_MS_MAX}"))
        bound_us_min = min(self.floor_ms, self.token_ms) * US_PER_MS
        suspect_us = min(self.suspect_ms * US_PER_MS, bound_us_min // 2)
        heartbeat_us = min(self.heartbeat_ms * US_PER_MS, suspect_us * 2 // 3)
        bound_us_max, lease_us = self.token_ms * US_PER_MS, self.lease_ms * US_PER_MS
        derived = {
            "bound_us_max": bound_us_max,
            "frozen_us_max": max(bound_us_max, min(bound_us_max * 3 // 2, lease_us - HEARTBEATS_OLD * heartbeat_us)),
            "bound_us_min": bound_us_min,
            "suspect_us": suspect_us,
            "heartbeat_us": heartbeat_us,
            "probe_us": min(self.probe_ms * US_PER_MS, bound_us_min // 12),
            "lease_us": lease_us,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)  # worked out once: the detector reads them for every packet


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One node of the nodelist; `addresses` by link number (None: the node has no such link)."""

    id: NodeId
    name: str
    addresses: tuple[Address | None, ...]
    votes: int = 1


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything the engine is told. `nodes` holds the local one too. Raises Refused for contradictions.

    `mtu_bytes` is the largest UDP payload. `transport` and `cmap` are only shown (EngineStatus).
    """

    cluster_name: str
    local: NodeId
    nodes: tuple[NodeConfig, ...]
    keys: KeyRing
    quorum: QuorumSettings = field(default_factory=QuorumSettings)
    times: Times = field(default_factory=Times)
    mtu_bytes: int = 1400
    priorities: tuple[int, ...] = ()
    transport: str = "udpu"
    cmap: tuple[tuple[str, str, str], ...] = ()

    def __post_init__(self) -> None:
        ids = [node.id for node in self.nodes]
        if len(set(ids)) != len(ids):
            raise Refused(error("engine.same-id", "two nodes have the same nodeid", remedy="give each node its own nodeid"))
        if self.local not in ids:
            raise Refused(error("engine.not-listed", f"node {self.local} is not in the nodelist"))
        if len(ids) > NODES_MAX:
            raise Refused(error("engine.nodes", f"{len(ids)} nodes, {NODES_MAX} is the limit"))

    @property
    def me(self) -> NodeConfig:
        """The local node."""
        return next(node for node in self.nodes if node.id == self.local)

    @property
    def peers(self) -> tuple[NodeConfig, ...]:
        """The other nodes, sorted by id."""
        return tuple(sorted((node for node in self.nodes if node.id != self.local), key=lambda node: node.id))

    def links(self) -> LinksConfig:
        """The part that the links are told."""
        return LinksConfig(
            local=self.local,
            cluster_name=self.cluster_name,
            peers={node.id: node.addresses for node in self.peers},
            local_addresses=self.me.addresses,
            keys=self.keys,
            mtu_bytes=self.mtu_bytes,
            priorities=self.priorities,
        )
