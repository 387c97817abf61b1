"""What the coordinator writes down: who is not there, whether there is quorum, what the cluster itself is, what has failed.

Owns: which records are due. Does not own: their shape (bookkeeping.py), who coordinates (roll.py). Pure functions.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from standfast.base.boolean import is_true
from standfast.cib.apply import Outcome
from standfast.cib.operations import Operation
from standfast.controller import bookkeeping, reading
from standfast.controller.messages import Landed
from standfast.controller.roll import Roll
from standfast.executor import history
from standfast.executor.api import OpStatus, Rc


def records(root: Element, roll: Roll, cluster_name: str) -> tuple[Operation, ...]:
    """What is due when the duty is taken up, or when who takes part has changed."""
    assert roll.view is not None
    out: list[Operation] = []
    for node, name in reading.nodes(root):
        member = node in roll.view.members
        if node not in roll.present and not reading.is_offline(root, node, member=member):
            if not (reading.is_true(root, "stonith-enabled", "fencing-enabled") or reading.fences_by_cloud(root)):
                out += bookkeeping.absent(node, name, member=member)
            elif expected := reading.expected(root, node):  # one that was never seen is fenced, too (startup-fencing)
                out += bookkeeping.absent(node, name, member=member, expected=expected)
    out.append(bookkeeping.cluster(roll.local, quorate=roll.quorum is not None and roll.quorum.quorate))
    ours = {"dc-version": bookkeeping.DC_VERSION, "cluster-infrastructure": "corosync"}
    defaults = {"have-watchdog": "false", **({"cluster-name": cluster_name} if cluster_name else {})}
    due = [(name, value) for name, value in ours.items() if reading.option(root, name, "") != value]
    due += [(name, value) for name, value in defaults.items() if reading.option(root, name, "") == ""]
    if due:
        out.append(bookkeeping.properties(due))
    return tuple(out)


def what_changed(outcome: Outcome) -> str:
    """A change of the CIB, as a reason to plan again."""
    where = "configuration" if outcome.changed_configuration else "status"
    return f"the {where} changed ({outcome.before} -> {outcome.after})"


def counts(note: Landed) -> bool:
    """Whether an operation's end is a failure to be counted: probes and cancelled operations are not, nor is what is degraded,
    which is up in the cluster's eyes (a suspended failover IP)."""
    if note.status == OpStatus.CANCELLED:
        return False
    if note.status == OpStatus.DONE and note.rc in (Rc.DEGRADED, Rc.DEGRADED_PROMOTED):
        return False
    failed = note.status != 0 or note.rc != history.expected_rc(note.transition_key)
    return failed and note.action != "cancel" and not (note.action == "monitor" and note.interval_ms == 0)


def failure(root: Element, name: str, note: Landed, now_s: int) -> tuple[Operation, ...]:
    """Count a failure on the node called `name`, as Pacemaker's controller does: a failed stop, and by default
    (start-failure-is-fatal) a failed start, is for ever."""
    fatal = note.action == "stop"
    if note.action == "start":
        fatal = is_true(reading.option(root, "start-failure-is-fatal", "true"))
    key = f"fail-count-{note.resource}#{note.action}_{note.interval_ms}"
    old = reading.transient_attribute(root, note.node, key) or "0"
    count = "INFINITY" if fatal or not old.isdigit() else str(int(old) + 1)
    return bookkeeping.failure(note.node, name, (note.resource, note.action, note.interval_ms), count, now_s)
