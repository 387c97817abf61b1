"""One look at the cloud, and the changes that follow: a generator of batches of requests, fed with their replies.

    batch 1  the ports of the nodes and of the addresses: all that a healthy cluster costs is this one call
    batch 2  only for what is not known or not as it was: subnets, ports that have an address, leftovers of ours
    batch 3+ changes (plan.py), until there are none

Invariant: every write is derived from what this same round has read. An outage ends the round at once: what was in flight is
unknown, and the next round reads before it writes again.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from dataclasses import field, replace
from typing import TypeVar

from standfast.base.dataclass import dataclass
from standfast.base.report import Report
from standfast.base.wire import Malformed
from standfast.openstack import floating, model, replies, requests, severing, texts
from standfast.openstack.api import Fault, Json, Reply, Request, Severed
from standfast.openstack.model import Port, Subnet
from standfast.openstack.plan import (
    DESCRIPTION_CHARS_MAX,
    Action,
    Claim,
    Drop,
    MakeVip,
    Seen,
    SetPort,
    Trouble,
    description_of,
    mark_of,
    plan,
)
from standfast.openstack.replies import Verdict, verdict
from standfast.openstack.wish import Mode, Wish

STAGES_MAX = 8
DVR_OWNER = "network:router_interface_distributed"
LAGS_MAX = 5
"""So many readings in a row that are older than what was seen before are not believed; then a backup was restored."""


@dataclass(slots=True)
class Memory:
    """What is kept from one look to the next; losing it costs calls, never correctness.

    `port_of_mac` and `vips` are ids; `confirmed` are (port, address) that were seen allowed, with the revision of that sight;
    `departed` are ports of nodes that left the configuration, `leftovers` ports of ours that nothing needs; `unguarded` are ports
    without port security where the cloud does not say so; `given` are addresses that became a port's own (mode
    exclusive); `has_revisions` is False where the cloud refuses If-Match; `severed` are ports of lost nodes that were written
    since the loss, `no_pairs` those where that has to be done without writing pairs (mode fenced); `newest` are the highest
    revisions seen of ports, `lags` the readings in a row that were older; `floating` is what floating.py keeps."""

    port_of_mac: dict[str, str] = field(default_factory=dict)
    ports_of_server: dict[str, tuple[str, ...]] = field(default_factory=dict)
    server_of_name: dict[str, str] = field(default_factory=dict)
    vips: dict[str, str] = field(default_factory=dict)
    subnets: dict[str, tuple[Subnet, ...]] = field(default_factory=dict)
    confirmed: dict[tuple[str, str], int] = field(default_factory=dict)
    departed: dict[str, str] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    unguarded: dict[str, bool] = field(default_factory=dict)
    has_revisions: bool = True
    is_dvr: bool | None = None
    touched: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    severed: set[str] = field(default_factory=set)
    no_pairs: set[str] = field(default_factory=set)
    newest: dict[str, int] = field(default_factory=dict)
    lags: int = 0
    floating: floating.Memory = field(default_factory=floating.Memory)


@dataclass(slots=True)
class Outcome:
    """How a round ended. `outage`: the cloud did not answer usefully, and nothing is known. `undone` are ports that have lost
    what was there at the last look, with the lost addresses. `done` says what was changed, for people."""

    seen: Seen = field(default_factory=Seen)
    troubles: list[Trouble] = field(default_factory=list)
    undone: list[tuple[str, Port, tuple[str, ...]]] = field(default_factory=list)
    done: list[Report] = field(default_factory=list)
    outage: Verdict | None = None
    detail: str = ""
    retry_after_s: int | None = None
    is_unset: bool = False
    """Nobody was asked: this host's own settings do not say whom, or with what."""
    calls: int = 0
    writes: int = 0
    moved: list[tuple[str, str]] = field(default_factory=list)
    severed: Severed | None = None
    """Mode fenced with a lost node: known long before the round ends."""

    @property
    def is_right(self) -> bool:
        """Whether all is as it should be, as far as can be seen."""
        return self.outage is None and not self.writes and not self.troubles


Batch = tuple[Request, ...]
T = TypeVar("T")
Steps = Generator[Batch, tuple[Reply, ...], Outcome]


class _OutageError(Exception):
    """Ends a round."""


