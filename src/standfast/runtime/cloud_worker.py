"""The process that talks to OpenStack: `python -m standfast.runtime.cloud_worker`, one JSON object a line on stdin and stdout.

    {"id": 1, "cloud": "lab", "service": "network", "method": "GET", "path": "/v2.0/ports", "query": [["id", "..."]],
    "timeout_ms": 10000} {"id": 1, "status": 200, "body": {...}, "fault": null, "detail": "", "retry_after_s": null} {"id": 2,
    "identify": true} {"id": 2, "server": "UUID", "nics": [["eth0", "fa:16:3e:...", "UUID"]]}

Calls run in threads and are answered in the order in which they end: one that hangs delays no other. It ends with its input. It
is started only where `openstack-cloud` is set, and by `crm openstack`; nobody else pays for what it imports.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from standfast.openstack.api import Json
from standfast.runtime.cloud_identity import identify
from standfast.runtime.cloud_session import Cloud
from standfast.runtime.supervisor import call_process

THREADS = 8
LINE_BYTES_MAX = 1 << 20


class Worker:
    """Reads lines, answers lines. Invariant: every line that is read gives exactly one answer."""

    def __init__(self, out: IO[bytes]) -> None:
        """`out` is where the answers go."""
        self._out = out
        self._lock = threading.Lock()
        self._clouds: dict[str, Cloud] = {}
        self._threads = ThreadPoolExecutor(THREADS, "call")

    def serve(self, lines: IO[bytes]) -> None:
        """Until the input ends."""
        while line := lines.readline(LINE_BYTES_MAX):
            given: Json = json.loads(line)
            work: Callable[[Json], Json] = self._identify
            if "identify" not in given:
                work = self._clouds.setdefault(given["cloud"], Cloud(given["cloud"])).call
            self._threads.submit(self._carry_out, work, given)

    @staticmethod
    def _identify(_given: Json) -> Json:
        found = identify()
        return {"server": found.server, "nics": [[nic.name, nic.mac, nic.port] for nic in found.nics]}

    def _carry_out(self, work: Callable[[Json], Json], given: Json) -> None:
        try:
            answer = work(given)
        except Exception as bug:
            answer = {"status": 0, "body": None, "fault": "library", "detail": repr(bug)[:300], "retry_after_s": None}
        data = json.dumps({"id": given["id"], **answer}, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._out.write(data)
            self._out.flush()


def main() -> int:
    """The process's whole life."""
    call_process("cloud")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    Worker(out).serve(sys.stdin.buffer)
    sys.stderr.flush()
    os._exit(0)  # a call that hangs holds nobody up


if __name__ == "__main__":
    main()
