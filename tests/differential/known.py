"""What Pacemaker itself changed between 2.1.5 (Debian 12's crm_simulate) and 3.0.2, which is what we decide like.

One entry per change: its name, the first version that has it, the upstream commits that made it, and what it explains, as
narrowly as could be said. A `Wording` takes one change of form out of single lines on both sides and can hide nothing else. A
`Decision` is a change of what is decided: the parts that it names may differ in an input of which `concerns` holds. What follows
from a changed decision is not told apart from it, so `--confirm` asks a Pacemaker that has the change about that very input.

A `Defect` is one of Pacemaker's that we don't share. It is proved each time: with it put into ours, the answers are equal.

`./run test --differential N` counts how often each entry was needed. An entry that is never needed should go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from unittest.mock import patch

from lxml import etree
from tests.differential.answers import PARTS, Answer
from tests.differential.known_inputs import (
    changed_names,
    clone_members,
    colocated_names,
    colocations,
    dates_with_offset,
    ends,
    failures_expire,
    group_members,
    has_roles,
    is_mixed,
    is_opposed,
    location_rules,
    may_be_unmanaged,
    on_lost_nodes,
    on_nodes_in_maintenance,
    ordered_by_action,
    with_failures,
    with_results,
    with_status,
    with_tasks,
)

from standfast.scheduler.memory import Colocation
from standfast.scheduler.placement import clone, group, primitive
from standfast.scheduler.placement.colocated import add_this_with, add_with_this

AFTER_STATUS = ("scores", "transition", "execution", "revised", "graph")


@dataclass(frozen=True)
class Wording:
    """`rewrite(part, line)` gives a line as it is compared, on both sides; an empty line is left out.
    Neighbouring lines that start with `unordered` are compared in any order."""

    name: str
    since: tuple[int, ...]
    source: str
    parts: tuple[str, ...]
    rewrite: Callable[[str], str]
    unordered: str = "\0"


@dataclass(frozen=True)
class Case:
    """An input, the resources that the differing lines speak of, and our answer."""

    root: etree._Element
    names: frozenset[str]
    ours: Answer

    def any(self, resources: frozenset[str]) -> bool:
        """Whether what differs is about any of these."""
        return bool(self.names & resources)


@dataclass(frozen=True)
class Decision:
    """`concerns` says whether the change can show in this input, and in what differs."""

    name: str
    since: tuple[int, ...]
    source: str
    parts: tuple[str, ...]
    concerns: Callable[[Case], bool]


@dataclass(frozen=True)
class Defect:
    """`imitated` puts the defect into ours for a while."""

    name: str
    since: tuple[int, ...]
    source: str
    imitated: Callable[[], AbstractContextManager[None]]


def _flags(line: str) -> str:
    return line if line.startswith("* Node ") else re.sub(r"\b(unmanaged|maintenance)(?=[,)])", "unmanaged", line)


# services_ocf_exitcode_str() and crm_exit_str(), where more than capitals differ
_RESULTS = {"error": "error occurred", "unimplemented feature": "unimplemented", "promoted (failed)": "failed in promoted role"}


def _probe_result(line: str) -> str:
    head, stopped, rest = line.partition("Stopped")
    if not stopped or line.startswith("* Stopped: ["):
        return line
    for old, new in _RESULTS.items():
        rest = rest.replace(f"({old})", f"({new})")
    return head + stopped + re.sub(r"\([A-Z]", lambda match: match[0].lower(), rest)


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
    name = line.partition("[")[0]
    refused = "stop|standby|demote" if "_stop_0 " in name else r"\w+" if "_demote_0 " in name else "demote"
    return re.sub(rf" CRM_meta_on_fail=({refused})(?=[ \]])", "", line)


WORDINGS = (
    Wording(
        "maintenance-is-shown-per-resource", (2, 1, 6),
        "commits 87ad7d1da5 (2022-11-07): crm_mon shows \"maintenance\" for rsc maint meta; 104abca63c: the same of its node's",
        ("status", "revised"), _flags,
    ),
    Wording(
        "probe-results-in-other-words", (3, 0, 0),
        "commit c0f9478af9 (2024-09-10): deprecate services_ocf_exitcode_str() (crm_exit_str() instead)",
        ("status", "revised"), _probe_result, unordered="* Stopped",
    ),
    Wording(
        "no-promotion-score-of-the-inactive", (3, 0, 0),
        "commit 0584aed34f (2024-05-29): improve promotion score message for inactive instances",
        ("scores",), _inactive_promotion,
    ),
    Wording(
        "fencing-without-node-attributes", (3, 0, 0),
        "commit 95ac947d30 (2024-09-10): don't pass node attributes with fence actions",
        ("graph",), _fencing_attributes,
    ),
    Wording(
        "refused-on-fail-is-not-repeated", (2, 1, 7),
        "commit f2e7159f20 (2023-07-27): make validate_on_fail() replace value (what an operation can't have is dropped)",
        ("graph",), _refused_on_fail,
    ),
    Wording(
        "cancel-names-the-newest-call", (2, 1, 8),
        "commit 539b02c814 (2023-05-25): add pcmk__insert_meta() (of several calls the last replaces the first)",
        ("graph",), lambda line: re.sub(r" ?CRM_meta_call_id=-?\d+", "", line),
    ),
    Wording(
        "unmigratable-is-said", (2, 1, 7),
        "commit bb2d91dda2 (2023-06-15): distinguish unrunnable from migration unrunnable in displays",
        ("transition",), lambda line: line.replace(" due to unmigrateable ", " due to unrunnable "),
    ),
    Wording(
        "flags-of-clones-in-another-order", (2, 1, 6),
        "commit 87ad7d1da5 (2022-11-07), as maintenance-is-shown-per-resource",
        ("status", "revised"), lambda line: line.replace("unmanaged, disabled)", "disabled, unmanaged)"),
    ),
)  # fmt: skip

DECISIONS = (
    Decision(
        "degraded-is-success-for-every-operation", (2, 1, 6),
        "commit 21f3f62bff (2023-02-28): always treat degraded results as success",
        PARTS, lambda case: case.any(with_results(case.root, "190", "191", but="monitor")),
    ),
    Decision(
        "expired-results-never-matter", (2, 1, 6), "commit 27361e775c (2023-02-28): expired results shouldn't affect state",
        PARTS, lambda case: failures_expire(case.root) and case.any(with_failures(case.root)),
    ),
    Decision(
        "migration-histories-are-read-anew", (2, 1, 6),
        "commits ad9fd9548f (2023-02-01): handle cleaned migrate_from history correctly; efca72156d: improve migration history "
        "validation; 93f6f524f1: unknown_on_node() should ignore pending actions",
        PARTS, lambda case: case.any(with_tasks(case.root, "migrate_to", "migrate_from")),
    ),
    Decision(
        "parents-of-the-unmanaged-are-active", (3, 0, 1),
        "commit e1e330d6db (2025-03-06): consider parents of an unmanaged resource active on the node (that is offline)",
        PARTS, lambda case: (
            may_be_unmanaged(case.root)
            and (not case.names or case.any((clone_members(case.root) | group_members(case.root)) & on_lost_nodes(case.root)))
        ),
    ),
    Decision(
        "a-cancelled-operation-shows-no-state", (3, 0, 0),
        "commit 18e4767c38 (2024-08-05): ignore unknown actions for resource state (crm_simulate records what it cancels)",
        ("revised",), lambda case: any("cancel=" in line for line in case.ours.parts["execution"]),
    ),
    Decision(
        "maintenance-of-a-node-is-its-resources", (2, 1, 6),
        "commit 104abca63c (2022-11-07): Node maintenance mode sets resource maintenance flag (then nothing recurs)",
        ("execution", "revised", "graph"), lambda case: case.any(on_nodes_in_maintenance(case.root)),
    ),
    Decision(
        "started-in-a-rule-is-every-role", (2, 1, 8),
        "commit 1a6c67828e (2023-10-17): functionize parsing role in location constraints (in rules as it was outside of them)",
        AFTER_STATUS, lambda case: any(rule.get("role") == "Started" for rule in location_rules(case.root)),
    ),
    Decision(
        "or-rules-ignore-what-a-node-scores", (2, 1, 8),
        "commit 9dfea5a36b (2024-03-19): remove redundant code in generate_location_rule() (\"or\" added the node's own score)",
        AFTER_STATUS, lambda case: any(rule.get("boolean-op") == "or" for rule in location_rules(case.root)),
    ),
    Decision(
        "unset-score-attributes-are-ignored", (3, 0, 0),
        "commit 31cf4493fb (2024-09-12): ignore location constraints if score attribute is unset or invalid (was -INFINITY)",
        AFTER_STATUS, lambda case: any(rule.get("score-attribute") for rule in location_rules(case.root)),
    ),
    Decision(
        "offsets-of-dates-need-no-space", (3, 0, 2),
        "commit 6a5d557775 (2025-09-03): Parse iso8601 strings according to spec (an offset counted only after a space)",
        PARTS, lambda case: dates_with_offset(case.root),
    ),
    Decision(
        "resource-expressions-ask-for-what-they-name", (2, 1, 8),
        "commit 4f12b61aaf (2023-06-08): best practices for pcmk__evaluate_rsc_expression() (without provider: any, was none)",
        PARTS, lambda case: any(e.get("provider") is None for e in case.root.iter("rsc_expression")),
    ),
    Decision(
        "cancelled-results-are-refused", (2, 1, 6),
        "commit 1282fa4375 (2023-02-13): reject cancellations in unpack_action_result()",
        PARTS, lambda case: case.any(with_status(case.root, "1")),
    ),
    Decision(
        "a-pending-operation-has-no-configured-cancel", (2, 1, 7),
        "commit dd23a13adf (2023-10-24): simplify searching for action config (by task; a cancel has none of its own)",
        ("graph",), lambda case: case.any(with_status(case.root, "-1")),
    ),
    Decision(
        "anti-colocations-look-at-roles", (2, 1, 7),
        "commit 1560e47524 (2023-06-23): Anti-colocations affect scores when roles match",
        AFTER_STATUS, lambda case: case.any(colocated_names(case.root, lambda one: is_opposed(one) and has_roles(one))),
    ),
    Decision(
        "colocations-with-groups", (3, 0, 0),
        "commits 5337009184, a944a2a32b, 52e2d06d36, 30e7ecc55d (2022-11-08), 88579bf746 (2023-04-04): a group's colocations "
        "belong to its first and last member; ca6f2b7a29 (2023-06-20): explicit colocations with group members; "
        "6e081f14e9 (2024-06-13): group locations when a member is explicit colocation dependent",
        AFTER_STATUS, lambda case: case.any(colocated_names(case.root, lambda one: bool(ends(one) & group_members(case.root)))),
    ),
    Decision(
        "sets-are-ordered-by-the-first-action", (2, 1, 6),
        "commit b67e2f695c (2021-09-03): use correct action when determining order set flags",
        AFTER_STATUS, lambda case: case.any(ordered_by_action(case.root)),
    ),
    Decision(
        "serializing-does-not-order", (2, 1, 7),
        "commit 1549152557 (2023-09-20): don't set ordered flag for serialize-only orderings",
        AFTER_STATUS, lambda case: any(order.get("kind") == "Serialize" for order in case.root.iter("rsc_order")),
    ),
    Decision(
        "starts-in-a-group-wait-for-later-stops", (2, 1, 6),
        "commit b4c558e538 (2023-05-16): ensure earlier group member starts happen after later member stops",
        ("transition", "execution", "revised", "graph"), lambda case: case.any(group_members(case.root)),
    ),
    Decision(
        "clone-instances-are-not-shuffled", (3, 0, 0),
        "commits 47debe0d06 (2022-12-07): no start if a probe is unrunnable; 512556ebd8 (2023-06-21): don't "
        "shuffle clone instances; 596a3ae779 (2023-04-11): order clone instances properly; 018ad6d5fd (2023-06-28): "
        "clone-node-max of cloned groups; ad7fcca2c2, 12c463a993 (2024-07): promotion priority of cloned groups, applied once",
        AFTER_STATUS, lambda case: case.any(clone_members(case.root)),
    ),
    Decision(
        "mandatory-colocations-come-first", (2, 1, 6),
        "commit 0eae7d53b4 (2023-04-27): consider mandatory colocations before optional",
        AFTER_STATUS, lambda case: is_mixed(case.root) and case.any(colocated_names(case.root)),
    ),
    Decision(
        "chained-colocations-are-attenuated", (2, 1, 6),
        "commit f3feb5b274 (2023-04-04): attenuate chained 'with this' colocation scores",
        AFTER_STATUS, lambda case: len(colocations(case.root)) > 1 and case.any(colocated_names(case.root)),
    ),
    Decision(
        "anti-colocations-heed-stickiness", (2, 1, 7),
        "commit d712190228 (2023-06-05): compare anti-colocation dependent negative preferences against stickiness",
        AFTER_STATUS, lambda case: case.any(colocated_names(case.root, is_opposed)),
    ),
)  # fmt: skip


@contextmanager
def _first_colocation_repeated() -> Iterator[None]:
    """Of several colocations that a member of a group or clone takes over from it, only the first, as often as there are any."""

    def repeated(found: list[Colocation], more: list[Colocation], add: Callable[[list[Colocation], Colocation], None]) -> None:
        if not found:
            found.extend(more)
            return
        for _ in more:
            add(found, more[0])

    with ExitStack() as patches:
        for name, add in (("extend_this_with", add_this_with), ("extend_with_this", add_with_this)):
            for module in (clone, group, primitive):
                if hasattr(module, name):
                    patches.enter_context(patch.object(module, name, partial(repeated, add=add)))
        yield


DEFECTS = (
    Defect(
        "of-a-parents-colocations-the-first-counts", (2, 1, 6),
        "lib/pacemaker/pcmk_sched_colocation.c, pcmk__add_this_with_list() and pcmk__add_with_this_list(): the loop adds "
        "addition->data each time (still so on 2026-07-01, commit 0a519a6e6b); ADR 0020",
        _first_colocation_repeated,
    ),
)  # fmt: skip


def explain(
    root: etree._Element, ours: Answer, theirs: Answer, version: tuple[int, ...]
) -> tuple[Answer, Answer, tuple[str, ...]]:
    """Both answers with the listed changes since `version` taken out, and the names of those that explained something."""
    needed = [wording for wording in WORDINGS if version < wording.since]
    left = len(_changes(_reworded(ours, needed), _reworded(theirs, needed)))
    # One line can need several of them at once: so it is asked who can be spared, not who helps.
    for wording in WORDINGS:
        fewer = [one for one in needed if one is not wording]
        if len(_changes(_reworded(ours, fewer), _reworded(theirs, fewer))) <= left:
            needed = fewer
    ours, theirs = _reworded(ours, needed), _reworded(theirs, needed)
    names = [wording.name for wording in needed]
    # One change for all that differs, or else several for a part each (what one explains can leave the rest to another).
    for whole in (True, False, False):
        for decision in DECISIONS:
            different = set(ours.differing(theirs))
            mine = different & set(decision.parts)
            case = Case(root, changed_names(_changes(ours, theirs, mine)), ours)
            if version < decision.since and mine and (mine == different or not whole) and decision.concerns(case):
                names.append(decision.name)
                ours = Answer({**ours.parts, **{part: theirs.parts[part] for part in mine}})
    return ours, theirs, tuple(names)


def _starts_with(start: str, line: str) -> bool:
    return line.startswith(start)


def _reworded(answer: Answer, wordings: list[Wording]) -> Answer:
    parts = dict(answer.parts)
    for wording in wordings:
        for part in wording.parts:
            lines = [line for line in map(wording.rewrite, parts[part]) if line]
            runs = groupby(lines, partial(_starts_with, wording.unordered))
            lines = [line for sort, run in runs for line in (sorted(run) if sort else run)]
            parts[part] = sorted(lines) if part in ("scores", "graph") else lines
    return Answer(parts)


def _changes(ours: Answer, theirs: Answer, parts: Container[str] = PARTS) -> list[str]:
    """The lines that only one side has (order apart), or all of a part in which only the order differs."""
    found: list[str] = []
    for part in ours.differing(theirs):
        if part in parts:
            mine, other = ours.parts[part], theirs.parts[part]
            apart = [line for line in mine if line not in other] + [line for line in other if line not in mine]
            found += apart or mine
    return found
