"""A simulation in the XML of `crm_simulate --output-as=xml` (schema api-version 2.25; what callers find in its elements by name).

Owns: elements, attributes and their order. Does not own: the document's frame and the status inside it (status_xml.py).
"""

from __future__ import annotations

from standfast.base.situation import Situation
from standfast.compat.dates import Date, ctime_text
from standfast.compat.exit_codes import exit_text
from standfast.compat.simulation import Asked, Simulation, complaints
from standfast.compat.status_page import View
from standfast.compat.status_xml import API_VERSION, Tree, status_body, status_end
from standfast.scheduler.api import Change, Load
from standfast.scheduler.inject import Note
from standfast.scheduler.placement.scores import score_text
from standfast.scheduler.report.simulation import allocations


def render_simulation(found: Simulation, asked: Asked, request: str, code: int = 0, date: Date = ctime_text) -> str:
    """The whole document. `request` is the command line, `code` the exit code."""
    tree = Tree()
    tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    view = View(headers=False, attributes=asked.attributes, fail_counts=asked.failures, failures=asked.failures)
    is_quiet = asked.wanted.quiet
    if not is_quiet:
        _status(tree, "cluster_status", found.before.situation, view, date)
        if found.notes is not None:
            _modifications(tree, found.notes)
    if found.plan is not None:
        _allocations(tree, found, asked)
        if not is_quiet:
            tree.open("actions")
            for change in found.plan.changes:
                _change(tree, change)
            tree.close()
    if found.outcome is not None and found.after is not None and not is_quiet:
        tree.open("transition")
        _notes(tree, found.outcome.notes)
        tree.close()
        _status(tree, "revised_cluster_status", found.after.situation, view, date)
    status_end(tree, code, exit_text(code), complaints(found))
    tree.close()
    return "\n".join(tree.lines) + "\n"


def _status(tree: Tree, name: str, situation: Situation | None, view: View, date: Date) -> None:
    assert situation is not None
    tree.open(name)
    status_body(tree, situation, view, date)
    tree.close()


def _modifications(tree: Tree, notes: tuple[Note, ...]) -> None:
    """Quorum and watchdog are attributes, all else is a child."""
    own = {note.element: dict(note.attributes)["value"] for note in notes if note.element in ("quorum", "watchdog")}
    tree.open("modifications", **own)
    _notes(tree, tuple(note for note in notes if note.element not in own))
    tree.close()


def _notes(tree: Tree, notes: tuple[Note, ...]) -> None:
    for note in notes:
        if note.element:
            tree.leaf(note.element, **dict(note.attributes))


def _allocations(tree: Tree, found: Simulation, asked: Asked) -> None:
    assert found.plan is not None
    wanted = asked.wanted
    if not wanted.scores and not wanted.utilization:
        return
    both = wanted.scores and wanted.utilization
    tree.open("allocations_utilizations" if both else "allocations" if wanted.scores else "utilizations")
    for item in allocations(found.plan, wanted):
        if isinstance(item, Load):
            _load(tree, item)
        elif item.function == "promotion":
            tree.leaf("promotion_score", id=item.resource, score=score_text(item.points), node=item.node or None)
        else:
            points = score_text(item.points)
            tree.leaf("node_weight", function=item.function, node=item.node, score=points, id=item.resource)
    tree.close()


def _load(tree: Tree, load: Load) -> None:
    if load.resource:
        tree.open("utilization", resource=load.resource, node=load.node, function=load.step)
    else:
        tree.open("capacity", node=load.node, comment=load.step)
    for name, value in load.values:
        tree.text(name, value)
    tree.close()


def _change(tree: Tree, change: Change) -> None:
    if change.detail:
        attributes = {**dict(change.places), "reason": change.cause or None, "blocked": "true" if change.blocked else None}
        tree.leaf("rsc_action", action=change.verb.lower(), resource=change.subject, **attributes)
    elif change.reason:
        tree.leaf("node_action", task=change.verb, node=change.subject, reason=change.reason)
