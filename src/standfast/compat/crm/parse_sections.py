"""property, rsc_defaults, op_defaults, fencing_topology, tag, role, user, acl_target, acl_group, alert and xml.

prop  ::= (property|rsc_defaults|op_defaults) [$id=ID | ID: | $id-ref=ID] {RULE} {K=V}
fence ::= fencing_topology (DEV[,DEV]... | {(NODE: | attr:A=V | pattern:RE) DEV[,DEV]...})
tag   ::= tag ID[:] OBJ...
acl   ::= role ID {(read|write|deny) SPEC...} | acl_target U ROLE... | acl_group G ROLE... | user U {role:R | RIGHT SPEC...}
alert ::= alert ID PATH {attributes|meta ATTRS | select {...} | to ["{"] RECIPIENT {attributes|meta ATTRS} ["}"]}
"""

from __future__ import annotations

import re

from lxml import etree

from standfast.compat.crm import words
from standfast.compat.crm.cursor import ID, Cursor
from standfast.compat.crm.parse_attributes import ID_SPEC, new, read_pairs, read_rules, read_sets

SET_ID = re.compile(r"([\w.-]+):", re.ASCII)
TAG_ID = re.compile(r"([A-Za-z_][^\s:]*):?")
TARGET = re.compile(r"([^:]+):")
TARGET_ATTRIBUTE = re.compile(r"attr:([\w-]+)=([\w.-]+)", re.IGNORECASE)
TARGET_PATTERN = re.compile(r"pattern:(.+)", re.IGNORECASE)
DEVICES = re.compile(r"[^\s,:=]+(?:,[^\s,:=]+)*")
ROLE_REFERENCE = re.compile(r"role:([\w#$][^\s=:'\"\\]*)", re.IGNORECASE)
ACL_NAME = re.compile(r"[\w#$][^\s=:'\"\\]*")
PERMISSION = re.compile(r"([^:]+)(?::(.+))?", re.DOTALL)

ALERT_SETS = {"attributes": "instance_attributes", "meta": "meta_attributes"}
ALERT_WORDS = frozenset(("attributes", "meta", "to", "select", "}", "rule"))


def read_property_set(cursor: Cursor, keyword: str) -> etree._Element:
    """`property`, `rsc_defaults` or `op_defaults` after the keyword, with its default id where none is given."""
    element = etree.Element(words.TAG_OF_KEYWORD[keyword])
    if cursor.accept(SET_ID):
        element.set("id", cursor.group(1))
    elif cursor.accept(ID_SPEC):
        if not ID.fullmatch(cursor.group(2)):
            cursor.refuse(f"{cursor.group(2)!r} cannot be an id", at=cursor.index - 1)
        element.set(cursor.group(1).lower(), cursor.group(2))
    if element.get("id-ref") is None:
        ident = element.get("id") or words.DEFAULT_IDS[keyword]
        if not ID.fullmatch(ident):
            cursor.refuse(f"{ident!r} cannot be an id", at=cursor.index - 1)
        element.set("id", ident)
    for rule in read_rules(cursor):
        element.append(rule)
    for pair in read_pairs(cursor, frozenset()):
        element.append(pair)
    cursor.finish()
    return element


def read_topology(cursor: Cursor) -> etree._Element:
    """`fencing_topology ...`; levels without a target carry none: configuration.py repeats them for every node."""
    element = etree.Element("fencing-topology")
    target: dict[str, str] = {}
    levels: dict[tuple[str, ...], int] = {}
    while cursor.has_more:
        if cursor.accept(TARGET_ATTRIBUTE):
            target = {"target-attribute": cursor.group(1), "target-value": cursor.group(2)}
        elif cursor.accept(TARGET_PATTERN):
            target = {"target-pattern": cursor.group(1)}
        elif cursor.accept(TARGET):
            target = {"target": cursor.group(1)}
        else:
            devices = cursor.expect(DEVICES, "fencing devices, joined by commas").group()
            key = tuple(target.values())
            levels[key] = levels.get(key, 0) + 1
            level = etree.SubElement(element, "fencing-level", dict(target))
            level.set("index", str(levels[key]))
            level.set("devices", devices)
    if target and tuple(target.values()) not in levels:
        cursor.refuse("the last target has no devices")
    return element


def read_tag(cursor: Cursor) -> etree._Element:
    """`tag ...` after the keyword."""
    element = new("tag", id=cursor.expect(TAG_ID, "the name of a tag").group(1))
    while cursor.has_more:
        element.append(new("obj_ref", id=cursor.expect_resource()))
    if not len(element):
        cursor.refuse("a tag needs at least one object")
    return element


def read_acl(cursor: Cursor, keyword: str) -> etree._Element:
    """`role`, `user`, `acl_target` or `acl_group` after the keyword."""
    element = new(words.TAG_OF_KEYWORD[keyword], id=cursor.expect(ACL_NAME, "a name").group())
    if keyword == "role":
        text = cursor.description()
        if text:
            element.set("description", text)
        while cursor.has_more:
            element.extend(_read_permissions(cursor))
    elif keyword == "user":
        while cursor.has_more:
            if cursor.accept(ROLE_REFERENCE):
                element.append(new("role_ref", id=cursor.group(1)))
            else:
                element.append(_read_old_rule(cursor))
    else:
        while cursor.has_more:
            element.append(new("role", id=cursor.expect(ACL_NAME, "the name of a role").group()))
    return element


