"""What the parts of the status text share: the options of a view, lines with bullets, and the order of names."""

from __future__ import annotations

import re

from standfast.base.dataclass import dataclass
from standfast.base.situation import NodeStatus, Situation


@dataclass(frozen=True, slots=True)
class View:
    """What to show: crm_mon's options. `only_node` and `only_resource` "" mean all."""

    inactive: bool = True  # -r
    by_node: bool = False  # -n
    brief: bool = False  # -b
    detail: bool = False  # -R
    fail_counts: bool = False  # -f
    operations: bool = False  # -o
    timing: bool = False  # -t
    attributes: bool = False  # -A
    headers: bool = True  # not -D
    options: bool = False  # --include options
    daemon: bool = True  # the line about pacemakerd that a live cluster prints first
    nodes: bool = True
    resources: bool = True
    failures: bool = True
    places: bool = True  # whether a resource's line names its node
    fencing: int = 1  # -m: 0 nothing, 1 failed and pending, 2 also what succeeded, 3 all of it
    only_node: str = ""
    only_resource: str = ""


FULL = View()
"""What `crm status` shows: crm_mon -1 -r."""


class Page:
    """Lines with Pacemaker's bullets: an item of level n is indented by 2n blanks and has a star."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.level = 0

    def item(self, text: str) -> None:
        """One item at the present level."""
        self.lines.append("  " * self.level + ("* " if self.level else "") + text)

    def begin(self, title: str) -> None:
        """A title, and a level more."""
        self.item(f"{title}:")
        self.level += 1

    def end(self) -> None:
        """A level less."""
        self.level -= 1


def count_text(number: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def name_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Order of names as pcmk__numeric_strcasecmp has it: case does not count, runs of digits count as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.lower())
    return tuple((0, int(part), "") if part[0].isdecimal() and part.isascii() else (1, 0, part) for part in parts)


def sorted_nodes(situation: Situation) -> list[NodeStatus]:
    """Nodes in the order of their names."""
    return sorted(situation.nodes, key=lambda node: name_key(node.name))
