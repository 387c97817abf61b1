"""A storm of faults over three live hosts, drawn from a seed, and what client and kernels saw of each.

Owns: the faults (what begins one, what ends it), their draw, the rules that every one of them is held to. Does not own: hosts
(lab/lab.py), who answers the client (lab/probe.py), which kernel holds the address (lab/watch.py), how a storm is told (tools).

Invariants, for each fault:
  * the client never has two holders: no host answers it, then another, then the first again within FLAP_S;
  * no two kernels hold the address longer than docs/failover-ip.md says for this kind: never after a freeze, a kill, a pulled
    cable, a jump of the clock; as long as a pulse may outlive the turning away for cuts that the carrier does not tell;
  * BACK_S after its end all nodes are online, one host serves, one kernel holds;
  * nobody's log has a traceback.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path
from random import Random

from standfast.base.dataclass import dataclass
from standfast.lab import clock, files
from standfast.lab.lab import VIP, Host, Lab, wait_until
from standfast.lab.measures import delete_address
from standfast.lab.probe import Answered, Probe, in_order_asked
from standfast.lab.stacks import Standfast
from standfast.lab.watch import HolderWatch

NAMES = ("test-node-1", "test-node-2", "test-node-3")
STRANGER = "stranger"
BACK_S = 80.0
"""A peer that was lost twice within a minute is left out for a minute at most (docs/adr/0017), and the machine may be slow."""
GONE_S = 1.0
FLAP_S = 1.0
PEACE_S = 0.7
DISK = "/var/lib/standfast"
TABLE = "storm"
HIDDEN_S = 2.5
"""Two kernels after a cut without a sign: 1.5 s from turning away to the end of the pulse (failover-ip.md), and some patience."""
SEEN_S = 0.0


class Trio(Standfast):
    """Three hosts with a vote each, a small disk, and a clock of their own where there is a compiler."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.library = None if clock.missing() else clock.build(lab.folder)

    def prepare(self) -> None:
        """The files of lab/files.py, for three."""
        super().prepare()
        third = "  node {\n    ring0_addr: 172.16.0.30\n  }\n}\nquorum"
        text = files.COROSYNC_CONF.replace("}\nquorum", third)
        crm = files.CRM.replace("no-quorum-policy=ignore", "no-quorum-policy=stop").replace(
            "monitor interval=10s", "monitor interval=2s"
        )
        for host in self.lab.hosts.values():
            host.write(files.CONF_PATH, text.encode())
            host.write(files.CRM_PATH, crm.encode())
            host.run(["mkdir", "-p", DISK])
            host.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", DISK])
            if self.library is not None:
                clock.set_ahead(host, 0)

    def boot_host(self, host: Host) -> None:
        """`standfast node`, its clock ours."""
        before = clock.preloaded(self.library) if self.library is not None else []
        host.start([*before, "standfast", "node"], self.log(host))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as drawn. `other` is the peer that a partial cut is about; `amount` a per cent, or seconds of a clock."""

    kind: str
    target: str
    hold_s: float
    other: str = ""
    amount: int = 0

    def __str__(self) -> str:
        words = [self.kind, self.target, self.other, f"{self.amount:+d}" if self.amount else "", f"for {self.hold_s:.1f} s"]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen of one fault. Seconds; `broken` are the rules it broke."""

    fault: Fault
    was_holder: bool
    outage_s: float
    two_kernels_s: float
    served_by: tuple[str, ...]
    back_s: float
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how it begins and ends, and for how long two kernels may hold the address."""

    begin: Callable[[Storm, Host, Fault], None]
    end: Callable[[Storm, Host, Fault], None]
    two_kernels_s: float = SEEN_S
    hold_max_s: float = 6.0


@dataclass(slots=True)
class Storm:
    """Use as a context manager; `blow` yields an outcome for each fault."""

    seed: int
    lab: Lab = field(init=False)
    stack: Trio = field(init=False)
    probe: Probe = field(init=False)
    watch: HolderWatch = field(init=False)
    _random: Random = field(init=False)
    _deck: list[str] = field(default_factory=list)

    def begin_draw(self) -> None:
        """From the seed's first draw on."""
        self._random = Random(f"{self.seed}/storm")
        self._deck = []

    def __enter__(self) -> Storm:
        self.begin_draw()
        self.lab = Lab(list(NAMES), others=(STRANGER,))
        try:
            self.stack = Trio(self.lab)
            self.stack.prepare()
            self.probe = self.lab.probe()
            self.watch = self.lab.watch()
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.close()
        self.probe.close()
        self.lab.close()

    def start(self) -> None:
        """All hosts up, the address served."""
        self.stack.boot()
        self.stack.configure()
        self._settled(BACK_S)

    def kinds(self) -> list[str]:
        """What can be drawn here."""
        return [name for name in KINDS if name != "clock" or self.stack.library is not None]

    def blow(self, seconds: float, kinds: list[str] | None = None) -> Iterator[Outcome]:
        """Faults one after the other until the time is over. Ends early, after the outcome, when a cluster does not come back."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            outcome = self.one(self.draw(kinds or self.kinds()))
            yield outcome
            if outcome.back_s >= BACK_S:
                return

    def draw(self, kinds: list[str]) -> Fault:
        """The next fault: every kind has its turn before one comes again, and every second one, at least, strikes the holder."""
        if not self._deck:
            self._deck = self._random.sample(kinds, len(kinds))
        kind = self._deck.pop()
        names = list(self.lab.hosts)
        target, other = self._random.sample(names, 2)
        holder = self.probe.holder()
        if self._random.random() < 0.5 and holder:
            target = holder
            other = self._random.choice([name for name in names if name != holder])
        hold_s = self._random.uniform(0.2, KINDS[kind].hold_max_s)
        amount = {"loss": self._random.randint(2, 40), "clock": self._random.choice((-1, 1)) * self._random.randint(1, 200_000)}
        return Fault(kind, target, hold_s, other if kind == "partial" else "", amount.get(kind, 0))

    def one(self, fault: Fault) -> Outcome:
        """Begin it, hold it, end it, wait for peace; what was seen meanwhile."""
        kind, host = KINDS[fault.kind], self.lab.hosts[fault.target]
        was_holder = self.probe.holder() == fault.target
        start_s = time.monotonic()
        kind.begin(self, host, fault)
        time.sleep(fault.hold_s)
        kind.end(self, host, fault)
        ended_s = time.monotonic()
        is_back = self._settled(BACK_S)
        back_s = time.monotonic() - ended_s if is_back else BACK_S
        time.sleep(PEACE_S)
        answers = self.probe.answers(start_s - 0.2)
        two_kernels_s = self.watch.two_holders_s(start_s)
        broken = []
        if flaps := flapped(answers):
            broken.append(f"the client had two holders: {flaps}")
        if two_kernels_s > kind.two_kernels_s:
            broken.append(f"two kernels had the address for {two_kernels_s:.3f} s, {kind.two_kernels_s:g} s are stated")
        if not is_back:
            broken.append(f"not back {BACK_S:g} s after the end; held by {self.watch.holders()}")
        broken += self._tracebacks()
        return Outcome(fault, was_holder, self.probe.outage_s(start_s) or 0.0, two_kernels_s,
                       tuple(self.probe.served_by(start_s - 0.2)), back_s, tuple(broken))  # fmt: skip

    def _settled(self, within_s: float) -> bool:
        end_s = time.monotonic() + within_s
        try:
            wait_until("all nodes online", self.stack.is_settled, within_s, 0.1)
        except TimeoutError:
            return False
        while time.monotonic() < end_s:
            if (name := self.probe.wait_steady(max(0.6, end_s - time.monotonic()))) and self.watch.holders() == [name]:
                return True
        return False

    def _tracebacks(self) -> list[str]:
        logs = {name: self.stack.log(host).read_text(errors="replace") for name, host in self.lab.hosts.items()}
        return [f"{name}'s log has a traceback" for name, text in logs.items() if "Traceback" in text]

    def keep(self, folder: Path) -> None:
        """The hosts' logs and processes, for whoever has to find out."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, host in self.lab.hosts.items():
            (folder / f"{name}.log").write_bytes(self.stack.log(host).read_bytes())
            ended = [f"{daemon.pid}: exit {daemon.poll()}" for daemon in host.daemons]
            runs = host.run(["ps", "-eo", "pid,ppid,stat,etimes,wchan:24,args"], check=False).stdout
            online = host.type("crm_mon -1", check=False)
            (folder / f"{name}.now").write_text("\n".join([*ended, runs, online]))


