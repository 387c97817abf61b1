"""Configuration of operations: `op` elements, their meta-attributes with defaults, on-fail, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.report import error
from standfast.scheduler.memory import Cluster, Node, OnFail, Resource
from standfast.scheduler.rules import Subject, nvpairs
from standfast.scheduler.values import DEFAULT_TIMEOUT_MS, INT_MAX, Role, interval_ms, parse_bool, parse_ms, parse_role

if TYPE_CHECKING:
    from lxml import etree


def find_config(rsc: Resource, task: str, interval: int, include_disabled: bool) -> etree._Element | None:
    """The `op` with this name and interval (ms). migrate_to and migrate_from fall back on `migrate`."""
    found = _find_exact(rsc, task, interval, include_disabled)
    if found is None and task in ("migrate_to", "migrate_from"):
        found = _find_exact(rsc, "migrate", 0, include_disabled)
    return found


def _find_exact(rsc: Resource, task: str, interval: int, include_disabled: bool) -> etree._Element | None:
    for op in rsc.ops_xml:
        if not include_disabled and parse_bool(op.get("enabled")) is False:
            continue
        if op.get("name") == task and interval_ms(op.get("interval")) == interval:
            return op
    return None


def rsc_params(cluster: Cluster, rsc: Resource, node: Node | None) -> dict[str, str]:
    """Instance attributes of a resource on a node (rules may look at the node), its own before its parents'. Cached."""
    name = "" if node is None else node.name
    cached = rsc.params.get(name)
    if cached is None:
        cached = {}
        owner: Resource | None = rsc
        subject = Subject(node_attrs=None if node is None else node.attrs)
        while owner is not None:
            nvpairs(cluster, owner.xml, "instance_attributes", subject, cached)
            owner = owner.parent
        rsc.params[name] = cached
    return cached


def op_params(cluster: Cluster, config: etree._Element | None, node: Node | None) -> dict[str, str]:
    """Instance attributes of an `op` element."""
    found: dict[str, str] = {}
    nvpairs(cluster, config, "instance_attributes", Subject(node_attrs=None if node is None else node.attrs), found)
    return found


def action_meta(
    cluster: Cluster, rsc: Resource, node: Node | None, task: str, interval: int, config: etree._Element | None
) -> dict[str, str]:
    """Meta-attributes of an operation: its own, a probe's timeout from the most frequent monitor, op_defaults; the timeout in
    ms always among them."""
    subject = Subject(agent=rsc.agent, op_name=task, op_interval_ms=interval)
    meta: dict[str, str] = {}
    if config is not None:
        nvpairs(cluster, config, "meta_attributes", subject, meta)
        meta.update({str(k): str(v) for k, v in config.attrib.items()})
    is_probe = task == "monitor" and interval == 0
    if is_probe and "timeout" not in meta:
        frequent = _most_frequent_monitor(rsc)
        if frequent is not None and frequent.get("timeout") is not None:
            meta["timeout"] = frequent.get("timeout") or ""
    for section in cluster.op_defaults:
        nvpairs(cluster, section, "meta_attributes", subject, meta)
    meta.pop("id", None)
    meta.pop("interval", None)
    if interval > 0:
        meta["interval"] = str(interval)
    if rsc.meta.get("class") == "stonith" and (task == "start" or is_probe):
        timeout = rsc_params(cluster, rsc, node).get("pcmk_monitor_timeout")
        if timeout is not None:
            meta["timeout"] = timeout
    meta["timeout"] = str(_timeout_ms(meta.get("timeout")))
    _validate_on_fail(cluster, rsc, task, config, meta)
    _set_start_delay(cluster, config, interval, meta)
    return meta


def _timeout_ms(text: str | None) -> int:
    value = None if text is None else parse_ms(text)
    return DEFAULT_TIMEOUT_MS if value is None or value <= 0 else min(value, INT_MAX)


def _set_start_delay(cluster: Cluster, config: etree._Element | None, interval: int, meta: dict[str, str]) -> None:
    """start-delay in ms; without one, interval-origin says how long until the interval next ticks."""
    from standfast.scheduler.dates import parse_date

    delay = meta.get("start-delay")
    if delay is not None:
        value = parse_ms(delay)
        meta["start-delay"] = str(0 if value is None else max(0, min(value, INT_MAX)))
        return
    stated = meta.get("interval-origin")
    origin = parse_date(stated, cluster.utc_offset_s)
    if stated is not None and origin is None and interval > 0:
        op_id = "(missing ID)" if config is None else config.get("id", "(missing ID)")
        what = f"Ignoring 'interval-origin' for operation '{op_id}' because '{stated}' is not valid"
        cluster.tell(error("scheduler.operation", what, where=op_id))
    seconds = interval // 1000
    if origin is not None and seconds > 0:
        cluster.now_matters()
        past = cluster.now_s - origin
        # C's remainder keeps the dividend's sign.
        rest = past % seconds if past >= 0 else -(-past % seconds)
        meta["start-delay"] = str(((0 if rest <= 0 else seconds) - rest) * 1000)


