"""Fencing a server through the cloud: rungs, each with a proof and a deadline. "Accepted" is never "done".

    network  the server's ports are set down (with a mark), and read again: what the guest sends is cut off within a moment
    reboot   HARD: proven by Nova's record of that very action; where that cannot be read, by its task having come and gone, if
             Nova itself said that it accepted the order
    stop     proven by SHUTOFF and no task under way
    lift     the ports that carry our mark come up again, once a rung has stopped the guest

`fence` is a generator of Ask (requests at once) and Pause, fed with (now_ms, replies); its value is a Result. The network rung
comes first and is not enough by itself, unless `network=enough` says so: a guest without a network may still write to a shared
disk. Ports stay down when a power rung was accepted and never proven (a dead hypervisor: Nova takes the order, and nobody carries
it out); they come up again when every power rung was refused, because then nothing has happened to the guest.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed
from standfast.openstack import model, replies, requests
from standfast.openstack.api import Json, Reply, Request, Service
from standfast.openstack.model import Port
from standfast.openstack.replies import Verdict, verdict

POLL_MS = 500
NETWORK_MS = 5_000
STEP_MS = 20_000
LISTED_MAX = 1_000
ON, OFF = "ACTIVE", "SHUTOFF"
DEAD_HOSTS = ("DOWN", "UNKNOWN")
_MARK = re.compile(r" ?\[standfast off\]")


@dataclass(frozen=True, slots=True)
class Ask:
    """Make these calls at once."""

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next look."""

    ms: int


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended: FenceAgentAPI's exit code, what goes to stdout, and sentences for people."""

    rc: int
    output: str = ""
    remarks: tuple[str, ...] = ()


