"""What stands between the manager and a foreign engine: deadlines of calls that block, and HTTP to an etcd that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from standfast.base.report import Refused
from standfast.runtime.apart import Apart, Stuck, Unreachable
from standfast.runtime.etcd_client import Access, Endpoint, EtcdError, after, b64, unb64

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_a_call_that_never_returns_is_left_alone_and_no_second_one_is_begun() -> None:
    release = threading.Event()

    async def story() -> None:
        apart = Apart("test")
        assert await apart.call(lambda: 7, 5) == 7
        with pytest.raises(ZeroDivisionError):
            await apart.call(lambda: 1 // 0, 5)
        with pytest.raises(Stuck):
            await apart.call(release.wait, 0.05)
        with pytest.raises(Stuck, match="an earlier call"):
            await apart.call(lambda: 8, 0.05)
        release.set()
        assert await apart.call(lambda: 9, 5) == 9

    asyncio.run(story())


def talk(serve: Serve, story: Callable[[Endpoint], Awaitable[None]], access: Access | None = None) -> None:
    """Play the story against a server."""

    async def run() -> None:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"http://127.0.0.1:{port}", access or Access())
        try:
            await story(endpoint)
        finally:
            endpoint.close()
            server.close()
            await asyncio.sleep(0.05)  # what was hung up on is closed by then

    asyncio.run(run())


async def request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
    return head[0].split()[1], headers, await reader.readexactly(int(headers["content-length"]))


def answer(document: object, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_one_connection_serves_many_requests_and_errors_have_their_codes() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await request(reader)
        writer.write(answer({"ID": "5"}))
        await request(reader)
        writer.write(answer({"error": "no lease", "message": "no lease", "code": 5}, "404 Not Found"))
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnon")
        await writer.drain()
        writer.close()

    async def story(endpoint: Endpoint) -> None:
        assert await endpoint.call("/v3/x", {}, 5) == {"ID": "5"}
        with pytest.raises(EtcdError) as refused:
            await endpoint.call("/v3/x", {}, 5)
        assert refused.value.code == 5
        with pytest.raises(Unreachable):
            await endpoint.call("/v3/x", {}, 5)

    talk(serve, story)
    assert len(connections) == 1


def test_silence_is_stuck_and_its_connection_is_not_used_again() -> None:
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        await request(reader)
        if len(seen) > 1:
            writer.write(answer({"n": len(seen)}))
        else:
            await reader.read()
        writer.close()

    async def story(endpoint: Endpoint) -> None:
        with pytest.raises(Stuck):
            await endpoint.call("/v3/x", {}, 0.1)
        assert await endpoint.call("/v3/x", {}, 5) == {"n": 2}

    talk(serve, story)


def test_a_token_that_grew_old_is_replaced_once(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    asked: list[tuple[str, str, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                path, headers, body = await request(reader)
            except asyncio.IncompleteReadError:
                break
            asked.append((path, headers.get("authorization", ""), body))
            tokens = sum(p == "/v3/auth/authenticate" for p, _, _ in asked)
            if path == "/v3/auth/authenticate":
                writer.write(answer({"token": f"t{tokens}"}))
            elif headers.get("authorization") == "t2":
                writer.write(answer({"good": True}))
            else:
                writer.write(answer({"error": "invalid auth token", "code": 16}, "401 Unauthorized"))
        writer.close()

    async def story(endpoint: Endpoint) -> None:
        assert await endpoint.call("/v3/kv/put", {}, 5) == {"good": True}

    talk(serve, story, Access(user="standfast", password_file=str(password)))
    assert [token for path, token, _ in asked if path == "/v3/kv/put"] == ["t1", "t2"]
    assert json.loads(asked[0][2]) == {"name": "standfast", "password": "secret"}


def test_a_watch_brings_each_line_and_ends_with_its_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        lines = [json.dumps({"result": {"n": n}}).encode() + b"\n" for n in (1, 2)]
        data = b"".join(lines)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (data[:5], data[5:]):
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def story(endpoint: Endpoint) -> None:
        assert [document async for document in endpoint.stream("/v3/watch", {})] == [{"n": 1}, {"n": 2}]

    talk(serve, story)


def test_access_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="certificates"):
        Access(ca_file=str(tmp_path / "nothing.pem")).context()
    with pytest.raises(Refused, match="cannot be read"):
        Access(password_file=str(tmp_path / "nothing")).password()


def test_keys_travel_in_base64_and_a_prefix_has_an_end() -> None:
    assert unb64(b64("/standfast/x")) == b"/standfast/x"
    assert after("/standfast/") == "/standfast0"
