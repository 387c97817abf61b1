"""Room for long chains: as the original does, the scheduler follows colocations and orderings by recursion.

A chain of a thousand resources is legal, and goes some thousand calls deep. Python's limit of 1000 frames guards against
endless recursion, not against deep recursion: since 3.11 calls between Python functions take no C stack. So the limit is
raised while a plan is made, by no more than the size of the input can need, and put back.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Measured: ordered and colocated chains of active resources go at most 2 frames deep per element.
FRAMES_PER_ELEMENT = 10
FRAMES = 10_000


@contextmanager
def deep_calls(elements: int) -> Iterator[None]:
    """Let calls go as deep as a CIB of this many elements may need."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, FRAMES + FRAMES_PER_ELEMENT * elements))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
