"""What the cluster asks of one failover IP: start, stop, monitor, forget, and adopt after a restart of the manager."""

from __future__ import annotations

from standfast.agents.ip.api import Ask, Done, Look, Operate, Pulsed, Remember, Watch
from standfast.agents.ip.conflicts import Conflicts, mac_text
from standfast.agents.ip.holder import DEGRADED, GENERIC, NOT_RUNNING, OK, ORPHAN_US, FailoverIp, Moment, Phase
from standfast.agents.ip.moves import ask, step
from standfast.agents.ip.parameters import Parameters
from standfast.agents.ip.placement import Place, copies, interface_of, own_copy, speaks_ethernet, trouble
from standfast.agents.ip.suspension import release
from standfast.base.ids import US_PER_MS, US_PER_S

EVIDENCE_WAIT_US = 10 * US_PER_S
"""A start may come a moment before the first pulse of its view, or on a starved node whose pulse has lapsed. A failed start bans
the node, so it is waited for as long as the operation's own time allows, up to this."""

MARGIN_US = US_PER_S
"""Left of the operation's time for the asking and the answer."""
ADOPTION_US_MAX = 5 * US_PER_S  # for an adopted address without a kernel lease


def start(one: FailoverIp, m: Moment, op: Operate, wanted: Parameters, place: Place) -> None:
    """Begin to take the address; answered at once when it is held already."""
    _supersede(one, "another start came")
    one.run, one.orphan_us = op.run, None
    if one.phase is Phase.HELD and one.place == place and own_copy(place, m.network):
        one.raw, one.wanted = op.parameters, wanted
        one.answer(OK, "")
        return
    # A copy of ours from a former life may end any moment; only one without an end proves that nobody else has the address.
    is_here = one.phase is Phase.STOPPED and any(copy.valid_s is None for copy in copies(place.ip, m.network))
    if one.phase in (Phase.TAKING, Phase.HELD):
        one.drop_all(m)  # another place than before
    if (reason := trouble(place, wanted, m.network)) and not m.outlooks.is_doubted:
        one.fail(reason)
        return
    one.raw, one.wanted, one.place, one.lease = op.parameters, wanted, place, None
    one.reason, one.readds, one.announcements, one.conflicts = "", (), None, Conflicts()
    interface = interface_of(place.interface, m.network)
    assert interface is not None
    one.is_sure, one.is_here = op.handover or not speaks_ethernet(interface), is_here
    one.phase, one.asking, one.wait_us = Phase.ASKING, None, m.now_us + _evidence_wait_us(op)
    one.dropping = ()
    one.out.append(Watch(place.interface, place.ip, on=True))
    if op.handover and speaks_ethernet(interface):
        one.out.append(Ask(place.interface, place.ip))  # a holder that should be gone would answer; see conflicts.py
    ask(one, m)


def stop(one: FailoverIp, m: Moment, run: int, ip: str | None) -> None:
    """Remove every copy of the address and answer when the kernel's picture shows none. `ip` as configured now, if readable.

    The answer says when there was nothing to remove: such a stop proves nothing about who else has the address (api.Done)."""
    _supersede(one, "the resource was stopped")
    one.run = run
    asked = {one.place.ip if one.place else "", ip or ""}
    had_it = one.lease is not None or any(copies(each, m.network) for each in asked if each)
    one.drop_all(m, ip)
    one.remark = "" if had_it else f"{ip or 'the address'} was not on this node"
    one.reason = ""
    one.await_proof(m)


