"""What goes into the embedded engine and what comes out. One way in (`Engine.step`), one way out (a tuple of effects).

The order of effects is a promise: what must be durable (`Persist`) stands before what becomes visible (`SendDatagram`,
`ToClient`). The runtime performs them in order, and the simulator checks it.
"""

from __future__ import annotations

from msgspec import Struct

from standfast.base.ids import NodeId
from standfast.base.report import Report
from standfast.engine.api import ClientEvent, ClientRequest
from standfast.engine.links.keys import KeyRing

Address = tuple[str, int]
"""(IP address as text, UDP port)."""


# ---- events ---------------------------------------------------------------------------------------------------------


class DatagramReceived(Struct, frozen=True):
    """A UDP datagram on link number `link`, from `source`. Nothing is known about it yet."""

    link: int
    source: Address
    data: bytes


class PeerRefused(Struct, frozen=True):
    """The kernel said that the port at `address` is closed (ICMP): the host lives, its engine does not."""

    link: int
    address: Address


class KernelAnswered(Struct, frozen=True):
    """The host at `address` has answered what it was asked at `asked_us` (AskKernel): it ran then. Its engine may not."""

    link: int
    address: Address
    asked_us: int


class TimerFired(Struct, frozen=True):
    """The one timer that SetTimer armed. Late firing is how the engine notices that it was paused."""


class Requested(Struct, frozen=True):
    """The client (the manager) asks for something."""

    request: ClientRequest


class ClientGone(Struct, frozen=True):
    """The client's connection closed without a Leave."""


class Adjusted(Struct, frozen=True):
    """An operator's order through a tool: `verb` is expected_votes | votes | cancel_wait_for_all | kill | leave."""

    verb: str
    node: NodeId
    value: int


class Rekeyed(Struct, frozen=True):
    """The cluster's keys were read again: these count from now on."""

    keys: KeyRing


class Draft(Struct, frozen=True):
    """What a corosync.conf that was read as a whole says: what can be followed while running, and `marks`, a digest of each
    value that has to be the same on all nodes, by name. `expected_votes` 0: not in the file."""

    token_ms: int
    floor_ms: int
    expected_votes: int
    marks: tuple[tuple[str, int], ...]
    cmap: tuple[tuple[str, str, str], ...] = ()


class ReloadAsked(Struct, frozen=True):
    """Somebody types `corosync-cfgtool -R` here; this node's own file is sound and says `draft`."""

    draft: Draft


class FileRead(Struct, frozen=True):
    """What ReadFile asked for: the file, or in one sentence what is wrong with it, and where."""

    number: int
    draft: Draft | None
    refusal: str = ""


class ThirdSaid(Struct, frozen=True):
    """The third opinion: this node may act from `from_us` to `until_us` (0: not). `is_first`: what it has it keeps before, too.
    `is_lost`: decided against it, not merely without an answer."""

    until_us: int
    from_us: int
    reason: str
    is_first: bool
    is_lost: bool


EngineInput = (
    DatagramReceived
    | PeerRefused
    | KernelAnswered
    | TimerFired
    | Requested
    | ClientGone
    | Adjusted
    | Rekeyed
    | ReloadAsked
    | FileRead
    | ThirdSaid
)

# ---- effects --------------------------------------------------------------------------------------------------------


class Persist(Struct, frozen=True):
    """Write `data` durably under `name` in the engine's state directory (write aside, fsync, rename, fsync the folder)
    before any effect that follows."""

    name: str
    data: bytes


class SendDatagram(Struct, frozen=True):
    """Send sealed bytes. Loss is expected; an error is not an event, silence is."""

    link: int
    address: Address
    data: bytes


class AskKernel(Struct, frozen=True):
    """Ask the host at `address` for a sign of life that its kernel gives without any process (ICMP echo). Loss is expected."""

    link: int
    address: Address
    asked_us: int


class SetTimer(Struct, frozen=True):
    """Arm the engine's only timer for `at_us`, replacing what was armed before."""

    at_us: int


class ToClient(Struct, frozen=True):
    """Tell the manager."""

    event: ClientEvent


class Tell(Struct, frozen=True):
    """A line for the log."""

    report: Report


class AskThird(Struct, frozen=True):
    """The only peer is lost: ask the quorum device. What the peer may still have ends at `free_us`; None: that is not known."""

    free_us: int | None


class LeaveThird(Struct, frozen=True):
    """The peer is here: the quorum device is not needed."""


class ReadFile(Struct, frozen=True):
    """Read corosync.conf and check it as a whole, for reload `number`: FileRead is the answer, and has to come."""

    number: int


class ReloadEnded(Struct, frozen=True):
    """Reload `number` is over. `is_applied`: the file that was read for it is in force, at all members; else at none, and
    `reports` says why. `is_asker`: it was asked for here."""

    number: int
    is_applied: bool
    is_asker: bool
    reports: tuple[Report, ...]


class Halt(Struct, frozen=True):
    """The engine has left, or cannot go on; the process ends (a supervisor decides about a restart)."""

    report: Report


EngineEffect = (
    Persist | SendDatagram | AskKernel | SetTimer | ToClient | Tell | AskThird | LeaveThird | ReadFile | ReloadEnded | Halt
)
