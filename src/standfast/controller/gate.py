"""Modes fenced and exclusive of OpenStack: the start of a failover IP is held back until the cloud is ready for it.

    fenced           the address is severed on all lost nodes
    exclusive        the address is a fixed one of the starting node's port

Owns: which starts wait, for how long, and what is said meanwhile. Does not own: what is done in the cloud, the graph.

    a start comes    the cloud is ready: it goes on    else: it is HELD, and counts as under way
    the cloud says   ready: the held starts go on
    the plan changes what is held is given back to the coordinator, which plans anew
    HOLD_US passed   given back, with an error that says why and what to do; when the cloud confirms later, a plan is asked for

Nothing else ever lets such a start pass: with the API away the address stays down, which is what these modes are chosen for. A
node that was fenced by a device, that left in order, or of which a person said that it is off (crm node clearstate), is not lost.
Invariants (`check`): at most HELD_MAX starts are held; each belongs to the graph in flight.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S
from standfast.base.report import error, notice
from standfast.controller import reading
from standfast.controller.coordinator import Coordinator, Effect, Start
from standfast.controller.effects import Wake
from standfast.controller.outbox import Outbox
from standfast.openstack.api import Owned, Severed
from standfast.openstack.model import address
from standfast.openstack.wish import lost
from standfast.scheduler.graph.model import Action

HOLD_US = 60 * US_PER_S
SLOW_US = 10 * US_PER_S
"""After this long it is said why a start still waits."""
REPEAT_US = 600 * US_PER_S
HELD_MAX = 1_000
AGENT = "IPaddr2"
MODES = ("fenced", "exclusive")


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
        self._owned: frozenset[tuple[str, str]] = frozenset()
        self._why = ""
        self._held: dict[int, _Held] = {}
        self._since_us: dict[tuple[str, str], int] = {}
        self._told_us: dict[tuple[str, str], int] = {}
        self._owes_plan = False

    def said(self, event: Severed | Owned) -> None:
        """The cloud was asked."""
        self._why = event.why
        if isinstance(event, Severed):
            self._severed = frozenset(event.done)
        else:
            self._owned = frozenset(event.owners)

    @property
    def starting(self) -> tuple[tuple[str, str], ...]:
        """(address, node) of what waits, also of what was given back: who is to have it."""
        return tuple(sorted(self._since_us))

    def holds(self, root: Element, start: Start) -> bool:
        """Whether a start has to wait; it is kept then, and given back by `look`."""
        action = start.action
        if action.operation != "start" or action.agent[2] != AGENT or reading.cloud_mode(root) not in MODES:
            return False
        wanted = _address(action)
        waits_for = self._missing(root, wanted, action.node)
        if not wanted or not waits_for or len(self._held) >= HELD_MAX:
            return waits_for != ""
        now_us = self._say.now.us
        for other in [key for key in self._since_us if key[0] == wanted and key[1] != action.node]:
            del self._since_us[other]
        if (wanted, action.node) not in self._since_us:
            self._since_us[wanted, action.node] = now_us
            what = f"{action.resource} waits until OpenStack {waits_for}"
            self._say.tell(notice("openstack.held", what, f"openstack-mode is {reading.cloud_mode(root)}"))
        self._owes_plan = False
        self._held[action.id] = _Held(start, wanted, now_us + HOLD_US)
        self._coordinator.held(action.id)
        self._arm()
        return True

    def look(self, root: Element) -> tuple[Effect, ...]:
        """What may go on now, and what is given back. Called after whatever happened."""
        if not (self._held or self._since_us or self._severed or self._owned):
            return ()
        self._forget(root)
        if self._owes_plan and not self._since_us:
            self._owes_plan = False
            return self._coordinator.changed(self._say.now.us, "OpenStack is ready for what waited for it")
        out: list[Effect] = []
        for key, held in list(self._held.items()):
            if not self._coordinator.owns(held.start.key):
                del self._held[key]
            elif not self._missing(root, held.address, held.start.action.node):
                del self._held[key]
                out += self._coordinator.released(self._say.now.us, held.start)
            elif self._coordinator.is_ending or self._say.now.us >= held.until_us:
                del self._held[key]
                self._owes_plan = not self._coordinator.is_ending
                reason = f"{held.start.action.resource} cannot be started yet: it waits for OpenStack"
                out += self._coordinator.withdrawn(self._say.now.us, key, reason)
            self._tell_slow(root, held)
        self._arm()
        return tuple(out)

    def check(self) -> None:
        """Assert the invariants."""
        assert len(self._held) <= HELD_MAX
        assert all(key == held.start.action.id for key, held in self._held.items())

    def _missing(self, root: Element, wanted: str, node: str) -> str:
        """What the cloud has still to do before the address may start on a node, "" for nothing."""
        mode = reading.cloud_mode(root)
        if mode == "exclusive" and (wanted, node) not in self._owned:
            return f"shows {wanted} as an address of {node}'s port"
        open_nodes = [name for name in sorted(lost(root)) if (name, wanted) not in self._severed] if mode == "fenced" else []
        return f"lets {wanted} through no more on {', '.join(open_nodes)}, which is lost" if open_nodes else ""

    def _forget(self, root: Element) -> None:
        """What was severed counts until the node is back; what was owned, while the mode is that."""
        mode = reading.cloud_mode(root)
        gone = lost(root) if mode == "fenced" else frozenset()
        self._severed = frozenset(pair for pair in self._severed if pair[0] in gone)
        self._owned = self._owned if mode == "exclusive" else frozenset()
        for wanted, node in [pair for pair in self._since_us if not self._missing(root, *pair)]:
            del self._since_us[wanted, node]
            self._told_us.pop((wanted, node), None)

    def _tell_slow(self, root: Element, held: _Held) -> None:
        key, now_us = (held.address, held.start.action.node), self._say.now.us
        since_us = self._since_us.get(key, now_us)
        if now_us < since_us + SLOW_US or now_us < self._told_us.get(key, now_us - REPEAT_US) + REPEAT_US:
            return
        self._told_us[key] = now_us
        what = f"{held.start.action.resource} is not started: it waits until OpenStack {self._missing(root, *key)}"
        nodes = sorted(lost(root))
        known = f"when you know that {nodes[0]} is off: crm node clearstate {nodes[0]}; or: " if nodes else ""
        remedy = f"{known}crm configure property openstack-mode=pairs"
        self._say.tell(error("openstack.not-started", what, self._why or "there is no answer yet", remedy))

    def _arm(self) -> None:
        times = [held.until_us for held in self._held.values()]
        keys = [(held.address, held.start.action.node) for held in self._held.values()]
        times += [self._since_us[key] + SLOW_US for key in keys if key in self._since_us and key not in self._told_us]
        if times:
            self._say.add(Wake("gate", max(self._say.now.us, min(times))))


def _address(action: Action) -> str:
    try:
        return address(dict(action.attributes).get("ip", "").partition("/")[0])
    except ValueError:
        return ""
