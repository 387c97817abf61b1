"""The laws of score arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from standfast.scheduler.api import INFINITY
from standfast.scheduler.placement.scores import add_scores, float32, parse_score, scaled, score_text

scores = st.integers(-INFINITY, INFINITY)


@given(scores, scores)
def test_sums_stay_in_bounds_and_commute(a: int, b: int) -> None:
    assert -INFINITY <= add_scores(a, b) <= INFINITY
    assert add_scores(a, b) == add_scores(b, a)


@given(scores)
def test_zero_is_neutral_and_minus_infinity_wins(a: int) -> None:
    assert add_scores(a, 0) == a
    assert add_scores(a, -INFINITY) == -INFINITY
    assert add_scores(a, INFINITY) == (-INFINITY if a == -INFINITY else INFINITY)


@given(scores, scores)
def test_small_sums_are_plain_sums(a: int, b: int) -> None:
    if abs(a) < INFINITY and abs(b) < INFINITY and abs(a + b) < INFINITY:
        assert add_scores(a, b) == a + b


@given(scores)
def test_a_score_survives_its_text(a: int) -> None:
    assert parse_score(score_text(a)) == a


@given(st.floats(-1, 1, width=32), scores)
def test_scaling_never_loses_a_preference(factor: float, points: int) -> None:
    result = scaled(factor, points)
    assert abs(result) <= abs(points) or abs(result) == 1
    if factor > 0 and points > 0:
        assert result > 0
    if factor < 0 and points > 0:
        assert result < 0


@given(st.floats(-1, 1, width=32), scores)
def test_scaling_is_single_precision_odd_and_exact_at_one(factor: float, points: int) -> None:
    assert float32(factor) == factor
    assert scaled(1.0, points) == points
    assert scaled(-factor, points) == -scaled(factor, points)
    assert scaled(0.0, points) == scaled(factor, 0) == 0


def test_the_order_of_additions_matters() -> None:
    assert add_scores(add_scores(INFINITY, -5), 5) == INFINITY
    assert add_scores(add_scores(999_999, 5), -5) == INFINITY != add_scores(999_999, add_scores(5, -5))


@given(st.text())
def test_any_text_is_a_score_or_not(text: str) -> None:
    value = parse_score(text)
    assert value is None or -INFINITY <= value <= INFINITY


def test_words() -> None:
    assert [parse_score(t) for t in ("INFINITY", "+INFINITY", "-INFINITY", "1.9", "9999999", "-9999999", "red", "x")] == [
        INFINITY,
        INFINITY,
        -INFINITY,
        1,
        INFINITY,
        -INFINITY,
        0,
        None,
    ]
