"""One class a stack, all driven alike: Standfast, and beside it the real Corosync with Pacemaker, and keepalived.

Owns: the files each needs on the lab's hosts, how it is started, asked and told to move. Does not own: what is measured.
The commands of a stack are found by the host's PATH: ours stand beside this Python, Debian's in /usr/sbin.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from standfast.base.report import Refused
from standfast.client.connection import Connection
from standfast.lab import engines, files
from standfast.lab.lab import VIP, Host, Lab, path_of_commands, wait_until

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ONLINE_S = 90.0


class Stack:
    """What keeps the failover IP alive on the hosts of a lab. `prepare`, `boot`, `configure`; then faults; the lab ends it."""

    name = ""
    title = ""
    manager_process = ""
    """The process whose kill -9 is the next of kin to that of Standfast's manager; "" where there is none."""
    settle_s = 2.0
    """How long it is left alone before each fault."""
    others: tuple[str, ...] = ()
    """Hosts that it needs beside the cluster's nodes."""

    def __init__(self, lab: Lab, path: str = SYSTEM_PATH) -> None:
        self.lab = lab
        for host in lab.hosts.values():
            host.path = path

    @classmethod
    def missing(cls) -> str:
        """Why it cannot run here; "" when it can."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write the files of every host."""
        raise NotImplementedError

    def boot(self) -> None:
        """Start the daemons of all hosts at once, as power-on does; returns without waiting."""
        for host in self.lab.hosts.values():
            self.boot_host(host)

    def boot_host(self, host: Host) -> None:
        """Start the daemons of one host."""
        raise NotImplementedError

    def configure(self) -> None:
        """Wait until all nodes are online, then type the configuration in."""

    def is_settled(self) -> bool:
        """Whether all nodes are online in the eyes of each of them."""
        return True

    def move(self, source: str, target: str) -> None:
        """A planned move, as typed."""
        raise NotImplementedError

    def unmove(self) -> None:
        """Take back what `move` left in the configuration."""

    def one_shot(self) -> list[str]:
        """The command of a one-shot tool that writes a node attribute, but for the value; empty where there is none."""
        return []

    def kill_all(self, host: Host) -> None:
        """kill -9 of everything on a host, and nobody starts it again."""
        host.signal_all(signal.SIGKILL)

    def log(self, host: Host) -> Path:
        """Where a host's daemons write what they print."""
        return self.lab.folder / f"{host.name}.out"


class _OnCorosyncConf(Stack):
    """What reads corosync.conf, an authkey and crm's grammar."""

    def prepare(self) -> None:
        """corosync.conf, authkey, and the crm text."""
        key = os.urandom(files.KEY_BYTES)
        for host in self.lab.hosts.values():
            host.write(files.CONF_PATH, files.COROSYNC_CONF.encode())
            host.write(files.KEY_PATH, key, 0o400)
            host.write(files.CRM_PATH, files.CRM.encode())

    def one_shot(self) -> list[str]:
        """`crm_attribute`."""
        return ["crm_attribute", "-t", "nodes", "-N", self._first().name, "-n", "bench", "-v"]

    def _first(self) -> Host:
        return next(iter(self.lab.hosts.values()))


class Standfast(_OnCorosyncConf):
    """This project, on the files of lab/files.py."""

    name = "standfast"
    title = "Standfast"
    manager_process = "sf-manager"

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, path_of_commands())

    @classmethod
    def missing(cls) -> str:
        """Never: it is us."""
        return ""

    def boot_host(self, host: Host) -> None:
        """`standfast node`."""
        host.start(["standfast", "node"], self.log(host))

    def configure(self) -> None:
        """`crm configure load update` on the first node."""
        wait_until("all nodes online", self.is_settled, ONLINE_S)
        self._first().type(f"crm configure load update {files.CRM_PATH}")

    def is_settled(self) -> bool:
        """Every manager sees every node online. Raises RuntimeError, with its last words, when a daemon has ended by itself."""
        if all(len(online(host)) == len(self.lab.hosts) for host in self.lab.hosts.values()):
            return True
        for host in self.lab.hosts.values():
            if host.daemons and (code := host.daemons[-1].poll()) is not None:
                words = self.log(host).read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{host.name}: standfast node ended with exit code {code}:\n{words}")
        return False

    def move(self, source: str, target: str) -> None:
        """`crm resource migrate`."""
        self.lab.hosts[source].type(f"crm resource migrate ha-vip {target}")

    def unmove(self) -> None:
        """`crm resource unmigrate`."""
        self._first().type("crm resource unmigrate ha-vip")


class OnCorosync(Standfast):
    """The same on the real Corosync, with Corosync's own defaults."""

    title = "Standfast on Corosync"
    engine = "corosync"

    @classmethod
    def missing(cls) -> str:
        """Debian's daemon of that engine."""
        return engines.missing(cls.engine)

    def prepare(self) -> None:
        """The same files, and `standfast { }`."""
        super().prepare()
        place = self.lab.others[engines.STORE].address if engines.STORE in self.lab.others else ""
        text = files.COROSYNC_CONF + engines.own_section(self.engine, place)
        for host in self.lab.hosts.values():
            host.write(files.CONF_PATH, text.encode())
        for host in self.lab.others.values():
            engines.start_store(self.engine, host, self.log(host))

    def boot_host(self, host: Host) -> None:
        """The engine's own daemon, and `standfast node`."""
        engines.start_daemons(self.engine, host, self.log(host))
        super().boot_host(host)


class OnEtcd(OnCorosync):
    """The same on an etcd that runs on a third host."""

    title = "Standfast on etcd"
    engine = "etcd"
    others = (engines.STORE,)


