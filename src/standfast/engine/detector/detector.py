"""The detector: which lives of which peers this node hears, and when it has to speak to them.

Owns: all peers' states, the heartbeat's beat, the suspension of judgement when this node itself was not running.
Does not own: the bytes of a heartbeat, views.

Heartbeats go out together, one timer for all peers; a peer that is silent for half of its bound is probed until it answers or
the bound is reached. So single losses never matter: between suspicion and loss at the defaults lie six probes.
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.ids import NodeId
from standfast.engine.detector.peer import Peer, Sign, State
from standfast.engine.messages import Beat, Life
from standfast.engine.settings import Times

ABSENT_TICKS = 2
"""An absent peer gets every second heartbeat only: after a healed cut that is soon enough."""

SLACK = 5
"""A node that follows another's beat waits a fifth longer for it before it speaks by itself."""


class Detector:
    """All peers. `version` counts the changes of `hears`.

    Invariants: `hears` is sorted and holds exactly the peers that are counted in, with the life last heard.
    """

    def __init__(self, local: NodeId, peers: Sequence[NodeId], times: Times) -> None:
        self._local = local
        self._times = times
        self._slack_us = 0
        self._beaten_us = -times.heartbeat_us
        self.peers: dict[NodeId, Peer] = {node: Peer(node, times) for node in sorted(peers)}
        self.version = 0
        self.hears: tuple[Life, ...] = ()
        self._next_beat_us = 0
        self._ticks = 0

    def start(self, now_us: int) -> None:
        """Begin: the first heartbeat is due at once."""
        self._next_beat_us = now_us

    # ---- what happens ---------------------------------------------------------------------------------------------

    def heard(self, now_us: int, node: NodeId, boot: int) -> None:
        """A believed packet of `node` came. A new boot means that its old life is over."""
        p = self.peers[node]
        if boot == p.ended_boot:
            return  # it has said goodbye; this is an echo of its last words
        state, was = p.state, p.boot
        if was != boot:
            p.take(now_us, Sign.GONE)
            p.boot = boot
            p.echo_us = 0
        p.take(now_us, Sign.HEARD)
        if p.state is not state or was != boot:
            self._noted()

    def beat(self, now_us: int, node: NodeId, beat: Beat) -> None:
        """What a heartbeat says about times: echo it, and time the round trip that it completes."""
        p = self.peers[node]
        if beat.sent_us > p.echo_us:
            p.echo_us, p.echo_at_us = beat.sent_us, now_us
        if beat.echo_us:
            rtt_us = now_us - beat.echo_us - beat.held_us
            if 0 <= rtt_us <= self._times.bound_us_max:
                p.measured(rtt_us)
        self._follow(now_us, node)

    def _follow(self, now_us: int, node: NodeId) -> None:
        """Fall into step with the lowest node: speak when it has spoken, so that one wake-up serves for hearing and speaking.

        Whoever has just spoken waits for its next word instead, but not so long that silence becomes suspicious.
        """
        lowest = self.hears[0].node if self.hears else self._local
        if not node == lowest < self._local:
            return
        pause_us = self._times.heartbeat_us
        self._slack_us = pause_us // SLACK
        if now_us - self._beaten_us >= pause_us // 2:
            self._next_beat_us = now_us
        else:
            self._next_beat_us = min(now_us + pause_us, self._beaten_us + pause_us) + self._slack_us

    def gone(self, now_us: int, node: NodeId) -> None:
        """`node` said goodbye."""
        p = self.peers[node]
        p.ended_boot = p.boot or p.ended_boot
        p.take(now_us, Sign.GONE)
        self._noted()

    def refused(self, now_us: int, node: NodeId) -> None:
        """The kernel says that the port of `node` is closed."""
        if self.peers[node].state is not State.ABSENT:
            self.peers[node].refused(now_us)

    def retime(self, now_us: int, times: Times) -> None:
        """Other times from now on. Silence so far was within the old ones, and is nobody's fault; everybody is asked at once."""
        self._times = times
        self._slack_us = 0
        self._next_beat_us = now_us
        for p in self.peers.values():
            p.retime(now_us, times)

    def suspend(self, now_us: int, late_us: int) -> None:
        """This node did not run for `late_us`: nobody can be blamed for that time."""
        for p in self.peers.values():
            p.heard_us = min(now_us, p.heard_us + late_us)
            p.calm_since_us = min(now_us, p.calm_since_us + late_us)

    def woke(self, now_us: int) -> None:
        """This node slept so long that nothing it knew counts: everybody gets a full bound from now, and is asked at once."""
        for p in self.peers.values():
            if p.state is not State.ABSENT:
                p.heard_us = now_us
                p.probe_us = now_us
                if p.is_counted:
                    p.state = State.SUSPECT
        self._next_beat_us = now_us

    @property
    def has_suspects(self) -> bool:
        """Whether anybody who is counted in is silent."""
        return State.SUSPECT in [p.state for p in self.peers.values()]

    # ---- time -----------------------------------------------------------------------------------------------------

    @property
    def next_us(self) -> int:
        """When `due` wants to be called."""
        due_us = self._next_beat_us
        for p in self.peers.values():
            if p.state is not State.ABSENT and (next_us := p.next_us()) < due_us:
                due_us = next_us
        return due_us

    def due(self, now_us: int) -> list[tuple[NodeId, bool]]:
        """Judge silences; returns who gets a heartbeat now, and whether it demands an answer."""
        out: list[tuple[NodeId, bool]] = []
        is_beat = now_us >= self._next_beat_us
        if is_beat:
            self._ticks += 1
            self._next_beat_us = now_us + self._times.heartbeat_us + self._slack_us
            self._slack_us = 0
            self._beaten_us = now_us
        for p in self.peers.values():
            p.silence(now_us)
            if p.probe_us is not None and now_us >= p.probe_us:
                out.append((p.node, True))
                p.probe_us = now_us + self._times.probe_us if p.state is State.SUSPECT else None
            elif is_beat and (p.state is not State.ABSENT or self._ticks % ABSENT_TICKS == 1):
                out.append((p.node, False))
        self._noted()
        return out

    def _noted(self) -> None:
        hears = tuple([Life(p.node, p.boot) for p in self.peers.values() if p.state is State.ALIVE or p.state is State.SUSPECT])
        if hears != self.hears:
            self.hears = hears
            self.version += 1

    def check(self) -> None:
        """The invariants, for tests and the simulator."""
        for p in self.peers.values():
            p.check()
        assert [life.node for life in self.hears] == [p.node for p in self.peers.values() if p.is_counted]
