"""`crm openstack` against a cloud in memory: what is typed, what is changed, what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from standfast.base.report import Refused, error
from standfast.openstack.api import Fault, Reply, Request
from standfast.shell.level_openstack import OpenStackLevel
from standfast.shell.openstack_work import property_change
from standfast.sim.cloud import FakeCloud

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import SESSION, FakeManager, Shell
else:
    from shell_rig import SESSION, FakeManager, Shell

VIP, NET = "172.16.0.100", "net-1"
GROUP = {
    "id": "sg",
    "name": "cluster",
    "security_group_rules": [
        {"direction": "ingress", "protocol": "udp", "ethertype": "IPv4", "port_range_min": 5404,
         "port_range_max": 5406, "remote_group_id": "sg"}
    ],
}  # fmt: skip
ALL = ("allowed-address-pairs", "port-security", "standard-attr-revisions", "revision-if-match")


class Worker:
    """The cloud worker without a process."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.calls = 0

    def ask(self, batch: tuple[Request, ...]) -> tuple[Reply, ...]:
        self.calls += len(batch)
        return tuple(self.cloud.call(request) for request in batch)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Rig:
    """A running cluster of two nodes on a cloud, and the shell."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud = FakeCloud()
        self.cloud.add_subnet(NET, "172.16.0.0/24")
        self.nodes = [self.cloud.add_node(f"test-node-{n}", NET, f"172.16.0.{n}0") for n in (1, 2)]
        for own in self.nodes:
            self.cloud.ports[own]["security_groups"] = ["sg"]
        self.cloud.others = {
            "networks": [{"id": NET, "name": "lan", "project_id": "cluster"}],
            "security-groups": [GROUP],
            "extensions": [{"alias": alias} for alias in ALL],
            "server_groups": [{"policy": "anti-affinity", "members": list(self.cloud.servers)}],
        }
        self.opened: list[str] = []
        monkeypatch.setattr(OpenStackLevel, "open_worker", staticmethod(self.open))
        monkeypatch.delenv("OS_CLOUD", raising=False)
        monkeypatch.delenv("OS_AUTH_URL", raising=False)
        monkeypatch.setenv("COROSYNC_MAIN_CONFIG_FILE", "/nonexistent")
        self.shell = Shell(FakeManager())
        self.shell.file(SESSION, "configure")
        assert self.shell.run("configure", "property", "openstack-cloud=lab")[0]

    def open(self, cloud: str) -> Any:
        self.opened.append(cloud)
        return Worker(self.cloud)

    def run(self, line: str) -> tuple[bool, str, str]:
        return self.shell.run("openstack", *line.split())

    def property(self, name: str) -> str | None:
        found = self.shell.manager.find(f"crm_config/cluster_property_set/nvpair[@name='{name}']")
        return None if found is None else found.get("value")


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_allow_does_what_the_two_commands_did_and_says_so_once(rig: Rig) -> None:
    good, _, err = rig.run("allow ha-vip")
    assert good
    assert rig.opened == ["lab"]
    assert [rig.cloud.pairs(own) for own in rig.nodes] == [(VIP,), (VIP,)]
    assert "ha-vip (172.16.0.100) has its own port now" in err
    assert f"172.16.0.100 is allowed on port {rig.nodes[1]} of test-node-2" in err
    before = len(rig.cloud.log)
    good, _, err = rig.run("allow ha-vip")
    assert good
    assert err == "INFO: ha-vip (172.16.0.100): allowed already on test-node-1, test-node-2\n"
    assert not [line for line in rig.cloud.log[before:] if not line.startswith("GET")]


def test_what_is_allowed_before_the_property_is_set_belongs_to_this_cluster_later(rig: Rig) -> None:
    assert rig.shell.run("configure", "property", "openstack-cloud=")[0]
    assert rig.run("allow ha-vip --cloud lab")[0]
    mark = rig.property("openstack-id")
    assert mark
    (vip,) = [port for port in rig.cloud.ports.values() if port["device_owner"] == "standfast:vip"]
    assert vip["device_id"].endswith(f"-{mark}"), "a bare name could be that of another cluster, which the coordinator respects"
    good, _, err = rig.run("allow ha-vip --cloud lab")
    assert good
    assert rig.property("openstack-id") == mark
    assert "nothing keeps it so until the cluster knows the cloud" in err


def test_an_address_and_a_network_are_kept_in_the_property_and_revoke_forgets_them(rig: Rig) -> None:
    assert rig.run("allow 172.16.0.150 10.8.0.9/24")[0]
    assert rig.property("openstack-allow") == "172.16.0.150 10.8.0.0/24"
    assert rig.cloud.pairs(rig.nodes[0]) == ("172.16.0.150", "10.8.0.0/24")
    assert rig.run("revoke 10.8.0.0/24")[0]
    assert rig.property("openstack-allow") == "172.16.0.150"
    assert rig.cloud.pairs(rig.nodes[0]) == ("172.16.0.150",)
    assert rig.run("revoke 172.16.0.150")[0]
    assert rig.property("openstack-allow") is None
    assert len(rig.cloud.ports) == 2, "the port of the address is gone"


def test_what_was_allowed_by_hand_alone_is_shown_with_the_command_that_takes_it_away(rig: Rig) -> None:
    assert rig.shell.run("configure", "property", "openstack-cloud=")[0]
    assert rig.run("allow 172.16.0.150 10.8.0.0/24 --cloud lab")[0]
    _, out, _ = rig.run("status --cloud lab")
    assert "is left over, no resource has the address (crm openstack revoke 172.16.0.150)" in out


def test_who_may_not_revoke_is_told_so_once_for_each_node_and_asks_no_more(rig: Rig) -> None:
    assert rig.run("allow 172.16.0.150")[0]
    rig.cloud.forbidden = ("allowed_address_pairs",)
    before = len(rig.cloud.log)
    good, _, err = rig.run("revoke 172.16.0.150")
    assert not good
    assert err.count("172.16.0.150 cannot be taken away") == 2
    assert len([line for line in rig.cloud.log[before:] if line.startswith("PUT")]) == 2


def test_a_resource_is_not_revoked_behind_the_coordinators_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.run("allow ha-vip")
    good, _, err = rig.run("revoke ha-vip")
    assert not good
    assert "the coordinator would put its pairs back" in err
    assert rig.cloud.pairs(rig.nodes[0]) == (VIP,)
    rig.shell.session.options.is_forced = True
    assert rig.run("revoke ha-vip")[0]
    assert rig.cloud.pairs(rig.nodes[0]) == ()


def test_without_a_cluster_the_nodes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)

    def nobody(timeout_s: float) -> Any:
        raise Refused(error("client.not-running", "the cluster is not running on this node"), exit_code=102)

    rig.shell.session.cluster._connect = nobody
    good, _, err = rig.run("allow 172.16.0.100")
    assert not good
    assert "--nodes" in err
    good, _, err = rig.run("allow 172.16.0.100 --nodes=test-node-1,test-node-2")
    assert not good
    assert "openstack-cloud" in err
    for ip in (VIP, "172.16.0.101"):
        assert rig.run(f"allow {ip} --cloud lab --nodes test-node-1,test-node-2")[0]
    assert rig.run(f"revoke {VIP} --cloud lab --nodes test-node-1,test-node-2")[0]
    assert rig.cloud.pairs(rig.nodes[1]) == ("172.16.0.101",)
    assert len(rig.cloud.ports) == 3, "what was allowed for the other address is left alone"


def test_status_shows_nodes_addresses_and_drift(rig: Rig) -> None:
    rig.run("allow ha-vip")
    good, out, _ = rig.run("status")
    assert good
    assert "  * ha-vip (172.16.0.100): held by test-node-1\n" in out or "held by nobody" in out
    assert "allowed on: test-node-1, test-node-2" in out
    assert "security groups: cluster" in out
    rig.cloud.set_pairs(rig.nodes[1])
    good, out, _ = rig.run("status")
    assert not good
    assert "DRIFT: not allowed on test-node-2" in out
    good, out, _ = rig.run("status -o json")
    value = json.loads(out)
    assert value["addresses"][0]["missing_on"] == ["test-node-2"]
    assert value["nodes"][0]["ports"][0]["network_name"] == "lan"


def test_what_is_typed_wrongly_is_named(rig: Rig) -> None:
    for line, said in (
        ("allow", "nothing is named"),
        ("allow nonsense", "neither a failover IP of this cluster nor an address"),
        ("allow ha-vip --colour", "unknown option --colour"),
        ("allow ha-vip --cloud", "--cloud needs a value"),
        ("status now", "usage: status"),
    ):
        good, _, err = rig.run(line)
        assert not good
        assert said in err, line
    assert rig.opened == []


def test_an_outage_is_said_and_changes_nothing(rig: Rig) -> None:
    rig.cloud.inject(lambda _request: Reply(fault=Fault.TLS, detail="SSLError: certificate has expired"))
    good, _, err = rig.run("allow ha-vip")
    assert not good
    assert "certificate has expired" in err
    rig.cloud.inject(lambda _request: Reply(fault=Fault.CREDENTIALS, detail="Unauthorized"))
    good, _, err = rig.run("status")
    assert not good
    assert "does not accept the credentials" in err


# ---- doctor -------------------------------------------------------------------------------------------------------------


def codes(rig: Rig, words: str = "doctor -o json") -> list[str]:
    return [finding["code"] for finding in json.loads(rig.run(words)[1])["findings"]]


def test_nothing_is_wrong(rig: Rig) -> None:
    rig.run("allow ha-vip")
    good, _, err = rig.run("doctor")
    assert good
    assert err == "INFO: nothing is wrong on OpenStack's side\n"


def test_what_is_missing_is_found_and_mended(rig: Rig) -> None:
    assert codes(rig) == ["openstack.missing", "openstack.missing", "openstack.no-own-port"]
    good, _, err = rig.run("doctor --fix")
    assert good
    assert "is allowed on port" in err
    assert "nothing is wrong" in err


def test_the_pool_would_give_the_address_away(rig: Rig) -> None:
    rig.cloud.subnets[0]["allocation_pools"] = [{"start": "172.16.0.2", "end": "172.16.0.254"}]
    assert "openstack.pool" in codes(rig)


def test_extensions_that_are_missing(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.others["extensions"] = [{"alias": "port-security"}]
    assert codes(rig) == ["openstack.extension"] * 3


def test_port_security_off_is_no_fault(rig: Rig) -> None:
    for own in rig.nodes:
        rig.cloud.ports[own]["port_security_enabled"] = False
    rig.run("allow ha-vip")
    assert codes(rig) == ["openstack.port-security-off"] * 2
    good, _, err = rig.run("doctor")
    assert good
    assert "409" in err


def test_a_full_list_and_a_network_instead_of_the_address(rig: Rig) -> None:
    rig.cloud.set_pairs(rig.nodes[0], *(f"10.0.0.{n}" for n in range(10)))
    rig.cloud.set_pairs(rig.nodes[1], "172.16.0.0/24")
    found = codes(rig)
    assert "openstack.full" in found
    assert found.count("openstack.missing") == 1, "of the other port; that of the full one is no remedy"
    assert "openstack.pair-is-network" not in found, "where it is not OVN, a network does as well"
    rig.cloud.add_port(NET, "172.16.0.2", owner="network:distributed")
    found = codes(rig)
    assert "openstack.pair-is-network" in found


def test_somebody_else_has_the_address(rig: Rig) -> None:
    rig.cloud.add_port(NET, VIP, "other-vm")
    good, _, err = rig.run("doctor")
    assert not good
    assert "is used by somebody else" in err
    assert "other-vm" in err


def test_a_stranger_may_send_from_the_address(rig: Rig) -> None:
    rig.run("allow ha-vip")
    stranger = rig.cloud.add_port(NET, "172.16.0.77", "third-vm")
    rig.cloud.set_pairs(stranger, VIP)
    assert codes(rig) == ["openstack.stranger"]


def test_the_wrong_projects_credentials_see_no_port(rig: Rig) -> None:
    for own in rig.nodes:
        del rig.cloud.ports[own]
    rig.cloud.servers.clear()
    good, _, err = rig.run("allow ha-vip")
    assert not good
    assert "no port of test-node-1, test-node-2 is seen" in err
    assert "see no server of such a name" in err


def test_what_somebody_else_has_is_said_once_and_not_to_be_allowed(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.add_port(NET, "172.16.0.109", "somebody")
    assert not rig.run("allow 172.16.0.109")[0]
    assert codes(rig) == ["openstack.used"]


def test_the_clusters_datagrams_are_blocked_and_let_in(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.others["security-groups"] = [{**GROUP, "security_group_rules": []}]
    good, _, err = rig.run("doctor")
    assert not good
    assert "UDP port 5405" in err
    assert "--remote-group sg sg" in err
    made: list[Request] = []
    original = rig.cloud.carry_out

    def rules(request: Request) -> Reply:
        if request.path.endswith("security-group-rules"):
            made.append(request)
            rig.cloud.others["security-groups"] = [GROUP]
            return Reply(201, {"security_group_rule": {}})
        return original(request)

    rig.cloud.carry_out = rules  # type: ignore[method-assign]
    assert rig.run("doctor --fix")[0]
    assert len(made) == 1, "one rule serves both nodes"


def test_rights_that_are_missing_are_found_without_writing(rig: Rig) -> None:
    rig.run("allow ha-vip")
    revision = [rig.cloud.ports[own]["revision_number"] for own in rig.nodes]
    rig.run("doctor")
    assert [rig.cloud.ports[own]["revision_number"] for own in rig.nodes] == revision
    rig.cloud.forbidden = ("allowed_address_pairs",)
    good, _, err = rig.run("doctor")
    assert not good
    assert "update_port:allowed_address_pairs" in err
    assert "policy.yaml" in err


def test_a_network_of_another_project_predicts_it(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.others["networks"][0]["project_id"] = "provider"
    assert codes(rig) == ["openstack.shared-network"]


def test_a_floating_ip_that_stays_behind(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.others["floatingips"] = [
        {"id": "f", "floating_ip_address": "203.0.113.9", "port_id": rig.nodes[0], "fixed_ip_address": "172.16.0.10"}
    ]
    assert codes(rig) == ["openstack.floating-ip"]
    assert "openstack floating ip set --port" in rig.run("doctor")[2]


def test_no_anti_affinity_and_one_hypervisor(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.others["server_groups"] = []
    assert codes(rig) == ["openstack.anti-affinity"]
    original = rig.cloud.carry_out

    def together(request: Request) -> Reply:
        reply = original(request)
        if request.path.startswith("/servers/"):
            assert reply.body is not None
            reply.body["server"]["hostId"] = "one"
        return reply

    rig.cloud.carry_out = together  # type: ignore[method-assign]
    assert codes(rig) == ["openstack.same-host", "openstack.anti-affinity"]


def test_a_distributed_router_is_found_and_remembered(rig: Rig) -> None:
    rig.run("allow ha-vip")
    rig.cloud.add_port(NET, "172.16.0.1", owner="network:router_interface_distributed")
    assert codes(rig) == ["openstack.dvr"]
    assert rig.run("doctor --fix")[0]
    assert rig.property("openstack-dvr") == "true"


def test_a_property_is_changed_where_it_stands(rig: Rig) -> None:
    root = rig.shell.manager.tree()
    (change,) = property_change(root, "openstack-cloud", 'a"b')
    assert 'value="a&quot;b"' in str(change["xml"]) or "value='a\"b'" in str(change["xml"])
    assert property_change(root, "openstack-allow", "") == []


def test_a_refusal_is_asked_for_once_and_nobody_else_is_blamed(rig: Rig) -> None:
    rig.cloud.forbidden = ("POST",)
    is_good, out, errors = rig.run("allow ha-vip")
    said = out + errors
    assert not is_good
    assert "create_port:fixed_ips:ip_address" in said
    assert "do not stay as they were written" not in said
    assert len([line for line in rig.cloud.log if line.startswith("POST")]) == 1
