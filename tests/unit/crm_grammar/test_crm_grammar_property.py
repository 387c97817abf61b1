"""Round trips: any configuration that the grammar can say prints as a text that says it; tricky values keep every character."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from standfast.compat.crm.document import Configuration
from standfast.compat.crm.edit import Method, load
from standfast.compat.crm.lexer import statements
from standfast.compat.crm.parser import parse_text
from standfast.compat.crm.render import is_same, show

EMPTY = (Path(__file__).parent / "golden" / "empty.xml").read_bytes()

NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,8}\Z", fullmatch=True).filter(
    lambda name: name not in {"params", "meta", "op", "utilization", "rule", "attributes", "operations", "op_params", "op_meta"}
)
PRINTABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=20
)
VALUES = PRINTABLE | st.sampled_from(['"', "\\", '\\"', "a\\", "\\\\", "a b", "'", "#", "$x", "@y", "=", "a=b", "{", "\\n", "é"])
SPANS = st.integers(0, 600).map(lambda n: f"{n}s")


@st.composite
def primitives(draw: st.DrawFn, ident: str) -> etree._Element:
    element = etree.Element("primitive", {"id": ident, "class": "ocf", "provider": draw(st.sampled_from(["heartbeat", "x"]))})
    element.set("type", draw(st.sampled_from(["IPaddr2", "Dummy"])))
    for tag in draw(st.lists(st.sampled_from(["instance_attributes", "meta_attributes", "utilization"]), unique=True)):
        found = etree.SubElement(element, tag, {"id": f"{ident}-{tag}"})
        for name, value in draw(st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)).items():
            etree.SubElement(found, "nvpair", {"id": f"{ident}-{tag}-{name}", "name": name, "value": value})
    ops = draw(st.lists(st.tuples(st.sampled_from(["monitor", "start", "stop"]), SPANS), unique=True, max_size=3))
    if ops:
        holder = etree.SubElement(element, "operations")
        for name, interval in ops:
            op = etree.SubElement(holder, "op", {"name": name, "interval": interval, "id": f"{ident}-{name}-{interval}"})
            if draw(st.booleans()):
                op.set("timeout", draw(SPANS))
    return element


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    root = etree.fromstring(EMPTY)
    resources = root.find("configuration/resources")
    constraints = root.find("configuration/constraints")
    assert resources is not None
    assert constraints is not None
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=5))
    for name in names:
        resources.append(draw(primitives(name)))
    for number in range(draw(st.integers(0, 3))):
        rsc, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        score = draw(st.sampled_from(["INFINITY", "-INFINITY", "100", "-5", "0"]))
        kind = draw(st.sampled_from(["location", "rule", "colocation", "set", "order"]))
        ident = f"C{number}"
        if kind == "location":
            etree.SubElement(constraints, "rsc_location", {"id": ident, "rsc": rsc, "node": "node1", "score": score})
        elif kind == "rule":
            holder = etree.SubElement(constraints, "rsc_location", {"id": ident, "rsc": rsc})
            found = etree.SubElement(holder, "rule", {"id": f"{ident}-rule", "score": score})
            for index, value in enumerate(draw(st.lists(VALUES, min_size=1, max_size=2))):
                where = f"{ident}-rule-expression" + (f"-{index - 1}" if index else "")
                names_ = {"id": where, "attribute": "a", "operation": "eq", "value": value}
                etree.SubElement(found, "expression", names_)
        elif kind == "colocation":
            etree.SubElement(constraints, "rsc_colocation", {"id": ident, "rsc": rsc, "with-rsc": other, "score": score})
        elif kind == "order":
            etree.SubElement(constraints, "rsc_order", {"id": ident, "first": rsc, "then": other, "kind": "Mandatory"})
        else:
            holder = etree.SubElement(constraints, "rsc_colocation", {"id": ident, "score": score})
            found = etree.SubElement(holder, "resource_set", {"id": f"{ident}-0"})
            for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4)):
                etree.SubElement(found, "resource_ref", {"id": name})
    return Configuration(root)


@given(configurations())
def test_what_is_printed_reads_back_as_the_same(before: Configuration) -> None:
    text = show(before)
    after, _ = load(Configuration(etree.fromstring(EMPTY)), parse_text(text, "text"), Method.UPDATE)
    assert show(after) == text
    for item in before.objects():
        other = after.find_any(item.ident)
        assert other is not None
        assert is_same(item.element, other.element), text


@given(st.lists(VALUES | PRINTABLE, min_size=1, max_size=5))
def test_values_of_any_characters_pass_the_lexer(values: list[str]) -> None:
    root = etree.fromstring(EMPTY)
    resources = root.find("configuration/resources")
    assert resources is not None
    element = etree.SubElement(resources, "primitive", {"id": "p", "class": "ocf", "provider": "heartbeat", "type": "Dummy"})
    holder = etree.SubElement(element, "instance_attributes", {"id": "p-instance_attributes"})
    for index, value in enumerate(values):
        etree.SubElement(holder, "nvpair", {"id": f"p-instance_attributes-v{index}", "name": f"v{index}", "value": value})
    text = show(Configuration(root), [item for item in Configuration(root).objects() if item.ident == "p"])
    assert text.startswith("primitive p Dummy"), "a plain value is no reason for XML"
    (definition,) = parse_text(text, "text")
    assert [pair.get("value") for pair in definition.element.iter("nvpair")] == values


@given(st.text(alphabet=" \t\n\\'\"ab#=", max_size=40))
def test_places_lie_inside_the_text(text: str) -> None:
    from standfast.base.report import Refused

    lines = text.split("\n")
    try:
        found = statements(text)
    except Refused:
        return
    for statement in found:
        for token in statement.tokens:
            assert 1 <= token.line <= len(lines)
            assert 1 <= token.column <= len(lines[token.line - 1])
