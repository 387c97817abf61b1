"""No pause of up to a second is taken for a death, in 5 % loss and 50 ms jitter. `./run sim --pauses` plays hours of it."""

from __future__ import annotations

import pytest

from standfast.base.ids import US_PER_S
from standfast.sim.pauses import Pauses


@pytest.mark.parametrize(("nodes", "minutes"), [(2, 10), (3, 4)])
def test_no_pause_is_a_death(nodes: int, minutes: int) -> None:
    counted = Pauses(nodes, nodes, 4, is_checked=False).run(minutes * 60 * US_PER_S)
    assert counted.pauses > 40
    assert counted.losses == 0
