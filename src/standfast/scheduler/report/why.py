"""A sentence for each action: why it is done."""

from __future__ import annotations

from standfast.scheduler.memory import Op
from standfast.scheduler.values import Role


def why(op: Op) -> str:
    """The cause of an action in plain words."""
    where = "" if op.node is None else f" on {op.node.name}"
    rsc = op.rsc
    if rsc is None:
        node = "" if op.node is None else op.node.name
        named = {"stonith": f"fence {node}: {op.reason or 'node is unclean'}", "do_shutdown": f"{node} asked to leave"}
        return named.get(op.task, "a point in time that others wait for")
    if rsc.children:
        return f"marks when {rsc.id} is {op.task}"
    interval = op.meta.get("interval", "0")
    if op.task == "monitor" and interval == "0":
        return f"whether {rsc.id} is active{where} is not known"
    if op.task == "cancel":
        return f"{op.cancel_task} every {interval} ms of {rsc.id} is no longer wanted{where}"
    because = f": {op.reason}" if op.reason else ""
    sentences = {
        "start": f"{rsc.id} belongs{where}",
        "stop": f"{rsc.id} has to stop{where}" if rsc.next_role == Role.STOPPED else f"{rsc.id} has to stop{where} first",
        "promote": f"{rsc.id} is to be promoted{where}",
        "demote": f"{rsc.id} has to be demoted{where}",
        "clear_failcount": f"the failures of {rsc.id}{where} are over",
        "delete": f"{rsc.id}{where} is to be forgotten",
        "lrm_delete": f"the history of {rsc.id}{where} is out of date",
        "reload-agent": f"parameters of {rsc.id} changed that its agent can reload",
    }
    if rsc.failed and op.task == "stop":
        because = because or ": it failed there"
    return sentences.get(op.task, f"{rsc.id} is to be {op.task} every {interval} ms{where}") + because
