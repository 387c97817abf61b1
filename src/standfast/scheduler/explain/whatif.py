"""What if: suppose that something happens, and tell in words what the cluster would do until it rests again. Nothing is touched.

A supposition is a changed copy of the CIB. The forecast plans on it, carries each plan out on the copy (every action succeeds),
and plans again until there is nothing left to do, or ROUNDS_MAX.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.scheduler import inject
from standfast.scheduler.api import Change, Plan
from standfast.scheduler.explain import edits
from standfast.scheduler.explain.explain import EXIT_NO_SUCH, Question, answer, explain_of
from standfast.scheduler.explain.words import listed
from standfast.scheduler.memory import Cluster, Resource, op_key, walk
from standfast.scheduler.plan import decide
from standfast.scheduler.simulate import execute
from standfast.scheduler.values import ROLE_TEXT, Role, interval_ms

if TYPE_CHECKING:
    from lxml import etree

ROUNDS_MAX = 6
NODE_EVENTS = ("down", "leaves", "standby", "online", "maintenance", "ready")
TASKS = ("monitor", "start", "stop", "promote", "demote")
_VERBS = {"Restart": "is restarted", "Recover": "is recovered", "Reload": "is reloaded", "Re-promote": "is promoted again"}


@dataclass(frozen=True, slots=True)
class Supposition:
    """What is supposed, in words, and the CIB as it would be then."""

    words: tuple[str, ...]
    root: etree._Element


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to a resource: the nodes where it is active before and after, and the sentence."""

    resource: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would happen. `nodes` are sentences about nodes (fencing), `lost` says why what ran before runs nowhere then;
    `untouched` counts the resources that stay as they are. `complete`: the cluster rests at the end."""

    supposed: tuple[str, ...]
    nodes: tuple[str, ...]
    steps: tuple[Step, ...]
    lost: tuple[str, ...]
    untouched: int
    complete: bool

    def lines(self) -> list[str]:
        """The forecast as text."""
        lines = [*self.supposed, *self.nodes, *(step.sentence for step in self.steps)]
        lines += [f"  {line}" for line in self.lost]
        if not self.nodes and not self.steps:
            lines.append("Nothing would change.")
        elif self.untouched:
            lines.append(f"{self.untouched} other resource{'s stay as they are' if self.untouched > 1 else ' stays as it is'}.")
        if not self.complete:
            lines.append(f"It would still be changing after {ROUNDS_MAX} plans.")
        return lines


# ---- suppositions -------------------------------------------------------------------------------------------------------


def suppose_node(question: Question, name: str, event: str) -> Supposition:
    """A node goes down without a word, leaves in good order, goes into standby or maintenance, or comes back. Raises Refused."""
    cluster = question.unpack()
    node = cluster.find_node(name)
    if node is None:
        names = listed([one.name for one in cluster.nodes])
        raise Refused(error("what-if.no-node", f"there is no node {name}", "", f"the nodes are {names}"), exit_code=EXIT_NO_SUCH)
    copy = deepcopy(question.root)
    match event:
        case "down" | "leaves":
            return _suppose_loss(copy, cluster, node.name, event)
        case "standby" | "maintenance":
            edits.node_attribute(node.name, event, "on" if event == "standby" else "true")(copy)
            return Supposition((f"Suppose {node.name} is put into {event}:",), copy)
        case "online":
            edits.node_attribute(node.name, "standby", "off")(copy)
            if not node.online:
                inject.node_up(copy, node.name)
                return Supposition((f"Suppose {node.name} comes back:", *_count_votes(copy, cluster, node.name, 1)), copy)
            return Supposition((f"Suppose {node.name} leaves standby:",), copy)
        case "ready":
            edits.node_attribute(node.name, "maintenance", "false")(copy)
            return Supposition((f"Suppose {node.name} leaves maintenance:",), copy)
    raise Refused(
        error("what-if.event", f"{event!r} is not something that happens to a node", "", f"one of {', '.join(NODE_EVENTS)}")
    )


def _suppose_loss(copy: etree._Element, cluster: Cluster, name: str, event: str) -> Supposition:
    lost = event == "down"
    if lost and cluster.fencing_enabled:
        inject.node_failed(copy, name)
    else:
        inject.node_down(copy, name)
    words = f"Suppose {name} is lost without a word:" if lost else f"Suppose {name} leaves the cluster in good order:"
    if copy.get("dc-uuid") is not None and cluster.dc is not None and cluster.dc.name == name:
        other = next((node for node in cluster.nodes if node.online and node.name != name), None)
        if other is not None:
            copy.set("dc-uuid", other.id)
    return Supposition((words, *_count_votes(copy, cluster, name, -1)), copy)


def _count_votes(copy: etree._Element, cluster: Cluster, name: str, change: int) -> tuple[str, ...]:
    """Quorum as it would be with one vote for each member node (the CIB does not know of others)."""
    members = [node for node in cluster.nodes if node.kind == "member"]
    up = sum(node.online and node.name != name for node in members) + (change > 0)
    if len(members) <= 2:
        return (
            ("(quorum is taken to stay as it is: two nodes usually run with two_node or a third opinion)",) if change < 0 else ()
        )
    is_quorate = 2 * up > len(members)
    copy.set("have-quorum", "1" if is_quorate else "0")
    return (f"(quorum would be {'kept' if is_quorate else 'lost'}: {up} of {len(members)} nodes)",)


def suppose_failure(question: Question, name: str, task: str) -> Supposition:
    """An operation of a resource fails where the resource is active (or, if it is not, would be started). Raises Refused."""
    if task not in TASKS:
        raise Refused(error("what-if.task", f"{task!r} is no operation that can fail here", "", f"one of {', '.join(TASKS)}"))
    ask = answer(question)
    rsc = _leaf(ask.cluster, name)
    node = rsc.active_nodes[0] if rsc.active_nodes else rsc.assigned
    if node is None:
        what = f"{name} runs nowhere, and nothing of it can fail"
        raise Refused(error("what-if.nowhere", what, "", f"crm resource why {name}"))
    interval = _interval(rsc) if task == "monitor" else 0
    copy = deepcopy(question.root)
    rc = 7 if task == "monitor" else 1
    spec = f"{op_key(rsc.history_id or rsc.id, task, interval)}@{node.name}={rc}"
    inject.operation(copy, question.unpack(copy), spec, question.now_s)
    result = "finds that it is not running" if task == "monitor" else "fails"
    return Supposition((f"Suppose the {task} of {rsc.id} on {node.name} {result}:",), copy)


def _leaf(cluster: Cluster, name: str) -> Resource:
    named = [rsc for rsc in walk(cluster.resources) if name in (rsc.id, rsc.xml_id)]
    if not named:
        raise Refused(error("why.no-resource", f"there is no resource {name}", "", "crm resource status"), exit_code=EXIT_NO_SUCH)
    leaves = [leaf for rsc in named for leaf in walk([rsc]) if not leaf.children]
    return next((leaf for leaf in leaves if leaf.active_nodes), leaves[0])


def _interval(rsc: Resource) -> int:
    """The recurring monitor's interval, in ms; 10 s where there is none."""
    found = [interval_ms(op.get("interval")) for op in rsc.ops_xml if op.get("name") == "monitor"]
    return next((interval for interval in found if interval > 0), 10_000)


