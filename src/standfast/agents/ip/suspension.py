"""Suspended: the address is given up for now, on a node that is alone and cut off, and comes back by itself.

The cluster cannot help such a node (nobody else would hear of it), so nothing is failed in its eyes: the resource is degraded,
which `crm status` shows with the reason. What ends it: a sign of life in the same doubt (then the address is asked for as by any
start), the cluster's own word (start, stop, probe), or the end of the doubt, after which the cluster decides alone.
"""

from __future__ import annotations

from standfast.agents.ip.api import Ask, Changed, Denied, Doubted, IpInput, Look, NeighbourHeard, Remember, Surveyed, Tell, Watch
from standfast.agents.ip.conflicts import mac_text
from standfast.agents.ip.holder import DROPS_MAX, NOT_RUNNING, FailoverIp, Moment, Phase
from standfast.agents.ip.outlook import Sight
from standfast.agents.ip.placement import copies, interface_of, speaks_ethernet, trouble
from standfast.agents.ip.takeover import Asking, Verdict
from standfast.base.ids import US_PER_S
from standfast.base.report import error

RELEASED_US = 5 * US_PER_S
"""After the doubt: how long the cluster may take to ask again, before it is told that the address is not up here."""

PAUSE_US = US_PER_S
"""Before an address that somebody else holds is asked for again."""


def survey_heard(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """A verdict on the interface of an address that is up, going up or asked for."""
    assert isinstance(event, Surveyed)
    assert one.place is not None
    if event.interface != one.place.interface:
        return
    sight = m.outlooks.sight(one.place.interface)
    if sight is Sight.CUT_OFF:
        one.suspend(m, m.outlooks.why(one.place.interface))
    elif sight is Sight.SILENT:
        one.silent_us = m.now_us
    elif one.phase is Phase.HELD and (one.is_unseen(m) or m.outlooks.has_peer(event.answered)):
        # A sign of life after silence, or another node within reach though in no view with us: perhaps a cut heals. Whoever has
        # the address on the other side answers now (and see `yields`).
        one.out.append(Ask(one.place.interface, one.place.ip))


def held_doubted(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    """The doubt is over, and nobody could see until a moment ago that this node has the address: whoever had it on the other side
    of the cut keeps it, and the cluster finds it gone here."""
    if not m.outlooks.is_doubted and one.is_unseen(m):
        one.suspend(m, "it was held here unseen while the cluster was cut in two, and may be held elsewhere")
        one.wait_us = m.now_us + RELEASED_US


def yields(one: FailoverIp, m: Moment, event: NeighbourHeard) -> bool:
    """Another node of this cluster holds the address too: a cut heals. Who gives way before the views have met? Whoever held it
    unseen; else the higher MAC, as between two that ask (moves.py). A stranger's claim is never given way to."""
    assert one.place is not None
    interface = interface_of(one.place.interface, m.network)
    if not m.outlooks.is_doubted or interface is None or not m.outlooks.is_peer(event.mac):
        return False
    return one.is_unseen(m) or event.mac < interface.mac


def resume(one: FailoverIp, m: Moment, _event: IpInput) -> None:
    """Ask for the address when there is reason to, and take it when all is silent."""
    assert one.place is not None
    assert one.wanted is not None
    if not m.outlooks.is_doubted:
        if one.wait_us and m.now_us >= one.wait_us:
            reason = one.reason
            release(one)
            one.out.append(Changed(one.resource, NOT_RUNNING, reason))
        return
    if m.now_us >= one.wait_us:
        one.wait_us = 0
    if not m.is_entitled or not _is_reachable(one, m):
        one.asking = None
        return
    if one.wait_us:
        return
    if one.asking is None:
        one.asking = Asking.begin(m.now_us, one.wanted.lease_s)
    verdict = one.asking.verdict(m.now_us)
    if verdict is Verdict.ASK:
        one.asking = one.asking.asked(m.now_us)
        one.out.append(Ask(one.place.interface, one.place.ip))
    elif verdict is Verdict.CLEAR:
        one.take(m)
    elif verdict is Verdict.TAKEN:
        one.reason = f"{one.place.ip} is in use by {mac_text(one.asking.mac)} on {one.place.interface}"
        one.asking, one.wait_us = None, m.now_us + PAUSE_US


def _is_reachable(one: FailoverIp, m: Moment) -> bool:
    """Whether the interface can serve the address, and nothing says that it is cut off."""
    assert one.place is not None
    assert one.wanted is not None
    interface = interface_of(one.place.interface, m.network)
    if interface is None or trouble(one.place, one.wanted, m.network):
        return False
    if not speaks_ethernet(interface):
        return True
    is_settled = not m.outlooks.is_settling(one.place.interface)
    return is_settled and m.outlooks.sight(one.place.interface) in (Sight.COMPANY, Sight.SILENT)


def network_changed(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """The picture shows whether the address has gone; one that comes back is removed again, a few times."""
    assert one.place is not None
    if left := copies(one.place.ip, m.network):
        one.drops += 1
        if one.drops <= DROPS_MAX:
            one.out += (*one.drop_copies(m), Look())
        elif one.drops == DROPS_MAX + 1:
            where = ", ".join(f"{copy.ip}/{copy.prefix} on {copy.interface}" for copy in left)
            one.out.append(Tell(error("ip.stuck", "the address cannot be removed", where, where=one.resource)))
        return
    one.drops = 1
    resume(one, m, event)


def heard(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """Somebody has the address, or is about to take it."""
    assert isinstance(event, NeighbourHeard)
    if one.asking is not None and one.heeds(m, event):
        one.asking = one.asking.answered(m.now_us, event.mac)


def denied(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """A question that could not be asked makes silence worthless."""
    assert isinstance(event, Denied)
    if isinstance(event.effect, Ask):
        one.asking, one.wait_us = None, m.now_us + PAUSE_US


def doubted(one: FailoverIp, m: Moment, event: IpInput) -> None:
    """The doubt is over (or begins again): the cluster decides from now on."""
    assert isinstance(event, Doubted)
    one.asking, one.wait_us = None, 0 if event.is_alone else m.now_us + RELEASED_US


def release(one: FailoverIp) -> None:
    """Nothing is suspended any more; nothing is up either."""
    assert one.place is not None
    one.out += (Watch(one.place.interface, one.place.ip, on=False), Remember(one.resource, None))
    one.clear()
    one.phase, one.reason = Phase.STOPPED, ""
