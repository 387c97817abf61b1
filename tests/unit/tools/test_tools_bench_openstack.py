"""The table of `./run bench openstack`: medians, goals, and what is shown of them."""

from __future__ import annotations

from standfast.tools.bench_openstack import Row, rows, shown


def test_a_median_over_its_goal_is_missed() -> None:
    row = Row("cold", "cold", "s", 1.0, [0.5, 0.9, 4.0])
    assert not row.is_missed
    assert shown(row) == ("0.90 s", "0.50 s .. 4.00 s", "1.00 s: reached")
    row.values.append(5.0)
    assert row.is_missed


def test_what_was_not_measured_misses_nothing() -> None:
    assert shown(Row("x", "x", "", 0)) == ("-", "-", "")
    assert not Row("x", "x", "", 0).is_missed


def test_the_goals_are_those_that_are_promised() -> None:
    goals = {key: row.goal for key, row in rows().items() if row.goal is not None}
    assert goals == {"cold": 1.0, "cold_calls": 10, "warm_calls": 1, "erased": 30.0, "writes_pairs": 0}
