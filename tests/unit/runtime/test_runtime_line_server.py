"""JSON lines over a socket: several clients, several requests, and everything that a bad client can do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from standfast.base.report import error
from standfast.runtime import line_server
from standfast.runtime.line_server import Caller, LineServer, failure, success

Json = dict[str, Any]


def run(folder: Path, talk: Callable[[Path], Awaitable[None]]) -> list[str]:
    """Serve an echo while `talk` talks; returns what the server noticed."""
    seen: list[str] = []

    async def serve() -> None:
        def handle(caller: Caller, request: Json) -> None:
            seen.append(f"{request['verb']} uid={caller.uid == os.getuid()}")
            if request["verb"] == "refuse":
                server.send(caller.connection, failure(request, error("x.y", "no", "because", "do this"), exit_code=7))
            else:
                server.send(caller.connection, success(request, echo=request.get("text")))

        server = LineServer(folder / "s.sock", 0o600, handle, lambda _: seen.append("closed"))
        await server.start()
        await asyncio.wait_for(talk(folder / "s.sock"), 20)
        await asyncio.sleep(0.05)
        await server.stop()

    asyncio.run(serve())
    return seen


async def ask(path: Path, *lines: bytes) -> list[bytes]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(lines))
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer.splitlines()


def test_each_line_is_answered_on_its_connection(tmp_path: Path) -> None:
    async def talk(path: Path) -> None:
        answers = await ask(path, b'{"id":1,"verb":"a","text":"x"}\n', b'{"id":2,"verb":"refuse"}\n')
        assert [json.loads(a) for a in answers] == [
            {"id": 1, "ok": True, "echo": "x"},
            {
                "id": 2,
                "ok": False,
                "exit_code": 7,
                "reports": [
                    {"code": "x.y", "severity": "error", "what": "no", "why": "because", "remedy": "do this", "where": ""}
                ],
            },
        ]

    assert run(tmp_path, talk) == ["a uid=True", "refuse uid=True", "closed"]


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"{}\n", b'{"verb":3}\n', b"\xff\xfe\n", b"\n"])
def test_a_line_that_is_no_request_ends_the_connection_and_nothing_else(tmp_path: Path, line: bytes) -> None:
    async def talk(path: Path) -> None:
        assert await ask(path, line, b'{"id":1,"verb":"a"}\n') == []
        assert len(await ask(path, b'{"id":1,"verb":"a"}\n')) == 1

    assert run(tmp_path, talk) == ["closed", "a uid=True", "closed"]


def test_a_line_over_the_limit_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_server, "REQUEST_BYTES_MAX", 1000)

    async def talk(path: Path) -> None:
        assert await ask(path, b'{"verb":"' + b"x" * 5000) == []

    assert run(tmp_path, talk) == ["closed"]


def test_a_client_that_never_reads_is_cut_off_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_server, "UNSENT_BYTES_MAX", 100_000)

    async def talk(path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(path, limit=1)
        line = json.dumps({"id": 1, "verb": "a", "text": "y" * 50_000}).encode() + b"\n"
        for _ in range(40):
            writer.write(line)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(100_000_000)
        writer.close()
        assert len(await ask(path, b'{"id":1,"verb":"a"}\n')) == 1

    assert run(tmp_path, talk)[-2:] == ["a uid=True", "closed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give itself groups")
@pytest.mark.parametrize(("groups", "is_member"), [((), False), ((4711,), False), ((4710, 4711, 4712), True), ((4710,), True)])
def test_whoever_is_in_the_servers_group_by_any_of_its_groups_is_a_member(
    tmp_path: Path, groups: tuple[int, ...], *, is_member: bool
) -> None:
    gids: list[int] = []

    async def serve() -> None:
        def handle(caller: Caller, request: Json) -> None:
            gids.append(caller.gid)
            server.send(caller.connection, success(request))

        server = LineServer(tmp_path / "s.sock", 0o666, handle, group=4710)
        await server.start()
        code = """import socket, sys; s = socket.socket(1); s.connect(sys.argv[1]); s.send(b'{"verb": "x"}\\n'); s.recv(99)"""
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(tmp_path / "s.sock"), extra_groups=groups, group=4799
        )
        await asyncio.wait_for(client.wait(), 20)
        await server.stop()

    asyncio.run(serve())
    assert gids == [4710 if is_member else 4799]
