"""Running seeds: in a row or side by side, with one line that replays a failure.

Owns: the command line of `python -m standfast.sim`. Does not own: what a run does (swarm.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from standfast.base.ids import US_PER_S
from standfast.sim.swarm import Outcome, run


def sentence(outcome: Outcome) -> str:
    """One run on one line."""
    p = outcome.plan
    state = outcome.failure or "held"
    faults = f"{outcome.faults} faults ({' '.join(p.kinds) or 'none'})"
    return (
        f"seed {p.seed}: {state} [{p.nodes} nodes, {p.links} links, loss {p.weather.loss / 10} %, jitter"
        f" {p.weather.jitter_us / 1000} ms, {faults}, {outcome.delivered} deliveries, {outcome.views} views,"
        f" {outcome.simulated_us / US_PER_S:.0f} s, trace {outcome.trace[:12]}]"
    )


def run_all(seeds: Iterable[int], say: object = None) -> list[Outcome]:
    """Run the seeds one after the other; gives those that failed."""
    failed = []
    for seed in seeds:
        outcome = run(seed)
        if outcome.failure:
            failed.append(outcome)
            _say(sentence(outcome))
            _say(f"  replay: python -m standfast.sim --seed {seed} --seeds 1")
        elif say is not None:
            _say(sentence(outcome))
    return failed


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m standfast.sim --seeds N [--seed S] [--verbose]`; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m standfast.sim", description="Play seeded faults against the cluster engine.")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--verbose", action="store_true", help="a line for each seed, not only for failures")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.seeds)
    failed = run_all(seeds, say=sys.stdout if options.verbose else None)
    _say(f"{len(seeds) - len(failed)} of {len(seeds)} seeds held")
    return 1 if failed else 0
