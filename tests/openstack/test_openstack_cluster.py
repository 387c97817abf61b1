"""A real cluster of two hosts in namespaces with the real services behind it: the property is set, and the rest follows."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from os_lab import VIP, OpenStackLab

from standfast.lab import lab
from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig
from standfast.lab.relay import Relay
from standfast.lab.stacks import Standfast

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

    cloud.set_pairs(cloud.ports()["node-b"], "10.9.0.0/16")  # terraform apply
    start_s = time.monotonic()
    wait_until("the pair is back", lambda: cloud.ports()["node-b"].allows(VIP), 30)
    print(f"\nerased pair back after {time.monotonic() - start_s:.1f} s")
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
    assert len(relay.requests) - looked <= 1, "a look that was due anyway"

    target.type("crm resource stop ha-vip; crm -w configure delete ha-vip")
    wait_until("the ports allow it no more", lambda: not any(p.allows(VIP) for p in cloud.ports().values()), 30)
    wait_until("its port is gone", lambda: cloud.vip() is None, 30)


def prepare(host: Host, mac: str, relay: Relay) -> None:
    """The host's card gets the port's MAC, and the host its credentials."""
    host.type(f"ip link set eth0 address {mac}")
    host.write("/etc/openstack/clouds.yaml", Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_bytes(), 0o600)
    relay.open(host)
