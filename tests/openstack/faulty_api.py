"""A proxy in front of one service that misbehaves on demand. Every request that arrives is counted, answered or not."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SLOW_S = 30.0
RETRY_AFTER_S = 5
WRITES = ("PUT", "POST", "DELETE")
STATUS = {"401": 401, "403": 403, "404": 404, "409": 409, "412": 412, "429": 429, "503": 503}
ON_WRITES = ("reset", "403", "404", "409", "412")
"""Faults that mean something for a write; reads pass."""


class FaultyApi:
    """Listens on a port of its own (`port`) for the service at `behind`. `fault` is away, slow, html, stale, reset, certificate,
    dead (a Nova whose hypervisor is gone: what it is told is accepted, and its task never ends) or of STATUS; "" for none.
    `tls` are the files of a good certificate and of an expired one, each with its key."""

    def __init__(self, behind: int, tls: tuple[Path, Path] | None = None) -> None:
        self.behind = behind
        self._contexts = tuple(_context(path) for path in tls or ())
        self._open: set[socket.socket] = set()
        self.fault = ""
        self.hits = 0
        self.requests: list[tuple[float, str, str]] = []
        """(when, method, path) of all requests."""
        self.old: list[Any] | None = None
        """All ports as they were: what a reader that lags behind goes on saying in the fault `stale`."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

            def serve(self) -> None:
                api.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 - http.server's names

        class Server(ThreadingHTTPServer):
            def finish_request(self, request: Any, client_address: Any) -> None:
                api.connected(request, client_address, super().finish_request)

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> FaultyApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def break_down(self, fault: str, old: list[Any] | None = None) -> None:
        """From now on. `old` is what `stale` shows; as it is at the first read, where it is not given."""
        self.hits, self.fault, self.old = 0, fault, old
        if fault == "certificate":  # who is connected has seen the one of before
            for line in list(self._open):
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def connected(self, line: Any, peer: Any, go_on: Any) -> None:
        """A client is there: shake hands, where there is a certificate to show."""
        if self._contexts:
            is_expired = self.fault == "certificate"
            try:
                line = self._contexts[1 if is_expired else 0].wrap_socket(line, server_side=True)
            except OSError:
                self.hits += is_expired
                self.requests.append((time.monotonic(), "TLS", "refused"))
                return
        self._open.add(line)
        try:
            go_on(line, peer)
        finally:
            self._open.discard(line)

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        self.requests.append((time.monotonic(), asked.command, asked.path))
        fault = self.fault
        if fault in ON_WRITES and asked.command not in WRITES:
            fault = ""
        if fault:
            self.hits += 1
        if fault in STATUS:
            text = {"NeutronError": {"type": "Fault", "message": f"made up: {fault}", "detail": ""}}
            return answer(asked, STATUS[fault], [("Content-Type", "application/json")], json.dumps(text).encode())
        if fault == "html":
            return answer(asked, 200, [("Content-Type", "text/html")], b"<html><body>It works!</body></html>")
        if fault == "away":
            return hang_up(asked)
        if fault == "slow":
            time.sleep(SLOW_S)
        if fault == "stale" and asked.command == "GET" and asked.path.startswith("/v2.0/ports?"):
            return answer(
                asked, 200, [("Content-Type", "application/json")], json.dumps({"ports": self._as_it_was(asked)}).encode()
            )
        if fault == "dead" and asked.command == "POST":
            return answer(asked, 202, [], b"")
        found = self._forward(asked, asked.path, body)
        if fault == "dead" and found[0] == 200:
            shown = json.loads(found[2])
            if "server" in shown:
                shown["server"] |= {"status": "ACTIVE", "OS-EXT-STS:task_state": "reboot_started_hard"}
            found = (found[0], found[1], json.dumps(shown).encode())
        if fault == "reset":
            return hang_up(asked)  # the write has taken effect, and nobody is told
        return answer(asked, *found)

    def _as_it_was(self, asked: BaseHTTPRequestHandler) -> list[Any]:
        if self.old is None:
            self.old = json.loads(self._forward(asked, "/v2.0/ports", b"")[2])["ports"]
        wanted = parse_qs(urlsplit(asked.path).query)
        return [port for port in self.old if all(fits(port, name, values) for name, values in wanted.items() if name != "fields")]

    def _forward(self, asked: BaseHTTPRequestHandler, path: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            headers = {name: value for name, value in asked.headers.items() if name.lower() != "connection"}
            line.request(asked.command, path, body or None, headers)
            got = line.getresponse()
            kept = [(name, value) for name, value in got.getheaders() if name.lower() == "content-type"]
            return got.status, kept, got.read()
        finally:
            line.close()


def fits(port: dict[str, Any], name: str, values: list[str]) -> bool:
    """Neutron's filters, as far as they are used."""
    if name in ("fixed_ips", "allowed_address_pairs"):
        return bool({item["ip_address"] for item in port[name]} & {value.removeprefix("ip_address=") for value in values})
    return port[name] in values


def _context(path: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path)
    return made


def answer(asked: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    asked.send_response(status)
    for name, value in headers:
        asked.send_header(name, value)
    if status == STATUS["429"]:
        asked.send_header("Retry-After", str(RETRY_AFTER_S))
    if status != 204:
        asked.send_header("Content-Length", str(len(body)))
    asked.end_headers()
    if status != 204:
        asked.wfile.write(body)


def hang_up(asked: BaseHTTPRequestHandler) -> None:
    asked.close_connection = True
