"""What is said about runs: a line for each, and the line that replays a failure.

Owns: those texts. Does not own: the command line (__main__.py), what a run does (swarm.py: engines; cluster/: whole nodes).
"""

from __future__ import annotations

from standfast.base.ids import US_PER_S
from standfast.sim import swarm
from standfast.sim.cluster import play


def sentence(outcome: swarm.Outcome) -> str:
    """One run of engines on one line."""
    p = outcome.plan
    state = outcome.failure or "held"
    faults = f"{outcome.faults} faults ({' '.join(p.kinds) or 'none'})"
    return (
        f"seed {p.seed}: {state} [{p.nodes} nodes, {p.links} links, loss {p.weather.loss / 10} %, jitter"
        f" {p.weather.jitter_us / 1000} ms, {faults}, {outcome.delivered} deliveries, {outcome.views} views,"
        f" {outcome.simulated_us / US_PER_S:.0f} s, trace {outcome.trace[:12]}]"
    )


def cluster_sentence(outcome: play.Outcome) -> str:
    """One run of whole nodes on one line."""
    p = outcome.plan
    return (
        f"seed {p.seed}: {outcome.failure or 'held'} [{p.setting.nodes} nodes, {outcome.faults} faults,"
        f" {outcome.takeovers} takeovers, {outcome.simulated_us / US_PER_S:.0f} s, trace {outcome.trace[:12]}]"
    )
