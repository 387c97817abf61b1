"""corosync.conf: any bytes give a configuration that holds together and can be written and read again, or a refusal."""

from __future__ import annotations

from standfast.config.cmap import cmap_keys
from standfast.config.edit import write_config
from standfast.config.keys import SECTIONS
from standfast.config.parse import parse_config
from standfast.config.tree import read_tree

DICTIONARY = tuple(sorted({word.encode() for section, keys in SECTIONS.items() for word in (*section.split("."), *keys)}))


def one(data: bytes) -> None:
    """One input."""
    tree, reports = read_tree(data, "corosync.conf")
    assert all(report.what for report in reports)
    assert tree.name == ""
    config = parse_config(data)
    config.check()
    cmap_keys(config)
    assert parse_config(write_config(config)) == config
