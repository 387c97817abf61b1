"""Two nodes that shoot each other at the same time: is one given a head start? Pure: a CIB in, a report out.

With `two_node` both halves of a cut are quorate, so both fence. When nobody waits, both succeed, and after that both wait for
each other (`wait_for_all`): nobody serves until the wire is whole. Pacemaker says nothing of it, so its tools do not either.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from standfast.base.boolean import is_true
from standfast.base.report import Report, warning
from standfast.fencing.api import Device
from standfast.fencing.devices import knows
from standfast.fencing.values import delay_ms, duration_ms


def fence_race(root: Element) -> Report | None:
    """The report about the configuration of a cluster with two_node; None where there are not two nodes with devices, or one of
    them has a head start (or a time by chance)."""
    configuration = root if root.tag == "configuration" else root.find("configuration")
    if configuration is None:
        return None
    options = {
        pair.get("name") or "": pair.get("value") or ""
        for pair in configuration.iterfind("crm_config/cluster_property_set/nvpair")
    }
    enabled = is_true(options.get("stonith-enabled", options.get("fencing-enabled", "true")))
    nodes = [
        n.get("uname") or "" for n in configuration.iterfind("nodes/node") if n.get("type", "member") in ("member", "normal")
    ]
    if not enabled or len(nodes) != 2 or duration_ms(options.get("priority-fencing-delay"), 0):
        return None
    devices = _devices(configuration)
    waits = [_waits_ms(devices, node) for node in nodes]
    if any(wait is None for wait in waits) or waits[0] != waits[1]:
        return None
    return warning(
        "crm.fence-race",
        "when the two nodes lose sight of each other, each may fence the other, and then both are down",
        "quorum.two_node lets both go on, and no fencing device gives one of them a head start",
        f"pcmk_delay_base=5s on the device that fences {nodes[0]} (then {nodes[0]} wins), pcmk_delay_max=5s on all devices, "
        "or property priority-fencing-delay=5s",
    )


def _devices(configuration: Element) -> list[Device]:
    templates = {template.get("id"): template for template in configuration.iterfind("resources/template")}
    found = []
    for primitive in configuration.iterfind("resources//primitive"):
        template = templates.get(primitive.get("template"))
        sources = [source for source in (template, primitive) if source is not None]
        if any(source.get("class") == "stonith" for source in sources):
            pairs = [pair for source in sources for pair in source.iterfind("instance_attributes/nvpair")]
            given = {pair.get("name") or "": pair.get("value") or "" for pair in pairs}
            found.append(Device(primitive.get("id") or "", "", tuple(given.items()), ()))
    return found


def _waits_ms(devices: list[Device], target: str) -> int | None:
    """How long a shot at `target` waits at least; None when it waits by chance, or no device is for it."""
    fit = [device.parameters for device in devices if knows(device, target) is not False]
    least, other = ([delay_ms(given, target, chance) for given in fit] for chance in (0, 1))
    return min(least) if fit and least == other else None
