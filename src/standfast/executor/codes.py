"""What an ending means: exit code, signal, time limit or failure to start -> status, OCF code and a sentence.

Owns the tables of codes and their words (as Pacemaker 2.1.5 prints them) and the reading of an agent's `ocf-exit-reason:`
lines. Does not own what follows from a failure: that is the scheduler's.
"""

from __future__ import annotations

import signal

from standfast.base.dataclass import dataclass
from standfast.executor.api import AgentClass, AgentExited, Fault, OpStatus, Rc

REASON_CHARS_MAX = 1024
"""The longest reason kept (api.Result.reason)."""

REASON_PREFIX = "ocf-exit-reason:"
"""What an OCF agent writes before the reason, on stderr (ocf-shellfuncs, ocf_exit_reason)."""

_RC_WORDS: dict[int, str] = {
    Rc.OK: "ok",
    Rc.UNKNOWN_ERROR: "error",
    Rc.INVALID_PARAM: "invalid parameter",
    Rc.UNIMPLEMENT_FEATURE: "unimplemented feature",
    Rc.INSUFFICIENT_PRIV: "insufficient privileges",
    Rc.NOT_INSTALLED: "not installed",
    Rc.NOT_CONFIGURED: "not configured",
    Rc.NOT_RUNNING: "not running",
    Rc.RUNNING_PROMOTED: "promoted",
    Rc.FAILED_PROMOTED: "promoted (failed)",
    Rc.DEGRADED: "OCF_DEGRADED",
    Rc.DEGRADED_PROMOTED: "promoted (degraded)",
}

_STATUS_WORDS: dict[int, str] = {
    OpStatus.PENDING: "pending",
    OpStatus.DONE: "complete",
    OpStatus.CANCELLED: "Cancelled",
    OpStatus.TIMEOUT: "Timed Out",
    OpStatus.NOT_SUPPORTED: "NOT SUPPORTED",
    OpStatus.ERROR: "Error",
    OpStatus.NOT_INSTALLED: "Not installed",
}

_RUNNING = frozenset({Rc.OK, Rc.RUNNING_PROMOTED, Rc.DEGRADED, Rc.DEGRADED_PROMOTED})

