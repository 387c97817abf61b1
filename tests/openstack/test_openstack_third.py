"""Neutron's third opinion on the real Neutron: two contenders race for the lock, two hosts that lost each other live by it."""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from pathlib import Path

import pytest
from faulty_api import FaultyApi
from os_lab import OpenStackLab, Session
from test_openstack_cluster import prepare

from standfast.lab import files, lab
from standfast.lab.lab import wait_until
from standfast.lab.measures import Rig
from standfast.lab.relay import Relay
from standfast.lab.stacks import Standfast
from standfast.openstack import model, requests
from standfast.openstack.api import Call, Replied, SetTimer, TimerFired
from standfast.openstack.arbiter import Arbiter, ArbiterInput, Asked, Lock, Opinion, Together

pytestmark = [pytest.mark.live, pytest.mark.timeout(480), pytest.mark.filterwarnings("ignore")]
LOCK_IP = "172.16.0.9"
RACES, TAKE_OVERS = 42, 8
HOLD_MS = 6_000
LEASE_US = 1_500_000
DEVICE = """\
quorum {{
  provider: corosync_votequorum
  two_node: 1
  device {{
    model: openstack
    openstack {{
      cloud: lab-owner
      network: {network}
      address: {address}
    }}
  }}
}}
"""


class Contender:
    """One node's arbiter with a connection, a clock and a thread of its own."""

    def __init__(self, name: str, lock: Lock) -> None:
        self._arbiter = Arbiter(lock, name, "life")
        self._session = Session(lock.cloud)
        self._inbox: queue.Queue[ArbiterInput | threading.Event | None] = queue.Queue()
        self.name = name
        self.created = 0
        self.refused = 0
        self.opinions: list[tuple[int, Opinion]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, event: ArbiterInput | None) -> None:
        self._inbox.put(event)

    def settle(self) -> None:
        """Until all that was said is done: a call under way, its reply, and what the arbiter made of that."""
        for _ in range(3):
            done = threading.Event()
            self._inbox.put(done)
            assert done.wait(60)

    def wins(self) -> bool:
        return bool(self.opinions) and self.opinions[-1][1].until_us > now_us()

    def loses(self) -> bool:
        return bool(self.opinions) and self.opinions[-1][1].is_lost

    def close(self) -> None:
        self.say(None)
        self._thread.join(10)

    def _run(self) -> None:
        timer_us: int | None = None
        while True:
            wait_s = None if timer_us is None else max(0.0, (timer_us - now_us()) / 1e6)
            try:
                event = self._inbox.get(timeout=wait_s)
            except queue.Empty:
                timer_us, event = None, TimerFired()
            if event is None:
                return
            if isinstance(event, threading.Event):
                event.set()
                continue
            for effect in self._arbiter.step(now_us(), event):
                match effect:
                    case Call(owner, number, _, request):
                        (reply,) = self._session.ask((request,))
                        if request.method == "POST":
                            self.created += reply.status == 201
                            self.refused += reply.status == 409
                        self.say(Replied(owner, number, reply))
                    case SetTimer(at_us):
                        timer_us = at_us
                    case Opinion():
                        self.opinions.append((now_us(), effect))
            self._arbiter.check()


def now_us() -> int:
    return time.monotonic_ns() // 1000


@pytest.fixture
def network(own_network: OpenStackLab) -> str:
    return next(iter(own_network.ports().values())).network


def locks(cloud: OpenStackLab, network: str) -> list[model.Port]:
    return list(model.ports(cloud.owner.call(requests.find_lock(network, LOCK_IP))))


