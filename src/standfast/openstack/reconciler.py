"""When to look at the cloud, how often, and what to say: the coordinator's loop around rounds (round.py).

    OFF      nothing is wanted (no openstack-cloud, or another node coordinates)
    RESTING  until the next look: CHECK_US when all is right, SETTLE_US after a change, longer and longer while there is no answer
    WORKING  a round is under way: calls go out one a second and node at most

Nothing waits for this: addresses start, stop and move without it, and an error of the API never changes where an address is.
Invariants (`check`): a round exists exactly while WORKING; at most CALLS_MAX calls are out; no call is out while OFF that is
waited for.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.base.report import Report, error, notice, warning
from standfast.openstack import severing, texts
from standfast.openstack.api import (
    CALL_TIMEOUT_MS,
    Call,
    Fault,
    Moved,
    Owned,
    Replied,
    Reply,
    Request,
    SetTimer,
    Severed,
    Tell,
    TimerFired,
)
from standfast.openstack.pacing import BackOff, Lanes
from standfast.openstack.plan import Trouble
from standfast.openstack.replies import Verdict
from standfast.openstack.round import Batch, Memory, Outcome, Round, Steps
from standfast.openstack.wish import Mode, Wish

OWNER = "reconciler"
CHECK_US = 10 * US_PER_S
CHECK_JITTER_US = 2 * US_PER_S
SETTLE_US = 3 * US_PER_S // 2
FIRST_US = 3 * US_PER_S
"""How long a new coordinator waits before its first look, unless the holder needs the cloud: a failover comes first."""
THOROUGH_US = 600 * US_PER_S
THOROUGH_FIRST_US = 30 * US_PER_S
"""After a change the next thorough look; each pause after it is twice the one before, up to THOROUGH_US. A reading that lagged
behind when the change was made may have hidden what has to go."""
REFUSED_US = 20 * US_PER_S
REPEAT_US = 600 * US_PER_S
GRACE_MS = 2_000
WRITING_ROUNDS_MAX = 5
CALLS_MAX = 512
UNDONE_MAX = 1_000


class Phase(Enum):
    """See the module."""

    OFF = auto()
    RESTING = auto()
    WORKING = auto()


@dataclass(frozen=True, slots=True)
class Wished:
    """What is wanted now; None when it is not this node's business. `local` is this node's name."""

    wish: Wish | None
    local: str


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody asks to look at the cloud now."""


Event = Wished | Look | Replied | TimerFired
Effect = Call | SetTimer | Tell | Moved | Severed | Owned


