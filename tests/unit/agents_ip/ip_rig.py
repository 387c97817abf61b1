"""One node for the tests of the failover IP: a kernel, neighbours and a cluster layer in virtual time."""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import count

from standfast.agents.ip.api import (
    NEIGHBOURS_MAX,
    AddressSeen,
    Adopt,
    Announce,
    Ask,
    Changed,
    Denied,
    Done,
    DropAddress,
    Interface,
    IpEffect,
    IpInput,
    Look,
    Neighbour,
    NeighbourHeard,
    NetworkChanged,
    NetworkState,
    Operate,
    Promote,
    Pulsed,
    PutAddress,
    Remember,
    Revoked,
    Route,
    SetTimer,
    Survey,
    Surveyed,
    Tell,
    TimerFired,
    Watch,
)
from standfast.agents.ip.machine import FailoverIps

MS, S = 1_000, 1_000_000
OWN, FOREIGN = bytes.fromhex("020000000001"), bytes.fromhex("0200000000ff")
PEER, PEERS = bytes.fromhex("020000000002"), ("172.16.0.20",)
CLIENT = bytes.fromhex("0200000000c1")
VIP, VIP6 = "172.16.0.100", "fd00::100"
SEED = (("ip", VIP), ("cidr_netmask", "32"), ("arp_count", "10"), ("arp_count_refresh", "5"))
STATICS = (AddressSeen("eth0", "172.16.0.10", 24, "eth0", None), AddressSeen("eth0", "fd00::10", 64, "", None))
ROUTES = (Route("172.16.0.0/24", "eth0", 0), Route("fd00::/64", "eth0", 256))


