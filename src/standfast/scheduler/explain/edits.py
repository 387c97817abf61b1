"""Edits of a copy of the CIB that stand for what an administrator would type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lxml import etree

from standfast.scheduler.explain.model import Edit
from standfast.scheduler.unpack.failcounts import base_name


def both(*edits: Edit) -> Edit:
    """Several, in order."""

    def apply(root: etree._Element) -> None:
        for edit in edits:
            edit(root)

    return apply


def without(element_id: str) -> Edit:
    """An element of that id is taken out; a rule takes its constraint with it."""

    def apply(root: etree._Element) -> None:
        for element in _with_id(root, element_id):
            _remove(element)

    return apply


def forgotten(resource: str, node: str = "") -> Edit:
    """`crm resource cleanup`: failures and the history of a resource are gone, on one node or on all."""
    name = base_name(resource)

    def apply(root: etree._Element) -> None:
        for state in root.iter("node_state"):
            if node in ("", state.get("uname")):
                for history in [h for h in state.iter("lrm_resource") if base_name(h.get("id") or "") == name]:
                    _remove(history)
                for pair in [p for p in state.iter("nvpair") if _is_failure(p.get("name") or "", name)]:
                    _remove(pair)

    return apply


def _is_failure(attribute: str, resource: str) -> bool:
    for prefix in ("fail-count-", "last-failure-"):
        if attribute.startswith(prefix):
            return base_name(attribute.removeprefix(prefix).partition("#")[0]) == resource
    return False


def option(name: str, value: str) -> Edit:
    """`crm configure property NAME=VALUE`."""

    def apply(root: etree._Element) -> None:
        pairs = [pair for pair in root.iterfind("configuration/crm_config//nvpair") if pair.get("name") == name]
        for pair in pairs:
            pair.set("value", value)
        if not pairs:
            config = _path(root, "configuration", "crm_config")
            first = config.find("cluster_property_set")
            if first is None:
                first = etree.SubElement(config, "cluster_property_set", id="cib-bootstrap-options")
            etree.SubElement(first, "nvpair", id=f"cib-bootstrap-options-{name}", name=name, value=value)

    return apply


def meta(names: Iterable[str], key: str, value: str) -> Edit:
    """A meta attribute of resources (and its like in anything inside them is dropped)."""
    wanted = frozenset(names)

    def apply(root: etree._Element) -> None:
        resources = root.find("configuration/resources")
        for element in [] if resources is None else [e for e in _elements(resources) if e.get("id") in wanted]:
            for pair in [p for p in element.iterfind(".//meta_attributes/nvpair") if p.get("name") == key]:
                _remove(pair)
            block = element.find("meta_attributes")
            if block is None:
                block = etree.SubElement(element, "meta_attributes", id=f"{element.get('id')}-meta_attributes")
            etree.SubElement(block, "nvpair", id=f"{block.get('id')}-{key}", name=key, value=value)

    return apply


def node_attribute(node: str, key: str, value: str) -> Edit:
    """`crm node standby`, `maintenance`, ...: a permanent attribute; a transient one of that name is dropped."""

    def apply(root: etree._Element) -> None:
        for state in root.iter("node_state"):
            if state.get("uname") == node:
                for pair in [p for p in state.iter("nvpair") if p.get("name") == key]:
                    _remove(pair)
        for element in root.iterfind("configuration/nodes/node"):
            if element.get("uname") == node:
                for pair in [p for p in element.iterfind("instance_attributes/nvpair") if p.get("name") == key]:
                    _remove(pair)
                block = element.find("instance_attributes")
                if block is None:
                    block = etree.SubElement(element, "instance_attributes", id=f"nodes-{element.get('id')}")
                etree.SubElement(block, "nvpair", id=f"nodes-{element.get('id')}-{key}", name=key, value=value)

    return apply


def without_node_attributes(node: str, names: Iterable[str]) -> Edit:
    """Attributes of a node are deleted, permanent and transient ones."""
    wanted = frozenset(names)

    def apply(root: etree._Element) -> None:
        owners = [*root.iterfind("configuration/nodes/node"), *root.iter("node_state")]
        for owner in [o for o in owners if o.get("uname") == node]:
            for pair in [p for p in owner.iter("nvpair") if p.get("name") in wanted]:
                _remove(pair)

    return apply


def ticket(name: str) -> Edit:
    """`crm_ticket --grant` and `--activate`."""

    def apply(root: etree._Element) -> None:
        tickets = _path(root, "status", "tickets")
        state = next((t for t in tickets.iterchildren("ticket_state") if t.get("id") == name), None)
        if state is None:
            state = etree.SubElement(tickets, "ticket_state", id=name)
        state.set("granted", "true")
        state.set("standby", "false")

    return apply


def _elements(root: etree._Element) -> Iterator[etree._Element]:
    return (element for element in root.iter() if isinstance(element.tag, str))


def _with_id(root: etree._Element, element_id: str) -> list[etree._Element]:
    found = []
    for element in _elements(root):
        if element.get("id") == element_id:
            parent = element.getparent()
            is_rule = element.tag == "rule" and parent is not None and parent.tag == "rsc_location"
            found.append(parent if is_rule and parent is not None else element)
    return found


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _path(root: etree._Element, *tags: str) -> etree._Element:
    """A descendant by its path, made where it is missing."""
    here = root
    for tag in tags:
        child = here.find(tag)
        here = etree.SubElement(here, tag) if child is None else child
    return here
