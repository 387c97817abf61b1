"""What clients have of each service: when it was away, where it was active twice, where it is.

Owns: the record of who holds what. Does not own: the world.
A failover IP is where a kernel answers the client for it; any other service where its agent started it, on a machine that runs.
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.sim.rehearsal.cast import Service


@dataclass(slots=True)
class Record:
    """One service. Invariant: `away_since_us` is set exactly while it is active nowhere, `doubled_since_us` exactly while it is
    active on more nodes than it should be."""

    service: Service
    places: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    away_us: int = 0
    doubled_us: int = 0
    away_since_us: int | None = 0
    doubled_since_us: int | None = None
    twice: tuple[str, ...] = ()
    was_promoted: bool = False

    def seen(self, now_us: int, places: tuple[str, ...], promoted: tuple[str, ...]) -> bool:
        """Where it is now; whether that is news."""
        if places == self.places and promoted == self.promoted:
            return False
        self.places, self.promoted = places, promoted
        most, most_promoted = self.service.copies_max, self.service.promoted_max
        is_away = not places or (self.was_promoted and not promoted)
        doubled = places if most and len(places) > most else promoted if most_promoted and len(promoted) > most_promoted else ()
        self.twice = doubled or self.twice
        if is_away and self.away_since_us is None:
            self.away_since_us = now_us
        elif not is_away and self.away_since_us is not None:
            self.away_us += now_us - self.away_since_us
            self.away_since_us = None
        if doubled and self.doubled_since_us is None:
            self.doubled_since_us = now_us
        elif not doubled and self.doubled_since_us is not None:
            self.doubled_us += now_us - self.doubled_since_us
            self.doubled_since_us = None
        return True

    def begin(self, now_us: int) -> None:
        """Count from now on."""
        self.away_us = self.doubled_us = 0
        self.twice = ()
        self.was_promoted = bool(self.promoted)
        self.away_since_us = now_us if self.away_since_us is not None else None
        self.doubled_since_us = now_us if self.doubled_since_us is not None else None
        if self.doubled_since_us is not None:
            self.twice = self.promoted if self.service.promoted_max else self.places

    def check(self) -> None:
        """The invariant."""
        assert (self.away_since_us is None) or not self.places or not self.promoted
        assert self.doubled_since_us is None or len(self.places) > 1


@dataclass(slots=True)
class Watch:
    """All services. `changed_us` is when something changed last."""

    records: dict[str, Record] = field(default_factory=dict)
    changed_us: int = 0

    def seen(self, now_us: int, service: str, places: tuple[str, ...], promoted: tuple[str, ...]) -> None:
        """Where one service is now."""
        if self.records[service].seen(now_us, places, promoted):
            self.changed_us = now_us
            self.records[service].check()

    def begin(self, now_us: int) -> None:
        """Count from now on."""
        self.changed_us = now_us
        for record in self.records.values():
            record.begin(now_us)
