"""The scheduler's own document: kept up by the changes that the cluster agrees on, never sent or parsed again as a whole.

One more replica of the CIB: the same changes in the same order give the same document (cib/apply.py), and versions prove it. What
a change did not touch is not read again (known.py); when nothing that matters changed, the last plan holds; and plans for what
may come can be put aside, to be found again by the document that they are for.

Invariants (`check`): the document has the version that the last change said; without one, nothing is kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.cib.apply import apply, write_version
from standfast.cib.document import COUNTERS, WRITTEN_ATTRIBUTES, Cib, Version
from standfast.cib.edit import Edit
from standfast.cib.operations import decode_change
from standfast.scheduler.api import Plan
from standfast.scheduler.known import Known
from standfast.scheduler.plan import decide, unpack
from standfast.scheduler.resting.keeper import Keeper
from standfast.scheduler.resting.still import DisturbedError

if TYPE_CHECKING:
    from lxml import etree

PREPARED_MAX, PREPARED_BYTES_MAX = 64, 64 * 1024 * 1024
"""Plans put aside at most, and their bytes."""

ATTEMPTS = 4
"""Runs for one plan at most: who turns out to be not at rest is woken after each; the last one leaves nobody out."""

_UNREAD = frozenset((*COUNTERS, *WRITTEN_ATTRIBUTES))
"""Attributes of the root that no plan depends on."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plan, and when it holds for the document that it was made for: from second `since_s` until before `until_s` (None: for
    ever), where local time is `utc_offset_s` ahead of UTC. `tells`: it is more than the decision."""

    plan: Plan
    since_s: int
    until_s: int | None
    utc_offset_s: int
    tells: bool = False

    def holds(self, now_s: int, utc_offset_s: int) -> bool:
        """Whether it is the plan for this time too."""
        return self.since_s <= now_s and (self.until_s is None or now_s < self.until_s) and self.utc_offset_s == utc_offset_s

    def decision(self) -> Made:
        """The same, without why."""
        return replace(self, plan=self.plan.decision(), tells=False) if self.tells else self


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan put aside, packed, for the document with this key."""

    key: bytes
    packed: bytes


_PACK, _UNPACK = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Made).decode