def _most_frequent_monitor(rsc: Resource) -> etree._Element | None:
    best: etree._Element | None = None
    best_ms = 0
    for op in rsc.ops_xml:
        interval = interval_ms(op.get("interval"))
        if op.get("name") != "monitor" or interval == 0 or parse_bool(op.get("enabled")) is False:
            continue
        if best is None or interval < best_ms:
            best, best_ms = op, interval
    return best


def _is_promoted_monitor(op: etree._Element) -> bool:
    return op.get("name") == "monitor" and parse_role(op.get("role")) == Role.PROMOTED and interval_ms(op.get("interval")) > 0


ON_FAIL = {
    "block": OnFail.BLOCK,
    "standby": OnFail.STANDBY,
    "ignore": OnFail.IGNORE,
    "nothing": OnFail.IGNORE,
    "migrate": OnFail.BAN,
    "stop": OnFail.STOP,
    "restart": OnFail.RESTART,
    "demote": OnFail.DEMOTE,
}


def _validate_on_fail(cluster: Cluster, rsc: Resource, task: str, config: etree._Element | None, meta: dict[str, str]) -> None:
    """Drop or set on-fail where the operation does not allow what is configured."""
    value = meta.get("on-fail")
    lowered = (value or "").lower()
    if task == "stop" and lowered in ("standby", "demote", "stop"):
        _reset_on_fail(cluster, rsc, "stop", value, "stop")
        meta.pop("on-fail", None)
    elif task == "demote" and value is None:
        for op in rsc.ops_xml:
            other = op.get("on-fail")
            if other is None or not _is_promoted_monitor(op) or parse_bool(op.get("enabled")) is False:
                continue
            if other.lower() != "demote":
                meta["on-fail"] = other
    elif task == "lrm_delete" and lowered != "ignore":
        meta["on-fail"] = "ignore"
    elif lowered == "demote" and config is not None and config.get("name") != "promote" and not _is_promoted_monitor(config):
        _reset_on_fail(cluster, rsc, config.get("name") or "", "demote", "it")
        meta.pop("on-fail", None)
    if "on-fail" in meta:
        _check_on_fail(cluster, rsc, task, meta["on-fail"])


def _check_on_fail(cluster: Cluster, rsc: Resource, task: str, value: str) -> None:
    """Say so when a value of on-fail means nothing, or nothing without fencing."""
    lowered = value.lower()
    if lowered == "fence" and not cluster.fencing_enabled:
        what = f"Resetting 'on-fail' for {task} of {rsc.id} to 'stop' because 'fence' is not valid when fencing is disabled"
        remedy = "configure a fencing device and set fencing-enabled=true, or choose another on-fail"
        cluster.tell(error("scheduler.on-fail", what, remedy=remedy, where=rsc.id))
    elif lowered not in ON_FAIL and lowered not in ("fence", "restart-container"):
        what = f"Using default 'on-fail' for {task} of {rsc.id} because '{value}' is not valid"
        cluster.tell(error("scheduler.on-fail", what, where=rsc.id))


def _reset_on_fail(cluster: Cluster, rsc: Resource, task: str, value: str | None, where: str) -> None:
    cluster.tell(
        error(
            "scheduler.on-fail",
            f"Resetting 'on-fail' for {rsc.id} {task} action to default value because '{value}' is not allowed for {where}",
            where=rsc.id,
        )
    )


def parse_on_fail(cluster: Cluster, rsc: Resource, task: str, interval: int, value: str | None) -> OnFail:
    """What the failure of an operation means; the default depends on the operation and on fencing."""
    lowered = (value or "").lower()
    # What drops an active connection to a remote node must end in fencing it: anything but a probe or start.
    behind = cluster.find_node(rsc.id) if rsc.connection else None
    resets = behind is not None and behind.is_remote and task != "start" and not (task == "monitor" and interval == 0)
    if resets and not rsc.managed:
        return OnFail.RESTART_CONTAINER if rsc.launcher is not None else OnFail.STOP
    if lowered in ON_FAIL:
        return ON_FAIL[lowered]
    if lowered == "fence":
        return OnFail.FENCE if cluster.fencing_enabled else OnFail.STOP
    if rsc.launcher is not None:
        return OnFail.RESTART_CONTAINER
    if resets:
        return OnFail.RESET_REMOTE
    if task == "stop":
        return OnFail.FENCE if cluster.fencing_enabled else OnFail.BLOCK
    return OnFail.RESTART


def role_after_failure(rsc: Resource, task: str, on_fail: OnFail) -> Role:
    """The role a resource should have after its operation failed."""
    if on_fail == OnFail.STOP or (on_fail == OnFail.RESET_REMOTE and rsc.reconnect_ms):
        return Role.STOPPED
    return Role.UNPROMOTED if task == "promote" else Role.STARTED
