"""Documents that are almost right: a CIB with everything in it, cut down to what a schema knows, then spoilt a little."""

from __future__ import annotations

import copy
import random
from pathlib import Path

from lxml import etree
from lxml.etree import _Element as Element

from standfast.cib.grammar import VERSIONS
from standfast.cib.schema import faults, grammar

EVERYTHING = Path(__file__).with_name("everything.xml").read_bytes()
_PARSER = etree.XMLParser(remove_blank_text=True)
_DEFINITIONS = [grammar(version).definition(name) for version in VERSIONS for name in grammar(version).names()]
TAGS = sorted({tag for pattern in _DEFINITIONS for tag in pattern.children()})
NAMES = sorted({name for pattern in _DEFINITIONS for name in pattern.attributes()} - {"validate-with"})
VALUES = [
    "", "0", "1", "-1", "+5", "-0", "1.5", "10", "9x", "99999999999999999999999999", "true", "false", "yes", "INFINITY",
    "-INFINITY", "+INFINITY", "infinity", "abc", "a b", " x ", " 12 ", "a,b", "a,,b", "3000-3010", "é", "x:y", "or", "and",
    "in_range", "gt", "lt", "date_spec", "eq", "defined", "Started", "Promoted", "Master", "Slave", "start", "Optional",
    "Mandatory", "Serialize", "fence", "demote", "stop", "on-fail", "restart-container", "always", "group", "listed", "member",
    "remote", "ping", "normal", "ocf", "lsb", "nagios", "service", "read", "requires", "unfencing", "isolation", "restart-type",
    "cluster-infrastructure", "cman", "corosync", "classic  openais", "stonith-action", "poweroff", "stonith_enabled", "can_fail",
    "string", "integer", "number", "version", "literal", "param",
]  # fmt: skip


def everything() -> Element:
    """A fresh copy of the whole."""
    return etree.fromstring(EVERYTHING, _PARSER)


def spoilt(chance: random.Random, version: str) -> Element:
    """A document that is nearly of that version."""
    root = everything()
    if chance.random() < 0.7:
        for name in set(root.keys()) - set(grammar(version).definition("cib").attributes()):
            del root.attrib[name]
        while found := faults(root, version):
            for fault in found:
                parent = fault.element.getparent()
                if parent is not None:
                    parent.remove(fault.element)
    for _ in range(chance.randrange(3)):
        _spoil(root, chance)
    return root


def _spoil(root: Element, chance: random.Random) -> None:
    element = chance.choice(list(root.iter()))
    parent = element.getparent()
    kind = chance.randrange(8)
    if kind == 0 and element.attrib:
        del element.attrib[chance.choice(sorted(set(element.keys()) - {"validate-with"} or {"id"}))]
    elif kind in {1, 2}:
        element.set(chance.choice(NAMES), chance.choice(VALUES))
    elif kind == 3 and set(element.keys()) - {"validate-with"}:
        element.set(chance.choice(sorted(set(element.keys()) - {"validate-with"})), chance.choice(VALUES))
    elif kind == 4 and parent is not None:
        parent.remove(element)
    elif kind == 5 and parent is not None:
        twin = copy.deepcopy(element)
        for at, part in enumerate(twin.iter()):
            if part.get("id") and chance.random() < 0.9:
                part.set("id", f"q{chance.randrange(10_000)}-{at}")
        parent.insert(chance.randrange(len(parent) + 1), twin)
    elif kind == 6:
        made = etree.SubElement(element, chance.choice(TAGS))
        for _ in range(chance.randrange(4)):
            made.set(chance.choice(NAMES), chance.choice(VALUES))
    elif parent is not None:
        element.tag = chance.choice(TAGS)
