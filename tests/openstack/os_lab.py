"""The services as the tests use them: calls in this process, counted on the wire, and what the administrator's own tool does."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from standfast.openstack import model, requests
from standfast.openstack.api import CALL_TIMEOUT_MS, Json, Reply, Request, Service
from standfast.openstack.model import Port
from standfast.openstack.round import Memory, Outcome, Round
from standfast.openstack.wire import read_reply
from standfast.openstack.wish import AddressWish, NodeWish, Wish
from standfast.runtime.cloud_session import Cloud
from standfast.shell.openstack_work import drive

NODES = ("node-a", "node-b")
ADDRESSES = ("172.16.0.11", "172.16.0.12")
VIP = "172.16.0.100"


class Session:
    """One set of credentials. `wire` counts all HTTP requests, those for the token included."""

    def __init__(self, cloud: str) -> None:
        self.cloud = Cloud(cloud)
        self.calls = 0
        self.wire: list[str] = []
        self._threads = ThreadPoolExecutor(4)

    def ask(self, batch: tuple[Request, ...]) -> tuple[Reply, ...]:
        import requests as http

        original = http.Session.send
        wire = self.wire

        def send(session: Any, prepared: Any, **more: Any) -> Any:
            wire.append(f"{prepared.method} {prepared.path_url}")
            return original(session, prepared, **more)

        http.Session.send = send  # type: ignore[method-assign, assignment, unused-ignore]
        try:
            self.calls += len(batch)
            return tuple(self._threads.map(self._one, batch))
        finally:
            http.Session.send = original  # type: ignore[method-assign, unused-ignore]

    def call(self, request: Request) -> Json:
        (reply,) = self.ask((request,))
        assert 200 <= reply.status < 300, (str(request), reply)
        return reply.body or {}

    def _one(self, request: Request) -> Reply:
        given = {
            "service": str(request.service),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "body": request.body,
            "revision": request.revision,
            "timeout_ms": CALL_TIMEOUT_MS,
        }
        return read_reply(self.cloud.call(given))


class OpenStackLab:
    """`with OpenStackLab() as lab:`"""

    def __init__(self) -> None:
        self.owner = Session("lab-owner")

    def __enter__(self) -> OpenStackLab:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ports(self) -> dict[str, Port]:
        """The nodes' ports by the servers' names."""
        servers = model.servers(self.owner.call(requests.list_servers(NODES)))
        found = model.ports(self.owner.call(requests.list_ports("device_id", [own for own, _ in servers])))
        names = dict(servers)
        return {names[port.device]: port for port in found}

    def vip(self, ip: str = VIP) -> Port | None:
        found = [port for port in self.vips() if ip in port.addresses]
        return found[0] if found else None

    def vips(self) -> list[Port]:
        """The ports that Standfast made in the nodes' network."""
        networks = {port.network for port in self.ports().values()}
        found = model.ports(self.owner.call(requests.list_ports("device_owner", [model.VIP_OWNER])))
        return [port for port in found if port.network in networks]

    def set_pairs(self, port: Port, *ips: str) -> None:
        """Somebody else writes the whole list, without If-Match, as Terraform and the CLI do."""
        body = {"port": {"allowed_address_pairs": [{"ip_address": ip} for ip in ips]}}
        self.owner.call(Request(Service.NETWORK, "PUT", f"/v2.0/ports/{port.id}", body=body))

    def clean(self) -> None:
        for port in self.ports().values():
            self.set_pairs(port)
            own = tuple(fixed for fixed in port.fixed_ips if fixed.ip in ADDRESSES)
            if own != port.fixed_ips:
                (now,) = [p for p in self.ports().values() if p.id == port.id]
                self.owner.call(requests.set_port(now, "", None, own))
        for port in self.vips():
            self.owner.call(requests.delete_port(port))

    def wish(self, *addresses: AddressWish, cluster: str = "test-1", **fields: Any) -> Wish:
        return Wish("lab-owner", cluster, tuple(NodeWish(name) for name in NODES), addresses, **fields)


class OwnNetwork(OpenStackLab):
    """Two ports in a network of their own, of nobody's servers: tests on it and on the servers do not meet."""

    def __init__(self) -> None:
        super().__init__()
        self._network = ""

    def __enter__(self) -> OpenStackLab:
        made = self._make("networks", {"network": {"name": "of its own"}})
        self._network = str(made["network"]["id"])
        subnet = {"network_id": self._network, "ip_version": 4, "cidr": "172.16.0.0/24"}
        self._make("subnets", {"subnet": subnet})
        for ip in ADDRESSES:
            self._make("ports", {"port": {"network_id": self._network, "fixed_ips": [{"ip_address": ip}]}})
        return self

    def __exit__(self, *_: object) -> None:
        for port in model.ports(self.owner.call(requests.list_ports("network_id", [self._network]))):
            (reply,) = self.owner.ask((requests.delete_port(port),))
            assert reply.status in (204, 404), reply  # 404: a cluster's last call was still on its way
        self.owner.call(Request(Service.NETWORK, "DELETE", f"/v2.0/networks/{self._network}"))

    def ports(self) -> dict[str, Port]:
        found = model.ports(self.owner.call(requests.list_ports("network_id", [self._network])))
        names = dict(zip(ADDRESSES, NODES, strict=True))
        return {names[port.addresses[0]]: port for port in sorted(found, key=lambda p: p.addresses) if port.addresses[0] in names}

    def _make(self, kind: str, body: Json) -> Json:
        return self.owner.call(Request(Service.NETWORK, "POST", f"/v2.0/{kind}", body=body))


def go(session: Session, wish: Wish, memory: Memory | None = None, *, is_thorough: bool = True) -> Outcome:
    """One round."""
    return drive(session, Round(wish, memory if memory is not None else Memory(), is_thorough=is_thorough).steps())


def cli(*words: str) -> float:
    """Seconds that the openstack command takes."""
    start_s = time.monotonic()
    subprocess.run([os.environ["OPENSTACK"], *words], check=True, capture_output=True, timeout=60)
    return time.monotonic() - start_s
