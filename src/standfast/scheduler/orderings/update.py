"""What one ordering changes: required actions make others required, actions that can't run block others.

Pacemaker: lib/pacemaker/pcmk_sched_actions.c, pcmk__update_ordered_actions and what calls it.
"""

from __future__ import annotations

from standfast.scheduler.actions.core import find_task, members_newest, relate, set_reason
from standfast.scheduler.memory import (
    ALWAYS,
    AR_ASYMMETRIC,
    AR_FIRST_ELSE_THEN,
    AR_FIRST_IMPLIES_SAME_NODE_THEN,
    AR_FIRST_IMPLIES_THEN,
    AR_FIRST_IMPLIES_THEN_GRAPHED,
    AR_IF_ON_SAME_NODE,
    AR_INTERMEDIATE_STOP,
    AR_MIN_RUNNABLE,
    AR_NESTED_REMOTE_PROBE,
    AR_NONE,
    AR_ORDERED,
    AR_PROMOTED_THEN_IMPLIES_FIRST,
    AR_THEN_CANCELS_FIRST,
    AR_THEN_IMPLIES_FIRST,
    AR_THEN_IMPLIES_FIRST_GRAPHED,
    AR_UNMIGRATABLE_THEN_BLOCKS,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    MIGRATABLE,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Node,
    Op,
    Relation,
    Resource,
    Variant,
    op_key,
)
from standfast.scheduler.placement.colocated import all_with_this
from standfast.scheduler.values import Role

INFINITY = 1_000_000
CHANGED_FIRST, CHANGED_THEN = 1, 2
_WORDS = {RUNNABLE: "unrunnable", MIGRATABLE: "unmigrateable", OPTIONAL: "required"}
_DONE = {"stop": "stopped", "start": "running", "notify": "notified", "promote": "promoted", "demote": "demoted"}
_UNDONE = {done: task for task, done in _DONE.items()}
# Flags of a relation to act on, in this order, with the flags of the first action that count for each.
_KINDS = (
    (AR_FIRST_IMPLIES_THEN, OPTIONAL),
    (AR_INTERMEDIATE_STOP, OPTIONAL | RUNNABLE),
    (AR_THEN_IMPLIES_FIRST, OPTIONAL),
    (AR_PROMOTED_THEN_IMPLIES_FIRST, OPTIONAL),
    (AR_MIN_RUNNABLE, RUNNABLE),
    (AR_NESTED_REMOTE_PROBE, RUNNABLE),
    (AR_UNRUNNABLE_FIRST_BLOCKS, RUNNABLE),
    (AR_UNMIGRATABLE_THEN_BLOCKS, OPTIONAL),
    (AR_FIRST_ELSE_THEN, OPTIONAL),
    (AR_ORDERED, RUNNABLE),
    (AR_ASYMMETRIC, RUNNABLE),
)
_MASKED = (AR_FIRST_IMPLIES_THEN, AR_PROMOTED_THEN_IMPLIES_FIRST)
_ON_FIRST = AR_THEN_IMPLIES_FIRST | AR_PROMOTED_THEN_IMPLIES_FIRST | AR_UNMIGRATABLE_THEN_BLOCKS
_ON_THEN = AR_FIRST_ELSE_THEN | AR_UNRUNNABLE_FIRST_BLOCKS | AR_FIRST_IMPLIES_THEN


def clear_because(op: Op, flag: int, cause: Op) -> None:
    """Clear a flag; the cause is kept as the reason if it is another resource's action."""
    if not op.flags & flag:
        return
    op.flags &= ~flag
    if op.rsc is not cause.rsc:
        subject = "" if cause.rsc is None else f" {cause.rsc.id}"
        set_reason(op, f"{_WORDS[flag]}{subject} {cause.task}", overwrite=False)


def _asymmetric(first: Op, then: Op) -> None:
    if then.rsc is None or first.flags & RUNNABLE:
        return
    if then.flags & OPTIONAL:
        role = state(then.rsc)
        if role == Role.STOPPED and then.task == "stop":
            return
        if role >= Role.STARTED and then.task == "start" and then.node is not None and then.rsc.active_nodes == [then.node]:
            return
    clear_because(then, OPTIONAL, first)
    clear_because(then, RUNNABLE, first)


def state(rsc: Resource, current: bool = True) -> Role:
    """The highest role of a resource's members (its own, for a primitive)."""
    if rsc.children:
        return max(state(child, current) for child in rsc.children)
    return rsc.role if current else rsc.next_role


