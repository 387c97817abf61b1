"""Scenarios as transcripts: what the managers are told must be what the file says. SIM_ACCEPT=1 rewrites the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from standfast.sim.transcript import Transcript

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_plays_as_written(path: Path) -> None:
    written = path.read_text()
    played = Transcript().play(written)
    if os.environ.get("SIM_ACCEPT") == "1":
        path.write_text(played)
        return
    assert played == written
