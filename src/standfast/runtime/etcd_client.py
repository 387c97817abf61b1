"""etcd's v3 API over its own JSON gateway: HTTP/1.1 by h11 on asyncio's streams, TLS by the standard library.

Owns: connections, deadlines, authentication, the turn from one endpoint to the next, the texts of etcd's errors. Does not own:
what keys mean. Why the gateway and no client library: docs/adr/0014. Verified against etcd 3.4; 3.5 and 3.6 have the same
paths.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import h11

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.runtime.apart import Stuck, Unreachable

ANSWER_BYTES_MAX = 32 << 20
READ_BYTES = 1 << 18
CONNECT_S = 2.0
UNKNOWN, _UNAUTHENTICATED = 2, 16

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """How to be let in; paths of files, "" for none."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    user: str = ""
    password_file: str = ""

    def context(self) -> ssl.SSLContext:
        """For https. Raises Refused for files that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as fault:
            what = "the certificates for etcd cannot be used"
            remedy = "look at ca_file, cert_file and key_file in standfast { etcd { } }"
            raise Refused(error("etcd.certificates", what, str(fault), remedy), exit_code=78) from None
        return context

    def password(self) -> str:
        """Raises Refused when the file cannot be read."""
        try:
            return Path(self.password_file).read_text().rstrip("\n")
        except (OSError, ValueError) as fault:
            raise Refused(error("etcd.password", f"{self.password_file} cannot be read", str(fault)), exit_code=78) from None


class EtcdError(Unreachable):
    """etcd answered with an error. `code` is gRPC's."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Endpoint:
    """One etcd server. Requests of one kind share a connection; each is made anew when it breaks."""

    def __init__(self, url: str, access: Access) -> None:
        self.url = url
        scheme, _, place = url.partition("://")
        host, _, port = place.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._access = access
        self._tls = access.context() if scheme == "https" else None
        self._token = ""
        self._open: dict[str, Channel] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def call(self, path: str, body: Json, deadline_s: float, channel: str = "") -> Json:
        """One request and its answer. Raises Unreachable, EtcdError, or Stuck beyond the deadline."""
        try:
            async with asyncio.timeout(deadline_s), self._locks.setdefault(channel, asyncio.Lock()):
                try:
                    return await self._call(path, body, channel)
                except EtcdError as refused:
                    if refused.code != _UNAUTHENTICATED or not self._access.user:
                        raise
                    self._token = ""  # tokens grow old: one more try with a new one
                    return await self._call(path, body, channel)
        except TimeoutError:
            self._drop(channel)
            raise Stuck(f"{self.url} has not answered within {deadline_s:g} s") from None
        except (OSError, h11.ProtocolError, ValueError) as fault:
            self._drop(channel)
            raise Unreachable(f"{self.url}: {fault}") from None
        except asyncio.CancelledError:
            self._drop(channel)  # an answer may still be on its way: nobody may take it for another's
            raise

    async def stream(self, path: str, body: Json) -> AsyncIterator[Json]:
        """A request with many answers, until its connection ends. Raises Unreachable and EtcdError."""
        channel = None
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._authenticate()
                channel = await Channel.connect(self._host, self._port, self._tls)
                await channel.send(path, body, self._token)
            async for document in channel.documents():
                yield _result(document, 200)
        except TimeoutError:
            raise Unreachable(f"{self.url} cannot be reached") from None
        except (OSError, h11.ProtocolError, ValueError) as fault:
            raise Unreachable(f"{self.url}: {fault}") from None
        finally:
            if channel is not None:
                channel.close()

    def close(self) -> None:
        """Hang up everywhere."""
        for name in list(self._open):
            self._drop(name)

    async def _call(self, path: str, body: Json, channel: str) -> Json:
        if path != "/v3/auth/authenticate":
            await self._authenticate()
        line = self._open.get(channel)
        if line is None or line.is_spent:
            self._drop(channel)
            line = self._open[channel] = await Channel.connect(self._host, self._port, self._tls)
        await line.send(path, body, self._token)
        status, data = await line.answer()
        return _result(_document(data, status), status)

    async def _authenticate(self) -> None:
        if self._access.user and not self._token:
            asked = {"name": self._access.user, "password": self._access.password()}
            line = await Channel.connect(self._host, self._port, self._tls)
            try:
                await line.send("/v3/auth/authenticate", asked, "")
                status, data = await line.answer()
            finally:
                line.close()
            self._token = str(_result(_document(data, status), status).get("token", ""))

    def _drop(self, channel: str) -> None:
        line = self._open.pop(channel, None)
        if line is not None:
            line.close()


class Channel:
    """One connection: requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._state = h11.Connection(h11.CLIENT)

    @classmethod
    async def connect(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Channel:
        """Raises OSError."""
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
        return cls(reader, writer, f"{host}:{port}")

    @property
    def is_spent(self) -> bool:
        """Whether it can take no further request."""
        return self._state.our_state is not h11.IDLE or self._reader.at_eof() or self._writer.is_closing()

    async def send(self, path: str, body: Json, token: str) -> None:
        """One request."""
        data = json.dumps(body).encode()
        headers = [("Host", self._host), ("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        if token:
            headers.append(("Authorization", token))
        out = self._state.send(h11.Request(method="POST", target=path, headers=headers))
        out += self._state.send(h11.Data(data=data)) + self._state.send(h11.EndOfMessage())
        self._writer.write(out)
        await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        status, data = 0, bytearray()
        async for event in self._events():
            if isinstance(event, h11.Response):
                status = event.status_code
            else:
                data += event.data
                if len(data) > ANSWER_BYTES_MAX:
                    raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
        return status, bytes(data)

    async def documents(self) -> AsyncIterator[Json]:
        """A body of one JSON document a line."""
        buffer = bytearray()
        async for event in self._events():
            if isinstance(event, h11.Response):
                continue
            buffer += event.data
            *lines, rest = bytes(buffer).split(b"\n")
            buffer = bytearray(rest)
            if len(buffer) > ANSWER_BYTES_MAX:
                raise ValueError(f"a line of more than {ANSWER_BYTES_MAX} bytes")
            for line in lines:
                if line.strip():
                    yield json.loads(line)

    async def _events(self) -> AsyncIterator[Any]:
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA:
                self._state.receive_data(await self._reader.read(READ_BYTES))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
            elif isinstance(event, h11.Response | h11.Data):
                yield event

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def _document(data: bytes, status: int) -> Any:
    """The JSON of an answer. Raises EtcdError with the text of one that is none: the gateway refuses some requests in words."""
    try:
        return json.loads(data)
    except ValueError:
        raise EtcdError(data[:200].decode("utf-8", "replace").strip() or f"HTTP {status} without a word", UNKNOWN) from None


def _result(document: Any, status: int) -> Json:
    """The answer, or EtcdError. A stream wraps each answer in `result`, and says an error as `error`."""
    if not isinstance(document, dict):
        raise EtcdError("no JSON object", UNKNOWN)
    fault = document.get("error")
    if isinstance(fault, dict):
        raise EtcdError(str(fault.get("message", "an error without words")), int(fault.get("grpc_code") or UNKNOWN))
    if fault is not None or status >= 400:
        text = str(document.get("message") or fault or f"HTTP {status}")
        raise EtcdError(text, int(document.get("code") or UNKNOWN))
    result = document.get("result", document)
    if not isinstance(result, dict):
        raise EtcdError("no JSON object", UNKNOWN)
    return result


def b64(data: bytes | str) -> str:
    """Keys and values travel in base64."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def unb64(text: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(text, validate=True)


def after(prefix: str) -> str:
    """The first key behind all that begin with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
