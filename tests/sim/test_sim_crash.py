"""One of many loses its power: the others have one new view well within a second. `./run sim --crashes 5` does it with 64."""

from __future__ import annotations

import pytest

from standfast.base.ids import US_PER_MS
from standfast.sim.crash import crash


@pytest.mark.parametrize(("seed", "nodes"), [(1, 3), (2, 8), (3, 16)])
def test_one_view_for_all_others(seed: int, nodes: int) -> None:
    done = crash(seed, nodes)
    assert done.last_us < 500 * US_PER_MS
    assert done.views == 1
