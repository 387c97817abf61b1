"""`./run sim`: seeds in a row or side by side, one failure shrunk and drawn, a scenario played.

./run sim --seeds 100                     whole nodes; --engine: engines alone, with a heavier load of messages
./run sim --seed 31 --seeds 1 --log       one history, with its log
./run sim --seed 31 --shrink              leave out what a failure does not need; prints the plan that is left
./run sim --play FILE [--lanes OUT.html]  a plan from a file (--lanes with --seed works too)
./run sim --seeds 1000 --probes           fails when a situation that must be reached was not
./run sim --pauses 100 [--tally FILE]     that many hours of pauses of up to a second, in 5 % loss and 50 ms jitter
./run sim --crashes 5 [--nodes 64]        power lost at one of many: until all others have the view (two minutes each)
./run sim --seeds 4 --every-change        after every change of the CIB the scheduler's plan is the one from scratch
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import field
from functools import partial
from pathlib import Path

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S
from standfast.sim import swarm
from standfast.sim.cluster.draw import draw
from standfast.sim.cluster.lanes import Lanes
from standfast.sim.cluster.plan import Plan, read
from standfast.sim.cluster.play import Player
from standfast.sim.cluster.probes import REQUIRED, missing
from standfast.sim.cluster.shrink import shrink
from standfast.sim.pauses import Bad, Pauses, Tally, read_tally
from standfast.sim.run import cluster_sentence, sentence


@dataclass(slots=True)
class Result:
    """One seed, as it comes back from a worker."""

    seed: int
    failure: str
    text: str
    simulated_us: int
    faults: int
    cpu_s: float
    nodes: int = 0
    probes: dict[str, int] = field(default_factory=dict)


def run_engine(seed: int) -> Result:
    """Engines alone."""
    begun_s = time.process_time()
    gc.collect()  # the world before
    outcome = swarm.run(seed)
    cpu_s = time.process_time() - begun_s
    return Result(seed, outcome.failure, sentence(outcome), outcome.simulated_us, outcome.faults, cpu_s)


def settle() -> None:
    """Look for garbage only between two worlds: one makes hardly any, and is itself what there is to be found."""
    gc.freeze()
    gc.disable()


def run_cluster(seed: int, *, every_change: bool) -> Result:
    """Whole nodes."""
    begun_s = time.process_time()
    gc.collect()  # the world before
    player = Player(draw(seed))
    player.world.plans_every_change = every_change
    outcome = player.play()
    cpu_s = time.process_time() - begun_s
    return Result(
        seed,
        outcome.failure,
        cluster_sentence(outcome),
        outcome.simulated_us,
        outcome.faults,
        cpu_s,
        outcome.plan.setting.nodes,
        outcome.probes,
    )


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def results(options: argparse.Namespace) -> Iterator[Result]:
    """Every seed's, in order."""
    seeds = range(options.seed, options.seed + options.seeds)
    work = run_engine if options.engine else partial(run_cluster, every_change=options.every_change)
    jobs = min(options.jobs or os.cpu_count() or 1, len(seeds))
    if jobs <= 1:
        settle()
        yield from map(work, seeds)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), settle) as pool:
        yield from pool.map(work, seeds)


def many(options: argparse.Namespace) -> int:
    """Run them all and count."""
    begun_s, failed, faults = time.monotonic(), [], 0
    by_size: dict[int, tuple[int, float]] = {}
    reached: dict[str, int] = {}
    for result in results(options):
        faults += result.faults
        before_us, before_s = by_size.get(result.nodes, (0, 0.0))
        by_size[result.nodes] = before_us + result.simulated_us, before_s + result.cpu_s
        for name, times in result.probes.items():
            reached[name] = reached.get(name, 0) + times
        if result.failure or options.verbose:
            say(result.text)
        if result.failure:
            failed.append(result.seed)
            engine = "--engine " if options.engine else ""
            say(f"  replay: ./run sim {engine}--seed {result.seed} --seeds 1" + ("" if engine else " --log   (or --shrink)"))
            if options.first:
                break
    say(
        f"{options.seeds - len(failed)} of {options.seeds} seeds held: {_hours(by_size)} simulated hours, {faults} faults,"
        f" {_speed(by_size.values())} x real time per core, {time.monotonic() - begun_s:.0f} s"
    )
    if not options.engine:
        say("x real time by nodes: " + ", ".join(f"{n}: {_speed([by_size[n]])}" for n in sorted(by_size)))
    untested = missing(reached) if options.probes else []
    if options.probes:
        say(f"{len(REQUIRED) - len(untested)} of {len(REQUIRED)} situations reached")
    for name in untested:
        say(f"  never: {name}")
    return 1 if failed or untested else 0


