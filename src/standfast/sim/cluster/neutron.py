"""The cloud that the hosts are servers of: a Neutron behind an API that is away, hangs, loses answers, lags or refuses.

Owns: what becomes of each call (when it takes effect, what comes back), other people's writes, and what must hold of the cloud:
nobody else's pair is lost by a write of ours, one call a second and node; no node takes the address before the cloud has shown it
as its port's (mode exclusive), or while it lets it through for a lost node that has it (fenced).
Does not own: the services' own rules (sim/cloud.py), what is asked (openstack/).
Datagrams do not ask it: what Neutron would drop is not dropped here.
"""

from __future__ import annotations

import copy
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.controller import effects as fx
from standfast.openstack.api import Call, Fault, Replied, Reply, Request
from standfast.openstack.identity import Identity, Nic
from standfast.openstack.machine import Identified, Identify
from standfast.sim.chance import Stream
from standfast.sim.checks import PromiseError
from standfast.sim.cloud import FakeCloud
from standfast.sim.cluster.kernel import NETWORK, NIC, address_of, mac_of
from standfast.sim.cluster.people import ADDRESS

if TYPE_CHECKING:
    from standfast.sim.cluster.machine import Machine
    from standfast.sim.cluster.world import Cluster

NET = "sim"
NAME = "sim"
EVERY_US = US_PER_S
SLEPT_US = 3 * US_PER_S
SHOWN_US = 45 * US_PER_S
"""How long ago at most the cloud showed an address as a port's own when its node takes it: the coordinator's looks are some ten
seconds apart, and one that hangs takes ten."""

FOREIGN = tuple(f"10.9.0.{n}" for n in range(1, 7))


class Air(StrEnum):
    """What is wrong with the API."""

    WORKS = "works"
    AWAY = "away"  # nobody listens
    HANGS = "hangs"  # no answer within the call's time, and nothing is done
    SLOW = "slow"
    LOSES = "loses"  # a write is made, and the answer never comes, or is a proxy's
    BUSY = "busy"  # 429, and 503 with Retry-After
    CONFLICTS = "conflicts"  # every other write is refused: 409, 412
    STALE = "stale"  # reads show what was before the last write
    HTML = "html"  # a proxy answers everything
    LOCKED = "locked"  # 401


