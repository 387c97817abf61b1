"""The draws of a seed: which cluster, which weather, which faults when, and what stays broken in the end.

Owns: the ranges. Does not own: what a fault does (deeds.py).

A swarm: each seed leaves whole kinds of faults out, because a run in which everything happens never sees what happens when only
one thing does. Reviewed like code (reliability.md: Jepsen's one find in TigerBeetle lay where no fuzzer's generator went).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from standfast.base.ids import NodeId
from standfast.sim.chance import Stream
from standfast.sim.cluster.neutron import Air
from standfast.sim.cluster.plan import Fault, Plan
from standfast.sim.cluster.world import Setting
from standfast.sim.network import Weather

CONFIGURED_MS = 4_000
"""Faults begin when the cluster serves: before, the engine's own swarm looks."""

FAULTS_MAX = 120

FENCED = 300
"""So many of 1,000 seeds of three nodes and more, which stop without quorum, have a power switch. (Those that go on alone would
shoot at each other for as long as they are apart.)"""

FENCED_PAIRS = 500
"""So many of 1,000 seeds of two nodes with `two_node` have one: whoever is apart from the other shoots before it takes anything.
Their races are what `pcmk_delay_base` and `pcmk_delay_max` are for, so half of them have one of these."""

CLOUDED = 200
"""So many of 1,000 seeds run on servers of a cloud, whose ports the coordinator looks after."""

MANY = 3
FORGETFUL = 250
"""So many of 1,000 seeds of three nodes and more lose the power of everybody right after a change, up to three times."""

LONG = 250
"""So many of 1,000 seeds are long histories with rarer faults: what takes minutes to go wrong has no chance in half of one."""


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    return _Draw(seed).plan()


