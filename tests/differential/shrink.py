"""A difference reduced to the smallest CIB that still shows it: elements and attributes go while the difference stays."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from lxml import etree

_NEEDED = {"id", "uname", "class", "type", "provider", "name", "value", "interval", "operation", "rc-code", "op-status"}
_REFERENCES = ("rsc", "with-rsc", "first", "then", "node")


def dangling(root: etree._Element) -> bool:
    """Whether a constraint names what is not there: such a CIB is invalid and would tell of something else."""
    configuration = root.find("configuration")
    if configuration is None:
        return True
    ids = {
        element.get("id") for element in configuration.iter("primitive", "group", "clone", "master", "template", "tag", "bundle")
    }
    names = {element.get("uname") for element in configuration.iter("node")}
    for element in configuration.iterfind("constraints//*"):
        for name in _REFERENCES:
            value = element.get(name)
            if value is not None and value not in (names if name == "node" else ids):
                return True
        if element.tag == "resource_ref" and element.get("id") not in ids:
            return True
        if element.tag == "resource_set" and not len(element):
            return True
    for owner in configuration.iter("group", "clone", "master"):
        if owner.find("primitive") is None and owner.find("group") is None:
            return True
    return any(e.get("id") not in ids for e in configuration.iter("obj_ref")) or configuration.find("nodes/node") is None


def shrink(
    root: etree._Element,
    still: Callable[[etree._Element], bool],
    limit: int = 3000,
    valid: Callable[[etree._Element], bool] | None = None,
) -> etree._Element:
    """The smallest CIB found for which `still` holds, in at most `limit` tries of `still`."""
    best = deepcopy(root)
    tries = 0

    def attempt(candidate: etree._Element) -> bool:
        nonlocal best, tries
        if tries >= limit or dangling(candidate) or (valid is not None and not valid(candidate)):
            return False
        tries += 1
        if not still(candidate):
            return False
        best = candidate
        return True

    shorter = True
    while shorter and tries < limit:
        before = len(etree.tostring(best))
        _drop_elements(lambda: best, attempt)
        _drop_attributes(lambda: best, attempt)
        shorter = len(etree.tostring(best)) < before
    etree.indent(best)
    return best


def _drop_elements(current: Callable[[], etree._Element], attempt: Callable[[etree._Element], bool]) -> None:
    index = 1
    while True:
        elements = [e for e in current().iter() if isinstance(e.tag, str)]
        # Constraints and histories before the resources that they name: from the end of the document to its start.
        if index >= len(elements):
            return
        candidate = deepcopy(current())
        victim = [e for e in candidate.iter() if isinstance(e.tag, str)][len(elements) - index]
        parent = victim.getparent()
        if parent is None:
            return
        parent.remove(victim)
        if not attempt(candidate):
            index += 1


def _drop_attributes(current: Callable[[], etree._Element], attempt: Callable[[etree._Element], bool]) -> None:
    places = [(i, str(n)) for i, e in enumerate(current().iter()) if isinstance(e.tag, str) for n in e.attrib if n not in _NEEDED]
    for place, name in reversed(places):
        candidate = deepcopy(current())
        element = list(candidate.iter())[place]
        del element.attrib[name]
        attempt(candidate)