def _restart(first: Op, then: Op, wanted: int) -> None:
    """`first` is a stop and `then` the start that must follow it."""
    assert then.rsc is not None
    restarts = wanted & OPTIONAL and not then.flags & OPTIONAL
    stops = wanted & RUNNABLE and not then.flags & RUNNABLE and then.rsc.managed and first.rsc is then.rsc
    if not restarts and not stops:
        return
    if first.flags & RUNNABLE:
        clear_because(first, OPTIONAL, then)
    if not then.flags & OPTIONAL:
        clear_because(first, OPTIONAL, then)
    if not then.flags & MIGRATABLE:
        clear_because(first, MIGRATABLE, then)
    if not first.flags & OPTIONAL and not first.flags & RUNNABLE:
        clear_because(then, RUNNABLE, first)


def update_ordered(cluster: Cluster, first: Op, then: Op, node: Node | None, flags: int, wanted: int, kind: int) -> int:
    """Let one kind of ordering change two actions of primitives; `flags` are the first's, `wanted` those that count."""
    del node
    then_before, first_before = then.flags, first.flags
    if kind & AR_ASYMMETRIC:
        _asymmetric(first, then)
    if kind & _ON_FIRST:
        _change_first(first, then, flags, wanted, kind)
    if kind & _ON_THEN:
        _change_then(first, then, flags, wanted, kind)
    if kind & AR_INTERMEDIATE_STOP:
        _restart(first, then, wanted)
    changed = 0
    if then_before != then.flags:
        changed |= CHANGED_THEN
        if then.rsc is not None and then.rsc.parent is not None:
            # The parent's points in time are worked out from its members' actions.
            update_action(cluster, then)
    if first_before != first.flags:
        changed |= CHANGED_FIRST
    return changed


def _change_first(first: Op, then: Op, flags: int, wanted: int, kind: int) -> None:
    """What `then` demands of `first`."""
    if kind & AR_THEN_IMPLIES_FIRST and not then.flags & OPTIONAL:
        if wanted & OPTIONAL and not flags & OPTIONAL:
            clear_because(first, OPTIONAL, then)
        if flags & MIGRATABLE and not then.flags & MIGRATABLE:
            clear_because(first, MIGRATABLE, then)
    promoted = then.rsc is not None and then.rsc.role == Role.PROMOTED
    if kind & AR_PROMOTED_THEN_IMPLIES_FIRST and promoted and wanted & OPTIONAL and not then.flags & OPTIONAL:
        clear_because(first, OPTIONAL, then)
        if not then.flags & MIGRATABLE:
            clear_because(first, MIGRATABLE, then)
    if kind & AR_UNMIGRATABLE_THEN_BLOCKS and wanted & OPTIONAL:
        if not then.has(MIGRATABLE | RUNNABLE):
            clear_because(first, RUNNABLE, then)
        if not then.flags & OPTIONAL:
            clear_because(first, OPTIONAL, then)


def _change_then(first: Op, then: Op, flags: int, wanted: int, kind: int) -> None:
    """What `first` means for `then`."""
    if kind & AR_FIRST_ELSE_THEN and wanted & OPTIONAL and not first.flags & RUNNABLE:
        clear_because(then, MIGRATABLE, first)
        then.flags &= ~PSEUDO
    blocks = kind & AR_UNRUNNABLE_FIRST_BLOCKS and wanted & RUNNABLE
    if blocks and then.flags & RUNNABLE and not flags & RUNNABLE:
        clear_because(then, RUNNABLE, first)
        clear_because(then, MIGRATABLE, first)
    requires = kind & AR_FIRST_IMPLIES_THEN and wanted & OPTIONAL
    if requires and then.flags & OPTIONAL and not flags & OPTIONAL and not first.flags & MIGRATABLE:
        clear_because(then, OPTIONAL, first)


def group_update_ordered(cluster: Cluster, first: Op, then: Op, node: Node | None, flags: int, wanted: int, kind: int) -> int:
    """The same for a group: what holds for its action holds for its members'."""
    changed = update_ordered(cluster, first, then, node, flags, wanted, kind)
    assert then.rsc is not None
    for member, member_op in members_newest(then.rsc, then.task, node):
        if member_op is not None:
            changed |= member.act().update_ordered(cluster, first, member_op, node, flags, wanted, kind)
    return changed


def primitive_action_flags(op: Op, node: Node | None) -> int:
    """A primitive's action is what it is."""
    del node
    return op.flags


