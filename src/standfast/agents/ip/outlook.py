"""Is this node the one that is cut off? What each interface can tell of it while another part of the cluster may be acting.

A node whose view holds no majority cannot know whether the others died or whether it is itself that nobody reaches, and
no-quorum-policy=ignore lets it go on. Only the network can tell: while in doubt, each interface with an address is surveyed, by
ARP and neighbour solicitation, which every host and gateway answers whatever its firewall says of ICMP.

* Somebody answers: not cut off.
* Nobody answers for the whole window, though neighbours were there in the last minutes: cut off. The address is of no use to
  anybody here, and a danger on the day the cut heals.
* Nobody answers, and nobody but the cluster's own nodes was ever there: no evidence either way, for their silence is what the
  doubt is about. The address stays, but unseen: at the first sign of life it is asked for (moves.py), as if it were new.
* The link came back a moment ago: the switch may not forward yet, and the kernel has forgotten who was there. Silence proves
  nothing then, of the address neither; only an answer does. Such a link is surveyed in doubt or not, until somebody answers, or
  it would stand in a survivor's way in the next doubt.

Owns: who is asked when, who counts as a witness, the verdict. Does not own: what becomes of an address (suspension.py), sending.
Invariant (`check`): nothing is known while there is no doubt, of settled links; a cluster's node is no witness; all is bounded.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum, auto
from ipaddress import ip_address, ip_network

from standfast.agents.ip.api import NEIGHBOURS_MAX, NetworkState, Survey, Surveyed
from standfast.agents.ip.placement import interface_of
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S

WINDOW_MS = 1_000
"""The first question takes this long to be found unanswered: four frames, and a busy neighbour's second to answer one."""

AGAIN_MS = 300
"""Where nobody answered, the next question follows at once and has this long."""

SILENT_MS = 160
"""The same where nobody ever was. An address is up there, and when a cut heals it must go before a client learns of it."""

COMPANY_US = 2 * US_PER_S
"""Where somebody answered, the next question comes this much later: a cut may follow the death of a peer."""

RETRY_US = US_PER_S
"""After a question that could not be asked."""

WITNESS_S_MAX = 600
"""Whoever spoke with this host this recently should answer now. Wrong only where everybody left meanwhile: then nobody misses
the address, and the first who comes and asks for it gets it back."""

SETTLING_US = 35 * US_PER_S
"""How long a switch's port may pass nothing after its carrier came: listening and learning, 15 s each (802.1D, Forward Delay),
and what detecting the link takes at both ends."""

NAMES_SHOWN_MAX = 4


class Sight(Enum):
    """What is known of one interface."""

    UNKNOWN = auto()  # not in doubt, or the first survey is under way
    COMPANY = auto()  # somebody answers
    SILENT = auto()  # nobody answers, nor ever did, the cluster's own nodes apart
    CUT_OFF = auto()  # nobody answers any more


_WINDOWS_MS = {Sight.SILENT: SILENT_MS, Sight.CUT_OFF: AGAIN_MS}


@dataclass(slots=True)
class Outlook:
    """One interface. `witnesses` were there; `due_us` is when it is to be surveyed next, `is_asked` that it is being surveyed."""

    due_us: int
    sight: Sight = Sight.UNKNOWN
    is_asked: bool = False
    witnesses: tuple[str, ...] = ()


