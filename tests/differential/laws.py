"""What holds for every input, whatever the original thinks of it: each law says which it is when it is broken."""

from __future__ import annotations

from collections import Counter

from lxml import etree
from tests.differential.drawing.settings import NOW_S

from standfast.scheduler.graph.model import Action, ActionKind, Graph
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.report.simulation import score_lines
from standfast.scheduler.simulate import execute

INFINITY = 1_000_000


class LawBroken(AssertionError):
    """A law does not hold; the text names it."""


def check_laws(root: etree._Element) -> str:
    """Plan, and check the laws that one plan can break. Returns the plan as text, to be compared between hash seeds."""
    before = etree.tostring(root)
    plan = decide(unpack(root, NOW_S))
    if etree.tostring(root) != before:
        raise LawBroken("the CIB was changed")
    try:
        plan.graph.check()
    except AssertionError as broken:
        raise LawBroken(str(broken)) from broken
    _starts_once(plan.graph)
    _no_start_where_banned(plan.graph, score_lines(plan))
    return repr(plan.graph.actions) + "\n".join(score_lines(plan))


def _starts(graph: Graph) -> list[Action]:
    return [a for a in graph.actions if a.kind == ActionKind.RSC_OP and a.operation in ("start", "migrate_from")]


def _starts_once(graph: Graph) -> None:
    """No two starts of one instance (anonymous instances carry their number in the long id or the key)."""
    doubled = [key for key, count in Counter(a.internal_key or a.operation_key for a in _starts(graph)).items() if count > 1]
    if doubled:
        raise LawBroken(f"started twice: {doubled}")


def _no_start_where_banned(graph: Graph, scores: list[str]) -> None:
    final: dict[tuple[str, str], int] = {}
    for line in scores:
        function, _, rest = line.partition(": ")
        words = rest.split()
        if function == "pcmk__primitive_assign":
            # The last one printed is the one that decided.
            final[words[0], words[4].rstrip(":")] = parse_score(words[5]) or 0
    for action in _starts(graph):
        name = (action.internal_key or action.operation_key).rsplit("_", 2)[0]
        if final.get((name, action.node), 0) <= -INFINITY:
            raise LawBroken(f"{action.operation_key} on {action.node}, where it is banned")


def second_plan(root: etree._Element) -> list[str]:
    """What is planned after a plan was carried out: nothing, or what a listed exception says."""
    first = decide(unpack(root, NOW_S))
    outcome = execute(root, first.graph, NOW_S)
    second = decide(unpack(outcome.cib, NOW_S))
    return [f"{a.operation_key} {a.node}".strip() for a in second.graph.actions if a.kind != ActionKind.PSEUDO]