def _read_permissions(cursor: Cursor) -> list[etree._Element]:
    """One right with its specifications: one `<acl_permission>` for each of xpath, reference and object type."""
    right = cursor.accept_word(*words.ACL_RIGHTS)
    if right is None:
        cursor.refuse(f"{' / '.join(words.ACL_RIGHTS)} expected")
    ident = cursor.group(1) if cursor.accept(SET_ID) else ""
    text = cursor.description()
    specs: dict[str, str] = {}
    while (word := cursor.peek()) is not None and word.partition(":")[0] in (*words.ACL_SPECS, *words.ACL_SHORTCUTS):
        match = cursor.expect(PERMISSION, "TYPE:SPEC")
        name, value = match.group(1), match.group(2) or ""
        if name in words.ACL_SHORTCUTS:
            specs["xpath"] = _expand(cursor, name, value)
        elif not value:
            cursor.refuse(f"{name} needs a value", remedy=f"{name}:...", at=cursor.index - 1)
        else:
            specs[words.ACL_SPECS[name]] = value
    found = []
    for name in ("xpath", "reference", "object-type"):
        if name in specs:
            permission = new("acl_permission", kind=right, id=ident, description=text)
            permission.set(name, specs[name])
            if name == "object-type" and "attribute" in specs:
                permission.set("attribute", specs["attribute"])
            found.append(permission)
    if not found or ("attribute" in specs and "object-type" not in specs):
        cursor.refuse(f"{right} needs xpath:, ref:, type: (which attr: may narrow) or a shortcut such as cib or meta:RSC")
    return found


def _read_old_rule(cursor: Cursor) -> etree._Element:
    """A right in a `user` statement, as Pacemaker before 1.1.12 had it."""
    right = cursor.accept_word(*words.ACL_RIGHTS)
    if right is None:
        cursor.refuse(f"role:ROLE or {' / '.join(words.ACL_RIGHTS)} expected")
    element = etree.Element(right)
    while (word := cursor.peek()) is not None and word.partition(":")[0] in (*words.ACL_RULE_SPECS, *words.ACL_SHORTCUTS):
        name, _, value = cursor.take("a specification").partition(":")
        if name in words.ACL_SHORTCUTS:
            name, value = "xpath", _expand(cursor, name, value)
        element.set(name, value)
    if not element.attrib:
        cursor.refuse(f"{right} needs xpath:, ref:, tag: or a shortcut")
    return element


def _expand(cursor: Cursor, name: str, value: str) -> str:
    """The xpath that a shortcut stands for; parts of `value` take the places of `@@`, one after another."""
    values = value.split(":") if value else []
    xpath = ""
    for number, part in enumerate(words.ACL_SHORTCUTS[name]):
        if "@@" in part:
            if not values and number > 0:
                break
            if not values:
                cursor.refuse(f"{name} needs a name", remedy=f"{name}:NAME", at=cursor.index - 1)
            part = part.replace("@@", values.pop(0))  # noqa: PLW2901 - one step of the build-up
        xpath += part
    if values:
        cursor.refuse(f"{name} takes fewer names than {value!r} has", at=cursor.index - 1)
    return xpath


def read_alert(cursor: Cursor) -> etree._Element:
    """`alert ...` after the keyword."""
    element = new("alert", id=cursor.expect_id("an id"))
    element.set("path", cursor.take("the path of a program"))
    text = cursor.description()
    if text:
        element.set("description", text)
    count = 0
    while cursor.has_more:
        if cursor.peek_is(*ALERT_SETS):
            read_sets(cursor, element, ALERT_SETS, terminators=ALERT_WORDS)
        elif cursor.accept_word("select"):
            element.append(_read_selection(cursor))
        elif cursor.accept_word("to"):
            count += 1
            element.append(_read_recipient(cursor, f"{element.get('id')}-recipient-{count}"))
        else:
            cursor.finish(("attributes", "meta", "select", "to"))
    return element


def _read_selection(cursor: Cursor) -> etree._Element:
    element = etree.Element("select")
    while cursor.peek_is(*words.ALERT_SELECTIONS):
        following = cursor.tokens[cursor.index + 1].text if cursor.remaining > 1 else ""
        if cursor.peek_is("attributes") and following != "{":
            break  # the attributes of the alert, not a selection
        name = cursor.take("a selection").lower()
        selection = etree.SubElement(element, f"select_{name}")
        if name == "attributes":
            cursor.take("{")
            while not cursor.accept_word("}"):
                selection.append(new("attribute", name=cursor.take("the name of an attribute, or }")))
    if not len(element):
        cursor.refuse(f"select needs one of: {', '.join(words.ALERT_SELECTIONS)}")
    return element


def _read_recipient(cursor: Cursor, ident: str) -> etree._Element:
    is_braced = cursor.accept_word("{") is not None
    element = new("recipient", id=ident)
    element.set("value", cursor.take("a recipient"))
    text = cursor.description()
    if text:
        element.set("description", text)
    read_sets(cursor, element, ALERT_SETS, terminators=ALERT_WORDS)
    if is_braced and not cursor.accept_word("}"):
        cursor.refuse("} expected")
    return element


def read_xml(cursor: Cursor) -> etree._Element:
    """`xml <...>`: the element as it stands, if it is one of the configuration's objects."""
    statement = cursor.statement
    text = statement.raw[len(statement.tokens[0].text) :].strip()
    if not text:
        cursor.refuse("an element expected after xml")
    # No DTD, no network, no entities: the text may come from anybody.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True, huge_tree=False)
    try:
        element = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as fault:
        cursor.refuse("the XML cannot be read", str(fault.msg), at=0)
    if element.getroottree().docinfo.doctype:
        cursor.refuse("a document type has no place in the configuration", at=0)
    return element
