"""What if: a graph's results applied to a copy of the CIB, and the text that `crm_simulate -S` prints about it.

Every action succeeds at once, in the order in which its inputs allow it; results are written as the controller writes them.
Nothing outside this process is touched.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from standfast.scheduler.actions.digests import digest_of, filtered
from standfast.scheduler.api import Plan
from standfast.scheduler.dates import from_epoch
from standfast.scheduler.graph.model import Action, ActionKind, Graph
from standfast.scheduler.memory import Cluster, op_key, walk
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.report.status_text import counts, status_lines
from standfast.scheduler.values import FEATURE_SET, int_or, parse_int

FAKE_UUID = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The CIB after a graph was carried out, and what was done, in order."""

    cib: etree._Element
    executed: tuple[str, ...]
    complete: bool


def execute(cib: etree._Element, graph: Graph, now_s: int, known: frozenset[str] = frozenset()) -> Outcome:
    """Carry out a graph on a copy of `cib`, pass by pass over its actions as the controller does.

    `known` holds the names under which resources were found in the history: instances are printed, and recorded, by
    their number where the plain name is not among them.
    """
    copy = deepcopy(cib)
    lines: list[str] = []
    done: set[int] = set()
    waiting = list(graph.actions)
    while waiting:
        left = []
        for action in waiting:
            if all(needed in done for needed in action.inputs):
                lines.append(_perform(copy, action, now_s, known))
                done.add(action.id)
            else:
                left.append(action)
        if len(left) == len(waiting):
            break
        waiting = left
    return Outcome(copy, tuple(lines), not waiting)


def _shown_name(action: Action, known: frozenset[str]) -> str:
    return action.long_id if action.resource not in known and action.long_id in known else action.resource


def _perform(cib: etree._Element, action: Action, now_s: int, known: frozenset[str]) -> str:
    if action.operation == "stonith" and action.kind == ActionKind.CRM:
        operation = dict(action.attributes).get("CRM_meta_stonith_action", "")
        if operation != "on":
            _take_down(cib, action)
        return f"  * Fencing {action.node} ({operation})"
    if action.kind == ActionKind.PSEUDO:
        on = f" on {action.node}" if action.node else ""
        return f"  * Pseudo action:   {action.operation_key}{on}"
    if action.kind == ActionKind.CRM:
        subject = f" for {action.resource}" if action.resource else ""
        return f"  * Cluster action:  {action.operation}{subject} on {action.node}"
    name = _shown_name(action, known)
    interval = f"={action.interval_ms}" if action.interval_ms else ""
    if action.operation != "delete":
        _record(cib, action, now_s, name)
    return f"  * Resource action: {name:<15} {action.operation}{interval} on {action.node}"


def _state(cib: etree._Element, name: str, node_id: str) -> etree._Element:
    status = cib.find("status")
    if status is None:
        status = etree.SubElement(cib, "status")
    for wanted, value in (("uname", name), ("id", node_id)):
        for state in status.iterchildren("node_state"):
            if state.get(wanted) == value:
                state.set("uname", name)
                return state
    return etree.SubElement(status, "node_state", id=node_id, uname=name)


def _take_down(cib: etree._Element, action: Action) -> None:
    state = _state(cib, action.node, action.node_id)
    for name, value in (("in_ccm", "false"), ("crmd", "offline"), ("join", "down"), ("expected", "down")):
        state.set(name, value)
    for child in list(state):
        if child.tag in ("lrm", "transient_attributes"):
            state.remove(child)


def _child(parent: etree._Element, tag: str) -> etree._Element:
    found = parent.find(tag)
    return etree.SubElement(parent, tag) if found is None else found


def _history_of(cib: etree._Element, action: Action, name: str) -> etree._Element:
    resources = _child(_child(_state(cib, action.node, action.node_id), "lrm"), "lrm_resources")
    for wanted in (name, action.resource):
        for element in resources.iterchildren("lrm_resource"):
            if element.get("id") == wanted:
                return element
    created = etree.SubElement(resources, "lrm_resource", id=action.resource)
    for key, value in zip(("class", "provider", "type"), action.agent, strict=True):
        if value:
            created.set(key, value)
    return created


