"""The cloud worker as a tool uses it: started for one command, asked in batches, ended with it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from typing import Any

from standfast.base.report import Refused, error
from standfast.openstack.api import CALL_TIMEOUT_MS, Fault, Reply, Request
from standfast.openstack.wire import read_reply, write_request

MARGIN_S = 5.0
"""How much longer than a call's own limit its answer is waited for: the libraries have to be imported first."""


class CloudWorker:
    """A worker process. Not shared between threads; every batch has a deadline."""

    def __init__(self, cloud: str) -> None:
        """Starts it at once, so that it is ready when the first batch comes."""
        self.calls = 0
        self._cloud = cloud
        self._number = 0
        self._buffer = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "standfast.runtime.cloud_worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, batch: tuple[Request, ...], timeout_ms: int = CALL_TIMEOUT_MS) -> tuple[Reply, ...]:
        """All of a batch at once; the replies in its order. What is not answered in time counts as a timeout."""
        numbers = []
        lines = b""
        for request in batch:
            self._number += 1
            numbers.append(self._number)
            lines += write_request(self._number, self._cloud, request, timeout_ms)
        self.calls += len(batch)
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(lines)
            stdin.flush()
        except BrokenPipeError as gone:
            dead = error("shell.cloud", "the process that talks to OpenStack has died", "", "see its message above")
            raise Refused(dead) from gone
        found = self._read(set(numbers), time.monotonic() + timeout_ms / 1000 + MARGIN_S)
        late = Reply(fault=Fault.TIMEOUT, detail=f"no answer within {timeout_ms / 1000:g} s")
        return tuple(found.get(number, late) for number in numbers)

    def _read(self, wanted: set[int], until: float) -> dict[int, Reply]:
        found: dict[int, Reply] = {}
        stdout = self._process.stdout
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while wanted - set(found):
                if not selector.select(max(0.0, until - time.monotonic())):
                    return found
                data = os.read(stdout.fileno(), 1 << 16)
                if not data:
                    return found
                self._buffer += data
                *lines, self._buffer = self._buffer.split(b"\n")
                for line in lines:
                    given: dict[str, Any] = json.loads(line)
                    found[given["id"]] = read_reply(given)
        return found

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> CloudWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
