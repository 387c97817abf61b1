"""What must hold after every event, whatever the faults: the contract of engine/api.py as code.

Owns: a record of what every manager was told, and the judgement. Does not own: causing anything.

S2 one order and no gaps in a view; S3 same view, same members, growing ids, virtual synchrony; S4 no two quorate views beside
each other; the pulse's promise (engine/pulse.py); Stable's promise; a broadcast is delivered once to whoever stays with its
sender, and exactly once to its sender.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, NodeId
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
from standfast.sim.host import Host

if TYPE_CHECKING:
    from standfast.sim.world import World


CHECK_EVERY = 4
DRIFT_PPM_MAX = 1_100
"""How far two clocks run apart at the most, one fast and one slow."""


class PromiseError(AssertionError):
    """A promise was broken: the text says which, where and when."""


@dataclass(slots=True)
class Life:
    """What one life of a node's manager saw. `apart` counts, for each peer, how often it came back into view; `seq` is None
    while it is not known how much of the view's messages a manager that attached late has missed."""

    number: int
    view: View | None = None
    quorum: Quorum | None = None
    seq: int | None = None
    is_attaching: bool = False
    pulse_until_us: int = 0
    together_us: int = 0
    apart: dict[NodeId, int] = field(default_factory=dict)
    seen: dict[bytes, int] = field(default_factory=dict)
    newest: dict[NodeId, tuple[int, int]] = field(default_factory=dict)
    waiting: dict[bytes, bool] = field(default_factory=dict)


