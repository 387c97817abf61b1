"""A proxy in front of one service that misbehaves on demand. Every request that arrives is counted, answered or not."""

from __future__ import annotations

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_S = 30.0
RETRY_AFTER_S = 5
WRITES = ("PUT", "POST", "DELETE")
STATUS = {"401": 401, "403": 403, "404": 404, "409": 409, "412": 412, "429": 429, "503": 503}
ON_WRITES = ("reset", "403", "404", "409", "412")
"""Faults that mean something for a write; reads pass."""


class FaultyApi:
    """Listens on a port of its own (`port`) for the service at `behind`. `fault` is away, slow, html, stale, reset or one of
    STATUS; "" for none."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.fault = ""
        self.hits = 0
        self.requests: list[tuple[float, str, str]] = []
        """(when, method, path) of all requests."""
        self.old: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}
        """The answers to reads of before the fault: what a reader that lags behind still says."""
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> FaultyApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def break_down(self, fault: str) -> None:
        """From now on."""
        self.hits, self.fault = 0, fault

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
        is_read = asked.command == "GET"
        if fault == "stale" and is_read and asked.path in self.old:
            return answer(asked, *self.old[asked.path])
        found = self._forward(asked, body)
        if is_read and fault != "stale":
            self.old[asked.path] = found
        if fault == "reset":
            return hang_up(asked)  # the write has taken effect, and nobody is told
        return answer(asked, *found)

    def _forward(self, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            headers = {name: value for name, value in asked.headers.items() if name.lower() != "connection"}
            line.request(asked.command, asked.path, body or None, headers)
            got = line.getresponse()
            kept = [(name, value) for name, value in got.getheaders() if name.lower() == "content-type"]
            return got.status, kept, got.read()
        finally:
            line.close()


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
