"""One failover IP on this node: its state, and the few things that are done to it from several sides.

Owns: the phase of one address, its deadlines, the effects that put, announce and drop it. Does not own: what the cluster asks
(operations.py), what happens meanwhile (moves.py), the evidence (`Moment.until_us`, machine.py).

Invariants, which `check` repeats in code:
* an address is put, or renewed, only while `now_us < until_us`: without evidence of membership nothing goes up or stays up;
* what was lost (lease, evidence, revoked) is never put up again but by a new start; what is suspended is asked for first;
* a run is remembered exactly until it is answered or forgotten.
"""

from __future__ import annotations

from enum import Enum, auto

from standfast.agents.ip.announcements import Announcements
from standfast.agents.ip.api import (
    Announce,
    Changed,
    Done,
    DropAddress,
    IpEffect,
    Look,
    NeighbourHeard,
    NetworkState,
    Promote,
    PutAddress,
    Remember,
    Tell,
    Watch,
)
from standfast.agents.ip.conflicts import Conflicts
from standfast.agents.ip.lease import Lease
from standfast.agents.ip.outlook import Outlooks
from standfast.agents.ip.parameters import Parameters
from standfast.agents.ip.placement import Place, copies, interface_of, speaks_ethernet
from standfast.agents.ip.takeover import Asking
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.base.report import error

OK, GENERIC, DENIED, NOT_RUNNING, DEGRADED = 0, 1, 4, 7, 190

LOOK_AFTER_US = 250 * US_PER_MS  # an address that was put shows within a millisecond; then look, then give up
DROP_AGAIN_US = 100 * US_PER_MS
DROPS_MAX = 5
READDS_MAX = 5
UNSEEN_US = 3 * US_PER_S  # a survey in company, and time for the answer to a question
CLAIMS = ("reply", "request", "announcement", "advertisement")
"""Kinds of NeighbourHeard that say: somebody has the address."""

ORPHAN_US = 120 * US_PER_S


class Phase(Enum):
    """Where an address stands on this node."""

    STOPPED = auto()  # nothing of ours is up
    ADOPTED = auto()  # the kernel still has it from our former life; evidence is awaited
    ASKING = auto()  # a start is asking its neighbours, or waiting for evidence
    TAKING = auto()  # put; the kernel's own word is awaited
    HELD = auto()
    SUSPENDED = auto()  # given up for now, on a node that is cut off; see suspension.py
    DROPPING = auto()  # deleted; the proof is awaited


@dataclass(frozen=True, slots=True)
class Moment:
    """What every move needs to know: the time, how far the evidence reaches, the kernel's picture, and who is out there."""

    now_us: int
    until_us: int
    network: NetworkState
    outlooks: Outlooks

    @property
    def is_entitled(self) -> bool:
        """Whether this node may hold anything now."""
        return self.now_us < self.until_us


