"""What was read in a document and need not be read again: parsed histories, and digests, of elements that have not changed since.

Handed to `plan.unpack` by whoever keeps a document and knows what was written to it (follower.py); a single plan starts with an
empty one. Invariant: what is kept for an element is what reading it now would give. Bounded by the document: what is kept for a
node's state is exactly what that state holds, `unpack` drops states that are gone, and digests are those last asked for.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from standfast.cib.document import compact_xml
from standfast.scheduler.unpack.entries import History, read_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxml import etree


class Known:
    """See the module. Elements are held, so that lxml gives the same objects for them each time."""

    __slots__ = ("_digests", "_fresh", "_states")

    def __init__(self) -> None:
        self._states: dict[etree._Element, dict[etree._Element, History]] = {}
        self._fresh: set[etree._Element] = set()
        self._digests: dict[etree._Element, bytes] = {}

    def histories(self, state: etree._Element) -> Iterable[History]:
        """The histories of one `node_state`, in its order."""
        kept = self._states.get(state, {})
        if state not in self._fresh:
            section = state.find("lrm/lrm_resources")
            elements = () if section is None else section.iterchildren("lrm_resource")
            kept = self._states[state] = {e: kept.get(e) or read_history(e) for e in elements}
            self._fresh.add(state)
        return kept.values()

    def rows(self, state: etree._Element) -> Iterable[etree._Element]:
        """The elements of those histories."""
        self.histories(state)
        return self._states[state]

    def digests(self, elements: Sequence[etree._Element]) -> list[bytes]:
        """A digest of each of these elements, with all that is in it."""
        kept = self._digests
        self._digests = {e: kept.get(e) or hashlib.sha256(compact_xml(e)).digest() for e in elements}
        return list(self._digests.values())

    def keep_only(self, states: Iterable[etree._Element]) -> None:
        """Forget every state that is not among these."""
        wanted = set(states)
        for state in [state for state in self._states if state not in wanted]:
            del self._states[state]
            self._fresh.discard(state)

    def written(self, element: etree._Element) -> None:
        """The attributes of an element, or its list of children, are not what they were."""
        step: etree._Element | None = element
        while step is not None:
            for kept in self._states.values() if step.tag == "lrm_resource" else ():
                kept.pop(step, None)
            self._fresh.discard(step)
            self._digests.pop(step, None)
            step = step.getparent()

    def check(self) -> None:
        """Assert the invariant (for tests: reads everything again)."""
        for state in self._fresh:
            section = state.find("lrm/lrm_resources")
            elements = [] if section is None else list(section.iterchildren("lrm_resource"))
            assert list(self._states[state]) == elements
            for element, history in self._states[state].items():
                assert history.same_as(read_history(element)), element.get("id")
        for element, digest in self._digests.items():
            assert digest == hashlib.sha256(compact_xml(element)).digest(), element.tag
