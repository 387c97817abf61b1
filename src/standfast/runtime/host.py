"""What this host is and has: its names and addresses, its configuration files, its memory and priority. IO without decisions."""

from __future__ import annotations

import contextlib
import ctypes
import grp
import os
import resource
import socket
from pathlib import Path

from standfast.base.report import Refused, Report, Severity, error
from standfast.config.authkey import KEY_BYTES_MAX, check_authkey, unreadable_authkey
from standfast.config.model import ClusterConfig, NodeConfig
from standfast.config.nodes import local_node
from standfast.config.parse import parse_config

CONFIG_BYTES_MAX = 1 << 20
EXIT_CONFIG = 78
REAL_TIME_US_MAX = 2_000_000
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def load_config(path: Path) -> ClusterConfig:
    """Read and parse corosync.conf; host names in it are resolved here. Raises Refused."""
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as fault:
        remedy = "write it (docs/tutorial.md has one), or name another with -c"
        raise Refused(
            error("config.unreadable", f"cannot read {path}", fault.strerror or str(fault), remedy), exit_code=EXIT_CONFIG
        ) from None
    return parse_config(data, str(path), resolve)


def resolve(name: str, ip_version: str) -> str | None:
    """The address of a host name, by totem.ip_version's preference (ipv4, ipv6, ipv4-6, ipv6-4); None when it is not known."""
    order = {"ipv4": (4,), "ipv6": (6,), "ipv4-6": (4, 6)}.get(ip_version, (6, 4))
    for version in order:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with contextlib.suppress(OSError):
            found = socket.getaddrinfo(name, None, family, socket.SOCK_DGRAM)
            return str(found[0][4][0])
    return None


def this_node(config: ClusterConfig) -> NodeConfig:
    """The node of the nodelist that is this host. Raises Refused with the addresses that were looked for."""
    listed = [address for node in config.nodelist for _, address in node.addresses]
    return local_node(config, [address for address in listed if has_address(address)], uname())


def has_address(address: str) -> bool:
    """Whether this host has the address: whether a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True


def uname() -> str:
    """`uname -n`: the name of a node that the file gives none."""
    return os.uname().nodename


def group_id(name: str) -> int | None:
    """The number of a group, None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def load_key(path: Path) -> bytes:
    """Read the cluster's key and check that it may be trusted. Raises Refused with the remedy."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise unreadable_authkey(str(path), fault.strerror or "", missing=isinstance(fault, FileNotFoundError)) from None
    with open(handle, "rb") as file:
        status = os.fstat(file.fileno())
        return check_authkey(file.read(KEY_BYTES_MAX + 1), status.st_mode, status.st_uid, os.geteuid(), str(path))


def protect_engine(real_time: bool) -> tuple[Report, ...]:
    """Lock the engine's memory and give it real-time priority where allowed; what is not allowed is said, not an error."""
    reports = []
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        reports.append(_unprotected("memory cannot be locked", os.strerror(ctypes.get_errno()), "LimitMEMLOCK=infinity"))
    if real_time:
        try:
            # Whatever goes wrong, it must not take the host's processor for good: after this time without a pause SIGXCPU ends
            # the engine (setrlimit(2), RLIMIT_RTTIME), and its supervisor starts it again.
            resource.setrlimit(resource.RLIMIT_RTTIME, (REAL_TIME_US_MAX, REAL_TIME_US_MAX))
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except OSError as fault:
            reports.append(_unprotected("no real-time priority", fault.strerror or str(fault), "LimitRTPRIO=99, or sched_rr: no"))
    return tuple(reports)


def notify_ready() -> None:
    """Tell systemd that the service is up (sd_notify(3), READY=1); nothing where there is no systemd."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(b"READY=1", "\0" + where[1:] if where.startswith("@") else where)


def _unprotected(what: str, why: str, remedy: str) -> Report:
    return Report("engine.unprotected", Severity.INFO, f"the engine runs, but {what}", why, f"allow it: {remedy}")
