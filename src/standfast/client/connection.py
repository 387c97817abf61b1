"""One blocking connection to a daemon's Unix socket. Standard library only, so that a tool starts in milliseconds."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from standfast.api.protocol import LINE_BYTES_MAX
from standfast.base.report import Refused, Report, Severity

RUN_DIR = os.environ.get("STANDFAST_RUN_DIR", "/run/standfast")
EXIT_DISCONNECTED = 102  # Pacemaker's CRM_EX_DISCONNECT
EXIT_TIMEOUT = 124

Json = dict[str, Any]


class Connection:
    """A client of one daemon. Not shared between threads. Every call has a deadline."""

    def __init__(self, daemon: str = "manager", run_dir: str | None = None, timeout_s: float = 60.0) -> None:
        """Connects at once; `daemon` is manager or engine. Raises Refused (exit code 102) when nobody answers."""
        self.path = os.path.join(run_dir or RUN_DIR, f"{daemon}.sock")
        self.timeout_s = timeout_s
        self._number = 0
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(self.path)
        except OSError as fault:
            self._socket.close()
            raise Refused(_unreachable(daemon, self.path, fault), exit_code=EXIT_DISCONNECTED) from None

    def call(self, verb: str, **arguments: Any) -> Json:
        """Send one request and return its reply. Raises Refused with the daemon's own reports when it says no."""
        return next(self.stream(verb, **arguments))

    def stream(self, verb: str, **arguments: Any) -> Iterator[Json]:
        """Send one request and yield its replies until the one that says `end` (or the first, for a plain verb)."""
        self._number += 1
        line = json.dumps({"id": self._number, "verb": verb, **arguments}, separators=(",", ":"))
        self._socket.sendall(line.encode() + b"\n")
        while True:
            reply = self._read_line(verb)
            if not reply.get("ok"):
                raise Refused(*map(_report, reply["reports"]), exit_code=int(reply.get("exit_code", 1)))
            yield reply
            if "event" not in reply or reply.get("end"):
                return

    def close(self) -> None:
        """Hang up; whoever reads at this moment in another thread sees the end of the stream."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_line(self, verb: str) -> Json:
        parts = [self._buffer]
        size = len(self._buffer)
        while b"\n" not in parts[-1]:
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                raise Refused(_slow(verb, self.timeout_s), exit_code=EXIT_TIMEOUT) from None
            size += len(data)
            if not data or size > LINE_BYTES_MAX:
                raise Refused(_cut(verb), exit_code=EXIT_DISCONNECTED)
            parts.append(data)
        line, _, self._buffer = b"".join(parts).partition(b"\n")
        reply: Json = json.loads(line)
        return reply


def remarks(reply: Json) -> tuple[Report, ...]:
    """What a good reply has to say beside its answer: a change that is made, but not confirmed by enough disks."""
    return tuple(map(_report, reply.get("reports", ()))) if reply.get("ok") else ()


def _report(fields: Json) -> Report:
    return Report(
        fields["code"],
        Severity(fields["severity"]),
        fields["what"],
        fields.get("why", ""),
        fields.get("remedy", ""),
        fields.get("where", ""),
    )


def _unreachable(daemon: str, path: str, fault: OSError) -> Report:
    if isinstance(fault, PermissionError):
        return Report(
            "client.not-permitted",
            Severity.ERROR,
            f"this user may not talk to the {daemon}",
            f"{path}: {fault.strerror}",
            "run as root, or join the group haclient",
        )
    unit = "standfast-engine" if daemon == "engine" else "standfast"
    return Report(
        "client.not-running",
        Severity.ERROR,
        f"the cluster is not running on this node: nothing answers at {path}",
        fault.strerror or str(fault),
        f"systemctl start {unit}, or `standfast node` in the foreground; then: journalctl -u {unit}",
    )


def _slow(verb: str, timeout_s: float) -> Report:
    return Report(
        "client.timeout",
        Severity.ERROR,
        f"no answer to {verb} within {timeout_s:g} s",
        "the daemon is busy or hung; whether the request took effect is unknown",
        "look with crm status before repeating it",
    )


def _cut(verb: str) -> Report:
    return Report(
        "client.cut",
        Severity.ERROR,
        f"the daemon closed the connection during {verb}",
        "it stopped or was restarted; whether the request took effect is unknown",
        "look with crm status before repeating it",
    )
