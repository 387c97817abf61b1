"""A real cluster of two hosts in namespaces with the real services behind it: the property is set, and the rest follows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from os_lab import VIP, OpenStackLab

from standfast.lab import files, lab
from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig
from standfast.lab.relay import Relay
from standfast.lab.stacks import Standfast
from standfast.openstack import model, requests
from standfast.openstack.api import Request, Service

pytestmark = [pytest.mark.live, pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]
LOG = "/var/log/corosync/corosync.log"


def test_set_the_property_and_the_rest_follows(cloud: OpenStackLab, tmp_path: Path) -> None:
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    base = int(os.environ["OPENSTACK_BASE_PORT"])
    relay = Relay(tmp_path, (base, base + 1, base + 2))
    try:
        with Rig(Standfast) as rig:
            story(cloud, rig, relay)
    finally:
        relay.close()


def story(cloud: OpenStackLab, rig: Rig, relay: Relay) -> None:
    one, two = rig.lab.hosts.values()
    ports = cloud.ports()
    for host, port in zip((one, two), ports.values(), strict=True):
        prepare(host, port.mac, relay)
    assert rig.cold() is not None
    one.type("crm configure property openstack-cloud=lab-owner")
    wait_until("both ports allow the address", lambda: all(p.allows(VIP) for p in cloud.ports().values()), 30)
    assert cloud.vip() is not None
    assert f"eth0/{ports['node-a'].mac}" in one.type("crm configure show"), "each node has said which card it has"
    assert "allowed already" in two.type("crm openstack allow ha-vip")
    shown = json.loads(two.type("crm openstack status -o json"))
    assert shown["addresses"][0]["drift"] == []

    back_s = []
    for wait_s in (0, 3, 1, 5):  # in other phases of the looks
        time.sleep(wait_s)
        cloud.set_pairs(cloud.ports()["node-b"], "10.9.0.0/16")  # terraform apply
        back_s.append(wait_until("the pair is back", lambda: cloud.ports()["node-b"].allows(VIP), 30, 0.1))
    print(f"\nerased pair back after {', '.join(f'{s:.1f}' for s in back_s)} s")
    assert cloud.ports()["node-b"].allows("10.9.0.0/16")
    wait_until("it is said", lambda: "somebody else took" in one.read(LOG) + two.read(LOG), 10)

    time.sleep(4)  # what follows a change is over: one look in ten seconds from here on
    looked = len(relay.requests)
    holder = rig.watch.holders()[0]
    target = two if holder == one.name else one
    start_s = time.monotonic()
    target.type(f"crm resource move ha-vip {target.name}")
    wait_until("it has moved", lambda: rig.watch.holders() == [target.name], 10)
    outage_s = rig.probe.outage_s(start_s)
    print(f"failover: {len(relay.requests) - looked} calls, longest gap {outage_s} s")
    assert all(line.startswith("GET") for _, line in relay.requests[looked:])
    assert len(relay.requests) - looked <= 3, "a look that was due anyway"

    target.type("crm resource stop ha-vip; crm -w configure delete ha-vip")
    wait_until("the ports allow it no more", lambda: not any(p.allows(VIP) for p in cloud.ports().values()), 30)
    wait_until("its port is gone", lambda: cloud.vip() is None, 30)


class OneMore(Standfast):
    """A third host, which is a member on paper and comes later."""

    others = ("test-node-3",)

    def prepare(self) -> None:
        super().prepare()
        first = next(iter(self.lab.hosts.values()))
        (third,) = self.lab.others.values()
        third.path = first.path
        third.write(files.KEY_PATH, first.read_bytes(files.KEY_PATH), 0o400)
        last = "  node {\n    ring0_addr: 172.16.0.20\n  }\n"
        conf = files.COROSYNC_CONF.replace(last, last + last.replace("172.16.0.20", third.address))
        for host in (*self.lab.hosts.values(), third):
            host.write(files.CONF_PATH, conf.encode())


def test_nodes_and_resources_come_change_and_go(cloud: OpenStackLab, tmp_path: Path) -> None:
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    base = int(os.environ["OPENSTACK_BASE_PORT"])
    relay = Relay(tmp_path, (base, base + 1, base + 2))
    network = next(iter(cloud.ports().values())).network
    body = {"port": {"network_id": network, "name": "node-c"}}
    third = model.the_port(cloud.owner.call(Request(Service.NETWORK, "POST", "/v2.0/ports", body=body)))
    try:
        with Rig(OneMore) as rig:
            changes(cloud, rig, relay, third.id)
    finally:
        relay.close()
        cloud.owner.call(requests.delete_port(third))


def changes(cloud: OpenStackLab, rig: Rig, relay: Relay, third: str) -> None:
    one, two = rig.lab.hosts.values()
    (three,) = rig.lab.others.values()

    both = {port.id for port in cloud.ports().values()}
    every = {*both, third}

    def allowing(ip: str) -> set[str]:
        ports = model.ports(cloud.owner.call(requests.list_ports("id", sorted(every))))
        return {port.id for port in ports if port.allows(ip)}

    for host, port in zip((one, two, three), (*both, third), strict=True):
        (found,) = model.ports(cloud.owner.call(requests.list_ports("id", [port])))
        prepare(host, found.mac, relay)
    assert rig.cold() is not None
    one.type("crm configure property openstack-cloud=lab-owner")
    wait_until("both ports allow the address", lambda: allowing(VIP) == both, 30, 0.2)

    said: list[str] = []

    def seen(what: str, condition: Callable[[], bool]) -> None:
        said.append(f"{what} {wait_until(what, condition, 40, 0.2):.1f} s")

    one.type("crm -w configure primitive web-ip IPaddr2 params ip=172.16.0.105 cidr_netmask=32")
    seen("new resource", lambda: allowing("172.16.0.105") == both and cloud.vip("172.16.0.105") is not None)
    two.type("crm resource param web-ip set ip 172.16.0.106")
    seen("changed address", lambda: allowing("172.16.0.106") == both and cloud.vip("172.16.0.106") is not None)
    seen("the old one", lambda: not allowing("172.16.0.105") and cloud.vip("172.16.0.105") is None)
    three.start(["standfast", "node"], rig.lab.folder / "three.out")
    seen("new node", lambda: allowing(VIP) == allowing("172.16.0.106") == every)
    two.type("crm resource stop web-ip; crm -w configure delete web-ip")
    seen("deleted resource", lambda: not allowing("172.16.0.106") and cloud.vip("172.16.0.106") is None)
    assert allowing(VIP) == every
    assert json.loads(two.type("crm openstack status -o json"))["addresses"][0]["drift"] == []
    print(f"\n{'; '.join(said)}", flush=True)


def prepare(host: Host, mac: str, relay: Relay, clouds: str = "") -> None:
    """The host's card gets the port's MAC, and the host its credentials (`clouds`: another clouds.yaml)."""
    host.type(f"ip link set eth0 address {mac}")
    text = clouds.encode() or Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_bytes()
    host.write("/etc/openstack/clouds.yaml", text, 0o600)
    relay.open(host)
