"""The quorum section as values, and what votequorum makes of settings that contradict each other.

Owns: defaults, the rules between settings (exec/votequorum.c, votequorum_readconfig). Does not own: reading corosync.conf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, Report, error, warning

TieBreaker = Literal["lowest", "highest"] | tuple[NodeId, ...]
"""auto_tie_breaker_node: which half of an even split may go on; a list is in order of preference."""

VOTES_MAX = 0xFFFF
"""Limit of any count of votes here. (Votequorum itself keeps its result in 8 bits.)"""


@dataclass(frozen=True, slots=True)
class QuorumSettings:
    """`quorum { }` of corosync.conf, each field under its name there. `expected_votes` 0: the sum of the nodes' votes;
    `wait_for_all` None: not in the file, so it follows `two_node`."""

    expected_votes: int = 0
    two_node: bool = False
    wait_for_all: bool | None = None
    last_man_standing: bool = False
    last_man_standing_window_ms: int = 10_000
    auto_tie_breaker: bool = False
    auto_tie_breaker_node: TieBreaker = "lowest"
    allow_downscale: bool = False
    expected_votes_tracking: bool = False
    device_votes: int = 0
    """Votes of a quorum device; 0: there is none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is really in force. `tie_breaker` None: no auto_tie_breaker."""

    expected_votes: int
    two_node: bool
    wait_for_all: bool
    last_man_standing: bool
    last_man_standing_window_ms: int
    tie_breaker: TieBreaker | None
    allow_downscale: bool
    tracks_expected_votes: bool
    device_votes: int = 0


def resolve(settings: QuorumSettings, votes_by_node: Mapping[NodeId, int]) -> tuple[Rules, tuple[Report, ...]]:
    """What is in force, and what has to be said about it. Raises Refused where corosync would not start."""
    configured = settings.expected_votes or sum(votes_by_node.values()) + settings.device_votes
    if not 0 < configured <= VOTES_MAX:
        raise Refused(
            error(
                "quorum.no-votes",
                f"{configured} expected votes are not 1 .. {VOTES_MAX}",
                remedy="set nodelist or quorum.expected_votes in corosync.conf",
            )
        )
    rules = Rules(
        expected_votes=configured,
        two_node=settings.two_node,
        wait_for_all=settings.two_node if settings.wait_for_all is None else settings.wait_for_all,
        last_man_standing=settings.last_man_standing,
        last_man_standing_window_ms=settings.last_man_standing_window_ms,
        tie_breaker=settings.auto_tie_breaker_node if settings.auto_tie_breaker else None,
        allow_downscale=settings.allow_downscale,
        tracks_expected_votes=settings.expected_votes_tracking or settings.allow_downscale,
        device_votes=settings.device_votes,
    )
    reports: list[Report] = []
    rules = _beside_device(rules, reports)
    rules = _without_two_node(rules, reports)
    rules = _without_odd_tie_breaker(rules, sum(votes_by_node.values()), reports)
    rules = _without_heavy_last_man(rules, votes_by_node, reports)
    return rules, tuple(reports)


def _beside_device(rules: Rules, reports: list[Report]) -> Rules:
    """A device decides what these would decide without asking (votequorum refuses the last two, and drops the first)."""
    others = [
        name
        for name, is_set in (
            ("auto_tie_breaker", rules.tie_breaker is not None),
            ("last_man_standing", rules.last_man_standing),
        )
        if is_set
    ]
    if not rules.device_votes:
        return rules
    if others:
        names = " and ".join(others)
        remedy = f"remove {names} from quorum {{ }} in corosync.conf"
        reports.append(warning("quorum.beside-device", f"{names} switched off", "a quorum device decides instead", remedy))
    return replace(rules, two_node=False, tie_breaker=None, last_man_standing=False)


def _without_two_node(rules: Rules, reports: list[Report]) -> Rules:
    if not rules.two_node or rules.tie_breaker is None:
        return rules
    # wait_for_all was derived from two_node before, and stays: corosync does these two in this order.
    reports.append(
        warning(
            "quorum.two-node-off",
            "two_node is switched off",
            "auto_tie_breaker decides an even split, and the two exclude each other",
            "remove one of the two from quorum { } in corosync.conf",
        )
    )
    return replace(rules, two_node=False)


def _without_odd_tie_breaker(rules: Rules, node_votes: int, reports: list[Report]) -> Rules:
    if rules.tie_breaker is None or rules.wait_for_all or node_votes % 2 == 0:
        return rules
    if rules.last_man_standing:
        raise Refused(
            error(
                "quorum.tie-breaker-last-man",
                "auto_tie_breaker and last_man_standing cannot be had together with an odd number of votes",
                remedy="remove last_man_standing and set wait_for_all: 1",
            )
        )
    reports.append(
        warning(
            "quorum.tie-breaker-off",
            "auto_tie_breaker is switched off",
            f"the nodes have {node_votes} votes, an odd number, and wait_for_all is not set",
            "set wait_for_all: 1 in quorum { } of corosync.conf",
        )
    )
    return replace(rules, tie_breaker=None)


def _without_heavy_last_man(rules: Rules, votes_by_node: Mapping[NodeId, int], reports: list[Report]) -> Rules:
    if not rules.last_man_standing or max(votes_by_node.values(), default=1) <= 1:
        return rules
    reports.append(
        warning(
            "quorum.last-man-off",
            "last_man_standing is switched off",
            "it counts nodes, and a node has more than one vote",
            "set quorum_votes: 1 for all nodes, or remove last_man_standing",
        )
    )
    return replace(rules, last_man_standing=False)
