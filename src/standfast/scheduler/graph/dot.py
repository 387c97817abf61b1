"""The actions as a picture for dot(1), as `crm_simulate -D` draws them: bold green what is to be done, dashed red what can't be,
blue what need not be, orange what is only a point in time, purple what is not managed.

Pacemaker: lib/pacemaker/pcmk_simulate.c, write_sim_dotfile.
"""

from __future__ import annotations

from standfast.scheduler.memory import AR_IF_ON_SAME_NODE_OR_TARGET, AR_NONE, GRAPHED, OPTIONAL, PSEUDO, Cluster, Op, op_key
from standfast.scheduler.values import int_or


def write_dot(cluster: Cluster, *, all_actions: bool = False, ids: bool = False) -> str:
    """The text of a dot file for a decided cluster. `all_actions` shows what need not be done too; `ids` adds numbers."""
    lines = [' digraph "g" {']
    drawn = {op.id for op in cluster.actions if op.flags & GRAPHED}
    newest_first = list(reversed(cluster.actions))
    for op in newest_first:
        look = _look(op, all_actions)
        if look:
            drawn.add(op.id)
            lines.append(f'"{action_name(op, ids=ids)}" [ {look}]')
    for op in newest_first:
        for relation in reversed(op.before):
            both_drawn = relation.op.id in drawn and op.id in drawn and relation.flags != AR_IF_ON_SAME_NODE_OR_TARGET
            if relation.graphed or (relation.flags != AR_NONE and (all_actions or both_drawn)):
                style = "bold" if relation.graphed else "dashed"
                first, then = action_name(relation.op, ids=ids), action_name(op, ids=ids)
                lines.append(f'"{first}" -> "{then}" [ style = {style}]')
    return "\n".join([*lines, "}", ""])


def _look(op: Op, all_actions: bool) -> str:
    """Style and colours of an action, "" for one that is not drawn."""
    font = "orange" if op.flags & PSEUDO else "black"
    style, colour = "dashed", "red"
    if op.flags & GRAPHED:
        style, colour = "bold", "green"
    elif op.rsc is not None and not op.rsc.managed:
        font = "purple"
        if not all_actions:
            return ""
    elif op.flags & OPTIONAL:
        colour = "blue"
        if not all_actions:
            return ""
    return f'style={style} color="{colour}" fontcolor="{font}"'


def action_name(op: Op, *, ids: bool = False) -> str:
    """What an action is called in pictures: its key, and its node."""
    name = _name(op)
    return f"{name} ({op.id})" if ids else name


def _name(op: Op) -> str:
    host = op.node.name if op.node is not None else "" if op.flags & PSEUDO else "<none>"
    on = f" {host}" if host else ""
    prefix, task = ("Cancel ", op.cancel_task) if op.task == "cancel" else ("", op.task)
    history_id = "" if op.rsc is None else op.rsc.history_id
    if history_id:
        if op.task in ("notify", "notified"):
            about = (op.meta.get("notify_key_type", ""), op.meta.get("notify_key_operation", ""))
            return f"{prefix}{history_id}_{about[0]}_notify_{about[1]}_0{on}"
        return f"{prefix}{op_key(history_id, task, int_or(op.meta.get('interval'), 0))}{on}"
    if op.task == "stonith":
        return f"{prefix}{op.task} '{op.meta.get('stonith_action', '')}'{on}"
    if op.rsc is not None and host:
        return f"{prefix}{op.key}{on}"
    return f"{prefix}{op.task}{on}" if host else op.key
