"""CIB objects -> statements of `crm configure`, as `show` prints them; and `xml <...>` for what a statement cannot say."""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from standfast.compat.crm import words
from standfast.compat.crm.format_attributes import (
    CONTAINER_TAGS,
    Style,
    attribute,
    attribute_set,
    container,
    member,
    operation,
    pair,
    quote,
    resource_sets,
    rule,
    score,
)
from standfast.compat.crm.parse_resources import split_agent

PRIMITIVE_SETS = {"instance_attributes": "params", "meta_attributes": "meta", "utilization": "utilization"}
NODE_SETS = {"instance_attributes": "attributes", "utilization": "utilization"}
ALERT_SETS = {"instance_attributes": "attributes", "meta_attributes": "meta"}


def statement(keyword: str, element: etree._Element, style: Style = Style()) -> str:  # noqa: B008 - frozen
    """The object as one statement, its parts on lines of their own joined by ` \\`, newline, TAB. Comments come first."""
    lines = [_HEADS[keyword](element)]
    if keyword in ("primitive", "rsc_template"):
        lines[0] += f" {agent(element, style)}"
    if element.get("description") and keyword != "fencing_topology":
        lines.append(pair("description", element.get("description")))
    comments = []
    for child in element:
        if not isinstance(child.tag, str):  # a comment
            comments.append(_comment(child.text or ""))
        else:
            lines.extend(_PARTS.get(keyword, _no_parts)(child, style))
    if keyword == "fencing_topology":
        lines = _topology(element, style)
    return "\n".join([*comments, " \\\n\t".join(lines)])


def xml_statement(element: etree._Element, keyword: str = "") -> str:
    """`xml <...>`, continuation lines joined by ` \\`; a defaults set is wrapped into its section so that it reads back."""
    shown = etree.fromstring(etree.tostring(element, with_tail=False), etree.XMLParser(remove_blank_text=True))
    if keyword in ("rsc_defaults", "op_defaults"):
        section = etree.Element(keyword)
        section.append(shown)
        shown = section
    text = etree.tostring(shown, pretty_print=True, encoding="unicode")
    return "xml " + " \\\n".join(line for line in text.split("\n") if line.strip())


def _comment(text: str) -> str:
    first = text.strip().split("\n", 1)[0]
    return first if first.startswith("#") else f"# {first}"


def agent(element: etree._Element, style: Style) -> str:
    """The agent of a primitive or template: bare for heartbeat's where that reads back so, `@TEMPLATE` when one is used."""
    if element.get("template"):
        return f"@{element.get('template')}"
    parts = (element.get("class"), element.get("provider"), element.get("type"))
    bare = parts[2] or ""
    if parts[:2] == ("ocf", "heartbeat") and split_agent(bare, style.providers) == parts:
        return bare
    return ":".join(part for part in parts if part)


# ---- first lines -----------------------------------------------------------------------------------------------------


def _node_head(element: etree._Element) -> str:
    ident, uname = element.get("id") or "", element.get("uname") or ""
    head = "node"
    if ident != uname:
        head += f" {ident}:" if re.fullmatch(r"[\w.-]+", ident) else f' $id="{ident}"'
    kind = element.get("type")
    return f"{head} {uname}:{kind}" if kind and kind != "normal" else f"{head} {uname}"


def _primitive_head(element: etree._Element) -> str:
    keyword = words.KEYWORD_OF_TAG[str(element.tag)]
    return f"{keyword} {element.get('id')}"


def _container_head(element: etree._Element) -> str:
    keyword = words.KEYWORD_OF_TAG[str(element.tag)]
    members = [child.get("id") or "" for child in element if child.tag in (*words.CHILD_TAGS, "member")]
    return " ".join([keyword, element.get("id") or "", *members])


def _location_head(element: etree._Element) -> str:
    if element.get("rsc") is not None:
        subject = element.get("rsc") or ""
    elif element.get("rsc-pattern") is not None:
        subject = _word(f"/{element.get('rsc-pattern')}/")
    else:
        subject = f"{{ {' '.join(resource_sets(element))} }}"
    parts = ["location", element.get("id") or "", subject]
    parts.extend(f"{name}={element.get(name)}" for name in ("role", "resource-discovery") if element.get(name))
    if element.get("node") is not None:
        parts.append(f"{score(element)}: {element.get('node')}")
    return " ".join(parts)


def _colocation_head(element: etree._Element) -> str:
    parts = ["colocation", element.get("id") or "", f"{score(element)}:"]
    parts.extend(_members(element, "role", ("rsc", "with-rsc")))
    if element.get("node-attribute"):
        parts.append(pair("node-attribute", element.get("node-attribute")))
    return " ".join(parts)


