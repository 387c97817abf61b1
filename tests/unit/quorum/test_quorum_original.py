"""The original's answers (vqsim.txt) are ours too, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from standfast.base.ids import NodeId
from standfast.engine.quorum.settings import QuorumSettings, TieBreaker

if TYPE_CHECKING:
    from tests.unit.quorum.quorum_lab import Cluster
else:
    from quorum_lab import Cluster

_SCENARIOS = [block for block in (Path(__file__).parent / "vqsim.txt").read_text().split("\n\n") if block.startswith("cluster")]


def _tie_breaker(text: str) -> TieBreaker:
    if text == "lowest":
        return "lowest"
    return "highest" if text == "highest" else tuple(NodeId(int(node)) for node in text.split())


def _cluster(line: str) -> Cluster:
    nodes, *options = line.removeprefix("cluster ").split("; ")
    votes = {int(node): int(count) for node, count in (pair.split(":") for pair in nodes.split())}
    read: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition(" ")
        if name == "auto_tie_breaker_node":
            read[name] = _tie_breaker(value)
        elif name == "last_man_standing_window":
            read["last_man_standing_window_ms"] = int(value)
        else:
            read[name] = int(value) if name == "expected_votes" else value == "1"
    return Cluster(votes, QuorumSettings(**read))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _do(cluster: Cluster, step: str) -> None:
    match step.split():
        case ["start"]:
            pass
        case ["down", node]:
            cluster.down(int(node))
        case ["up", node, "in", partition]:
            cluster.up(int(node), int(partition))
        case ["move", nodes, "to", partition]:
            cluster.move(_numbers(nodes), int(partition))
        case ["join", into, other]:
            cluster.join(int(into), int(other))
        case ["wait", ms]:
            cluster.wait(int(ms))
        case _:
            raise AssertionError(step)


@pytest.mark.parametrize("scenario", _SCENARIOS)
def test_scenario(scenario: str) -> None:
    first, *lines = scenario.strip().splitlines()
    cluster = _cluster(first)
    said = [first]
    for line in lines:
        step = line[:28].strip()
        _do(cluster, step)
        said.append(f"    {step:<24} {cluster.shown()}")
    assert "\n".join(said) == scenario.strip()


def test_there_are_scenarios() -> None:
    assert len(_SCENARIOS) >= 150
