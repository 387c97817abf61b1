"""The sentence that says why a partition may act or may not.

Owns: words. Does not own: the decision; it is told which rule decided.
"""

from __future__ import annotations

from enum import StrEnum

from standfast.base.ids import NodeId


class Rule(StrEnum):
    """What decided."""

    MAJORITY = "majority"
    WAIT_FOR_ALL = "wait_for_all"
    AUTO_TIE_BREAKER = "auto_tie_breaker"


def sentence(
    rule: Rule,
    *,
    quorate: bool,
    votes: int,
    needed: int,
    expected: int,
    two_node: bool,
    absent: tuple[NodeId, ...],
    shrinks: bool,
) -> str:
    """`absent` are the nodes of the nodelist that are not here; `shrinks`: last_man_standing's window is open."""
    counted = f"{votes} of {expected} votes, {needed} needed"
    if rule is Rule.WAIT_FOR_ALL:
        missing = f"; not here: {_nodes(absent)}" if absent else ""
        return f"{votes} of {expected} votes: waiting for all nodes since the start or the loss of quorum (wait_for_all){missing}"
    if rule is Rule.AUTO_TIE_BREAKER:
        return f"{counted}: exactly half, and the tie-breaker's half is here (auto_tie_breaker)"
    if quorate:
        by = " (two_node: either of two nodes may go on alone)" if two_node and needed == 1 else ""
        soon = "; last_man_standing is about to lower the need" if shrinks and needed > 1 else ""
        return f"{counted}: quorate{by}{soon}"
    if not absent:
        return f"{counted}: not quorate, although every node of the nodelist is here"
    if len(absent) == 1:
        return f"{counted}: quorate only with {_nodes(absent)}"
    return f"{counted}: quorate only with {needed - votes} more from {_nodes(absent)}"


def _nodes(nodes: tuple[NodeId, ...]) -> str:
    return ("node " if len(nodes) == 1 else "nodes ") + ", ".join(str(node) for node in nodes)
