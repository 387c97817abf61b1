"""The composition root: joins the pure machines with runtime. `standfast node | engine | manager` come here.

Exit codes: 0 left in order; 1 a fault, worth starting again; 78 a configuration that starting again would not mend.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, Report, Severity, notice
from standfast.config.authkey import key_of_text
from standfast.config.cmap import cmap_keys
from standfast.config.model import ClusterConfig, NodeConfig
from standfast.config.model import QuorumConfig as QuorumSection
from standfast.controller.effects import Stop
from standfast.engine.effects import Address
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.engine.quorum.settings import QuorumSettings, TieBreaker
from standfast.engine.settings import EngineConfig, Times
from standfast.engine.settings import NodeConfig as EngineNode
from standfast.executor.environment import Settings
from standfast.runtime import host
from standfast.runtime.cluster_line import ClusterLine
from standfast.runtime.durable import make_folder
from standfast.runtime.logs import Log
from standfast.runtime.roster import Roster
from standfast.runtime.supervisor import NO_RESTART, Child, Supervisor

if TYPE_CHECKING:
    from standfast.openstack.arbiter import Arbiter

ADMIN_GROUP = "haclient"
FENCE_OPENSTACK = "fence_openstack"
"""Its members may use the local API as root may (Pacemaker's name for them)."""

UDP_HEADERS_BYTES = 48  # IPv6 and UDP; IPv4 needs 20 fewer
ENGINE_STATE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a node's files are; each can be set by an option and by an environment variable."""

    config: Path
    run_dir: Path
    state_dir: Path


@dataclass(frozen=True, slots=True)
class Start:
    """What every daemon needs to know before it begins."""

    paths: Paths
    config: ClusterConfig
    node: NodeConfig
    name: str


def main(subcommand: str, argv: list[str]) -> int:
    """Run `node`, `engine` or `manager` to its end; returns the exit code."""
    lives: dict[str, Callable[[Start], int]] = {"node": run_node, "engine": run_engine, "manager": run_manager}
    paths = paths_of(subcommand, argv)
    try:
        return lives[subcommand](prepare(paths))
    except Refused as refusal:
        for report in refusal.reports:
            print(f"standfast {subcommand}: {report.severity}: {report.sentence()}", file=sys.stderr)  # noqa: T201
        return NO_RESTART if refusal.exit_code == host.EXIT_CONFIG else 1


def prepare(paths: Paths) -> Start:
    """Read the configuration and find out which node this is. Raises Refused."""
    config = host.load_config(paths.config)
    node = host.this_node(config)
    make_folder(paths.run_dir, 0o755)
    make_folder(paths.state_dir, 0o750)
    return Start(paths, config, node, node.name or host.uname())


def run_node(start: Start) -> int:
    """Both daemons in the foreground, started again when they die. Each is imported before its first fork: the engine is on its
    way to a view while the manager's rooms are still being read."""
    log = Log(start.config.logging, "MAIN")
    children = [Child("manager", lambda: _life(run_manager, start), _import_manager)]
    if start.config.own.engine == "embedded":
        children.insert(0, Child("engine", lambda: _life(run_engine, start), _import_engine))
    code = Supervisor(children, log.report).run()
    log.close()
    return code


def _import_engine() -> None:
    import standfast.runtime.engine_host  # noqa: F401


def _import_manager() -> None:
    import standfast.runtime.manager_host
    import standfast.runtime.planner  # noqa: F401


def run_engine(start: Start) -> int:
    """Membership, order and quorum, until left. Nothing at all where Corosync or etcd is the cluster layer."""
    if start.config.own.engine != "embedded":
        log = Log(start.config.logging, "TOTEM")
        why = f"engine: {start.config.own.engine} is the cluster layer, and the manager talks to it itself"
        log.report(notice("engine.not-needed", "there is nothing to do for an engine here", why))
        log.close()
        host.notify_ready()
        return 0
    from standfast.engine.embedded import Engine
    from standfast.runtime.engine_host import EngineHost
    from standfast.runtime.keyfiles import KeyFiles
    from standfast.runtime.reloading import Reloading

    keys = None if start.config.totem.key else KeyFiles(Path(start.config.totem.keyfile))
    ring = KeyRing(AuthKey(key_of_text(start.config.totem.key))) if keys is None else keys.ring()
    folder = start.paths.state_dir / "engine"
    make_folder(folder)
    engine = Engine(engine_config(start, ring), os.urandom, _remembered(folder))
    binds = tuple(address for address in _addresses(start.config, start.node) if address is not None)
    log = Log(start.config.logging, "TOTEM")
    for report in (*start.config.notices, *host.protect_engine(start.config.system.sched_rr)):
        log.report(report)
    admin_gid = host.group_id(ADMIN_GROUP)
    engine_host = EngineHost(
        engine,
        binds,
        folder,
        start.paths.run_dir,
        log.report,
        Reloading(start.config, start.node.id, lambda: host.load_config(start.paths.config), log.reconfigure),
        log.reopen,
        admin_gid,
        _arbiter(start),
        keys,
    )

    async def serve() -> Report:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, engine_host.leave)
        loop.add_signal_handler(signal.SIGHUP, log.reopen)
        host.notify_ready()
        return await engine_host.run()

    last = asyncio.run(serve())
    log.report(last)
    log.close()
    return 1 if last.severity in (Severity.ERROR, Severity.CRITICAL) else 0


