"""The failover IP on the real kernel: hosts in network namespaces on one bridge, real leases, real ARP, real neighbours."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.live

VIP, VIP6 = "172.16.77.100", "fd77::100"
SEED = {"ip": VIP, "cidr_netmask": "32", "arp_count": "10", "arp_count_refresh": "5"}
NODES = {"a": 10, "b": 20, "c": 200}
DRIVER = Path(__file__).with_name("ip_driver.py")
WATCHER = """
import sys, time
ip, last = sys.argv[1], None
while True:
    mac = next((l.split()[3] for l in open("/proc/net/arp") if l.split()[0] == ip), None)
    if mac != last:
        print(time.monotonic(), mac, flush=True)
        last = mac
    time.sleep(0.0005)
"""


def sh(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{words}: {done.stderr}")
    return done.stdout


class Node:
    """A host: its namespace, and the driver that runs in it."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.process: subprocess.Popen[str] | None = None
        self.said: list[dict[str, Any]] = []
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.runs = 0

    def ip(self, *words: str, check: bool = True) -> str:
        return sh("ip", "-n", self.namespace, *words, check=check)

    def mac(self) -> str:
        link = json.loads(self.ip("-j", "link", "show", "eth0"))
        return str(link[0]["address"])

    def addresses(self, ip: str = VIP) -> list[dict[str, Any]]:
        links = json.loads(self.ip("-j", "addr"))
        return [a | {"dev": link["ifname"]} for link in links for a in link["addr_info"] if a["local"] == ip]

    def drive(self, *wrapper: str) -> Node:
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *wrapper, sys.executable, str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        self.wait("ready")
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.put(json.loads(line))

    def tell(self, **command: Any) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def ask(self, action: str, parameters: dict[str, str] = SEED, **more: bool) -> int:
        self.runs += 1
        self.tell(operate={"run": self.runs, "action": action, "parameters": parameters, **more})
        return self.runs

    def wait(self, kind: str, timeout: float = 15, **like: Any) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                break
            self.said.append(line)
            if line["kind"] == kind and all(line.get(k) == v for k, v in like.items()):
                return line
        raise AssertionError(f"{self.namespace} never said {kind} {like}: {self.said[-20:]}")

    def hear_all(self) -> list[dict[str, Any]]:
        while True:
            try:
                self.said.append(self.lines.get_nowait())
            except queue.Empty:
                return self.said

    def start(self, parameters: dict[str, str] = SEED, **more: bool) -> dict[str, Any]:
        return self.wait("Done", run=self.ask("start", parameters, **more))

    def stop(self) -> dict[str, Any]:
        return self.wait("Done", run=self.ask("stop"))

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)  # `ip netns exec` becomes the driver itself

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()