def monitor(one: FailoverIp, m: Moment, op: Operate, wanted: Parameters) -> None:
    """Answer from the kernel's picture, and have it looked at again: the safety net of the netlink watch."""
    one.orphan_us = None
    if one.phase is Phase.SUSPENDED:
        _monitored_suspended(one, m, op)
        return
    here = copies(str(wanted.ip), m.network)
    if one.phase is Phase.HELD or (here and (op.probe or one.phase is Phase.ADOPTED)):
        _monitored(one, m, op)
        return
    if here and one.phase is Phase.STOPPED and not one.reason and m.is_entitled:
        _claim(one, m, op, wanted)
        one.out.append(Done(op.run, OK, "the address was here already; it is leased and watched from now on"))
        return
    one.out.append(Done(op.run, NOT_RUNNING, one.reason or f"{wanted.ip} is not on this node"))


def forget(one: FailoverIp, m: Moment, run: int) -> None:
    """Nobody waits for `run` any more; a start that has not finished is given up."""
    if one.run != run:
        return
    one.run = None
    if one.phase is Phase.ASKING:
        one.fail("the start took longer than its timeout")
    elif one.phase is Phase.TAKING:
        one.lose(m, "the start took longer than its timeout")


def adopt(one: FailoverIp, m: Moment, parameters: tuple[tuple[str, str], ...], wanted: Parameters, place: Place | None) -> None:
    """Our former life held the address; keep it if the kernel still does, once the evidence comes."""
    if one.phase is not Phase.STOPPED:
        return
    copy = next((c for c in copies(str(wanted.ip), m.network) if place is None or c.interface == place.interface), None)
    if copy is None or place is None:
        one.out.append(Remember(one.resource, None))
        return
    if own_copy(place, m.network) is None:
        place = Place(copy.interface, copy.ip, copy.prefix, place.broadcast, place.label, place.noprefixroute)
    one.raw, one.wanted, one.place, one.phase = parameters, wanted, place, Phase.ADOPTED
    one.wait_us = m.now_us + (ADOPTION_US_MAX if copy.valid_s is None else copy.valid_s * US_PER_S)
    one.orphan_us = m.now_us + ORPHAN_US
    one.reason, one.conflicts, one.has_looked = "", Conflicts(), False
    one.out.append(Watch(place.interface, place.ip, on=True))
    if m.is_entitled:
        step(one, m, Pulsed(m.until_us))


def _monitored(one: FailoverIp, m: Moment, op: Operate) -> None:
    """A monitor or probe that finds the address here."""
    if one.phase is not Phase.HELD or op.probe:
        one.out.append(Done(op.run, OK, ""))
        return
    assert one.wanted is not None
    if one.announcements is not None and one.wanted.arp_count_refresh:
        one.announcements = one.announcements.refreshed(one.wanted.arp_count_refresh)
    rival = one.conflicts.rival(m.now_us)
    one.out += (Look(), Done(op.run, OK, f"also claimed by {mac_text(rival)}" if rival else ""))


def _monitored_suspended(one: FailoverIp, m: Moment, op: Operate) -> None:
    """Degraded while the doubt lasts. After it, or when the cluster asks as if it knew nothing, it is simply not up."""
    if m.outlooks.is_doubted and not op.probe:
        one.out.append(Done(op.run, DEGRADED, one.reason))
        return
    one.out.append(Done(op.run, NOT_RUNNING, one.reason))
    release(one)


def _claim(one: FailoverIp, m: Moment, op: Operate, wanted: Parameters) -> None:
    """A monitor found the address though we never started it (a cluster that was taken over from IPaddr2's shell agent):
    it is ours to renew from now on."""
    copy = copies(str(wanted.ip), m.network)[0]
    one.raw, one.wanted, one.lease = op.parameters, wanted, None
    one.place = Place(copy.interface, copy.ip, copy.prefix, None, copy.label or None, wanted.noprefixroute)
    one.out.append(Watch(copy.interface, copy.ip, on=True))
    one.take(m)


def _evidence_wait_us(op: Operate) -> int:
    return max(MARGIN_US, min(EVIDENCE_WAIT_US, op.timeout_ms * US_PER_MS - MARGIN_US))


def _supersede(one: FailoverIp, reason: str) -> None:
    if one.run is not None:
        one.answer(GENERIC, reason)
