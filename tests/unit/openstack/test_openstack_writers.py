"""Several writers of whole lists on the same ports, in virtual time: two clusters' coordinators, Terraform, the command line.

The Neutron here works in steps, and anything may happen between two of them: a request travels, is read and checked, is stored,
and its answer travels. `has_gap` is the Neutron since Wallaby: a retry of the database stores what was checked before.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from cloud_rig import NET

from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.openstack.api import Call, Replied, Reply, Request, SetTimer, TimerFired
from standfast.openstack.identity import Nic
from standfast.openstack.reconciler import OWNER, Event, Reconciler, Wished
from standfast.openstack.wish import AddressWish, NodeWish, Wish
from standfast.sim.cloud import FakeCloud

ADDRESSES = {"one": "172.16.0.100", "two": "172.16.0.101"}
Step = Callable[[], None]


class Neutron:
    """Both clusters, the others, and the ports. `before` is called with the number of each step ahead of it."""

    def __init__(self, seed: int, *, has_gap: bool = False) -> None:
        self.chance = random.Random(seed)
        self.has_gap = has_gap
        self.cloud = FakeCloud()
        self.cloud.add_subnet(NET, "172.16.0.0/24")
        self.ports = {name: self.cloud.add_node(name, NET, ip) for name, ip in (("a", "172.16.0.11"), ("b", "172.16.0.12"))}
        self.now_us = 1_000 * US_PER_S
        self.foreign: dict[str, set[str]] = {port: set() for port in self.ports.values()}
        self.queue: list[tuple[int, int, Step]] = []
        self.serial = self.steps = self.conflicts = self.overwritten = 0
        self.before: Callable[[int], None] = lambda _step: None
        self.machines = {name: Reconciler(seed=number) for number, name in enumerate(ADDRESSES)}
        self.timers: dict[str, int] = {}

    # ---- the clusters ------------------------------------------------------------------------------------------------

    def want(self, cluster: str, *addresses: str) -> None:
        nodes = tuple(
            NodeWish(name, "", (Nic("eth0", self.cloud.ports[own]["mac_address"], own),)) for name, own in self.ports.items()
        )
        items = tuple(AddressWish(address, "ha-vip") for address in addresses)
        self.say(cluster, Wished(Wish("lab", cluster, nodes, items), "a"))

    def say(self, cluster: str, event: Event) -> None:
        machine = self.machines[cluster]
        for effect in machine.step(self.now_us, event):
            match effect:
                case Call(_, number, _, request):
                    self.later(partial(self.arrives, cluster, number, request))
                case SetTimer(at_us):
                    self.timers[cluster] = at_us
        machine.check()

    # ---- a request's way ---------------------------------------------------------------------------------------------

    def later(self, step: Step, wait_us: int | None = None) -> None:
        self.serial += 1
        wait_us = self.chance.randint(5, 400) * US_PER_MS if wait_us is None else wait_us
        self.queue.append((self.now_us + wait_us, self.serial, step))

    def arrives(self, cluster: str, number: int, request: Request) -> None:
        if not (self.has_gap and request.method == "PUT"):
            self.answers(cluster, number, self.stores(request))
            return
        port = self.cloud.ports.get(request.path.rpartition("/")[2], {})
        if request.revision not in (None, port.get("revision_number")):
            self.answers(cluster, number, self.cloud.carry_out(request))
            return
        unchecked = replace(request, revision=None)
        self.later(lambda: self.answers(cluster, number, self.stores(unchecked)))

    def stores(self, request: Request) -> Reply:
        held = {own: set(self.cloud.pairs(own)) & self.foreign[own] for own in self.foreign}
        reply = self.cloud.carry_out(request)
        self.conflicts += reply.status == 412
        for own, before in held.items():
            lost = before - set(self.cloud.pairs(own))
            self.overwritten += bool(lost)
            assert self.has_gap or not lost, f"{request} took {lost}, which somebody else had put there"
        return reply

    def answers(self, cluster: str, number: int, reply: Reply) -> None:
        self.later(lambda: self.say(cluster, Replied(OWNER, number, reply)))

    # ---- the others --------------------------------------------------------------------------------------------------

    def terraform(self, name: str, *ips: str) -> None:
        """The whole list, as its configuration says."""
        own = self.ports[name]
        self.foreign[own] = set(ips)
        self.cloud.set_pairs(own, *ips)

    def command_line(self, name: str, ip: str) -> None:
        """`openstack port set --allowed-address`: reads the list now, writes it with one more a while later, unconditionally."""
        own = self.ports[name]
        read = self.cloud.pairs(own)

        def write() -> None:
            self.foreign[own] = (set(read) - set(ADDRESSES.values())) | {ip}  # what came between is undone by *its* write
            self.cloud.set_pairs(own, *read, ip)

        self.later(write, 600 * US_PER_MS)

    # ---- time --------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        until_us = self.now_us + int(seconds * US_PER_S)
        while True:
            due = min((at_us for at_us, _, _ in self.queue), default=until_us + 1)
            timer = min(self.timers.values(), default=until_us + 1)
            first = min(due, timer)
            if first > until_us:
                self.now_us = until_us
                return
            self.steps += 1
            self.before(self.steps)
            self.now_us = max(self.now_us, first)
            if due <= timer:
                item = min(self.queue, key=lambda entry: entry[:2])
                self.queue.remove(item)
                item[2]()
            else:
                cluster = min(self.timers, key=lambda name: self.timers[name])
                del self.timers[cluster]
                self.say(cluster, TimerFired())

    def is_right(self, *addresses: str) -> bool:
        return all(sorted(self.cloud.pairs(own)) == sorted([*self.foreign[own], *addresses]) for own in self.foreign)


def begun(seed: int, *, has_gap: bool = False) -> Neutron:
    model = Neutron(seed, has_gap=has_gap)
    model.terraform("a", "10.9.0.0/16")
    model.terraform("b", "10.9.0.0/16")
    model.want("one", ADDRESSES["one"])
    model.want("two", ADDRESSES["two"])
    return model


def steps_of_a_start() -> int:
    model = begun(1)
    model.run(12)
    return model.steps


@pytest.mark.parametrize("how", ["terraform", "command line"])
def test_a_foreign_write_before_any_step_loses_nothing_and_ours_is_restored(how: str) -> None:
    for step in range(1, steps_of_a_start() + 1):
        model = begun(1)

        def cut_in(number: int, model: Neutron = model, step: int = step) -> None:
            if number == step and how == "terraform":
                model.terraform("a", "10.9.0.0/16", "10.8.0.1")
            elif number == step:
                model.command_line("a", "10.8.0.1")

        model.before = cut_in
        model.run(45)
        assert model.is_right(*ADDRESSES.values()), f"before step {step}"
        assert "10.8.0.1" in model.cloud.pairs(model.ports["a"])


def test_a_cluster_that_leaves_before_any_step_takes_only_its_own_along() -> None:
    for step in range(1, steps_of_a_start() + 1):
        model = begun(1)

        def cut_in(number: int, model: Neutron = model, step: int = step) -> None:
            if number == step:
                model.before = lambda _step: None
                model.want("two")

        model.before = cut_in
        model.run(60)
        assert model.is_right(ADDRESSES["one"]), f"before step {step}"


@pytest.mark.parametrize("seed", range(25))
def test_everybody_writes_at_once(seed: int) -> None:
    model = races(seed, has_gap=False)
    model.run(60)
    assert model.is_right(*ADDRESSES.values())


@pytest.mark.parametrize("seed", range(25))
def test_where_neutron_forgets_the_revision_ours_is_restored_and_terraforms_next_apply_lasts(seed: int) -> None:
    """What Neutron itself overwrites nobody can bring back but its owner; nothing of that is lasting."""
    model = races(seed, has_gap=True)
    model.run(60)
    for name in model.ports:
        assert set(ADDRESSES.values()) <= set(model.cloud.pairs(model.ports[name]))
        model.terraform(name, "10.9.0.0/16", "10.7.0.1")
        model.run(1)
    model.run(60)
    assert model.is_right(*ADDRESSES.values())


def races(seed: int, *, has_gap: bool) -> Neutron:
    """Forty seconds of writes by all four, at times that the seed says."""
    model = begun(seed, has_gap=has_gap)
    for number in range(20):
        name = model.chance.choice("ab")
        if model.chance.random() < 0.6:
            model.terraform(name, "10.9.0.0/16", f"10.8.0.{number + 1}")
        else:
            model.command_line(name, f"10.8.1.{number + 1}")
            if len(model.foreign[model.ports[name]]) > 6:
                model.terraform(name, "10.9.0.0/16")
        model.run(model.chance.uniform(0.05, 4))
    return model


def test_the_races_are_races() -> None:
    """Refused writes occur, and lists that Neutron overwrites; or the tests above would prove nothing."""
    assert sum(races(seed, has_gap=False).conflicts for seed in range(12)) > 5
    assert sum(races(seed, has_gap=True).overwritten for seed in range(12)) > 0
