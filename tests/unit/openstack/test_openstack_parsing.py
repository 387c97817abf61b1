"""What comes in from outside: Neutron's JSON, config drive, metadata, the worker's lines, the CIB."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.base.wire import Malformed
from standfast.openstack import identity, model, replies, requests, wire, wish
from standfast.openstack.api import Fault, Reply, Request, Service
from standfast.openstack.pacing import PAUSE_MAX_US, RETRY_AFTER_MAX_US, BackOff, Lanes
from standfast.openstack.plan import description_of, kept_of
from standfast.openstack.replies import Verdict, verdict

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "id",
    "network_id",
    "mac_address",
    "fixed_ips",
    "allowed_address_pairs",
    "device_id",
    "revision_number",
    "cidr",
    "allocation_pools",
)
PORT = {
    "id": "696797d9-d5ea-4c6d-8361-cf2ddcaad32d",
    "network_id": "n",
    "mac_address": "FA:16:3E:AB:A5:EE",
    "fixed_ips": [{"subnet_id": "s", "ip_address": "172.16.0.12"}],
    "allowed_address_pairs": [{"mac_address": "fa:16:3e:ab:a5:ee", "ip_address": "172.16.0.100"}, {"ip_address": "10.1.0.5/24"}],
    "revision_number": 5,
    "port_security_enabled": True,
    "binding:profile": {"anything": [1, 2]},
}


def test_a_port_as_neutron_shows_it() -> None:
    port = model.port(PORT)
    assert port.mac == "fa:16:3e:ab:a5:ee"
    assert port.allows("172.16.0.100")
    assert not port.allows("10.1.0.5"), "a wider network is not the address"
    assert port.covering("10.1.0.7") == ("10.1.0.5/24",)
    assert port.with_pairs(less=("172.16.0.100",), more=("fd00::1",)) == (model.Pair("10.1.0.5/24"), model.Pair("fd00::1"))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("172.16.0.100/32", "172.16.0.100"), ("10.1.0.5/24", "10.1.0.0/24"), ("FD00:0::1", "fd00::1"), ("fd00::1/128", "fd00::1")],
)
def test_addresses_have_one_form(written: str, canonical: str) -> None:
    assert model.address(written) == canonical


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=6))
def test_junk_is_malformed_or_a_port(junk: dict[str, Any]) -> None:
    for parse in (model.port, model.subnet):
        try:
            parse(junk)
        except Malformed:
            continue


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(("ports", "subnets", "servers", "port")), JUNK, max_size=3))
def test_junk_lists_are_malformed_or_lists(junk: dict[str, Any]) -> None:
    for parse in (model.ports, model.subnets, model.servers, model.the_port):
        try:
            parse(junk)
        except Malformed:
            continue


# ---- identity -----------------------------------------------------------------------------------------------------------

UUID = "8357b9ec-9e30-4a25-86f7-b80233150b1d"
NETWORK_DATA = json.dumps(
    {
        "links": [
            {"id": "tap1", "vif_id": UUID, "type": "ovs", "ethernet_mac_address": "FA:16:3E:7D:F5:FE"},
            {"id": "bond0", "type": "bond", "ethernet_mac_address": "fa:16:3e:00:00:09"},
        ],
        "networks": [],
    }
).encode()


def test_network_data_gives_the_port_of_a_card() -> None:
    cards = (("lo", "00:00:00:00:00:00"), ("eth0", "fa:16:3e:7d:f5:fe"), ("eth1", "fa:16:3e:00:00:01"))
    found = identity.identity(cards, json.dumps({"uuid": UUID}).encode(), NETWORK_DATA)
    assert found == identity.Identity(
        UUID, (identity.Nic("eth0", "fa:16:3e:7d:f5:fe", UUID), identity.Nic("eth1", "fa:16:3e:00:00:01"))
    )
    assert identity.read_nics(identity.write_nics(found.nics)) == found.nics


def test_absent_metadata_is_no_fault() -> None:
    found = identity.identity((("eth0", "fa:16:3e:7d:f5:fe"),), b"", b"<html>404</html>")
    assert found == identity.Identity("", (identity.Nic("eth0", "fa:16:3e:7d:f5:fe"),))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | JUNK.map(lambda value: json.dumps({"links": value, "uuid": value}).encode()))
def test_any_metadata_is_read(data: bytes) -> None:
    identity.identity((("eth0", "fa:16:3e:7d:f5:fe"),), data, data)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_any_attribute_is_read(text: str) -> None:
    nics = identity.read_nics(text)
    assert identity.read_nics(identity.write_nics(nics)) == nics


# ---- the worker's lines -------------------------------------------------------------------------------------------------


def test_a_request_goes_as_a_line_and_carries_no_credentials() -> None:
    request = Request(Service.NETWORK, "PUT", "/v2.0/ports/x", (("a", "b"),), {"port": {}}, 3)
    assert json.loads(wire.write_request(4, "lab", request, 1000)) == {
        "id": 4, "cloud": "lab", "service": "network", "method": "PUT", "path": "/v2.0/ports/x", "query": [["a", "b"]],
        "timeout_ms": 1000, "body": {"port": {}}, "revision": 3,
    }  # fmt: skip


def test_a_reply_comes_as_a_line() -> None:
    given = {"id": 1, "status": 429, "body": None, "fault": None, "detail": "", "retry_after_s": 7}
    assert wire.read_reply(given) == Reply(429, None, None, "", 7)
    assert wire.read_reply({"status": 0, "fault": "tls", "detail": "expired"}).fault is Fault.TLS
    assert wire.read_identity({"server": UUID, "nics": [["eth0", "m", ""]]}).nics[0].name == "eth0"


# ---- the table of answers -----------------------------------------------------------------------------------------------

GET = requests.list_ports("id", ["x"])
DELETE = Request(Service.NETWORK, "DELETE", "/v2.0/ports/x")


def neutron(status: int, kind: str) -> Reply:
    return Reply(status, {"NeutronError": {"type": kind, "message": "m", "detail": ""}})


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        (Reply(200, {"ports": []}), Verdict.DONE),
        (Reply(200, None, Fault.NOT_JSON), Verdict.UNKNOWN),
        (neutron(400, "AllowedAddressPairExhausted"), Verdict.FULL),
        (neutron(400, "DuplicateAddressPairInRequest"), Verdict.BAD),
        (Reply(401, {"error": {"message": "x"}}), Verdict.REFUSED),
        (Reply(fault=Fault.CREDENTIALS), Verdict.REFUSED),
        (neutron(403, "PolicyNotAuthorized"), Verdict.FORBIDDEN),
        (neutron(404, "PortNotFound"), Verdict.GONE),
        (neutron(409, "IpAddressAlreadyAllocated"), Verdict.TAKEN),
        (neutron(409, "MacAddressInUse"), Verdict.TAKEN),
        (neutron(409, "AddressPairAndPortSecurityRequired"), Verdict.NOT_NEEDED),
        (neutron(409, "OverQuota"), Verdict.CONFLICT),
        (neutron(412, "RevisionNumberConstraintFailed"), Verdict.STALE),
        (Reply(429, retry_after_s=3), Verdict.BUSY),
        (Reply(413), Verdict.BUSY),
        (Reply(503, retry_after_s=3), Verdict.BUSY),
        (Reply(503), Verdict.UNKNOWN),
        (Reply(500), Verdict.UNKNOWN),
        (Reply(302), Verdict.UNKNOWN),
        (Reply(fault=Fault.TIMEOUT), Verdict.UNKNOWN),
        (Reply(), Verdict.UNKNOWN),
    ],
)
def test_every_answer_has_its_meaning(reply: Reply, meant: Verdict) -> None:
    assert verdict(GET, reply) is meant


def test_a_deletion_needs_no_body() -> None:
    assert verdict(DELETE, Reply(204)) is Verdict.DONE


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 999), st.dictionaries(st.text(max_size=10), JUNK, max_size=3))
def test_any_answer_has_a_meaning_and_a_text(status: int, body: dict[str, Any]) -> None:
    assert verdict(GET, Reply(status, body)) in Verdict
    assert len(replies.detail(Reply(status, body))) <= replies.DETAIL_CHARS_MAX


def test_server_names_are_no_patterns() -> None:
    assert requests.list_servers(["a.b", "c-1"]).query == (("name", r"^(a\.b|c-1)$"),)


# ---- pacing -------------------------------------------------------------------------------------------------------------


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0), st.lists(st.none() | st.integers(0, 10**6), min_size=1, max_size=60))
def test_pauses_are_bounded_and_repeatable(seed: int, failures: list[int | None]) -> None:
    one, two = BackOff(seed), BackOff(seed)
    for retry in failures:
        pause = one.failed(retry)
        assert pause == two.failed(retry)
        bound = PAUSE_MAX_US if retry is None else RETRY_AFTER_MAX_US
        assert 0 < pause <= bound * 5 // 4


def test_a_lane_is_used_once_a_second() -> None:
    lanes = Lanes()
    lanes.use("a", 0)
    assert lanes.free_at("a") == 1_000_000
    with pytest.raises(AssertionError):
        lanes.use("a", 999_999)


def test_what_a_port_kept_is_read_back() -> None:
    item = wish.AddressWish("172.16.0.100", "ha-vip")
    ids = tuple(f"{n:08x}-aaaa" for n in range(3))
    assert kept_of(description_of(item, ids)) == tuple(own[:8] for own in ids)
    assert kept_of(description_of(item, ())) == ()
    assert len(description_of(wish.AddressWish("1.2.3.4", "x" * 300), ids * 20)) <= 255


# ---- the CIB ------------------------------------------------------------------------------------------------------------

CIB = """<cib><configuration>
  <crm_config><cluster_property_set id="cib-bootstrap-options">
    <nvpair id="1" name="openstack-cloud" value="lab"/><nvpair id="2" name="cluster-name" value="demo"/>
    <nvpair id="3" name="openstack-id" value="12ab34cd"/><nvpair id="4" name="openstack-allow" value="10.0.0.0/24 nonsense"/>
    <nvpair id="5" name="openstack-mode" value="{mode}"/>
  </cluster_property_set></crm_config>
  <nodes><node id="1" uname="a"><instance_attributes id="nodes-1">
      <nvpair id="n1" name="openstack-ports" value="eth0/fa:16:3e:7d:f5:fe/8357b9ec-9e30-4a25-86f7-b80233150b1d"/>
      <nvpair id="n2" name="openstack-server" value="uuid"/></instance_attributes></node>
    <node id="2" uname="b"/><node id="r" uname="remote-1" type="remote"/></nodes>
  <resources>
    <template id="t" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="ti">
      <nvpair id="ti1" name="nic" value="eth1"/></instance_attributes></template>
    <group id="g"><primitive id="ha-vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="i1">
      <nvpair id="i11" name="ip" value="172.16.0.100"/></instance_attributes></primitive>
      <primitive id="d" class="ocf" provider="heartbeat" type="Dummy"/></group>
    <clone id="c"><primitive id="second" template="t"><instance_attributes id="i2">
      <nvpair id="i21" name="ip" value="FD00::0:1"/></instance_attributes></primitive></clone>
    <primitive id="third" class="ocf" provider="heartbeat" type="IPaddr2"/>
  </resources><constraints/></configuration>
  <status><node_state id="1" uname="a" in_ccm="true" crmd="online"><lrm id="1"><lrm_resources>
    <lrm_resource id="ha-vip"><lrm_rsc_op id="x" operation="start" call-id="7" rc-code="0"/>
      <lrm_rsc_op id="y" operation="monitor" interval="0" call-id="5" rc-code="7"/></lrm_resource>
    </lrm_resources></lrm></node_state>
  <node_state id="2" uname="b" in_ccm="true" crmd="online"><lrm id="2"><lrm_resources>
    <lrm_resource id="ha-vip"><lrm_rsc_op id="x" operation="start" call-id="7" rc-code="0"/>
      <lrm_rsc_op id="z" operation="stop" call-id="9" rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state>
  </status></cib>"""


def test_the_wish_of_a_cib() -> None:
    found = wish.read(etree.fromstring(CIB.format(mode="pairs")))
    assert found is not None
    assert (found.cloud, found.cluster, found.mode) == ("lab", "demo-12ab34cd", wish.Mode.PAIRS)
    assert [node.name for node in found.nodes] == ["a", "b"]
    assert found.nodes[0].nics[0].port == UUID
    assert found.addresses == (
        wish.AddressWish("172.16.0.100", "ha-vip", "", "a"),
        wish.AddressWish("fd00::1", "second", "eth1", ""),
        wish.AddressWish("10.0.0.0/24"),
    )
    assert [report.code for report in found.remarks] == ["openstack.no-address"] * 2


def test_a_mode_that_is_not_known_is_said_and_the_default_followed() -> None:
    found = wish.read(etree.fromstring(CIB.format(mode="magic")))
    assert found is not None
    assert found.mode is wish.Mode.PAIRS
    assert "openstack.property" in [report.code for report in found.remarks]


def test_without_the_property_nothing_is_wanted() -> None:
    assert wish.read(etree.fromstring("<cib><configuration><crm_config/></configuration></cib>")) is None
