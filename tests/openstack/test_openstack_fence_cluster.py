"""A live cluster whose fencing device is the real Nova: the lost holder's server is rebooted, and then its address is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_api import FaultyApi
from os_lab import OpenStackLab
from test_openstack_cluster import prepare
from test_openstack_fence_device import agent, reboots

from standfast.lab import lab
from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig
from standfast.lab.relay import Relay
from standfast.lab.stacks import Standfast

pytestmark = [pytest.mark.live, pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]
STEP_S = 3
LATE_S = 60.0


class Scene:
    """Two hosts that are the cloud's two servers, with the device in front of a Nova that can be broken (`nova`)."""

    def __init__(self, cloud: OpenStackLab, rig: Rig, nova: FaultyApi, relay: Relay) -> None:
        self.cloud, self.rig, self.nova = cloud, rig, nova
        self.servers: dict[str, str] = {}
        self.ports: dict[str, str] = {}
        for host, (name, port) in zip(rig.lab.hosts.values(), sorted(cloud.ports().items()), strict=True):
            prepare(host, port.mac, relay)
            self.servers[host.name], self.ports[host.name] = port.device, name
        assert rig.cold() is not None
        first = next(iter(rig.lab.hosts.values()))
        named = ";".join(f"{name}:{own}" for name, own in self.servers.items())
        first.type(
            "crm configure primitive fence stonith:fence_openstack "
            f"params cloud=lab-owner pcmk_host_map='{named}' step_timeout={STEP_S} op monitor interval=300s"
        )
        first.type("crm configure property stonith-enabled=true stonith-timeout=30s")
        wait_until("the device is started", lambda: "fence_openstack):\t Started" in first.type("crm_mon -1 -r"), LATE_S, 0.5)
        self.holder = rig.lab.hosts[rig.probe.wait_steady(20)]
        self.other = next(host for host in rig.lab.hosts.values() if host is not self.holder)

    def lose_the_holder(self) -> None:
        self.rig.stack.kill_all(self.holder)
        self.rig.lab.cut(self.holder.name)

    def is_cut_off(self) -> bool:
        return not self.cloud.ports()[self.ports[self.holder.name]].is_up


@pytest.fixture
def scene(cloud: OpenStackLab, tmp_path: Path) -> Iterator[Scene]:
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    base = int(os.environ["OPENSTACK_BASE_PORT"])
    with FaultyApi(base + 2) as nova:
        relay = Relay(tmp_path, (base, base + 1, base + 2), {base + 2: nova.port})
        try:
            with Rig(Standfast) as rig:
                yield Scene(cloud, rig, nova, relay)
        finally:
            relay.close()
            for port in cloud.ports().values():
                agent(action="on", cloud="lab-owner", plug=port.device)


def test_nova_reboots_the_lost_holder_before_its_address_is_taken(scene: Scene) -> None:
    own = scene.servers[scene.holder.name]
    before, asked = reboots(scene.cloud, own), len(scene.nova.requests)
    scene.lose_the_holder()
    scene.rig.probe.wait_steady(LATE_S, not_from=scene.holder.name)
    taken_s = scene.rig.probe.first_answer_s(scene.nova.requests[asked][0], not_from=scene.holder.name)
    assert taken_s is not None
    assert reboots(scene.cloud, own) == before + 1
    sent = scene.nova.requests[asked:]
    ordered_s = next(when for when, method, path in sent if method == "POST" and path.endswith(f"/servers/{own}/action"))
    proofs = [when for when, method, path in sent if method == "GET" and "/os-instance-actions/" in path and when > ordered_s]
    assert proofs, f"accepted is not done, and Nova's own record was not read: {sent}"
    assert scene.nova.requests[asked][0] + taken_s > proofs[-1]
    print(
        f"\nrebooted {proofs[-1] - ordered_s:.1f} s after the order, the address answers {taken_s:.1f} s after the first request"
    )
    wait_until("its ports are up again", lambda: not scene.is_cut_off(), 20, 0.2)
    status = scene.other.type("crm_mon -1 -r -m2")
    assert f"OFFLINE: [ {scene.holder.name} ]" in status
    assert "UNCLEAN" not in status
    named = f"reboot of {scene.holder.name} by {scene.other.name} for pacemaker-controld@{scene.other.name} last successful"
    assert named in status
    assert f"Node {scene.holder.name} last fenced at: " in scene.other.type(f"stonith_admin --last {scene.holder.name}")


def blocked(scene: Scene, *why: str) -> None:
    """The address stays down, and the commands say why."""

    def shown() -> bool:
        return all(text in scene.other.type("crm_mon -1 -r", check=False) for text in ("Failed Fencing Actions", *why))

    wait_until(f"the failure is shown with {why}", shown, LATE_S, 0.5)
    assert not scene.other.holds(), "nothing starts before the lost node is fenced"
    status = scene.other.type("crm_mon -1 -r")
    assert f"Node {scene.holder.name}: UNCLEAN (offline)" in status
    said = scene.other.type("crm resource why ha-vip", check=False)
    assert f"Nothing that may still run on {scene.holder.name} starts elsewhere before it is fenced." in said
    assert all(text in said for text in why), said
    assert f"crm node clearstate {scene.holder.name}" in said


def recovered(other: Host) -> None:
    wait_until("the address is taken over", other.holds, 90, 0.2)
    assert "UNCLEAN" not in other.type("crm_mon -1 -r")


def test_who_is_refused_fences_nobody_and_goes_on_when_he_may(scene: Scene) -> None:
    scene.nova.break_down("403")
    scene.lose_the_holder()
    blocked(scene, "Nova refuses the hard reboot", "made up: 403")
    scene.nova.break_down("")
    recovered(scene.other)


def test_a_dead_hypervisor_is_called_so_and_its_guest_taken_for_alive(scene: Scene) -> None:
    scene.nova.break_down("dead")
    scene.lose_the_holder()
    blocked(scene, "Nova accepted the hard reboot", "its hypervisor is probably dead or cut off")
    assert scene.is_cut_off(), "it cannot send at least"
    scene.other.type(f"crm -F node clearstate {scene.holder.name}")
    recovered(scene.other)