def suppose_configuration(question: Question, configuration: etree._Element, words: str) -> Supposition:
    """Another <configuration> in the place of the present one."""
    copy = deepcopy(question.root)
    present = copy.find("configuration")
    fresh = deepcopy(configuration)
    if present is not None:
        copy.replace(present, fresh)
    else:
        copy.insert(0, fresh)
    return Supposition((words,), copy)


# ---- forecasts ----------------------------------------------------------------------------------------------------------


def forecast(question: Question, supposed: Supposition) -> Forecast:
    """What would happen, from the CIB as it is to rest after the supposition."""
    plans, end, complete = _carry_out(question, supposed.root)
    was, becomes = question.unpack(), question.unpack(end)
    before, after = _places(was), _places(becomes)
    changes = [change for plan in plans for change in plan.changes]
    steps = [step for name in {**before, **after} if (step := _step(name, before, after, changes)) is not None]
    steps += _newly_blocked(was, becomes, after, [step.resource for step in steps])
    fenced = [f"{c.subject} is fenced ({c.verb[7:-1]}): {c.reason}" for c in changes if c.verb.startswith("Fence")]
    return Forecast(
        supposed.words,
        tuple(dict.fromkeys(fenced)),
        tuple(steps),
        _lost(replace(question, root=end), [step for step in steps if step.before and not step.after], after),
        len({**before, **after}) - len(steps),
        complete,
    )


