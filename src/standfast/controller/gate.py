"""Mode fenced of OpenStack: the start of a failover IP is held back until the cloud has cut the lost nodes off.

Owns: which starts wait, for how long, and what is said meanwhile. Does not own: the cutting (openstack/severing.py), the graph.

    a start comes    its address is severed on all lost nodes: it goes on    else: it is HELD, and counts as under way
    the cloud says   all severed: the held starts go on
    the plan changes what is held is given back to the coordinator, which plans anew
    HOLD_US passed   given back, with an error that says why and what to do; when the cloud confirms later, a plan is asked for

Nothing else ever lets such a start pass: with the API away the address stays down, which is what this mode is chosen for. A node
that was fenced by a device, that left in order, or of which a person said that it is off (crm node clearstate), is not lost.
Invariants (`check`): at most HELD_MAX starts are held; each belongs to the graph in flight.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml.etree import _Element as Element

from standfast.base.ids import US_PER_S
from standfast.base.report import error, notice
from standfast.controller import reading
from standfast.controller.coordinator import Coordinator, Effect, Start
from standfast.controller.effects import Wake
from standfast.controller.outbox import Outbox
from standfast.openstack.api import Severed
from standfast.openstack.model import address
from standfast.openstack.wish import lost
from standfast.scheduler.graph.model import Action

HOLD_US = 60 * US_PER_S
SLOW_US = 10 * US_PER_S
"""After this long it is said why a start still waits."""
REPEAT_US = 600 * US_PER_S
HELD_MAX = 1_000
AGENT = "IPaddr2"


@dataclass(frozen=True, slots=True)
class _Held:
    """A start that waits."""

    start: Start
    address: str
    until_us: int


class Gate:
    """See the module."""

    def __init__(self, coordinator: Coordinator, say: Outbox) -> None:
        self._coordinator = coordinator
        self._say = say
        self._severed: frozenset[tuple[str, str]] = frozenset()
        self._why = ""
        self._held: dict[int, _Held] = {}
        self._since_us: dict[str, int] = {}
        self._told_us: dict[str, int] = {}
        self._owes_plan = False

    def said(self, event: Severed) -> None:
        """The cloud was asked."""
        self._severed, self._why = frozenset(event.done), event.why

    def holds(self, root: Element, start: Start) -> bool:
        """Whether a start has to wait; it is kept then, and given back by `look`."""
        action = start.action
        if action.operation != "start" or action.agent[2] != AGENT or not reading.fences_by_cloud(root):
            return False
        wanted = _address(action)
        waits_for = self._open_nodes(root, wanted)
        if not wanted or not waits_for or len(self._held) >= HELD_MAX:
            return bool(waits_for)
        now_us = self._say.now.us
        if wanted not in self._since_us:
            self._since_us[wanted] = now_us
            what = f"{action.resource} waits until OpenStack lets {wanted} through no more on {_names(waits_for)}, which is lost"
            self._say.tell(notice("openstack.held", what, "openstack-mode is fenced"))
        self._owes_plan = False
        self._held[action.id] = _Held(start, wanted, now_us + HOLD_US)
        self._coordinator.held(action.id)
        self._arm()
        return True

    def look(self, root: Element) -> tuple[Effect, ...]:
        """What may go on now, and what is given back. Called after whatever happened."""
        if not self._held and not self._since_us and not self._severed:
            return ()
        self._forget(root)
        if self._owes_plan and not self._since_us:
            self._owes_plan = False
            return self._coordinator.changed(self._say.now.us, "OpenStack has cut the lost nodes off")
        out: list[Effect] = []
        for key, held in list(self._held.items()):
            if not self._coordinator.owns(held.start.key):
                del self._held[key]
            elif not self._open_nodes(root, held.address):
                del self._held[key]
                out += self._coordinator.released(self._say.now.us, held.start)
            elif self._coordinator.is_ending or self._say.now.us >= held.until_us:
                del self._held[key]
                self._owes_plan = not self._coordinator.is_ending
                reason = f"{held.start.action.resource} cannot be started yet: OpenStack has not cut the lost nodes off"
                out += self._coordinator.withdrawn(self._say.now.us, key, reason)
            self._tell_slow(root, held)
        self._arm()
        return tuple(out)

    def check(self) -> None:
        """Assert the invariants."""
        assert len(self._held) <= HELD_MAX
        assert all(key == held.start.action.id for key, held in self._held.items())

    def _open_nodes(self, root: Element, wanted: str) -> tuple[str, ...]:
        return tuple(node for node in sorted(lost(root)) if (node, wanted) not in self._severed)

    def _forget(self, root: Element) -> None:
        """What was severed counts until the node is back."""
        if not reading.fences_by_cloud(root):
            self._severed = frozenset()
        gone = lost(root)
        self._severed = frozenset(pair for pair in self._severed if pair[0] in gone)
        for wanted in [ip for ip in self._since_us if not self._open_nodes(root, ip) or not reading.fences_by_cloud(root)]:
            del self._since_us[wanted]
            self._told_us.pop(wanted, None)

    def _tell_slow(self, root: Element, held: _Held) -> None:
        wanted, now_us = held.address, self._say.now.us
        since_us = self._since_us.get(wanted, now_us)
        if now_us < since_us + SLOW_US or now_us < self._told_us.get(wanted, now_us - REPEAT_US) + REPEAT_US:
            return
        self._told_us[wanted] = now_us
        nodes = _names(self._open_nodes(root, wanted))
        what = f"{held.start.action.resource} is not started: OpenStack may still let {wanted} through on {nodes}, which is lost"
        remedy = f"when you know that it is off: crm node clearstate {nodes}; or: crm configure property openstack-mode=pairs"
        self._say.tell(error("openstack.not-started", what, self._why or "there is no answer yet", remedy))

    def _arm(self) -> None:
        times = [held.until_us for held in self._held.values()]
        times += [self._since_us[h.address] + SLOW_US for h in self._held.values() if h.address not in self._told_us]
        if times:
            self._say.add(Wake("gate", max(self._say.now.us, min(times))))


def _address(action: Action) -> str:
    try:
        return address(dict(action.attributes).get("ip", "").partition("/")[0])
    except ValueError:
        return ""


def _names(nodes: tuple[str, ...]) -> str:
    return ", ".join(nodes)
