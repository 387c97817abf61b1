"""What quorum remembers across lives, as the engine keeps it in its state folder. Owns: the file's name, and its reading."""

from __future__ import annotations

from standfast.base.report import Refused, error
from standfast.base.wire import Malformed
from standfast.engine.quorum.votes import Remembered, read_remembered

QUORUM_FILE = "quorum"


def read_quorum(data: bytes | None) -> Remembered | None:
    """What an earlier life stored; None where there is none. Raises Refused where it is damaged."""
    if data is None:
        return None
    try:
        return read_remembered(data)
    except Malformed as bad:
        raise Refused(
            error(
                "engine.quorum-unreadable",
                f"the file {QUORUM_FILE} of the engine's state folder is damaged",
                str(bad),
                "remove it if the votes in corosync.conf are those that hold",
            )
        ) from None
