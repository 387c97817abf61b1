"""The failover IP cut at every step, and led through anything in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from standfast.agents.ip.api import (
    Doubted,
    Forget,
    Healed,
    Neighbour,
    NeighbourHeard,
    Revoked,
)

if TYPE_CHECKING:
    from tests.unit.agents_ip.ip_rig import CLIENT, MS, PEER, PEERS, VIP, VIP6, Rig, S, reborn
else:
    from ip_rig import CLIENT, MS, PEER, PEERS, VIP, VIP6, Rig, S, reborn


# ---- interrupted at every step --------------------------------------------------------------------------------------

INTERRUPTIONS: dict[str, Callable[[Rig], object]] = {
    "revoked": lambda rig: rig.give(Revoked("out of quorum")),
    "pulse lost": lambda rig: setattr(rig, "pulsing", False),
    "interface gone": lambda rig: rig.set_link(index=0),
    "forgotten": lambda rig: rig.give(Forget(1)),
    "stopped": lambda rig: rig.operate("stop"),
    "frozen": lambda rig: setattr(rig, "frozen", True),
}


@pytest.mark.parametrize("how", sorted(INTERRUPTIONS))
@pytest.mark.parametrize("after_ms", [0, 1, 19, 20, 41, 61, 80, 81, 95, 140, 300, 700, 1600])
def test_a_start_cut_at_every_step_leaves_nothing_up(how: str, after_ms: int) -> None:
    rig = Rig()
    rig.run(10 * MS)
    run = rig.operate("start")
    rig.run(after_ms * MS)
    was_done = run in rig.done
    INTERRUPTIONS[how](rig)
    if how == "revoked":
        rig.pulsing = False
    rig.run(5 * S)
    if how == "frozen":
        assert not rig.is_up
        rig.frozen, rig.pulsing = False, False
        rig.run(12 * S)
    if how == "forgotten" and was_done:
        assert rig.is_up, "an answered start is not undone"
        return
    assert not rig.is_up
    if how == "forgotten":
        assert run not in rig.done
    elif not was_done and how != "pulse lost":  # the evidence of before is good for a while
        assert rig.done[run].rc == 1
    if run in rig.done and rig.done[run].rc == 0 and how != "stopped":
        assert [c.rc for c in rig.changed] == [7]
    assert not rig.remembered


@pytest.mark.parametrize("how", sorted(set(INTERRUPTIONS) - {"stopped"}))
@pytest.mark.parametrize("after_ms", [0, 1, 90, 110, 250])
def test_a_stop_cut_at_every_step_still_removes_it(how: str, after_ms: int) -> None:
    """Somebody adds the address again at first, so that the stop takes several rounds."""
    rig = Rig().started()
    rig.stubborn = True
    run = rig.operate("stop")
    rig.run(after_ms * MS)
    if how == "forgotten":
        rig.give(Forget(run))
    else:
        INTERRUPTIONS[how](rig)
    rig.stubborn = False
    rig.run(2 * S)
    rig.frozen = False
    rig.run(2 * S)
    assert not rig.is_up
    assert not rig.remembered
    if how == "forgotten":
        assert run not in rig.done
    else:
        assert rig.done[run].rc == 0


# ---- anything, in any order -----------------------------------------------------------------------------------------


class AnyLife(RuleBasedStateMachine):
    """Whatever happens in whatever order: no put without evidence (asserted in Rig.put and check()), nothing up after its end."""

    @initialize(v6=st.booleans(), prefix=st.sampled_from(["24", "32"]))
    def begin(self, v6: bool, prefix: str) -> None:
        self.rig = Rig(pulsing=False)
        self.parameters = (("ip", VIP6),) if v6 else (("ip", VIP), ("cidr_netmask", prefix))
        self.ip = VIP6 if v6 else VIP
        self.rig.run(1 * MS)

    @rule(ms=st.sampled_from([1, 20, 80, 200, 600, 2500]))
    def time_passes(self, ms: int) -> None:
        self.rig.run(ms * MS)

    @rule(ms=st.sampled_from([-10, 0, 1, 300, 1500, 3000]))
    def pulse(self, ms: int) -> None:
        self.rig.pulse(self.rig.now + ms * MS)

    @rule(action=st.sampled_from(["start", "start", "stop", "monitor", "validate-all", "nonsense"]), flag=st.booleans())
    def operate(self, action: str, flag: bool) -> None:
        more = {"probe": flag} if action == "monitor" else {"handover": flag}
        self.rig.operate(action, self.parameters, **more)

    @rule(back=st.integers(1, 3))
    def forget(self, back: int) -> None:
        self.rig.give(Forget(max(0, max(self.rig.done, default=1) + 2 - back)))

    @rule()
    def revoke(self) -> None:
        self.rig.give(Revoked("out of quorum"))

    @rule(ms=st.sampled_from([5, 500, 9000]))
    def a_stranger_answers(self, ms: int) -> None:
        self.rig.stranger_until = self.rig.now + ms * MS

    @rule(kind=st.sampled_from(["reply", "announcement", "probe", "advertisement"]), mac=st.binary(min_size=6, max_size=6))
    def heard(self, kind: str, mac: bytes) -> None:
        self.rig.give(NeighbourHeard("eth0", self.ip, mac, kind))

    @rule(
        more=st.sampled_from([{"carrier": False}, {"carrier": True, "is_up": True, "index": 2}, {"is_up": False}, {"index": 0}])
    )
    def the_link_changes(self, more: dict[str, bool | int]) -> None:
        self.rig.set_link(**more)

    @rule()
    def somebody_deletes_it(self) -> None:
        self.rig.delete()

    @rule(prefix=st.sampled_from([24, 32, 64]))
    def somebody_adds_it(self, prefix: int) -> None:
        self.rig.up[("eth0", self.ip, prefix)] = None
        self.rig.tell_network()

    @rule(ms=st.sampled_from([100, 1900, 2100, 60_000]))
    def frozen(self, ms: int) -> None:
        self.rig.frozen = True
        self.rig.run(ms * MS)
        self.rig.frozen = False
        self.rig.run(1 * MS)

    @rule(on=st.booleans())
    def the_kernel_refuses(self, on: bool) -> None:
        self.rig.deaf = on

    @rule(on=st.booleans())
    def doubted(self, on: bool) -> None:
        self.rig.give(Doubted(is_alone=on))

    @rule(on=st.booleans())
    def the_switch_fails(self, on: bool) -> None:
        self.rig.cut = on

    @rule(
        who=st.sampled_from([(), ((PEERS[0], PEER),), (("172.16.0.200", CLIENT),), ((PEERS[0], PEER), ("172.16.0.200", CLIENT))])
    )
    def who_is_there(self, who: tuple[tuple[str, bytes], ...]) -> None:
        self.rig.living = dict(who)
        self.rig.known = (*self.rig.known, *(Neighbour(ip, mac, 0) for ip, mac in who))[-20:]

    @precondition(lambda self: not self.rig.ips.held())
    @rule()
    def long_cut_off_it_holds_nothing(self) -> None:
        """A node that knows that it is cut off stays without the address, whatever it was asked before."""
        self.rig.give(Doubted(is_alone=True))
        self.rig.cut, self.rig.known = True, (Neighbour("172.16.0.200", CLIENT, 0),)
        self.rig.operate("start", self.parameters)
        self.rig.run(9 * S)
        assert not self.rig.ips.held()

    @rule()
    def healed(self) -> None:
        self.rig.give(Healed())

    @precondition(lambda self: self.rig.remembered)
    @rule()
    def reborn(self) -> None:
        reborn(self.rig)

    @invariant()
    def nothing_ours_outlives_the_evidence(self) -> None:
        if hasattr(self, "rig") and not self.rig.frozen and self.rig.ips.held():
            assert self.rig.now <= self.rig.until


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
