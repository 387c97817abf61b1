"""`standfast config check [FILE]`: reads a corosync.conf and says everything that is to say about it, starting nothing."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence

from standfast.base.report import Refused, Report, error
from standfast.config.model import ClusterConfig
from standfast.config.parse import parse_config
from standfast.config.tree import FILE_BYTES_MAX
from standfast.tools.options import option, parse_options
from standfast.tools.running import run_tool, say

DEFAULT_FILE = "/etc/corosync/corosync.conf"
EXIT_CONFIG = 78
EXIT_NO_INPUT = 66

HELP = """\
usage: standfast config check [--json] [FILE]

Reads FILE (default /etc/corosync/corosync.conf, - for standard input) as the daemon would: errors with line and column,
unknown keys, keys without effect, and the cluster that results. Exit code 0 when the daemon would start with it, else 78.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on the words after `config check`."""
    return run_tool("standfast config check", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, (option("json", "json"), option("help", "h", "help")))
    if "help" in options:
        say(HELP)
        return 0
    path = options.rest[0] if options.rest else DEFAULT_FILE
    data = _read(path)
    config: ClusterConfig | None = None
    try:
        config = parse_config(data, path, resolve_name)
        reports: tuple[Report, ...] = config.notices
    except Refused as refused:
        reports = refused.reports
    if "json" in options:
        say(json.dumps({"ok": config is not None, "reports": [_plain(report) for report in reports]}, indent=2) + "\n")
    else:
        for report in reports:
            say(f"{report.severity}: {report.sentence()}\n")
        say(
            summary(config) if config else f"{path}: {len(reports)} error{'s' * (len(reports) > 1)}; the daemon would not start\n"
        )
    return 0 if config else EXIT_CONFIG


def _read(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        with open(path, "rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        report = error("config.unreadable", f"the file {path} cannot be read", fault.strerror or str(fault))
        raise Refused(report, exit_code=EXIT_NO_INPUT) from None


def resolve_name(name: str, ip_version: str) -> str | None:
    """The address of a host name as this host resolves it, in the order that totem.ip_version wants; None when unknown."""
    families = {"ipv4": [4], "ipv6": [6], "ipv6-4": [6, 4], "ipv4-6": [4, 6]}[ip_version]
    for family in families:
        try:
            wanted = socket.AF_INET if family == 4 else socket.AF_INET6
            return str(socket.getaddrinfo(name, None, wanted, socket.SOCK_DGRAM)[0][4][0])
        except OSError:
            continue
    return None


def summary(config: ClusterConfig) -> str:
    """The cluster in a few lines."""
    votes, needed = config.expected_votes, config.expected_votes // 2 + 1
    lines = [
        f"cluster {config.totem.cluster_name or '(no name)'}: {len(config.nodelist)} nodes, {votes} votes, quorum "
        + (("1 (two_node)" if config.quorum.two_node else str(needed)) if config.quorum.provider else "not asked for")
    ]
    for node in config.nodelist:
        places = ", ".join(f"{address} port {config.port(link)}" for link, address in node.addresses)
        lines.append(f"  node {node.id} {node.name or '(named by its uname -n)'}: {places}")
    silence = f"{config.own.silence_floor_ms} to {config.silence_ms_max} ms"
    lines.append(f"a silent node is lost after {silence}; membership is confirmed for {config.own.lease_ms} ms")
    return "\n".join(lines) + "\n"


def _plain(report: Report) -> dict[str, str]:
    return {name: str(getattr(report, name)) for name in ("code", "severity", "what", "why", "remedy", "where")}
