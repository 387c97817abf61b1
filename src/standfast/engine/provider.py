"""What each provider of the cluster layer promises beside the contract of api.py, and what it cannot: said in a type, not hidden.

Owns: the table. Does not own: how a provider keeps it (pulse.py, corosync.py, etcd.py say so, each at its head).
"""

from __future__ import annotations

from enum import StrEnum

from standfast.base.dataclass import dataclass


class PulseRests(StrEnum):
    """What stands behind `Pulse(until_us)`.

    ACKNOWLEDGED: members of this very view answered a sign of life sent not longer ago than the lease; whoever goes on to another
    view stops answering first. Another view may be *agreed* before the pulse ends, by at most the lease.
    LEASED: a store that decides alone about membership said that it counts this node in until then: no other view can be agreed
    earlier.
    """

    ACKNOWLEDGED = "acknowledged"
    LEASED = "leased"


class StableMeans(StrEnum):
    """What stands behind `Stable(seq)`. HELD: every member whose manager takes part has it in memory. LOGGED: a majority of the
    store's disks has it, ahead of everything later; a member that goes on cannot miss it."""

    HELD = "held"
    LOGGED = "logged"


@dataclass(frozen=True, slots=True)
class Promises:
    """One provider's row. `transitional`: its views name the members that came along. `one_view`: of all views, only one is ever
    in force (no partition can act unseen, whatever the votes). `tells_absence`: a manager that died while its host lives is told
    as ClientAbsent (False: its host leaves the view)."""

    engine: str
    transitional: bool
    one_view: bool
    pulse: PulseRests
    stable: StableMeans
    tells_absence: bool


def _acknowledged(engine: str) -> Promises:
    return Promises(
        engine, transitional=True, one_view=False, pulse=PulseRests.ACKNOWLEDGED, stable=StableMeans.HELD, tells_absence=True
    )


EMBEDDED = _acknowledged("embedded")
COROSYNC = _acknowledged("corosync")
ETCD = Promises(
    "etcd", transitional=False, one_view=True, pulse=PulseRests.LEASED, stable=StableMeans.LOGGED, tells_absence=False
)
PROMISES = {promises.engine: promises for promises in (EMBEDDED, COROSYNC, ETCD)}
