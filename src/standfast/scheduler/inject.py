"""What if: events put into a CIB as if they had happened: a node lost, an operation failed, a ticket granted, quorum gone.

Each function changes the <cib> element it is given (hand it a copy: `inject` makes one) and answers with notes: what was done, in
the words and under the element names of `crm_simulate`. Nothing is decided here. The entries are those that the controller and
the attribute manager would have written.

Pacemaker: lib/pacemaker/pcmk_injections.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.scheduler.memory import Cluster, op_key, walk
from standfast.scheduler.values import FEATURE_SET, parse_int

FAKE_UUID = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
ORIGIN = "crm_simulate"
INFINITE = "INFINITY"
EXIT_NO_SUCH = 105
_OK, _NOT_RUNNING = 0, 7
_SPEC = re.compile(r"([^@]+)@([^=]+)=\s*([+-]?\d+)")
_KEY = re.compile(r"(.+)_([^_]+)_(\d+)$")
_UP = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
_DOWN = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that was done (or simulated): a list item of the text, an element of the XML. Without an element it is a line
    on its own; `is_error` sends it where complaints go."""

    text: str
    element: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Injections:
    """Events to inject, applied in the order of these fields. "" leaves quorum and watchdog as they are; `operations` are
    RSC_TASK_INTERVALMS@NODE=RC."""

    quorum: str = ""
    watchdog: str = ""
    nodes_up: tuple[str, ...] = ()
    nodes_down: tuple[str, ...] = ()
    nodes_failed: tuple[str, ...] = ()
    tickets_granted: tuple[str, ...] = ()
    tickets_revoked: tuple[str, ...] = ()
    tickets_standby: tuple[str, ...] = ()
    tickets_activated: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to inject."""
        return self != Injections()


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """RSC_TASK_INTERVALMS@NODE=RC, taken apart."""

    resource: str
    task: str
    interval_ms: int
    node: str
    rc: int


def inject(cib: etree._Element, wanted: Injections, cluster: Cluster, now_s: int) -> tuple[etree._Element, list[Note]]:
    """All of `wanted` in a copy of `cib`, and what was done. `cluster` is the unpacked `cib`; `now_s` dates the entries.

    Raises Refused (105) for a node that is not configured.
    """
    copy = deepcopy(cib)
    notes: list[Note] = []
    if wanted.quorum:
        notes += set_quorum(copy, wanted.quorum)
    if wanted.watchdog:
        notes += set_watchdog(copy, wanted.watchdog)
    for change, names in ((node_up, wanted.nodes_up), (node_down, wanted.nodes_down), (node_failed, wanted.nodes_failed)):
        for name in names:
            notes += change(copy, name)
    for alter, tickets in (
        (ticket_granted, wanted.tickets_granted),
        (ticket_revoked, wanted.tickets_revoked),
        (ticket_standby, wanted.tickets_standby),
        (ticket_activated, wanted.tickets_activated),
    ):
        for ticket in tickets:
            notes += alter(copy, ticket)
    for spec in wanted.operations:
        notes += operation(copy, cluster, spec, now_s)
    return copy, notes


# ---- the cluster, its nodes, its tickets --------------------------------------------------------------------------------


def _bump(cib: etree._Element) -> None:
    """A change of the status section is a new num_updates."""
    cib.set("num_updates", str((parse_int(cib.get("num_updates")) or 0) + 1))


def set_quorum(cib: etree._Element, value: str) -> list[Note]:
    """`have-quorum` as given."""
    cib.set("have-quorum", value)
    _bump(cib)
    return [Note(f"Setting quorum: {value}", "quorum", (("value", value),))]


def set_watchdog(cib: etree._Element, value: str) -> list[Note]:
    """The option have-watchdog as given."""
    config = child(child(cib, "configuration"), "crm_config")
    found = next((pair for pair in config.iter("nvpair") if pair.get("name") == "have-watchdog"), None)
    if found is None:
        properties = config.find("cluster_property_set")
        if properties is None:
            properties = etree.SubElement(config, "cluster_property_set", id="cib-bootstrap-options")
        found = etree.SubElement(properties, "nvpair", id=f"{properties.get('id')}-have-watchdog", name="have-watchdog")
    found.set("value", value)
    _bump(cib)
    return [Note(f"Setting watchdog: {value}", "watchdog", (("value", value),))]


def node_up(cib: etree._Element, name: str) -> list[Note]:
    """A node joins; one that is not configured yet is added under its name as id."""
    nodes = child(child(cib, "configuration"), "nodes")
    if not any(node.get("uname") == name for node in cib.iter("node")):
        etree.SubElement(nodes, "node", id=name, uname=name)
    _change(node_state(cib, name), _UP)
    _bump(cib)
    return [_node_note(f"Bringing node {name} online", "Online", name)]


def node_down(cib: etree._Element, name: str) -> list[Note]:
    """A node has left in peace: nothing of it is active or remembered."""
    take_down(cib, name)
    return [_node_note(f"Taking node {name} offline", "Offline", name)]


def node_failed(cib: etree._Element, name: str) -> list[Note]:
    """A node is lost without a word: it was a member, and what it did is not known."""
    _change(node_state(cib, name), {**_UP, "in_ccm": "false"})
    _bump(cib)
    return [_node_note(f"Failing node {name}", "Failing", name)]


def _node_note(text: str, action: str, name: str) -> Note:
    return Note(text, "modify_node", (("action", action), ("node", name)))


def take_down(cib: etree._Element, name: str, node_id: str = "") -> None:
    """A node is off: its history and transient attributes are forgotten."""
    state = node_state(cib, name, node_id)
    _change(state, _DOWN)
    for part in list(state):
        if part.tag in ("lrm", "transient_attributes"):
            state.remove(part)
    _bump(cib)


def _change(state: etree._Element, values: dict[str, str]) -> None:
    for name, value in (*values.items(), ("crm-debug-origin", ORIGIN)):
        state.set(name, value)


def node_state(cib: etree._Element, name: str, node_id: str = "") -> etree._Element:
    """The node's <node_state>, made if there is none. Raises Refused (105) when nobody knows the node's id."""
    status = child(cib, "status")
    states = list(status.iterchildren("node_state"))
    for state in states:
        if state.get("uname") == name:
            return state
    if not node_id:
        node_id = next((str(node.get("id")) for node in cib.iter("node") if node.get("uname") == name), "")
    if not node_id and any(name in _remote_names(rsc) for rsc in cib.iter("primitive")):
        node_id = name
    if not node_id:
        what = f"there is no node {name}"
        raise Refused(
            error("simulate.no-such-node", what, "the configuration names none", "crm node show"), exit_code=EXIT_NO_SUCH
        )
    for state in states:
        if state.get("id") == node_id:
            state.set("uname", name)
            return state
    return etree.SubElement(status, "node_state", id=node_id, uname=name)


def _remote_names(rsc: etree._Element) -> tuple[str, ...]:
    """Names of nodes that a resource stands for: a remote connection, or a guest."""
    own = (rsc.get("id", ""),) if (rsc.get("provider"), rsc.get("type")) == ("pacemaker", "remote") else ()
    return own + tuple(str(pair.get("value")) for pair in rsc.iterfind("meta_attributes/nvpair[@name='remote-node']"))


def ticket_granted(cib: etree._Element, ticket: str) -> list[Note]:
    """A ticket comes to this site."""
    return _ticket(cib, ticket, "granted", "true", "Granting", f"Granting ticket {ticket}")


def ticket_revoked(cib: etree._Element, ticket: str) -> list[Note]:
    """A ticket leaves this site."""
    return _ticket(cib, ticket, "granted", "false", "Revoking", f"Revoking ticket {ticket}")


def ticket_standby(cib: etree._Element, ticket: str) -> list[Note]:
    """A ticket is to be used no more, but stays."""
    return _ticket(cib, ticket, "standby", "true", "Standby", f"Making ticket {ticket} standby")


def ticket_activated(cib: etree._Element, ticket: str) -> list[Note]:
    """A ticket on standby is used again."""
    return _ticket(cib, ticket, "standby", "false", "Activating", f"Activating ticket {ticket}")


def _ticket(cib: etree._Element, ticket: str, attribute: str, value: str, action: str, text: str) -> list[Note]:
    tickets = child(child(cib, "status"), "tickets")
    found = next((state for state in tickets.iterchildren("ticket_state") if state.get("id") == ticket), None)
    if found is None:
        found = etree.SubElement(tickets, "ticket_state", id=ticket)
    found.set(attribute, value)
    _bump(cib)
    return [Note(text, "modify_ticket", (("action", action), ("ticket", ticket)))]


# ---- results of operations ----------------------------------------------------------------------------------------------


def parse_operation(spec: str) -> OperationSpec | int:
    """A spec taken apart, or how many of its three fields (key, node, rc) could be read."""
    match = _SPEC.match(spec)
    if match is None:
        key, _, rest = spec.partition("@")
        if not key:
            return 0
        return 1 if not rest or rest.startswith("=") else 2
    parts = _KEY.match(match[1])
    resource, task, interval_ms = (parts[1], parts[2], int(parts[3])) if parts else (match[1], "", 0)
    return OperationSpec(resource, task, interval_ms, match[2], int(match[3]))


def operation(cib: etree._Element, cluster: Cluster, spec: str, now_s: int) -> list[Note]:
    """RSC_TASK_INTERVALMS@NODE=RC has happened: an entry in the history and, for a failure, in the fail counts."""
    notes = [Note(f"Injecting {spec} into the configuration", "inject_spec", (("spec", spec),))]
    found = parse_operation(spec)
    if isinstance(found, int):
        return [*notes, Note(f"Invalid operation spec: {spec}.  Only found {found} fields", is_error=True)]
    names = (rsc for rsc in walk(cluster.resources) if found.resource in (rsc.id, rsc.history_id, rsc.xml_id))
    rsc = next((rsc for rsc in names if not rsc.children), None)
    if rsc is None or not found.task:
        return [*notes, Note(f"Invalid resource name: {found.resource}", is_error=True)]
    state = node_state(cib, found.node)
    infinite = found.task == "stop" or (found.task == "start" and cluster.start_failure_fatal)
    notes += count_failure(state, found.resource, found.task, found.interval_ms, found.rc, now_s, infinite=infinite)
    history = resource_history(state, found.resource, found.resource, rsc.agent)
    result = Result(str(history.get("id")), found.task, found.interval_ms, found.rc, 0, found.node, now_s)
    record(history, result, "Simulated action result")
    _bump(cib)
    return notes


def fail(
    cib: etree._Element, cluster: Cluster, resource: str, task: str, node: str, now_s: int, interval_ms: int = 0, rc: int = 1
) -> list[Note]:
    """The operation `task` of a resource failed on a node: `operation` without the need to write a spec."""
    return operation(cib, cluster, f"{op_key(resource, task, interval_ms)}@{node}={rc}", now_s)


def count_failure(
    state: etree._Element, resource: str, task: str, interval_ms: int, rc: int, now_s: int, *, infinite: bool
) -> list[Note]:
    """One failure more in the node's transient attributes, and its time. A success, or a probe that found nothing, is none."""
    if rc == _OK or (rc == _NOT_RUNNING and interval_ms == 0):
        return []
    operation_name = f"{resource}#{task}_{interval_ms}"
    name = f"fail-count-{operation_name}"
    before = next((pair for pair in _transient(state) if pair.get("name") == name), None)
    count = parse_int(before.get("value")) if before is not None else None
    value = INFINITE if infinite or (before is not None and before.get("value") == INFINITE) else str((count or 0) + 1)
    return [_attribute(state, name, value), _attribute(state, f"last-failure-{operation_name}", str(now_s))]


