"""Another key while the cluster runs, typed as an administrator types it: half done it stands, and nobody notices anything."""

from __future__ import annotations

import time

import pytest

from standfast.lab.files import KEY_PATH
from standfast.lab.lab import wait_until
from standfast.lab.measures import Rig

pytestmark = pytest.mark.live


def test_a_key_is_changed_and_nobody_notices(cluster: Rig) -> None:
    one, two = cluster.lab.hosts.values()
    cluster.probe.wait_steady(10)
    start_s = time.monotonic()
    views = [cluster.stack.log(host).read_text().count(": view ") for host in (one, two)]
    assert "One key is in use" in one.type("crm cluster rotate-key")

    assert "Made " in one.type("crm cluster rotate-key begin")
    new = one.read_bytes(KEY_PATH + ".next")
    assert new != one.read_bytes(KEY_PATH)
    time.sleep(2)
    assert "Not seen with the next key yet: 172.16.0.20" in one.type("crm cluster rotate-key status")
    refused = one.type("crm cluster rotate-key finish", check=False)
    assert "not seen with the next key yet: 172.16.0.20" in refused

    two.write(KEY_PATH + ".next", new, 0o400)
    two.type("crm cluster rotate-key begin")
    for host in (two, one):
        wait_until("all have it", lambda: "All nodes have" in host.type("crm cluster rotate-key"), 20)  # noqa: B023
    for host in (two, one):
        assert "uses the next key alone" in host.type("crm cluster rotate-key finish")
        assert host.read_bytes(KEY_PATH) == new
    time.sleep(2)
    assert "One key is in use" in two.type("crm cluster rotate-key")
    outage_s = cluster.probe.outage_s(start_s)
    assert outage_s is not None
    assert outage_s < 0.5
    assert [cluster.stack.log(host).read_text().count(": view ") for host in (one, two)] == views
