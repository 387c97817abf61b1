"""The Atheris driver: `python -m tests.fuzz.drive_atheris TARGET SECONDS SEED`. Coverage of our own code leads the way.

Half of the inputs are libFuzzer's, half come from the mutator that knows shapes. What widens the coverage is kept for this run
only; `corpus/` holds the small set that is worth keeping for everybody.
"""

from __future__ import annotations

import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["standfast", "tests.fuzz.targets"]):
    from tests.fuzz.store import CORPUS, CRASHES, known, keep, target

    MODULE = target(sys.argv[1])

from tests.fuzz.limits import INPUT_BYTES_MAX, Guard
from tests.fuzz.mutator import Mutator

SLACK = 4
"""Instrumented code takes up to four times as long."""


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, seconds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    guard = Guard(MODULE, slack=SLACK)
    mutator = Mutator([path.read_bytes() for path in known(name)], seed, INPUT_BYTES_MAX, getattr(MODULE, "DICTIONARY", ()))
    turn = [0]

    def one(data: bytes) -> None:
        try:
            guard.run(data)
        except BaseException as crash:
            keep(name, type(crash).__name__.lower(), data)
            raise

    def mutate(data: bytes, size_max: int, _seed: int) -> bytes:
        turn[0] += 1
        if turn[0] % 2:
            return bytes(atheris.Mutate(data, size_max))
        return mutator.changed(data)[:size_max]

    found = tempfile.mkdtemp(prefix="standfast-fuzz-")
    folders = [str(folder / name) for folder in (CORPUS, CRASHES) if (folder / name).is_dir()]
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed % 2**31 or 1}",
        f"-max_len={INPUT_BYTES_MAX}",
        "-rss_limit_mb=2048",
        "-timeout=20",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, found, *folders], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
