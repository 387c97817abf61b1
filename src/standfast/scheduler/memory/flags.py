"""Flags of actions and relations, and the words that options and histories have for things."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

# Flags of an action (Pacemaker: enum pcmk__action_flags).
OPTIONAL: Final = 1  # need not run
RUNNABLE: Final = 2  # may run
PSEUDO: Final = 4  # a point in time, nothing is executed
MIGRATABLE: Final = 8  # part of a live migration
RESCHEDULE: Final = 16  # recurring operation with a changed definition
ON_DC: Final = 32  # executed by the coordinator, whatever its node is
ALWAYS: Final = 64  # goes into the graph even if optional
DEDUPLICATED: Final = 128
GRAPHED: Final = 256
ON_PATH: Final = 512  # visited by a walk in progress
MIGRATION_ABORT: Final = 1024
PARAMS_SET: Final = 2048

# Flags of a relation (Pacemaker: enum pcmk__action_relation_flags; the words are its own).
AR_NONE: Final = 0
AR_ORDERED: Final = 1 << 0
AR_IF_FIRST_UNMIGRATABLE: Final = 1 << 1
AR_THEN_IMPLIES_FIRST: Final = 1 << 4
AR_FIRST_IMPLIES_THEN: Final = 1 << 5
AR_PROMOTED_THEN_IMPLIES_FIRST: Final = 1 << 6
AR_UNMIGRATABLE_THEN_BLOCKS: Final = 1 << 7
AR_UNRUNNABLE_FIRST_BLOCKS: Final = 1 << 8
AR_FIRST_ELSE_THEN: Final = 1 << 9
AR_FIRST_IMPLIES_SAME_NODE_THEN: Final = 1 << 10
AR_NESTED_REMOTE_PROBE: Final = 1 << 11
AR_INTERMEDIATE_STOP: Final = 1 << 12
AR_SERIALIZE: Final = 1 << 14
AR_IF_ON_SAME_NODE: Final = 1 << 15
AR_THEN_IMPLIES_FIRST_GRAPHED: Final = 1 << 16
AR_FIRST_IMPLIES_THEN_GRAPHED: Final = 1 << 17
AR_ASYMMETRIC: Final = 1 << 20
AR_IF_ON_SAME_NODE_OR_TARGET: Final = 1 << 21
AR_MIN_RUNNABLE: Final = 1 << 22
AR_IF_REQUIRED_ON_SAME_NODE: Final = 1 << 23
AR_GUEST_ALLOWED: Final = 1 << 24
AR_THEN_CANCELS_FIRST: Final = 1 << 25


class Variant(IntEnum):
    """Kinds of resources, in Pacemaker's order (compared in places)."""

    PRIMITIVE = 1
    GROUP = 2
    CLONE = 3
    BUNDLE = 4


class ProbeMode(IntEnum):
    """resource-discovery of a location constraint; a greater one wins."""

    ALWAYS = 0
    NEVER = 1
    EXCLUSIVE = 2


class Needs(IntEnum):
    """What an action needs before it may run."""

    NOTHING = 0
    QUORUM = 1
    FENCING = 2


class OnFail(IntEnum):
    """What a failure means, in rising severity."""

    IGNORE = 0
    DEMOTE = 1
    RESTART = 2
    RESET_REMOTE = 3
    RESTART_CONTAINER = 4
    BAN = 5
    BLOCK = 6
    STOP = 7
    STANDBY = 8
    FENCE = 9


class QuorumPolicy(IntEnum):
    """no-quorum-policy."""

    FREEZE = 0
    STOP = 1
    IGNORE = 2
    FENCE = 3
    DEMOTE = 4


class MultipleActive(IntEnum):
    """multiple-active."""

    STOP_START = 0
    STOP_ONLY = 1
    BLOCK = 2
    STOP_UNEXPECTED = 3
