"""Guest nodes are "fenced" by recovery of what they run in: a point in time that others can be ordered with."""

from __future__ import annotations

from standfast.scheduler.actions.core import find_task, relate
from standfast.scheduler.fencing.ops import fence_op
from standfast.scheduler.memory import (
    AR_FIRST_IMPLIES_THEN,
    AR_ORDERED,
    AR_UNRUNNABLE_FIRST_BLOCKS,
    PSEUDO,
    RUNNABLE,
    Cluster,
    Node,
    Op,
)


def fence_guest(cluster: Cluster, node: Node) -> Op:
    """The point in time when a guest is known to be down: after its launcher's stop, or the fencing that implies it."""
    launcher, connection = node.launcher, node.remote
    assert launcher is not None
    assert connection is not None
    stop = find_task(launcher, "stop", None)
    operation = "off" if find_task(launcher, "start", None) is None else "reboot"
    fencing = fence_op(cluster, node, operation, optional=False, reason="guest is unclean", delay=False)
    fencing.flags |= PSEUDO | RUNNABLE
    implied = AR_UNRUNNABLE_FIRST_BLOCKS | AR_FIRST_IMPLIES_THEN
    if stop is not None and stop.flags & PSEUDO and stop.node is not None:
        host_fencing = fence_op(cluster, stop.node, None, optional=False, reason="", delay=False)
        relate(host_fencing, fencing, implied)
    elif stop is not None:
        relate(stop, fencing, implied)
    else:
        # The launcher seems stopped, perhaps because its history was cleaned: wait for the connection's stop, which waits
        # for the launcher's probe.
        stop = find_task(connection, "stop", None)
        if stop is not None:
            relate(stop, fencing, AR_ORDERED)
    return fencing
