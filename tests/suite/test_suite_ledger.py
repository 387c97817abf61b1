"""Every score is the sum of its ledger: on each of Pacemaker's cases, for each resource and node."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from standfast.scheduler.memory import Cluster, walk
from standfast.scheduler.placement.scores import add_scores
from standfast.scheduler.plan import decide, unpack

SUITE = Path(__file__).resolve().parents[3] / "shared" / "scheduler-suite"
NOW_S = 1_782_000_000


def unexplained(cluster: Cluster) -> list[str]:
    """Scores that the ledger does not add up to."""
    sums: dict[tuple[str, str], int] = {}
    for reason in cluster.reasons:
        key = reason.resource, reason.node
        sums[key] = add_scores(sums.get(key, 0), reason.points)
    return [
        f"{rsc.id} on {entry.node.name}: {entry.score}, the ledger says {sums.get((rsc.id, entry.node.name), 0)}"
        for rsc in walk(cluster.resources)
        if not rsc.children
        for entry in rsc.allowed.values()
        if sums.get((rsc.id, entry.node.name), 0) != entry.score
    ]


@pytest.mark.skipif(not SUITE.is_dir(), reason="needs ../shared/scheduler-suite (Pacemaker's scheduler cases)")
def test_every_score_is_the_sum_of_its_ledger() -> None:
    for path in sorted((SUITE / "xml").glob("*.xml")):
        cluster = unpack(etree.parse(path).getroot(), NOW_S)
        decide(cluster)
        assert not unexplained(cluster), path.name
