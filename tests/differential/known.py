"""What Pacemaker itself changed between 2.1.5 (Debian 12's crm_simulate) and 3.0.2, which is what we decide like.

One entry per change: its name, the first version that has it, where Pacemaker says so (ChangeLog, commit), and what it explains,
as narrowly as could be said. A `Wording` takes one change of form out of single lines on both sides and can hide nothing else. A
`Decision` is a change of what is decided: the parts that it names may differ in an input of which `concerns` holds.

`./run test --differential N` counts how often each entry was needed. An entry that is never needed should go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree
from tests.differential.answers import PARTS, Answer
from tests.differential.known_inputs import (
    changed_names,
    clone_members,
    colocated_names,
    dates_with_offset,
    failures_expire,
    group_members,
    located_by_role,
    may_be_unmanaged,
    with_failures,
    with_recurring,
    with_results,
    with_tasks,
)

AFTER_STATUS = ("scores", "transition", "execution", "revised", "graph")


@dataclass(frozen=True)
class Wording:
    """`rewrite(part, line)` gives a line as it is compared, on both sides; an empty line is left out."""

    name: str
    since: tuple[int, ...]
    source: str
    parts: tuple[str, ...]
    rewrite: Callable[[str], str]


@dataclass(frozen=True)
class Decision:
    """`concerns(root, names)` says whether the change can show in this input, where the lines that differ speak of `names`."""

    name: str
    since: tuple[int, ...]
    source: str
    parts: tuple[str, ...]
    concerns: Callable[[etree._Element, frozenset[str]], bool]


def _flags(line: str) -> str:
    return line if line.startswith("* Node ") else re.sub(r"\b(unmanaged|maintenance)(?=[,)])", "unmanaged", line)


def _probe_result(line: str) -> str:
    return re.sub(r"(Stopped) \(([A-Za-z ]+)\)", lambda match: f"{match[1]} ({match[2].lower()})", line)


def _inactive_promotion(line: str) -> str:
    return "" if re.search(r" promotion score (on none|\(inactive\)): ", line) else line


def _fencing_attributes(line: str) -> str:
    if not line.startswith("crm_event stonith-"):
        return line
    head, _, rest = line.partition("[")
    attributes, _, waits = rest.partition("]")
    kept = [
        a for a in attributes.split(" ") if a.startswith(("CRM_meta_on_node", "CRM_meta_stonith_action=", "CRM_meta_digests"))
    ]
    return f"{head}[{' '.join(kept)}]{waits}"


def _refused_on_fail(line: str) -> str:
    refused = "stop" if "_stop_0 " in line.partition("[")[0] else "demote"
    return line.replace(f" CRM_meta_on_fail={refused}", "")


WORDINGS = (
    Wording(
        "maintenance-is-shown-per-resource", (2, 1, 6),
        "ChangeLog 2.1.6: crm_mon shows maintenance mode when enabled per-resource",
        ("status", "revised"), _flags,
    ),
    Wording(
        "probe-results-in-other-words", (3, 0, 0),
        "commit c0f9478af9 (2024-09-10): crm_exit_str instead of services_ocf_exitcode_str",
        ("status", "revised"), _probe_result,
    ),
    Wording(
        "no-promotion-score-of-the-inactive", (3, 0, 0), "commit 0584aed34f (2024-05-29): improve promotion score message",
        ("scores",), _inactive_promotion,
    ),
    Wording(
        "fencing-without-node-attributes", (3, 0, 0),
        "3.0.0, lib/pengine/pe_actions.c pe_fence_op: node attributes are no meta-attributes",
        ("graph",), _fencing_attributes,
    ),
    Wording(
        "refused-on-fail-is-not-repeated", (2, 1, 6),
        "2.1.6, lib/pengine/pe_actions.c: on-fail that an operation can't have is dropped",
        ("graph",), _refused_on_fail,
    ),
    Wording(
        "cancel-names-the-newest-call", (3, 0, 0), "3.x: of several entries of one recurring operation, another call is named",
        ("graph",), lambda line: re.sub(r" ?CRM_meta_call_id=\d+", "", line),
    ),
    Wording(
        "flags-of-clones-in-another-order", (2, 1, 6), "2.1.6, with maintenance-is-shown-per-resource",
        ("status", "revised"), lambda line: line.replace("(unmanaged, disabled)", "(disabled, unmanaged)"),
    ),
)  # fmt: skip

DECISIONS = (
    Decision(
        "roles-of-locations", (2, 1, 8),
        "3.x lib/pacemaker/pcmk_sched_location.c: Started means every role; another role counts only where it is the next one",
        AFTER_STATUS, lambda root, names: located_by_role(root),
    ),
    Decision(
        "colocations-were-reworked", (2, 1, 8),
        "ChangeLog 2.1.6 (corner cases of colocations; mandatory before optional ones), 2.1.7 (stickiness against "
        "anti-colocation; explicit colocations with group members), 2.1.8 (a group's locations when a member is the dependent)",
        AFTER_STATUS, lambda root, names: bool(names & colocated_names(root)),
    ),
    Decision(
        "groups-were-reworked", (2, 1, 7),
        "ChangeLog 2.1.6 (earlier members start after later ones stopped), 2.1.7 (explicit colocations with group members)",
        AFTER_STATUS, lambda root, names: bool(names & group_members(root)),
    ),
    Decision(
        "clone-instances-are-not-shuffled", (3, 0, 0),
        "ChangeLog 2.1.6 (no start where a probe can't run), 2.1.7 (no shuffling of instances), 2.1.9 and 3.0.0 (promotion)",
        AFTER_STATUS, lambda root, names: bool(names & clone_members(root)),
    ),
    Decision(
        "degraded-is-success-for-every-operation", (2, 1, 6),
        "3.x lib/pengine/unpack.c remap_operation: 190 and 191 of any operation",
        PARTS, lambda root, names: bool(names & with_results(root, "190", "191")),
    ),
    Decision(
        "only-promotable-ones-are-promoted", (3, 0, 0), "3.x lib/pengine/unpack.c: a promoted result of what can't be promoted",
        PARTS, lambda root, names: bool(names & (with_results(root, "8", "9") | with_tasks(root, "promote", "demote"))),
    ),
    Decision(
        "migration-histories-are-read-anew", (2, 1, 6), "ChangeLog 2.1.6: handle cleaned migrate_from history correctly",
        PARTS, lambda root, names: bool(names & with_tasks(root, "migrate_to", "migrate_from")),
    ),
    Decision(
        "expired-results-never-matter", (2, 1, 6), "ChangeLog 2.1.6: ensure expired results never affect resource state",
        PARTS, lambda root, names: failures_expire(root) and bool(names & with_failures(root)),
    ),
    Decision(
        "parents-of-the-unmanaged-are-active", (3, 0, 1),
        "ChangeLog 3.0.1: consider parents of an unmanaged resource active on the node",
        PARTS, lambda root, names: (
            may_be_unmanaged(root) and (not names or bool(names & (clone_members(root) | group_members(root))))
        ),
    ),
    Decision(
        "a-simulated-cancel-leaves-no-result", (3, 0, 0),
        "3.x lib/pacemaker/pcmk_simulate.c: only operations that ran are recorded",
        ("revised",), lambda root, names: bool(names & with_recurring(root)),
    ),
    Decision(
        "time-zones-of-dates", (2, 1, 6), "3.x lib/common/iso8601.c: an offset east of Greenwich is subtracted",
        AFTER_STATUS, lambda root, names: dates_with_offset(root),
    ),
)  # fmt: skip


def explain(
    root: etree._Element, ours: Answer, theirs: Answer, version: tuple[int, ...]
) -> tuple[Answer, Answer, tuple[str, ...]]:
    """Both answers with the listed changes since `version` taken out, and the names of those that explained something."""
    names: list[str] = []
    for wording in WORDINGS:
        if version < wording.since and ours.differing(theirs):
            reworded = _reworded(ours, wording), _reworded(theirs, wording)
            if len(_changes(*reworded)) < len(_changes(ours, theirs)):
                names.append(wording.name)
                ours, theirs = reworded
    for decision in DECISIONS:
        different = set(ours.differing(theirs))
        applies = version < decision.since and different and different <= set(decision.parts)
        if applies and decision.concerns(root, changed_names(_changes(ours, theirs))):
            names.append(decision.name)
            ours = theirs
    return ours, theirs, tuple(names)


def _reworded(answer: Answer, wording: Wording) -> Answer:
    def rewritten(part: str) -> list[str]:
        lines = [line for line in map(wording.rewrite, answer.parts[part]) if line]
        return sorted(lines) if part in ("scores", "graph") else lines

    return Answer({**answer.parts, **{part: rewritten(part) for part in wording.parts}})


def _changes(ours: Answer, theirs: Answer) -> list[str]:
    """The lines that only one side has (order apart), or all of a part in which only the order differs."""
    found: list[str] = []
    for part in ours.differing(theirs):
        mine, other = ours.parts[part], theirs.parts[part]
        apart = [line for line in mine if line not in other] + [line for line in other if line not in mine]
        found += apart or mine
    return found