def group_action_flags(op: Op, node: Node | None) -> int:
    """A group's point in time is required if some member's action is, and can't come if some member's can't."""
    assert op.rsc is not None
    flags = OPTIONAL | RUNNABLE | PSEUDO
    task = _UNDONE.get(op.task, op.task)
    for member, member_op in members_newest(op.rsc, task, node):
        if member_op is not None:
            plain = member.variant == Variant.PRIMITIVE
            member_flags = member_op.flags if plain else member.act().action_flags(member_op, node)
            if flags & OPTIONAL and not member_flags & OPTIONAL:
                flags &= ~OPTIONAL
                op.flags &= ~OPTIONAL
            if task != op.task and flags & RUNNABLE and not member_flags & RUNNABLE:
                flags &= ~RUNNABLE
                op.flags &= ~RUNNABLE
        elif task not in ("stop", "demote"):
            flags &= ~RUNNABLE
    return flags


def _flags_for(op: Op, node: Node | None) -> int:
    if op.rsc is None or op.rsc.variant == Variant.PRIMITIVE:
        return op.flags
    flags = op.rsc.act().action_flags(op, None)
    if node is None or op.rsc.variant != Variant.CLONE:
        return flags
    on_node = op.rsc.act().action_flags(op, node)
    return on_node | (flags & RUNNABLE)


def _remapped(op: Op) -> Op:
    """For others, a group's or clone's "start" means "running": all of it has been started."""
    rsc = op.rsc
    if rsc is None or rsc.variant < Variant.GROUP or "notify" in op.key:
        return op
    done = op.task if op.task in _DONE.values() else _DONE.get(op.task)
    if done is None:
        return op
    notified = rsc.notify and (rsc.variant == Variant.CLONE or rsc.bundle() is not None)
    key = f"{rsc.id}_confirmed-post_notify_{done}_0" if notified else op_key(rsc.id, done)
    found = rsc.actions_by_key.get(key)
    return found[-1] if found else op


def update_action(cluster: Cluster, then: Op) -> None:
    """Apply everything that is ordered before `then` to it, and go on with whatever that changes.

    An explicit stack of pending work would change the order in which effects meet; the recursion is the original's.
    """
    last_flags = then.flags
    changed = 0
    if then.required_runnable_before > 0:
        then.runnable_before = 0
        then.flags &= ~RUNNABLE
    for relation in reversed(then.before):
        changed = _update_pair(cluster, relation, then, changed & ~CHANGED_FIRST)
    if then.required_runnable_before > 0:
        changed = changed & ~CHANGED_THEN if last_flags == then.flags else changed | CHANGED_THEN
    if changed & CHANGED_THEN:
        if last_flags & RUNNABLE and not then.flags & RUNNABLE:
            block_dependents(cluster, then)
        update_action(cluster, then)
        for relation in reversed(then.after):
            update_action(cluster, relation.op)


def group_location(rsc: Resource) -> Node | None:
    """The one node that all members are assigned to, if it is one entry only (as the original counts)."""
    found: list[Node] = []
    for child in rsc.children:
        if child.children:
            inner = group_location(child)
            found += [] if inner is None else [inner]
        elif child.assigned is not None and child.assigned not in found:
            found.append(child.assigned)
    return found[0] if len(found) == 1 else None


def _update_pair(cluster: Cluster, relation: Relation, then: Op, changed: int) -> int:
    first = relation.op
    first_node, then_node = first.node, then.node
    if first.rsc is not None and first.rsc.variant == Variant.GROUP and first.task == "start":
        first_node = group_location(first.rsc)
    if then.rsc is not None and then.rsc.variant == Variant.GROUP and then.task == "start":
        then_node = group_location(then.rsc)
    if relation.flags & AR_IF_ON_SAME_NODE and None not in (first_node, then_node) and first_node is not then_node:
        relation.flags = AR_NONE
        return changed
    if first.rsc is not None and relation.flags & AR_THEN_CANCELS_FIRST and not then.flags & OPTIONAL:
        first.flags |= OPTIONAL
        if first.task == "reload-agent":
            first.rsc.reload = False
    if first.rsc is not None and then.rsc is not None and first.rsc is not then.rsc and not then.rsc.is_inside(first.rsc):
        first = _remapped(first)
    if first is relation.op:
        first_flags = _flags_for(first, then_node)
        then_flags = _flags_for(then, first_node)
        changed |= _apply(cluster, first, then, first_flags, then_flags, relation)
    elif relate(first, then, relation.flags):
        changed |= CHANGED_THEN
        relation.flags = AR_NONE
    if changed & CHANGED_FIRST:
        for after in reversed(first.after):
            update_action(cluster, after.op)
        update_action(cluster, first)
    return changed


