"""Real processes: agents that behave, hang, flood, leave children or cannot be started; a systemd behind a bus of ours."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from jeepney import Header, HeaderFields, Message, MessageType, Parser
from jeepney.low_level import Endianness

from standfast.base.report import Refused
from standfast.client import agents
from standfast.executor import environment
from standfast.executor.api import (
    OUTPUT_BYTES_MAX,
    Agent,
    AgentClass,
    AgentExited,
    Completed,
    EndAgent,
    ExecutorInput,
    Fault,
    OpStatus,
    Perform,
    Request,
    Result,
    RunAgent,
    RunUnit,
    SetTimer,
    TimerFired,
)
from standfast.executor.machine import Executor
from standfast.executor.metadata import parse
from standfast.runtime.children import is_session_alive
from standfast.runtime.processes import Processes

pytestmark = pytest.mark.live

DUMMY = Agent(AgentClass.OCF, "heartbeat", "Dummy")
needs_agents = pytest.mark.skipif(not os.path.exists("/usr/lib/ocf/resource.d/heartbeat/Dummy"), reason="no resource-agents")


class Bench:
    """Processes under test, and what they answered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: asyncio.Queue[AgentExited] = asyncio.Queue()
        self.processes = Processes(self.answers.put_nowait, str(folder / "bus"), str(folder / "units"))
        self._numbers = count(1)

    def script(self, text: str, name: str = "agent", mode: int = 0o755) -> str:
        path = self.folder / name
        path.write_text(text if text.startswith("#!") or not text else f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return str(path)

    def start(self, path: str, *arguments: str, stdin: bytes = b"", values: tuple[tuple[str, str], ...] = ()) -> int:
        run = next(self._numbers)
        settings = (("PATH", "/usr/bin:/bin"), *values)
        self.processes.perform(RunAgent(run, (path, *arguments), settings, stdin))
        return run

    async def answer(self, within_s: float = 10.0) -> AgentExited:
        return await asyncio.wait_for(self.answers.get(), within_s)

    async def run(self, text: str, **options: Any) -> AgentExited:
        self.start(self.script(text), **options)
        return await self.answer()


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    made = Bench(folder)
    open_before = len(os.listdir("/proc/self/fd"))
    try:
        yield made
    finally:
        await made.processes.stop()
        await until(lambda: len(os.listdir("/proc/self/fd")) <= open_before)  # no descriptor is left open


def live(test: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Run an async test, which gets a folder of its own."""

    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    run.__name__ = test.__name__
    return run


async def until(happens: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


def alive(pid_file: Path) -> bool:
    """Whether the process that wrote its number there is more than a zombie."""
    try:
        state = Path("/proc", pid_file.read_text().strip(), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


# ---- ordinary agents ------------------------------------------------------------------------------------------------


@live
async def test_output_code_environment_and_stdin(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        ended = await b.run(
            'env; cat; pwd; umask; echo "problem" >&2; exit 7', stdin=b"plug=1\n", values=(("OCF_RESKEY_x", "é y"),)
        )
        assert (ended.rc, ended.stderr, ended.failure) == (7, b"problem\n", "")
        lines = ended.stdout.decode().splitlines()
        assert {"OCF_RESKEY_x=é y", "plug=1", "/", "0022"} <= set(lines)
        assert not any(line.startswith(("HOME=", "USER=", "PYTEST")) for line in lines), "our own environment leaked"


@live
async def test_a_session_of_its_own_and_no_descriptor_of_ours(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        ours = os.open(tmp_path, os.O_RDONLY)
        os.set_inheritable(ours, True)
        ended = await b.run("ls /proc/self/fd | wc -w; echo $$; cut -d' ' -f5,6 /proc/$$/stat")
        os.close(ours)
        descriptors, pid, group = ended.stdout.decode().splitlines()
        assert int(descriptors) <= 4
        assert group == f"{pid} {pid}"


@live
async def test_signals_are_as_new(tmp_path: Path) -> None:
    """Python ignores SIGPIPE; an agent's `yes | head` would spin for ever if it did too."""
    async with bench(tmp_path) as b:
        ended = await b.run("yes | head -n 1; grep SigIgn /proc/$$/status")
        assert ended.stdout.splitlines()[0] == b"y"
        assert int(ended.stdout.split()[-1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


@live
async def test_exits_by_signal(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert (await b.run("kill -SEGV $$")).rc == -signal.SIGSEGV


@live
async def test_output_that_is_no_text(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        ended = await b.run(r"printf '\377\000\033[31m'; printf 'ocf-exit-reason:\303\050' >&2; exit 1")
        assert ended.stdout == b"\xff\x00\x1b[31m"
        assert ended.stderr == b"ocf-exit-reason:\xc3\x28"


@live
async def test_a_flood_is_thrown_away_and_the_last_words_are_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.start(b.script("echo first >&2; head -c 300000000 /dev/zero | tr '\\0' x >&2; echo ocf-exit-reason:last >&2; exit 1"))
        ended = await b.answer(60)
        assert len(ended.stderr) <= OUTPUT_BYTES_MAX
        assert ended.stderr.startswith(b"first\nxxx")
        assert b"left out" in ended.stderr
        assert ended.stderr.endswith(b"xocf-exit-reason:last\n")


@live
async def test_exactly_what_fits_is_kept_whole(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        ended = await b.run(f"head -c {OUTPUT_BYTES_MAX - 100} /dev/zero | tr '\\0' x")
        assert ended.stdout == b"x" * (OUTPUT_BYTES_MAX - 100)


@live
async def test_a_hundred_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        path = b.script("echo $1; exit $1")
        for number in range(100):
            b.start(path, str(number))
        ended = [await b.answer(60) for _ in range(100)]
        assert sorted(e.rc or 0 for e in ended) == list(range(100))
        assert all(e.stdout == f"{e.rc}\n".encode() for e in ended)


# ---- agents that leave something behind -----------------------------------------------------------------------------


@live
async def test_a_child_that_holds_the_pipe_delays_nothing_and_lives_on(tmp_path: Path) -> None:
    """mysql's agent starts mysqld like this; IPaddr2 its sender of ARP."""
    async with bench(tmp_path) as b:
        began = time.monotonic()
        ended = await b.run(f"sleep 30 & echo $! > {tmp_path}/pid; echo started")
        assert (ended.rc, ended.stdout) == (0, b"started\n")
        assert time.monotonic() - began < 5
        assert alive(tmp_path / "pid")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@live
async def test_term_reaches_the_whole_group_and_the_end_is_told_when_all_are_gone(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        run = b.start(b.script(f"sleep 60 & echo $! > {tmp_path}/pid; wait"))
        await until(lambda: alive(tmp_path / "pid"))
        b.processes.perform(EndAgent(run, force=False))
        assert (await b.answer()).rc == -signal.SIGTERM
        assert not alive(tmp_path / "pid")


@live
async def test_ignoring_term_takes_kill(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        run = b.start(b.script(f"trap '' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"))
        await until((tmp_path / "ready").exists)
        b.processes.perform(EndAgent(run, force=False))
        await asyncio.sleep(0.3)
        assert b.answers.empty()
        b.processes.perform(EndAgent(run, force=True))
        assert (await b.answer()).rc == -signal.SIGKILL


@live
async def test_a_child_that_ignores_term_keeps_the_end_back(tmp_path: Path) -> None:
    """The main process obeys TERM and is gone; its child is not, so the next operation must wait."""
    async with bench(tmp_path) as b:
        child = f"(trap '' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done) & echo $! > {tmp_path}/pid; wait"
        run = b.start(b.script(child))
        await until((tmp_path / "ready").exists)
        b.processes.perform(EndAgent(run, force=False))
        await asyncio.sleep(0.3)
        assert b.answers.empty()
        assert alive(tmp_path / "pid")
        b.processes.perform(EndAgent(run, force=True))
        assert (await b.answer()).rc == -signal.SIGTERM
        assert not alive(tmp_path / "pid")


@live
async def test_double_forked_and_stopped_children_go_too(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        text = f"(sleep 60 & echo $! > {tmp_path}/one); sleep 60 & kill -STOP $!; echo $! > {tmp_path}/two; wait"
        run = b.start(b.script(text))
        await until(lambda: alive(tmp_path / "one") and alive(tmp_path / "two"))
        b.processes.perform(EndAgent(run, force=False))
        await b.answer()
        assert not alive(tmp_path / "one")
        assert not alive(tmp_path / "two")


@live
async def test_a_child_with_a_group_of_its_own_goes_too(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        child_code = f"import os, time; os.setpgid(0, 0); print(os.getpid(), file=open('{tmp_path}/pid', 'w')); time.sleep(60)"
        text = f'{sys.executable} -c "{child_code}" & wait'
        run = b.start(b.script(text))
        await until(lambda: alive(tmp_path / "pid"))
        child = int((tmp_path / "pid").read_text())
        assert os.getpgid(child) == child
        b.processes.perform(EndAgent(run, force=True))
        await b.answer()
        assert not is_session_alive(child)


@live
async def test_an_end_after_the_end_is_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        run = b.start(b.script("exit 0"))
        await b.answer()
        b.processes.perform(EndAgent(run, force=True))
        await asyncio.sleep(0.05)
        assert b.answers.empty()


@live
async def test_stop_kills_without_an_answer(tmp_path: Path) -> None:
    b = Bench(tmp_path)
    b.start(b.script(f"echo $$ > {tmp_path}/pid; sleep 60"))
    await until(lambda: alive(tmp_path / "pid"))
    await b.processes.stop()
    assert not alive(tmp_path / "pid")
    assert b.answers.empty()


# ---- agents that cannot be started ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mode", "fault", "words"),
    [
        (None, 0, Fault.MISSING, "No such file or directory"),
        ("exit 0", 0o644, Fault.DENIED, "chmod 755"),
        ("#!/no/such/interpreter\n", 0o755, Fault.MISSING, "interpreter"),
        ("", 0o755, Fault.MISSING, "#!/bin/sh"),
    ],
)
def test_what_cannot_be_started_says_why(tmp_path: Path, text: str | None, mode: int, fault: Fault, words: str) -> None:
    async def run() -> None:
        async with bench(tmp_path) as b:
            path = str(tmp_path / "nothing") if text is None else b.script(text, mode=mode)
            b.start(path)
            ended = await b.answer()
            assert (ended.rc, ended.fault) == (None, fault)
            assert path in ended.failure
            assert words in ended.failure

    asyncio.run(run())


@live
async def test_an_environment_that_the_kernel_does_not_take(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.start(b.script("exit 0"), values=tuple((f"V{i}", "x" * 100_000) for i in range(40)))
        ended = await b.answer()
        assert (ended.rc, ended.fault) == (None, Fault.OTHER)
        assert "too long" in ended.failure


# ---- the executor with real agents ----------------------------------------------------------------------------------


class Whole:
    """Executor, processes and one timer: the loop that the manager runs."""

    def __init__(self, settings: environment.Settings) -> None:
        self.loop = asyncio.get_running_loop()
        self.executor = Executor(settings, 4)
        self.processes = Processes(self.feed)
        self.results: asyncio.Queue[Result] = asyncio.Queue()
        self.timer: asyncio.TimerHandle | None = None

    def feed(self, event: ExecutorInput) -> None:
        for effect in self.executor.step(int(self.loop.time() * 1e6), int(time.time()), event):
            match effect:
                case RunAgent() | RunUnit() | EndAgent():
                    self.processes.perform(effect)
                case SetTimer(at_us):
                    if self.timer is not None:
                        self.timer.cancel()
                    self.timer = self.loop.call_at(at_us / 1e6, self.feed, TimerFired())
                case Completed(result):
                    self.results.put_nowait(result)
                case _:
                    pass
        self.executor.check()

    async def result(self) -> Result:
        return await asyncio.wait_for(self.results.get(), 20)

    async def perform(self, agent: Agent, action: str, interval_ms: int = 0, timeout_ms: int = 20_000) -> Result:
        self.feed(Perform(Request("d", agent, action, interval_ms, timeout_ms, (), (), "1:1:0:u")))
        return await self.result()


@needs_agents
@live
async def test_the_real_dummy_from_probe_to_stop(tmp_path: Path) -> None:
    whole = Whole(environment.Settings("n1", rsctmp=str(tmp_path)))
    assert (await whole.perform(DUMMY, "monitor")).rc == 7
    assert (await whole.perform(DUMMY, "start")).rc == 0
    assert (tmp_path / "Dummy-d.state").exists()
    assert (await whole.perform(DUMMY, "monitor", 100)).rc == 0
    (tmp_path / "Dummy-d.state").unlink()
    failed = await whole.result()
    assert (failed.rc, failed.reason) == (7, "No process state file found")
    assert (await whole.perform(DUMMY, "stop")).rc == 0
    assert (await whole.perform(DUMMY, "nonsense")).rc == 3
    await whole.processes.stop()


def _stub(folder: Path, text: str) -> environment.Settings:
    """A node whose only agent is ocf:heartbeat:Dummy with this script."""
    path = folder / "resource.d/heartbeat/Dummy"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return environment.Settings("n1", ocf_root=str(folder))


@live
async def test_a_start_that_hangs_and_ignores_term_is_over_in_time_and_the_stop_comes_after(tmp_path: Path) -> None:
    text = f"[ $1 = stop ] && exit 0; trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
    whole = Whole(_stub(tmp_path, text))
    began = time.monotonic()
    late = await whole.perform(DUMMY, "start", timeout_ms=300)
    assert (late.status, late.reason) == (OpStatus.TIMEOUT, "Resource agent did not complete within 300ms")
    assert time.monotonic() - began < 0.9, "the answer waits for the process"
    assert alive(tmp_path / "pid")
    stopped = await whole.perform(DUMMY, "stop")
    assert (stopped.status, stopped.rc) == (OpStatus.DONE, 0)
    assert not alive(tmp_path / "pid"), "two operations at once"
    await whole.processes.stop()


@live
async def test_missing_agent_and_its_package(tmp_path: Path) -> None:
    whole = Whole(environment.Settings("n1", ocf_root=str(tmp_path)))
    missing = await whole.perform(DUMMY, "monitor")
    assert (missing.status, missing.rc) == (OpStatus.NOT_INSTALLED, 5)
    assert "resource-agents" in missing.reason
    assert str(tmp_path) in missing.reason
    await whole.processes.stop()


# ---- systemd --------------------------------------------------------------------------------------------------------


class Systemd:
    """A bus with a systemd on it: as much of both as a manager of units sees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states: dict[str, list[str]] = {}
        self.results: dict[str, str] = {}
        self.calls: list[str] = []
        self.hang = False
        self.error: tuple[str, str] | None = None
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._serials = count(1000)

    async def __aenter__(self) -> Systemd:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while (line := await reader.readline()) and not line.startswith(b"BEGIN"):
            writer.write(b"OK 0123456789abcdef\r\n" if b"AUTH" in line else b"AGREE_UNIX_FD\r\n")
        parser = Parser()
        while data := await reader.read(65_536):
            parser.add_data(data)
            while (message := parser.get_next_message()) is not None:
                self._answer(writer, message)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, message: Message) -> None:
        member = message.header.fields[HeaderFields.member]
        self.calls.append(f"{member} {message.body[0]}" if member.endswith("Unit") else member)
        fields: dict[HeaderFields, Any]
        if self.error is not None and member.endswith("Unit"):
            name, text = self.error
            self._send(writer, MessageType.error, {HeaderFields.error_name: name}, "s", (text,), message)
        elif member == "Hello":
            self._reply(writer, message, "s", (":1.1",))
        elif member == "LoadUnit":
            self._reply(writer, message, "o", (f"/unit/{message.body[0].encode().hex()}",))
        elif member == "Get":
            unit = bytes.fromhex(message.header.fields[HeaderFields.path].rpartition("/")[2]).decode()
            states = self.states.get(unit, ["inactive"])
            self._reply(writer, message, "v", (("s", states.pop(0) if len(states) > 1 else states[0]),))
        elif member in ("StartUnit", "StopUnit", "RestartUnit"):
            job = f"/job/{next(self._serials)}"
            for stranger in ("/job/1", job) if not self.hang else ():
                body = (7, stranger, message.body[0], self.results.get(message.body[0], "done"))
                fields = {
                    HeaderFields.path: "/org/freedesktop/systemd1",
                    HeaderFields.interface: "org.freedesktop.systemd1.Manager",
                    HeaderFields.member: "JobRemoved",
                }
                self._send(writer, MessageType.signal, fields, "uoss", body)
            self._reply(writer, message, "o", (job,))
        else:
            self._reply(writer, message, "", ())

    def _reply(self, writer: asyncio.StreamWriter, message: Message, signature: str, body: tuple[Any, ...]) -> None:
        self._send(writer, MessageType.method_return, {}, signature, body, message)

    def _send(
        self,
        writer: asyncio.StreamWriter,
        kind: MessageType,
        fields: dict[HeaderFields, Any],
        signature: str,
        body: tuple[Any, ...],
        to: Message | None = None,
    ) -> None:
        if to is not None:
            fields = fields | {HeaderFields.reply_serial: to.header.serial}
        if signature:
            fields = fields | {HeaderFields.signature: signature}
        header = Header(Endianness.little, kind, 0, 1, 0, next(self._serials), fields)
        writer.write(Message(header, body).serialise())


def unit(b: Bench, verb: str, name: str = "nginx.service") -> int:
    run = next(b._numbers)
    b.processes.perform(RunUnit(run, name, verb))
    return run


@live
async def test_units_start_report_and_stop(tmp_path: Path) -> None:
    async with Systemd(tmp_path / "bus") as systemd, bench(tmp_path) as b:
        unit(b, "status")
        ended = await b.answer()
        assert (ended.rc, ended.failure) == (7, "inactive")
        unit(b, "start")
        assert (await b.answer()).rc == 0
        drop_in = tmp_path / "units/nginx.service.d/50-standfast.conf"
        assert "Before=standfast.service" in drop_in.read_text()
        assert "Restart=no" in drop_in.read_text()
        systemd.states["nginx.service"] = ["activating", "activating", "active"]
        unit(b, "status")
        assert (await b.answer()).rc == 0
        unit(b, "start")
        assert (await b.answer()).rc == 0
        unit(b, "stop")
        assert (await b.answer()).rc == 0
        assert not drop_in.exists()
        asked = [call for call in systemd.calls if call not in ("Get", "Hello", "AddMatch", "Subscribe")]
        assert asked == [
            "LoadUnit nginx.service",
            "Reload",
            "StartUnit nginx.service",
            "LoadUnit nginx.service",
            "StartUnit nginx.service",  # the drop-in is there: nothing to reload
            "Reload",
            "StopUnit nginx.service",
        ]


@live
async def test_jobs_that_fail_time_out_or_never_end(tmp_path: Path) -> None:
    async with Systemd(tmp_path / "bus") as systemd, bench(tmp_path) as b:
        systemd.results["nginx.service"] = "failed"
        unit(b, "start")
        ended = await b.answer()
        assert (ended.rc, ended.fault) == (None, Fault.OTHER)
        assert ended.failure == "systemd start job for nginx.service failed with result 'failed'"
        systemd.results["nginx.service"] = "timeout"
        unit(b, "start")
        assert (await b.answer()).fault is Fault.TIMED_OUT
        systemd.hang = True
        run = unit(b, "stop")
        await asyncio.sleep(0.1)
        assert b.answers.empty()
        b.processes.perform(EndAgent(run, force=False))
        ended = await b.answer()
        assert (ended.run, ended.rc) == (run, None)


@live
async def test_units_that_do_not_exist_or_are_not_ours(tmp_path: Path) -> None:
    async with Systemd(tmp_path / "bus") as systemd, bench(tmp_path) as b:
        systemd.error = ("org.freedesktop.systemd1.NoSuchUnit", "Unit nginx.service not found.")
        unit(b, "start")
        assert (await b.answer()).fault is Fault.MISSING
        unit(b, "stop")
        assert (await b.answer()).rc == 0
        systemd.error = ("org.freedesktop.DBus.Error.AccessDenied", "no")
        unit(b, "stop")
        assert (await b.answer()).fault is Fault.DENIED
        unit(b, "reload")
        assert (await b.answer()).fault is Fault.UNSUPPORTED


@live
async def test_a_bus_that_is_absent_or_goes_away_and_comes_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        unit(b, "status")
        ended = await b.answer()
        assert ended.rc is None
        assert "is dbus running" in ended.failure
        assert str(tmp_path / "bus") in ended.failure
        async with Systemd(tmp_path / "bus") as systemd:
            systemd.hang = True
            unit(b, "start")
            await until(lambda: "StartUnit nginx.service" in systemd.calls)
            systemd.hang_up()
            ended = await b.answer()
            assert ended.rc is None
            assert "connection" in ended.failure
            systemd.hang = False
            unit(b, "start")
            assert (await b.answer()).rc == 0


@live
async def test_a_bus_that_speaks_nonsense(tmp_path: Path) -> None:
    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff" * 100 + b"\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(nonsense, str(tmp_path / "bus"))
    async with server, bench(tmp_path) as b:
        unit(b, "status")
        assert (await b.answer()).rc is None


# ---- without a cluster ----------------------------------------------------------------------------------------------


@needs_agents
def test_agents_of_this_host() -> None:
    assert "heartbeat" in agents.providers()
    assert "IPaddr2" in agents.list_agents("ocf", "heartbeat")
    assert agents.resolve("IPaddr2") == Agent(AgentClass.OCF, "heartbeat", "IPaddr2")
    described = agents.describe(agents.resolve("ocf:heartbeat:Dummy"))
    assert (described.name, [p.name for p in described.parameters]) == ("Dummy", ["state", "fake"])


def _places(folder: Path) -> agents.Places:
    for path, text in (
        ("ocf/resource.d/zeta/Own", "#!/bin/sh\necho '<resource-agent name=\"Own\"/>'\n"),
        ("ocf/resource.d/zeta/Slow", "#!/bin/sh\nsleep 30 & wait\n"),
        ("ocf/resource.d/zeta/Flood", "#!/bin/sh\nexec yes\n"),
        ("ocf/resource.d/zeta/Fails", "#!/bin/sh\nexit 3\n"),
        ("ocf/resource.d/zeta/Noise", "#!/bin/sh\nprintf 'usage: \\377'\n"),
        ("ocf/resource.d/zeta/Leaves", "#!/bin/sh\necho '<resource-agent name=\"Leaves\"/>'; sleep 3 &\n"),
        (
            "init.d/web",
            "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: web\n# Short-Description: A <web> server\n### END INIT INFO\n",
        ),
        ("units/web.service", "[Unit]\nDescription=Web & more\n"),
        ("units/inst@.service", "[Unit]\nDescription=Instance\n"),
        ("sbin/fence_x", "#!/bin/sh\n[ $2 = metadata ] && echo '<resource-agent name=\"fence_x\"/>'\n"),
    ):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    (folder / "ocf/resource.d/zeta/.hidden").touch()
    (folder / "ocf/resource.d/zeta/notes.txt").touch()
    return agents.Places(str(folder / "ocf"), str(folder / "init.d"), (str(folder / "units"),), (str(folder / "sbin"),))


def test_lists(tmp_path: Path) -> None:
    places = _places(tmp_path)
    assert agents.classes() == ("lsb", "ocf", "service", "stonith", "systemd")
    assert agents.providers(places=places) == ("heartbeat", "zeta")
    assert agents.providers("Own", places) == ("zeta",)
    assert agents.list_agents("ocf", "zeta", places) == ("Fails", "Flood", "Leaves", "Noise", "Own", "Slow")
    assert agents.list_agents("lsb", places=places) == ("web",)
    assert agents.list_agents("systemd", places=places) == ("inst@", "web")
    assert agents.list_agents("service", places=places) == ("inst@", "web")
    assert agents.list_agents("stonith", places=places) == ("fence_x",)
    with pytest.raises(Refused, match="no class 'upstart'"):
        agents.list_agents("upstart")


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("Own", "ocf:zeta:Own"),
        ("ocf:Own", "ocf:zeta:Own"),
        ("ocf:heartbeat:NotHere", "ocf:heartbeat:NotHere"),
        ("systemd:a:b", "systemd:a:b"),
        ("stonith:fence_x", "stonith:fence_x"),
    ],
)
def test_names_that_users_type(tmp_path: Path, text: str, agent: str) -> None:
    assert str(agents.resolve(text, _places(tmp_path))) == agent


@pytest.mark.parametrize("text", ["", "Nothing", "ocf:Nothing", "upstart:x", "a:b:c:d", "ocf::x"])
def test_names_that_mean_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused):
        agents.resolve(text, _places(tmp_path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ocf:zeta:Own", "Own"),
        ("ocf:zeta:Leaves", "Leaves"),
        ("lsb:web", "A <web> server"),
        ("systemd:web", "Web & more"),
        ("systemd:inst@one", "Instance"),
        ("service:web", "A <web> server"),
        ("stonith:fence_x", "fence_x"),
    ],
)
def test_meta_data_of_each_class(tmp_path: Path, name: str, words: str) -> None:
    places = _places(tmp_path)
    read = parse(agents.metadata(agents.resolve(name, places), 5, places))
    assert words in (read.name, read.shortdesc, read.longdesc)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ocf:zeta:NotHere", "agents.missing"),
        ("ocf:zeta:Slow", "agents.slow"),
        ("ocf:zeta:Flood", "agents.flood"),
        ("ocf:zeta:Fails", "agents.metadata"),
        ("ocf:zeta:Noise", "agents.metadata"),
        ("ocf:../../etc:passwd", "executor.name"),
        ("lsb:../../etc/passwd", "agents.missing"),
        ("systemd:nothing", "agents.missing"),
        ("stonith:fence_none", "agents.missing"),
    ],
)
def test_meta_data_that_cannot_be_had(tmp_path: Path, name: str, code: str) -> None:
    places = _places(tmp_path)
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        agents.describe(agents.resolve(name, places), 1.0, places)
    assert refused.value.reports[0].code == code
    assert time.monotonic() - began < 10
