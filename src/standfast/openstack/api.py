"""What goes into the OpenStack room and what comes out: requests of an API, their replies, and what the room tells others."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from standfast.base.dataclass import dataclass
from standfast.base.report import Report

Json = dict[str, Any]

CALL_TIMEOUT_MS = 10_000
"""How long one call may take, connecting included; then its outcome is unknown."""


class Service(StrEnum):
    """The services that are asked, by the names of the catalogue."""

    NETWORK = "network"
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` begins with the version (`/v2.0/ports`); `revision` becomes `If-Match: revision_number=N`; `lane`
    is the node that the call is charged to ("" is the asking node): at most one call a second and node."""

    service: Service
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json | None = None
    revision: int | None = None
    lane: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    def __str__(self) -> str:
        """`PUT /v2.0/ports/6967...`, for logs: bodies and headers never appear there."""
        return f"{self.method} {self.path}"


class Fault(StrEnum):
    """Why there is no usable answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    CREDENTIALS = "credentials"
    SETTINGS = "settings"
    NOT_JSON = "not-json"
    LIBRARY = "library"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request. `status` is 0 where there was none, and `fault` says why; `body` is an object or None."""

    status: int = 0
    body: Json | None = None
    fault: Fault | None = None
    detail: str = ""
    retry_after_s: int | None = None


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replied:
    """The answer to call `number` of `owner`."""

    owner: str
    number: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The room's timer rang (too early is harmless)."""


# ---- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """Make one API call in the cloud named `cloud`; it is always answered by a Replied with the same owner and number, at the
    latest a little after `timeout_ms`. `owner` is the room's part that asks (reconciler), so that several can ask at once."""

    owner: str
    number: int
    cloud: str
    request: Request
    timeout_ms: int = CALL_TIMEOUT_MS


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Ring at `at_us`, replacing what was armed."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for the log."""

    report: Report


@dataclass(frozen=True, slots=True)
class Moved:
    """Mode exclusive: `address` belongs to the port of `node` now. What was announced before nobody could hear."""

    address: str
    node: str


@dataclass(frozen=True, slots=True)
class Owned:
    """Mode exclusive: (address, node) of addresses that are a fixed one of that node's port, as Neutron shows it. All of them
    each time; `why` says what stands in the way of others."""

    owners: tuple[tuple[str, str], ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Severed:
    """Mode fenced: (node, address) of lost nodes whose ports were read, after they were written, to let the address through no
    more. All of them each time; `why` says what stands in the way of others."""

    done: tuple[tuple[str, str], ...] = ()
    why: str = ""
