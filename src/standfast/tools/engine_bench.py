"""`./run bench engine`: ordered messages a second and their latency, the embedded engine beside Corosync (and etcd) in one run.

Owns: the sizes, the numbers of members, the table. Does not own: the clusters (lab/engines.py), the client (lab/line_client.py).
All engines are driven through the same line by the same client; one member sends. Latency is from saying a message until it
is delivered to its sender, with one message on its way; the rate is with WINDOW on their way.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from standfast import __version__
from standfast.lab import engines
from standfast.lab.engines import Client, Cluster

SIZES = ((64, 3000), (1024, 3000), (65_536, 400))
"""(bytes, messages to send for the rate)."""

MEMBERS = (2, 3, 8)
WINDOW = 64
LATENCY_COUNT = 200
WAIT_S = 120.0
Row = dict[str, Any]


def main(runs: int, *, is_json: bool) -> int:
    """Measure and print."""
    rows: list[Row] = []
    left_out = {engine: reason for engine in engines.ENGINES if (reason := engines.missing(engine))}
    for members in MEMBERS:
        for run in range(1, runs + 1):
            for engine in engines.ENGINES:
                if engine not in left_out:
                    _tell(f"{members} members, run {run} of {runs}: {engine}")
                    rows += _measured(engine, members)
    if is_json:
        document = {"bench": "engine", "version": __version__, "machine": {"kernel": platform.release()}, "runs": runs}
        sys.stdout.write(json.dumps({**document, "results": rows, "left_out": left_out}, indent=1) + "\n")
    else:
        _print(rows)
        for reason in left_out.values():
            _tell(reason)
    return 0


def _measured(engine: str, members: int) -> list[Row]:
    rows: list[Row] = []
    with Cluster(engine, members) as cluster:
        cluster.agree(*cluster.names, timeout_s=60)
        sender = cluster.clients[cluster.names[-1]]
        _fill(cluster, sender, "64 50 4")  # connections and caches are warm
        for size, count in SIZES:
            rate = _fill(cluster, sender, f"{size} {count} {WINDOW}")
            alone = _fill(cluster, sender, f"{size} {LATENCY_COUNT} 1")
            rows.append(
                {
                    "engine": engine,
                    "members": members,
                    "bytes": size,
                    "per_s": rate["per_s"],
                    "latency_us": alone["latency_us_median"],
                    "latency_us_p99": alone["latency_us_p99"],
                }
            )
    return rows


def _fill(cluster: Cluster, sender: Client, words: str) -> dict[str, Any]:
    done = len(sender.filled)
    sender.send(f"fill {words}")
    cluster.wait(f"fill {words}", lambda: len(sender.filled) > done, WAIT_S)
    return sender.filled[-1]


def _print(rows: Sequence[Row]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=110)
    table = Table(title="Ordered messages, one sender: messages/s (latency: median, 99th of 100)")
    table.add_column("members", justify="right")
    table.add_column("bytes", justify="right")
    present = [engine for engine in engines.ENGINES if any(row["engine"] == engine for row in rows)]
    for engine in present:
        table.add_column(engine, justify="right")
    for members in MEMBERS:
        for size, _ in SIZES:
            cells = [_cell([r for r in rows if (r["engine"], r["members"], r["bytes"]) == (e, members, size)]) for e in present]
            table.add_row(str(members), str(size), *cells)
    console.print(table)


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "-"
    middle = sorted(rows, key=lambda row: row["per_s"])[len(rows) // 2]
    return f"{middle['per_s']:,.0f} ({middle['latency_us'] / 1000:.2f}, {middle['latency_us_p99'] / 1000:.2f} ms)"


def _tell(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
