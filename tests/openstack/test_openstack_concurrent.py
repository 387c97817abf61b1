"""Others write the same ports while clusters keep their addresses there: Terraform, the command line, a second cluster."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from os_lab import NODES, VIP, OpenStackLab, cli
from test_openstack_cluster import prepare

from standfast.lab import files, lab
from standfast.lab.lab import wait_until
from standfast.lab.measures import Rig
from standfast.lab.relay import Relay
from standfast.lab.stacks import Standfast

pytestmark = [pytest.mark.live, pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]
OTHER_VIP = "172.16.0.101"
WRITES = 24
WAIT_S = (0.2, 0.5, 0.9, 1.4, 2.1)
"""How long after each of Terraform's writes the next one comes: rounds of the clusters are met at all their steps."""
SETTLED_S = 30.0
GAP_S = 0.5


def test_two_clusters_and_terraform_write_the_same_ports(cloud: OpenStackLab, tmp_path: Path) -> None:
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    base = int(os.environ["OPENSTACK_BASE_PORT"])
    relay = Relay(tmp_path, (base, base + 1, base + 2))
    try:
        with Rig(Standfast) as rig, Rig(Standfast) as other:
            for each in (rig, other):
                for host, port in zip(each.lab.hosts.values(), cloud.ports().values(), strict=True):
                    prepare(host, port.mac, relay)
            for host in other.lab.hosts.values():
                text = files.CRM.replace("ha-vip", "other-vip").replace(VIP, OTHER_VIP)
                host.write(files.CRM_PATH, text.encode())
            story(cloud, rig, other)
    finally:
        relay.close()


def story(cloud: OpenStackLab, rig: Rig, other: Rig) -> None:
    assert rig.cold() is not None
    other.stack.boot()
    other.stack.configure()
    (one, _), (two, _) = rig.lab.hosts.values(), other.lab.hosts.values()
    for host in (one, two):
        host.type("crm configure property openstack-cloud=lab-owner")
    wait_until("both addresses are allowed", lambda: all_allow(cloud, VIP, OTHER_VIP), SETTLED_S, 0.2)
    holders, start_s = rig.watch.holders(), time.monotonic()
    last: dict[str, tuple[str, ...]] = {}
    undone = 0
    for number in range(WRITES):
        name = NODES[number % 3 % 2]
        port = cloud.ports()[name]
        found = {pair.ip for pair in port.pairs}
        assert set(last.get(name, ())) <= found, f"lost of Terraform's on {name}: {set(last[name]) - found}"
        undone += not {VIP, OTHER_VIP} <= found
        last[name] = ("10.9.0.0/16", f"10.8.0.{number + 1}")
        cloud.set_pairs(port, *last[name])
        if number == WRITES // 2:
            two.type("crm configure property openstack-allow=172.16.0.160")  # it has something to write, too
        time.sleep(WAIT_S[number % len(WAIT_S)])
    for name in NODES:
        cli("port", "set", cloud.ports()[name].id, "--allowed-address", "ip-address=10.7.0.1")
    ours = (VIP, OTHER_VIP, "172.16.0.160")
    settled_s = wait_until(
        "nothing foreign is lost, ours is back",
        lambda: all(shown(cloud, name) == sorted((*last[name], "10.7.0.1", *ours)) for name in NODES),
        SETTLED_S,
        0.2,
    )
    gap_s = rig.probe.outage_s(start_s)
    print(f"\n{WRITES} whole lists in {time.monotonic() - start_s:.0f} s, met ours erased {undone} times; ", end="")
    print(f"all there {settled_s:.1f} s after the last; longest gap {gap_s} s", flush=True)
    assert gap_s is not None
    assert gap_s < GAP_S
    assert rig.watch.holders() == holders

    two.type("crm configure property openstack-allow=")
    two.type("crm resource stop other-vip; crm -w configure delete other-vip")
    wait_until(
        "the second cluster takes its own along, and nothing else",
        lambda: all(shown(cloud, name) == sorted((*last[name], "10.7.0.1", VIP)) for name in NODES),
        SETTLED_S,
        0.2,
    )


def shown(cloud: OpenStackLab, name: str) -> list[str]:
    return sorted(pair.ip for pair in cloud.ports()[name].pairs)


def all_allow(cloud: OpenStackLab, *ips: str) -> bool:
    return all(set(ips) <= {pair.ip for pair in port.pairs} for port in cloud.ports().values())
