"""Golden texts: NAME.crm loaded into an empty CIB gives NAME.xml, and NAME.xml prints as NAME.show.

The .show and .xml files are what crmsh 4.4.1 with Pacemaker 2.1.5 made of the same input
(`CIB_file=NAME.xml crm -F configure load update NAME.crm`, then `crm configure show`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from standfast.compat.crm.changes import operations
from standfast.compat.crm.document import Configuration
from standfast.compat.crm.edit import Method, load
from standfast.compat.crm.parser import parse_text
from standfast.compat.crm.render import show

GOLDEN = Path(__file__).parent / "golden"
LOADED = sorted(path.stem for path in GOLDEN.glob("*.crm"))
SHOWN = sorted(path.stem for path in GOLDEN.glob("*.show"))
INSTALLED = {"ping": ("pacemaker",), "Dummy": ("heartbeat", "pacemaker"), "Stateful": ("pacemaker",)}


def providers(agent_type: str) -> tuple[str, ...]:
    return INSTALLED.get(agent_type, ("heartbeat",))


def read(name: str) -> Configuration:
    return Configuration(etree.parse(str(GOLDEN / name)).getroot())


def loaded(name: str) -> Configuration:
    definitions = parse_text((GOLDEN / f"{name}.crm").read_text(), f"{name}.crm", providers)
    return load(read("empty.xml"), definitions, Method.UPDATE)[0]


def canonical(configuration: Configuration) -> str:
    """The configuration with sorted attributes; objects sorted by tag and id, their parts by tag, one element a line."""
    lines: list[str] = []

    def walk(element: etree._Element, depth: int) -> None:
        pairs = " ".join(f"{n}={v!r}" for n, v in sorted(element.attrib.items()))
        lines.append("  " * depth + f"{element.tag!s} {pairs}")
        by_id = depth == 1 and element.tag != "fencing-topology"
        for child in sorted(element.iterchildren(etree.Element), key=lambda e: (str(e.tag), e.get("id") or "" if by_id else "")):
            walk(child, depth + 1)

    walk(configuration.configuration, 0)
    return "\n".join(lines)


def test_there_are_golden_files() -> None:
    assert {"session", "primitives", "containers", "constraints", "sections"} <= set(LOADED)


@pytest.mark.parametrize("name", SHOWN)
def test_prints_as_crmsh_prints(name: str) -> None:
    assert show(read(f"{name}.xml"), providers=providers) + "\n" == (GOLDEN / f"{name}.show").read_text()


@pytest.mark.parametrize("name", LOADED)
def test_loads_as_crmsh_loads(name: str) -> None:
    assert canonical(loaded(name)) == canonical(read(f"{name}.xml"))


@pytest.mark.parametrize("name", LOADED)
def test_what_is_shown_loads_again_without_a_change(name: str) -> None:
    first = loaded(name)
    text = show(first, providers=providers)
    again = load(read("empty.xml"), parse_text(text, "again", providers), Method.UPDATE)[0]
    assert canonical(again) == canonical(first)
    same, notices = load(first, parse_text(text, "over", providers), Method.UPDATE)
    assert operations(first, same) == []
    assert notices == ()


def test_the_session_as_typed_in_a_prompt_and_in_a_file() -> None:
    text = show(loaded("session"))
    assert text.startswith("node 1: node1\nnode 2: node2\nprimitive ha-vip IPaddr2 \\\n\tparams ip=172.16.0.100 cidr_netmask=32")
    assert "property cib-bootstrap-options: \\\n\thave-watchdog=false \\\n\tdc-version=1.1.18-2b07d5c5a9 \\\n" in text
    assert text.endswith("rsc_defaults rsc-options: \\\n\tresource-stickiness=1000")