def test_the_lock_is_played_for_fifty_times_and_has_one_winner_each_time(own_network: OpenStackLab, network: str) -> None:
    cloud = own_network
    drop_locks(cloud, network)
    lock = Lock("lab-owner", network, LOCK_IP, HOLD_MS)
    one, two = Contender("one", lock), Contender("two", lock)
    chance, won = random.Random(5), {"one": 0, "two": 0}
    settled: list[float] = []
    try:
        for number in range(RACES + TAKE_OVERS):
            if number >= RACES:  # somebody died with it
                cloud.owner.call(requests.make_lock(network, LOCK_IP, f"dead:life:{number}", "third opinion"))
            created = one.created + two.created
            for each in (one, two):
                each.opinions.clear()
            start_s = time.monotonic()
            for each in chance.sample((one, two), 2):
                each.say(Asked(now_us() + LEASE_US))
            wait_until(f"race {number} has a winner", lambda: one.wins() or two.wins(), 40)
            winner, loser = (one, two) if one.wins() else (two, one)
            wait_until(f"race {number} has a loser", loser.loses, 40)
            settled.append(time.monotonic() - start_s)
            assert winner.wins()
            assert one.created + two.created - created == 1, "one 201, all others 409"
            assert [opinion for _, opinion in loser.opinions if opinion.until_us] == [], f"{loser.name} was told both"
            wait_us = winner.opinions[-1][1].from_us - winner.opinions[0][0]
            assert number < RACES or wait_us > HOLD_MS * 900, "after a take-over the dead one's time is waited for"
            won[winner.name] += 1
            for each in (one, two):
                each.say(Together())
            for each in (one, two):
                each.settle()  # a last try of the loser may succeed once the winner has deleted the lock; it takes that back
            wait_until("the lock is deleted", lambda: not locks(cloud, network), 60)
    finally:
        for each in (one, two):
            each.close()
        drop_locks(cloud, network)
    print(f"\n{won}; 409: {one.refused + two.refused}; settled after {sorted(settled)[RACES // 2]:.2f} s (median)")
    assert one.refused + two.refused > 0


def drop_locks(cloud: OpenStackLab, network: str) -> None:
    for port in locks(cloud, network):
        cloud.owner.call(requests.drop_lock(port.id))


def test_a_parted_pair_has_one_survivor_and_without_neutron_none(own_network: OpenStackLab, network: str, tmp_path: Path) -> None:
    cloud = own_network
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    drop_locks(cloud, network)
    base = int(os.environ["OPENSTACK_BASE_PORT"])
    with FaultyApi(base + 1) as api:
        relay = Relay(tmp_path, (base, base + 1, base + 2), {base + 1: api.port})
        try:
            with Rig(Standfast) as rig:
                device = DEVICE.format(network=network, address=LOCK_IP)
                before = "quorum {\n  provider: corosync_votequorum\n}\n"
                assert before in files.COROSYNC_CONF
                for host, port in zip(rig.lab.hosts.values(), cloud.ports().values(), strict=True):
                    prepare(host, port.mac, relay)
                    host.write(files.CONF_PATH, files.COROSYNC_CONF.replace(before, device).encode())
                parted(rig, api)
        finally:
            relay.close()
            drop_locks(cloud, network)


def parted(rig: Rig, api: FaultyApi) -> None:
    one, two = rig.lab.hosts.values()
    assert rig.cold() is not None
    one.type("crm configure property no-quorum-policy=stop")
    rig.settle()
    for number in range(2):  # whoever has the address, and whoever wins
        start_s = time.monotonic()
        rig.lab.silence(two.name)
        time.sleep(3)  # the lease of what both had together is over
        survived_s = 3 + wait_until("one survives", rig.watch.holders, 20)
        time.sleep(3)
        assert len(rig.watch.holders()) == 1
        assert rig.watch.two_holders_s(start_s) == 0
        survivor = rig.watch.holders()[0]
        rig.lab.hear(two.name)
        wait_until("both see each other again", rig.stack.is_settled, 30, 0.2)
        time.sleep(3)
        assert len(rig.watch.holders()) == 1
        assert rig.watch.two_holders_s(start_s) == 0
        print(f"\ncut {number + 1}: {survivor} survives (after {survived_s:.1f} s at most), two holders 0 s", flush=True)

    start_s = time.monotonic()
    api.break_down("away")
    time.sleep(3)
    assert len(rig.watch.holders()) == 1, "without Neutron, but with its peer, nothing changes"
    rig.lab.silence(two.name)
    let_go_s = wait_until("both let go", lambda: not rig.watch.holders(), 20)
    print(f"Neutron away and the peer lost: nobody has it after {let_go_s:.1f} s", flush=True)
    api.break_down("")
    back_s = wait_until("Neutron is back: one takes it", rig.watch.holders, 30)
    time.sleep(2)
    assert len(rig.watch.holders()) == 1
    assert rig.watch.two_holders_s(start_s) == 0
    print(f"Neutron is back: one has it after {back_s:.1f} s", flush=True)
    rig.lab.hear(two.name)
    wait_until("both see each other again", rig.stack.is_settled, 30, 0.2)
    time.sleep(2)
    assert len(rig.watch.holders()) == 1
    assert rig.watch.two_holders_s(start_s) == 0
