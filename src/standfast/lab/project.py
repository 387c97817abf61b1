"""The lab's hosts as servers of an OpenStack project: real records in Nova and Neutron, made and removed again.

Owns: servers, their ports, the relay that lets hosts reach the API, the process that enforces the ports' addresses at the switch.
Does not own: the services themselves (`./run test --openstack` and `./run demo --openstack` bring them up).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from standfast.client.cloud import CloudWorker
from standfast.lab.lab import Host, Lab, wait_until
from standfast.lab.port_security import dropped
from standfast.lab.relay import Relay
from standfast.lab.spaces import mortal
from standfast.openstack import model, requests
from standfast.openstack.api import Json, Request, Service
from standfast.openstack.model import Port

CLOUD, ADMIN = "lab-owner", "lab-admin"
NETWORK = "lan"
CLOUDS_YAML = "/etc/openstack/clouds.yaml"
ACTIVE_S = 60.0
RULES_S = 20.0


class Project:
    """`with Project(lab) as project:` - afterwards no server, port or process of it is left."""

    def __init__(self, lab: Lab) -> None:
        """`OS_CLIENT_CONFIG_FILE` names the credentials, OPENSTACK_BASE_PORT the first port of the services on loopback."""
        self._lab = lab
        self._ends = contextlib.ExitStack()
        self.worker = self._ends.enter_context(CloudWorker(CLOUD))
        base = int(os.environ["OPENSTACK_BASE_PORT"])
        self.relay = Relay(lab.folder, (base, base + 1, base + 2))
        self._ends.callback(self.relay.close)
        self._ids: dict[str, str] = {}
        self._enforcer: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._enforcer is not None:
                self._enforcer.kill()
                self._enforcer.wait()
            self.clean()
        finally:
            self._ends.close()

    def call(self, request: Request) -> Json:
        """One call that has to succeed. Raises RuntimeError."""
        (reply,) = self.worker.ask((request,))
        if not 200 <= reply.status < 300:
            raise RuntimeError(f"{request}: HTTP {reply.status} {reply.fault or ''} {reply.detail} {reply.body or ''}")
        return reply.body or {}

    def boot(self) -> None:
        """A server with a port of its own for each host; returns when all are ACTIVE."""
        self.clean()
        self._wait_for_compute()
        network = self.call(requests.list_network("networks", ("name", NETWORK)))["networks"][0]["id"]
        flavor = self.call(Request(Service.COMPUTE, "GET", "/flavors"))["flavors"][0]["id"]
        detail = self.call(Request(Service.COMPUTE, "GET", "/servers/detail"))
        image = detail["servers"][0]["image"]["id"]
        for host in self._lab.hosts.values():
            port: Json = {"network_id": network, "name": f"{host.name}-eth0", "fixed_ips": [{"ip_address": host.address}]}
            made = self.call(Request(Service.NETWORK, "POST", requests.PORTS, body={"port": port}))
            own = self._ids[host.name] = made["port"]["id"]
            server: Json = {"name": host.name, "flavorRef": flavor, "imageRef": image, "networks": [{"port": own}]}
            self.call(Request(Service.COMPUTE, "POST", "/servers", body={"server": server}))
        wait_until("both servers are ACTIVE", lambda: self._states() == {"ACTIVE"}, ACTIVE_S, 0.2)

    def enrol(self) -> None:
        """Hosts get their ports' MAC addresses and the credentials."""
        found = self.ports()
        for host in self._lab.hosts.values():
            host.run(["ip", "link", "set", "eth0", "address", found[host.name].mac])
            host.write(CLOUDS_YAML, Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_bytes(), 0o600)
            self.relay.open(host)

    def plug(self) -> None:
        """The same; and from now on the switch lets through what the ports say."""
        self.enrol()
        pairs = [f"{self._interface(host)}={self._ids[host.name]}" for host in self._lab.hosts.values()]
        argv = [sys.executable, "-m", "standfast.lab.port_security", CLOUD, str(self._lab.switch.pid), *pairs]
        self._enforcer = subprocess.Popen(mortal(argv), stdin=subprocess.DEVNULL)
        wait_until("the switch has the ports' rules", lambda: dropped(self._lab.switch) is not None, RULES_S, 0.1)

    def ports(self) -> dict[str, Port]:
        """The hosts' ports, by the hosts' names."""
        found = {port.id: port for port in model.ports(self.call(requests.list_ports("id", self._ids.values())))}
        return {name: found[own] for name, own in self._ids.items()}

    def vips(self) -> tuple[Port, ...]:
        """The ports that Standfast has made."""
        return model.ports(self.call(requests.list_ports("device_owner", [model.VIP_OWNER])))

    def overwrite_pairs(self, name: str, *ips: str) -> None:
        """Somebody else writes the whole list of a host's port, without If-Match, as Terraform does."""
        body: Json = {"port": {"allowed_address_pairs": [{"ip_address": ip} for ip in ips]}}
        self.call(Request(Service.NETWORK, "PUT", f"{requests.PORTS}/{self._ids[name]}", body=body))

    def forget_vips(self) -> None:
        """No port of ours."""
        for port in self.vips():
            self.call(requests.delete_port(port))

    def clean(self) -> None:
        """No server and port of these hosts, of now or of a run that was killed, and no port of ours."""
        names = tuple(self._lab.hosts)
        for own, _ in model.servers(self.call(requests.list_servers(names))):
            self.call(Request(Service.COMPUTE, "DELETE", f"/servers/{own}"))
        wait_until("the servers are gone", lambda: not model.servers(self.call(requests.list_servers(names))), ACTIVE_S, 0.2)
        named = model.ports(self.call(requests.list_ports("name", [f"{name}-eth0" for name in names])))
        for port in (*named, *self.vips()):
            self.call(requests.delete_port(port))

    @staticmethod
    def _wait_for_compute() -> None:
        """nova-compute says that it lives 5 s after its start for the first time (INITIAL_REPORTING_DELAY): until then the
        scheduler goes by what it said before the lab was last ended, takes it for dead, and every server becomes ERROR."""
        request = Request(Service.COMPUTE, "GET", "/os-services", (("binary", "nova-compute"),))
        with CloudWorker(ADMIN) as worker:

            def is_up() -> bool:
                (reply,) = worker.ask((request,))
                return any(item["state"] == "up" for item in (reply.body or {}).get("services", ()))

            wait_until("nova-compute is up", is_up, ACTIVE_S, 0.2)

    def _states(self) -> set[str]:
        body = self.call(Request(Service.COMPUTE, "GET", "/servers/detail"))
        states = {server["status"] for server in body["servers"] if server["name"] in self._lab.hosts}
        if "ERROR" in states:
            faults = {
                str((server.get("fault") or {}).get("message")) for server in body["servers"] if server["status"] == "ERROR"
            }
            raise RuntimeError(f"Nova could not build a server: {'; '.join(sorted(faults))}")
        return states

    @staticmethod
    def _interface(host: Host) -> str:
        return f"p-{host.name}"[:15]
