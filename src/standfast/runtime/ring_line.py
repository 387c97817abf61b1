"""The line to the embedded engine: a Unix stream to its process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from standfast.base.report import Report, Severity
from standfast.base.wire import Malformed
from standfast.engine import ring_wire
from standfast.engine.api import Attach, ClientRequest
from standfast.runtime.cluster_line import Lost, Said

ENGINE_RETRY_S = 0.05


class RingLine:
    """See ClusterLine. The engine keeps its view while this line is away."""

    def __init__(self, run_dir: Path, tell: Callable[[Report], None]) -> None:
        self._path = run_dir / "ring.sock"
        self._tell = tell
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, said: Said, lost: Lost) -> None:
        """See ClusterLine."""
        told = False
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except OSError as fault:
                if not told:
                    told = True
                    self._tell(Report("manager.no-engine", Severity.NOTICE, "waiting for the engine", str(fault)))
                await asyncio.sleep(ENGINE_RETRY_S)
                continue
            told = False
            self._writer = writer
            writer.write(ring_wire.encode_request(Attach()))
            reason = "the engine closed it"
            try:
                await self._read(reader, said)
            except (ConnectionError, Malformed) as fault:
                reason = str(fault)
            self._writer = None
            writer.close()
            lost(reason)

    def say(self, request: ClientRequest) -> None:
        """See ClusterLine."""
        if self._writer is not None:
            self._writer.write(ring_wire.encode_request(request))

    async def close(self) -> None:
        """The engine is a process of its own: what was written reaches it."""

    @staticmethod
    async def _read(reader: asyncio.StreamReader, said: Said) -> None:
        buffer = ring_wire.FrameBuffer()
        while data := await reader.read(1 << 18):
            for body in buffer.feed(data):
                said(ring_wire.decode_event(body))
