"""One seeded source of chance for a whole cluster, with a random choice of features beforehand.

Swarm testing: if every feature could appear in every cluster, each would appear a little and most would be masked by the
others. So first each feature is switched on or off for the whole cluster, then the cluster is drawn from what is left.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from lxml import etree

T = TypeVar("T")

# feature: how often a cluster may use it
FEATURES: dict[str, float] = {
    "fencing": 0.45, "bad-nodes": 0.5, "standby": 0.3, "node-maintenance": 0.15, "pending-nodes": 0.2, "shutdown": 0.2,
    "health": 0.2, "utilization": 0.25, "no-quorum": 0.2, "cluster-maintenance": 0.04, "opt-in": 0.12, "groups": 0.5,
    "clones": 0.5, "unique": 0.2, "promotable": 0.4, "cloned-groups": 0.3, "templates": 0.2, "tags": 0.2, "locations": 0.6,
    "rules": 0.3, "dates": 0.2, "location-roles": 0.3, "discovery": 0.2, "patterns": 0.2, "colocations": 0.6,
    "colocation-roles": 0.4, "node-attribute": 0.15, "influence": 0.2, "sets": 0.3, "orders": 0.6, "order-actions": 0.4,
    "tickets": 0.2, "unmanaged": 0.25, "maintenance": 0.15, "target-role": 0.4, "stickiness": 0.6, "priority": 0.3,
    "migration": 0.4, "failures": 0.5, "fail-counts": 0.5, "failure-timeout": 0.4, "migration-threshold": 0.4, "on-fail": 0.4,
    "pending": 0.25, "orphans": 0.25, "active-twice": 0.2, "changed": 0.3, "unprobed": 0.3, "role-monitors": 0.2,
    "defaults": 0.3, "ruled-defaults": 0.2, "requires": 0.2, "multiple-active": 0.2, "notify": 0.25, "interleave": 0.4,
    "ordered-clones": 0.3, "clone-limits": 0.4, "other-classes": 0.15, "options": 0.4, "stop-all": 0.03, "lock": 0.1,
    "critical": 0.2, "allow-unhealthy": 0.1, "ruled-parameters": 0.1, "disabled-operations": 0.15, "attributes": 0.4,
    "op-versions": 0.1,
}  # fmt: skip


class Chance:
    """Draws from one seed; also hands out unique ids. Same seed, same draws, whatever the hash seed."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"standfast {seed}")
        self._ids: dict[str, int] = {}
        self.on = {name: self._random.random() < often for name, often in FEATURES.items()}

    def may(self, feature: str, often: float = 0.5) -> bool:
        """Whether to use a feature here: only if this cluster has it, and then `often`."""
        drawn = self._random.random() < often
        return self.on[feature] and drawn

    def happens(self, often: float) -> bool:
        return self._random.random() < often

    def pick(self, values: Sequence[T]) -> T:
        return values[self._random.randrange(len(values))]

    def some(self, values: Sequence[T], low: int, high: int) -> list[T]:
        """Between `low` and `high` different values, in random order."""
        return self._random.sample(list(values), min(len(values), self._random.randint(low, high)))

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def new_id(self, prefix: str) -> str:
        self._ids[prefix] = self._ids.get(prefix, 0) + 1
        return f"{prefix}-{self._ids[prefix]}"

    def score(self, infinite: float = 0.35) -> str:
        """Scores as people write them: often infinite, sometimes equal, rarely odd."""
        if self.happens(infinite):
            return self.pick(("INFINITY", "INFINITY", "-INFINITY", "+INFINITY", "1000000", "-1000000"))
        return self.pick(("0", "1", "-1", "5", "10", "50", "100", "100", "200", "-100", "-10", "1000", "-1000", "999999", "2000"))


def add(parent: etree._Element, tag: str, **attributes: str | None) -> etree._Element:
    """A new child; `class_` and `first_action` become `class` and `first-action`; None is left out."""
    element = etree.SubElement(parent, tag)
    for name, value in attributes.items():
        if value is not None:
            element.set(name.rstrip("_").replace("_", "-"), value)
    return element


def pairs(chance: Chance, parent: etree._Element, tag: str, values: dict[str, str]) -> etree._Element | None:
    """A set of nvpairs under `parent`; nothing if there are no values."""
    if not values:
        return None
    block = add(parent, tag, id=chance.new_id(f"{parent.tag!s}-{parent.get('id') or ''}-{tag}"))
    for name, value in values.items():
        add(block, "nvpair", id=chance.new_id(f"{block.get('id')}-pair"), name=name, value=value)
    return block
