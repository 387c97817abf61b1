"""Ours against the original's on one CIB: equal, explained by a listed change, or different."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from lxml import etree
from tests.differential.answers import PARTS, Answer, Oracle, OracleFailed, ask_ours
from tests.differential.known import DECISIONS, DEFECTS, Defect, explain


@dataclass(frozen=True)
class Verdict:
    """`parts` still differ after every listed change was allowed for; `known` names the changes that explained something;
    `refused` is why the oracle gave no answer; `confirmed` is what the second one said."""

    ours: Answer | None
    theirs: Answer | None
    parts: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    refused: str = ""
    raised: str = ""
    confirmed: str = ""

    @property
    def agrees(self) -> bool:
        return not self.parts and not self.raised

    def difference(self, lines: int = 40) -> str:
        """What differs, as a diff of each part ("-" the original, "+" ours)."""
        if self.ours is None or self.theirs is None:
            return self.raised or self.refused
        found: list[str] = []
        for part in PARTS:
            theirs, ours = self.theirs.parts[part], self.ours.parts[part]
            if part in self.parts:
                changes = list(difflib.unified_diff(theirs, ours, f"{part}: Pacemaker", f"{part}: ours", lineterm="", n=0))
                found += changes[:lines] + ([f"... {len(changes) - lines} lines more"] if len(changes) > lines else [])
        return "\n".join(found)


def judge(root: etree._Element, ours: Answer, theirs: Answer, version: tuple[int, ...]) -> Verdict:
    """Compare two answers to the same CIB; `version` is the original's."""
    if not ours.differing(theirs):
        return Verdict(ours, theirs)
    mine, other, known = explain(root, ours, theirs, version)
    if mine.differing(other):
        for defect in DEFECTS:
            if version >= defect.since and _equal_with(defect, root, theirs, version):
                return Verdict(other, other, (), (*known, defect.name))
    return Verdict(mine, other, tuple(mine.differing(other)), known)


def _equal_with(defect: Defect, root: etree._Element, theirs: Answer, version: tuple[int, ...]) -> bool:
    with defect.imitated():
        ours, theirs, _ = explain(root, ask_ours(root), theirs, version)
    return not ours.differing(theirs)


def confirm(root: etree._Element, verdict: Verdict, oracle: Oracle) -> Verdict:
    """A second opinion where a `Decision` was needed: an oracle that has the change has to agree with ours without it."""
    if not {decision.name for decision in DECISIONS} & set(verdict.known):
        return verdict
    second = compare(root, oracle)
    confirmed = "no second answer" if second.refused else "confirmed" if second.agrees else "refuted"
    if second.agrees:
        return replace(verdict, confirmed=confirmed)
    return replace(second, known=verdict.known, confirmed=confirmed)


def compare(root: etree._Element, oracle: Oracle) -> Verdict:
    """Ask both and judge. What ours raises is a difference; what the original refuses is only counted."""
    try:
        ours = ask_ours(root)
    except Exception as broken:
        return Verdict(None, None, raised=f"{type(broken).__name__}: {broken}")
    try:
        theirs = oracle.ask(root)
    except OracleFailed as failed:
        return Verdict(ours, None, refused=str(failed))
    return judge(root, ours, theirs, oracle.version)
