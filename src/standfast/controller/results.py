"""What everybody is told when an operation of this node has ended: the record for the CIB, and the news for the coordinator.

Owns: which record and which news belong to a result. Does not own: what is remembered of it (memory.py), the record's form.
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.cib.operations import Operation
from standfast.controller import bookkeeping
from standfast.controller.memory import agent_of
from standfast.controller.messages import Landed
from standfast.executor import history
from standfast.executor.api import OpStatus, Result


@dataclass(frozen=True, slots=True)
class Told:
    """One envelope's content."""

    operations: tuple[Operation, ...]
    landed: Landed


def told(node: NodeId, name: str, result: Result, entries: tuple[history.Entry, ...]) -> Told | None:
    """`entries` is what the memory keeps of it. None when nobody waits for it."""
    request = result.request
    key, where = request.transition_key, (node, request.resource)
    if result.status is not OpStatus.CANCELLED:
        change = bookkeeping.record(node, name, request.resource, agent_of(request), entries) if entries else ()
        rc, status = result.rc, int(result.status)
        return Told(change, Landed(*where, request.action, request.interval_ms, key, rc, status, result.reason))
    if not key:
        return None
    if request.interval_ms:  # a recurring operation, which ended because it was asked to
        note = Landed(*where, "cancel", request.interval_ms, key, history.expected_rc(key), int(OpStatus.DONE), "")
        return Told((bookkeeping.forget_entry(*where, request.key),), note)
    # a single one that a stop made pointless
    return Told((), Landed(*where, request.action, 0, key, result.rc, int(OpStatus.CANCELLED), result.reason))