Answer = tuple[int, tuple[Reply, ...]]
Steps = Generator[Ask | Pause, Answer, Result]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to which server (a UUID or a name). `network` is first, enough or off."""

    action: str
    server: str = ""
    network: str = "first"
    step_ms: int = STEP_MS


@dataclass(slots=True)
class Server:
    """What Nova shows of a server; `host_status` only to administrators."""

    id: str
    name: str
    status: str
    task: str
    host_status: str = ""


class _RefusedError(Exception):
    """A sentence for people: it cannot be done."""


@dataclass(slots=True)
class _Climb:
    """One fencing under way."""

    order: Order
    server: Server
    ports: tuple[Port, ...] = ()
    remarks: list[str] = field(default_factory=list)
    was_accepted: bool = False
    is_certain: bool = False
    """Whether Nova itself said that it accepted the last order; a lost answer leaves that open."""
    is_cut_off: bool = False


def fence(order: Order) -> Steps:
    """See the module."""
    try:
        match order.action:
            case "monitor":
                yield from _one(Request(Service.COMPUTE, "GET", "/servers", (("limit", "1"),)))
                return Result(0)
            case "list" | "list-status":
                return (yield from _list(order.action))
            case "status":
                return (yield from _status(order))
            case "on":
                return (yield from _on(order))
            case _:
                return (yield from _down(order))
    except _RefusedError as refused:
        return Result(1, remarks=(str(refused),))
    except Malformed as bad:
        return Result(1, remarks=(f"an answer that makes no sense: {bad}",))


# ---- the rungs ----------------------------------------------------------------------------------------------------------


def _down(order: Order) -> Steps:
    climb = _Climb(order, (yield from _find(order.server)))
    if order.action == "off" and climb.server.status == OFF and not climb.server.task:
        return Result(0, remarks=(f"{climb.server.name} is off already",))
    if order.network != "off":
        yield from _cut_off(climb)
    is_down = False
    if order.action == "reboot":
        is_down = yield from _reboot(climb)
    if not is_down:
        is_down = yield from _stop(climb)
        if is_down and order.action == "reboot":
            yield from _start(climb)
    if is_down or not climb.was_accepted:
        yield from _lift(climb)
    if is_down:
        return Result(0, remarks=tuple(climb.remarks))
    if climb.is_cut_off and climb.was_accepted and order.network == "enough":
        climb.remarks.append(f"{climb.server.name} is cut off from the network, which is taken as enough (network_fence=enough)")
        return Result(0, remarks=tuple(climb.remarks))
    return Result(1, remarks=tuple(climb.remarks))


def _cut_off(climb: _Climb) -> Generator[Ask | Pause, Answer, None]:
    """Set the ports down, and see that they are."""
    climb.ports = yield from _ports(climb.server.id)
    todo = [port for port in climb.ports if port.is_up]
    if todo:
        writes = [
            requests.change_port(port, admin_state_up=False, description=f"{port.description[:200]} [standfast off]".strip())
            for port in todo
        ]
        _, answers = yield Ask(tuple(writes))
        for port, request, reply in zip(todo, writes, answers, strict=True):
            if verdict(request, reply) is not Verdict.DONE:
                climb.remarks.append(f"port {port.id} could not be set down: {replies.detail(reply)}")
        climb.ports = yield from _ports(climb.server.id)
    climb.is_cut_off = bool(climb.ports) and not any(port.is_up for port in climb.ports)
    if climb.is_cut_off:
        climb.remarks.append(f"{len(climb.ports)} ports of {climb.server.name} are down")


def _reboot(climb: _Climb) -> Generator[Ask | Pause, Answer, bool]:
    own = climb.server.id
    before = yield from _actions(own)
    if not (yield from _accept(climb, "hard reboot", {"reboot": {"type": "HARD"}})):
        return False
    began_ms, _ = yield Pause(0)
    now_ms = began_ms
    while now_ms < began_ms + climb.order.step_ms:
        server = yield from _look(own)
        if server is not None:
            climb.server = server
            if server.status == "ERROR" and not server.task:  # with a task it is what it was before
                climb.remarks.append("the hard reboot has ended in ERROR")
                return False
            is_over = not server.task and server.status == ON and (climb.is_certain or before is not None)
            if is_over and (yield from _is_recorded(own, before)):
                climb.remarks.append(f"{server.name} was rebooted (HARD), says Nova")
                return True
        now_ms, _ = yield Pause(POLL_MS)
    _unproven(climb, "hard reboot")
    return False


def _stop(climb: _Climb) -> Generator[Ask | Pause, Answer, bool]:
    if not (yield from _accept(climb, "stop", {"os-stop": None})):
        server = yield from _look(climb.server.id)
        return server is not None and server.status == OFF and not server.task
    began_ms, _ = yield Pause(0)
    now_ms = began_ms
    while now_ms < began_ms + climb.order.step_ms:
        server = yield from _look(climb.server.id)
        if server is not None:
            climb.server = server
            if server.status == OFF and not server.task:
                climb.remarks.append(f"{server.name} is off, says Nova")
                return True
        now_ms, _ = yield Pause(POLL_MS)
    _unproven(climb, "stop")
    return False


def _start(climb: _Climb) -> Generator[Ask | Pause, Answer, bool]:
    """The target is down already; that it does not come up again is no failure of the fencing."""
    if not (yield from _accept(climb, "start", {"os-start": None})):
        return False
    began_ms, _ = yield Pause(0)
    now_ms = began_ms
    while now_ms < began_ms + climb.order.step_ms:
        server = yield from _look(climb.server.id)
        if server is not None and server.status == ON and not server.task:
            return True
        now_ms, _ = yield Pause(POLL_MS)
    climb.remarks.append(f"{climb.server.name} was started, and is not up yet")
    return False


def _lift(climb: _Climb) -> Generator[Ask | Pause, Answer, None]:
    """Ports that carry our mark come up."""
    ports = yield from _ports(climb.server.id)
    todo = [port for port in ports if _MARK.search(port.description)]
    if not todo:
        return
    writes = [requests.change_port(port, admin_state_up=True, description=_MARK.sub("", port.description)) for port in todo]
    _, answers = yield Ask(tuple(writes))
    for port, request, reply in zip(todo, writes, answers, strict=True):
        if verdict(request, reply) is not Verdict.DONE:
            climb.remarks.append(f"port {port.id} is still down ({replies.detail(reply)}): openstack port set --enable {port.id}")


def _unproven(climb: _Climb, what: str) -> None:
    server, seconds = climb.server, climb.order.step_ms / 1000
    heard = "accepted" if climb.is_certain else "did not answer"
    text = (
        f"Nova {heard} the {what}, and after {seconds:g} s it is not done (status {server.status}, task {server.task or 'none'})"
    )
    if server.host_status in DEAD_HOSTS:
        text += f": its hypervisor is {server.host_status}; only an operator (or Masakari) can say that the guest is dead"
    elif server.task:
        text += ": its hypervisor is probably dead or cut off; ask the operator (openstack compute service list)"
    climb.remarks.append(text)


# ---- on, status, list -----------------------------------------------------------------------------------------------------


def _on(order: Order) -> Steps:
    climb = _Climb(order, (yield from _find(order.server)))
    yield from _lift(climb)
    if climb.server.status == ON and not climb.server.task:
        return Result(0, remarks=tuple(climb.remarks))
    is_on = yield from _start(climb)
    return Result(0 if is_on else 1, remarks=tuple(climb.remarks))


def _status(order: Order) -> Steps:
    server = yield from _find(order.server)
    if server.status == OFF and not server.task:
        return Result(2)
    if order.network == "enough":
        ports = yield from _ports(server.id)
        if ports and not any(port.is_up for port in ports) and any(_MARK.search(port.description) for port in ports):
            return Result(2)
    if server.status == ON:
        return Result(0)
    return Result(1, remarks=(f"{server.name} is {server.status} (task {server.task or 'none'}), which is neither on nor off",))


def _list(action: str) -> Steps:
    body = yield from _one(Request(Service.COMPUTE, "GET", "/servers/detail", (("limit", str(LISTED_MAX)),)))
    lines = []
    for item in model.objects(body, "servers"):
        name, status = model.text(item, "name").replace(",", " "), model.text(item, "status")
        state = {ON: "on", OFF: "off"}.get(status, "unknown")
        lines.append(f"{model.text(item, 'id')},{name}" + (f",{state}" if action == "list-status" else ""))
    return Result(0, "".join(f"{line}\n" for line in lines))


# ---- asking ---------------------------------------------------------------------------------------------------------------


def _find(wanted: str) -> Generator[Ask | Pause, Answer, Server]:
    """The server by its UUID, else by its name, which must be one's alone."""
    own = wanted
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", wanted):
        found = model.servers((yield from _one(requests.list_servers([wanted]))))
        if len(found) != 1:
            raise _RefusedError(f"{len(found) or 'no'} servers are called {wanted}; name the UUID in pcmk_host_map")
        own = found[0][0]
    return _server((yield from _one(Request(Service.COMPUTE, "GET", f"/servers/{own}"))))


