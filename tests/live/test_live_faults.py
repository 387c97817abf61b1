"""What a client sees, and what a node says, when hosts, links, processes, disks and files fail. Bounds are generous: a loaded
machine may be slow, but two holders, a lost address or a silent failure are never a matter of speed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from standfast.lab.files import CONF_PATH, COROSYNC_CONF, KEY_BYTES, KEY_PATH
from standfast.lab.lab import VIP, Host, wait_until
from standfast.lab.measures import Rig, delete_address
from standfast.lab.spaces import mortal
from standfast.lab.stacks import online

pytestmark = pytest.mark.live

ONE, TWO = "test-node-1", "test-node-2"
LEASED_S = 5.0
"""No address outlives its holder's daemons for longer: a lease of 2 s, the kernel's own 1.25 s, and this machine's patience."""


def active(rig: Rig) -> tuple[Host, Host]:
    """Who serves, and who does not."""
    name = rig.probe.wait_steady(10)
    assert name, f"nobody serves; held by {rig.watch.holders()}"
    return rig.lab.hosts[name], next(host for host in rig.lab.hosts.values() if host.name != name)


def taken_over(rig: Rig, lost: Host, since_s: float, within_s: float) -> float:
    """The other host serves; how long the client waited."""
    assert rig.probe.wait_steady(within_s + 5, not_from=lost.name), f"nobody took over; held by {rig.watch.holders()}"
    outage_s = rig.probe.outage_s(since_s)
    assert outage_s is not None
    assert outage_s < within_s
    return outage_s


def served_in_turn(rig: Rig, since_s: float, first: Host, second: Host) -> None:
    """The client got answers of one, then of the other, never mixed (of the first perhaps none after the fault)."""
    order = rig.probe.served_by(since_s)
    assert order in ([first.name, second.name], [second.name]), "the client saw two holders"


def undisturbed(rig: Rig, since_s: float) -> None:
    """The client noticed nothing, and one host alone served."""
    outage_s = rig.probe.outage_s(since_s)
    assert outage_s is not None
    assert outage_s < 0.5
    assert len(rig.probe.served_by(since_s)) == 1


def said(rig: Rig, host: Host, *words: str, within_s: float = 10) -> None:
    """The host's log says it."""
    log = rig.stack.log(host)
    try:
        wait_until(f"{host.name} says {words}", lambda: all(w in log.read_text(errors="replace") for w in words), within_s)
    except TimeoutError:
        raise AssertionError(f"{host.name} does not say {words}:\n{log.read_text(errors='replace')}") from None


def refuses(rig: Rig, host: Host) -> str:
    """`standfast node` ends by itself, as a start that would not help to repeat; returns what it said."""
    log = rig.stack.log(host)
    daemon = host.start(["standfast", "node"], log)
    assert daemon.wait(20) == 78, log.read_text()
    return log.read_text()


# ---- hosts and links ---------------------------------------------------------------------------------------------------


def test_cut_and_heal(cluster: Rig) -> None:
    lost, other = active(cluster)
    start_s = time.monotonic()
    cluster.lab.cut(lost.name)
    taken_over(cluster, lost, start_s, 3.0)
    wait_until("the lost host gives the address up", lambda: lost.name not in cluster.watch.holders(), LEASED_S)
    assert "OFFLINE: [ " + lost.name in other.type("crm status")

    healed_s = time.monotonic()
    cluster.lab.heal(lost.name)
    wait_until("both nodes online", cluster.stack.is_settled, 20)
    cluster.probe.wait_steady(5)
    undisturbed(cluster, healed_s)
    served_in_turn(cluster, start_s, lost, other)


