"""The face of the room: explain one resource of one CIB.

A cure's result is planned on an edited copy of the CIB, at most TRIALS_MAX times; nothing outside is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.scheduler.api import Change
from standfast.scheduler.dates import from_epoch
from standfast.scheduler.explain import edits
from standfast.scheduler.explain.causes import causes_of
from standfast.scheduler.explain.model import Asking, Cause, Cure, Edit, Explanation, Place
from standfast.scheduler.explain.places import place_of
from standfast.scheduler.explain.words import listed
from standfast.scheduler.memory import Cluster, Resource, Variant, primitives, walk
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.values import Role

if TYPE_CHECKING:
    from lxml import etree

EXIT_NO_SUCH = 105
TRIALS_MAX = 10
TRIALS_LARGE_MAX = 3
LARGE = 5000
"""Nodes times resources beyond which a decision takes long enough to try only a few cures."""
BLAMED_MAX = 4
_VERBS = {
    "Move": "is about to move",
    "Migrate": "is about to migrate",
    "Recover": "is about to be recovered",
    "Restart": "is about to be restarted",
    "Reload": "is about to be reloaded",
    "Promote": "is about to be promoted",
    "Demote": "is about to be demoted",
    "Re-promote": "is about to be promoted again",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A CIB with status, the wall-clock second to decide at, and what `Asking` says of `clock` and `since`.

    `utc_offset_s` is what dates without a zone mean; `connects` whether who carries plans out reaches remote nodes.
    """

    root: etree._Element
    now_s: int
    clock: Callable[[int], str] = lambda second: f"{from_epoch(second):%Y-%m-%d %H:%M:%SZ}"
    since: Callable[[str], int | None] = lambda _element_id: None
    utc_offset_s: int = 0
    connects: bool = True

    def unpack(self, root: etree._Element | None = None) -> Cluster:
        """The working memory of the CIB, or of another one at the same time and place."""
        here = self.root if root is None else root
        return unpack(here, self.now_s, connects=self.connects, utc_offset_s=self.utc_offset_s)


def explain(question: Question, name: str) -> tuple[Explanation, ...]:
    """Explain a resource: one Explanation for a primitive, one for each member of a group, each instance of a clone that runs,
    and one for those that do not. Raises Refused (105) when there is no such resource."""
    return explain_of(question, answer(question), name)


def answer(question: Question) -> Asking:
    """Decide. Several resources can be explained from one decision."""
    cluster = question.unpack()
    return Asking(cluster, decide(cluster), question.clock, question.since)


def explain_of(question: Question, ask: Asking, name: str, trials_max: int = TRIALS_MAX) -> tuple[Explanation, ...]:
    """Explain a resource from the decision at hand; at most `trials_max` cures are tried for each of its primitives."""
    if len(ask.cluster.nodes) * len(ask.cluster.resources) > LARGE:
        trials_max = min(trials_max, TRIALS_LARGE_MAX)
    return tuple(_explain(question, ask, leaf, trials_max) for leaf in shown_leaves(ask.cluster, name))


def shown_leaves(cluster: Cluster, name: str) -> list[Resource]:
    """The primitives that stand for a resource: of idle instances of one anonymous clone, the first."""
    top = [rsc for rsc in walk(cluster.resources) if rsc.id == name] or [r for r in walk(cluster.resources) if r.xml_id == name]
    if not top:
        raise Refused(error("why.no-resource", f"there is no resource {name}", "", "crm resource status"), exit_code=EXIT_NO_SUCH)
    leaves: list[Resource] = []
    idle: set[str] = set()
    for leaf in dict.fromkeys(part for rsc in top for part in primitives(rsc)):
        is_idle = leaf.assigned is None and not leaf.active_nodes
        if is_idle and leaf.xml_id in idle and leaf.top().variant == Variant.CLONE and not leaf.unique:
            continue
        if is_idle:
            idle.add(leaf.xml_id)
        leaves.append(leaf)
    return leaves


def _explain(question: Question, ask: Asking, rsc: Resource, trials_max: int) -> Explanation:
    cluster = ask.cluster
    causes = list(causes_of(ask, rsc))
    nodes = sorted(cluster.nodes, key=lambda node: node.name)
    places = [place_of(ask, rsc, node) for node in nodes]
    everywhere = {c.what: c for place in places for c in place.causes if not c.node}
    known = {cause.what for cause in causes}
    causes += [cause for what, cause in everywhere.items() if what not in known]
    change = next((c for c in ask.plan.changes if c.subject == rsc.id), None)
    target = "" if rsc.assigned is None or _is_blocked(change) else rsc.assigned.name
    causes += _tie(rsc, places) if target else []
    causes += _blamed(ask, causes, rsc)
    if not target and not causes:
        causes += _overall(cluster, rsc, places)
    explanation = Explanation(
        rsc.id,
        verdict_of(rsc, change),
        tuple(node.name for node in rsc.active_nodes),
        target,
        tuple(causes),
        tuple(_quiet(place, is_placed=bool(target or rsc.active_nodes), is_decided=bool(causes)) for place in places),
        (),
    )
    return replace(explanation, cures=_Trials(question, rsc.id, trials_max).cures(explanation))


def _quiet(place: Place, *, is_placed: bool, is_decided: bool) -> Place:
    """Where something counts everywhere and the resource has no place, a node without an obstacle is not worth a clause."""
    return replace(place, clause="") if is_decided and not is_placed and place.usable else place


