"""Small questions to a document, without an XPath in every room. `root` is a `cib` element; nothing here changes it."""

from __future__ import annotations

from lxml import etree
from lxml.etree import _Element as Element

_BY_ID = etree.XPath("/cib/configuration//*[@id=$id]", regexp=False)
FIRST_SET = "cib-bootstrap-options"
"""The set of cluster options that comes before all others, whatever their scores (Pacemaker's unpack_nvpair_blocks)."""


def find_by_id(root: Element, own: str) -> Element | None:
    """The configuration's element with this id (nodes have ids of their own kind: see `node`)."""
    found = _BY_ID(root, id=own)
    assert isinstance(found, list)
    return next(
        (item for item in found if isinstance(item, type(root)) and item.tag not in {"node", "obj_ref", "resource_ref"}), None
    )


def nvpair_value(holder: Element, name: str) -> str | None:
    """The value of a name in the nvpair sets that are children of `holder`, the set with the highest score first. Sets with a
    rule are left out: whether one holds is for the scheduler to say."""
    sets = [block for block in holder if next(block.iterchildren("rule"), None) is None]
    for block in sorted(sets, key=_order) if len(sets) > 1 else sets:
        for pair in block.iterchildren("nvpair"):
            if pair.get("name") == name:
                return pair.get("value", "")
    return None


def attribute_value(root: Element, section: str, name: str) -> str | None:
    """The value of an option in a section of sets: crm_config, rsc_defaults or op_defaults."""
    holder = root.find(f"configuration/{section}")
    return None if holder is None else nvpair_value(holder, name)


def nodes(root: Element) -> dict[str, str]:
    """The configured nodes, id to uname, in the document's order."""
    return {node.get("id", ""): node.get("uname", "") for node in root.iterfind("configuration/nodes/node")}


def node_state(root: Element, node: str) -> Element | None:
    """A node's part of the status section, by its id or its uname."""
    states = list(root.iterfind("status/node_state"))
    matching = [state for state in states if state.get("id") == node] + [state for state in states if state.get("uname") == node]
    return matching[0] if matching else None


def _order(block: Element) -> tuple[bool, int]:
    score = block.get("score", "0").replace("INFINITY", "1000000")
    number = int(score) if score.lstrip("+-").isdecimal() else 0
    return (block.get("id") != FIRST_SET, -number)
