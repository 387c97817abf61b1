"""What has to change in the cloud: the wish against what was seen. Pure comparison; one batch of changes at a time.

`plan` gives the changes that can be made now, all at once; when they are made, it is asked again with what is seen then, until
there are none. So the order (an address gets its port before anybody gets its pair; a port of ours goes last) follows from the
state, and a round that was cut off anywhere is continued by the next one.

Whose is a pair? Foreign pairs stay. An address of the wish is ours to add; one is removed only where a VIP port of ours
(device_owner `standfast:vip`, device_id this cluster) says that the address was ours and the pair was not there before us: pairs
that were found when the port was made are noted in its description (`kept ...`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from ipaddress import ip_network

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, error, warning
from standfast.openstack.model import VIP_OWNER, FixedIp, Pair, Port, Subnet, is_single
from standfast.openstack.wish import AddressWish, Mode, NodeWish, Wish

KEPT_WORD = "kept"
KEPT_CHARS = 8
DESCRIPTION_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Mark:
    """What mode fenced leaves in the description of a port: who has severed it, whether it was set down for that, and a number
    that differs each time (a write that changes nothing makes no new revision)."""

    by: str
    is_down: bool = False
    number: int = 0

    def __str__(self) -> str:
        """As it is written."""
        return f"[standfast fenced{' down' if self.is_down else ''} by {self.by} {self.number}]"


_MARK = re.compile(r" ?\[standfast fenced( down)? by ([^\]\s]{1,180}) (\d{1,18})\]")


def mark_of(port: Port) -> Mark | None:
    """The mark on a port."""
    found = _MARK.search(port.description)
    return Mark(found[2], found[1] is not None, int(found[3])) if found else None


def unmarked(description: str) -> str:
    """A description without marks."""
    return _MARK.sub("", description)


_HAS = re.compile(r" ?\[standfast has ([0-9A-Fa-f.:]{2,45})\]")


def had_by(port: Port) -> tuple[str, ...]:
    """Addresses that mode exclusive made this port's own, as its description tells a coordinator that was not there."""
    return tuple(dict.fromkeys(_HAS.findall(port.description)))


def _noted(description: str, has: list[str]) -> str:
    """A description that says so; what does not fit is left out, and what somebody else wrote is cut for it."""
    words = ""
    for ip in has:
        word = f" [standfast has {ip}]"
        words += word if len(words) + len(word) <= DESCRIPTION_CHARS_MAX else ""
    return (_HAS.sub("", description)[: DESCRIPTION_CHARS_MAX - len(words)] + words).strip()


@dataclass(slots=True)
class Seen:
    """What was read. `ports` are those of the nodes, by id; `of_node` says whose they are; `vips` are all ports that have an
    address of the wish as a fixed one; `leftovers` are VIP ports of ours that no wish names; `departed` are ports of nodes that
    are gone."""

    ports: dict[str, Port] = field(default_factory=dict)
    of_node: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subnets: tuple[Subnet, ...] = ()
    vips: dict[str, tuple[Port, ...]] = field(default_factory=dict)
    leftovers: tuple[Port, ...] = ()
    departed: tuple[Port, ...] = ()
    given: tuple[str, ...] = ()

    def ports_of(self, node: str, network: str) -> tuple[Port, ...]:
        """A node's ports in a network."""
        found = [self.ports[own] for own in self.of_node.get(node, ()) if own in self.ports]
        return tuple(port for port in found if port.network == network)

    def node_of(self, port: str) -> str:
        """Whose port it is, "" for nobody's of ours."""
        return next((node for node, ports in self.of_node.items() if port in ports), "")

    def replace(self, port: Port) -> None:
        """A port as the answer to a write shows it."""
        if port.id in self.ports:
            self.ports[port.id] = port
        self.departed = tuple(port if old.id == port.id else old for old in self.departed)
        for ip in port.addresses:
            others = tuple(old for old in self.vips.get(ip, ()) if old.id != port.id)
            self.vips[ip] = (*others, port)
        for ip, having in list(self.vips.items()):
            if ip not in port.addresses:
                self.vips[ip] = tuple(old for old in having if old.id != port.id)

    def remove(self, own: str) -> None:
        """A port that is gone."""
        self.ports.pop(own, None)
        self.leftovers = tuple(port for port in self.leftovers if port.id != own)
        for ip, having in list(self.vips.items()):
            self.vips[ip] = tuple(port for port in having if port.id != own)