def _apply(cluster: Cluster, first: Op, then: Op, first_flags: int, then_flags: int, relation: Relation) -> int:
    changed = 0
    node = then.node
    if relation.flags & AR_FIRST_IMPLIES_SAME_NODE_THEN:
        relation.flags = relation.flags & ~AR_FIRST_IMPLIES_SAME_NODE_THEN | AR_FIRST_IMPLIES_THEN
        node = first.node
    for kind, wanted in _KINDS:
        if not relation.flags & kind:
            continue
        if kind == AR_NESTED_REMOTE_PROBE:
            changed |= _nested_probe(cluster, first, then, node, first_flags, relation)
            continue
        owner = first.rsc if kind == AR_THEN_IMPLIES_FIRST else then.rsc
        if owner is not None:
            flags = first_flags & OPTIONAL if kind in _MASKED else first_flags
            changed |= owner.act().update_ordered(cluster, first, then, node, flags, wanted, kind)
        else:
            changed |= _apply_to_point(first, then, first_flags, kind)
    if first.flags & RUNNABLE and relation.flags & AR_FIRST_IMPLIES_THEN_GRAPHED and not first_flags & OPTIONAL:
        then.flags |= ALWAYS
    if relation.flags & AR_THEN_IMPLIES_FIRST_GRAPHED and not then_flags & OPTIONAL:
        first.flags |= ALWAYS
    strict = AR_FIRST_IMPLIES_THEN | AR_THEN_IMPLIES_FIRST | AR_INTERMEDIATE_STOP
    blocked = first.rsc is not None and not first.rsc.managed and first.rsc.blocked
    if relation.flags & strict and blocked and first.task == "stop" and not first.flags & RUNNABLE and then.flags & RUNNABLE:
        then.flags &= ~RUNNABLE
        changed |= CHANGED_THEN
    return changed


def _nested_probe(cluster: Cluster, first: Op, then: Op, node: Node | None, first_flags: int, relation: Relation) -> int:
    """A bundle's connection is probed where its container will be: after the container's start, unless it is stopping."""
    if then.rsc is None:
        return 0
    if not first_flags & RUNNABLE and first.rsc is not None and first.rsc.active_nodes:
        relation.flags = AR_NONE
        return 0
    return then.rsc.act().update_ordered(cluster, first, then, node, first_flags, RUNNABLE, AR_UNRUNNABLE_FIRST_BLOCKS)


def _apply_to_point(first: Op, then: Op, first_flags: int, kind: int) -> int:
    """The same for actions without a resource (fencing, shutdown, points in time)."""
    if kind == AR_FIRST_IMPLIES_THEN and not first_flags & OPTIONAL and then.flags & OPTIONAL:
        then.flags &= ~OPTIONAL
        return CHANGED_THEN
    if kind == AR_THEN_IMPLIES_FIRST and not first_flags & OPTIONAL and first.flags & RUNNABLE:
        first.flags &= ~RUNNABLE
        return CHANGED_FIRST
    if kind == AR_MIN_RUNNABLE and first_flags & RUNNABLE:
        then.runnable_before += 1
        if then.runnable_before >= then.required_runnable_before and not then.flags & RUNNABLE:
            then.flags |= RUNNABLE
            return CHANGED_THEN
    if kind == AR_UNRUNNABLE_FIRST_BLOCKS and not first_flags & RUNNABLE and then.flags & RUNNABLE:
        then.flags &= ~RUNNABLE
        return CHANGED_THEN
    return 0


def block_dependents(cluster: Cluster, op: Op) -> None:
    """What must be with a resource that can't start can't start either."""
    if op.flags & RUNNABLE or op.task not in ("start", "promote") or op.rsc is None:
        return
    rsc = op.rsc.top()
    if rsc.parent is not None:
        rsc = rsc.parent
    for child in rsc.children:
        child_op = find_task(child, op.task, None)
        if child_op is None or child_op.flags & RUNNABLE:
            return
    for colocation in all_with_this(rsc):
        if colocation.score < INFINITY:
            continue
        if op.task != "start" and colocation.primary_role != Role.PROMOTED:
            continue
        task = "promote" if colocation.dependent_role == Role.PROMOTED else "start"
        _block(cluster, colocation.dependent, task, op.rsc)


def _block(cluster: Cluster, rsc: Resource, task: str, cause: Resource) -> None:
    for op in reversed(rsc.actions):
        if op.flags & RUNNABLE and op.task == task:
            op.flags &= ~RUNNABLE
            set_reason(op, f"colocation with {cause.id}", overwrite=False)
            block_dependents(cluster, op)
            update_action(cluster, op)
    for child in rsc.children:
        _block(cluster, child, task, cause)
