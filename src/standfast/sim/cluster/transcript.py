"""Scenarios of whole nodes as transcripts: a plan's lines, or a story told step by step, and under each what happened.

    > cluster nodes=3 policy=stop             as in a plan; the nodes start, and the cluster is configured within two seconds
    > pause 1                                 any deed (deeds.py)
    > run 5s                                  let time pass
    > holders | clients | marks | log WORD    what can be seen: who has the address, clients, marks, lines of the log
    > play                                    everything above it was a plan: play it to the end, liveness included

Owns: the language and the text. Does not own: judging it: a test compares, or rewrites the file when told to.
"""

from __future__ import annotations

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.sim.cluster.deeds import Deeds
from standfast.sim.cluster.people import ADDRESS
from standfast.sim.cluster.plan import read
from standfast.sim.cluster.play import Player
from standfast.sim.cluster.world import Cluster

ROUND_MS = 10
UNITS = {"ms": US_PER_MS, "s": US_PER_S}


class ClusterTranscript:
    """Plays one scenario; `play` gives the same text with the output as it came."""

    def __init__(self) -> None:
        self._world = Cluster(1)
        self._deeds = Deeds(self._world)
        self._out: list[str] = []
        self._log: list[str] = []
        self._since_us = 0
        self._plan: list[str] = []

    def play(self, text: str) -> str:
        """Run every command. Raises PromiseError when a promise breaks."""
        lines: list[str] = []
        for line in text.splitlines():
            if line.startswith("> "):
                self._out, self._since_us = [], self._world.now_us
                self._command(line[2:])
                lines.append(line)
                lines.extend("  " + said for said in self._out)
            elif not line.startswith("  "):
                lines.append(line)
        return "\n".join(lines) + "\n"

    def _command(self, line: str) -> None:
        verb, *words = line.split()
        if verb == "cluster":
            self._plan = [f"> {line}"]
            self._begin(f"> {line}\n")
        elif verb in ("at", "core", "broken", "safety"):
            self._plan.append(f"> {line}")
        elif verb == "play":
            outcome = Player(read("\n".join(self._plan))).play()
            self._out.append(
                outcome.failure or f"held: {outcome.takeovers} takeovers, overlap {outcome.overlap_us // US_PER_MS} ms"
            )
        elif verb == "run":
            unit = words[0].lstrip("0123456789")
            self._world.run(int(words[0][: -len(unit)]) * UNITS[unit])
        elif verb in ("holders", "clients", "marks", "log"):
            self._see(verb, words)
        else:
            self._deeds.do(line)

    def _begin(self, line: str) -> None:
        plan = read(line)
        self._world = Cluster(plan.seed, plan.setting, plan.weather)
        self._deeds = Deeds(self._world)
        self._log = []
        self._world.heard.append(self._heard)
        self._world.people.heard = self._answered
        for node in self._world.hosts:
            self._world.boot(node)
        self._world.at(US_PER_S, self._world.people.configure)

    def _heard(self, now_us: int, node: NodeId, text: str) -> None:
        self._log.append(f"n{node}: {text}")
        after_ms = (now_us - self._since_us) // US_PER_MS // ROUND_MS * ROUND_MS
        if text.startswith(("address: ", "two answer")):
            self._out.append(f"{after_ms:5} ms  {text}")
        elif text.startswith("notice: view "):
            self._out.append(f"{after_ms:5} ms  n{node} {text.removeprefix('notice: ')}")

    def _answered(self, what: str, answer: dict[str, object]) -> None:
        reports = answer.get("reports")
        why = str(reports[0]["what"]) if isinstance(reports, list) and reports else "the connection broke"
        after_ms = (self._world.now_us - self._since_us) // US_PER_MS // ROUND_MS * ROUND_MS
        self._out.append(f"{after_ms:5} ms  {what}: {'done' if answer.get('ok') else why}")

    def _see(self, verb: str, words: list[str]) -> None:
        world = self._world
        if verb == "holders":
            there = [f"n{node}" for node, machine in world.machines.items() if ADDRESS in machine.kernel.held]
            self._out.append(" ".join(there) or "nobody")
        elif verb == "clients":
            for client in world.segment.clients.values():
                where = ", ".join(f"n{n}" for n in world.segment.answerers(client.id, ADDRESS)) or "nobody"
                self._out.append(f"client {client.id - 99}: sends to n{client.cached}, is answered by {where}")
        elif verb == "marks":
            marks = world.people.marks.values()
            self._out.append(", ".join(f"{m.name} {'acknowledged' if m.is_acknowledged else 'open'}" for m in marks) or "none")
        else:
            word = " ".join(words)
            self._out += [line for line in self._log if word in line and ": ! " not in line]
