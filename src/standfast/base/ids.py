"""Names for things that are numbers or texts on the wire, so that one cannot be passed for another."""

from collections.abc import Callable
from typing import NewType

NodeId = NewType("NodeId", int)
"""A cluster node's id, 1 .. 2**32-1, as corosync's `nodeid`; where the file has none, the IPv4 address as a number."""

Entropy = Callable[[int], bytes]
"""Gives `n` unpredictable bytes. Production passes os.urandom; the simulator passes a seeded stream."""

NODES_MAX = 384
"""Members of one cluster (corosync's PROCESSOR_COUNT_MAX)."""

US_PER_MS = 1_000
US_PER_S = 1_000_000
