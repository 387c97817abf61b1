"""Score arithmetic: integers that saturate at +-1,000,000 ("INFINITY"), where minus infinity always wins.

Laws (proved in tests/unit/scheduler/test_scheduler_scores.py): closed over [-INFINITY, INFINITY], commutative, zero is
neutral, -INFINITY absorbs everything, +INFINITY absorbs everything but -INFINITY. It is not associative (a saturated sum
forgets), so the order of additions is part of the algorithm.
"""

from __future__ import annotations

import re
import struct

from standfast.scheduler.api import INFINITY

_NUMBER = re.compile(r"\s*([+-]?\d+)")


def add_scores(a: int, b: int) -> int:
    """The saturating sum (Pacemaker: lib/common/scores.c)."""
    if a <= -INFINITY or b <= -INFINITY:
        return -INFINITY
    if a >= INFINITY or b >= INFINITY:
        return INFINITY
    return max(-INFINITY, min(INFINITY, a + b))


def parse_score(text: str | None, default: int = 0, health: dict[str, int] | None = None) -> int | None:
    """A score from text: a number (clamped; what follows the digits is ignored), [+-]INFINITY, or red/yellow/green as `health`
    says. None text gives `default`; text that is no score gives None."""
    if text is None:
        return default
    if text == "-INFINITY":
        return -INFINITY
    if text in ("INFINITY", "+INFINITY"):
        return INFINITY
    if text.lower() in ("red", "yellow", "green"):
        return (health or {}).get(text.lower(), 0)
    match = _NUMBER.match(text)
    if match is None:
        return None
    return max(-INFINITY, min(INFINITY, int(match.group(1)[:20])))


def score_text(points: int) -> str:
    """The number, or [-]INFINITY."""
    if points >= INFINITY:
        return "INFINITY"
    return "-INFINITY" if points <= -INFINITY else str(points)


def float32(value: float) -> float:
    """`value` rounded as C's `float`: colocation factors are computed in single precision."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def scaled(factor: float, points: int) -> int:
    """`factor * points` in single precision, rounded half away from zero, and never to zero unless `points` or `factor` is."""
    if factor == 1.0:
        return points  # a score has fewer digits than single precision holds
    delta_f = float32(factor * points)
    # C adds 0.5 as a double before it truncates.
    delta = int(delta_f - 0.5) if delta_f < 0 else int(delta_f + 0.5)
    if delta == 0 and points != 0:
        if factor > 0.0:
            return 1
        if factor < 0.0:
            return -1
    return delta
