"""Waiting for the cluster to have done what was asked, and telling about it while it does.

The stream of events is read by a thread of its own, opened before the change is made, so that nothing is missed; the main
thread waits for rest. Every wait has a bound.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from standfast.base.report import Refused
from standfast.shell.cluster import WAIT_S_MAX, Cluster
from standfast.shell.output import Output

Json = dict[str, Any]


_PROBED = {0: "running", 7: "not running", 8: "promoted"}


class Progress:
    """A line on stderr for each action that starts or ends, between `start` and `stop`."""

    def __init__(self, cluster: Cluster, output: Output) -> None:
        self._cluster = cluster
        self._output = output
        self._end: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self.actions = 0

    def start(self) -> None:
        """Begin to listen; silently nothing when there is no stream of events."""
        try:
            stream, self._end = self._cluster.events(WAIT_S_MAX)
            next(stream, None)  # the hello: from here on, nothing is missed
        except (Refused, OSError):
            return
        self._thread = threading.Thread(target=self._listen, args=(stream,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        if self._end is not None:
            self._end()
        if self._thread is not None:
            self._thread.join(1.0)

    def _listen(self, stream: Iterator[Json]) -> None:
        # The main thread hangs up when it has seen enough: then reading fails, and that is the end of it.
        with contextlib.suppress(Refused, OSError, ValueError):
            for event in stream:
                line = line_of(event)
                if line:
                    self.actions += 1
                    self._output.progress(line)


def line_of(event: Json) -> str:
    """What a person wants to know of an event while waiting; empty for the rest."""
    if event.get("kind") == "action" and int(event.get("interval_ms") or 0) == 0:
        # A monitor without an interval asks whether something runs: that it does not is an answer, no failure.
        is_probe = event.get("operation") == "monitor"
        what = f"{'probe' if is_probe else event.get('operation')} {event.get('resource')} on {event.get('node')}"
        if event.get("state") == "started":
            return f"  {what} ..."
        reason = f" ({event['reason']})" if event.get("reason") else ""
        rc = int(event.get("rc") or 0)
        if is_probe and rc in _PROBED:
            return f"  {what}: {_PROBED[rc]}"
        return f"  {what}: {'done' if rc == 0 else f'rc {rc}'}{reason}"
    if event.get("kind") == "transition" and event.get("state") == "aborted":
        return "  the situation has changed: planned anew"
    if event.get("kind") == "view":
        members = " ".join(str(member) for member in event.get("members") or ())
        return f"  members: {members}" + ("" if event.get("quorate") else " (no quorum)")
    return ""


def wait_for_rest(cluster: Cluster, output: Output, timeout_s: float = WAIT_S_MAX) -> bool:
    """Wait until nothing is under way; says so when that took too long."""
    try:
        if cluster.wait(timeout_s):
            return True
    except KeyboardInterrupt:
        output.progress("")
        output.info("no longer waiting; what was asked goes on. crm status shows it")
        return False
    output.warn(f"the cluster has not come to rest within {timeout_s:g} s", "crm status shows what is under way")
    return False
