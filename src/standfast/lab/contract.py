"""The contract of the cluster layer as a check on what was seen: written once, for every provider, live or in virtual time.

Owns: the rules of engine/api.py and engine/provider.py as assertions on histories. Does not own: who makes the histories.

A history holds one *life* for each attachment of a client to its provider: from the first view after it was lost, or never there,
to its loss. Instants are of one clock for all nodes (one host, or one simulated world).
"""

from __future__ import annotations

from dataclasses import field, replace
from itertools import combinations

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.api import (
    ClientAbsent,
    ClientEvent,
    Delivered,
    Pulse,
    QuorumChanged,
    Stable,
    View,
    ViewId,
    ViewInstalled,
)
from standfast.engine.provider import Promises

PLACES = 1 << 62
"""Beyond every place of an order."""


@dataclass(slots=True)
class Life:
    """What one client was told, with the instant of each event. `sent` are the payloads it broadcast, in order."""

    node: NodeId
    events: list[tuple[int, ClientEvent]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    is_over: bool = False
    left_us: int | None = None
    """When it left of its own will: what it was promised ended there."""

    @property
    def view(self) -> View | None:
        """The view in force."""
        return next((e.view for _, e in reversed(self.events) if isinstance(e, ViewInstalled)), None)

    @property
    def is_quorate(self) -> bool:
        """Whether it was told so last."""
        for _, event in reversed(self.events):
            if isinstance(event, ViewInstalled | QuorumChanged):
                return event.quorum.quorate
        return False

    @property
    def pulse_us(self) -> int:
        """The furthest pulse."""
        return max((e.until_us for _, e in self.events if isinstance(e, Pulse)), default=0)

    def delivered(self) -> list[bytes]:
        """All payloads, in order."""
        return [e.payload for _, e in self.events if isinstance(e, Delivered)]

    def places(self, view: ViewId) -> dict[int, tuple[object, ...]]:
        """What stands at each place of the order of this view."""
        found: dict[int, tuple[object, ...]] = {}
        for _, event in self.events:
            match event:
                case Delivered(of, seq, sender, payload) if of == view:
                    found[seq] = (sender, payload)
                case ClientAbsent(of, seq, node) if of == view and seq:
                    found[seq] = (node,)
        return found

    def views(self) -> list[tuple[int, View]]:
        """(instant, view), in order."""
        return [(at_us, e.view) for at_us, e in self.events if isinstance(e, ViewInstalled)]


class History:
    """All lives so far. `check` raises AssertionError with the rule that was broken."""

    def __init__(self, promises: Promises, lease_us: int, *, client_holds: bool = True) -> None:
        """`client_holds` False: what members hold is held by a process of its own, and read by the client a moment later."""
        self.promises = promises
        self._client_holds = client_holds
        self.lease_us = lease_us
        self.lives: list[Life] = []

    def begin(self, node: NodeId) -> Life:
        """A client attaches."""
        life = Life(node)
        self.lives.append(life)
        return life

    def check(self) -> None:
        """Every rule."""
        self._same_id_same_members()
        self._ids_grow()
        for life in self.lives:
            _in_its_view(life)
            _once_and_in_order(life, self.lives)
        for one, other in combinations(self.lives, 2):
            _same_order(one, other)
            _moved_together(one, other)
        self._stable()
        self._one_quorate()
        self._views_say_what_they_can()

    def _same_id_same_members(self) -> None:
        members: dict[ViewId, tuple[NodeId, ...]] = {}
        for life in self.lives:
            for _, view in life.views():
                assert life.node in view.members, f"node {life.node} is told of {view.id} without it"
                assert list(view.members) == sorted(view.members)
                assert members.setdefault(view.id, view.members) == view.members, f"{view.id} has two lists of members"

    def _ids_grow(self) -> None:
        seen: dict[NodeId, ViewId] = {}
        for life in self.lives:
            for nth, (_, view) in enumerate(life.views()):
                before = seen.get(life.node)
                # a client that attaches again may find the view that it left in force; within a life every view is a new one
                assert before is None or view.id.seq > before.seq or (nth == 0 and view.id == before), (
                    life.node,
                    before,
                    view.id,
                )
                seen[life.node] = view.id

    def _stable(self) -> None:
        if self.promises.stable != "held" or not self._client_holds:
            return
        held: list[tuple[int, int, Life, ViewId, int, bool]] = []
        for life in self.lives:
            for at_us, event in life.events:
                match event:
                    case Delivered(view, seq, _, _) | ClientAbsent(view, seq, _):
                        held.append((at_us, 0, life, view, seq, False))
                    case Stable(view, seq):
                        held.append((at_us, 1, life, view, seq, True))
        excused = {(e.view, e.node) for life in self.lives for _, e in life.events if isinstance(e, ClientAbsent)}
        reached: dict[tuple[int, ViewId], int] = {}
        for _, _, life, view, seq, is_stable in sorted(held, key=lambda row: row[:2]):
            if not is_stable:
                reached[id(life), view] = seq
                continue
            for other in self.lives:
                if other.is_over or (view, other.node) in excused or all(v.id != view for _, v in other.views()):
                    continue
                places = other.places(view)
                if places and min(places) <= seq:  # one that attached later has nothing from before
                    assert reached.get((id(other), view), 0) >= seq, f"stable {seq} is not held by {other.node}"

    def _one_quorate(self) -> None:
        """A pulse that outlives the beginning of another's quorum does so by the lease at most; a store's lease not at all."""
        beyond_us = 0 if self.promises.pulse == "leased" else self.lease_us
        reigns = [reign for life in self.lives for reign in _reigns(life)]
        if self.promises.pulse == "leased":  # a view may be read late, when it is history: who acts in it has had a pulse
            reigns = [replace(r, begun_us=r.pulses[0][0]) for r in reigns if r.pulses]
        for life in self.lives:
            for mine in _reigns(life):
                for at_us, until_us in mine.pulses:
                    for other in reigns:
                        if life.node not in other.view.members and mine.begun_us <= other.begun_us and at_us < other.ended_us:
                            what = f"{life.node} holds on in {mine.view.id}, and {other.view.id} is quorate"
                            assert min(until_us, life.left_us or until_us) <= other.begun_us + beyond_us, what

    def _views_say_what_they_can(self) -> None:
        for life in self.lives:
            for nth, (_, view) in enumerate(life.views()):
                assert (view.transitional is not None) == self.promises.transitional
                if nth:
                    assert life.node not in view.joined
                assert all(node in view.members for node in view.joined)


@dataclass(slots=True)
class _Reign:
    """A time in which a client was told that its view is quorate, and the pulses (shown at, until) that it was shown in it."""

    view: View
    begun_us: int
    ended_us: int = PLACES
    pulses: list[tuple[int, int]] = field(default_factory=list)


def _reigns(life: Life) -> list[_Reign]:
    found: list[_Reign] = []
    view: View | None = None
    for at_us, event in life.events:
        match event:
            case ViewInstalled(_, quorum) | QuorumChanged(quorum):
                view = event.view if isinstance(event, ViewInstalled) else view
                if found:
                    found[-1].ended_us = min(found[-1].ended_us, at_us)
                if quorum.quorate and view is not None:
                    found.append(_Reign(view, at_us))
            case Pulse(until_us) if found and found[-1].ended_us == PLACES:
                found[-1].pulses.append((at_us, until_us))
    return found


def _in_its_view(life: Life) -> None:
    """Each message is delivered in the view in force, at a later place than the one before."""
    view: ViewId | None = None
    last = 0
    for _, event in life.events:
        match event:
            case ViewInstalled():
                view, last = event.view.id, 0
            case Delivered(of, seq, _, _) | ClientAbsent(of, seq, _):
                assert of == view, f"{event} outside of its view"
                if seq:  # 0: who attaches to a running view is told of those that were absent already
                    assert seq > last, f"place {seq} after {last}"
                    last = seq
            case Stable(of, seq):
                assert of == view, f"{event} outside of its view"


def _once_and_in_order(life: Life, lives: list[Life]) -> None:
    """No message twice; those of one sender in the order in which it sent them; nothing that nobody sent."""
    payloads = life.delivered()
    assert len(set(payloads)) == len(payloads), "delivered twice"
    place = {payload: (id(sender), nth) for sender in lives for nth, payload in enumerate(sender.sent)}
    last: dict[int, int] = {}
    for payload in payloads:
        assert payload in place, f"nobody sent {payload[:40]!r}"
        sender, nth = place[payload]
        assert nth > last.get(sender, -1), f"{payload[:40]!r} overtook another one of its sender"
        last[sender] = nth


def _same_order(one: Life, other: Life) -> None:
    mine = {view.id for _, view in one.views()}
    for view in [view.id for _, view in other.views() if view.id in mine]:
        here, there = one.places(view), other.places(view)
        for seq in [seq for seq in here if seq in there]:
            assert here[seq] == there[seq], f"{view} place {seq}: {one.node} has {here[seq]}, {other.node} {there[seq]}"


def _moved_together(one: Life, other: Life) -> None:
    """Who went from one view to the same next one, together, delivered the same in the first."""
    after = {before.id: next_ for (_, before), (_, next_) in zip(other.views(), other.views()[1:], strict=False)}
    for (_, before), (_, next_) in zip(one.views(), one.views()[1:], strict=False):
        theirs = after.get(before.id)
        if theirs is None or theirs.id != next_.id:
            continue
        if next_.transitional is not None and theirs.transitional is not None:
            together = other.node in next_.transitional
            assert together == (one.node in theirs.transitional), "one says that they came together, the other does not"
            if not together:
                continue
        here, there = one.places(before.id), other.places(before.id)
        first = max(_begins(one, before.id, here), _begins(other, before.id, there))
        assert {s for s in here if s >= first} == {s for s in there if s >= first}, f"{before.id}: not the same messages"


def _begins(life: Life, view: ViewId, places: dict[int, tuple[object, ...]]) -> int:
    """The first place of this view that concerns this life: it may have attached in the middle of it."""
    return min(places, default=PLACES) if life.views()[0][1].id == view else 1