class Round:
    """See the module. `wish` and `memory` belong to the caller; `is_thorough` also looks for leftovers of ours; `blocked` are
    (address, node) that are left alone; `local` is the coordinator that severs lost nodes, "" for a tool, which does not."""

    def __init__(
        self,
        wish: Wish,
        memory: Memory,
        *,
        is_thorough: bool = True,
        blocked: Iterable[tuple[str, str]] = (),
        local: str = "",
    ) -> None:
        self.wish = wish
        self.memory = memory
        self.outcome = Outcome()
        self._is_thorough = is_thorough
        self._blocked = set(blocked)
        self._local = local

    def steps(self, *, may_write: bool = True) -> Steps:
        """The batches, in order. The generator's value is the outcome."""
        try:
            yield from self._read(may_write=may_write)
            if may_write:
                yield from self._touch()
                yield from self._write()
                yield from self._find_out_dvr()
        except _OutageError:
            pass
        except Malformed as bad:
            self.outcome.outage, self.outcome.detail = Verdict.UNKNOWN, f"an answer that makes no sense: {bad}"
        return self.outcome

    # ---- reading -----------------------------------------------------------------------------------------------------

    def _read(self, *, may_write: bool) -> Generator[Batch, tuple[Reply, ...], None]:
        if not self.wish.nodes:
            return
        yield from self._find_servers()
        known = yield from self._ask([*self._port_requests()])
        ports = {port.id: port for body in known for port in model.ports(body)}
        self._sort(ports)
        if may_write:
            yield from self._sever()  # as early as can be: starts wait for it
        self._compare(ports.values())
        if may_write:
            yield from self._touch()  # and routed traffic for this
        more: list[tuple[str, Request]] = []
        networks = [port.network for port in self.outcome.seen.ports.values()]
        unknown = [network for network in dict.fromkeys(networks) if network not in self.memory.subnets]
        if unknown:
            more.append(("subnets", requests.list_subnets(unknown)))
        vips = {port.id: port for port in ports.values()}
        missing = self._unaccounted(vips)
        if missing:
            more.append(("ports", requests.list_ports_with(missing)))
        if self._is_thorough:
            owner = ("device_owner", model.VIP_OWNER)
            more.append(("ports", requests.list_ports("device_id", [self.wish.cluster], owner)))
        answers = yield from self._ask([request for _, request in more])
        for (kind, _), body in zip(more, answers, strict=True):
            if kind == "subnets":
                self._learn_subnets(unknown, model.subnets(body))
            else:
                found = model.ports(body)
                vips |= {port.id: port for port in found}
        self.outcome.seen.leftovers = self._leftovers(tuple(vips.values()))
        self.memory.leftovers = tuple(port.id for port in self.outcome.seen.leftovers)
        self._look_at(vips)

    def _compare(self, ports: Iterable[Port]) -> None:
        """A port's revision only grows. A reading that is older than one before comes from a copy that lags behind: nothing is
        derived from it. Raises _OutageError."""
        newest = self.memory.newest
        old = next((port for port in ports if port.revision is not None and port.revision < newest.get(port.id, 0)), None)
        if old is not None and self.memory.lags < LAGS_MAX:
            self.memory.lags += 1
            why = f"port {old.id} is shown with revision {old.revision} after {newest[old.id]}: what answers lags behind"
            self._outage(Verdict.UNKNOWN, Reply(fault=None, detail=why))
            raise _OutageError
        self.memory.lags = 0
        believed = {} if old is not None else newest  # what a write has shown since this reading counts too
        self.memory.newest = {port.id: max(port.revision or 0, believed.get(port.id, 0)) for port in ports}

    def _find_servers(self) -> Generator[Batch, tuple[Reply, ...], None]:
        """Nodes that have said nothing of themselves are looked up by name, as a person would."""
        names = [n.name for n in self.wish.nodes if not n.server and not n.nics and n.name not in self.memory.server_of_name]
        if not names or (self.memory.server_of_name and not self._is_thorough):
            return
        request = requests.list_servers(names)
        (reply,) = yield (request,)
        self.outcome.calls += 1
        answer = verdict(request, reply)
        if answer in replies.OUTAGES and reply.fault is not Fault.SETTINGS:
            self._outage(answer, reply)
            raise _OutageError
        if answer is Verdict.DONE:  # else these credentials may not ask Nova, which is needed for nothing else
            for own, name in model.servers(reply.body):
                self.memory.server_of_name[name] = own

    def _port_requests(self) -> list[Request]:
        ids: list[str] = []
        macs: list[str] = []
        servers: list[str] = []
        for node in self.wish.nodes:
            for nic in node.nics:
                own = nic.port or self.memory.port_of_mac.get(nic.mac, "")
                (ids if own else macs).append(own or nic.mac)
            if not node.nics:
                server = node.server or self.memory.server_of_name.get(node.name, "")
                ports = self.memory.ports_of_server.get(server, ())
                ids += ports
                servers += [server] if server and not ports else []
        ids += [self.memory.vips[item.address] for item in self.wish.addresses if item.address in self.memory.vips]
        ids += [*self.memory.departed, *self.memory.leftovers]
        asked = [("id", ids), ("mac_address", macs), ("device_id", servers)]
        step = requests.FILTERS_MAX
        return [requests.list_ports(name, values[at : at + step]) for name, values in asked for at in range(0, len(values), step)]

    def _sort(self, ports: dict[str, Port]) -> None:
        """Whose port is which."""
        seen, memory = self.outcome.seen, self.memory
        by_mac = {port.mac: port.id for port in ports.values() if port.owner != model.VIP_OWNER}
        for node in self.wish.nodes:
            own: list[str] = []
            for nic in node.nics:
                found = nic.port if nic.port in ports else by_mac.get(nic.mac, "")
                if found:
                    memory.port_of_mac[nic.mac] = found
                    own.append(found)
                else:
                    memory.port_of_mac.pop(nic.mac, None)
            server = node.server or memory.server_of_name.get(node.name, "")
            if not node.nics and server:
                own = [port.id for port in ports.values() if port.device == server]
                memory.ports_of_server[server] = tuple(own)
            seen.of_node[node.name] = tuple(dict.fromkeys(own))
            seen.ports |= {key: self._guarded(ports[key]) for key in own}
        seen.departed = tuple(ports[key] for key in memory.departed if key in ports and key not in seen.ports)
        for key in [key for key in memory.departed if key not in ports]:
            del memory.departed[key]

    def _guarded(self, port: Port) -> Port:
        return replace(port, has_port_security=False) if port.id in self.memory.unguarded else port

    def _unaccounted(self, ports: dict[str, Port]) -> tuple[str, ...]:
        """Single addresses whose own port was not among those that were asked for by id."""
        wanted = [item.address for item in self.wish.addresses if model.is_single(item.address)]
        having = {ip for port in ports.values() for ip in port.addresses}
        return tuple(ip for ip in wanted if ip not in having)

    def _learn_subnets(self, networks: list[str], found: tuple[Subnet, ...]) -> None:
        for network in networks:
            self.memory.subnets[network] = tuple(subnet for subnet in found if subnet.network == network)

    def _leftovers(self, found: tuple[Port, ...]) -> tuple[Port, ...]:
        wished = {item.address for item in self.wish.addresses}
        ours = [port for port in found if port.owner == model.VIP_OWNER and port.device == self.wish.cluster]
        if self.wish.revoked or not self.wish.cluster:  # what is named, and nothing that was allowed for somebody else
            return tuple(port for port in ours if set(port.addresses) & set(self.wish.revoked))
        return tuple(port for port in ours if not wished & set(port.addresses))

    def _look_at(self, ports: dict[str, Port]) -> None:
        """Put the addresses' ports in place, and notice what others have undone."""
        seen, memory = self.outcome.seen, self.memory
        networks = {port.network for port in seen.ports.values()}
        seen.given = tuple(self.memory.given)
        seen.subnets = tuple(subnet for network in sorted(networks) for subnet in memory.subnets.get(network, ()))
        for item in self.wish.addresses:
            having = tuple(p for p in ports.values() if item.address in p.addresses and p.network in networks)
            seen.vips[item.address] = having
            own = next((port.id for port in having if port.id not in seen.ports), "")
            if own:
                memory.vips[item.address] = own
            else:
                memory.vips.pop(item.address, None)
        wished = {item.address for item in self.wish.addresses}
        for node, keys in seen.of_node.items():
            for port in (p for key in keys if mark_of(p := seen.ports[key]) is None):
                lost = tuple(ip for key, ip in memory.confirmed if key == port.id and ip in wished and not _has(port, ip))
                if lost:
                    self.outcome.undone.append((node, port, lost))
        self._confirm()

    def _confirm(self) -> None:
        """Remember what is in place now."""
        wished = [item.address for item in self.wish.addresses]
        ports = self.outcome.seen.ports.values()
        self.memory.confirmed = {(p.id, ip): p.revision or 0 for p in ports for ip in wished if _has(p, ip)}

    # ---- writing -----------------------------------------------------------------------------------------------------

    def _write(self) -> Generator[Batch, tuple[Reply, ...], None]:
        seen = self.outcome.seen
        for _ in range(STAGES_MAX):
            planned = plan(self.wish, seen, self._blocked)
            if not planned.actions:
                break
            todo = [action for action in planned.actions if not self._is_blocked(action)]
            detached, stuck = yield from self._part(floating.take_off(self.wish, self.memory.floating, todo))
            self.outcome.done += detached
            for trouble in stuck:
                self._trouble(trouble.address, trouble.node, trouble.report)
            todo = [action for action in todo if not self._is_blocked(action)]
            if not todo:
                break
            made = tuple(self._request(action) for action in todo)
            answers = yield made
            self.outcome.calls += len(made)
            for action, request, reply in zip(todo, made, answers, strict=True):
                self._wrote(action, request, reply)
            if self.outcome.outage is not None:
                return
        self.outcome.troubles += plan(self.wish, seen, self._blocked).troubles
        yield from self._lead_floating_ips()

    def _part(self, steps: Generator[Batch, tuple[Reply, ...], T]) -> Generator[Batch, tuple[Reply, ...], T]:
        """Another part's batches, counted as this round's. Raises _OutageError."""
        try:
            batch = next(steps)
            while True:
                answers = yield batch
                self.outcome.calls += len(batch)
                self.outcome.writes += sum(request.is_write for request in batch)
                for request, reply in zip(batch, answers, strict=True):
                    if (answer := verdict(request, reply)) in replies.OUTAGES:
                        self._outage(answer, reply)
                        raise _OutageError
                batch = steps.send(answers)
        except StopIteration as end:
            value: T = end.value
            return value

    def _lead_floating_ips(self) -> Generator[Batch, tuple[Reply, ...], None]:
        memory, is_thorough = self.memory.floating, self._is_thorough and self.wish.mode is Mode.EXCLUSIVE
        if memory.waiting or memory.is_due or is_thorough:
            done, troubles = yield from self._part(floating.lead(self.wish, self.outcome.seen, memory, is_thorough=is_thorough))
            self.outcome.done += done
            self.outcome.troubles += troubles

    def _is_blocked(self, action: Action) -> bool:
        match action:
            case Drop(port):
                return any((ip, "") in self._blocked for ip in port.addresses)
            case SetPort(node, fixed_ips=fixed):
                takes = fixed is not None and any((ip, node) in self._blocked for ip in action.takes)
                return takes or self._blocked.issuperset(_subjects(action))
            case MakeVip(item) | Claim(item):
                return (item.address, "") in self._blocked
        return False

    def _request(self, action: Action) -> Request:
        match action:
            case MakeVip(item, network, kept):
                name = f"standfast-{item.resource or item.address}"
                return requests.make_vip_port(network, item.address, self.wish.cluster, name, description_of(item, kept))
            case Claim(_, port):
                request = requests.change_port(port, device_id=self.wish.cluster)
            case SetPort(node, port, pairs, fixed_ips, mark=mark):
                more: dict[str, object] = {"admin_state_up": True} if mark is not None and mark.is_down else {}
                if action.description is not None:
                    more["description"] = action.description
                request = requests.set_port(port, node, pairs, fixed_ips, **more)
            case Drop(port):
                return requests.delete_port(port)
        return request if self.memory.has_revisions else replace(request, revision=None)

    def _wrote(self, action: Action, request: Request, reply: Reply) -> None:
        outcome, seen = self.outcome, self.outcome.seen
        outcome.writes += 1
        answer = verdict(request, reply)
        if answer in replies.OUTAGES:
            self._outage(answer, reply)
        elif answer is Verdict.DONE:
            if isinstance(action, Drop):
                seen.remove(action.port.id)
            else:
                port = model.the_port(reply.body)
                seen.replace(port)
                if port.revision is not None:
                    self.memory.newest[port.id] = port.revision
                if isinstance(action, MakeVip):
                    self.memory.vips[action.address.address] = port.id
            outcome.done.append(texts.said(action))
            if isinstance(action, SetPort):
                if action.fixed_ips is not None:
                    self.memory.given |= dict.fromkeys(action.gives, action.node)
                    seen.given = tuple(self.memory.given)
                holders = {item.address: item.holder for item in self.wish.addresses}
                outcome.moved += [
                    (ip, action.node) for ip in action.gives if action.fixed_ips is not None and holders.get(ip) == action.node
                ]
            self._confirm()
        elif answer is Verdict.GONE and isinstance(action, Drop):
            seen.remove(action.port.id)
        elif answer is Verdict.STALE or (answer is Verdict.GONE and isinstance(action, SetPort)):
            self._later(action)  # the next round reads again: somebody else has written, or the port is gone
        elif answer is Verdict.NOT_NEEDED and isinstance(action, SetPort):
            self.memory.unguarded[action.port.id] = True
            seen.replace(replace(action.port, has_port_security=False))
        elif answer is Verdict.BAD and request.revision is not None and "match" in _low(reply):
            self.memory.has_revisions = False
            self._later(action)
        else:
            if answer is Verdict.FULL and isinstance(action, SetPort) and action.gives:
                action = replace(action, takes=())  # what goes may go without what comes
            for ip, node in _subjects(action):
                self._trouble(ip, node, texts.refused(action, answer, reply))

    def _later(self, action: Action) -> None:
        """Leave it alone for the rest of this round."""
        self._blocked.update(_subjects(action))

    def _trouble(self, ip: str, node: str, report: Report) -> None:
        self._blocked.add((ip, node))
        self.outcome.troubles.append(Trouble(ip, node, report))

    # ---- mode fenced -------------------------------------------------------------------------------------------------

    def _sever(self) -> Generator[Batch, tuple[Reply, ...], None]:
        """Cut lost nodes off, and read again that they are."""
        nodes = severing.lost(self.wish)
        seen, memory = self.outcome.seen, self.memory
        memory.severed &= {own for node in nodes for own in seen.of_node.get(node.name, ())}
        if not nodes or not self._local:
            return
        addresses = severing.canonical(self.wish)
        if self._is_taken():
            return
        due = [
            (node.name, port)
            for node in nodes
            for port in severing.targets(self.wish, seen, node)
            if port.id not in memory.severed or not severing.is_severed(port, addresses, self._local)
        ]
        if due:
            yield from self._sever_ports(due, addresses)
            ids = [own for keys in seen.of_node.values() for own in keys]
            (body,) = yield from self._ask([requests.list_ports("id", ids, lane=severing.VERIFY_LANE)])
            found = {port.id: port for port in model.ports(body)}
            seen.of_node = {node: tuple(own for own in keys if own in found) for node, keys in seen.of_node.items()}
            seen.ports = {key: self._guarded(found[key]) for key in seen.ports if key in found}
            if self._is_taken():
                return
            for node, port in ((name, seen.ports[old.id]) for name, old in due if old.id in seen.ports):
                if severing.is_severed(port, addresses, self._local) and port.id in memory.severed:
                    self.outcome.done.append(texts.severed(node, port, addresses))
        self.outcome.severed = severing.judge(self.wish, seen, addresses, self._local)

    def _is_taken(self) -> bool:
        """Whether the other half of a split cluster has taken a port of this side: then nothing is taken from it."""
        taken = () if self.wish.is_sure else severing.foreign_marks(self.wish, self.outcome.seen, self._local)
        if taken:
            why = "; ".join(f"{by} has taken the addresses from {node}'s port" for node, by in taken)
            self.outcome.severed = Severed((), why)
        return bool(taken)

    def _sever_ports(self, due: list[tuple[str, Port]], addresses: tuple[str, ...]) -> Generator[Batch, tuple[Reply, ...], None]:
        for _ in range(2):  # the second time those whose pairs may not be written
            batch = tuple(
                severing.write(port, node, addresses, self._local, may_write_pairs=port.id not in self.memory.no_pairs)
                for node, port in due
            )
            answers = yield batch
            self.outcome.calls += len(batch)
            self.outcome.writes += len(batch)
            again = []
            for (node, port), request, reply in zip(due, batch, answers, strict=True):
                answer = verdict(request, reply)
                if answer is Verdict.DONE:
                    self.memory.severed.add(port.id)
                elif answer in replies.OUTAGES:
                    self._outage(answer, reply)
                    self.outcome.severed = Severed((), f"{request}: {replies.detail(reply)}")
                elif answer not in (Verdict.STALE, Verdict.GONE) and port.id not in self.memory.no_pairs:
                    self.memory.no_pairs.add(port.id)
                    again.append((node, port))
                elif answer is not Verdict.GONE:
                    self.outcome.troubles.append(Trouble("", node, texts.not_severed(node, port, replies.detail(reply))))
            if self.outcome.outage is not None:
                raise _OutageError
            due = again
            if not due:
                return

    # ---- routers that do not listen to announcements ----------------------------------------------------------------

    def _touch(self) -> Generator[Batch, tuple[Reply, ...], None]:
        """Distributed routers (ML2/OVS with DVR) keep permanent ARP entries, which only an update of a port rewrites: the last
        port that was updated gets the traffic. So the holder's port is written when the holder is a new one (a word in its
        description)."""
        is_dvr = self.wish.dvr == "true" or (self.wish.dvr == "auto" and self.memory.is_dvr is True)
        if self.wish.mode is Mode.EXCLUSIVE or not is_dvr:
            return
        touched: dict[str, str] = {}
        batch: dict[str, Request] = {}
        for item in self.wish.addresses:
            if item.holder and self.memory.touched.get(item.address) != item.holder:
                networks = {port.network for port in self.outcome.seen.vips.get(item.address, ())}
                ports = [self.outcome.seen.ports[key] for key in self.outcome.seen.of_node.get(item.holder, ())]
                for port in ports:
                    if port.network in networks or len(ports) == 1:
                        touched[item.address] = item.holder
                        batch[port.id] = requests.change_port(port, item.holder, description=touched_description(port))
        if not batch:
            return
        answers = yield tuple(batch.values())
        self.outcome.calls += len(batch)
        self.outcome.writes += len(batch)
        for request, reply in zip(batch.values(), answers, strict=True):
            answer = verdict(request, reply)
            if answer is Verdict.DONE:
                self.outcome.seen.replace(model.the_port(reply.body))
            elif answer in replies.OUTAGES:
                self._outage(answer, reply)
                raise _OutageError
            else:  # somebody else has written at the same time, which does as well
                touched.clear()
        self.memory.touched |= touched
        self.outcome.done += [texts.nudged(address, node) for address, node in touched.items()]

    def _find_out_dvr(self) -> Generator[Batch, tuple[Reply, ...], None]:
        """Whether a distributed router stands in one of these networks: after the changes, because nothing waits for it."""
        networks = list(dict.fromkeys(port.network for port in self.outcome.seen.ports.values()))
        if self.wish.dvr != "auto" or not self._is_thorough or not networks or self.wish.mode is Mode.EXCLUSIVE:
            return
        (body,) = yield from self._ask([requests.list_ports("network_id", networks, ("device_owner", DVR_OWNER))])
        self.memory.is_dvr = bool(model.ports(body))
        if self.memory.is_dvr:
            yield from self._touch()

    # ---- asking ------------------------------------------------------------------------------------------------------

    def _ask(self, batch: list[Request]) -> Generator[Batch, tuple[Reply, ...], list[Json]]:
        """The bodies of a batch of reads. Raises _OutageError."""
        if not batch:
            return []
        answers = yield tuple(batch)
        self.outcome.calls += len(batch)
        bodies: list[Json] = []
        for request, reply in zip(batch, answers, strict=True):
            answer = verdict(request, reply)
            if answer is not Verdict.DONE or reply.body is None:
                self._outage(answer if answer is not Verdict.DONE else Verdict.UNKNOWN, reply)
                raise _OutageError
            bodies.append(reply.body)
        return bodies

    def _outage(self, answer: Verdict, reply: Reply) -> None:
        outcome = self.outcome
        outcome.outage, outcome.detail, outcome.retry_after_s = answer, replies.detail(reply), reply.retry_after_s
        outcome.is_unset = reply.fault is Fault.SETTINGS


def _has(port: Port, ip: str) -> bool:
    return port.allows(ip) or ip in port.addresses


def touched_description(port: Port) -> str:
    """The port's description with a word of ours at its end that differs each time; a description without room for it is cut."""
    own = re.sub(r" ?\[standfast \d+\]$", "", port.description)
    word = f"[standfast {(port.revision or 0) + 1}]"
    return f"{own[: DESCRIPTION_CHARS_MAX - len(word) - 1]} {word}".strip()


def _low(reply: Reply) -> str:
    return replies.detail(reply).lower()


def _subjects(action: Action) -> list[tuple[str, str]]:
    match action:
        case MakeVip(item) | Claim(item):
            return [(item.address, "")]
        case SetPort(node):
            return [(ip, node) for ip in (*action.gives, *action.takes)] or [("", node)]
        case Drop(port):
            return [(ip, "") for ip in port.addresses]