def flapped(answers: list[Answered]) -> str:
    """Where the client was answered by A, by B for less than FLAP_S, and by A again: "A B A at 12.3 s", or ""."""
    runs = [(host, list(group)) for host, group in itertools.groupby(in_order_asked(answers), key=lambda answer: answer.host)]
    for (before, _), (between, group), (after, _) in zip(runs, runs[1:], runs[2:], strict=False):
        if before == after and group[-1].at_s - group[0].at_s < FLAP_S:
            return f"{before} {between} {after}"
    return ""


# ---- what begins and ends each -----------------------------------------------------------------------------------------


def _nothing(_: Storm, __: Host, ___: Fault) -> None:
    """It ends by itself."""


def _drop(host: Host, *rules: str) -> None:
    chains = [f"add chain inet {TABLE} {hook} {{ type filter hook {hook} priority -10; }}" for hook in ("input", "output")]
    text = "\n".join([f"add table inet {TABLE}", *chains, *(f"add rule inet {TABLE} {rule}" for rule in rules)])
    host.run(["nft", "-f", "-"], stdin=text)


def _undrop(host: Host) -> None:
    host.run(["nft", "delete", "table", "inet", TABLE], check=False)


def _peers(storm: Storm, host: Host) -> str:
    return "{ " + ", ".join(other.address for other in storm.lab.hosts.values() if other is not host) + " }"


