"""A queue with a limit, because a queue without one is a memory leak that waits for a bad day."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Full(Exception):
    """The queue holds `limit` items already; the caller says what that means for its own caller."""


class Bounded(Generic[T]):
    """First in, first out, at most `limit` items. Invariant: `0 <= len(self) <= limit`, always."""

    __slots__ = ("_items", "limit")

    def __init__(self, limit: int) -> None:
        assert limit > 0
        self.limit = limit
        self._items: deque[T] = deque()

    def push(self, item: T) -> None:
        """Append; raises Full at the limit, and then nothing has changed."""
        if len(self._items) >= self.limit:
            raise Full(f"queue full at {self.limit}")
        self._items.append(item)

    def pop(self) -> T:
        """Take the oldest; the queue must not be empty."""
        assert self._items, "pop from an empty queue"
        return self._items.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()

    @property
    def is_full(self) -> bool:
        """Whether the next push would raise."""
        return len(self._items) >= self.limit

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)
