"""CIB elements -> the parts inside a statement: pairs, attribute sets, rules, dates, scores, resource sets.

Values that match `[\\w.-]+` stand bare, all others in double quotes with `\\"`; INFINITY is `inf`; a rule's INFINITY is left out;
`$id` is printed only when something refers to it.
"""

from __future__ import annotations

import fnmatch
import re

from lxml import etree

from standfast.base.boolean import is_true
from standfast.base.dataclass import dataclass
from standfast.compat.crm import words
from standfast.compat.crm.parse_resources import Providers, heartbeat_only

BARE = re.compile(r"[\w.-]+")
OBSCURED = "******"
_ESCAPE = re.compile(r'"|\\(?=["\\]|\Z)')  # a backslash before anything else stands for itself, as in a POSIX shell


@dataclass(frozen=True, slots=True)
class Style:
    """What printing depends on beside the object: (tag, id) pairs that something refers to, names whose values are masked
    (globs such as `passw*`), how many nodes there are (a fencing topology alike for all of them is printed short), and which
    providers have an agent of a type (a bare name must read back as heartbeat's)."""

    referenced: frozenset[tuple[str, str]] = frozenset()
    obscured: tuple[str, ...] = ()
    nodes: int = 0
    providers: Providers = heartbeat_only

    def is_referenced(self, element: etree._Element) -> bool:
        """Whether an `id-ref` elsewhere names this element."""
        return (str(element.tag), element.get("id", "")) in self.referenced


def quote(value: str) -> str:
    """A value as the shell prints and reads it back."""
    if BARE.fullmatch(value):
        return value
    return '"' + _ESCAPE.sub(r"\\\g<0>", value) + '"'


def pair(name: str, value: str | None) -> str:
    """`name=value`, or the bare name when there is no value."""
    return name if value is None else f"{name}={quote(value)}"


def attribute(element: etree._Element, style: Style) -> str:
    """One nvpair."""
    ident, reference, name = element.get("id"), element.get("id-ref"), element.get("name")
    if reference is not None:
        return f"@{reference}:{name}" if name else f"@{reference}"
    value = element.get("value")
    if value is not None and any(fnmatch.fnmatchcase(name or "", pattern) for pattern in style.obscured):
        value = OBSCURED
    text = _word(name or "") if value is None else f"{_word(name or '')}={quote(value)}"
    return f"${ident}:{text}" if ident and style.is_referenced(element) else text


def _word(name: str) -> str:
    """A name, quoted when it would not read back as one word."""
    return name if not re.search(r"[\s'\"\\]", name) else '"' + _ESCAPE.sub(r"\\\g<0>", name) + '"'


def attribute_set(keyword: str, element: etree._Element, style: Style) -> str:
    """`KEYWORD [$id=..] [SCORE:] {rule ...} {name=value}` on one line."""
    parts = [keyword]
    if element.get("id-ref") is not None:
        parts.append(pair("$id-ref", element.get("id-ref")))
    elif style.is_referenced(element):
        parts.append(pair("$id", element.get("id")))
    if element.get("score"):
        parts.append(f"{element.get('score')}:")
    parts.extend(f"rule {rule(child, style)}" for child in element.iterchildren("rule"))
    parts.extend(attribute(child, style) for child in element.iterchildren("nvpair"))
    return " ".join(parts)


def score(element: etree._Element) -> str:
    """The score or score-attribute of a constraint or rule, INFINITY as `inf`; empty when it has none."""
    text = element.get("score")
    return text.replace("INFINITY", "inf") if text else element.get("score-attribute") or ""


def rule(element: etree._Element, style: Style) -> str:
    """One rule without the word `rule`."""
    if element.get("id-ref") is not None:
        return pair("$id-ref", element.get("id-ref"))
    parts = []
    if style.is_referenced(element):
        parts.append(pair("$id", element.get("id")))
    if element.get("role"):
        parts.append(pair("$role", element.get("role")))
    text = "" if element.get("score") == "INFINITY" else score(element)
    if text:
        parts.append(f"{text}:")
    operator = f" {element.get('boolean-op') or 'and'} "
    expressions = [_expression(child) for child in element if child.tag in ("expression", "date_expression")]
    parts.append(operator.join(expressions))
    return " ".join(parts)


