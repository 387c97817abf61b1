"""Every option, meta-attribute, operation property, rule and constraint that the scheduler knows, a small cluster for each value.

Each plan keeps the laws; where Pacemaker's own crm_simulate (2.1) is installed, its whole text must be ours, but for what newer
versions decide otherwise. `python tests/suite/test_suite_options.py [WORD]` shows what differs in the cases whose name has WORD.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree
from option_cases import NOW_S, PARTS, Cluster, cases

from standfast.scheduler.laws import broken
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.report.simulation import text_of
from standfast.scheduler.simulate import Request, simulate
from standfast.scheduler.values import OPTIONS

TOOL = shutil.which("crm_simulate", path="/usr/sbin:/usr/bin")
# Beginnings of names of cases in which 3.x decides otherwise than 2.1 does, or says it otherwise.
NEWER = {
    "no-quorum-policy=fence": "'fence' is the new name of 'suicide'",
    "maintenance-mode": "said as 'maintenance', no longer as 'unmanaged'",
    "node maintenance": "said as 'maintenance', no longer as 'unmanaged'",
    "maintenance=true": "said as 'maintenance', no longer as 'unmanaged'",
    "terminate": "another reason is given",
    "node-pending-timeout": "node states with times are new",
    "clone clone-node-max=2": "more than one instance a node makes a clone globally unique",
    "start gave 190": "degraded counts as good for every operation, not only for monitors",
    "stop gave 190": "degraded counts as good for every operation, not only for monitors",
    "op role=nonsense": "an operation with an unknown role is ignored",
    "rsc_defaults, class=ocf": "what a rsc_expression does not name matches anything",
    "date_spec hours=x": "an invalid range does not pass",
    "colocation of role Unpromoted -INFINITY": "limited to a role, it does not keep from the node",
}
META = (
    "priority", "critical", "target-role", "is-managed", "maintenance", "resource-stickiness", "requires", "migration-threshold",
    "failure-timeout", "multiple-active", "allow-migrate", "allow-unhealthy-nodes", "provides", "clone-max", "clone-node-max",
    "clone-min", "globally-unique", "notify", "ordered", "interleave", "promotable", "promoted-max", "promoted-node-max",
    "on-fail", "enabled", "start-delay", "interval-origin", "timeout", "record-pending", "role",
)  # fmt: skip
# Options that are not the scheduler's to act on (it passes them on, or they say what set the cluster up), or that need
# remote nodes.
ELSEWHERE = {
    "dc-version", "cluster-infrastructure", "fence-remote-without-quorum", "cluster-delay", "batch-limit", "migration-limit",
    "fencing-timeout",
}  # fmt: skip


def squeezed(lines: list[str]) -> list[str]:
    """Without white space, empty lines, and what is said about the CIB as such."""
    found = ("".join(line.split()) for line in lines)
    return [line for line in found if line and not line.startswith(("error:", "warning:", "notice:"))]


def original(cluster: Cluster, path: Path) -> list[str]:
    assert TOOL is not None
    path.write_text(cluster.xml())
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    run = subprocess.run([TOOL, "-x", str(path), "-S"], env=environment, capture_output=True, text=True, check=True, timeout=60)
    return squeezed(run.stdout.splitlines())


def ours(cluster: Cluster) -> list[str]:
    return squeezed(text_of(simulate(etree.fromstring(cluster.xml()), Request(), NOW_S)))


def difference(name: str, cluster: Cluster, path: Path) -> list[str]:
    lines = difflib.unified_diff(original(cluster, path), ours(cluster), "Pacemaker 2.1", "ours", lineterm="", n=1)
    return [f"== {name}", *found] if (found := list(lines)) else []


@pytest.mark.skipif(TOOL is None, reason="Pacemaker's crm_simulate is not installed")
@pytest.mark.parametrize("part", range(len(PARTS)), ids=[part.__name__.strip("_") for part in PARTS])
def test_each_value_does_what_it_does_in_the_original(part: int, tmp_path: Path) -> None:
    wrong: list[str] = []
    for name, cluster in PARTS[part]().items():
        if not name.startswith(tuple(NEWER)):
            wrong += difference(name, cluster, tmp_path / "cib.xml")
    assert not wrong, "\n".join(wrong[:100])


def test_every_plan_keeps_the_laws() -> None:
    for name, case in cases().items():
        cluster = unpack(etree.fromstring(case.xml()), NOW_S)
        assert broken(cluster, decide(cluster).graph) == [], name


def test_no_option_is_forgotten() -> None:
    text = "".join(case.xml() for case in cases().values())
    words = {*text.split('"')}
    unused = {name for name, (old, _, _) in OPTIONS.items() if not words & {name, *old}}
    assert unused == ELSEWHERE
    assert [name for name in META if name not in words and f" {name}=" not in text] == []


def test_every_exception_is_a_case() -> None:
    names = list(cases())
    assert [start for start in NEWER if not any(name.startswith(start) for name in names)] == []


if __name__ == "__main__":
    for name, cluster in cases().items():
        if not sys.argv[1:] or sys.argv[1] in name:
            print("\n".join(difference(name, cluster, Path("/tmp/standfast-option-case.xml"))))
