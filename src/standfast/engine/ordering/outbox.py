"""The outbox: what this node wants ordered, until it has seen it delivered.

Owns: the queue with its limits, the cut into segments, what is on its way in this view. Does not own: the order.

A message leaves the outbox only when its last segment was delivered here. At a new view everything in it begins anew: what
was delivered before the view ended is out already, so nothing is ordered twice for those who came along.
"""

from __future__ import annotations

from collections import deque

from standfast.base.bounded import Full
from standfast.base.dataclass import dataclass
from standfast.engine.messages import EntryKind

MESSAGES_MAX = 4096
BYTES_MAX = 16 << 20
"""Limits of the queue. At half of either, the client is asked to stop."""

IN_FLIGHT_MAX = 64
"""Segments submitted and not yet delivered."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a message on its way; `number` counts from 1 in the view."""

    number: int
    kind: EntryKind
    is_last: bool
    data: bytes


class Outbox:
    """First in, first out.

    Invariants: at most MESSAGES_MAX messages and BYTES_MAX bytes; segments on their way are numbered without gaps.
    """

    __slots__ = ("_bytes", "_cursor", "_messages", "_number", "_offset", "_segment_bytes", "in_flight")

    def __init__(self, segment_bytes: int) -> None:
        self._segment_bytes = segment_bytes
        self._messages: deque[tuple[EntryKind, bytes]] = deque()
        self._bytes = 0
        self._cursor = 0  # index of the message that is being cut
        self._offset = 0
        self._number = 0
        self.in_flight: deque[Segment] = deque()

    def add(self, kind: EntryKind, payload: bytes) -> None:
        """Queue a message; raises Full, and then nothing has changed."""
        if len(self._messages) >= MESSAGES_MAX or self._bytes + len(payload) > BYTES_MAX:
            raise Full(f"{len(self._messages)} messages of {self._bytes} bytes are waiting to be ordered")
        self._messages.append((kind, payload))
        self._bytes += len(payload)

    def restart(self) -> None:
        """A new view: nothing is on its way any more."""
        self._cursor = self._offset = self._number = 0
        self.in_flight.clear()

    def next_segments(self) -> list[Segment]:
        """Put as many segments on their way as the window allows."""
        out: list[Segment] = []
        while len(self.in_flight) < IN_FLIGHT_MAX and self._cursor < len(self._messages):
            kind, payload = self._messages[self._cursor]
            end = self._offset + self._segment_bytes
            is_last = end >= len(payload)
            self._number += 1
            segment = Segment(self._number, kind, is_last, payload[self._offset : end])
            self.in_flight.append(segment)
            out.append(segment)
            self._offset = 0 if is_last else end
            self._cursor += is_last
        return out

    def delivered(self, number: int) -> bool:
        """Our own segment `number` came back in order. False: it is not the one that is due, so the coordinator lies."""
        if not self.in_flight or self.in_flight[0].number != number:
            return False
        if self.in_flight.popleft().is_last:
            _, payload = self._messages.popleft()
            self._bytes -= len(payload)
            self._cursor -= 1
        return True

    @property
    def is_empty(self) -> bool:
        """Whether everything was delivered."""
        return not self._messages

    @property
    def fullness(self) -> float:
        """0 .. 1, of whichever limit is nearer."""
        return max(len(self._messages) / MESSAGES_MAX, self._bytes / BYTES_MAX)

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert len(self._messages) <= MESSAGES_MAX
        assert self._bytes == sum(len(payload) for _, payload in self._messages) <= BYTES_MAX
        assert len(self.in_flight) <= IN_FLIGHT_MAX
        numbers = [segment.number for segment in self.in_flight]
        assert numbers == list(range(self._number - len(numbers) + 1, self._number + 1))
