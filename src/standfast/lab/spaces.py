"""One namespace set, held by one process: when the holder dies, everything in it dies, and the kernel takes the network away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_S = 10.0
# Process 1 of a host buries what its processes leave behind, as any init does.
_HOLD = """
import os, time
while True:
    try: os.wait()
    except ChildProcessError: time.sleep(0.2)
"""


class Space:
    """A network namespace, and for a host also mount, uts and pid namespaces. Needs root, in a user namespace at least."""

    def __init__(self, name: str, *, host: bool) -> None:
        self.name = name
        own = ["--net", *(["--mount", "--uts", "--pid", "--fork", "--mount-proc"] if host else [])]
        # setpriv and --kill-child chain the deaths: test process -> unshare -> the holder (pid 1 of its namespace) -> all.
        command = mortal(["unshare", *own, *(["--kill-child=KILL"] if host else [])])
        self._process = subprocess.Popen([*command, sys.executable, "-Sc", _HOLD], stdin=subprocess.DEVNULL)
        self.pid = self._holder(host)
        self._flags = ["-n", *(["-m", "-u", "-p"] if host else [])]
        self.run(["ip", "link", "set", "lo", "up"])
        if host:
            self.run(["hostname", name])

    def command(self, argv: Sequence[str]) -> list[str]:
        """`argv` as it is to be started to run inside."""
        return ["nsenter", "-t", str(self.pid), *self._flags, "--", *argv]

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end inside; with `check`, a failure raises with what it printed."""
        done = subprocess.run(
            self.command(argv),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            input=stdin,
            env=env and dict(env),
            timeout=120,
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def processes(self) -> list[int]:
        """Every process inside but the holder (host spaces only), as this namespace numbers them."""
        mine = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.pid:
                with contextlib.suppress(OSError):
                    if os.readlink(entry / "ns/pid") == mine:
                        found.append(int(entry.name))
        return sorted(found)

    def named(self, comm: str) -> list[int]:
        """The processes inside that ps shows under this name."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == comm[:15]:
                    found.append(pid)
        return found

    def signal_all(self, sign: int) -> None:
        """Send a signal to every process inside."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)

    def close(self) -> None:
        """End everything inside, and the namespaces with it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _holder(self, host: bool) -> int:
        end_s = time.monotonic() + START_S
        own_net = os.readlink("/proc/self/ns/net")
        while time.monotonic() < end_s:
            pid = self._process.pid
            with contextlib.suppress(OSError, IndexError):
                if host:
                    pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
                # The namespaces are ready once the holder runs Python: unshare has done its part by then.
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                if os.readlink(f"/proc/{pid}/ns/net") != own_net and _HOLD.encode() in words and b"unshare" not in words:
                    return pid
            time.sleep(0.005)
        self._process.kill()
        raise RuntimeError(f"{self.name}: the namespaces did not come up within {START_S:g} s (are user namespaces allowed?)")


def mortal(argv: Sequence[str]) -> list[str]:
    """`argv`, to be killed by the kernel when the thread that starts it ends: whatever becomes of us, nothing is left behind."""
    return ["setpriv", "--pdeathsig", "KILL", *argv]


def enter_user_namespace(argv: Sequence[str]) -> None:
    """Without root: become root of a user namespace of our own and start again there. Does not return then."""
    if os.geteuid() == 0:
        return
    own = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
    os.execvp("unshare", ["unshare", *own, *argv])
