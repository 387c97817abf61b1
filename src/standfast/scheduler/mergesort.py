"""Sorting as the original's library does: where comparisons contradict each other, the algorithm decides the result.

"Newer than" is not transitive (a pending operation has no call id), nor is the order of instances. GLib's list sort halves a
list (the shorter half first), sorts the halves and merges them, the first half's element first among equals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def merge_sorted(items: list[T], compare: Callable[[T, T], int]) -> list[T]:
    """A new list, sorted by `compare` (negative: the first argument comes first)."""
    if len(items) < 2:
        return list(items)
    middle = len(items) // 2
    left, right = merge_sorted(items[:middle], compare), merge_sorted(items[middle:], compare)
    merged: list[T] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if compare(left[i], right[j]) <= 0:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return [*merged, *left[i:], *right[j:]]
