"""The transition graph as values. The controller runs it; graph/xml.py writes it as `crm_simulate -G` does."""

from __future__ import annotations

from enum import StrEnum

from standfast.base.dataclass import dataclass


class ActionKind(StrEnum):
    """Pacemaker's element names: an operation of a resource, a point in time, an order to a node."""

    RSC_OP = "rsc_op"
    PSEUDO = "pseudo_event"
    CRM = "crm_event"


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `inputs` are ids of actions that must be confirmed first. `attributes` is what the XML's <attributes> holds:
    instance parameters plus CRM_meta_* (timeout in ms among them), sorted by name.

    `shutdown_lock_s`, if not 0, is since when the resource is locked to the node: to be kept in its history.
    For CRM events `operation` is clear_failcount, do_shutdown, stonith, lrm_delete, ...; `why` is a sentence for people.
    """

    id: int
    kind: ActionKind
    operation: str
    operation_key: str
    node: str
    node_id: str
    resource: str
    agent: tuple[str, str, str]  # class, provider, type; ("", "", "") for actions without a resource
    interval_ms: int
    attributes: tuple[tuple[str, str], ...]
    inputs: tuple[int, ...]
    priority: int = 0
    timeout_ms: int = 0
    long_id: str = ""
    router_node: str = ""
    internal_key: str = ""
    downed: tuple[str, ...] = ()
    maintenance: tuple[tuple[str, str], ...] = ()  # (id of a remote node, "1" or "0": what its state is to say)
    why: str = ""
    shutdown_lock_s: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """A plan to carry out. Invariant: ids are unique, every input exists, and there is no cycle (`check`)."""

    actions: tuple[Action, ...]
    cluster_delay_ms: int = 60_000
    stonith_timeout_ms: int = 60_000
    failed_start_offset: str = "INFINITY"
    failed_stop_offset: str = "INFINITY"
    batch_limit: int = 0
    migration_limit: int = -1
    recheck_by_s: int | None = None

    def check(self) -> None:
        """Assert the invariant; cost is linear in actions and inputs."""
        by_id = {action.id: action for action in self.actions}
        assert len(by_id) == len(self.actions), "two actions share an id"
        waiting = {a.id: len(set(a.inputs)) for a in self.actions}
        followers: dict[int, list[int]] = {a.id: [] for a in self.actions}
        for action in self.actions:
            for needed in sorted(set(action.inputs)):
                assert needed in by_id, f"action {action.id} waits for {needed}, which is not in the graph"
                followers[needed].append(action.id)
        ready = [i for i, n in waiting.items() if n == 0]
        done = 0
        while ready:
            current = ready.pop()
            done += 1
            for follower in followers[current]:
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    ready.append(follower)
        assert done == len(self.actions), "the graph has a cycle"
