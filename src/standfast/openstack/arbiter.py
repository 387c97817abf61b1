"""The third opinion of two nodes: whoever has lost its peer asks Neutron for a port with the lock's address.

Owns: one node's side of that lock. Does not own: membership (the engine says when the peer is lost), votes (quorum/ counts the
opinion as the device's), sockets. While both nodes see each other nothing depends on Neutron: an outage stops no healthy pair.

The lock is the unique key on an address in a network: of all POSTs one gets 201, all others 409. Every port has an id that is
never used again, so DELETE by id is the compare and POST the swap of a take-over; between them nobody has the lock. It has no
life of its own, so the holder limits itself: `hold` after the *sending* of the last PUT that was answered 200 it has lost the
lock, answer or none. No revision decides anything: If-Match is no compare-and-swap (a retry of the database forgets it).

When may the winner begin? Two kinds of right can be left on the other side:

* that of the common view: it ends by itself; the engine says when (`Asked.free_us`: one lease after the view without the peer);
* that of a lock. Its last renewal was answered by a server that still had the old port, so before ours was made, so before we
  were told: `hold`, and a margin for clocks of different rates, after our own success is enough, however late anything arrives.

The first suffices when since the common view nobody can have had the lock before us: no foreign lock was seen, ours never
vanished, and this life has seen the common view. Otherwise the second, always. A lock of an earlier spell (of being alone) is
never used again, so a DELETE that arrives late hits nothing that counts.

Not covered: a lock's port that a person deletes by hand; clocks whose rates differ by more than a hundredth.
Liveness: a lock that its holder does not renew for `hold` is taken over; from a node that died with it, after `2 x hold`.
"""

from __future__ import annotations

from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.base.report import error, notice, warning
from standfast.openstack import requests
from standfast.openstack.api import Call, Json, Replied, Reply, Request, SetTimer, Tell, TimerFired
from standfast.openstack.replies import Verdict, detail, verdict

OWNER = "arbiter"
WARM_US = 45 * US_PER_S
"""How often the lock is looked at while nothing depends on it: keeps the token and the connection, and tells of faults early."""
AGAIN_US_MIN = 100 * US_PER_MS
MARGIN_US = 500 * US_PER_MS
RATE = 100
"""Clocks of two nodes run equally fast within one part of this many."""
HOPS_MAX = 5
"""Calls in a row without a pause: look, drop, make and what a lost race adds. A cloud that contradicts itself gets pauses."""
RENEWALS = 5
"""Renewals that fit into one hold: so many calls in a row may fail."""
CALL_MS_MAX = 3_000


@dataclass(frozen=True, slots=True)
class Lock:
    """Where the lock is: cloud (of clouds.yaml), network (id) and a free address of it; `hold_ms` as in the module."""

    cloud: str
    network: str
    address: str
    hold_ms: int = 15_000


# ---- events and effects ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """The peer is lost. What it had by the common view ends at `free_us`; None where the view before this was no common one."""

    free_us: int | None