def test_a_switch_that_forwards_nothing_and_heals(cluster: Rig) -> None:
    """The link stays up: nothing but silence tells. With no-quorum-policy=ignore both sides go on, each for its own clients; when
    the switch forwards again, one of them must give way within moments."""
    lost, _ = active(cluster)
    start_s = time.monotonic()
    cluster.lab.silence(lost.name)
    taken_over(cluster, lost, start_s, 3.0)
    cluster.lab.hear(lost.name)
    healed_s = time.monotonic()
    wait_until("both nodes online", cluster.stack.is_settled, 20)
    wait_until("one holder", lambda: len(cluster.watch.holders()) == 1, 5)
    cluster.probe.wait_steady(5)
    assert cluster.watch.two_holders_s(healed_s) < 2.0
    assert cluster.watch.holders() == [cluster.probe.holder()]


def test_without_quorum_a_silenced_host_gives_the_address_up(cluster: Rig) -> None:
    lost, other = active(cluster)
    other.type("crm configure property no-quorum-policy=stop")
    cluster.lab.silence(lost.name)
    wait_until("nobody holds it: neither side has quorum", lambda: not cluster.watch.holders(), LEASED_S)
    healed_s = time.monotonic()
    cluster.lab.hear(lost.name)
    assert cluster.probe.wait_steady(20), "quorum is back, and the address is not"
    assert cluster.watch.two_holders_s(healed_s) == 0


def test_freeze_and_thaw(cluster: Rig) -> None:
    frozen, other = active(cluster)
    start_s = time.monotonic()
    frozen.signal_all(signal.SIGSTOP)
    taken_over(cluster, frozen, start_s, LEASED_S)
    assert cluster.probe.first_answer_s(start_s, not_from=frozen.name) < LEASED_S + 2  # type: ignore[operator]

    frozen.signal_all(signal.SIGCONT)
    wait_until("both nodes online", cluster.stack.is_settled, 20)
    cluster.probe.wait_steady(5)
    assert cluster.watch.two_holders_s(start_s) == 0, "no two kernels had it, not even for a moment"
    served_in_turn(cluster, start_s, frozen, other)


def test_the_interface_is_gone(cluster: Rig) -> None:
    lost, _ = active(cluster)
    start_s = time.monotonic()
    lost.run(["ip", "link", "del", "eth0"])
    taken_over(cluster, lost, start_s, 3.0)
    said(cluster, lost, "the address is given up", "eth0")
    wait_until("it knows", lambda: "ha-vip\t(ocf:heartbeat:IPaddr2):\t Stopped" in lost.type("crm status"), 10)


def test_the_address_is_deleted_by_hand(cluster: Rig) -> None:
    host, _ = active(cluster)
    start_s = time.monotonic()
    delete_address(host)
    wait_until("it is back", lambda: cluster.watch.holders() == [host.name], 5)
    cluster.probe.wait_steady(5)
    undisturbed(cluster, start_s)


# ---- processes ---------------------------------------------------------------------------------------------------------


def test_kill_of_the_manager_is_no_outage(cluster: Rig) -> None:
    host, _ = active(cluster)
    for _ in range(2):
        start_s = time.monotonic()
        before = host.named("sf-manager")
        os.kill(before[0], signal.SIGKILL)
        wait_until("a new manager", lambda: host.named("sf-manager") not in ([], before), 10)  # noqa: B023
        wait_until("both nodes online", cluster.stack.is_settled, 20)
        time.sleep(LEASED_S)  # an address that nobody adopted would be gone by now
        undisturbed(cluster, start_s)
    said(cluster, host, "the manager died of signal SIGKILL")


def test_kill_of_the_engine_costs_less_than_a_lost_host(cluster: Rig) -> None:
    host, _ = active(cluster)
    start_s = time.monotonic()
    os.kill(host.named("sf-engine")[0], signal.SIGKILL)
    wait_until("both nodes online", cluster.stack.is_settled, 20)
    assert cluster.probe.wait_steady(10)
    outage_s = cluster.probe.outage_s(start_s)
    assert outage_s is not None
    assert outage_s < 3.0
    assert cluster.watch.two_holders_s(start_s) == 0


