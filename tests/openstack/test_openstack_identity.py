"""Who a host is, from what Nova gives a guest: Nova's own code writes the documents, for the real ports of the lab.

The lab's Nova has a fake hypervisor, so nobody plugs in its config drives or answers at 169.254.169.254: that is done here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from os_lab import VIP, OpenStackLab
from test_openstack_cluster import prepare

from standfast.lab import lab
from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig
from standfast.lab.relay import Relay
from standfast.lab.stacks import Standfast
from standfast.openstack.identity import identity
from standfast.openstack.model import Port
from standfast.runtime.cloud_identity import METADATA, from_drive

pytestmark = [pytest.mark.live, pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]
MOUNTED = "/run/cloud-init/config-drive"
RENDER = """
import json, sys
from nova.network import model
from nova.virt import netutils
given = json.loads(sys.argv[1])
subnet = model.Subnet(cidr="172.16.0.0/24", dns=[], gateway=model.IP(address="172.16.0.1", type="gateway"),
                      ips=[model.FixedIP(address=given["ip"])], routes=[])
network = model.Network(id=given["network"], bridge="br-int", label="cluster", subnets=[subnet], mtu=1442)
vif = model.VIF(id=given["port"], address=given["mac"], network=network, type="ovs", devname="tap" + given["port"][:11])
print(json.dumps(netutils.get_network_metadata(model.NetworkInfo([vif]))))
"""
SERVE = """
import functools, http.server
kind = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/run/metadata")
http.server.ThreadingHTTPServer(("169.254.169.254", 80), kind).serve_forever()
"""

Documents = dict[str, bytes]


def documents(port: Port) -> Documents:
    """What Nova's metadata service and its config drives say to the server of a port."""
    given = {"port": port.id, "mac": port.mac, "network": port.network, "ip": port.addresses[0]}
    command = [os.environ["OPENSTACK_PYTHON"], "-W", "ignore", "-c", RENDER, json.dumps(given)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    meta = {"uuid": port.device, "name": "a server", "hostname": "a", "availability_zone": "nova", "project_id": "p"}
    return {"network_data.json": done.stdout.strip(), "meta_data.json": json.dumps(meta).encode()}


@pytest.fixture
def given(cloud: OpenStackLab) -> dict[str, tuple[Port, Documents]]:
    return {name: (port, documents(port)) for name, port in cloud.ports().items()}


def drive(folder: Path, what: Documents) -> Path:
    """A config drive as an image: ISO 9660 as Nova makes it where this machine and its kernel can, else ext4."""
    place = folder / "drive" / "openstack" / "latest"
    place.mkdir(parents=True)
    for name, content in what.items():
        (place / name).write_bytes(content)
    image = folder / "config-2.img"
    source = str(folder / "drive")
    if shutil.which("genisoimage") and "iso9660" in Path("/proc/filesystems").read_text():
        options = ["-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-quiet", "-J", "-r", "-V", "config-2"]
        subprocess.run(["genisoimage", "-o", str(image), *options, source], check=True, capture_output=True, timeout=30)
    elif shutil.which("mke2fs"):
        command = ["mke2fs", "-q", "-t", "ext4", "-L", "config-2", "-d", source, str(image), "4M"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    else:
        pytest.skip("a config drive's image cannot be made here: that needs genisoimage or mke2fs")
    return image


def test_an_image_of_a_config_drive_is_mounted_read_and_let_go(given: dict[str, tuple[Port, Documents]], tmp_path: Path) -> None:
    port, what = given["node-a"]
    image = drive(tmp_path, what)
    if subprocess.run(["mount", "-o", "loop,ro", str(image), "/mnt"], check=False, capture_output=True).returncode:
        pytest.skip("images cannot be mounted here")
    subprocess.run(["umount", "/mnt"], check=True)
    found = identity((("ens3", port.mac), ("lo", "00:00:00:00:00:00")), *from_drive((str(image),), ()))
    assert found.server == port.device
    assert [(nic.name, nic.port) for nic in found.nics] == [("ens3", port.id)]
    assert str(image) not in Path("/proc/mounts").read_text()
    (tmp_path / "broken.img").write_bytes(b"\0" * 65536)
    assert from_drive((str(tmp_path / "broken.img"),), ()) == (b"", b""), "a drive that cannot be read is no drive"


def test_hosts_know_their_ports_and_the_address_waits_for_no_metadata(
    cloud: OpenStackLab, given: dict[str, tuple[Port, Documents]], tmp_path: Path
) -> None:
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    base = int(os.environ["OPENSTACK_BASE_PORT"])
    relay = Relay(tmp_path, (base, base + 1, base + 2))
    try:
        with Rig(Standfast) as rig:
            one, two = rig.lab.hosts.values()
            for host, (port, _) in zip((one, two), given.values(), strict=True):
                prepare(host, port.mac, relay)
            story(cloud, rig, relay, dict(zip((one, two), given.values(), strict=True)), tmp_path)
    finally:
        relay.close()


def story(cloud: OpenStackLab, rig: Rig, relay: Relay, given: dict[Host, tuple[Port, Documents]], folder: Path) -> None:
    (one, (port_one, what_one)), (two, (port_two, what_two)) = given.items()
    for name, content in what_one.items():
        one.write(f"{MOUNTED}/openstack/latest/{name}", content)
    for name, content in what_two.items():
        two.write(f"/run/metadata/openstack/latest/{name}", content)
    two.run(["ip", "addr", "add", "169.254.169.254/32", "dev", "lo"])
    two.run(["ip", "link", "set", "lo", "up"])
    server = two.start([sys.executable, "-c", SERVE], folder / "metadata.log")
    assert rig.cold() is not None
    one.type("crm configure property openstack-cloud=lab-owner")
    for host, port in ((one, port_one), (two, port_two)):
        says = f"eth0/{port.mac}/{port.id}"
        wait_until(f"{host.name} says which port it has", lambda says=says: says in one.type("crm configure show"), 20, 0.2)
    wait_until("both ports allow the address", lambda: all(p.allows(VIP) for p in cloud.ports().values()), 30, 0.2)
    asked = [line for _, line in relay.requests if "mac_address" in line]
    print(f"\nconfig drive and metadata service: {len(asked)} requests by MAC", flush=True)

    server.kill()
    plain_s = rig.warm()["warm"]
    two.run(["ip", "addr", "del", "169.254.169.254/32", "dev", "lo"])
    for host in (one, two):  # whoever asks now waits for an answer that never comes
        host.run(["ip", "route", "add", "169.254.169.254/32", "dev", "eth0"])
        host.run(["ip", "neigh", "add", "169.254.169.254", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"])
    one.run(["rm", "-r", MOUNTED])
    hung_s = rig.warm()["warm"]
    assert plain_s is not None
    assert hung_s is not None
    print(f"warm start: {plain_s:.2f} s without metadata, {hung_s:.2f} s with a service that hangs ({METADATA})", flush=True)
    assert hung_s < plain_s + 1.5
    time.sleep(5)  # its time-out is over
    shown = one.type("crm configure show")
    for port in (port_one, port_two):
        assert f"eth0/{port.mac}/{port.id}" in shown, "what was known stays known"