@dataclass(frozen=True, slots=True)
class Home:
    """The network of an address. `has_subnet`: the address can have a port of its own there."""

    network: str
    has_subnet: bool


@dataclass(frozen=True, slots=True)
class MakeVip:
    """Give an address its own port."""

    address: AddressWish
    network: str
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A VIP port that was made without a cluster becomes this cluster's."""

    address: AddressWish
    port: Port


@dataclass(frozen=True, slots=True)
class SetPort:
    """Write a node's port: the whole list of pairs, of fixed addresses, or both. `gives` and `takes` are the addresses in
    question. `mark` is one of mode fenced that goes with it (severing.py), and the port is up again where it was set down."""

    node: str
    port: Port
    pairs: tuple[Pair, ...] | None
    fixed_ips: tuple[FixedIp, ...] | None
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    mark: Mark | None = None

    @property
    def description(self) -> str | None:
        """What the port's description becomes; None where it stays as it is."""
        text = self.port.description if self.mark is None else unmarked(self.port.description)
        if self.fixed_ips is not None:
            own = [fixed.ip for fixed in self.fixed_ips]
            text = _noted(text, [ip for ip in dict.fromkeys((*had_by(self.port), *self.gives)) if ip in own])
        return None if text == self.port.description else text


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a VIP port of ours. `reason` is for the log."""

    port: Port
    reason: str


Action = MakeVip | Claim | SetPort | Drop


@dataclass(frozen=True, slots=True)
class Trouble:
    """What cannot be made right: for one address on one node ("" is all of them)."""

    address: str
    node: str
    report: Report

    @property
    def key(self) -> tuple[str, str]:
        """What it is about."""
        return self.address, self.node


@dataclass(slots=True)
class Plan:
    """The next changes, and what stands in the way of others."""

    actions: list[Action] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


def plan(wish: Wish, seen: Seen, blocked: Iterable[tuple[str, str]] = ()) -> Plan:
    """The changes that can be made now. `blocked` are (address, node) that were refused and are left alone this time."""
    made = Plan()
    skip = frozenset(blocked)
    wanted: dict[str, list[AddressWish]] = {}
    for item in wish.addresses:
        if (item.address, "") in skip:
            continue
        home = home_of(item, wish, seen)
        if home is None:
            made.troubles.append(Trouble(item.address, "", _homeless(item, wish, seen)))
            continue
        if home.has_subnet and is_single(item.address) and not _has_port(made, wish, seen, item, home):
            continue
        wanted.setdefault(home.network, []).append(item)
    if not made.actions:  # else the ports would be written twice
        _set_ports(made, wish, seen, wanted, skip)
        _clear_away(made, wish, seen)
        _unmark(made, wish, seen, skip)
    return made


def home_of(item: AddressWish, wish: Wish, seen: Seen) -> Home | None:
    """The network where an address belongs: the one of the nodes' ports whose subnet has it (on the named card, if one is named);
    where no subnet has it, the only network that the nodes have."""
    networks: dict[str, int] = {}
    for node in wish.nodes:
        macs = {nic.mac for nic in node.nics if nic.name == item.nic} if item.nic else set()
        for own in seen.of_node.get(node.name, ()):
            port = seen.ports.get(own)
            if port is not None and (not macs or port.mac in macs):
                networks[port.network] = networks.get(port.network, 0) + 1
    inner = ip_network(item.address)
    inside = [s.network for s in seen.subnets if s.cidr.version == inner.version and inner.subnet_of(s.cidr)]  # type: ignore[arg-type]
    fitting = [network for network in networks if network in inside]
    if fitting:
        return Home(max(fitting, key=lambda network: (networks[network], network)), has_subnet=True)
    return Home(next(iter(networks)), has_subnet=False) if len(networks) == 1 else None


def kept_of(description: str) -> tuple[str, ...]:
    """The beginnings of the ids of ports whose pair was there before us."""
    _, found, rest = description.partition(f"; {KEPT_WORD} ")
    return tuple(rest.split()) if found else ()


def description_of(item: AddressWish, kept: tuple[str, ...]) -> str:
    """The text that a VIP port of ours carries."""
    text = f"Standfast: failover IP {item.resource or item.address}"[:100]
    if kept:
        text += f"; {KEPT_WORD} " + " ".join(own[:KEPT_CHARS] for own in kept)
    return text[:DESCRIPTION_CHARS_MAX]


def is_ours(port: Port, cluster: str) -> bool:
    """Whether this cluster made the port for an address."""
    return port.owner == VIP_OWNER and port.device in (cluster, "")


def own_port(item: str, seen: Seen, network: str = "") -> Port | None:
    """The unbound port that has an address for itself."""
    fitting = [p for p in seen.vips.get(item, ()) if p.id not in seen.ports and network in ("", p.network)]
    return fitting[0] if fitting else None


# ---- an address and its port ------------------------------------------------------------------------------------------


def _has_port(made: Plan, wish: Wish, seen: Seen, item: AddressWish, home: Home) -> bool:
    """Whether pairs (or fixed addresses) may be given: the address is reserved for us. Plans what makes it so."""
    port = own_port(item.address, seen, home.network)
    if port is None:
        holding = [p for p in seen.vips.get(item.address, ()) if p.id in seen.ports and p.network == home.network]
        if holding:
            return wish.mode is Mode.EXCLUSIVE or _may_leave(made, seen, item, holding[0])
        if wish.mode is Mode.EXCLUSIVE and item.holder:
            return True
        everywhere = [p for node in wish.nodes for p in seen.ports_of(node.name, home.network)]
        kept = tuple(p.id for p in everywhere if p.allows(item.address))
        made.actions.append(MakeVip(item, home.network, kept))
        return False
    if port.owner == VIP_OWNER and port.device == "" and wish.cluster:
        made.actions.append(Claim(item, port))
    elif not is_ours(port, wish.cluster) and (port.owner or port.device):
        made.troubles.append(Trouble(item.address, "", _used(item, port)))
        return False
    if wish.mode is Mode.EXCLUSIVE and item.holder and seen.ports_of(item.holder, home.network):
        if is_ours(port, wish.cluster):
            made.actions.append(Drop(port, f"{item.address} becomes an address of {item.holder}'s port"))
        else:
            made.troubles.append(Trouble(item.address, "", _reserved(item, port)))
        return False
    return True


def _may_leave(made: Plan, seen: Seen, item: AddressWish, port: Port) -> bool:
    """Modes pairs and fenced: the address must not be an ordinary one of a node's port; the first one of a port is the node's
    own."""
    node = seen.node_of(port.id)
    if len(port.fixed_ips) < 2 or item.address not in (*seen.given, *had_by(port)):
        made.troubles.append(Trouble(item.address, "", _nodes_own(item, node, port)))
        return False
    rest = tuple(fixed for fixed, ip in zip(port.fixed_ips, port.addresses, strict=True) if ip != item.address)
    more = () if port.allows(item.address) or port.has_port_security is False else (item.address,)
    pairs = port.with_pairs(more=more) if more else None
    made.actions.append(SetPort(node, port, pairs, rest, gives=more, takes=(item.address,)))
    return False


# ---- the nodes' ports ---------------------------------------------------------------------------------------------------


def _set_ports(
    made: Plan, wish: Wish, seen: Seen, wanted: dict[str, list[AddressWish]], skip: frozenset[tuple[str, str]]
) -> None:
    busy = {action.port.id for action in made.actions if isinstance(action, SetPort)}
    for node in wish.nodes:
        for network, items in wanted.items():
            ports = seen.ports_of(node.name, network)
            if not ports:
                made.troubles += [Trouble(item.address, node.name, _portless(item, node)) for item in items]
            mine = [item for item in items if (item.address, node.name) not in skip]
            for port in ports:
                if port.id not in busy:
                    _set_port(made, wish, seen, node, port, mine)


def _set_port(made: Plan, wish: Wish, seen: Seen, node: NodeWish, port: Port, items: list[AddressWish]) -> None:
    """One write brings one port into order, whatever has to change on it."""
    gone = _gone(wish, seen, port)
    if wish.mode is Mode.EXCLUSIVE:
        _set_exclusive(made, seen, node, port, items, gone, _left(wish, seen, port))
        return
    if node.is_fenced:
        return  # mode fenced: severing.py has seen to it
    mark = mark_of(port)
    if mark is not None and _is_foreign(mark, wish):
        made.troubles += [Trouble(item.address, node.name, taken_by(item.label, node.name, mark.by)) for item in items]
        return
    here = [item.address for item in items]
    is_open = port.has_port_security is False
    less = () if is_open else tuple(ip for ip in gone if port.allows(ip))
    more = () if is_open else tuple(ip for ip in here if not port.allows(ip))
    if less or more:
        pairs = port.with_pairs(less=less, more=more)
        made.actions.append(SetPort(node.name, port, pairs, None, gives=more, takes=less, mark=mark))


def _set_exclusive(
    made: Plan, seen: Seen, node: NodeWish, port: Port, items: list[AddressWish], gone: tuple[str, ...], left: tuple[str, ...]
) -> None:
    """Mode exclusive: the holder's port has the address as a fixed one, once nobody else has; nobody has a pair of it. `left` are
    fixed ones that nobody wants any more."""
    singles = [item for item in items if is_single(item.address)]
    less = tuple(ip for ip in (*gone, *(item.address for item in singles)) if port.allows(ip))
    more = tuple(i.address for i in items if not is_single(i.address) and not port.allows(i.address))
    loses = [
        i.address for i in singles if i.holder not in ("", node.name) and i.address in port.addresses and len(port.fixed_ips) > 1
    ]
    loses += left
    free = [i.address for i in singles if i.holder == node.name and not seen.vips.get(i.address)]
    gains = [ip for ip in free if ip not in port.addresses]
    fixed: tuple[FixedIp, ...] | None = None
    if loses or gains:
        staying = tuple(f for f, ip in zip(port.fixed_ips, port.addresses, strict=True) if ip not in loses)
        fixed = (*staying, *(FixedIp("", ip) for ip in gains))
    pairs = port.with_pairs(less=less, more=more) if less or more else None
    if pairs is not None or fixed is not None:
        made.actions.append(SetPort(node.name, port, pairs, fixed, gives=(*gains, *more), takes=(*loses, *less)))


def _gone(wish: Wish, seen: Seen, port: Port) -> tuple[str, ...]:
    """Addresses whose pair on this port was ours and is not wanted any more."""
    wished = {item.address for item in wish.addresses}
    found = list(wish.revoked)
    for vip in seen.leftovers:
        if port.id[:KEPT_CHARS] not in kept_of(vip.description):
            found += [ip for ip in vip.addresses if ip not in wished and ip not in found]
    return tuple(found)


def _left(wish: Wish, seen: Seen, port: Port) -> tuple[str, ...]:
    """Fixed addresses of this port that mode exclusive gave it, and that are not wanted any more; never all that it has."""
    wished = {item.address for item in wish.addresses} - set(wish.revoked)
    found = tuple(ip for ip in port.addresses if ip not in wished and ip in (*seen.given, *had_by(port)))
    return found if len(found) < len(port.fixed_ips) else ()


def _clear(made: Plan, node: str, port: Port, less: tuple[str, ...], left: tuple[str, ...]) -> None:
    """Take pairs and fixed addresses from a port, if there are any to take."""
    if less or left:
        pairs = port.with_pairs(less=less) if less else None
        rest = tuple(fixed for fixed, ip in zip(port.fixed_ips, port.addresses, strict=True) if ip not in left)
        made.actions.append(SetPort(node, port, pairs, rest if left else None, takes=(*left, *less)))


def _clear_away(made: Plan, wish: Wish, seen: Seen) -> None:
    """What is not wanted any more: pairs first (also where no wanted address shares the port), the VIP port when nobody has
    one."""
    busy = {action.port.id for action in made.actions if isinstance(action, SetPort)}
    for port in _node_ports(seen):
        less = tuple(ip for ip in _gone(wish, seen, port) if port.allows(ip))
        if port.id not in busy:
            _clear(made, seen.node_of(port.id), port, less, _left(wish, seen, port))
    for port in seen.departed:
        ours = [item.address for item in wish.addresses if port.id[:KEPT_CHARS] not in _kept(item.address, seen)]
        less = tuple(ip for ip in (*ours, *_gone(wish, seen, port)) if port.allows(ip))
        _clear(made, "", port, less, _left(wish, seen, port))
    for vip in seen.leftovers:
        kept = kept_of(vip.description)
        allowing = [p for p in (*_node_ports(seen), *seen.departed) if p.id[:KEPT_CHARS] not in kept]
        if not any(port.allows(ip) for port in allowing for ip in vip.addresses):
            made.actions.append(Drop(vip, "no resource has this address any more"))


def _unmark(made: Plan, wish: Wish, seen: Seen, skip: frozenset[tuple[str, str]]) -> None:
    """Ports of nodes that are back, whose pairs are as they should be: the mark goes, and what was set down comes up."""
    busy = {action.port.id for action in made.actions if isinstance(action, SetPort)}
    for node in wish.nodes:
        for own in seen.of_node.get(node.name, ()) if not node.is_fenced and ("", node.name) not in skip else ():
            port = seen.ports.get(own)
            mark = mark_of(port) if port is not None and own not in busy else None
            if port is not None and mark is not None and not _is_foreign(mark, wish):
                made.actions.append(SetPort(node.name, port, None, None, mark=mark))


def _is_foreign(mark: Mark, wish: Wish) -> bool:
    return not wish.is_sure and any(node.is_fenced and node.name == mark.by for node in wish.nodes)


def _node_ports(seen: Seen) -> Iterator[Port]:
    return iter([seen.ports[own] for ports in seen.of_node.values() for own in ports if own in seen.ports])


def _kept(ip: str, seen: Seen) -> tuple[str, ...]:
    port = own_port(ip, seen)
    return kept_of(port.description) if port is not None else ()


# ---- what is said -------------------------------------------------------------------------------------------------------


def _homeless(item: AddressWish, wish: Wish, seen: Seen) -> Report:
    if not seen.ports:
        names = ", ".join(node.name for node in wish.nodes)
        what = f"{item.label} cannot be looked after: no port of {names} is seen"
        if any(node.nics or node.server for node in wish.nodes):
            why = "the nodes have said which they have, and these credentials do not see them"
            return error(
                "openstack.no-port", what, why, "openstack port list, with the same credentials: is it the right project?"
            )
        why = "they have not said which (they do once openstack-cloud is set), and these credentials see no server of such a name"
        return error("openstack.no-port", what, why, "crm configure property openstack-cloud=NAME, or --nodes SERVER,SERVER")
    why = "no subnet of the nodes' ports contains it, and they have several networks or none"
    return error("openstack.no-network", f"{item.label} belongs to no network of the nodes", why, "crm openstack status")


def taken_by(label: str, node: str, by: str) -> Report:
    """The other half of the cluster was first (mode fenced)."""
    what = f"{label} is not given back to {node}: {by} has taken it from its port, and is lost to this node"
    why = "a split cluster: each half took the other for dead; what the other half does now cannot be seen from here"
    remedy = f"mend the link between them; or, when you know that {by} is off: crm node clearstate {by}"
    return error("openstack.fenced-here", what, why, remedy)


def _used(item: AddressWish, port: Port) -> Report:
    cluster = f"cluster {port.device}" if port.owner == VIP_OWNER else f"{port.owner or 'device'} {port.device}".strip()
    what = f"{item.label} is used by somebody else in OpenStack"
    return error("openstack.used", what, f"port {port.id} belongs to {cluster}", f"openstack port show {port.id}")


def _reserved(item: AddressWish, port: Port) -> Report:
    what = f"{item.label} cannot become an address of its holder's port"
    why = f"port {port.id} reserves it, and Standfast did not make that port"
    return error("openstack.reserved", what, why, f"openstack port delete {port.id}, or openstack-mode=pairs")


def _nodes_own(item: AddressWish, node: str, port: Port) -> Report:
    what = f"{item.label} is a fixed address of {node}'s own port"
    why = "a failover IP has to be an address of no node; what is there may be in use, so Standfast leaves it alone"
    remedy = f"openstack port unset --fixed-ip ip-address={item.address} {port.id}, or choose another address"
    return error("openstack.own-address", what, why, remedy)


def _portless(item: AddressWish, node: NodeWish) -> Report:
    why = "none of its ports is in that network" if node.nics or node.server else "it has not said yet which ports it has"
    return warning(
        "openstack.no-port", f"{node.name} has no port where {item.label} could be allowed", why, "crm openstack status"
    )
