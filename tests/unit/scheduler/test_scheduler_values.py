"""Small parsers: times, booleans, dates, node names."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from standfast.scheduler.dates import add_calendar, parse_date, spec_fields
from standfast.scheduler.rules import compare, compare_versions
from standfast.scheduler.values import interval_ms, ms_to_s, name_key, parse_bool, parse_int, parse_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10_000),
        ("10", 10_000),
        ("2min", 120_000),
        ("1h", 3_600_000),
        ("150ms", 150),
        ("2000us", 2),
        ("PT1M30S", 90_000),
        ("P1D", 86_400_000),
        ("P10S", 10_000),
        ("-5s", 0),
        ("soon", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_intervals(text: str | None, expected: int) -> None:
    assert interval_ms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("2005-020", 1_106_179_200),
        ("20050120T00:00:00Z", 1_106_179_200),
        ("2005-W03-4", 1_106_179_200),
        ("2005-01-20 01:00:00 +01:00", 1_106_179_200),
        ("2005-01-20T24:00", 1_106_265_600),
        ("20050120T0000Z and more", 1_106_179_200),
        ("2005-01-20, in winter", 1_106_179_200),
        ("2005-20", 1_106_179_200),
        ("epoch", 0),
        ("2005020", None),
        ("2005-366", None),
        ("2005-W03", None),
        ("2005W034", None),
        ("12:00", None),
        ("2005-13-01", None),
        ("2005-01-20 25:00", None),
        ("never", None),
        (None, None),
    ],
)
def test_dates(text: str | None, expected: int | None) -> None:
    assert parse_date(text) == expected


def test_a_time_without_a_zone_is_local_and_a_date_alone_is_not() -> None:
    hour = 3600
    assert parse_date("2005-01-20 01:00:00", hour) == 1_106_179_200
    assert parse_date("2005-01-20 01:00:00Z", hour) == 1_106_179_200 + hour
    assert parse_date("2005-01-20", hour) == 1_106_179_200
    assert spec_fields(1_106_179_200 - 1, hour)["hours"] == 0


def test_a_month_after_the_last_of_january() -> None:
    start = parse_date("2024-01-31")
    assert start is not None
    assert add_calendar(start, 0, 1, 0) == parse_date("2024-02-29")
    assert add_calendar(start, 1, 11, 60) == (parse_date("2025-12-31") or 0) + 60


def test_week_and_ordinal_fields() -> None:
    fields = spec_fields(parse_date("2005-01-01") or 0)
    assert (fields["weekyears"], fields["weeks"], fields["weekdays"], fields["yeardays"]) == (2004, 53, 6, 1)


def test_names_sort_by_number() -> None:
    assert sorted(["node10", "node2", "Node1", "a"], key=name_key) == ["a", "Node1", "node2", "node10"]


def test_rounding_of_times() -> None:
    assert [ms_to_s(ms) for ms in (0, 1, 499, 1499, 1500)] == [0, 1, 1, 1, 2]


@given(st.text())
@example("\x1f0")  # a separator that text.isspace() calls a space, and float() does not
def test_nothing_a_person_types_raises(text: str) -> None:
    parse_bool(text)
    parse_int(text)
    parse_ms(text)
    interval_ms(text)
    parse_date(text)
    name_key(text)
    for kind in ("string", "integer", "number", "version"):
        compare(text, "1.5", kind)


def test_versions() -> None:
    assert compare_versions("3.10", "3.9.1") == 1
    assert compare_versions("1.0", "1") == 0
