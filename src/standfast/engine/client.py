"""The engine's only client, the manager: is it attached, does it answer, and since when not.

Owns: its grace and its silence. Does not own: the connection (runtime/), what is delivered to it (ordering/).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from standfast.base.ids import US_PER_MS
from standfast.engine.settings import Times


class Presence(Enum):
    """NEVER: no manager since the engine started, and it is still waited for; HERE; AWAY: gone, within its grace; HUNG:
    attached, but the others were told; ABSENT: gone, and the others were told."""

    NEVER = auto()
    HERE = auto()
    AWAY = auto()
    HUNG = auto()
    ABSENT = auto()


class Sign(Enum):
    """What happens to the client."""

    ATTACHED = auto()
    ANSWERED = auto()
    PULSED = auto()
    LOST = auto()
    EXPIRED = auto()


class Client:
    """Invariant: a deadline stands exactly while the client is AWAY, or HERE with a pulse unanswered, or NEVER seen yet after
    `begin`."""

    __slots__ = ("deadline_us", "presence", "times")

    def __init__(self, times: Times) -> None:
        self.times = times
        self.presence = Presence.NEVER
        self.deadline_us: int | None = None

    @property
    def is_attached(self) -> bool:
        """Whether there is a connection."""
        return self.presence in (Presence.HERE, Presence.HUNG)

    @property
    def is_absent(self) -> bool:
        """Whether the others were told that it is not there."""
        return self.presence in (Presence.HUNG, Presence.ABSENT)

    def take(self, now_us: int, sign: Sign) -> bool:
        """One move; True when the others have to be told now that the client is absent."""
        was = self.is_absent
        move = MOVES.get((self.presence, sign))
        if move is not None:
            move(self, now_us)
        return self.is_absent and not was

    def begin(self, now_us: int) -> None:
        """The engine starts: a manager that never comes is told to the others too, or they would wait for its word for ever."""
        self.wait(now_us, self.times.client_first_ms)

    def suspend(self, late_us: int) -> None:
        """The whole host did not run: nobody can be blamed for that time."""
        if self.deadline_us is not None:
            self.deadline_us += late_us

    def wait(self, now_us: int, wait_ms: int) -> None:
        """Set the deadline."""
        self.deadline_us = now_us + wait_ms * US_PER_MS

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        if self.presence in (Presence.HUNG, Presence.ABSENT):
            assert self.deadline_us is None
        assert self.presence is not Presence.AWAY or self.deadline_us is not None


def _attached(c: Client, _: int) -> None:
    c.presence = Presence.HERE
    c.deadline_us = None


def _pulsed(c: Client, now_us: int) -> None:
    if c.deadline_us is None:
        c.wait(now_us, c.times.client_silence_ms)


def _answered(c: Client, _: int) -> None:
    c.deadline_us = None


def _lost(c: Client, now_us: int) -> None:
    c.presence = Presence.AWAY
    c.wait(now_us, c.times.client_grace_ms)


def _absent(c: Client, _: int) -> None:
    c.presence = Presence.ABSENT
    c.deadline_us = None


def _hung(c: Client, _: int) -> None:
    c.presence = Presence.HUNG
    c.deadline_us = None


MOVES: dict[tuple[Presence, Sign], Callable[[Client, int], None]] = {
    (Presence.NEVER, Sign.ATTACHED): _attached,
    (Presence.NEVER, Sign.EXPIRED): _absent,
    (Presence.HERE, Sign.ATTACHED): _attached,
    (Presence.HERE, Sign.ANSWERED): _answered,
    (Presence.HERE, Sign.PULSED): _pulsed,
    (Presence.HERE, Sign.LOST): _lost,
    (Presence.HERE, Sign.EXPIRED): _hung,
    (Presence.AWAY, Sign.ATTACHED): _attached,
    (Presence.AWAY, Sign.EXPIRED): _absent,
    (Presence.HUNG, Sign.ATTACHED): _attached,
    (Presence.HUNG, Sign.ANSWERED): _attached,
    (Presence.HUNG, Sign.LOST): _absent,
    (Presence.ABSENT, Sign.ATTACHED): _attached,
}
