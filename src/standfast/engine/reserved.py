"""View numbers that were never used before, across restarts: a block of them is made durable before the first is shown.

Owns: the file's format and the reservation. Does not own: who gives numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from standfast.base.report import Refused, error

SEQ_FILE = "view-seq"
SEQ_RESERVED = 64
SEQ_LOW = 16


class Reserved:
    """Invariant: `seq`, the highest that was shown or may have been, is at most `limit`, and `limit` is on the disk (once the
    effects are performed in order)."""

    __slots__ = ("_persist", "limit", "seq")

    def __init__(self, remembered: bytes | None, persist: Callable[[str, bytes], None]) -> None:
        """`remembered` is what SEQ_FILE held. Raises Refused when it cannot be read: better no node than a repeated number."""
        self._persist = persist
        self.seq = self.limit = read_seq(remembered)

    def use(self, seq: int) -> None:
        """`seq` is about to be shown."""
        self.seq = max(self.seq, seq)
        if self.seq > self.limit:
            self._reserve()

    def quiet(self) -> None:
        """Nothing is urgent: reserve more before they are needed in a hurry."""
        if self.limit - self.seq < SEQ_LOW:
            self._reserve()

    def _reserve(self) -> None:
        self.limit = self.seq + SEQ_RESERVED
        self._persist(SEQ_FILE, write_seq(self.limit))

    def check(self) -> None:
        """The invariant."""
        assert self.seq <= self.limit


def write_seq(seq: int) -> bytes:
    """The file's content: the number and its checksum."""
    text = f"{seq}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def read_seq(data: bytes | None) -> int:
    """The number in the file, 0 without one. Raises Refused when it is damaged."""
    if data is None:
        return 0
    parts = data.decode("ascii", "replace").split()
    if len(parts) == 2 and parts[0].isdigit() and len(parts[0]) < 20 and write_seq(int(parts[0])) == data:
        return int(parts[0])
    raise Refused(
        error(
            "engine.view-seq-unreadable",
            f"the file {SEQ_FILE} of the engine's state folder is damaged",
            "it keeps view numbers from being used twice, so this node does not start without it",
            "stop the cluster on all nodes, remove the file on this one, start them again",
        )
    )
