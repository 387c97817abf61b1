"""Running seeds: in a row, with one line that replays a failure.

Owns: the command line of `python -m standfast.sim`. Does not own: what a run does (swarm.py: engines; cluster/: whole nodes).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from standfast.base.ids import US_PER_S
from standfast.sim import swarm
from standfast.sim.cluster import draw, play


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


def run_engines(seeds: Iterable[int], *, is_verbose: bool) -> list[int]:
    """Engines alone; gives the seeds that failed."""
    failed = []
    for seed in seeds:
        outcome = swarm.run(seed)
        if outcome.failure:
            failed.append(seed)
        if outcome.failure or is_verbose:
            _say(sentence(outcome))
        if outcome.failure:
            _say(f"  replay: ./run sim --engine --seed {seed} --seeds 1")
    return failed


def run_clusters(seeds: Iterable[int], *, is_verbose: bool) -> list[int]:
    """Whole nodes; gives the seeds that failed."""
    failed = []
    for seed in seeds:
        outcome = play.Player(draw.draw(seed)).play()
        if outcome.failure:
            failed.append(seed)
        if outcome.failure or is_verbose:
            _say(cluster_sentence(outcome))
        if outcome.failure:
            _say(f"  replay: ./run sim --seed {seed} --seeds 1")
    return failed


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m standfast.sim --seeds N [--seed S] [--engine] [--verbose]`; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="./run sim", description="Play seeded faults against a cluster of whole nodes.")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--engine", action="store_true", help="engines alone, with other faults and a heavier load of messages")
    parser.add_argument("--verbose", action="store_true", help="a line for each seed, not only for failures")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.seeds)
    failed = (run_engines if options.engine else run_clusters)(seeds, is_verbose=options.verbose)
    _say(f"{len(seeds) - len(failed)} of {len(seeds)} seeds held")
    return 1 if failed else 0
