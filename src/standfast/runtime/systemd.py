"""Systemd units as resources: performs RunUnit over D-Bus and tells AgentExited.

Owns: one connection to the system bus, waiting for a job's end (JobRemoved), reading a unit's state, and the run-time drop-in
that a unit has while the cluster runs it. Does not own time limits: the executor ends what takes too long, and the job that a
timed-out start leaves is replaced by the stop that follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, Message, MessageType, Parser, new_method_call
from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.bus_messages import message_bus
from jeepney.low_level import HeaderFields

from standfast.executor.api import AgentExited, EndAgent, Fault, RunUnit

BUS_PATH = "/run/dbus/system_bus_socket"
OVERRIDE_DIR = "/run/systemd/system"
OVERRIDE_NAME = "50-standfast.conf"

CONNECT_S_MAX = 10.0
POLL_S_MIN, POLL_S_MAX = 0.1, 1.0
"""How often a unit that is between two states is looked at again."""

_MANAGER = DBusAddress("/org/freedesktop/systemd1", "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager")
_METHODS = {"start": "StartUnit", "stop": "StopUnit", "restart": "RestartUnit"}
_UP = ("active", "reloading", "refreshing")
_BETWEEN = ("activating", "deactivating")
_NO_SUCH_UNIT = tuple(f"org.freedesktop.systemd1.{name}" for name in ("NoSuchUnit", "LoadFailed", "InvalidName"))
_DENIED = ("org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")

RC_OK, RC_NOT_RUNNING = 0, 7


class BusError(Exception):
    """An error reply (`name` is D-Bus's), or the end of the connection (`name` "")."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}" if name else text)
        self.name = name
        self.text = text


class Bus:
    """A connection to a D-Bus daemon: calls with their replies, and signals to one listener. When it ends, every call under way
    raises BusError and `on_end` is called."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._serials = count(1)
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._task = asyncio.create_task(self._receive())
        self.on_signal: Callable[[Message], None] = lambda _message: None
        self.on_end: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, path: str) -> Bus:
        """Connect, authenticate as our user and say hello. Raises OSError, BusError."""
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            authenticator = Authenticator()
            for line in authenticator:
                writer.write(line)
                await writer.drain()
                authenticator.feed(await reader.readuntil(b"\r\n"))
            writer.write(BEGIN)
        except (AuthenticationError, EOFError) as refused:
            writer.close()
            raise BusError("", f"the bus does not accept us: {refused}") from refused
        except BaseException:
            writer.close()
            raise
        bus = cls(reader, writer)
        try:
            await bus.call(message_bus.Hello())
        except BaseException:
            await bus.close()
            raise
        return bus

    async def call(self, message: Message) -> tuple[Any, ...]:
        """Send a method call and give the body of its reply. Raises BusError."""
        if self._task.done():
            raise BusError("", "the connection to the bus has ended")
        serial = next(self._serials)
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[serial] = reply
        try:
            self._writer.write(message.serialise(serial))
            await self._writer.drain()
            answer = await reply
        except ConnectionError as lost:
            raise BusError("", str(lost)) from lost
        finally:
            self._replies.pop(serial, None)
        if answer.header.message_type is MessageType.error:
            text = str(answer.body[0]) if answer.body else ""
            raise BusError(str(answer.header.fields.get(HeaderFields.error_name, "?")), text)
        return tuple(answer.body)

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()

    async def _receive(self) -> None:
        parser = Parser()
        try:
            while data := await self._reader.read(64 * 1024):
                parser.add_data(data)
                while (message := parser.get_next_message()) is not None:
                    self._take(message)
        except Exception:  # noqa: S110 - whatever broke the stream, the connection has ended, and the callers are told below
            pass
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(BusError("", "the connection to the bus has ended"))
            self._writer.close()
            self.on_end()

    def _take(self, message: Message) -> None:
        if message.header.message_type is MessageType.signal:
            self.on_signal(message)
            return
        reply = self._replies.get(message.header.fields.get(HeaderFields.reply_serial, 0))
        if reply is not None and not reply.done():
            reply.set_result(message)


class Units:
    """Performs the executor's effects on units. Invariant: every RunUnit gives one call of `exited`, never from inside `run`
    or `end`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        exited: Callable[[AgentExited], None],
        bus_path: str = BUS_PATH,
        override_dir: str = OVERRIDE_DIR,
    ) -> None:
        self._loop = loop
        self._exited = exited
        self._bus_path = bus_path
        self._override_dir = Path(override_dir)
        self._bus: Bus | None = None
        self._connecting = asyncio.Lock()
        self._runs: dict[int, asyncio.Task[AgentExited]] = {}
        self._jobs: dict[str, str] = {}
        self._waiters: list[asyncio.Future[None]] = []

    def run(self, effect: RunUnit) -> None:
        """Ask systemd; the answer comes by `exited`."""
        task = self._loop.create_task(self._perform(effect))
        self._runs[effect.run] = task
        task.add_done_callback(lambda done: self._done(effect, done))

    def end(self, effect: EndAgent) -> bool:
        """Wait no longer; False when the run is not one of ours (any more). The unit's job itself goes on in systemd."""
        task = self._runs.get(effect.run)
        if task is None:
            return False
        task.cancel()
        return True

    async def close(self) -> None:
        """Forget whatever is under way, without an answer, and end the connection."""
        tasks, self._runs = list(self._runs.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        bus, self._bus = self._bus, None
        if bus is not None:
            await bus.close()

    def _done(self, effect: RunUnit, task: asyncio.Task[AgentExited]) -> None:
        if self._runs.pop(effect.run, None) is None:
            return  # closed
        if task.cancelled():
            self._exited(_failed(effect, f"systemd has not finished the {effect.verb} of {effect.unit}"))
            return
        unexpected = task.exception()
        self._exited(task.result() if unexpected is None else _failed(effect, f"{type(unexpected).__name__}: {unexpected}"))

    # ---- verbs ------------------------------------------------------------------------------------------------------

    async def _perform(self, effect: RunUnit) -> AgentExited:
        if effect.verb not in (*_METHODS, "status") or "/" in effect.unit:
            return _failed(effect, f"Action {effect.verb} not implemented for systemd resources", Fault.UNSUPPORTED)
        try:
            bus = await self._connected()
            if effect.verb == "status":
                return await self._status(bus, effect)
            return await self._job(bus, effect)
        except (OSError, TimeoutError) as failed:
            return _failed(effect, f"no connection to systemd over {self._bus_path}: {failed} (is dbus running on this node?)")
        except BusError as failed:
            return _replied(effect, failed)

    async def _status(self, bus: Bus, effect: RunUnit) -> AgentExited:
        """The unit's ActiveState; a unit between two states is waited for."""
        (path,) = await bus.call(new_method_call(_MANAGER, "LoadUnit", "s", (effect.unit,)))
        properties = DBusAddress(str(path), "org.freedesktop.systemd1", "org.freedesktop.DBus.Properties")
        poll_s = POLL_S_MIN
        while True:
            ((_signature, state),) = await bus.call(
                new_method_call(properties, "Get", "ss", ("org.freedesktop.systemd1.Unit", "ActiveState"))
            )
            if state not in _BETWEEN:
                break
            await asyncio.sleep(poll_s)
            poll_s = min(poll_s * 2, POLL_S_MAX)
        is_up = state in _UP
        return AgentExited(effect.run, RC_OK if is_up else RC_NOT_RUNNING, b"", b"", "" if is_up else str(state))

    async def _job(self, bus: Bus, effect: RunUnit) -> AgentExited:
        """Start, stop or restart, and wait for the job's end."""
        changed = self._put_override(effect.unit) if effect.verb == "start" else False
        if effect.verb == "stop":
            changed = self._drop_override(effect.unit)
        if changed:
            await bus.call(new_method_call(_MANAGER, "Reload"))
        (job,) = await bus.call(new_method_call(_MANAGER, _METHODS[effect.verb], "ss", (effect.unit, "replace")))
        while str(job) not in self._jobs and self._bus is bus:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        result = self._jobs.pop(str(job), "lost")
        if result == "done":
            return AgentExited(effect.run, RC_OK, b"", b"")
        if result == "lost":
            raise BusError("", "the connection to the bus has ended")
        if result == "timeout":
            return _failed(effect, f"systemd {effect.verb} job for {effect.unit} timed out", Fault.TIMED_OUT)
        return _failed(effect, f"systemd {effect.verb} job for {effect.unit} failed with result '{result}'")

    # ---- the connection ---------------------------------------------------------------------------------------------

    async def _connected(self) -> Bus:
        """The connection, opened anew when there is none. Raises OSError, TimeoutError, BusError."""
        async with self._connecting:
            if self._bus is None:
                async with asyncio.timeout(CONNECT_S_MAX):
                    bus = await Bus.open(self._bus_path)
                    bus.on_signal = self._signal
                    bus.on_end = lambda: self._lost(bus)
                    rule = "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager'"
                    await bus.call(message_bus.AddMatch(f"{rule},member='JobRemoved'"))
                    await bus.call(new_method_call(_MANAGER, "Subscribe"))
                self._bus = bus
            return self._bus

    def _lost(self, bus: Bus) -> None:
        if self._bus is bus:
            self._bus = None
            self._jobs.clear()
        self._wake()

    def _signal(self, message: Message) -> None:
        if message.header.fields.get(HeaderFields.member) != "JobRemoved" or len(message.body) != 4:
            return
        # The signal may be faster than the reply that names the job, so results are kept; strangers' are not worth much room.
        self._jobs[str(message.body[1])] = str(message.body[3])
        while len(self._jobs) > 1024:
            del self._jobs[next(iter(self._jobs))]
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # ---- the drop-in ------------------------------------------------------------------------------------------------

    def _put_override(self, unit: str) -> bool:
        """While the cluster runs a unit it says so, stops before us at shutdown, and is not restarted by systemd behind our back
        (as Pacemaker's systemd_create_override). Returns whether systemd has to read it. Raises OSError."""
        text = f"[Unit]\nDescription=Cluster Controlled {unit}\nBefore=standfast.service\n"
        if unit.endswith(".service"):
            text += "\n[Service]\nRestart=no\n"
        file = self._override(unit)
        with contextlib.suppress(OSError):
            if file.read_text() == text:
                return False
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o644)
        return True

    def _drop_override(self, unit: str) -> bool:
        try:
            self._override(unit).unlink()
        except OSError:
            return False
        return True

    def _override(self, unit: str) -> Path:
        return self._override_dir / f"{unit}.d" / OVERRIDE_NAME


def _failed(effect: RunUnit, text: str, fault: Fault = Fault.OTHER) -> AgentExited:
    return AgentExited(effect.run, None, b"", b"", text, fault)


def _replied(effect: RunUnit, failed: BusError) -> AgentExited:
    """What an error reply means; a unit that does not exist can be considered stopped."""
    if failed.name in _NO_SUCH_UNIT:
        if effect.verb == "stop":
            return AgentExited(effect.run, RC_OK, b"", b"")
        return _failed(effect, f"systemd unit {effect.unit} not found", Fault.MISSING)
    fault = Fault.DENIED if failed.name in _DENIED else Fault.OTHER
    return _failed(effect, f"systemd refused the {effect.verb} of {effect.unit}: {failed.text or failed.name}", fault)
