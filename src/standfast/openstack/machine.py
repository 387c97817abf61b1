"""The OpenStack room of one node: who am I in the cloud, and, on the coordinator, the reconciler.

Owns: this node's identity and when it is asked for. Does not own: where it is written (the controller makes node attributes of
Announce), when to look at the cloud (reconciler.py). Nothing happens while `openstack-cloud` is not set.
Invariant (`check`): the reconciler's; at most one question about the identity is open.
"""

from __future__ import annotations

from dataclasses import replace

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S
from standfast.openstack.api import Call, Moved, Owned, Replied, SetTimer, Severed, Tell, TimerFired
from standfast.openstack.identity import Identity
from standfast.openstack.reconciler import Look, Reconciler, Wished
from standfast.openstack.wish import Wish

ASK_AGAIN_US = 60 * US_PER_S
ASK_LATER_US = 600 * US_PER_S
ASK_SOON_MAX = 3
ANNOUNCE_EVERY_US = 10 * US_PER_S


@dataclass(frozen=True, slots=True)
class Configured:
    """What the CIB says, on every node: the wish (None without `openstack-cloud`), and whether this node is to see to it."""

    wish: Wish | None
    local: str
    coordinates: bool


@dataclass(frozen=True, slots=True)
class Identified:
    """The answer to Identify."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class Identify:
    """Find out what the config drive or the metadata service, and the kernel, know of this host. Always answered."""


@dataclass(frozen=True, slots=True)
class Announce:
    """What this node is in the cloud, to be written where every node can read it."""

    identity: Identity


CloudInput = Configured | Identified | Look | Replied | TimerFired
CloudEffect = Call | Identify | Announce | SetTimer | Tell | Moved | Severed | Owned


class OpenStack:
    """See the module."""

    def __init__(self, seed: int) -> None:
        """`seed` is entropy."""
        self.reconciler = Reconciler(seed)
        self._wish: Wish | None = None
        self._local = ""
        self._identity: Identity | None = None
        self._is_asking = False
        self._asked = 0
        self._ask_at_us: int | None = None
        self._announce_at_us = 0
        self._inner_at_us: int | None = None

    def step(self, now_us: int, event: CloudInput) -> tuple[CloudEffect, ...]:
        """Apply one event; returns the effects in order."""
        out: list[CloudEffect] = []
        inner: Wished | Look | Replied | TimerFired | None = None
        match event:
            case Configured(wish, local, coordinates):
                if self._wish is None and wish is not None:
                    self._ask_at_us, self._asked = now_us, 0
                self._wish, self._local = wish, local
                inner = Wished(wish if coordinates else None, local)
            case Identified(found):
                self._identified(now_us, found)
            case _:
                inner = event
        if inner is not None:
            self._let_reconcile(now_us, inner, out)
        if self._wish is not None:
            self._see_to_identity(now_us, out)
        self._arm(now_us, out)
        return tuple(out)

    def check(self) -> None:
        """Assert the invariants."""
        self.reconciler.check()

    def _let_reconcile(self, now_us: int, event: Wished | Look | Replied | TimerFired, out: list[CloudEffect]) -> None:
        self._inner_at_us = None
        for effect in self.reconciler.step(now_us, event):
            if isinstance(effect, SetTimer):
                self._inner_at_us = effect.at_us
            else:
                out.append(effect)

    def _identified(self, now_us: int, found: Identity) -> None:
        self._is_asking = False
        self._identity = found
        self._asked += 1
        knows_all = bool(found.nics) and any(nic.port for nic in found.nics)
        soon = not knows_all and self._asked <= ASK_SOON_MAX
        self._ask_at_us = now_us + (ASK_AGAIN_US if soon else ASK_LATER_US)

    def _see_to_identity(self, now_us: int, out: list[CloudEffect]) -> None:
        if not self._is_asking and self._ask_at_us is not None and now_us >= self._ask_at_us:
            self._is_asking, self._ask_at_us = True, None
            out.append(Identify())
        if self._identity is None or self._wish is None or now_us < self._announce_at_us:
            return
        mine = next((node for node in self._wish.nodes if node.name == self._local), None)
        if mine is None:
            return
        known = {nic.mac: nic.port for nic in mine.nics}
        # What was known once stays known while the metadata service is away.
        nics = tuple(nic if nic.port else replace(nic, port=known.get(nic.mac, "")) for nic in self._identity.nics)
        whole = Identity(self._identity.server or mine.server, nics)
        if nics and (whole.server, whole.nics) != (mine.server, mine.nics):
            self._announce_at_us = now_us + ANNOUNCE_EVERY_US
            out.append(Announce(whole))

    def _arm(self, now_us: int, out: list[CloudEffect]) -> None:
        times = [self._inner_at_us] if self._inner_at_us is not None else []
        if self._wish is not None and self._ask_at_us is not None:
            times.append(self._ask_at_us)
        if times:
            out.append(SetTimer(max(now_us, min(times))))
