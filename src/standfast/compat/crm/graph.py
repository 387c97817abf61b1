"""The configuration as a picture for dot(1): nodes on top, resources below, groups as frames, constraints as edges.

Owns: what is drawn and how it looks (crmsh's colours, so that people find their pictures again). Does not own: rendering it.
An order is an arrow, a location a dashed line with its score, a colocation a dotted line; location rules are drawn when they
name one node, other rules are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from lxml import etree

from standfast.compat.crm.document import Configuration

Attributes = Mapping[str, str]
_FONT = {"fontname": "Helvetica", "fontsize": "11"}
_NODE = {"shape": "box", "style": "bold", "color": "#7ac142"}
_PRIMITIVE = {"shape": "box", "style": "rounded,filled", "fillcolor": "#e4e5e6", "color": "#b9b9b9"}
_TEMPLATE = {**_PRIMITIVE, "style": "rounded,filled,dashed", "fillcolor": "#ffd457"}
_FENCING = {"style": "dashed"}
_FRAME = {**_FONT, "color": "#00aeef", "labelloc": "b", "labeljust": "r"}
_OF_CLONE = {"clone": "#ec008c", "master": "#f8981d", "bundle": "#00aeef"}
_LOCATION = {"style": "dashed", "dir": "none"}
_COLOCATION = {"style": "dotted", "dir": "none", "constraint": "false", "color": "#888888"}
_FROM_TEMPLATE = {"style": "dotted", "dir": "back", "arrowtail": "open", "color": "#b9b9b9"}
_BREAK = "\n"
_MEMBERS = ("primitive", "group", "clone", "master")


def draw(configuration: Configuration) -> str:
    """The text of a dot file."""
    root = configuration.configuration
    lines = ["digraph G {", f"\tgraph [{_text({**_FONT, 'compound': 'true'})}];", f"\tnode [{_text(_FONT)}];"]
    lines.append(f"\tedge [{_text(_FONT)}];")
    names = configuration.node_names()
    lines += [f"\t{_quoted('node ' + name)} [{_text({'label': name, **_NODE})}];" for name in names]
    if names:
        lines.append("\t{ rank=source; " + " ".join(f"{_quoted('node ' + name)};" for name in names) + " }")
    for resource in root.iterfind("resources/*"):
        if isinstance(resource.tag, str):
            lines += [f"\t{line}" for line in _resource(configuration, resource)]
    for constraint in root.iterfind("constraints/*"):
        lines += [f"\t{line}" for line in _constraint(configuration, constraint)]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _text(attributes: Attributes) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())


# ---- resources ----------------------------------------------------------------------------------------------------------


def _resource(configuration: Configuration, element: etree._Element, outer: str = "") -> Iterator[str]:
    """One resource; `outer` is the kind of clone that it is in."""
    ident = element.get("id", "")
    if element.tag in ("primitive", "template"):
        yield from _primitive(configuration, element, outer)
    elif element.tag == "group":
        members = [child for child in element if child.tag in _MEMBERS]
        frame = {"label": f"{outer}:{ident}" if outer else ident, **_FRAME, "color": _OF_CLONE.get(outer, _FRAME["color"])}
        yield f"subgraph {_quoted('cluster_' + ident)} {{"
        yield f"\tgraph [{_text(frame)}];"
        for member in members:
            for line in _resource(configuration, member):
                yield f"\t{line}"
        if len(members) > 1 and element.get("ordered", "true") == "true":
            yield "\t" + " -> ".join(_quoted(member.get("id", "")) for member in members) + ";"
        yield "}"
    else:
        for child in element:
            if child.tag in _MEMBERS:
                yield from _resource(configuration, child, str(element.tag))


def _primitive(configuration: Configuration, element: etree._Element, outer: str) -> Iterator[str]:
    ident, template = element.get("id", ""), element.get("template", "")
    base = configuration.find(template) if template else None
    source = element if base is None else base.element
    standard, kind = source.get("class", ""), source.get("type", "")
    look = dict(_TEMPLATE if element.tag == "template" else _PRIMITIVE)
    if standard == "stonith":
        look.update(_FENCING)
    if outer:
        look["color"] = _OF_CLONE.get(outer, look["color"])
    agent = kind if standard in ("ocf", "stonith") else f"{standard}:{kind}"
    title = f"{outer}:{ident}" if outer else ident
    yield f"{_quoted(ident)} [{_text({'label': f'{title}{_BREAK}{agent}', **look})}];"
    if template:
        yield f"{_quoted(template)} -> {_quoted(ident)} [{_text(_FROM_TEMPLATE)}];"


# ---- constraints --------------------------------------------------------------------------------------------------------


def _constraint(configuration: Configuration, element: etree._Element) -> Iterator[str]:
    if element.tag == "rsc_location":
        node, score = _place(element)
        for resource in _named(element, "rsc"):
            if node:
                yield _edge(configuration, "node " + node, resource, {**_LOCATION, "label": score})
    elif element.tag == "rsc_order":
        kind = element.get("kind") or element.get("score") or ""
        label = {} if kind in ("", "Mandatory", "INFINITY") else {"label": kind}
        for first, then in _pairs(element, "first", "then"):
            yield _edge(configuration, first, then, label)
    elif element.tag == "rsc_colocation":
        score = element.get("score") or element.get("node-attribute") or ""
        for first, then in _pairs(element, "rsc", "with-rsc"):
            yield _edge(configuration, first, then, {**_COLOCATION, "label": score})


def _place(location: etree._Element) -> tuple[str, str]:
    """(node, score) of a location, the node "" where it is not one alone."""
    if location.get("node"):
        return location.get("node", ""), location.get("score", "")
    rules = location.findall("rule")
    expressions = rules[0].findall("*") if len(rules) == 1 else []
    if len(expressions) != 1 or expressions[0].get("attribute") != "#uname" or expressions[0].get("operation") != "eq":
        return "", ""
    return expressions[0].get("value", ""), rules[0].get("score") or rules[0].get("score-attribute") or ""


def _named(element: etree._Element, attribute: str) -> list[str]:
    if element.get(attribute):
        return [element.get(attribute, "")]
    return [str(ref.get("id")) for ref in element.iterfind("resource_set/resource_ref")]


def _pairs(element: etree._Element, first: str, then: str) -> Iterator[tuple[str, str]]:
    """The two of a simple constraint; of sets, neighbours inside a sequential one, and all with all between two."""
    sets = [
        (found.get("sequential", "true") == "true", [str(ref.get("id")) for ref in found.iterfind("resource_ref")])
        for found in element.iterfind("resource_set")
    ]
    if not sets:
        yield element.get(first, ""), element.get(then, "")
    before: list[str] = []
    for is_sequential, members in sets:
        if not members:
            continue
        entry, end = (members[:1], members[-1:]) if is_sequential else (members, members)
        yield from ((a, b) for a in before for b in entry)
        if is_sequential:
            yield from pairwise(members)
        before = end


def _edge(configuration: Configuration, first: str, then: str, attributes: Attributes) -> str:
    """An edge between two resources (or from a node); one of a group starts or ends at its frame."""
    words = dict(attributes)
    ends = []
    for ident, name, last in ((first, "ltail", True), (then, "lhead", False)):
        element = None if ident.startswith("node ") else configuration.find_resource(ident)
        leaves = [] if element is None else [leaf.get("id", "") for leaf in element.iter("primitive")]
        ends.append((leaves[-1] if last else leaves[0]) if leaves else ident)
        group = None if element is None else element if element.tag == "group" else element.find(".//group")
        if group is not None:
            words[name] = f"cluster_{group.get('id')}"
    return f"{_quoted(ends[0])} -> {_quoted(ends[1])}" + (f" [{_text(words)}];" if words else ";")
