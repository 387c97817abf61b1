"""Which host's kernel has the failover IP, and since when: told by netlink, so that no overlap is too short to be seen."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping

from standfast.base.dataclass import dataclass
from standfast.lab.spaces import Space, mortal

_TELL = r"""
import socket, struct, sys, time
want = sys.argv[1]
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind((0, 0x10 | 0x100))  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
s.send(struct.pack("=IHHIIBBBBI", 24, 22, 0x301, 1, 0, 0, 0, 0, 0, 0))  # RTM_GETADDR, a dump
had = set()
while True:
    data, now, at = s.recv(1 << 18), time.monotonic(), 0
    while at + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        if kind in (20, 21):
            family, prefix, _, _, index = struct.unpack_from("=BBBBI", data, at + 16)
            here, found = at + 24, {}
            while here + 4 <= at + size:
                length, what = struct.unpack_from("=HH", data, here)
                found[what] = data[here + 4:here + length]
                here += (length + 3) & ~3
            raw = found.get(2) or found.get(1, b"")  # IFA_LOCAL, IFA_ADDRESS
            if socket.inet_ntop(family, raw) == want:
                (had.add if kind == 20 else had.discard)((index, prefix))
        elif kind == 3:
            sys.stdout.write("ready\n")
        at += max(16, (size + 3) & ~3)
    sys.stdout.write(f"{now:.6f} {int(bool(had))}\n"); sys.stdout.flush()
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A host took the address or lost it (monotonic seconds)."""

    at_s: float
    host: str
    holds: bool


class HolderWatch:
    """Follows one address on several hosts from its construction until `close`."""

    def __init__(self, hosts: Mapping[str, Space], vip: str) -> None:
        self._changes: list[Change] = []
        self._lock = threading.Lock()
        self._processes = []
        self._threads = []
        self._ready = threading.Semaphore(0)
        for name, host in hosts.items():
            # Outside the host's pid namespace: it must see what the kernel does while the host is frozen.
            command = mortal(["nsenter", "-t", str(host.pid), "-n", "--", sys.executable, "-uSc", _TELL, vip])
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            thread = threading.Thread(target=self._read, args=(name, process), daemon=True)
            self._processes.append(process)
            self._threads.append(thread)
            thread.start()
        for _ in hosts:
            self._ready.acquire(timeout=10)

    def holders(self) -> list[str]:
        """Who has it now."""
        with self._lock:
            state = {change.host: change.holds for change in self._changes}
        return sorted(host for host, holds in state.items() if holds)

    def two_holders_s(self, since_s: float) -> float:
        """For how many seconds since then two hosts or more had it at once."""
        with self._lock:
            changes = list(self._changes)
        holding: set[str] = set()
        total_s, last_s = 0.0, since_s
        for change in [*changes, Change(time.monotonic(), "", holds=False)]:
            if len(holding) > 1:
                total_s += max(0.0, change.at_s - max(last_s, since_s))
            last_s = change.at_s
            holding = holding | {change.host} if change.holds else holding - {change.host}
        return total_s

    def lost_s(self, host: str, since_s: float) -> float | None:
        """When, after `since_s`, the host first lost it (monotonic seconds); None when it has not."""
        with self._lock:
            return next((c.at_s for c in self._changes if c.host == host and not c.holds and c.at_s >= since_s), None)

    def close(self) -> None:
        """End it."""
        for process in self._processes:
            process.kill()
            process.wait()
        for process, thread in zip(self._processes, self._threads, strict=True):
            thread.join(5)
            if process.stdout is not None:
                process.stdout.close()

    def _read(self, host: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        held = False
        for line in process.stdout:
            if line == "ready\n":
                self._ready.release()
                continue
            at, holds = line.split()
            if held != (holds == "1"):
                held = not held
                with self._lock:
                    self._changes.append(Change(float(at), host, held))
                    self._changes.sort(key=lambda change: change.at_s)