@dataclass(slots=True)
class Outlooks:
    """See the module. `peers` are the addresses of the cluster's other nodes."""

    peers: tuple[str, ...] = ()
    is_doubted: bool = False
    _by_interface: dict[str, Outlook] = field(default_factory=dict)
    _peer_macs: dict[str, bytes] = field(default_factory=dict)
    _back_us: dict[str, int] = field(default_factory=dict)
    """When the carrier came back, of the interfaces that this host has now and on which nobody has answered since."""

    def doubt(self, *, is_alone: bool) -> None:
        """The controller's word; every doubt begins from nothing."""
        if is_alone != self.is_doubted:
            self.is_doubted = is_alone
            self._by_interface.clear()

    def due(self, now_us: int, interfaces: tuple[str, ...], network: NetworkState) -> tuple[Survey, ...]:
        """The surveys to begin now, on these interfaces with addresses, and where links settle."""
        for name in [name for name, back_us in self._back_us.items() if now_us - back_us >= SETTLING_US]:
            self._settled(name)
        out = []
        for name in self._wanted(interfaces, network):
            one = self._by_interface.setdefault(name, Outlook(now_us))
            if not one.is_asked and now_us >= one.due_us:
                one.is_asked = True
                ips = (*one.witnesses, *self._peers_on(name, network))[:NEIGHBOURS_MAX]
                out.append(Survey(name, ips, _WINDOWS_MS.get(one.sight, WINDOW_MS) if self.is_doubted else WINDOW_MS))
        return tuple(out)

    def _wanted(self, interfaces: tuple[str, ...], network: NetworkState) -> tuple[str, ...]:
        """Where it matters who is there: under an address in doubt; on a link that settles, where other nodes are to be seen."""
        settling = (name for name in self._back_us if self._peers_on(name, network))
        return tuple(dict.fromkeys((*(interfaces if self.is_doubted else ()), *settling)))

    def next_us(self, interfaces: tuple[str, ...], network: NetworkState) -> int | None:
        """When one of these interfaces is to be surveyed next."""
        wanted = self._wanted(interfaces, network)
        waiting = (one for name, one in self._by_interface.items() if name in wanted and not one.is_asked)
        return min((one.due_us for one in waiting), default=None)

    def surveyed(self, now_us: int, event: Surveyed, addresses: tuple[str, ...]) -> None:
        """Judge. `addresses` are the failover IPs of this node, which are no neighbours."""
        for seen in event.known:
            if seen.ip in self.peers:
                self._peer_macs[seen.ip] = seen.mac
        one = self._by_interface.get(event.interface)
        if one is None or not one.is_asked:
            return  # of an earlier doubt
        one.is_asked = False
        macs = tuple(self._peer_macs.values())
        recent = sorted((seen for seen in event.known if seen.age_s <= WITNESS_S_MAX), key=lambda seen: seen.age_s)
        there = (*event.answered, *one.witnesses, *(seen.ip for seen in recent if seen.mac not in macs))
        strangers = dict.fromkeys(ip for ip in there if ip not in self.peers and ip not in addresses)
        one.witnesses = tuple(strangers)[:NEIGHBOURS_MAX]
        if event.answered:
            one.sight, one.due_us = Sight.COMPANY, now_us + COMPANY_US
            self._settled(event.interface)
        else:
            one.sight, one.due_us = Sight.CUT_OFF if one.witnesses else Sight.SILENT, now_us

    def failed(self, now_us: int, interface: str) -> None:
        """The question could not be asked: no verdict."""
        one = self._by_interface.get(interface)
        if one is not None:
            one.is_asked, one.due_us = False, now_us + RETRY_US

    def renew(self, now_us: int, before: NetworkState, state: NetworkState) -> None:
        """What was seen through a link that has gone, or come back, is old; a survey under way is replaced by another. Who was
        there is remembered."""
        for link in state.interfaces:
            old = interface_of(link.name, before)
            if old is not None and (old.is_up, old.carrier) == (link.is_up, link.carrier):
                continue
            self._settled(link.name)
            if old is not None and link.is_up and link.carrier:
                self._back_us[link.name] = now_us
            one = self._by_interface.get(link.name)
            if one is not None:
                one.sight, one.due_us, one.is_asked = Sight.UNKNOWN, now_us, False
        for name in [name for name in self._back_us if interface_of(name, state) is None]:
            self._settled(name)

    def is_settling(self, interface: str) -> bool:
        """Whether, in a doubt, silence proves nothing yet: the link came back a moment ago, and nobody has answered since."""
        return self.is_doubted and interface in self._back_us

    def _settled(self, interface: str) -> None:
        self._back_us.pop(interface, None)
        if not self.is_doubted:
            self._by_interface.pop(interface, None)

    def sight(self, interface: str) -> Sight:
        """The verdict on an interface."""
        one = self._by_interface.get(interface)
        return one.sight if one is not None and self.is_doubted else Sight.UNKNOWN

    def is_peer(self, mac: bytes) -> bool:
        """Whether a MAC is known to be another node's of this cluster."""
        return mac in self._peer_macs.values()

    def has_peer(self, answered: tuple[str, ...]) -> bool:
        """Whether another node of this cluster is among those who answered."""
        return any(ip in self.peers for ip in answered)

    def why(self, interface: str) -> str:
        """The verdict CUT_OFF as a sentence."""
        witnesses = self._by_interface[interface].witnesses
        names = ", ".join(witnesses[:NAMES_SHOWN_MAX]) + (", ..." if len(witnesses) > NAMES_SHOWN_MAX else "")
        return f"this node is cut off on {interface}: nobody answers there any more, neither {names} nor another node"

    def check(self) -> None:
        """The class's invariants; raises AssertionError."""
        assert self.is_doubted or self._by_interface.keys() <= self._back_us.keys(), self._by_interface
        assert len(self._peer_macs) <= len(self.peers), self._peer_macs
        for one in self._by_interface.values():
            assert len(one.witnesses) <= NEIGHBOURS_MAX, one
            assert not set(one.witnesses) & set(self.peers), one
            assert one.sight is not Sight.CUT_OFF or one.witnesses, one

    def _peers_on(self, interface: str, network: NetworkState) -> tuple[str, ...]:
        """The nodes that share a network with this host on the interface."""
        networks = [ip_network(route.network) for route in network.routes if route.interface == interface]
        return tuple(ip for ip in self.peers if any(ip_address(ip) in reached for reached in networks))
