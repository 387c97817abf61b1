"""The relay of the lab, on a Unix socket and loopback: what goes through it, and that it closes without a word."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from standfast.lab.relay import Relay

pytestmark = pytest.mark.live


def test_it_counts_what_goes_through_and_closes_quietly_over_an_open_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service, caplog.at_level(logging.WARNING, "asyncio"):
        port = service.getsockname()[1]
        relay = Relay(tmp_path, (port,))
        with socket.socket(socket.AF_UNIX) as guest:
            guest.settimeout(10)
            guest.connect(str(tmp_path / f"{port}.sock"))
            guest.sendall(b"GET /v2.0/ports HTTP/1.1\r\n\r\n")
            served, _ = service.accept()
            with served:
                assert served.recv(100).startswith(b"GET")
                served.sendall(b"so far")
                assert guest.recv(100) == b"so far"
                relay.close()
                assert guest.recv(100) == b"", "the connection has an end"
        assert relay.requests == [(port, "GET /v2.0/ports HTTP/1.1")]
    assert caplog.records == []
