"""What a running cluster makes of another corosync.conf: what it can follow, what has to wait, what has to be alike on all nodes.

Owns: the list of values that are followed live. Does not own: when they are (engine/reload.py), their checks (parse.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

from standfast.config.model import ClusterConfig

LIVE = ("quorum.expected_votes", "standfast.silence_floor_ms", "totem.token", "totem.token_coefficient")
"""Followed as soon as all members have read and accepted the file; `logging` too, by the engine."""

_FREE = ("totem.config_version", "standfast.lease_given_ms")
"""Their change needs nothing: the first is the file's own number, the second says where `lease_ms` comes from."""

_OWN_AFFAIR = ("logging.", "system.")
"""May differ from node to node."""


def values(config: ClusterConfig) -> dict[str, str]:
    """Every value by its name in the file, as text, sorted by name."""
    found: dict[str, str] = {}
    parts: tuple[tuple[str, Any], ...] = (
        ("totem", config.totem),
        ("quorum", config.quorum),
        ("standfast", config.own),
        ("logging", config.logging),
        ("system", config.system),
    )
    for name, part in parts:
        for each in fields(part):
            key = each.name if name == "standfast" else each.name.removesuffix("_ms").removesuffix("_percent")
            found[f"{name}.{key}"] = repr(getattr(part, each.name))
    for node in config.nodelist:
        for each in fields(node):
            found[f"nodelist.node {node.id}.{each.name}"] = repr(getattr(node, each.name))
    return dict(sorted(found.items()))


def marks(config: ClusterConfig) -> tuple[tuple[str, int], ...]:
    """A digest of each value that has to be the same on all nodes, by name. Secrets stay secret: eight bytes of SHA-256."""
    return tuple(
        (name, int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
        for name, text in values(config).items()
        if not name.startswith(_OWN_AFFAIR)
    )


def followed(force: ClusterConfig, new: ClusterConfig) -> ClusterConfig:
    """What is in force once `new` is followed: of the rest, what `force` says."""
    totem = replace(force.totem, token_ms=new.totem.token_ms, token_coefficient_ms=new.totem.token_coefficient_ms)
    own = replace(force.own, silence_floor_ms=new.own.silence_floor_ms)
    quorum = replace(force.quorum, expected_votes=new.quorum.expected_votes)
    return replace(force, totem=totem, own=own, quorum=quorum, logging=new.logging)


def changes(force: ClusterConfig, new: ClusterConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of what is followed live, and of what needs a restart."""
    before, after = values(force), values(new)
    names = [name for name in sorted({**before, **after}) if before.get(name) != after.get(name) and name not in _FREE]
    live = tuple(name for name in names if name in LIVE or name.startswith("logging."))
    return live, tuple(name for name in names if name not in live)
