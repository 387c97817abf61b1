"""What a corosync.conf says, as typed values. Everything is frozen and bounded; nothing past the parser sees the text.

Where the file says nothing, the defaults are ours. This is the one table of them:

| what | ours | Corosync 3.1 | why |
|---|---|---|---|
| totem.token | 1000 ms | 3000 ms | detection is direct; there it is token + consensus |
| totem.token_coefficient | 0 ms | 650 ms | the number of nodes does not slow direct heartbeats |
| standfast.silence_floor_ms | 375 ms | - | the adaptive bound follows what was observed, between this and token |
| standfast.lease_ms | 1750 ms | - | longer than the bound, shorter than the kernel's lease of an address (2 s) |
| totem.interface.mcastport | 5405 + link | 5405 + link | the same |
| quorum.*, logging.* | as Corosync | | the same |
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Report
from standfast.config.tree import Section

TOKEN_MS = 1000
TOKEN_COEFFICIENT_MS = 0
TOKEN_WARNING_PERCENT = 75
SILENCE_FLOOR_MS = 375
LEASE_MS = 1750
PORT_FIRST = 5405
LINKS_MAX = 8
KEYFILE = "/etc/corosync/authkey"


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """One link: `port` is the UDP port of every node on it; a higher `priority` is preferred in passive mode."""

    number: int
    port: int
    bindnetaddr: str = ""
    priority: int = 1


@dataclass(frozen=True, slots=True)
class TotemConfig:
    """`totem { }`. `token_ms` is the longest silence before a node of a two-node cluster is lost; see
    ClusterConfig.silence_ms_max for the bound of this cluster."""

    cluster_name: str = ""
    config_version: int = 0
    transport: str = "knet"
    token_ms: int = TOKEN_MS
    token_coefficient_ms: int = TOKEN_COEFFICIENT_MS
    token_warning_percent: int = TOKEN_WARNING_PERCENT
    ip_version: str = "ipv6-4"
    ip_dscp: int = 0
    keyfile: str = KEYFILE
    key: str = ""
    link_mode: str = "passive"
    netmtu: int = 0
    clear_node_high_bit: bool = False
    block_unlisted_ips: bool = True
    links: tuple[LinkConfig, ...] = (LinkConfig(0, PORT_FIRST),)


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One `node { }`. `addresses` are (link, address) by link number: an IP address wherever it could be had, else the name as
    written. `name` is "" where the file has none (such a node is known by its `uname -n`). `position` counts from 0."""

    id: NodeId
    name: str
    addresses: tuple[tuple[int, str], ...]
    votes: int
    position: int

    def address(self, link: int) -> str | None:
        """The address on a link, None where it has none."""
        return dict(self.addresses).get(link)


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """`quorum { device { } }`: kept for the day a device is asked; `settings` are (path below device, value)."""

    model: str
    votes: int | None
    timeout_ms: int
    sync_timeout_ms: int
    master_wins: bool
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class QuorumConfig:
    """`quorum { }`. `provider` "" means that quorum is not asked for: every partition may act. `expected_votes` None means
    the sum of the nodelist. `auto_tie_breaker_node` is lowest, highest, or ids joined by blanks."""

    provider: str = ""
    expected_votes: int | None = None
    two_node: bool = False
    wait_for_all: bool = False
    auto_tie_breaker: bool = False
    auto_tie_breaker_node: str = "lowest"
    last_man_standing: bool = False
    last_man_standing_window_ms: int = 10_000
    allow_downscale: bool = False
    expected_votes_tracking: bool = False
    device: DeviceConfig | None = None


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where lines go and which. `debug` is off, on or trace; priorities are syslog's words."""

    to_stderr: bool = True
    to_logfile: bool = False
    to_syslog: bool = True
    logfile: str = ""
    logfile_priority: str = "info"
    syslog_facility: str = "daemon"
    syslog_priority: str = "info"
    debug: str = "off"


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """`logging { }`: the general target, and those of single subsystems: (subsystem in capitals, target), where a target
    repeats what its section does not change. `daemons` are (daemon, subsystem or "", target)."""

    target: LogTarget = LogTarget()
    timestamp: str = "hires"
    subsystems: tuple[tuple[str, LogTarget], ...] = ()
    daemons: tuple[tuple[str, str, LogTarget], ...] = ()

    def of(self, subsystem: str, daemon: str = "corosync") -> LogTarget:
        """The target for a subsystem of a daemon: the most particular section that fits."""
        name = subsystem.upper()
        for wanted, sub, target in reversed(self.daemons):
            if wanted == daemon and sub == name:
                return target
        for sub, target in reversed(self.subsystems):
            if sub == name:
                return target
        for wanted, sub, target in reversed(self.daemons):
            if wanted == daemon and not sub:
                return target
        return self.target


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """`system { }` and `resources { }`: real-time priority, watchdog."""

    sched_rr: bool = True
    priority: str = "max"
    watchdog_device: str = "off"
    watchdog_timeout_s: int = 6


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """`standfast { etcd { } }`: where etcd is and how to be let in."""

    endpoints: tuple[str, ...] = ()
    prefix: str = ""
    ttl_s: int = 5
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    user: str = ""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class OwnConfig:
    """`standfast { }`: what Corosync has no word for. `lease_given_ms` is None where the file leaves the lease to the engine."""

    engine: str = "embedded"
    silence_floor_ms: int = SILENCE_FLOOR_MS
    lease_ms: int = LEASE_MS
    lease_given_ms: int | None = None
    etcd: EtcdConfig = EtcdConfig()


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A whole file. `tree` is what was written, so that nothing is lost; `unknown` are (path, value) that no table knows;
    `notices` are to be said once, each on a line. Two configurations are equal when they mean the same.

    Invariant (`check`): node ids, names and addresses are unique, and each link of the nodelist is in `totem.links`."""

    totem: TotemConfig
    nodelist: tuple[NodeConfig, ...]
    quorum: QuorumConfig
    logging: LoggingConfig
    system: SystemConfig
    own: OwnConfig
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    tree: Section = field(default=Section("", ()), compare=False)
    notices: tuple[Report, ...] = field(default=(), compare=False)

    @property
    def silence_ms_max(self) -> int:
        """The longest silence before a node is lost: token + (n - 2) x token_coefficient, as corosync.conf(5) defines it."""
        return self.totem.token_ms + max(0, len(self.nodelist) - 2) * self.totem.token_coefficient_ms

    @property
    def expected_votes(self) -> int:
        """Votes of the whole cluster: as written, else the sum of the nodelist."""
        return self.quorum.expected_votes or sum(node.votes for node in self.nodelist)

    def node(self, node_id: int) -> NodeConfig | None:
        """The node with this id."""
        return next((node for node in self.nodelist if node.id == node_id), None)

    def port(self, link: int) -> int:
        """The UDP port of a link of the nodelist."""
        return next(entry.port for entry in self.totem.links if entry.number == link)

    def check(self) -> None:
        """The invariant."""
        ids = [node.id for node in self.nodelist]
        names = [node.name for node in self.nodelist if node.name]
        places = [place for node in self.nodelist for place in node.addresses]
        for unique in (ids, names, places):
            assert len(set(unique)) == len(unique)
        links = {link.number for link in self.totem.links}
        assert {link for link, _ in places} <= links