class Follower:
    """See the module. `reused` and `ready` count the questions that were answered without planning, `left_out` the resources that
    were at rest in the last plan that was made."""

    def __init__(self) -> None:
        self._cib: Cib | None = None
        self._known = Known()
        self._keeper = Keeper()
        self._last: Made | None = None
        self._prepared: dict[bytes, bytes] = {}
        self.reused = self.ready = self.left_out = 0

    @property
    def version(self) -> Version | None:
        """The version of the document; None without one."""
        return None if self._cib is None else self._cib.version

    # ---- the document ----------------------------------------------------------------------------------------------

    def take(self, xml: bytes) -> None:
        """A whole document, as a node of ours wrote it. Raises Malformed."""
        self.lose()
        self._cib = Cib.adopt(xml)

    def lose(self) -> None:
        """Forget the document: it is not known any more what it should be."""
        self._cib, self._last, self._known, self._keeper = None, None, Known(), Keeper()

    def follow(self, before: Version, after: Version, change: bytes) -> bool:
        """The change that led from one version to the next (empty: the version alone was changed). What does not fit loses the
        document; whether there is one now."""
        if self._cib is None or self._cib.version != before:
            self.lose()
            return False
        try:
            if change:
                self._apply(self._cib, change)
            else:
                write_version(self._cib.root, Edit(self._cib.root), after)
                self._cib.touched(configuration=False)
        except (Refused, Malformed):
            self.lose()
            return False
        if self._cib.version != after:
            self.lose()
        return self._cib is not None

    def _apply(self, cib: Cib, change: bytes) -> None:
        written: list[tuple[etree._Element, str]] = []
        apply(cib, decode_change(change), written)
        for element, attribute in written:
            if element is cib.root and attribute in _UNREAD:
                continue
            self._last = None
            self._known.written(element)
            self._keeper.written(element)

    def xml(self) -> bytes:
        """The document as it is now; empty without one."""
        return b"" if self._cib is None else self._cib.compact()

    # ---- plans -----------------------------------------------------------------------------------------------------

    def plan(self, now_s: int, utc_offset_s: int = 0, *, connects: bool = True, tells: bool = False) -> Made | None:
        """The decision for the document as it is now, or the whole plan; None without a document."""
        if self._cib is None:
            return None
        if self._last is not None and self._last.holds(now_s, utc_offset_s) and self._last.tells >= tells:
            self.reused += 1
            return self._last if tells else self._last.decision()
        if tells:
            return self._plan(now_s, utc_offset_s, connects=connects, tells=True)
        packed = self._prepared.get(self.key()) if self._prepared else None
        found = None if packed is None else _UNPACK(packed)
        if found is not None and found.holds(now_s, utc_offset_s):
            self.ready += 1
            self._last = found
            return found
        return self._plan(now_s, utc_offset_s, connects=connects)

    def suppose(self, change: bytes, now_s: int, utc_offset_s: int = 0, *, connects: bool = True) -> Prepared | None:
        """The plan that there would be after a change, to be put aside; None when the change does not fit. The document is that
        of the supposition then: for a copy of this object, or of its process."""
        return self.prepare(now_s, utc_offset_s, connects=connects) if self.imagine(change) else None

    def imagine(self, change: bytes) -> bool:
        """The first half of `suppose`: whether the document is that of the supposition now."""
        if self._cib is None:
            return False
        try:
            self._apply(self._cib, change)
        except (Refused, Malformed):
            return False
        return True

    def prepare(self, now_s: int, utc_offset_s: int = 0, *, connects: bool = True) -> Prepared:
        """The second half: its plan, to be put aside."""
        return Prepared(self.key(), _PACK(self._plan(now_s, utc_offset_s, connects=connects)))

    def _plan(self, now_s: int, utc_offset_s: int, *, connects: bool, tells: bool = False) -> Made:
        assert self._cib is not None
        root, known, keeper = self._cib.root, self._known, self._keeper
        if tells:
            keeper.wake(None)
        for attempt in range(1, ATTEMPTS + 1):
            if attempt == ATTEMPTS:
                keeper.wake(None)
            try:
                cluster = unpack(
                    root, now_s, connects=connects, utc_offset_s=utc_offset_s, known=known, tells=tells, keeper=keeper
                )
                plan = decide(cluster)
            except DisturbedError as found:
                keeper.wake(found.names)
                continue
            if keeper.learn(cluster, plan):
                break
        self.left_out = len(cluster.asleep.resources)
        self._last = Made(plan, now_s, cluster.same_until_s, utc_offset_s, tells)
        return self._last

    def key(self) -> bytes:
        """What tells this document from every other one that could be planned otherwise. In which order a node's state has its
        history and its attributes plays no part: a node that announces itself anew changes it."""
        assert self._cib is not None
        root = self._cib.root
        heads, parts = [_head(root)], [child for child in root if child.tag != "status"]
        for state in root.iterfind("status/*"):
            heads.append(_head(state))
            parts += sorted(state, key=lambda part: str(part.tag))
        return hashlib.sha256(b"".join(heads) + b"".join(self._known.digests(parts))).digest()

    def put_aside(self, prepared: Prepared) -> None:
        """Keep a plan; the oldest give way."""
        self._prepared.pop(prepared.key, None)
        self._prepared[prepared.key] = prepared.packed
        while len(self._prepared) > PREPARED_MAX or sum(map(len, self._prepared.values())) > PREPARED_BYTES_MAX:
            del self._prepared[next(iter(self._prepared))]

    def check(self) -> None:
        """Assert the invariants (for tests: reads everything again)."""
        assert len(self._prepared) <= PREPARED_MAX
        assert self._cib is not None or self._last is None
        self._known.check()
        self._keeper.check()
        if self._cib is not None:
            self._cib.check()


def _head(element: etree._Element) -> bytes:
    """Name and attributes, those of the root that no plan depends on left out."""
    attributes = [item for item in element.items() if item[0] not in _UNREAD]
    return repr((element.tag, attributes, len(element))).encode()
