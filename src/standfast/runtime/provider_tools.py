"""The tools' socket (engine.sock) where a provider outside of Standfast is the cluster layer: the same verbs, answered for it.

Owns: the socket and its rights. Does not own: any provider, nor what its state looks like (roster.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import msgspec

from standfast.base.ids import NodeId
from standfast.base.report import Report, error
from standfast.engine.api import EngineStatus
from standfast.runtime.apart import Stuck, Unreachable
from standfast.runtime.line_server import Caller, Json, LineServer, failure, success

VERBS = ("expected_votes", "votes", "cancel_wait_for_all", "kill", "leave")


class Provided(Protocol):
    """A provider, as the tools see it. All raise Unreachable or Stuck."""

    async def status(self) -> EngineStatus:
        """Its state."""

    async def adjust(self, verb: str, node: NodeId, value: int) -> None:
        """An operator's order (engine/effects.Adjusted)."""

    async def reload(self) -> list[Report]:
        """Read the configuration again."""


class ProviderTools:
    """Serves engine.sock for one provider."""

    def __init__(self, run_dir: Path, reopen_logs: Callable[[], None], admin_gid: int | None) -> None:
        self._server = LineServer(run_dir / "engine.sock", 0o660, self._asked, group=admin_gid)
        self._reopen_logs = reopen_logs
        self._provided: Provided | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, provided: Provided) -> None:
        """Listen."""
        self._provided = provided
        await self._server.start()

    async def stop(self) -> None:
        """Hang up."""
        for task in list(self._tasks):
            task.cancel()
        await self._server.stop()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Something to be done meanwhile; it ends with the socket."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _asked(self, caller: Caller, request: Json) -> None:
        self.background(self._answer(caller, request))

    async def _answer(self, caller: Caller, request: Json) -> None:
        try:
            answer = await self._verb(caller, request)
        except (Unreachable, Stuck) as fault:
            answer = failure(request, error("engine.provider", "the cluster layer did not do it", str(fault)))
        self._server.send(caller.connection, answer)

    async def _verb(self, caller: Caller, request: Json) -> Json:
        assert self._provided is not None
        match request["verb"]:
            case "engine.status":
                return success(request, status=msgspec.to_builtins(await self._provided.status()))
            case "engine.reload" | "engine.adjust" if caller.uid != 0:
                what = "only root may adjust the engine"
                return failure(request, error("engine.not-root", what, "", "use sudo"), exit_code=4)
            case "engine.reload":
                return success(request, reports=[report._asdict() for report in await self._provided.reload()])
            case "engine.adjust":
                verb, node, value = request.get("adjust"), request.get("node", 0), request.get("value", 0)
                if verb not in VERBS or not isinstance(node, int) or not isinstance(value, int):
                    remedy = f"one of {', '.join(VERBS)}"
                    return failure(request, error("engine.bad-adjustment", f"cannot adjust {verb!r}", "", remedy))
                await self._provided.adjust(verb, NodeId(node), value)
                return success(request)
            case "engine.reopen_logs":
                self._reopen_logs()
                return success(request)
            case other:
                return failure(request, error("engine.unknown-verb", f"unknown verb {other!r}"))
