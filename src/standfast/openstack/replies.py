"""What an answer of Neutron or Nova means here: one table from (status, type of error) to a verdict.

The rows are those of the knowledge of these APIs: 200 on a write says nothing of the data plane; 5xx and silence leave a write
unknown; 409 is a lost race, or says that pairs are not needed. Anything unknown is an outage, never an absence.
"""

from __future__ import annotations

from enum import Enum, auto

from standfast.openstack.api import Fault, Reply, Request

DETAIL_CHARS_MAX = 300


class Verdict(Enum):
    """What to make of an answer."""

    DONE = auto()
    """2xx with a body that can be read (or none, where none is due)."""
    REFUSED = auto()
    """401: the credentials or the token, also after it was renewed once."""
    FORBIDDEN = auto()
    """403: a policy rule."""
    GONE = auto()
    """404: deleted, or never visible to this project."""
    TAKEN = auto()
    """409: somebody else has the address."""
    NOT_NEEDED = auto()
    """409: port security is off, so pairs are neither needed nor possible."""
    CONFLICT = auto()
    """409 of another kind: quota, state."""
    STALE = auto()
    """412: the revision moved."""
    FULL = auto()
    """400: no room for another pair."""
    BAD = auto()
    """400 and other refusals for good."""
    BUSY = auto()
    """429 or 413, or 503 with Retry-After: later."""
    UNKNOWN = auto()
    """No answer, 5xx, or no JSON: whether a write took effect is not known."""


_TYPES = {
    (409, "IpAddressAlreadyAllocated"): Verdict.TAKEN,
    (409, "IpAddressInUse"): Verdict.TAKEN,
    (409, "MacAddressInUse"): Verdict.TAKEN,
    (409, "AddressPairAndPortSecurityRequired"): Verdict.NOT_NEEDED,
    (400, "AllowedAddressPairExhausted"): Verdict.FULL,
}
_STATUS = {
    401: Verdict.REFUSED,
    403: Verdict.FORBIDDEN,
    404: Verdict.GONE,
    409: Verdict.CONFLICT,
    412: Verdict.STALE,
    408: Verdict.UNKNOWN,
    413: Verdict.BUSY,
    429: Verdict.BUSY,
}
OUTAGES = frozenset({Verdict.REFUSED, Verdict.BUSY, Verdict.UNKNOWN})
"""Verdicts that say nothing about what was asked: the whole cloud is left alone for a while."""


def verdict(request: Request, reply: Reply) -> Verdict:
    """What the answer to a request means."""
    if reply.fault is Fault.CREDENTIALS:
        return Verdict.REFUSED
    if reply.fault is not None or reply.status == 0:
        return Verdict.UNKNOWN
    if 200 <= reply.status < 300:
        needs_body = request.method != "DELETE" and reply.status != 204 and request.service == "network"
        return Verdict.UNKNOWN if needs_body and reply.body is None else Verdict.DONE
    by_type = _TYPES.get((reply.status, error_type(reply)))
    if by_type is not None:
        return by_type
    if reply.status == 503 and reply.retry_after_s is not None:
        return Verdict.BUSY
    if reply.status in _STATUS:
        return _STATUS[reply.status]
    return Verdict.BAD if 400 <= reply.status < 500 else Verdict.UNKNOWN


def error_type(reply: Reply) -> str:
    """Neutron's name for the error, "" where there is none."""
    return _error(reply)[0]


def detail(reply: Reply) -> str:
    """What the service itself said, on one line; what went wrong on the way where it said nothing."""
    kind, message = _error(reply)
    text = message or kind or reply.detail
    if not text:
        text = f"HTTP {reply.status}" if reply.status else "no answer"
    elif reply.status:
        text = f"HTTP {reply.status}: {text}"
    return " ".join(text.split())[:DETAIL_CHARS_MAX]


def _error(reply: Reply) -> tuple[str, str]:
    """(type, message): Neutron says {"NeutronError": {...}}, Nova {"badRequest": {...}}, Keystone {"error": {...}}."""
    for value in (reply.body or {}).values():
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            kind = value.get("type")
            return kind if isinstance(kind, str) else "", value["message"]
        if isinstance(value, str) and reply.status >= 400:
            return "", value
    return "", ""