def test_an_engine_that_stands_still_for_a_moment_is_not_dead(cluster: Rig) -> None:
    """SIGSTOP for less than a second, of either node: its kernel answers, so nobody moves, and the view stays."""
    hosts = active(cluster)
    start_s = time.monotonic()
    views = [cluster.stack.log(host).read_text().count("engine.view") for host in hosts]
    for host in (*hosts, *hosts):
        for pid in host.named("sf-engine"):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.9)
        for pid in host.named("sf-engine"):
            os.kill(pid, signal.SIGCONT)
        time.sleep(1.5)
    undisturbed(cluster, start_s)
    assert [cluster.stack.log(host).read_text().count("engine.view") for host in hosts] == views
    assert all("was not running for" in cluster.stack.log(host).read_text() for host in hosts)


def test_kill_of_everything_without_restart(cluster: Rig) -> None:
    lost, other = active(cluster)
    start_s = time.monotonic()
    cluster.stack.kill_all(lost)
    taken_over(cluster, lost, start_s, LEASED_S)
    lost_s = cluster.watch.lost_s(lost.name, start_s)
    assert lost_s is not None
    assert lost_s - start_s < LEASED_S, "the kernel drops it at the end of the lease"
    assert cluster.watch.two_holders_s(start_s) == 0
    served_in_turn(cluster, start_s, lost, other)


def test_a_stop_moves_the_address_first(cluster: Rig) -> None:
    leaving, other = active(cluster)
    start_s = time.monotonic()
    os.kill(leaving.named("standfast")[0], signal.SIGTERM)
    outage_s = taken_over(cluster, leaving, start_s, 1.0)
    assert leaving.daemons[-1].wait(20) == 0
    assert "OFFLINE: [ " + leaving.name in other.type("crm status")
    assert cluster.watch.two_holders_s(start_s) == 0
    assert outage_s < 1.0, "the new holder was told, it did not have to find out"

    leaving.start(["standfast", "node"], cluster.stack.log(leaving))
    wait_until("both nodes online", cluster.stack.is_settled, 20)
    assert cluster.probe.holder() == other.name


# ---- files -------------------------------------------------------------------------------------------------------------


def _short_key(host: Host) -> None:
    host.write(KEY_PATH, b"too short", 0o400)


def _open_key(host: Host) -> None:
    host.write(KEY_PATH, os.urandom(KEY_BYTES), 0o644)


def _no_key(host: Host) -> None:
    host.run(["rm", KEY_PATH])


def _unlisted(host: Host) -> None:
    host.write(CONF_PATH, COROSYNC_CONF.replace(host.address, "172.16.0.77").encode())


def _malformed(host: Host) -> None:
    host.write(CONF_PATH, COROSYNC_CONF.replace("nodelist {", "nodelist").encode())


def _truncated(host: Host) -> None:
    host.write(CONF_PATH, COROSYNC_CONF.encode()[:300])


def _noise(host: Host) -> None:
    host.write(CONF_PATH, bytes(range(256)) * 40)


def _no_file(host: Host) -> None:
    host.run(["rm", CONF_PATH])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_short_key, ("too short", "9 bytes", "corosync-keygen")),
        (_open_key, ("0644", "chmod 0400 /etc/corosync/authkey")),
        (_no_key, ("no key file", "corosync-keygen", "copy it")),
        (_unlisted, ("not in the nodelist", "172.16.0.77", "ring0_addr")),
        (_malformed, ("corosync.conf:12:1", "nodelist")),
        (_truncated, ("corosync.conf:",)),
        (_noise, ("corosync.conf",)),
        (_no_file, ("cannot read /etc/corosync/corosync.conf", "No such file")),
    ],
)
def test_a_file_that_starting_again_would_not_mend(rig: Rig, spoil: Callable[[Host], None], words: tuple[str, ...]) -> None:
    host = rig.lab.hosts[ONE]
    spoil(host)
    text = refuses(rig, host)
    assert all(word in text for word in words), text
    assert "Traceback" not in text


