"""Two hosts with stonith-enabled=true, and a fence agent that is the hosts' power switch: cut, fence, take over.

The agent runs on the survivor and cannot reach the other host; it writes down what it is asked, and this test throws the switch:
kill -9 of everything there and the cable out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig

pytestmark = pytest.mark.live

AGENT = """#!/bin/sh
test "$1" = -o && action=$2
test -n "$action" || while IFS='=' read -r name value; do
  case $name in action) action=$value;; plug) plug=$value;; folder) folder=$value;; esac
done
case $action in
metadata) echo '<resource-agent name="fence_lab"><parameters><parameter name="plug"/><parameter name="folder"/></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/><action name="monitor"/></actions>
</resource-agent>'; exit 0;;
monitor) exit 0;;
status) test -e "$folder/$plug.off" && exit 2; exit 0;;
esac
test -e "$folder/broken" && { echo "the switch does not answer" >&2; exit 1; }
echo "$action" > "$folder/$plug.tmp"; mv "$folder/$plug.tmp" "$folder/$plug.asked"
for _ in 1 2 3 4 5 6 7 8 9 10; do test -e "$folder/$plug.off" && exit 0; sleep 0.05; done
for _ in 1 2 3 4 5; do test -e "$folder/$plug.off" && exit 0; sleep 1; done
exit 1
"""
MOUNT = (
    "mkdir -p /run/lab/sbin /run/lab/sbin-work && "
    "mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/lab/sbin,workdir=/run/lab/sbin-work,userxattr /usr/sbin"
)
CONFIGURATION = """\
primitive switch stonith:fence_lab params folder={folder} pcmk_host_list="test-node-1 test-node-2" op monitor interval=60s
property stonith-enabled=true stonith-max-attempts=2 stonith-timeout=10s
"""


class Switch:
    """The power switch: a thread that does what the agent wrote down."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig, self.folder = rig, folder
        self.thrown_s: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._over.wait(0.005):
            for asked in self.folder.glob("*.asked"):
                name = asked.stem
                asked.unlink()
                self.rig.stack.kill_all(self.rig.lab.hosts[name])
                self.rig.lab.cut(name)
                self.thrown_s[name] = time.monotonic()
                (self.folder / f"{name}.off").touch()

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def switch(rig: Rig) -> Iterator[Switch]:
    folder = rig.lab.folder / "switch"
    folder.mkdir()
    for host in rig.lab.hosts.values():
        host.run(["sh", "-c", MOUNT])
        host.write("/usr/sbin/fence_lab", AGENT.encode(), 0o755)
    made = Switch(rig, folder)
    yield made
    made.close()


def up(rig: Rig, switch: Switch) -> tuple[Host, Host]:
    """Both nodes, the failover IP and the device; (who serves, the other)."""
    assert rig.cold() is not None
    first = next(iter(rig.lab.hosts.values()))
    first.write("/etc/corosync/fence.crm", CONFIGURATION.format(folder=switch.folder).encode())
    first.type("crm configure load update /etc/corosync/fence.crm")
    wait_until("the device is started", lambda: "fence_lab):\t Started" in first.type("crm_mon -1 -r"), 20)
    name = rig.probe.wait_steady(20)
    time.sleep(1)
    return rig.lab.hosts[name], next(host for host in rig.lab.hosts.values() if host.name != name)


def test_a_cut_off_holder_is_fenced_and_its_address_taken_over(rig: Rig, switch: Switch) -> None:
    holder, other = up(rig, switch)
    assert "switch" in other.type(f"stonith_admin --list {holder.name}")
    start_s = time.monotonic()
    rig.stack.kill_all(holder)
    rig.lab.cut(holder.name)
    rig.probe.wait_steady(30, not_from=holder.name)
    wait_until("the survivor holds it", other.holds, 30)
    print(f"measured fenced_s: {switch.thrown_s[holder.name] - start_s:.2f} served_s: {time.monotonic() - start_s:.2f}")
    status = other.type("crm_mon -1 -r -m2")
    assert f"OFFLINE: [ {holder.name} ]" in status
    assert "UNCLEAN" not in status
    assert f"reboot of {holder.name} by {other.name} for pacemaker-controld@{other.name} last successful" in status
    assert f"Node {holder.name} last fenced at: " in other.type(f"stonith_admin --last {holder.name}")
    assert 'status="success"' in other.type("crm_mon -1 --output-as=xml")


def test_a_failing_device_starts_nothing_and_says_why(rig: Rig, switch: Switch) -> None:
    holder, other = up(rig, switch)
    (switch.folder / "broken").touch()
    rig.stack.kill_all(holder)
    rig.lab.cut(holder.name)
    failed = "Failed Fencing Actions"
    wait_until("the failure is shown", lambda: failed in other.type("crm_mon -1 -r", check=False), 40, 0.5)
    time.sleep(3)
    assert not other.holds(), "nothing starts before the lost node is fenced"
    status = other.type("crm_mon -1 -r")
    assert f"Node {holder.name}: UNCLEAN (offline)" in status
    assert "the switch does not answer" in status
    why = other.type("crm resource why ha-vip", check=False)
    assert f"Nothing that may still run on {holder.name} starts elsewhere before it is fenced." in why
    assert "the switch does not answer" in why
    assert f"crm node clearstate {holder.name}" in why
    other.type(f"crm -F node clearstate {holder.name}")
    wait_until("a person's word is enough", other.holds, 20)
    assert "by a human" in other.type("crm_mon -1 -m2")
