"""What nodes tell each other about votes at each view, what a node keeps on disk, and the bytes of both.

Owns: two small formats. Does not own: when they are sent or written.
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed, Reader, Writer
from standfast.engine.quorum.settings import VOTES_MAX

_QUORATE = 1
_LEAVING = 2
_WAITING = 4
_FLAGS = _QUORATE | _LEAVING | _WAITING
"""The bits that corosync's nodeinfo message has for the same things (NODE_FLAGS_*)."""

_REMEMBERED_VERSION = 1


@dataclass(frozen=True, slots=True)
class PeerVotes:
    """A node's own account: its votes, the expected votes it goes by, whether it was quorate up to now, whether it still
    waits for all nodes, and whether it leaves politely (read only with allow_downscale)."""

    votes: int
    expected_votes: int
    is_quorate: bool = False
    is_waiting: bool = False
    is_leaving: bool = False


def write_peer_votes(told: PeerVotes) -> bytes:
    """Nine bytes."""
    flags = told.is_quorate * _QUORATE | told.is_leaving * _LEAVING | told.is_waiting * _WAITING
    return Writer().u32(told.votes).u32(told.expected_votes).u8(flags).done()


def read_peer_votes(reader: Reader) -> PeerVotes:
    """Read what `write_peer_votes` wrote, from the middle of a longer message. Raises Malformed."""
    votes = reader.u32("votes", VOTES_MAX)
    expected_votes = reader.u32("expected_votes", VOTES_MAX)
    flags = reader.u8("flags")
    if flags & ~_FLAGS:
        raise Malformed("flags", f"{flags} has unknown bits")
    return PeerVotes(votes, expected_votes, bool(flags & _QUORATE), bool(flags & _WAITING), bool(flags & _LEAVING))


@dataclass(frozen=True, slots=True)
class Remembered:
    """What outlives a restart: the highest expected votes ever seen.

    It can only ever raise what is needed, and only where expected_votes_tracking (or allow_downscale, which implies it) is on.
    A lowered value is not kept: it was right for the cluster of that moment, and a node that restarts has missed what came
    after. The status of wait_for_all is not kept for the same reason: a start always waits.
    """

    highest_expected_votes: int


def write_remembered(remembered: Remembered) -> bytes:
    """The bytes for the disk."""
    return Writer().u8(_REMEMBERED_VERSION).u32(remembered.highest_expected_votes).done()


def read_remembered(data: bytes) -> Remembered:
    """Read what `write_remembered` wrote. Raises Malformed."""
    reader = Reader(data)
    version = reader.u8("version")
    if version != _REMEMBERED_VERSION:
        raise Malformed("version", f"{version} is unknown")
    remembered = Remembered(reader.u32("highest_expected_votes", VOTES_MAX))
    reader.end()
    return remembered
