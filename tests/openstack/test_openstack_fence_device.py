"""stonith:fence_openstack on the real Nova (its fake driver) and Neutron, run as the cluster runs it: lines on standard input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from os_lab import OpenStackLab

from standfast.openstack import model
from standfast.openstack.api import Request, Service

pytestmark = [pytest.mark.live, pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]
AGENT = Path(sys.executable).parent / "fence_openstack"


def agent(**parameters: str) -> tuple[int, str, str]:
    lines = "".join(f"{name.replace('__', '-')}={value}\n" for name, value in parameters.items())
    done = subprocess.run([AGENT], input=lines, capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


def credentials() -> dict[str, str]:
    from openstack.config import OpenStackConfig

    return dict(OpenStackConfig().get_one(cloud="lab-owner").config["auth"])


def server(cloud: OpenStackLab, name: str = "node-b") -> str:
    return cloud.ports()[name].device


def reboots(cloud: OpenStackLab, own: str) -> int:
    body = cloud.owner.call(Request(Service.COMPUTE, "GET", f"/servers/{own}/os-instance-actions"))
    return sum(item["action"] == "reboot" for item in model.objects(body, "instanceActions"))


def test_a_reboot_is_in_novas_own_record_and_the_network_is_back(cloud: OpenStackLab) -> None:
    own = server(cloud)
    before = reboots(cloud, own)
    code, _, said = agent(action="reboot", cloud="lab-owner", plug=own, nodename="b")
    assert code == 0, said
    assert "was rebooted (HARD), says Nova" in said
    assert reboots(cloud, own) == before + 1
    port = cloud.ports()["node-b"]
    assert port.is_up
    assert "standfast off" not in port.description


def test_off_is_off_and_on_is_on(cloud: OpenStackLab) -> None:
    own = server(cloud)
    assert agent(action="status", cloud="lab-owner", plug=own)[0] == 0
    try:
        assert agent(action="off", cloud="lab-owner", plug=own)[0] == 0
        assert agent(action="status", cloud="lab-owner", plug=own)[0] == 2
        code, listed, _ = agent(action="list-status", cloud="lab-owner")
        assert code == 0
        assert f"{own},node-b,off" in listed
    finally:
        assert agent(action="on", cloud="lab-owner", plug=own)[0] == 0
    assert agent(action="status", cloud="lab-owner", plug=own)[0] == 0


def test_a_configuration_made_for_the_known_agent(cloud: OpenStackLab) -> None:
    auth = credentials()
    given = {"login": auth["username"], "passwd": auth["password"], "auth__url": auth["auth_url"]}
    given |= {"project__name": auth["project_name"], "ssl_insecure": "0"}
    assert agent(action="monitor", **given)[0] == 0
    assert agent(action="status", uuid=server(cloud), plug="b", **given)[0] == 0
    code, _, said = agent(action="monitor", **(given | {"passwd": "wr0ng-pass"}))
    assert code == 1
    assert "wr0ng-pass" not in said
    assert said


def test_an_openrc_file_is_read_and_never_run(cloud: OpenStackLab, tmp_path: Path) -> None:
    auth = credentials()
    lines = [f"export OS_{name.upper()}='{value}'" for name, value in auth.items()]
    (tmp_path / "rc").write_text("\n".join([f"touch {tmp_path}/ran", *lines]))
    assert agent(action="status", openrc=str(tmp_path / "rc"), plug=server(cloud))[0] == 0
    assert not (tmp_path / "ran").exists()


def test_who_may_not_is_told_so_and_nothing_is_left_changed(cloud: OpenStackLab) -> None:
    code, _, said = agent(action="reboot", cloud="lab-reader", plug=server(cloud))
    assert code == 1
    assert "Nova refuses the hard reboot" in said
    assert cloud.ports()["node-b"].is_up
    assert agent(action="off", cloud="lab-other", plug=server(cloud))[0] == 1