def run_manager(start: Start) -> int:
    """CIB, decisions, resources and the local API, until stopped."""
    from standfast.node import Node, NodeSettings
    from standfast.runtime.holdings import Holdings
    from standfast.runtime.manager_host import ManagerHost, read_journal
    from standfast.runtime.planner import fork_planner

    planner = fork_planner(start.paths.state_dir / "pengine")
    boot = uuid.uuid4()
    log = Log(start.config.logging, "CRM")
    settings = NodeSettings(
        id=start.node.id,
        name=start.name,
        boot=str(boot),
        cluster_name=start.config.totem.cluster_name,
        parallel_max=2 * (os.cpu_count() or 1),
        admin_gid=host.group_id(ADMIN_GROUP),
        adopted=Holdings(start.paths.run_dir).read(),
        agents=_agents(start),
        peers=_peers(start),
    )
    node = Node(settings, read_journal(start.paths.state_dir, start.node.id, boot.int >> 64))
    for report in start.config.notices if start.config.own.engine != "embedded" else ():
        log.report(report)
    line = cluster_line(start, log.report, log.reopen, settings.admin_gid)
    manager = ManagerHost(node, start.paths.run_dir, start.paths.state_dir, planner, line, log.report, settings.admin_gid)

    async def serve() -> Stop:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, log.reopen)
        host.notify_ready()
        return await manager.run()

    last = asyncio.run(serve())
    log.close()
    return last.exit_code


def cluster_line(
    start: Start, tell: Callable[[Report], None], reopen_logs: Callable[[], None], admin_gid: int | None
) -> ClusterLine:
    """The manager's line to the cluster layer that the file names. Raises Refused where that lacks something."""
    if start.config.own.engine == "embedded":
        from standfast.runtime.ring_line import RingLine

        return RingLine(start.paths.run_dir, tell)
    from standfast.runtime.provider_tools import ProviderTools

    folder = start.paths.state_dir / "engine"
    make_folder(folder)
    tools = ProviderTools(start.paths.run_dir, reopen_logs, admin_gid)
    if start.config.own.engine == "etcd":
        from standfast.runtime.etcd_client import Access
        from standfast.runtime.etcd_line import EtcdLine

        etcd = start.config.own.etcd
        access = Access(etcd.ca_file, etcd.cert_file, etcd.key_file, etcd.user, etcd.password_file)
        nodes = roster(start)
        return EtcdLine(nodes, etcd.endpoints, etcd.prefix, etcd.ttl_s, access, folder, os.urandom, tools, tell)
    from standfast.runtime.corosync_line import CorosyncLine

    return CorosyncLine(roster(start), start.config.own.lease_given_ms, folder, tools, tell)


def roster(start: Start) -> Roster:
    """The nodes of the file, for a provider that has its own idea of them."""
    nodes = start.config.nodelist
    return Roster(
        cluster_name=start.config.totem.cluster_name,
        local=start.node.id,
        transport=start.config.totem.transport,
        names={node.id: start.name if node.id == start.node.id else node.name for node in nodes},
        votes={node.id: node.votes for node in nodes},
        addresses={node.id: tuple(address for _, address in node.addresses) for node in nodes},
    )


def _peers(start: Start) -> tuple[str, ...]:
    """The addresses of the other nodes: their silence proves nothing about this node's own network."""
    others = (node for node in start.config.nodelist if node.id != start.node.id)
    found = []
    for _link, address in (place for node in others for place in node.addresses):
        with contextlib.suppress(ValueError):  # a name that could not be resolved
            found.append(str(ip_address(address)))
    return tuple(found)


