"""From an action of the graph to what a node is asked: requests for the executor, orders, changes of the CIB.

Owns: that translation. Does not own: when an action is due (transition.py), what the answer means (coordinator.py).
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error
from standfast.cib.operations import Operation
from standfast.controller import bookkeeping
from standfast.controller.messages import Cancel, Depart, Execute, Forget, Order
from standfast.executor import history
from standfast.executor.api import Agent, AgentClass, Request
from standfast.executor.history import TransitionKey
from standfast.fencing import values
from standfast.scheduler.graph.model import Action

META = "CRM_meta_"
NATIVE_AGENTS = ("ocf:heartbeat:IPaddr2",)
"""Agents that live in this process. The meta-attribute `native=false` of a resource asks for the shell agent instead."""

DEFAULT_TIMEOUT_MS = 20_000


@dataclass(frozen=True, slots=True)
class Errand:
    """What to propose for an action: operations on the CIB, an order to a node, and whether the action is done when that is
    delivered (`at_once`) or when the node's answer comes."""

    operations: tuple[Operation, ...] = ()
    order: Order | None = None
    at_once: bool = False


def errand(action: Action, key: TransitionKey, now_s: int, *, handover: bool) -> Errand:
    """How to carry out one action. Raises Refused for an action that this release cannot carry out."""
    node = node_of(action)
    match action.operation:
        case "clear_failcount":
            return Errand(_clear_failures(action, node), at_once=True)
        case "do_shutdown":
            return Errand((bookkeeping.leaving(node, action.node),), Depart(node), at_once=True)
        case "delete" | "lrm_delete":
            return Errand((bookkeeping.forget_history(node, action.resource),), Forget(((node, action.resource),)), at_once=True)
        case "cancel":
            return Errand(order=_cancel(action, node, key))
        case _ if action.resource:
            request = request_of(action, key, handover=handover)
            return Errand(_pending(request, node, action.node, now_s), Execute(node, request))
        case _:
            raise Refused(error("controller.unknown-action", f"{action.operation} on {action.node} is not known here"))


def request_of(action: Action, key: TransitionKey, *, handover: bool) -> Request:
    """The executor's request for an operation of a resource."""
    standard, provider, kind = action.agent
    meta = {name.removeprefix(META): value for name, value in action.attributes if name.startswith(META)}
    agent = Agent(AgentClass(standard), provider, kind)
    return Request(
        resource=action.resource,
        agent=agent,
        action=action.operation,
        interval_ms=action.interval_ms,
        timeout_ms=_timeout_ms(action, meta),
        parameters=tuple(
            sorted((n, v) for n, v in action.attributes if not n.startswith(META) and n not in ("crm_feature_set",))
        ),
        meta=tuple(sorted(meta.items())),
        transition_key=str(key),
        start_delay_ms=_number(meta.get("start_delay"), 0),
        handover=handover,
        native=str(agent) in NATIVE_AGENTS and meta.get("native", "true").lower() not in ("false", "no", "off", "0"),
    )


def _timeout_ms(action: Action, meta: dict[str, str]) -> int:
    """The operation's timeout; for a fencing device, pcmk_monitor_timeout goes before it."""
    own = dict(action.attributes).get("pcmk_monitor_timeout") if action.agent[0] == AgentClass.STONITH else None
    return values.duration_ms(own, _number(meta.get("timeout"), action.timeout_ms or DEFAULT_TIMEOUT_MS))


def node_of(action: Action) -> NodeId:
    """The id of the action's node. Raises Refused for a node that is no cluster node."""
    if not action.node_id.isdigit():
        raise Refused(error("controller.no-such-node", f"{action.node or 'no node'} is not a cluster node of this release"))
    return NodeId(int(action.node_id))


def _pending(request: Request, node: NodeId, name: str, now_s: int) -> tuple[Operation, ...]:
    entries = history.pending(request, name, now_s)
    agent = (request.agent.standard.value, request.agent.provider, request.agent.type)
    return bookkeeping.record(node, name, request.resource, agent, entries) if entries else ()


def _cancel(action: Action, node: NodeId, key: TransitionKey) -> Cancel:
    meta = {name.removeprefix(META): value for name, value in action.attributes if name.startswith(META)}
    task = meta.get("operation", "monitor")
    return Cancel(node, action.resource, task, _number(meta.get("interval"), action.interval_ms), str(key))


def _clear_failures(action: Action, node: NodeId) -> tuple[Operation, ...]:
    meta = {name.removeprefix(META): value for name, value in action.attributes if name.startswith(META)}
    return clear_failures(node, action.resource, meta.get("operation", ""), meta.get("interval", ""))


def clear_failures(node: NodeId, resource: str, task: str = "", interval_ms: str = "") -> tuple[Operation, ...]:
    """Forget the failures of a resource on a node: of one operation, or (task "") of all."""
    suffix = f"#{task}_{interval_ms or 0}" if task else "#"
    return tuple(bookkeeping.forget_attributes(node, f"{prefix}-{resource}{suffix}") for prefix in ("fail-count", "last-failure"))


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else default