class Rig:
    """One node: the machine under test, a kernel that keeps leases, a stranger that may answer, pulses while `pulsing`."""

    def __init__(self, *, pulsing: bool = True) -> None:
        self.ips = FailoverIps(PEERS)
        self.cut = False  # no frame passes, though the carrier stays
        self.living: dict[str, bytes] = {}  # who answers on the network
        self.known: tuple[Neighbour, ...] = ()  # the kernel's table
        self.surveys: dict[str, Survey] = {}  # under way
        self.now = 0
        self.order = count()
        self.queue: list[tuple[int, int, IpInput]] = []
        self.timer: int | None = None
        self.link = Interface("eth0", 2, OWN, is_up=True, carrier=True)
        self.links: tuple[Interface, ...] = ()
        self.up: dict[tuple[str, str, int], int | None] = {}  # when the kernel ends it; None: never
        self.stranger_until = 0  # answers probes until then
        self.stranger = FOREIGN
        self.pulsing = pulsing
        self.next_pulse = 0
        self.until = 0
        self.frozen = False
        self.stubborn = False  # somebody adds the address again whenever it is deleted
        self.deaf = False  # the kernel refuses every put
        self.log: list[str] = []
        self.done: dict[int, Done] = {}
        self.changed: list[Changed] = []
        self.told: list[str] = []
        self.remembered: dict[str, tuple[tuple[str, str], ...]] = {}
        self.announced: list[int] = []
        self.runs = count(1)
        self.tell_network()

    # -- the world --

    def state(self) -> NetworkState:
        seen = tuple(
            AddressSeen(i, ip, p, "", None if end is None else max(0, (end - self.now) // S))
            for (i, ip, p), end in self.up.items()
        )
        gone = self.link.index == 0
        return NetworkState((*self.links, *(() if gone else (self.link,))), STATICS + seen, () if gone else ROUTES)

    def tell_network(self) -> None:
        self.at(0, NetworkChanged(NetworkState()))

    def at(self, delay: int, event: IpInput) -> None:
        heapq.heappush(self.queue, (self.now + delay, next(self.order), event))

    def note(self, text: str) -> None:
        self.log.append(f"{self.now / MS:g}: {text}")

    def run(self, duration: int) -> None:
        """Let time pass: pulses, kernel expiries, queued events and the machine's timer, each at its time."""
        end = self.now + duration
        while True:
            due = [t for t in (self.timer, *(e for e in self.up.values())) if t is not None]
            due += [self.next_pulse] if self.pulsing else []
            due += [self.queue[0][0]] if self.queue else []
            now = min((t for t in due if not (self.frozen and t <= self.now)), default=end + 1)
            if self.frozen:
                now = min((e for e in self.up.values() if e is not None), default=end + 1)
            if now > end:
                self.now = end
                return
            self.now = max(now, self.now)
            self.expire()
            if not self.frozen:
                self.one_event()

    def expire(self) -> None:
        for key, end in list(self.up.items()):
            if end is not None and end <= self.now:
                del self.up[key]
                self.note(f"kernel ends {key[1]}/{key[2]}")
                self.tell_network()

    def one_event(self) -> None:
        if self.queue and self.queue[0][0] <= self.now:
            self.give(heapq.heappop(self.queue)[2])
        elif self.pulsing and self.next_pulse <= self.now:
            self.next_pulse = self.now + 500 * MS
            self.pulse(self.now + 1500 * MS)
        elif self.timer is not None and self.timer <= self.now:
            self.timer = None
            self.give(TimerFired())

    def pulse(self, until: int) -> None:
        self.until = max(self.until, until)
        self.give(Pulsed(until))

    def give(self, event: IpInput) -> None:
        if isinstance(event, NetworkChanged):
            event = NetworkChanged(self.state())
        if isinstance(event, Surveyed):
            event = Surveyed(event.interface, self.known, self.answered(self.surveys.pop(event.interface)))
        if isinstance(event, Revoked):
            self.until = 0
        effects = self.ips.step(self.now, event)
        self.ips.check(self.now)
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: IpEffect) -> None:
        match effect:
            case SetTimer():
                self.timer = effect.at_us
            case PutAddress():
                self.put(effect)
            case DropAddress():
                self.note(f"drop {effect.ip}/{effect.prefix} on {effect.interface}")
                if self.up.pop((effect.interface, effect.ip, effect.prefix), -1) != -1 and self.stubborn:
                    self.up[(effect.interface, effect.ip, effect.prefix)] = None
                self.tell_network()
            case Ask():
                self.note("ask")
                if self.now < self.stranger_until and self.passes:
                    self.at(1 * MS, NeighbourHeard("eth0", effect.ip, self.stranger, "reply"))
            case Survey():
                self.queue = [entry for entry in self.queue if not isinstance(entry[2], Surveyed)]  # a new one replaces it
                heapq.heapify(self.queue)
                assert len(effect.ips) <= NEIGHBOURS_MAX
                self.surveys[effect.interface] = effect
                self.at(21 * MS if self.answered(effect) else effect.window_ms * MS, Surveyed(effect.interface, (), ()))
            case Announce():
                assert effect.mac == OWN
                self.announced.append(self.now)
                self.note("announce")
            case Look():
                self.tell_network()
            case Done():
                assert effect.run not in self.done, "answered twice"
                self.done[effect.run] = effect
                self.note(f"done {effect.rc} {effect.reason}".strip())
            case Changed():
                self.changed.append(effect)
                self.note(f"changed {effect.rc} {effect.reason}")
            case Tell():
                self.told.append(effect.report.code)
            case Remember():
                if effect.parameters is None:
                    self.remembered.pop(effect.resource, None)
                else:
                    self.remembered[effect.resource] = effect.parameters
            case Watch() | Promote():
                pass

    def answered(self, survey: Survey) -> tuple[str, ...]:
        """Who would answer now: whoever is asked for, known to the kernel, or speaks by itself."""
        return tuple(self.living) if self.passes else ()

    @property
    def passes(self) -> bool:
        """Whether frames come and go."""
        return self.link.carrier and self.link.is_up and self.link.index > 0 and not self.cut

    def put(self, put: PutAddress) -> None:
        assert self.now < self.until, "put without evidence"
        assert put.before_us <= self.until
        assert self.remembered, "an address goes up that nobody would know of after a crash"
        if self.deaf:
            self.at(0, Denied(put, "Operation not permitted", is_permission=True))
            return
        if (put.interface, put.ip, put.prefix) not in self.up:
            self.note(f"put {put.ip}/{put.prefix} on {put.interface}")
            self.tell_network()
        self.up[(put.interface, put.ip, put.prefix)] = None if put.valid_s is None else self.now + put.valid_s * S

    # -- what tests say --

    def operate(self, action: str, parameters: tuple[tuple[str, str], ...] = SEED, **more: bool) -> int:
        run = next(self.runs)
        self.give(Operate(run, "vip", action, parameters, 20_000, **more))
        return run

    def started(self, parameters: tuple[tuple[str, str], ...] = SEED) -> Rig:
        self.run(10 * MS)
        run = self.operate("start", parameters)
        self.run(200 * MS)
        assert self.done[run].rc == 0, self.done[run]
        self.log.clear()
        return self

    def delete(self) -> None:
        self.up.clear()
        self.give(NetworkChanged(NetworkState()))

    def set_link(self, **more: bool | int) -> None:
        self.link = replace(self.link, **more)  # type: ignore[arg-type]
        self.give(NetworkChanged(NetworkState()))

    @property
    def is_up(self) -> bool:
        return any(ip in (VIP, VIP6) for _, ip, _ in self.up)


def reborn(rig: Rig) -> Rig:
    """The manager is killed and started again: a new machine, the same kernel."""
    rig.ips, rig.timer, rig.queue, rig.until = FailoverIps(PEERS), None, [], 0
    rig.surveys.clear()
    rig.log.clear()
    rig.give(NetworkChanged(NetworkState()))
    rig.give(Adopt("vip", rig.remembered["vip"]))
    return rig
