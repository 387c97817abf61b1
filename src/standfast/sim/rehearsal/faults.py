"""The faults of a rehearsal: every one that can strike the nodes, the wires and the services of a cast, and how it is done.

Owns: the list, its order (what matters most comes first), its words. Does not own: what comes of it.
"""

from __future__ import annotations

from itertools import combinations

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S, NodeId
from standfast.sim.rehearsal.cast import Cast
from standfast.sim.rehearsal.stage import Stage

FROZEN_US = 20 * US_PER_S
"""How long a frozen node stands still before it goes on: longer than anything waits for it."""

NODE_WORDS = {
    "power": "{} loses power",
    "isolate": "{} is cut off from everybody",
    "freeze": "{} stands still for 20 s, then goes on",
    "paused": "{} is paused for 20 s with its clock, then goes on",
    "manager": "{}: manager killed (-9)",
    "engine": "{}: engine killed (-9)",
    "kill": "{}: all of standfast killed (-9)",
    "standby": "{} is put into standby",
    "leave": "{} is shut down in good order",
}
KINDS = (*NODE_WORDS, "switch", "cable", "pair", "monitor", "start", "stop")
HEAVY = ("power", "isolate", "freeze", "switch", "monitor", "stop", "start")
"""The kinds whose pairs are played first."""

WIRES = ("isolate", "switch", "cable", "pair")
"""What is mended in the end: then those who went on apart meet again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. `kind` and `what` (node names, a link, a service) say all; `lasting_us` is how long it takes."""

    kind: str
    what: tuple[str, ...]
    words: str
    lasting_us: int = 0

    @property
    def key(self) -> str:
        """Short and unique, for JSON and options."""
        return ":".join((self.kind, *self.what))


def faults_of(cast: Cast) -> tuple[Fault, ...]:
    """All single faults, nodes first."""
    names = tuple(cast.names.values())
    found = [
        Fault(kind, (name,), words.format(name), FROZEN_US if kind in ("freeze", "paused") else 0)
        for kind, words in NODE_WORDS.items()
        for name in names
    ]
    if cast.links == 1:
        found.append(Fault("switch", ("0",), "the switch fails: nobody hears anybody"))
    else:
        for link in range(cast.links):
            found.append(Fault("switch", (str(link),), f"link {link}: its switch fails"))
            found += [Fault("cable", (name, str(link)), f"link {link}: the cable of {name} is pulled") for name in names]
    if len(names) > 2:
        found += [Fault("pair", pair, f"{pair[0]} and {pair[1]} do not hear each other") for pair in combinations(names, 2)]
    for service in cast.services:
        found += [Fault(task, (service.id,), _WORDS[task].format(service.id)) for task in service.tasks]
    return tuple(found)


_WORDS = {
    "monitor": "{} dies (its monitor fails)",
    "start": "{} dies, and does not start again there",
    "stop": "{} does not stop (its node is put into standby)",
}


def pairs_of(faults: tuple[Fault, ...]) -> list[tuple[Fault, Fault]]:
    """All double faults, the second striking when the first has been dealt with; the heaviest first. A fault does not strike the
    same node or service twice in the same way, and nothing strikes a node that lost power."""

    def weight(pair: tuple[Fault, Fault]) -> int:
        return sum(HEAVY.index(fault.kind) if fault.kind in HEAVY else len(HEAVY) + 3 for fault in pair)

    gone = ("power", "leave", "kill")
    useful = [
        (one, other)
        for one, other in combinations(faults, 2)
        if not (one.kind in gone and other.what[:1] == one.what[:1] and other.kind in NODE_WORDS)
    ]
    return sorted(useful, key=weight)  # stable: what weighs the same stays in its order


def strike(stage: Stage, fault: Fault) -> bool:
    """Let it happen; False where there is nothing that it could happen to any more."""
    nodes = {name: node for node, name in stage.cast.names.items()}
    match fault.kind:
        case "switch" | "cable" | "pair":
            _cut(stage, fault, nodes)
        case "monitor" | "start" | "stop":
            if not _break(stage, fault, nodes):
                return False
        case _:
            _node(stage, fault.kind, nodes[fault.what[0]])
    stage.look()
    return True


def mend(stage: Stage) -> None:
    """All wires are whole again."""
    stage.network.cuts.clear()
    stage.segment.cuts.clear()
    stage.segment.changed()
    stage.look()


def _node(stage: Stage, kind: str, node: NodeId) -> None:
    match kind:
        case "power":
            stage.power_off(node)
        case "isolate":
            _isolate(stage, node)
        case "freeze" | "paused":
            stage.freeze(node)
            stage.at(FROZEN_US, lambda: stage.thaw(node, clock_stood=kind == "paused"))
        case "manager":
            stage.kill_manager(node)
        case "engine":
            stage.kill_engine(node)
        case "kill":
            stage.kill_all(node)
        case "standby":
            stage.standby(node)
        case "leave":
            stage.stop(node)


def _isolate(stage: Stage, node: NodeId) -> None:
    for other in stage.hosts:
        if other != node:
            for link in range(stage.links):
                stage.cut_wire(node, other, link)
                stage.cut_wire(other, node, link)
            stage.segment.cut(node, other)
            stage.segment.cut(other, node)
    for client in stage.segment.clients:
        stage.segment.cut(node, client)
        stage.segment.cut(client, node)


def _cut(stage: Stage, fault: Fault, nodes: dict[str, NodeId]) -> None:
    if fault.kind == "pair":
        one, other = (nodes[name] for name in fault.what)
        for link in range(stage.links):
            stage.cut_wire(one, other, link)
            stage.cut_wire(other, one, link)
        return
    link = int(fault.what[-1])
    alone = [nodes[fault.what[0]]] if fault.kind == "cable" else list(stage.hosts)
    for node in alone:
        for other in stage.hosts:
            if other != node:
                stage.cut_wire(node, other, link)
                stage.cut_wire(other, node, link)
        if link == 0 and stage.cast.shared:
            for client in stage.segment.clients:
                stage.segment.cut(node, client)
                stage.segment.cut(client, node)


def _break(stage: Stage, fault: Fault, nodes: dict[str, NodeId]) -> bool:
    service = stage.cast.of(fault.what[0])
    assert stage.watch is not None
    places = stage.watch.records[service.id].places
    if not places:
        return False
    node = nodes[places[0]]
    machine = stage.machine(node)
    if fault.kind == "stop":
        machine.agents.failing[service.id, "stop"] = True
        stage.standby(node)
        return True
    if fault.kind == "start":
        machine.agents.failing[service.id, "start"] = True
        machine.kernel.denied[service.address] = bool(service.address)
    if service.address:
        machine.kernel.drop(service.address)
        return True
    for name in [name for name in machine.agents.running if name.partition(":")[0] == service.id]:
        machine.agents.crash(name)
    return True
