"""All failover IPs of this node: one way in (`FailoverIps.step`), one way out (a tuple of effects).

Owns: the evidence (how far this node may act), the kernel's picture, the room's one timer, and which resource an event is for.
Does not own: the life of one address (holder.py).

Invariant: no two resources of this node manage the same address, and after each step nothing is held beyond its evidence.
"""

from __future__ import annotations

from standfast.agents.ip import moves, operations
from standfast.agents.ip.api import (
    Adopt,
    Denied,
    Done,
    Doubted,
    Forget,
    IpEffect,
    IpInput,
    Look,
    NeighbourHeard,
    NetworkChanged,
    NetworkState,
    Operate,
    Pulsed,
    Remember,
    Revoked,
    SetTimer,
    Survey,
    Surveyed,
    Tell,
    TimerFired,
)
from standfast.agents.ip.holder import GENERIC, NOT_RUNNING, OK, FailoverIp, Moment, Phase
from standfast.agents.ip.outlook import Outlooks
from standfast.agents.ip.parameters import NOT_CONFIGURED, Parameters, only_ip, parse
from standfast.agents.ip.placement import find, interface_of, speaks_ethernet
from standfast.base.bounded import Bounded
from standfast.base.report import Refused, warning

UNIMPLEMENTED = 3
RESOURCES_MAX = 1024
EARLY_MAX = 256


