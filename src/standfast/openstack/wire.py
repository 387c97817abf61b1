"""Requests and replies as lines of JSON, on the way to the cloud worker and back."""

from __future__ import annotations

import json

from standfast.openstack.api import Fault, Json, Reply, Request
from standfast.openstack.identity import Identity, Nic


def write_request(number: int, cloud: str, request: Request, timeout_ms: int) -> bytes:
    """The line of one call."""
    given = {"id": number, "cloud": cloud, **request_fields(request, timeout_ms)}
    return json.dumps(given, separators=(",", ":")).encode() + b"\n"


def request_fields(request: Request, timeout_ms: int) -> Json:
    """What runtime/cloud_session.py wants to know of a call."""
    given: Json = {
        "service": str(request.service),
        "method": request.method,
        "path": request.path,
        "query": [list(pair) for pair in request.query],
        "timeout_ms": timeout_ms,
    }
    if request.body is not None:
        given["body"] = request.body
    if request.revision is not None:
        given["revision"] = request.revision
    return given


def read_reply(given: Json) -> Reply:
    """The reply of a line that the worker wrote."""
    body, fault = given.get("body"), given.get("fault")
    return Reply(
        int(given.get("status") or 0),
        body if isinstance(body, dict) else None,
        Fault(fault) if fault else None,
        str(given.get("detail") or ""),
        given.get("retry_after_s"),
    )


def read_identity(given: Json) -> Identity:
    """The identity of a line that the worker wrote."""
    nics = given.get("nics") or []
    return Identity(str(given.get("server") or ""), tuple(Nic(*(str(word) for word in nic)) for nic in nics))
