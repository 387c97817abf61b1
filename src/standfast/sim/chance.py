"""Chance that can be repeated: one stream per purpose, so that a draw more in one does not shift the others.

Owns: every draw of the simulator. Only `getrandbits` of the standard generator is used: its stream is the same in all versions
of Python; `choice` and `shuffle` are not promised to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Stream:
    """One purpose's chance. Seeded by text, which Python hashes with SHA-512, so no hash seed matters."""

    __slots__ = ("_bits",)

    def __init__(self, seed: int, purpose: str) -> None:
        self._bits = Random(f"{seed}/{purpose}").getrandbits

    def below(self, limit: int) -> int:
        """0 .. limit - 1, evenly (the bias of 64 bits is far below anything seen here)."""
        assert limit > 0
        return self._bits(64) % limit

    def between(self, low: int, high: int) -> int:
        """low .. high, both included."""
        return low + self.below(high - low + 1)

    def happens(self, per_mille: int) -> bool:
        """True in `per_mille` of 1000 cases. Draws nothing when that is none."""
        return per_mille > 0 and self.below(1000) < per_mille

    def choice(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A copy in another order (Fisher and Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def bytes(self, count: int) -> bytes:
        """Entropy for an engine."""
        return self._bits(8 * count).to_bytes(count, "big") if count else b""
