"""One peer as its listener sees it: how long it has been silent, how long it may be, and whether it is counted in.

Owns: the adaptive bound, refusals, the probation of a peer that comes and goes, and the table of moves between states.
Does not own: sending, and what a lost peer means for the view.

The bound for silence. Let `peak` be the worst excess of a gap between two signs of life over the heartbeat's pause, as
observed, fading with FADE_US; then

    bound = clamp(floor, heartbeat + 2 * peak + 2 * rtt, token)

so that a gap half as long again as the worst of late is still no loss, a quiet network is judged at the floor, and the
user's `token` is never exceeded.

That bound alone would take every process that stands still for a moment (SIGSTOP, swapping, a starved CPU) for a dead host. So
the *kernel* of a suspect is asked too (ICMP echo, which needs no process), and while it answers, the silence is borne for up to
`frozen_us_max`: 1.5 s at the defaults. A host without power, cut off, or stopped as a whole machine answers nothing, and a killed
process's port is closed: those are known as early as ever (ADR 0018).

Probation. A peer that is lost again T after it came back is flapping (T under a minute). When it is heard again it is HELD: not
counted in before 2 T (at least 2 s) have passed without one suspicious silence, or a minute without a loss. So what breaks
every T seconds, however long T is, costs one return and two losses and is then left alone; and whoever pulls a cable every few
seconds by hand waits a few seconds, not a minute. The longest T of late counts, until the peer has stayed for a minute. The first
return after less than a second needs half a second of calm; a suspicious silence on probation makes it 20 s
(ADR 0017).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, auto

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.engine.settings import Times

FADE_US = 60 * US_PER_S
"""The observed peak fades to a third in this time."""

TENURE_US = 60 * US_PER_S
"""A peer that is lost again sooner after it came back is flapping; one that stays so long owes nothing any more."""

CALM_US = 2 * US_PER_S
PROBATION_US_MAX = 60 * US_PER_S
"""What broke after T is believed when it has been whole for 2 T, these two being the limits: see the top of the module."""

BRIEF_US = US_PER_S
BRIEF_CALM_US = 500 * US_PER_MS
"""Whoever comes back after so short an absence may be behind a wire that loses most of what it carries: four heartbeats in a row
tell that from a wire that is whole."""

SHAKY_CALM_US = 20 * US_PER_S
"""A silence that was suspicious and then ended, while on probation, is a wire that loses: no hand pulls a cable for 200 ms."""

REFUSAL_US = 5_000
REFUSAL_FORGOTTEN_US = US_PER_S
"""Pause between a refusal and the probe that has to confirm it; how long a first refusal is remembered."""


KERNEL_ASK_US = 45_000
"""Pause between two questions to the kernel of a suspect: with every second probe, so seven or more per lowest bound."""


class State(IntEnum):
    """Whether a peer is counted in: ALIVE and SUSPECT are, HELD (heard, on probation) and ABSENT are not."""

    ABSENT = auto()
    HELD = auto()
    ALIVE = auto()
    SUSPECT = auto()


class Sign(IntEnum):
    """What happens to a peer: a packet came; silence reached half, or all, of what is borne; its end is known for certain."""

    HEARD = auto()
    LATE = auto()
    SILENT = auto()
    GONE = auto()


class Peer:
    """One peer. Mutable, owned by the Detector.

    Invariants: `bound_us` is within the configured limits; only a HELD peer is on probation; `heard_us` never lies ahead.
    """

    __slots__ = (
        "admitted_us",
        "boot",
        "bound_us",
        "calm_needed_us",
        "calm_since_us",
        "echo_at_us",
        "echo_us",
        "ended_boot",
        "heard_us",
        "held_since_us",
        "kernel_asked_us",
        "kernel_us",
        "lost_us",
        "node",
        "peak_us",
        "probe_us",
        "refused_us",
        "rtt_us",
        "state",
        "times",
        "verdict_us",
    )

    def __init__(self, node: NodeId, times: Times) -> None:
        self.node = node
        self.times = times
        self.state = State.ABSENT
        self.boot = 0
        self.ended_boot = 0
        self.heard_us = 0
        self.admitted_us = 0
        self.lost_us: int | None = None
        self.peak_us = 0
        self.rtt_us = 0
        self.bound_us = times.bound_us_min
        self.probe_us: int | None = None
        self.echo_us = 0
        self.echo_at_us = 0
        self.calm_needed_us = 0
        self.calm_since_us = 0
        self.held_since_us = 0
        self.kernel_asked_us = 0
        self.kernel_us = 0
        self.refused_us: int | None = None
        self.verdict_us: int | None = None

    @property
    def is_counted(self) -> bool:
        """Whether this node says that it hears the peer."""
        return self.state in (State.ALIVE, State.SUSPECT)

    @property
    def borne_us(self) -> int:
        """The silence that ends it: the bound; and while its kernel goes on answering, longer."""
        if self.state is not State.SUSPECT or self.kernel_us <= self.heard_us:
            return self.bound_us
        answered_us = self.kernel_us - self.heard_us + self.times.bound_us_min
        return max(self.bound_us, min(answered_us, self.times.frozen_us_max))

    def asks_kernel(self, now_us: int) -> bool:
        """Whether the suspect's kernel should be asked (again) now."""
        if self.state is not State.SUSPECT or now_us - self.kernel_asked_us < KERNEL_ASK_US:
            return False
        self.kernel_asked_us = now_us
        return True

    def kernel_answered(self, asked_us: int) -> None:
        """Its kernel ran after `asked_us`, whatever its engine does."""
        self.kernel_us = max(self.kernel_us, min(asked_us, self.kernel_asked_us))

    def next_us(self) -> int:
        """When `silence` or a probe is due. To be asked only of a peer that is not ABSENT."""
        limit_us = self.times.suspect_us if self.state is State.ALIVE else self.borne_us
        due_us = self.heard_us + limit_us
        if self.probe_us is not None and self.probe_us < due_us:
            due_us = self.probe_us
        if self.verdict_us is not None and self.verdict_us < due_us:
            due_us = self.verdict_us
        return due_us

    def take(self, now_us: int, sign: Sign) -> None:
        """One move. A pair that the table does not have means nothing."""
        move = MOVES.get((self.state, sign))
        if move is not None:
            move(self, now_us)

    def measured(self, rtt_us: int) -> None:
        """A round trip was timed."""
        self.rtt_us += (rtt_us - self.rtt_us) // 8 if self.rtt_us else rtt_us
        self._bind()

    def refused(self, now_us: int) -> None:
        """The peer's port is closed, says a packet that anybody may have forged: ask once more before believing it."""
        first_us = self.refused_us
        is_first = first_us is None or self.heard_us >= first_us or now_us - first_us > REFUSAL_FORGOTTEN_US
        wait_us = max(REFUSAL_US, 2 * self.rtt_us)
        if is_first:
            self.refused_us, self.verdict_us = now_us, None
            self.probe_us = now_us + wait_us
        elif first_us is not None and self.verdict_us is None and now_us >= first_us + wait_us:
            self.verdict_us = now_us + wait_us  # what is still alive answers the probe before that, on any link

    def silence(self, now_us: int) -> None:
        """Judge the silence until now."""
        if self.verdict_us is not None and now_us >= self.verdict_us:
            confirmed = self.refused_us is not None and self.heard_us < self.refused_us
            self.verdict_us = None
            if confirmed:
                self.take(now_us, Sign.GONE)
                return
        silent_us = now_us - self.heard_us
        if silent_us >= self.borne_us:
            if self.state is State.ALIVE:
                self.take(now_us, Sign.LATE)
            self.take(now_us, Sign.SILENT)
        elif silent_us >= self.times.suspect_us:
            self.take(now_us, Sign.LATE)

    def learned(self, now_us: int) -> None:
        """The gap that a packet has just ended tells how long silence can be here."""
        gap_us = max(0, now_us - self.heard_us)
        peak_us = self.peak_us
        if peak_us:
            peak_us -= peak_us * min(gap_us, FADE_US) // FADE_US
        excess_us = min(gap_us, self.times.bound_us_max) - self.times.heartbeat_us
        self.peak_us = excess_us if excess_us > peak_us else peak_us
        self._bind()

    def retime(self, now_us: int, times: Times) -> None:
        """Other times from now on; the silence is counted anew."""
        self.times = times
        if self.state is not State.ABSENT:
            self.heard_us = now_us
            self.probe_us = now_us
        self._bind()

    def _bind(self) -> None:
        times = self.times
        wanted_us = times.heartbeat_us + 2 * self.peak_us + 2 * self.rtt_us
        self.bound_us = times.bound_us_min if wanted_us < times.bound_us_min else min(wanted_us, times.bound_us_max)

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        assert self.times.bound_us_min <= self.bound_us <= self.times.bound_us_max
        assert self.peak_us >= 0
        assert self.calm_needed_us == 0 or BRIEF_CALM_US <= self.calm_needed_us <= PROBATION_US_MAX
        assert self.state is not State.HELD or self.calm_needed_us
        assert self.rtt_us >= 0


