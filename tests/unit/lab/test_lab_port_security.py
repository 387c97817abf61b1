"""What the lab's switch lets through, from what Neutron says of the ports."""

from __future__ import annotations

from dataclasses import replace

from standfast.lab.port_security import rules
from standfast.openstack.model import FixedIp, Pair, Port

MAC, OTHER = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
PORT = Port("a", mac=MAC, fixed_ips=(FixedIp("net", "172.16.0.10"), FixedIp("net6", "fd00::10")))


def chain(port: Port) -> list[str]:
    text = rules({"p-one": port})
    return [line.strip() for line in text[text.index("chain port0") :].splitlines()[1:] if line.strip()]


def test_its_own_addresses_and_no_other() -> None:
    assert chain(PORT)[:5] == [
        f"ether saddr {MAC} arp saddr ether {MAC} arp saddr ip {{ 172.16.0.10 }} accept",
        f"ether saddr {MAC} ip saddr {{ 172.16.0.10 }} accept",
        f"ether saddr {MAC} ip6 saddr {{ fe80::/10, ::, fd00::10 }} accept",
        "counter drop",
        "}",
    ]


def test_a_pair_lets_the_address_through_with_the_ports_mac_or_its_own() -> None:
    pairs = (Pair("172.16.0.100"), Pair("10.9.0.0/16", MAC), Pair("172.16.0.101", OTHER))
    found = chain(PORT.but(pairs))
    assert f"ether saddr {MAC} ip saddr {{ 172.16.0.10, 172.16.0.100, 10.9.0.0/16 }} accept" in found
    assert f"ether saddr {OTHER} ip saddr {{ 172.16.0.101 }} accept" in found


def test_a_port_that_is_down_sends_nothing_and_one_without_security_everything() -> None:
    assert chain(replace(PORT, is_up=False))[0] == "counter drop"
    assert chain(replace(PORT, has_port_security=False))[0] == "accept"


def test_each_interface_has_its_own_chain_and_a_deleted_port_none() -> None:
    text = rules({"p-one": PORT, "p-two": PORT})
    assert 'iifname vmap { "p-one" : jump port0, "p-two" : jump port1 }' in text
    assert "vmap" not in rules({})
    assert text.startswith("add table bridge neutron\ndelete table bridge neutron\n"), "one change, whatever was there"