def _agents(start: Start) -> Settings:
    """What every agent is told: where our own tools are, which socket they talk to, and the log of `logging { }`."""
    commands = str(Path(sys.argv[0]).resolve().parent)
    target = start.config.logging.target
    own = Path(commands) / FENCE_OPENSTACK
    return Settings(
        start.name,
        path=f"{commands}:{Settings(start.name).path}",
        sbin_dir=commands,
        own_fence_agents=((FENCE_OPENSTACK, str(own)),) if own.exists() else (),
        log_facility=target.syslog_facility if target.to_syslog else "none",
        log_file=target.logfile if target.to_logfile else "",
        debug=target.debug != "off",
        extra=(("STANDFAST_RUN_DIR", str(start.paths.run_dir)),),
    )


def engine_config(start: Start, keys: KeyRing) -> EngineConfig:
    """The engine's settings, out of corosync.conf."""
    config = start.config
    return EngineConfig(
        cluster_name=config.totem.cluster_name,
        local=start.node.id,
        nodes=tuple(
            EngineNode(node.id, start.name if node.id == start.node.id else node.name, _addresses(config, node), node.votes)
            for node in config.nodelist
        ),
        keys=keys,
        quorum=quorum_settings(config.quorum),
        times=Times(token_ms=config.silence_ms_max, floor_ms=config.own.silence_floor_ms, lease_ms=config.own.lease_ms),
        mtu_bytes=max(512, config.totem.netmtu - UDP_HEADERS_BYTES) if config.totem.netmtu else 1400,
        priorities=tuple(link.priority for link in config.totem.links),
        transport=config.totem.transport,
        cmap=cmap_keys(config, start.node),
    )


def quorum_settings(section: QuorumSection) -> QuorumSettings:
    """The quorum rules, out of `quorum { }`."""
    words = section.auto_tie_breaker_node.split()
    breaker: TieBreaker = "highest" if words == ["highest"] else "lowest"
    if words and all(word.isdigit() for word in words):
        breaker = tuple(NodeId(int(word)) for word in words)
    return QuorumSettings(
        expected_votes=section.expected_votes or 0,
        two_node=section.two_node,
        wait_for_all=section.wait_for_all,
        last_man_standing=section.last_man_standing,
        last_man_standing_window_ms=section.last_man_standing_window_ms,
        auto_tie_breaker=section.auto_tie_breaker,
        auto_tie_breaker_node=breaker,
        allow_downscale=section.allow_downscale,
        expected_votes_tracking=section.expected_votes_tracking,
        device_votes=1 if section.device is not None and section.device.model == "openstack" else 0,
    )


def _arbiter(start: Start) -> Arbiter | None:
    """The third opinion, where corosync.conf names it."""
    device = start.config.quorum.device
    if device is None or device.model != "openstack":
        return None
    from standfast.openstack.arbiter import Arbiter, Lock

    given = dict(device.settings)
    where = given["openstack.cloud"], given["openstack.network"], given["openstack.address"]
    life = f"{start.config.totem.cluster_name}:{os.urandom(8).hex()}"
    return Arbiter(Lock(*where, hold_ms=int(given.get("openstack.hold", 15_000))), start.name, life)


def _life(run: Callable[[Start], int], start: Start) -> int:
    """A supervised child's life: a refusal is told in the log, because nobody may be looking at the terminal."""
    try:
        return run(start)
    except Refused as refusal:
        log = Log(start.config.logging, "MAIN")
        for report in refusal.reports:
            log.report(report)
        log.close()
        return NO_RESTART if refusal.exit_code == host.EXIT_CONFIG else 1


def _addresses(config: ClusterConfig, node: NodeConfig) -> tuple[Address | None, ...]:
    by_link = dict(node.addresses)
    links = max((link for member in config.nodelist for link, _ in member.addresses), default=0) + 1
    return tuple((by_link[link], config.port(link)) if link in by_link else None for link in range(links))


def _remembered(folder: Path) -> dict[str, bytes]:
    """What an earlier life of the engine stored; a file that was half written aside (`.new`) does not count."""
    return {
        path.name: path.read_bytes()[:ENGINE_STATE_BYTES_MAX]
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix != ".new"
    }


def paths_of(subcommand: str, argv: list[str]) -> Paths:
    """Where the files are, as the command line and the environment say."""
    parser = argparse.ArgumentParser(prog=f"standfast {subcommand}", description=run_node.__doc__)
    env = os.environ
    parser.add_argument("-c", "--config", default=env.get("STANDFAST_CONFIG", "/etc/corosync/corosync.conf"), metavar="FILE")
    parser.add_argument("--run-dir", default=env.get("STANDFAST_RUN_DIR", "/run/standfast"), metavar="DIR")
    parser.add_argument("--state-dir", default=env.get("STANDFAST_STATE_DIR", "/var/lib/standfast"), metavar="DIR")
    given = parser.parse_args(argv)
    return Paths(Path(given.config), Path(given.run_dir), Path(given.state_dir))
