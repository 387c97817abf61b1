"""`./run faults`: a storm of live faults over three hosts in namespaces, each held to the rules of lab/storm.py as it passes.

Owns: options, the lines that tell it, the history as JSON. Does not own: faults and rules (lab/storm.py).
Exit code 1 when a rule was broken; the hosts' logs are kept then.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from standfast.lab import clock
from standfast.lab.lab import is_possible
from standfast.lab.spaces import enter_user_namespace
from standfast.lab.storm import KINDS, Outcome, Storm

EXIT_BROKEN, EXIT_USAGE, EXIT_INTERRUPTED = 1, 64, 130
MINUTES = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Blow, tell, and say by the exit code whether every rule held."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = _options(words)
    enter_user_namespace([sys.executable, "-m", "standfast.tools.faults", *words])
    if not is_possible():
        sys.stderr.write("faults: unshare and setpriv (package util-linux) are needed to build hosts out of namespaces\n")
        return EXIT_USAGE
    if reason := clock.missing():
        sys.stderr.write(f"faults: clocks do not jump: {reason}\n")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    outcomes: list[Outcome] = []
    begun_s = time.monotonic()
    try:
        with Storm(options.seed) as storm:
            storm.start()
            _tell(f"seed {options.seed}: {', '.join(options.kind or storm.kinds())}")
            for outcome in storm.blow(options.minutes * 60, options.kind):
                outcomes.append(outcome)
                _tell(line(time.monotonic() - begun_s, outcome))
            if any(outcome.broken for outcome in outcomes):
                storm.keep(options.keep)
                _tell(f"the hosts' logs are in {options.keep}")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    _tell(summary(outcomes, time.monotonic() - begun_s))
    return EXIT_BROKEN if any(outcome.broken for outcome in outcomes) else 0


def line(at_s: float, outcome: Outcome) -> str:
    """One fault in one line, and one more for each rule that it broke."""
    mark = "*" if outcome.was_holder else " "
    gap = f"gap {outcome.outage_s * 1000:6.0f} ms  two kernels {outcome.two_kernels_s:.2f} s  back after {outcome.back_s:4.1f} s"
    served = " -> ".join(outcome.served_by)
    text = f"{at_s:6.0f} s {mark} {outcome.fault!s:48} {gap}  {served}"
    return "\n".join([text, *(f"         BROKEN: {rule}" for rule in outcome.broken)])


def summary(outcomes: Sequence[Outcome], took_s: float) -> str:
    """What it comes to."""
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    holders = [outcome for outcome in outcomes if outcome.was_holder]
    worst_s = max((outcome.outage_s for outcome in outcomes), default=0.0)
    other_s = max((outcome.outage_s for outcome in outcomes if not outcome.was_holder), default=0.0)
    head = f"{len(outcomes)} faults in {took_s / 60:.1f} minutes, {len(holders)} of them on the holder (*): {broken} broke a rule"
    return f"{head}; longest gap {worst_s * 1000:.0f} ms, {other_s * 1000:.0f} ms where the holder was not concerned"


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long (default {MINUTES:g})")
    parser.add_argument("--seed", type=int, default=1, help="which storm (default 1)")
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="this kind only; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the whole history")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", default=Path("storm-logs"), help="where logs go when a rule is broken"
    )
    return parser.parse_args(words)


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
