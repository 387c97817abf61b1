"""The log of one view at one member: ordered entries as they come, holes, delivery, what everybody has.

Owns: which entries are held, putting messages together from segments, the numbers that the client sees.
Does not own: asking for what is missing, and who is a member.
"""

from __future__ import annotations

from collections import deque

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.engine.api import PAYLOAD_BYTES_MAX, ViewId
from standfast.engine.messages import HOLES_MAX, Entry, EntryKind

AHEAD_MAX = 1024
"""Entries further than this beyond what is held are not kept: the coordinator's window is smaller."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A whole message in its place. `seq` is the client's number; 0 where the client does not see it (orders of operators)."""

    sender: NodeId
    kind: EntryKind
    payload: bytes
    seq: int


class Log:
    """One view's entries.

    Invariants: everything up to `held` was delivered, once; `entries` has all in `stable+1 .. held`, and no `held+1`.
    """

    __slots__ = ("_marks", "_parts", "_seq", "entries", "held", "highest", "seq_stable", "stable", "view")

    def __init__(self, view: ViewId) -> None:
        self.view = view
        self.held = 0
        self.highest = 0
        self.stable = 0
        self.seq_stable = 0
        self.entries: dict[int, Entry] = {}
        self._parts: dict[NodeId, bytearray] = {}
        self._seq = 0
        self._marks: deque[tuple[int, int]] = deque()

    def add(self, entry: Entry) -> list[Entry] | None:
        """Take an entry. Gives those that are in their place now (none while there is a gap); None: it was known."""
        if entry.seq <= self.held or entry.seq in self.entries or entry.seq > self.held + AHEAD_MAX:
            return None
        self.entries[entry.seq] = entry
        self.highest = max(self.highest, entry.seq)
        placed: list[Entry] = []
        while (following := self.entries.get(self.held + 1)) is not None:
            self.held += 1
            placed.append(following)
        return placed

    def assemble(self, entry: Entry) -> Ordered | None:
        """Add a placed entry to its message; gives the message when that was its last segment."""
        parts = self._parts.setdefault(entry.sender, bytearray())
        if len(parts) <= PAYLOAD_BYTES_MAX:
            parts += entry.data
        if not entry.is_last:
            return None
        payload = bytes(parts)
        parts.clear()
        if len(payload) > PAYLOAD_BYTES_MAX:
            return None  # only a member gone mad sends this, and all members see the same and do the same
        seq = 0
        if entry.kind is not EntryKind.ADJUST:
            self._seq = seq = self._seq + 1
            self._marks.append((entry.seq, seq))
        return Ordered(entry.sender, entry.kind, payload, seq)

    def settle(self, stable: int) -> bool:
        """Everybody holds all up to `stable`: forget the entries. True when the client's number of that grew."""
        stable = min(stable, self.held)
        for seq in range(self.stable + 1, stable + 1):
            del self.entries[seq]
        self.stable = max(self.stable, stable)
        before = self.seq_stable
        while self._marks and self._marks[0][0] <= self.stable:
            self.seq_stable = self._marks.popleft()[1]
        return self.seq_stable > before

    def truncate(self) -> None:
        """Forget what lies beyond a gap: the view ends, and filling the gap must not deliver more than the cut."""
        self.entries = {seq: entry for seq, entry in self.entries.items() if seq <= self.held}
        self.highest = self.held

    def holes(self) -> tuple[tuple[int, int], ...]:
        """Ranges below `highest` that are missing, the first HOLES_MAX of them."""
        if self.highest <= self.held:
            return ()
        out: list[tuple[int, int]] = []
        first = self.held + 1
        for seq in sorted(self.entries):
            if seq <= self.held:
                continue
            if seq > first:
                out.append((first, seq - 1))
                if len(out) == HOLES_MAX:
                    break
            first = seq + 1
        return tuple(out)

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert self.stable <= self.held
        assert self.held + 1 not in self.entries
        assert len(self.entries) <= 2 * AHEAD_MAX
        assert all(seq in self.entries for seq in (self.stable + 1, self.held) if self.stable < seq <= self.held)
