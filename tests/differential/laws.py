"""What holds for every input, whatever the original thinks of it: each law says which it is when it is broken."""

from __future__ import annotations

import re
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


def settles(root: etree._Element, rounds: int = 3) -> list[str]:
    """Carry a plan out, plan again, and so on: what is still planned after `rounds`, which is nothing, or an exception.

    The controller does more than `execute` (which, like the original's tool, only records results): nodes that were told to go
    are gone, what was deleted, cancelled or cleared is forgotten.
    """
    for _ in range(rounds):
        graph = decide(unpack(root, NOW_S)).graph
        if not graph.actions:
            return []
        root = execute(root, graph, NOW_S).cib
        for action in graph.actions:
            _forget(root, action)
    return [f"{a.operation_key} {a.node}".strip() for a in decide(unpack(root, NOW_S)).graph.actions]


def _forget(root: etree._Element, action: Action) -> None:
    state = next((s for s in root.iterfind("status/node_state") if s.get("id") == action.node_id), None)
    if state is None:
        return
    gone: list[etree._Element] = []
    if action.operation == "do_shutdown":
        for name, value in (("in_ccm", "false"), ("crmd", "offline"), ("join", "down"), ("expected", "down")):
            state.set(name, value)
        gone = [child for child in state if child.tag in ("lrm", "transient_attributes")]
    elif action.operation == "clear_failcount":
        names = (f"fail-count-{action.resource}", f"last-failure-{action.resource}")
        gone = [p for p in state.iter("nvpair") if re.split("[#:]", p.get("name", ""))[0] in names]
        gone += [o for o in state.iter("lrm_rsc_op") if o.get("id", "") == f"{action.resource}_last_failure_0"]
    elif action.operation in ("delete", "lrm_delete"):
        gone = [r for r in state.iter("lrm_resource") if r.get("id") in (action.resource, action.long_id)]
    elif action.operation == "cancel":
        gone = [o for o in state.iter("lrm_rsc_op") if o.get("operation_key") == action.operation_key]
    for element in gone:
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)
