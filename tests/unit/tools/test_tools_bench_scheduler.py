"""The scheduler's bench: it measures what it says, and shows it as a table, as JSON and as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from standfast.lab.chart import Line, chart
from standfast.lab.decisions import Took
from standfast.tools.bench_scheduler import Row, as_json, main, picture


def row(nodes: int, event_s: float) -> Row:
    made = Row(f"{nodes} nodes", nodes, 41, {"event": 0.040})
    for more in (0.0, 0.001, 9.0):
        made.add("event", Took(event_s + more, event_s / 2))
    return made


def test_the_bench_measures_a_small_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["--sizes", "1", "--runs", "1", "--suite", str(tmp_path), "--json", "--svg", str(tmp_path / "cost.svg")])
    found = json.loads(capsys.readouterr().out)
    kinds = {one["kind"]: one["median_s"] for one in found["results"]}
    assert {"event", "ready", "whole", "ours"} <= set(kinds)
    assert all(0 < value < 60 for value in kinds.values())
    assert etree.parse(tmp_path / "cost.svg").getroot().findall("{*}polyline")


def test_goals_are_judged_by_the_median() -> None:
    table = [row(3, 0.030), row(8, 0.050)]
    assert [one.missed("wall") for one in table] == [[], ["event"]]
    assert [one["reached"] for one in as_json(table, 3, "wall")["results"]] == [True, False]
    assert [one["reached"] for one in as_json(table, 3, "cpu")["results"]] == [True, True]


def test_the_picture_has_a_line_for_each_kind_that_was_measured() -> None:
    drawn = etree.fromstring(picture([row(3, 0.03), row(8, 0.05)], "wall").encode())
    assert len(drawn.findall("{*}polyline")) == 1
    assert len(drawn.findall("{*}circle")) == 2


def test_points_lie_where_their_logarithms_say() -> None:
    drawn = etree.fromstring(chart("a < b", "x", "y", (Line("one", ((1.0, 1.0), (10.0, 10.0), (100.0, 100.0))),)).encode())
    places = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in drawn.findall("{*}circle")]
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0], abs=0.2)
    assert places[0][1] > places[1][1] > places[2][1]
