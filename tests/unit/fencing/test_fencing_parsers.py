"""What a device's parameters and an agent's words mean, and that nothing they hold can break out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.report import Refused
from standfast.fencing import agents, devices, values
from standfast.fencing.api import Device, Facts, Job, Level


@pytest.mark.parametrize(
    ("text", "ms"), [("60", 60_000), ("5s", 5_000), ("1min", 60_000), ("500ms", 500), ("soon", 7), ("", 7), (None, 7), ("-1", 7)]
)
def test_durations(text: str | None, ms: int) -> None:
    assert values.duration_ms(text, 7) == ms


def test_host_lists_and_maps() -> None:
    assert values.host_list("n1, n2;n3\nn4") == ("n1", "n2", "n3", "n4")
    assert values.host_map("n1:1;n2=2,3 n3:a:b") == {"n1": "1", "n2": "2,3", "n3": "a:b"}
    assert values.host_map(r"n1:plug\;1;n2:x") == {"n1": "plug;1", "n2": "x"}


def test_delays() -> None:
    assert values.delay_ms((("pcmk_delay_base", "5s"),), "n1", 99) == 5_000
    assert values.delay_ms((("pcmk_delay_base", "n1:5s;n2:1s"),), "n2", 0) == 1_000
    assert values.delay_ms((("pcmk_delay_base", "n1:5s"),), "n3", 0) == 0
    both = (("pcmk_delay_base", "1s"), ("pcmk_delay_max", "3s"))
    assert {values.delay_ms(both, "n1", chance) for chance in range(0, 5_000, 7)} <= set(range(1_000, 3_001))


def device(name: str, **parameters: str) -> Device:
    return Device(name, "fence_x", tuple(sorted(parameters.items())), ("n2",))


def names(facts: Facts, target: str, action: str = "reboot") -> list[list[tuple[str, str]]]:
    return [[(d.id, a) for d, a in chain] for chain in devices.alternatives(facts, target, action)]


def test_devices_by_priority_and_certainty() -> None:
    asked, sure = device("asked"), device("sure", pcmk_host_list="n1")
    first, other = device("first", pcmk_host_map="n1:7", priority="5"), device("other", pcmk_host_list="n9")
    facts = Facts((asked, sure, first, other))
    assert names(facts, "n1") == [[("first", "reboot")], [("sure", "reboot")], [("asked", "reboot")]]
    assert devices.knows(device("any", pcmk_host_check="none", pcmk_host_list="n9"), "n1") is True


def test_levels_by_name_pattern_and_attribute() -> None:
    two = (device("a"), device("b"))
    by_name = Level(2, "target", "n1", "", ("b",))
    by_pattern = Level(1, "target-pattern", "^n[0-9]$", "", ("a",))
    by_attribute = Level(1, "target-attribute", "rack", "7", ("a", "b"))
    broken = Level(1, "target-pattern", "(", "", ("a",))
    facts = Facts(two, (by_name, by_pattern, by_attribute, broken), (("x", (("rack", "7"),)),))
    assert names(facts, "n1") == [[("b", "reboot")]]
    assert names(facts, "n2") == [[("a", "reboot")]]
    assert names(facts, "x") == [[("a", "off"), ("b", "off"), ("a", "on"), ("b", "on")]]
    assert names(facts, "x", "off") == [[("a", "off"), ("b", "off")]]
    assert names(Facts(two, (Level(1, "target", "n1", "", ("a", "gone")),)), "n1") == []


def job(**parameters: str) -> Job:
    return Job("1", "d", "fence_x", tuple(parameters.items()), "n1", "off", 1_000, 0)


def test_what_an_agent_reads() -> None:
    made = agents.target_lines(job(ip="bmc", pcmk_host_map="n1:7", priority="1", action="on"), "off", "plug")
    assert made == b"action=off\nnodename=n1\nplug=7\nip=bmc\n"
    assert b"plug=fixed\n" in agents.target_lines(job(plug="fixed"), "off", "plug")
    assert agents.target_lines(job(plug="dynamic"), "off", "plug") == b"action=off\nnodename=n1\nplug=n1\n"
    assert b"uuid=n1\n" in agents.target_lines(job(pcmk_host_argument="uuid"), "off", "plug")
    assert agents.target_lines(job(pcmk_host_argument="none"), "off", "plug") == b"action=off\nnodename=n1\n"
    assert agents.target_lines(job(pcmk_off_action="cut"), "off", "") == b"action=cut\nnodename=n1\n"


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=20), max_size=4), st.text(max_size=12))
def test_nothing_adds_a_line_of_its_own(parameters: dict[str, str], target: str) -> None:
    one = Job("1", "d", "fence_x", tuple(parameters.items()), target, "off", 1_000, 0)
    try:
        made = agents.target_lines(one, "off", "plug").decode()
    except (Refused, UnicodeEncodeError):
        return
    lines = made.rstrip("\n").split("\n")
    assert lines[0].startswith("action=")
    assert sum(line.startswith("action=") for line in lines) == 1
    assert len(lines) <= 3 + len(parameters)


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    values.duration_ms(text, 1)
    values.host_list(text)
    values.host_map(text)
    values.delay_ms((("pcmk_delay_base", text), ("pcmk_delay_max", text)), text, 3)
    assert values.tries((("pcmk_off_retries", text),), "off") >= 1
    assert values.action_limit((("pcmk_action_limit", text),)) >= 1


@given(st.binary(max_size=200))
def test_any_meta_data_is_read(data: bytes) -> None:
    agents.abilities(data)


def test_meta_data() -> None:
    parameters, actions = b'<parameters><parameter name="port"/></parameters>', b'<actions><action name="off"/></actions>'
    xml = b"<resource-agent>" + parameters + actions + b"</resource-agent>"
    assert agents.abilities(xml) == agents.Abilities(frozenset({"off"}), "port")
    bomb = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><resource-agent>&x;</resource-agent>'
    assert agents.abilities(bomb) is None


@pytest.mark.parametrize("name", ["sh", "../../bin/sh", "fence_x/../sh", "fence_", "", "fence_\n"])
def test_paths(name: str) -> None:
    if name == "fence_":
        assert agents.path(name) == "/usr/sbin/fence_"
        return
    with pytest.raises(Refused):
        agents.path(name)
