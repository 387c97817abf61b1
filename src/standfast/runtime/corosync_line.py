"""The manager's line to the real Corosync: performs the effects of a Group (engine/corosync.py) on the daemon's libraries.

Owns: the connection and its ends, the deadlines of calls that may block, the order of what is cast, the tools' socket. Decides
nothing about views. A daemon that is gone is noticed by its descriptor, by an error, and by descriptors that are ready and bring
nothing; then everything is void, and it is connected to anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from standfast.base.ids import NodeId
from standfast.base.report import Report, Severity, error, notice, warning
from standfast.engine.api import ClientRequest, EngineStatus
from standfast.engine.corosync import Group, GroupTimes, lease_ms_of
from standfast.engine.corosync_effects import REJOIN_MS, Cast, Depart, GroupEffect, GroupInput, QuorumSaid, Rejoin
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient
from standfast.engine.reserved import SEQ_FILE
from standfast.engine.settings import Times
from standfast.runtime.apart import Apart, Stuck, Unreachable
from standfast.runtime.cluster_line import Lost, Said
from standfast.runtime.corosync_lib import Connection, Libraries
from standfast.runtime.durable import read_file, write_file
from standfast.runtime.provider_tools import ProviderTools
from standfast.runtime.roster import Roster

OPEN_S = 10.0
CALL_S = 2.0
LEAVE_S = 2.0
RETRY_S = 0.25
CAST_RETRY_S = 0.002
EMPTY_WAKES_MAX = 200
SEQ_BYTES_MAX = 4096


class CorosyncLine:
    """See ClusterLine."""

    def __init__(
        self,
        roster: Roster,
        lease_ms: int | None,
        state_dir: Path,
        tools: ProviderTools,
        tell: Callable[[Report], None],
    ) -> None:
        """`lease_ms` as the file says, else None. Raises Refused without the libraries, or with a damaged state folder."""
        self._libraries = Libraries()
        self._roster = roster
        self._lease_ms = lease_ms
        self._state_dir = state_dir
        self._tools = tools
        self._tell = tell
        self._apart = Apart("corosync")
        self._connection: Connection | None = None
        self._group: Group | None = None
        self._casts: deque[bytes] = deque()
        self._waiting: deque[GroupInput] = deque()
        self._is_stepping = False
        self._cast_timer: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quorum_wanted: tuple[tuple[int, int], bool] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[str] | None = None
        self._said: Said = lambda _: None
        self._empty_wakes = 0
        self._leaving: asyncio.Task[None] | None = None
        Group((roster.local, os.getpid()), {}, GroupTimes(), self._remembered())  # a damaged folder is refused now, not later

    async def serve(self, said: Said, lost: Lost) -> None:
        """See ClusterLine."""
        self._said = said
        await self._tools.start(self)
        loop = asyncio.get_running_loop()
        told = ""
        while True:
            connection = Connection(self._libraries)
            try:
                await self._apart.call(partial(connection.open, time.monotonic() + OPEN_S), OPEN_S + 1)
            except (Unreachable, Stuck) as fault:
                connection.is_late = True
                if told != str(fault):
                    told = str(fault)
                    remedy = "start it: systemctl start corosync"
                    self._tell(Report("corosync.waiting", Severity.NOTICE, "waiting for Corosync", told, remedy))
                await asyncio.sleep(RETRY_S)
                continue
            told = ""
            self._ended = loop.create_future()
            reason = self._begin(connection)
            if not reason:
                reason = await self._ended
            self._end()
            lost(reason)
            if self._leaving is not None:
                return
            await asyncio.sleep(REJOIN_MS / 1000)

    def say(self, request: ClientRequest) -> None:
        """See ClusterLine."""
        if self._connection is not None:
            self._step(Requested(request))

    async def close(self) -> None:
        """See ClusterLine."""
        if self._leaving is not None:
            with contextlib.suppress(Stuck, Unreachable, asyncio.CancelledError):
                await self._leaving
        elif self._connection is not None:
            self._drop(self._connection)
        await self._tools.stop()

    # ---- the connection ---------------------------------------------------------------------------------------------

    def _begin(self, connection: Connection) -> str:
        """Use it; returns why that cannot be, "" when it can."""
        if connection.node != self._roster.local:
            self._tell(
                error(
                    "corosync.another-node",
                    f"Corosync says that this is node {connection.node}, corosync.conf says {self._roster.local}",
                    "the daemon runs with another file, or with an older one",
                    "make the nodelist the same on all nodes and restart corosync",
                )
            )
            connection.close()
            return "another node id"
        lease_ms = lease_ms_of(connection.consensus_ms, self._lease_ms, Times().lease_ms)
        times = GroupTimes(lease_ms=lease_ms)
        self._group = Group((connection.node, os.getpid()), self._roster.votes, times, self._remembered())
        self._connection = connection
        self._empty_wakes = 0
        what = f"connected to Corosync as node {connection.node}"
        why = f"token {connection.token_ms} ms, consensus {connection.consensus_ms} ms; a pulse is good for {lease_ms} ms"
        self._tell(notice("corosync.connected", what, why))
        if not connection.has_provider:
            remedy = "add provider: corosync_votequorum to quorum { } on all nodes and restart corosync"
            self._tell(warning("corosync.no-quorum", "Corosync counts no votes: no view is quorate", "", remedy))
        loop = asyncio.get_running_loop()
        for fd, ready in zip(connection.fds(), (self._readable, self._quorum_readable, self._cfg_readable), strict=True):
            loop.add_reader(fd, ready)
        return ""

    def _end(self) -> None:
        connection, self._connection, self._group = self._connection, None, None
        for timer in (self._timer, self._cast_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._cast_timer = None
        self._casts.clear()
        self._quorum_wanted = None
        if connection is not None:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(Unreachable, KeyError):
            for fd in connection.fds():
                loop.remove_reader(fd)
        if not self._apart.is_busy:  # a call that is stuck still uses the handles: then they stay until it ends, if ever
            connection.close()

    def _lose(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    def _remembered(self) -> bytes | None:
        return read_file(self._state_dir / SEQ_FILE, SEQ_BYTES_MAX)

    # ---- events -----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._connection is None:
            return
        try:
            events = self._connection.dispatch()
        except Unreachable as fault:
            self._lose(str(fault))
            return
        # The library turns the error of a connection that is gone into success: a descriptor that is always ready and never
        # brings anything is how that shows.
        self._empty_wakes = 0 if events else self._empty_wakes + 1
        if self._empty_wakes > EMPTY_WAKES_MAX:
            self._lose("its connection brings nothing any more")
            return
        for event in events:
            self._step(event)

    def _quorum_readable(self) -> None:
        if self._connection is None:
            return
        try:
            said = self._connection.quorum_dispatch()
        except Unreachable as fault:
            self._lose(str(fault))
            return
        if said:
            self._quorum_wanted = said[-1]
            ring, quorate = said[-1]
            if not quorate:  # a loss counts at once; the numbers follow
                self._step(QuorumSaid(ring, quorate, 0, 0, 0, has_provider=self._connection.has_provider))
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask_votes())

    async def _ask_votes(self) -> None:
        """Votequorum's numbers for the latest word; a loss of quorum while it is asked counts."""
        while (wanted := self._quorum_wanted) is not None and (connection := self._connection) is not None:
            ring, quorate = wanted
            try:
                said = await self._apart.call(partial(connection.votes, ring, quorate=quorate), CALL_S)
            except (Unreachable, Stuck) as fault:
                self._lose(str(fault))
                return
            if self._connection is not connection:
                return
            if self._quorum_wanted == wanted:
                self._quorum_wanted = None
                self._step(said)

    def _cfg_readable(self) -> None:
        if self._connection is None:
            return
        try:
            asked = self._connection.shutdown_dispatch()
        except Unreachable as fault:
            self._lose(str(fault))
            return
        if asked:
            what = "Corosync was asked to shut down and may not: this node's manager runs on it"
            self._tell(warning("corosync.shutdown-refused", what, "", "stop standfast first"))
            self._tools.background(self._refuse_shutdown(self._connection))

    async def _refuse_shutdown(self, connection: Connection) -> None:
        with contextlib.suppress(Unreachable, Stuck):
            await self._apart.call(lambda: connection.answer_shutdown(may=False), CALL_S)

    def _fired(self) -> None:
        self._timer = None
        self._step(TimerFired())

    def _step(self, event: GroupInput) -> None:
        """One event after the other: what the client says while it is being told something waits until that is told."""
        self._waiting.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._waiting and self._group is not None:
                self._perform(self._group.step(time.monotonic_ns() // 1000, self._waiting.popleft()))
        finally:
            self._waiting.clear()
            self._is_stepping = False
        self._flush()

    def _perform(self, effects: tuple[GroupEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case ToClient(said):
                    self._said(said)
                case Cast(data):
                    self._casts.append(data)
                case SetTimer(at_us):
                    if self._timer is not None:
                        self._timer.cancel()
                    self._timer = asyncio.get_running_loop().call_at(at_us / 1e6, self._fired)
                case Persist(name, data):
                    if not self._persist(name, data):
                        return
                case Tell(report):
                    self._tell(report)
                case Depart():
                    self._depart()
                case Rejoin():
                    self._group = None
                    self._lose("the others went on without this manager")
                    return

    def _flush(self) -> None:
        """Cast what waits, in its order, as far as the daemon takes it."""
        if self._cast_timer is not None or self._connection is None:
            return
        while self._casts:
            try:
                if not self._connection.cast(self._casts[0]):
                    self._cast_timer = asyncio.get_running_loop().call_later(CAST_RETRY_S, self._flush_again)
                    return
            except Unreachable as fault:
                self._lose(str(fault))
                return
            self._casts.popleft()

    def _flush_again(self) -> None:
        self._cast_timer = None
        self._flush()

    def _persist(self, name: str, data: bytes) -> bool:
        try:
            write_file(self._state_dir / name, data)
        except OSError as fault:
            why = fault.strerror or str(fault)
            remedy = "free space or mend the disk"
            self._tell(error("engine.state-not-written", f"cannot write {self._state_dir / name}", why, remedy))
            self._lose("its number could not be stored")
            return False
        return True

    def _depart(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        for fd in connection.fds():
            asyncio.get_running_loop().remove_reader(fd)
        self._leaving = asyncio.create_task(self._apart.call(connection.leave, LEAVE_S))
        self._leaving.add_done_callback(lambda _: self._lose("this node has left"))

    # ---- the tools' side (provider_tools.py) ------------------------------------------------------------------------

    async def status(self) -> EngineStatus:
        """What the corosync tools print. Raises Unreachable or Stuck."""
        group, connection = self._group, self._connection
        if connection is None:
            return self._roster.status(None, None, {}, (), {})

        def ask() -> tuple[Mapping[NodeId, int], tuple[tuple[str, str, str], ...]]:
            return {node: connection.votes_of(node) for node in self._roster.votes}, tuple(connection.values())

        try:
            votes, cmap = await self._apart.call(ask, CALL_S)
        except Unreachable:
            votes, cmap = {}, ()
        joined = {key.split(".")[2] for key, _, value in cmap if key.startswith("runtime.members.") and value == "joined"}
        reachable = {node: str(node) in joined for node in self._roster.votes}
        view, quorum = (None, None) if group is None else (group.view, group.quorum)
        return self._roster.status(view, quorum, reachable, cmap, votes)

    async def adjust(self, verb: str, node: NodeId, value: int) -> None:
        """An operator's order. Raises Unreachable or Stuck."""
        connection = self._connection
        if connection is None:
            raise Unreachable("there is no connection to Corosync")
        await self._apart.call(lambda: connection.adjust(verb, node, value), CALL_S)

    async def reload(self) -> list[Report]:
        """Corosync's own reload, on all nodes. Raises Unreachable or Stuck."""
        connection = self._connection
        if connection is None:
            raise Unreachable("there is no connection to Corosync")
        await self._apart.call(connection.reload, CALL_S)
        return [notice("corosync.reloaded", "the daemons of all nodes have read their corosync.conf again")]
