"""Loopback ports of this machine inside a host made of namespaces: TCP there, a Unix socket between, TCP here.

`Relay` is this end; it counts the HTTP requests that go through. The other end is this file run as a program inside the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

from standfast.lab.lab import Host

REQUEST = re.compile(rb"(?:^|\r\n|\})((?:GET|POST|PUT|DELETE) /\S* HTTP/1\.1)\r\n")
CHUNK_BYTES = 1 << 16
START_S = 10.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
Seen = Callable[[bytes], None]


class Relay:
    """Lets hosts reach ports of 127.0.0.1. `requests` are the first lines of all HTTP requests so far, as (port, line)."""

    def __init__(self, folder: Path, ports: tuple[int, ...], through: Mapping[int, int] | None = None) -> None:
        """`folder` holds the sockets; the hosts have to see it too. `through` leads a port to another one here (a proxy)."""
        self.requests: list[tuple[int, str]] = []
        self._folder = folder
        self._ports = ports
        self._through = dict(through or {})
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._is_ready.wait(START_S):
            raise RuntimeError(f"{folder}: the relay's sockets cannot be made")

    def open(self, host: Host) -> None:
        """Listen inside a host, for as long as it lives."""
        host.start([sys.executable, __file__, str(self._folder), *map(str, self._ports)], self._folder / "relay.log")

    def writes(self) -> list[str]:
        """The requests that may have changed something; asking for a token is one."""
        return [line for _, line in self.requests if not line.startswith("GET")]

    def close(self) -> None:
        """Nothing gets through any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        ends = [asyncio.start_unix_server(self._serve(port), str(self._folder / f"{port}.sock")) for port in self._ports]
        servers = [self._loop.run_until_complete(end) for end in ends]
        self._is_ready.set()
        self._loop.run_forever()
        for server in servers:
            server.close()
        open_lines = asyncio.all_tasks(self._loop)
        for task in open_lines:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*open_lines, return_exceptions=True))
        self._loop.close()

    def _serve(self, port: int) -> Serve:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_connection("127.0.0.1", self._through.get(port, port))
            except OSError:
                writer.close()
                return
            await asyncio.gather(
                pump(reader, there[1], lambda data: self._count(port, data)), pump(there[0], writer), return_exceptions=True
            )

        async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # asyncio's own callback (3.11) asks a cancelled connection for its fault, and prints what that raises
            with contextlib.suppress(asyncio.CancelledError):
                await serve(reader, writer)

        return until_closed

    def _count(self, port: int, data: bytes) -> None:
        self.requests += [(port, found[1].decode()) for found in REQUEST.finditer(data)]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen = lambda _data: None) -> None:
    """Everything from one end to the other."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            seen(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def inside(folder: Path, ports: list[int]) -> None:
    """The end inside a host."""

    def serve(port: int) -> Serve:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_unix_connection(str(folder / f"{port}.sock"))
            except OSError:  # the other end is closed
                writer.close()
                return
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)

        return one

    for port in ports:
        await asyncio.start_server(serve(port), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(inside(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
