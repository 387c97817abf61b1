"""The record of an operation in the CIB's status section: `lrm_rsc_op`, as Pacemaker's tools and its scheduler read it.

Owns: which entries a result makes and replaces, their attributes and order, and the digests of parameters. Does not own
writing them (the controller) or reading them (the scheduler). Follows pcmk__create_history_xml (lib/pacemaker/
pcmk_sched_actions.c) and controld_add_resource_history_xml (daemons/controld/controld_cib.c); digests are Pacemaker 2.1.5's.

What one result makes, with RSC for the resource:

| operation | entry that is made (and replaces its namesake) |
|---|---|
| single, as expected | RSC_last_0 |
| single, failed | RSC_last_failure_0 and RSC_last_0 |
| repeated, as expected | RSC_ACTION_INTERVAL |
| repeated, failed | RSC_last_failure_0 only: the last good RSC_ACTION_INTERVAL stays |
| migrate_to, migrate_from | RSC_migrate_to_0, RSC_migrate_from_0, failed or not |
| notify, meta-data, ... (UNRECORDED) | none |
| cancelled | none; the cancelled RSC_ACTION_INTERVAL is deleted (`cancelled_id`) |
"""

from __future__ import annotations

import hashlib
import re

from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed
from standfast.executor.api import AgentClass, OpStatus, Rc, Request, Result
from standfast.executor.codes import is_failure
from standfast.executor.environment import FEATURE_SET
from standfast.executor.metadata import AgentMetadata

ORIGIN = "standfast"
"""crm-debug-origin: who wrote the entry."""

UNRECORDED = frozenset({"cancel", "delete", "notify", "meta-data", "validate-all"})
"""Operations that leave no history (controld_action_is_recordable)."""

_MIGRATIONS = ("migrate_to", "migrate_from")
_RELOADS = ("reload", "reload-agent")
_NEEDS_METADATA = frozenset({"start", "monitor", "promote", "demote", "reload", "reload-agent", "migrate_to", "migrate_from"})
"""Operations whose record carries the digests for reload and for secrets (crm_op_needs_metadata)."""

_NOT_IN_DIGEST = frozenset({"id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"})

PENDING_CALL_ID = -1
PENDING_RC = 193
"""What an operation under way is recorded with (PCMK_OCF_UNKNOWN)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `lrm_rsc_op`: its attributes in Pacemaker's order, `id` first. It replaces the entry of the same id in the same
    `lrm_resource` as a whole."""

    attributes: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """The entry's id, unique within its resource."""
        return self.attributes[0][1]

    def get(self, name: str) -> str | None:
        """The value of an attribute."""
        return dict(self.attributes).get(name)

    def xml(self) -> str:
        """The element as text."""
        return "<lrm_rsc_op " + " ".join(f'{name}="{_xml_value(value)}"' for name, value in self.attributes) + "/>"


@dataclass(frozen=True, slots=True)
class TransitionKey:
    """`ACTION:TRANSITION:TARGET_RC:UUID`, the name of an action of a graph."""

    action: int
    transition: int
    target_rc: int
    uuid: str

    def __str__(self) -> str:
        return f"{self.action}:{self.transition}:{self.target_rc}:{self.uuid}"


def parse_transition_key(text: str) -> TransitionKey:
    """Read a transition key. Raises Malformed."""
    parts = text.split(":", 3)
    if len(parts) != 4 or len(text) > 128:
        raise Malformed("transition-key", f"{text[:80]!r} is not ACTION:TRANSITION:TARGET_RC:UUID")
    numbers = []
    for part in parts[:3]:
        digits = part.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10):
            raise Malformed("transition-key", f"{part[:20]!r} is not a number")
        numbers.append(int(part))
    return TransitionKey(numbers[0], numbers[1], numbers[2], parts[3])


def expected_rc(transition_key: str) -> int:
    """What the graph expected of the operation: the third part of its key, 0 (ok) when there is no telling."""
    try:
        return parse_transition_key(transition_key).target_rc
    except Malformed:
        return Rc.OK


def has_failed(result: Result) -> bool:
    """Whether the result is a failure in the eyes of its transition."""
    return is_failure(result.status, result.rc, expected_rc(result.request.transition_key))


# ---- entries --------------------------------------------------------------------------------------------------------


def entries(
    result: Result, node: str, metadata: AgentMetadata | None = None, feature_set: str = FEATURE_SET
) -> tuple[Entry, ...]:
    """What `result` leaves in the history of its resource on `node`; () for a cancelled one and for what is not recorded.

    `metadata` is the agent's, None where it could not be had: then there are no digests for reload."""
    if result.request.action in UNRECORDED or result.status is OpStatus.CANCELLED:
        return ()
    ids = _ids(result)
    shared = _attributes(result, node, feature_set)
    digests = _digests(result.request, metadata)
    reason = result.reason if ids[0].endswith("_last_failure_0") else ""
    return tuple(Entry((("id", name), *_with_reason(shared, reason), *digests)) for name in ids)


def pending(request: Request, node: str, now_s: int, feature_set: str = FEATURE_SET) -> tuple[Entry, ...]:
    """The entry of an operation that has been asked for and not answered (`record-pending`), () for what is not recorded."""
    result = Result(request, PENDING_CALL_ID, OpStatus.PENDING, PENDING_RC, "", now_s, now_s, 0, 0)
    return entries(result, node, None, feature_set)


