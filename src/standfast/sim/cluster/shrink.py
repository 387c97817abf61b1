"""Shrinking a failure: first faults are left out, then nodes, then time, as long as the same promise breaks.

Owns: the order of attempts and their number. Does not own: playing. The result is a plan, whose text is a scenario.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from standfast.base.ids import NodeId
from standfast.sim.cluster.plan import Fault, Plan
from standfast.sim.cluster.play import Player
from standfast.sim.network import Weather

TRIES_MAX = 300


def kind_of(failure: str) -> str:
    """What broke, without when and where: `S1`, `L2`, or the type of a bug."""
    for word in failure.replace(":", " ").replace("(", " ").split():
        if len(word) in (2, 3) and word[0] in "SL" and word[1:].isdigit():
            return word
    return failure.partition(":")[0]


def shrink(plan: Plan, failure: str, say: Callable[[str], None] = lambda _: None) -> tuple[Plan, str]:
    """A smaller plan that breaks the same promise, and how it does."""
    search = _Search(plan, failure, say)
    search.faults()
    search.nodes()
    search.extras()
    search.time()
    search.faults()
    return search.plan, search.failure


class _Search:
    def __init__(self, plan: Plan, failure: str, say: Callable[[str], None]) -> None:
        self.plan, self.failure, self._say = plan, failure, say
        self._kind = kind_of(failure)
        self._tries = 0

    def _try(self, plan: Plan) -> bool:
        if self._tries >= TRIES_MAX:
            return False
        self._tries += 1
        outcome = Player(plan).play()
        if not outcome.failure or kind_of(outcome.failure) != self._kind:
            return False
        self.plan, self.failure = plan, outcome.failure
        self._say(f"{len(plan.faults)} faults, {plan.setting.nodes} nodes, {plan.safety_ms} ms: {outcome.failure}")
        return True

    def faults(self) -> None:
        """Leave out halves, quarters, ... single ones (ddmin)."""
        size = max(1, len(self.plan.faults) // 2)
        while self.plan.faults:
            at = 0
            while at < len(self.plan.faults):
                left = self.plan.faults[:at] + self.plan.faults[at + size :]
                if not self._try(replace(self.plan, faults=left)):
                    at += size
            if size == 1:
                return
            size //= 2

    def nodes(self) -> None:
        """Leave out the highest node, when nothing names it."""
        while self.plan.setting.nodes > 2:
            last = self.plan.setting.nodes
            named = [f for f in self.plan.faults if str(last) in f"{f.verb} {f.undo}".split()]
            left: tuple[Fault, ...] = tuple(f for f in self.plan.faults if f not in named)
            core = tuple(n for n in self.plan.core if n != NodeId(last))
            broken = tuple(verb for verb in self.plan.broken if str(last) not in verb.split())
            setting = replace(self.plan.setting, nodes=last - 1)
            if len(core) <= (last - 1) // 2 or not self._try(
                replace(self.plan, setting=setting, faults=left, core=core, broken=broken)
            ):
                return

    def extras(self) -> None:
        """Good weather, one link, one resource, clocks that agree."""
        if self.plan.weather != Weather():
            self._try(replace(self.plan, weather=Weather()))
        for name, value in (("ppm", 0), ("links", 1), ("clients", 1), ("resources", "vip"), ("wait_for_all", False)):
            if getattr(self.plan.setting, name) != value:
                self._try(replace(self.plan, setting=replace(self.plan.setting, **{name: value})))  # type: ignore[arg-type]

    def time(self) -> None:
        """End the safety phase earlier."""
        last = max((max(f.at_ms, f.until_ms) for f in self.plan.faults), default=4_000) + 500
        for safety_ms in (last, last + 3_000):
            if safety_ms < self.plan.safety_ms and self._try(replace(self.plan, safety_ms=safety_ms)):
                return
