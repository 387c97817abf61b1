"""`./run sim --planted`: each bug under tests/sim/planted is put into a copy of the source and has to be found in 1,000 seeds.

Prints a table: bug, seeds needed, what was broken. Ends with 1 when one was not found, or a patch does not apply any more.
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


def hunt(patch: Path, seeds: int) -> tuple[str, int, str, float]:
    """(bug, seeds needed, what broke, seconds); 0 seeds when it was not found."""
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            plant(patch, folder)
        except subprocess.CalledProcessError as fault:
            return patch.stem, 0, f"does not apply: {(fault.stdout or b'').decode().strip()}", 0.0
        command = [sys.executable, "-m", "standfast.sim", "--seeds", str(seeds), "--first", "--jobs", "1"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"^seed (\d+): (.*?) \[", done.stdout, re.MULTILINE)
    if found is None:
        return patch.stem, 0, (done.stderr.strip().splitlines() or ["not found"])[-1], time.monotonic() - begun_s
    return patch.stem, int(found[1]), found[2], time.monotonic() - begun_s


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="./run sim --planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", help="only those whose name holds one of these words")
    options = parser.parse_args()
    chosen = [p for p in patches() if not options.names or any(word in p.stem for word in options.names)]
    missed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, seeds, what, took_s in pool.map(lambda patch: hunt(patch, options.seeds), chosen):
            missed += not seeds
            sys.stdout.write(f"{name:36} {f'{seeds:4} seeds' if seeds else 'NOT FOUND'}  {took_s:5.0f} s  {what[:110]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} planted bugs found\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