@dataclass(frozen=True, slots=True)
class Together:
    """A view with the peer: nobody needs the lock. Before the first event nothing is asked of Neutron."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """This node may act from `from_us` to `until_us` (0: not at all). `is_first`: nobody else can have had the lock since the
    common view, so what this node has, it keeps also before `from_us`. `is_lost`: Neutron has answered, and against it."""

    until_us: int
    from_us: int
    reason: str
    is_first: bool = False
    is_lost: bool = False


ArbiterInput = Asked | Together | Replied | TimerFired
ArbiterEffect = Call | SetTimer | Tell | Opinion


class State(Enum):
    """Where this node stands."""

    TOGETHER = auto()
    ASKING = auto()
    """Alone, without the lock: the others may have it, or nobody answers."""
    HELD = auto()
    LAPSED = auto()
    """Not renewed in time: nothing is kept, but the lock may still be ours."""


class Step(Enum):
    """What the open call does."""

    LOOK = auto()
    MAKE = auto()
    RENEW = auto()
    DROP = auto()


class Arbiter:
    """See the module.

    Invariants (`check`): at most one call is open; HELD means a port's id and `until` ahead of the last step; `until` is never
    later than the sending of a confirmed call plus `hold`; once begun, something is always open or due.
    """

    def __init__(self, lock: Lock, node: str, life: str) -> None:
        """`life` is entropy: it tells this life of the node from its others."""
        self._lock = lock
        self._hold_us = lock.hold_ms * US_PER_MS
        self._holder = f"{node}:{life}"
        self._spell = 0
        self.state = State.TOGETHER
        self._now_us = 0
        self._number = 0
        self._open: tuple[Step, int, Request, str] | None = None  # what, when sent, the request, the port's id
        self._due_us: int | None = None
        self._again_us = AGAIN_US_MIN
        self._hops = 0
        self._id = ""
        self._until_us = 0
        self._from_us = 0
        self._free_us: int | None = None
        self._watched: tuple[str, str, int] | None = None  # a foreign lock: id, its holder's text, since when it is the same
        self._told = ""
        self._out: list[ArbiterEffect] = []

    # ---- the way in and the way out ----------------------------------------------------------------------------------

    def step(self, now_us: int, event: ArbiterInput) -> tuple[ArbiterEffect, ...]:
        """Apply one event; returns the effects in order."""
        self._now_us = now_us
        self._lapse()
        match event:
            case Asked(free_us):
                self._asked(free_us)
            case Together():
                self._together()
            case Replied(_, number, reply):
                if self._open is not None and number == self._number:
                    self._replied(reply)
            case TimerFired():
                pass
        self._go_on()
        self._arm()
        out, self._out = tuple(self._out), []
        return out

    def check(self) -> None:
        """Assert the invariants."""
        assert self.state is not State.HELD or (self._id and self._until_us > self._now_us)
        assert self.state is State.HELD or self._until_us <= self._now_us or self.state is State.TOGETHER
        assert self._until_us <= self._now_us + self._hold_us
        assert self._open is not None or self._due_us is not None or not self._number

    # ---- what the engine says ----------------------------------------------------------------------------------------

    def _asked(self, free_us: int | None) -> None:
        if self.state is not State.TOGETHER:
            return  # alone before, alone now: whatever holds goes on
        self.state = State.ASKING
        self._again_us, self._hops = AGAIN_US_MIN, 0
        self._spell += 1
        self._free_us = free_us
        self._watched, self._open, self._told = None, None, ""
        self._send(Step.MAKE)

    def _together(self) -> None:
        if self.state is not State.TOGETHER:
            self._open = None
        self.state = State.TOGETHER
        self._id, self._until_us = "", 0
        if self._open is None:
            self._send(Step.LOOK)  # a lock of ours is deleted when it is found

    # ---- time --------------------------------------------------------------------------------------------------------

    def _lapse(self) -> None:
        """The holder's own limit comes before anything else that this step may bring."""
        if self.state is State.HELD and self._now_us >= self._until_us:
            self.state = State.LAPSED
            self._tell_lost(f"Neutron has not confirmed the lock for {self._lock.hold_ms / 1000:g} s")

    def _go_on(self) -> None:
        if self._open is not None and self._now_us >= self._open[1] + self._limit_ms * US_PER_MS:
            self._unknown("no answer in time")
        if self._open is not None or self._due_us is None or self._now_us < self._due_us:
            return
        self._hops = 0
        self._send(Step.RENEW if self._id else Step.LOOK, self._id)

    @property
    def _limit_ms(self) -> int:
        return min(CALL_MS_MAX, self._lock.hold_ms // RENEWALS)

    def _arm(self) -> None:
        if not self._number:
            return
        times = [self._due_us] if self._open is None and self._due_us is not None else []
        if self._open is not None:
            times.append(self._open[1] + self._limit_ms * US_PER_MS)
        if self.state is State.HELD:
            times.append(self._until_us)
        self._out.append(SetTimer(max(self._now_us, min(times))))

    # ---- calls -------------------------------------------------------------------------------------------------------

    @property
    def _mark(self) -> str:
        return f"{self._holder}:{self._spell}"

    def _send(self, step: Step, port: str = "") -> None:
        self._number += 1
        network, address = self._lock.network, self._lock.address
        text = f"third opinion, renewal {self._number}"
        match step:
            case Step.LOOK:
                request = requests.find_lock(network, address)
            case Step.MAKE:
                request = requests.make_lock(network, address, self._mark, text)
            case Step.RENEW:
                request = requests.renew_lock(port, text)
            case Step.DROP:
                request = requests.drop_lock(port)
        self._open, self._due_us = (step, self._now_us, request, port), None
        self._out.append(Call(OWNER, self._number, self._lock.cloud, request, self._limit_ms))

    def _hurry(self, step: Step, port: str = "") -> None:
        """The next call at once, unless there were too many."""
        if self._hops >= HOPS_MAX:
            self._later(self._longer())
            return
        self._hops += 1
        self._send(step, port)

    def _longer(self) -> int:
        """The next pause: they grow up to a renewal's."""
        wait_us, self._again_us = self._again_us, min(self._again_us * 2, self._hold_us // RENEWALS)
        return wait_us

    def _later(self, wait_us: int) -> None:
        self._due_us = self._now_us + wait_us

    def _replied(self, reply: Reply) -> None:
        assert self._open is not None
        step, sent_us, request, port = self._open
        found = verdict(request, reply)
        if found is Verdict.DONE and step in (Step.MAKE, Step.RENEW):
            port = _text((reply.body or {}).get("port"), "id")
            found = found if port else Verdict.UNKNOWN
        self._open = None
        match step, found:
            case ((Step.MAKE | Step.RENEW), Verdict.DONE):
                self._confirmed(sent_us, port)
            case Step.MAKE, Verdict.TAKEN:
                self._hurry(Step.LOOK)
            case Step.RENEW, Verdict.GONE:
                self._vanished()
            case Step.DROP, (Verdict.DONE | Verdict.GONE):
                self._dropped()
            case Step.LOOK, Verdict.DONE:
                self._looked((reply.body or {}).get("ports"))
            case _:
                self._unknown(detail(reply))

    def _unknown(self, why: str) -> None:
        """No usable answer: whether a write took effect is seen by looking."""
        self._open = None
        self._later(WARM_US if self.state is State.TOGETHER else self._longer())
        if self._told != "fault":
            self._told = "fault"
            what = "the third opinion cannot be had from Neutron"
            self._out.append(Tell(warning("openstack.lock-unanswered", what, why, "see crm openstack doctor")))
        if self.state is State.ASKING:
            self._out.append(Opinion(0, 0, f"Neutron does not answer: {why}"))

    # ---- what was found ----------------------------------------------------------------------------------------------

    def _confirmed(self, sent_us: int, port: str) -> None:
        """Neutron had our lock at some time after `sent_us`."""
        if self.state is State.TOGETHER:
            self._hurry(Step.DROP, port)
            return
        until_us = sent_us + self._hold_us
        if port != self._id:
            self._id = port
            slow_us = self._now_us + self._hold_us + self._hold_us // RATE + MARGIN_US
            self._from_us = slow_us if self._free_us is None else self._free_us
        if until_us <= self._now_us:
            self._later(0)
            return
        self._again_us = AGAIN_US_MIN
        is_news = self.state is not State.HELD
        self.state, self._until_us = State.HELD, until_us
        self._due_us = max(self._now_us, sent_us + self._hold_us // RENEWALS)
        is_first = self._from_us == self._free_us
        self._out.append(Opinion(until_us, self._from_us, "this node has the lock in Neutron", is_first))
        if is_news:
            wait_ms = max(0, self._from_us - self._now_us) // US_PER_MS
            why = f"it may begin in {wait_ms} ms, when the peer has surely let go"
            self._out.append(Tell(notice("openstack.lock-won", "Neutron's third opinion is for this node", why)))
            self._told = "won"

    def _vanished(self) -> None:
        """Somebody deleted our lock; its taker waits until our time is over, and so do we from now on."""
        self._id, self._free_us = "", None
        if self.state is State.HELD:
            self.state, self._until_us = State.ASKING, 0
            self._tell_lost("the lock was taken over")
        elif self.state is State.LAPSED:
            self.state = State.ASKING
        self._later(0)

    def _dropped(self) -> None:
        if self.state is State.TOGETHER:
            self._later(WARM_US)
            return
        self._watched = None
        self._hurry(Step.MAKE)

    def _looked(self, ports: object) -> None:
        if not isinstance(ports, list):
            self._unknown("an answer that is no list of ports")
            return
        port: Json = next((p for p in ports if isinstance(p, dict) and _text(p, "id")), {})
        if self.state is State.TOGETHER:
            # The peer's lock is the peer's: it deletes it itself.
            is_ours = _text(port, "device_id").startswith(self._holder.rpartition(":")[0] + ":")
            if is_ours and _text(port, "device_owner") == requests.LOCK_OWNER:
                self._hurry(Step.DROP, port["id"])
            else:
                self._told = ""
                self._later(WARM_US)
        elif not port:
            self._watched = None
            self._hurry(Step.MAKE)
        elif _text(port, "device_owner") != requests.LOCK_OWNER:
            self._used(port)
        elif _text(port, "device_id") == self._mark:
            self._hurry(Step.RENEW, port["id"])
        elif _text(port, "device_id").startswith(f"{self._holder}:"):
            self._hurry(Step.DROP, port["id"])  # of an earlier spell of this life, before the common view: nobody goes by it
        else:
            self._foreign(port)

    def _foreign(self, port: Json) -> None:
        """The other one's, or that of another life: it counts until it was the same for a whole hold."""
        self._free_us = None
        seen = port["id"], _text(port, "description")
        if self._watched is None or self._watched[:2] != seen:
            self._watched = (*seen, self._now_us)
        since_us = self._watched[2]
        if self._now_us - since_us > self._hold_us + self._hold_us // RATE:
            what = "the lock in Neutron is taken over"
            why = f"{_text(port, 'device_id').partition(':')[0]} has not renewed it for {self._lock.hold_ms / 1000:g} s"
            self._out.append(Tell(warning("openstack.lock-stale", what, why)))
            self._hurry(Step.DROP, port["id"])
            return
        self._tell_lost(f"{_text(port, 'device_id').partition(':')[0]} has the lock in Neutron")
        self._later(self._hold_us // RENEWALS)

    def _used(self, port: Json) -> None:
        if self._told != "used":
            self._told = "used"
            what = f"the lock's address {self._lock.address} belongs to something else"
            remedy = "give quorum.device.openstack.address a free address of the network"
            self._out.append(Tell(error("openstack.lock-used", what, f"port {port['id']}", remedy)))
        self._out.append(Opinion(0, 0, "the lock's address belongs to something else", is_lost=True))
        self._later(self._hold_us // RENEWALS)

    def _tell_lost(self, reason: str) -> None:
        self._out.append(Opinion(0, 0, reason, is_lost=True))
        if self._told != "lost":
            self._told = "lost"
            what = "Neutron's third opinion is against this node"
            self._out.append(Tell(warning("openstack.lock-lost", what, reason, "look for what parts this node from its peer")))


def _text(value: object, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
