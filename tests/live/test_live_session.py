"""The session of an administrator who knows Corosync, Pacemaker and crmsh, as typed, on two hosts; and what he reads."""

from __future__ import annotations

import time

import pytest

from standfast.lab.files import CONF_PATH, COROSYNC_CONF, CRM_PATH, KEY_PATH
from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig

pytestmark = pytest.mark.live

ONE, TWO = "test-node-1", "test-node-2"
STARTED = "  * ha-vip\t(ocf:heartbeat:IPaddr2):\t Started {}\n"
EDITOR = b"""#!/bin/sh
grep -q 'primitive ha-vip IPaddr2' "$1" || exit 1
sed -i 's/interval=10s/interval=15s/' "$1"
"""


def reads(host: Host, line: str, *expected: str, timeout_s: float = 10) -> str:
    """Type a line again and again until it prints all that is expected."""
    seen = [""]

    def prints_it() -> bool:
        seen[0] = host.type(line, check=False)
        return all(text in seen[0] for text in expected)

    try:
        wait_until(line, prints_it, timeout_s)
    except TimeoutError:
        raise AssertionError(f"{host.name}# {line}\nprinted\n{seen[0]}\nand not {expected}") from None
    return seen[0]


def seconds(host: Host, line: str) -> float:
    start_s = time.monotonic()
    host.type(line)
    return time.monotonic() - start_s


def brought_up(rig: Rig) -> tuple[Host, Host]:
    """corosync-keygen, scp, both files, both nodes: what comes before the first `crm status`."""
    one, two = rig.lab.hosts[ONE], rig.lab.hosts[TWO]
    one.type(f"rm {KEY_PATH}")
    assert seconds(one, "corosync-keygen") < 3, "it waits for no entropy"
    assert one.type(f"stat -c '%a %s' {KEY_PATH}") == "400 256\n"
    two.write(KEY_PATH, one.read_bytes(KEY_PATH), 0o400)
    assert one.read(CONF_PATH) == two.read(CONF_PATH) == COROSYNC_CONF, "unedited, on both"
    rig.stack.boot()
    return one, two


def test_the_session_as_typed(rig: Rig) -> None:
    start_s = time.monotonic()
    one, two = brought_up(rig)
    for host in (one, two):
        reads(
            host,
            "crm status",
            "  * 2 nodes configured\n",
            "  * 0 resource instances configured\n",
            f"  * Online: [ {ONE} {TWO} ]\n",
            "partition with quorum",
        )
    shown = one.type("crm configure show")
    assert f"node 2886729738: {ONE}\nnode 2886729748: {TWO}\n" in shown

    one.type(f"crm configure load update {CRM_PATH}")
    reads(one, "crm status", "  * 1 resource instance configured\n", STARTED.format(ONE))
    assert rig.probe.wait_steady(5) == ONE
    shown = two.type("crm configure show")
    assert "primitive ha-vip IPaddr2 \\\n\tparams ip=172.16.0.100 cidr_netmask=32 arp_count=10 arp_count_refresh=5" in shown
    assert "\top monitor interval=10s" in shown
    assert "\tno-quorum-policy=ignore" in shown
    assert "rsc_defaults rsc-options: \\\n\tresource-stickiness=1000" in shown

    one.type(f"crm resource migrate ha-vip {TWO}")
    reads(two, "crm status", STARTED.format(TWO))
    assert "cli-prefer-ha-vip" in one.type("crm configure show")
    one.type("crm resource unmigrate ha-vip")
    assert "cli-prefer-ha-vip" not in one.type("crm configure show")
    reads(one, "crm status", STARTED.format(TWO))  # it sticks

    one.type(f"crm node standby {TWO}")
    reads(one, "crm status", f"  * Node {TWO}: standby\n", STARTED.format(ONE))
    one.type(f"crm node online {TWO}")
    reads(one, "crm status", f"  * Online: [ {ONE} {TWO} ]\n", STARTED.format(ONE))

    assert rig.probe.served_by(start_s) == [ONE, TWO, ONE], "the client never saw two holders"
    assert rig.watch.two_holders_s(start_s) == 0
    assert "corosync" in one.read("/var/log/corosync/corosync.log")


def test_what_the_corosync_tools_print(rig: Rig) -> None:
    one, _ = brought_up(rig)
    reads(one, "corosync-quorumtool", "Quorate:          Yes\n", "Nodes:            2\n", "2886729748          1 ")
    links = one.type("corosync-cfgtool -s")
    assert "addr\t= 172.16.0.10" in links
    assert "nodeid: 2886729748:\tconnected" in links
    members = one.type("corosync-cmapctl | grep members")
    assert "runtime.members.2886729738.status (str) = joined" in members
    assert "runtime.members.2886729748.ip (str) = r(0) ip(172.16.0.20)" in members


def test_the_configuration_through_an_editor_and_through_a_pipe(cluster: Rig) -> None:
    one = cluster.lab.hosts[ONE]
    start_s = time.monotonic()
    one.write("/run/editor", EDITOR, 0o755)
    one.type("EDITOR=/run/editor crm configure edit")
    assert "op monitor interval=15s" in one.type("crm configure show ha-vip")
    assert cluster.probe.outage_s(start_s) < 0.5, "a new interval is no reason to touch the address"  # type: ignore[operator]

    one.type("crm resource stop ha-vip")
    wait_until("the address is gone", lambda: not cluster.watch.holders(), 10)
    reads(one, "crm configure delete ha-vip && crm status", "  * 0 resource instances configured\n")
    one.type(f"crm configure < {CRM_PATH}")
    reads(one, "crm status", STARTED.format(ONE).replace(f" {ONE}\n", " "))
    assert "op monitor interval=10s" in one.type("crm configure show ha-vip")


def test_what_is_wrong_is_said_with_its_place_and_changes_nothing(cluster: Rig) -> None:
    one = cluster.lab.hosts[ONE]
    before = one.type("crm configure show")
    one.write("/run/wrong.crm", b"property batch-limit=7\nprmitive other IPaddr2 params ip=172.16.0.101\n")
    said = one.type("crm configure load update /run/wrong.crm; echo exit $?")
    assert "exit 0" not in said
    assert "prmitive" in said
    assert "2" in said, "the line is named"
    said = one.type("crm resource migrate no-such-thing; echo exit $?")
    assert "exit 0" not in said
    assert "no-such-thing" in said
    assert one.type("crm configure show") == before


def test_tools_say_how_to_start_when_nothing_runs(rig: Rig) -> None:
    one = rig.lab.hosts[ONE]
    for line in ("crm status", "corosync-quorumtool"):
        said = one.type(f"{line}; echo exit $?")
        assert "exit 0" not in said
        assert "systemctl start" in said