# ---- the moves ------------------------------------------------------------------------------------------------------


def _found(p: Peer, now_us: int) -> None:
    """Heard for the first time, or again. Whoever was lost soon after it came back has to be calm for a while first."""
    p.heard_us = now_us
    p.probe_us = None
    if p.lost_us is not None and now_us - p.lost_us < BRIEF_US:
        p.calm_needed_us = max(p.calm_needed_us, BRIEF_CALM_US)
    if p.calm_needed_us:
        p.state = State.HELD
        p.held_since_us = p.calm_since_us = now_us
    else:
        _admit(p, now_us)


def _admit(p: Peer, now_us: int) -> None:
    p.state = State.ALIVE
    p.admitted_us = now_us
    p.probe_us = None


def _heard(p: Peer, now_us: int) -> None:
    p.learned(now_us)
    p.heard_us = now_us
    if p.calm_needed_us and now_us - p.admitted_us >= TENURE_US:
        p.calm_needed_us = 0


def _cleared(p: Peer, now_us: int) -> None:
    _heard(p, now_us)
    p.state = State.ALIVE
    p.probe_us = None


def _watched(p: Peer, now_us: int) -> None:
    if now_us - p.heard_us >= p.times.suspect_us:
        p.calm_since_us = now_us
        p.calm_needed_us = max(p.calm_needed_us, SHAKY_CALM_US)
    p.learned(now_us)
    p.heard_us = now_us
    if now_us - p.calm_since_us >= p.calm_needed_us or now_us - p.held_since_us >= PROBATION_US_MAX:
        _admit(p, now_us)


