"""`sometimes`: situations that the simulator has to reach. A promise that was never put to the test was not kept.

Owns: which situations there are, and how each is recognised. Does not own: the promises (oracle.py).
Required are all of them within 1,000 seeds (`./run sim --probes`); a generator that stops reaching one fails as untested.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from standfast.base.ids import NodeId

if TYPE_CHECKING:
    from standfast.sim.cluster.play import Player

SAYINGS = {
    "an address moves to another node": r"^address: n\d$",
    "two nodes have the address, for clients that one of them cannot hear": r"^address: n\d n\d",
    "two answer one client, as the docs allow": r"^two answer client",
    "a frozen node finds its lease over": r"lease ran out",
    "a node loses its address for want of evidence": r"has not confirmed this node's membership",
    "an address is kept by a manager that was started again": r"was still up and is kept",
    "an address that somebody deleted is put back": r"deleted from eth0 by somebody else",
    "a foreign claim is noticed": r"is also claimed by",
    "a node that is cut off suspends its address": r"is suspended on this node: this node is cut off",
    "a suspended address comes back": r"is back on eth0",
    "a lost carrier takes the address": r"has no carrier",
    "a document gives way to another": r"gave way to the cluster's",
    "a document is taken from another node": r"taken from node",
    "a torn write is found": r"a write was cut off",
    "a rotten record is found": r"is damaged",
    "a journal cannot be written": r"journal cannot be written",
    "a view without quorum": r"^notice: view .*quorate only with",
    "a node waits for all": r"waiting for all nodes",
    "a member's manager does not take part": r"does not take part",
    "an engine writes no state and leaves": r"cannot write its state",
    "a transition is cut short": r"was cut short",
    "a node stops in order": r"resources leave this node first",
    "an agent fails": r"ended with rc 1 instead of 0",
    "a fenced node learns that it was not": r"this node was fenced, says its device, and is still alive",
}
DEEDS = (
    "power", "kill", "kill-engine", "kill-manager", "pause", "freeze", "thaw", "starve", "hiccup", "fuse", "wall",
    "cut", "isolate", "lan-cut", "carrier", "weather", "disk", "rot", "agent", "crash", "stranger", "by-hand", "unput",
    "mark", "move", "standby", "role", "votes", "replay", "stop", "fence-device", "cloud", "terraform",
)  # fmt: skip
COUNTS = (
    "a node is fenced",
    "an acknowledged change is looked for",
    "a change is told not to be confirmed",
    "a write to the cloud whose answer is lost",
    "a reading of the cloud that lags",
    "a pair that somebody wrote away is put back",
    "the address passes from one port to another",
    "a lost node is severed",
    "a journal is refused",
    "a network that corrupts",
    "a core without all nodes",
)

REQUIRED = (*SAYINGS, *(f"deed: {verb}" for verb in DEEDS), *COUNTS)

_PATTERNS = {name: re.compile(pattern) for name, pattern in SAYINGS.items()}


class Probes:
    """What one run has reached."""

    def __init__(self) -> None:
        self.reached: dict[str, int] = {}

    def heard(self, _now_us: int, _node: NodeId, text: str) -> None:
        """A line of somebody's log."""
        if text.startswith("!"):
            return
        for name, pattern in _PATTERNS.items():
            if pattern.search(text):
                self._count(name)

    def ended(self, player: Player) -> None:
        """The run is over: what can be counted."""
        for verb, times in player.deeds.done.items():
            if verb in DEEDS:
                self._count(f"deed: {verb}", times)
        tally = player.world.oracle.tally
        self._count("an acknowledged change is looked for", tally.looked_for)
        self._count("a change is told not to be confirmed", tally.unconfirmed)
        if (neutron := player.world.neutron) is not None:
            self._count("a write to the cloud whose answer is lost", neutron.lost)
            self._count("a reading of the cloud that lags", neutron.lagged)
            self._count("a pair that somebody wrote away is put back", neutron.put_back)
            self._count("the address passes from one port to another", neutron.passed_on)
            self._count("a lost node is severed", neutron.severed)
        self._count("a journal is refused", tally.refusals)
        self._count("a node is fenced", sum(player.world.switch.fenced.values()))
        self._count("a network that corrupts", int(player.plan.weather.corruption > 0))
        self._count("a core without all nodes", int(bool(player.plan.broken)))

    def _count(self, name: str, times: int = 1) -> None:
        if times:
            self.reached[name] = self.reached.get(name, 0) + times


def missing(reached: dict[str, int]) -> list[str]:
    """The required situations that were not reached."""
    return [name for name in REQUIRED if not reached.get(name)]
