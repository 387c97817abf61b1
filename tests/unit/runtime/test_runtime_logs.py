"""Log lines reach their targets in Corosync's form, and no target can stop the daemon."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.report import Severity, error, notice, warning
from standfast.config.model import LoggingConfig
from standfast.config.parse import parse_config
from standfast.runtime.logs import LINES_MAX, Log, LogOutput, _clean

NOON_S = time.mktime((2026, 11, 2, 13, 52, 1, 0, 0, -1)) + 0.25
FRAME = "totem {{\nversion: 2\n}}\nnodelist {{\nnode {{\nring0_addr: 10.0.0.1\n}}\n}}\nlogging {{\n{}\n}}\n"


def config_of(*lines: str) -> LoggingConfig:
    return parse_config(FRAME.format("\n".join(lines))).logging


class Rig:
    """A log with a file, a syslog socket and a stderr of its own."""

    def __init__(self, tmp_path: Path, *lines: str) -> None:
        self.file = tmp_path / "logs" / "corosync.log"
        self.err_path = tmp_path / "stderr"
        self.err_fd = os.open(self.err_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.syslog.bind(str(tmp_path / "log.sock"))
        self.syslog.settimeout(5)
        config = config_of(f"logfile: {self.file}", *lines)
        self.output = LogOutput(
            config, host="test-node-1", syslog_path=str(tmp_path / "log.sock"), stderr_fd=self.err_fd, clock=lambda: NOON_S
        )
        self.log = Log(config, "MAIN", self.output)

    def done(self) -> str:
        """Close everything and give what stderr saw."""
        assert self.output.flush()
        self.output.close()
        self.syslog.close()
        os.close(self.err_fd)
        return self.err_path.read_text()


def masked(text: str) -> str:
    return re.sub(rf"\[{os.getpid()}\]", "[PID]", text)


def test_one_report_in_three_forms(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "to_logfile: yes", "timestamp: on")
    rig.log.report(notice("main.ready", "ready", why="all is well"))
    syslog = rig.syslog.recv(1000).decode()
    assert rig.done() == "Nov 02 13:52:01 notice  [MAIN  ] ready: all is well\n"
    assert masked(rig.file.read_text()) == "Nov 02 13:52:01 [PID] test-node-1 corosync notice  [MAIN  ] ready: all is well\n"
    assert masked(syslog) == "<29>Nov  2 13:52:01 corosync[PID]:  [MAIN  ] ready: all is well"


@pytest.mark.parametrize(("word", "stamp"), [("on", "Nov 02 13:52:01 "), ("hires", "Nov 02 13:52:01.250 "), ("off", "")])
def test_timestamps(tmp_path: Path, word: str, stamp: str) -> None:
    rig = Rig(tmp_path, f"timestamp: {word}", "to_syslog: no")
    rig.log.report(error("x.y", "broken"))
    assert rig.done() == f"{stamp}error   [MAIN  ] broken\n"


def test_priorities_facility_and_debug_by_subsystem(tmp_path: Path) -> None:
    rig = Rig(
        tmp_path,
        "to_logfile: yes",
        "timestamp: off",
        "logfile_priority: warning",
        "syslog_priority: err",
        "syslog_facility: local3",
        "to_stderr: no",
        "logger_subsys {\nsubsys: TOTEM\ndebug: on\nto_syslog: no\n}",
        "logger_subsys {\nsubsys: QUORUM\ndebug: trace\nto_syslog: no\n}",
    )
    rig.log.debug("unheard")
    rig.log.report(notice("a.b", "too quiet"))
    rig.log.report(warning("a.b", "to the file"))
    rig.log.report(error("a.b", "to both"))
    rig.log.of("totem").debug("totem's debug")
    rig.log.of("totem").trace("unheard")
    rig.log.of("quorum").trace("quorum's trace")
    assert rig.syslog.recv(1000).startswith(b"<155>")  # local3 (19) x 8 + err
    assert rig.done() == ""
    lines = masked(rig.file.read_text()).replace("[PID] test-node-1 corosync ", "").splitlines()
    assert lines == [
        "warning [MAIN  ] to the file",
        "error   [MAIN  ] to both",
        "debug   [TOTEM ] totem's debug",
        "trace   [QUORUM] quorum's trace",
    ]


def test_a_missing_folder_is_made_and_a_hopeless_one_said_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "to_logfile: yes", "timestamp: off", "to_syslog: no", f"logfile: {tmp_path}/none/such/file")
    for _ in range(3):
        rig.log.report(notice("a.b", "hello"))
    said = rig.done().splitlines()
    assert said.count("notice  [MAIN  ] hello") == 3
    assert [line for line in said if "cannot write" in line] == [
        f"error   [LOG   ] cannot write to the log file {tmp_path}/none/such/file: No such file or directory; the daemon goes on"
    ]


def test_a_symbolic_link_or_a_pipe_is_not_written_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    (tmp_path / "link").symlink_to(victim)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        rig = Rig(_folder(tmp_path, name), "to_logfile: yes", "to_syslog: no", f"logfile: {tmp_path}/{name}")
        rig.log.report(notice("a.b", "hello"))
        assert "cannot write to the log file" in rig.done()
    assert victim.read_text() == "mine\n"


def _folder(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / f"rig-{name}"
    folder.mkdir()
    return folder


def test_a_full_disk_loses_lines_and_says_so_when_it_has_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, "to_logfile: yes", "timestamp: off", "to_syslog: no", "to_stderr: no")
    rig.log.report(notice("a.b", "one"))
    assert rig.output.flush()
    real, full = os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if full[0] and fd != rig.err_fd:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    for _ in range(5):
        rig.log.report(notice("a.b", "unseen"))
    assert rig.output.flush()
    full[0] = False
    rig.log.report(notice("a.b", "two"))
    said = rig.done()
    assert said.count("No space left on device") == 1
    assert masked(rig.file.read_text()) == (
        "[PID] test-node-1 corosync notice  [MAIN  ] one\n"
        "--- 5 lines were lost here: the file could not be written\n"
        "[PID] test-node-1 corosync notice  [MAIN  ] two\n"
    )


def test_a_hung_disk_delays_nobody_and_memory_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, "to_logfile: yes", "timestamp: off", "to_syslog: no", "to_stderr: no")
    hang, real = threading.Event(), os.write

    def write(fd: int, data: bytes) -> int:
        hang.wait(30)
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    begin = time.monotonic()
    for number in range(LINES_MAX + 100):
        rig.log.report(notice("a.b", f"line {number}"))
    assert time.monotonic() - begin < 10
    assert not rig.output.flush(0.05)
    hang.set()
    rig.done()
    lines = rig.file.read_text().splitlines()
    lost = re.search(r"\[LOG   \] (\d+) lines were lost", rig.file.read_text())
    assert lost
    assert len(lines) - 1 + int(lost[1]) == LINES_MAX + 100


def test_no_syslog_daemon_is_said_once_and_found_later(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "timestamp: off", "to_stderr: no")
    rig.syslog.close()
    os.unlink(tmp_path / "log.sock")
    now = [NOON_S]
    rig.output.clock = lambda: now[0]
    for _ in range(3):
        rig.log.report(notice("a.b", "hello"))
    assert rig.output.flush()
    rig.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    rig.syslog.bind(str(tmp_path / "log.sock"))
    rig.syslog.settimeout(5)
    now[0] += 2
    rig.log.report(notice("a.b", "again"))
    assert b"again" in rig.syslog.recv(1000)
    assert rig.done().count("cannot write to the syslog") == 1


def test_reopen_follows_logrotate(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "to_logfile: yes", "timestamp: off", "to_syslog: no", "to_stderr: no")
    rig.log.report(notice("a.b", "old"))
    assert rig.output.flush()
    rig.file.rename(tmp_path / "rotated")
    rig.log.reopen()
    rig.log.report(notice("a.b", "new"))
    rig.done()
    assert "new" in rig.file.read_text()
    assert "new" not in (tmp_path / "rotated").read_text()


def test_every_severity_has_a_word(tmp_path: Path) -> None:
    from standfast.base.report import Report

    rig = Rig(tmp_path, "timestamp: off", "to_syslog: no", "debug: on")
    for severity in Severity:
        rig.log.report(Report("a.b", severity, "x"))
    assert [line.split()[0] for line in rig.done().splitlines()] == ["debug", "info", "notice", "warning", "error", "crit"]


@given(st.text())
def test_a_text_is_always_one_printable_line(text: str) -> None:
    clean = _clean(text)
    assert clean.isprintable()
    assert "\n" not in clean


def test_an_agents_output_cannot_forge_a_line() -> None:
    assert _clean("ok\nNov 22 13:52:01 [1] host corosync notice") == "ok\\nNov 22 13:52:01 [1] host corosync notice"
    assert _clean("\x1b[2J") == "\\x1b[2J"
