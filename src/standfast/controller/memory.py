"""What this node knows of its own operations: the truth behind its part of the status section.

The CIB's copy may be replaced by another partition's when a view changes; then this one is written again. A manager that was
started anew knows nothing, says so, and is asked by probes.
Invariant: an entry is here exactly from the order to run it until its resource is forgotten, or its recurring operation
cancelled; one that has no result yet is pending. Without these a coordinator that comes into office while an operation runs
would take the resource for stopped here, and start it elsewhere.
"""

from __future__ import annotations

from standfast.controller import bookkeeping
from standfast.executor import history
from standfast.executor.api import Request, Result

RESOURCES_MAX = 8192
LEASED = ("ocf", "heartbeat", "IPaddr2")
"""(class, provider, type) of what the kernel takes away when nobody renews it."""


class Memory:
    """History entries by resource, as executor/history.py makes them."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, history.Entry]] = {}
        self._agents: dict[str, tuple[str, str, str]] = {}

    def begun(self, request: Request, node: str, now_s: int) -> None:
        """Keep what an operation that begins leaves until it has ended (`record-pending`)."""
        self._keep(request, history.pending(request, node, now_s))

    def note(self, result: Result, node: str) -> tuple[history.Entry, ...]:
        """Keep what a result leaves; returns the new entries (none for what is not recorded)."""
        made = history.entries(result, node)
        self._keep(result.request, made)
        cancelled = history.cancelled_id(result)
        if cancelled is not None:
            self._entries.get(result.request.resource, {}).pop(cancelled, None)
        return made

    def _keep(self, request: Request, made: tuple[history.Entry, ...]) -> None:
        if made and (request.resource in self._entries or len(self._entries) < RESOURCES_MAX):
            kept = self._entries.setdefault(request.resource, {})
            for entry in made:  # to the end, where the CIB has it too: announced anew, the history is the same text
                kept.pop(entry.id, None)
                kept[entry.id] = entry
            self._agents[request.resource] = agent_of(request)

    def forget(self, resource: str) -> tuple[tuple[str, int], ...]:
        """Forget a resource; returns the (action, interval in ms) that were repeated for it."""
        entries = self._entries.pop(resource, {})
        self._agents.pop(resource, None)
        repeated = [(e.get("operation") or "", int(e.get("interval") or 0)) for e in entries.values()]
        return tuple((action, interval_ms) for action, interval_ms in repeated if interval_ms)

    def forget_doubtful(self) -> tuple[tuple[str, str, int], ...]:
        """Forget what a node that was apart (cut off, frozen, starved) cannot vouch for; returns what was repeated: (resource,
        action, interval in ms).

        What failed meanwhile (no carrier, a lease that ran out in a freeze) says nothing about now. And an address that is held
        by a lease may be gone before its failure has been told: announced as running here, while it runs elsewhere since, it
        would be stopped on both.
        """
        doubtful = [
            name for name, entries in self._entries.items() if f"{name}_last_failure_0" in entries or self._agents[name] == LEASED
        ]
        return tuple((name, action, interval_ms) for name in doubtful for action, interval_ms in self.forget(name))

    def xml(self) -> str:
        """All lrm_resource elements."""
        return "".join(
            bookkeeping.lrm_resource(name, self._agents[name], (e.xml() for e in entries.values()))
            for name, entries in self._entries.items()
            if entries
        )


def agent_of(request: Request) -> tuple[str, str, str]:
    """(class, provider, type)."""
    return request.agent.standard.value, request.agent.provider, request.agent.type
