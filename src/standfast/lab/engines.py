"""Clusters on each of the three engines, in the lab: what each needs on its hosts, and a client of the cluster layer on every
one.

Owns: files and start of the engines' daemons (ours, corosync, etcd), the clients and what they were told. Does not own: what is
promised (lab/contract.py), what is measured (tools).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from standfast.base.ids import US_PER_MS, NodeId
from standfast.config import model as config_model
from standfast.engine.api import (
    ClientAbsent,
    ClientEvent,
    Delivered,
    Pulse,
    Quorum,
    QuorumChanged,
    Stable,
    View,
    ViewId,
    ViewInstalled,
)
from standfast.engine.provider import PROMISES
from standfast.lab import files
from standfast.lab.contract import History, Life
from standfast.lab.lab import Host, Lab, wait_until

ENGINES = ("embedded", "corosync", "etcd")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
STORE = "etcd"
"""The host that etcd runs on, beside the nodes."""

COROSYNC_TOKEN_MS, ETCD_TTL_S = 1000, 3
LEASE_MS = config_model.LEASE_MS
ETCD_ARGV = ("etcd", "--data-dir", "/var/lib/standfast/etcd", "--listen-peer-urls", "http://127.0.0.1:2380",
             "--initial-advertise-peer-urls", "http://127.0.0.1:2380", "--initial-cluster", "default=http://127.0.0.1:2380",
             "--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000")  # fmt: skip


def missing(engine: str) -> str:
    """Why it cannot run here; "" when it can."""
    command = {"embedded": "", "corosync": "corosync", "etcd": "etcd"}[engine]
    if not command or shutil.which(command, path=SYSTEM_PATH):
        return ""
    return f"{command} not found: apt-get install {'etcd-server' if engine == 'etcd' else 'corosync'}"


def own_section(engine: str, etcd_address: str, ttl_s: int = ETCD_TTL_S) -> str:
    """`standfast { }` for corosync.conf; nothing for the embedded engine, which is the default."""
    if engine == "embedded":
        return ""
    etcd = f"  etcd {{\n    endpoints: http://{etcd_address}:2379\n    ttl: {ttl_s}\n  }}\n" if engine == "etcd" else ""
    return f"standfast {{\n  engine: {engine}\n{etcd}}}\n"


def start_daemons(engine: str, host: Host, log: Path) -> None:
    """What must run on a node beside Standfast's own processes."""
    if engine == "corosync":
        host.type("mkdir -p /var/lib/corosync /var/log/corosync; chmod 1777 /dev/shm")
        host.start(["/usr/sbin/corosync", "-f"], log)


def start_store(engine: str, host: Host, log: Path) -> None:
    """etcd on its host; waits until it answers."""
    if engine != "etcd":
        return
    url = f"http://{host.address}:2379"
    host.start([*ETCD_ARGV, "--listen-client-urls", url, "--advertise-client-urls", url], log)
    probe = f"import urllib.request as u; u.urlopen('{url}/health', timeout=1)"
    wait_until("etcd is up", lambda: not host.run([sys.executable, "-c", probe], check=False).returncode, 20, 0.2)


def conf(engine: str, lab: Lab, nodes: list[str]) -> str:
    """corosync.conf of a cluster of these hosts, plain and unencrypted for corosync itself (the lab's network is nobody
    else's)."""
    entries = "".join(
        f"  node {{\n{_addresses(lab.hosts[name])}    nodeid: {n}\n    name: {name}\n  }}\n" for n, name in enumerate(nodes, 1)
    )
    etcd_address = lab.hosts[STORE].address if STORE in lab.hosts else ""
    transport = "transport: udpu" if engine == "corosync" else "transport: knet"
    return (
        f"totem {{\n  version: 2\n  cluster_name: lab\n  {transport}\n  token: {COROSYNC_TOKEN_MS}\n  token_coefficient: 0\n}}\n"
        f"nodelist {{\n{entries}}}\nquorum {{\n  provider: corosync_votequorum\n}}\n"
        f"logging {{\n  to_stderr: yes\n  to_syslog: no\n}}\n" + own_section(engine, etcd_address)
    )


def _addresses(host: Host) -> str:
    return "".join(f"    ring{link}_addr: {address}\n" for link, address in enumerate((host.address, *host.further)))


