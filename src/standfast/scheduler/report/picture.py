"""A status as a simulation shows it before and after: its lines, its warnings, and all that XML needs."""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.situation import Situation
from standfast.scheduler.memory import Cluster
from standfast.scheduler.report.situation import situation_of
from standfast.scheduler.report.status_text import counts, status_lines


@dataclass(frozen=True, slots=True)
class Picture:
    """A status: its lines, the warnings in front of it, and (if asked for) the situation itself."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    situation: Situation | None = None


def picture_of(cluster: Cluster, *, show_pending: bool, detailed: bool) -> Picture:
    """The status of an unpacked cluster."""
    return Picture(
        tuple(status_lines(cluster, show_pending=show_pending)),
        tuple(_warnings(cluster)),
        situation_of(cluster) if detailed else None,
    )


def _warnings(cluster: Cluster) -> list[str]:
    lines = []
    if cluster.in_maintenance:
        lines += [
            "",
            "              *** Resource management is DISABLED ***",
            "  The cluster will not attempt to start, stop or recover services",
        ]
    instances, disabled, blocked = counts(cluster)
    if disabled or blocked:
        lines += [""] if lines else []
        lines.append(
            f"{disabled} of {instances} resource instances DISABLED and {blocked} BLOCKED from further action due to failure"
        )
    return lines
