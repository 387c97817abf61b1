"""The configuration as corosync-cmapctl lists it: flat keys with types, as exec/coroparse.c puts them into icmap.

Owns: names and types of configuration keys. Does not own: run-time keys (`runtime.*`), which the engine adds.
"""

from __future__ import annotations

from collections.abc import Iterator

from standfast.config.keys import SECTIONS, Fate
from standfast.config.model import ClusterConfig, NodeConfig
from standfast.config.tree import Item, Section

CmapKey = tuple[str, str, str]
"""(key, type, value): type is str, u8, u16, u32, u64, i32; value as cmapctl prints it."""

_HIDDEN = {"totem.key"}


def cmap_keys(config: ClusterConfig, local: NodeConfig | None = None) -> tuple[CmapKey, ...]:
    """Every key of the file, sorted by name, and what Corosync derives from it: nodeid of each node, local_node_pos, and
    runtime.config.totem.token (ms in use). `totem.key` is never shown."""
    keys: dict[str, CmapKey] = {}
    for entry in (*_walk(config.tree, ""), *_derived(config, local)):
        if entry[0] not in _HIDDEN:
            keys[entry[0]] = entry
    return tuple(keys[name] for name in sorted(keys))


def _walk(section: Section, path: str) -> Iterator[CmapKey]:
    node = 0
    for item in section.items:
        name = item.key if isinstance(item, Item) else item.name
        inner = f"{path}.{name}" if path else name
        if isinstance(item, Item):
            yield _typed(inner, path, item)
        elif inner == "nodelist.node":
            yield from (_typed(f"nodelist.node.{node}.{key.key}", inner, key) for key in item.pairs())
            node += 1
        elif inner == "totem.interface":
            yield from _interface(item)
        elif inner in {"logging.logger_subsys", "logging.logging_daemon"}:
            yield from _logging(item, inner)
        elif inner == "uidgid":
            yield from ((f"uidgid.config.{key.key}.{key.value}", "u8", "1") for key in item.pairs())
        else:
            yield from _walk(item, inner)


def _typed(name: str, section: str, item: Item) -> CmapKey:
    key = SECTIONS.get(section, {}).get(item.key)
    if key is None or key.cmap == "str":
        return name, "str", item.value
    return name, key.cmap, str(int(item.value))


def _interface(section: Section) -> Iterator[CmapKey]:
    number = next((item.value for item in section.pairs() if item.key == "linknumber"), "0")
    for item in section.pairs():
        if item.key == "linknumber":
            continue
        key = SECTIONS["totem.interface"].get(item.key)
        # a key that corosync does not parse in this section stays under the section's own name (`ringnumber`)
        parsed = key is not None and key.fate is not Fate.OLD
        yield _typed(f"totem.interface.{number}.{item.key}" if parsed else f"totem.interface.{item.key}", "totem.interface", item)
    members = [item.value for part in section.sections("member") for item in part.pairs()]
    for at, value in enumerate(members):
        yield f"totem.interface.{number}.member.{at}", "str", value


def _logging(section: Section, path: str) -> Iterator[CmapKey]:
    keys = {item.key: item for item in section.pairs()}
    subsystem = keys["subsys"].value if "subsys" in keys else ""
    name = f"{path}.{subsystem}"
    if path.endswith("logging_daemon"):
        name = f"{path}.{keys['name'].value}" + (f".{subsystem}" if subsystem else "")
    for item in keys.values():
        yield _typed(f"{name}.{item.key}", path, item)


def _derived(config: ClusterConfig, local: NodeConfig | None) -> Iterator[CmapKey]:
    for node in config.nodelist:
        yield f"nodelist.node.{node.position}.nodeid", "u32", str(node.id)
    if local is not None:
        yield "nodelist.local_node_pos", "u32", str(local.position)
    yield "runtime.config.totem.token", "u32", str(config.silence_ms_max)
