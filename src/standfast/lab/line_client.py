"""One client of the cluster layer on a host, driven by lines: what the conformance suite and the bench of the engines talk to.

    python -m standfast.lab.line_client -c FILE --run-dir DIR --state-dir DIR

Reads `say TEXT`, `fill BYTES COUNT WINDOW` (messages of that size, so many on their way at once), `leave`, `quit`. Prints a
JSON line for each event: {"at_us", "kind", ...}. With `fill`, messages are counted, not printed: {"kind": "filled", ...} says
how it went. Owns: that protocol. Does not own: the lines (runtime/), and any rule.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import struct
import sys
import time
from typing import Any

from standfast.base.report import Refused, Report
from standfast.daemon import cluster_line, paths_of, prepare
from standfast.engine.api import (
    Alive,
    Broadcast,
    ClientAbsent,
    ClientEvent,
    Delivered,
    Leave,
    Pulse,
    QuorumChanged,
    Stable,
    ViewInstalled,
)
from standfast.runtime.cluster_line import ClusterLine

_FILL = struct.Struct("!4sQQ")
_MARK = b"fill"
_LINE_BYTES_MAX = 4 << 20


class Filler:
    """Messages of one size, a window of them on their way; what came of it."""

    def __init__(self, size: int, count: int, window: int) -> None:
        self.size, self.count = max(size, _FILL.size), count
        self.window = window
        self.sent = self.back = self.seen = 0
        self.latencies_us: list[int] = []
        self.first_us = self.last_us = 0

    def next(self, now_us: int) -> bytes | None:
        """The next payload, where the window allows one."""
        if self.sent >= self.count or self.sent - self.back >= self.window:
            return None
        self.sent += 1
        self.first_us = self.first_us or now_us
        return _FILL.pack(_MARK, now_us, self.sent).ljust(self.size, b"x")

    def came(self, now_us: int, payload: bytes) -> None:
        """One of ours came back, in order."""
        self.back += 1
        self.last_us = now_us
        self.latencies_us.append(now_us - _FILL.unpack_from(payload)[1])

    def result(self) -> dict[str, Any]:
        """Messages a second, and their latency."""
        spent_s = max(1, self.last_us - self.first_us) / 1e6
        ordered = sorted(self.latencies_us)
        return {
            "messages": self.back,
            "seconds": round(spent_s, 4),
            "per_s": round(self.back / spent_s, 1),
            "latency_us_median": round(statistics.median(ordered)) if ordered else 0,
            "latency_us_p99": ordered[len(ordered) * 99 // 100] if ordered else 0,
        }


class LineClient:
    """The client. `seen` counts messages of all fillers, so that a listener knows what went by."""

    def __init__(self, line: ClusterLine) -> None:
        self._line = line
        self._filler: Filler | None = None
        self._seen = 0

    async def run(self) -> None:
        """Until `quit`, or the end of the input."""
        serving = asyncio.create_task(self._line.serve(self._said, self._lost))
        reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            verb, _, rest = line.decode().rstrip("\n").partition(" ")
            match verb:
                case "say":
                    self._line.say(Broadcast(rest.encode()))
                case "fill":
                    size, count, window = map(int, rest.split())
                    self._filler = Filler(size, count, window)
                    self._fill()
                case "leave":
                    self._line.say(Leave())
                case "quit":
                    break
        await self._line.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    def _fill(self) -> None:
        while self._filler is not None and (payload := self._filler.next(_now_us())) is not None:
            self._line.say(Broadcast(payload))

    def _said(self, event: ClientEvent) -> None:
        match event:
            case Delivered(_, _, _, payload) if payload[:4] == _MARK:
                self._filled(payload)
            case ViewInstalled(view, quorum):
                _print("view", **_view(view.id), members=view.members, joined=view.joined, left=view.left,
                       transitional=view.transitional, quorate=quorum.quorate, reason=quorum.reason)  # fmt: skip
            case QuorumChanged(quorum):
                _print("quorum", quorate=quorum.quorate, reason=quorum.reason)
            case Delivered(view, seq, sender, payload):
                _print("delivered", **_view(view), place=seq, sender=sender, payload=payload.decode("utf-8", "replace"))
            case Stable(view, seq):
                if self._filler is None:
                    _print("stable", **_view(view), place=seq)
            case ClientAbsent(view, seq, node):
                _print("absent", **_view(view), place=seq, node=node)
            case Pulse(until_us):
                self._line.say(Alive())
                _print("pulse", until_us=until_us)

    def _filled(self, payload: bytes) -> None:
        self._seen += 1
        filler = self._filler
        if filler is None:
            return
        filler.came(_now_us(), payload)
        self._fill()
        if filler.back == filler.count:
            self._filler = None
            _print("filled", **filler.result())

    @staticmethod
    def _lost(reason: str) -> None:
        _print("lost", reason=reason)


def _view(view: Any) -> dict[str, int]:
    return {"seq": view.seq, "coordinator": view.coordinator}


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _print(kind: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"at_us": _now_us(), "kind": kind, **fields}) + "\n")
    sys.stdout.flush()


def _tell(report: Report) -> None:
    sys.stderr.write(f"{report.code}: {report.sentence()}\n")
    sys.stderr.flush()


def main(argv: list[str]) -> int:
    """Run one client."""
    try:
        start = prepare(paths_of("client", argv))

        async def run() -> None:
            await LineClient(cluster_line(start, _tell, lambda: None, None)).run()

        asyncio.run(run())
    except Refused as refusal:
        for report in refusal.reports:
            _tell(report)
        return 78
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
