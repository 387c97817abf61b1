"""Logging to file, syslog and stderr as `logging { }` says, in the form of Corosync's own lines.

Owns: who gets which line, and that a log can never stop or delay a daemon: lines go through a bounded queue to one thread,
because a write to a full or hung disk blocks. What cannot be written is counted, and said when writing works again; a target that
fails is named once on stderr. Does not own: what is worth saying. Syslog is the local /dev/log (RFC 3164), never the network.

    Nov 22 13:52:01 [1234] test-node-1 corosync notice  [MAIN  ] text      file (libqb's "%t [%P] %H %N %7p [%6g] %b")
    Nov 22 13:52:01 notice  [MAIN  ] text                                  stderr
    <29>Nov 22 13:52:01 corosync[1234]:  [MAIN  ] text                     syslog

Invariant: at most LINES_MAX lines wait; a caller never waits.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, Severity
from standfast.config.model import LoggingConfig, LogTarget

LINES_MAX = 4096
TEXT_CHARS_MAX = 4096
SYSLOG_RETRY_S = 1.0

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TRACE = 8
_DEBUG = 7
_LEVELS = {"emerg": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warning": 4, "notice": 5, "info": 6, "debug": _DEBUG}
_NAMES = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug", "trace")
_OF_SEVERITY = {
    Severity.CRITICAL: 2,
    Severity.ERROR: 3,
    Severity.WARNING: 4,
    Severity.NOTICE: 5,
    Severity.INFO: 6,
    Severity.DEBUG: _DEBUG,
}
_FACILITIES = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line on its way: `at_s` wall clock, `level` as syslog's (8 is trace)."""

    at_s: float
    level: int
    subsystem: str
    text: str