def _expression(element: etree._Element) -> str:
    if element.tag == "date_expression":
        return _date(element)
    operation = element.get("operation") or ""
    if element.get("type"):
        operation = f"{element.get('type')}:{operation}"
    name = element.get("attribute") or ""
    value = element.get("value")
    if not value:
        return f"{operation} {name}"
    source = element.get("value-source")
    if source and source != "literal":
        return f"{name} {operation} {source}{{{value}}}"
    return f"{name} {operation} {_word(value)}"


def _date(element: etree._Element) -> str:
    operation = element.get("operation") or ""
    if operation in ("lt", "gt"):
        return f"date {operation} {quote(element.get('end' if operation == 'lt' else 'start') or '')}"
    parts = ["date", {"in_range": "in", "date_spec": "spec"}.get(operation, operation)]
    parts.extend(pair(name, element.get(name)) for name in ("start", "end") if element.get(name) is not None)
    for child in element.iterchildren("duration", "date_spec"):
        parts.extend(pair(str(name), str(value)) for name, value in child.attrib.items() if name != "id")
    return " ".join(parts)


def operation(element: etree._Element, style: Style) -> list[str]:
    """`op NAME k=v ...` and a line for each of its attribute sets."""
    parts = [f"op {element.get('name')}"]
    parts.extend(pair(str(name), str(value)) for name, value in element.attrib.items() if name not in ("name", "id"))
    lines = [" ".join(parts)]
    for child in element.iterchildren("instance_attributes", "meta_attributes"):
        keyword = "op_params" if child.tag == "instance_attributes" else "op_meta"
        lines.append(attribute_set(keyword, child, style))
    return lines


def resource_sets(element: etree._Element) -> list[str]:
    """The words of all resource sets of a constraint."""
    out: list[str] = []
    count = 0
    is_plain = True
    for found in element.iterchildren("resource_set"):
        needs_all = _is_true(found.get("require-all"))
        in_turn = _is_true(found.get("sequential"))
        is_plain = needs_all and in_turn
        opening, closing = ("[", "]") if not needs_all else ("(", ")") if not in_turn else ("", "")
        qualifier = found.get("action") if element.tag == "rsc_order" else found.get("role")
        names = [reference.get("id") or "" for reference in found.iterchildren("resource_ref")]
        count += len(names)
        out.extend([opening] if opening else [])
        out.extend(f"{name}:{qualifier}" if qualifier else name for name in names)
        if not needs_all and in_turn:
            out.append("sequential=true")
        out.extend([closing] if closing else [])
    simple_max = 1 if element.tag == "rsc_ticket" else 2
    # A set that would read back as the short form of the constraint is marked; crmsh never marks bracketed pairs.
    if element.tag != "rsc_location" and count <= simple_max and (is_plain or element.tag == "rsc_ticket"):
        out.insert(0, "_rsc_set_")
    return out


def _is_true(text: str | None) -> bool:
    return text is None or is_true(text)


def member(element: etree._Element, name: str, qualifier: str) -> str:
    """`RSC[:ROLE]` of a short constraint; `name` is rsc, with-rsc, first or then."""
    resource = element.get(name) or ""
    word = element.get(f"{name}-{qualifier}") or element.get(f"{name}-instance")
    return f"{resource}:{word}" if word else resource


def referenced_ids(root: etree._Element) -> frozenset[tuple[str, str]]:
    """(tag, id) for every `id-ref` in a document."""
    return frozenset(
        (str(element.tag), element.attrib["id-ref"]) for element in root.iter(etree.Element) if "id-ref" in element.attrib
    )


CONTAINER_TAGS = frozenset((*words.CONTAINER_ENGINES, "network", "storage"))


def container(element: etree._Element) -> str:
    """docker, podman, rkt, network or storage of a bundle with its mappings, on one line."""
    parts = [str(element.tag)]
    parts.extend(pair(str(name), str(value)) for name, value in element.attrib.items())
    for child in element.iterchildren("port-mapping", "storage-mapping"):
        parts.append(str(child.tag))
        parts.extend(pair(str(name), str(value)) for name, value in child.attrib.items())
    return " ".join(parts)
