"""A reconciler in front of a cloud, with a clock of its own: what the transcripts of this folder are written with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from standfast.base.ids import US_PER_S
from standfast.base.report import Report
from standfast.openstack.api import Call, Moved, Owned, Replied, Reply, Request, SetTimer, Severed, Tell, TimerFired
from standfast.openstack.identity import Nic
from standfast.openstack.reconciler import OWNER, Event, Reconciler, Wished
from standfast.openstack.wish import AddressWish, NodeWish, Wish
from standfast.sim.cloud import FakeCloud

NET = "net-1"
VIP = "172.16.0.100"


@dataclass
class Rig:
    """Two nodes in one network. `say` gives an event; `run` lets time pass; `reports` is all that was said."""

    cloud: FakeCloud = field(default_factory=FakeCloud)
    nodes: dict[str, str] = field(default_factory=dict)
    latency_us: int = 50_000

    def __post_init__(self) -> None:
        self.now_us = 1_000 * US_PER_S
        self.machine = Reconciler(seed=7)
        self.timer_us: int | None = None
        self.coming: list[tuple[int, int, Reply]] = []
        self.made: list[tuple[int, Request]] = []
        self.reports: list[Report] = []
        self.moved: list[tuple[str, str]] = []
        self.severed: list[Severed] = []
        self.owned: list[Owned] = []
        self.is_hung = False
        if not self.cloud.subnets:
            self.cloud.add_subnet(NET, "172.16.0.0/24")
        for name, ip in (("a", "172.16.0.11"), ("b", "172.16.0.12")):
            if name not in self.nodes:
                self.nodes[name] = self.cloud.add_node(name, NET, ip)

    def node(self, name: str) -> NodeWish:
        port = self.cloud.ports[self.nodes[name]]
        return NodeWish(name, "", (Nic("eth0", port["mac_address"], port["id"]),))

    def wish(self, *addresses: str | AddressWish, **fields: object) -> Wish:
        items = tuple(a if isinstance(a, AddressWish) else AddressWish(a, "ha-vip") for a in addresses)
        whole = Wish("lab", "demo", tuple(self.node(name) for name in self.nodes), items)
        return replace(whole, **fields)  # type: ignore[arg-type]

    def want(self, *addresses: str | AddressWish, **fields: object) -> None:
        self.say(Wished(self.wish(*addresses, **fields), "a"))

    def say(self, event: Event) -> None:
        for effect in self.machine.step(self.now_us, event):
            match effect:
                case Call(owner, number, _, request):
                    assert owner == OWNER
                    self.made.append((self.now_us, request))
                    if not self.is_hung:
                        self.coming.append((self.now_us + self.latency_us, number, self.cloud.call(request)))
                case SetTimer(at_us):
                    assert at_us >= self.now_us
                    self.timer_us = at_us
                case Tell(report):
                    self.reports.append(report)
                case Moved(address, node):
                    self.moved.append((address, node))
                case Owned():
                    self.owned.append(effect)
                case Severed():
                    self.severed.append(effect)
        self.machine.check()

    def run(self, seconds: float) -> None:
        until_us = self.now_us + int(seconds * US_PER_S)
        for _ in range(100_000):
            times = [at_us for at_us, _, _ in self.coming] + ([self.timer_us] if self.timer_us is not None else [])
            if not times or min(times) > until_us:
                self.now_us = until_us
                return
            self.now_us = max(self.now_us, min(times))
            if self.coming and min(self.coming)[0] <= self.now_us:
                due = min(self.coming, key=lambda item: item[:2])
                self.coming.remove(due)
                self.say(Replied(OWNER, due[1], due[2]))
            else:
                self.timer_us = None
                self.say(TimerFired())
        raise AssertionError("it does not come to rest")

    @property
    def codes(self) -> list[str]:
        return [report.code for report in self.reports]

    def pairs(self, name: str) -> tuple[str, ...]:
        return self.cloud.pairs(self.nodes[name])

    def own_port(self, ip: str = VIP) -> dict[str, object] | None:
        found = [
            p for p in self.cloud.ports.values() if p["fixed_ips"][0]["ip_address"] == ip and p["id"] not in self.nodes.values()
        ]
        return found[0] if found else None
