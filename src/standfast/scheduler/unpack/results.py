"""One history entry: what its result means for the resource's role, its failures and where it may run."""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.report import error, notice, warning
from standfast.scheduler.actions.core import relate
from standfast.scheduler.actions.digests import compare_digest, needs_host_address
from standfast.scheduler.actions.meta import action_meta, find_config, parse_on_fail, role_after_failure
from standfast.scheduler.actions.ops import stop_action
from standfast.scheduler.fencing.ops import can_fence, fence_op
from standfast.scheduler.memory import AR_FIRST_IMPLIES_THEN, Cluster, Failure, Node, OnFail, Resource
from standfast.scheduler.placement.ledger import add_location, ban_everywhere
from standfast.scheduler.unpack import entries as e
from standfast.scheduler.unpack.entries import HistoryEntry
from standfast.scheduler.unpack.failcounts import clear_failcount, fail_count
from standfast.scheduler.unpack.migration import migrate_to_succeeded, migration_failed
from standfast.scheduler.values import RC_TEXT, Role, ms_to_s

INFINITY = 1_000_000
STATE_TASKS = ("monitor", "start", "stop", "promote", "demote", "migrate_to", "migrate_from", "asyncmon")
_HARD = (e.RC_NOT_INSTALLED, e.RC_INVALID_PARAM, e.RC_PRIVILEGES)


@dataclass(slots=True)
class Walk:
    """What a walk over one resource's history on one node carries along."""

    last_failure: HistoryEntry | None = None
    on_fail: OnFail = OnFail.IGNORE


@dataclass(slots=True)
class Result:
    """An entry's result while it is being reinterpreted. `rc` and `status` start as recorded."""

    rsc: Resource
    node: Node
    entry: HistoryEntry
    rc: int
    status: int

    @property
    def masked(self) -> bool:
        """Whether this is a failed probe that counts as "not running". In a bundle, it does not."""
        return self.entry.masks_failure and self.rsc.bundle() is None


def unpack_entry(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, walk: Walk) -> None:
    """Apply one entry; entries must come oldest first."""
    result = _readable(cluster, rsc, node, entry)
    if result is None:
        return
    expired = _check_expiry(cluster, result)
    original_rc = result.rc
    _remap(cluster, result, walk, expired)
    if expired and _skip_expired(cluster, result, original_rc):
        return
    if result.masked:
        _mask_probe_failure(cluster, result, original_rc, walk)
    elif result.status == e.PENDING:
        _pending(cluster, result, walk)
    elif result.status == e.DONE:
        _apply_success(cluster, result, result.rc, walk)
    elif result.status == e.NOT_INSTALLED:
        _agent_missing(cluster, result, walk)
    else:
        _apply_error(cluster, result, walk)


