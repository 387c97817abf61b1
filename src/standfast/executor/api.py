"""What the executor takes and gives: requests, results, events, effects. See machine.py for the rules."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from standfast.base.dataclass import dataclass
from standfast.base.report import Report

OUTPUT_BYTES_MAX = 64 * 1024
"""What is kept of an agent's stdout and of its stderr, each; the rest is counted and thrown away, never buffered."""


class Rc(IntEnum):
    """OCF exit codes (resource-agent-api 1.1; Pacemaker's `enum ocf_exitcode`)."""

    OK = 0
    UNKNOWN_ERROR = 1
    INVALID_PARAM = 2
    UNIMPLEMENT_FEATURE = 3
    INSUFFICIENT_PRIV = 4
    NOT_INSTALLED = 5
    NOT_CONFIGURED = 6
    NOT_RUNNING = 7
    RUNNING_PROMOTED = 8
    FAILED_PROMOTED = 9
    DEGRADED = 190
    DEGRADED_PROMOTED = 191


class OpStatus(IntEnum):
    """How an operation ended, with Pacemaker's numbers (`enum pcmk_exec_status`), as written in `op-status`."""

    PENDING = -1
    DONE = 0
    CANCELLED = 1
    TIMEOUT = 2
    NOT_SUPPORTED = 3
    ERROR = 4
    NOT_INSTALLED = 7


class Fault(StrEnum):
    """Why a process or a unit's job gave no exit code of its own."""

    NONE = "none"
    MISSING = "missing"  # no such file, no such unit, or the script's interpreter is not there
    DENIED = "denied"  # not executable, not permitted
    TIMED_OUT = "timed-out"  # systemd gave its job up
    UNSUPPORTED = "unsupported"  # no such verb
    OTHER = "other"


class AgentClass(StrEnum):
    """Standards of agents that can be run."""

    OCF = "ocf"
    SYSTEMD = "systemd"
    LSB = "lsb"
    SERVICE = "service"
    STONITH = "stonith"


@dataclass(frozen=True, slots=True)
class Agent:
    """`class[:provider]:type`, such as ocf:heartbeat:IPaddr2; provider is "" but for ocf."""

    standard: AgentClass
    provider: str
    type: str

    def __str__(self) -> str:
        return ":".join(part for part in (self.standard.value, self.provider, self.type) if part)


@dataclass(frozen=True, slots=True)
class Request:
    """One operation to run. `parameters` become OCF_RESKEY_name, `meta` become OCF_RESKEY_CRM_meta_name, both sorted by name.

    `interval_ms` > 0 makes it recurring: it repeats until cancelled, and only a changed result is reported. `handover` says that
    the cluster has just confirmed this resource's stop on its last holder (a native agent need not ask before taking).
    """

    resource: str
    agent: Agent
    action: str
    interval_ms: int
    timeout_ms: int
    parameters: tuple[tuple[str, str], ...]
    meta: tuple[tuple[str, str], ...]
    transition_key: str
    start_delay_ms: int = 0
    handover: bool = False
    native: bool = False

    @property
    def key(self) -> str:
        """Pacemaker's operation key, `RSC_ACTION_INTERVALMS`."""
        return f"{self.resource}_{self.action}_{self.interval_ms}"


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended. Times of day are wall clock seconds; durations are milliseconds. `reason` is the agent's
    `ocf-exit-reason:` line or our own words; it is always decoded text, one line, at most 1 KiB."""

    request: Request
    call_id: int
    status: OpStatus
    rc: int
    reason: str
    last_run_s: int
    last_rc_change_s: int
    exec_ms: int
    queue_ms: int


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Perform:
    """Run this."""

    request: Request


@dataclass(frozen=True, slots=True)
class CancelRecurring:
    """Stop repeating `RSC_ACTION_INTERVALMS`; answered by a Result with status CANCELLED (also when there was none)."""

    resource: str
    action: str
    interval_ms: int
    transition_key: str


@dataclass(frozen=True, slots=True)
class AgentExited:
    """A process that RunAgent started has ended. After EndAgent its whole group is gone as well; after an end of its own what it
    left in the background stays, for that may be the service itself (mysql) or still at work (IPaddr2's sender of ARP).
    `rc` is negative for a signal (-9), None when it could not be started at all (`failure` says why, `fault` for the machine).
    """

    run: int
    rc: int | None
    stdout: bytes
    stderr: bytes
    failure: str = ""
    fault: Fault = Fault.NONE


@dataclass(frozen=True, slots=True)
class NativeDone:
    """A native agent's answer."""

    run: int
    rc: int
    reason: str


@dataclass(frozen=True, slots=True)
class NativeChanged:
    """A native agent noticed by itself that `resource` is no longer as it was left (rc as a monitor would return)."""

    resource: str
    rc: int
    reason: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The executor's one timer."""


ExecutorInput = Perform | CancelRecurring | AgentExited | NativeDone | NativeChanged | TimerFired

# ---- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunAgent:
    """Start argv[0] (an absolute path) in a process group of its own, with exactly this environment and no standard input
    but `stdin`."""

    run: int
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class RunUnit:
    """A systemd job over D-Bus: `verb` is start | stop | restart | status; answered by AgentExited with an OCF/LSB-like rc."""

    run: int
    unit: str
    verb: str


@dataclass(frozen=True, slots=True)
class EndAgent:
    """End the whole process group: TERM, or KILL when `force`. The end comes as AgentExited, for both."""

    run: int
    force: bool


@dataclass(frozen=True, slots=True)
class RunNative:
    """Give the operation to the native agent of its type; answered by NativeDone, within the request's timeout or not."""

    run: int
    request: Request


@dataclass(frozen=True, slots=True)
class EndNative:
    """Forget the native operation `run`; no answer is expected any more."""

    run: int


@dataclass(frozen=True, slots=True)
class Completed:
    """A result for the cluster to know."""

    result: Result


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Arm the executor's one timer, replacing the last."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for the log."""

    report: Report


ExecutorEffect = RunAgent | RunUnit | EndAgent | RunNative | EndNative | Completed | SetTimer | Tell
