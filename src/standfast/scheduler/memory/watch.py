"""What a run notes about itself, so that the next one can leave out what would come to the same (resting/).

What is said, and every question about the time, goes on the account of the resource, or constraint, that is being dealt with.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass

if TYPE_CHECKING:
    from lxml import etree


@dataclass(frozen=True, slots=True)
class Rest:
    """What a resource at rest does to others in a run: `placed` is how many of its members each node (by its place among the
    nodes) gets in its turn, `counts` what all nodes had before, if the choice looked at that; `actions` is how many numbers its
    optional actions take, `names` are the ids that it occupies."""

    placed: tuple[tuple[int, int], ...]
    counts: tuple[int, ...] | None
    actions: int
    names: tuple[str, ...]


@dataclass(slots=True)
class Watch:
    """See the module. `about` is who is being dealt with; `restless` are those who said something or asked for the time,
    `general` is how often that happened on nobody's account. `asked` are names of node attributes that rules and constraints
    looked at. `turns` says of each resource what it did in its turn of assignment, as in `Rest`, `windows` from which number
    on and before which one its actions were made, `numbers` how many were made for a history, by its element, and `early` for
    all of a resource."""

    about: object = None
    restless: set[object] = field(default_factory=set)
    general: int = 0
    asked: set[str] = field(default_factory=set)
    tied: bool = False
    turns: dict[object, tuple[tuple[tuple[int, int], ...], tuple[int, ...] | None]] = field(default_factory=dict)
    windows: dict[object, tuple[int, int]] = field(default_factory=dict)
    numbers: dict[etree._Element, int] = field(default_factory=dict)
    early: dict[object, int] = field(default_factory=dict)

    def mark(self) -> None:
        """Something was said, or the time was asked for."""
        if self.about is None:
            self.general += 1
        else:
            self.restless.add(self.about)

    def used(self, history: etree._Element, numbers: int) -> None:
        """A history of the one being dealt with used up numbers of actions."""
        self.numbers[history] = numbers
        if numbers:
            self.early[self.about] = self.early.get(self.about, 0) + numbers
