"""Several Nodes on an ideal cluster layer: one order, views by script, kernels and agents in memory, a clock that obeys.

What the engine, the kernel and the agents would do is done here in the plainest way; the Nodes are the production ones.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from standfast.agents.ip import api as ip
from standfast.base.ids import NodeId
from standfast.cib.journal import recover
from standfast.cib.machine import CibMachine
from standfast.controller import effects as fx
from standfast.engine.api import (
    Alive,
    Broadcast,
    ClientAbsent,
    Delivered,
    Leave,
    Pulse,
    Quorum,
    Stable,
    View,
    ViewId,
    ViewInstalled,
)
from standfast.executor import api as ex
from standfast.node import Node, NodeSettings
from standfast.scheduler.follower import Follower
from standfast.scheduler.plan import schedule

SECOND = 1_000_000
LEASE_US = 1_500_000
LINK = ip.Interface("eth0", 2, b"\x02\x00\x00\x00\x00\x00", True, True)


@dataclass
class Host:
    """One host's world: its kernel's addresses, its disk, its timers, what it has said to people."""

    id: NodeId
    name: str
    node: Node
    addresses: dict[str, ip.PutAddress] = field(default_factory=dict)
    carrier: bool = True
    disk: bytes = b""
    disk_works: bool = True
    is_slow: bool = False  # what is stored is not on the disk before `disk_done`
    storing: list[tuple[bytes, bool]] = field(default_factory=list)
    held: list[fx.NodeEffect] = field(default_factory=list)
    timers: dict[str, int] = field(default_factory=dict)
    answers: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    stopped: fx.Stop | None = None
    left: bool = False
    follower: Follower = field(default_factory=Follower)
    foreseen: tuple[bytes, ...] = ()
    is_up: bool = True

    def state(self) -> ip.NetworkState:
        link = ip.Interface("eth0", 2, bytes([2, 0, 0, 0, 0, self.id]), True, self.carrier)
        addresses = (ip.AddressSeen("eth0", f"172.16.0.{self.id}0", 24, "eth0", None, frozenset({"permanent"})),)
        held = tuple(ip.AddressSeen("eth0", p.ip, p.prefix, "eth0", p.valid_s) for p in self.addresses.values())
        return ip.NetworkState((link,), addresses + held, (ip.Route("172.16.0.0/24", "eth0", 0),))


CLIENT = ip.Neighbour("172.16.0.200", bytes.fromhex("0200000000c1"), 1)


class Rig:
    """A cluster of `count` nodes named n1, n2, ... All start at once, with one view of all."""

    def __init__(self, count: int = 2) -> None:
        self.now_us = self.pulsed_us = 100 * SECOND
        self.wall_s = 1_800_000_000
        self.heap: list[tuple[int, int, Any]] = []
        self.tie = 0
        self.view: dict[NodeId, tuple[View, int]] = {}
        self.seq = 0
        self.requests = 0
        self.cast = 0
        self.agents: dict[tuple[str, str], int] = {}
        self.hang: set[tuple[str, str]] = set()
        self.ran: list[str] = []
        self.stranger: str = ""
        self.silent: set[str] = set()  # hosts that nobody hears, though their links are up
        self.hosts = {NodeId(n): self.boot(NodeId(n)) for n in range(1, count + 1)}
        for host in self.hosts.values():
            self.begin(host)
        self.install(*self.hosts)

    # ---- hosts and views -----------------------------------------------------------------------------------------

    def boot(self, node: NodeId, disk: bytes = b"", adopted: tuple[Any, ...] = ()) -> Host:
        self.tie += 1
        settings = NodeSettings(node, f"n{node}", f"boot-{node}-{self.tie}", "test", 4, None, adopted)
        machine = CibMachine(node, self.tie, recover(disk) if disk else None)
        return Host(node, f"n{node}", Node(settings, machine), disk=disk)

    def begin(self, host: Host) -> None:
        self.perform(host, host.node.start(self.now))
        self.step(host, fx.FromNetwork(ip.NetworkChanged(host.state())))

    def restart_manager(self, name: str, adopted: tuple[Any, ...] = ()) -> Host:
        """The manager dies and comes back; the kernel keeps what it has, the engine its view."""
        old = self.host(name)
        host = self.boot(old.id, old.disk, adopted)
        host.addresses = old.addresses
        self.hosts[old.id] = host
        self.begin(host)
        view, _ = self.view[old.id]
        self.step(host, fx.EngineSaid(ViewInstalled(view, self.quorum(view.members))))
        self.settle()
        return host

    def host(self, name: str) -> Host:
        return next(h for h in self.hosts.values() if h.name == name)

    def install(self, *members: int, votes: int = 2) -> None:
        """These nodes agree on a view."""
        self.seq += 1
        ids = tuple(NodeId(m) for m in sorted(members))
        for member in ids:
            before = self.view[member][0] if member in self.view else None
            along = tuple(m for m in ids if before is not None and m in self.view and self.view[m][0].id == before.id)
            old = before.members if before else ()
            joined, left = tuple(m for m in ids if m not in old), tuple(m for m in old if m not in ids)
            self.hosts[member].told.append(f"-- view {self.seq}")
            view = View(ViewId(self.seq, ids[0]), ids, joined, left, along or (member,))
            self.tie += 1
            heapq.heappush(self.heap, (self.now_us, self.tie, ("view", member, view)))
        self.settle()

    def quorum(self, members: tuple[NodeId, ...]) -> Quorum:
        needed = len(self.hosts) // 2 + 1
        quorate = len(members) >= needed
        return Quorum(quorate, len(members), needed, len(self.hosts), f"{len(members)} of {len(self.hosts)} votes")

    # ---- time ----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> fx.Now:
        return fx.Now(self.now_us, self.wall_s + self.now_us // SECOND)

    def at(self, delay_us: int, what: Any) -> None:
        self.tie += 1
        heapq.heappush(self.heap, (self.now_us + delay_us, self.tie, what))

    def settle(self) -> None:
        """Everything that happens at this instant, and within the next 300 ms."""
        self.run(0.3)

    def run(self, seconds: float) -> None:
        end_us = self.now_us + int(seconds * SECOND)
        for _ in range(200_000):
            due = [(at_us, host.id, room) for host in self.hosts.values() if host.is_up for room, at_us in host.timers.items()]
            timer = min(due, default=None)
            first = self.heap[0][0] if self.heap else None
            pulse_us = self.pulsed_us + SECOND // 2
            upcoming = min(t for t in (timer[0] if timer else None, first, pulse_us) if t is not None)
            if upcoming > end_us:
                self.now_us = end_us
                return
            self.now_us = max(self.now_us, upcoming)
            if first is not None and first <= upcoming:
                self.happen(heapq.heappop(self.heap)[2])
            elif timer is not None and timer[0] <= upcoming:
                host = self.hosts[timer[1]]
                del host.timers[timer[2]]
                self.step(host, fx.Woken(timer[2]))
            else:
                self.pulse()
        raise AssertionError("the rig does not come to rest")

    def pulse(self) -> None:
        self.pulsed_us = self.now_us
        for member, (view, _) in sorted(self.view.items()):
            host = self.hosts[member]
            if host.is_up and member in view.members:
                self.step(host, fx.EngineSaid(Pulse(self.now_us + LEASE_US)))
        self.expire()

    def expire(self) -> None:
        for host in self.hosts.values():
            for address, put in list(host.addresses.items()):
                if put.valid_s is not None and self.now_us > put.before_us + put.valid_s * SECOND and not host.is_up:
                    del host.addresses[address]

    # ---- what the world does -------------------------------------------------------------------------------------

    def happen(self, what: Any) -> None:
        match what:
            case ("view", member, view):
                self.view[member] = (view, 0)
                self.step(self.hosts[member], fx.EngineSaid(ViewInstalled(view, self.quorum(view.members))))
            case ("cast", sender, view_seq, payload):
                self.deliver(sender, view_seq, payload)
            case ("agent", host_id, run, rc):
                self.step(self.hosts[host_id], fx.FromAgent(ex.AgentExited(run, rc, b"", b"")))
            case ("net", host_id):
                host = self.hosts[host_id]
                self.step(host, fx.FromNetwork(ip.NetworkChanged(host.state())))
            case ("heard", host_id, event):
                self.step(self.hosts[host_id], fx.FromNetwork(event))
            case ("absent", node):
                for member in self.view[node][0].members:
                    if member != node:
                        self.step(self.hosts[member], fx.EngineSaid(ClientAbsent(self.view[member][0].id, 0, node)))

    def deliver(self, sender: NodeId, view_seq: int, payload: bytes) -> None:
        """To everybody in the sender's view of now: a message sent before a view change arrives after it."""
        if sender not in self.view:
            return
        view, _ = self.view[sender]
        members = [m for m in view.members if m in self.view and self.view[m][0].id == view.id]
        count = max(self.view[m][1] for m in members) + 1
        for member in members:
            self.view[member] = (self.view[member][0], count)
            if self.hosts[member].is_up:
                self.step(self.hosts[member], fx.EngineSaid(Delivered(view.id, count, sender, payload)))
        for member in members:
            if self.hosts[member].is_up:
                self.step(self.hosts[member], fx.EngineSaid(Stable(view.id, count)))

    def step(self, host: Host, event: fx.NodeInput) -> None:
        if not host.is_up or host.stopped is not None:
            return
        self.perform(host, host.node.step(self.now, event))
        host.node.check(self.now)
        holders = [h.name for h in self.hosts.values() if h.addresses and h.carrier]
        assert len(holders) <= 1 or not self.all_connected(), f"two holders: {holders}"

    def all_connected(self) -> bool:
        return all(h.carrier for h in self.hosts.values()) and not self.silent

    def perform(self, host: Host, effects: tuple[fx.NodeEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case fx.ToEngine() | fx.Answer() if host.storing:
                    host.held.append(effect)
                case fx.ToEngine(Broadcast(payload)):
                    self.cast += 1
                    seq = self.view[host.id][0].id.seq if host.id in self.view else 0
                    self.at(200, ("cast", host.id, seq, payload))
                case fx.ToEngine(Leave()):
                    host.left = True
                case fx.ToEngine(Alive()):
                    pass
                case fx.Store(data, rewrite):
                    if not host.disk_works:
                        self.step(host, fx.DiskFailed("No space left on device"))
                        return
                    if host.is_slow:
                        host.storing.append((data, rewrite))
                    else:
                        host.disk = data if rewrite else host.disk + data
                case fx.Keep(name, _):
                    host.kept.append(name)
                case fx.Answer(connection, message):
                    host.answers.setdefault(connection, []).append(message)
                case fx.Document(xml):
                    host.follower.take(xml)
                case fx.Follow(before, after, change):
                    host.follower.follow(before, after, change)
                case fx.Foresee(changes):
                    host.foreseen = changes
                    for change in changes:
                        twin = Follower()
                        twin.take(host.follower.xml())
                        prepared = twin.suppose(change, self.wall_s)
                        assert prepared is not None, "what is supposed does not fit the document"
                        host.follower.put_aside(prepared)
                case fx.AskPlan(number, wall_s, None, keep):
                    made = host.follower.plan(wall_s, tells=not keep)
                    if made is not None:
                        scratch = schedule(etree.fromstring(host.follower.xml()), wall_s)
                        assert made.plan == (scratch.decision() if keep else scratch), "not the plan from scratch"
                    self.step(host, fx.PlanMade(number, None if made is None else made.plan, lost=made is None))
                case fx.AskPlan(number, wall_s, bytes(xml)):
                    self.step(host, fx.PlanMade(number, schedule(etree.fromstring(xml), wall_s)))
                case fx.Wake(room, at_us):
                    host.timers[room] = at_us
                case fx.Tell(report):
                    host.told.append(report.sentence())
                case fx.Stop():
                    host.stopped = effect
                case _:
                    self.touch(host, effect)

    def disk_done(self, name: str) -> None:
        """The slow disk has written everything; what waited for it is said."""
        host = self.host(name)
        for data, rewrite in host.storing:
            host.disk = data if rewrite else host.disk + data
        held, host.storing, host.held, host.is_slow = host.held, [], [], False
        self.perform(host, tuple(held))

    def touch(self, host: Host, effect: Any) -> None:
        match effect:
            case ip.PutAddress():
                fresh = effect.ip not in host.addresses
                host.addresses[effect.ip] = effect
                if fresh:
                    self.ran.append(f"{host.name} + {effect.ip}")
                    self.at(100, ("net", host.id))
            case ip.DropAddress(_, address, _):
                if host.addresses.pop(address, None) is not None:
                    self.ran.append(f"{host.name} - {address}")
                self.at(100, ("net", host.id))
            case ip.Look():
                self.at(50, ("net", host.id))
            case ip.Survey(interface, _, window_ms):
                answered = (CLIENT.ip,) if host.carrier and host.name not in self.silent else ()
                event = ip.Surveyed(interface, (CLIENT,), answered)
                self.at(21_000 if answered else window_ms * 1000, ("heard", host.id, event))
            case ip.Ask(interface, address):
                for other in self.hosts.values():
                    cut = not self.all_connected() and not {host.name, other.name}.isdisjoint(self.silent)
                    if other is not host and address in other.addresses and other.carrier and host.carrier and not cut:
                        mac = bytes([2, 0, 0, 0, 0, other.id])
                        self.at(150, ("heard", host.id, ip.NeighbourHeard(interface, address, mac, "reply")))
                if address == self.stranger:
                    self.at(150, ("heard", host.id, ip.NeighbourHeard(interface, address, b"\xaa\0\0\0\0\1", "reply")))
            case ex.RunAgent(run, argv, _):
                kind, action = argv[0].rpartition("/")[2], argv[-1]
                self.ran.append(f"{host.name} {kind} {action}")
                if (kind, action) not in self.hang:
                    self.at(5_000, ("agent", host.id, run, self.agents.get((kind, action), 7 if action == "monitor" else 0)))
                if action in ("start", "stop"):
                    self.agents[kind, "monitor"] = 0 if action == "start" else 7
            case ex.EndAgent(run, force):
                self.at(1_000, ("agent", host.id, run, -9 if force else -15))
            case _:
                pass

    # ---- what people do ------------------------------------------------------------------------------------------

    def ask(self, name: str, verb: str, *, uid: int = 0, wait: bool = True, **arguments: Any) -> dict[str, Any]:
        """A tool's request; returns its (first) answer."""
        self.requests += 1
        host = self.host(name)
        request = {"id": self.requests, "verb": verb, **arguments}
        self.step(host, fx.Asked(self.requests, uid, uid, request))
        if wait:
            self.settle()
        answers = host.answers.get(self.requests, [])
        return answers[0] if answers else {}

    def configure(self, name: str, scope: str, xml: str, kind: str = "modify") -> dict[str, Any]:
        return self.ask(name, "cib.apply", operations=[{"kind": kind, "scope": scope, "xml": xml, "allow_create": True}])

    def where(self, name: str = "n1") -> dict[str, str]:
        """Each resource's place as `status` tells it on that node."""
        answer = self.ask(name, "status")
        return {r["id"]: ",".join(r["nodes"]) or r["role"] for r in answer["situation"]["resources"]}

    def holders(self) -> list[str]:
        return [h.name for h in self.hosts.values() if h.addresses]


VIP = (
    '<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="vip-i">'
    '<nvpair id="vip-ip" name="ip" value="172.16.0.100"/></instance_attributes><operations>'
    '<op id="vip-m" name="monitor" interval="10s"/></operations></primitive>'
)
DUMMY = (
    '<primitive id="dummy" class="ocf" provider="heartbeat" type="Dummy"><operations>'
    '<op id="dummy-m" name="monitor" interval="10s" timeout="20s"/></operations></primitive>'
)


def options(**values: str) -> str:
    pairs = "".join(
        f'<nvpair id="cib-bootstrap-options-{k}" name="{k.replace("_", "-")}" value="{v}"/>' for k, v in values.items()
    )
    return f'<cluster_property_set id="cib-bootstrap-options">{pairs}</cluster_property_set>'


def served(count: int = 2, policy: str = "ignore") -> Rig:
    """A cluster that serves the failover IP on n1."""
    rig = Rig(count)
    rig.configure("n1", "crm_config", options(stonith_enabled="false", no_quorum_policy=policy))
    sticky = '<meta_attributes id="rsc-options"><nvpair id="s" name="resource-stickiness" value="1000"/></meta_attributes>'
    rig.configure("n1", "rsc_defaults", sticky)
    rig.configure("n1", "resources", VIP, "create")
    rig.run(1)
    assert rig.holders() == ["n1"], (rig.holders(), rig.where())
    rig.ran.clear()
    return rig