class FailoverIps:
    """Every IPaddr2 resource of a node. `now_us` is the monotonic clock and never goes back; `peers` are the addresses of the
    cluster's other nodes, as configured."""

    def __init__(self, peers: tuple[str, ...] = ()) -> None:
        self._outlooks = Outlooks(peers)
        self._network: NetworkState | None = None
        self._until_us = 0
        self._resources: dict[str, FailoverIp] = {}
        self._early: Bounded[Operate | Adopt] = Bounded(EARLY_MAX)  # came before the kernel's first picture
        self._armed_us: int | None = None

    def step(self, now_us: int, event: IpInput) -> tuple[IpEffect, ...]:
        """Apply one event. Never raises for what a user, a peer or the kernel did."""
        out: list[IpEffect] = []
        if isinstance(event, TimerFired):
            self._armed_us = None  # a timer may fire a microsecond early, and must then be armed again
        if isinstance(event, Pulsed):
            self._until_us = max(self._until_us, event.until_us)
        self._judge(now_us, out)
        self._take(now_us, event, out)
        self._collect(out)
        interfaces = self._surveyed_interfaces()
        out += self._outlooks.due(now_us, interfaces, self._network or NetworkState())
        self._arm(now_us, interfaces, out)
        return tuple(out)

    def held(self) -> tuple[str, ...]:
        """The resources whose address is up here, sorted."""
        return tuple(sorted(name for name, one in self._resources.items() if one.phase is Phase.HELD))

    def check(self, now_us: int) -> None:
        """The invariants of the room, after a step at `now_us`; raises AssertionError."""
        ips = [one.place.ip for one in self._all() if one.place is not None]
        assert len(ips) == len(set(ips)), ips
        self._outlooks.check()
        for one in self._all():
            one.check(now_us, self._until_us)
            assert not one.out, one.out

    # ---- the parts of a step ----------------------------------------------------------------------------------------

    def _take(self, now_us: int, event: IpInput, out: list[IpEffect]) -> None:
        match event:
            case Operate() | Adopt():
                if self._network is None:
                    self._keep_early(event, out)
                else:
                    self._ask(now_us, event, out)
            case Forget():
                for one in self._all():
                    operations.forget(one, self._moment(now_us), event.run)
            case Revoked():
                self._until_us = 0
                for one in self._all():
                    one.revoke(self._moment(now_us), event.reason)
            case NetworkChanged():
                self._outlooks.renew(now_us, self._network or NetworkState(), event.state)
                self._network = event.state
                self._to_all(now_us, event, out)
                self._ask_early(now_us, out)
            case NeighbourHeard():
                self._to_those_of(event.ip, now_us, event, out)
            case Doubted(is_alone):
                self._outlooks.doubt(is_alone=is_alone)
                self._to_all(now_us, event, out)
            case Surveyed():
                self._outlooks.surveyed(now_us, event, tuple(one.place.ip for one in self._all() if one.place is not None))
                if self._outlooks.is_doubted:
                    self._to_all(now_us, event, out)
            case Denied():
                self._denied(now_us, event, out)
            case _:
                self._to_all(now_us, event, out)

    def _denied(self, now_us: int, event: Denied, out: list[IpEffect]) -> None:
        if isinstance(event.effect, Survey):
            self._outlooks.failed(now_us, event.effect.interface)
            return
        ip = getattr(event.effect, "ip", None)
        if isinstance(ip, str):
            self._to_those_of(ip, now_us, event, out)

    def _moment(self, now_us: int) -> Moment:
        return Moment(now_us, self._until_us, self._network or NetworkState(), self._outlooks)

    def _all(self) -> tuple[FailoverIp, ...]:
        return tuple(self._resources.values())

    def _judge(self, now_us: int, out: list[IpEffect]) -> None:
        for one in self._all():
            one.judge(self._moment(now_us))
        self._collect(out)

    def _to_all(self, now_us: int, event: IpInput, out: list[IpEffect]) -> None:
        for one in self._all():
            moves.step(one, self._moment(now_us), event)
        self._collect(out)

    def _to_those_of(self, ip: str, now_us: int, event: IpInput, out: list[IpEffect]) -> None:
        for one in self._all():
            if one.place is not None and one.place.ip == ip:
                moves.step(one, self._moment(now_us), event)
        self._collect(out)

    def _collect(self, out: list[IpEffect]) -> None:
        for one in self._all():
            out += one.out
            one.out.clear()
            if one.is_idle:
                del self._resources[one.resource]

    def _surveyed_interfaces(self) -> tuple[str, ...]:
        """The interfaces on which it matters who is out there: those of addresses that are up, or might be."""
        idle = (Phase.STOPPED, Phase.DROPPING)
        names = dict.fromkeys(one.place.interface for one in self._all() if one.place is not None and one.phase not in idle)
        network = self._network or NetworkState()
        return tuple(name for name in names if (link := interface_of(name, network)) is not None and speaks_ethernet(link))

    def _arm(self, now_us: int, interfaces: tuple[str, ...], out: list[IpEffect]) -> None:
        times = [one.next_us(self._until_us) for one in self._all()]
        times.append(self._outlooks.next_us(interfaces, self._network or NetworkState()))
        due = min((at for at in times if at is not None), default=None)
        if due is not None and (due != self._armed_us or due <= now_us):
            out.append(SetTimer(due))
        self._armed_us = due

    def _keep_early(self, event: Operate | Adopt, out: list[IpEffect]) -> None:
        out.append(Look())
        if not self._early.is_full:
            self._early.push(event)
        elif isinstance(event, Operate):
            out.append(Done(event.run, GENERIC, "the kernel has not told about this host's network yet"))

    def _ask_early(self, now_us: int, out: list[IpEffect]) -> None:
        while self._early:
            self._ask(now_us, self._early.pop(), out)

    # ---- operations -------------------------------------------------------------------------------------------------

    def _ask(self, now_us: int, event: Operate | Adopt, out: list[IpEffect]) -> None:
        """Read the parameters; what cannot be read is answered here, with the code that the cluster expects."""
        try:
            wanted = parse(event.parameters)
        except Refused as refused:
            self._refused(now_us, event, refused, out)
            return
        if isinstance(event, Adopt):
            self._adopt(now_us, event, wanted)
        elif event.action == "start":
            self._start(now_us, event, wanted, out)
        elif event.action == "stop":
            operations.stop(self._of(event.resource), self._moment(now_us), event.run, str(wanted.ip))
        elif event.action in ("monitor", "status"):
            operations.monitor(self._of(event.resource), self._moment(now_us), event, wanted)
        elif event.action == "validate-all":
            out.append(self._validated(event, wanted))
        else:
            out.append(Done(event.run, UNIMPLEMENTED, f"IPaddr2 has no action {event.action}"))
        self._collect(out)

    def _refused(self, now_us: int, event: Operate | Adopt, refused: Refused, out: list[IpEffect]) -> None:
        if isinstance(event, Adopt):
            out += (
                Tell(warning("ip.adopt", "cannot be adopted", str(refused), where=event.resource)),
                Remember(event.resource, None),
            )
        elif event.action == "stop":
            ip = only_ip(event.parameters)
            operations.stop(self._of(event.resource), self._moment(now_us), event.run, None if ip is None else str(ip))
            self._collect(out)
        elif event.probe:
            out.append(Done(event.run, NOT_RUNNING, str(refused)))
        else:
            out.append(Done(event.run, refused.exit_code, str(refused)))

    def _start(self, now_us: int, op: Operate, wanted: Parameters, out: list[IpEffect]) -> None:
        assert self._network is not None
        for other in self._all():
            if other.place is not None and other.place.ip == str(wanted.ip) and other.resource != op.resource:
                reason = f"{wanted.ip} is already managed here by {other.resource}: each address belongs to one resource"
                out.append(Done(op.run, NOT_CONFIGURED, reason))
                return
        if op.resource not in self._resources and len(self._resources) >= RESOURCES_MAX:
            out.append(Done(op.run, GENERIC, f"this node manages {RESOURCES_MAX} addresses already"))
            return
        try:
            place = find(wanted, self._network)
        except Refused as refused:
            out.append(Done(op.run, refused.exit_code, str(refused)))
            return
        operations.start(self._of(op.resource), self._moment(now_us), op, wanted, place)

    def _adopt(self, now_us: int, event: Adopt, wanted: Parameters) -> None:
        assert self._network is not None
        try:
            place = find(wanted, self._network)
        except Refused:
            place = None  # its interface or network has gone, and the address with it
        operations.adopt(self._of(event.resource), self._moment(now_us), event.parameters, wanted, place)

    def _validated(self, op: Operate, wanted: Parameters) -> Done:
        assert self._network is not None
        try:
            place = find(wanted, self._network)
        except Refused as refused:
            return Done(op.run, refused.exit_code, str(refused))
        return Done(op.run, OK, f"{place.ip}/{place.prefix} on {place.interface}")

    def _of(self, resource: str) -> FailoverIp:
        return self._resources.setdefault(resource, FailoverIp(resource))
