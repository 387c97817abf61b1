"""node, primitive, rsc_template, group, clone, ms and bundle.

    node   ::= node [$id=ID | ID:] UNAME[:TYPE] [description=S] {[attributes|utilization] ATTRS}
    prim   ::= primitive ID (RA | @TEMPLATE) [description=S] {[params|meta|utilization] ATTRS | operations IDSPEC | OP}
    OP     ::= op NAME {SCHEMA_ATTR=V} {OTHER=V} {op_params ATTRS | op_meta ATTRS}
    group  ::= group ID MEMBER... [description=S] {params|meta ATTRS}
    clone  ::= clone ID CHILD [description=S] {params|meta ATTRS}
    bundle ::= bundle ID {docker|podman|rkt K=V... | network K=V... {port-mapping K=V...}
               | storage {storage-mapping K=V...} | meta ATTRS | primitive ID}

Members are left as `<member id=.../>`; configuration.py puts the resources of that name in their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from lxml import etree

from standfast.compat.crm import words
from standfast.compat.crm.cursor import IDENT, Cursor
from standfast.compat.crm.parse_attributes import ID_SPEC, PAIR, canonical, new, read_pairs, read_set, read_sets

UNAME = re.compile(r"([^:=]+)(?::(normal|member|ping|remote))?", re.IGNORECASE)
FIRST_ID = re.compile(r"\$id=(.+)|([\w.-]+):", re.IGNORECASE)
TEMPLATE = re.compile(r"@(.+)")
AGENT = re.compile(r"[A-Za-z0-9_:.-]+(?:@[^\s=]+)?")

PRIMITIVE_SETS = {"params": "instance_attributes", "meta": "meta_attributes", "utilization": "utilization"}
CONTAINER_SETS = {"params": "instance_attributes", "meta": "meta_attributes"}
NODE_SETS = {"attributes": "instance_attributes", "utilization": "utilization"}
OP_SETS = {"op_params": "instance_attributes", "op_meta": "meta_attributes"}

Providers = Callable[[str], tuple[str, ...]]
"""The providers that have an OCF agent of a type on this host; needed for names such as `IPaddr2` or `ping`."""


def heartbeat_only(agent_type: str) -> tuple[str, ...]:
    """The answer where agents cannot be looked up: everything is `ocf:heartbeat`."""
    assert agent_type
    return ("heartbeat",)


def read_node(cursor: Cursor) -> etree._Element:
    """`node ...` after the keyword."""
    element = etree.Element("node")
    if cursor.accept(FIRST_ID):
        element.set("id", cursor.group(1) or cursor.group(2))
    match = cursor.expect(UNAME, "the name of a node")
    element.set("uname", match.group(1))
    if match.group(2):
        element.set("type", match.group(2).lower())
    _describe(cursor, element)
    read_sets(cursor, element, NODE_SETS, "attributes")
    cursor.finish(NODE_SETS)
    return element


def read_primitive(cursor: Cursor, tag: str, providers: Providers) -> etree._Element:
    """`primitive ...` (tag primitive) or `rsc_template ...` (tag template) after the keyword."""
    element = new(tag, id=cursor.expect_id("an id"))
    if tag == "primitive" and cursor.accept(TEMPLATE):
        element.set("template", cursor.group(1))
    else:
        _read_agent(cursor, element, providers)
    _describe(cursor, element)
    is_first = True
    while cursor.has_more:
        at = cursor.index
        if cursor.peek_is("operations"):
            _read_operations(cursor, element)
        elif cursor.peek_is("op"):
            _operations(element).append(_read_op(cursor))
        elif is_first or cursor.peek_is(*PRIMITIVE_SETS):
            read_sets(cursor, element, PRIMITIVE_SETS, "params" if is_first else "")
        is_first = False
        if cursor.index == at:
            break
    cursor.finish((*PRIMITIVE_SETS, "op", "operations"))
    return element


def read_group(cursor: Cursor) -> etree._Element:
    """`group ...` after the keyword; members may come before the attributes only."""
    element = new("group", id=cursor.expect_id("an id"))
    members: list[str] = []
    while (word := cursor.peek()) is not None and "=" not in word and word.lower() not in CONTAINER_SETS:
        name = cursor.expect_resource()
        if name in members:
            cursor.refuse(f"{name} is listed more than once", at=cursor.index - 1)
        members.append(name)
    if not members:
        cursor.refuse("a group needs at least one member")
    _describe(cursor, element)
    read_sets(cursor, element, CONTAINER_SETS, "params")
    cursor.finish(CONTAINER_SETS)
    for name in members:
        element.append(new("member", id=name))
    return element


def read_clone(cursor: Cursor, tag: str) -> etree._Element:
    """`clone ...` or `ms ...` after the keyword."""
    element = new(tag, id=cursor.expect_id("an id"))
    child = cursor.expect_resource()
    _describe(cursor, element)
    read_sets(cursor, element, CONTAINER_SETS, "params")
    cursor.finish(CONTAINER_SETS)
    element.append(new("member", id=child))
    return element


def read_bundle(cursor: Cursor) -> etree._Element:
    """`bundle ...` after the keyword."""
    element = new("bundle", id=cursor.expect_id("an id"))
    _describe(cursor, element)
    parts = (*words.CONTAINER_ENGINES, "network", "storage", "meta", "primitive")
    while (part := cursor.accept_word(*parts)) is not None:
        if part == "primitive":
            element.append(new("member", id=cursor.expect_resource()))
        elif part == "meta":
            element.append(read_set(cursor, "meta_attributes", (*parts, "rule")))
        else:
            element.append(_read_container(cursor, part, parts))
    cursor.finish(parts)
    return element


def read_monitor(cursor: Cursor) -> etree._Element:
    """`monitor RSC[:ROLE] INTERVAL[:TIMEOUT]`: an `<op rsc=...>` for configuration.py to put into the resource."""
    resource, _, role = cursor.expect_resource().partition(":")
    element = new("op", name="monitor", rsc=resource)
    if role:
        element.set("role", canonical(cursor, role, words.ROLES, "a role"))
    interval, _, timeout = cursor.take("an interval").partition(":")
    element.set("interval", interval)
    if timeout:
        element.set("timeout", timeout)
    cursor.finish()
    return element


def split_agent(name: str, providers: Providers) -> tuple[str, str, str]:
    """`[CLASS:[PROVIDER:]]TYPE` as (class, provider, type); ("", "", "") when it has too many or empty parts.

    Without a provider, heartbeat's agent is meant if there is one (or none is known), else pacemaker's, else the first.
    """
    parts = name.split(":")
    if len(parts) > 3 or not all(parts):
        return "", "", ""
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    kind = parts[0] if len(parts) == 2 else "ocf"
    if kind != "ocf":
        return kind, "", parts[-1]
    known = providers(parts[-1])
    for provider in ("heartbeat", "pacemaker"):
        if provider in known:
            return kind, provider, parts[-1]
    return kind, known[0] if known else "heartbeat", parts[-1]


def _read_agent(cursor: Cursor, element: etree._Element, providers: Providers) -> None:
    name = cursor.expect(AGENT, "an agent ([CLASS:[PROVIDER:]]TYPE)").group()
    kind, provider, agent_type = split_agent(name, providers)
    if not agent_type:
        cursor.refuse(f"{name!r} is not [CLASS:[PROVIDER:]]TYPE", remedy="for example ocf:heartbeat:IPaddr2", at=cursor.index - 1)
    element.set("class", kind)
    if provider:
        element.set("provider", provider)
    element.set("type", agent_type)


def _describe(cursor: Cursor, element: etree._Element) -> None:
    text = cursor.description()
    if text:
        element.set("description", text)


def _operations(element: etree._Element) -> etree._Element:
    """The one `<operations>` of a primitive, made when it is missing."""
    found = element.find("operations")
    return found if found is not None else etree.SubElement(element, "operations")


def _read_operations(cursor: Cursor, element: etree._Element) -> None:
    cursor.take("operations")
    match = cursor.expect(ID_SPEC, "$id=ID or $id-ref=ID")
    _operations(element).set(match.group(1).lower(), match.group(2))


def _read_op(cursor: Cursor) -> etree._Element:
    """One OP. A missing interval is 0; names that `<op>` has no attribute for become parameters of the operation."""
    cursor.take("op")
    element = new("op", name=cursor.expect(IDENT, "the name of an operation").group())
    parameters = etree.Element("instance_attributes")
    for pair in read_pairs(cursor):
        name = pair.get("name")
        if name in words.OP_ATTRIBUTES and pair.get("id-ref") is None:
            element.set(name, pair.get("value", ""))
        else:
            parameters.append(pair)
    if element.get("interval") is None:
        element.set("interval", "0")
    if len(parameters):
        element.append(parameters)
    read_sets(cursor, element, OP_SETS, "op_params" if cursor.peek_is("rule") else "")
    return element


def _read_container(cursor: Cursor, tag: str, parts: tuple[str, ...]) -> etree._Element:
    """docker, podman, rkt, network or storage with its attributes and mappings."""
    element = etree.Element(tag)
    target = element
    mappings: Mapping[str, str] = {"network": "port-mapping", "storage": "storage-mapping"}
    while (word := cursor.peek()) is not None and word.lower() not in parts:
        if tag in mappings and cursor.accept_word(mappings[tag]):
            target = etree.SubElement(element, mappings[tag])
            continue
        match = cursor.expect(PAIR, f"name=value for {tag}")
        target.set(_attribute_name(cursor, match.group(1)), match.group(2))
    return element


def _attribute_name(cursor: Cursor, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII):
        cursor.refuse(f"{name!r} cannot be the name of an attribute", at=cursor.index - 1)
    return name
