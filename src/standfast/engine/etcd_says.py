"""What this node wants to say through etcd, until it has read it there: first in, first out, one write undecided at a time.

Owns: the queue with its limits, the cut into batches. Does not own: the order, the view.
"""

from __future__ import annotations

from collections import deque

MESSAGES_MAX = 4096
BYTES_MAX = 16 << 20


class Says:
    """Invariants: at most MESSAGES_MAX messages and BYTES_MAX bytes; `_flying` of the first are in the batch under way."""

    __slots__ = ("_bytes", "_flying", "_is_refused", "_is_undecided", "_messages", "_number")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._number = 0
        self._flying = 0
        self._is_undecided = self._is_refused = False

    def add(self, payload: bytes) -> bool:
        """Queue a message; False when there is no room."""
        if len(self._messages) >= MESSAGES_MAX or self._bytes + len(payload) > BYTES_MAX:
            return False
        self._messages.append(payload)
        self._bytes += len(payload)
        return True

    def restart(self) -> None:
        """A new view: what was not read back is said again, from number 1. (A write that is still undecided was meant for another
        view: it cannot succeed any more.)"""
        self._number = self._flying = 0
        self._is_refused = False

    def next(self, messages_max: int, bytes_max: int) -> tuple[int, tuple[bytes, ...]] | None:
        """(number, payloads) of the next batch, where none is under way."""
        if self._flying or self._is_undecided or self._is_refused or not self._messages:
            return None
        size = 0
        payloads: list[bytes] = []
        for payload in self._messages:
            if payloads and (len(payloads) >= messages_max or size + len(payload) > bytes_max):
                break
            payloads.append(payload)
            size += len(payload)
        self._number += 1
        self._flying = len(payloads)
        self._is_undecided = True
        return self._number, tuple(payloads)

    def decided(self, *, taken: bool) -> None:
        """The write stands, or was refused because the view is another: then nothing is said until that one is in force."""
        self._is_undecided = False
        self._is_refused = not taken and self._flying > 0

    def delivered(self, count: int) -> None:
        """Our batch was read in its place."""
        for _ in range(min(count, len(self._messages))):
            self._bytes -= len(self._messages.popleft())
        self._flying = 0

    @property
    def fullness(self) -> float:
        """0 .. 1, of whichever limit is nearer."""
        return max(len(self._messages) / MESSAGES_MAX, self._bytes / BYTES_MAX)

    def check(self) -> None:
        """The invariants."""
        assert len(self._messages) <= MESSAGES_MAX
        assert self._bytes == sum(map(len, self._messages)) <= BYTES_MAX
        assert 0 <= self._flying <= len(self._messages)