ON_ENGINES: dict[str, type[Standfast]] = {"embedded": Standfast, "corosync": OnCorosync, "etcd": OnEtcd}


class Pacemaker(_OnCorosyncConf):
    """Debian's corosync and pacemaker, on the same files."""

    name = "pacemaker"
    title = "Pacemaker + Corosync"
    manager_process = "pacemaker-controld"

    @classmethod
    def missing(cls) -> str:
        """Debian's packages, and a user of its own."""
        lacking = [name for name in ("corosync", "pacemakerd", "crm") if not _has(name)]
        if lacking:
            return f"{', '.join(lacking)} not found: apt-get install corosync pacemaker crmsh resource-agents"
        with contextlib.suppress(OSError):
            if len(Path("/proc/self/uid_map").read_text().split()) == 3 and _is_mapped(1):
                return ""
        return "its daemons run as a user of their own, which a user namespace does not have: needs root"

    def prepare(self) -> None:
        """The same files, and the folders that Debian's packages make."""
        super().prepare()
        folders = "/var/lib/corosync /var/log/corosync /var/log/pacemaker /var/log/crmsh /run/crm /var/lib/pacemaker"
        kinds = " ".join(f"/var/lib/pacemaker/{kind}" for kind in ("cib", "pengine", "blackbox", "cores"))
        for host in self.lab.hosts.values():
            host.type(f"mkdir -p {folders} {kinds}; chown -R hacluster:haclient /var/lib/pacemaker /run/crm /var/log/pacemaker")
            host.type("chmod 1777 /dev/shm")

    def boot_host(self, host: Host) -> None:
        """corosync, then pacemakerd."""
        host.start(["sh", "-c", "corosync; sleep 0.5; exec pacemakerd"], self.log(host))

    def configure(self) -> None:
        """`crm configure load update`, forced: crmsh warns of options that Pacemaker sets itself."""
        wait_until("all nodes online", self.is_settled, ONLINE_S, 0.1)
        self._first().type(f"crm -F configure load update {files.CRM_PATH}")

    def is_settled(self) -> bool:
        """crm_mon names all nodes online."""
        wanted = f"Online: [ {' '.join(sorted(self.lab.hosts))} ]"
        return all(wanted in host.type("crm_mon -1", check=False) for host in self.lab.hosts.values())

    def move(self, source: str, target: str) -> None:
        """`crm_resource --move`: what crmsh runs, without its second of start."""
        self.lab.hosts[source].type(f"crm_resource -r ha-vip -M -N {target}")

    def unmove(self) -> None:
        """`crm_resource --clear`."""
        self._first().type("crm_resource -r ha-vip -U")


class Keepalived(Stack):
    """VRRP between the two hosts, unicast, one advertisement a second (its default)."""

    name = "keepalived"
    title = "keepalived"
    settle_s = 4.0

    @classmethod
    def missing(cls) -> str:
        """Debian's package."""
        return "" if _has("keepalived") else "keepalived not found: apt-get install keepalived"

    def prepare(self) -> None:
        """The first host has the higher priority; nobody preempts."""
        for place, host in enumerate(self.lab.hosts.values()):
            self._write(host, 100 - place, preempt=False)

    def boot_host(self, host: Host) -> None:
        """`keepalived` in the foreground."""
        host.start(["keepalived", "-n", "-l", "-D"], self.log(host))

    def move(self, source: str, target: str) -> None:
        """A higher priority for the target and a lower one for the source, and SIGHUP."""
        for name, priority in ((source, 90), (target, 200)):
            self._write(self.lab.hosts[name], priority, preempt=True)
        self._reload(target)

    def unmove(self) -> None:
        """Nobody preempts again."""
        time.sleep(0.5)
        for host in self.lab.hosts.values():
            self._write(host, 200 if host.holds() else 90, preempt=False)
            self._reload(host.name)

    def _reload(self, name: str) -> None:
        host = self.lab.hosts[name]
        for pid in host.named("keepalived")[:1]:
            os.kill(pid, signal.SIGHUP)

    def _write(self, host: Host, priority: int, *, preempt: bool) -> None:
        peers = "\n".join(f"    {peer.address}" for peer in self.lab.hosts.values() if peer is not host)
        text = f"""global_defs {{
  router_id {host.name}
  vrrp_version 3
  vrrp_garp_master_repeat 5
}}
vrrp_instance V {{
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority {priority}
  advert_int 1
  {"" if preempt else "nopreempt"}
  unicast_src_ip {host.address}
  unicast_peer {{
{peers}
  }}
  virtual_ipaddress {{
    {VIP}/32 dev eth0
  }}
}}
"""
        host.write("/etc/keepalived/keepalived.conf", text.encode())


STACKS: dict[str, type[Stack]] = {stack.name: stack for stack in (Standfast, Pacemaker, Keepalived)}


def online(host: Host) -> list[str]:
    """The nodes that this host's manager sees online; none while it does not answer. Costs no process."""
    try:
        with Connection("manager", run_dir=f"/proc/{host.pid}/root/run/standfast", timeout_s=2.0) as manager:
            nodes = manager.call("status")["situation"]["nodes"]
    except (Refused, OSError, ValueError):
        return []
    return sorted(node["name"] for node in nodes if node["online"])


def _has(command: str) -> bool:
    return shutil.which(command, path=SYSTEM_PATH) is not None


def _is_mapped(uid: int) -> bool:
    first, _, count = (int(word) for word in Path("/proc/self/uid_map").read_text().split()[:3])
    return first <= uid < first + count