_LSB_STATUS: dict[int, Rc] = {
    # LSB 5.0, 22.2: the codes of `status` are its own; those of other actions agree with OCF up to 7.
    0: Rc.OK,
    1: Rc.NOT_RUNNING,  # dead, and its pid file is still there
    2: Rc.NOT_RUNNING,  # dead, and its lock file is still there
    3: Rc.NOT_RUNNING,
    # from here on Pacemaker's own, in the range that LSB leaves to applications (services_lsb.h); 4 is "unknown"
    150: Rc.NOT_INSTALLED,
    151: Rc.INSUFFICIENT_PRIV,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, for the record: `reason` is one line of text, "" when the code says it all."""

    status: OpStatus
    rc: int
    reason: str = ""


def meaning(rc: int) -> str:
    """The words for an OCF exit code, as `crm_mon` 2.1.5 prints them; "unknown" for a code that has none."""
    return _RC_WORDS.get(rc, "unknown")


def status_words(status: int) -> str:
    """The words for an operation status, as `crm_mon` 2.1.5 prints them."""
    return _STATUS_WORDS.get(status, "UNKNOWN!")


def is_running(rc: int) -> bool:
    """Whether a monitor that returned `rc` found the resource active and well (degraded counts as well)."""
    return rc in _RUNNING


def may_be_promoted(rc: int) -> bool:
    """Whether a monitor that returned `rc` found the resource in the promoted role, well or not."""
    return rc in (Rc.RUNNING_PROMOTED, Rc.FAILED_PROMOTED, Rc.DEGRADED_PROMOTED)


def is_failure(status: OpStatus, rc: int, expected_rc: int) -> bool:
    """Whether the record of an operation is a failure: Pacemaker's did_rsc_op_fail (lib/common/actions.c)."""
    if status in (OpStatus.CANCELLED, OpStatus.PENDING):
        return False
    if status in (OpStatus.NOT_SUPPORTED, OpStatus.TIMEOUT, OpStatus.ERROR):
        return True
    return rc != expected_rc


def explain(status: OpStatus, rc: int) -> str:
    """A result in one phrase: the code's words when the agent answered, else why it did not."""
    return meaning(rc) if status is OpStatus.DONE else status_words(status)


def lsb_to_ocf(action: str, rc: int) -> int:
    """An init script's exit code as an OCF one. Raises nothing: a code outside the standard is a plain error."""
    if action in ("status", "monitor"):
        return _LSB_STATUS.get(rc, Rc.UNKNOWN_ERROR)
    return rc if Rc.OK <= rc <= Rc.NOT_RUNNING else Rc.UNKNOWN_ERROR


# ---- how runs end ---------------------------------------------------------------------------------------------------


def of_exit(standard: AgentClass, action: str, exited: AgentExited) -> Outcome:
    """The outcome of a process (ocf, lsb) or a unit's job (systemd) that ended by itself."""
    if exited.rc is None:
        return _of_fault(exited)
    if exited.rc < 0:
        return Outcome(OpStatus.ERROR, Rc.UNKNOWN_ERROR, f"Resource agent interrupted by {signal_words(-exited.rc)} signal")
    if standard is AgentClass.OCF:
        return Outcome(OpStatus.DONE, exited.rc, exit_reason(exited.stderr))
    if standard is AgentClass.SYSTEMD:
        return Outcome(OpStatus.DONE, exited.rc, visible(exited.failure))
    if standard is AgentClass.STONITH:
        return _of_fence_agent(exited)
    return Outcome(OpStatus.DONE, lsb_to_ocf(action, exited.rc))


def _of_fence_agent(exited: AgentExited) -> Outcome:
    """A fence agent's monitor works or does not; why is the last line of its stderr."""
    if exited.rc == 0:
        return Outcome(OpStatus.DONE, Rc.OK)
    lines = [line for line in exited.stderr.decode(errors="replace").splitlines() if line.strip()]
    return Outcome(OpStatus.ERROR, Rc.UNKNOWN_ERROR, visible(lines[-1]) if lines else f"Fence agent exited with {exited.rc}")


_FAULTS: dict[Fault, tuple[OpStatus, Rc]] = {
    Fault.MISSING: (OpStatus.NOT_INSTALLED, Rc.NOT_INSTALLED),
    Fault.DENIED: (OpStatus.ERROR, Rc.INSUFFICIENT_PRIV),
    Fault.TIMED_OUT: (OpStatus.TIMEOUT, Rc.UNKNOWN_ERROR),
    Fault.UNSUPPORTED: (OpStatus.ERROR, Rc.UNIMPLEMENT_FEATURE),
}


def _of_fault(exited: AgentExited) -> Outcome:
    status, rc = _FAULTS.get(exited.fault, (OpStatus.ERROR, Rc.UNKNOWN_ERROR))
    return Outcome(status, rc, visible(exited.failure))


def of_timeout(timeout_ms: int) -> Outcome:
    """The outcome of an operation that was not done in time."""
    return Outcome(OpStatus.TIMEOUT, Rc.UNKNOWN_ERROR, f"Resource agent did not complete within {interval_words(timeout_ms)}")


def signal_words(number: int) -> str:
    """A signal's name for people, such as "Killed" (strsignal's words)."""
    try:
        return signal.strsignal(number) or f"Unknown signal {number}"
    except ValueError:
        return f"Unknown signal {number}"


def interval_words(ms: int) -> str:
    """A duration as Pacemaker writes intervals: 20000 -> "20s", 90000 -> "1m30s", 1500 -> "1.5s", 250 -> "250ms"."""
    if ms < 1000:
        return f"{ms}ms"
    parts = []
    seconds, rest_ms = divmod(ms, 1000)
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            parts.append(f"{seconds // size}{letter}")
            seconds %= size
    if rest_ms:
        parts.append(f"{seconds}.{rest_ms:03}".rstrip("0") + "s")
    elif seconds:
        parts.append(f"{seconds}s")
    return "".join(parts)


# ---- an agent's words -----------------------------------------------------------------------------------------------


def exit_reason(stderr: bytes) -> str:
    """The last `ocf-exit-reason:` of an agent's stderr, to the end of its line; "" when there is none or it is empty."""
    _, found, after = stderr.rpartition(REASON_PREFIX.encode())
    if not found:
        return ""
    return visible(after.split(b"\n", 1)[0].decode(errors="replace"))


def visible(text: str, limit: int = REASON_CHARS_MAX) -> str:
    r"""`text` as one bounded line that no terminal obeys and XML can hold: what is not printable is shown as \xNN or \uNNNN."""
    shown = "".join(c if c.isprintable() else _escaped(c) for c in text[: limit + 1].strip())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escaped(character: str) -> str:
    if character in "\t\n\r":
        return " "
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