class FailoverIp:
    """One resource. Methods leave their effects in `out`, which machine.py empties after each event."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self.phase = Phase.STOPPED
        self.raw: tuple[tuple[str, str], ...] = ()
        self.wanted: Parameters | None = None
        self.place: Place | None = None
        self.lease: Lease | None = None
        self.run: int | None = None
        self.asking: Asking | None = None
        self.is_sure = False  # the last holder's stop is confirmed, or there is nobody to ask
        self.silent_us: int | None = None  # when nobody at all answered while it was up
        self.is_here = False  # the kernel had the address before the start, so nobody else should
        self.announcements: Announcements | None = None
        self.conflicts = Conflicts()
        self.reason = ""  # why it is not up, for monitors
        self.remark = ""  # what there is to say about a stop that succeeds
        self.wait_us = 0  # the phase's own deadline: evidence, confirmation, proof, adoption
        self.has_looked = False
        self.dropping: tuple[str, ...] = ()  # the addresses whose absence is to be proved
        self.drops = 0
        self.readds: tuple[int, ...] = ()
        self.orphan_us: int | None = None
        self.out: list[IpEffect] = []

    def judge(self, m: Moment) -> None:
        """Before anything else in every step: is what we hold still ours? (A process that was frozen wakes up here.)"""
        if self.phase in (Phase.TAKING, Phase.HELD):
            assert self.lease is not None
            if reason := self.lease.loss(m.now_us, m.until_us):
                # In doubt there is no other node to go to: a starved survivor gives the address up and takes it back by itself.
                (self.suspend if m.outlooks.is_doubted else self.lose)(m, reason)
        elif self.phase is Phase.ADOPTED and m.now_us >= self.wait_us:
            self.lose(m, "the cluster layer did not confirm this node's membership before the adopted lease ran out")
        if self.orphan_us is not None and m.now_us >= self.orphan_us:
            self.lose(m, f"kept from the former manager, but the cluster did not ask for it in {ORPHAN_US // US_PER_S} s")

    def revoke(self, m: Moment, reason: str) -> None:
        """This node may hold nothing: whatever may be up goes at once."""
        if self.phase not in (Phase.STOPPED, Phase.DROPPING):
            self.lose(m, reason)

    @property
    def is_idle(self) -> bool:
        """Whether nothing about this resource is worth keeping."""
        return self.phase is Phase.STOPPED and not self.reason and self.run is None

    def next_us(self, until_us: int) -> int | None:
        """When this address needs the timer."""
        due: list[int] = []
        if self.phase in (Phase.TAKING, Phase.HELD):
            assert self.lease is not None
            due.append(self.lease.end_us(until_us))
        if self.phase is Phase.ASKING and self.asking is not None:
            due.append(self.asking.due_us)
        elif self.phase in (Phase.ASKING, Phase.TAKING, Phase.DROPPING, Phase.ADOPTED):
            due.append(self.wait_us)
        elif self.phase is Phase.SUSPENDED and (self.asking is not None or self.wait_us):
            due.append(self.asking.due_us if self.asking is not None else self.wait_us)
        if self.phase is Phase.HELD and self.announcements is not None:
            due.append(self.announcements.due_us)
        if self.orphan_us is not None:
            due.append(self.orphan_us)
        return min(due, default=None)

    def check(self, now_us: int, until_us: int) -> None:
        """The class's invariants; raises AssertionError."""
        if self.phase in (Phase.TAKING, Phase.HELD):
            assert self.lease is not None, self.resource
            assert now_us < self.lease.end_us(until_us), f"{self.resource} outlives its evidence"
        if self.phase not in (Phase.STOPPED, Phase.DROPPING):
            assert self.place is not None, self.resource
            assert self.wanted is not None, self.resource
        if self.phase is Phase.SUSPENDED:
            assert self.lease is None, f"{self.resource} is suspended with a lease"
        if self.phase in (Phase.STOPPED, Phase.HELD, Phase.ADOPTED, Phase.SUSPENDED):
            assert self.run is None, f"{self.resource}: run {self.run} is never answered"
        if self.phase is Phase.ASKING:
            assert self.run is not None, self.resource
        assert len(self.readds) <= READDS_MAX, self.readds

    def take(self, m: Moment) -> None:
        """Put the address up: remembered first, so that no crash leaves one that nobody knows of."""
        assert self.place is not None
        assert self.wanted is not None
        self.asking = None
        self.phase, self.wait_us, self.has_looked = Phase.TAKING, m.now_us + LOOK_AFTER_US, False
        self.out.append(Remember(self.resource, self.raw))
        if self.wanted.ip.version == 4 and self.place.prefix < 32:
            self.out.append(Promote(self.place.interface))
        self.put(m)
        for copy in copies(self.place.ip, m.network):
            if (copy.interface, copy.prefix) != (self.place.interface, self.place.prefix):
                self.out.append(DropAddress(copy.interface, copy.ip, copy.prefix))

    def put(self, m: Moment) -> None:
        """Put the address up, or renew it: the only road to PutAddress, and it asserts the evidence."""
        assert self.place is not None
        assert self.wanted is not None
        assert m.is_entitled, f"{self.resource}: put without evidence"
        place, wanted = self.place, self.wanted
        before_us = m.until_us if self.lease is None else self.lease.end_us(m.until_us)
        assert m.now_us < before_us, f"{self.resource}: put after its lease"
        valid_s = wanted.lease_s or None
        preferred_s = valid_s
        if wanted.is_v6 and wanted.preferred_s is not None:
            preferred_s = wanted.preferred_s if valid_s is None else min(wanted.preferred_s, valid_s)
        self.lease = Lease(wanted.lease_s, m.now_us)
        self.out.append(
            PutAddress(
                interface=place.interface,
                ip=place.ip,
                prefix=place.prefix,
                valid_s=valid_s,
                preferred_s=preferred_s,
                broadcast=place.broadcast,
                label=place.label,
                noprefixroute=place.noprefixroute,
                nodad=wanted.is_v6,  # we have asked ourselves; the kernel's own detection takes a second
                before_us=before_us,
            )
        )

    def begin_announcing(self, m: Moment) -> None:
        """Announce now, and go on from the start of the schedule."""
        assert self.wanted is not None
        begun = Announcements.begin(m.now_us, self.wanted.arp_count, self.wanted.arp_interval_ms)
        self.announcements = begun.announced(m.now_us)
        self.announce(m)

    def announce(self, m: Moment) -> None:
        """Announce once, where there are neighbours that understand it."""
        assert self.place is not None
        interface = interface_of(self.place.interface, m.network)
        if interface is not None and speaks_ethernet(interface):
            self.out.append(Announce(self.place.interface, self.place.ip, interface.mac))

    def fail(self, reason: str, rc: int = GENERIC) -> None:
        """A start that has put nothing fails; what is being dropped goes on being dropped."""
        if self.phase is not Phase.DROPPING:
            if self.place is not None:
                self.out.append(Watch(self.place.interface, self.place.ip, on=False))
            self.clear()
            self.phase = Phase.STOPPED
        self.reason = reason
        if self.run is not None:
            self.answer(rc, reason)

    def lose(self, m: Moment, reason: str, rc: int = GENERIC) -> None:
        """The address goes, whatever the phase. A waiting start fails with `rc`; else the cluster learns that it is not up."""
        if self.phase is Phase.ASKING:
            self.fail(reason, rc)
            return
        self.drop_all(m)
        self.reason = reason
        if self.run is not None:
            self.answer(rc, reason)
        else:
            self.out.append(Changed(self.resource, NOT_RUNNING, reason))
        self.out.append(Tell(error("ip.lost", "the address is given up", reason, where=self.resource)))
        self.await_proof(m)

    def suspend(self, m: Moment, reason: str) -> None:
        """The address goes at once, though not for good: this node is alone, and there is nobody whom it could serve."""
        assert self.place is not None
        if self.phase is not Phase.ASKING:
            self.out += (*self.drop_copies(m), Look())
        self.asking = self.announcements = self.lease = None
        self.readds, self.wait_us, self.drops, self.silent_us = (), 0, 1, None
        self.phase, self.reason = Phase.SUSPENDED, reason
        what = f"{self.place.ip} is suspended on this node"
        remedy = "it comes back by itself when the network does: look at cable, switch port, VLAN and firewall"
        self.out.append(Tell(error("ip.suspended", what, reason, remedy, self.resource)))
        if self.run is not None:
            self.answer(DEGRADED, f"{what}: {reason}")
        else:
            self.out.append(Changed(self.resource, DEGRADED, f"{what}: {reason}"))

    def is_unseen(self, m: Moment) -> bool:
        """Whether nobody at all answered until a moment ago."""
        return self.silent_us is not None and m.now_us - self.silent_us < UNSEEN_US

    def drop_copies(self, m: Moment) -> tuple[DropAddress, ...]:
        """What deletes every copy of the address, our own even when the picture does not show it yet."""
        assert self.place is not None
        found = [DropAddress(c.interface, c.ip, c.prefix) for c in copies(self.place.ip, m.network)]
        own = DropAddress(self.place.interface, self.place.ip, self.place.prefix)
        return tuple(found) if self.lease is None or own in found else (*found, own)

    def heeds(self, m: Moment, event: NeighbourHeard) -> bool:
        """Whether what was heard keeps this node from taking the address. Of two that ask at the same time the lower MAC goes
        first; the other hears its answers from then on."""
        assert self.place is not None
        interface = interface_of(self.place.interface, m.network)
        return event.kind in CLAIMS or (interface is not None and event.mac < interface.mac)

    def drop_all(self, m: Moment, ip: str | None = None) -> None:
        """Delete every copy: our own even when the picture does not show it yet, and those that `ip` names."""
        ips = {*self.dropping} | ({self.place.ip} if self.place is not None else set()) | ({ip} if ip is not None else set())
        self.dropping = tuple(sorted(ips))
        found = list(self.left(m))
        if self.place is not None:
            own = DropAddress(self.place.interface, self.place.ip, self.place.prefix)
            if self.lease is not None and own not in found:
                found.append(own)
            self.out.append(Watch(self.place.interface, self.place.ip, on=False))
        self.out += found
        self.clear()

    def clear(self) -> None:
        """Forget everything that belongs to an address that is up or going up."""
        self.asking = self.announcements = self.lease = self.place = self.wanted = self.orphan_us = None
        self.readds = ()

    def await_proof(self, m: Moment) -> None:
        """The drops are on their way: look, and go on when the kernel's picture shows no copy."""
        self.phase, self.drops, self.wait_us = Phase.DROPPING, 1, m.now_us + DROP_AGAIN_US
        self.out.append(Look())

    def left(self, m: Moment) -> tuple[DropAddress, ...]:
        """What it takes to delete the copies that the picture still shows."""
        return tuple(DropAddress(c.interface, c.ip, c.prefix) for ip in self.dropping for c in copies(ip, m.network))

    def gone(self, rc: int, reason: str) -> None:
        """The end of dropping, with or without success."""
        self.phase, self.dropping = Phase.STOPPED, ()
        self.out.append(Remember(self.resource, None))
        if self.run is not None:
            self.answer(rc, reason or self.remark)
        elif rc != OK:
            self.out.append(Tell(error("ip.stuck", "the address cannot be removed", reason, where=self.resource)))

    def answer(self, rc: int, reason: str) -> None:
        """Answer the operation that waits, once."""
        assert self.run is not None
        self.out.append(Done(self.run, rc, reason))
        self.run = None