def _hours(by_size: dict[int, tuple[int, float]]) -> str:
    return f"{sum(us for us, _ in by_size.values()) / US_PER_S / 3600:.2f}"


def _speed(parts: Iterable[tuple[int, float]]) -> str:
    times = list(parts)
    return f"{sum(us for us, _ in times) / US_PER_S / max(sum(cpu_s for _, cpu_s in times), 0.001):.0f}"


def one(options: argparse.Namespace, plan: Plan) -> int:
    """A single plan: with its log, drawn, or shrunk."""
    player = Player(plan)
    player.world.plans_every_change = options.every_change
    lanes = Lanes(tuple(player.world.hosts))
    player.world.heard.append(lanes.heard)
    if options.log:
        say(plan.text())
        player.world.heard.append(lambda us, node, text: say(f"{us / US_PER_S:10.3f} s  {f'n{node}' if node else '--'}  {text}"))
    outcome = player.play()
    say(cluster_sentence(outcome))
    if options.lanes:
        Path(options.lanes).write_text(lanes.page(f"seed {plan.seed}: {outcome.failure or 'held'}", player.world.now_us))
    if outcome.failure and options.shrink:
        smaller, failure = shrink(plan, outcome.failure, say)
        say(f"\n# {failure}\n{smaller.text()}> play\n")
        say("  keep it: write the lines above to tests/sim/scenarios/NAME.cluster; replay: ./run sim --play FILE")
    return 1 if outcome.failure else 0


def keep(tally: Tally, path: Path) -> None:
    """Write the file, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(tally.text())
    draft.replace(path)


def pauses(options: argparse.Namespace) -> int:
    """Hours of pauses, of two nodes, until the tally has that many; the count after each hour."""
    path: Path | None = options.tally
    tally = Tally(options.seed)
    try:
        if path is not None and path.exists():
            tally = read_tally(path.read_text())
    except (Bad, OSError, UnicodeDecodeError) as bad:
        say(f"{path}: {bad}")
        return 2
    settle()
    say(tally.sentence())
    while tally.hours < options.pauses:
        begun_s = time.process_time()
        gc.collect()  # the world before
        counted = Pauses(tally.next_seed, 2, 20, is_traced=False).run(3600 * US_PER_S)
        tally.count(counted, time.process_time() - begun_s)
        if path is not None:
            keep(tally, path)
        say(tally.sentence())
    return 1 if tally.losses else 0


def crashes(options: argparse.Namespace) -> int:
    """One of many loses its power, `--crashes` times."""
    from standfast.sim.crash import crash

    for seed in range(options.seed, options.seed + options.crashes):
        done = crash(seed, options.nodes)
        sent = f"{done.datagrams} datagrams, {done.sent_bytes // 1000} kB a node in two seconds"
        say(f"seed {seed}: one of {options.nodes}: all others have the view after {done.last_us / 1000:.0f} ms; {sent}")
    return 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="./run sim", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--jobs", type=int, default=0, help="how many at once (default: as many as there are cores)")
    parser.add_argument("--engine", action="store_true", help="engines alone")
    parser.add_argument("--verbose", action="store_true", help="a line for each seed, not only for failures")
    parser.add_argument("--first", action="store_true", help="stop at the first failure")
    parser.add_argument("--probes", action="store_true", help="fail when a required situation was not reached")
    help_change = "plan after every change of the CIB, asked for or not, and compare with the plan from scratch (slow)"
    parser.add_argument("--every-change", action="store_true", help=help_change)
    parser.add_argument("--log", action="store_true", help="with one seed or --play: its plan and its log")
    parser.add_argument("--shrink", action="store_true", help="with one seed or --play: make the failure small")
    parser.add_argument("--lanes", metavar="FILE", help="with one seed or --play: draw it as HTML")
    parser.add_argument("--play", metavar="FILE", help="play the plan in a file")
    parser.add_argument("--pauses", type=int, default=0, metavar="HOURS", help="pauses alone: see above")
    parser.add_argument("--tally", type=Path, metavar="FILE", help="with --pauses: keeps the count, so that it goes on there")
    parser.add_argument("--crashes", type=int, default=0, metavar="RUNS", help="one of many nodes dies, engines alone")
    parser.add_argument("--nodes", type=int, default=64, help="with --crashes: how many (default 64)")
    options = parser.parse_args()
    if options.crashes:
        return crashes(options)
    if options.pauses:
        return pauses(options)
    if options.play:
        text = "\n".join(line for line in Path(options.play).read_text().splitlines() if line != "> play")
        return one(options, read(text))
    if options.log or options.shrink or options.lanes:
        return one(options, draw(options.seed))
    return many(options)


if __name__ == "__main__":
    raise SystemExit(main())
