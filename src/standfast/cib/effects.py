"""What goes into the replicated machine (machine.py) and what comes out.

The order of effects is a promise: `Append` and `Rewrite` stand before the `Applied` and `Synced` that depend on them, and have
to be on the disk before anybody is told. When one of them fails, the node must stop: it can no longer keep what it promises.
"""

from __future__ import annotations

from msgspec import Struct

from standfast.base.ids import NodeId
from standfast.base.report import Report
from standfast.cib.apply import Outcome
from standfast.cib.document import Version
from standfast.cib.messages import Message

# ---- events ---------------------------------------------------------------------------------------------------------


class ViewInstalled(Struct, frozen=True):
    """A new view, or the first one after the engine was found (again). `seq` is the view's sequence, which grows; `enough` the
    number of members that no other quorate part of the cluster can do without (0: all of this view)."""

    seq: int
    members: tuple[NodeId, ...]
    quorate: bool
    enough: int = 0


class ViewLost(Struct, frozen=True):
    """The engine is gone: nothing is delivered until the next ViewInstalled, and something may be missed."""


class QuorumChanged(Struct, frozen=True):
    """Quorum changed inside the view."""

    quorate: bool
    enough: int = 0


class MemberAbsent(Struct, frozen=True):
    """In total order: the manager of a member is gone (the engine's ClientAbsent)."""

    node: NodeId


class MessageDelivered(Struct, frozen=True):
    """In total order: a message of a machine, its own too."""

    sender: NodeId
    message: Message


class ChangeDelivered(Struct, frozen=True):
    """In total order: an encoded Change, or empty bytes for something else of the controller's that has to keep its place among
    the changes. `number` grows with each of that sender (gaps are fine) during one session."""

    sender: NodeId
    number: int
    data: bytes


class WriteDown(Struct, frozen=True):
    """Have the journal hold what was agreed, in the lineage that it was agreed in."""


MachineInput = ViewInstalled | ViewLost | QuorumChanged | MemberAbsent | MessageDelivered | ChangeDelivered | WriteDown

# ---- effects --------------------------------------------------------------------------------------------------------


class Broadcast(Struct, frozen=True):
    """Send the message to every member, in total order, within this view (one that arrives in another view does no harm)."""

    message: Message


class Append(Struct, frozen=True):
    """Append to the journal and fsync."""

    data: bytes


class Rewrite(Struct, frozen=True):
    """Replace the journal: write aside, fsync, rename, fsync the folder."""

    data: bytes


class KeepDropped(Struct, frozen=True):
    """Keep the text of a document that lost a merge in a file of its own, for people."""

    xml: bytes
    version: Version
    reason: str


class Unsynced(Struct, frozen=True):
    """The members are agreeing on a document: nothing is applied until Synced, and the present one may lose."""


class Synced(Struct, frozen=True):
    """All members of the view have this document. `replaced`: it came from another node, so what this node knows about itself
    (node_state, operation history, transient attributes) has to be told again."""

    version: Version
    replaced: bool


class Applied(Struct, frozen=True):
    """A change was taken in its turn, on every node alike.

    `outcome` is None when it had no effect: refused (`reports`, `exit_code`), or a copy of one taken before (`duplicate`). Exit
    code 75 says that a new round of agreement, or a full queue, pushed it out before its turn, and that it may be sent again.
    """

    sender: NodeId
    number: int
    outcome: Outcome | None
    reports: tuple[Report, ...] = ()
    exit_code: int = 0
    duplicate: bool = False


class Tell(Struct, frozen=True):
    """A line for the log."""

    report: Report


MachineEffect = Broadcast | Append | Rewrite | KeepDropped | Unsynced | Synced | Applied | Tell