def _carry_out(question: Question, root: etree._Element) -> tuple[list[Plan], etree._Element, bool]:
    plans: list[Plan] = []
    for _ in range(ROUNDS_MAX):
        plan = decide(question.unpack(root))
        if not plan.graph.actions:
            return plans, root, True
        plans.append(plan)
        outcome = execute(root, plan.graph, question.now_s)
        before, root = root, outcome.cib
        if len(plans) > 1 and _places(question.unpack(before)) == _places(question.unpack(root)):
            return plans, root, True  # what is left (an action that may not run, say) changes nothing any more
    return plans, root, not decide(question.unpack(root)).graph.actions


def _name(rsc: Resource) -> str:
    """Instances of an anonymous clone are told by their node, not by their number."""
    return rsc.id if rsc.unique or rsc.top().clone is None else rsc.xml_id


def _places(cluster: Cluster) -> dict[str, dict[str, Role]]:
    """Name -> node -> role, of everything that is configured."""
    found: dict[str, dict[str, Role]] = {}
    for rsc in walk(cluster.resources):
        if not rsc.children and not rsc.removed:
            place = found.setdefault(_name(rsc), {})
            place.update({node.name: rsc.role for node in rsc.active_nodes})
    return found


def _step(name: str, before: dict[str, dict[str, Role]], after: dict[str, dict[str, Role]], changes: list[Change]) -> Step | None:
    """The sentence about one resource; None when nothing happens to it."""
    was, becomes = before.get(name, {}), after.get(name, {})
    change = next((c for c in changes if c.subject == name or c.subject.rpartition(":")[0] == name), None)
    gone, new = [n for n in was if n not in becomes], [n for n in becomes if n not in was]
    parts: list[str] = []
    if gone and new and len(gone) == len(new):
        parts.append(f"moves from {listed(gone)} to {listed(new)}")
    elif gone or new:
        parts += [f"stops on {listed(gone)}"] if gone else []
        parts += [f"starts on {listed(new)}"] if new else []
        if gone and not becomes:
            parts.append("runs nowhere then")
    elif change is not None and change.verb in _VERBS:
        parts.append(f"{_VERBS[change.verb]} on {listed(list(becomes))}")
    parts += [
        f"is {'promoted' if role == Role.PROMOTED else f'{ROLE_TEXT[role].lower()} now'} on {node}"
        for node, role in becomes.items()
        if Role.PROMOTED in (role, was.get(node)) and role != was.get(node)
    ]
    if not parts:
        return None
    because = f" ({change.reason})" if change is not None and change.reason else ""
    return Step(name, tuple(was), tuple(becomes), f"{name} {listed(parts)}{because}")


def _newly_blocked(was: Cluster, becomes: Cluster, after: dict[str, dict[str, Role]], told: list[str]) -> list[Step]:
    """What is blocked then and was not, unless it is told of already."""
    old = {_name(rsc) for rsc in walk(was.resources) if rsc.blocked}
    new = dict.fromkeys(_name(rsc) for rsc in walk(becomes.resources) if rsc.blocked and not rsc.children)
    return [
        Step(name, tuple(after[name]), tuple(after[name]), f"{name} is blocked on {listed(list(after[name]))}: nobody moves it")
        for name in new
        if name not in old and name not in told and name in after
    ]


def _lost(question: Question, steps: list[Step], after: dict[str, dict[str, Role]]) -> tuple[str, ...]:
    """Why what ran before runs nowhere in the end."""
    names = [step.resource for step in steps if step.resource in after]
    if not names:
        return ()
    ask = answer(question)
    found = [explain_of(question, ask, name, trials_max=0) for name in names]
    return tuple(explanation.sentence() for explanations in found for explanation in explanations[:1])
