"""The engine's process: UDP sockets, its one timer, its state folder, the manager's line and the tools' socket.

Performs the effects of an `Engine` in their order and wraps what happens as events. Decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from standfast.base.ids import NodeId
from standfast.base.report import Refused, Report, error, notice
from standfast.base.wire import Malformed
from standfast.engine import ring_wire
from standfast.engine.effects import (
    Address,
    Adjusted,
    AskKernel,
    AskThird,
    ClientGone,
    DatagramReceived,
    EngineEffect,
    EngineInput,
    Halt,
    KernelAnswered,
    LeaveThird,
    PeerRefused,
    Persist,
    ReadFile,
    Rekeyed,
    ReloadEnded,
    Requested,
    SendDatagram,
    SetTimer,
    Tell,
    TimerFired,
    ToClient,
)
from standfast.engine.embedded import Engine
from standfast.runtime.durable import write_file
from standfast.runtime.echo import COOKIE_BYTES, Echo
from standfast.runtime.keyfiles import KeyFiles
from standfast.runtime.line_server import Caller, Json, LineServer, failure, success
from standfast.runtime.reloading import Reloading

if TYPE_CHECKING:
    from standfast.openstack.arbiter import Arbiter
    from standfast.runtime.third_line import ThirdLine

DATAGRAM_BYTES_MAX = 65_535
DATAGRAMS_PER_WAKE = 64
ERRORS_PER_WAKE = 1024
UNSENT_BYTES_MAX = 64 * 1024 * 1024
ADJUSTMENTS = ("expected_votes", "votes", "cancel_wait_for_all", "kill", "leave")


def now_us() -> int:
    """The monotonic clock, which all processes of a host share."""
    return time.monotonic_ns() // 1000


class EngineHost:
    """Runs one Engine on an asyncio loop until it halts."""

    def __init__(
        self,
        engine: Engine,
        binds: tuple[Address, ...],
        state_dir: Path,
        run_dir: Path,
        tell: Callable[[Report], None],
        reloading: Reloading,
        reopen_logs: Callable[[], None],
        admin_gid: int | None,
        arbiter: Arbiter | None = None,
        keys: KeyFiles | None = None,
    ) -> None:
        """`binds` is the local address of each link, by link number; `admin_gid` may use the tools' socket beside root; `arbiter`
        is asked for the third opinion, if any. Without `keys` (the key stands in corosync.conf) it cannot be changed live."""
        self._keys = keys
        self._arbiter = arbiter
        self._third: ThirdLine | None = None
        self._engine = engine
        self._binds = binds
        self._state_dir = state_dir
        self._tell = tell
        self._reloading = reloading
        self._reopen_logs = reopen_logs
        self._sockets: list[socket.socket] = []
        self._echoes: list[Echo] = []
        self._timer: asyncio.TimerHandle | None = None
        self._client: asyncio.StreamWriter | None = None
        self._halted: asyncio.Future[Report] | None = None
        self._ring_path = run_dir / "ring.sock"
        self._tools = LineServer(run_dir / "engine.sock", 0o660, self._tool, group=admin_gid)
        self._verbs: dict[str, Callable[[Caller, Json], Json]] = {
            "engine.status": self._status,
            "engine.adjust": self._adjust,
            "engine.reopen_logs": self._reopened,
            "engine.rekey": self._rekey,
        }

    async def run(self) -> Report:
        """Serve until the engine halts; returns its last report."""
        loop = asyncio.get_running_loop()
        self._halted = loop.create_future()
        if self._arbiter is not None:
            from standfast.runtime.third_line import ThirdLine

            self._third = ThirdLine(self._arbiter, loop, self._step, self._tell)
        for link, address in enumerate(self._binds):
            sock = _bind(address)
            self._sockets.append(sock)
            loop.add_reader(sock.fileno(), self._readable, link, sock)
            self._open_echo(loop, link, address)
        with contextlib.suppress(FileNotFoundError):
            self._ring_path.unlink()
        ring = await asyncio.start_unix_server(self._serve_manager, self._ring_path)
        os.chmod(self._ring_path, 0o600)
        await self._tools.start()
        self._perform(self._engine.start(now_us()))
        try:
            return await self._halted
        finally:
            ring.close()
            await self._tools.stop()
            if self._third is not None:
                await self._third.close()
            ends: tuple[socket.socket | Echo, ...] = (*self._sockets, *self._echoes)
            for each in ends:
                if each.fileno() >= 0:
                    loop.remove_reader(each.fileno())
                each.close()

    def leave(self) -> None:
        """Leave politely (a signal, a tool): the others learn it at once, then the engine halts."""
        self._step(Adjusted("leave", NodeId(0), 0))

    def _step(self, event: EngineInput) -> None:
        self._perform(self._engine.step(now_us(), event))

    def _perform(self, effects: tuple[EngineEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case SendDatagram(link, address, data):
                    self._send(link, address, data)
                case AskKernel(link, address, asked_us):
                    if link < len(self._echoes):
                        self._echoes[link].ask(address, asked_us)
                case SetTimer(at_us):
                    self._arm(at_us)
                case ToClient(event):
                    self._to_client(ring_wire.encode_event(event))
                case Tell(report):
                    self._tell(report)
                case Persist(name, data):
                    if not self._persist(name, data):
                        return
                case AskThird() | LeaveThird():
                    if self._third is not None:
                        self._third.perform(effect)
                case ReadFile() | ReloadEnded():
                    self._reloading.perform(effect, self._step, self._tools.send, self._tell)
                case Halt(report):
                    self._halt(report)

    # ---- datagrams -----------------------------------------------------------------------------------------------

    def _send(self, link: int, address: Address, data: bytes) -> None:
        if link < len(self._sockets):
            # Loss is expected: a full buffer, no route, or a pending ICMP error of an earlier datagram are all silence.
            with contextlib.suppress(OSError):
                self._sockets[link].sendto(data, address)

    def _readable(self, link: int, sock: socket.socket) -> None:
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, source = sock.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError:
                # Nothing to read, or an error of an earlier datagram. Either way the error queue has to be emptied: as long as
                # there is anything in it, the socket counts as ready, and this would be called for ever.
                self._read_errors(link, sock)
                return
            self._step(DatagramReceived(link, (source[0], source[1]), data))

    def _read_errors(self, link: int, sock: socket.socket) -> None:
        """Empty the socket's error queue (ip(7), IP_RECVERR); a closed port is news, all else is silence."""
        for _ in range(ERRORS_PER_WAKE):
            try:
                _, extras, _, target = sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            if target and any(_is_refusal(level, kind, extra) for level, kind, extra in extras):
                self._step(PeerRefused(link, (target[0], target[1])))

    def _open_echo(self, loop: asyncio.AbstractEventLoop, link: int, address: Address) -> None:
        echo = Echo(address[0], os.urandom(COOKIE_BYTES))
        self._echoes.append(echo)
        if echo.fileno() >= 0:
            loop.add_reader(echo.fileno(), self._echoed, link, echo)
        else:
            why = "a peer that stands still for a moment is taken for dead at the ordinary bound"
            self._tell(notice("engine.no-echo", f"kernels cannot be asked on {address[0]}: {echo.fault}", why))

    def _echoed(self, link: int, echo: Echo) -> None:
        for address, asked_us in echo.answers():
            self._step(KernelAnswered(link, address, asked_us))

    # ---- timer, disk, end ----------------------------------------------------------------------------------------

    def _arm(self, at_us: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # The loop's clock is the monotonic clock; call_at never fires early by more than its resolution.
        self._timer = asyncio.get_running_loop().call_at(at_us / 1e6, self._fired)

    def _fired(self) -> None:
        self._timer = None
        self._step(TimerFired())

    def _persist(self, name: str, data: bytes) -> bool:
        try:
            write_file(self._state_dir / name, data)
        except OSError as fault:
            self._halt(
                error(
                    "engine.state-not-written",
                    f"cannot write {self._state_dir / name}: this node leaves the cluster",
                    fault.strerror or str(fault),
                    "free space or mend the disk, then start again",
                )
            )
            return False
        return True

    def _halt(self, report: Report) -> None:
        if self._halted is not None and not self._halted.done():
            self._halted.set_result(report)

    # ---- the manager's line --------------------------------------------------------------------------------------

    async def _serve_manager(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._client is not None:
            self._client.transport.abort()  # the newest life of the manager is the one that counts
        self._client = writer
        buffer = ring_wire.FrameBuffer()
        try:
            while data := await reader.read(1 << 18):
                for body in buffer.feed(data):
                    if self._client is writer:
                        self._step(Requested(ring_wire.decode_request(body)))
        except (ConnectionError, Malformed) as fault:
            self._tell(error("engine.manager-line", "the line to the manager broke", str(fault)))
        except asyncio.CancelledError:
            return  # the loop ends; asyncio's own callback would print a cancelled connection as an error
        finally:
            writer.close()
            if self._client is writer:
                self._client = None
                self._step(ClientGone())

    def _to_client(self, frame: bytes) -> None:
        if self._client is None or self._client.is_closing():
            return
        self._client.write(frame)
        if self._client.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._tell(error("engine.manager-slow", "the manager does not read: its line is cut", "", "see the manager's log"))
            self._client.transport.abort()

    # ---- tools ---------------------------------------------------------------------------------------------------

    def _tool(self, caller: Caller, request: Json) -> None:
        if request["verb"] == "engine.reload":
            self._reloading.ask(caller, request, self._step, self._tools.send)
            return
        verb = self._verbs.get(request["verb"])
        if verb is None:
            answer = failure(request, error("engine.unknown-verb", f"unknown verb {request['verb']!r}"))
        else:
            try:
                answer = verb(caller, request)
            except Refused as refusal:
                answer = failure(request, *refusal.reports, exit_code=refusal.exit_code)
        self._tools.send(caller.connection, answer)

    def _status(self, _: Caller, request: Json) -> Json:
        return success(request, status=msgspec.to_builtins(self._engine.status(now_us())))

    def _adjust(self, caller: Caller, request: Json) -> Json:
        if caller.uid != 0:
            return failure(request, error("engine.not-root", "only root may adjust the engine", "", "use sudo"), exit_code=4)
        verb: Any = request.get("adjust")
        node, value = request.get("node", 0), request.get("value", 0)
        if verb not in ADJUSTMENTS or not isinstance(node, int) or not isinstance(value, int):
            return failure(
                request, error("engine.bad-adjustment", f"cannot adjust {verb!r}", "", f"one of {', '.join(ADJUSTMENTS)}")
            )
        self._step(Adjusted(verb, NodeId(node), value))
        return success(request)

    def _rekey(self, caller: Caller, request: Json) -> Json:
        """`step`: begin (make or read the next key), finish (it is the key), status."""
        if caller.uid != 0:
            return failure(request, error("engine.not-root", "only root may change the key", "", "use sudo"), exit_code=4)
        if self._keys is None:
            what = "the key stands in corosync.conf (totem.key)"
            return failure(
                request, error("engine.key-inline", what, "", "move it to a file (totem.keyfile), then it can be changed")
            )
        step, made = request.get("step", "status"), False
        lacking = self._engine.lacking_key
        if step == "finish" and not self._keys.next.exists():
            return failure(request, error("engine.no-next-key", f"there is no {self._keys.next}", "nothing is under way"))
        if step == "finish" and lacking:
            remedy = f"copy {self._keys.next} there and run `crm cluster rotate-key begin`; start what is down"
            what = f"not seen with the next key yet: {', '.join(lacking)}"
            return failure(request, error("engine.key-lacking", what, "without the old one they would be lost", remedy))
        if step == "begin":
            made = self._keys.begin()
        elif step == "finish":
            self._keys.finish()
        if step in ("begin", "finish"):
            self._step(Rekeyed(self._keys.ring()))
            self._tell(notice("engine.rekeyed", "the key was taken over" if step == "finish" else "a next key is known"))
        return success(
            request,
            made=made,
            moving=self._keys.next.exists(),
            lacking=list(self._engine.lacking_key),
            file=str(self._keys.next),
        )

    def _reopened(self, _: Caller, request: Json) -> Json:
        self._reopen_logs()
        return success(request)


def _is_refusal(level: int, kind: int, extra: bytes) -> bool:
    """Whether this is ICMP's word that a port is closed: struct sock_extended_err, errno and origin (2: ICMP, 3: ICMPv6)."""
    if (level, kind) not in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)) or len(extra) < 5:
        return False
    number, origin = _EXTENDED_ERROR.unpack_from(extra)
    return number == errno.ECONNREFUSED and origin in (2, 3)


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        # ICMP "port unreachable" comes back through the error queue: the peer's host lives, its engine does not.
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        sock.bind(address)
    except OSError as fault:
        sock.close()
        raise Refused(_not_bound(address, fault)) from None
    return sock


_IP_RECVERR = 11
_IPV6_RECVERR = 25
_EXTENDED_ERROR = struct.Struct("=IB")


def _not_bound(address: Address, fault: OSError) -> Report:
    where = f"{address[0]} port {address[1]}/udp"
    if fault.errno == errno.EADDRINUSE:
        return error(
            "engine.port-in-use",
            f"{where} is in use",
            "another engine (or corosync itself) is running on this host",
            f"stop it, or find it with: ss -ulpn sport = :{address[1]}",
        )
    if fault.errno == errno.EADDRNOTAVAIL:
        return error(
            "engine.no-address",
            f"this host does not have the address {address[0]}",
            "corosync.conf names it for this node",
            "bring the interface up, or correct ring0_addr (ip addr shows what there is)",
        )
    return error("engine.not-bound", f"cannot bind {where}", fault.strerror or str(fault))
