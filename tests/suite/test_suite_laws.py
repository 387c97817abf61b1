"""Laws that hold for every input, on each of Pacemaker's cases (scheduler/laws.py says them)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
from lxml import etree
from test_suite_cases import NOW_S, index, needs_suite, simulated

from standfast.scheduler.graph.model import Action, ActionKind, Graph
from standfast.scheduler.graph.xml import write_graph
from standfast.scheduler.laws import broken
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.report.simulation import text_of
from standfast.scheduler.simulate import Simulation, execution_date

# What a simulation prints but does not carry out, and which therefore comes again: the tool that it imitates does not either.
NOT_CARRIED_OUT = ("cancel", "delete", "lrm_delete", "clear_failcount", "do_shutdown", "stonith")
OLD_ID = "records with ids of long ago stay beside the simulated ones"
PENDING = "a start that is still recorded as pending counts as the newer one"
UNFENCING = "an unfencing is not recorded, and starts wait for it"
RESTART_DIGEST = "the history keeps the digest of what needs a restart"
GUEST = "a guest node is probed once it is up"
FENCED_REMOTE = "a remote node is probed, and takes resources, once it was fenced and connected"
# Cases whose plan, applied to its own result, is not empty. For each the original was seen to do the same (crm_simulate
# -S -O FILE, then -S on that).
COMES_AGAIN = {
    "novell-251689": OLD_ID,
    "novell-252693": OLD_ID,
    "novell-252693-2": OLD_ID,
    "mon-rsc-3": PENDING,
    "696": PENDING,
    "726": PENDING,
    "735": PENDING,
    "764": PENDING,
    "rec-rsc-7": "was active twice: all is stopped first, and started by the next plan",
    "bug-cl-5212": "notifications about stops that are blocked",
    "inc6": "two histories of one name on one node: neither is touched",
    "clone-interleave-1": "ordered after a clone of which one instance has no node",
    "unfence-startup": UNFENCING,
    "unfence-parameters": UNFENCING,
    "unfence-device": UNFENCING,
    "start-then-stop-with-unfence": UNFENCING,
    "bug-1572-1": RESTART_DIGEST,
    "bug-1572-2": RESTART_DIGEST,
    "bug-pm-12": RESTART_DIGEST,
    "bug-5025-3": RESTART_DIGEST,
    "bug-5025-4": RESTART_DIGEST,
    "partial-live-migration-multiple-active": RESTART_DIGEST,
    "on_fail_demote1": "recurring monitors of what failed",
    "bug-cl-5247": "the guest node's failures count for its machine, and are not cleared",
    "bug-rh-1097457": "what failed on a guest node stays in its history",
    "bundle-order-fencing": "notifications about stops on nodes that are gone",
    "remote-partial-migrate2": "a half done migration stays in the history",
    **dict.fromkeys(
        (
            "guest-node-host-dies",
            "priority-fencing-delay",
            "whitebox-imply-stop-on-fence",
            "whitebox-ms-ordering-move",
            "whitebox-nested-group",
            "whitebox-start",
        ),
        GUEST,
    ),
    **dict.fromkeys(("remote-fence-unclean", "remote-recover-fail"), FENCED_REMOTE),
    "load-stopped-loop-2": "equal nodes exchange their resources for ever",
    "shutdown-lock": "the lock is not recorded",
}


def second_plan(found: Simulation) -> Graph:
    """What is planned for the result of a simulation."""
    date = execution_date(found.result)
    return decide(unpack(found.result, NOW_S if date is None else date, sanitized=True)).graph


def does_something(action: Action) -> bool:
    return action.kind != ActionKind.PSEUDO and action.operation not in NOT_CARRIED_OUT


@needs_suite
@pytest.mark.parametrize("name", sorted(index()))
def test_plan_keeps_the_laws(name: str) -> None:
    _, found = simulated(name, index()[name])
    assert found.cluster is not None
    assert found.plan is not None
    assert found.outcome is not None
    assert broken(found.cluster, found.plan.graph) == []
    assert found.outcome.complete
    again = [action.operation_key for action in second_plan(found).actions if does_something(action)]
    if name in COMES_AGAIN:
        assert again, f"{name} settles: take it off the list"
    else:
        assert again == []


def digest(names: list[str]) -> str:
    """All that is decided and said about some cases, in one number."""
    text = []
    for name in names:
        _, found = simulated(name, index()[name])
        assert found.plan is not None
        assert found.cluster is not None
        text += [*text_of(found), repr(found.plan)]
        text.append(etree.tostring(write_graph(found.plan.graph, found.cluster), encoding="unicode"))
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


@needs_suite
def test_the_hash_seed_decides_nothing() -> None:
    names = sorted(index())[::12]
    found = {digest(names)}
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, __file__, *names]
        found.add(
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100).stdout.strip()
        )
    assert len(found) == 1


if __name__ == "__main__":
    print(digest(sys.argv[1:]))
