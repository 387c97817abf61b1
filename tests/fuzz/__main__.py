"""`./run fuzz [TARGET...] [--seconds N]`: fuzz the parsers, each in a process of its own, and keep what breaks them.

    --seconds N     for each target (60)
    --jobs N        targets at one time (as many as there are CPUs)
    --seed N        of the seeded mutator (the time, and it is printed)
    --driver D      atheris, seeded, or auto: Atheris where it is installed (./run fuzz installs it where there is a wheel)
    --list          the targets and how many inputs are kept for each

A crash is written to tests/fuzz/crashes/TARGET/, and from then on `./run test` tries it. Ends with 1 when there was one.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.store import CRASHES, known, names

RUNS = re.compile(r"^ran (\d+) ", re.M)
DONE = re.compile(r"(?:Done |^#)(\d+)(?: runs in|\s+(?:DONE|pulse|NEW|REDUCE|RELOAD|INITED))", re.M)
COVERED = re.compile(r"^#\d+\s+\S+\s+cov: (\d+)", re.M)


def main() -> int:
    """The command."""
    asked = _arguments()
    if asked.list:
        for name in names():
            print(f"{name:16} {len(known(name)):4} inputs kept, {len(list((CRASHES / name).glob('*'))):3} of them from crashes")
        return 0
    driver = asked.driver
    if driver == "auto":
        driver = "atheris" if importlib.util.find_spec("atheris") else "seeded"
    targets = asked.targets or names()
    print(f"{len(targets)} targets, {asked.seconds} s each, driver {driver}, seed {asked.seed}", flush=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        codes = list(pool.map(lambda name: _one(name, driver, asked.seconds, asked.seed), targets))
    return 1 if any(codes) else 0


def _one(name: str, driver: str, seconds: int, seed: int) -> int:
    """Run one target's process and tell how it went."""
    before = set((CRASHES / name).glob("*"))
    words = [sys.executable, "-m", f"tests.fuzz.drive_{driver}", name, str(seconds), str(seed)]
    begun_s = time.monotonic()
    # What a parser does must not depend on the order of a hash; the mutator's must not either.
    ended = subprocess.run(
        words, capture_output=True, text=True, errors="replace", env={**os.environ, "PYTHONHASHSEED": "0"}, check=False
    )
    output = ended.stdout + ended.stderr
    counts = [int(found) for found in RUNS.findall(output) or DONE.findall(output)]
    covered = COVERED.findall(output)
    line = f"{name:16} {max(counts, default=0):9,} inputs in {time.monotonic() - begun_s:4.0f} s"
    if covered:
        line += f", {int(covered[-1]):6,} edges"
    new = sorted(set((CRASHES / name).glob("*")) - before)
    if ended.returncode == 0 and not new:
        print(f"{line}: held", flush=True)
        return 0
    print(f"{line}: BROKEN, code {ended.returncode}", flush=True)
    for crash in new:
        print(f"    kept: {crash}\n    again: ./run fuzz --again {crash}")
    print("\n".join("    " + text for text in output.splitlines()[-25:]), flush=True)
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Fuzz the parsers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*names(), []], help=", ".join(names()))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--driver", choices=("auto", "atheris", "seeded"), default="auto")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only this input, with its traceback")
    asked = parser.parse_args()
    if asked.again is not None:
        from tests.fuzz.drive_seeded import again

        again(asked.again)
        sys.exit(0)
    return asked


if __name__ == "__main__":
    sys.exit(main())