def _readable(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> Result | None:
    of_whom = f"for {rsc.id} on {node.name}"
    if not entry.id:
        cluster.tell(error("scheduler.history", f"Ignoring resource history entry {of_whom} without ID"))
        return None
    if not entry.task:
        cluster.tell(error("scheduler.history", f"Ignoring resource history entry {entry.id} {of_whom} without operation"))
        return None
    if entry.task not in STATE_TASKS:
        return None
    status, rc = entry.status, entry.rc
    wrong = ""
    if status is None or not e.PENDING <= status <= e.NO_SECRETS or status == e.CANCELLED:
        wrong = f"op-status '{entry.raw_status or ''}'"
    elif rc is None or not 0 <= rc <= 255:
        wrong = f"rc-code '{entry.raw_rc or ''}'"
    if wrong or status is None or rc is None:
        cluster.tell(error("scheduler.history", f"Ignoring resource history entry {entry.id} {of_whom} with invalid {wrong}"))
        return None
    return Result(rsc, node, entry, rc, status)


def _check_expiry(cluster: Cluster, result: Result) -> bool:
    """Whether failure-timeout has expired this entry; orders clearing of fail counts that expired or lost their meaning."""
    rsc, node, entry = result.rsc, result.node, result.entry
    if result.status == e.NOT_INSTALLED:
        return False
    expired = False
    reason = ""
    timeout_s = ms_to_s(rsc.failure_timeout_ms)
    unexpired = 0
    last_failure = entry.id.endswith("_last_failure_0")
    if timeout_s > 0 and entry.last_change_s >= 0:
        expired = cluster.has_come(entry.last_change_s + timeout_s) and not _waits_for_fencing(cluster, rsc, entry)
        fails = fail_count(cluster, node, rsc, effective=True, entry=entry)
        unexpired = fails.count
        if unexpired and cluster.now_s < fails.last_s + timeout_s + 1:
            cluster.recheck(fails.last_s + timeout_s + 1)
    if expired and fail_count(cluster, node, rsc, effective=False, entry=entry).count:
        if unexpired == 0:
            reason = "it expired"
        else:
            expired = False
    elif expired and last_failure and rsc.reconnect_ms:
        reason = "reconnect interval is set"
    if not expired and last_failure and entry.task in ("start", "monitor") and _params_changed(cluster, result):
        reason = "resource parameters have changed"
    if reason:
        clear = clear_failcount(cluster, rsc, node, reason)
        behind = cluster.find_node(rsc.id) if rsc.reconnect_ms and cluster.fencing_enabled else None
        if behind is not None:
            # Only after the remote node was fenced, if it is to be.
            fencing = fence_op(cluster, behind, None, optional=True, reason="", delay=False)
            relate(fencing, clear, AR_FIRST_IMPLIES_THEN)
    if (
        expired
        and entry.is_probe
        and result.rc
        in (
            e.RC_OK,
            e.RC_NOT_RUNNING,
            e.RC_PROMOTED,
            e.RC_DEGRADED,
            e.RC_DEGRADED_PROMOTED,
        )
    ):
        expired = False
    return expired


def _waits_for_fencing(cluster: Cluster, rsc: Resource, entry: HistoryEntry) -> bool:
    """A recurring monitor's failure of a connection with a reconnect interval ends when the remote node was fenced: the
    executor reports changes only, so one that goes on would not be noticed again."""
    if not rsc.reconnect_ms or not cluster.fencing_enabled or entry.task != "monitor" or entry.interval_ms == 0:
        return False
    behind = cluster.find_node(rsc.id)
    return behind is not None and not behind.remote_fenced


def _params_changed(cluster: Cluster, result: Result) -> bool:
    rsc, node, entry = result.rsc, result.node, result.entry
    if needs_host_address(cluster, rsc):
        cluster.deferred_checks.append((rsc, node, entry, False))
        return False
    return compare_digest(cluster, rsc, node, entry).result not in ("unknown", "match")


def _remap(cluster: Cluster, result: Result, walk: Walk, expired: bool) -> None:
    """Reinterpret what the agent said: degraded is good, an expected result is no error, some codes are final."""
    entry = result.entry
    if result.rc in (e.RC_DEGRADED, e.RC_DEGRADED_PROMOTED):
        result.rc = e.RC_OK if result.rc == e.RC_DEGRADED else e.RC_PROMOTED
        if not expired and (not result.node.shutdown or result.node.online):
            _record_failure(cluster, result)
    if result.masked and (result.status != e.DONE or result.rc != e.RC_NOT_RUNNING):
        result.status, result.rc = e.DONE, e.RC_NOT_RUNNING
    if result.status in (e.NO_FENCE_DEVICE, e.NO_SECRETS):
        result.status = e.ERROR_HARD
        return
    if result.status not in (e.DONE, e.ERROR):
        return
    result.status = e.DONE if entry.target_rc >= 0 and result.rc == entry.target_rc else e.ERROR
    if entry.target_rc < 0:
        what = f"Expected result not found for {entry.key} on {result.node.name} (corrupt or obsolete CIB?)"
        cluster.tell(warning("scheduler.no-expected-result", what))
    _remap_by_rc(cluster, result, walk, expired)


def _remap_by_rc(cluster: Cluster, result: Result, walk: Walk, expired: bool) -> None:
    """What each of OCF's exit codes means beyond "expected" and "unexpected"."""
    entry, rsc = result.entry, result.rsc
    match result.rc:
        case e.RC_OK:
            if entry.is_probe and entry.target_rc == e.RC_NOT_RUNNING:
                result.status = e.DONE
        case e.RC_NOT_RUNNING:
            if entry.is_probe or entry.target_rc == result.rc or not rsc.managed:
                result.status = e.DONE
                rsc.role = Role.STOPPED
                walk.on_fail = OnFail.IGNORE
                rsc.next_role = Role.UNKNOWN
        case e.RC_PROMOTED:
            if entry.is_probe and result.rc != entry.target_rc:
                result.status = e.DONE
            if not expired or result.rc == entry.target_rc:
                rsc.role = Role.PROMOTED
        case e.RC_FAILED_PROMOTED:
            if not expired:
                rsc.role = Role.PROMOTED
            result.status = e.ERROR
        case e.RC_NOT_CONFIGURED:
            result.status = e.ERROR_FATAL
        case e.RC_UNIMPLEMENTED if entry.interval_ms > 0:
            result.status = e.NOT_SUPPORTED
        case e.RC_UNIMPLEMENTED | e.RC_NOT_INSTALLED | e.RC_INVALID_PARAM | e.RC_PRIVILEGES:
            _hard_error(cluster, result, expired)
        case _:
            result.status = e.ERROR


def _hard_error(cluster: Cluster, result: Result, expired: bool) -> None:
    """No retry on this node; a stop that can't be had, nor replaced by fencing, blocks the resource."""
    if not expired and result.entry.task == "stop" and not can_fence(cluster, result.node):
        what = f"No further recovery can be attempted for {result.rsc.id} because stop on {result.node.name} failed"
        cluster.tell(error("scheduler.failure", f"{what} ({_said(result)})"))
        result.rsc.managed = False
        result.rsc.blocked = True
    result.status = e.ERROR_HARD


def _skip_expired(cluster: Cluster, result: Result, original_rc: int) -> bool:
    """Whether an expired entry has nothing more to say."""
    rsc, entry = result.rsc, result.entry
    if result.masked and original_rc != entry.target_rc:
        if rsc.role <= Role.STOPPED:
            rsc.role = Role.UNKNOWN
        return True
    if result.rc == entry.target_rc:
        return False
    if entry.interval_ms == 0:
        cluster.tell(
            notice("scheduler.expired", f"history entry {entry.id} on {result.node.name} is ignored", "its failure expired")
        )
        return True
    if result.node.online and not result.node.unclean:
        cluster.tell(
            notice("scheduler.expired", f"{entry.task} of {rsc.id} on {result.node.name} is rescheduled", "its failure expired")
        )
        cluster.expired.add(entry)
        return True
    return False


def _mask_probe_failure(cluster: Cluster, result: Result, original_rc: int, walk: Walk) -> None:
    rsc, node = result.rsc, result.node
    ban = rsc if rsc.unique else rsc.top()
    cluster.tell(notice("scheduler.probe", f"the probe of {rsc.id} on {node.name} counts as 'not running'", f"rc {original_rc}"))
    _apply_success(cluster, result, result.entry.target_rc, walk)
    _record_failure(cluster, result)
    add_location(cluster, ban, node, -INFINITY, "masked-probe-failure")


def _failure_is_newer(entry: HistoryEntry, failure: HistoryEntry | None) -> bool:
    return (
        failure is not None
        and failure.task == entry.task
        and failure.interval_ms == entry.interval_ms
        and entry.last_change_s >= 0
        and failure.last_change_s >= entry.last_change_s
    )


def _pending(cluster: Cluster, result: Result, walk: Walk) -> None:
    rsc, entry = result.rsc, result.entry
    if _failure_is_newer(entry, walk.last_failure):
        return
    if entry.task == "start":
        rsc.start_pending = True
        set_active(rsc)
    elif entry.task == "promote":
        rsc.role = Role.PROMOTED
    elif entry.task == "migrate_to" and result.node.unclean:
        target = cluster.find_node(entry.migrate_target)
        if target is not None:
            stop_action(cluster, rsc, target, optional=False)
    if not rsc.pending_action and not entry.is_probe:
        rsc.pending_action = entry.task
        rsc.pending_node = result.node


def set_active(rsc: Resource) -> None:
    """The role of something that is merely active."""
    rsc.role = Role.UNPROMOTED if rsc.top().promotable else Role.STARTED


def _apply_success(cluster: Cluster, result: Result, rc: int, walk: Walk) -> None:
    """The role after an operation that did what it should; it may also end an earlier failure."""
    rsc, entry = result.rsc, result.entry
    clears = False
    if rc == e.RC_NOT_INSTALLED or result.masked:
        rsc.role = Role.STOPPED
    elif rc == e.RC_NOT_RUNNING:
        clears = True
    else:
        match entry.task:
            case "monitor":
                clears = walk.last_failure is not None and entry.key == walk.last_failure.key
                if rsc.role < Role.STARTED:
                    set_active(rsc)
            case "start" | "migrate_from":
                rsc.role, clears = Role.STARTED, True
            case "stop":
                rsc.role, clears = Role.STOPPED, True
            case "promote":
                rsc.role, clears = Role.PROMOTED, True
            case "demote":
                rsc.role, clears = Role.UNPROMOTED, walk.on_fail == OnFail.DEMOTE
            case "migrate_to":
                migrate_to_succeeded(cluster, rsc, result.node, entry)
            case _ if rsc.role < Role.STARTED:
                set_active(rsc)
            case _:
                pass
    stays = walk.on_fail in (OnFail.STOP, OnFail.BAN, OnFail.STANDBY, OnFail.FENCE)
    # With a reconnect interval, a connection starts again only when its failure is cleared.
    if walk.on_fail == OnFail.RESET_REMOTE and rsc.reconnect_ms:
        stays = True
    if clears and not stays:
        walk.on_fail = OnFail.IGNORE
        rsc.next_role = Role.UNKNOWN


def _handling(cluster: Cluster, result: Result) -> tuple[OnFail, Role]:
    rsc, entry = result.rsc, result.entry
    config = find_config(rsc, entry.task, entry.interval_ms, include_disabled=True)
    meta = action_meta(cluster, rsc, result.node, entry.task, entry.interval_ms, config)
    on_fail = parse_on_fail(cluster, rsc, entry.task, entry.interval_ms, meta.get("on-fail"))
    return on_fail, role_after_failure(rsc, entry.task, on_fail)


def _agent_missing(cluster: Cluster, result: Result, walk: Walk) -> None:
    on_fail, role = _handling(cluster, result)
    if on_fail == OnFail.IGNORE:
        walk.on_fail = OnFail.BAN
    parent = result.rsc if result.rsc.unique else result.rsc.top()
    add_location(cluster, parent, result.node, -INFINITY, "hard-error")
    _apply_failure(cluster, result, on_fail, role, walk)


def _apply_error(cluster: Cluster, result: Result, walk: Walk) -> None:
    rsc, connection = result.rsc, result.node.remote
    if result.status == e.NOT_CONNECTED and result.node.kind == "remote" and connection is not None and connection.managed:
        # Should not be possible with a connection that works.
        connection.failed = connection.stop_if_failed = True
    on_fail, role = _handling(cluster, result)
    with_container = on_fail == OnFail.RESTART_CONTAINER and result.entry.task == "stop"
    if on_fail == OnFail.IGNORE or with_container:
        _apply_success(cluster, result, result.entry.target_rc, walk)
        rsc.ignore_failure = True
        _record_failure(cluster, result)
        if with_container and walk.on_fail <= OnFail.RESTART:
            walk.on_fail = on_fail
        return
    _apply_failure(cluster, result, on_fail, role, walk)
    parent = rsc if rsc.unique else rsc.top()
    if result.status == e.ERROR_HARD:
        add_location(cluster, parent, result.node, -INFINITY, "hard-error")
        told = error if result.rc != e.RC_NOT_INSTALLED else notice
        what = f"Preventing {parent.id} from restarting on {result.node.name} because of hard failure ({_said(result)})"
        cluster.tell(told("scheduler.failure", what))
    elif result.status == e.ERROR_FATAL:
        what = f"Preventing {parent.id} from restarting anywhere because of fatal failure ({_said(result)})"
        cluster.tell(error("scheduler.failure", what))
        add_location(cluster, parent, None, -INFINITY, "fatal-error")


def _said(result: Result) -> str:
    """What the agent said: the meaning of its code, and its reason if it gave one."""
    text = RC_TEXT.get(result.rc, "Unknown exit status")
    return f"{text}: {result.entry.exit_reason}" if result.entry.exit_reason else text


def _apply_failure(cluster: Cluster, result: Result, on_fail: OnFail, role: Role, walk: Walk) -> None:
    rsc, node, entry = result.rsc, result.node, result.entry
    if cluster.symmetric or result.rc != e.RC_NOT_INSTALLED:
        task = "probe" if entry.is_probe else entry.task
        what = f"Unexpected result ({_said(result)}) was recorded for {task} of {rsc.id} on {node.name}"
        cluster.tell(warning("scheduler.failure", what))
    walk.last_failure = entry
    if cluster.symmetric or result.rc != e.RC_NOT_INSTALLED:
        _record_failure(cluster, result)
    walk.on_fail = max(walk.on_fail, on_fail)
    match entry.task:
        case "stop":
            add_location(cluster, rsc, node, -INFINITY, "__stop_fail__")
        case "migrate_to" | "migrate_from":
            migration_failed(cluster, rsc, node, entry)
        case "promote":
            rsc.role = Role.PROMOTED
        case "demote":
            _demote_failed(rsc, on_fail, result.rc)
        case _:
            pass
    if entry.is_probe and result.rc == e.RC_NOT_INSTALLED:
        rsc.role = Role.STOPPED
    elif rsc.role < Role.STARTED:
        set_active(rsc)
    if role != Role.STARTED and rsc.next_role < role:
        rsc.next_role = role
    if role == Role.STOPPED:
        parent = rsc.top()
        ban_everywhere(cluster, rsc if parent.unique else parent, "on-fail")


def _demote_failed(rsc: Resource, on_fail: OnFail, rc: int) -> None:
    if on_fail == OnFail.BLOCK:
        rsc.role = Role.PROMOTED
        rsc.next_role = Role.STOPPED
    else:
        rsc.role = Role.STOPPED if rc == e.RC_NOT_RUNNING else Role.UNPROMOTED


def _record_failure(cluster: Cluster, result: Result) -> None:
    """Keep a failure for status commands, once per operation and node."""
    if not result.node.online:
        return
    for failure in cluster.failures:
        if failure.entry.key == result.entry.key and failure.node is result.node:
            return
    cluster.failures.append(Failure(result.entry, result.node, result.rsc))