class Client:
    """One client process on a host, and what it was told: lives in a History."""

    def __init__(self, host: Host, node: NodeId, history: History, log: Path) -> None:
        self.host, self.node = host, node
        self._history = history
        self.life: Life = history.begin(node)
        self.filled: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        argv = ["env", f"PATH={host.path}", sys.executable, "-m", "standfast.lab.line_client", "-c", files.CONF_PATH]
        self._errors = log.open("ab")
        self.process = subprocess.Popen(
            host.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, bufsize=1
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def send(self, line: str) -> None:
        """A line of lab/line_client.py's protocol."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def say(self, text: str) -> None:
        """Broadcast."""
        self.life.sent.append(text.encode())
        self.send(f"say {text}")

    def leave(self) -> None:
        """Leave politely, and end."""
        self.life.left_us = time.monotonic_ns() // 1000
        self.send("leave")
        time.sleep(0.3)
        self.send("quit")
        self.end(10)

    def end(self, wait_s: float) -> None:
        """Wait for its end; then it is killed."""
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._finish()

    def kill(self) -> None:
        """kill -9, of the client and not of the nsenter in front of it."""
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self._finish()

    def _finish(self) -> None:
        self.process.wait()
        self._thread.join(5)
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            with contextlib.suppress(OSError, BrokenPipeError):
                if stream is not None:
                    stream.close()
        self.life.is_over = True

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            fields = json.loads(line)
            with self._lock:
                if fields["kind"] == "lost":
                    self.life.is_over = True
                    self.life = self._history.begin(self.node)
                elif fields["kind"] == "filled":
                    self.filled.append(fields)
                else:
                    self.life.events.append((fields["at_us"], event_of(fields)))


def event_of(fields: dict[str, Any]) -> ClientEvent:
    """A printed line as the event that it was."""
    view = ViewId(fields.get("seq", 0), NodeId(fields.get("coordinator", 0)))
    place, reason = fields.get("place", 0), fields.get("reason", "")
    match fields["kind"]:
        case "view":
            along = None if fields["transitional"] is None else tuple(fields["transitional"])
            lists = (tuple(fields["members"]), tuple(fields["joined"]), tuple(fields["left"]), along)
            return ViewInstalled(View(view, *lists), Quorum(fields["quorate"], 0, 0, 0, reason))
        case "quorum":
            return QuorumChanged(Quorum(fields["quorate"], 0, 0, 0, reason))
        case "delivered":
            return Delivered(view, place, NodeId(fields["sender"]), fields["payload"].encode())
        case "stable":
            return Stable(view, place)
        case "absent":
            return ClientAbsent(view, place, NodeId(fields["node"]))
    return Pulse(fields["until_us"])


class Cluster:
    """Nodes with one engine and a client each. Use as a context manager; `check` holds all of it to the contract."""

    def __init__(self, engine: str, count: int = 3, links: int = 1) -> None:
        self.engine = engine
        self.names = [f"n{n}" for n in range(1, count + 1)]
        self.lab = Lab([*self.names, *([STORE] if engine == "etcd" else [])], links=links)
        self.history = History(PROMISES[engine], LEASE_MS * US_PER_MS, client_holds=engine != "embedded")
        self.clients: dict[str, Client] = {}
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        key, text = os.urandom(files.KEY_BYTES), conf(self.engine, self.lab, self.names)
        if self.engine == "etcd":
            start_store(self.engine, self.lab.hosts[STORE], self.log(STORE))
        for name in self.names:
            host = self.lab.hosts[name]
            host.write(files.CONF_PATH, text.encode())
            host.write(files.KEY_PATH, key, 0o400)
            start_daemons(self.engine, host, self.log(name))
            if self.engine == "embedded":
                host.start(["standfast", "engine"], self.log(name))
            self.attach(name)

    def log(self, name: str) -> Path:
        """What the daemons of a host print."""
        return self.lab.folder / f"{name}.out"

    def attach(self, name: str) -> Client:
        """A client on this host, in a new life."""
        node = NodeId(self.names.index(name) + 1)
        self.clients[name] = Client(self.lab.hosts[name], node, self.history, self.log(f"{name}-client"))
        return self.clients[name]

    def restart_engine(self, name: str) -> None:
        """The embedded engine leaves with its client: start another."""
        if self.engine == "embedded":
            self.lab.hosts[name].start(["standfast", "engine"], self.log(name))

    def views(self) -> dict[str, tuple[int, ...]]:
        """The members that each client sees."""
        return {name: c.life.view.members if c.life.view is not None else () for name, c in self.clients.items()}

    def agree(self, *names: str, timeout_s: float = 30.0) -> float:
        """Wait until these, and nobody else, are a view in their own eyes, by one number; returns the seconds."""
        members = tuple(self.names.index(name) + 1 for name in names)

        def agreed() -> bool:
            found = [self.clients[name].life.view for name in names]
            return all(v is not None and v.members == members for v in found) and len({v.id for v in found if v is not None}) == 1

        return wait_until(f"{self.engine}: a view of {', '.join(names)}, not {self.views()}", agreed, timeout_s)

    def wait(self, what: str, condition: Callable[[], bool], timeout_s: float = 20.0) -> float:
        """Wait for anything else."""
        return wait_until(f"{self.engine}: {what}", condition, timeout_s)

    def check(self) -> None:
        """Hold everything that was seen to the contract."""
        self.history.check()

    def close(self) -> None:
        """Take it all down."""
        for client in self.clients.values():
            if client.process.poll() is None:
                client.kill()
        self.lab.close()
