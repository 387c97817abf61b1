"""Events and effects of the failover IP. Addresses are texts in canonical form (`ipaddress`), MACs are 6 bytes."""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.report import Report

NEIGHBOURS_MAX = 16
"""How many neighbours are asked, and remembered, on one interface."""

# ---- what the kernel knows (snapshots that runtime keeps and passes in) ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. `carrier` is True when the operational state is UP or UNKNOWN."""

    name: str
    index: int
    mac: bytes
    is_up: bool
    carrier: bool


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """One address on one interface, as netlink tells it. `valid_s` None means for ever."""

    interface: str
    ip: str
    prefix: int
    label: str
    valid_s: int | None
    flags: frozenset[str] = frozenset()  # tentative, dadfailed, noprefixroute, secondary, deprecated, permanent


@dataclass(frozen=True, slots=True)
class Route:
    """A connected route: `network` (CIDR) is reached on `interface`."""

    network: str
    interface: str
    metric: int


@dataclass(frozen=True, slots=True)
class NetworkState:
    """All that netlink told, at one instant."""

    interfaces: tuple[Interface, ...] = ()
    addresses: tuple[AddressSeen, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Somebody whom the kernel has spoken with on an interface, `age_s` seconds ago at the least."""

    ip: str
    mac: bytes
    age_s: int


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operate:
    """An operation of the resource: start | stop | monitor | validate-all. `parameters` are IPaddr2's, as configured.
    `handover`: the last holder's stop is confirmed. `probe`: a monitor that only asks (before any start)."""

    run: int
    resource: str
    action: str
    parameters: tuple[tuple[str, str], ...]
    timeout_ms: int
    handover: bool = False
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """The operation `run` timed out at the executor: no answer is wanted any more; a start that is waiting is given up."""

    run: int


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """Netlink told something, or a Look was performed (which is always answered, changed or not); `state` is the whole picture.
    It is never older than the last PutAddress or DropAddress that was performed: an address that is missing from it has been
    deleted since. The first of these comes before any Operate or Adopt can be answered."""

    state: NetworkState


@dataclass(frozen=True, slots=True)
class NeighbourHeard:
    """ARP or NDP traffic about one of our addresses: `ip` claimed or answered by `mac` on `interface`. Frames that this host
    sent itself are filtered out by runtime. `kind`: reply | request | announcement | advertisement (somebody has the address), or
    probe | solicitation (somebody asks before taking it: ARP from 0.0.0.0, neighbour solicitation from ::)."""

    interface: str
    ip: str
    mac: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Pulsed:
    """The cluster layer's evidence (engine/api.Pulse): this node may keep what it is entitled to until `until_us`."""

    until_us: int


@dataclass(frozen=True, slots=True)
class Doubted:
    """Whether another part of the cluster may be acting too, unseen: this node's view holds no majority of the votes. From then
    on each interface with an address is asked for signs of life, and addresses on one that is cut off are suspended (outlook.py).
    Told at every change; False until told otherwise."""

    is_alone: bool


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The answer to a Survey. `known` is the kernel's table of neighbours on `interface` by then (those it has a MAC of),
    `answered` is who answered, each once: whoever was asked for, `known`, or heard to speak meanwhile."""

    interface: str
    known: tuple[Neighbour, ...]
    answered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """This node may hold nothing from now on (out of quorum, no view, shutting down): every address goes, at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Healed:
    """A partition healed or a view grew: announce again from the start of the schedule."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """The manager came back and the kernel still has leased addresses of ours: keep them alive while the cluster decides.
    `resource` and `parameters` as they were started."""

    resource: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The room's one timer."""


# ---- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutAddress:
    """Add the address, or renew it (the same request replaces the lifetime). `valid_s` None: for ever (lease switched off).
    `nodad` for IPv6. Not to be performed once the monotonic clock shows `before_us`: a process that was frozen between the
    decision and the system call must not put up what it has lost meanwhile; then it is Denied."""

    interface: str
    ip: str
    prefix: int
    valid_s: int | None
    preferred_s: int | None
    broadcast: str | None
    label: str | None
    noprefixroute: bool
    nodad: bool
    before_us: int


@dataclass(frozen=True, slots=True)
class DropAddress:
    """Delete the address. A NetworkChanged follows."""

    interface: str
    ip: str
    prefix: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Send one ARP probe (RFC 5227: sender 0.0.0.0) or one neighbour solicitation for `ip`."""

    interface: str
    ip: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Ask `ips`, the kernel's known neighbours and whoever speaks meanwhile, NEIGHBOURS_MAX in all, whether they are there: four
    times within `window_ms`, by ARP or neighbour solicitation. Ends with a Surveyed at the first answer, or at the window's end.
    A new one replaces the one that is under way on its interface."""

    interface: str
    ips: tuple[str, ...]
    window_ms: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Send gratuitous ARP in both forms (request, and reply with target hardware address = sender's), or an unsolicited
    neighbour advertisement with Override to ff02::1."""

    interface: str
    ip: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Watch:
    """From now on pass NeighbourHeard for `ip` on `interface` (or, with `on` False, no longer)."""

    interface: str
    ip: str
    on: bool


@dataclass(frozen=True, slots=True)
class Promote:
    """Set net.ipv4.conf.`interface`.promote_secondaries, where it is 0: else the kernel, when an address goes that is the first
    of its subnet, deletes every other address of that subnet with it."""

    interface: str


@dataclass(frozen=True, slots=True)
class Look:
    """Dump everything from netlink again and send NetworkChanged: the safety net, and the proof after a stop."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep (volatile, /run) that `resource` holds an address with these parameters, for Adopt; parameters None: forget it."""

    resource: str
    parameters: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class Done:
    """Answer to Operate. A successful stop with a reason found nothing to remove, so it hands nothing over."""

    run: int
    rc: int
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The resource is no longer as it was left and this room could not mend it: `rc` as a monitor would return."""

    resource: str
    rc: int
    reason: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Arm the room's one timer, replacing the last."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for the log."""

    report: Report


KernelEffect = PutAddress | DropAddress | Ask | Survey | Announce | Watch | Promote | Look
"""What runtime/netlink.Network performs; the rest is for the node."""

IpEffect = KernelEffect | Remember | Done | Changed | SetTimer | Tell

# ---- the answer to an effect that failed ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Denied:
    """The kernel would not perform `effect` (or it came too late, see PutAddress): `reason` is a sentence. `is_permission` when
    root or a capability is missing. Effects that found their work done already (a deleted address is gone) are not denied."""

    effect: KernelEffect
    reason: str
    is_permission: bool = False


IpInput = (
    Operate
    | Forget
    | NetworkChanged
    | NeighbourHeard
    | Pulsed
    | Doubted
    | Surveyed
    | Revoked
    | Healed
    | Adopt
    | Denied
    | TimerFired
)
