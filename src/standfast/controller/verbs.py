"""The manager's verbs (api/protocol.py): what each reads from its request, and what it asks the controller to do.

Owns: the meaning and the limits of each argument. Does not own: answering (clients.py), who may ask (api/gate.py).
Everything here refuses with a report that names the argument; nothing else is ever raised for what a client sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from standfast.api import gate
from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.cib.apply import query
from standfast.cib.document import Cib
from standfast.cib.operations import OPERATIONS_MAX, Operation, OpKind, operation_of
from standfast.controller import actions, bookkeeping, reading
from standfast.controller.clients import EXIT_USAGE, Asker
from standfast.controller.effects import Asked, Now
from standfast.controller.fences import Fences, facts_of
from standfast.controller.messages import FenceAsked, Forget
from standfast.controller.roll import Roll
from standfast.fencing.devices import levels_of, usable
from standfast.scheduler.api import Plan

Json = dict[str, Any]
WAIT_S_MAX = 24 * 3600.0
EXIT_NO_SUCH = 105


@dataclass(frozen=True, slots=True)
class Author:
    """Who is written into the CIB as the author of a change."""

    user: str
    client: str


class Host(Protocol):
    """What a verb may use of the controller."""

    roll: Roll
    fences: Fences

    @property
    def cib(self) -> Cib:
        """This node's document."""

    @property
    def now(self) -> Now:
        """The time of the request."""

    def answer(self, asker: Asker, **fields: Any) -> None:
        """Answer at once."""

    def propose_for(
        self,
        asker: Asker,
        operations: tuple[Operation, ...],
        order: Forget | None,
        author: Author,
        answer: Json,
        *,
        base: str = "",
    ) -> None:
        """Answer (with the new version, and with `answer`) when the change is made and stable; `base` as in Envelope."""

    def plan_for(self, asker: Asker, xml: bytes | None, render: Callable[[Plan], Json]) -> None:
        """Answer with what `render` makes of a plan."""

    def wait_for(self, asker: Asker, timeout_s: float) -> None:
        """Answer when nothing is under way."""

    def follow(self, asker: Asker) -> None:
        """Answer with every event from now on."""

    def fence(self, asker: Asker, news: FenceAsked) -> None:
        """Answer when a node is fenced, or taken as down."""

    def forget_fencing(self, target: str) -> None:
        """Clean up the fencing history."""

    def shut_down(self) -> None:
        """Leave in order."""


def perform(host: Host, asker: Asker, event: Asked, admin_gid: int | None) -> None:
    """Carry out one request. Raises Refused."""
    request = event.request
    refusal = gate.refusal(str(request.get("verb")), event.uid, event.gid, admin_gid)
    if refusal is not None:
        raise Refused(refusal, exit_code=gate.EXIT_INSUFFICIENT_PRIV)
    VERBS[str(request["verb"])](host, asker, request)


def _query(host: Host, asker: Asker, request: Json) -> None:
    text = query(host.cib, _text(request, "scope"), _text(request, "xpath"))
    host.answer(asker, xml=text, version=str(host.cib.version))


def _apply(host: Host, asker: Asker, request: Json) -> None:
    given = request.get("operations")
    if not isinstance(given, list) or not 0 < len(given) <= OPERATIONS_MAX:
        raise _usage("operations", f"a list of 1 to {OPERATIONS_MAX} operations is needed")
    operations = tuple(operation_of(item, force=request.get("force") is True) for item in given)
    author = Author(_text(request, "user") or "root", _text(request, "client") or "standfast")
    host.propose_for(asker, operations, None, author, {}, base=_text(request, "base_version").rpartition(".")[0])


def _status(host: Host, asker: Asker, request: Json) -> None:  # noqa: ARG001
    host.plan_for(asker, None, lambda plan: _status_of(host, plan))


def _status_of(host: Host, plan: Plan) -> Json:
    roll, root = host.roll, host.cib.root
    quorum = roll.quorum
    state = "active" if roll.coordinator is not None else ("joining" if roll.view is not None else "disconnected")
    return {
        "stack": "corosync",
        "dc": roll.name(roll.coordinator) if roll.coordinator is not None else "",
        "dc_id": str(roll.coordinator or ""),
        "dc_version": reading.option(root, "dc-version", bookkeeping.DC_VERSION),
        "quorate": quorum is not None and quorum.quorate,
        "quorum_reason": quorum.reason if quorum is not None else "this node is in no view",
        "now_s": host.now.wall_s,
        "last_change": root.get("cib-last-written", ""),
        "last_change_user": root.get("update-user", ""),
        "last_change_client": root.get("update-client", ""),
        "last_change_node": root.get("update-origin", ""),
        "version": str(host.cib.version),
        "local_node": roll.name(roll.local),
        "local_state": state,
        "situation": asdict(plan.situation),
        "fencing": [asdict(record) for record in host.fences.history.records()],
    }


def _plan(host: Host, asker: Asker, request: Json) -> None:
    xml = _text(request, "xml")
    document = Cib.parse(xml.encode(), "the given CIB").compact() if xml else None
    host.plan_for(asker, document, _plan_of)


def _plan_of(plan: Plan) -> Json:
    return {
        "summary": [asdict(change) for change in plan.changes],
        "scores": [asdict(score) for score in plan.scores],
        "reasons": [asdict(reason) for reason in plan.reasons],
        "notices": [report._asdict() for report in plan.notices],
        "actions": len(plan.graph.actions),
    }