def _transient(state: etree._Element) -> Iterator[etree._Element]:
    return state.iterfind("transient_attributes/instance_attributes/nvpair")


def _attribute(state: etree._Element, name: str, value: str) -> Note:
    pair = next((one for one in _transient(state) if one.get("name") == name), None)
    if pair is None:
        node_id = state.get("id", "")
        attributes = child(child(state, "transient_attributes", node_id), "instance_attributes", node_id)
        pair = etree.SubElement(attributes, "nvpair", id=re.sub(r"[^\w.-]", ".", f"{attributes.get('id')}-{name}"), name=name)
    pair.set("value", value)
    where = (("node_path", "/node_state"), ("cib_node", state.get("id", "")))
    text = f"Injecting attribute {name}={value} into /node_state '{state.get('id')}'"
    return Note(text, "inject_attr", (("name", name), ("value", value), *where))


def resource_history(state: etree._Element, resource: str, preferred: str, agent: tuple[str, str, str]) -> etree._Element:
    """The <lrm_resource> of a resource on a node: the one under its own name, or the preferred one (an instance of an anonymous
    clone is remembered under the plain name), made if there is neither."""
    resources = child(child(state, "lrm", state.get("id", "")), "lrm_resources")
    for name in (resource, preferred):
        found = [element for element in resources.iterchildren("lrm_resource") if element.get("id") == name]
        if len(found) == 1:  # several are ambiguous: none of them is touched
            return found[0]
    created = etree.SubElement(resources, "lrm_resource", id=preferred)
    for key, value in zip(("class", "provider", "type"), agent, strict=True):
        if value:
            created.set(key, value)
    return created


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation came to. `resource` is its name in the key; `migration` is (source, target) of a live migration."""

    resource: str
    task: str
    interval_ms: int
    rc: int
    expected_rc: int
    node: str
    now_s: int
    digest: str = ""
    notify: tuple[str, str] = ("", "")
    migration: tuple[str, str] | None = None


def record(history: etree._Element, result: Result, exit_reason: str) -> None:
    """Write a result as the controller does: a failure as the last one, and one-time operations as the last operation too."""
    task = "start" if result.task in ("reload", "reload-agent") else result.task
    key = op_key(result.resource, task, result.interval_ms)
    rc = _OK if task == "notify" else result.rc
    reason = ""
    if task == "notify":
        ids = [f"{result.resource}_{result.notify[0]}_notify_{result.notify[1]}_0"]
    elif result.migration is not None:
        ids = [key]
    elif rc != result.expected_rc:
        ids = [f"{result.resource}_last_failure_0"] + ([] if result.interval_ms else [f"{result.resource}_last_0"])
        reason = exit_reason
    else:
        ids = [key if result.interval_ms else f"{result.resource}_last_0"]
    call = 1 + max((parse_int(op.get("call-id")) or 0 for op in history), default=0)
    transition = f"{call}:-1:{result.expected_rc}:{FAKE_UUID}"
    values = {
        "operation_key": key,
        "operation": task,
        "crm-debug-origin": ORIGIN,
        "crm_feature_set": FEATURE_SET,
        "transition-key": transition,
        "transition-magic": f"0:{rc};{transition}",
        "exit-reason": reason,
        "on_node": result.node,
        "call-id": str(call),
        "rc-code": str(rc),
        "op-status": "0",
        "interval": str(result.interval_ms),
        "last-rc-change": str(result.now_s),
        "exec-time": "0",
        "queue-time": "0",
    }
    if result.migration is not None:
        values["migrate_source"], values["migrate_target"] = result.migration
    if result.digest:
        values["op-digest"] = result.digest
    for entry_id in ids:
        entry = next((op for op in history if op.get("id") == entry_id), None)
        if entry is None:
            entry = etree.SubElement(history, "lrm_rsc_op", id=entry_id)
        for name, value in values.items():
            entry.set(name, value)


def child(parent: etree._Element, tag: str, element_id: str = "") -> etree._Element:
    """The first child with a tag, made (with an id) if there is none."""
    found = parent.find(tag)
    if found is None:
        found = etree.SubElement(parent, tag)
        if element_id:
            found.set("id", element_id)
    return found
