"""Floating IPs follow an address from port to port.

Neutron does not let a port lose a fixed address to which a floating IP leads (400, l3_db.prevent_internal_ip_change_for_fip);
of a port that is deleted the floating IP leads nowhere from then on. So before an address leaves a port, its floating IP is taken
off, and led to the port that has the address afterwards. In between its description says where it belongs:
`[standfast for 172.16.0.100 of demo-1]`. Who takes over from a coordinator that died there reads it. Where no resource has the
address any more, the mark is what stays: with a resource that has it again, the floating IP comes back.

Each function is a part of a round: a generator of batches. An outage ends the whole round before it comes back here.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.report import Report, error, notice, warning
from standfast.openstack import model, replies, requests
from standfast.openstack.api import Json, Reply, Request, Service
from standfast.openstack.model import Port
from standfast.openstack.plan import DESCRIPTION_CHARS_MAX, Action, Drop, Seen, SetPort, Trouble
from standfast.openstack.replies import Verdict, verdict
from standfast.openstack.wish import Wish

READ_LANE, WRITE_LANE = "floating-ip-read", "floating-ip"
"""They do not wait for the second between two calls of a node: an address waits for them, and they happen once for a move."""
_MARK = re.compile(r" ?\[standfast for (\S{1,45}) of ([^\]\s]{1,180})\]")

Batch = tuple[Request, ...]
Told = tuple[list[Report], list[Trouble]]


@dataclass(frozen=True, slots=True)
class FloatingIp:
    """One of them: the port and fixed address to which it leads ("" for nowhere)."""

    id: str
    ip: str
    port: str = ""
    fixed: str = ""
    description: str = ""
    revision: int | None = None

    def meant_for(self, cluster: str) -> str:
        """The address that it waits for, by the mark of this cluster; "" for none, also when somebody has led it elsewhere."""
        found = _MARK.search(self.description)
        return found[1] if found and found[2] == _word(cluster) and not self.port else ""


@dataclass(slots=True)
class Memory:
    """What is kept between rounds. `waiting` are those that were taken off, by their ids, with the address; `is_due`: the list
    has to be read, because a write may have taken effect without being answered."""

    waiting: dict[str, tuple[str, FloatingIp]] = field(default_factory=dict)
    is_due: bool = False


def read(body: Json) -> tuple[FloatingIp, ...]:
    """The floating IPs of a list. Raises Malformed."""
    return tuple(one(item) for item in model.objects(body, "floatingips"))


def one(given: Json) -> FloatingIp:
    """A single one. Raises Malformed."""
    revision = given.get("revision_number")
    return FloatingIp(
        model.text(given, "id"),
        model.text(given, "floating_ip_address"),
        model.text(given, "port_id"),
        model.text(given, "fixed_ip_address"),
        model.text(given, "description"),
        revision if isinstance(revision, int) and not isinstance(revision, bool) else None,
    )


def marked(floating: FloatingIp, address: str, cluster: str) -> str:
    """Its description while it waits for the address."""
    word = f"[standfast for {address} of {_word(cluster)}]"
    return f"{_MARK.sub('', floating.description)[: DESCRIPTION_CHARS_MAX - len(word) - 1]} {word}".strip()


def take_off(wish: Wish, memory: Memory, actions: Sequence[Action]) -> Generator[Batch, tuple[Reply, ...], Told]:
    """Before these changes are made: nothing leads to an address that leaves its port. Gives what leads nowhere from now on, and
    what cannot be taken off. An own port of an address that nobody wants any more is such a thing too: it can stay for the sake
    of its floating IP, which a fixed address of a node's port cannot."""
    leaving = _leaving(actions)
    if not leaving:
        return [], []
    request = requests.list_network("floatingips", *(("port_id", port.id) for port, _, _ in leaving))
    (reply,) = yield (_in_lane(request, READ_LANE),)
    if verdict(request, reply) is not Verdict.DONE or reply.body is None:
        return [], []  # these credentials may not see any: what Neutron then says to the change itself is reported
    found = read(reply.body)
    wished = {item.address for item in wish.addresses}
    troubles: list[Trouble] = []
    todo: list[tuple[FloatingIp, str, str, Port]] = []
    for port, node, addresses in leaving:
        for floating in (item for item in found if item.port == port.id and item.fixed in addresses):
            if floating.fixed in wished or port.owner != model.VIP_OWNER:
                todo.append((floating, floating.fixed, node, port))
            else:
                troubles.append(Trouble(floating.fixed, "", _carries(port, floating)))
    if not todo:
        return [], troubles
    memory.is_due = True
    batch = tuple(_lead(floating, None, marked(floating, ip, wish.cluster)) for floating, ip, _, _ in todo)
    answers = yield batch
    memory.is_due = False
    done: list[Report] = []
    for (floating, ip, node, port), request, reply in zip(todo, batch, answers, strict=True):
        if verdict(request, reply) is Verdict.DONE:
            memory.waiting[floating.id] = (ip, one((reply.body or {}).get("floatingip") or {}))
            done += [] if ip in wished else [_detached(floating, ip)]
        else:
            troubles.append(Trouble(ip, node, _stuck(floating, f"port {port.id}", replies.detail(reply))))
    return done, troubles


