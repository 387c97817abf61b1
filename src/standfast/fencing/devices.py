"""Which device fences which node: host lists, levels, and the order in which they are tried."""

from __future__ import annotations

import re

from standfast.fencing import values
from standfast.fencing.api import Device, Facts, Level

ALTERNATIVES_MAX = 64
PATTERN_CHARS_MAX = 512

Step = tuple[Device, str]
"""One device and what it has to do."""


def knows(device: Device, target: str) -> bool | None:
    """Whether the device fences the target; None when only its agent can say."""
    given = dict(device.parameters)
    listed = values.host_list(given.get("pcmk_host_list", ""))
    mapped = values.host_map(given.get("pcmk_host_map", ""))
    check = given.get("pcmk_host_check", "").lower() or ("static-list" if listed or mapped else "")
    if check == "static-list":
        return target in listed or target in mapped
    return True if check == "none" else None


def usable(facts: Facts, target: str) -> tuple[Device, ...]:
    """The devices that may fence the target, by priority, those that say so before those that have to be asked."""
    found = [(device, knows(device, target)) for device in facts.devices]
    fit = [(device, known) for device, known in found if known is not False]
    return tuple(device for device, _ in sorted(fit, key=lambda pair: (-_priority(pair[0]), pair[1] is None)))


def alternatives(facts: Facts, target: str, action: str) -> tuple[tuple[Step, ...], ...]:
    """What to try, in order: each is a chain of which every step must succeed. Empty: nothing is known that could fence it.

    With several devices in a level, a reboot is all of them off and then all on (Pacemaker's remapping): a host with two power
    supplies is off only when both are.
    """
    levels = levels_of(facts, target)
    if not levels:
        return tuple(((device, action),) for device in usable(facts, target))[:ALTERNATIVES_MAX]
    by_id = {device.id: device for device in facts.devices}
    out = []
    for level in levels:
        devices = [by_id[name] for name in level.devices if name in by_id]
        if len(devices) != len(level.devices) or not devices:
            continue
        if action == "reboot" and len(devices) > 1:
            out.append(tuple((d, "off") for d in devices) + tuple((d, "on") for d in devices))
        else:
            out.append(tuple((device, action) for device in devices))
    return tuple(out[:ALTERNATIVES_MAX])


def levels_of(facts: Facts, target: str) -> tuple[Level, ...]:
    """The target's levels, first one first: those for its name, else those by pattern, else those by attribute."""
    attributes = dict(dict(facts.attributes).get(target, ()))
    for kind in ("target", "target-pattern", "target-attribute"):
        found = [level for level in facts.levels if level.kind == kind and _is_for(level, target, attributes)]
        if found:
            return tuple(sorted(found, key=lambda level: level.index))
    return ()


def _is_for(level: Level, target: str, attributes: dict[str, str]) -> bool:
    if level.kind == "target":
        return level.key.lower() == target.lower()
    if level.kind == "target-attribute":
        return attributes.get(level.key) == level.value
    try:
        return len(level.key) <= PATTERN_CHARS_MAX and re.search(level.key, target, re.IGNORECASE) is not None
    except re.error:
        return False


def _priority(device: Device) -> int:
    text = dict(device.parameters).get("priority", "0")
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else 0