class LogOutput:
    """The targets of one process and the thread that writes to them. Shared by the Logs of all subsystems."""

    def __init__(
        self,
        config: LoggingConfig,
        name: str = "corosync",
        *,
        host: str = "",
        syslog_path: str = "/dev/log",
        stderr_fd: int = 2,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`name` is the daemon's name in each line; `clock` gives seconds of the wall clock."""
        self.config = config
        self.name = name
        self.host = host or os.uname().nodename.partition(".")[0]
        self.clock = clock
        self._stderr_fd = stderr_fd
        self._syslog = _Syslog(syslog_path)
        self._files: dict[str, _File] = {}
        self._said: set[str] = set()
        self._lines: deque[_Line] = deque()
        self._lost = 0
        self._wake = threading.Condition()
        self._busy = False
        self._closing = False
        self._reopen = False
        self._thread: threading.Thread | None = None

    def put(self, level: int, subsystem: str, text: str) -> None:
        """Queue a line if any target wants it. Never blocks and never raises; when the queue is full the line is counted."""
        target = self.config.of(subsystem, self.name)
        if level > max(_wanted(target)):
            return
        with self._wake:
            if self._closing:
                return
            if len(self._lines) >= LINES_MAX:
                self._lost += 1
                return
            self._lines.append(_Line(self.clock(), level, subsystem, _clean(text)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._wake.notify()

    def reopen(self) -> None:
        """Open the files anew before the next line (SIGHUP, `corosync-cfgtool -L`, logrotate)."""
        with self._wake:
            self._reopen = True

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all queued lines were handed on; False when that took longer than `timeout_s`."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._lines and not self._busy, timeout_s)

    def close(self, timeout_s: float = 2.0) -> None:
        """Flush for at most `timeout_s`, then take no more lines. A hung disk does not hold the process up."""
        is_flushed = self.flush(timeout_s)
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not None and is_flushed:
            self._thread.join(timeout_s)
            self._syslog.close()
            for file in self._files.values():
                file.close()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: bool(self._lines) or self._closing)
                if not self._lines:
                    return
                self._busy = True
                line, lost, reopen = self._lines.popleft(), self._lost, self._reopen
                self._lost, self._reopen = 0, False
            if reopen:
                for file in self._files.values():
                    file.close()
            if lost:
                text = f"{lost} lines were lost: they came faster than they could be written"
                self._write(_Line(line.at_s, 4, "LOG", text))
            self._write(line)

    def _write(self, line: _Line) -> None:
        target = self.config.of(line.subsystem, self.name)
        to_file, to_syslog, to_stderr = _wanted(target)
        if target.to_stderr and line.level <= to_stderr:
            self._to_stderr(line)
        if target.to_syslog and line.level <= to_syslog:
            fault = self._syslog.write(self._syslog_line(line, target), self.clock())
            self._complain(f"syslog {self._syslog.path}", fault)
        if target.to_logfile and target.logfile and line.level <= to_file:
            file = self._files.setdefault(target.logfile, _File(target.logfile))
            self._complain(f"log file {target.logfile}", file.write(self._file_line(line)))

    def _complain(self, what: str, fault: str) -> None:
        """Name a failing target once on stderr, and again only after it worked in between."""
        if not fault:
            self._said.discard(what)
        elif what not in self._said:
            self._said.add(what)
            self._to_stderr(_Line(self.clock(), 3, "LOG", f"cannot write to the {what}: {fault}; the daemon goes on"))

    def _to_stderr(self, line: _Line) -> None:
        text = f"{self._stamp(line)}{_NAMES[line.level]:<7} [{line.subsystem[:6]:<6}] {line.text}\n"
        try:
            os.write(self._stderr_fd, text.encode(errors="replace"))
        except OSError:
            return  # nobody is left to tell

    def _file_line(self, line: _Line) -> bytes:
        head = f"{self._stamp(line)}[{os.getpid()}] {self.host} {self.name} "
        return f"{head}{_NAMES[line.level]:<7} [{line.subsystem[:6]:<6}] {line.text}\n".encode(errors="replace")

    def _syslog_line(self, line: _Line, target: LogTarget) -> bytes:
        number = _FACILITIES[target.syslog_facility] * 8 + min(line.level, _DEBUG)
        when = time.localtime(line.at_s)
        # RFC 3164 4.1.2: a day below 10 is padded with a blank
        stamp = f"{_MONTHS[when.tm_mon - 1]} {when.tm_mday:2d} {when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d}"
        return f"<{number}>{stamp} {self.name}[{os.getpid()}]:  [{line.subsystem[:6]:<6}] {line.text}".encode(errors="replace")

    def _stamp(self, line: _Line) -> str:
        if self.config.timestamp == "off":
            return ""
        when = time.localtime(line.at_s)
        text = f"{_MONTHS[when.tm_mon - 1]} {when.tm_mday:02d} {when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d}"
        return text + (f".{int(line.at_s * 1000) % 1000:03d} " if self.config.timestamp == "hires" else " ")


class Log:
    """What one subsystem writes with. `Log(config, "MAIN")` makes its own output; `log.of("TOTEM")` shares it."""

    def __init__(self, config: LoggingConfig, subsystem: str, output: LogOutput | None = None, *, name: str = "corosync") -> None:
        """`subsystem` as in logger_subsys: MAIN, TOTEM, QUORUM, ..."""
        self.subsystem = subsystem.upper()
        self.output = output or LogOutput(config, name)

    def of(self, subsystem: str) -> Log:
        """The same output under another subsystem's name and rules."""
        return Log(self.output.config, subsystem, self.output)

    def report(self, report: Report) -> None:
        """Say a report, as loud as its severity."""
        self.output.put(_OF_SEVERITY[report.severity], self.subsystem, report.sentence())

    def debug(self, text: str) -> None:
        """A line for `debug: on`."""
        self.output.put(_DEBUG, self.subsystem, text)

    def trace(self, text: str) -> None:
        """A line for `debug: trace`."""
        self.output.put(_TRACE, self.subsystem, text)

    def reconfigure(self, config: LoggingConfig) -> None:
        """Follow a reloaded `logging { }`, for all subsystems."""
        self.output.config = config
        self.output.reopen()

    def reopen(self) -> None:
        """See LogOutput.reopen."""
        self.output.reopen()

    def close(self) -> None:
        """See LogOutput.close."""
        self.output.close()


class _File:
    """A log file, opened when first needed and after each failure."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._lost = 0

    def write(self, line: bytes) -> str:
        """Append a line; "" when that worked, else the reason."""
        try:
            if self._fd < 0:
                self._fd = _open(self.path)
            if self._lost:
                line = f"--- {self._lost} lines were lost here: the file could not be written\n".encode() + line
            os.write(self._fd, line)
        except OSError as fault:
            self._lost += 1
            self.close()
            return fault.strerror or str(fault)
        self._lost = 0
        return ""

    def close(self) -> None:
        """Forget the descriptor; the next line opens the file again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: str) -> int:
    """For appending, never through a symbolic link, never waiting at a pipe. A missing last folder is made."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = os.open(path, flags, 0o640)
    except FileNotFoundError:
        os.mkdir(os.path.dirname(path), 0o755)
        fd = os.open(path, flags, 0o640)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "it is not a plain file")
    return fd


class _Syslog:
    """The datagram socket to the local syslog daemon."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._retry_s = float("-inf")

    def write(self, line: bytes, now_s: float) -> str:
        """Send a line without waiting; "" when that worked, else the reason."""
        try:
            if self._socket is None:
                if abs(now_s - self._retry_s) < SYSLOG_RETRY_S:
                    return "it does not answer"
                self._retry_s = now_s
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.settimeout(0)
                self._socket.connect(self.path)
            self._socket.send(line)
        except BlockingIOError:
            return "its queue is full"
        except OSError as fault:
            self.close()
            return fault.strerror or str(fault)
        return ""

    def close(self) -> None:
        """Forget the socket; a later line connects again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _wanted(target: LogTarget) -> tuple[int, int, int]:
    """The highest level for file, syslog, stderr. `debug` overrides both priorities; stderr follows the file's (logsys.c)."""
    if target.debug != "off":
        level = _TRACE if target.debug == "trace" else _DEBUG
        return level, level, level
    to_file = _LEVELS[target.logfile_priority]
    return to_file, _LEVELS[target.syslog_priority], to_file


def _clean(text: str) -> str:
    """One line without control characters: what comes from a peer or an agent may not forge lines or paint the terminal."""
    short = text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "..."
    if short.isprintable():
        return short
    return "".join(char if char.isprintable() else "\\n" if char == "\n" else f"\\x{ord(char):02x}" for char in short)


def stderr_log(subsystem: str = "MAIN") -> Log:
    """A log for the time before the configuration is read: stderr only."""
    return Log(LoggingConfig(LogTarget(to_syslog=False)), subsystem)