def _deaf(storm: Storm, host: Host, _: Fault) -> None:
    _drop(host, f"input ip saddr {_peers(storm, host)} drop")


def _mute(storm: Storm, host: Host, _: Fault) -> None:
    _drop(host, f"output ip daddr {_peers(storm, host)} drop")


def _partial(storm: Storm, host: Host, fault: Fault) -> None:
    other = storm.lab.hosts[fault.other]
    _drop(host, f"input ip saddr {other.address} drop", f"output ip daddr {other.address} drop")


def _loss(storm: Storm, host: Host, fault: Fault) -> None:
    lost = f"numgen random mod 100 < {fault.amount} drop"
    _drop(host, f"input ip saddr {_peers(storm, host)} {lost}", f"output ip daddr {_peers(storm, host)} {lost}")


def _kill(name: str) -> Callable[[Storm, Host, Fault], None]:
    def begin(_: Storm, host: Host, __: Fault) -> None:
        for pid in host.named(name):
            os.kill(pid, signal.SIGKILL)

    return begin


def _kill_all(_: Storm, host: Host, __: Fault) -> None:
    host.signal_all(signal.SIGKILL)


def _boot(storm: Storm, host: Host, _: Fault) -> None:
    """As systemd would, where it has ended. The wrapper outside (nsenter) stops with its child, and nothing inside wakes it."""
    daemon = host.daemons[-1]
    daemon.send_signal(signal.SIGCONT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        daemon.wait(GONE_S)
        storm.stack.boot_host(host)


def _freeze(name: str = "") -> Callable[[Storm, Host, Fault], None]:
    def begin(_: Storm, host: Host, __: Fault) -> None:
        for pid in host.named(name) if name else host.processes():
            os.kill(pid, signal.SIGSTOP)

    return begin


def _thaw(_: Storm, host: Host, __: Fault) -> None:
    host.signal_all(signal.SIGCONT)


def _fill(storm: Storm, host: Host, _: Fault) -> None:
    host.type(f"dd if=/dev/zero of={DISK}/filler bs=4k", check=False)
    writer = next(other for other in storm.lab.hosts.values() if other is not host)
    for number in range(4):  # something that the full one would have to write
        writer.type(f"crm_attribute -n filler-{number} -v {'x' * 2000}", check=False)


def _empty(storm: Storm, host: Host, fault: Fault) -> None:
    host.type(f"rm -f {DISK}/filler")
    time.sleep(0.5)
    _boot(storm, host, fault)


def _squat(storm: Storm, _: Host, __: Fault) -> None:
    storm.lab.others[STRANGER].run(["ip", "addr", "add", f"{VIP}/24", "dev", "eth0"])


def _unsquat(storm: Storm, _: Host, __: Fault) -> None:
    storm.lab.others[STRANGER].run(["ip", "addr", "del", f"{VIP}/24", "dev", "eth0"])


KINDS: dict[str, Kind] = {
    "cut": Kind(lambda s, h, _: s.lab.cut(h.name), lambda s, h, _: s.lab.heal(h.name), HIDDEN_S),
    "silence": Kind(lambda s, h, _: s.lab.silence(h.name), lambda s, h, _: s.lab.hear(h.name), HIDDEN_S),
    "deaf": Kind(_deaf, lambda _, h, __: _undrop(h)),
    "mute": Kind(_mute, lambda _, h, __: _undrop(h)),
    "partial": Kind(_partial, lambda _, h, __: _undrop(h)),
    "loss": Kind(_loss, lambda _, h, __: _undrop(h)),
    "freeze": Kind(_freeze(), _thaw),
    "freeze-engine": Kind(_freeze("sf-engine"), _thaw),
    "freeze-manager": Kind(_freeze("sf-manager"), _thaw),
    "kill-engine": Kind(_kill("sf-engine"), _nothing, hold_max_s=2.0),
    "kill-manager": Kind(_kill("sf-manager"), _nothing, hold_max_s=2.0),
    "kill-all": Kind(_kill_all, _boot),
    "address-deleted": Kind(lambda _, h, __: delete_address(h), _nothing, hold_max_s=1.0),
    "stranger": Kind(_squat, _unsquat),
    "full-disk": Kind(_fill, _empty),
    "clock": Kind(lambda _, h, f: clock.set_ahead(h, f.amount), lambda _, h, __: clock.set_ahead(h, 0)),
}
