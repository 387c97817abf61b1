"""Three hosts under faults drawn from a seed. `./run faults` does the same for as long as one likes."""

from __future__ import annotations

import pytest

from standfast.lab import lab
from standfast.lab.probe import Answered
from standfast.lab.storm import KINDS, Storm, flapped
from standfast.tools.faults import line, summary

STORM_S = 180.0


@pytest.mark.live
@pytest.mark.timeout(600)
def test_a_storm_breaks_no_rule() -> None:
    """No kind comes twice before all came once. What takes longest is the patience with a peer lost twice (docs/adr/0017)."""
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    with Storm(seed=1) as storm:
        storm.start()
        outcomes = list(storm.blow(STORM_S))
        told = "\n".join([*(line(0, outcome) for outcome in outcomes), summary(outcomes, STORM_S)])
        logs = "\n".join(storm.stack.log(host).read_text(errors="replace")[-6000:] for host in storm.lab.hosts.values())
    assert len(outcomes) >= 2, told
    assert not [outcome for outcome in outcomes if outcome.broken], f"{told}\n{logs}"


def test_a_storm_is_drawn_from_its_seed_and_plays_every_kind() -> None:
    class Nobody:
        def holder(self) -> str:
            return ""

    class Three:
        hosts = dict.fromkeys(("a", "b", "c"))

    def drawn(seed: int) -> list[str]:
        storm = Storm(seed)
        storm.begin_draw()
        storm.lab, storm.probe = Three(), Nobody()  # type: ignore[assignment]
        return [str(storm.draw(list(KINDS))) for _ in range(2 * len(KINDS))]

    assert drawn(4) == drawn(4)
    assert drawn(4) != drawn(5)
    for half in (drawn(4)[: len(KINDS)], drawn(4)[len(KINDS) :]):
        assert sorted(text.split()[0] for text in half) == sorted(KINDS)


@pytest.mark.parametrize(
    ("served", "is_flap"),
    [
        ("a" * 500, False),
        ("a" * 50 + "b" * 600, False),
        ("a" * 50 + "b" * 600 + "a" * 50, False),  # there and back, with 1.2 s between: two moves
        ("a" * 50 + "b" * 3 + "a" * 50, True),
        ("ababababab", True),
    ],
)
def test_who_answers_out_of_turn_is_a_second_holder(served: str, is_flap: bool) -> None:
    answers = [Answered(n * 0.002, n * 0.002, host) for n, host in enumerate(served)]
    assert bool(flapped(answers)) == is_flap
