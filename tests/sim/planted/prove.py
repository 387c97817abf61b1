"""`./run sim --planted`: each bug under tests/sim/planted is put into a copy of the source and has to be found in 1,000 seeds.

A patch may begin with `# seed N`: that one has found it before and is tried first (`--all` tries 1, 2, 3, ... all the same). With
`# engine seed N` the bug is hunted by engines alone (`./run sim --engine`).
What finds a bug has to hold without it, else it proves nothing. Prints a table: bug, seed, what was broken. Ends with 1 when
one was not found, or a patch does not apply any more.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src"
SEEDS_MAX = 1_000


def patches() -> list[Path]:
    """The planted bugs."""
    return sorted(HERE.glob("*.patch"))


def plant(patch: Path, folder: Path) -> None:
    """A copy of the source with the bug in it. Raises CalledProcessError when it does not fit."""
    shutil.copytree(SOURCE, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["patch", "-p1", "--quiet", "--fuzz=0", "-i", str(patch)], cwd=folder, check=True, capture_output=True)


def play(source: Path, kind: list[str], first: int, count: int) -> tuple[int, str]:
    """(the first seed that fails, how); 0 when all held."""
    seeds = ["--seed", str(first), "--seeds", str(count), "--first", "--jobs", "1"]
    command = [sys.executable, "-m", "standfast.sim", *kind, *seeds]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"^seed (\d+): (.*) \[\d+ nodes", done.stdout, re.MULTILINE)
    if found is not None:
        return int(found[1]), found[2]
    return 0, (done.stderr.strip().splitlines() or ["not found"])[-1]


def noted(patch: Path) -> tuple[list[str], int]:
    """(what plays, the seed that has found it before); 0 when none is noted."""
    note = re.match(r"# (engine )?seed (\d+)", patch.read_text())
    return ([], 0) if note is None else (["--engine"] if note[1] else [], int(note[2]))


def hunt(patch: Path, seeds: int, *, from_one: bool) -> tuple[str, int, str, float]:
    """(bug, the seed that finds it, what broke, seconds); 0 when it was not found."""
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            plant(patch, folder)
        except subprocess.CalledProcessError as fault:
            return patch.stem, 0, f"does not apply: {(fault.stdout or b'').decode().strip()}", 0.0
        kind, before = noted(patch)
        tried = [] if from_one or not before else [(before, 1)]
        for first, count in (*tried, (1, seeds)):
            at = first
            while at < first + count:
                found, what = play(folder / "src", kind, at, first + count - at)
                if not found:
                    break
                if not play(SOURCE, kind, found, 1)[0]:
                    return patch.stem, found, what, time.monotonic() - begun_s
                at, what = found + 1, f"seed {found} fails without the bug too"
    return patch.stem, 0, what, time.monotonic() - begun_s


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="./run sim --planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", help="only those whose name holds one of these words")
    parser.add_argument("--all", action="store_true", help="seeds 1, 2, 3, ... whatever has found it before")
    options = parser.parse_args()
    chosen = [p for p in patches() if not options.names or any(word in p.stem for word in options.names)]
    missed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, seeds, what, took_s in pool.map(lambda patch: hunt(patch, options.seeds, from_one=options.all), chosen):
            missed += not seeds
            sys.stdout.write(f"{name:36} {f'seed {seeds:4}' if seeds else 'NOT FOUND'}  {took_s:5.0f} s  {what[:110]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} planted bugs found\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
