"""Fail counts: node attributes `fail-count-RSC#OP_MS` and `last-failure-...`, summed per resource, expired together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.base.report import notice, warning
from standfast.scheduler.actions.ops import get_action
from standfast.scheduler.placement.scores import add_scores, parse_score
from standfast.scheduler.values import interval_ms, ms_to_s, parse_int

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.memory import Cluster, Node, Op, Resource
    from standfast.scheduler.unpack.entries import HistoryEntry


def readable_ms(span_ms: int) -> str:
    """A span as `1d2h3m4.005s`, parts that are nothing left out."""
    if span_ms == 0:
        return "0s"
    rest, milliseconds = divmod(span_ms, 1000)
    text = ""
    for unit, letter in ((86_400, "d"), (3600, "h"), (60, "m")):
        count, rest = divmod(rest, unit)
        text += f"{count}{letter}" if count else ""
    if rest or milliseconds:
        text += f"{rest}{f'.{milliseconds:03}' if milliseconds else ''}s"
    return text


@dataclass(frozen=True, slots=True)
class Fails:
    """A resource's failures on a node; `last_s` is 0 without failures."""

    count: int
    last_s: int


NO_FAILS = Fails(0, 0)


def any_failures(node: Node) -> bool:
    """Whether a node has any fail count at all: without, that of no resource need be looked for."""
    return any(name.startswith("fail-count-") for name in node.attrs)


def fail_name(rsc: Resource) -> str:
    """The name that fail counts carry: anonymous clones' instances share one."""
    name = rsc.history_id or rsc.id
    return name if rsc.unique else base_name(name)


def base_name(rsc_id: str) -> str:
    """An id without an instance's number."""
    return re.sub(r":\d+$", "", rsc_id)


def fail_count(cluster: Cluster, node: Node, rsc: Resource, effective: bool = True, entry: HistoryEntry | None = None) -> Fails:
    """Failures of `rsc` on `node`. `effective` leaves out what failure-timeout has expired; `entry` is the operation being
    looked at, for the check that on-fail=block never expires."""
    if not any_failures(node):
        return NO_FAILS
    count, last = 0, 0
    name = fail_name(rsc)
    counts, lasts = f"fail-count-{name}", f"last-failure-{name}"
    for key, value in node.attrs.items():
        if key.startswith(counts) and _is_operation(key[len(counts) :], rsc.unique):
            points = parse_score(value)
            if points is None:
                cluster.tell(warning("scheduler.fail-count", f"{key} on {node.name} is ignored", f"'{value}' is no fail count"))
                continue
            count = add_scores(count, points)
        elif key.startswith(lasts) and _is_operation(key[len(lasts) :], rsc.unique):
            last = max(last, parse_int(value) or 0)
    if count > 0 and rsc.failure_timeout_ms > 0 and _blocks(cluster, node, rsc, entry):
        cluster.tell(
            warning(
                "scheduler.failure-timeout",
                f"Ignoring failure timeout ({readable_ms(rsc.failure_timeout_ms)}) for {rsc.id} "
                "because it conflicts with on-fail=block",
                where=rsc.id,
            )
        )
        rsc.failure_timeout_ms = 0
    timeout_ms = rsc.failure_timeout_ms
    if effective and count > 0 and last > 0 and timeout_ms > 0 and cluster.has_come(last + ms_to_s(timeout_ms) + 1):
        count = 0
    return Fails(count, last if count > 0 else 0)


def launched_fail_count(cluster: Cluster, node: Node, rsc: Resource) -> int:
    """A resource's failures on a node, and those of what runs inside it (but for a bundle's container, whose connection may
    be on another node)."""
    count = fail_count(cluster, node, rsc).count
    if rsc.bundle() is None:
        for launched in rsc.launched:
            count = add_scores(count, fail_count(cluster, node, launched).count)
    return count


def _is_operation(rest: str, unique: bool) -> bool:
    return re.fullmatch(r"#.+_[0-9]+" if unique else r"(:[0-9]+)?#.+_[0-9]+", rest) is not None


def _blocks(cluster: Cluster, node: Node, rsc: Resource, entry: HistoryEntry | None) -> bool:
    """Whether an operation configured with on-fail=block is what failed."""
    name = base_name(rsc.id)
    for op in rsc.ops_xml:
        if op.get("on-fail") != "block":
            continue
        if entry is not None:
            if _is_failure_of(name, op, entry):
                return True
            continue
        for other in cluster.history.get((node.name, name), ()):
            if other.task == op.get("name") and _is_failure_of(name, op, other):
                return True
    return False


def _is_failure_of(name: str, op: etree._Element, entry: HistoryEntry) -> bool:
    interval = interval_ms(op.get("interval"))
    if interval != entry.interval_ms or (op.get("name") or "").lower() != entry.task.lower():
        return False
    if entry.id == f"{name}_last_failure_0":
        return True
    return entry.id == f"{name}_{op.get('name')}_{interval}" and entry.rc != entry.target_rc


def clear_failcount(cluster: Cluster, rsc: Resource, node: Node, reason: str) -> Op:
    """The coordinator's order to forget a resource's failures on a node."""
    op = get_action(cluster, rsc, "clear_failcount", node, optional=False)
    op.meta["op_no_wait"] = "true"
    cluster.tell(notice("scheduler.clear-failcount", f"the failures of {rsc.id} on {node.name} are cleared", reason))
    return op
