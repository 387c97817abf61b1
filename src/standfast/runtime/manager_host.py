"""The manager's process: performs the effects of a Node and wraps what happens as events. Decides nothing.

Durable before visible: after a `Store`, what the node wants to say (to the engine, to an asker) waits until the journal is on the
disk. The fsync runs in a thread, so a slow disk never delays a lease, an announcement or a monitor.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from standfast.agents.ip.api import Remember
from standfast.base.ids import NodeId
from standfast.base.report import Report, error
from standfast.cib.journal import recover
from standfast.cib.machine import CibMachine
from standfast.controller.effects import (
    Answer,
    Asked,
    AskPlan,
    DiskFailed,
    Document,
    EngineLost,
    EngineSaid,
    Follow,
    Foresee,
    FromAgent,
    FromCloud,
    FromNetwork,
    HungUp,
    Keep,
    NodeEffect,
    NodeInput,
    Now,
    Stop,
    Store,
    Tell,
    Terminate,
    ToEngine,
    Wake,
    Woken,
)
from standfast.executor.api import EndAgent, RunAgent, RunUnit
from standfast.node import Node
from standfast.openstack.api import Call
from standfast.openstack.machine import Identify
from standfast.runtime import planner as planning
from standfast.runtime.cloud_line import CloudLine
from standfast.runtime.cluster_line import ClusterLine
from standfast.runtime.durable import JournalFile, read_file, write_file
from standfast.runtime.holdings import Holdings
from standfast.runtime.line_server import Caller, Json, LineServer
from standfast.runtime.netlink import Network
from standfast.runtime.processes import Processes

KEPT_FILES_MAX = 20
JOURNAL = "journal"
JOURNAL_BYTES_MAX = 256 * 1024 * 1024


def read_journal(state_dir: Path, local: NodeId, session: int) -> CibMachine:
    """The replicated document as an earlier life stored it. Raises Refused when there is a journal that cannot be read."""
    data = read_file(state_dir / JOURNAL, JOURNAL_BYTES_MAX)
    return CibMachine(local, session, recover(data) if data else None)


class ManagerHost:
    """Runs one Node on an asyncio loop until it stops."""

    def __init__(
        self,
        node: Node,
        run_dir: Path,
        state_dir: Path,
        planner: planning.Planner,
        line: ClusterLine,
        tell: Callable[[Report], None],
        admin_gid: int | None,
    ) -> None:
        """`line` is to the cluster layer; `admin_gid` is the group that may use the local API beside root."""
        self._node = node
        self._run_dir = run_dir
        self._state_dir = state_dir
        self._planner = planner
        self._line = line
        self._tell = tell
        self._journal = JournalFile(state_dir / JOURNAL)
        self._holdings = Holdings(run_dir)
        self._disk = ThreadPoolExecutor(1, "journal")
        self._storing = 0
        self._held: deque[ToEngine | Answer] = deque()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._api = LineServer(run_dir / "manager.sock", 0o660, self._asked, self._hung_up, group=admin_gid)
        self._stopped: asyncio.Future[Stop] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._processes: Processes | None = None
        self._network: Network | None = None
        self._cloud: CloudLine | None = None

    async def run(self) -> Stop:
        """Serve until the node stops; returns its last word."""
        self._loop = asyncio.get_running_loop()
        self._stopped = self._loop.create_future()
        for sign in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(sign, self._step, Terminate())
        self._processes = Processes(lambda event: self._step(FromAgent(event)))
        self._network = Network(self._loop, lambda event: self._step(FromNetwork(event)), self._tell)
        self._cloud = CloudLine(self._loop, lambda event: self._step(FromCloud(event)), self._tell)
        tasks = [
            asyncio.create_task(self._planner_line(), name="planner"),
            asyncio.create_task(self._engine_line(), name="engine"),
        ]
        await asyncio.sleep(0)  # the planner's line is open before anything asks for a plan
        self._network.open()
        self._perform(self._node.start(self._now()))
        await self._api.start()
        try:
            return await self._stopped
        finally:
            await self._line.close()
            for task in tasks:
                task.cancel()
            await self._api.stop()
            self._network.close()
            await self._processes.stop()
            await self._cloud.close()
            self._disk.shutdown()
            self._journal.close()

    @staticmethod
    def _now() -> Now:
        return Now(time.monotonic_ns() // 1000, int(time.time()))

    def _step(self, event: NodeInput) -> None:
        try:
            self._perform(self._node.step(self._now(), event))
        except Exception as bug:
            self._tell(
                error("manager.bug", "the manager met a bug of its own and starts again", repr(bug), "report it, with the log")
            )
            raise SystemExit(1) from bug

    def _perform(self, effects: tuple[NodeEffect, ...]) -> None:
        assert self._processes is not None
        assert self._network is not None
        assert self._cloud is not None
        for effect in effects:
            match effect:
                case ToEngine() | Answer():
                    if self._storing:
                        self._held.append(effect)
                    else:
                        self._speak(effect)
                case RunAgent() | RunUnit() | EndAgent():
                    self._processes.perform(effect)
                case Wake(room, at_us):
                    self._arm(room, at_us)
                case Store():
                    self._store(effect)
                case AskPlan() | Document() | Follow() | Foresee():
                    self._planner.tell(effect)
                case Call() | Identify():
                    self._cloud.perform(effect)
                case Tell(report):
                    self._tell(report)
                case Keep(name, data):
                    self._keep(name, data)
                case Remember(resource, parameters):
                    self._holdings.remember(resource, parameters)
                case Stop():
                    if self._stopped is not None and not self._stopped.done():
                        self._stopped.set_result(effect)
                case _:
                    self._network.perform(effect)

    def _speak(self, effect: ToEngine | Answer) -> None:
        if isinstance(effect, Answer):
            self._api.send(effect.connection, effect.message)
        else:
            self._line.say(effect.request)

    def _arm(self, room: str, at_us: int) -> None:
        assert self._loop is not None
        if old := self._timers.get(room):
            old.cancel()
        self._timers[room] = self._loop.call_at(at_us / 1e6, self._step, Woken(room))

    # ---- disk ----------------------------------------------------------------------------------------------------

    def _store(self, effect: Store) -> None:
        assert self._loop is not None
        self._storing += 1
        work = self._journal.rewrite if effect.rewrite else self._journal.append
        self._loop.run_in_executor(self._disk, work, effect.data).add_done_callback(self._stored)

    def _stored(self, future: asyncio.Future[None]) -> None:
        if future.cancelled():
            return
        fault = future.exception()
        if fault is not None:
            # What waited is never said: nobody may hear of a change that this node could lose.
            self._held.clear()
            self._storing = 0
            self._step(DiskFailed(str(fault)))
            return
        self._storing = max(0, self._storing - 1)
        while self._held and not self._storing:
            self._speak(self._held.popleft())

    def _keep(self, name: str, data: bytes) -> None:
        folder = self._state_dir / "dropped"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            for old in sorted(folder.iterdir())[: -KEPT_FILES_MAX + 1]:
                old.unlink()
            write_file(folder / name, data)
        except OSError as fault:
            self._tell(error("manager.not-kept", f"cannot keep {folder / name}", str(fault)))

    # ---- lines ---------------------------------------------------------------------------------------------------

    async def _engine_line(self) -> None:
        await self._line.serve(lambda said: self._step(EngineSaid(said)), lambda reason: self._step(EngineLost(reason)))

    async def _planner_line(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._planner.serve(self._step)
            self._tell(error("manager.no-planner", "the scheduler's process died", "", "the manager starts again with a new one"))
            raise SystemExit(1)

    def _asked(self, caller: Caller, request: Json) -> None:
        self._step(Asked(caller.connection, caller.uid, caller.gid, request))

    def _hung_up(self, caller: Caller) -> None:
        self._step(HungUp(caller.connection))
