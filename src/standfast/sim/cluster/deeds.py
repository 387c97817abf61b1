"""What can be done to a cluster from outside, as words: plans, transcripts and shrunk failures are lists of these.

    start N.. | stop N.. | power N.. | kill N.. | kill-engine N | kill-manager N        lives
    pause N [engine|manager] | resume N | freeze N | thaw N [stood] | starve N MS       missing time (starve: CPU in bursts)
    hiccup N K MS | fuse N K            paused for MS, or without power, after K more effects of the manager
    wall N SECONDS                      its wall clock jumps
    cut A B [link L] | cut A -> B | mend A B | mend | isolate N | rejoin N      wires between nodes; clients have ports from 100
    lan-cut A B | lan-mend A B | carrier N on [PORT_MS]|off | weather KEY=VALUE..        the segment alone, the cable, all wires
    disk N none|full|fsync|eio|slow | rot N
    cloud works|away|hangs|slow|loses|busy|conflicts|stale|html|locked | terraform N      the API; somebody writes a port's pairs
    fence-device works|down|hangs|slow|mute|lies      the power switch (mute: acts, and says it failed; lies: says it acted)
    agent N fails=3 hangs=stop lies=monitor stubborn=1 slow_ms=2000 | agent N | crash N      habits of svc's agent; svc dies
    stranger on|off | by-hand N | unput N          somebody else has the address; a person adds, deletes it on a node
    mark N | move N TARGET | clear N | standby N TARGET on|off | role N RSC Stopped|Started | cleanup N | votes N COUNT
    replay N                            datagrams recorded long ago come again

Owns: the words and what each does. Does not own: when (play.py).
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.agents.ip.api import AddressSeen
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.effects import Adjusted
from standfast.sim.chance import Stream
from standfast.sim.cluster.agents import Habit as AgentHabit
from standfast.sim.cluster.disk import Trouble
from standfast.sim.cluster.kernel import NIC, Held
from standfast.sim.cluster.neutron import Air
from standfast.sim.cluster.people import ADDRESS, SERVICE
from standfast.sim.cluster.power import Habit
from standfast.sim.cluster.segment import FIRST_CLIENT
from standfast.sim.cluster.world import Cluster
from standfast.sim.network import Weather

WEATHER_KEYS = ("delay_us", "jitter_us", "loss", "duplication", "corruption")


class Deeds:
    """Does what is said to one world. A deed that has nothing to do (starting what runs) does nothing."""

    def __init__(self, world: Cluster) -> None:
        self.world = world
        self._chance = Stream(world.seed, "deeds")
        self.count = 0
        self.done: dict[str, int] = {}
        self._starving: dict[NodeId, int] = {}
        self._each = {
            "start": world.boot,
            "stop": world.stop,
            "power": world.power_off,
            "kill": world.kill_all,
            "kill-engine": world.kill_engine,
            "kill-manager": world.kill_manager,
            "resume": world.go_on,
            "freeze": world.freeze,
            "rejoin": self._rejoin,
            "isolate": self._isolate,
            "rot": self._rot,
            "crash": lambda node: world.machines[node].agents.crash(SERVICE),
            "by-hand": self._by_hand,
            "unput": lambda node: world.machines[node].kernel.drop(ADDRESS),
            "mark": world.people.mark,
            "clear": world.people.clear,
            "cleanup": world.people.cleanup,
            "replay": world.replay,
        }
        self._verbs: dict[str, Callable[[list[str]], None]] = {
            "pause": lambda words: world.stop_running(_node(words[0]), words[1] if len(words) > 1 else "all"),
            "thaw": lambda words: world.thaw(_node(words[0]), clock_stood="stood" in words),
            "starve": self._starve,
            "hiccup": self._hiccup,
            "fuse": self._fuse,
            "wall": self._wall,
            "cut": self._cut,
            "mend": self._mend,
            "lan-cut": lambda words: self._lan(words, is_cut=True),
            "lan-mend": lambda words: self._lan(words, is_cut=False),
            "carrier": self._carrier,
            "weather": self._weather,
            "disk": self._disk,
            "agent": self._agent,
            "stranger": self._stranger,
            "move": lambda words: world.people.move(_node(words[0]), _node(words[1])),
            "standby": lambda words: world.people.attribute(_node(words[0]), _node(words[1]), "standby", words[2]),
            "role": lambda words: world.people.role(_node(words[0]), words[1], words[2]),
            "votes": self._votes,
            "fence-device": self._fence_device,
            "cloud": self._cloud,
            "terraform": self._terraform,
        }

    def do(self, text: str) -> None:
        """One deed."""
        verb, *words = text.split()
        self.count += 1
        self.done[verb] = self.done.get(verb, 0) + 1
        self.world.say(NodeId(0), f"! {text}")
        if verb in self._each:
            for word in words:
                self._each[verb](_node(word))
        else:
            self._verbs[verb](words)

    def knows(self, verb: str) -> bool:
        """Whether there is such a deed."""
        return verb in self._each or verb in self._verbs

    # ---- time -------------------------------------------------------------------------------------------------------

    def _starve(self, words: list[str]) -> None:
        """The host's processes get the CPU for some milliseconds every now and then: every timer is late, in bursts."""
        node, for_us = _node(words[0]), int(words[1]) * US_PER_MS
        is_new = self._starving.get(node, 0) <= self.world.now_us
        self._starving[node] = self.world.now_us + for_us
        if is_new:
            self._starve_on(node)

    def _starve_on(self, node: NodeId) -> None:
        world = self.world
        if world.now_us >= self._starving[node]:
            return
        hungry_ms = self._chance.choice((20, 80, 200, 400, 800))
        world.stop_running(node)
        world.at(self._chance.between(hungry_ms // 2, hungry_ms) * US_PER_MS, lambda: self._feed(node))

    def _feed(self, node: NodeId) -> None:
        self.world.go_on(node)
        self.world.at(self._chance.between(1, 20) * US_PER_MS, lambda: self._starve_on(node))

    def end_starving(self) -> None:
        """Everybody gets the CPU again."""
        self._starving = dict.fromkeys(self._starving, 0)

    def _hiccup(self, words: list[str]) -> None:
        node, effects, for_us = _node(words[0]), int(words[1]), int(words[2]) * US_PER_MS
        machine = self.world.machines[node]

        def deed() -> None:
            self.world.stop_running(node)
            self.world.at(for_us, lambda: self.world.go_on(node))

        if machine.node is not None:
            machine.hiccup = effects, deed

    def _fuse(self, words: list[str]) -> None:
        node = _node(words[0])
        machine = self.world.machines[node]
        if machine.node is not None:
            machine.hiccup = int(words[1]), lambda: self.world.power_off(node)

    def _wall(self, words: list[str]) -> None:
        self.world.machines[_node(words[0])].wall_us += int(words[1]) * US_PER_S

    # ---- wires ------------------------------------------------------------------------------------------------------

    def _cut(self, words: list[str]) -> None:
        links = [int(words[words.index("link") + 1])] if "link" in words else list(range(self.world.links))
        ends = [int(word) for word in words[: words.index("link") if "link" in words else None] if word != "->"]
        pairs = [(ends[0], ends[1])] if "->" in words else [(ends[0], ends[1]), (ends[1], ends[0])]
        for a, b in pairs:
            if max(a, b) >= FIRST_CLIENT:
                self.world.segment.cut(a, b)
            else:
                for link in links:
                    self.world.cut_wire(NodeId(a), NodeId(b), link)

    def _mend(self, words: list[str]) -> None:
        if not words:
            self.world.network.cuts.clear()
            self.world.segment.cuts.clear()
            self.world.segment.changed()
            return
        a, b = (int(word) for word in words if word != "->")
        for pair in ((a, b), (b, a)):
            self.world.segment.mend(*pair)
            for link in range(self.world.links):
                self.world.mend_wire(NodeId(pair[0]), NodeId(pair[1]), link)

    def _others(self, node: NodeId) -> list[int]:
        return [int(n) for n in self.world.hosts if n != node] + list(self.world.segment.clients)

    def _isolate(self, node: NodeId) -> None:
        for other in self._others(node):
            self._cut([str(node), str(other)])
            self.world.segment.cut(node, other)
            self.world.segment.cut(other, node)

    def _rejoin(self, node: NodeId) -> None:
        for other in self._others(node):
            self._mend([str(node), str(other)])

    def _lan(self, words: list[str], *, is_cut: bool) -> None:
        a, b = (int(word) for word in words if word != "->")
        for pair in ((a, b),) if "->" in words else ((a, b), (b, a)):
            (self.world.segment.cut if is_cut else self.world.segment.mend)(*pair)

    def _carrier(self, words: list[str]) -> None:
        node, kernel = _node(words[0]), self.world.machines[_node(words[0])].kernel
        if words[1] == "off" and kernel.carrier:
            kernel.unplug()
            self._wires(node, self.world.cut_wire)
        elif words[1] == "on" and not kernel.is_forwarded:
            port_ms = int(words[2]) if len(words) > 2 else 0
            kernel.plug_in(port_ms, lambda: self._wires(node, self.world.mend_wire))

    def _wires(self, node: NodeId, change: Callable[[NodeId, NodeId, int], None]) -> None:
        """What becomes of the ring where it runs over the segment."""
        if self.world.setting.lan == "shared":
            for other in [n for n in self.world.hosts if n != node]:
                for pair in ((node, other), (other, node)):
                    change(*pair, 0)
        self.world.segment.changed()

    def _weather(self, words: list[str]) -> None:
        given = {name: int(value) for name, value in (word.split("=") for word in words)}
        self.world.segment.loss = given.pop("lan_loss", self.world.segment.loss)
        self.world.network.weather = Weather(**given) if given else Weather()
        self.world.segment.changed()

    # ---- disks, agents, people --------------------------------------------------------------------------------------

    def _disk(self, words: list[str]) -> None:
        self.world.machines[_node(words[0])].disk.trouble = Trouble(words[1])

    def _rot(self, node: NodeId) -> None:
        self.world.oracle.is_forgiving_disks = True
        self.world.machines[node].disk.rot()

    def _agent(self, words: list[str]) -> None:
        node = _node(words[0])
        given = dict(word.split("=") for word in words[1:])
        habit = AgentHabit(
            fails=int(given.get("fails", 0)),
            hangs=given.get("hangs", ""),
            lies=given.get("lies", ""),
            stubborn="stubborn" in given,
            slow_ms=int(given.get("slow_ms", 0)),
            garbage="garbage" in given,
        )
        if habit.lies:
            self.world.oracle.liars[node] = None
        self.world.machines[node].agents.habits[SERVICE] = habit

    def _fence_device(self, words: list[str]) -> None:
        self.world.switch.habit = Habit(words[0])

    def _cloud(self, words: list[str]) -> None:
        if self.world.neutron is not None:
            self.world.neutron.air = Air(words[0])

    def _terraform(self, words: list[str]) -> None:
        if self.world.neutron is not None:
            self.world.neutron.foreign_write(_node(words[0]))

    def _stranger(self, words: list[str]) -> None:
        self.world.segment.stranger = ADDRESS if words[0] == "on" else ""

    def _by_hand(self, node: NodeId) -> None:
        kernel = self.world.machines[node].kernel
        if kernel.host.is_powered and ADDRESS not in kernel.held:
            self.world.oracle.by_hand[node] = None
            kernel.held[ADDRESS] = Held(AddressSeen(NIC, ADDRESS, 24, "", None), None, 0)
            kernel.changed()

    def _votes(self, words: list[str]) -> None:
        node = _node(words[0])
        if self.world.hosts[node].is_up and not self.world.hosts[node].is_paused:
            self.world.is_overridden = True
            self.world.adjust(node, Adjusted("expected_votes", NodeId(0), int(words[1])))


def _node(word: str) -> NodeId:
    return NodeId(int(word))