def _suspected(p: Peer, now_us: int) -> None:
    p.state = State.SUSPECT
    p.probe_us = now_us


def _lost(p: Peer, now_us: int) -> None:
    tenure_us = now_us - p.admitted_us
    if p.state is not State.HELD and p.lost_us is not None and tenure_us < TENURE_US:
        p.calm_needed_us = min(max(p.calm_needed_us, 2 * tenure_us, CALM_US), PROBATION_US_MAX)
    p.state = State.ABSENT
    p.lost_us = now_us
    p.probe_us = p.verdict_us = p.refused_us = None


def _gone(p: Peer, _: int) -> None:
    """Its process has ended: whatever comes back is a new life, and owes nothing for the old one."""
    p.state = State.ABSENT
    p.calm_needed_us = 0
    p.lost_us = None
    p.probe_us = p.verdict_us = p.refused_us = None
    p.boot = 0


MOVES: dict[tuple[State, Sign], Callable[[Peer, int], None]] = {
    (State.ABSENT, Sign.HEARD): _found,
    (State.ABSENT, Sign.GONE): _gone,
    (State.HELD, Sign.HEARD): _watched,
    (State.HELD, Sign.SILENT): _lost,
    (State.HELD, Sign.GONE): _gone,
    (State.ALIVE, Sign.HEARD): _heard,
    (State.ALIVE, Sign.LATE): _suspected,
    (State.ALIVE, Sign.GONE): _gone,
    (State.SUSPECT, Sign.HEARD): _cleared,
    (State.SUSPECT, Sign.SILENT): _lost,
    (State.SUSPECT, Sign.GONE): _gone,
}
