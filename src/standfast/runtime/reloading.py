"""corosync.conf read again while the engine runs, apart from its loop: names in it may take seconds to resolve.

Owns: the file in force, the tool that waits for the answer. Does not own: whether the cluster follows (engine/reload.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from standfast.base.ids import NodeId
from standfast.base.report import Refused, Report, error, notice, warning
from standfast.config.cmap import cmap_keys
from standfast.config.live import changes, followed, marks
from standfast.config.model import ClusterConfig, LoggingConfig
from standfast.engine.effects import Draft, EngineInput, FileRead, ReadFile, ReloadAsked, ReloadEnded
from standfast.runtime.line_server import Caller, Json, failure, success

REASONS_SHOWN = 3

Answer = Callable[[int, Json], None]


class Reloading:
    """Invariant: `config` is what is in force: what was read at the start, and what all members have agreed to follow since."""

    def __init__(
        self, config: ClusterConfig, node: NodeId, load: Callable[[], ClusterConfig], relog: Callable[[LoggingConfig], None]
    ) -> None:
        """`load` reads the file (it may block, and raises Refused); `relog` follows a new `logging { }`."""
        self.config = config
        self._node = node
        self._load = load
        self._relog = relog
        self._read: tuple[int, ClusterConfig] | None = None
        self._waiting: tuple[Caller, Json] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, caller: Caller, request: Json, step: Callable[[EngineInput], None], answer: Answer) -> None:
        """Somebody wants a reload; `answer` gets the reply, at once or when all members have spoken."""
        if caller.uid != 0:
            refusal = error("engine.not-root", "only root may reload corosync.conf", "", "use sudo")
            answer(caller.connection, failure(request, refusal, exit_code=4))
        elif self._waiting is not None:
            refusal = error("reload.under-way", "another reload is under way", "", "wait a few seconds, then try again")
            answer(caller.connection, failure(request, refusal))
        else:
            self._waiting = caller, request
            self._begin(self._ask(step, answer))

    async def _ask(self, step: Callable[[EngineInput], None], answer: Answer) -> None:
        try:
            config = await asyncio.to_thread(self._load)
            step(ReloadAsked(self._draft(config)))
        except Refused as refused:
            self._reply(answer, refused.reports, is_applied=False)

    def perform(
        self, effect: ReadFile | ReloadEnded, step: Callable[[EngineInput], None], answer: Answer, tell: Callable[[Report], None]
    ) -> None:
        """Do what the engine asks for."""
        if isinstance(effect, ReadFile):
            self._begin(self._file(effect.number, step))
            return
        reports = effect.reports
        if effect.is_applied and self._read is not None and self._read[0] == effect.number:
            reports = self._follow(self._read[1])
        self._read = None
        for report in reports:
            tell(report)
        if effect.is_asker:
            self._reply(answer, reports, is_applied=effect.is_applied)

    async def _file(self, number: int, step: Callable[[EngineInput], None]) -> None:
        try:
            config = await asyncio.to_thread(self._load)
        except Refused as refused:
            shown = [f"{report.where}: {report.what}" if report.where else report.what for report in refused.reports]
            more = f"; and {len(shown) - REASONS_SHOWN} more" if len(shown) > REASONS_SHOWN else ""
            step(FileRead(number, None, "; ".join(shown[:REASONS_SHOWN]) + more))
            return
        self._read = number, config
        step(FileRead(number, self._draft(config)))

    def _draft(self, config: ClusterConfig) -> Draft:
        force = followed(self.config, config)
        node = config.node(self._node)
        return Draft(
            token_ms=force.silence_ms_max,
            floor_ms=force.own.silence_floor_ms,
            expected_votes=force.quorum.expected_votes or 0,
            marks=marks(config),
            cmap=cmap_keys(config, node),
        )

    def _follow(self, config: ClusterConfig) -> tuple[Report, ...]:
        live, later = changes(self.config, config)
        self.config = followed(self.config, config)
        self._relog(config.logging)
        if not live and not later:
            return (notice("config.unchanged", "corosync.conf says the same as what is in force"),)
        reports = list(config.notices)
        if live:
            reports.append(notice("config.reloaded", f"followed by all members from now on: {', '.join(live)}"))
        if later:
            remedy = "restart standfast-engine, one node after the other"
            reports.append(warning("config.restart-needed", f"not followed before a restart: {', '.join(later)}", "", remedy))
        return tuple(reports)

    def _reply(self, answer: Answer, reports: tuple[Report, ...], *, is_applied: bool) -> None:
        if self._waiting is None:
            return
        (caller, request), self._waiting = self._waiting, None
        if is_applied:
            answer(caller.connection, success(request, reports=[report._asdict() for report in reports]))
        else:
            answer(caller.connection, failure(request, *reports))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