def test_port_in_use_and_free_again(rig: Rig) -> None:
    host = rig.lab.hosts[ONE]
    squat = "import socket, time; s = socket.socket(2, 2); s.bind(('172.16.0.10', 5407)); print(1, flush=True); time.sleep(99)"
    with subprocess.Popen(host.command(mortal([sys.executable, "-c", squat])), stdout=subprocess.PIPE) as squatter:
        assert squatter.stdout is not None
        squatter.stdout.readline()
        rig.stack.boot()
        said(rig, host, "172.16.0.10 port 5407/udp is in use", "ss -ulpn sport = :5407")
        squatter.kill()
    wait_until("both nodes online", rig.stack.is_settled, 30)


def test_another_authkey_disturbs_nobody_and_both_sides_say_why(cluster: Rig) -> None:
    host, other = active(cluster)
    other.signal_all(signal.SIGKILL)
    wait_until("alone", lambda: online(host) == [host.name], 10)
    start_s = time.monotonic()
    other.write(KEY_PATH, os.urandom(KEY_BYTES), 0o400)
    other.run(["rm", "-rf", "/var/lib/standfast/journal"])
    cluster.stack.boot_host(other)
    for side, peer in ((host, other), (other, host)):
        said(cluster, side, f"datagrams from {peer.address} cannot be opened", "authkey differs", "copy /etc/corosync/authkey")
    wait_until("it is up, alone", lambda: online(other) == [other.name], 10)
    undisturbed(cluster, start_s)


def test_a_foreign_cluster_on_the_same_port(rig: Rig) -> None:
    one, two = rig.lab.hosts.values()
    two.write(CONF_PATH, COROSYNC_CONF.replace("test-cluster", "other-cluster").encode())
    rig.stack.boot()
    said(rig, one, "datagrams from 172.16.0.20 belong to another cluster", "mcastport")
    said(rig, two, "datagrams from 172.16.0.10 belong to another cluster", "mcastport")
    for host in (one, two):
        wait_until("up, and alone", lambda: online(host) == [host.name], 10)  # noqa: B023


def test_a_full_disk(rig: Rig) -> None:
    for host in rig.lab.hosts.values():
        host.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", "/var/lib/standfast"])
    assert rig.cold() is not None
    full, other = active(rig)
    start_s = time.monotonic()
    full.type("dd if=/dev/zero of=/var/lib/standfast/filler bs=4k", check=False)
    for number in range(40):
        other.type(f"crm_attribute -n filler-{number} -v {'x' * 250}", check=False)
        if full.name not in rig.watch.holders():
            break
    taken_over(rig, full, start_s, LEASED_S)
    said(rig, full, "journal cannot be written", "No space left on device", "free space")
    assert rig.watch.two_holders_s(start_s) == 0
    other.type("crm_attribute -n still -v works")


# ---- strangers ---------------------------------------------------------------------------------------------------------


def test_an_address_that_a_stranger_uses(rig: Rig) -> None:
    stranger = rig.lab.client
    stranger.run(["ip", "addr", "add", f"{VIP}/24", "dev", "eth0"])
    mac = stranger.run(["ip", "-o", "link", "show", "eth0"]).stdout.split("link/ether ")[1].split()[0]
    start_s = time.monotonic()
    rig.stack.boot()
    rig.stack.configure()
    one = rig.lab.hosts[ONE]
    wait_until("both nodes gave up", lambda: one.type("crm status").count(f"{VIP} is in use by {mac}") == 2, 30)
    assert rig.watch.lost_s(ONE, start_s) is None
    assert rig.watch.lost_s(TWO, start_s) is None
    assert not rig.watch.holders(), "nobody took it from the stranger"

    stranger.run(["ip", "addr", "del", f"{VIP}/24", "dev", "eth0"])
    one.type("crm resource cleanup ha-vip")
    assert rig.probe.wait_steady(20), one.type("crm status")
