"""Scenarios as transcripts: what happens must be what the file says. SIM_ACCEPT=1 rewrites the files.

*.txt: engines alone (sim/transcript.py); *.cluster: whole nodes (sim/cluster/transcript.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from standfast.sim.cluster.transcript import ClusterTranscript
from standfast.sim.transcript import Transcript

SCENARIOS = sorted(p for p in (Path(__file__).parent / "scenarios").iterdir() if p.suffix in (".txt", ".cluster"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_plays_as_written(path: Path) -> None:
    written = path.read_text()
    played = (Transcript() if path.suffix == ".txt" else ClusterTranscript()).play(written)
    if os.environ.get("SIM_ACCEPT") == "1":
        path.write_text(played)
        return
    assert played == written