class Checks:
    """Judges a world. Raises PromiseError at the first event that breaks a promise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.lives: dict[NodeId, Life] = {}
        self._members: dict[ViewId, tuple[NodeId, ...]] = {}
        self._orders: dict[ViewId, dict[int, tuple[NodeId, bytes]]] = {}
        self._newest_seq: dict[NodeId, int] = {}
        self._moves: dict[tuple[ViewId, ViewId], tuple[NodeId, int]] = {}
        self._moved_us: dict[ViewId, dict[NodeId, int]] = {}
        self._steps = 0
        self.delivered = 0
        self.views = 0
        self.views_of: dict[NodeId, int] = {}

    # ---- what happens ---------------------------------------------------------------------------------------------

    def started(self, host: Host) -> None:
        """A new life."""
        self.lives[host.id] = Life(host.life)

    def ended(self, host: Host) -> None:
        """A life is over."""
        self.lives.pop(host.id, None)

    def sent(self, host: Host, payload: bytes) -> None:
        """A manager broadcasts `payload`, which is unlike any other."""
        self.lives[host.id].waiting[payload] = True

    def attaching(self, host: Host) -> None:
        """A manager connects: the next view it is told is the current one, and it may have missed anything."""
        life = self.lives[host.id]
        life.is_attaching = True
        life.seq = None
        life.waiting.clear()
        life.seen.clear()
        life.newest.clear()

    def detached(self, host: Host) -> None:
        """A manager is gone: what happens from now on is not seen."""
        life = self.lives[host.id]
        life.view = life.seq = None
        life.waiting.clear()

    def stepped(self, host: Host) -> None:
        """The engine's own invariants: of every fourth step, because they cost as much as the step."""
        self._steps += 1
        if host.engine is not None and self._steps % CHECK_EVERY == 0:
            host.engine.check()

    def told(self, host: Host, event: ClientEvent) -> None:
        """A manager was told something."""
        life = self.lives[host.id]
        match event:
            case ViewInstalled(view, quorum):
                self._installed(host, life, view)
                life.quorum = quorum
                self._no_two_quorate()
            case QuorumChanged(quorum):
                life.quorum = quorum
                self._no_two_quorate()
            case Delivered(view_id, seq, sender, payload):
                self._ordered(host, life, view_id, seq, sender, payload)
                self._once(host, life, sender, payload)
            case ClientAbsent(view_id, seq, node) if seq:  # 0 repeats to a late client what was ordered before
                if life.seq is not None:  # else it may be what a manager that attaches late has to know
                    self._ordered(host, life, view_id, seq, node, b"absent")
            case Stable(view_id, seq):
                self._stable(host, life, view_id, seq)
            case Pulse(until_us):
                self._pulsed(host, life, host.world_us(until_us))

    # ---- S3 -------------------------------------------------------------------------------------------------------

    def _installed(self, host: Host, life: Life, view: View) -> None:
        known = self._members.setdefault(view.id, view.members)
        self._must(known == view.members, host, f"view {view.id} has members {view.members}, elsewhere {known}")
        self._must(host.id in view.members, host, f"view {view.id} without its own node")
        newest = self._newest_seq.get(host.id, 0)
        is_new = not life.is_attaching or view.id.seq > newest
        self._must(
            view.id.seq > newest or (life.is_attaching and view.id.seq == newest), host, f"view {view.id} after seq {newest}"
        )
        self._newest_seq[host.id] = view.id.seq
        self.views += is_new
        self.views_of[host.id] = self.views_of.get(host.id, 0) + is_new
        if life.view is not None:
            self._together(host, life, life.view, view)
            self._moved_us.setdefault(life.view.id, {}).setdefault(host.id, self._world.now_us)
        if len(view.members) > 1:
            life.together_us = self._world.now_us
        for node in view.joined:
            life.apart[node] = life.apart.get(node, 0) + 1
        life.view = view
        life.seq = None if life.is_attaching else 0
        life.is_attaching = False
        life.pulse_until_us = 0

    def _together(self, host: Host, life: Life, old: View, new: View) -> None:
        """Two that move together delivered the same (the order is judged by `_ordered`)."""
        if life.seq is None:
            return
        first, count = self._moves.setdefault((old.id, new.id), (host.id, life.seq))
        self._must(count == life.seq, host, f"from {old.id} to {new.id} with {life.seq} messages, but node {first} with {count}")
        along = new.transitional or ()
        self._must(set(along) <= set(old.members) & set(new.members), host, f"{along} cannot all have come along")

    # ---- S2 -------------------------------------------------------------------------------------------------------

    def _ordered(self, host: Host, life: Life, view: ViewId, seq: int, sender: NodeId, payload: bytes) -> None:
        self.delivered += 1
        self._must(life.view is not None and view == life.view.id, host, f"delivery of {view} in another view")
        if life.seq is not None:
            self._must(seq == life.seq + 1, host, f"delivery {seq} after {life.seq} in {view}")
        life.seq = seq
        known = self._orders.setdefault(view, {}).setdefault(seq, (sender, payload))
        self._must(known == (sender, payload), host, f"delivery {seq} of {view} differs from another node's")

    def _once(self, host: Host, life: Life, sender: NodeId, payload: bytes) -> None:
        apart = life.apart.get(sender, 0)
        before = life.seen.get(payload)
        self._must(before is None or before != apart, host, f"{payload[:24]!r} of node {sender} twice")
        life.seen[payload] = apart
        number = int(payload.split(b"/")[2])
        newest_apart, newest = life.newest.get(sender, (-1, -1))
        self._must(newest_apart != apart or number > newest, host, f"{payload[:24]!r} after number {newest} of its sender")
        life.newest[sender] = apart, number
        if sender == host.id:
            life.waiting.pop(payload, None)

    def _stable(self, host: Host, life: Life, view: ViewId, seq: int) -> None:
        self._must(life.view is not None and view == life.view.id, host, f"stability of {view} in another view")
        self._must(life.seq is None or seq <= life.seq, host, f"stable {seq}, delivered {life.seq}")
        for node in self._members[view]:
            other = self.lives.get(node)
            if other is None or other.view is None or other.view.id != view or other.seq is None:
                continue  # it has died or gone on; what it held then was judged by virtual synchrony
            self._must(other.seq >= seq, host, f"stable {seq} in {view}, but node {node} has {other.seq}")

    # ---- S4 and the pulse -----------------------------------------------------------------------------------------

    def _no_two_quorate(self) -> None:
        quorate = [
            (node, life.view, life.quorum)
            for node, life in sorted(self.lives.items())
            if life.quorum is not None and life.quorum.quorate and life.view is not None
        ]
        for i, (node, view, quorum) in enumerate(quorate):
            for other, beside, _ in quorate[i + 1 :]:
                if view.id != beside.id and not set(view.members) & set(beside.members):
                    asked_for = "2Node" in quorum.flags
                    self._must(asked_for, self._world.hosts[node], f"quorate {view} beside node {other}'s {beside}")

    def _pulsed(self, host: Host, life: Life, until_us: int) -> None:
        world = self._world
        now_us = world.now_us
        lease_us = world.times.lease_us
        if host.ppm:
            lease_us += lease_us * DRIFT_PPM_MAX // 1_000_000
        self._must(now_us < until_us <= now_us + lease_us, host, f"pulse until {until_us} at {now_us}")
        self._must(until_us > life.pulse_until_us, host, "a pulse that goes back")
        life.pulse_until_us = until_us
        self._must(life.view is not None, host, "a pulse without a view")
        assert life.view is not None
        slept = host.resumed_us - host.paused_us
        # A starved survivor goes on confirming itself: see Engine._wake. So does who has met others since, and was left by them.
        is_unproven = slept > lease_us // 2 + world.times.heartbeat_us and life.together_us < host.resumed_us
        if len(life.view.members) == 1 and is_unproven:
            awake_us = now_us - host.resumed_us
            self._must(awake_us >= world.times.bound_us_min - US_PER_MS, host, f"alone, and a pulse {awake_us} us after waking")
        parted_us = self._parted(host.id, life.view, life.quorum)
        if parted_us is not None and not self.has_stood(host):
            self._must(until_us <= parted_us + lease_us, host, f"pulse until {until_us}, but a view without it from {parted_us}")

    def has_stood(self, _host: Host) -> bool:
        """Whether its clock has stood still a moment ago, so that its evidence is older than it can know."""
        return False

    def _parted(self, node: NodeId, view: View, quorum: Quorum | None) -> int | None:
        """Since when the others who are still in `view` are too few to vouch for `node`."""
        moved = self._moved_us.get(view.id, {})
        others = [other for other in view.members if other != node]
        if not others:
            return None
        needed = 0 if quorum is None else quorum.votes_needed
        size = len(view.members)
        enough = size if size == 2 else min(max(size // 2 + 1, needed), size)
        times = sorted(moved[other] for other in others if other in moved)
        for gone, at_us in enumerate(times, start=1):
            if size - gone < enough:
                return at_us
        return None

    # ---- liveness -------------------------------------------------------------------------------------------------

    def unsettled(self, nodes: Iterable[NodeId]) -> str:
        """Why these nodes are not in one view with everything delivered; empty when they are."""
        wanted = tuple(sorted(nodes))
        views = {}
        for node in wanted:
            life = self.lives.get(node)
            if life is None or life.view is None:
                return f"node {node} has no view"
            views[node] = life.view
            if life.waiting:
                return f"node {node} waits for {len(life.waiting)} of its messages"
        if len({view.id for view in views.values()}) > 1 or views[wanted[0]].members != wanted:
            return "views: " + ", ".join(
                f"{node}: {view.id.seq}.{view.id.coordinator} {view.members}" for node, view in views.items()
            )
        if len({self.lives[node].seq for node in wanted if self.lives[node].seq is not None}) > 1:
            return "not everything is delivered everywhere"
        return ""

    def _must(self, holds: bool, host: Host, text: str) -> None:
        if not holds:
            raise PromiseError(f"node {host.id} at {self._world.now_us} us: {text}")