class Neutron:
    """See the module. `ports` are the nodes' own."""

    def __init__(self, world: Cluster, seed: int) -> None:
        self._world = world
        self._chance = Stream(seed, "neutron")
        self.cloud = FakeCloud()
        self.cloud.add_subnet(NET, NETWORK)
        self.air = Air.WORKS
        self.ports: dict[NodeId, str] = {}
        self._servers: dict[NodeId, str] = {}
        for node in world.hosts:
            own = self.cloud.add_node(world.name_of(node), NET, address_of(node))
            self.cloud.ports[own]["mac_address"] = _mac(node)
            self.ports[node], self._servers[node] = own, str(self.cloud.ports[own]["device_id"])
        self._before: dict[str, dict[str, Any]] = copy.deepcopy(self.cloud.ports)
        self._foreign: dict[NodeId, tuple[str, ...]] = {}
        self._called_us: dict[tuple[NodeId, int, str], int] = {}
        self._owner: NodeId | None = None
        self._owned_us: dict[NodeId, int] = {}  # until when a port had the address, at least
        self.calls = self.lost = self.lagged = self.foreign_writes = self.put_back = self.passed_on = self.severed = 0

    # ---- what the nodes ask ------------------------------------------------------------------------------------------

    def perform(self, machine: Machine, effect: Call | Identify) -> None:
        """What a node asks: as runtime/cloud_line.py, always answered while its manager lives."""
        if isinstance(effect, Call):
            self._call(machine, effect)
        else:
            self._identify(machine)

    def _identify(self, machine: Machine) -> None:
        """The metadata service; one time in five it does not know the port."""
        port = self.ports[machine.id] if self._chance.happens(800) else ""
        found = Identified(Identity(self._servers[machine.id], (Nic(NIC, _mac(machine.id), port),)))
        self._answer(machine, self._chance.between(5, 400) * US_PER_MS, found)

    def _call(self, machine: Machine, call: Call) -> None:
        """It takes effect on the way, whatever becomes of the manager meanwhile."""
        self._paced(machine, call.request)
        self.calls += 1
        took_us = self._chance.between(20, 300) * US_PER_MS
        if self.air is Air.SLOW:
            took_us = self._chance.between(1_000, 9_000) * US_PER_MS
        reply = self._refusal(call.request)
        if reply is not None:
            is_hung = reply.fault is Fault.TIMEOUT
            self._answer(machine, call.timeout_ms * US_PER_MS if is_hung else took_us, Replied(call.owner, call.number, reply))
            return
        life, air = machine.life, self.air
        self._world.at(took_us // 2, lambda: self._take_effect(machine, life, call, took_us // 2, air))

    def _refusal(self, request: Request) -> Reply | None:
        """What comes back where nothing is done; None where the service gets to see it."""
        match self.air:
            case Air.AWAY:
                return Reply(fault=Fault.UNREACHABLE, detail="connection refused")
            case Air.HANGS:
                return Reply(fault=Fault.TIMEOUT, detail="no answer")
            case Air.BUSY:
                return Reply(self._chance.choice((429, 503)), retry_after_s=self._chance.between(1, 5))
            case Air.HTML:
                return Reply(fault=Fault.NOT_JSON, detail="<html>")
            case Air.LOCKED:
                return Reply(401, {"error": {"message": "The request you have made requires authentication."}})
            case Air.CONFLICTS if request.is_write and self._chance.happens(500):
                kind = self._chance.choice(("RevisionNumberConstraintFailed", "IpAddressAlreadyAllocated", "StateInvalid"))
                status = 412 if kind.startswith("Revision") else 409
                return Reply(status, {"NeutronError": {"type": kind, "message": "not now", "detail": ""}})
            case _:
                return None

    def _take_effect(self, machine: Machine, life: int, call: Call, rest_us: int, air: Air) -> None:
        request = call.request
        reply = self._write(machine, request) if request.is_write else self._read(request, is_stale=air is Air.STALE)
        if request.is_write and air is Air.LOSES:
            self.lost += 1
            reply = Reply(502) if self._chance.happens(500) else Reply(fault=Fault.TIMEOUT, detail="no answer")
        if machine.life == life:
            self._answer(machine, rest_us, Replied(call.owner, call.number, reply))

    def _read(self, request: Request, *, is_stale: bool) -> Reply:
        now = self.cloud.ports
        if is_stale and self._before != now:
            self.lagged += 1
            self.cloud.ports = self._before
        reply = self.cloud.carry_out(request)
        self.cloud.ports = now
        return reply

    def _write(self, machine: Machine, request: Request) -> Reply:
        before = copy.deepcopy(self.cloud.ports)
        reply = self.cloud.carry_out(request)
        if self.cloud.ports != before:
            self._before = before
        self._look()
        for node, own in self.ports.items():
            had, has = ADDRESS in _pairs(before[own]), self.allows(node, ADDRESS)
            self.put_back += has and not had and node in self._foreign
            self.severed += had and not has
        for node, ips in self._foreign.items():
            gone = [ip for ip in ips if ip not in self.cloud.pairs(self.ports[node])]
            if gone:
                raise PromiseError(f"at {self._world.now_us} us: {request} of n{machine.id} lost n{node}'s foreign pairs {gone}")
        return reply

    def _look(self) -> None:
        """Whose port has the address now?"""
        owner = next((node for node in self.ports if self.owns(node, ADDRESS)), None)
        if owner != self._owner:
            self._world.say(NodeId(0), f"cloud: {ADDRESS} is {f'of n{owner}' if owner else 'nobody'}" + "'s port")
            self.passed_on += owner is not None and any(node != owner for node in self._owned_us)
            if self._owner is not None:
                self._owned_us[self._owner] = self._world.now_us
            self._owner = owner

    def _answer(self, machine: Machine, after_us: int, event: Replied | Identified) -> None:
        life = machine.life
        self._world.at(after_us, lambda: machine.feed(fx.FromCloud(event)) if machine.life == life else None)

    def _paced(self, machine: Machine, request: Request) -> None:
        now_us = machine.now.us
        key = (machine.id, machine.life, request.lane or machine.name)
        last_us = self._called_us.get(key)
        self._called_us[key] = now_us
        has_slept = self._world.now_us - machine.slept_us < SLEPT_US  # decided before, and done after it
        if last_us is not None and now_us - last_us < EVERY_US and not has_slept:
            raise PromiseError(f"n{machine.id}: two calls for {key[2]} within {(now_us - last_us) // US_PER_MS} ms: {request}")

    # ---- what others do ----------------------------------------------------------------------------------------------

    def foreign_write(self, node: NodeId) -> None:
        """Somebody's tool writes the whole list of a port: his pairs, and none of ours."""
        count = self._chance.below(4)
        ips = tuple(self._chance.shuffled(FOREIGN)[:count])
        self._before = copy.deepcopy(self.cloud.ports)
        self.cloud.set_pairs(self.ports[node], *ips)
        self._foreign[node] = ips
        self.foreign_writes += 1

    def put(self, machine: Machine) -> None:
        """A node takes the address that it did not have. (One that was paused in the middle decided before.)"""
        if self._world.now_us - machine.slept_us < SLEPT_US:
            return
        if self._world.setting.cloud == "exclusive":
            self._put_exclusive(machine)
        elif self._world.setting.cloud == "fenced":
            self._put_fenced(machine)

    def _put_exclusive(self, machine: Machine) -> None:
        shown_us = self._world.now_us if self._owner == machine.id else self._owned_us.get(machine.id)
        if shown_us is None or self._world.now_us - shown_us > SHOWN_US:
            when = "never" if shown_us is None else f"{(self._world.now_us - shown_us) // US_PER_S} s ago"
            raise PromiseError(f"n{machine.id} at {self._world.now_us} us: takes the address, which was its port's {when}")

    def _put_fenced(self, machine: Machine) -> None:
        lives = self._world.checks.lives
        mine = lives.get(machine.id)
        for node, other in self._world.machines.items():
            theirs = lives.get(node)
            if mine is None or mine.view is None or node in mine.view.members or ADDRESS not in other.kernel.held:
                continue
            if theirs is not None and theirs.view is not None and theirs.view.id == mine.view.id:
                continue
            if self.allows(node, ADDRESS) and self.cloud.ports[self.ports[node]].get("admin_state_up", True):
                what = f"takes the address, which n{node} has, and its port lets it through"
                raise PromiseError(f"n{machine.id} at {self._world.now_us} us: {what}")

    # ---- what holds --------------------------------------------------------------------------------------------------

    def owns(self, node: NodeId, ip: str) -> bool:
        """Whether the address is a fixed one of the node's port."""
        return ip in [fixed["ip_address"] for fixed in self.cloud.ports[self.ports[node]]["fixed_ips"]]

    def allows(self, node: NodeId, ip: str) -> bool:
        """Whether the node's port has the pair."""
        return ip in self.cloud.pairs(self.ports[node])


def _pairs(port: dict[str, Any]) -> tuple[str, ...]:
    return tuple(pair["ip_address"] for pair in port["allowed_address_pairs"])


def _mac(node: NodeId) -> str:
    return ":".join(f"{byte:02x}" for byte in mac_of(node))