def _order_head(element: etree._Element) -> str:
    parts = ["order", element.get("id") or ""]
    kind = score(element) or element.get("kind")
    if kind:
        parts.append(f"{kind}:")
    parts.extend(_members(element, "action", ("first", "then")))
    if element.get("symmetrical"):
        parts.append(f"symmetrical={element.get('symmetrical')}")
    return " ".join(parts)


def _ticket_head(element: etree._Element) -> str:
    parts = ["rsc_ticket", element.get("id") or "", f"{element.get('ticket')}:", *_members(element, "role", ("rsc",))]
    if element.get("loss-policy"):
        parts.append(f"loss-policy={element.get('loss-policy')}")
    return " ".join(parts)


def _members(element: etree._Element, qualifier: str, names: tuple[str, ...]) -> list[str]:
    if element.find("resource_set") is not None:
        return resource_sets(element)
    return [member(element, name, qualifier) for name in names]


def _property_head(keyword: str) -> Callable[[etree._Element], str]:
    def head(element: etree._Element) -> str:
        if element.get("id-ref") is not None:
            return f"{keyword} {pair('$id-ref', element.get('id-ref'))}"
        ident = element.get("id") or ""
        return f"{keyword} {ident}:" if re.fullmatch(r"[\w.-]+", ident) else f"{keyword} {pair('$id', ident)}"

    return head


def _plain_head(keyword: str) -> Callable[[etree._Element], str]:
    return lambda element: f"{keyword} {element.get('id')}"


def _tag_head(element: etree._Element) -> str:
    return " ".join(["tag", element.get("id") or "", *(child.get("id") or "" for child in element.iterchildren("obj_ref"))])


def _alert_head(element: etree._Element) -> str:
    return f"alert {element.get('id')} {quote(element.get('path') or '')}"


def _word(text: str) -> str:
    return text if not re.search(r"[\s'\"\\]", text) else quote(text)


# ---- the lines after the first -----------------------------------------------------------------------------------------


def _no_parts(_child: etree._Element, _style: Style) -> list[str]:
    return []


def _node_parts(child: etree._Element, style: Style) -> list[str]:
    return [attribute_set(NODE_SETS[str(child.tag)], child, style)] if child.tag in NODE_SETS else []


def _primitive_parts(child: etree._Element, style: Style) -> list[str]:
    if child.tag in PRIMITIVE_SETS:
        return [attribute_set(PRIMITIVE_SETS[str(child.tag)], child, style)]
    if child.tag != "operations":
        return []
    lines = []
    spec = [pair(f"${name}", child.get(name)) for name in ("id", "id-ref") if child.get(name) is not None]
    if spec:
        lines.append(" ".join(["operations", *spec]))
    for found in child.iterchildren("op"):
        lines.extend(operation(found, style))
    return lines


def _container_parts(child: etree._Element, style: Style) -> list[str]:
    if child.tag in ("instance_attributes", "meta_attributes"):
        return [attribute_set(PRIMITIVE_SETS[str(child.tag)], child, style)]
    return []


def _bundle_parts(child: etree._Element, style: Style) -> list[str]:
    if child.tag == "meta_attributes":
        return [attribute_set("meta", child, style)]
    if child.tag in ("primitive", "member"):
        return [f"primitive {child.get('id')}"]
    return [container(child)] if child.tag in CONTAINER_TAGS else []


def _location_parts(child: etree._Element, style: Style) -> list[str]:
    return [f"rule {rule(child, style)}"] if child.tag == "rule" else []


def _property_parts(child: etree._Element, style: Style) -> list[str]:
    if child.tag == "rule":
        return [f"rule {rule(child, style)}"]
    return [attribute(child, style)] if child.tag == "nvpair" else []


def _acl_parts(child: etree._Element, _style: Style) -> list[str]:
    if child.tag == "acl_permission":
        parts = [child.get("kind") or ""]
        if child.get("description"):
            parts.append(pair("description", child.get("description")))
        parts.extend(_spec(name, child.get(key)) for key, name in words.ACL_SPEC_NAMES if child.get(key) is not None)
        return [" ".join(parts)]
    if child.tag == "role":
        return [child.get("id") or ""]
    if child.tag == "role_ref":
        return [f"role:{child.get('id')}"]
    return [" ".join([str(child.tag), *(_spec(name, child.get(name)) for name in words.ACL_RULE_SPECS if child.get(name))])]


