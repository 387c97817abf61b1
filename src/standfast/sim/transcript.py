"""Scenarios as transcripts: commands after `> `, and under each what the managers were told meanwhile.

Owns: the little language and the text of what happened. Does not own: judging it: a test compares, or
rewrites the file when told to.

    > world nodes=3 links=1 loss=0 two_node=no    a new world; all keys optional (loss in per mille, jitter and delay in us)
    > start 1 2 3                                 start engines           > kill 1 | power 1     end one: with, without its kernel
    > pause 1 | resume 1                          SIGSTOP, SIGCONT        > leave 1              polite leave
    > cut 1 2 [link 0] | cut 1 -> 2 | mend        wires, both or one way   > weather loss=50 jitter=50000 delay=200
    > say 1 hello                                 the manager of 1 broadcasts
    > detach 1 | attach 1                         its manager goes, comes
    > adjust 1 expected_votes 0 1                 an operator's order at node 1
    > run 500ms                                   let time pass (us, ms, s)
    > views                                       where everybody stands

Times in the output are counted from the command, in milliseconds, rounded down to 10 where nothing finer is promised.
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.base.ids import US_PER_MS, NodeId
from standfast.engine.api import ClientAbsent, ClientEvent, Delivered, QuorumChanged, ViewInstalled
from standfast.engine.effects import Adjusted, EngineEffect, Halt, ToClient
from standfast.engine.quorum.settings import QuorumSettings
from standfast.sim.network import Weather
from standfast.sim.world import World

UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}
ROUND_MS = 10


class Transcript:
    """Plays one scenario. `play` gives the same text with the output as it came."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._world = World(seed, 0)
        self._out: list[str] = []
        self._since_us = 0
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "world": self._new,
            "start": lambda words: self._each(words, self._world.start),
            "kill": lambda words: self._each(words, self._world.kill),
            "power": lambda words: self._each(words, lambda node: self._world.kill(node, power=True)),
            "pause": lambda words: self._each(words, self._world.pause),
            "resume": lambda words: self._each(words, self._world.resume),
            "leave": lambda words: self._each(words, self._world.leave),
            "attach": lambda words: self._each(words, self._world.attach),
            "detach": lambda words: self._each(words, self._world.detach),
            "hang": lambda words: self._each(words, self._hang),
            "cut": self._cut,
            "mend": lambda _: self._world.network.cuts.clear(),
            "weather": self._weather,
            "say": self._say,
            "adjust": self._adjust,
            "run": self._run,
            "views": self._views,
        }

    def play(self, text: str) -> str:
        """Run every command; gives the transcript as it is now. Raises PromiseError when a promise breaks."""
        lines: list[str] = []
        for line in text.splitlines():
            if line.startswith(">"):
                words = line[1:].split()
                self._out, self._since_us = [], self._world.now_us
                self._commands[words[0]](words[1:])
                lines.append(line)
                lines.extend("  " + said for said in self._out)
            elif not line.startswith("  "):
                lines.append(line)
        return "\n".join(lines) + "\n"

    # ---- commands -------------------------------------------------------------------------------------------------

    @staticmethod
    def _each(words: list[str], deed: Callable[[NodeId], None]) -> None:
        for word in words:
            deed(NodeId(int(word)))

    def _new(self, words: list[str]) -> None:
        given = dict(word.split("=") for word in words)
        quorum = QuorumSettings(
            two_node=given.pop("two_node", "no") == "yes",
            wait_for_all=given.pop("wait_for_all", "no") == "yes",
            auto_tie_breaker=given.pop("auto_tie_breaker", "no") == "yes",
        )
        nodes, links = int(given.pop("nodes", "2")), int(given.pop("links", "1"))
        self._world = World(self._seed, nodes, links, weather=_weather(given), quorum=quorum)
        self._world.listeners.append(self._heard)

    def _hang(self, node: NodeId) -> None:
        self._world.hosts[node].is_hung = True

    def _cut(self, words: list[str]) -> None:
        links = [int(words[words.index("link") + 1])] if "link" in words else list(range(self._world.links))
        one_way = "->" in words
        names = [word for word in words if word != "->"]
        a, b = int(names[0]), int(names[1])
        for link in links:
            self._world.network.cut(a, b, link)
            if not one_way:
                self._world.network.cut(b, a, link)

    def _weather(self, words: list[str]) -> None:
        self._world.network.weather = _weather(dict(word.split("=") for word in words))

    def _say(self, words: list[str]) -> None:
        node = NodeId(int(words[0]))
        host = self._world.hosts[node]
        host.counter += 1
        self._world.broadcast(node, f"{node}/{host.life}/{host.counter}/{' '.join(words[1:])}".encode())

    def _adjust(self, words: list[str]) -> None:
        self._world.adjust(NodeId(int(words[0])), Adjusted(words[1], NodeId(int(words[2])), int(words[3])))

    def _run(self, words: list[str]) -> None:
        unit = words[0].lstrip("0123456789")
        self._world.run(int(words[0][: -len(unit)]) * UNITS[unit])

    def _views(self, _: list[str]) -> None:
        for node, host in self._world.hosts.items():
            if host.engine is None:
                self._out.append(f"{node}: down")
                continue
            status = host.engine.status(host.local_us(self._world.now_us))
            view = "no view" if status.view is None else _nodes(status.view.members)
            self._out.append(f"{node}: {view}, {'quorate' if status.quorum.quorate else 'not quorate'}")

    # ---- what happens ---------------------------------------------------------------------------------------------

    def _heard(self, now_us: int, node: NodeId, effect: EngineEffect) -> None:
        text = ""
        if isinstance(effect, ToClient):
            text = _sentence(effect.event)
        elif isinstance(effect, Halt):
            text = f"halts: {effect.report.what}"
        if text:
            after_ms = (now_us - self._since_us) // US_PER_MS // ROUND_MS * ROUND_MS
            self._out.append(f"{after_ms:4} ms  {node} {text}")


def _weather(given: dict[str, str]) -> Weather:
    good = Weather()
    return Weather(
        delay_us=int(given.get("delay", good.delay_us)),
        jitter_us=int(given.get("jitter", good.jitter_us)),
        loss=int(given.get("loss", good.loss)),
        duplication=int(given.get("duplication", good.duplication)),
    )


def _nodes(nodes: tuple[NodeId, ...]) -> str:
    return "{" + " ".join(map(str, nodes)) + "}"


def _sentence(event: ClientEvent) -> str:
    match event:
        case ViewInstalled(view, quorum):
            changes = "".join(
                f" {word} {_nodes(nodes)}" for word, nodes in (("joined", view.joined), ("left", view.left)) if nodes
            )
            return f"installs {_nodes(view.members)}{changes}, {'quorate' if quorum.quorate else 'not quorate'}"
        case QuorumChanged(quorum):
            return f"quorum: {quorum.reason}"
        case Delivered(_, seq, sender, payload):
            return f"delivers {seq}: {payload.split(b'/', 3)[3].decode()} (of {sender})"
        case ClientAbsent(_, seq, gone):
            return f"delivers {seq}: the manager of {gone} is absent"
        case _:
            return ""
