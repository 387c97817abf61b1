"""What happens to one failover IP: the table of (phase, event), one function for each pair that means something.

A pair that is not in MOVES has nothing to do, by design: a pulse does not concern an address that is stopped.
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.agents.ip import suspension
from standfast.agents.ip.api import (
    Ask,
    Changed,
    Denied,
    Doubted,
    Healed,
    IpInput,
    Look,
    NeighbourHeard,
    NetworkChanged,
    Pulsed,
    PutAddress,
    Surveyed,
    Tell,
    TimerFired,
    Watch,
)
from standfast.agents.ip.conflicts import mac_text
from standfast.agents.ip.holder import (
    CLAIMS,
    DENIED,
    DROP_AGAIN_US,
    DROPS_MAX,
    GENERIC,
    LOOK_AFTER_US,
    OK,
    READDS_MAX,
    FailoverIp,
    Moment,
    Phase,
)
from standfast.agents.ip.outlook import Sight
from standfast.agents.ip.placement import copies, own_copy, trouble
from standfast.agents.ip.takeover import Asking, Verdict
from standfast.base.ids import US_PER_S
from standfast.base.report import error, notice, warning

TAKING_US_MAX = US_PER_S
READDS_WINDOW_US = 10 * US_PER_S


def step(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """Apply an event that may concern this address."""
    move = MOVES.get((one.phase, type(event)))
    if move is not None:
        move(one, m, event)


def ask(one: FailoverIp, m: Moment) -> None:
    """ASKING: ask when a probe is due, take when all is silent; nothing at all without evidence."""
    assert one.place is not None
    assert one.wanted is not None
    if reason := trouble(one.place, one.wanted, m.network):
        _trouble(one, m, reason)
    elif m.outlooks.sight(one.place.interface) is Sight.CUT_OFF:
        one.suspend(m, m.outlooks.why(one.place.interface))
    elif not m.is_entitled:
        one.asking = None  # a silence that is old by the time the evidence comes proves nothing
        if m.now_us >= one.wait_us:
            one.fail("the cluster layer does not confirm this node's membership, so it may hold nothing")
    elif one.is_sure or (one.is_here and copies(one.place.ip, m.network)):
        one.take(m)
    elif m.outlooks.is_settling(one.place.interface):
        one.suspend(m, f"the link of {one.place.interface} has just come up and nobody answers there yet")
    else:
        if one.asking is None:
            one.asking = Asking.begin(m.now_us, one.wanted.lease_s)
        verdict = one.asking.verdict(m.now_us)
        if verdict is Verdict.ASK:
            one.asking = one.asking.asked(m.now_us)
            one.out.append(Ask(one.place.interface, one.place.ip))
        elif verdict is Verdict.CLEAR:
            one.take(m)
        elif verdict is Verdict.TAKEN:
            _refuse_taken(one, m)


def _trouble(one: FailoverIp, m: Moment, reason: str) -> None:
    """The interface cannot serve the address. The cluster moves it at once, unless this node is alone: then there is nowhere to
    go, and nobody who would clear its failures when the link comes back."""
    if m.outlooks.is_doubted:
        one.suspend(m, reason)
    else:
        one.lose(m, reason)


def _refuse_taken(one: FailoverIp, m: Moment) -> None:
    assert one.asking is not None
    assert one.place is not None
    assert one.asking.answered_us is not None
    held_s = (m.now_us - one.asking.answered_us) / US_PER_S
    mac = mac_text(one.asking.mac)
    one.fail(
        f"{one.place.ip} is in use by {mac}: a stranger on {one.place.interface} still answers for it after {held_s:.1f} s, "
        f"longer than any lease of this cluster lives (find it: ip neigh | grep {mac}, or that MAC in the switch's table)",
    )


def _asking_heard(one: FailoverIp, m: Moment, event: IpInput) -> None:
    assert isinstance(event, NeighbourHeard)
    assert one.place is not None
    if one.asking is not None and event.ip == one.place.ip and one.heeds(m, event):
        one.asking = one.asking.answered(m.now_us, event.mac)


def _asking_event(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    ask(one, m)


def _taking_network_changed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    assert one.place is not None
    assert one.wanted is not None
    if reason := trouble(one.place, one.wanted, m.network):
        _trouble(one, m, reason)
        return
    copy = own_copy(one.place, m.network)
    if copy is None or "tentative" in copy.flags:
        return
    if "dadfailed" in copy.flags:
        one.lose(m, f"the kernel found {one.place.ip} in use on {one.place.interface} (duplicate address detection)")
        return
    one.phase = Phase.HELD
    one.begin_announcing(m)
    if one.run is not None:
        one.answer(OK, "")
    elif one.reason:  # it was suspended
        one.out.append(Tell(notice("ip.resumed", f"{one.place.ip} is back on {one.place.interface}", where=one.resource)))
        one.out.append(Changed(one.resource, OK, ""))
    one.reason = ""


def _taking_timer(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    assert one.place is not None
    if m.now_us < one.wait_us:
        return
    if not one.has_looked:
        one.has_looked, one.wait_us = True, m.now_us + TAKING_US_MAX - LOOK_AFTER_US
        one.out.append(Look())
        return
    one.lose(m, f"{one.place.ip} does not appear on {one.place.interface}, though the kernel did not refuse it")


def _denied(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """A put that was refused ends what it was for; a question that could not be asked makes silence worthless."""
    assert isinstance(event, Denied)
    if isinstance(event.effect, PutAddress | Ask | Watch):
        one.lose(m, event.reason, DENIED if event.is_permission else GENERIC)


def _held_denied(one: FailoverIp, m: Moment, event: IpInput) -> None:
    assert isinstance(event, Denied)
    if isinstance(event.effect, PutAddress):
        one.lose(m, event.reason)


def _held_network_changed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    assert one.place is not None
    assert one.wanted is not None
    if reason := trouble(one.place, one.wanted, m.network):
        _trouble(one, m, reason)
        return
    if own_copy(one.place, m.network) is not None:
        return
    recent = tuple(at for at in one.readds if m.now_us - at < READDS_WINDOW_US)
    if len(recent) >= READDS_MAX:
        window_s = READDS_WINDOW_US // US_PER_S
        times = f"{len(recent) + 1} times in {window_s} s"
        one.lose(m, f"something keeps deleting {one.place.ip} from {one.place.interface}: {times}")
        return
    one.readds = (*recent, m.now_us)
    _say_deleted(one, len(one.readds))
    one.put(m)
    one.begin_announcing(m)


def _say_deleted(one: FailoverIp, times: int) -> None:
    assert one.place is not None
    what = f"{one.place.ip} was deleted from {one.place.interface} by somebody else; put back at once ({times} in 10 s)"
    remedy = "ip monitor address shows it happen; look for a network manager that does not know the address"
    one.out.append(Tell(warning("ip.deleted", what, "", remedy, one.resource)))


def _held_pulsed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    assert one.place is not None
    if not m.is_entitled:
        return
    assert one.lease is not None
    if one.lease.lease_s:
        one.put(m)


def _held_heard(one: FailoverIp, m: Moment, event: IpInput) -> None:
    assert isinstance(event, NeighbourHeard)
    assert one.place is not None
    if event.kind not in CLAIMS or event.ip != one.place.ip:
        return
    if suspension.yields(one, m, event):
        one.suspend(m, f"another node of this cluster ({mac_text(event.mac)}) holds {one.place.ip} too and goes first")
        return
    one.conflicts, claim = one.conflicts.heard(m.now_us, event.mac)
    if claim.defend:
        one.announce(m)
    what = f"{one.place.ip}, which this node holds, is also claimed by {mac_text(event.mac)} on {one.place.interface}"
    remedy = f"find that host: ip neigh | grep {mac_text(event.mac)}, or that MAC in the switch's table"
    if claim.is_first:
        one.out.append(Tell(warning("ip.claimed", what, "defended by an announcement", remedy, one.resource)))
    elif claim.report:
        one.out.append(Tell(error("ip.conflict", what, "it goes on after our defence", remedy, one.resource)))


def _held_healed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    one.begin_announcing(m)


def _held_timer(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    if one.announcements is not None and m.now_us >= one.announcements.due_us:
        one.announcements = one.announcements.announced(m.now_us)
        one.announce(m)


def _adopted_pulsed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    """Evidence at last. The kernel may have ended the lease a moment ago, so look before renewing what may be gone."""
    if m.is_entitled and not one.has_looked:
        one.has_looked = True
        one.out.append(Look())


def _adopted_network_changed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    assert one.place is not None
    assert one.wanted is not None
    if not own_copy(one.place, m.network):
        one.lose(m, "the kernel's lease ended before this node's membership was confirmed")
    elif reason := trouble(one.place, one.wanted, m.network):
        _trouble(one, m, reason)
    elif one.has_looked and m.is_entitled:
        one.phase, one.lease = Phase.HELD, None
        one.put(m)
        one.begin_announcing(m)
        one.out.append(Tell(notice("ip.adopted", f"{one.place.ip} was still up and is kept", where=one.resource)))
    else:
        one.has_looked = False


def _dropping_network_changed(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    left = one.left(m)
    if not left:
        one.gone(OK, "")
    elif one.drops == 1:  # a copy that the picture did not show yet: no need to wait
        _drop_again(one, m)


def _drop_again(one: FailoverIp, m: Moment) -> None:
    one.drops, one.wait_us = one.drops + 1, m.now_us + DROP_AGAIN_US
    one.out += (*one.left(m), Look())


def _dropping_timer(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    if m.now_us < one.wait_us:
        return
    if one.drops < DROPS_MAX:
        _drop_again(one, m)
        return
    left = one.left(m)
    where = ", ".join(f"{copy.ip}/{copy.prefix} on {copy.interface}" for copy in left) or "the kernel's picture did not come"
    one.gone(
        GENERIC,
        f"removed {one.drops} times and still there: {where}; somebody adds it again (ip monitor address shows when; look at "
        "NetworkManager, systemd-networkd, keepalived and the host's own configuration)",
    )


Move = Callable[[FailoverIp, Moment, IpInput], None]
MOVES: dict[tuple[Phase, type[IpInput]], Move] = {
    (Phase.ADOPTED, Pulsed): _adopted_pulsed,
    (Phase.ADOPTED, NetworkChanged): _adopted_network_changed,
    (Phase.ADOPTED, Surveyed): suspension.survey_heard,
    (Phase.ASKING, TimerFired): _asking_event,
    (Phase.ASKING, Pulsed): _asking_event,
    (Phase.ASKING, NetworkChanged): _asking_event,
    (Phase.ASKING, NeighbourHeard): _asking_heard,
    (Phase.ASKING, Denied): _denied,
    (Phase.ASKING, Surveyed): suspension.survey_heard,
    (Phase.TAKING, NetworkChanged): _taking_network_changed,
    (Phase.TAKING, TimerFired): _taking_timer,
    (Phase.TAKING, Denied): _denied,
    (Phase.TAKING, Surveyed): suspension.survey_heard,
    (Phase.HELD, NetworkChanged): _held_network_changed,
    (Phase.HELD, NeighbourHeard): _held_heard,
    (Phase.HELD, Pulsed): _held_pulsed,
    (Phase.HELD, Healed): _held_healed,
    (Phase.HELD, TimerFired): _held_timer,
    (Phase.HELD, Denied): _held_denied,
    (Phase.HELD, Surveyed): suspension.survey_heard,
    (Phase.HELD, Doubted): suspension.held_doubted,
    (Phase.SUSPENDED, NetworkChanged): suspension.network_changed,
    (Phase.SUSPENDED, NeighbourHeard): suspension.heard,
    (Phase.SUSPENDED, Surveyed): suspension.resume,
    (Phase.SUSPENDED, Pulsed): suspension.resume,
    (Phase.SUSPENDED, TimerFired): suspension.resume,
    (Phase.SUSPENDED, Doubted): suspension.doubted,
    (Phase.SUSPENDED, Denied): suspension.denied,
    (Phase.DROPPING, NetworkChanged): _dropping_network_changed,
    (Phase.DROPPING, TimerFired): _dropping_timer,
}