def _record(cib: etree._Element, action: Action, now_s: int, name: str) -> None:
    """Write the result as an `lrm_rsc_op`."""
    history = _history_of(cib, action, name)
    params = dict(action.attributes)
    target_rc = int_or(params.get("CRM_meta_op_target_rc"), 0)
    task = "start" if action.operation in ("reload", "reload-agent") else action.operation
    key = op_key(action.resource, task, action.interval_ms)
    if task == "notify":
        about = (params.get("CRM_meta_notify_type", ""), params.get("CRM_meta_notify_operation", ""))
        entry_id = f"{action.resource}_{about[0]}_notify_{about[1]}_0"
    elif task in ("migrate_to", "migrate_from") or action.interval_ms > 0:
        entry_id = key
    else:
        entry_id = f"{action.resource}_last_0"
    call = 1 + max((parse_int(op.get("call-id")) or 0 for op in history), default=0)
    entry = next((op for op in history if op.get("id") == entry_id), None)
    if entry is None:
        entry = etree.SubElement(history, "lrm_rsc_op", id=entry_id)
    transition = f"-1:{call}:{target_rc}:{FAKE_UUID}"
    values = {
        "operation_key": key,
        "operation": task,
        "crm-debug-origin": "crm_simulate",
        "crm_feature_set": FEATURE_SET,
        "transition-key": transition,
        "transition-magic": f"0:{target_rc};{transition}",
        "exit-reason": "",
        "on_node": action.node,
        "call-id": str(call),
        "rc-code": str(target_rc),
        "op-status": "0",
        "interval": str(action.interval_ms),
        "last-rc-change": str(now_s),
        "exec-time": "0",
        "queue-time": "0",
        "op-digest": digest_of(filtered(params)),
    }
    for end in ("migrate_source", "migrate_target"):
        if task in ("migrate_to", "migrate_from") and f"CRM_meta_{end}" in params:
            values[end] = params[f"CRM_meta_{end}"]
    for attribute, value in values.items():
        entry.set(attribute, value)


def execution_date(cib: etree._Element) -> int | None:
    """The second for which a saved CIB was meant, if it says."""
    return parse_int(cib.get("execution-date"))


def report(cib: etree._Element, now_s: int) -> tuple[Plan, list[str]]:
    """Plan, carry out on a copy, and print all of it as `crm_simulate -S` does."""
    date = execution_date(cib)
    when_s = now_s if date is None else date
    note = [] if date is None else [f"Using the original execution date of: {from_epoch(when_s):%Y-%m-%d %H:%M:%SZ}"]
    cluster = unpack(cib, when_s, sanitized=True)
    lines = [*note, *_warnings(cluster), "Current cluster status:", *status_lines(cluster, show_pending=True), ""]
    plan = decide(cluster)
    lines += ["Transition Summary:", *summary_lines(plan), "", "Executing Cluster Transition:"]
    known = frozenset(name for rsc in walk(cluster.resources) for name in (rsc.id, rsc.history_id) if name)
    outcome = execute(cib, plan.graph, when_s, known)
    lines += [*outcome.executed, *note, "", "Revised Cluster Status:"]
    lines += status_lines(unpack(outcome.cib, when_s), show_pending=False)
    return plan, lines


def _warnings(cluster: Cluster) -> list[str]:
    lines = []
    if cluster.in_maintenance:
        lines += [
            "              *** Resource management is DISABLED ***",
            "  The cluster will not attempt to start, stop or recover services",
            "",
        ]
    instances, disabled, blocked = counts(cluster)
    if disabled or blocked:
        lines.append(
            f"{disabled} of {instances} resource instances DISABLED and {blocked} BLOCKED from further action due to failure"
        )
    return lines


def summary_lines(plan: Plan) -> list[str]:
    """The lines of the transition summary. Node actions without a reason are not shown, as in the original."""
    lines = []
    for change in plan.changes:
        if change.detail:
            reason = f"  {change.reason}" if change.reason else ""
            lines.append(f"  * {change.verb:<10} {change.subject} ( {change.detail} ){reason}")
        elif change.reason:
            lines.append(f"  * {change.verb} {change.subject} '{change.reason}'")
    return lines


def score_lines(plan: Plan) -> list[str]:
    """The scores as `crm_simulate -sS -Q` prints them."""
    from standfast.scheduler.placement.scores import score_text

    lines = []
    for score in plan.scores:
        points = score_text(score.points)
        if score.function == "promotion":
            where = f"on {score.node}" if score.node else "(inactive)"
            lines.append(f"{score.resource} promotion score {where}: {points}")
        else:
            lines.append(f"{score.function}: {score.resource} allocation score on {score.node}: {points}")
    return lines
