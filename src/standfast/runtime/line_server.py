"""JSON lines over a Unix stream socket: the server's half of api/protocol.py. Knows no verb; hands each request on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from standfast.base.dataclass import dataclass
from standfast.base.report import Report

REQUEST_BYTES_MAX = 16 * 1024 * 1024
UNSENT_BYTES_MAX = 64 * 1024 * 1024
CONNECTIONS_MAX = 256
_CREDENTIALS = struct.Struct("3i")
_SO_PEERGROUPS = 59  # include/uapi/asm-generic/socket.h; Linux 4.13
_GROUPS_BYTES = 1024  # what the standard library allows: 256 groups; of who is in more, the first one counts
_ENCODE = msgspec.json.Encoder().encode

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end, as the kernel says. `connection` numbers connections of this server; `gid` is the server's group
    where the caller is in it, by whichever of its groups (SO_PEERGROUPS), else its first one (SO_PEERCRED)."""

    connection: int
    pid: int
    uid: int
    gid: int


class LineServer:
    """Accepts connections and calls `handle(caller, request)` for each line, `closed(caller)` at the end of a connection.

    Answers go through `send(connection, line)`. A client that does not read is cut off at UNSENT_BYTES_MAX; a line over
    REQUEST_BYTES_MAX, or one that is no JSON object, ends its connection.
    """

    def __init__(
        self,
        path: Path,
        mode: int,
        handle: Callable[[Caller, Json], None],
        closed: Callable[[Caller], None] | None = None,
        *,
        group: int | None = None,
    ) -> None:
        """`mode` and `group` (None: the process's own) are the socket's: who may connect at all."""
        self.path = path
        self._mode = mode
        self._group = group
        self._handle = handle
        self._closed = closed
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._number = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left over by an earlier life is replaced."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=REQUEST_BYTES_MAX)
        if self._group is not None:
            with contextlib.suppress(OSError):  # in a user namespace the group may be nobody's: then the socket is root's alone
                os.chown(self.path, -1, self._group)
        os.chmod(self.path, self._mode)

    def send(self, connection: int, message: Json) -> None:
        """Queue one line for a connection; nothing happens when it is gone."""
        writer = self._writers.get(connection)
        if writer is None or writer.is_closing():
            return
        writer.write(_ENCODE(message) + b"\n")
        if writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            writer.transport.abort()

    async def stop(self) -> None:
        """Stop listening and hang up on everybody, after what is queued has been offered to the kernel."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers.values()):
            writer.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._number += 1
        caller = _caller(self._number, writer, self._group)
        self._writers[caller.connection] = writer
        try:
            while line := await reader.readline():
                request = _request(line)
                if request is None:
                    break
                self._handle(caller, request)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # ValueError: a line over the limit. Cancelled: the loop ends
        finally:
            del self._writers[caller.connection]
            writer.close()
            if self._closed is not None:
                self._closed(caller)


def success(request: Json, end: bool | None = None, **fields: Any) -> Json:
    """A good answer to `request`."""
    answer: Json = {"id": request.get("id"), "ok": True, **fields}
    if end is not None:
        answer["end"] = end
    return answer


def failure(request: Json, *reports: Report, exit_code: int = 1) -> Json:
    """A refusal of `request`."""
    return {"id": request.get("id"), "ok": False, "exit_code": exit_code, "reports": [r._asdict() for r in reports]}


def _caller(number: int, writer: asyncio.StreamWriter, group: int | None) -> Caller:
    sock: socket.socket = writer.get_extra_info("socket")
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    if group is not None:
        with contextlib.suppress(OSError):
            others = array("I", sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES))
            gid = group if group in others else gid
    return Caller(number, pid, uid, gid)


def _request(line: bytes) -> Json | None:
    try:
        request = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return request if isinstance(request, dict) and isinstance(request.get("verb"), str) else None