def _cleanup(host: Host, asker: Asker, request: Json) -> None:
    """Forget history and failures: of everything that failed, of one resource, or (refresh) of all; probes find out anew."""
    wanted, node_name = _text(request, "resource"), _text(request, "node")
    refresh = request.get("refresh") is True
    root = host.cib.root
    names = {node: name for node, name in reading.nodes(root) if node_name in ("", name)}
    if node_name and not names:
        raise Refused(error("cib.no-such-node", f"there is no node {node_name}", "", "crm node show"), exit_code=EXIT_NO_SUCH)
    known = [(node, resource, failed) for node, resource, failed in reading.histories(root) if wanted in ("", resource)]
    if wanted and not known and wanted not in reading.resource_ids(root):
        what = f"there is no resource {wanted}"
        raise Refused(error("cib.no-such-resource", what, "", "crm resource status"), exit_code=EXIT_NO_SUCH)
    cleaned = tuple((node, resource) for node, resource, failed in known if node in names and (refresh or failed))
    if not cleaned:
        host.answer(asker, cleaned=[])
        return
    operations: list[Operation] = []
    for node, resource in cleaned:
        operations.append(bookkeeping.forget_history(node, resource))
        operations += actions.clear_failures(node, resource)
    who = Author(_text(request, "user") or "root", _text(request, "client") or "crm_resource")
    answer = {"cleaned": [[resource, names[node]] for node, resource in cleaned]}
    host.propose_for(asker, tuple(operations), Forget(cleaned), who, answer)


def _wait(host: Host, asker: Asker, request: Json) -> None:
    timeout_s = request.get("timeout_s", 60)
    if not isinstance(timeout_s, int | float) or not 0 < timeout_s <= WAIT_S_MAX:
        raise _usage("timeout_s", f"a number of seconds up to {WAIT_S_MAX:.0f}")
    host.wait_for(asker, float(timeout_s))


def _events(host: Host, asker: Asker, request: Json) -> None:  # noqa: ARG001
    host.follow(asker)


def _shutdown(host: Host, asker: Asker, request: Json) -> None:  # noqa: ARG001
    host.answer(asker)
    host.shut_down()


def _forget_node(host: Host, asker: Asker, request: Json) -> None:
    name = _text(request, "node")
    found = [node for node, known in reading.nodes(host.cib.root) if known == name]
    if not found:
        raise Refused(error("cib.no-such-node", f"there is no node {name}", "", "crm node show"), exit_code=EXIT_NO_SUCH)
    if host.roll.view is not None and found[0] in host.roll.view.members:
        raise Refused(error("controller.node-active", f"{name} is in the cluster", "", "stop it there first"))
    operations = (
        Operation(OpKind.DELETE, xpath=f"/cib/configuration/nodes/node[@id='{found[0]}']", multiple=True),
        Operation(OpKind.DELETE, xpath=f"/cib/status/node_state[@id='{found[0]}']", multiple=True),
    )
    host.propose_for(asker, operations, None, Author(_text(request, "user") or "root", "crm_node"), {})


def _fence(host: Host, asker: Asker, request: Json) -> None:
    action = _text(request, "action") or "reboot"
    if action not in ("reboot", "off", "on"):
        raise _usage("action", "reboot, off or on")
    delay_s, timeout_s = (_seconds(request, name) for name in ("delay_s", "timeout_s"))
    client = _text(request, "client") or "stonith_admin"
    host.fence(asker, FenceAsked(0, _text(request, "node"), action, client, delay_s * 1000, timeout_s * 1000))


def _confirm(host: Host, asker: Asker, request: Json) -> None:
    name = _text(request, "node")
    members = host.roll.view.members if host.roll.view is not None else ()
    if name in [host.roll.name(node) for node in members]:
        what = f"{name} is in the cluster: it is not down"
        raise Refused(error("controller.node-active", what, "", "stop it there, or fence it: crm node fence " + name))
    host.fence(asker, FenceAsked(0, name, "confirm", _text(request, "client") or "stonith_admin"))


def _fence_history(host: Host, asker: Asker, request: Json) -> None:
    records = host.fences.history.records(_text(request, "node"))
    if request.get("forget") is True:
        host.forget_fencing(_text(request, "node"))
    host.answer(asker, records=[asdict(record) for record in records])


def _fence_devices(host: Host, asker: Asker, request: Json) -> None:
    node = _text(request, "node")

    def render(plan: Plan) -> Json:
        facts = facts_of(plan.fencing)
        chosen = usable(facts, node) if node else facts.devices
        levels = levels_of(facts, node) if node else facts.levels
        return {"devices": [[d.id, d.agent, list(d.nodes)] for d in chosen], "levels": [asdict(level) for level in levels]}

    host.plan_for(asker, None, render)


def _seconds(request: Json, name: str) -> int:
    value = request.get(name, 0)
    if not isinstance(value, int) or not 0 <= value <= WAIT_S_MAX:
        raise _usage(name, f"a whole number of seconds up to {WAIT_S_MAX:.0f}")
    return value


def _text(request: Json, name: str) -> str:
    value = request.get(name) or ""
    if not isinstance(value, str):
        raise _usage(name, "a text is needed")
    return value


def _usage(name: str, why: str) -> Refused:
    return Refused(error("api.usage", f"{name}: {why}"), exit_code=EXIT_USAGE)


def _local(host: Host, asker: Asker, request: Json) -> None:  # noqa: ARG001
    host.answer(asker, name=host.roll.name(host.roll.local), node=str(host.roll.local))


VERBS: dict[str, Callable[[Host, Asker, Json], None]] = {
    "cib.apply": _apply,
    "cib.query": _query,
    "events": _events,
    "fence": _fence,
    "fence.confirm": _confirm,
    "fence.devices": _fence_devices,
    "fence.history": _fence_history,
    "node.forget": _forget_node,
    "node.local": _local,
    "node.shutdown": _shutdown,
    "plan": _plan,
    "resource.cleanup": _cleanup,
    "status": _status,
    "wait": _wait,
}
