"""IPaddr2's parameters, and the interface that follows from them: tables, and anything at all."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from importlib.resources import files
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.agents.ip.api import AddressSeen, Interface, NetworkState, Route
from standfast.agents.ip.parameters import NAMES, Parameters, only_ip, parse
from standfast.agents.ip.placement import Place, find, trouble
from standfast.base.report import Refused

IP = ip_address("172.16.0.100")
IP6 = ip_address("fd00::100")


def given_with(text: str) -> tuple[tuple[str, str], ...]:
    """`ip=1.2.3.4 nic=eth0` as pairs."""
    return tuple((name, value) for name, _, value in (word.partition("=") for word in text.split()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ip=172.16.0.100", Parameters(IP)),
        ("ip=172.16.0.100 cidr_netmask=32 arp_count=10 arp_count_refresh=5",
         Parameters(IP, prefix=32, arp_count=10, arp_count_refresh=5)),
        ("ip=172.16.0.100 netmask=255.255.255.0", Parameters(IP, prefix=24)),
        ("ip=172.16.0.100 cidr_netmask=255.255.255.255", Parameters(IP, prefix=32)),
        ("ip=172.16.0.100 cidr_netmask=0.0.0.0", Parameters(IP, prefix=0)),
        ("ip=172.16.0.100 nic=eth0:web", Parameters(IP, nic="eth0", label="web")),
        ("ip=172.16.0.100 nic=eth0:web iflabel=other", Parameters(IP, nic="eth0", label="web")),
        ("ip=172.16.0.100 iflabel=web broadcast=+", Parameters(IP, label="web", broadcast="+")),
        ("ip=172.16.0.100 broadcast=172.16.0.255", Parameters(IP, broadcast="172.16.0.255")),
        ("ip=FD00:0:0::100 iflabel=web", Parameters(IP6)),
        ("ip=fd00::100 preferred_lft=0 cidr_netmask=128", Parameters(IP6, prefix=128, preferred_s=0)),
        ("ip=fd00::100 preferred_lft=forever nodad=true", Parameters(IP6)),
        ("ip=fe80::100 nic=eth0", Parameters(ip_address("fe80::100"), nic="eth0")),
        ("ip=172.16.0.100 lease=0", Parameters(IP, lease_s=0)),
        ("ip=172.16.0.100 check_link_status=no noprefixroute=yes", Parameters(IP, check_link=False, noprefixroute=True)),
        # accepted, because what they steer is not there to be steered
        ("ip=172.16.0.100 arp_bg=true run_arping=true flush_routes=false arp_sender=iputils_arping send_arp_opts=-A",
         Parameters(IP)),
        ("ip=172.16.0.100 lvs_support=false lvs_ipv6_addrlabel=false lvs_ipv6_addrlabel_value=99", Parameters(IP)),
        ("ip=172.16.0.100 unique_clone_address=false proto=kernel", Parameters(IP)),
        # what the cluster adds by itself, and what is set to nothing
        ("ip=172.16.0.100 CRM_meta_timeout=20000 crm_feature_set=3.19 nic= mac=", Parameters(IP)),
    ],
)  # fmt: skip
def test_what_is_understood(text: str, expected: Parameters) -> None:
    assert parse(given_with(text)) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "parameter ip is missing (give the address, such as ip=192.168.1.1)"),
        ("ip=172.16.0.100/24", "parameter ip is `172.16.0.100/24` (write ip=172.16.0.100 cidr_netmask=24)"),
        ("ip=fe80::1%eth0", "parameter ip is `fe80::1%eth0` (leave the zone out and name the interface with nic=)"),
        ("ip=fe80::1", "parameter nic is missing, and fe80::1 is link-local (say which interface, such as nic=eth0)"),
        ("ip=172.16.0", "parameter ip is `172.16.0`, which is not an address (such as 192.168.1.1 or 2001:db8::1)"),
        ("ip=224.0.0.1", "parameter ip is `224.0.0.1`, which no host can have (a unicast address)"),
        ("ip=0.0.0.0", "parameter ip is `0.0.0.0`, which no host can have (a unicast address)"),
        ("ip=1.2.3.4 cidr_netmask=33", "parameter cidr_netmask /33 for 1.2.3.4 (0 to 32)"),
        ("ip=1.2.3.4 cidr_netmask=255.0.255.0",
         "parameter cidr_netmask is `255.0.255.0` (a prefix length such as 24, or a netmask such as 255.255.255.0)"),
        ("ip=1.2.3.4 cidr_netmas=24", "parameter cidr_netmas is not one of IPaddr2's (did you mean cidr_netmask?)"),
        ("ip=1.2.3.4 zzz=1", "parameter zzz is not one of IPaddr2's (crm ra info IPaddr2 lists them all)"),
        ("ip=1.2.3.4 nic=eth0/1", "parameter nic is `eth0/1` (an interface's name, at most 15 characters)"),
        ("ip=1.2.3.4 nic=enp0s31f6 iflabel=webserver",
         "parameter iflabel `enp0s31f6:webserver` is too long (at most 15 characters together)"),
        ("ip=1.2.3.4 broadcast=x", "parameter broadcast is `x` (an IPv4 address, + or -)"),
        ("ip=fd00::1 broadcast=+", "parameter broadcast is set (leave it out: IPv6 (fd00::1) has no broadcast)"),
        ("ip=1.2.3.4 arp_count=0", "parameter arp_count is `0` (a whole number from 1 to 100)"),
        ("ip=1.2.3.4 arp_count=-1", "parameter arp_count is `-1` (a whole number from 1 to 100)"),
        ("ip=1.2.3.4 arp_count=9999999999", "parameter arp_count is `9999999999` (a whole number from 1 to 100)"),
        ("ip=1.2.3.4 lease=61", "parameter lease is `61` (a whole number from 0 to 60)"),
        ("ip=1.2.3.4 run_arping=maybe", "parameter run_arping is `maybe` (true or false)"),
        ("ip=1.2.3.4 lvs_support=true",
         "parameter lvs_support is true, which this agent does not do (configure the address on lo in the host itself)"),
        ("ip=1.2.3.4 network_namespace=blue",
         "parameter network_namespace is `blue`, which this agent does not do (start Standfast inside that namespace)"),
        ("ip=1.2.3.4 clusterip_hash=sourceip",
         "parameter clusterip_hash is `sourceip`, which this agent does not do (one node holds the address at a time)"),
        ("ip=1.2.3.4 arp_bg=x lease=y",
         "parameter arp_bg is `x` (true or false); parameter lease is `y` (a whole number from 0 to 60)"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(given_with(text))
    assert str(refused.value) == sentence
    assert refused.value.exit_code == 6


@given(st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=20)), st.text(max_size=300)), max_size=8))
def test_anything_is_parsed_or_refused(parameters: list[tuple[str, str]]) -> None:
    only_ip(tuple(parameters))
    try:
        parsed = parse(tuple(parameters))
    except Refused:
        return
    assert parsed.prefix is None or 0 <= parsed.prefix <= parsed.ip.max_prefixlen
    assert 0 <= parsed.lease_s <= 60


def test_the_metadata_lists_what_is_accepted() -> None:
    text = files("standfast.agents.ip").joinpath("metadata.xml").read_text()
    root = ET.fromstring(text)
    listed = {p.attrib["name"]: p.find("content") for p in root.iter("parameter")}
    assert not set(listed) - set(NAMES)
    refused = set(NAMES) - set(listed)
    assert all(name == "mac" or name.startswith("clusterip") or name == "network_namespace" for name in refused), refused
    for name, content in listed.items():
        default = "" if content is None else content.attrib.get("default", "")
        if name != "ip" and default:
            assert parse((("ip", "1.2.3.4"), (name, default))) == Parameters(ip_address("1.2.3.4")), name
    assert [a.attrib["name"] for a in root.iter("action")] == ["start", "stop", "status", "monitor", "meta-data", "validate-all"]


# ---- placement ------------------------------------------------------------------------------------------------------


def link(name: str) -> Interface:
    return Interface(name, 1, b"\x02\0\0\0\0\1", is_up=True, carrier=True)


STATE = NetworkState(
    (link("eth0"), link("eth1"), link("lo")),
    (AddressSeen("eth0", "172.16.0.10", 24, "", None), AddressSeen("eth1", "fd00::10", 64, "", None)),
    (
        Route("172.16.0.0/24", "eth0", 100),
        Route("172.16.0.0/16", "eth1", 0),
        Route("172.16.0.0/24", "eth1", 200),
        Route("fd00::/64", "eth1", 256),
        Route("fe80::/64", "eth0", 256),
        Route("fe80::/64", "eth1", 256),
    ),
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ip=172.16.0.100", Place("eth0", "172.16.0.100", 24, "172.16.0.255", None, False)),
        ("ip=172.16.0.100 cidr_netmask=32", Place("eth0", "172.16.0.100", 32, None, None, False)),
        ("ip=172.16.0.100 cidr_netmask=16", Place("eth1", "172.16.0.100", 16, "172.16.255.255", None, False)),
        ("ip=172.16.0.100 nic=eth1", Place("eth1", "172.16.0.100", 24, "172.16.0.255", None, False)),
        ("ip=172.16.9.100", Place("eth1", "172.16.9.100", 16, "172.16.255.255", None, False)),
        ("ip=10.0.0.1 nic=eth0 cidr_netmask=8", Place("eth0", "10.0.0.1", 8, "10.255.255.255", None, False)),
        ("ip=172.16.0.100 iflabel=web broadcast=-", Place("eth0", "172.16.0.100", 24, "172.16.0.0", "eth0:web", False)),
        ("ip=127.0.0.9 nic=lo cidr_netmask=32", Place("lo", "127.0.0.9", 32, None, None, False)),
        ("ip=fd00::100", Place("eth1", "fd00::100", 64, None, None, True)),
        ("ip=fd00::100 lease=0", Place("eth1", "fd00::100", 64, None, None, False)),
        ("ip=fd00::100 cidr_netmask=128", Place("eth1", "fd00::100", 128, None, None, False)),
        ("ip=fe80::100 nic=eth0", Place("eth0", "fe80::100", 64, None, None, False)),
    ],
)  # fmt: skip
def test_where_it_goes(text: str, place: Place) -> None:
    assert find(parse(given_with(text)), STATE) == place


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "ip=10.0.0.1",
            5,
            "no interface for 10.0.0.1: no connected network contains it: there are 172.16.0.0/16 on eth1",
        ),
        ("ip=10.0.0.1 nic=eth0", 5, "no connected network on eth0 contains it"),
        ("ip=10.0.0.1 nic=eth9 cidr_netmask=24", 5, "there is no interface eth9: there are eth0, eth1, lo (correct nic=)"),
        ("ip=2001:db8::1", 5, "there are fd00::/64 on eth1, fe80::/64 on eth0, fe80::/64 on eth1"),
        ("ip=172.16.0.100 iflabel=elevenchars", 6, "label `eth0:elevenchars` is too long"),
    ],
)
def test_where_it_cannot_go(text: str, code: int, words: str) -> None:
    with pytest.raises(Refused) as refused:
        find(parse(given_with(text)), STATE)
    assert words in str(refused.value)
    assert refused.value.exit_code == code


def test_a_default_route_is_no_place() -> None:
    state = NetworkState((link("eth0"),), (), (Route("0.0.0.0/0", "eth0", 0),))
    with pytest.raises(Refused):
        find(parse((("ip", "1.2.3.4"),)), state)


def test_an_interface_in_trouble() -> None:
    wanted = parse((("ip", "172.16.0.100"),))
    place = find(wanted, STATE)
    assert trouble(place, wanted, STATE) == ""
    assert trouble(place, wanted, NetworkState()) == "interface eth0 is gone"
