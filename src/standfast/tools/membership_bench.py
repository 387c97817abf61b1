"""`./run bench membership`: one of many hosts dies; how long until all others have the new view.

Owns: the faults, the table, Corosync's formula beside it. Does not own: the clusters (lab/engines.py).
The time is from the fault until the last survivor's client has been told the view without the host. All hosts are namespaces of
this machine and share its cores, so with many of them the machine's load is measured, too.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from standfast import __version__
from standfast.engine.api import ViewInstalled
from standfast.lab.engines import Cluster

NODES_MAX = 16
"""Addresses of the lab's network, and memory of an ordinary machine."""

FAULTS = ("silent", "killed")
GOAL_S = 1.0
START_S, NEW_VIEW_S, BACK_S, CALM_S = 120.0, 30.0, 120.0, 3.0
TOKEN_MS, COEFFICIENT_MS, CONSENSUS = 3000, 650, 1.2
Row = dict[str, Any]


def corosync_s(nodes: int) -> float:
    """What Corosync 3.1 needs at its defaults: token with its coefficient, then consensus (corosync.conf(5))."""
    return (TOKEN_MS + COEFFICIENT_MS * max(0, nodes - 2)) * (1 + CONSENSUS) / 1000


def main(nodes: int, runs: int, *, is_json: bool) -> int:
    """Measure and print; 1 when a median misses the goal."""
    rows: list[Row] = []
    with Cluster("embedded", nodes) as cluster:
        started_s = cluster.agree(*cluster.names, timeout_s=START_S)
        _tell(f"{nodes} nodes have one view {started_s:.1f} s after the last was started")
        for run in range(runs):
            for number, fault in enumerate(FAULTS):
                victim = cluster.names[(2 * run + number) % nodes]
                time.sleep(CALM_S)
                took_s = _lost(cluster, victim, fault)
                _tell(f"run {run + 1} of {runs}: {victim} {fault}: {took_s * 1000:.0f} ms")
                rows.append({"nodes": nodes, "fault": fault, "victim": victim, "seconds": round(took_s, 3)})
    if is_json:
        document = {"bench": "membership", "version": __version__, "machine": {"kernel": platform.release()}, "runs": runs}
        sys.stdout.write(json.dumps({**document, "corosync_seconds": corosync_s(nodes), "results": rows}, indent=1) + "\n")
    else:
        _print(rows, nodes)
    return int(any(statistics.median(_times(rows, fault)) > GOAL_S for fault in FAULTS))


def _lost(cluster: Cluster, victim: str, fault: str) -> float:
    """Do it, wait for the others, and bring the host back; the seconds until the last of them had the view."""
    others = [name for name in cluster.names if name != victim]
    start_us = time.monotonic_ns() // 1000
    if fault == "silent":
        cluster.lab.silence(victim)
    else:
        _kill_engine(cluster, victim)
    cluster.agree(*others, timeout_s=NEW_VIEW_S)
    installed_us = [
        max(at_us for at_us, event in cluster.clients[name].life.events if isinstance(event, ViewInstalled)) for name in others
    ]
    if fault == "silent":
        cluster.lab.hear(victim)
    else:
        cluster.clients[victim].kill()
        cluster.restart_engine(victim)
        cluster.attach(victim)
    cluster.agree(*cluster.names, timeout_s=BACK_S)
    return (max(installed_us) - start_us) / 1e6


def _kill_engine(cluster: Cluster, victim: str) -> None:
    """kill -9 of the engine, by its number outside of its host's own numbering."""
    for pid in cluster.lab.hosts[victim].named("standfast"):
        os.kill(pid, signal.SIGKILL)


def _times(rows: list[Row], fault: str) -> list[float]:
    return [row["seconds"] for row in rows if row["fault"] == fault]


def _print(rows: list[Row], nodes: int) -> None:
    table = Table("one of so many hosts", "is", "median", "worst", "runs", "goal", "Corosync, by its formula")
    for fault in FAULTS:
        times = _times(rows, fault)
        middle, worst = f"{statistics.median(times) * 1000:.0f} ms", f"{max(times) * 1000:.0f} ms"
        table.add_row(str(nodes), fault, middle, worst, str(len(times)), f"{GOAL_S:g} s", f"{corosync_s(nodes):.1f} s")
    Console().print(table)


def _tell(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
