"""The manager's line to etcd: performs the effects of a Store (engine/etcd.py) on etcd's API.

Owns: sessions (a lease, this node's key, all there is, then a watch), the turn to another endpoint within a session, repeating a
write whose answer was lost, the tools' socket. Decides nothing about views.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from standfast.base.ids import Entropy, NodeId
from standfast.base.report import Report, Severity, error, notice
from standfast.engine.api import ClientRequest, EngineStatus
from standfast.engine.effects import Persist, Requested, SetTimer, Tell, TimerFired, ToClient
from standfast.engine.etcd import Store
from standfast.engine.etcd_effects import (
    Changed,
    Entry,
    KeepAlive,
    Kept,
    Opened,
    Propose,
    Put,
    PutDone,
    Release,
    Reopen,
    StoreEffect,
    StoreInput,
)
from standfast.engine.etcd_records import Node, encode, node_key, said_key, view_key
from standfast.engine.reserved import SEQ_FILE
from standfast.runtime.apart import Stuck, Unreachable
from standfast.runtime.cluster_line import Lost, Said
from standfast.runtime.durable import read_file, write_file
from standfast.runtime.etcd_client import Access, Endpoint, EtcdError, Json, after, b64, unb64
from standfast.runtime.provider_tools import ProviderTools
from standfast.runtime.roster import Roster

OPEN_S = 3.0
KEEP_S = 1.5
PUT_S = 3.0
LEAVE_S = 2.0
RETRY_S = 0.25
TOLD_MAX = 16
SEQ_BYTES_MAX = 4096
_NOT_FOUND = 5


class EtcdLine:
    """See ClusterLine."""

    def __init__(
        self,
        roster: Roster,
        endpoints: tuple[str, ...],
        prefix: str,
        ttl_s: int,
        access: Access,
        state_dir: Path,
        entropy: Entropy,
        tools: ProviderTools,
        tell: Callable[[Report], None],
    ) -> None:
        """Raises Refused for certificates or a state folder that cannot be used."""
        self._roster, self._prefix, self._ttl_s = roster, prefix, ttl_s
        self._endpoints = [Endpoint(url, access) for url in endpoints]
        self._at = 0
        if access.user:
            access.password()
        self._state_dir, self._entropy = state_dir, entropy
        self._tools, self._tell = tools, tell
        self._store: Store | None = None
        self._said: Said = lambda _: None
        self._waiting: deque[StoreInput] = deque()
        self._is_stepping = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._lease = ""
        self._revision = 0
        self._ended: asyncio.Future[str] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._new_store(1)  # a damaged folder is refused now, not later

    async def serve(self, said: Said, lost: Lost) -> None:
        """See ClusterLine."""
        self._said = said
        await self._tools.start(self)
        told: set[str] = set()  # each endpoint's fault once
        while self._leaving is None:
            boot = int.from_bytes(self._entropy(8), "big") >> 1
            try:
                opened = await self._open(boot)
            except (Unreachable, Stuck) as fault:
                self._turn()
                if str(fault) not in told and len(told) < TOLD_MAX:
                    told.add(str(fault))
                    remedy = "is etcd up, and are endpoints, certificates and user right?"
                    self._tell(Report("etcd.waiting", Severity.NOTICE, "waiting for etcd", str(fault), remedy))
                await asyncio.sleep(RETRY_S)
                continue
            told.clear()
            self._ended = asyncio.get_running_loop().create_future()
            self._store = self._new_store(boot)
            what = f"connected to etcd at {self._endpoint.url} as node {self._roster.local}"
            self._tell(notice("etcd.connected", what, f"a node that is not heard of leaves after {opened.ttl_s} s"))
            self._revision = opened.revision
            self._watching = self._spawn(self._watch())
            self._step(opened)
            reason = await self._ended
            self._end()
            lost(reason)

    def say(self, request: ClientRequest) -> None:
        """See ClusterLine."""
        if self._store is not None:
            self._step(Requested(request))

    async def close(self) -> None:
        """See ClusterLine."""
        if self._leaving is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._leaving
        self._end()
        for endpoint in self._endpoints:
            endpoint.close()
        await self._tools.stop()

    # ---- sessions ---------------------------------------------------------------------------------------------------

    @property
    def _endpoint(self) -> Endpoint:
        return self._endpoints[self._at]

    def _turn(self) -> None:
        self._at = (self._at + 1) % len(self._endpoints)

    def _new_store(self, boot: int) -> Store:
        remembered = read_file(self._state_dir / SEQ_FILE, SEQ_BYTES_MAX)
        return Store(self._roster.local, boot, self._prefix, self._roster.votes, remembered)

    async def _open(self, boot: int) -> Opened:
        """A lease, our key on it, and everything there is."""
        endpoint, granted_us = self._endpoint, _now_us()
        lease = await endpoint.call("/v3/lease/grant", {"TTL": str(self._ttl_s)}, OPEN_S)
        self._lease, ttl_s = str(lease["ID"]), int(lease["TTL"])
        put = {"key": b64(node_key(self._prefix, self._roster.local)), "value": b64(encode(Node(boot))), "lease": self._lease}
        await endpoint.call("/v3/kv/put", put, OPEN_S)
        found = await endpoint.call("/v3/kv/range", self._range(), OPEN_S)
        entries = tuple(_entry(kv, is_put=True) for kv in found.get("kvs", ()))
        return Opened(granted_us, ttl_s, int(found["header"]["revision"]), entries)

    def _range(self) -> Json:
        return {"key": b64(f"{self._prefix}/"), "range_end": b64(after(f"{self._prefix}/"))}

    def _end(self) -> None:
        self._store = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in list(self._tasks):
            task.cancel()

    def _lose(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watch(self) -> None:
        """Everything that changes, in order, from where this node stands; from one endpoint, and when that fails from the
        next."""
        while True:
            request = {"create_request": {**self._range(), "start_revision": str(self._revision + 1)}}
            why = "it closed the watch"
            try:
                async for answer in self._endpoint.stream("/v3/watch", request):
                    if int(answer.get("compact_revision") or 0) > self._revision:
                        self._lose("etcd compacted its history before this node had read it")
                        return
                    if answer.get("canceled"):
                        why = str(answer.get("cancel_reason", "it cancelled the watch"))
                        break
                    self._changed(answer)
            except (Unreachable, Stuck, KeyError, ValueError) as fault:
                why = str(fault)
            self._turn_over(why)
            await asyncio.sleep(RETRY_S)

    def _changed(self, answer: Json) -> None:
        """What a watch has brought. Raises KeyError and ValueError for what etcd does not send."""
        events = answer.get("events", ())
        entries = tuple(_entry(event["kv"], is_put=event.get("type") != "DELETE") for event in events)
        if entries:
            self._revision = max(entry.revision for entry in entries)
            self._step(Changed(entries))

    def _turn_over(self, why: str) -> None:
        """Another endpoint, in the same session: the lease and the place in history are etcd's, not a server's."""
        left = self._endpoint.url
        self._turn()
        if len(self._endpoints) > 1:
            self._tell(Report("etcd.turned", Severity.NOTICE, f"{left} is left for {self._endpoint.url}", why))

    async def _keep(self) -> None:
        """Renew the lease, then read which view is in force."""
        sent_us = _now_us()
        try:
            kept = await self._endpoint.call("/v3/lease/keepalive", {"ID": self._lease}, KEEP_S, "keep")
            if int(kept.get("TTL", 0)) <= 0:
                self._lose("the lease has run out")
                return
            asked = {"key": b64(view_key(self._prefix)), "keys_only": True}
            found = await self._endpoint.call("/v3/kv/range", asked, KEEP_S, "keep")
        except EtcdError as refused:
            if refused.code == _NOT_FOUND:
                self._lose("the lease has run out")
            return
        except (Unreachable, Stuck, ValueError) as fault:
            # Silence: the machine knows how long that may last. A watch may hang on the same dead connection.
            self._turn_over(str(fault))
            if self._watching is not None:
                self._watching.cancel()
            self._watching = self._spawn(self._watch())
            return
        revision = max((int(kv["mod_revision"]) for kv in found.get("kvs", ())), default=0)
        self._step(Kept(sent_us, revision))

    async def _propose(self, propose: Propose) -> None:
        compare = [_unchanged(node_key(self._prefix, node), revision) for node, revision in propose.nodes]
        with contextlib.suppress(Unreachable, Stuck):  # the machine proposes again while it has to
            await self._write(view_key(self._prefix), propose.value, [*compare, self._same_view(propose.view_revision)], "view")

    async def _put(self, put: Put) -> None:
        key = said_key(self._prefix, self._roster.local)
        while True:
            try:
                taken = await self._write(key, put.value, [self._same_view(put.view_revision)], "put")
            except (Unreachable, Stuck):
                await asyncio.sleep(RETRY_S)  # it may stand or not: said again, it is taken once
                continue
            self._step(PutDone(taken))
            return

    async def _write(self, key: str, value: bytes, compare: list[Json], channel: str) -> bool:
        success = [{"request_put": {"key": b64(key), "value": b64(value)}}]
        done = await self._endpoint.call("/v3/kv/txn", {"compare": compare, "success": success}, PUT_S, channel)
        return bool(done.get("succeeded", False))

    def _same_view(self, revision: int) -> Json:
        return _unchanged(view_key(self._prefix), revision)

    async def _release(self) -> None:
        with contextlib.suppress(Unreachable, Stuck):
            await self._endpoint.call("/v3/lease/revoke", {"ID": self._lease}, LEAVE_S, "leave")
        self._lose("this node has left")

    # ---- steps ------------------------------------------------------------------------------------------------------

    def _fired(self) -> None:
        self._timer = None
        self._step(TimerFired())

    def _step(self, event: StoreInput) -> None:
        """One event after the other: what the client says while it is being told something waits until that is told."""
        self._waiting.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._waiting and self._store is not None:
                self._perform(self._store.step(_now_us(), self._waiting.popleft()))
        finally:
            self._waiting.clear()
            self._is_stepping = False

    def _perform(self, effects: tuple[StoreEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case ToClient(said):
                    self._said(said)
                case SetTimer(at_us):
                    if self._timer is not None:
                        self._timer.cancel()
                    self._timer = asyncio.get_running_loop().call_at(at_us / 1e6, self._fired)
                case KeepAlive():
                    if self._keeping is None or self._keeping.done():
                        self._keeping = self._spawn(self._keep())
                case Propose():
                    self._spawn(self._propose(effect))
                case Put():
                    self._spawn(self._put(effect))
                case Persist(name, data):
                    if not self._persist(name, data):
                        return
                case Tell(report):
                    self._tell(report)
                case Release():
                    self._leaving = asyncio.get_running_loop().create_task(self._release())
                case Reopen(reason):
                    self._lose(reason)

    def _persist(self, name: str, data: bytes) -> bool:
        try:
            write_file(self._state_dir / name, data)
        except OSError as fault:
            why = fault.strerror or str(fault)
            self._tell(
                error("engine.state-not-written", f"cannot write {self._state_dir / name}", why, "free space or mend the disk")
            )
            self._lose("its number could not be stored")
            return False
        return True

    # ---- the tools' side (provider_tools.py) ------------------------------------------------------------------------

    async def status(self) -> EngineStatus:
        """What the corosync tools print; cmap holds what etcd says of itself."""
        store = self._store
        living = () if store is None else store.living
        cmap = [("standfast.etcd.endpoint", "str", self._endpoint.url), ("standfast.etcd.prefix", "str", self._prefix)]
        with contextlib.suppress(Unreachable, Stuck, KeyError):
            etcd = await self._endpoint.call("/v3/maintenance/status", {}, KEEP_S)
            cmap.append(("standfast.etcd.version", "str", str(etcd["version"])))
            cmap.append(("standfast.etcd.db_size", "u64", str(etcd["dbSize"])))
        reachable = {node: node in living for node in self._roster.votes}
        view, quorum = (None, None) if store is None else (store.view, store.quorum)
        return self._roster.status(view, quorum, reachable, sorted(cmap), {})

    async def adjust(self, verb: str, _node: NodeId, _value: int) -> None:
        """etcd counts no votes of ours, and nobody is killed through it. Raises Unreachable."""
        raise Unreachable(f"{verb}: with engine: etcd there are no votes to adjust; stop a node with: systemctl stop standfast")

    async def reload(self) -> list[Report]:
        """Nothing of etcd's is ours to reload."""
        return [notice("etcd.no-reload", "etcd is configured by itself; standfast { } is read at the next start")]


def _entry(kv: Json, *, is_put: bool) -> Entry:
    value = unb64(kv.get("value", "")) if is_put else None
    return Entry(unb64(kv["key"]).decode("utf-8", "replace"), value, int(kv["mod_revision"]))


def _unchanged(key: str, revision: int) -> Json:
    return {"key": b64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}


def _now_us() -> int:
    return time.monotonic_ns() // 1000
