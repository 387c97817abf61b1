"""A switch, hosts and a client: 172.16.0.0/24, and nothing beyond it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from standfast.lab.probe import Probe, Responder
from standfast.lab.spaces import Space
from standfast.lab.watch import HolderWatch

VIP = "172.16.0.100"
CLIENT_IP = "172.16.0.200"

# A host's own /etc and /var, written to memory; what is below stays as this machine has it. /run and /dev/shm are empty.
# The folders made in the upper layer first belong to us there, also where this machine's own belong to a root that we are not.
# What this machine has of a cluster of its own is covered, not removed, for the same reason.
_FILES = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /dev/shm
covered="etc/corosync var/log/corosync var/lib/standfast var/lib/corosync var/lib/pacemaker"
cd /run; mkdir -p lab/etc-work lab/var-work lock resource-agents standfast
for folder in $covered; do mkdir -p lab/$folder; done
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/lab/etc,workdir=/run/lab/etc-work,userxattr /etc
mount -t overlay overlay -o lowerdir=/var,upperdir=/run/lab/var,workdir=/run/lab/var-work,userxattr /var
for folder in $covered; do mount -t tmpfs -o mode=755 tmpfs /$folder; done
"""


class Host(Space):
    """One machine of the lab: own network, files, processes and name."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name, host=True)
        self.address = address
        self.further: list[str] = []
        """Its addresses on the networks beyond the first."""
        self.path = path_of_commands()
        self.run(["sh", "-c", _FILES])
        self.responder: Responder | None = None
        self.daemons: list[subprocess.Popen[bytes]] = []

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """A file of this host."""
        script = 'umask 077; mkdir -p "$(dirname "$0")"; cat > "$0"; chmod "$1" "$0"'
        command = self.command(["sh", "-c", script, path, f"{mode:o}"])
        subprocess.run(command, input=content, check=True, timeout=30)

    def read(self, path: str) -> str:
        """What a file of this host says."""
        return self.run(["cat", path]).stdout

    def read_bytes(self, path: str) -> bytes:
        """A file of this host, as it is."""
        return subprocess.run(self.command(["cat", path]), check=True, capture_output=True, timeout=30).stdout

    def start(self, argv: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a daemon inside, its output to `log` (a file of the outside)."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command(["env", f"PATH={self.path}", *argv]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.daemons.append(process)
        return process

    def type(self, line: str, *, check: bool = True, stdin: str | None = None) -> str:
        """What a person types on this host; returns what it printed (both streams)."""
        env = {"PATH": self.path, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
        done = self.run(["sh", "-c", f"exec 2>&1; {line}"], check=check, stdin=stdin, env=env)
        return done.stdout

    def holds(self, address: str = VIP) -> bool:
        """Whether the kernel of this host has the address."""
        return f" {address}/" in self.run(["ip", "-o", "addr"]).stdout

    def close(self) -> None:
        """Power off."""
        if self.responder is not None:
            self.responder.close()
        super().close()
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()


class Lab:
    """`with Lab(["test-node-1", "test-node-2"]) as lab:` - everything in it is gone afterwards."""

    def __init__(self, names: list[str], client: str = "client", others: tuple[str, ...] = (), links: int = 1) -> None:
        """`names` are the cluster's nodes; `others` are hosts beside it (an etcd), in `self.others`. With more `links` than one
        the nodes have as many networks between them, each with a switch of its own: `cut_link`."""
        self.folder = Path(tempfile.mkdtemp(prefix="standfast-lab-"))
        self._open: list[Space] = []
        try:
            self.switch = self._opened(Space("switch", host=False))
            self.switch.run(["ip", "link", "add", "br0", "type", "bridge"])
            self.switch.run(["ip", "link", "set", "br0", "up"])
            self.hosts = {name: self._host(name, f"172.16.0.{10 * (n + 1)}") for n, name in enumerate(names)}
            self.others = {name: self._host(name, f"172.16.0.{150 + n}") for n, name in enumerate(others)}
            self.client = self._opened(Space(client, host=False))
            self._plug(self.client, CLIENT_IP)
            for link in range(1, links):
                self._further(link)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def probe(self, vip: str = VIP) -> Probe:
        """Start answering on all hosts and asking from the client."""
        for host in self.hosts.values():
            if host.responder is None:
                host.responder = Responder(host)
        return Probe(self.client, vip)

    def watch(self, vip: str = VIP) -> HolderWatch:
        """Follow on all hosts which kernel has the address."""
        return HolderWatch(self.hosts, vip)

    def holders(self, vip: str = VIP) -> list[str]:
        """Hosts whose kernel has the address now."""
        return [name for name, host in self.hosts.items() if host.holds(vip)]

    def cut(self, name: str) -> None:
        """The host falls silent at once: its port at the switch goes down."""
        self.switch.run(["ip", "link", "set", f"p-{name}", "down"])

    def silence(self, name: str) -> None:
        """The switch forwards nothing from or to the host, whose own link stays up: nothing tells it but silence."""
        self.switch.run(["ip", "link", "set", f"p-{name}", "nomaster"])

    def hear(self, name: str) -> None:
        """The switch forwards again."""
        self.switch.run(["ip", "link", "set", f"p-{name}", "master", "br0"])

    def heal(self, name: str, port_s: float = 0) -> None:
        """Its port comes back, and forwards so much later, as a switch's does."""
        if port_s:
            self.silence(name)
        self.switch.run(["ip", "link", "set", f"p-{name}", "up"])
        if port_s:
            time.sleep(port_s)
            self.hear(name)

    def cut_link(self, name: str, link: int, *, healed: bool = False) -> None:
        """The switch of one of the networks forwards nothing from or to the host, or does again."""
        port, bridge = _port(name, link), f"br{link}"
        self.switch.run(["ip", "link", "set", port, *(("master", bridge) if healed else ("nomaster",))])

    def close(self) -> None:
        """Take everything down."""
        for space in reversed(self._open):
            space.close()
        self._open.clear()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

    def _host(self, name: str, address: str) -> Host:
        host = Host(name, address)
        self._open.append(host)
        self._plug(host, address)
        return host

    def _opened(self, space: Space) -> Space:
        self._open.append(space)
        return space

    def _plug(self, space: Space, address: str) -> None:
        self._wire(space, 0, address)

    def _further(self, link: int) -> None:
        """One more network between all the nodes."""
        self.switch.run(["ip", "link", "add", f"br{link}", "type", "bridge"])
        self.switch.run(["ip", "link", "set", f"br{link}", "up"])
        for host in self.hosts.values():
            host.further.append(f"172.16.{link}.{host.address.rpartition('.')[2]}")
            self._wire(host, link, host.further[-1])

    def _wire(self, space: Space, link: int, address: str) -> None:
        port, card = _port(space.name, link), f"eth{link}"
        self.switch.run(["ip", "link", "add", port, "type", "veth", "peer", "name", card, "netns", str(space.pid)])
        self.switch.run(["ip", "link", "set", port, "master", f"br{link}", "up"])
        space.run(["ip", "addr", "add", f"{address}/24", "brd", "+", "dev", card])
        space.run(["ip", "link", "set", card, "up"])


def _port(name: str, link: int) -> str:
    """What the switch calls its end of the wire."""
    return f"p-{name}"[:15] if link == 0 else f"p{link}-{name}"[:15]


def path_of_commands() -> str:
    """Where the project's commands are: beside the Python that runs this, before everything else."""
    return f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"


def wait_until(what: str, condition: object, timeout_s: float, interval_s: float = 0.02) -> float:
    """Wait until `condition()` is true; returns the seconds waited, raises TimeoutError naming `what`."""
    assert callable(condition)
    start_s = time.monotonic()
    while not condition():
        if time.monotonic() - start_s > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(interval_s)
    return time.monotonic() - start_s


def is_possible() -> bool:
    """Whether this process may make namespaces (root, or root of a user namespace)."""
    return os.geteuid() == 0 and shutil.which("unshare") is not None and shutil.which("setpriv") is not None
