"""The arithmetic behind the numbers: gaps, overlaps, medians, and what counts as a missed goal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from standfast.config.parse import parse_config
from standfast.lab import files
from standfast.lab.measures import MEASURES, Measure
from standfast.lab.probe import Answered, Probe
from standfast.lab.watch import Change, HolderWatch
from standfast.tools import bench

CUT = next(measure for measure in MEASURES if measure.key == "cut")
TWO = next(measure for measure in MEASURES if measure.key == "freeze_two")


@pytest.fixture
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe and watch as they are, fed by hand."""

    class Silent:
        stdout: tuple[str, ...] = ()

    monkeypatch.setattr("standfast.lab.probe.subprocess.Popen", lambda *_, **__: Silent())


def probe_of(*answers: tuple[float, str]) -> Probe:
    class Client:
        def command(self, argv: list[str]) -> list[str]:
            return argv

    probe = Probe(Client(), "172.16.0.100")  # type: ignore[arg-type]
    probe._answers += [Answered(at_s, at_s, host) for at_s, host in answers]
    return probe


def watch_of(*changes: tuple[float, str, bool]) -> HolderWatch:
    watch = HolderWatch({}, "172.16.0.100")
    watch._changes += [Change(*change) for change in changes]
    return watch


@pytest.mark.usefixtures("without_processes")
def test_a_gap_is_counted_from_just_before_the_fault() -> None:
    probe = probe_of((8.0, "a"), (9.998, "a"), (10.0, "a"), (10.4, "b"), (10.402, "b"))
    assert probe.outage_s(10.001) == pytest.approx(0.4)
    assert probe.first_answer_s(10.001, not_from="a") == pytest.approx(0.399)
    assert probe.first_answer_s(10.001, not_from="b") is None
    assert probe.served_by(9.0) == ["a", "b"]
    assert probe.outage_s(20.0) is None, "no answers, no gap between them"


@pytest.mark.usefixtures("without_processes")
def test_a_client_that_sees_two_holders_is_seen() -> None:
    assert probe_of((1.0, "a"), (1.1, "b"), (1.2, "a"), (1.3, "a")).served_by(0) == ["a", "b", "a"]


@pytest.mark.usefixtures("without_processes")
def test_an_answer_that_a_pulled_cable_kept_is_none_of_now() -> None:
    """Asked of a before the fault at 1.0, and sent when the cable came back, between two answers of b."""
    probe = probe_of((0.9, "a"), (1.5, "b"))
    probe._answers += [Answered(2.0, 0.95, "a"), Answered(2.1, 2.1, "b")]
    assert probe.served_by(1.0) == ["b"]
    assert probe.served_by(0.8) == ["a", "b"]


def test_overlaps_of_holders_add_up() -> None:
    watch = watch_of(
        (1.0, "a", True), (2.0, "b", True), (2.25, "a", False), (3.0, "a", True), (3.5, "b", False), (4.0, "a", False)
    )
    assert watch.two_holders_s(0) == pytest.approx(0.75)
    assert watch.two_holders_s(2.1) == pytest.approx(0.65), "what was before the fault does not count"
    assert watch.two_holders_s(4.0) == 0
    assert watch.lost_s("b", 0) == 3.5
    assert watch.lost_s("b", 3.6) is None
    assert watch.holders() == []


@pytest.mark.parametrize(
    ("measure", "values", "missed"),
    [
        (CUT, [0.4, 0.3, 2.0], False),
        (CUT, [0.4, 0.51, 2.0], True),
        (CUT, [0.4, None, 0.3], False),
        (CUT, [0.4, None, None], True),
        (CUT, [], False),
        (TWO, [0.0, 0.0], False),
        (TWO, [0.0, 0.001, 0.001], True),
        (Measure("x", "x", "s"), [None], False),
    ],
)
def test_a_goal_is_missed_by_the_median_and_never_is_longer_than_all(
    measure: Measure, values: list[float | None], missed: bool
) -> None:
    assert bench.is_missed(measure, values) is missed


def test_the_json_holds_goals_for_us_alone_and_says_who_was_left_out() -> None:
    values: bench.Values = {("standfast", "cut"): [0.31234567, None, 0.4], ("keepalived", "cut"): [2.5]}
    document = json.loads(json.dumps(bench.as_json(values, ["run 2: broke"], {"pacemaker": "not here"}, 3)))
    ours, theirs = document["results"]
    assert (ours["median"], ours["values"], ours["goal"], ours["reached"]) == (0.4, [0.3123, None, 0.4], 0.5, True)
    assert (theirs["stack"], theirs["median"], theirs["goal"], theirs["reached"]) == ("keepalived", 2.5, None, None)
    assert document["failures"] == ["run 2: broke"]
    assert document["left_out"] == {"pacemaker": "not here"}


@pytest.mark.parametrize(
    ("unit", "value", "text"), [("s", 0.0, "0"), ("s", 0.0123, "12 ms"), ("s", 2.5, "2.50 s"), ("MiB", 61.26, "61.3 MiB")]
)
def test_values_as_a_person_reads_them(unit: str, value: float, text: str) -> None:
    assert bench.shown(Measure("x", "x", unit), value) == text
    assert bench.shown(Measure("x", "x", unit), None) == "never"


@pytest.fixture
def exit_code() -> Callable[[list[str]], Any]:
    def run(words: list[str]) -> Any:
        with pytest.raises(SystemExit) as ended:
            bench.main(words)
        return ended.value.code

    return run


@pytest.mark.parametrize(
    "words", [["failover", "--stack", "heartbeat"], ["failover", "--runs", "0"], ["failover", "--fault", "flood"], ["idleness"]]
)
def test_what_cannot_be_measured_is_refused_by_name(
    words: list[str], exit_code: Callable[[list[str]], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(words) == 2
    assert words[-1] in capsys.readouterr().err


def test_the_lab_s_corosync_conf_is_valid_and_says_what_has_no_effect() -> None:
    config = parse_config(files.COROSYNC_CONF.encode(), "corosync.conf")
    assert [node.id for node in config.nodelist] == [2886729738, 2886729748]
    assert config.notices