class Reconciler:
    """See the module."""

    def __init__(self, seed: int) -> None:
        """`seed` is entropy, for the jitter."""
        self.phase = Phase.OFF
        self.outcome: Outcome | None = None
        """How the last round ended."""
        self._wish: Wish | None = None
        self._local = ""
        self._memory = Memory()
        self._lanes = Lanes()
        self._pause = BackOff(seed)
        self._round: Round | None = None
        self._steps: Steps | None = None
        self._severed: Severed | None = None
        self._owned: Owned | None = None
        self._waiting: list[tuple[int, Request]] = []
        self._flying: dict[int, tuple[int, Request, int]] = {}
        self._answers: dict[int, Reply] = {}
        self._batch: Batch = ()
        self._number = 0
        self._look_at_us = 0
        self._thorough_at_us = 0
        self._thorough_gap_us = THOROUGH_FIRST_US
        self._is_stale = False
        self._writing_rounds = 0
        self._refused: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], Report] = {}
        self._seen_once: set[tuple[str, str]] = set()
        self._undone: dict[str, int] = {}
        self._outage: tuple[int, int] | None = None
        self._out: list[Effect] = []

    # ---- one way in --------------------------------------------------------------------------------------------------

    def step(self, now_us: int, event: Event) -> tuple[Effect, ...]:
        """Apply one event; returns the effects in order."""
        match event:
            case Wished(wish, local):
                self._wished(now_us, wish, local)
            case Look():
                self._look_at_us = min(self._look_at_us, now_us)
            case Replied(owner, number, reply):
                if owner == OWNER:
                    self._replied(now_us, number, reply)
            case TimerFired():
                pass
        self._go_on(now_us)
        out, self._out = tuple(self._out), []
        return out

    def check(self) -> None:
        """Assert the class's invariants."""
        assert (self._steps is not None) == (self.phase is Phase.WORKING), f"{self.phase} with a round: {self._steps is not None}"
        assert len(self._flying) + len(self._waiting) <= CALLS_MAX
        assert self.phase is Phase.WORKING or not self._waiting, "a call is to be made without a round"
        assert (self._wish is None) == (self.phase is Phase.OFF), f"{self.phase} with a wish: {self._wish is not None}"

    # ---- what is wanted ----------------------------------------------------------------------------------------------

    def _wished(self, now_us: int, wish: Wish | None, local: str) -> None:
        if wish == self._wish and local == self._local:
            return
        before, self._wish, self._local = self._wish, wish, local
        if wish is None or before is None or wish.cloud != before.cloud or wish.cluster != before.cluster:
            lasting = self._outage if wish is not None and before is not None else None
            self._begin_anew()
            # Of another cloud it is told at once that it does not answer, and also that it does.
            self._outage = (lasting[0], lasting[0] - REPEAT_US) if lasting else None
        if wish is None:
            self._abandon()
            self.phase = Phase.OFF
            return
        for report in wish.remarks:
            if before is None or report not in before.remarks:
                self._out.append(Tell(report))
        if before is not None:
            self._remember_departed(before, wish)
            self._remember_leftovers(wish)
        if before is not None and _without_holders(before) == _without_holders(wish) and not self._needs_holder(wish):
            return  # a failover in mode pairs: everything is in place already, and nothing is asked
        self._refused.clear()
        self._lanes.forget((local, *(node.name for node in wish.nodes)), now_us)
        if before is None or _without_holders(before) != _without_holders(wish):
            self._thorough_at_us, self._thorough_gap_us = now_us, THOROUGH_FIRST_US
        known = {node.name for node in severing.lost(before)} if before is not None else set()
        has_lost = any(node.name not in known for node in severing.lost(wish))
        if before is None:
            self._look_at_us = now_us + (0 if has_lost or self._needs_holder(wish) else FIRST_US)
        elif self._pause.failures == 0 or has_lost:
            self._look_at_us = now_us
        if self.phase is Phase.OFF:
            self.phase = Phase.RESTING
        elif self.phase is Phase.WORKING:
            # What is on its way was planned for another wish. Reads are worth nothing now; a write is waited for.
            self._is_stale = True
            self._waiting.clear()
            if not any(request.is_write for _, request, _ in self._flying.values()):
                self._abandon()
                self.phase = Phase.RESTING

    def _needs_holder(self, wish: Wish) -> bool:
        """Whether the cloud has to hear who holds an address: it is the port's own (exclusive), or the router must be nudged
        (DVR)."""
        return wish.mode is Mode.EXCLUSIVE or wish.dvr == "true" or (wish.dvr == "auto" and self._memory.is_dvr is True)

    def _begin_anew(self) -> None:
        """Another cloud, or the duty was elsewhere meanwhile: nothing that is remembered may be trusted."""
        self._memory = Memory()
        self._refused.clear()
        self._told.clear()
        self._seen_once.clear()
        self._undone.clear()
        self._pause.succeeded()
        self._outage = None
        self._writing_rounds = 0

    def _remember_departed(self, before: Wish, wish: Wish) -> None:
        """The ports of nodes that have left the configuration are to lose what was allowed there."""
        names = {node.name for node in wish.nodes}
        last = self.outcome.seen.of_node if self.outcome is not None else {}
        for node in before.nodes:
            if node.name not in names:
                for port in (*last.get(node.name, ()), *(nic.port for nic in node.nics if nic.port)):
                    self._memory.departed[port] = node.name

    def _remember_leftovers(self, wish: Wish) -> None:
        """The own ports of addresses that are not wanted any more are looked at by their ids."""
        wished = {item.address for item in wish.addresses}
        gone = [address for address in self._memory.vips if address not in wished]
        self._memory.leftovers += tuple(self._memory.vips.pop(address) for address in gone)

    def _abandon(self) -> None:
        """Forget the round; answers that still come count for nothing."""
        if self._steps is not None:
            self._steps.close()
        self._round, self._steps, self._batch, self._is_stale = None, None, (), False
        self._waiting.clear()
        self._flying.clear()
        self._answers.clear()

    # ---- going on ----------------------------------------------------------------------------------------------------

    def _go_on(self, now_us: int) -> None:
        if self.phase is Phase.RESTING and now_us >= self._look_at_us:
            self._begin_round(now_us)
        if self.phase is Phase.WORKING:
            self._give_up_late(now_us)
        if self.phase is Phase.WORKING:
            self._send_due(now_us)
        self._arm(now_us)

    def _begin_round(self, now_us: int) -> None:
        assert self._wish is not None
        is_thorough = now_us >= self._thorough_at_us
        if is_thorough:
            self._thorough_at_us = now_us + self._thorough_gap_us
            self._thorough_gap_us = min(self._thorough_gap_us * 2, THOROUGH_US)
        self._refused = {key: until_us for key, until_us in self._refused.items() if now_us < until_us}
        self._round = Round(self._wish, self._memory, is_thorough=is_thorough, blocked=self._refused, local=self._local)
        self._severed = self._owned = None
        self.phase, self._steps = Phase.WORKING, self._round.steps()
        self._advance(now_us, None)

    def _advance(self, now_us: int, answers: tuple[Reply, ...] | None) -> None:
        """The next batch of the round, or its end."""
        assert self._steps is not None
        try:
            self._batch = next(self._steps) if answers is None else self._steps.send(answers)
        except StopIteration as end:
            self._tell_severed()
            self._tell_owned()
            self._abandon()
            self.phase = Phase.RESTING
            self._ended(now_us, end.value)
            return
        self._tell_severed()
        self._tell_owned()
        self._answers.clear()
        for request in self._batch:
            self._number += 1
            self._waiting.append((self._number, request))

    def _tell_severed(self) -> None:
        """Mode fenced: starts wait for this, so it is said in the middle of the round. A round that failed says why."""
        assert self._round is not None
        outcome = self._round.outcome
        said = outcome.severed
        if said is None and outcome.outage is not None and severing.lost(self._round.wish):
            said = Severed((), outcome.detail or "OpenStack gives no usable answer")
        if said is not None and said != self._severed:
            self._severed = said
            self._out.append(said)

    def _tell_owned(self) -> None:
        """Mode exclusive: the same, for who has which address. Said when a round has looked, and when it has written."""
        assert self._round is not None
        outcome, wish = self._round.outcome, self._round.wish
        if wish.mode is not Mode.EXCLUSIVE or (outcome.outage is None and not outcome.seen.vips):
            return
        if outcome.outage is not None:
            said = Owned((), outcome.detail or "OpenStack gives no usable answer")
        else:
            reports = [trouble.report for trouble in outcome.troubles]
            reports += [self._told[key] for key in self._refused if key in self._told]  # refused before, and not tried this time
            why = "; ".join(dict.fromkeys(report.sentence() for report in reports))
            owners = [(ip, outcome.seen.node_of(port.id)) for ip, having in outcome.seen.vips.items() for port in having]
            said = Owned(tuple(sorted((ip, node) for ip, node in owners if node)), why)
        if said != self._owned:
            self._owned = said
            self._out.append(said)

    def _send_due(self, now_us: int) -> None:
        assert self._wish is not None
        for number, request in list(self._waiting):
            lane = request.lane or self._local
            if now_us < self._lanes.free_at(lane):
                continue
            self._lanes.use(lane, now_us)
            self._waiting.remove((number, request))
            self._flying[number] = (number, request, now_us + (CALL_TIMEOUT_MS + GRACE_MS) * US_PER_MS)
            self._out.append(Call(OWNER, number, self._wish.cloud, request))

    def _give_up_late(self, now_us: int) -> None:
        for number, _, until_us in list(self._flying.values()):
            if now_us >= until_us:
                self._replied(now_us, number, Reply(fault=Fault.TIMEOUT, detail="no answer from the worker"))

    def _replied(self, now_us: int, number: int, reply: Reply) -> None:
        if self._flying.pop(number, None) is None:
            return
        self._answers[number] = reply
        if self._flying or self._waiting:
            return
        if self._is_stale:
            self._abandon()
            self.phase, self._look_at_us = Phase.RESTING, now_us
            return
        in_order = tuple(self._answers[key] for key in sorted(self._answers))
        self._advance(now_us, in_order)

    def _arm(self, now_us: int) -> None:
        times = []
        if self.phase is Phase.RESTING:
            times.append(self._look_at_us)
        times += [self._lanes.free_at(request.lane or self._local) for _, request in self._waiting]
        times += [until_us for _, _, until_us in self._flying.values()]
        if times:
            self._out.append(SetTimer(max(now_us, min(times))))

    # ---- how a round ended -------------------------------------------------------------------------------------------

    def _ended(self, now_us: int, outcome: Outcome) -> None:
        self.outcome = outcome if outcome.outage is None or self.outcome is None else self.outcome
        self._out += [Tell(report) for report in outcome.done]
        self._out += [Moved(address, node) for address, node in outcome.moved]
        if outcome.outage is not None:
            self._thorough_at_us, self._thorough_gap_us = now_us, THOROUGH_FIRST_US
            self._look_at_us = now_us + self._pause.failed(outcome.retry_after_s)
            self._tell_outage(now_us, outcome)
            return
        if self._outage is not None:
            lasted_s = (now_us - self._outage[0]) // US_PER_S
            self._out.append(Tell(notice("openstack.back", f"OpenStack answers again, after {lasted_s} s")))
            self._outage = None
        self._tell_undone(outcome)
        self._tell_troubles(now_us, outcome)
        self._writing_rounds = self._writing_rounds + 1 if outcome.writes else 0
        if outcome.writes:
            self._thorough_at_us = min(self._thorough_at_us, now_us + THOROUGH_FIRST_US)
            self._thorough_gap_us = THOROUGH_FIRST_US
        if not outcome.writes:
            self._pause.succeeded()
            self._look_at_us = now_us + CHECK_US + self._pause.jitter(CHECK_JITTER_US)
        elif self._writing_rounds <= WRITING_ROUNDS_MAX:
            self._pause.succeeded()
            self._look_at_us = now_us + SETTLE_US
        else:  # somebody writes as often as we do, or our writes have no effect: go slowly
            self._look_at_us = now_us + self._pause.failed()
        if self._refused:  # they are tried again when their time has come, not up to a whole look later
            again_us = max(min(self._refused.values()), now_us + SETTLE_US)
            self._look_at_us = min(self._look_at_us, again_us)

    def _tell_outage(self, now_us: int, outcome: Outcome) -> None:
        since_us, told_us = self._outage or (now_us, now_us - REPEAT_US)
        if now_us - told_us >= REPEAT_US:
            told_us = now_us
            self._out.append(Tell(outage(outcome, (now_us - since_us) // US_PER_S)))
        self._outage = (since_us, told_us)

    def _tell_undone(self, outcome: Outcome) -> None:
        for node, port, lost in outcome.undone:
            times = self._undone[port.id] = min(self._undone.get(port.id, 0) + 1, UNDONE_MAX)
            self._out.append(Tell(texts.undone(node, port, lost, times)))

    def _tell_troubles(self, now_us: int, outcome: Outcome) -> None:
        """Each trouble once (a missing port when it was missed twice: nodes need a moment to say who they are); and when it is
        over."""
        now: dict[tuple[str, str], Report] = {}
        for trouble in outcome.troubles:
            now.setdefault(trouble.key, trouble.report)
            if _is_refusal(trouble):
                self._refused[trouble.key] = now_us + REFUSED_US
        for key, report in now.items():
            if report != self._told.get(key) and (report.code != "openstack.no-port" or key in self._seen_once):
                self._told[key] = report
                self._out.append(Tell(report))
        self._seen_once = set(now)
        for key in [key for key in self._told if key not in now and key not in self._refused]:
            address, node = key
            what = f"{address} is right again in OpenStack" + (f" on {node}" if node else "")
            self._out.append(Tell(notice("openstack.mended", what)))
            del self._told[key]


def outage(outcome: Outcome, lasts_s: int = 0) -> Report:
    """The cloud does not answer usefully: what that means, and what to look at."""
    what = "OpenStack gives no usable answer" + (f" since {lasts_s} s" if lasts_s else "")
    what += ": addresses stay as they are, and are looked after when it answers again"
    if outcome.is_unset:
        remedy = "openstack --os-cloud NAME token issue, on this node, with a NAME of its clouds.yaml"
        return error("openstack.settings", "OpenStack cannot be asked with the settings of this node", outcome.detail, remedy)
    if outcome.outage is Verdict.REFUSED:
        remedy = (
            "openstack token issue, with the same credentials: the password may be wrong, or the application credential expired"
        )
        return error("openstack.credentials", "OpenStack does not accept the credentials", outcome.detail, remedy)
    if outcome.outage is Verdict.FORBIDDEN:
        return texts.forbidden("ports and subnets cannot be read", "get_port, get_subnet", outcome.detail)
    return warning("openstack.outage", what, outcome.detail, "openstack port list, with the same credentials, on this node")


def _without_holders(wish: Wish) -> Wish:
    return replace(wish, addresses=tuple(replace(item, holder="") for item in wish.addresses))


def _is_refusal(trouble: Trouble) -> bool:
    return trouble.report.code in ("openstack.forbidden", "openstack.full", "openstack.refused", "openstack.floating-ip-left")
