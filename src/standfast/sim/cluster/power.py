"""The power switch that fence agents speak to, from any node: it works, is down, is slow, hangs, or lies in either way.

Owns: what the device does to hosts, and what it says. Does not own: who is fenced and when (fencing/, controller/).
The device is reached over wires of its own: a node that is cut off from the others may fence them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from standfast.base.ids import US_PER_MS, NodeId
from standfast.executor import api as ex
from standfast.sim.chance import Stream

AGENT = "fence_switch"
ON, OFF, FAILED = 0, 2, 1
METADATA = (
    f'<resource-agent name="{AGENT}"><parameters><parameter name="plug"/></parameters><actions><action name="on"/>'
    '<action name="off"/><action name="reboot"/><action name="status"/><action name="monitor"/><action name="metadata"/>'
    "</actions></resource-agent>"
).encode()


class Habit(StrEnum):
    """What is wrong with the device."""

    WORKS = "works"
    DOWN = "down"  # it does nothing and says so
    HANGS = "hangs"  # no answer
    SLOW = "slow"
    MUTE = "mute"  # it acts, and says that it failed
    LIES = "lies"  # it says that it acted, and did nothing


class Switch:
    """All hosts hang on one. `off` and `on` are what it can do to a host, `is_on` what it sees; `fenced` counts by host."""

    def __init__(
        self,
        chance: Stream,
        at: Callable[[int, Callable[[], None]], None],
        off: Callable[[NodeId], None],
        on: Callable[[NodeId], None],
        is_on: Callable[[NodeId], bool],
    ) -> None:
        self._chance, self._at, self._off, self._on, self._is_on = chance, at, off, on, is_on
        self.habit = Habit.WORKS
        self.has_lied = False
        self.fenced: dict[NodeId, int] = {}

    def run(self, effect: ex.RunAgent, answer: Callable[[int, bytes], None]) -> None:
        """An agent's process speaks to it; `answer` is its exit code and what it prints."""
        given = dict(line.split("=", 1) for line in effect.stdin.decode().splitlines() if "=" in line)
        action = given.get("action", "")
        if action == "metadata":
            self._at(5 * US_PER_MS, lambda: answer(0, METADATA))
            return
        if self.habit is Habit.HANGS:
            return
        took_us = self._chance.between(100, 600) * US_PER_MS
        if self.habit is Habit.SLOW:
            took_us = self._chance.between(2_000, 9_000) * US_PER_MS
        name = given.get("plug") or given.get("nodename", "")
        self._at(took_us, lambda: answer(self._do(action, name), b""))

    def _do(self, action: str, name: str) -> int:
        if self.habit is Habit.DOWN:
            return FAILED
        if action == "monitor":
            return ON
        node = NodeId(int(name.removeprefix("n")))
        if action == "status":
            return ON if self._is_on(node) and self.habit is not Habit.LIES else OFF
        if self.habit is Habit.LIES:
            self.has_lied = True
            return 0
        if action != "on":
            self.fenced[node] = self.fenced.get(node, 0) + 1
            self._off(node)
        if action != "off":
            self._at(self._chance.between(1_000, 4_000) * US_PER_MS, lambda: self._on(node))
        return FAILED if self.habit is Habit.MUTE else 0
