"""The order in which the original meets the nodes of a table.

Nearly everything it decides is sorted first. Where several nodes have as much room (and no resource fits on any), the first one
met wins, which is the first in a hash table of GLib keyed by node ids: the same on every host and in every run, so people see it
as Pacemaker's decision. Collisions are resolved as in a table into which the ids are put in the order given.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

# Tables have 8, 16, 32, ... places; a hash is taken modulo the largest prime below that.
_PRIMES = {8: 7, 16: 13, 32: 31, 64: 61, 128: 127, 256: 251, 512: 509, 1024: 1021, 2048: 2039, 4096: 4093, 8192: 8191}
_LARGEST = max(_PRIMES)
_MASK = 0xFFFFFFFF
_Place = tuple[int, str]  # hash and key


def _hash(text: str) -> int:
    """Pacemaker's hash of strings; 0 and 1 stand for empty places in GLib's tables."""
    value = 0
    for byte in text.encode():
        value = (value * 31 + (byte if byte < 128 else byte - 256)) & _MASK
    return max(value, 2)


def table_order(keys: Iterable[str]) -> list[str]:
    """The keys in the order in which a walk through a table of them meets them."""
    places: list[_Place | None] = [None] * 8
    occupied: set[int] = set()
    for count, key in enumerate(keys, 1):
        new = (_hash(key), key)
        index = _free(places, new, occupied)
        places[index] = new
        occupied.add(index)
        if len(places) <= count + count // 16 and len(places) < _LARGEST:
            occupied = _enlarge(places, count)
    return [place[1] for place in places if place is not None]


def _free(places: list[_Place | None], new: _Place, taken: Container[int]) -> int:
    size = len(places)
    index, step = (new[0] * 11 & _MASK) % _PRIMES[size], 0
    while index in taken:
        step += 1
        index = (index + step) % size
    return index


def _enlarge(places: list[_Place | None], count: int) -> set[int]:
    """A third larger than what is in it, rounded up to a power of two; each moves to its new place and drives out who is there.
    Returns the places that are taken."""
    size = len(places)
    places += [None] * ((1 << int(count * 1.333).bit_length()) - size)
    moved: set[int] = set()
    for index in range(size):
        place = None if index in moved else places[index]
        if place is not None:
            places[index] = None
        while place is not None:
            target = _free(places, place, moved)
            moved.add(target)
            places[target], place = place, places[target]
    return moved
