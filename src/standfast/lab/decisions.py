"""How long decisions take: the running manager's scheduler, our crm_simulate, Pacemaker's, on the same inputs in one run.

Owns: the inputs, and one measurement of each kind. Does not own: how often, goals, tables (tools/bench_scheduler.py). Seconds
throughout, of a wall clock and of a processor: the first is what somebody waits, the second does not see other work.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.cib.apply import apply
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin, encode_change
from standfast.controller.effects import AskPlan, Document, Follow, Foresee, ForScheduler
from standfast.runtime.planner import Planner, frame, read_answer

ANSWER_S_MAX = 600
FORESEEN_S_MAX = 120
TIDY_S_MAX = 10
PACEMAKER = ("/usr/sbin/crm_simulate", "/usr/bin/crm_simulate")


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of the wall clock and of a processor."""

    wall_s: float
    cpu_s: float


def pacemaker() -> str | None:
    """Pacemaker's crm_simulate, if it is installed."""
    return next((path for path in PACEMAKER if Path(path).exists()), None)


def ours() -> str | None:
    """Our crm_simulate, beside the Python that runs this."""
    return shutil.which("crm_simulate", path=str(Path(sys.executable).parent))


def command(program: str, cib: Path, compiled: Path) -> Took:
    """One whole process that plans a file; what Python compiled is kept in `compiled`, as for an installed package."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    # -R decides only; -S would carry the plan out too, on a copy. To refuse an input is work as well: any exit code will do.
    words = [program, "-R", "-x", str(cib)]
    nothing = subprocess.DEVNULL
    subprocess.run(words, env=environment, stdout=nothing, stderr=nothing, check=False, timeout=ANSWER_S_MAX)
    wall_s, after = time.monotonic() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Manager:
    """The manager's end of a scheduler's process (runtime/planner.py), and the document that both have."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._cib = Cib.empty()
        self._number = 0

    def end(self) -> None:
        """Close the line, so that the process ends, and wait for it."""
        self._planner.line.close()
        os.waitpid(self._planner.pid, 0)

    def meet(self, root: etree._Element) -> Took:
        """A document that the scheduler has not seen: sent, read, planned, answered."""
        data = etree.tostring(root)
        return self._take((Document(data),), Cib(etree.fromstring(data)))

    def plan(self, xml: bytes) -> Took:
        """A document of somebody else's: sent, read, planned, answered, forgotten."""
        return self._take((), self._cib, xml)

    def change(self, node: str, *, lost: bool) -> Took:
        """One event in a document that it follows: a node is lost, or back; planned, answered."""
        return self.follow(_presence(self._cib, node, lost=lost))

    def follow(self, change: Change) -> Took:
        """One change of a document that it follows; planned, answered."""
        outcome = apply(self._cib, change)
        return self._take((Follow(outcome.before, outcome.after, encode_change(change)),), self._cib)

    def foresee(self, node: str) -> None:
        """Let it prepare for the loss of a node, as an idle manager does."""
        change = encode_change(_presence(self._cib, node, lost=True))
        used_s = self._cpu_s(with_children=True)
        self._planner.line.sendall(frame(Foresee((change,))))
        end_s = time.monotonic() + FORESEEN_S_MAX
        while self._cpu_s(with_children=True) <= used_s and time.monotonic() < end_s:
            time.sleep(0.02)  # the child's time is counted when it has ended
        time.sleep(0.1)

    def _take(self, news: tuple[ForScheduler, ...], cib: Cib, xml: bytes | None = None) -> Took:
        self._cib = cib
        self._number += 1
        used_s, start_s = self._cpu_s(), time.monotonic()
        for one in (*news, AskPlan(self._number, int(time.time()), xml, keep=True)):
            self._planner.line.sendall(frame(one))
        answer = read_answer(self._planner.line)
        wall_s, cpu_s = time.monotonic() - start_s, self._cpu_s() - used_s
        assert answer.number == self._number
        if answer.plan is None:
            raise RuntimeError(f"no plan: {answer.fault.sentence() if answer.fault else 'the document is lost'}")
        self._rest()
        return Took(wall_s, cpu_s)

    def _rest(self) -> None:
        """Wait until it has tidied up, as it does in a manager before the next question; that is no part of the next one."""
        used_s, end_s = -1.0, time.monotonic() + TIDY_S_MAX
        while (now_s := self._cpu_s()) > used_s and time.monotonic() < end_s:
            used_s = now_s
            time.sleep(0.1)

    def _cpu_s(self, *, with_children: bool = False) -> float:
        """Processor time of the scheduler's process, of its children that have ended too."""
        fields = Path(f"/proc/{self._planner.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(int(field) for field in (fields[13:15] if with_children else fields[11:13]))
        if with_children:
            return ticks / os.sysconf("SC_CLK_TCK")
        return int(Path(f"/proc/{self._planner.pid}/schedstat").read_text().split()[0]) / 1e9


def written(*states: str, scope: str = "status") -> Change:
    """The change that writes this into nodes' states, or into another section."""
    operations = tuple(Operation(OpKind.MODIFY, scope, xml=xml, allow_create=True) for xml in states)
    return Change(operations, Origin("root", "bench", "node1", int(time.time())))


def _presence(cib: Cib, node: str, *, lost: bool) -> Change:
    """What the coordinator writes down about a node that is lost, or back."""
    state = next(state for state in cib.root.iterfind("status/node_state") if state.get("uname") == node)
    words = 'in_ccm="false" crmd="offline"' if lost else 'in_ccm="true" crmd="online"'
    return written(f'<node_state id="{state.get("id")}" {words}/>')
