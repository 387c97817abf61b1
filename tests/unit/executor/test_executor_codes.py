"""What endings mean, in the words that crm_mon 2.1.5 prints (taken from its output for each code)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.executor import codes
from standfast.executor.api import AgentClass, AgentExited, Fault, OpStatus, Rc
from standfast.executor.codes import Outcome


@pytest.mark.parametrize(
    ("rc", "words"),
    [
        (0, "ok"),
        (1, "error"),
        (2, "invalid parameter"),
        (3, "unimplemented feature"),
        (4, "insufficient privileges"),
        (5, "not installed"),
        (6, "not configured"),
        (7, "not running"),
        (8, "promoted"),
        (9, "promoted (failed)"),
        (77, "unknown"),
        (190, "OCF_DEGRADED"),
        (191, "promoted (degraded)"),
    ],
)
def test_meanings(rc: int, words: str) -> None:
    assert codes.meaning(rc) == words
    assert codes.explain(OpStatus.DONE, rc) == words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (OpStatus.CANCELLED, "Cancelled"),
        (OpStatus.TIMEOUT, "Timed Out"),
        (OpStatus.NOT_SUPPORTED, "NOT SUPPORTED"),
        (OpStatus.ERROR, "Error"),
        (OpStatus.NOT_INSTALLED, "Not installed"),
    ],
)
def test_status_words(status: OpStatus, words: str) -> None:
    assert codes.explain(status, 1) == words


def test_every_code_and_status_has_words() -> None:
    assert all(codes.meaning(rc) != "unknown" for rc in Rc)
    assert all(codes.status_words(status) != "UNKNOWN!" for status in OpStatus)


@pytest.mark.parametrize(
    ("status", "rc", "expected", "failed"),
    [
        (OpStatus.DONE, 0, 0, False),
        (OpStatus.DONE, 7, 7, False),  # a probe of what is not there
        (OpStatus.DONE, 0, 7, True),  # a probe of what should not be there
        (OpStatus.DONE, 7, 0, True),
        (OpStatus.TIMEOUT, 0, 0, True),
        (OpStatus.ERROR, 0, 0, True),
        (OpStatus.NOT_INSTALLED, 5, 0, True),
        (OpStatus.CANCELLED, 0, 7, False),
        (OpStatus.PENDING, 193, 0, False),
    ],
)
def test_failures(status: OpStatus, rc: int, expected: int, failed: bool) -> None:
    assert codes.is_failure(status, rc, expected) is failed


def test_states_of_a_monitor() -> None:
    assert [rc for rc in range(256) if codes.is_running(rc)] == [0, 8, 190, 191]
    assert [rc for rc in range(256) if codes.may_be_promoted(rc)] == [8, 9, 191]


@pytest.mark.parametrize(
    ("action", "table"),
    [
        ("status", {0: 0, 1: 7, 2: 7, 3: 7, 4: 1, 5: 1, 150: 5, 151: 4, 255: 1}),
        ("start", {0: 0, 1: 1, 5: 5, 6: 6, 7: 7, 8: 1, 150: 1}),
    ],
)
def test_init_scripts(action: str, table: dict[int, int]) -> None:
    assert {rc: codes.lsb_to_ocf(action, rc) for rc in table} == table


def exited(rc: int | None, stderr: bytes = b"", failure: str = "", fault: Fault = Fault.NONE) -> AgentExited:
    return AgentExited(1, rc, b"", stderr, failure, fault)


@pytest.mark.parametrize(
    ("standard", "ended", "outcome"),
    [
        (AgentClass.OCF, exited(0), Outcome(OpStatus.DONE, 0)),
        (AgentClass.OCF, exited(5, b"x\nocf-exit-reason:no tool\n"), Outcome(OpStatus.DONE, 5, "no tool")),
        (AgentClass.LSB, exited(3, b"ocf-exit-reason:no\n"), Outcome(OpStatus.DONE, 7)),
        (AgentClass.SYSTEMD, exited(7, failure="failed"), Outcome(OpStatus.DONE, 7, "failed")),
        (AgentClass.OCF, exited(-9), Outcome(OpStatus.ERROR, 1, "Resource agent interrupted by Killed signal")),
        (AgentClass.OCF, exited(-200), Outcome(OpStatus.ERROR, 1, "Resource agent interrupted by Unknown signal 200 signal")),
        (AgentClass.OCF, exited(None, failure="gone", fault=Fault.MISSING), Outcome(OpStatus.NOT_INSTALLED, 5, "gone")),
        (AgentClass.OCF, exited(None, failure="no", fault=Fault.DENIED), Outcome(OpStatus.ERROR, 4, "no")),
        (AgentClass.SYSTEMD, exited(None, failure="t", fault=Fault.TIMED_OUT), Outcome(OpStatus.TIMEOUT, 1, "t")),
        (AgentClass.SYSTEMD, exited(None, failure="u", fault=Fault.UNSUPPORTED), Outcome(OpStatus.ERROR, 3, "u")),
        (AgentClass.OCF, exited(None, failure="o", fault=Fault.OTHER), Outcome(OpStatus.ERROR, 1, "o")),
    ],
)
def test_outcomes(standard: AgentClass, ended: AgentExited, outcome: Outcome) -> None:
    assert codes.of_exit(standard, "monitor", ended) == outcome


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (b"", ""),
        (b"ocf-exit-reason:\n", ""),
        (b"ocf-exit-reason:a\nnoise\nocf-exit-reason:b\nnoise", "b"),
        (b"ocf-exit-reason:no end of line", "no end of line"),
        (b"ERROR: ocf-exit-reason:in the middle\n", "in the middle"),
        (b"ocf-exit-reason:bad \xff\xfe bytes\n", "bad \ufffd\ufffd bytes"),
        (b"ocf-exit-reason:\x1b[31mred\x07\n", "\\x1b[31mred\\x07"),
        ("ocf-exit-reason:café \u202e\n".encode(), "café \\u202e"),
        (b"ocf-exit-reason:tab\there\r\n", "tab here"),
    ],
)
def test_exit_reasons(stderr: bytes, reason: str) -> None:
    assert codes.exit_reason(stderr) == reason


def test_a_long_reason_is_cut_and_says_so() -> None:
    reason = codes.exit_reason(b"ocf-exit-reason:" + b"x" * 5_000)
    assert len(reason) == codes.REASON_CHARS_MAX
    assert reason.endswith("…")


@given(st.binary(max_size=3_000))
def test_reason_of_any_bytes_is_one_bounded_printable_line(noise: bytes) -> None:
    reason = codes.exit_reason(b"ocf-exit-reason:" + noise)
    assert len(reason) <= codes.REASON_CHARS_MAX
    assert reason.isprintable()


@pytest.mark.parametrize(
    ("ms", "words"), [(250, "250ms"), (1_000, "1s"), (1_500, "1.5s"), (20_000, "20s"), (90_000, "1m30s"), (3_600_000, "1h")]
)
def test_intervals(ms: int, words: str) -> None:
    assert codes.interval_words(ms) == words