def _spec(name: str, value: str | None) -> str:
    """One ACL specification; an xpath that a shortcut stands for is printed as the shortcut."""
    text = value or ""
    if name == "xpath":
        for shortcut, parts in words.ACL_SHORTCUTS.items():
            for count in range(1, len(parts) + 1):
                pattern = re.escape("".join(parts[:count])).replace("@@", r"([A-Za-z_][\w.-]*)")
                match = re.fullmatch(pattern, text)
                if match and not (shortcut == "location" and match.group(1) != match.group(2)):
                    names = match.groups()[:1] if shortcut == "location" else match.groups()
                    return ":".join([shortcut, *names])
        text = quote(text)
    elif re.search(r"[\s'\"\\]", text):
        text = quote(text)
    return f"{name}:{text}"


def _alert_parts(child: etree._Element, style: Style) -> list[str]:
    if child.tag in ALERT_SETS:
        return [attribute_set(ALERT_SETS[str(child.tag)], child, style)]
    if child.tag == "select":
        parts = ["select"]
        for selection in child.iterchildren(etree.Element):
            name = str(selection.tag).removeprefix("select_")
            names = [found.get("name") or "" for found in selection.iterchildren("attribute")]
            parts.extend([name, "{", *names, "}"] if name == "attributes" else [name])
        return [" ".join(parts)]
    if child.tag != "recipient":
        return []
    parts = [quote(child.get("value") or "")]
    if child.get("description"):
        parts.append(pair("description", child.get("description")))
    sets = child.iterchildren("instance_attributes", "meta_attributes")
    parts.extend(attribute_set(ALERT_SETS[str(found.tag)], found, style) for found in sets)
    # Braces keep attributes of the alert, which would follow, apart from those of the recipient.
    later = [sibling.tag for sibling in child.itersiblings() if sibling.tag in ALERT_SETS]
    return [" ".join(["to", "{", *parts, "}"] if later else ["to", *parts])]


def _topology(element: etree._Element, style: Style) -> list[str]:
    """Levels gathered by target, in the order of their index; printed short when all nodes have the same."""
    targets: dict[str, list[tuple[int, str]]] = {}
    for level in element.iterchildren("fencing-level"):
        if level.get("target-pattern") is not None:
            target = f"pattern:{_word(level.get('target-pattern') or '')}"
        elif level.get("target-attribute") is not None:
            target = f"attr:{level.get('target-attribute')}={level.get('target-value')}"
        else:
            target = f"{level.get('target')}:"
        index = level.get("index") or ""
        targets.setdefault(target, []).append((int(index) if index.isdigit() else 0, level.get("devices") or ""))
    lines = [" ".join(devices for _, devices in sorted(levels)) for levels in targets.values()]
    if lines and len(set(lines)) == 1 and len(targets) == style.nodes and all(name.endswith(":") for name in targets):
        return [f"fencing_topology {lines[0]}"]
    return ["fencing_topology", *(f"{target} {line}" for target, line in zip(targets, lines, strict=True))]


_HEADS: dict[str, Callable[[etree._Element], str]] = {
    "node": _node_head,
    "primitive": _primitive_head,
    "rsc_template": _primitive_head,
    "bundle": _plain_head("bundle"),
    "group": _container_head,
    "clone": _container_head,
    "ms": _container_head,
    "location": _location_head,
    "colocation": _colocation_head,
    "order": _order_head,
    "rsc_ticket": _ticket_head,
    "fencing_topology": lambda _element: "fencing_topology",
    "property": _property_head("property"),
    "rsc_defaults": _property_head("rsc_defaults"),
    "op_defaults": _property_head("op_defaults"),
    "tag": _tag_head,
    "role": _plain_head("role"),
    "user": _plain_head("user"),
    "acl_target": _plain_head("acl_target"),
    "acl_group": _plain_head("acl_group"),
    "alert": _alert_head,
}

_PARTS: dict[str, Callable[[etree._Element, Style], list[str]]] = {
    "node": _node_parts,
    "primitive": _primitive_parts,
    "rsc_template": _primitive_parts,
    "bundle": _bundle_parts,
    "group": _container_parts,
    "clone": _container_parts,
    "ms": _container_parts,
    "location": _location_parts,
    "property": _property_parts,
    "rsc_defaults": _property_parts,
    "op_defaults": _property_parts,
    "role": _acl_parts,
    "user": _acl_parts,
    "acl_target": _acl_parts,
    "acl_group": _acl_parts,
    "alert": _alert_parts,
}
