"""What a client sees: a datagram to the failover IP every 2 ms, and which host answered each.

The answering half runs on every host and answers from the address it was asked at; the asking half runs on the client.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable

from standfast.base.dataclass import dataclass
from standfast.lab.spaces import Space, mortal

PORT = 7777
INTERVAL_S = 0.002
KEPT = 200_000

_ANSWER = r"""
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IP, 8, 1); s.bind(("0.0.0.0", 7777))
me = sys.argv[1].encode()
while True:
    data, extra, _, who = s.recvmsg(2048, 256)
    for level, kind, info in extra:
        if level == 0 and kind == 8:
            back = struct.pack("I4s4s", 0, info[4 + 4:4 + 8], b"\0" * 4)
            try: s.sendmsg([data + me], [(0, 8, back)], 0, who)
            except OSError: pass
"""
_ASK = r"""
import select, socket, struct, sys, time
vip, interval = sys.argv[1], float(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setblocking(False)
due, number = time.monotonic(), 0
while True:
    now = time.monotonic()
    if now >= due:
        try: s.sendto(struct.pack("!Qd", number, now), (vip, 7777))
        except OSError: pass
        number += 1; due += interval
        if now - due > 0.05: due = now + interval
    if select.select([s], [], [], max(0, due - time.monotonic()))[0]:
        try: data = s.recv(2048)
        except OSError: continue
        sent = struct.unpack("!Qd", data[:16])[1]
        sys.stdout.write(f"{time.monotonic():.6f} {sent:.6f} {data[16:].decode()}\n"); sys.stdout.flush()
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: when it came, when it was asked (monotonic seconds), and who gave it."""

    at_s: float
    asked_s: float
    host: str


def in_order_asked(answers: Iterable[Answered]) -> list[Answered]:
    """An answer tells who had the address when it was given. The kernel of a host whose cable is pulled keeps what it cannot send
    (it asks for the client's MAC anew), and sends it when the cable is back, seconds later."""
    return sorted(answers, key=lambda answer: answer.asked_s)


class Responder:
    """The answering half, on one host's network."""

    def __init__(self, space: Space) -> None:
        # Outside the host's pid namespace: a frozen host's kernel still answers, as a real one's does for what it serves.
        command = mortal(["nsenter", "-t", str(space.pid), "-n", "--", sys.executable, "-Sc", _ANSWER, space.name])
        self._process = subprocess.Popen(command)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class Probe:
    """The asking half, on the client's network."""

    def __init__(self, client: Space, vip: str, interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self._answers: list[Answered] = []
        self._lock = threading.Lock()
        command = mortal(client.command([sys.executable, "-uSc", _ASK, vip, str(interval_s)]))
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def answers(self, since_s: float) -> list[Answered]:
        """All answers that came after `since_s`, oldest first."""
        with self._lock:
            return self._answers[bisect_left(self._answers, since_s, key=lambda answer: answer.at_s) :]

    def holder(self) -> str:
        """Who answered within the last 50 ms, or "" for nobody."""
        recent = self.answers(time.monotonic() - 0.05)
        return recent[-1].host if recent else ""

    def first_answer_s(self, since_s: float, not_from: str = "") -> float | None:
        """Seconds from `since_s` to the first answer after it (of another host than `not_from`); None when there was none."""
        return next((a.at_s - since_s for a in self.answers(since_s) if a.host != not_from), None)

    def served_by(self, since_s: float) -> list[str]:
        """The hosts that answered what was asked since, in that order, repetitions left out. A, B is a move; A, B, A is a client
        that saw two holders."""
        asked = in_order_asked(a for a in self.answers(since_s) if a.asked_s >= since_s)
        return [host for host, _ in itertools.groupby(a.host for a in asked)]

    def outage_s(self, since_s: float) -> float | None:
        """The longest gap between two answers from just before `since_s` on; None without two answers."""
        times = [a.at_s for a in self.answers(since_s - 0.2)]
        return max((b - a for a, b in itertools.pairwise(times)), default=None)

    def wait_steady(self, timeout_s: float, not_from: str = "", span_s: float = 0.5) -> str:
        """The host that answers, and alone, for `span_s`; "" when the timeout came first."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            now_s = time.monotonic()
            recent = self.answers(now_s - span_s)
            hosts = {a.host for a in recent}
            if len(hosts) == 1 and hosts != {not_from} and len(recent) > 0.6 * span_s / self.interval_s:
                return recent[-1].host
            time.sleep(0.02)
        return ""

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._thread.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at, asked, host = line.split()
            with self._lock:
                self._answers.append(Answered(float(at), float(asked), host))
                if len(self._answers) > 2 * KEPT:
                    del self._answers[:KEPT]