def _overall(cluster: Cluster, rsc: Resource, places: list[Place]) -> list[Cause]:
    """What to say when no single cause stands out: all places of a clone are taken."""
    limits = [r.source for r in cluster.reasons if r.resource == rsc.id and r.source in ("collective_limit_reached", "no-place")]
    if limits and rsc.top().clone is not None:
        data = rsc.clone_data()
        what = f"{rsc.top().id} has an instance wherever it may (clone-max={data.max}, clone-node-max={data.node_max})"
        return [Cause("why.clone-limit", what)]
    if not places:
        return [Cause("why.no-nodes", "the cluster has no nodes")]
    return []


def _tie(rsc: Resource, places: list[Place]) -> list[Cause]:
    """How the choice fell among nodes of the same score."""
    best = [place.node for place in places if place.usable and place.score == max(p.score for p in places if p.usable)]
    if rsc.assigned is None or rsc.assigned.name not in best or len(best) < 2 or rsc.top().clone is not None:
        return []
    others = listed([node for node in best if node != rsc.assigned.name])
    kept = rsc.assigned in rsc.active_nodes
    rule = "it stays where it is" if kept else "the node with fewer resources comes first, then the name decides"
    return [Cause("why.tie", f"{others} would do as well, and among equals {rule}")]


def _is_blocked(change: Change | None) -> bool:
    return change is not None and change.verb == "Start" and "blocked" in change.reason


def verdict_of(rsc: Resource, change: Change | None) -> str:
    """`ha-vip runs on node2`, `... and is about to move to node1`, `ha-vip runs nowhere`."""
    active = [node.name for node in rsc.active_nodes]
    runs = f"{rsc.id} runs on {listed(active)}" if active else f"{rsc.id} runs nowhere"
    if active and rsc.role == Role.PROMOTED:
        runs = f"{rsc.id} is promoted on {listed(active)}"
    if change is None or _is_blocked(change):
        return runs
    if "blocked" in change.reason:
        return f"{runs}, and what should be done about it ({change.verb.lower()}) is blocked"
    target = "" if rsc.assigned is None else rsc.assigned.name
    if change.verb == "Start":
        return f"{rsc.id} is about to start on {target}"
    if change.verb == "Stop":
        return f"{runs} and is about to stop"
    to = f" to {target}" if change.verb in ("Move", "Migrate") else ""
    return f"{runs} and {_VERBS.get(change.verb, change.verb.lower())}{to}"


def _blamed(ask: Asking, causes: list[Cause], rsc: Resource) -> list[Cause]:
    """The causes of other resources that this one waits for, and of those that they wait for."""
    found: dict[str, Cause] = {}
    seen = {part.id for part in (rsc, rsc.top())}
    queue = [cause.blames for cause in causes if cause.blames]
    while queue and len(found) < 3 * BLAMED_MAX:
        name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        other = next((r for r in walk(ask.cluster.resources) if r.id == name), None)
        for leaf in [] if other is None else list(primitives(other))[:BLAMED_MAX]:
            own = [*causes_of(ask, leaf)]
            if leaf.assigned is None:
                own += [cause for node in ask.cluster.nodes for cause in place_of(ask, leaf, node).causes]
            for cause in own:
                about = f"for {leaf.id}, {cause.node} {cause.what}" if cause.node else cause.what
                found.setdefault(about, replace(cause, what=about, node=""))
                if cause.blames:
                    queue.append(cause.blames)
    return list(found.values())


class _Trials:
    """Plans made on edited copies, to say what a cure would achieve."""

    def __init__(self, question: Question, name: str, left: int) -> None:
        self._question, self._name, self._left = question, name, left

    def cures(self, explanation: Explanation) -> tuple[Cure, ...]:
        """What would change it, and how."""
        causes = [*explanation.causes, *(cause for place in explanation.places for cause in place.causes)]
        by_command: dict[str, list[Cause]] = {}
        for cause in causes:
            if cause.remedy:
                by_command.setdefault(cause.remedy, []).append(cause)
        is_placed = bool(explanation.nodes or explanation.target)
        cures: list[Cure] = []
        every: list[Edit] = []
        is_enough = False
        for command, group in by_command.items():
            found = [cause.edit for cause in group if cause.edit is not None]
            every += found
            result = self._result(edits.both(*found), explanation) if found else ""
            is_enough |= result.startswith(f"{self._name} would") and "still" not in result
            if not is_placed or (result and result != self._words(explanation, explanation.target)):
                cures.append(Cure(command, result))
        if len([cure for cure in cures if cure.result]) > 1 and not is_enough and not explanation.nodes:
            cures.append(Cure("all of these", self._result(edits.both(*every), explanation)))
        if explanation.nodes and explanation.target:
            node = explanation.target
            edit = edits.node_attribute(node, "standby", "on")
            cures.append(Cure(f"crm node standby {node}", self._result(edit, explanation)))
        return tuple(cures)

    def _result(self, edit: Edit, before: Explanation) -> str:
        if self._left == 0:
            return ""
        self._left -= 1
        copy = deepcopy(self._question.root)
        edit(copy)
        cluster = self._question.unpack(copy)
        plan = decide(cluster)
        rsc = next((r for r in walk(cluster.resources) if r.id == self._name), None)
        if rsc is None:
            return f"{self._name} would be gone"
        change = next((c for c in plan.changes if c.subject == rsc.id), None)
        target = "" if rsc.assigned is None or _is_blocked(change) else rsc.assigned.name
        return self._words(before, target)

    def _words(self, before: Explanation, target: str) -> str:
        name = self._name
        if not before.nodes:
            return f"{name} would start on {target}" if target else f"{name} would still run nowhere"
        if not target:
            return f"{name} would stop: no other node may run it"
        if target in before.nodes:
            return f"{name} would stay on {target}"
        return f"{name} would move to {target}"