def lead(wish: Wish, seen: Seen, memory: Memory, *, is_thorough: bool) -> Generator[Batch, tuple[Reply, ...], Told]:
    """After the changes: what waits is led to the port that has the address now. `is_thorough` also finds those that a
    coordinator before this one has left. Gives what was done, and what could not be."""
    wished = {item.address for item in wish.addresses}
    done: list[Report] = []
    if is_thorough or memory.is_due:
        projects = dict.fromkeys(port.project for port in seen.ports.values() if port.project)
        request = requests.list_network("floatingips", *(("project_id", own) for own in projects))
        (reply,) = yield (_in_lane(request, READ_LANE),)
        if verdict(request, reply) is Verdict.DONE and reply.body is not None:
            found = [(item.meant_for(wish.cluster), item) for item in read(reply.body)]
            if memory.is_due:  # it was taken off, and the answer that said so was lost
                fresh = [(ip, item) for ip, item in found if ip and ip not in wished and item.id not in memory.waiting]
                done += [_detached(item, ip) for ip, item in fresh]
            memory.waiting = {item.id: (ip, item) for ip, item in found if ip}
            memory.is_due = False
    wanted = [(ip, item) for ip, item in memory.waiting.values() if ip in wished]
    todo = [(ip, item, port) for ip, item in wanted if (port := target(seen, ip)) is not None]
    if not todo:
        return done, []
    batch = tuple(_lead(item, (port.id, ip), _MARK.sub("", item.description)) for ip, item, port in todo)
    answers = yield batch
    troubles: list[Trouble] = []
    for (ip, item, port), request, reply in zip(todo, batch, answers, strict=True):
        answer = verdict(request, reply)
        node = seen.node_of(port.id)
        if answer is Verdict.DONE:
            del memory.waiting[item.id]
            where = f"port {port.id}" + (f" of {node}" if node else "")
            done.append(notice("openstack.floating-ip-moved", f"floating IP {item.ip} leads to {ip} on {where} now"))
        elif answer in (Verdict.STALE, Verdict.GONE):
            del memory.waiting[item.id]
            memory.is_due = True  # somebody else has written, or deleted it: read again first
        else:
            troubles.append(Trouble(ip, node, apart(item, ip, port, replies.detail(reply))))
    return done, troubles


def target(seen: Seen, address: str) -> Port | None:
    """The port that has an address, if there is exactly one."""
    having = seen.vips.get(address, ())
    return having[0] if len(having) == 1 else None


def apart(floating: FloatingIp, address: str, port: Port | None, detail: str) -> Report:
    """It should lead to an address, and does not."""
    what = f"floating IP {floating.ip} does not lead to {address}, where it belongs"
    own = port.id if port is not None else "PORT"
    return error(
        "openstack.floating-ip-apart",
        what,
        detail,
        f"openstack floating ip set --port {own} --fixed-ip-address {address} {floating.ip}",
    )


def _leaving(actions: Iterable[Action]) -> list[tuple[Port, str, tuple[str, ...]]]:
    """(port, node, addresses) of fixed addresses that are about to go from a port."""
    found: list[tuple[Port, str, tuple[str, ...]]] = []
    for action in actions:
        if isinstance(action, Drop):
            found.append((action.port, "", action.port.addresses))
        elif isinstance(action, SetPort) and action.fixed_ips is not None:
            gone = tuple(ip for ip in action.takes if ip in action.port.addresses)
            found += [(action.port, action.node, gone)] if gone else []
    return found


def _lead(floating: FloatingIp, to: tuple[str, str] | None, description: str) -> Request:
    """Lead it to an address of a port, or nowhere."""
    fields: Json = {"port_id": None} if to is None else {"port_id": to[0], "fixed_ip_address": to[1]}
    fields["description"] = description
    path = f"{requests.FLOATING_IPS}/{floating.id}"
    return Request(Service.NETWORK, "PUT", path, body={"floatingip": fields}, revision=floating.revision, lane=WRITE_LANE)


def _in_lane(request: Request, lane: str) -> Request:
    return Request(request.service, request.method, request.path, request.query, lane=lane)


def _word(cluster: str) -> str:
    return re.sub(r"[\s\]]", "_", cluster)[:180] or "-"


def _carries(port: Port, floating: FloatingIp) -> Report:
    what = f"port {port.id} of {', '.join(port.addresses)} is kept, though no resource has the address any more"
    remedy = f"openstack floating ip unset --port {floating.ip}; the port is deleted then"
    return warning("openstack.floating-ip-left", what, f"floating IP {floating.ip} leads to it", remedy)


def _detached(floating: FloatingIp, address: str) -> Report:
    what = f"floating IP {floating.ip} leads nowhere now: it led to {address}, which no resource has any more"
    why = "it is not deleted; in mode exclusive it comes back by itself when a resource has the address again"
    return warning("openstack.floating-ip-detached", what, why, f"openstack floating ip set --port PORT {floating.ip}")


def _stuck(floating: FloatingIp, where: str, detail: str) -> Report:
    what = f"{floating.fixed} cannot leave {where}: floating IP {floating.ip} leads to it, and cannot be taken off"
    remedy = f"openstack floating ip unset --port {floating.ip}; or give these credentials the right (PUT /v2.0/floatingips/*)"
    return error("openstack.floating-ip-stuck", what, detail, remedy)
