"""What Pacemaker itself changed between 2.1.5 (Debian 12's crm_simulate) and 3.x, which is what we decide like.

One entry per change: its name, where Pacemaker says so, since which version, and what it explains, as narrowly as could be
said. A `Wording` rewrites single lines of the old answer to the new form (or both to a common one): only the named change can
be hidden by it. A `Decision` is a change of what is decided: for an input of which `concerns` holds, the parts in `parts` may
differ.

`./run test --differential N` counts how often each entry was needed. An entry that is never needed should go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree
from tests.differential.answers import PARTS, Answer

Lines = list[str]


@dataclass(frozen=True)
class Wording:
    """`rewrite(root, part, ours, theirs)` gives both with the change taken out."""

    name: str
    since: tuple[int, ...]
    source: str
    rewrite: Callable[[etree._Element, str, Lines, Lines], tuple[Lines, Lines]]


@dataclass(frozen=True)
class Decision:
    """`concerns(root, ours, theirs)` says whether the change can show in this input."""

    name: str
    since: tuple[int, ...]
    source: str
    concerns: Callable[[etree._Element, Answer, Answer], bool]
    parts: tuple[str, ...] = PARTS


WORDINGS: tuple[Wording, ...] = ()
DECISIONS: tuple[Decision, ...] = ()


def explain(
    root: etree._Element, ours: Answer, theirs: Answer, version: tuple[int, ...]
) -> tuple[Answer, Answer, tuple[str, ...]]:
    """Both answers with the listed changes since `version` taken out, and the names of those that explained something."""
    names: list[str] = []
    for wording in WORDINGS:
        if version >= wording.since:
            continue
        parts = {p: wording.rewrite(root, p, ours.parts[p], theirs.parts[p]) for p in PARTS if ours.parts[p] != theirs.parts[p]}
        if any((ours.parts[p], theirs.parts[p]) != both for p, both in parts.items()):
            names.append(wording.name)
            ours = Answer({**ours.parts, **{p: both[0] for p, both in parts.items()}})
            theirs = Answer({**theirs.parts, **{p: both[1] for p, both in parts.items()}})
    for decision in DECISIONS:
        different = ours.differing(theirs)
        if version >= decision.since or not different or not set(different) <= set(decision.parts):
            continue
        if decision.concerns(root, ours, theirs):
            names.append(decision.name)
            ours = Answer({**ours.parts, **{p: theirs.parts[p] for p in decision.parts}})
    return ours, theirs, tuple(names)
