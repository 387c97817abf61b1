"""What each node is to a resource: whether it takes resources at all, the score, and the cause behind each score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from standfast.scheduler.api import INFINITY, Reason
from standfast.scheduler.explain import edits
from standfast.scheduler.explain.model import Asking, Cause, Entry, Place
from standfast.scheduler.explain.words import failure_text, listed, times
from standfast.scheduler.memory import Colocation, Node, Resource, located
from standfast.scheduler.placement.scores import add_scores, score_text
from standfast.scheduler.unpack.failcounts import fail_count
from standfast.scheduler.values import ROLE_TEXT, Role, int_or

if TYPE_CHECKING:
    from lxml import etree

_FAILURES = ("__fail_limit__", "__stop_fail__", "__action_migration_auto__", "hard-error", "fatal-error", "masked-probe-failure")
_QUIET = (
    "target-role",
    "collective_limit_reached",
    "multiple-active",
    "on-fail",
    "__removed_do_not_run__",
    "not_managed_default",
    "symmetric_default",
)
"""Sources that count on every node alike: `causes` tells of them once."""
_TICKETS = ("__no_ticket__", "__loss_of_ticket__", "__ticket_standby__", "__stateful_without_ticket__")
_CLAUSES_MAX = 3
_LASTING = ("why.banned", "why.failed", "why.not-opted-in", "why.ticket")
"""What would still keep a resource away if the node were available again."""


def place_of(ask: Asking, rsc: Resource, node: Node) -> Place:
    """One node as `rsc` sees it."""
    entry = rsc.allowed.get(node.id)
    score = -INFINITY if entry is None else entry.score
    ledger = [r for r in ask.cluster.reasons if r.resource == rsc.id and r.node == node.name]
    unavailable = _unavailable(node)
    causes = _score_causes(ask, rsc, node, score, ledger)
    if unavailable is not None:
        causes = [unavailable, *(cause for cause in causes if cause.code in _LASTING)]
    shown = tuple(Entry(r.points, r.source, r.sentence) for r in ledger)
    return Place(node.name, score, node.available() and score >= 0, _clause(score, causes, ledger), tuple(causes), shown)


def _unavailable(node: Node) -> Cause | None:
    """Why a node takes no resources at all."""
    name = node.name
    if node.unclean:
        what = "is UNCLEAN (lost, and not fenced yet)"
        return Cause("why.unclean", what, name, remedy=f"fence it, or if it is surely off: crm node clearstate {name}")
    if not node.online:
        return Cause("why.offline", "is offline", name, remedy=f"start the cluster there: crm cluster start {name}")
    if node.pending:
        return Cause("why.pending", "has not finished joining", name)
    if node.shutdown:
        return Cause("why.leaving", "is shutting down", name)
    if node.standby_onfail:
        what = "is in standby because an operation with on-fail=standby failed there"
        return Cause("why.standby", what, name, remedy="crm resource cleanup")
    if node.standby:
        edit = edits.node_attribute(name, "standby", "off")
        return Cause("why.standby", "is in standby", name, remedy=f"crm node online {name}", edit=edit)
    if node.maintenance:
        edit = edits.node_attribute(name, "maintenance", "false")
        return Cause("why.maintenance", "is in maintenance mode", name, remedy=f"crm node ready {name}", edit=edit)
    return None


def _score_causes(ask: Asking, rsc: Resource, node: Node, score: int, ledger: list[Reason]) -> list[Cause]:
    """What bans the resource from the node; where nothing bans it, all that speaks against it."""
    if score >= 0:
        return []
    if not ledger:
        return [_not_opted_in(rsc, node)]
    against = [r for r in ledger if r.points <= -INFINITY] or [r for r in ledger if r.points < 0]
    causes: list[Cause] = []
    sources = list(dict.fromkeys(r.source for r in against))
    for source in sources:
        is_said = source in _FAILURES and any(other in _FAILURES for other in sources[: sources.index(source)])
        if source not in _QUIET and not is_said:
            points = next(r for r in against if r.source == source)
            causes.append(_cause(ask, rsc, node, points))
    return causes


def _not_opted_in(rsc: Resource, node: Node) -> Cause:
    what = "is not allowed by anything (symmetric-cluster=false)"
    return Cause("why.not-opted-in", what, node.name, remedy=f"crm configure location loc-{rsc.id} {rsc.id} 0: {node.name}")


def _cause(ask: Asking, rsc: Resource, node: Node, reason: Reason) -> Cause:
    source = reason.source
    if source in _FAILURES:
        return _failure(ask, rsc, node, source)
    if source in _TICKETS:
        return _ticket(rsc)
    colocation = next((c for c in _colocations(rsc) if c.id == source), None)
    if colocation is not None:
        return _colocation(rsc, node, colocation)
    simple: dict[str, Callable[[], Cause]] = {
        "__limit_utilization__": lambda: _utilization(rsc, node),
        "no-place": lambda: Cause("why.full", f"has its share of {rsc.top().id} already", node.name),
        "node-score": lambda: Cause("why.score", f"takes no resources (its own score is {score_text(reason.points)})", node.name),
        ask.cluster.option("node-health-strategy"): lambda: _health(ask, node, reason),
    }
    if source in simple:
        return simple[source]()
    if source in ask.cluster.ids:
        return _constraint(ask, rsc, node, reason)
    return Cause("why.score", f"is banned ({score_text(reason.points)}): {reason.sentence}", node.name)


def _failure(ask: Asking, rsc: Resource, node: Node, source: str) -> Cause:
    name = rsc.history_id or rsc.id
    failures = [f.entry for f in ask.cluster.failures if f.node is node and name in (f.rsc.history_id, f.rsc.id)]
    last = max(failures, key=lambda entry: (entry.last_change_s, entry.call), default=None)
    said = f": {failure_text(last, ask.clock)}" if last is not None else ""
    count = fail_count(ask.cluster, node, rsc).count
    if source == "__fail_limit__":
        limit = rsc.ban_after_failures
        bound = "a failed start counts as INFINITY" if count >= INFINITY else f"migration-threshold {limit}"
        what = f"is banned because {rsc.id} failed there {times(count)} ({bound}){said}"
    elif source == "masked-probe-failure":
        what = f"is banned because {rsc.id} is not installed or not configured there{said}"
    elif source == "fatal-error":
        what = f"every node is banned because {rsc.id} failed on {node.name} in a way that no node can cure{said}"
        remedy = f"crm resource cleanup {rsc.xml_id}"
        return Cause("why.failed", what, remedy=remedy, edit=edits.forgotten(rsc.id))
    else:
        what = f"is banned because an operation of {rsc.id} failed there{said}"
    remedy = f"crm resource cleanup {rsc.xml_id} {node.name}"
    return Cause("why.failed", what, node.name, remedy=remedy, edit=edits.forgotten(rsc.id, node.name))


def _ticket(rsc: Resource) -> Cause:
    needs = [need.ticket for part in _lineage(rsc) for need in part.tickets if not need.ticket.granted or need.ticket.standby]
    name = needs[0].id if needs else "?"
    state = "on standby" if needs and needs[0].granted else "not granted"
    command = f"crm_ticket --ticket {name} --activate" if state == "on standby" else f"crm_ticket --ticket {name} --grant"
    only_promoted = all(need.role == Role.PROMOTED for part in _lineage(rsc) for need in part.tickets)
    wants = "may be promoted only with" if only_promoted else "needs"
    what = f"{rsc.id} {wants} the ticket {name}, which is {state} here"
    return Cause("why.ticket", what, remedy=command, edit=edits.ticket(name))


def _lineage(rsc: Resource) -> list[Resource]:
    return [rsc] if rsc.parent is None else [rsc, *_lineage(rsc.parent)]


def _colocations(rsc: Resource) -> list[Colocation]:
    return [c for part in _lineage(rsc) for c in (*part.this_with, *part.with_this)]


def _colocation(rsc: Resource, node: Node, colocation: Colocation) -> Cause:
    mine = _lineage(rsc)
    other = colocation.primary if colocation.primary not in mine else colocation.dependent
    where = [n.name for n in located(other, assigned=True)]
    source = colocation.id if colocation.explicit else ""
    by = f" ({colocation.id})" if source else ""
    role = "" if colocation.primary_role == Role.UNKNOWN else f" {ROLE_TEXT[colocation.primary_role].lower()}"
    if colocation.score < 0:
        what = f"is banned because {other.id}{role} is there{by}"
        return Cause("why.apart", what, node.name, source, edit=edits.without(source) if source else None)
    if where:
        placed = f"which is on {listed(where)}" if not role else f"which is{role} elsewhere"
        what = f"is banned because {rsc.id} has to be with {other.id}, {placed}{by}"
        return Cause("why.together", what, node.name, source)
    what = f"{rsc.id} has to be with {other.id}, which runs nowhere{by}"
    return Cause("why.together", what, source=source, blames=other.id)


def _utilization(rsc: Resource, node: Node) -> Cause:
    short = [
        f"{name} {int_or(need, 0)} needed, {int_or(node.utilization.get(name), 0)} left"
        for name, need in rsc.utilization.items()
        if int_or(need, 0) > int_or(node.utilization.get(name), 0)
    ]
    lacking = ", ".join(short) or "with all that has to be with it"
    what = f"has too little capacity for {rsc.id} ({lacking})"
    return Cause("why.capacity", what, node.name, remedy="free capacity there, or raise it: crm node utilization")


def _health(ask: Asking, node: Node, reason: Reason) -> Cause:
    ill = {k: v for k, v in node.attrs.items() if k.startswith("#health") and _is_ill(v)}
    said = ", ".join(f"{key}={value}" for key, value in ill.items())
    strategy = ask.cluster.option("node-health-strategy")
    what = f"is not healthy ({said or score_text(reason.points)}; node-health-strategy={strategy})"
    remedy = f"when it is mended: crm_attribute -N {node.name} -n '{next(iter(ill), '#health')}' -D -l reboot"
    return Cause("why.health", what, node.name, remedy=remedy, edit=edits.without_node_attributes(node.name, ill))


def _is_ill(value: str) -> bool:
    return value.lower() in ("red", "yellow") or int_or(value, 0) < 0


def _constraint(ask: Asking, rsc: Resource, node: Node, reason: Reason) -> Cause:
    element = ask.cluster.ids[reason.source]
    parent = element.getparent()
    holder = parent if element.tag == "rule" and parent is not None else element
    name = holder.get("id") or ""
    rule = _rule_text(element, node) if element.tag == "rule" else ""
    verb = "banned (-INFINITY)" if reason.points <= -INFINITY else f"disliked ({score_text(reason.points)})"
    since = ask.since(name)
    what = f"is {verb} by {name}{rule}" + (f" since {ask.clock(since)}" if since is not None else "")
    if name.startswith(("cli-ban-", "cli-prefer-")):
        remedy = f"crm resource clear {rsc.top().xml_id}"
    else:
        remedy = f"crm configure delete {name}"
    return Cause("why.banned", what, node.name, name, remedy, edit=edits.without(name))


def _rule_text(rule: etree._Element, node: Node) -> str:
    """` (pingd lt 1: it is 0)` for the expressions of a rule on node attributes."""
    parts = []
    for expression in list(rule.iter("expression"))[:_CLAUSES_MAX]:
        attribute = expression.get("attribute") or ""
        now = node.attrs.get(attribute)
        wanted = " ".join(filter(None, (attribute, expression.get("operation"), expression.get("value"))))
        parts.append(f"{wanted}: it is {'not defined' if now is None else now}")
    if not parts and next(rule.iter("date_expression"), None) is not None:
        parts.append("a date expression holds now")
    junction = f" {rule.get('boolean-op') or 'and'} "
    return f" ({junction.join(parts)})" if parts else ""


def _clause(score: int, causes: list[Cause], ledger: list[Reason]) -> str:
    """The node in one clause: what bans it, or what its score is made of."""
    local = [cause.what for cause in causes if cause.node]
    if local:
        return listed(local[:_CLAUSES_MAX])
    if score < 0:
        everywhere = any(reason.source in _QUIET for reason in ledger)
        return "" if causes or everywhere else f"has {score_text(score)}"
    sums: dict[str, int] = {}
    for reason in ledger:
        sums[reason.source] = add_scores(sums.get(reason.source, 0), reason.points)
    parts = [f"{score_text(points)} from {_source_text(source)}" for source, points in sums.items() if points]
    return f"has {listed(parts[:_CLAUSES_MAX])}" if parts else "has 0"


_SOURCES = {"#group-members": "the rest of its group", "node-score": "the node's own score"}


def _source_text(source: str) -> str:
    return _SOURCES.get(source, source)