def _look(own: str) -> Generator[Ask | Pause, Answer, Server | None]:
    """The server as it is now; None while there is no answer."""
    request = Request(Service.COMPUTE, "GET", f"/servers/{own}")
    _, (reply,) = yield Ask((request,))
    return _server(reply.body) if verdict(request, reply) is Verdict.DONE and reply.body is not None else None


def _ports(own: str) -> Generator[Ask | Pause, Answer, tuple[Port, ...]]:
    request = requests.list_ports("device_id", [own])
    _, (reply,) = yield Ask((request,))
    return model.ports(reply.body) if verdict(request, reply) is Verdict.DONE else ()


def _accept(climb: _Climb, what: str, body: Json) -> Generator[Ask | Pause, Answer, bool]:
    """Order it. A lost answer counts as accepted: it may have been."""
    request = Request(Service.COMPUTE, "POST", f"/servers/{climb.server.id}/action", body=body)
    _, (reply,) = yield Ask((request,))
    answer = verdict(request, reply)
    climb.is_certain = answer is Verdict.DONE
    if answer is Verdict.DONE or answer is Verdict.UNKNOWN:
        climb.was_accepted = True
        return True
    climb.remarks.append(f"Nova refuses the {what}: {replies.detail(reply)}")
    return False


def _actions(own: str) -> Generator[Ask | Pause, Answer, tuple[str, ...] | None]:
    """The ids of the recorded reboots; None where they cannot be read, at the second try either."""
    request = Request(Service.COMPUTE, "GET", f"/servers/{own}/os-instance-actions")
    _, (reply,) = yield Ask((request,))
    if verdict(request, reply) in replies.OUTAGES:
        _, (reply,) = yield Ask((request,))
    if verdict(request, reply) is not Verdict.DONE or reply.body is None:
        return None
    found = model.objects(reply.body, "instanceActions")
    return tuple(model.text(item, "request_id") for item in found if item.get("action") == "reboot")


def _is_recorded(own: str, before: tuple[str, ...] | None) -> Generator[Ask | Pause, Answer, bool]:
    """Whether Nova has written down that a reboot which was not there before has succeeded."""
    if before is None:
        return True
    now = yield from _actions(own)
    fresh = [name for name in now or () if name not in before]
    if not fresh:
        return False
    request = Request(Service.COMPUTE, "GET", f"/servers/{own}/os-instance-actions/{fresh[0]}")
    _, (reply,) = yield Ask((request,))
    if verdict(request, reply) is not Verdict.DONE or reply.body is None:
        return True  # the action is there, and its task has come and gone
    action = reply.body.get("instanceAction")
    events = model.objects(action, "events") if isinstance(action, dict) and action.get("events") is not None else []
    return all(event.get("result") in ("Success", None) and event.get("finish_time") for event in events)


def _one(request: Request) -> Generator[Ask | Pause, Answer, Json]:
    _, (reply,) = yield Ask((request,))
    if verdict(request, reply) is not Verdict.DONE or reply.body is None:
        raise _RefusedError(f"{request}: {replies.detail(reply)}")
    return reply.body


def _server(body: Json | None) -> Server:
    given = (body or {}).get("server")
    if not isinstance(given, dict):
        raise Malformed("server", "there is none in the answer")
    return Server(
        model.text(given, "id"),
        model.text(given, "name"),
        model.text(given, "status"),
        model.text(given, "OS-EXT-STS:task_state"),
        model.text(given, "host_status"),
    )
