"""What decides about a resource on every node alike: maintenance, fencing, quorum, target-role, blocks, what it waits for.

In the order in which they decide: the first one that holds would keep the resource where it is even if all others were gone.
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.scheduler.actions.core import find_by_key
from standfast.scheduler.explain import edits
from standfast.scheduler.explain.model import Asking, Cause
from standfast.scheduler.explain.words import failure_text, listed
from standfast.scheduler.memory import (
    AR_ORDERED,
    OPTIONAL,
    RUNNABLE,
    MultipleActive,
    Op,
    QuorumPolicy,
    Resource,
    op_key,
    primitives,
    walk,
)
from standfast.scheduler.values import Role, is_true

_DEPTH_MAX = 8
_GOES_UP = ("start", "running", "promote", "promoted", "load_stopped", "stonith", "stop", "demote")


def causes_of(ask: Asking, rsc: Resource) -> tuple[Cause, ...]:
    """Every cause that counts everywhere, most decisive first, each once."""
    found: dict[str, Cause] = {}
    for look in _LOOKS:
        for cause in look(ask, rsc):
            found.setdefault(cause.what, cause)
    return tuple(found.values())


def _lineage(rsc: Resource) -> list[Resource]:
    return [rsc] if rsc.parent is None else [rsc, *_lineage(rsc.parent)]


def _removed(_ask: Asking, rsc: Resource) -> list[Cause]:
    if not rsc.removed:
        return []
    return [Cause("why.removed", f"{rsc.id} is no longer configured; only its history is left", remedy="crm resource refresh")]


def _unmanaged(ask: Asking, rsc: Resource) -> list[Cause]:
    """Hands off, and who said so."""
    if rsc.managed:
        return []
    if ask.cluster.fencing_enabled and not ask.cluster.have_fencing:
        return []  # _no_fencing says it
    if ask.cluster.in_maintenance:
        edit = edits.option("maintenance-mode", "false")
        what = "the cluster is in maintenance mode, and keeps its hands off every resource"
        return [Cause("why.maintenance", what, remedy="crm configure property maintenance-mode=false", edit=edit)]
    for part in _lineage(rsc):
        if is_true(part.meta.get("maintenance")):
            edit = edits.meta([part.xml_id], "maintenance", "false")
            what = f"{part.id} is in maintenance mode (meta maintenance=true)"
            return [Cause("why.maintenance", what, remedy=f"crm resource maintenance {part.xml_id} off", edit=edit)]
    for part in _lineage(rsc):
        if not is_true(part.meta.get("is-managed", "true")):
            edit = edits.meta([part.xml_id], "is-managed", "true")
            what = f"{part.id} is not managed (meta is-managed=false)"
            return [Cause("why.unmanaged", what, remedy=f"crm resource manage {part.xml_id}", edit=edit)]
    for node in rsc.active_nodes:
        if node.maintenance:
            edit = edits.node_attribute(node.name, "maintenance", "false")
            what = f"{node.name} is in maintenance mode, and so is what runs there"
            return [Cause("why.maintenance", what, remedy=f"crm node ready {node.name}", edit=edit)]
    return []


def _no_fencing(ask: Asking, rsc: Resource) -> list[Cause]:
    if rsc.fence_device or not ask.cluster.fencing_enabled or ask.cluster.have_fencing:
        return []
    what = "nothing is started or moved because fencing is on (stonith-enabled=true) and no fencing device is configured"
    remedy = "configure a fencing device (crm ra list stonith), or: crm configure property stonith-enabled=false"
    return [Cause("why.no-fence-device", what, remedy=remedy, edit=edits.option("stonith-enabled", "false"))]


def _stop_all(ask: Asking, _rsc: Resource) -> list[Cause]:
    if not ask.cluster.stop_all:
        return []
    edit = edits.option("stop-all-resources", "false")
    what = "all resources are told to stop (stop-all-resources=true)"
    return [Cause("why.stop-all", what, remedy="crm configure property stop-all-resources=false", edit=edit)]


def _target_role(_ask: Asking, rsc: Resource) -> list[Cause]:
    """target-role=Stopped, and where it is written."""
    if (rsc.meta.get("target-role") or "").lower() != "stopped":
        return []
    for part in _lineage(rsc):
        for pair in part.xml.iterfind("meta_attributes/nvpair"):
            if pair.get("name") == "target-role" and (pair.get("value") or "").lower() == "stopped":
                edit = edits.meta([part.xml_id], "target-role", "Started")
                what = f"{part.id} is told to be stopped (target-role=Stopped)"
                return [Cause("why.target-role", what, "", pair.get("id") or "", f"crm resource start {part.xml_id}", edit=edit)]
    what = "resources are told to be stopped by default (rsc_defaults target-role=Stopped)"
    edit = edits.meta([rsc.xml_id], "target-role", "Started")
    return [Cause("why.target-role", what, remedy=f"crm resource start {rsc.xml_id}", edit=edit)]


def _blocked(ask: Asking, rsc: Resource) -> list[Cause]:
    """A failed stop, on-fail=block or stop, activity on several nodes, a frozen ticket."""
    active = [node.name for node in rsc.active_nodes]
    if len(active) > 1 and rsc.multiple_active in (MultipleActive.BLOCK, MultipleActive.STOP_ONLY):
        policy = "block" if rsc.multiple_active == MultipleActive.BLOCK else "stop_only"
        what = f"{rsc.id} is active on {listed(active)} at once (multiple-active={policy})"
        remedy = f"stop it by hand on all but one, then: crm resource refresh {rsc.xml_id}"
        return [Cause("why.multiple-active", what, remedy=remedy)]
    name = rsc.history_id or rsc.id
    failures = [f for f in ask.cluster.failures if name in (f.rsc.history_id, f.rsc.id)]
    if rsc.blocked:
        last = max((f for f in failures), key=lambda f: (f.entry.last_change_s, f.entry.call), default=None)
        said = f": {failure_text(last.entry, ask.clock)} on {last.node.name}" if last is not None else ""
        what = f"{rsc.id} is blocked until somebody looks after it{said}"
        remedy = f"see to it, then: crm resource cleanup {rsc.xml_id}"
        return [Cause("why.blocked", what, remedy=remedy, edit=edits.forgotten(rsc.id))]
    if any(r.resource == rsc.id and r.source == "on-fail" for r in ask.cluster.reasons):
        what = f"an operation of {rsc.id} failed, and its on-fail=stop keeps it stopped"
        return [Cause("why.on-fail", what, remedy=f"crm resource cleanup {rsc.xml_id}", edit=edits.forgotten(rsc.id))]
    return []


def _quorum(ask: Asking, rsc: Resource) -> list[Cause]:
    """No quorum, where that matters to this resource."""
    if ask.cluster.quorate or ask.cluster.policy == QuorumPolicy.IGNORE:
        return []
    start = _first(rsc, "start")
    kept = start is not None and start.reason in ("no quorum", "quorum freeze")
    kept = kept or (ask.cluster.policy == QuorumPolicy.FREEZE and rsc.next_role != Role.STARTED)
    if not kept and not (ask.cluster.policy == QuorumPolicy.STOP and rsc.assigned is None):
        return []
    policy = ask.cluster.policy.name.lower()
    up = sum(node.online for node in ask.cluster.nodes)
    what = f"this partition has no quorum ({up} of {len(ask.cluster.nodes)} nodes; no-quorum-policy={policy})"
    return [Cause("why.no-quorum", what, remedy="bring nodes back: crm corosync status shows votes")]


def _first(rsc: Resource, task: str) -> Op | None:
    found = find_by_key(rsc, op_key(rsc.id, task), rsc.assigned)
    return found[0] if found else None


def _waiting(ask: Asking, rsc: Resource) -> list[Cause]:
    """A start that is wanted and may not run: what it waits for, followed back to where that comes from."""
    start = _first(rsc, "start")
    if start is None or start.flags & (RUNNABLE | OPTIONAL):
        return []
    found: dict[str, Cause] = {}
    _follow(start, rsc, found, set(), 0)
    return list(found.values()) or _ordered_after(ask, rsc)


def _ordered_after(ask: Asking, rsc: Resource) -> list[Cause]:
    """The orders in the configuration that make it wait for something that has no place (no instance fits, say)."""
    names = {part.xml_id for part in _lineage(rsc)}
    causes = []
    for order in ask.cluster.root.iterfind("configuration/constraints/rsc_order"):
        first = next((r for r in walk(ask.cluster.resources) if r.id == order.get("first")), None)
        if first is not None and order.get("then") in names:
            free = [leaf for leaf in primitives(first) if leaf.assigned is None]
            if free:
                what = f"it may start only after {first.id}, which does not run wherever it is needed ({order.get('id')})"
                causes.append(Cause("why.order", what, source=order.get("id") or "", blames=free[0].id))
    return causes


def _follow(op: Op, rsc: Resource, found: dict[str, Cause], seen: set[int], depth: int) -> None:
    if op.id in seen or depth > _DEPTH_MAX:
        return
    seen.add(op.id)
    blockers = [r.op for r in op.before if not r.op.flags & RUNNABLE and r.flags & ~AR_ORDERED and r.op.task in _GOES_UP]
    for blocker in blockers:
        other = blocker.rsc
        if other is None or other is rsc or other.is_inside(rsc) or rsc.is_inside(other):
            _follow(blocker, rsc, found, seen, depth + 1)
        else:
            task = blocker.task.removesuffix("_0")
            what = f"it may start only after the {_noun(task)} of {other.id}, which cannot happen"
            found.setdefault(other.id, Cause("why.order", what, blames=other.id))


def _noun(task: str) -> str:
    return {"running": "start", "promoted": "promotion", "promote": "promotion", "stopped": "stop"}.get(task, task)


_LOOKS: tuple[Callable[[Asking, Resource], list[Cause]], ...] = (
    _removed,
    _unmanaged,
    _no_fencing,
    _stop_all,
    _target_role,
    _blocked,
    _quorum,
    _waiting,
)
