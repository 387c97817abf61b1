"""A plan: one history's setting and everything that is done to it, as data: drawn, shrunk, written and read.

Owns: the form of a plan and its text. Does not own: the draws (draw.py), playing (play.py).

    > cluster seed=7 nodes=3 links=1 policy=stop lan=shared resources=vip delay_us=200 loss=50
    > at 4212ms pause 2 until 5012ms resume 2
    > core 1 3 broken power 2
    > safety 20s
"""

from __future__ import annotations

from dataclasses import fields, replace

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, NodeId
from standfast.base.report import Refused, error
from standfast.sim.cluster.world import Setting
from standfast.sim.network import Weather


@dataclass(frozen=True, slots=True)
class Fault:
    """Something done at an instant (milliseconds after the start), and perhaps undone at another."""

    at_ms: int
    verb: str
    until_ms: int = 0
    undo: str = ""

    @property
    def text(self) -> str:
        """As written in a plan."""
        return f"at {self.at_ms}ms {self.verb}" + (f" until {self.until_ms}ms {self.undo}" if self.undo else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module. `core` are the nodes that are healed in the end, `broken` what stays wrong with the others for good."""

    seed: int
    setting: Setting
    weather: Weather
    faults: tuple[Fault, ...]
    core: tuple[NodeId, ...]
    broken: tuple[str, ...]
    safety_ms: int

    def text(self) -> str:
        """The plan as lines that `read` understands."""
        words = [f"seed={self.seed}"]
        for thing, good in ((self.setting, Setting()), (self.weather, Weather())):
            words += [
                f"{f.name}={_text(getattr(thing, f.name))}"
                for f in fields(thing)
                if getattr(thing, f.name) != getattr(good, f.name) or f.name == "nodes"
            ]
        lines = ["cluster " + " ".join(words), *(fault.text for fault in self.faults)]
        lines.append(" ".join(["core", *map(str, self.core)]))
        lines += [f"broken {verb}" for verb in self.broken]
        lines.append(f"safety {self.safety_ms}ms")
        return "\n".join(f"> {line}" for line in lines) + "\n"


def _unknown(verb: str) -> Plan:
    raise ValueError(verb)


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def read(text: str) -> Plan:
    """The plan of a text. Raises Refused for what is none."""
    plan = Plan(1, Setting(), Weather(), (), (), (), 20_000)
    for line in text.splitlines():
        if not line.startswith("> "):
            continue
        verb, _, rest = line[2:].partition(" ")
        try:
            if verb == "cluster":
                plan = _cluster(plan, dict(word.split("=") for word in rest.split()))
            elif verb == "at":
                plan = replace(plan, faults=(*plan.faults, _fault(rest)))
            elif verb == "core":
                plan = replace(plan, core=tuple(NodeId(int(word)) for word in rest.split()))
            elif verb == "broken":
                plan = replace(plan, broken=(*plan.broken, rest))
            elif verb == "safety":
                plan = replace(plan, safety_ms=_ms(rest))
            else:
                plan = _unknown(verb)
        except (ValueError, TypeError, IndexError) as bad:
            raise Refused(error("sim.plan", f"not a line of a plan: {line}", str(bad), "see sim/cluster/plan.py")) from None
    return plan


def _cluster(plan: Plan, given: dict[str, str]) -> Plan:
    seed = int(given.pop("seed", "1"))
    things: list[Setting | Weather] = []
    for thing in (Setting(), Weather()):
        values: dict[str, object] = {}
        for field in fields(thing):
            if field.name in given:
                before, word = getattr(thing, field.name), given.pop(field.name)
                values[field.name] = word == "yes" if isinstance(before, bool) else type(before)(word)
        things.append(replace(thing, **values))  # type: ignore[arg-type]
    if given:
        raise ValueError(f"unknown: {', '.join(given)}")
    setting, weather = things
    assert isinstance(setting, Setting)
    assert isinstance(weather, Weather)
    return replace(plan, seed=seed, setting=setting, weather=weather)


def _fault(text: str) -> Fault:
    begin, _, end = text.partition(" until ")
    at, _, verb = begin.partition(" ")
    until, _, undo = end.partition(" ")
    return Fault(_ms(at), verb, _ms(until) if until else 0, undo)


def _ms(word: str) -> int:
    if word.endswith("ms"):
        return int(word[:-2])
    if word.endswith("s"):
        return int(word[:-1]) * (US_PER_MS)
    raise ValueError(f"{word} is no time")
