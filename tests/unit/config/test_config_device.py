"""`quorum { device { model: openstack } }`: what it needs, and what is said where that is missing."""

from __future__ import annotations

import pytest

from standfast.base.report import Refused
from standfast.config.parse import parse_config

NODE = "  node {\n    ring0_addr: 172.16.0.%d\n    nodeid: %d\n  }\n"


def conf(inner: str, nodes: int = 2, more: str = "") -> bytes:
    listed = "".join(NODE % (n, n) for n in range(1, nodes + 1))
    device = f"  device {{\n    model: openstack\n    openstack {{\n{inner}    }}\n  }}\n"
    text = f"totem {{\n  version: 2\n  cluster_name: t\n}}\nnodelist {{\n{listed}}}\n{more}"
    return (text + f"quorum {{\n  provider: corosync_votequorum\n  two_node: 1\n{device}}}\n").encode()


WHOLE = "cloud: lab\nnetwork: 6967bd0c-4d0c-4b5b-9d6c-2a5b0c7c6c11\naddress: 172.16.0.9\nhold: 20000\n"


def test_a_whole_device_is_read() -> None:
    device = parse_config(conf(WHOLE), "corosync.conf").quorum.device
    assert device is not None
    assert device.model == "openstack"
    assert dict(device.settings)["openstack.hold"] == "20000"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (conf(WHOLE.replace("cloud: lab\n", "")), "quorum.device.openstack has no cloud"),
        (conf(WHOLE.replace("address: 172.16.0.9\n", "")), "quorum.device.openstack has no address"),
        (conf(WHOLE.replace("172.16.0.9", "172.16.0.999")), "'172.16.0.999' is no address"),
        (conf(WHOLE.replace("20000", "10")), "quorum.device.openstack.hold"),
        (conf(WHOLE, nodes=3), "model: openstack is for two nodes"),
        (
            conf(WHOLE, more="standfast {\n  engine: etcd\n  etcd {\n    endpoints: http://10.0.0.1:2379\n  }\n}\n"),
            "needs engine",
        ),
    ],
)
def test_what_is_wrong_is_named(data: bytes, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_config(data, "corosync.conf")
    assert said in "\n".join(report.sentence() for report in refused.value.reports)
