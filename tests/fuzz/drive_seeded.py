"""The seeded driver: `python -m tests.fuzz.drive_seeded TARGET SECONDS SEED`. First what is kept, then mutations of it."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from tests.fuzz.limits import INPUT_BYTES_MAX, Guard
from tests.fuzz.mutator import Mutator
from tests.fuzz.store import keep, known, target

ADDRESS_SPACE_BYTES = 4 << 30
"""What the process may map: whatever asks for more gets MemoryError, which is no typed error."""


def main() -> int:
    """One target for some seconds; the first crash ends it."""
    name, seconds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    module = target(name)
    guard = Guard(module)
    corpus = [path.read_bytes() for path in known(name)]
    mutator = Mutator(corpus, seed, INPUT_BYTES_MAX, getattr(module, "DICTIONARY", ()))
    until_s = time.monotonic() + seconds
    waiting = list(reversed(corpus))
    data = b""
    try:
        while time.monotonic() < until_s:
            data = waiting.pop() if waiting else mutator.next()
            guard.run(data)
    except BaseException as crash:
        path = keep(name, type(crash).__name__.lower(), data)
        print(f"ran {guard.runs} inputs, then {type(crash).__name__}: {path}", flush=True)
        raise
    print(f"ran {guard.runs} inputs, the slowest {guard.slowest_s * 1000:.1f} ms")
    return 0


def again(path: Path) -> None:
    """One kept input, once more: what it raises is seen."""
    guard = Guard(target(path.parent.name))
    guard.run(path.read_bytes())
    print(f"{path}: held, {guard.slowest_s * 1000:.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
