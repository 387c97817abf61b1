"""What the corosync-* tools share: asking the engine, and its absence said as the originals say it."""

from __future__ import annotations

import sys
from typing import Any

from standfast.base.report import Refused
from standfast.client.connection import EXIT_DISCONNECTED, Connection

EXIT_FAILURE = 1


def connect(absent: str) -> Connection:
    """A connection to the engine. When nobody answers, `absent` (the original's own line) goes to stderr, and the exit code is
    the originals' 1, which scripts test for."""
    try:
        return Connection("engine")
    except Refused as refused:
        if refused.exit_code == EXIT_DISCONNECTED:
            sys.stderr.write(absent + "\n")
        raise Refused(*refused.reports, exit_code=EXIT_FAILURE) from None


def engine_status(connection: Connection) -> dict[str, Any]:
    """EngineStatus as JSON."""
    status: dict[str, Any] = connection.call("engine.status")["status"]
    return status


def positive(text: str, sentence: str, low: int = 1, high: int = 0xFFFF_FFFF) -> int:
    """A number of an option; the original's sentence and exit code 1 when it is none."""
    if text.isdecimal() and text.isascii() and low <= int(text) <= high:
        return int(text)
    sys.stderr.write(sentence + "\n")
    raise SystemExit(EXIT_FAILURE)
