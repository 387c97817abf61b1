"""The order in which the original walks through a table of nodes: what GLib 2.74 itself gave for the same keys, with Pacemaker's
hash (pcmk__str_hash)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.scheduler.placement.tables import table_order

NODES = [f"node{number}" for number in range(1, 17)]
GIVEN = (
    (["1", "2", "3"], "1 3 2"),
    (["Beta-id", "node2-id"], "node2-id Beta-id"),
    (["alpha", "Beta", "node1", "node2", "node3", "node10"], "Beta node2 node10 node1 node3 alpha"),
    (["knoten-ä", "knoten-ö", "knoten-ü"], "knoten-ü knoten-ä knoten-ö"),
    # The table grew once.
    ([str(number) for number in range(98, 112)], "108 101 107 100 106 99 105 98 104 110 103 109 102 111"),
    (NODES, " ".join(f"node{n}" for n in (10, 13, 3, 16, 6, 9, 11, 1, 14, 4, 7, 12, 2, 15, 5, 8))),
)


@pytest.mark.parametrize(("keys", "order"), GIVEN)
def test_the_order_is_the_one_that_glib_gives(keys: list[str], order: str) -> None:
    assert table_order(keys) == order.split()


@given(st.lists(st.text(min_size=1), unique=True, max_size=300))
def test_every_key_comes_once_in_any_table(keys: list[str]) -> None:
    assert sorted(table_order(keys)) == sorted(keys)


def test_a_table_has_room_for_more_nodes_than_anybody_has() -> None:
    keys = [str(number) for number in range(7000)]
    assert sorted(table_order(keys)) == sorted(keys)
