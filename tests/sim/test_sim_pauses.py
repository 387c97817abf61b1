"""No pause of up to a second is taken for a death, in 5 % loss and 50 ms jitter. `./run sim --pauses` plays hours of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import US_PER_S
from standfast.sim.__main__ import keep, pauses
from standfast.sim.pauses import Bad, Counted, Pauses, Tally, read_tally

scalars = st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats() | st.text(max_size=3)
json_values = scalars | st.lists(scalars, max_size=3)


@pytest.mark.parametrize(("nodes", "minutes"), [(2, 10), (3, 4)])
def test_no_pause_is_a_death(nodes: int, minutes: int) -> None:
    counted = Pauses(nodes, nodes, 4, is_checked=False).run(minutes * 60 * US_PER_S)
    assert counted.pauses > 40
    assert counted.losses == 0


def test_the_hours_of_several_runs_are_counted_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(7)
    tally.count(Counted(3600 * US_PER_S, 180, 0), 5.0)
    tally.count(Counted(3600 * US_PER_S, 170, 2), 5.0)
    keep(tally, tmp_path / "tally")
    again = read_tally((tmp_path / "tally").read_text())
    assert again == tally
    assert again.next_seed == 9
    assert again.sentence() == "2 h: 350 pauses, 2 taken for a death (hours with seed 8), 720 x real time"
    assert play(tmp_path / "tally") == 1  # there are two hours already: nothing is left to be played
    assert capsys.readouterr().out == again.sentence() + "\n"


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", '{"hours": 1}', "[" * 100_000, "\x00"])
def test_what_is_no_tally_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Bad):
        read_tally(text)
    (tmp_path / "tally").write_text(text)
    assert play(tmp_path / "tally") == 2
    assert "not a tally" in capsys.readouterr().out
    assert (tmp_path / "tally").read_text() == text


@given(st.dictionaries(st.sampled_from(["next_seed", "hours", "pauses", "losses", "seconds", "lost", "x"]), json_values))
def test_a_tally_is_read_or_refused(kept: dict[str, object]) -> None:
    try:
        tally = read_tally(json.dumps(kept))
    except Bad:
        return
    assert read_tally(tally.text()) == tally


def play(path: Path) -> int:
    """The command, for two hours in all."""
    return pauses(argparse.Namespace(pauses=2, seed=7, tally=path))
