"""Two whole hosts with the seed's configuration (no-quorum-policy=ignore), and cuts that leave every carrier up.

Nothing tells the cut-off host but silence. It must have let go long before the cut heals: no client may ever see two holders.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from standfast.lab.lab import Host, wait_until
from standfast.lab.measures import Rig

pytestmark = pytest.mark.live

DROP = "table bridge cut {{ chain f {{ type filter hook forward priority 0; iifname {0} drop; oifname {0} drop; }}; }}"


def silence(rig: Rig, host: Host) -> Callable[[], object]:
    """Its port leaves the switch: another VLAN, or a switch that failed behind the switch."""
    rig.lab.silence(host.name)
    return lambda: rig.lab.hear(host.name)


def firewall(rig: Rig, host: Host) -> Callable[[], object]:
    """The switch drops whatever it would forward from or to it."""
    done = rig.lab.switch.run(["nft", DROP.format(f"p-{host.name}")], check=False)
    if done.returncode:
        pytest.skip(f"no nft in bridges here: {done.stderr}")
    return lambda: rig.lab.switch.run(["nft", "delete table bridge cut"])


def served(rig: Rig, not_from: str = "") -> tuple[Host, Host]:
    """(the host that serves the client, the other one)."""
    name = rig.probe.wait_steady(20, not_from=not_from)
    assert name, "nobody serves"
    other = next(host for host in rig.lab.hosts.values() if host.name != name)
    return rig.lab.hosts[name], other


def up(rig: Rig) -> tuple[Host, Host]:
    """Both nodes, the configuration, a client that is served."""
    rig.stack.boot()
    rig.stack.configure()
    pair = served(rig)
    time.sleep(2)
    return pair


@pytest.mark.parametrize("cut", [silence, firewall])
def test_the_holder_is_cut_off(rig: Rig, cut: Callable[[Rig, Host], Callable[[], object]]) -> None:
    holder, other = up(rig)
    start_s = time.monotonic()
    heal = cut(rig, holder)
    served(rig, not_from=holder.name)
    wait_until("the cut-off host lets go", lambda: holder.name not in rig.watch.holders(), 10)
    print(f"measured let_go_s: {(rig.watch.lost_s(holder.name, start_s) or 0) - start_s:.2f}")
    status = holder.type("crm status")
    assert f"Started {holder.name}" in status
    assert "returned 'OCF_DEGRADED' (172.16.0.100 is suspended on this node: this node is cut off on eth0" in status
    assert "fail-count" not in holder.type("cibadmin --query"), "nothing is counted"
    time.sleep(3)
    assert rig.watch.holders() == [other.name]
    healed_s = time.monotonic()
    heal()
    wait_until("the views meet", rig.stack.is_settled, 60)
    time.sleep(2)
    assert rig.watch.two_holders_s(healed_s) == 0
    assert rig.probe.served_by(healed_s) == [other.name]
    assert f"Started {other.name}" in holder.type("crm status")


def test_the_standby_is_cut_off(rig: Rig) -> None:
    """It never saw anybody but the holder, so it takes the address; it lets go before a client could learn of it."""
    holder, other = up(rig)
    rig.lab.silence(other.name)
    wait_until("the other half acts too", lambda: len(rig.watch.holders()) == 2, 20)
    time.sleep(2)
    healed_s = time.monotonic()
    rig.lab.hear(other.name)
    wait_until("one of them lets go", lambda: len(rig.watch.holders()) < 2, 10)
    wait_until("the views meet", rig.stack.is_settled, 60)
    time.sleep(2)
    print(f"measured two_holders_s: {rig.watch.two_holders_s(healed_s):.3f}")
    assert rig.probe.served_by(healed_s) == [holder.name]
    assert rig.watch.holders() == [holder.name]


def test_a_lone_survivor_comes_back_with_its_link(rig: Rig) -> None:
    holder, other = up(rig)
    rig.stack.kill_all(other)
    wait_until("it is alone", lambda: f"OFFLINE: [ {other.name} ]" in holder.type("crm status", check=False), 20)
    time.sleep(2)
    for _ in range(2):
        assert holder.holds()
        rig.lab.cut(holder.name)
        wait_until("nothing is held without a carrier", lambda: not holder.holds(), 5)
        time.sleep(1)
        rig.lab.heal(holder.name)
        back_s = time.monotonic()
        wait_until("the address is back with the link", holder.holds, 10)
        print(f"measured back_s: {time.monotonic() - back_s:.2f}")
        time.sleep(1.5)
    assert f"Started {holder.name}" in holder.type("crm status")


def test_a_cable_that_comes_back_to_a_slow_port_takes_nothing(rig: Rig) -> None:
    """The carrier is there 150 ms before the first frame passes: too short for a survey, long enough to ask and to take."""
    holder, other = up(rig)
    for _ in range(2):
        rig.lab.cut(holder.name)
        served(rig, not_from=holder.name)
        time.sleep(1)
        healed_s = time.monotonic()
        rig.lab.heal(holder.name, 0.15)
        wait_until("the views meet", rig.stack.is_settled, 60)
        time.sleep(2)
        assert rig.watch.two_holders_s(healed_s) == 0
        assert rig.probe.served_by(healed_s) == [other.name]
        holder, other = other, holder


def test_the_survivor_of_a_death_on_a_silent_network_keeps_it(rig: Rig) -> None:
    """No client, no gateway: nobody but the two nodes was ever there."""
    rig.stack.boot()
    rig.lab.silence("client")
    rig.stack.configure()
    wait_until("somebody holds it", lambda: len(rig.watch.holders()) == 1, 20)
    holder = rig.lab.hosts[rig.watch.holders()[0]]
    other = next(host for host in rig.lab.hosts.values() if host is not holder)
    time.sleep(2)
    rig.stack.kill_all(holder)
    wait_until("the survivor takes it", other.holds, 20)
    for _ in range(40):
        assert other.holds()
        time.sleep(0.1)
    assert "OCF_DEGRADED" not in other.type("crm status")


def test_carrier_loss_with_another_node_to_go_to_moves_it_at_once(rig: Rig) -> None:
    holder, other = up(rig)
    rig.lab.cut(holder.name)
    start_s = time.monotonic()
    served(rig, not_from=holder.name)
    assert (rig.watch.lost_s(holder.name, start_s - 1) or 1e9) - start_s < 1.5
    assert other.holds()
