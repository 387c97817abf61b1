"""Agents' meta-data: what is read, what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.wire import Malformed
from standfast.executor.metadata import ACTIONS_MAX, PARAMETERS_MAX, XML_BYTES_MAX, Action, Parameter, parse

WHOLE = b"""<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="Example" version="0.9">
<version>1.1</version>
<longdesc lang="de">Ein Beispiel</longdesc>
<longdesc lang="en">
An example,
  in two lines.
</longdesc>
<shortdesc lang="en">Example
   agent</shortdesc>
<parameters>
<parameter name="ip" required="1" unique="1"><longdesc>The address</longdesc><shortdesc>IP</shortdesc>
 <content type="string"/></parameter>
<parameter name="mode" reloadable="1"><content type="select" default="a"><option value="a"/><option value="b"/></content>
 <deprecated/></parameter>
<parameter name="passwd" unique-group="x"><content type="string" default=""/></parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="monitor" timeout="20" interval="10s" depth="0" role="Promoted" start-delay="1s"/>
<action name="reload-agent" timeout="5s"/>
</actions>
</resource-agent>
"""


def test_the_whole_of_it() -> None:
    read = parse(WHOLE)
    assert (read.name, read.version, read.ocf_version, read.shortdesc) == ("Example", "0.9", "1.1", "Example agent")
    assert read.longdesc == "An example,\nin two lines."
    assert read.parameters == (
        Parameter("ip", "string", None, required=True, unique=True, shortdesc="IP", longdesc="The address"),
        Parameter("mode", "select", "a", reloadable=True, deprecated=True, values=("a", "b")),
        Parameter("passwd", "string", "", unique=True, private=True),
    )
    assert read.actions[:2] == (Action("start", "20s"), Action("monitor", "20", "10s", "Promoted", "0", "1s"))
    assert read.reload_action == "reload-agent"
    assert read.restart_parameters == ("ip", "passwd")
    assert read.private_parameters == ("passwd",)
    assert read.parameter("mode") is read.parameters[1]
    assert read.parameter("nothing") is None


@pytest.mark.parametrize(
    ("version", "actions", "reload"),
    [
        ("1.0", '<action name="reload"/>', "reload"),
        ("", '<action name="reload"/>', "reload"),
        ("1.0", '<action name="reload-agent"/>', ""),
        ("1.1", '<action name="reload"/>', ""),
        ("1.1", '<action name="reload-agent"/>', "reload-agent"),
        ("2", '<action name="reload-agent"/>', "reload-agent"),
        ("1.x", "", ""),
    ],
)
def test_how_an_agent_reloads(version: str, actions: str, reload: str) -> None:
    read = parse(f'<resource-agent name="x"><version>{version}</version><actions>{actions}</actions></resource-agent>'.encode())
    assert read.reload_action == reload


@pytest.mark.parametrize(
    ("xml", "field"),
    [
        (b"", "meta-data"),
        (b"usage: Dummy {start|stop}", "meta-data"),
        (b"<resource-agent", "meta-data"),
        (b"<html/>", "meta-data"),
        (b"\xff\xfe\x00", "meta-data"),
        (b"<resource-agent>" + b" " * XML_BYTES_MAX + b"</resource-agent>", "meta-data"),
        (b"<resource-agent><parameters><parameter/></parameters></resource-agent>", "parameter"),
        (b'<resource-agent><actions><action name="a&#10;b"/></actions></resource-agent>', "action"),
        (b"<resource-agent><actions>" + b'<action name="a"/>' * (ACTIONS_MAX + 1) + b"</actions></resource-agent>", "actions"),
        (
            b"<resource-agent><parameters>" + b'<parameter name="a"/>' * (PARAMETERS_MAX + 1) + b"</parameters></resource-agent>",
            "parameters",
        ),
    ],
)
def test_what_is_refused(xml: bytes, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(xml)
    assert refused.value.field == field


def test_entities_are_neither_fetched_nor_multiplied() -> None:
    bomb = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(12))
    xml = f'<!DOCTYPE resource-agent [<!ENTITY a0 "ha">{bomb}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    body = '<resource-agent name="x"><shortdesc>&a12;&f;</shortdesc></resource-agent>'
    with contextlib.suppress(Malformed):
        read = parse((xml + body).encode())
        assert "root:" not in read.shortdesc
        assert len(read.shortdesc) <= 512


@given(st.binary(max_size=400))
def test_any_bytes_give_a_value_or_malformed(noise: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse(noise)


@given(st.data())
def test_damaged_meta_data_gives_a_value_or_malformed(data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(WHOLE)))
    length = data.draw(st.integers(0, 30))
    middle = data.draw(st.binary(max_size=10))
    with contextlib.suppress(Malformed):
        parse(WHOLE[:cut] + middle + WHOLE[cut + length :])
