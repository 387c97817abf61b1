"""What is wrong with a document, or will be one day, and changes no decision of today: for those who check configurations.

Not part of a decision, which has no time for it. Owns: the feature set, rules in operations, fencing levels, histories that
name one operation twice. (Pacemaker: lib/pengine/status.c; unpack.c, pcmk__validate_fencing_topology; pe__is_newer_op.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.report import Report, error, warning
from standfast.scheduler.rules import compare_versions
from standfast.scheduler.values import FEATURE_SET, parse_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

LEVEL_INDEX_MAX = 9


def remarks(root: Element) -> Iterator[Report]:
    """Everything there is to say about a `cib` element, in the order of its sections."""
    yield from _operation_rules(root)
    yield from _fencing_levels(root)
    yield from _histories(root)


def too_new(root: Element) -> Report | None:
    """Whether a newer release wrote this document: then nothing in it is believed."""
    theirs = root.get("crm_feature_set")
    if theirs is None or compare_versions(theirs, FEATURE_SET) <= 0:
        return None
    what = f"Can't process CIB with feature set '{theirs}' greater than our own '{FEATURE_SET}'"
    return error("scheduler.feature-set", what)


def _operation_rules(root: Element) -> Iterator[Report]:
    found = root.xpath("(//op_defaults//expression|//op//expression)[1]")
    if found:
        what = "Support for rules with node attribute expressions in op or op_defaults is deprecated and will be dropped"
        yield warning("scheduler.deprecated", f"{what} in a future release", where=found[0].get("id") or "")


def _fencing_levels(root: Element) -> Iterator[Report]:
    for level in root.iterfind("configuration/fencing-topology/fencing-level"):
        name, index = level.get("id"), parse_int(level.get("index"))
        if name is None:
            yield error("scheduler.fencing-level", "Ignoring fencing level without ID")
        elif index is None:
            yield error("scheduler.fencing-level", f"Ignoring fencing level {name} with invalid index", where=name)
        elif not 1 <= index <= LEVEL_INDEX_MAX:
            yield error("scheduler.fencing-level", f"Ignoring fencing level {name} with out-of-range index {index}", where=name)


def _histories(root: Element) -> Iterator[Report]:
    for history in root.iterfind("status/node_state/lrm/lrm_resources/lrm_resource"):
        seen: set[tuple[str, str]] = set()
        for entry in history.iterchildren("lrm_rsc_op"):
            name = entry.get("id") or ""
            key = (name, (entry.get("on_node") or "").lower())
            if name and key in seen:
                yield error("scheduler.history", f"Duplicate lrm_rsc_op entries named {name}")
            seen.add(key)