def cancelled_id(result: Result) -> str | None:
    """The id of the entry of a cancelled repeated operation, which has to be deleted; a last_failure of it stays."""
    is_cancelled = result.status is OpStatus.CANCELLED and result.request.interval_ms > 0
    return result.request.key if is_cancelled else None


def resource_attributes(request: Request) -> tuple[tuple[str, str], ...]:
    """The attributes of the `lrm_resource` that holds the entries."""
    agent = request.agent
    provider = (("provider", agent.provider),) if agent.provider else ()
    return (("id", request.resource), ("class", agent.standard.value), *provider, ("type", agent.type))


def _ids(result: Result) -> tuple[str, ...]:
    request = result.request
    if request.action in _MIGRATIONS:
        return (request.key,)
    if has_failed(result):
        last = () if request.interval_ms else (f"{request.resource}_last_0",)
        return (f"{request.resource}_last_failure_0", *last)
    return (request.key if request.interval_ms else f"{request.resource}_last_0",)


def _attributes(result: Result, node: str, feature_set: str) -> tuple[tuple[str, str], ...]:
    """Everything between the id and the digests."""
    request = result.request
    task = _task(result)
    key = request.transition_key
    values = [
        ("operation_key", f"{request.resource}_{task}_{request.interval_ms}"),
        ("operation", task),
        ("crm-debug-origin", ORIGIN),
        ("crm_feature_set", feature_set),
        ("transition-key", key),
        ("transition-magic", f"{int(result.status)}:{result.rc};{key}"),
        ("exit-reason", ""),
        ("on_node", node),
        ("call-id", str(result.call_id)),
        ("rc-code", str(result.rc)),
        ("op-status", str(int(result.status))),
        ("interval", str(request.interval_ms)),
        ("last-rc-change", str(result.last_rc_change_s if request.interval_ms else result.last_run_s)),
        ("exec-time", str(result.exec_ms)),
        ("queue-time", str(result.queue_ms)),
    ]
    if request.action in _MIGRATIONS:
        meta = dict(request.meta)
        values += [(name, meta[name]) for name in ("migrate_source", "migrate_target") if name in meta]
    return tuple(values)


def _with_reason(attributes: tuple[tuple[str, str], ...], reason: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, reason if name == "exit-reason" else value) for name, value in attributes)


def _task(result: Result) -> str:
    """A reload that worked is recorded as a start, one that did not as a monitor: the scheduler then sees the state."""
    if result.request.action in _RELOADS:
        return "start" if result.status is OpStatus.DONE else "monitor"
    return result.request.action


# ---- digests --------------------------------------------------------------------------------------------------------


def digest(parameters: tuple[tuple[str, str], ...]) -> str:
    r"""MD5 of ` <parameters a="1" b="2"/>\n` with the names sorted, as Pacemaker 2.1.5 writes XML for digests."""
    inside = "".join(f' {name}="{_digest_value(value)}"' for name, value in sorted(parameters))
    return hashlib.md5(f" <parameters{inside}/>\n".encode(errors="replace"), usedforsecurity=False).hexdigest()


def operation_parameters(request: Request) -> tuple[tuple[str, str], ...]:
    """The parameters that `op-digest` covers: all but Pacemaker's own, and the time limit of a repeated operation."""
    values = [(n, v) for n, v in request.parameters if n not in _NOT_IN_DIGEST and not n.startswith("CRM_meta_")]
    if request.interval_ms:
        values.append(("CRM_meta_timeout", str(request.timeout_ms)))
    return tuple(sorted(values))


def _digests(request: Request, metadata: AgentMetadata | None) -> tuple[tuple[str, str], ...]:
    parameters = operation_parameters(request)
    found = [("op-digest", digest(parameters))]
    if metadata is not None and request.agent.standard is AgentClass.OCF and request.action in _NEEDS_METADATA:
        values = dict(request.parameters)
        if not request.interval_ms and metadata.reload_action:
            names = metadata.restart_parameters
            restart = tuple((n, values[n]) for n in names if n in values)
            found += [("op-force-restart", _words(names)), ("op-restart-digest", digest(restart))]
        hidden = metadata.private_parameters
        if hidden:
            secure = tuple((n, v) for n, v in parameters if n not in hidden)
            found += [("op-secure-params", _words(hidden)), ("op-secure-digest", digest(secure))]
    return tuple(found)


def _words(names: tuple[str, ...]) -> str:
    """Names that are later looked for as ` NAME `; Pacemaker's list is last first."""
    return f" {' '.join(reversed(names))} " if names else ""


_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_XML_ESCAPES = str.maketrans(_XML_ENTITIES | {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})

# crm_xml_escape of 2.1.5 as observed: four spaces for a tab, backslash letters for line ends, octal for other control characters.
_DIGEST_ESCAPES = str.maketrans(
    {chr(n): f"\\{n:03o}" for n in (*range(0x20), 0x7F)} | _XML_ENTITIES | {"'": "&apos;", "\t": "    ", "\n": "\\n", "\r": "\\r"}
)


def _digest_value(value: str) -> str:
    return value.translate(_DIGEST_ESCAPES)


def _xml_value(value: str) -> str:
    """`value` inside double quotes; what XML 1.0 cannot hold is shown as U+FFFD."""
    legal = "".join(
        c if c in "\t\n\r" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE or ord(c) > 0xFFFF else "�" for c in value
    )
    return legal.translate(_XML_ESCAPES)
