"""Another corosync.conf while the cluster runs, typed as an administrator types it: followed by both nodes, or by none."""

from __future__ import annotations

import time

import pytest

from standfast.lab.files import CONF_PATH
from standfast.lab.lab import wait_until
from standfast.lab.measures import Rig

pytestmark = pytest.mark.live

TOKEN = "corosync-cmapctl -g runtime.config.totem.token"


def test_a_new_token_is_followed_by_both_or_by_none(cluster: Rig) -> None:
    one, two = cluster.lab.hosts.values()
    cluster.probe.wait_steady(10)
    start_s = time.monotonic()
    views = [cluster.stack.log(host).read_text().count(": view ") for host in (one, two)]
    old = one.read(CONF_PATH)
    new = (
        old.replace("totem {", "totem {\n  token: 2345", 1) if "token:" not in old else old.replace("token:", "token: 2345 #", 1)
    )
    one.write(CONF_PATH, new.encode())
    said = one.type("corosync-cfgtool -R", check=False)
    assert "refuses: its corosync.conf differs" in said
    assert "totem.token" in said
    assert "2345" not in one.type(TOKEN)

    two.write(CONF_PATH, new.replace("version: 2", "version: zwei", 1).encode())
    said = one.type("corosync-cfgtool -R", check=False)
    assert "refuses: " in said
    assert "corosync.conf:" in said
    assert "2345" not in one.type(TOKEN)

    two.write(CONF_PATH, new.encode())
    said = two.type("corosync-cfgtool -R")
    assert said.startswith("Reloading corosync.conf...\n")
    assert "followed by all members from now on: totem.token\n" in said
    assert said.endswith("Done\n")
    for host in (one, two):
        wait_until("it goes by it", lambda: "= 2345" in host.type(TOKEN), 5)  # noqa: B023
    assert "says the same as what is in force" in one.type("corosync-cfgtool -R")
    time.sleep(2)
    outage_s = cluster.probe.outage_s(start_s)
    assert outage_s is not None
    assert outage_s < 0.5
    assert [cluster.stack.log(host).read_text().count(": view ") for host in (one, two)] == views
