"""All that `crm openstack status` and `doctor` want to know, in three or four batches of reads. Nothing is written.

What these credentials may not read is left out and noted (`unread`): a finding that would need it is not made.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import field
from typing import Any

from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed
from standfast.openstack import floating, model, replies, requests
from standfast.openstack.api import Json, Reply, Request, Service
from standfast.openstack.floating import FloatingIp
from standfast.openstack.model import Port
from standfast.openstack.replies import Verdict, verdict
from standfast.openstack.round import DVR_OWNER, Batch, Memory, Outcome, Round
from standfast.openstack.wish import Mode, Wish

STRANGER_FIELDS = tuple(("fields", name) for name in ("id", "mac_address", "device_owner", "device_id", "allowed_address_pairs"))
"""All ports of the networks are looked through: Neutron takes no filter by pair (400, "invalid attribute for filtering")."""
OVN_OWNER = "network:distributed"
"""The device_owner of ML2/OVN's metadata ports: where there is one, the network is OVN's."""


@dataclass(slots=True)
class Survey:
    """What was found. Networks, groups and servers are as the services show them, by id; `floating` are floating IPs of the ports
    in question, and of the project where they were asked for; `strangers` are the networks' ports that are
    no node's; `may_write` None where it was not tried."""

    outcome: Outcome = field(default_factory=Outcome)
    networks: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    servers: dict[str, Json] = field(default_factory=dict)
    server_groups: list[Json] = field(default_factory=list)
    floating: list[FloatingIp] = field(default_factory=list)
    extensions: tuple[str, ...] = ()
    strangers: tuple[Port, ...] = ()
    is_dvr: bool | None = None
    is_ovn: bool | None = None
    unread: list[tuple[str, str]] = field(default_factory=list)
    denied: str = ""

    def port_name(self, node: str) -> str:
        """The id of a node's first port, "" where none is known."""
        return next(iter(self.outcome.seen.of_node.get(node, ())), "")


def look(wish: Wish, memory: Memory, *, is_deep: bool) -> Generator[Batch, tuple[Reply, ...], Survey]:
    """Read what there is. `is_deep` also asks what only the doctor needs, and tries whether pairs may be written (without
    effect)."""
    found = Survey()
    looking = Round(wish, memory, is_thorough=True)
    found.outcome = yield from looking.steps(may_write=False)
    seen = found.outcome.seen
    if found.outcome.outage is not None or not seen.ports:
        return found
    vips = [port for item in wish.addresses for port in seen.vips.get(item.address, ())]
    networks = list(dict.fromkeys(port.network for port in seen.ports.values()))
    batch: dict[str, Request] = {
        "networks": requests.list_network("networks", *(("id", network) for network in networks)),
        "floatingips": requests.list_network("floatingips", *(("port_id", p.id) for p in (*seen.ports.values(), *vips))),
        "security_groups": requests.list_network("security-groups", *(("id", g) for g in _groups(seen.ports.values()))),
    }
    if is_deep or wish.mode is Mode.EXCLUSIVE:  # those that lead nowhere at present
        projects = dict.fromkeys(port.project for port in seen.ports.values() if port.project)
        batch["floatingips waiting"] = requests.list_network("floatingips", *(("project_id", own) for own in projects))
    if not batch["security_groups"].query:
        del batch["security_groups"]
    if is_deep:
        batch |= _deeper(wish, found, networks)
    answers = yield tuple(batch.values())
    found.outcome.calls += len(batch)
    for (name, request), reply in zip(batch.items(), answers, strict=True):
        _take(found, name, request, reply)
    return found


def _deeper(wish: Wish, found: Survey, networks: list[str]) -> dict[str, Request]:
    seen = found.outcome.seen
    owners = [("device_owner", DVR_OWNER), ("device_owner", OVN_OWNER)]
    batch: dict[str, Request] = {
        "extensions": requests.list_network("extensions", ("fields", "alias")),
        "routers": requests.list_ports("network_id", networks, *owners),
    }
    singles = [item.address for item in wish.addresses]
    if singles:
        batch["strangers"] = requests.list_ports("network_id", networks, *STRANGER_FIELDS)
    for port in list(seen.ports.values()):
        if port.device:
            batch[f"server {port.device}"] = Request(Service.COMPUTE, "GET", f"/servers/{port.device}")
    batch["server groups"] = Request(Service.COMPUTE, "GET", "/os-server-groups")
    trial = next((port for port in seen.ports.values() if port.has_port_security is not False and port.revision), None)
    if trial is not None and wish.addresses:
        # A write with a revision that is long gone: 403 where the policy forbids it, else 412, and nothing is changed.
        pairs = trial.with_pairs(less=(singles[0],), more=(singles[0],) if not trial.allows(singles[0]) else ())
        stale = requests.set_port(trial, "", pairs)
        batch["trial"] = Request(stale.service, stale.method, stale.path, body=stale.body, revision=0)
    return batch


def _take(found: Survey, name: str, request: Request, reply: Reply) -> None:
    answer = verdict(request, reply)
    if name == "trial":
        if answer is Verdict.FORBIDDEN:
            found.denied = replies.detail(reply)
        return
    if answer is not Verdict.DONE or reply.body is None:
        found.unread.append((name, replies.detail(reply)))
        return
    try:
        _sort(found, name, reply.body)
    except Malformed as bad:
        found.unread.append((name, str(bad)))


def _sort(found: Survey, name: str, body: Json) -> None:
    match name.partition(" ")[0]:
        case "networks":
            found.networks = _by_id(body, "networks")
        case "security_groups":
            found.groups = _by_id(body, "security_groups")
        case "floatingips":
            known = {item.id for item in found.floating}
            found.floating += [item for item in floating.read(body) if item.id not in known]
        case "extensions":
            found.extensions = tuple(model.text(item, "alias") for item in model.objects(body, "extensions"))
        case "routers":
            owners = [port.owner for port in model.ports(body)]
            found.is_dvr, found.is_ovn = DVR_OWNER in owners, OVN_OWNER in owners
        case "strangers":
            found.strangers = tuple(port for port in model.ports(body) if port.id not in found.outcome.seen.ports)
        case "server":
            if name == "server groups":
                found.server_groups = model.objects(body, "server_groups")
            else:
                server: Any = body.get("server")
                if isinstance(server, dict):
                    found.servers[model.text(server, "id")] = server


def _by_id(body: Json, name: str) -> dict[str, Json]:
    return {model.text(item, "id"): item for item in model.objects(body, name)}


def _groups(ports: Any) -> list[str]:
    return list(dict.fromkeys(group for port in ports for group in port.security_groups))