class _Draw:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = Stream(seed, "plan")
        self._kinds: dict[str, Callable[[int], list[Fault]]] = {
            "crash": self._crash,
            "engine": lambda at: [Fault(at, f"kill-engine {self._node()}")],
            "manager": lambda at: [Fault(at, f"kill-manager {self._node()}")],
            "blackout": self._blackout,
            "pause": self._pause,
            "freeze": self._freeze,
            "starve": lambda at: [Fault(at, f"starve {self._node()} {self._chance.choice((500, 3_000, 10_000))}")],
            "hiccup": self._hiccup,
            "wall": lambda at: [Fault(at, f"wall {self._node()} {self._chance.choice((-3600, -1, 1, 30, 3600))}")],
            "halves": self._halves,
            "isolate": self._isolate,
            "pair": lambda at: self._pair(at, one_way=False),
            "one_way": lambda at: self._pair(at, one_way=True),
            "link": self._link,
            "bridge": self._bridge,
            "swizzle": self._swizzle,
            "lan": self._lan,
            "carrier": self._carrier,
            "weather": self._weather,
            "disk": self._disk,
            "rot": self._rot,
            "agent": self._agent,
            "stranger": lambda at: [self._for(at, "stranger on", "stranger off", 12_000)],
            "hands": self._hands,
            "stop": self._stop,
            "votes": lambda at: [Fault(at, f"votes {self._node()} {self._chance.between(1, self._nodes)}")],
            "replay": lambda at: [Fault(at, f"replay {self._node()}")],
            "move": self._move,
            "standby": self._standby,
            "role": self._role,
        }

    def plan(self) -> Plan:
        """Draw everything."""
        chance = self._chance
        self._nodes = nodes = chance.choice((2, 2, 3, 3, 3, 4, 5))
        links = chance.choice((1, 1, 2))
        alone = nodes == 2 and chance.happens(600)
        two_node = alone and chance.happens(500)
        waits = chance.happens(150)
        policy = "ignore" if alone and not two_node else chance.choice(("stop", "stop", "stop", "freeze", "ignore"))
        setting = Setting(
            nodes=nodes,
            links=links,
            two_node=two_node,
            wait_for_all=waits,
            policy=policy,
            lan=chance.choice(("shared", "shared", "apart")),
            resources=chance.choice(("vip", "vip", "vip+svc")),
            clients=chance.choice((1, 2)),
            ppm=chance.choice((0, 50, 500)),
        )
        setting = self._clouded(self._switched(setting))
        kinds = [kind for kind in self._kinds if chance.happens(300)] or ["crash"]
        is_long = chance.happens(LONG)
        safety_ms = (chance.between(120, 300) if is_long else chance.between(12, 40)) * 1_000
        every_ms = chance.choice((4_000, 8_000, 16_000) if is_long else (400, 1_500, 4_000, 8_000))
        faults: list[Fault] = []
        at_ms = CONFIGURED_MS
        while at_ms < safety_ms and len(faults) < FAULTS_MAX:
            faults += self._kinds[chance.choice(kinds)](at_ms)
            at_ms += 1 + chance.below(2 * every_ms)
        faults += self._load(safety_ms, (2_000, 6_000, 20_000) if is_long else (500, 2_000, 6_000))
        faults += self._fencing(setting, safety_ms)
        faults += self._oblivion(setting, safety_ms)
        faults += self._cloud(setting, safety_ms)
        core, broken = self._end(setting)
        weather = self._sky()
        return Plan(self._seed, setting, weather, tuple(sorted(faults, key=lambda f: f.at_ms)), core, broken, safety_ms)

    # ---- small things -----------------------------------------------------------------------------------------------

    def _node(self) -> int:
        return self._chance.between(1, self._nodes)

    def _some(self, count: int) -> list[int]:
        return self._chance.shuffled(list(range(1, self._nodes + 1)))[:count]

    def _for(self, at: int, verb: str, undo: str, longest_ms: int) -> Fault:
        return Fault(at, verb, at + self._chance.between(50, longest_ms), undo)

    def _long_ms(self) -> int:
        return self._chance.choice((300, 1_500, 6_000, 15_000))

    def _sky(self) -> Weather:
        chance = self._chance
        if chance.happens(500):
            return Weather(delay_us=chance.between(50, 2_000), jitter_us=100)
        return Weather(
            delay_us=chance.between(50, 5_000),
            jitter_us=chance.choice((100, 1_000, 10_000, 50_000)),
            loss=chance.choice((0, 10, 50, 100)),
            duplication=chance.choice((0, 50, 500)),
            corruption=chance.choice((0, 0, 5, 50)),
        )

    def _load(self, safety_ms: int, pauses_ms: tuple[int, ...]) -> list[Fault]:
        every_ms = self._chance.choice(pauses_ms)
        out, at = [], CONFIGURED_MS - 500
        while at < safety_ms:
            out.append(Fault(at, f"mark {self._node()}"))
            at += 1 + self._chance.below(2 * every_ms)
        return out

    def _switched(self, setting: Setting) -> Setting:
        """With a power switch, or as it was. By a stream of its own, too."""
        chance = Stream(self._seed, "fencing")
        if setting.nodes > 2:
            return replace(setting, fencing=setting.policy == "stop" and chance.happens(FENCED))
        if not setting.two_node or not chance.happens(FENCED_PAIRS):
            return setting
        delay = chance.choice(("", "", "base", "max"))
        return replace(setting, fencing=True, policy="stop", delay=delay)

    def _fencing(self, setting: Setting, safety_ms: int) -> list[Fault]:
        """What the power switch does wrong, where there is one. By a stream of its own: other seeds stay what they are."""
        chance = Stream(self._seed, "switch")
        if not setting.fencing:
            return []
        out, at = [], CONFIGURED_MS + chance.below(6_000)
        while at < safety_ms:
            habit = chance.choice(("works", "down", "hangs", "slow", "mute", "lies"))
            out.append(Fault(at, f"fence-device {habit}", at + chance.between(2_000, 12_000), "fence-device works"))
            at += 4_000 + chance.below(16_000)
        return out

    def _clouded(self, setting: Setting) -> Setting:
        """With a cloud, or as it was. The modes that let one node through at a time are for clusters of which one part acts."""
        chance = Stream(self._seed, "cloud")
        if not chance.happens(CLOUDED):
            return setting
        mode = chance.choice(("pairs", "exclusive", "exclusive", "fenced", "fenced"))
        return replace(setting, cloud="pairs" if setting.goes_on_alone else mode)

    def _cloud(self, setting: Setting, safety_ms: int) -> list[Fault]:
        """What goes wrong with its API, and who else writes there. By a stream of its own."""
        chance = Stream(self._seed, "air")
        if not setting.cloud:
            return []
        airs = chance.shuffled([air.value for air in Air if air is not Air.WORKS])[:4]
        out, at = [], chance.choice((1_000, CONFIGURED_MS + 4_000))
        while at < safety_ms:
            out.append(Fault(at, f"cloud {chance.choice(airs)}", at + chance.between(500, 8_000), "cloud works"))
            at += 4_000 + chance.below(30_000)
        at = CONFIGURED_MS + chance.below(8_000)
        while at < safety_ms and chance.happens(700):
            out.append(Fault(at, f"terraform {chance.between(1, setting.nodes)}"))
            at += 1_000 + chance.below(12_000)
        return out

    def _oblivion(self, setting: Setting, safety_ms: int) -> list[Fault]:
        """A change, and then the power of all who may have it, while disks are slow or managers dead: whoever is back first must
        know of it, if it was acknowledged. By a stream of its own, too."""
        chance = Stream(self._seed, "oblivion")
        if setting.nodes < MANY or not chance.happens(FORGETFUL):
            return []
        out: list[Fault] = []
        for _ in range(chance.between(1, 3)):
            at = CONFIGURED_MS + chance.below(max(1, safety_ms - CONFIGURED_MS - 6_000))
            by, *others = chance.shuffled(list(range(1, setting.nodes + 1)))
            marked, lost = at + 100, at + 105 + chance.choice((20, 100, 400, 1_200))
            for node in others:
                how = chance.choice(("slow", "slow", "dead", "well"))
                if how == "slow":
                    out.append(Fault(at, f"disk {node} slow", lost + 3_000, f"disk {node} none"))
                elif how == "dead":
                    out.append(Fault(marked - chance.below(6), f"kill-manager {node}"))
                out.append(Fault(lost, f"power {node}", lost + chance.between(100, 1_500), f"start {node}"))
            out.append(Fault(marked, f"mark {by}"))
            out.append(Fault(lost, f"power {by}", lost + chance.between(2_000, 9_000), f"start {by}"))
        return out

    # ---- lives ------------------------------------------------------------------------------------------------------

    def _crash(self, at: int) -> list[Fault]:
        node = self._node()
        return [self._for(at, f"{self._chance.choice(('power', 'kill'))} {node}", f"start {node}", self._long_ms())]

    def _blackout(self, at: int) -> list[Fault]:
        return [
            Fault(
                at,
                f"{self._chance.choice(('power', 'fuse'))} {node}".replace(f"fuse {node}", f"fuse {node} {n}"),
                back,
                f"start {node}",
            )
            for n, node in enumerate(self._some(self._nodes))
            for back in (at + self._chance.between(200, 5_000),)
        ]

    def _stop(self, at: int) -> list[Fault]:
        node = self._node()
        return [self._for(at, f"stop {node}", f"start {node}", 15_000)]

    def _pause(self, at: int) -> list[Fault]:
        node = self._node()
        what = self._chance.choice(("", "", " engine", " manager"))
        return [self._for(at, f"pause {node}{what}", f"resume {node}", self._long_ms())]

    def _freeze(self, at: int) -> list[Fault]:
        node = self._node()
        return [self._for(at, f"freeze {node}", f"thaw {node}{self._chance.choice(('', ' stood'))}", self._long_ms())]

    def _hiccup(self, at: int) -> list[Fault]:
        node, effects = self._node(), self._chance.below(40)
        if self._chance.happens(500):
            return [Fault(at, f"hiccup {node} {effects} {self._chance.choice((100, 1_000, 1_600, 2_300, 5_000))}")]
        return [self._for(at, f"fuse {node} {effects}", f"start {node}", 8_000)]

    # ---- wires ------------------------------------------------------------------------------------------------------

    def _halves(self, at: int) -> list[Fault]:
        order = self._some(self._nodes)
        where = self._chance.between(1, self._nodes - 1)
        until = at + self._chance.between(50, self._long_ms())
        return [Fault(at, f"cut {a} {b}", until, f"mend {a} {b}") for a in order[:where] for b in order[where:]]

    def _isolate(self, at: int) -> list[Fault]:
        node = self._node()
        return [self._for(at, f"isolate {node}", f"rejoin {node}", self._long_ms())]

    def _pair(self, at: int, *, one_way: bool) -> list[Fault]:
        a, b = self._some(2)
        return [self._for(at, f"cut {a} -> {b}" if one_way else f"cut {a} {b}", f"mend {a} {b}", self._long_ms())]

    def _link(self, at: int) -> list[Fault]:
        a, b = self._some(2)
        return [self._for(at, f"cut {a} {b} link 0", f"mend {a} {b}", self._long_ms())]

    def _bridge(self, at: int) -> list[Fault]:
        """Two halves that only one node hears both of."""
        order = self._some(self._nodes)
        middle, rest = order[0], order[1:]
        half = len(rest) // 2
        until = at + self._chance.between(50, self._long_ms())
        assert middle
        return [Fault(at, f"cut {a} {b}", until, f"mend {a} {b}") for a in rest[:half] for b in rest[half:]]

    def _swizzle(self, at: int) -> list[Fault]:
        """A few are cut off one by one, and come back in another order."""
        some = self._some(self._chance.between(1, self._nodes))
        back = self._chance.shuffled(some)
        step = self._chance.between(50, 1_500)
        begin = at + step * len(some) + self._chance.below(3_000)
        return [
            Fault(at + step * n, f"isolate {node}", begin + step * back.index(node), f"rejoin {node}")
            for n, node in enumerate(some)
        ]

    def _lan(self, at: int) -> list[Fault]:
        """The segment alone: between two nodes, or between a node and a client."""
        a, b = self._some(2)
        if self._chance.happens(500):
            b = 100
        way = self._chance.choice((f"{a} {b}", f"{a} -> {b}", f"{b} -> {a}"))
        return [self._for(at, f"lan-cut {way}", f"lan-mend {a} {b}", self._long_ms())]

    def _carrier(self, at: int) -> list[Fault]:
        """A cable is pulled. How slow the switch's port is comes from the time, which is random too."""
        node = self._node()
        port_ms = (0, 20, 300, 3_000)[at % 4]
        return [self._for(at, f"carrier {node} off", f"carrier {node} on {port_ms}", 10_000)]

    def _weather(self, at: int) -> list[Fault]:
        chance = self._chance
        words = (
            f"delay_us={chance.between(50, 20_000)} jitter_us={chance.choice((50, 20_000, 100_000))} "
            f"loss={chance.choice((0, 300, 900))} duplication={chance.choice((0, 500))} corruption={chance.choice((0, 100))} "
            f"lan_loss={chance.choice((0, 0, 100, 300))}"
        )
        return [self._for(at, f"weather {words}", "weather lan_loss=0", 5_000)]

    # ---- disks, agents, people --------------------------------------------------------------------------------------

    def _disk(self, at: int) -> list[Fault]:
        node = self._node()
        trouble = self._chance.choice(("full", "fsync", "eio", "slow"))
        until = at + self._chance.between(500, 10_000)
        return [
            Fault(at, f"disk {node} {trouble}", until, f"disk {node} none"),
            Fault(until + self._chance.below(3_000), f"start {node}"),
        ]

    def _rot(self, at: int) -> list[Fault]:
        node = self._node()
        return [
            Fault(at, f"power {node}"),
            Fault(at + 100, f"rot {node}", at + self._chance.between(200, 4_000), f"start {node}"),
        ]

    def _agent(self, at: int) -> list[Fault]:
        node = self._node()
        habit = self._chance.choice(
            (
                *("fails=1", "fails=3", "hangs=monitor", "hangs=stop", "hangs=start", "hangs=start stubborn=1"),
                *("lies=monitor", "garbage=1", "slow_ms=1500", "slow_ms=6000"),
            )
        )
        if self._chance.happens(300):
            return [Fault(at, f"crash {node}")]
        return [self._for(at, f"agent {node} {habit}", f"agent {node}", 10_000)]

    def _hands(self, at: int) -> list[Fault]:
        node = self._node()
        if self._chance.happens(700):
            return [Fault(at, f"unput {node}")]
        return [self._for(at, f"by-hand {node}", f"unput {node}", 3_000)]

    def _move(self, at: int) -> list[Fault]:
        by = self._node()
        return [self._for(at, f"move {by} {self._node()}", f"clear {by}", 6_000)]

    def _standby(self, at: int) -> list[Fault]:
        by, target = self._node(), self._node()
        return [self._for(at, f"standby {by} {target} on", f"standby {by} {target} off", 8_000)]

    def _role(self, at: int) -> list[Fault]:
        by = self._node()
        return [self._for(at, f"role {by} vip Stopped", f"role {by} vip Started", 6_000)]

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _end(self, setting: Setting) -> tuple[tuple[NodeId, ...], tuple[str, ...]]:
        """A quorate core is healed; what happens to the others stays as it is, for good."""
        least = setting.nodes // 2 + 1
        if setting.policy == "ignore":
            least = 1
        if setting.wait_for_all:
            least = setting.nodes
        count = self._chance.choice((setting.nodes, self._chance.between(least, setting.nodes)))
        order = self._some(setting.nodes)
        core, rest = sorted(order[:count]), sorted(order[count:])
        broken: list[str] = []
        for node in rest:
            other = self._chance.choice(core)
            kinds = ("off", "apart", "deaf", "mute", "stopped", *(("half",) if len(core) > 2 else ()))  # else it is a core too
            broken += {
                "off": [f"power {node}"],
                "apart": [f"isolate {node}"],
                "deaf": [f"cut {peer} -> {node}" for peer in core],
                "mute": [f"cut {node} -> {peer}" for peer in core],
                "half": [f"cut {node} {peer}" for peer in core if peer != other],
                "stopped": [f"pause {node}"],
            }[self._chance.choice(kinds)]
        return tuple(NodeId(node) for node in core), tuple(broken)