@pytest.fixture
def lab() -> Iterator[dict[str, Node]]:
    """Three hosts on one switch: a and b may hold the address, c is a client or a stranger."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    tag = f"sfip{os.getpid()}"
    switch = f"{tag}sw"
    nodes = {name: Node(tag + name) for name in NODES}
    try:
        sh("ip", "netns", "add", switch)
    except (RuntimeError, FileNotFoundError) as fault:
        pytest.skip(f"cannot make network namespaces: {fault}")
    try:
        sh("ip", "-n", switch, "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", switch, "link", "set", "br0", "up")
        for name, host in NODES.items():
            sh("ip", "netns", "add", tag + name)
            sh("ip", "-n", switch, "link", "add", f"p{name}", "type", "veth", "peer", "name", "eth0", "netns", tag + name)
            sh("ip", "-n", switch, "link", "set", f"p{name}", "master", "br0", "up")
            nodes[name].ip("link", "set", "lo", "up")
            nodes[name].ip("link", "set", "eth0", "up")
            nodes[name].ip("addr", "add", f"172.16.77.{host}/24", "brd", "+", "dev", "eth0")
            nodes[name].ip("addr", "add", f"fd77::{host}/64", "nodad", "dev", "eth0")
        yield nodes
    finally:
        for node in nodes.values():
            node.end()
        for namespace in (switch, *(n.namespace for n in nodes.values())):
            sh("ip", "netns", "del", namespace, check=False)


def measured(what: str, value: object) -> None:
    """Shown by pytest -rP."""
    print(f"measured {what}: {value}")


def until(true: Callable[[], bool], timeout: float = 5) -> float:
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "it never came true"
    return time.monotonic()


def test_take_renew_and_stop(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    begin = time.monotonic()
    done = a.start()
    measured("start_ms", round(1000 * (done["at"] - begin)))
    assert done["rc"] == 0, done
    assert done["at"] - begin < 0.3, "80 ms of silence, and slack for a busy machine"
    (copy,) = a.addresses()
    assert copy["prefixlen"] == 32
    assert copy["valid_life_time"] <= 2
    time.sleep(3.5)
    assert len(a.addresses()) == 1, "renewed"
    a.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    a.ip("addr", "add", f"{VIP}/16", "dev", "lo")
    assert a.stop()["rc"] == 0
    assert a.addresses() == []


def test_the_kernel_ends_a_frozen_nodes_lease(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    assert a.start()["rc"] == 0
    time.sleep(1)
    a.signal(signal.SIGSTOP)
    time.sleep(0.05)
    last = max(line["at"] for line in a.hear_all() if line["kind"] == "PutAddress")
    gone = until(lambda: not a.addresses())
    measured("expiry_s", round(gone - last, 2))
    assert 1.9 < gone - last < 3.6
    a.signal(signal.SIGCONT)
    changed = a.wait("Changed")
    assert "paused" in changed["reason"]
    time.sleep(1.5)
    assert a.addresses() == [], "never put back after a pause"


def test_deleted_by_hand_comes_back(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    assert a.start()["rc"] == 0
    time.sleep(0.7)
    gaps = []
    for _ in range(4):
        a.hear_all()
        a.ip("addr", "del", f"{VIP}/32", "dev", "eth0")
        deleted = time.monotonic()
        assert a.wait("Tell", code="ip.deleted")
        gaps.append(a.wait("PutAddress")["at"] - deleted)
        time.sleep(0.1)
    measured("put_back_ms", [round(1000 * gap, 1) for gap in gaps])
    assert sorted(gaps)[1] < 0.05
    assert len(a.addresses()) == 1


def test_evidence_lost_drops_it(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    assert a.start()["rc"] == 0
    a.tell(revoke="quorum was lost")
    assert a.wait("Changed")["reason"] == "quorum was lost"
    until(lambda: not a.addresses(), 0.5)


def test_carrier_lost_is_told_at_once(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    assert a.start()["rc"] == 0
    switch = a.namespace[:-1] + "sw"
    cut = time.monotonic()
    sh("ip", "-n", switch, "link", "set", "pa", "down")
    changed = a.wait("Changed")
    assert "no carrier" in changed["reason"]
    assert changed["at"] - cut < 1.5, "the kernel itself may debounce the carrier for a second"
    assert a.addresses() == []


def test_a_stranger_is_refused_and_undisturbed(lab: dict[str, Node]) -> None:
    a, c = lab["a"].drive(), lab["c"]
    c.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    done = a.start()
    assert done["rc"] == 1
    assert c.mac() in done["reason"]
    assert a.addresses() == []
    assert len(c.addresses()) == 1
    assert not [line for line in a.said if line["kind"] in ("Announce", "PutAddress")]


def test_a_clients_arp_cache_follows(lab: dict[str, Node]) -> None:
    a, b, c = lab["a"].drive(), lab["b"].drive(), lab["c"]
    assert a.start()["rc"] == 0
    sh("ip", "netns", "exec", c.namespace, "ping", "-c1", "-W2", VIP)
    watch = subprocess.Popen(
        ["ip", "netns", "exec", c.namespace, sys.executable, "-c", WATCHER, VIP], stdout=subprocess.PIPE, text=True
    )
    try:
        assert watch.stdout is not None
        assert a.mac() in watch.stdout.readline()
        assert a.stop()["rc"] == 0
        assert b.start(handover=True)["rc"] == 0
        put = next(line["at"] for line in b.hear_all() if line["kind"] == "PutAddress")
        at, mac = watch.stdout.readline().split()
        assert mac == b.mac()
        measured("arp_switch_ms", round(1000 * (float(at) - put), 1))
        assert float(at) - put < 0.05
    finally:
        watch.kill()
        watch.communicate()


def test_a_frozen_holder_is_waited_out_and_never_two_hold(lab: dict[str, Node]) -> None:
    a, b = lab["a"].drive(), lab["b"].drive()
    assert a.start()["rc"] == 0
    time.sleep(1.2)
    frozen = time.monotonic()
    a.signal(signal.SIGSTOP)
    run = b.ask("start")
    both = 0
    end = time.monotonic() + 6
    while time.monotonic() < end:
        held = (bool(a.addresses()), bool(b.addresses()))  # a first: seen on a and then on b would be two at once
        both += all(held)
        if held == (False, True):
            break
    done = b.wait("Done", run=run)
    measured("frozen_takeover_s", round(done["at"] - frozen, 2))
    assert done["rc"] == 0, done
    assert not both
    a.signal(signal.SIGCONT)
    time.sleep(1)
    assert a.addresses() == []
    assert len(b.addresses()) == 1


def test_ipv6(lab: dict[str, Node]) -> None:
    a, b, c = lab["a"].drive(), lab["b"].drive(), lab["c"]
    parameters = {"ip": VIP6}
    begin = time.monotonic()
    done = a.start(parameters)
    assert done["rc"] == 0, done
    assert done["at"] - begin < 0.3
    (copy,) = a.addresses(VIP6)
    assert copy["prefixlen"] == 64
    assert not copy.get("tentative")
    time.sleep(2.5)
    routes = json.loads(a.ip("-j", "-6", "route", "show", "fd77::/64"))
    assert not [r for r in routes if "expires" in r], "the shared prefix route must not inherit the lease"
    sh("ip", "netns", "exec", c.namespace, "ping", "-6", "-c1", "-W2", VIP6)
    assert a.mac() in c.ip("-6", "neigh", "show", VIP6)
    refused = b.ask("start", parameters)  # a renews: b must never take it
    time.sleep(1)
    assert b.addresses(VIP6) == []
    a.signal(signal.SIGKILL)
    assert b.wait("Done", run=refused)["rc"] == 0
    assert a.addresses(VIP6) == []
    until(lambda: b.mac() in c.ip("-6", "neigh", "show", VIP6), 1)


@pytest.mark.parametrize("neighbour", ["172.16.77.200", "fd77::200"])
def test_cut_off_behind_a_switch_it_is_suspended_and_comes_back(lab: dict[str, Node], neighbour: str) -> None:
    """The only neighbour is known by one family alone; a survey by that family must tell whether it is there."""
    a, switch = lab["a"].drive(), lab["a"].namespace[:-1] + "sw"
    sh("ip", "netns", "exec", a.namespace, "ping", "-c1", "-W2", neighbour)
    assert a.start({"ip": VIP6} if ":" in neighbour else SEED)["rc"] == 0
    a.tell(doubt=True)
    time.sleep(4)
    assert not [line for line in a.hear_all() if line["kind"] == "Changed"], "in company"
    sh("ip", "-n", switch, "link", "set", "pa", "nomaster")
    cut = time.monotonic()
    changed = a.wait("Changed", rc=190)
    measured("suspended_s", round(changed["at"] - cut, 2))
    assert neighbour in changed["reason"]
    assert changed["at"] - cut < 4.5, "two seconds to the next survey, one for it, and slack"
    assert a.addresses() == a.addresses(VIP6) == []
    assert a.wait("Done", run=a.ask("monitor", {"ip": VIP6} if ":" in neighbour else SEED))["rc"] == 190
    sh("ip", "-n", switch, "link", "set", "pa", "master", "br0")
    healed = time.monotonic()
    back = a.wait("Changed", rc=0)
    measured("back_s", round(back["at"] - healed, 2))
    assert back["at"] - healed < 2
    assert len(a.addresses() + a.addresses(VIP6)) == 1


def test_a_killed_manager_comes_back_without_an_outage(lab: dict[str, Node]) -> None:
    a, c = lab["a"].drive(), lab["c"]
    assert a.start()["rc"] == 0
    time.sleep(1)
    probe = subprocess.Popen(
        ["ip", "netns", "exec", c.namespace, "ping", "-i", "0.05", "-c", "80", "-W", "1", VIP], stdout=subprocess.PIPE, text=True
    )
    a.end()
    a.drive().tell(adopt=SEED)
    a.wait("Tell", code="ip.adopted")
    output, _ = probe.communicate(timeout=30)
    assert " 0% packet loss" in output
    assert a.wait("Done", run=a.ask("monitor", probe=True))["rc"] == 0


def test_without_capabilities_it_says_what_is_missing(lab: dict[str, Node]) -> None:
    a = lab["a"].drive("setpriv", "--bounding-set", "-net_raw,-net_admin", "--inh-caps", "-net_raw,-net_admin")
    done = a.start()
    assert done["rc"] == 4
    assert "CAP_NET_RAW" in done["reason"]
    assert a.addresses() == []


def test_the_interface_goes_and_comes_back(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    assert a.start()["rc"] == 0
    a.ip("link", "del", "eth0")
    reason = a.wait("Changed")["reason"]
    assert "gone" in reason or "down" in reason, "it goes down before it goes away"
    time.sleep(0.2)
    assert a.start()["rc"] == 5
    switch = a.namespace[:-1] + "sw"
    sh("ip", "-n", switch, "link", "add", "pa", "type", "veth", "peer", "name", "eth0", "netns", a.namespace)
    sh("ip", "-n", switch, "link", "set", "pa", "master", "br0", "up")
    a.ip("link", "set", "eth0", "up")
    a.ip("addr", "add", "172.16.77.10/24", "dev", "eth0")
    time.sleep(0.3)
    assert a.start()["rc"] == 0
    assert len(a.addresses()) == 1
    a.ip("link", "set", "eth0", "down")
    assert "down" in a.wait("Changed")["reason"]
    a.ip("link", "set", "eth0", "up")
    time.sleep(0.3)
    assert a.start()["rc"] == 0, "the connected route is known again"


def test_the_others_of_its_subnet_stay_when_it_goes(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    parameters = {"ip": "10.77.0.1", "nic": "eth0", "cidr_netmask": "24"}
    assert a.start(parameters)["rc"] == 0  # the first of its subnet: the kernel calls it primary
    a.ip("addr", "add", "10.77.0.2/24", "dev", "eth0")
    assert a.wait("Done", run=a.ask("stop", parameters))["rc"] == 0
    assert a.addresses("10.77.0.1") == []
    assert len(a.addresses("10.77.0.2")) == 1, "net.ipv4.conf.eth0.promote_secondaries"


def test_a_storm_of_other_changes_does_not_hide_ours(lab: dict[str, Node]) -> None:
    a = lab["a"].drive()
    assert a.start()["rc"] == 0
    storm = "".join(f"addr add 10.{n // 250}.{n % 250}.1/32 dev lo\n" for n in range(5000))
    subprocess.run(["ip", "-n", a.namespace, "-batch", "-"], input=storm, text=True, check=True)
    a.ip("addr", "del", f"{VIP}/32", "dev", "eth0")
    a.wait("Tell", code="ip.deleted")
    a.wait("PutAddress")
    time.sleep(2.5)
    assert len(a.addresses()) == 1
    assert a.wait("Done", run=a.ask("monitor"))["rc"] == 0
